//! Values as bytes that are equal exactly where the values are.

use otter_core::{Date, DateTime, Value};

/// Appends the values of some columns; `None` where one of them is not known.
pub(crate) fn push_columns<'v>(
    bytes: &mut Vec<u8>,
    columns: &[usize],
    value_of: impl Fn(usize) -> Option<Value<'v>>,
) -> Option<()> {
    for index in columns {
        push_value(bytes, value_of(*index)?)?;
    }
    Some(())
}

/// Appends one value; all values of a column are of one kind or NULL, and those without a fixed
/// length begin with it. `None` for a kind that is not known here.
fn push_value(bytes: &mut Vec<u8>, value: Value<'_>) -> Option<()> {
    bytes.push(u8::from(!value.is_null()));
    match value {
        Value::Null => {}
        Value::Int(value) => bytes.extend_from_slice(&value.to_le_bytes()),
        Value::UInt(value) | Value::Bit(value) | Value::Set(value) => {
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        Value::Float(value) => bytes.extend_from_slice(&value.to_bits().to_le_bytes()),
        Value::Double(value) => bytes.extend_from_slice(&value.to_bits().to_le_bytes()),
        Value::Decimal(text) | Value::Json(text) => push_long(bytes, text.as_bytes()),
        Value::Year(value) | Value::Enum(value) => bytes.extend_from_slice(&value.to_le_bytes()),
        Value::Date(date) => push_date(bytes, date),
        Value::Time(time) => {
            bytes.push(u8::from(time.negative));
            bytes.extend_from_slice(&time.hours.to_le_bytes());
            bytes.extend_from_slice(&[time.minutes, time.seconds]);
            bytes.extend_from_slice(&time.micros.to_le_bytes());
        }
        Value::DateTime(value) => push_datetime(bytes, value),
        Value::Timestamp(value) => {
            bytes.extend_from_slice(&value.seconds.to_le_bytes());
            bytes.extend_from_slice(&value.micros.to_le_bytes());
        }
        Value::Text(long) | Value::Bytes(long) | Value::Geometry(long) | Value::Vector(long) => {
            push_long(bytes, long);
        }
        Value::JsonChanges(_) | _ => return None,
    }
    Some(())
}

fn push_long(bytes: &mut Vec<u8>, long: &[u8]) {
    bytes.extend_from_slice(&long.len().to_le_bytes());
    bytes.extend_from_slice(long);
}

fn push_date(bytes: &mut Vec<u8>, date: Date) {
    bytes.extend_from_slice(&date.year.to_le_bytes());
    bytes.extend_from_slice(&[date.month, date.day]);
}

fn push_datetime(bytes: &mut Vec<u8>, value: DateTime) {
    push_date(bytes, value.date);
    bytes.extend_from_slice(&[value.hour, value.minute, value.second]);
    bytes.extend_from_slice(&value.micros.to_le_bytes());
}
