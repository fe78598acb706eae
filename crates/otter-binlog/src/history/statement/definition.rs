//! Columns, keys and charsets as a statement writes them.

use std::sync::Arc;

use super::super::types::DataType;

/// A charset as written: any part may be missing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CharsetClause {
    /// CHARACTER SET.
    pub charset: Option<CharsetName>,
    /// COLLATE.
    pub collation: Option<Arc<str>>,
    /// The attribute BINARY: the charset's binary collation.
    pub binary: bool,
}

impl CharsetClause {
    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.charset.is_none() && self.collation.is_none() && !self.binary
    }
}

/// A character set as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CharsetName {
    /// This one.
    Named(Arc<str>),
    /// That of the surroundings: of the database for a table.
    Default,
}

/// How a generated column gets its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Generated {
    /// Computed when read.
    Virtual,
    /// Stored.
    Stored,
    /// MariaDB: ROW START or ROW END of system versioning.
    RowTime,
}

/// A column as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnDefinition {
    /// Its name.
    pub name: Arc<str>,
    /// Its type.
    pub data_type: DataType,
    /// The length that TEXT(n) or BLOB(n) asks for, which chooses the size.
    pub asked_length: Option<u64>,
    /// Its charset.
    pub charset: CharsetClause,
    /// NULL or NOT NULL, where one is written or implied by another attribute.
    pub nullable: Option<bool>,
    /// AUTO_INCREMENT.
    pub auto_increment: bool,
    /// A generated column.
    pub generated: Option<Generated>,
    /// INVISIBLE.
    pub invisible: bool,
    /// MariaDB's COMPRESSED.
    pub compressed: bool,
}

/// A key as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyDefinition {
    /// Its name, where it has one.
    pub name: Option<Arc<str>>,
    /// What it is.
    pub kind: KeyKind,
    /// Its parts in order.
    pub parts: Vec<KeyPart>,
    /// MariaDB's IF NOT EXISTS.
    pub if_not_exists: bool,
}

/// What a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// PRIMARY KEY.
    Primary,
    /// UNIQUE.
    Unique,
    /// An index.
    Index,
    /// FULLTEXT, SPATIAL and VECTOR.
    Special,
    /// The index that a FOREIGN KEY needs, unless another key serves.
    Foreign,
}

/// A part of a key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyPart {
    /// The column; `None` for an expression.
    pub column: Option<Arc<str>>,
    /// The length of a prefix in characters.
    pub prefix: Option<u32>,
}
