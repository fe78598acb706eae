//! What statements are, as far as a reader of the binlog cares.

use super::names::QualifiedName;

/// What a statement is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Statement {
    Begin,
    Commit,
    Rollback,
    Savepoint(String),
    RollbackTo(String),
    Xa(XaVerb),
    /// Changes rows without row events; its table where there is one that is easily told.
    Dml {
        kind: &'static str,
        table: Option<QualifiedName>,
        scope: Scope,
    },
    /// Changes the definition or the whole content of tables.
    Ddl {
        kind: String,
        tables: Vec<QualifiedName>,
        end: usize,
    },
    /// Creates, changes or drops a database; `None` is the default one.
    Database {
        kind: String,
        name: Option<String>,
    },
    /// Changes neither rows nor definitions of tables.
    Passing,
    /// Not recognised; its first words.
    Unknown {
        kind: String,
    },
}

/// What a DML statement does to its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Anything, and perhaps to other tables by triggers and functions.
    Any,
    /// `DELETE FROM t` and nothing else: what a server logs for a MEMORY table that it lost.
    Emptied,
}

/// The verbs of distributed transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum XaVerb {
    Start,
    End,
    Prepare,
    Commit,
    Rollback,
}
