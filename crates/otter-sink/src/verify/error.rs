//! What can go wrong while tables are compared.

use std::fmt;

use otter_core::{Classify, Fault};

use crate::mysql::MySqlLoadError;
use crate::mysql::conn::ConnError;

/// Which of the two databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    /// The one that the pipeline reads.
    Source,
    /// The one that the pipeline writes.
    Target,
}

/// Why tables could not be compared. No message holds a row value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// A database cannot be reached, or does not answer a question without row values.
    #[error("the {database} cannot be asked: {cause}")]
    Database {
        /// Which one.
        database: Database,
        /// Why.
        cause: MySqlLoadError,
    },
    /// A database refused to compute what was asked.
    #[error("the {database} does not answer: {cause}")]
    Refused {
        /// Which one.
        database: Database,
        /// Without the server's words, which may hold a row value.
        cause: String,
        /// Whether the connection broke.
        is_broken: bool,
    },
    /// A database answered what nobody understands.
    #[error("the {database} answered what this version does not understand: {what}")]
    Answer {
        /// Which one.
        database: Database,
        /// What.
        what: &'static str,
    },
}

impl VerifyError {
    pub(super) fn database(database: Database) -> impl Fn(MySqlLoadError) -> Self {
        move |cause| Self::Database { database, cause }
    }

    /// The failure of a statement that holds row values.
    pub(super) fn refused(database: Database, error: &ConnError) -> Self {
        let is_broken = match error {
            ConnError::Server(server) => server.ends_session(),
            ConnError::Broken(_) => true,
        };
        Self::Refused { database, cause: error.to_string(), is_broken }
    }
}

impl Classify for VerifyError {
    fn fault(&self) -> Fault {
        match self {
            Self::Database { cause, .. } => cause.fault(),
            Self::Refused { is_broken: true, .. } => Fault::Transient,
            Self::Refused { is_broken: false, .. } | Self::Answer { .. } => Fault::Fatal,
        }
    }

    fn doing(&self) -> &'static str {
        "compare the tables of source and target"
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Target => "target",
        })
    }
}
