//! What can go wrong with a state directory, and what mends it.

use std::io;
use std::path::{Path, PathBuf};

use otter_core::{Classify, Fault};

/// A failure of a [`LocalArbiter`](super::LocalArbiter).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalArbiterError {
    /// The state directory cannot be written.
    #[error(
        "{path} cannot be written: give the user that runs this process the right to, or choose another state directory"
    )]
    NotWritable {
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The state directory is on a file system that is mounted read only.
    #[error(
        "{path} is on a read-only file system: mount it writable or choose another state directory"
    )]
    ReadOnly {
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The disk or the user's quota is full.
    #[error("no space is left for {path}: free some space, then start again")]
    DiskFull {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The file system has no file locks or no hard links.
    #[error(
        "the file system of {path} lacks file locks or hard links: choose a state directory on a local disk"
    )]
    Unsupported {
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// A file does not hold what was written to it.
    #[error(
        "{path} is damaged ({what}), so that the last term is not known: stop all processes that use the state directory, delete it, and run `otter-server position adopt` for its pipelines"
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A process of another machine holds a lock in the state directory.
    #[error(
        "{path} is locked by a process of another machine or boot: a state directory serves one machine only, give each its own"
    )]
    Shared {
        /// The lock file.
        path: PathBuf,
    },
    /// The system failed otherwise, and may do better next time.
    #[error("the system failed at {path}")]
    System {
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// A pipeline's name does not fit into the name of a file.
    #[error("the name of pipeline {pipeline} is too long to be paused: give it a shorter one")]
    LongName {
        /// The pipeline.
        pipeline: String,
    },
    /// The system has no random numbers for an arbiter id.
    #[error("the system gives no random numbers")]
    NoRandomness(#[source] getrandom::Error),
    /// The runtime ended while a file was being written.
    #[error("the runtime is shutting down")]
    RuntimeGone(#[source] tokio::task::JoinError),
}

impl LocalArbiterError {
    /// Names the failure of a file operation.
    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "the kinds are the standard library's, many and growing; the rest may heal"
    )]
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        use io::ErrorKind as Kind;
        let path = path.to_owned();
        match source.kind() {
            Kind::StorageFull | Kind::QuotaExceeded => Self::DiskFull { path, source },
            Kind::ReadOnlyFilesystem => Self::ReadOnly { path, source },
            Kind::PermissionDenied
            | Kind::NotADirectory
            | Kind::IsADirectory
            | Kind::AlreadyExists
            | Kind::InvalidFilename => Self::NotWritable { path, source },
            Kind::Unsupported => Self::Unsupported { path, source },
            _ => Self::System { path, source },
        }
    }

    /// A file that does not hold what was written to it.
    pub(super) fn corrupt(path: &Path, what: &'static str) -> Self {
        Self::Corrupt { path: path.to_owned(), what }
    }
}

impl Classify for LocalArbiterError {
    fn fault(&self) -> Fault {
        match self {
            Self::System { .. } | Self::RuntimeGone(_) => Fault::Transient,
            Self::NotWritable { .. }
            | Self::ReadOnly { .. }
            | Self::DiskFull { .. }
            | Self::Unsupported { .. }
            | Self::Corrupt { .. }
            | Self::Shared { .. }
            | Self::LongName { .. }
            | Self::NoRandomness(_) => Fault::Fatal,
        }
    }

    fn doing(&self) -> &'static str {
        "arbitrate in the state directory"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_system_error_is_named_with_its_fault() {
        // The numbers are Linux's: ENOSPC, EDQUOT, EROFS, EACCES, EMFILE.
        let cases = [
            (28, "no space is left for /s/lease", Fault::Fatal),
            (122, "no space is left for /s/lease", Fault::Fatal),
            (30, "/s/lease is on a read-only file system", Fault::Fatal),
            (13, "/s/lease cannot be written", Fault::Fatal),
            (24, "the system failed at /s/lease", Fault::Transient),
        ];
        for (number, message, fault) in cases {
            let source = io::Error::from_raw_os_error(number);
            let error = LocalArbiterError::io(Path::new("/s/lease"), source);
            assert_eq!(error.fault(), fault, "{error}");
            assert!(error.to_string().starts_with(message), "{error}");
        }
    }
}
