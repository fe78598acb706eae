//! What the server tells of its tables, and how it differs from the tracked schema.

use std::collections::BTreeMap;
use std::sync::Arc;

use otter_binlog::history::schema::Key;
use otter_binlog::history::schema::snapshot::{
    COLUMNS, ColumnRow, DATABASES, KEYS, KeyRow, SnapshotBuilder, TABLES,
};
use otter_binlog::history::statement::KeyKind;
use otter_binlog::history::{DataType, Dialect, Schema, SchemaOptions, TableSchema};

/// The rows of the four queries.
pub(crate) type Answers = [Vec<Vec<Option<String>>>];

/// The databases of the test.
pub(crate) fn databases() -> [&'static str; 3] {
    ["h1", "h2", "h3"]
}

pub(crate) struct Judge {
    dialect: Dialect,
}

impl Judge {
    pub(crate) fn new(dialect: Dialect) -> Self {
        Self { dialect }
    }

    /// The four queries, for the databases of the test or as they are.
    pub(crate) fn queries(&self, everything: bool) -> [String; 4] {
        [DATABASES, TABLES, COLUMNS, KEYS].map(|query| {
            if everything {
                return query.to_owned();
            }
            let names = databases().map(|name| format!("'{name}'")).join(", ");
            query.replace(
                "NOT IN ('information_schema', 'performance_schema')",
                &format!("IN ({names})"),
            )
        })
    }

    /// The schema that the server's rows give.
    pub(crate) fn snapshot(&self, answers: &Answers) -> Schema {
        let [databases, tables, columns, keys] = answers else {
            panic!("four answers");
        };
        let mut builder = SnapshotBuilder::new(SchemaOptions::default(), self.dialect);
        for row in databases {
            builder.database(text(row, 0), text(row, 1));
        }
        for row in tables {
            builder.table(text(row, 0), text(row, 1), text(row, 2), cell(row, 3));
        }
        for row in columns {
            let row = ColumnRow {
                database: text(row, 0),
                table: text(row, 1),
                name: text(row, 2),
                column_type: text(row, 3),
                collation: cell(row, 4),
                is_nullable: text(row, 5),
                key: text(row, 6),
                extra: text(row, 7),
                expression: cell(row, 8),
            };
            let read = builder.column(&row);
            read.unwrap_or_else(|error| panic!("{error}: {}", row.column_type));
        }
        for row in keys {
            builder.key(&KeyRow {
                database: text(row, 0),
                table: text(row, 1),
                name: text(row, 2),
                non_unique: text(row, 3),
                column: cell(row, 4),
                prefix: cell(row, 5),
                index_type: text(row, 6),
            });
        }
        builder.finish()
    }

    /// Compares the databases of the test; tells how many tables and columns were compared, or the
    /// first difference.
    pub(crate) fn compare(
        &self,
        ours: &Schema,
        theirs: &Schema,
        answers: &Answers,
    ) -> Result<(usize, usize), String> {
        let ours_by_name = tables(ours);
        let theirs_by_name = tables(theirs);
        let names = |tables: &BTreeMap<String, _>| tables.keys().cloned().collect::<Vec<_>>();
        differ("the tables", &names(&ours_by_name), &names(&theirs_by_name))?;
        for name in databases() {
            let collation = |schema: &Schema| {
                let mut found = schema.databases().filter(|(database, _)| *database == name);
                found.next().map(|(_, collation)| collation.to_owned())
            };
            differ(&format!("the collation of {name}"), &collation(ours), &collation(theirs))?;
        }
        let mut columns = 0;
        for (name, ours) in &ours_by_name {
            let theirs = theirs_by_name.get(name).ok_or("a table is gone")?;
            columns += ours.columns().len();
            compare_table(name, ours, theirs)?;
        }
        self.compare_flags(&ours_by_name, answers)?;
        Ok((ours_by_name.len(), columns))
    }

