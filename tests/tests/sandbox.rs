//! The sandbox servers themselves: a testbed that lies makes every test lie.
#![allow(
    clippy::large_futures,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use otter_server::sandbox::{Flavor, SandboxError, Server, ServerOptions};
use otter_tests::query::{number, text};
use otter_tests::testbed::{self, FLAVORS, execute};
use otter_tests::wait::wait_until;

/// Far more than anything here takes, even on a loaded machine.
const DEADLINE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn both_flavors_start_and_are_what_they_say() {
    let (mariadb, mysql) = testbed::start_pair((Flavor::MariaDb, Flavor::MySql)).await;
    let said = text(&mariadb, "SELECT VERSION()").await;
    assert!(said.contains("MariaDB"), "{said}");
    assert_eq!(mariadb.flavor(), Flavor::MariaDb);
    let said = text(&mysql, "SELECT VERSION()").await;
    assert!(!said.contains("MariaDB"), "{said}");
    assert!(mysql.version().starts_with(&said) || said.starts_with(mysql.version()), "{said}");
    for server in [&mariadb, &mysql] {
        assert_eq!(number(server, "SELECT @@server_id").await, u64::from(server.server_id()));
        assert_eq!(number(server, "SELECT @@log_bin").await, 1);
        assert_eq!(text(server, "SELECT @@binlog_format").await, "ROW");
    }
    assert_eq!(text(&mariadb, "SELECT @@binlog_row_metadata").await, "FULL", "the source");
    assert_eq!(text(&mysql, "SELECT @@binlog_row_metadata").await, "MINIMAL", "the target");
}

#[tokio::test]
async fn the_tools_that_came_with_a_server_are_found() {
    let (mariadb, mysql) = testbed::start_pair((Flavor::MariaDb, Flavor::MySql)).await;
    for (server, name) in [(&mariadb, "mariadb-binlog"), (&mysql, "mysqlbinlog")] {
        let program = server.companion(name).unwrap();
        let output = Command::new(program).args(["--no-defaults", "--version"]).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains(name), "{said}");
    }
    assert_eq!(mysql.companion("no-such-tool"), None);
}

#[tokio::test]
async fn a_new_server_has_an_empty_history_and_an_identity_of_its_own() {
    let one = testbed::mysql().start();
    let (one, two) = tokio::join!(one, testbed::mysql().start());
    let uuid = "SELECT @@server_uuid";
    assert_ne!(text(&one, uuid).await, text(&two, uuid).await);
    assert_eq!(text(&one, "SELECT @@gtid_executed").await, "");
    let mariadb = testbed::mariadb().start().await;
    assert_eq!(text(&mariadb, "SELECT @@gtid_current_pos").await, "");
}

#[tokio::test]
async fn a_killed_server_comes_back_with_its_data_on_its_port() {
    for flavor in FLAVORS {
        let mut server = testbed::server(flavor).start().await;
        let port = server.port();
        execute(&server, "CREATE DATABASE shop; CREATE TABLE shop.item (id INT PRIMARY KEY)").await;
        execute(&server, "INSERT INTO shop.item VALUES (1), (2)").await;
        server.kill9().unwrap();
        assert!(server.connect().await.is_err(), "{flavor} is down");
        assert_eq!(server.pid(), None);
        server.start_again().await.unwrap();
        assert_eq!(server.port(), port);
        assert_eq!(number(&server, "SELECT COUNT(*) FROM shop.item").await, 2, "{flavor}");
    }
}

#[tokio::test]
async fn a_restarted_server_takes_its_new_options() {
    for flavor in FLAVORS {
        let mut server = testbed::server(flavor).start().await;
        server.set_options(|options| options.arg("--max-connections=77"));
        server.restart().await.unwrap();
        assert_eq!(number(&server, "SELECT @@max_connections").await, 77, "{flavor}");
    }
}

#[tokio::test]
async fn a_frozen_server_answers_again_when_it_is_resumed() {
    for flavor in FLAVORS {
        let server = testbed::server(flavor).start().await;
        server.pause().unwrap();
        let silent = tokio::time::timeout(Duration::from_millis(300), server.connect()).await;
        assert!(silent.is_err(), "{flavor} does not answer while it is frozen");
        server.resume().unwrap();
        assert_eq!(number(&server, "SELECT 1").await, 1, "{flavor}");
    }
}

#[tokio::test]
async fn a_dropped_server_leaves_neither_a_port_nor_a_folder() {
    for flavor in FLAVORS {
        let server = testbed::server(flavor).start().await;
        let (port, folder) = (server.port(), server.data_dir());
        drop(server);
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "{flavor}");
        assert!(!folder.exists(), "{flavor}");
    }
}

#[tokio::test]
async fn root_has_the_password_that_was_asked_for_and_no_other() {
    for flavor in FLAVORS {
        let options = ServerOptions::new(flavor, 1).fast().root_password("it's \\ odd");
        let server = Server::start(options).await.unwrap();
        assert_eq!(number(&server, "SELECT 1").await, 1);
        assert_refused(&server, "").await;
        let server = Server::start(ServerOptions::new(flavor, 1).fast()).await.unwrap();
        assert_eq!(server.root_password().len(), 32, "a random one");
        assert_refused(&server, "").await;
    }
}

async fn assert_refused(server: &Server, password: &str) {
    use sqlx::ConnectOptions;
    let answer = server.connect_options().password(password).connect().await;
    assert!(matches!(answer, Err(sqlx::Error::Database(_))), "{}", server.flavor());
}

#[tokio::test]
async fn an_option_that_the_server_does_not_know_is_shown_with_its_log() {
    for flavor in FLAVORS {
        let options = ServerOptions::new(flavor, 1).arg("--no-such-option=1");
        let error = Server::start(options).await.unwrap_err();
        assert!(matches!(error, SandboxError::Died { .. }), "{error}");
        assert!(error.to_string().contains("no-such-option"), "{error}");
    }
}

/// A process of its own that owns one server, as a demo or a test does.
struct Owner {
    process: Child,
    port: u16,
    folder: PathBuf,
}

impl Owner {
    fn start(flavor: Flavor) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_sandbox"))
            .arg(flavor.name())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut line = || lines.next().unwrap().unwrap();
        let (url, _pid, folder) = (line(), line(), line());
        let (_, port) = url.rsplit_once(':').unwrap();
        Self { process, port: port.parse().unwrap(), folder: PathBuf::from(folder) }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[tokio::test]
async fn a_server_dies_with_its_killed_owner_and_the_next_one_removes_its_data() {
    for flavor in FLAVORS {
        let owner = Owner::start(flavor);
        let (port, folder) = (owner.port, owner.folder.clone());
        assert!(TcpStream::connect(("127.0.0.1", port)).is_ok(), "{flavor} runs");
        drop(owner);
        wait_until("the server dies with its owner", DEADLINE, async || {
            TcpStream::connect(("127.0.0.1", port)).is_err()
        })
        .await;
        assert!(folder.exists(), "nobody was left to remove it");
        let next = Owner::start(flavor);
        assert!(!folder.exists(), "{flavor}: the next owner removed it");
        assert!(next.folder.exists());
    }
}
