//! The `otter-server` program as a process: started, watched through its log,
//! killed, frozen, asked to stop.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use otter_server::sandbox::ChildProcess;
use tokio::time::Instant;

use crate::wait::wait_for;

/// How much of a log a failed test shows.
const SHOWN_LINES: usize = 40;

/// A running `otter-server`, killed when this is dropped.
#[derive(Debug)]
pub struct OtterProcess {
    process: ChildProcess,
    log: PathBuf,
    // Where in the log this process begins; earlier lines are its predecessors'.
    log_start: usize,
}

/// How a run of `otter-server` ended that ends by itself.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// What it printed on its standard output.
    pub stdout: String,
    /// What it printed on its standard error.
    pub stderr: String,
}

impl OtterProcess {
    /// Writes the configuration `otter.toml` into the folder and starts
    /// `otter-server run` on it, in that folder.
    ///
    /// # Panics
    /// Where it cannot be started.
    #[must_use]
    pub fn run(folder: &Path, config: &str) -> Self {
        let path = folder.join("otter.toml");
        fs::write(&path, config).expect("the configuration can be written");
        Self::start(folder, &["run", "--config", "otter.toml"])
    }

    /// Starts `otter-server` with these arguments in this folder. What it prints
    /// is appended to `otter.log` there.
    ///
    /// # Panics
    /// Where it cannot be started.
    #[must_use]
    pub fn start(folder: &Path, arguments: &[&str]) -> Self {
        let log = folder.join("otter.log");
        let file = OpenOptions::new().create(true).append(true).open(&log);
        let file = file.expect("the log can be written");
        let errors = file.try_clone().expect("the log can be opened twice");
        let log_start = fs::read(&log).expect("the log can be read").len();
        let process = ChildProcess::spawn(&program(), |command| {
            command.args(arguments).current_dir(folder).stdin(Stdio::null());
            command.stdout(file).stderr(errors);
        });
        let process = process.expect("otter-server can be started");
        Self { process, log, log_start }
    }

    /// Runs `otter-server` with these arguments to its end.
    ///
    /// # Panics
    /// Where it cannot be started or does not end within `deadline`.
    pub async fn run_to_end(folder: &Path, arguments: &[&str], deadline: Duration) -> Ended {
        let (out, err) = (tempfile::tempfile(), tempfile::tempfile());
        let (out, err) = (out.expect("a temporary file"), err.expect("a temporary file"));
        let streams =
            (out.try_clone().expect("a second handle"), err.try_clone().expect("a second handle"));
        let process = ChildProcess::spawn(&program(), |command| {
            command.args(arguments).current_dir(folder).stdin(Stdio::null());
            command.stdout(streams.0).stderr(streams.1);
        });
        let mut process = process.expect("otter-server can be started");
        let ended = process.wait_until(Instant::now() + deadline).await;
        let status = ended.expect("the process can be watched");
        let (stdout, stderr) = (content(out), content(err));
        let Some(status) = status else {
            panic!("otter-server {arguments:?} runs longer than {deadline:?}:\n{stdout}{stderr}")
        };
        Ended { code: status.code(), stdout, stderr }
    }

    /// Returns the number of the process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Returns what this process has logged so far.
    ///
    /// # Panics
    /// Where the log cannot be read.
    #[must_use]
    pub fn log(&self) -> String {
        let log = fs::read(&self.log).expect("the log can be read");
        String::from_utf8_lossy(log.get(self.log_start..).unwrap_or_default()).into_owned()
    }

    /// Waits until the process has logged a line with this text, and returns it.
    ///
    /// # Panics
    /// Where it has not within `deadline`, or has ended; with the end of its log.
    pub async fn wait_for_log(&mut self, text: &str, deadline: Duration) -> String {
        let began = Instant::now();
        wait_for(text, deadline + Duration::from_secs(1), async || {
            let ended = self.process.ended().expect("the process can be watched");
            // Read after the look at the process: what it logged last is there then.
            let log = self.log();
            if let Some(line) = log.lines().find(|line| line.contains(text)) {
                return Some(line.to_owned());
            }
            let late = began.elapsed() >= deadline;
            assert!(ended.is_none() && !late, "{text:?} was not logged:\n{}", tail(&log));
            None
        })
        .await
    }

    /// Asserts that the process has not ended.
    ///
    /// # Panics
    /// Where it has; with the end of its log.
    pub fn assert_runs(&mut self) {
        let ended = self.process.ended().expect("the process can be watched");
        assert!(ended.is_none(), "otter-server ended ({ended:?}):\n{}", tail(&self.log()));
    }

