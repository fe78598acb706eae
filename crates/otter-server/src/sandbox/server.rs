//! One sandbox server: started, killed, frozen and started again.
//!
//! A server keeps its port and its data over all of that; only dropping it ends
//! them. It must never be asked to remove data while its process may still run.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use sqlx::Connection;
use tokio::time::{self, Instant, MissedTickBehavior};

use super::binaries::{self, Binary};
use super::folder::{self, Folder};
use super::port::{self, ReservedPort};
use super::process::ChildProcess;
use super::{SandboxError, ServerOptions, template};

/// A start takes about a second; ten at once on a loaded machine much longer.
const START_DEADLINE: Duration = Duration::from_secs(120);
/// A clean stop writes back what the server holds in memory.
const STOP_DEADLINE: Duration = Duration::from_secs(60);
/// How often a starting server is tried; a refused connection costs nothing.
const POLL: Duration = Duration::from_millis(20);
/// A server that accepts a connection but does not greet is tried again.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How many ports are tried when others take them before the server does.
const PORT_ATTEMPTS: u32 = 5;
/// What an error shows of the server's log.
const LOG_LINES: usize = 30;

/// A throw-away database server on 127.0.0.1.
///
/// Dropping it kills the process, waits until it is gone, and removes its data.
/// It also ends when this process ends in any way, on Linux with `setpriv`.
pub struct Server {
    // Fields are dropped in this order: the process must be gone before its folder.
    pub(super) process: Option<ChildProcess>,
    pub(super) folder: Folder,
    pub(super) port: ReservedPort,
    pub(super) binary: Binary,
    pub(super) options: ServerOptions,
    pub(super) root_password: String,
}

impl Server {
    /// Starts a server with new, empty data and waits until it takes connections.
    ///
    /// # Errors
    /// [`SandboxError::NotFound`] where the machine has no such server; others
    /// where it cannot be started.
    ///
    /// # Cancel safety
    /// A dropped call leaves neither a process nor a folder behind.
    pub async fn start(options: ServerOptions) -> Result<Self, SandboxError> {
        let mut server = blocking(move || Self::prepare(options)).await?;
        for _ in 1..PORT_ATTEMPTS {
            match server.start_again().await {
                Err(SandboxError::Died { tail, .. }) if says_port_is_taken(&tail) => {
                    server.port = port::reserve_port()?;
                }
                Err(error) => return Err(error),
                Ok(()) => return Ok(server),
            }
        }
        server.start_again().await.map(|()| server)
    }

    fn prepare(options: ServerOptions) -> Result<Self, SandboxError> {
        let binary = binaries::find(options.flavor)?;
        let template = template::of(options.flavor, &binary)?;
        let folder = Folder::create()?;
        folder::copy_tree(&template, &folder.path().join("data"))?;
        for name in ["tmp", "files"] {
            let path = folder.path().join(name);
            fs::create_dir(&path).map_err(SandboxError::file("create", &path))?;
        }
        let root_password = match &options.root_password {
            Some(password) => password.clone(),
            None => random_word()?,
        };
        let port = port::reserve_port()?;
        let server = Self { process: None, folder, port, binary, options, root_password };
        server.write_init_file()?;
        Ok(server)
    }

