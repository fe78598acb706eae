//! Bad input through the real program: each case gets one clear message that names the thing and
//! the remedy, a non-zero exit code, no panic, and nothing half done; and `check` names each that
//! can be known before.
#![allow(
    clippy::large_futures,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::process::Command;

use otter_server::sandbox::{Flavor, Server};
use otter_tests::otter::{Ended, program};
use otter_tests::query::{number, texts};
use otter_tests::scene::{DEADLINE, PASSWORD, Scene, assert_clean, assert_found, assert_told};
use otter_tests::testbed::{FLAVORS, execute, mariadb, mysql, server, start_pair};
use otter_tests::wait::wait_until;

const HALTED: i32 = 3;
const USAGE: i32 = 2;
const HELD: i32 = 5;

/// `check` and `run` both name these, `run` halts, and the target is as it was.
async fn assert_refused(scene: &Scene, texts: &[&str]) {
    assert_found(&scene.command(&["check"]).await, texts);
    assert_told(&scene.command(&["run"]).await, HALTED, texts);
    assert_untouched(&scene.target).await;
}

/// Nobody has written to the target.
async fn assert_untouched(target: &Server) {
    let schemas = "SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = 'otter'";
    assert_eq!(number(target, schemas).await, 0, "nothing was begun");
    assert_eq!(number(target, "SELECT COUNT(*) FROM shop.item").await, 0);
}

/// A started pipeline meets `statement` at the source: it halts with a message that names these,
/// keeps what came before and applies nothing of it or behind it.
async fn assert_halts_at(scene: &Scene, statement: &str, texts: &[&str]) -> String {
    let mut otter = scene.run().await;
    execute(&scene.source, "INSERT INTO shop.item VALUES (1, 'first', 1)").await;
    scene.wait_for_items(1).await;
    execute(&scene.source, statement).await;
    execute(&scene.source, "INSERT INTO shop.item VALUES (99, 'behind', 1)").await;
    let code = otter.wait_for_exit(DEADLINE).await;
    let ended = Ended { code, stdout: String::new(), stderr: otter.log() };
    assert_clean(&ended);
    assert_told(&ended, HALTED, texts);
    assert_eq!(scene.items().await, [["1", "first"]]);
    // It meets the same again, and still nothing is half done.
    assert_told(&scene.command(&["run"]).await, HALTED, texts);
    assert_eq!(scene.items().await, [["1", "first"]]);
    ended.stderr
}

#[tokio::test]
async fn a_wrong_password_is_told_with_the_account() {
    for flavor in FLAVORS {
        let scene = Scene::start(flavor).await;
        for (name, server) in [("source", &scene.source), ("target", &scene.target)] {
            let mut scene_config = scene.config.clone();
            let good = server.url_as("otter", PASSWORD);
            scene_config = scene_config.replace(&good, &server.url_as("otter", "wrong-0ne"));
            let ended = with_config(&scene, &scene_config, &["check"]).await;
            assert_found(&ended, &[name, "let", "otter", "password"]);
            let ended = with_config(&scene, &scene_config, &["run"]).await;
            assert_told(&ended, HALTED, &["let", "otter", "password"]);
            assert!(!ended.stderr.contains("wrong-0ne"), "{}", ended.stderr);
        }
        assert_untouched(&scene.target).await;
    }
}

async fn with_config(scene: &Scene, config: &str, arguments: &[&str]) -> Ended {
    std::fs::write(scene.folder().join("other.toml"), config).unwrap();
    let mut all = arguments.to_vec();
    all.extend(["-c", "other.toml"]);
    let ended = otter_tests::otter::OtterProcess::run_to_end(scene.folder(), &all, DEADLINE).await;
    assert_clean(&ended);
    ended
}

#[tokio::test]
async fn a_host_or_port_that_does_not_answer_is_told_with_its_address() {
    let scene = Scene::start(Flavor::MariaDb).await;
    for server in [&scene.source, &scene.target] {
        let address = format!("127.0.0.1:{}", server.port());
        // Port 1 belongs to a service that nobody runs.
        let config = scene.config.replace(&address, "127.0.0.1:1");
        assert_found(&with_config(&scene, &config, &["check"]).await, &["127.0.0.1:1"]);
        let ended = with_config(&scene, &config, &["run"]).await;
        assert_told(&ended, HALTED, &["127.0.0.1:1", "check host and port"]);

        let config = scene.config.replace(&address, "db.invalid");
        assert_found(&with_config(&scene, &config, &["check"]).await, &["db.invalid"]);
        let ended = with_config(&scene, &config, &["run"]).await;
        assert_told(&ended, HALTED, &["db.invalid", "check"]);
    }
    assert_untouched(&scene.target).await;
}

