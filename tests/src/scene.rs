//! One small pipeline between two servers, as an operator would set it up, for tests of what
//! the program says and how it ends.

use std::fs;
use std::path::Path;
use std::time::Duration;

use otter_server::sandbox::{Flavor, Server};

use crate::otter::{Ended, OtterProcess};
use crate::query::texts;
use crate::testbed;
use crate::wait::wait_until;

/// Far more than anything here takes, even on a loaded machine.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// The password of the account `otter` on both sides; no output may hold it.
pub const PASSWORD: &str = "s3same-0pen";

/// The tables of a scene, the same on both sides.
pub const TABLES: &str = "
    CREATE DATABASE shop CHARACTER SET utf8mb4;
    CREATE TABLE shop.item (id INT PRIMARY KEY, title VARCHAR(40) NOT NULL, price DECIMAL(8,2));
    CREATE TABLE shop.tag (item INT, tag VARCHAR(20), PRIMARY KEY (item, tag))";

/// The account's rights at the source, as docs/operations.md says.
pub const SOURCE_RIGHTS: &str = "
    GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO otter@'%';
    GRANT SELECT ON shop.* TO otter@'%'";

/// The account's rights at the target, as docs/operations.md says.
pub const TARGET_RIGHTS: &str = "
    GRANT SELECT, INSERT, UPDATE, DELETE, TRIGGER ON shop.* TO otter@'%';
    GRANT ALL ON otter.* TO otter@'%'";

/// A source, a target, and the configuration of the pipeline `shop` between them.
#[derive(Debug)]
pub struct Scene {
    /// The source.
    pub source: Server,
    /// The target.
    pub target: Server,
    /// The configuration that the next command gets.
    pub config: String,
    folder: tempfile::TempDir,
}

impl Scene {
    /// Starts two servers of a flavor in the recommended way, with tables and accounts.
    pub async fn start(flavor: Flavor) -> Self {
        let (source, target) = testbed::start_pair((flavor, flavor)).await;
        Self::on(source, target).await
    }

    /// Makes tables and accounts on servers that run already.
    ///
    /// # Panics
    /// Where they cannot be made.
    pub async fn on(source: Server, target: Server) -> Self {
        for (server, rights) in [(&source, SOURCE_RIGHTS), (&target, TARGET_RIGHTS)] {
            testbed::execute(server, TABLES).await;
            let account = format!("CREATE USER otter@'%' IDENTIFIED BY '{PASSWORD}';");
            testbed::execute(server, &format!("{account}{rights}")).await;
        }
        let config = config(&source, &target);
        Self { source, target, config, folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// The folder of the configuration and the state.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Replaces a text of the configuration.
    ///
    /// # Panics
    /// Where the configuration does not hold it.
    pub fn replace(&mut self, text: &str, by: &str) {
        assert!(self.config.contains(text), "{text:?} in:\n{}", self.config);
        self.config = self.config.replace(text, by);
    }

    /// Runs a command on the configuration to its end: `["check"]`, `["run", "--no-wait"]`.
    pub async fn command(&self, arguments: &[&str]) -> Ended {
        self.write_config();
        let mut all = arguments.to_vec();
        all.extend(["-c", "otter.toml"]);
        let ended = OtterProcess::run_to_end(self.folder(), &all, DEADLINE).await;
        assert_clean(&ended);
        ended
    }

    /// Starts `otter-server run` and waits until it follows the source.
    pub async fn run(&self) -> OtterProcess {
        self.write_config();
        let mut otter = OtterProcess::run(self.folder(), &self.config);
        otter.wait_for_log("pipeline running", DEADLINE).await;
        otter
    }

    /// Writes the configuration into the folder.
    ///
    /// # Panics
    /// Where it cannot be written.
    pub fn write_config(&self) {
        let path = self.folder().join("otter.toml");
        fs::write(path, &self.config).expect("the configuration can be written");
    }

    /// Waits until the target holds so many items.
    pub async fn wait_for_items(&self, count: usize) {
        wait_until("the items arrive", DEADLINE, async || self.items().await.len() == count).await;
    }

    /// The items of the target.
    pub async fn items(&self) -> Vec<Vec<String>> {
        texts(&self.target, "SELECT id, title FROM shop.item ORDER BY id").await
    }
}

/// The configuration of the pipeline `shop` between two servers.
#[must_use]
pub fn config(source: &Server, target: &Server) -> String {
    format!(
        "[arbiter]\nlease_ms = 8000\n\n\
         [[databases]]\nname = \"source\"\nurl = \"{}\"\n\
         [[databases]]\nname = \"target\"\nurl = \"{}\"\n\n\
         [[channels]]\nname = \"shop\"\n\
         [[channels.pipelines]]\nname = \"shop\"\nfrom = \"source\"\nto = \"target\"\n\
         start = \"now\"\ntables = [ {{ from = \"shop.*\" }} ]\n",
        source.url_as("otter", PASSWORD),
        target.url_as("otter", PASSWORD)
    )
}

/// Asserts that a program ended without a panic, a backtrace or a secret.
///
/// # Panics
/// Where it did not.
pub fn assert_clean(ended: &Ended) {
    for text in [&ended.stdout, &ended.stderr] {
        for never in ["panicked", "RUST_BACKTRACE", "a fault of its own", PASSWORD] {
            assert!(!text.contains(never), "{never:?} in:\n{text}");
        }
    }
}

/// Asserts an exit code and that one line of the error output names all of these.
///
/// # Panics
/// Where it is otherwise.
pub fn assert_told(ended: &Ended, code: i32, texts: &[&str]) {
    let Ended { stdout, stderr, .. } = ended;
    assert_eq!(ended.code, Some(code), "{stdout}{stderr}");
    let errors: Vec<&str> =
        stderr.lines().filter(|line| line.contains("ERROR") || line.contains("error:")).collect();
    let [error] = errors.as_slice() else { panic!("one error was expected:\n{stdout}{stderr}") };
    for text in texts {
        assert!(error.contains(text), "{text:?} in: {error}");
    }
}

/// Asserts that `check` fails with a finding that names all of these in its line or its remedy.
///
/// # Panics
/// Where it does not.
pub fn assert_found(ended: &Ended, texts: &[&str]) {
    let Ended { stdout, stderr, .. } = ended;
    assert_eq!(ended.code, Some(1), "{stdout}{stderr}");
    // A finding is a line that begins with its verdict, and the lines of its remedy below.
    let mut findings: Vec<String> = Vec::new();
    for line in stdout.lines() {
        match findings.last_mut() {
            Some(finding) if line.starts_with("          ") => finding.push_str(line),
            _ => findings.push(line.to_owned()),
        }
    }
    let found = findings.iter().any(|finding| {
        finding.starts_with("  fail") && texts.iter().all(|text| finding.contains(text))
    });
    assert!(found, "no failing finding names {texts:?}:\n{stdout}{stderr}");
}
