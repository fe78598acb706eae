//! The schema as the server tells it: built from rows of `information_schema`.
//!
//! The queries are here so that both ends of the contract are in one file; running them, and at
//! which position of the binlog, is the caller's. Each takes every database but those that are
//! made of nothing: a filtered table may be renamed into a mapping later.

use std::collections::BTreeMap;
use std::sync::Arc;

use otter_core::TableName;

use super::table::{ColumnKey, ColumnSchema, Key, TableKind, TableSchema, Versioning};
use super::{Schema, SchemaOptions, names::same};
use crate::history::charset;
use crate::history::dialect::Dialect;
use crate::history::reader::{NotUnderstood, read_column_type};
use crate::history::statement::{Generated, KeyKind, KeyPart};

/// Gives the fields of [`SnapshotBuilder::database`].
pub const DATABASES: &str = "SELECT schema_name, default_collation_name \
     FROM information_schema.schemata \
     WHERE schema_name NOT IN ('information_schema', 'performance_schema')";

/// Gives the fields of [`SnapshotBuilder::table`].
pub const TABLES: &str = "SELECT table_schema, table_name, table_type, table_collation \
     FROM information_schema.tables \
     WHERE table_schema NOT IN ('information_schema', 'performance_schema')";

/// Gives the fields of [`ColumnRow`] in order.
pub const COLUMNS: &str = "SELECT table_schema, table_name, column_name, column_type, \
     collation_name, is_nullable, column_key, extra, generation_expression \
     FROM information_schema.columns \
     WHERE table_schema NOT IN ('information_schema', 'performance_schema') \
     ORDER BY table_schema, table_name, ordinal_position";

/// Gives the fields of [`KeyRow`] in order.
pub const KEYS: &str = "SELECT table_schema, table_name, index_name, non_unique, column_name, \
     sub_part, index_type \
     FROM information_schema.statistics \
     WHERE table_schema NOT IN ('information_schema', 'performance_schema') \
     ORDER BY table_schema, table_name, index_name, seq_in_index";

/// A row of [`COLUMNS`].
#[derive(Debug, Clone, Copy, Default)]
pub struct ColumnRow<'a> {
    /// `table_schema`.
    pub database: &'a str,
    /// `table_name`.
    pub table: &'a str,
    /// `column_name`.
    pub name: &'a str,
    /// `column_type`.
    pub column_type: &'a str,
    /// `collation_name`.
    pub collation: Option<&'a str>,
    /// `is_nullable`.
    pub is_nullable: &'a str,
    /// `column_key`.
    pub key: &'a str,
    /// `extra`.
    pub extra: &'a str,
    /// `generation_expression`; MySQL 5.6 has none.
    pub expression: Option<&'a str>,
}

/// A row of [`KEYS`].
#[derive(Debug, Clone, Copy, Default)]
pub struct KeyRow<'a> {
    /// `table_schema`.
    pub database: &'a str,
    /// `table_name`.
    pub table: &'a str,
    /// `index_name`.
    pub name: &'a str,
    /// `non_unique`: 0 or 1.
    pub non_unique: &'a str,
    /// `column_name`; absent for an expression.
    pub column: Option<&'a str>,
    /// `sub_part`.
    pub prefix: Option<&'a str>,
    /// `index_type`.
    pub index_type: &'a str,
}

/// Gathers the rows of the four queries; the order of the queries does not matter, the order of
/// rows within one does.
#[derive(Debug)]
pub struct SnapshotBuilder {
    dialect: Dialect,
    schema: Schema,
    tables: BTreeMap<TableName, Draft>,
}

#[derive(Debug, Default)]
struct Draft {
    columns: Vec<ColumnSchema>,
    keys: Vec<Key>,
    /// The columns that the server calls primary, which tells what unique key stands for it.
    primary: Vec<Arc<str>>,
    is_versioned: bool,
    is_left_out: bool,
    collation: Option<Arc<str>>,
    kind: Option<TableKind>,
}

impl SnapshotBuilder {
    /// Begins without rows.
    #[must_use]
    pub fn new(options: SchemaOptions, dialect: Dialect) -> Self {
        Self { dialect, schema: Schema::new(options), tables: BTreeMap::new() }
    }

    /// Takes a row of [`DATABASES`].
    pub fn database(&mut self, name: &str, collation: &str) {
        self.schema.put_database(name, &charset::canonical(collation));
    }

    /// Takes a row of [`TABLES`]; views are passed over.
    pub fn table(&mut self, database: &str, name: &str, kind: &str, collation: Option<&str>) {
        let table_kind = match kind {
            "BASE TABLE" | "SYSTEM VERSIONED" => TableKind::Base,
            "SEQUENCE" => TableKind::Sequence,
            _ => return,
        };
        let collation = collation.map(|collation| Arc::from(&*charset::canonical(collation)));
        let draft = self.draft(database, name);
        draft.kind = Some(table_kind);
        draft.is_versioned = kind == "SYSTEM VERSIONED";
        draft.collation = collation;
    }

