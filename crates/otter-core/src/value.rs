//! One value of a row, borrowed from the buffer that holds it.
//!
//! "Absent" (not in the row image) is not a value: a row says `None` for it. NULL is a value.

use crate::temporal::{Date, DateTime, Time, Timestamp};

/// A value with MySQL's full domain. Text stays in its column's character set.
///
/// `Debug` shows the kind only: row values appear in no log (SECRET-1).
#[derive(Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// SQL NULL.
    Null,
    /// A signed integer of any width.
    Int(i64),
    /// An unsigned integer of any width.
    UInt(u64),
    /// A FLOAT, bit for bit.
    Float(f32),
    /// A DOUBLE, bit for bit.
    Double(f64),
    /// A DECIMAL as its digits: `-12.50`, with the declared number of fraction digits.
    Decimal(&'a str),
    /// A BIT as an unsigned number.
    Bit(u64),
    /// A YEAR; 0 is `0000`.
    Year(u16),
    /// A DATE.
    Date(Date),
    /// A TIME.
    Time(Time),
    /// A DATETIME.
    DateTime(DateTime),
    /// A TIMESTAMP.
    Timestamp(Timestamp),
    /// Text in the column's character set; CHAR without trailing spaces.
    Text(&'a [u8]),
    /// Bytes; BINARY with its padding.
    Bytes(&'a [u8]),
    /// An ENUM as its number: 1 is the first label, 0 the error value.
    Enum(u16),
    /// A SET as its bits: bit 0 is the first label.
    Set(u64),
    /// A JSON document as the server would print it.
    Json(&'a str),
    /// What was changed in a JSON document that is not known itself, as a JSON array with one
    /// object per step: `{"op": "replace", "path": "$.a[0]", "value": 1}`, with `replace`, `insert`
    /// and `remove`, which has no value. Only readers that take rows as they are logged meet it.
    JsonChanges(&'a str),
    /// A geometry: four bytes of SRID, little-endian, then WKB.
    Geometry(&'a [u8]),
    /// A vector: 32-bit floats, little-endian.
    Vector(&'a [u8]),
}

impl Value<'_> {
    /// Whether this is SQL NULL.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The kind in one word, for messages that must not show the value.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Int(_) => "int",
            Self::UInt(_) => "uint",
            Self::Float(_) => "float",
            Self::Double(_) => "double",
            Self::Decimal(_) => "decimal",
            Self::Bit(_) => "bit",
            Self::Year(_) => "year",
            Self::Date(_) => "date",
            Self::Time(_) => "time",
            Self::DateTime(_) => "datetime",
            Self::Timestamp(_) => "timestamp",
            Self::Text(_) => "text",
            Self::Bytes(_) => "bytes",
            Self::Enum(_) => "enum",
            Self::Set(_) => "set",
            Self::Json(_) => "json",
            Self::JsonChanges(_) => "json changes",
            Self::Geometry(_) => "geometry",
            Self::Vector(_) => "vector",
        }
    }
}

impl std::fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}(…)", self.kind())
    }
}
