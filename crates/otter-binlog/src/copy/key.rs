//! Keys: by which rows are told apart, and behind which a copy goes on.
//!
//! A place in a key is a list of SQL literals, which the source compares itself: by its own
//! collations, with its own order. Before them stands what the key was then: behind a place of another
//! key, or of one in another order, lie other rows. Whether a change has touched a row that was copied is told by the
//! bytes of the values: whoever changes them, whatever a collation thinks of it, touches both.

use std::fmt::Write as _;
use std::sync::Arc;

use otter_core::{ColumnType, Row, Value};

use super::value::quoted;
use crate::row::address::Address;
use crate::schema::information::SchemaColumn;

/// What stands between the literals of a stored place; no literal holds it.
const BETWEEN: char = '\t';

/// One column of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyColumn {
    pub(super) name: Arc<str>,
    /// Its place among the table's columns.
    pub(super) index: usize,
    /// What is compared.
    compared: String,
    /// The character set of its literals; `None` for plain ones.
    charset: Option<Arc<str>>,
}

/// A key that tells rows apart, without NULL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) name: String,
    /// In key order, never empty.
    pub(super) columns: Vec<KeyColumn>,
    /// What tells it from others: its columns, their types and collations.
    pub(super) mark: Arc<str>,
}

/// The mark of a key whose columns are these, each with its type and its collation.
pub(super) fn mark_of<'c>(columns: impl Iterator<Item = (&'c str, &'c str, &'c str)>) -> Arc<str> {
    let mut digest = crc32fast::Hasher::new();
    for (name, column_type, collation) in columns {
        for part in [name, column_type, collation] {
            digest.update(&part.len().to_le_bytes());
            digest.update(part.as_bytes());
        }
    }
    format!("k{:08x}", digest.finalize()).into()
}

impl KeyColumn {
    /// `None` where values of the column have no literal that is compared as they are.
    pub(super) fn new(index: usize, column: &SchemaColumn) -> Option<Self> {
        let column_type = column.column_type()?;
        let name = quoted(&column.name);
        let mut charset = None;
        let compared = match &column_type {
            ColumnType::Json
            | ColumnType::Geometry
            | ColumnType::Vector
            | ColumnType::Constant { .. } => return None,
            // A plain number would be taken for a label, or for two digits of a year.
            ColumnType::Enum { .. } | ColumnType::Set { .. } | ColumnType::Year => {
                format!("CAST({name} AS UNSIGNED)")
            }
            ColumnType::Text { charset: named, .. } => {
                if Address::of(&column.data_type).is_none() {
                    charset = Some(Arc::clone(named));
                }
                name
            }
            ColumnType::Integer { .. }
            | ColumnType::Decimal { .. }
            | ColumnType::Float
            | ColumnType::Double
            | ColumnType::Bit { .. }
            | ColumnType::Date
            | ColumnType::Time { .. }
            | ColumnType::DateTime { .. }
            | ColumnType::Timestamp { .. }
            | ColumnType::Bytes { .. } => name,
            // A type that is not known here.
            _ => return None,
        };
        Some(Self { name: Arc::clone(&column.name), index, compared, charset })
    }

    fn literal(&self, value: Value<'_>) -> Option<String> {
        Some(match value {
            Value::Int(number) => number.to_string(),
            Value::UInt(number) | Value::Bit(number) | Value::Set(number) => number.to_string(),
            Value::Year(number) | Value::Enum(number) => number.to_string(),
            Value::Decimal(digits) => digits.to_owned(),
            Value::Float(number) => format!("{:e}", f64::from(number)),
            Value::Double(number) => format!("{number:e}"),
            Value::Date(date) => format!("'{date}'"),
            Value::Time(time) => format!("'{time}'"),
            Value::DateTime(time) => format!("'{time}'"),
            Value::Timestamp(time) => format!("'{time}'"),
            Value::Text(bytes) => match &self.charset {
                Some(charset) => format!("_{charset} X'{}'", hex(bytes)),
                None => format!("'{}'", std::str::from_utf8(bytes).ok()?),
            },
            Value::Bytes(bytes) => format!("X'{}'", hex(bytes)),
            Value::Null
            | Value::Json(_)
            | Value::JsonChanges(_)
            | Value::Geometry(_)
            | Value::Vector(_) => return None,
            _ => return None,
        })
    }
}

