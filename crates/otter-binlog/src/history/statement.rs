//! What a statement does, in words that do not depend on how it was written.
//!
//! The reader makes these from text and the schema applies them. Names are as written: they may
//! lack their database, and nothing is looked up here.

use std::fmt;
use std::sync::Arc;

use otter_core::TableName;

mod alteration;
mod definition;

pub use alteration::{AlterTable, ColumnAction, KeyAction, PartitionMove, Place};
pub use definition::{
    CharsetClause, CharsetName, ColumnDefinition, Generated, KeyDefinition, KeyKind, KeyPart,
};

/// The name of a table, with its database where the statement gives it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct QualifiedName {
    /// The database before the dot.
    pub database: Option<Arc<str>>,
    /// The table's own name.
    pub table: Arc<str>,
}

impl QualifiedName {
    /// The full name, with `database` for one that has none.
    #[must_use]
    pub fn within(&self, database: &Arc<str>) -> TableName {
        let database = self.database.as_ref().unwrap_or(database);
        TableName { database: Arc::clone(database), table: Arc::clone(&self.table) }
    }
}

impl fmt::Display for QualifiedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.database {
            Some(database) => write!(f, "{database}.{}", self.table),
            None => f.write_str(&self.table),
        }
    }
}

/// What a statement is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    /// A statement that is not about rows: definitions, accounts, administration.
    Ddl(Ddl),
    /// A statement about rows, logged as text instead of as row events.
    Dml(DmlKind),
    /// A statement that begins or ends transactions.
    Transaction(TransactionControl),
    /// Nothing but comments and blanks.
    Nothing,
}

/// A statement that is not about rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ddl {
    /// Its first words: `ALTER TABLE`, `GRANT`.
    pub kind: &'static str,
    /// What it does to definitions that are tracked; empty for most kinds.
    pub changes: Vec<SchemaChange>,
    /// The tables and views that it names as its objects, in order, without those that it only
    /// refers to.
    pub tables: Vec<QualifiedName>,
}

/// A statement about rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DmlKind {
    /// INSERT.
    Insert,
    /// REPLACE.
    Replace,
    /// UPDATE.
    Update,
    /// DELETE.
    Delete,
    /// LOAD DATA and LOAD XML.
    Load,
    /// CALL.
    Call,
    /// SELECT, DO, WITH and the like, which may write by way of functions.
    Other,
}

/// A statement that begins or ends transactions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransactionControl {
    /// BEGIN and START TRANSACTION.
    Begin,
    /// COMMIT.
    Commit,
    /// ROLLBACK of the whole transaction.
    Rollback,
    /// ROLLBACK TO a savepoint.
    RollbackTo,
    /// SAVEPOINT and RELEASE SAVEPOINT.
    Savepoint,
    /// XA START and XA BEGIN.
    XaStart(Xid),
    /// XA END.
    XaEnd(Xid),
    /// XA PREPARE.
    XaPrepare(Xid),
    /// XA COMMIT.
    XaCommit(Xid),
    /// XA ROLLBACK.
    XaRollback(Xid),
}

/// The id of an XA transaction.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Xid {
    /// The global part.
    pub global: Vec<u8>,
    /// The branch.
    pub branch: Vec<u8>,
    /// The format id, 1 where none is given.
    pub format: u32,
}

/// A change of definitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaChange {
    /// CREATE DATABASE.
    CreateDatabase {
        /// Its name.
        name: Arc<str>,
        /// IF NOT EXISTS.
        if_not_exists: bool,
        /// Its defaults.
        charset: CharsetClause,
    },
    /// ALTER DATABASE.
    AlterDatabase {
        /// Its name; the default database where it is absent.
        name: Option<Arc<str>>,
        /// Its new defaults.
        charset: CharsetClause,
    },
    /// DROP DATABASE.
    DropDatabase {
        /// Its name.
        name: Arc<str>,
    },
    /// CREATE TABLE.
    CreateTable(CreateTable),
    /// ALTER TABLE, CREATE INDEX and DROP INDEX.
    AlterTable(AlterTable),
    /// DROP TABLE and DROP SEQUENCE.
    DropTables {
        /// The tables.
        names: Vec<QualifiedName>,
        /// Only temporary ones.
        temporary: bool,
    },
    /// RENAME TABLE: one after the other, all or none.
    RenameTables(Vec<(QualifiedName, QualifiedName)>),
    /// TRUNCATE TABLE, which changes no definition.
    TruncateTable(QualifiedName),
    /// MariaDB's CREATE SEQUENCE, whose state is logged as rows of a table.
    CreateSequence {
        /// Its name.
        name: QualifiedName,
        /// IF NOT EXISTS.
        if_not_exists: bool,
    },
}

/// CREATE TABLE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateTable {
    /// The new table.
    pub name: QualifiedName,
    /// MariaDB's OR REPLACE: the old table is dropped first, even if the new one then fails.
    pub or_replace: bool,
    /// TEMPORARY.
    pub temporary: bool,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// What it looks like.
    pub body: CreateBody,
}

/// Where a new table's definition comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreateBody {
    /// LIKE another table.
    Like(QualifiedName),
    /// Columns and keys.
    Defined {
        /// Columns and keys in order.
        elements: Vec<Element>,
        /// The table's defaults.
        charset: CharsetClause,
        /// More columns come from a SELECT, and are not known.
        has_select: bool,
        /// MariaDB: WITH SYSTEM VERSIONING, on the table or on a column.
        is_versioned: bool,
        /// MariaDB: the option SEQUENCE=1, as SHOW CREATE prints a sequence.
        is_sequence: bool,
    },
}

/// A part of a table's definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Element {
    /// A column; the keys that its own definition implies follow it.
    Column(ColumnDefinition),
    /// A key.
    Key(KeyDefinition),
    /// MariaDB's PERIOD FOR an application's time: its two columns are NOT NULL.
    Period(Arc<str>, Arc<str>),
}
