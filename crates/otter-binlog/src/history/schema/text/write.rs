//! Writing the stored format.

use super::super::Schema;
use super::super::table::{ColumnSchema, Key, TableKind, TableSchema, Versioning};
use super::{HEADER, type_name};
use crate::history::escape::field;
use crate::history::statement::{Generated, KeyKind, KeyPart};
use crate::history::types::DataType;

impl Schema {
    /// The whole schema as text, which [`Schema::from_text`] reads; see the source of this method's
    /// module for the format. Equal schemas give equal texts.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = Text(format!("{HEADER}\t{}\n", self.options.table_names.variable()));
        for database in self.databases.values() {
            text.line('D', &[&database.name, &database.collation]);
            for entry in database.tables.values() {
                let table = &entry.table;
                text.line('T', &[&entry.name, &table.collation, &table_flags(table)]);
                text.table(table);
            }
        }
        for ((thread, name), table) in &self.temporary {
            let (thread, flags) = (thread.to_string(), table_flags(table));
            text.line('X', &[&thread, &name.database, &name.table, &table.collation, &flags]);
            text.table(table);
        }
        text.0
    }
}

struct Text(String);

impl Text {
    fn line(&mut self, kind: char, fields: &[&str]) {
        self.0.push(kind);
        for text in fields {
            self.0.push('\t');
            self.0.push_str(&field(text));
        }
        self.0.push('\n');
    }

    fn table(&mut self, table: &TableSchema) {
        for column in &table.columns {
            self.column(column);
        }
        for key in &table.keys {
            self.key(key);
        }
    }

    fn column(&mut self, column: &ColumnSchema) {
        let data_type = type_name::write(&column.data_type);
        let collation = column.collation.as_deref().unwrap_or_default();
        let flags = column_flags(column);
        let mut fields: Vec<&str> = vec![&column.name, &data_type, collation, &flags];
        if let DataType::Enum(labels) | DataType::Set(labels) = &column.data_type {
            fields.extend(labels.iter().map(|label| &**label));
        }
        self.line('C', &fields);
    }

    fn key(&mut self, key: &Key) {
        let kind = match key.kind {
            KeyKind::Primary => "primary",
            KeyKind::Unique => "unique",
            KeyKind::Index | KeyKind::Foreign => "index",
            KeyKind::Special => "special",
        };
        let flags = if key.generated { "f" } else { "" };
        let parts: Vec<String> = key.parts.iter().map(part).collect();
        let mut fields: Vec<&str> = vec![&key.name, kind, flags];
        fields.extend(parts.iter().map(|part| &**part));
        self.line('K', &fields);
    }
}

fn part(part: &KeyPart) -> String {
    match &part.column {
        Some(column) => format!("{}:{column}", part.prefix.unwrap_or(0)),
        None => "=".into(),
    }
}

fn table_flags(table: &TableSchema) -> String {
    let mut flags = String::new();
    if !table.is_complete {
        flags.push('i');
    }
    match table.kind {
        TableKind::Base => {}
        TableKind::Sequence => flags.push('q'),
    }
    match table.versioning {
        Versioning::None => {}
        Versioning::Explicit => flags.push('v'),
        Versioning::Implicit => flags.push('h'),
    }
    flags
}

fn column_flags(column: &ColumnSchema) -> String {
    let mut flags = String::new();
    let marks = [
        (column.nullable, 'n'),
        (column.auto_increment, 'a'),
        (column.invisible, 'i'),
        (column.compressed, 'c'),
        (column.generated == Some(Generated::Virtual), 'g'),
        (column.generated == Some(Generated::Stored), 's'),
        (column.generated == Some(Generated::RowTime), 'r'),
    ];
    flags.extend(marks.iter().filter(|(is_set, _)| *is_set).map(|(_, mark)| mark));
    flags
}
