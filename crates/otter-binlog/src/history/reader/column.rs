//! A column: its name, its type and its attributes.

use std::sync::Arc;

use super::super::statement::{CharsetClause, ColumnDefinition, KeyDefinition, KeyKind};
use super::cursor::Cursor;
use super::{Result, attributes, data_type, key};

/// A column with what its definition brings along.
pub(super) struct ColumnReading {
    pub(super) definition: ColumnDefinition,
    /// The keys that it asks for, in the order of its attributes.
    pub(super) keys: Vec<KeyDefinition>,
    /// MariaDB: WITH SYSTEM VERSIONING, which makes the whole table versioned.
    pub(super) is_versioned: bool,
}

pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<ColumnReading> {
    let name = cursor.column_name()?;
    read_named(name, cursor)
}

/// Reads from behind the column's name.
pub(super) fn read_named(name: Arc<str>, cursor: &mut Cursor<'_>) -> Result<ColumnReading> {
    let mut charset = CharsetClause::default();
    let typed = data_type::read(cursor, &mut charset)?;
    let definition = ColumnDefinition {
        name,
        data_type: typed.data_type,
        asked_length: typed.asked_length,
        charset,
        nullable: typed.is_serial.then_some(false),
        auto_increment: typed.is_serial,
        generated: None,
        invisible: false,
        compressed: false,
    };
    let mut reading = ColumnReading { definition, keys: Vec::new(), is_versioned: false };
    if typed.is_serial {
        reading.ask_for(KeyKind::Unique);
    }
    attributes::read(cursor, &mut reading)?;
    Ok(reading)
}

impl ColumnReading {
    /// Adds a key over the column; asking twice, as SERIAL UNIQUE does, gives one.
    pub(super) fn ask_for(&mut self, kind: KeyKind) {
        if !self.keys.iter().any(|key| key.kind == kind) {
            self.keys.push(key::of_column(&self.definition.name, kind));
        }
    }
}