    /// Returns the exit code if the process has ended, without waiting for it.
    ///
    /// # Panics
    /// Where it was ended by a signal.
    pub fn exit_code(&mut self) -> Option<i32> {
        let ended = self.process.ended().expect("the process can be watched")?;
        Some(ended.code().unwrap_or_else(|| panic!("a signal ended it:\n{}", tail(&self.log()))))
    }

    /// Kills the process (SIGKILL) and waits until it is gone.
    ///
    /// # Panics
    /// Where it cannot be killed.
    pub fn kill9(&mut self) {
        self.process.kill9().expect("the process can be killed");
    }

    /// Freezes the process (SIGSTOP): its connections and locks stay.
    ///
    /// # Panics
    /// Where it cannot be frozen.
    pub fn pause(&self) {
        self.process.pause().expect("the process can be frozen");
    }

    /// Lets a frozen process go on (SIGCONT).
    ///
    /// # Panics
    /// Where it cannot.
    pub fn resume(&self) {
        self.process.resume().expect("the process can be resumed");
    }

    /// Asks the process to end (SIGTERM) and returns its exit code.
    ///
    /// # Panics
    /// Where it does not end within `deadline`, or by a signal.
    pub async fn terminate(&mut self, deadline: Duration) -> i32 {
        self.process.terminate().expect("the process can be asked to end");
        let code = self.wait_for_exit(deadline).await;
        code.unwrap_or_else(|| panic!("a signal ended otter-server:\n{}", tail(&self.log())))
    }

    /// Asks the process to end, and asserts that it does so with exit code 0.
    ///
    /// # Panics
    /// Where it does not within `deadline`; with the end of its log.
    pub async fn terminate_and_expect_success(&mut self, deadline: Duration) {
        let code = self.terminate(deadline).await;
        assert_eq!(code, 0, "the exit code; the log:\n{}", tail(&self.log()));
    }

    /// Waits until the process ends by itself and returns its exit code; `None`
    /// where a signal ended it.
    ///
    /// # Panics
    /// Where it does not within `deadline`; with the end of its log.
    pub async fn wait_for_exit(&mut self, deadline: Duration) -> Option<i32> {
        let ended = self.process.wait_until(Instant::now() + deadline).await;
        let Some(status) = ended.expect("the process can be watched") else {
            panic!("otter-server does not end within {deadline:?}:\n{}", tail(&self.log()))
        };
        status.code()
    }

    /// Returns the most memory that the process has held so far, in KiB.
    ///
    /// # Panics
    /// Where the process has ended, or the system is not Linux.
    #[must_use]
    pub fn peak_memory_kib(&self) -> u64 {
        let path = format!("/proc/{}/status", self.id());
        let status = fs::read_to_string(path).expect("Linux tells about a running process");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = peak.and_then(|text| text.trim().strip_suffix(" kB")?.parse().ok());
        kib.expect("VmHWM is a number of kB")
    }
}

fn content(mut file: File) -> String {
    use std::io::{Read, Seek};
    let mut bytes = Vec::new();
    file.rewind().expect("a temporary file can be read from its start");
    file.read_to_end(&mut bytes).expect("a temporary file can be read");
    String::from_utf8_lossy(&bytes).into_owned()
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    let first = lines.len().saturating_sub(SHOWN_LINES);
    lines.get(first..).unwrap_or_default().join("\n")
}

/// Finds `otter-server` where cargo puts it: beside this program, or above the
/// `deps` folder that holds test programs. `OTTER_SERVER_BIN` names another.
///
/// # Panics
/// Where it has not been built.
#[must_use]
pub fn program() -> PathBuf {
    if let Some(path) = std::env::var_os("OTTER_SERVER_BIN") {
        return PathBuf::from(path);
    }
    let own = std::env::current_exe().expect("this program has a path");
    let folders = own.ancestors().skip(1).take(2);
    let mut candidates = folders.map(|folder| folder.join("otter-server"));
    let found = candidates.find(|path| path.is_file());
    let program = found.expect("otter-server is built: run cargo build --workspace --all-targets");
    warn_if_older_than_its_sources(&program);
    program
}

/// Cargo builds no program of another package for a test, so a test that is run
/// alone may meet an old one.
fn warn_if_older_than_its_sources(program: &Path) {
    let modified = |path: &Path| fs::metadata(path).and_then(|file| file.modified()).ok();
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    let newest = newest_source(&crates, &modified);
    if modified(program) < newest {
        eprintln!("warning: {} is older than its sources", program.display());
    }
}

fn newest_source(
    folder: &Path,
    modified: &impl Fn(&Path) -> Option<SystemTime>,
) -> Option<SystemTime> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let times = entries.filter_map(|entry| {
        let path = entry.path();
        if path.is_dir() {
            // Tests are not part of the program.
            if path.ends_with("tests") { None } else { newest_source(&path, modified) }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            modified(&path)
        } else {
            None
        }
    });
    times.max()
}
