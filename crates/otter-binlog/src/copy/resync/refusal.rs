//! Why requests are refused, in words that hold no values of rows (SECRET-1).

use std::sync::Arc;

use super::keys::BadKey;
use crate::connection::{ConnectionError, ServerError};

/// Why a table is refused that no mapping takes.
pub(super) const NOT_CARRIED: &str =
    "the pipeline carries no such table: write the name that it has at the source";
/// Why one is refused whose initial copy is put aside, or waits for such a table.
pub(super) const NOT_COPIED: &str = "its initial copy is not finished, and brings all its rows: \
     `otter-server copy` tells what it waits for";

/// Why a request is not done, with the remedy; without values of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::copy) struct Refusal(pub(in crate::copy) Arc<str>);

impl Refusal {
    pub(super) fn new(why: impl Into<Arc<str>>) -> Self {
        Self(why.into())
    }

    /// What the server's error means, where it is about what was asked for, and not about the server.
    /// The server's own words may hold values of rows (SECRET-1).
    pub(super) fn of_server(what: &str, error: &ConnectionError) -> Option<Self> {
        let server = error.server_error()?;
        if passes(server) {
            return None;
        }
        Some(Self::new(format!("{what}: error {}{}", server.code, meaning(server.code))))
    }
}

/// Whether an error goes away by itself: the server is busy, or about to end.
fn passes(error: &ServerError) -> bool {
    // Errors of memory and threads, of locks, and of MariaDB's limit of a statement's time.
    error.is_temporary() || matches!(error.code, 1037 | 1038 | 1080 | 1135 | 1206 | 1614 | 1969)
}

/// An error of the server in our own words.
fn meaning(code: u16) -> &'static str {
    match code {
        1044 | 1045 | 1142 | 1143 | 1227 | 1370 => {
            ": the pipeline's account lacks a right for it: GRANT it at the source"
        }
        1054 => ": it names a column that the table does not have: texts stand between apostrophes",
        1064 => ": this is not the SQL of the source",
        1111 => ": it counts or sums rows: compare single rows",
        1146 => ": it names a table that the source does not have",
        1305 => ": it calls a function that the source does not have",
        1582 => ": it calls a function with too many or too few values",
        _ => ": try it there by hand, with the pipeline's account",
    }
}

impl From<BadKey> for Refusal {
    fn from(BadKey(why): BadKey) -> Self {
        Self::new(format!("a key cannot be read: {why}"))
    }
}
