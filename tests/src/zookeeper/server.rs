//! One server of ZooKeeper: its folder, its process, and what it says of itself.

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use otter_server::sandbox::{ChildProcess, Folder, ReservedPort, reserve_port};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

/// A Java starts in a second; a loaded machine takes its time.
pub(super) const DEADLINE: Duration = Duration::from_secs(60);
/// Often enough that a wait ends soon after the server serves.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);
/// A server that serves answers in milliseconds.
const ANSWER: Duration = Duration::from_secs(2);
/// Where Debian puts the libraries of Java.
const CLASS_PATH: &str = "/usr/share/java/*";
const MAIN: &str = "org.apache.zookeeper.server.quorum.QuorumPeerMain";

#[derive(Debug)]
pub(super) struct Server {
    // Before the folder, so that the process is gone when the folder goes.
    pub(super) process: Option<ChildProcess>,
    pub(super) client: ReservedPort,
    pub(super) peer: ReservedPort,
    pub(super) election: ReservedPort,
    pub(super) secure: ReservedPort,
    /// More arguments for Java.
    pub(super) java: Vec<String>,
    pub(super) folder: Folder,
}

impl Server {
    pub(super) fn new() -> Self {
        let port = || reserve_port().expect("a free port");
        let folder = Folder::create().expect("a temporary folder");
        Self {
            process: None,
            client: port(),
            peer: port(),
            election: port(),
            secure: port(),
            java: Vec::new(),
            folder,
        }
    }

    pub(super) fn port(&self) -> u16 {
        self.client.number()
    }

    pub(super) fn peer_line((server, number): (&Self, usize)) -> String {
        let (peer, election) = (server.peer.number(), server.election.number());
        format!("server.{number}=127.0.0.1:{peer}:{election}\n")
    }

    pub(super) fn configure(&self, number: usize, more: &str) {
        let folder = self.folder.path();
        let port = self.port();
        let config = format!(
            "tickTime=500\ninitLimit=20\nsyncLimit=10\ndataDir={}\nclientPortAddress=127.0.0.1\n\
             clientPort={port}\nmaxClientCnxns=0\nmaxSessionTimeout=120000\n\
             admin.enableServer=false\n4lw.commands.whitelist=srvr,mntr\n{more}",
            folder.display(),
        );
        fs::write(folder.join("zoo.cfg"), config).expect("the configuration can be written");
        fs::write(folder.join("myid"), number.to_string()).expect("the id can be written");
    }

    pub(super) fn spawn(&mut self) {
        let folder = self.folder.path();
        let log = OpenOptions::new().create(true).append(true).open(folder.join("log"));
        let log = log.expect("the log can be written");
        let errors = log.try_clone().expect("the log can be opened twice");
        let process = ChildProcess::spawn(Path::new("java"), |command| {
            // Small and soon up; nothing waits for the disk.
            command.args(["-Xmx96m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
            command.args(&self.java);
            command.args(["-Dzookeeper.forceSync=no", "-cp", CLASS_PATH, MAIN, "zoo.cfg"]);
            command.current_dir(folder).stdin(Stdio::null()).stdout(log).stderr(errors);
        });
        let process = process.expect("java is there: run scripts/install zookeeper");
        self.process = Some(process);
    }

    /// What the server says about itself; `None` where it does not answer. One that is just
    /// starting may take a question and never answer it.
    pub(super) async fn state(&self) -> Option<String> {
        self.tell("srvr").await
    }

    /// The answer to a word of four letters; `None` where there is none.
    pub(super) async fn tell(&self, word: &str) -> Option<String> {
        timeout(ANSWER, self.ask(word)).await.ok().flatten()
    }

    async fn ask(&self, word: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port())).await.ok()?;
        stream.write_all(word.as_bytes()).await.ok()?;
        let mut state = String::new();
        stream.read_to_string(&mut state).await.ok()?;
        Some(state)
    }

    pub(super) async fn wait_until_it_serves(&self) {
        let deadline = Instant::now() + DEADLINE;
        while !self.state().await.is_some_and(|state| state.contains("Mode: ")) {
            assert!(Instant::now() < deadline, "ZooKeeper does not serve:\n{}", self.log());
            sleep(BETWEEN_LOOKS).await;
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}
