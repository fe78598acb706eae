//! What can go wrong with a sandbox server, each with what helps.

use std::io;
use std::path::{Path, PathBuf};

use super::Flavor;

/// Why a sandbox server could not be started, reached or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The server program is nowhere to be found.
    #[error(
        "no {flavor} server ({}) found on the PATH or in {}: {}, or set {} to the folder that holds it",
        flavor.program(), searched.display(), flavor.remedy(), flavor.folder_variable()
    )]
    NotFound {
        /// The flavor that was asked for.
        flavor: Flavor,
        /// The last folder that was looked into.
        searched: PathBuf,
    },
    /// A program that was found did not run to a good end.
    #[error("{} failed: {detail}", program.display())]
    Program {
        /// The program.
        program: PathBuf,
        /// The reason that the system gives, or what the program printed last.
        detail: String,
    },
    /// A file or folder of the sandbox cannot be used.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was to be done, as a verb.
        action: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Every port that was tried is taken.
    #[error("no free port on 127.0.0.1")]
    NoPort,
    /// The server ended while it was starting.
    #[error("the {flavor} server ended while starting; its log {} ends with:\n{tail}", log.display())]
    Died {
        /// The flavor of the server.
        flavor: Flavor,
        /// Its error log; gone with the server's folder once the server is dropped.
        log: PathBuf,
        /// The last lines of that log.
        tail: String,
    },
    /// The server runs but took no connection in time.
    #[error("the {flavor} server took no connection within {seconds} s; its log {} ends with:\n{tail}", log.display())]
    NotReady {
        /// The flavor of the server.
        flavor: Flavor,
        /// How long was waited.
        seconds: u64,
        /// Its error log; gone with the server's folder once the server is dropped.
        log: PathBuf,
        /// The last lines of that log.
        tail: String,
    },
    /// The server did not end in time after it was asked to; it was killed.
    #[error("the {flavor} server did not stop within {seconds} s and was killed")]
    NotStopped {
        /// The flavor of the server.
        flavor: Flavor,
        /// How long was waited.
        seconds: u64,
    },
    /// The server is not running, so nothing can be done with its process.
    #[error("the {flavor} server is not running")]
    NotRunning {
        /// The flavor of the server.
        flavor: Flavor,
    },
    /// The server refused a statement or a connection.
    #[error("the sandbox server refused a statement or a connection")]
    Sql(#[from] sqlx::Error),
    /// The task that did the blocking work was cancelled with its runtime.
    #[error("the runtime shut down while the sandbox worked")]
    Cancelled,
}

impl SandboxError {
    /// Makes the closure that wraps what the system says about a file.
    pub(super) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { action, path, source }
    }
}
