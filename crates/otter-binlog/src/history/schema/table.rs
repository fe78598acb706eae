//! One table: its columns and keys, and what a row decoder makes of them.

use std::sync::Arc;

use otter_core::{Column, Table, TableName};

use super::names::{Names, same};
use crate::connection::Flavor;
use crate::history::charset;
use crate::history::dialect::Dialect;
use crate::history::statement::{Generated, KeyKind, KeyPart};
use crate::history::types::DataType;

/// The greatest length of an InnoDB key.
const MAX_KEY_BYTES: u64 = 3072;

/// What a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TableKind {
    /// A table with rows.
    #[default]
    Base,
    /// MariaDB's sequence, whose state is logged as rows that are none.
    Sequence,
}

/// MariaDB's system versioning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Versioning {
    /// None.
    #[default]
    None,
    /// With columns of the table's own for the times.
    Explicit,
    /// With the hidden columns `row_start` and `row_end` at the end of each row.
    Implicit,
}

impl Versioning {
    pub(super) fn of(is_versioned: bool, has_times: bool) -> Self {
        match (is_versioned, has_times) {
            (false, _) => Self::None,
            (true, true) => Self::Explicit,
            (true, false) => Self::Implicit,
        }
    }
}

/// The definition of one version of a table. It does not know its name, so that RENAME and LIKE
/// share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSchema {
    // Invariant: each key names columns of `columns`.
    pub(super) columns: Vec<ColumnSchema>,
    pub(super) keys: Vec<Key>,
    pub(super) collation: Arc<str>,
    pub(super) kind: TableKind,
    pub(super) versioning: Versioning,
    pub(super) is_complete: bool,
}

/// One column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnSchema {
    /// Its name as written.
    pub name: Arc<str>,
    /// Its type.
    pub data_type: DataType,
    /// Its collation, if values are text.
    pub collation: Option<Arc<str>>,
    /// Whether NULL is allowed.
    pub nullable: bool,
    /// AUTO_INCREMENT.
    pub auto_increment: bool,
    /// INVISIBLE.
    pub invisible: bool,
    /// MariaDB's COMPRESSED.
    pub compressed: bool,
    /// How it is generated, if it is.
    pub generated: Option<Generated>,
}

/// A key of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its name; `PRIMARY` for the primary key.
    pub name: Arc<str>,
    /// What it is; never [`KeyKind::Foreign`].
    pub kind: KeyKind,
    /// Made for a foreign key: another key with the same columns replaces it.
    pub generated: bool,
    /// Its parts in order.
    pub parts: Vec<KeyPart>,
}

/// What SHOW COLUMNS prints under "Key".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ColumnKey {
    /// Nothing.
    None,
    /// `PRI`.
    Primary,
    /// `UNI`.
    Unique,
    /// `MUL`.
    Multiple,
}

impl ColumnKey {
    /// As the server prints it; empty for none.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Primary => "PRI",
            Self::Unique => "UNI",
            Self::Multiple => "MUL",
        }
    }
}

impl TableSchema {
    /// The columns in row order, without those that system versioning hides.
    #[must_use]
    pub fn columns(&self) -> &[ColumnSchema] {
        &self.columns
    }

    /// The keys in the order of their definition.
    #[must_use]
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// The default collation of new columns.
    #[must_use]
    pub fn collation(&self) -> &str {
        &self.collation
    }

    /// What the table is.
    #[must_use]
    pub fn kind(&self) -> TableKind {
        self.kind
    }

    /// Whether rows end with hidden columns of system versioning.
    #[must_use]
    pub fn versioning(&self) -> Versioning {
        self.versioning
    }

