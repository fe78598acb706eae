//! Reading the stored format.

use std::sync::Arc;

use otter_core::TableName;

use super::super::names::TableNames;
use super::super::table::{ColumnSchema, Key, TableKind, TableSchema, Versioning};
use super::super::{Schema, SchemaOptions};
use super::{HEADER, SchemaTextError, type_name};
use crate::history::escape::unfield;
use crate::history::statement::{Generated, KeyKind, KeyPart};
use crate::history::types::Labels;

impl Schema {
    /// Reads what [`Schema::to_text`] wrote.
    ///
    /// # Errors
    ///
    /// [`SchemaTextError`] (fatal) where the text is damaged or of another version.
    pub fn from_text(text: &str) -> Result<Self, SchemaTextError> {
        let mut lines = text.lines().enumerate();
        let table_names = lines
            .next()
            .and_then(|(_, header)| header.strip_prefix(HEADER)?.strip_prefix('\t')?.parse().ok())
            .filter(|number| *number <= 2)
            .map(TableNames::from_variable)
            .ok_or(SchemaTextError { line: 1 })?;
        let mut reader =
            Reader { schema: Self::new(SchemaOptions { table_names }), database: None, open: None };
        for (index, line) in lines {
            reader.line(line).ok_or(SchemaTextError { line: index + 1 })?;
        }
        reader.close();
        Ok(reader.schema)
    }
}

struct Reader {
    schema: Schema,
    /// The last database with its collation.
    database: Option<(Arc<str>, Arc<str>)>,
    /// The table whose columns and keys are being read.
    open: Option<(Owner, TableSchema)>,
}

/// Where a finished table goes.
enum Owner {
    Database(TableName),
    Connection(u32, TableName),
}

impl Reader {
    fn line(&mut self, line: &str) -> Option<()> {
        let mut fields = line.split('\t');
        match fields.next()? {
            "D" => {
                self.close();
                let name = self.name(fields.next()?)?;
                let collation = self.name(fields.next()?)?;
                self.schema.put_database(&name, &collation);
                self.database = Some((name, collation));
            }
            "T" => {
                self.close();
                let (database, _) = self.database.clone()?;
                let name = TableName { database, table: self.name(fields.next()?)? };
                let table = self.table(&mut fields)?;
                self.open = Some((Owner::Database(name), table));
            }
            "X" => {
                self.close();
                let thread = fields.next()?.parse().ok()?;
                let database = self.name(fields.next()?)?;
                let name = TableName { database, table: self.name(fields.next()?)? };
                let table = self.table(&mut fields)?;
                self.open = Some((Owner::Connection(thread, name), table));
            }
            "C" => {
                let column = self.column(&mut fields)?;
                self.open.as_mut()?.1.columns.push(column);
            }
            "K" => {
                let key = self.key(&mut fields)?;
                let table = &mut self.open.as_mut()?.1;
                let mut named = key.parts.iter().filter_map(|part| part.column.as_deref());
                if !named.all(|name| table.column_index(name).is_some()) {
                    return None;
                }
                table.keys.push(key);
            }
            _ => return None,
        }
        fields.next().is_none().then_some(())
    }

    fn close(&mut self) {
        match self.open.take() {
            Some((Owner::Database(name), table)) => self.schema.insert(&name, table),
            Some((Owner::Connection(thread, name), table)) => {
                self.schema.temporary.insert((thread, name), Arc::new(table));
            }
            None => {}
        }
    }

    fn name(&mut self, field: &str) -> Option<Arc<str>> {
        Some(self.schema.names.share(&unfield(field)?))
    }

    fn table<'a>(&mut self, fields: &mut impl Iterator<Item = &'a str>) -> Option<TableSchema> {
        let collation = self.name(fields.next()?)?;
        let mut table = TableSchema {
            columns: Vec::new(),
            keys: Vec::new(),
            collation,
            kind: TableKind::Base,
            versioning: Versioning::None,
            is_complete: true,
        };
        for flag in unfield(fields.next()?)?.chars() {
            match flag {
                'i' => table.is_complete = false,
                'q' => table.kind = TableKind::Sequence,
                'v' => table.versioning = Versioning::Explicit,
                'h' => table.versioning = Versioning::Implicit,
                _ => return None,
            }
        }
        Some(table)
    }

    fn column<'a>(&mut self, fields: &mut impl Iterator<Item = &'a str>) -> Option<ColumnSchema> {
        let name = self.name(fields.next()?)?;
        let type_word = fields.next()?;
        let collation = self.name(fields.next()?)?;
        let flags = unfield(fields.next()?)?;
        let mut labels: Vec<Arc<str>> = Vec::new();
        if matches!(type_word, "enum" | "set") {
            for label in fields {
                labels.push(unfield(label)?.into());
            }
        }
        let mut column = ColumnSchema {
            name,
            data_type: type_name::read(type_word, Labels::from(labels))?,
            collation: (!collation.is_empty()).then_some(collation),
            nullable: false,
            auto_increment: false,
            invisible: false,
            compressed: false,
            generated: None,
        };
        for flag in flags.chars() {
            match flag {
                'n' => column.nullable = true,
                'a' => column.auto_increment = true,
                'i' => column.invisible = true,
                'c' => column.compressed = true,
                'g' => column.generated = Some(Generated::Virtual),
                's' => column.generated = Some(Generated::Stored),
                'r' => column.generated = Some(Generated::RowTime),
                _ => return None,
            }
        }
        Some(column)
    }

    fn key<'a>(&mut self, fields: &mut impl Iterator<Item = &'a str>) -> Option<Key> {
        let name = self.name(fields.next()?)?;
        let kind = match fields.next()? {
            "primary" => KeyKind::Primary,
            "unique" => KeyKind::Unique,
            "index" => KeyKind::Index,
            "special" => KeyKind::Special,
            _ => return None,
        };
        let generated = match &*unfield(fields.next()?)? {
            "" => false,
            "f" => true,
            _ => return None,
        };
        let mut parts = Vec::new();
        for part in fields {
            parts.push(self.part(part)?);
        }
        Some(Key { name, kind, generated, parts })
    }

    fn part(&mut self, field: &str) -> Option<KeyPart> {
        let text = unfield(field)?;
        if text == "=" {
            return Some(KeyPart { column: None, prefix: None });
        }
        let (prefix, column) = text.split_once(':')?;
        let prefix: u32 = prefix.parse().ok()?;
        let column = self.schema.names.share(column);
        Some(KeyPart { column: Some(column), prefix: (prefix > 0).then_some(prefix) })
    }
}
