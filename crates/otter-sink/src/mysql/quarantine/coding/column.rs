//! A column's definition as bytes.

use std::sync::Arc;

use otter_core::{Column, ColumnType};

use super::reader::{Reader, Unreadable};
use super::{Uncodable, push_length, push_text};

// Tags are never given away anew: the bytes outlive the version that wrote them.
const INTEGER: u8 = 1;
const DECIMAL: u8 = 2;
const FLOAT: u8 = 3;
const DOUBLE: u8 = 4;
const BIT: u8 = 5;
const YEAR: u8 = 6;
const DATE: u8 = 7;
const TIME: u8 = 8;
const DATETIME: u8 = 9;
const TIMESTAMP: u8 = 10;
const TEXT: u8 = 11;
const BYTES: u8 = 12;
const ENUM: u8 = 13;
const SET: u8 = 14;
const JSON: u8 = 15;
const GEOMETRY: u8 = 16;
const VECTOR: u8 = 17;
const CONSTANT: u8 = 18;

/// Appends a column's definition.
pub(super) fn push_column(bytes: &mut Vec<u8>, column: &Column) -> Result<(), Uncodable> {
    push_text(bytes, &column.name)?;
    bytes.push(u8::from(column.nullable));
    match &column.column_type {
        ColumnType::Integer { bytes: width, unsigned } => {
            bytes.extend([INTEGER, *width, u8::from(*unsigned)]);
        }
        ColumnType::Decimal { precision, scale, unsigned } => {
            bytes.extend([DECIMAL, *precision, *scale, u8::from(*unsigned)]);
        }
        ColumnType::Float => bytes.push(FLOAT),
        ColumnType::Double => bytes.push(DOUBLE),
        ColumnType::Bit { bits } => bytes.extend([BIT, *bits]),
        ColumnType::Year => bytes.push(YEAR),
        ColumnType::Date => bytes.push(DATE),
        ColumnType::Time { digits } => bytes.extend([TIME, *digits]),
        ColumnType::DateTime { digits } => bytes.extend([DATETIME, *digits]),
        ColumnType::Timestamp { digits } => bytes.extend([TIMESTAMP, *digits]),
        ColumnType::Text { max_bytes, charset, fixed } => {
            bytes.extend([TEXT, u8::from(*fixed)]);
            bytes.extend(max_bytes.to_le_bytes());
            push_text(bytes, charset)?;
        }
        ColumnType::Bytes { max_bytes, fixed } => {
            bytes.extend([BYTES, u8::from(*fixed)]);
            bytes.extend(max_bytes.to_le_bytes());
        }
        ColumnType::Enum { labels } => {
            bytes.push(ENUM);
            push_labels(bytes, labels.as_deref())?;
        }
        ColumnType::Set { labels } => {
            bytes.push(SET);
            push_labels(bytes, labels.as_deref())?;
        }
        ColumnType::Json => bytes.push(JSON),
        ColumnType::Geometry => bytes.push(GEOMETRY),
        ColumnType::Vector => bytes.push(VECTOR),
        ColumnType::Constant { text } => {
            bytes.push(CONSTANT);
            push_text(bytes, text)?;
        }
        // A type of a later version.
        _ => return Err(Uncodable),
    }
    Ok(())
}

/// Reads what [`push_column`] wrote.
pub(super) fn read_column(reader: &mut Reader<'_>) -> Result<Column, Unreadable> {
    let name = Arc::from(reader.text()?);
    let nullable = reader.flag()?;
    let column_type = match reader.byte()? {
        INTEGER => ColumnType::Integer { bytes: reader.byte()?, unsigned: reader.flag()? },
        DECIMAL => ColumnType::Decimal {
            precision: reader.byte()?,
            scale: reader.byte()?,
            unsigned: reader.flag()?,
        },
        FLOAT => ColumnType::Float,
        DOUBLE => ColumnType::Double,
        BIT => ColumnType::Bit { bits: reader.byte()? },
        YEAR => ColumnType::Year,
        DATE => ColumnType::Date,
        TIME => ColumnType::Time { digits: reader.byte()? },
        DATETIME => ColumnType::DateTime { digits: reader.byte()? },
        TIMESTAMP => ColumnType::Timestamp { digits: reader.byte()? },
        TEXT => {
            let fixed = reader.flag()?;
            let max_bytes = reader.number()?;
            ColumnType::Text { max_bytes, charset: Arc::from(reader.text()?), fixed }
        }
        BYTES => {
            let fixed = reader.flag()?;
            ColumnType::Bytes { max_bytes: reader.number()?, fixed }
        }
        ENUM => ColumnType::Enum { labels: read_labels(reader)? },
        SET => ColumnType::Set { labels: read_labels(reader)? },
        JSON => ColumnType::Json,
        GEOMETRY => ColumnType::Geometry,
        VECTOR => ColumnType::Vector,
        CONSTANT => ColumnType::Constant { text: Arc::from(reader.text()?) },
        _ => return Err(Unreadable),
    };
    Ok(Column { name, column_type, nullable })
}

fn push_labels(bytes: &mut Vec<u8>, labels: Option<&[Arc<str>]>) -> Result<(), Uncodable> {
    bytes.push(u8::from(labels.is_some()));
    let Some(labels) = labels else { return Ok(()) };
    push_length(bytes, labels.len())?;
    labels.iter().try_for_each(|label| push_text(bytes, label))
}

fn read_labels(reader: &mut Reader<'_>) -> Result<Option<Arc<[Arc<str>]>>, Unreadable> {
    if !reader.flag()? {
        return Ok(None);
    }
    let labels = reader.list(|reader| reader.text().map(Arc::from))?;
    Ok(Some(labels.into()))
}
