//! Values that a target in memory keeps.

use crate::event::Row;
use crate::value::Value;

/// A value that is kept. Unlike [`Value`] it shows itself in `Debug`: it is for tests only.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stored {
    /// SQL NULL.
    Null,
    /// A signed integer.
    Int(i64),
    /// An unsigned integer.
    UInt(u64),
    /// Text, where it is UTF-8.
    Text(String),
    /// Anything else: its kind, and bytes that are equal where the values are.
    Other(&'static str, Vec<u8>),
}

/// A row that is kept: its values in column order.
pub type StoredRow = Vec<Stored>;

impl From<i64> for Stored {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<&str> for Stored {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<Value<'_>> for Stored {
    fn from(value: Value<'_>) -> Self {
        let bytes = match value {
            Value::Null => return Self::Null,
            Value::Int(value) => return Self::Int(value),
            Value::UInt(value) => return Self::UInt(value),
            Value::Text(text) => match std::str::from_utf8(text) {
                Ok(text) => return Self::from(text),
                Err(_) => text.to_vec(),
            },
            Value::Float(value) => value.to_bits().to_be_bytes().to_vec(),
            Value::Double(value) => value.to_bits().to_be_bytes().to_vec(),
            Value::Decimal(text) | Value::Json(text) | Value::JsonChanges(text) => {
                text.as_bytes().to_vec()
            }
            Value::Bit(value) | Value::Set(value) => value.to_be_bytes().to_vec(),
            Value::Year(value) | Value::Enum(value) => value.to_be_bytes().to_vec(),
            // Their `Debug` shows all fields; only `Value`'s hides them.
            Value::Date(value) => format!("{value:?}").into_bytes(),
            Value::Time(value) => format!("{value:?}").into_bytes(),
            Value::DateTime(value) => format!("{value:?}").into_bytes(),
            Value::Timestamp(value) => format!("{value:?}").into_bytes(),
            Value::Bytes(bytes) | Value::Geometry(bytes) | Value::Vector(bytes) => bytes.to_vec(),
        };
        Self::Other(value.kind(), bytes)
    }
}

/// The values of a row image; `None` where absent.
pub(in super::super) fn image(row: Row<'_>) -> Vec<Option<Stored>> {
    row.values().map(|value| value.map(Stored::from)).collect()
}
