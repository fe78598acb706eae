//! ALTER TABLE: its changes by what they are about. All refer to the table as it was.

use std::sync::Arc;

use super::QualifiedName;
use super::definition::{CharsetClause, ColumnDefinition, KeyDefinition};

/// ALTER TABLE. Changes of other things than these are not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlterTable {
    /// The table.
    pub name: QualifiedName,
    /// MariaDB's IF EXISTS.
    pub if_exists: bool,
    /// Changes of columns in order.
    pub columns: Vec<ColumnAction>,
    /// Changes of keys in order.
    pub keys: Vec<KeyAction>,
    /// The default charset of new columns.
    pub charset: CharsetClause,
    /// CONVERT TO CHARACTER SET.
    pub convert: Option<CharsetClause>,
    /// The default charset is written behind the conversion.
    pub charset_is_later: bool,
    /// RENAME TO.
    pub rename: Option<QualifiedName>,
    /// MariaDB's ADD (true) or DROP (false) SYSTEM VERSIONING.
    pub versioning: Option<bool>,
    /// MariaDB's moves between partitions and tables.
    pub partition_moves: Vec<PartitionMove>,
}

impl AlterTable {
    /// ALTER TABLE that changes nothing.
    #[must_use]
    pub fn new(name: QualifiedName) -> Self {
        Self {
            name,
            if_exists: false,
            columns: Vec::new(),
            keys: Vec::new(),
            charset: CharsetClause::default(),
            convert: None,
            charset_is_later: false,
            rename: None,
            versioning: None,
            partition_moves: Vec::new(),
        }
    }

    /// Whether no definition changes: FORCE, ENGINE and the like.
    #[must_use]
    pub fn changes_nothing(&self) -> bool {
        let name = self.name.clone();
        *self == Self { if_exists: self.if_exists, ..Self::new(name) }
    }
}

/// One change of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnAction {
    /// ADD COLUMN.
    Add {
        /// The new column.
        column: ColumnDefinition,
        /// Where it goes.
        place: Place,
        /// MariaDB's IF NOT EXISTS.
        if_not_exists: bool,
    },
    /// DROP COLUMN.
    Drop {
        /// The column.
        name: Arc<str>,
        /// MariaDB's IF EXISTS.
        if_exists: bool,
    },
    /// CHANGE and MODIFY.
    Change {
        /// The column's name before.
        name: Arc<str>,
        /// The column as it becomes.
        column: ColumnDefinition,
        /// Where it goes; [`Place::Last`] is where it was.
        place: Place,
        /// MariaDB's IF EXISTS.
        if_exists: bool,
    },
    /// RENAME COLUMN.
    Rename {
        /// The name before.
        from: Arc<str>,
        /// The name afterwards.
        to: Arc<str>,
        /// MariaDB's IF EXISTS.
        if_exists: bool,
    },
    /// ALTER COLUMN … SET VISIBLE or INVISIBLE.
    SetInvisible {
        /// The column.
        name: Arc<str>,
        /// Whether it becomes invisible.
        invisible: bool,
    },
}

/// Where a column goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The end, or where a changed column was.
    Last,
    /// The beginning.
    First,
    /// Behind this column.
    After(Arc<str>),
}

/// One change of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyAction {
    /// ADD KEY of any kind.
    Add {
        /// The key.
        key: KeyDefinition,
        /// MariaDB's CREATE OR REPLACE INDEX.
        or_replace: bool,
    },
    /// DROP KEY; the primary key's name is `PRIMARY`.
    Drop {
        /// The key.
        name: Arc<str>,
    },
    /// DROP CONSTRAINT: a unique key, or something that is not tracked.
    DropConstraint {
        /// The constraint.
        name: Arc<str>,
    },
    /// RENAME KEY.
    Rename {
        /// The name before.
        from: Arc<str>,
        /// The name afterwards.
        to: Arc<str>,
    },
    /// MariaDB's ADD PERIOD FOR an application's time: its two columns become NOT NULL.
    AddPeriod(Arc<str>, Arc<str>),
}

/// A move between a partition and a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartitionMove {
    /// CONVERT PARTITION … TO TABLE: a new table like this one.
    ToTable(QualifiedName),
    /// CONVERT TABLE … TO PARTITION: that table is gone.
    FromTable(QualifiedName),
}