#[tokio::test]
async fn a_certificate_that_does_not_verify_is_told_with_the_ways_out() {
    let scene = Scene::start(Flavor::MySql).await;
    for server in [&scene.source, &scene.target] {
        let good = server.url_as("otter", PASSWORD);
        let own_ca = server.data_dir().join("ca.pem");
        for (parameters, texts) in [
            ("ssl-mode=verify-ca".to_owned(), ["certificate", "ssl-ca"]),
            (
                format!("ssl-mode=verify-identity&ssl-ca={}", own_ca.display()),
                ["127.0.0.1", "name"],
            ),
        ] {
            let config = scene.config.replace(&good, &format!("{good}/?{parameters}"));
            assert_found(&with_config(&scene, &config, &["check"]).await, &texts);
            assert_told(&with_config(&scene, &config, &["run"]).await, HALTED, &texts);
        }
    }
    assert_untouched(&scene.target).await;
}

#[tokio::test]
async fn a_missing_right_is_told_with_its_grant() {
    for flavor in FLAVORS {
        let scene = Scene::start(flavor).await;
        execute(&scene.source, "REVOKE REPLICATION SLAVE ON *.* FROM otter@'%'").await;
        assert_refused(&scene, &["GRANT REPLICATION SLAVE", "ON *.* TO"]).await;
    }
}

#[tokio::test]
async fn a_source_without_a_binlog_is_told_with_the_setting() {
    for flavor in FLAVORS {
        let (source, target) = tokio::join!(
            server(flavor).with(otter_server::sandbox::ServerOptions::without_binlog).start(),
            server(flavor).start()
        );
        let scene = Scene::on(source, target).await;
        assert_refused(&scene, &["log_bin"]).await;
    }
}

#[tokio::test]
async fn a_binlog_format_other_than_row_is_told_with_its_statement() {
    for format in ["STATEMENT", "MIXED"] {
        let (source, target) = tokio::join!(
            mariadb().source().arg(format!("--binlog-format={format}")).start(),
            mariadb().start()
        );
        let scene = Scene::on(source, target).await;
        assert_refused(&scene, &[format, "SET GLOBAL binlog_format = ROW"]).await;
    }
}

#[tokio::test]
async fn a_statement_in_the_middle_of_the_binlog_halts_the_pipeline() {
    for flavor in FLAVORS {
        let scene = Scene::start(flavor).await;
        let log = assert_halts_at(
            &scene,
            "SET SESSION binlog_format = 'STATEMENT'; INSERT INTO shop.item VALUES (2, 'secret', 2)",
            &["statement", "binlog_format"],
        )
        .await;
        assert!(!log.contains("secret"), "{log}");
    }
}

#[tokio::test]
async fn row_images_that_are_not_full_are_told_with_the_statement() {
    for flavor in FLAVORS {
        let (source, target) = tokio::join!(
            server(flavor).source().arg("--binlog-row-image=MINIMAL").start(),
            server(flavor).start()
        );
        let scene = Scene::on(source, target).await;
        assert_refused(&scene, &["MINIMAL", "SET GLOBAL binlog_row_image = FULL"]).await;
    }
}

#[tokio::test]
async fn a_row_image_in_the_middle_that_tells_too_little_halts_the_pipeline() {
    for flavor in FLAVORS {
        let scene = Scene::start(flavor).await;
        // Only the target lacks the key that tells the rows apart.
        execute(&scene.target, "ALTER TABLE shop.item DROP PRIMARY KEY").await;
        assert_halts_at(
            &scene,
            "SET SESSION binlog_row_image = 'MINIMAL'; UPDATE shop.item SET price = 2 WHERE id = 1",
            &["shop.item", "binlog_row_image"],
        )
        .await;
    }
}

#[tokio::test]
async fn a_missing_target_table_or_column_is_told_by_name() {
    for flavor in FLAVORS {
        let scene = Scene::start(flavor).await;
        execute(&scene.target, "ALTER TABLE shop.item DROP COLUMN price").await;
        assert_refused(&scene, &["shop.item", "price"]).await;
        execute(&scene.target, "ALTER TABLE shop.item ADD COLUMN price DECIMAL(8,2)").await;
        execute(&scene.target, "DROP TABLE shop.tag").await;
        assert_refused(&scene, &["shop.tag"]).await;
    }
}