    /// Starts the server again with the same port and data, after a stop or a kill.
    ///
    /// # Errors
    /// [`SandboxError::Died`] or [`SandboxError::NotReady`] with the end of its log.
    ///
    /// # Cancel safety
    /// A dropped call may leave the server running or not; it stays ours.
    pub async fn start_again(&mut self) -> Result<(), SandboxError> {
        self.process = None;
        let log_path = self.log_path();
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log_path)
            .map_err(SandboxError::file("write", &log_path))?;
        let errors = log.try_clone().map_err(SandboxError::file("write", &log_path))?;
        let (program, arguments) = (self.binary.path.clone(), self.command_line());
        let started = blocking(move || {
            let spawned = ChildProcess::spawn(&program, |command| {
                command.args(arguments).stdin(Stdio::null()).stdout(log).stderr(errors);
            });
            spawned.map_err(|error| SandboxError::Program { program, detail: error.to_string() })
        });
        self.process = Some(started.await?);
        self.wait_ready().await
    }

    /// Asks the server to stop, waits until it has, and starts it again.
    ///
    /// # Errors
    /// Those of [`Server::stop`] and [`Server::start_again`].
    pub async fn restart(&mut self) -> Result<(), SandboxError> {
        self.stop().await?;
        self.start_again().await
    }

    /// Asks the server to stop and waits until it has; does nothing if it is down.
    ///
    /// # Errors
    /// [`SandboxError::NotStopped`] if it had to be killed.
    ///
    /// # Cancel safety
    /// A dropped call leaves the server stopping; calling again goes on waiting.
    pub async fn stop(&mut self) -> Result<(), SandboxError> {
        let Some(process) = self.process.as_mut() else { return Ok(()) };
        let broken = SandboxError::file("stop the process of", &self.binary.path);
        let ended = async {
            process.terminate()?;
            process.wait_until(Instant::now() + STOP_DEADLINE).await
        };
        let ended = ended.await.map_err(broken)?;
        self.process = None;
        if ended.is_some() {
            return Ok(());
        }
        let flavor = self.options.flavor;
        Err(SandboxError::NotStopped { flavor, seconds: STOP_DEADLINE.as_secs() })
    }

    /// Kills the server as a power cut would, and waits until its process is gone.
    ///
    /// # Errors
    /// [`SandboxError::NotRunning`] if there is no process.
    pub fn kill9(&mut self) -> Result<(), SandboxError> {
        let Some(mut process) = self.process.take() else { return Err(self.not_running()) };
        process.kill9().map_err(SandboxError::file("kill the process of", &self.binary.path))
    }

    /// Freezes the server: connections stay open and nothing is answered.
    ///
    /// # Errors
    /// [`SandboxError::NotRunning`] if there is no process.
    pub fn pause(&self) -> Result<(), SandboxError> {
        let failed = SandboxError::file("freeze the process of", &self.binary.path);
        self.running()?.pause().map_err(failed)
    }

    /// Lets a frozen server go on.
    ///
    /// # Errors
    /// [`SandboxError::NotRunning`] if there is no process.
    pub fn resume(&self) -> Result<(), SandboxError> {
        let failed = SandboxError::file("resume the process of", &self.binary.path);
        self.running()?.resume().map_err(failed)
    }

    fn running(&self) -> Result<&ChildProcess, SandboxError> {
        self.process.as_ref().ok_or_else(|| self.not_running())
    }

    fn not_running(&self) -> SandboxError {
        SandboxError::NotRunning { flavor: self.options.flavor }
    }

    /// Changes the options of the command line from the next start on.
    pub fn set_options(&mut self, change: impl FnOnce(ServerOptions) -> ServerOptions) {
        self.options = change(self.options.clone());
    }

    async fn wait_ready(&mut self) -> Result<(), SandboxError> {
        let deadline = Instant::now() + START_DEADLINE;
        let mut poll = time::interval(POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let flavor = self.options.flavor;
        loop {
            poll.tick().await;
            let Some(process) = self.process.as_mut() else { return Err(self.not_running()) };
            let ended = process.ended();
            if ended
                .map_err(SandboxError::file("watch the process of", &self.binary.path))?
                .is_some()
            {
                self.process = None;
                return Err(SandboxError::Died {
                    flavor,
                    log: self.log_path(),
                    tail: self.log_tail(),
                });
            }
            match time::timeout(CONNECT_TIMEOUT, self.connect()).await {
                Ok(Ok(connection)) => {
                    // The server answers; how the farewell goes does not matter.
                    let _ = connection.close().await;
                    return Ok(());
                }
                // It answers, but refuses us: waiting would not help.
                Ok(Err(error @ SandboxError::Sql(sqlx::Error::Database(_)))) => return Err(error),
                Ok(Err(_)) | Err(_) => {}
            }
            if Instant::now() >= deadline {
                let (log, tail) = (self.log_path(), self.log_tail());
                let seconds = START_DEADLINE.as_secs();
                return Err(SandboxError::NotReady { flavor, seconds, log, tail });
            }
        }
    }

    fn log_tail(&self) -> String {
        let log = fs::read(self.log_path()).unwrap_or_default();
        template::last_lines(&String::from_utf8_lossy(&log), LOG_LINES)
    }

    fn command_line(&self) -> Vec<String> {
        let folder = self.folder.path().display();
        // The one that says not to read files with options must come first.
        let mut line = vec!["--no-defaults".to_owned()];
        line.extend(template::as_root().map(str::to_owned));
        line.extend([
            "--bind-address=127.0.0.1".to_owned(),
            format!("--port={}", self.port()),
            format!("--datadir={folder}/data"),
            format!("--socket={folder}/socket"),
            format!("--pid-file={folder}/pid"),
            format!("--tmpdir={folder}/tmp"),
            format!("--secure-file-priv={folder}/files"),
            format!("--init-file={}", self.init_file().display()),
        ]);
        line.extend(self.options.command_line());
        line
    }

    fn init_file(&self) -> PathBuf {
        self.folder.path().join("init.sql")
    }

    /// Writes what the server executes before it takes the first connection, so
    /// that it is never reachable with another password than its own.
    fn write_init_file(&self) -> Result<(), SandboxError> {
        let password = self.root_password.replace('\\', "\\\\").replace('\'', "''");
        let path = self.init_file();
        let mut file = File::create(&path).map_err(SandboxError::file("create", &path))?;
        // Not in the binlog: it is no change of anybody's data.
        writeln!(file, "SET SESSION sql_log_bin = 0;")
            .and_then(|()| writeln!(file, "ALTER USER root@localhost IDENTIFIED BY '{password}';"))
            .map_err(SandboxError::file("write", &path))
    }
}

// The password must not reach a log through Debug (SECRET-1).
impl fmt::Debug for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Server")
            .field("options", &self.options)
            .field("version", &self.version())
            .field("port", &self.port())
            .field("pid", &self.pid())
            .finish_non_exhaustive()
    }
}

/// Runs blocking work outside the runtime's own threads.
async fn blocking<T, F>(work: F) -> Result<T, SandboxError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, SandboxError> + Send + 'static,
{
    tokio::task::spawn_blocking(work).await.map_err(|_| SandboxError::Cancelled)?
}

fn says_port_is_taken(log: &str) -> bool {
    log.contains("Bind on TCP/IP port") || log.contains("Address already in use")
}

fn random_word() -> Result<String, SandboxError> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| SandboxError::File {
        action: "read",
        path: PathBuf::from("the system's random numbers"),
        source: io::Error::other(error.to_string()),
    })?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