    /// Whether all columns are known: not so after `CREATE TABLE … SELECT` logged as a statement.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// The index of the column with this name, compared without case as servers do.
    #[must_use]
    pub fn column_index(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| same(&column.name, name))
    }

    /// How many hidden columns its functional keys have: servers of MySQL 8.0 count them in a
    /// table map, but leave them out of rows.
    #[must_use]
    pub fn functional_parts(&self) -> usize {
        let parts = self.keys.iter().flat_map(|key| &key.parts);
        parts.filter(|part| part.column.is_none()).count()
    }

    /// The columns that identify a row, in key order: those of the primary key, else of the unique
    /// key without NULL that servers take for one; empty without either.
    #[must_use]
    pub fn primary_key(&self) -> Vec<usize> {
        let Some(key) = self.primary() else {
            return Vec::new();
        };
        let names = key.parts.iter().filter_map(|part| part.column.as_deref());
        names.filter_map(|name| self.column_index(name)).collect()
    }

    /// What SHOW COLUMNS of this server prints for the column at `index` under "Key".
    #[must_use]
    pub fn column_key(&self, index: usize, dialect: &Dialect) -> ColumnKey {
        let Some(column) = self.columns.get(index) else {
            return ColumnKey::None;
        };
        let is_column =
            |part: &KeyPart| part.column.as_deref().is_some_and(|name| same(name, &column.name));
        if self.primary().is_some_and(|key| key.parts.iter().any(is_column)) {
            return ColumnKey::Primary;
        }
        let mut beginning = Vec::new();
        for key in &self.keys {
            if key.parts.first().is_some_and(is_column) {
                beginning.push(key);
            }
        }
        // MariaDB: a versioned table's unique keys end with the hidden end of a row's time.
        let is_alone = |key: &Key| {
            key.kind == KeyKind::Unique
                && key.parts.len() == 1
                && self.versioning == Versioning::None
        };
        // MySQL: since 8.0 the first key in the server's own order decides, not the strongest.
        let is_unique = if dialect.is_at_least(Flavor::MySql, 80_000) {
            beginning.sort_by_key(|key| self.rank(key));
            beginning.first().is_some_and(|key| is_alone(key))
        } else {
            beginning.iter().any(|key| is_alone(key))
        };
        match (beginning.is_empty(), is_unique) {
            (true, _) => ColumnKey::None,
            (false, true) => ColumnKey::Unique,
            (false, false) => ColumnKey::Multiple,
        }
    }

    /// Where servers sort a key: unique ones first, of these those without NULL and then those over
    /// whole columns.
    fn rank(&self, key: &Key) -> (bool, bool, bool) {
        let is_unique = key.kind == KeyKind::Unique;
        let has_null = key.parts.iter().any(|part| {
            let index = part.column.as_deref().and_then(|name| self.column_index(name));
            index.and_then(|index| self.columns.get(index)).is_none_or(|column| column.nullable)
        });
        let has_prefix = key.parts.iter().any(|part| part.prefix.is_some());
        (!is_unique, is_unique && has_null, is_unique && has_prefix)
    }

    /// The primary key, or the first unique key that can stand for it.
    fn primary(&self) -> Option<&Key> {
        let primary = self.keys.iter().find(|key| key.kind == KeyKind::Primary);
        primary.or_else(|| self.keys.iter().find(|key| self.can_be_primary(key)))
    }

    /// Whether the key is unique over whole columns that hold no NULL and are stored.
    fn can_be_primary(&self, key: &Key) -> bool {
        let column_of = |part: &KeyPart| {
            part.column.as_deref().and_then(|name| self.columns.get(self.column_index(name)?))
        };
        let bytes = key.parts.iter().map(|part| column_of(part).map_or(0, ColumnSchema::key_bytes));
        key.kind == KeyKind::Unique
            // MariaDB: a longer key is unique by a hidden hash.
            && bytes.sum::<u64>() <= MAX_KEY_BYTES
            && key.parts.iter().all(|part| {
                column_of(part).is_some_and(|column| {
                    !column.nullable
                        && part.prefix.is_none()
                        && column.generated != Some(Generated::Virtual)
                })
            })
    }

    /// What rows of this table are decoded and written by.
    #[must_use]
    pub fn to_table(&self, name: TableName) -> Table {
        let mut columns: Vec<Column> = self.columns.iter().map(ColumnSchema::to_column).collect();
        if self.versioning == Versioning::Implicit {
            columns.extend(["row_start", "row_end"].map(|name| Column {
                name: name.into(),
                column_type: DataType::Timestamp { digits: 6 }.to_column_type(None),
                nullable: false,
            }));
        }
        Table { name, columns, primary_key: self.primary_key(), dropped_key: Vec::new() }
    }

    pub(super) fn share_names(&mut self, names: &mut Names) {
        names.replace(&mut self.collation);
        for column in &mut self.columns {
            names.replace(&mut column.name);
            if let Some(collation) = &mut column.collation {
                names.replace(collation);
            }
        }
        for key in &mut self.keys {
            names.replace(&mut key.name);
            for part in &mut key.parts {
                if let Some(column) = &mut part.column {
                    names.replace(column);
                }
            }
            key.parts.shrink_to_fit();
        }
        self.columns.shrink_to_fit();
        self.keys.shrink_to_fit();
    }
}

impl ColumnSchema {
    /// The length of a key over the whole column, where it can be long.
    fn key_bytes(&self) -> u64 {
        let width = self.collation.as_deref().map_or(1, charset::max_bytes);
        match self.data_type {
            DataType::Char { chars } | DataType::VarChar { chars } => {
                u64::from(chars) * u64::from(width)
            }
            DataType::Binary { bytes } | DataType::VarBinary { bytes } => u64::from(bytes),
            DataType::Text(_) | DataType::Blob(_) | DataType::Geometry(_) => u64::MAX / 64,
            DataType::Integer { .. }
            | DataType::Decimal { .. }
            | DataType::Float { .. }
            | DataType::Double { .. }
            | DataType::Bit { .. }
            | DataType::Year
            | DataType::Date
            | DataType::Time { .. }
            | DataType::DateTime { .. }
            | DataType::Timestamp { .. }
            | DataType::Enum(_)
            | DataType::Set(_)
            | DataType::Json
            | DataType::Vector { .. }
            | DataType::Uuid
            | DataType::Inet4
            | DataType::Inet6 => 8,
        }
    }

    /// What rows need to know of the column.
    #[must_use]
    pub fn to_column(&self) -> Column {
        Column {
            name: Arc::clone(&self.name),
            column_type: self.data_type.to_column_type(self.collation.as_deref()),
            nullable: self.nullable,
        }
    }
}