#[tokio::test]
async fn a_trigger_at_the_target_that_writes_is_told_with_its_drop() {
    for flavor in FLAVORS {
        let scene = Scene::start(flavor).await;
        execute(
            &scene.target,
            "CREATE TRIGGER shop.item_count AFTER INSERT ON shop.item FOR EACH ROW \
             INSERT INTO shop.tag VALUES (NEW.id, 'new')",
        )
        .await;
        assert_refused(&scene, &["item_count", "DROP TRIGGER"]).await;
    }
}

#[tokio::test]
async fn a_target_table_without_transactions_is_told_with_its_alter() {
    let scene = Scene::start(Flavor::MariaDb).await;
    execute(&scene.target, "ALTER TABLE shop.item ENGINE = MyISAM").await;
    assert_refused(&scene, &["shop", "item", "ENGINE"]).await;
}

#[tokio::test]
async fn a_value_that_does_not_fit_is_told_by_table_and_column_but_never_shown() {
    for flavor in FLAVORS {
        let scene = Scene::start(flavor).await;
        execute(&scene.target, "ALTER TABLE shop.item MODIFY title VARCHAR(6) NOT NULL").await;
        let ended = scene.command(&["check"]).await;
        assert!(ended.stdout.contains("title is varchar(6)"), "{}", ended.stdout);
        let log = assert_halts_at(
            &scene,
            "INSERT INTO shop.item VALUES (2, 'much too long', 2)",
            &["shop.item", "title"],
        )
        .await;
        assert!(!log.contains("much too long"), "{log}");
    }
}

#[tokio::test]
async fn a_purged_binlog_is_told_before_and_at_the_start() {
    for flavor in FLAVORS {
        let scene = Scene::start(flavor).await;
        run_once(&scene).await;
        execute(&scene.source, "INSERT INTO shop.item VALUES (2, 'lost', 2)").await;
        purge(&scene.source).await;
        assert_found(&scene.command(&["check"]).await, &["purged"]);
        assert_told(&scene.command(&["run"]).await, HALTED, &["purged"]);
        assert_eq!(scene.items().await, [["1", "first"]]);
    }
}

/// Lets the pipeline apply one row, so that there is a checkpoint.
async fn run_once(scene: &Scene) {
    let mut otter = scene.run().await;
    execute(&scene.source, "INSERT INTO shop.item VALUES (1, 'first', 1)").await;
    scene.wait_for_items(1).await;
    otter.terminate_and_expect_success(DEADLINE).await;
}

/// Leaves the source only its newest binlog.
async fn purge(source: &Server) {
    execute(source, "FLUSH BINARY LOGS").await;
    // A server keeps what a dump reads, and takes a while to notice that its reader has gone.
    wait_until("the source has purged its old binlogs", DEADLINE, async || {
        let files = texts(source, "SHOW BINARY LOGS").await;
        let newest = files.last().unwrap().first().unwrap().clone();
        execute(source, &format!("PURGE BINARY LOGS TO '{newest}'")).await;
        files.len() == 1
    })
    .await;
}

#[tokio::test]
async fn a_source_that_was_reset_is_told_before_and_at_the_start() {
    for flavor in FLAVORS {
        let scene = Scene::start(flavor).await;
        run_once(&scene).await;
        let reset = match flavor {
            Flavor::MariaDb => "RESET MASTER",
            Flavor::MySql => "RESET BINARY LOGS AND GTIDS",
        };
        execute(&scene.source, reset).await;
        execute(&scene.source, "INSERT INTO shop.item VALUES (2, 'second', 2)").await;
        let ended = scene.command(&["check"]).await;
        assert_found(&ended, &["start"]);
        assert_told(&scene.command(&["run"]).await, HALTED, &["source"]);
        assert_eq!(scene.items().await, [["1", "first"]]);
    }
}