    /// Compares "Key" as the server itself prints it, not as it follows from its keys.
    fn compare_flags(
        &self,
        ours: &BTreeMap<String, Arc<TableSchema>>,
        answers: &Answers,
    ) -> Result<(), String> {
        let rows = answers.get(2).ok_or("no columns")?;
        for row in rows {
            let (name, column) = (format!("{}.{}", text(row, 0), text(row, 1)), text(row, 2));
            let Some(table) = ours.get(&name) else { continue };
            let index = table.column_index(column).ok_or("a column is gone")?;
            let what = format!("the key of {name}.{column}");
            differ(&what, &table.column_key(index, &self.dialect).as_str(), &text(row, 6))?;
        }
        Ok(())
    }
}

fn compare_table(name: &str, ours: &TableSchema, theirs: &TableSchema) -> Result<(), String> {
    let names = |table: &TableSchema| {
        table.columns().iter().map(|column| column.name.to_string()).collect::<Vec<_>>()
    };
    differ(&format!("the columns of {name}"), &names(ours), &names(theirs))?;
    for (ours, theirs) in ours.columns().iter().zip(theirs.columns()) {
        let mut theirs = theirs.clone();
        // Labels that a conversion garbled are given up, not guessed.
        if matches!(&ours.data_type, DataType::Enum(labels) | DataType::Set(labels) if labels.is_empty())
        {
            theirs.data_type = ours.data_type.clone();
        }
        differ(&format!("{name}.{}", ours.name), ours, &theirs)?;
    }
    differ(&format!("the keys of {name}"), &keys(ours), &keys(theirs))?;
    differ(&format!("the identity of {name}"), &ours.primary_key(), &theirs.primary_key())?;
    differ(&format!("what {name} is"), &ours.kind(), &theirs.kind())?;
    differ(&format!("the versions of {name}"), &ours.versioning(), &theirs.versioning())?;
    // MariaDB tells a collation of sequences that depends on the session.
    if ours.kind() == otter_binlog::history::TableKind::Base {
        differ(&format!("the collation of {name}"), &ours.collation(), &theirs.collation())?;
    }
    Ok(())
}

/// The keys by name, without what the server does not tell, and without what it chooses itself:
/// an index on a geometry is a spatial one or has a length of its own, and without strict mode a
/// key that is too long is cut to what the engine takes.
fn keys(table: &TableSchema) -> BTreeMap<String, Key> {
    let is_geometry = |name: Option<&str>| {
        let index = name.and_then(|name| table.column_index(name));
        let column = index.and_then(|index| table.columns().get(index));
        column.is_some_and(|column| matches!(column.data_type, DataType::Geometry(_)))
    };
    let keys = table.keys().iter().map(|key| {
        let mut key = Key { generated: false, ..key.clone() };
        let is_unique = matches!(key.kind, KeyKind::Primary | KeyKind::Unique);
        if !is_unique {
            key.kind = KeyKind::Index;
        }
        for part in &mut key.parts {
            if !is_unique || is_geometry(part.column.as_deref()) {
                part.prefix = None;
            }
        }
        (key.name.to_string(), key)
    });
    keys.collect()
}

fn tables(schema: &Schema) -> BTreeMap<String, Arc<TableSchema>> {
    let tables = schema.tables().filter(|(name, _)| databases().contains(&&*name.database));
    tables.map(|(name, table)| (name.to_string(), Arc::clone(table))).collect()
}

fn differ<T: PartialEq + std::fmt::Debug>(what: &str, ours: &T, theirs: &T) -> Result<(), String> {
    if ours == theirs {
        return Ok(());
    }
    Err(format!("{what} differ\n  tracked: {ours:?}\n  server:  {theirs:?}"))
}

fn cell(row: &[Option<String>], index: usize) -> Option<&str> {
    row.get(index)?.as_deref()
}

fn text(row: &[Option<String>], index: usize) -> &str {
    cell(row, index).unwrap_or_default()
}
