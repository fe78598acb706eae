//! The optional metadata of a table map: signs, character sets, names, labels, the primary key.
//!
//! MySQL: `binlog_row_metadata`, <https://dev.mysql.com/doc/refman/9.7/en/replication-options-binary-log.html>.
//! MariaDB writes the same fields, by default none.

use std::sync::Arc;

use super::frame::EventError;
use super::table_map::{MapColumn, TypeCode};
use crate::cursor::Cursor;

/// What the server tells of one column; `None` where it does not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ColumnFacts {
    pub(crate) name: Option<Arc<str>>,
    pub(crate) unsigned: Option<bool>,
    /// The collation's id; of ENUM and SET, that of the labels.
    pub(crate) collation: Option<u16>,
    /// ENUM's and SET's labels in their own character set.
    pub(crate) labels: Option<Vec<Box<[u8]>>>,
}

mod field {
    pub(super) const SIGNEDNESS: u8 = 1;
    pub(super) const DEFAULT_CHARSET: u8 = 2;
    pub(super) const COLUMN_CHARSET: u8 = 3;
    pub(super) const COLUMN_NAME: u8 = 4;
    pub(super) const SET_LABELS: u8 = 5;
    pub(super) const ENUM_LABELS: u8 = 6;
    pub(super) const SIMPLE_PRIMARY_KEY: u8 = 8;
    pub(super) const PRIMARY_KEY_WITH_PREFIX: u8 = 9;
    pub(super) const LABELLED_DEFAULT_CHARSET: u8 = 10;
    pub(super) const LABELLED_COLUMN_CHARSET: u8 = 11;
}

/// Reads all fields into the columns and returns the primary key's columns.
///
/// The key is known, and may be empty, only where the server writes full metadata: names tell.
pub(super) fn read(
    cursor: &mut Cursor<'_>,
    columns: &mut [MapColumn],
    mariadb: bool,
) -> Result<Option<Vec<usize>>, EventError> {
    let is_character = |code: TypeCode| code.is_character(mariadb);
    let mut primary_key = None;
    let mut named = false;
    while !cursor.is_empty() {
        let kind = cursor.u8()?;
        let mut value = Cursor::new(cursor.packed_bytes()?);
        let value = &mut value;
        match kind {
            field::SIGNEDNESS => read_signs(value, columns)?,
            field::DEFAULT_CHARSET => {
                read_default_charset(value, columns, is_character)?;
            }
            field::COLUMN_CHARSET => read_charsets(value, columns, is_character)?,
            field::COLUMN_NAME => {
                read_names(value, columns)?;
                named = true;
            }
            field::SET_LABELS => read_labels(value, columns, TypeCode::SET)?,
            field::ENUM_LABELS => read_labels(value, columns, TypeCode::ENUM)?,
            field::SIMPLE_PRIMARY_KEY => primary_key = Some(read_key(value, columns.len(), false)?),
            field::PRIMARY_KEY_WITH_PREFIX => {
                primary_key = Some(read_key(value, columns.len(), true)?);
            }
            field::LABELLED_DEFAULT_CHARSET => {
                read_default_charset(value, columns, TypeCode::is_labelled)?;
            }
            field::LABELLED_COLUMN_CHARSET => {
                read_charsets(value, columns, TypeCode::is_labelled)?;
            }
            // Kinds of geometry, visibility, dimensions of vectors: not needed to read rows.
            _ => {}
        }
    }
    Ok(primary_key.or(named.then(Vec::new)))
}

/// One bit per numeric column, highest first.
fn read_signs(cursor: &mut Cursor<'_>, columns: &mut [MapColumn]) -> Result<(), EventError> {
    let bits = cursor.take_rest();
    let count = columns.iter().filter(|column| column.code.is_numeric()).count();
    // Counting a type that the server does not count, or the other way round, would give signs to
    // the wrong columns; every eighth time at least it shows here.
    if bits.len() != count.div_ceil(8) {
        return Err(EventError::Malformed("its signs are those of another number of columns"));
    }
    let numeric = columns.iter_mut().filter(|column| column.code.is_numeric());
    for (index, column) in numeric.enumerate() {
        let byte = bits.get(index / 8).ok_or(EventError::Short)?;
        column.facts.unsigned = Some(byte << (index % 8) & 0x80 != 0);
    }
    Ok(())
}

fn collation(id: u64) -> Result<u16, EventError> {
    u16::try_from(id).map_err(|_| EventError::Malformed("a collation's id is too large"))
}

/// One collation for all columns of a kind, then pairs of exceptions, counted within the kind.
fn read_default_charset(
    cursor: &mut Cursor<'_>,
    columns: &mut [MapColumn],
    counts: impl Fn(TypeCode) -> bool,
) -> Result<(), EventError> {
    let default = collation(cursor.packed()?)?;
    for column in columns.iter_mut().filter(|column| counts(column.code)) {
        column.facts.collation = Some(default);
    }
    while !cursor.is_empty() {
        let index = cursor.packed_length()?;
        let exception = collation(cursor.packed()?)?;
        let mut kind = columns.iter_mut().filter(|column| counts(column.code));
        let column = kind
            .nth(index)
            .ok_or(EventError::Malformed("a character set is of a column that is not there"))?;
        column.facts.collation = Some(exception);
    }
    Ok(())
}

fn read_charsets(
    cursor: &mut Cursor<'_>,
    columns: &mut [MapColumn],
    counts: impl Fn(TypeCode) -> bool,
) -> Result<(), EventError> {
    for column in columns.iter_mut().filter(|column| counts(column.code)) {
        column.facts.collation = Some(collation(cursor.packed()?)?);
    }
    if cursor.is_empty() {
        return Ok(());
    }
    Err(EventError::Malformed("its character sets are those of more columns"))
}

fn read_names(cursor: &mut Cursor<'_>, columns: &mut [MapColumn]) -> Result<(), EventError> {
    for column in columns {
        let name = std::str::from_utf8(cursor.packed_bytes()?)
            .map_err(|_| EventError::Malformed("a column's name is not UTF-8"))?;
        column.facts.name = Some(name.into());
    }
    Ok(())
}

fn read_labels(
    cursor: &mut Cursor<'_>,
    columns: &mut [MapColumn],
    code: TypeCode,
) -> Result<(), EventError> {
    for column in columns.iter_mut().filter(|column| column.code == code) {
        let count = cursor.packed_length()?;
        // Each label takes a byte at least.
        if count > cursor.left() {
            return Err(EventError::Short);
        }
        let mut labels = Vec::with_capacity(count);
        for _ in 0..count {
            labels.push(cursor.packed_bytes()?.into());
        }
        column.facts.labels = Some(labels);
    }
    Ok(())
}

/// Column indexes; with prefixes, each is followed by the length of its prefix.
fn read_key(
    cursor: &mut Cursor<'_>,
    width: usize,
    with_prefix: bool,
) -> Result<Vec<usize>, EventError> {
    let mut key = Vec::new();
    while !cursor.is_empty() {
        let index = cursor.packed_length()?;
        if with_prefix {
            cursor.packed()?;
        }
        if index >= width || key.contains(&index) {
            return Err(EventError::Malformed("its primary key names a column that is not there"));
        }
        key.push(index);
    }
    Ok(key)
}
