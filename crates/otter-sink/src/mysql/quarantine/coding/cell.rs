//! One value as bytes: a tag, then what it holds.

use otter_core::{Date, DateTime, Time, Timestamp, Value};

use super::reader::{Reader, Unreadable};
use super::{Uncodable, push_long};

// Tags are never given away anew: the bytes outlive the version that wrote them.
const ABSENT: u8 = 0;
const NULL: u8 = 1;
const INT: u8 = 2;
const UINT: u8 = 3;
const FLOAT: u8 = 4;
const DOUBLE: u8 = 5;
const DECIMAL: u8 = 6;
const BIT: u8 = 7;
const YEAR: u8 = 8;
const DATE: u8 = 9;
const TIME: u8 = 10;
const DATETIME: u8 = 11;
const TIMESTAMP: u8 = 12;
const TEXT: u8 = 13;
const BYTES: u8 = 14;
const ENUM: u8 = 15;
const SET: u8 = 16;
const JSON: u8 = 17;
const JSON_CHANGES: u8 = 18;
const GEOMETRY: u8 = 19;
const VECTOR: u8 = 20;

/// Appends a value, or an absent one.
pub(super) fn push_cell(bytes: &mut Vec<u8>, value: Option<Value<'_>>) -> Result<(), Uncodable> {
    let Some(value) = value else {
        bytes.push(ABSENT);
        return Ok(());
    };
    match value {
        Value::Null => bytes.push(NULL),
        Value::Int(value) => push(bytes, INT, &value.to_le_bytes()),
        Value::UInt(value) => push(bytes, UINT, &value.to_le_bytes()),
        Value::Float(value) => push(bytes, FLOAT, &value.to_bits().to_le_bytes()),
        Value::Double(value) => push(bytes, DOUBLE, &value.to_bits().to_le_bytes()),
        Value::Bit(value) => push(bytes, BIT, &value.to_le_bytes()),
        Value::Year(value) => push(bytes, YEAR, &value.to_le_bytes()),
        Value::Enum(value) => push(bytes, ENUM, &value.to_le_bytes()),
        Value::Set(value) => push(bytes, SET, &value.to_le_bytes()),
        Value::Date(date) => {
            bytes.push(DATE);
            push_date(bytes, date);
        }
        Value::Time(time) => {
            bytes.extend([TIME, u8::from(time.negative)]);
            bytes.extend(time.hours.to_le_bytes());
            bytes.extend([time.minutes, time.seconds]);
            bytes.extend(time.micros.to_le_bytes());
            bytes.push(time.digits);
        }
        Value::DateTime(value) => {
            bytes.push(DATETIME);
            push_date(bytes, value.date);
            bytes.extend([value.hour, value.minute, value.second]);
            bytes.extend(value.micros.to_le_bytes());
            bytes.push(value.digits);
        }
        Value::Timestamp(value) => {
            push(bytes, TIMESTAMP, &value.seconds.to_le_bytes());
            bytes.extend(value.micros.to_le_bytes());
            bytes.push(value.digits);
        }
        Value::Decimal(text) => return push_tagged(bytes, DECIMAL, text.as_bytes()),
        Value::Json(text) => return push_tagged(bytes, JSON, text.as_bytes()),
        Value::JsonChanges(text) => return push_tagged(bytes, JSON_CHANGES, text.as_bytes()),
        Value::Text(long) => return push_tagged(bytes, TEXT, long),
        Value::Bytes(long) => return push_tagged(bytes, BYTES, long),
        Value::Geometry(long) => return push_tagged(bytes, GEOMETRY, long),
        Value::Vector(long) => return push_tagged(bytes, VECTOR, long),
        // A kind of a later version.
        _ => return Err(Uncodable),
    }
    Ok(())
}

/// Reads what [`push_cell`] wrote.
pub(super) fn read_cell<'a>(reader: &mut Reader<'a>) -> Result<Option<Value<'a>>, Unreadable> {
    Ok(Some(match reader.byte()? {
        ABSENT => return Ok(None),
        NULL => Value::Null,
        INT => Value::Int(i64::from_le_bytes(reader.array()?)),
        UINT => Value::UInt(u64::from_le_bytes(reader.array()?)),
        FLOAT => Value::Float(f32::from_bits(reader.number()?)),
        DOUBLE => Value::Double(f64::from_bits(u64::from_le_bytes(reader.array()?))),
        DECIMAL => Value::Decimal(reader.text()?),
        BIT => Value::Bit(u64::from_le_bytes(reader.array()?)),
        YEAR => Value::Year(u16::from_le_bytes(reader.array()?)),
        DATE => Value::Date(read_date(reader)?),
        TIME => Value::Time(Time {
            negative: reader.flag()?,
            hours: u16::from_le_bytes(reader.array()?),
            minutes: reader.byte()?,
            seconds: reader.byte()?,
            micros: reader.number()?,
            digits: reader.byte()?,
        }),
        DATETIME => Value::DateTime(DateTime {
            date: read_date(reader)?,
            hour: reader.byte()?,
            minute: reader.byte()?,
            second: reader.byte()?,
            micros: reader.number()?,
            digits: reader.byte()?,
        }),
        TIMESTAMP => Value::Timestamp(Timestamp {
            seconds: reader.number()?,
            micros: reader.number()?,
            digits: reader.byte()?,
        }),
        TEXT => Value::Text(reader.long()?),
        BYTES => Value::Bytes(reader.long()?),
        ENUM => Value::Enum(u16::from_le_bytes(reader.array()?)),
        SET => Value::Set(u64::from_le_bytes(reader.array()?)),
        JSON => Value::Json(reader.text()?),
        JSON_CHANGES => Value::JsonChanges(reader.text()?),
        GEOMETRY => Value::Geometry(reader.long()?),
        VECTOR => Value::Vector(reader.long()?),
        _ => return Err(Unreadable),
    }))
}

fn push(bytes: &mut Vec<u8>, tag: u8, value: &[u8]) {
    bytes.push(tag);
    bytes.extend_from_slice(value);
}

fn push_tagged(bytes: &mut Vec<u8>, tag: u8, long: &[u8]) -> Result<(), Uncodable> {
    bytes.push(tag);
    push_long(bytes, long)
}

fn push_date(bytes: &mut Vec<u8>, date: Date) {
    bytes.extend(date.year.to_le_bytes());
    bytes.extend([date.month, date.day]);
}

fn read_date(reader: &mut Reader<'_>) -> Result<Date, Unreadable> {
    Ok(Date {
        year: u16::from_le_bytes(reader.array()?),
        month: reader.byte()?,
        day: reader.byte()?,
    })
}