#[tokio::test]
async fn a_source_that_was_replaced_by_another_server_is_told() {
    for flavor in FLAVORS {
        let mut scene = Scene::start(flavor).await;
        run_once(&scene).await;
        let (other, spare) = start_pair((flavor, flavor)).await;
        let other = Scene::on(other, spare).await;
        execute(&other.source, "INSERT INTO shop.item VALUES (7, 'other', 7)").await;
        let (old, new) = (scene.source.port().to_string(), other.source.port().to_string());
        scene.replace(&format!(":{old}"), &format!(":{new}"));
        assert_found(&scene.command(&["check"]).await, &["start"]);
        assert_told(&scene.command(&["run"]).await, HALTED, &["source"]);
        assert_eq!(scene.items().await, [["1", "first"]]);
    }
}

#[tokio::test]
async fn a_configuration_that_cannot_be_used_is_told_with_its_line() {
    let scene = Scene::start(Flavor::MariaDb).await;
    let typo = scene.config.replace("tables =", "tabels =");
    let variable = scene.config.replace(PASSWORD, "${OTTER_NO_SUCH_VARIABLE}");
    for (config, texts) in [
        (typo, ["other.toml, line 18: unknown key `tabels`", "did you mean `tables`?"]),
        (variable, ["other.toml, line 6:", "OTTER_NO_SUCH_VARIABLE, which is not set"]),
    ] {
        for command in ["check", "run"] {
            assert_told(&with_config(&scene, &config, &[command]).await, USAGE, &texts);
        }
    }
    assert_untouched(&scene.target).await;
}

#[tokio::test]
async fn a_second_process_of_a_pipeline_waits_for_the_first_or_says_who_holds_it() {
    let scene = Scene::start(Flavor::MariaDb).await;
    let mut first = scene.run().await;
    let holder = format!("process {}", first.id());
    let refused = scene.command(&["run", "--no-wait"]).await;
    assert_told(&refused, HELD, &["shop", "held by another process", &holder]);
    let checked = scene.command(&["check"]).await;
    assert_eq!(checked.code, Some(0), "a running pipeline is no fault:\n{}", checked.stdout);
    assert!(checked.stdout.contains(&holder), "{}", checked.stdout);

    let mut second =
        otter_tests::otter::OtterProcess::start(scene.folder(), &["run", "-c", "otter.toml"]);
    let line = second.wait_for_log("side is held; waiting", DEADLINE).await;
    assert!(line.contains(&holder), "{line}");
    first.terminate_and_expect_success(DEADLINE).await;
    second.wait_for_log("pipeline running", DEADLINE).await;
    execute(&scene.source, "INSERT INTO shop.item VALUES (1, 'first', 1)").await;
    scene.wait_for_items(1).await;
    second.terminate_and_expect_success(DEADLINE).await;
}

#[tokio::test]
async fn a_full_disk_under_the_state_folder_is_told_with_its_path() {
    let scene = Scene::start(Flavor::MariaDb).await;
    scene.write_config();
    for (command, code, texts) in [
        ("check", 1, ["otter-state", "space"]),
        ("run", HALTED, ["otter-state", "no space is left"]),
    ] {
        let ended = on_a_full_disk(&scene, command);
        assert_clean(&ended);
        if command == "check" {
            assert_found(&ended, &texts);
        } else {
            assert_told(&ended, code, &texts);
        }
    }
    assert_untouched(&scene.target).await;
}

/// Runs a command with a state folder on a file system of one page that is full, in a mount
/// namespace of its own.
fn on_a_full_disk(scene: &Scene, command: &str) -> Ended {
    let script = format!(
        "mkdir -p otter-state && mount -t tmpfs -o size=4k none otter-state && \
         head -c 4096 /dev/zero > otter-state/ballast && exec '{}' {command} -c otter.toml",
        program().display()
    );
    let is_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    let namespace: &[&str] = if is_root { &["--mount"] } else { &["--map-root-user", "--mount"] };
    let output = Command::new("unshare")
        .args(namespace)
        .args(["sh", "-c", &script])
        .current_dir(scene.folder())
        .output()
        .unwrap();
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[tokio::test]
async fn the_binlog_of_mysql_without_gtids_works_by_file_positions() {
    let (source, target) = tokio::join!(
        mysql().source().arg("--gtid-mode=OFF").arg("--enforce-gtid-consistency=OFF").start(),
        mysql().start()
    );
    let scene = Scene::on(source, target).await;
    run_once(&scene).await;
    execute(&scene.source, "INSERT INTO shop.item VALUES (2, 'lost', 2)").await;
    purge(&scene.source).await;
    assert_found(&scene.command(&["check"]).await, &["purged"]);
    assert_told(&scene.command(&["run"]).await, HALTED, &["purged"]);
}
