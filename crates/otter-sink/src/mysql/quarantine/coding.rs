//! One changed row as bytes that outlive a restart, and back: its definition, its images, its flags.
//!
//! Pure. What is read back is equal to what was written, value by value and bit by bit, so that a
//! held row is written to the target as it would have been. The first byte is the version; numbers
//! are little-endian, and what has a length begins with it. Reading never panics and takes no more
//! memory than there are bytes.

mod cell;
mod column;
mod reader;

use std::sync::Arc;

use otter_core::{
    Change, Row, RowArenaBuilder, RowFlags, RowKind, RowsEvent, Table, TableName, Value,
};

use cell::{push_cell, read_cell};
use column::{push_column, read_column};
use reader::{Reader, Unreadable};

/// The version of the bytes.
const VERSION: u8 = 1;

const NO_FOREIGN_KEY_CHECKS: u8 = 1;
const NO_UNIQUE_CHECKS: u8 = 2;

/// The row has a type or a value that this version does not know, or more than 4 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Uncodable;

/// Writes an event's definition and one of its rows.
pub(crate) fn encode(rows: &RowsEvent, change: &Change<'_>) -> Result<Vec<u8>, Uncodable> {
    let mut bytes = Vec::with_capacity(256);
    let flags = rows.flags();
    let mut bits = 0;
    if flags.no_foreign_key_checks {
        bits |= NO_FOREIGN_KEY_CHECKS;
    }
    if flags.no_unique_checks {
        bits |= NO_UNIQUE_CHECKS;
    }
    let kind = match change {
        Change::Insert { .. } => 0,
        Change::Update { .. } => 1,
        Change::Delete { .. } => 2,
    };
    bytes.extend([VERSION, kind, bits]);
    bytes.extend(rows.server_id().to_le_bytes());
    push_table(&mut bytes, rows.table())?;
    for image in [change.before(), change.after()].into_iter().flatten() {
        for value in image.values() {
            push_cell(&mut bytes, value)?;
        }
    }
    Ok(bytes)
}

/// Reads what [`encode`] wrote; `None` where these are not such bytes.
pub(crate) fn decode(bytes: &[u8]) -> Option<RowsEvent> {
    read_row(bytes).ok()
}

fn read_row(bytes: &[u8]) -> Result<RowsEvent, Unreadable> {
    let mut reader = Reader::new(bytes);
    if reader.byte()? != VERSION {
        return Err(Unreadable);
    }
    let (kind, images) = match reader.byte()? {
        0 => (RowKind::Insert, 1),
        1 => (RowKind::Update, 2),
        2 => (RowKind::Delete, 1),
        _ => return Err(Unreadable),
    };
    let bits = reader.byte()?;
    let flags = RowFlags {
        no_foreign_key_checks: bits & NO_FOREIGN_KEY_CHECKS != 0,
        no_unique_checks: bits & NO_UNIQUE_CHECKS != 0,
        ..RowFlags::default()
    };
    let server_id = u32::from_le_bytes(reader.array()?);
    let table = Arc::new(read_table(&mut reader)?);
    let mut arena = RowArenaBuilder::with_capacity(images * table.columns.len(), bytes.len());
    for _ in 0..images * table.columns.len() {
        let value = read_cell(&mut reader)?;
        arena.push(value).map_err(|_| Unreadable)?;
    }
    reader.end()?;
    let rows = RowsEvent::new(table, kind, Arc::new(arena.finish()), 0, 1).ok_or(Unreadable)?;
    Ok(rows.with_flags(flags).with_server_id(server_id))
}

/// The same change with other values in its image after the change; `None` for a removed row.
pub(crate) fn encode_edited(
    rows: &RowsEvent,
    new_value: impl Fn(usize) -> Option<Vec<u8>>,
) -> Result<Option<Vec<u8>>, Uncodable> {
    let Some(change) = rows.changes().next() else { return Ok(None) };
    let Some(after) = change.after() else { return Ok(None) };
    let mut bytes = encode(rows, &change)?;
    let mut behind = Vec::new();
    push_cells(&mut behind, after)?;
    let kept = bytes.len().saturating_sub(behind.len());
    bytes.truncate(kept);
    for (index, value) in after.values().enumerate() {
        match new_value(index) {
            Some(cell) => bytes.extend(cell),
            None => push_cell(&mut bytes, value)?,
        }
    }
    Ok(Some(bytes))
}

/// One value as it stands in the bytes.
pub(crate) fn encode_value(value: Value<'_>) -> Result<Vec<u8>, Uncodable> {
    let mut bytes = Vec::new();
    push_cell(&mut bytes, Some(value))?;
    Ok(bytes)
}

fn push_cells(bytes: &mut Vec<u8>, row: Row<'_>) -> Result<(), Uncodable> {
    row.values().try_for_each(|value| push_cell(bytes, value))
}

fn push_table(bytes: &mut Vec<u8>, table: &Table) -> Result<(), Uncodable> {
    push_text(bytes, &table.name.database)?;
    push_text(bytes, &table.name.table)?;
    push_length(bytes, table.columns.len())?;
    for column in &table.columns {
        push_column(bytes, column)?;
    }
    push_length(bytes, table.primary_key.len())?;
    for index in &table.primary_key {
        push_length(bytes, *index)?;
    }
    push_length(bytes, table.dropped_key.len())?;
    table.dropped_key.iter().try_for_each(|name| push_text(bytes, name))
}

fn read_table(reader: &mut Reader<'_>) -> Result<Table, Unreadable> {
    let name = TableName::new(reader.text()?, reader.text()?);
    let columns = reader.list(read_column)?;
    let primary_key = reader.list(Reader::length)?;
    let dropped_key = reader.list(|reader| reader.text().map(Arc::from))?;
    if primary_key.iter().any(|index| *index >= columns.len()) {
        return Err(Unreadable);
    }
    Ok(Table { name, columns, primary_key, dropped_key })
}

/// Appends a length or a small number.
fn push_length(bytes: &mut Vec<u8>, length: usize) -> Result<(), Uncodable> {
    let length = u32::try_from(length).map_err(|_| Uncodable)?;
    bytes.extend(length.to_le_bytes());
    Ok(())
}

fn push_long(bytes: &mut Vec<u8>, long: &[u8]) -> Result<(), Uncodable> {
    push_length(bytes, long.len())?;
    bytes.extend_from_slice(long);
    Ok(())
}

fn push_text(bytes: &mut Vec<u8>, text: &str) -> Result<(), Uncodable> {
    push_long(bytes, text.as_bytes())
}

#[cfg(test)]
mod tests;