impl Key {
    /// The place of a row, to go on behind it. The row has the columns of the table in their order.
    pub(super) fn place<'v>(
        &self,
        value_of: impl Fn(usize) -> Option<Value<'v>>,
    ) -> Option<Arc<str>> {
        let mut text = self.mark.to_string();
        for column in &self.columns {
            text.push(BETWEEN);
            text.push_str(&column.literal(value_of(column.index)?)?);
        }
        Some(text.into())
    }

    /// Whether a place is one of this key, as the key is now.
    pub(super) fn has_place(&self, place: &str) -> bool {
        place.split_once(BETWEEN).is_some_and(|(mark, _)| mark == &*self.mark)
    }

    /// The condition for the rows behind a place; `None` where the place is not one of this key.
    pub(super) fn behind(&self, place: &str) -> Option<String> {
        let (_, place) = place.split_once(BETWEEN).filter(|(mark, _)| *mark == &*self.mark)?;
        let literals: Vec<&str> = place.split(BETWEEN).collect();
        if literals.len() != self.columns.len() || !literals.iter().all(|it| is_literal(it)) {
            return None;
        }
        let pairs: Vec<_> =
            self.columns.iter().map(|column| column.compared.as_str()).zip(literals).collect();
        let mut condition = String::new();
        let mut open = 0;
        if pairs.len() > 1
            && let Some((column, literal)) = pairs.first()
        {
            // With it servers begin at the right place of the index.
            let _ = write!(condition, "{column} >= {literal} AND (");
            open += 1;
        }
        for (number, (column, literal)) in pairs.iter().enumerate() {
            let _ = write!(condition, "{column} > {literal}");
            if number + 1 < pairs.len() {
                let _ = write!(condition, " OR ({column} = {literal} AND (");
                open += 2;
            }
        }
        condition.push_str(&")".repeat(open));
        Some(condition)
    }

    /// The condition for the rows up to a place, its own among them; `None` where the place is not one
    /// of this key.
    pub(super) fn up_to(&self, place: &str) -> Option<String> {
        let behind = self.behind(place)?;
        let first = self.columns.first()?;
        let literal = place.split(BETWEEN).nth(1)?;
        // With the first part servers end at the right place of the index.
        Some(format!("{} <= {literal} AND NOT ({behind})", first.compared))
    }

    /// The condition for the row with these values; `None` where they are not those of this key.
    pub(super) fn equal(&self, place: &str) -> Option<String> {
        let literals: Vec<&str> = place.split(BETWEEN).collect();
        if literals.len() != self.columns.len() || !literals.iter().all(|it| is_literal(it)) {
            return None;
        }
        let pairs = self.columns.iter().zip(literals);
        let pairs: Vec<_> =
            pairs.map(|(column, literal)| format!("{} = {literal}", column.compared)).collect();
        Some(format!("({})", pairs.join(" AND ")))
    }

    /// The values that these literals name, in the order of the columns.
    pub(super) fn place_of(literals: &[String]) -> Arc<str> {
        literals.join(&BETWEEN.to_string()).into()
    }

    /// The columns by which rows are sorted.
    pub(super) fn order(&self) -> String {
        let names: Vec<_> = self.columns.iter().map(|column| quoted(&column.name)).collect();
        names.join(", ")
    }

    /// The bytes of a row's key, as its own table calls the columns; `None` where a column is missing.
    pub(super) fn bytes_of(&self, row: Row<'_>) -> Option<Box<[u8]>> {
        self.bytes_of_values(self.columns.iter().map(|column| row.by_name(&column.name)))
    }

    /// The bytes of the key with these values, in the order of its columns.
    pub(super) fn bytes_of_values<'v>(
        &self,
        values: impl Iterator<Item = Option<Value<'v>>>,
    ) -> Option<Box<[u8]>> {
        let mut bytes = Vec::with_capacity(16);
        for value in values {
            push_bytes(&mut bytes, value?);
        }
        Some(bytes.into())
    }
}

/// What is stored in the target becomes a part of a statement at the source: nothing but literals may.
fn is_literal(text: &str) -> bool {
    let is_plain = |letter: char| {
        letter.is_ascii_alphanumeric() || matches!(letter, '_' | '\'' | ' ' | '.' | ':' | '+' | '-')
    };
    !text.is_empty() && !text.contains("--") && text.chars().all(is_plain)
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02X}");
    }
    text
}

/// Appends a value so that different ones differ, and none is the beginning of another.
pub(super) fn push_bytes(bytes: &mut Vec<u8>, value: Value<'_>) {
    let mut add = |tag: u8, content: &[u8]| {
        bytes.push(tag);
        bytes.extend_from_slice(&content.len().to_le_bytes());
        bytes.extend_from_slice(content);
    };
    match value {
        Value::Null => add(0, &[]),
        Value::Int(number) => add(1, &number.to_le_bytes()),
        Value::UInt(number) => add(2, &number.to_le_bytes()),
        Value::Float(number) => add(3, &number.to_bits().to_le_bytes()),
        Value::Double(number) => add(4, &number.to_bits().to_le_bytes()),
        Value::Decimal(digits) => add(5, digits.as_bytes()),
        Value::Bit(number) => add(6, &number.to_le_bytes()),
        Value::Year(number) => add(7, &number.to_le_bytes()),
        Value::Date(date) => add(8, date.to_string().as_bytes()),
        Value::Time(time) => add(9, time.to_string().as_bytes()),
        Value::DateTime(time) => add(10, time.to_string().as_bytes()),
        Value::Timestamp(time) => add(11, time.to_string().as_bytes()),
        Value::Text(text) => add(12, text),
        Value::Bytes(content) => add(13, content),
        Value::Enum(number) => add(14, &number.to_le_bytes()),
        Value::Set(number) => add(15, &number.to_le_bytes()),
        Value::Json(text) | Value::JsonChanges(text) => add(16, text.as_bytes()),
        Value::Geometry(content) => add(17, content),
        Value::Vector(content) => add(18, content),
        _ => add(19, &[]),
    }
}

#[cfg(test)]
mod tests;
