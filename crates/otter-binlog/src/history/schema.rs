//! The tracked schema: databases, tables and columns, changed by statements.
//!
//! Every table of the server is tracked, also one that no mapping takes: a later rename or LIKE may
//! bring it in. The statements come from a binlog, so they have succeeded at the source: a CREATE
//! replaces what was there, a DROP of something unknown is nothing. What a row does not need is not
//! kept: defaults, expressions, comments, engines and partitions.
//!
//! Tables are shared: `clone` of a schema costs a pointer per table, LIKE and RENAME copy none.

mod alter;
mod apply;
mod columns;
mod keys;
mod lookup;
mod names;
mod resolve;
mod sequence;
pub mod snapshot;
mod table;
mod text;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use otter_core::{Classify, Fault, TableName};

pub use names::TableNames;
pub use table::{ColumnKey, ColumnSchema, Key, TableKind, TableSchema, Versioning};
pub use text::SchemaTextError;

use names::Names;

/// How a [`Schema`] treats names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SchemaOptions {
    /// The server's `lower_case_table_names`.
    pub table_names: TableNames,
}

/// All databases of a server at one position of its binlog.
#[derive(Debug, Clone)]
pub struct Schema {
    options: SchemaOptions,
    databases: BTreeMap<Arc<str>, Database>,
    /// By connection, database and table. Row events never name them, but they hide real tables.
    temporary: BTreeMap<(u32, TableName), Arc<TableSchema>>,
    names: Names,
}

#[derive(Debug, Clone)]
struct Database {
    /// As written; the key in the map may be in lower case.
    name: Arc<str>,
    collation: Arc<str>,
    tables: BTreeMap<Arc<str>, Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    /// As written; the key in the map may be in lower case.
    name: Arc<str>,
    table: Arc<TableSchema>,
}

/// What applying a statement did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Applied {
    /// Tables whose definition is new, different or gone: what was made of them before is stale.
    pub changed: Vec<TableName>,
    /// Names that were renamed or altered without being known: views, or tables that were created
    /// where the binlog did not see it.
    pub unknown: Vec<TableName>,
}

/// Why a statement does not fit the tracked schema. It was not applied at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// A name without a database, and the session has no default.
    #[error("table {table} is named without a database, and the session has none")]
    NoDatabase {
        /// The table's name.
        table: Arc<str>,
    },
    /// The statement builds on a table that is not tracked.
    #[error("table {table} is not in the tracked schema")]
    UnknownTable {
        /// The table.
        table: TableName,
    },
    /// The statement names a column that the tracked table does not have.
    #[error("column {column} is not in the tracked definition of {table}")]
    UnknownColumn {
        /// The table.
        table: TableName,
        /// The column.
        column: Arc<str>,
    },
    /// The statement adds a column that the tracked table has.
    #[error("column {column} is already in the tracked definition of {table}")]
    DuplicateColumn {
        /// The table.
        table: TableName,
        /// The column.
        column: Arc<str>,
    },
    /// The statement gives a table more columns or keys than any server allows.
    #[error("table {table} would have more columns or keys than any server allows")]
    TooLarge {
        /// The table.
        table: TableName,
    },
}

impl ApplyError {
    /// The table that the tracked schema is wrong about, where it is known.
    #[must_use]
    pub fn table(&self) -> Option<&TableName> {
        match self {
            Self::NoDatabase { .. } => None,
            Self::UnknownTable { table }
            | Self::UnknownColumn { table, .. }
            | Self::DuplicateColumn { table, .. }
            | Self::TooLarge { table } => Some(table),
        }
    }
}

impl Classify for ApplyError {
    fn fault(&self) -> Fault {
        Fault::Poison
    }

    fn doing(&self) -> &'static str {
        "apply a schema change to the tracked schema"
    }
}
