//! The answer to a query: names and rows of texts.
//!
//! For the small answers that a reader needs: variables, schemas, positions. Values never show in
//! `Debug` (SECRET-1).

use std::fmt;

use bytes::Bytes;

use super::wire::{Reader, Truncated};

/// Columns and rows that a query returned; both empty where the statement returns none.
#[derive(Debug, Clone, Default)]
pub struct ResultSet {
    columns: Vec<String>,
    rows: Vec<Row>,
}

impl ResultSet {
    pub(super) fn new(columns: Vec<String>) -> Self {
        Self { columns, rows: Vec::new() }
    }

    pub(super) fn push(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// The columns' names, as the server wrote them.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The rows, in the server's order.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The place of a column, by its name in any case. Servers differ in the case of the names of
    /// `SHOW` and of `information_schema`.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.eq_ignore_ascii_case(name))
    }

    /// The value in the first row under a name; `None` also for NULL and for bytes that are not
    /// UTF-8.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&str> {
        self.rows.first()?.text(self.column(name)?)
    }
}

/// One row; each value is NULL or a text in UTF-8, or bytes where the column is binary.
#[derive(Clone)]
pub struct Row {
    values: Vec<Option<Bytes>>,
}

impl Row {
    /// Reads a row of `width` values.
    pub(super) fn parse(packet: &[u8], width: usize) -> Result<Self, Truncated> {
        let packet = Bytes::copy_from_slice(packet);
        let mut reader = Reader::new(&packet);
        let mut values = Vec::with_capacity(width);
        for _ in 0..width {
            values.push(reader.nullable_text()?.map(|value| packet.slice_ref(value)));
        }
        if reader.is_empty() { Ok(Self { values }) } else { Err(Truncated) }
    }

    /// The value's bytes; `None` for NULL or a column that is not there.
    #[must_use]
    pub fn bytes(&self, column: usize) -> Option<&[u8]> {
        self.values.get(column)?.as_deref()
    }

    /// The value as a text; `None` for NULL, a column that is not there, or bytes that are not
    /// UTF-8.
    #[must_use]
    pub fn text(&self, column: usize) -> Option<&str> {
        std::str::from_utf8(self.bytes(column)?).ok()
    }

    /// How many values the row has.
    #[must_use]
    pub fn width(&self) -> usize {
        self.values.len()
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Row({} values)", self.values.len())
    }
}

/// The name in a column definition.
pub(super) fn column_name(packet: &[u8]) -> Result<String, Truncated> {
    let mut reader = Reader::new(packet);
    // Catalog, schema, table, original table.
    for _ in 0..4 {
        reader.text()?;
    }
    Ok(String::from_utf8_lossy(reader.text()?).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rows_hold_texts_bytes_and_nulls() {
        let row = Row::parse(b"\x03abc\xfb\x02\xff\xfe\x00", 4).unwrap();
        assert_eq!(row.text(0), Some("abc"));
        assert_eq!(row.bytes(1), None);
        assert_eq!((row.bytes(2), row.text(2)), (Some(&b"\xff\xfe"[..]), None));
        assert_eq!(row.text(3), Some(""));
        assert_eq!(row.bytes(4), None);
        assert_eq!(format!("{row:?}"), "Row(4 values)");
    }

    #[test]
    fn rows_with_too_few_or_too_many_values_are_refused() {
        assert!(Row::parse(b"\x01a", 2).is_err());
        assert!(Row::parse(b"\x01a\x01b", 1).is_err());
        assert!(Row::parse(b"\xfe\xff\xff\xff\xff\xff\xff\xff\xffa", 1).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_row_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..64),
            width in 0usize..8,
        ) {
            let _ = Row::parse(&bytes, width);
            let _ = column_name(&bytes);
        }
    }
}
