//! Why a schema change is not executed.

use std::fmt;

use super::{Change, refuse};
use crate::mysql::conn::ServerError;
use crate::mysql::error::MySqlLoadError;
use crate::mysql::names::identifier;

/// Why a pipeline stops in front of a schema change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DdlRefusal {
    /// Changes of this kind halt the pipeline.
    Policy,
    /// It names something that the pipeline does not carry.
    Partly,
    /// Its table is one of several that flow into one.
    Merged,
    /// It failed at the source with a part of it done.
    FailedAtSource,
    /// Its transaction has several.
    Several,
    /// It is part of a transaction that comes in fragments.
    TooLarge,
    /// Rows of its tables, or of tables that foreign keys connect with them, are held.
    HeldRows,
    /// An earlier process was interrupted with a part of it done.
    HalfDone,
    /// An earlier process was interrupted, and nobody knows whether it was done.
    Unknown,
    /// An earlier process was interrupted at another statement: the mapping was changed since.
    OtherStatement,
    /// The server is of another version than the one at which an earlier process was interrupted.
    OtherVersion,
    /// Its session cannot be had in the target.
    Session {
        /// Why not.
        what: &'static str,
    },
    /// The target refuses it.
    Target {
        /// The server's error number.
        number: u16,
        /// The server's words, where they hold no row values.
        message: Option<String>,
    },
}

impl fmt::Display for DdlRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Policy => "changes of this kind halt this pipeline",
            Self::Partly => {
                "it concerns tables or a database that this pipeline does not carry as a whole and \
                 under one name each; work tables of gh-ost and pt-online-schema-change must be \
                 carried with their table"
            }
            Self::Merged => "several tables of the source flow into the one that it changes",
            Self::FailedAtSource => "it failed at the source with a part of it done",
            Self::Several => "its transaction holds several schema changes",
            Self::TooLarge => {
                "its rows are more than a pipeline takes at once, so raise memory_mb to more than \
                 twice their size"
            }
            Self::Unknown => {
                "an earlier try was interrupted, and the target does not tell whether it was \
                 executed: look at its tables"
            }
            Self::OtherStatement => {
                "an earlier try was interrupted, and was another statement, since the mapping has \
                 changed: look at the target's tables"
            }
            Self::OtherVersion => {
                "an earlier try was interrupted, and the target is of another version now: look at \
                 its tables"
            }
            Self::HeldRows => {
                "rows of its tables, or of tables that foreign keys connect with them, are held in \
                 quarantine, and were written for the tables as they are"
            }
            Self::HalfDone => "an earlier try was interrupted with a part of it done",
            Self::Session { what } => what,
            Self::Target { number, message } => {
                write!(f, "the target refuses it with error {number}")?;
                return match message {
                    Some(message) => write!(f, ": {message}"),
                    None => Ok(()),
                };
            }
        })
    }
}

/// Whether nobody knows what became of the statement: it was interrupted, or the server goes down.
pub(super) fn is_unknown(server: &ServerError) -> bool {
    matches!(server.number, 1317 | 1047) || server.ends_session()
}

/// What the server's answer to the statement means.
pub(super) fn meaning(server: &ServerError, change: Change<'_>, account: &str) -> MySqlLoadError {
    let (_, ddl) = change;
    match server.number {
        number @ (1205 | 1213 | 3572) => MySqlLoadError::DdlContention { number },
        1290 | 1792 | 1836 => MySqlLoadError::ReadOnly { number: server.number },
        number @ (1044 | 1142 | 1143 | 1227 | 1370) => {
            let schema = ddl.tables.first().map_or(&*ddl.database, |table| &*table.database);
            let remedy = format!(
                "GRANT CREATE, ALTER, DROP, INDEX, REFERENCES, INSERT ON {}.* TO {account}",
                identifier(schema)
            );
            MySqlLoadError::MissingRight { number, remedy }
        }
        number => {
            let message = SCHEMA_ERRORS.contains(&number).then(|| server.message().to_owned());
            refuse(change, DdlRefusal::Target { number, message })
        }
    }
}

/// Errors whose messages name tables, columns, keys and types, and never hold a value (SECRET-1).
/// <https://dev.mysql.com/doc/mysql-errors/9.7/en/server-error-reference.html>
const SCHEMA_ERRORS: [u16; 58] = [
    1005, 1006, 1007, 1008, 1010, 1025, 1049, 1050, 1051, 1054, 1059, 1060, 1061, 1063, 1067, 1068,
    1069, 1070, 1071, 1072, 1073, 1074, 1075, 1089, 1090, 1091, 1101, 1102, 1103, 1113, 1115, 1117,
    1118, 1121, 1146, 1166, 1170, 1171, 1173, 1214, 1235, 1239, 1253, 1273, 1283, 1286, 1293, 1347,
    1506, 1553, 1824, 1826, 1828, 1830, 1833, 1846, 3730, 3780,
];

impl DdlRefusal {
    /// What an operator can do.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        if let Self::HeldRows = self {
            return "retry or drop them first: `otter-server quarantine list` shows them";
        }
        if let Self::Target { .. } = self {
            "mend the target and start again; or run the change in the target by hand, then let the \
             pipeline pass by it with ddl = \"skip\""
        } else {
            "run it in the target by hand, then let the pipeline pass by it with ddl = \"skip\""
        }
    }
}