    /// Takes a row of [`COLUMNS`].
    ///
    /// # Errors
    ///
    /// [`NotUnderstood`] (poison) where the type is not known.
    pub fn column(&mut self, row: &ColumnRow<'_>) -> Result<(), NotUnderstood> {
        let read = read_column_type(row.column_type.as_bytes(), &self.dialect)?;
        let extra = row.extra.to_ascii_uppercase();
        let is_row_time =
            row.expression.is_some_and(|text| matches!(text, "ROW START" | "ROW END"));
        let generated = if is_row_time {
            Some(Generated::RowTime)
        } else if extra.contains("VIRTUAL") {
            Some(Generated::Virtual)
        } else if extra.contains("STORED GENERATED") || extra.contains("PERSISTENT") {
            Some(Generated::Stored)
        } else {
            None
        };
        // MySQL: an ENUM of bytes is shown without its collation.
        let collation = row.collation.map(|name| Arc::from(&*charset::canonical(name)));
        let collation =
            collation.or_else(|| read.data_type.is_text().then(|| charset::BINARY.into()));
        let name: Arc<str> = row.name.into();
        let column = ColumnSchema {
            name: Arc::clone(&name),
            data_type: read.data_type,
            collation,
            nullable: row.is_nullable.eq_ignore_ascii_case("YES"),
            auto_increment: extra.contains("AUTO_INCREMENT"),
            invisible: extra.contains("INVISIBLE"),
            compressed: read.compressed,
            generated,
        };
        let draft = self.draft(row.database, row.table);
        draft.columns.push(column);
        if row.key == ColumnKey::Primary.as_str() {
            draft.primary.push(name);
        }
        Ok(())
    }

    /// Leaves a table out, because one of its columns is not understood.
    pub fn leave_out(&mut self, database: &str, table: &str) {
        self.draft(database, table).is_left_out = true;
    }

    /// Takes a row of [`KEYS`].
    pub fn key(&mut self, row: &KeyRow<'_>) {
        let kind = match row.index_type {
            "FULLTEXT" | "SPATIAL" | "VECTOR" => KeyKind::Special,
            _ if row.name.eq_ignore_ascii_case("PRIMARY") => KeyKind::Primary,
            _ if row.non_unique == "0" => KeyKind::Unique,
            _ => KeyKind::Index,
        };
        let part = KeyPart {
            column: row.column.map(Arc::from),
            prefix: row
                .prefix
                .filter(|_| kind != KeyKind::Special)
                .and_then(|length| length.parse().ok()),
        };
        let keys = &mut self.draft(row.database, row.table).keys;
        match keys.iter_mut().find(|key| &*key.name == row.name) {
            Some(key) => key.parts.push(part),
            None => {
                keys.push(Key { name: row.name.into(), kind, generated: false, parts: vec![part] });
            }
        }
    }

    /// The schema of all rows taken. Columns and keys of what is no table are left out.
    #[must_use]
    pub fn finish(mut self) -> Schema {
        for (name, draft) in self.tables {
            if let Some(kind) = draft.kind.filter(|_| !draft.is_left_out) {
                self.schema.insert(&name, draft.finish(kind));
            }
        }
        self.schema
    }

    fn draft(&mut self, database: &str, table: &str) -> &mut Draft {
        self.tables.entry(TableName::new(database, table)).or_default()
    }
}

impl Draft {
    fn finish(mut self, kind: TableKind) -> TableSchema {
        // The order of keys is not told, but it decides which unique key stands for the primary.
        let primary = &self.primary;
        let is_primary = |key: &Key| {
            key.kind == KeyKind::Unique
                && key.parts.len() == primary.len()
                && key.parts.iter().all(|part| {
                    let column = part.column.as_deref();
                    column.is_some_and(|column| primary.iter().any(|name| same(name, column)))
                })
        };
        self.keys.sort_by_key(|key| (key.kind != KeyKind::Primary, !is_primary(key)));
        let columns = &self.columns;
        self.keys.retain(|key| {
            let mut named = key.parts.iter().filter_map(|part| part.column.as_deref());
            named.all(|name| columns.iter().any(|column| same(&column.name, name)))
        });
        let has_times = columns.iter().any(|column| column.generated == Some(Generated::RowTime));
        TableSchema {
            keys: self.keys,
            collation: self.collation.unwrap_or_else(|| charset::BINARY.into()),
            kind,
            versioning: Versioning::of(self.is_versioned, has_times),
            is_complete: true,
            columns: self.columns,
        }
    }
}
