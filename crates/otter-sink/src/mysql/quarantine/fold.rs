//! Values as bytes that are equal wherever the target may hold the values equal.
//!
//! Pure. The target's collation is not asked: text counts only where the lanes of fast mode know a
//! rule that is coarser than its collation ([`Equality`]). For everything else the answer is that nobody
//! knows. Two values that differ may look equal here, which makes a change wait that need not; never
//! the other way round. Unlike there, values of two tables are compared, and values that an operator
//! typed, so that numbers and times are brought to one form.

use otter_core::{ColumnType, Date, DateTime, Value};

use crate::mysql::fit::{ColumnPlan, TextForm};
use crate::mysql::lanes::{Equality, push_value};
use crate::mysql::target::TargetColumn;

/// Appends a value of a column; `None` where what it equals is not known.
pub(super) fn push_folded(
    bytes: &mut Vec<u8>,
    value: Value<'_>,
    source: &ColumnType,
    (column, target): (&ColumnPlan, &TargetColumn),
) -> Option<()> {
    // What the target makes of it by itself may be anything.
    if !column.written || target.generated {
        return None;
    }
    let equality = Equality::of(source, target)?;
    match value {
        Value::Null => bytes.push(0),
        Value::Int(value) => push(bytes, &value.to_le_bytes()),
        Value::UInt(value) | Value::Bit(value) | Value::Set(value) => {
            push(bytes, &value.to_le_bytes());
        }
        Value::Year(value) | Value::Enum(value) => push(bytes, &u64::from(value).to_le_bytes()),
        Value::Decimal(digits) => push(bytes, plain_decimal(digits).as_bytes()),
        Value::Date(date) => push(bytes, &date_bytes(date)),
        Value::DateTime(value) => push(bytes, &datetime_bytes(value)),
        Value::Timestamp(value) => push(bytes, &datetime_bytes(value.to_utc())),
        Value::Time(time) => {
            let is_zero =
                time.hours == 0 && time.minutes == 0 && time.seconds == 0 && time.micros == 0;
            bytes.extend([1, u8::from(time.negative && !is_zero)]);
            bytes.extend(time.hours.to_le_bytes());
            bytes.extend([time.minutes, time.seconds]);
            bytes.extend(time.micros.to_le_bytes());
        }
        // Of two character sets the same letter has other bytes.
        Value::Text(text) if !text.is_ascii() && column.text != TextForm::Utf8 => return None,
        Value::Text(_) => push_value(bytes, value, equality)?,
        // BINARY and VARBINARY differ in the zeros at the end.
        Value::Bytes(binary) => {
            let length = binary.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            push(bytes, binary.get(..length).unwrap_or_default());
        }
        Value::Float(_)
        | Value::Double(_)
        | Value::Json(_)
        | Value::JsonChanges(_)
        | Value::Geometry(_)
        | Value::Vector(_)
        | _ => return None,
    }
    Some(())
}

/// The digits without zeros that say nothing.
fn plain_decimal(digits: &str) -> String {
    let (sign, rest) = match digits.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", digits),
    };
    let (whole, fraction) = rest.split_once('.').unwrap_or((rest, ""));
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    if whole.is_empty() && fraction.is_empty() {
        return String::from(".");
    }
    format!("{sign}{whole}.{fraction}")
}

fn push(bytes: &mut Vec<u8>, value: &[u8]) {
    bytes.push(1);
    bytes.extend(value.len().to_le_bytes());
    bytes.extend_from_slice(value);
}

fn date_bytes(date: Date) -> [u8; 4] {
    let [low, high] = date.year.to_le_bytes();
    [low, high, date.month, date.day]
}

fn datetime_bytes(value: DateTime) -> [u8; 11] {
    let [a, b, c, d] = date_bytes(value.date);
    let [e, f, g, h] = value.micros.to_le_bytes();
    [a, b, c, d, value.hour, value.minute, value.second, e, f, g, h]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_that_say_nothing_are_left_out() {
        assert_eq!(plain_decimal("-001.50"), plain_decimal("-1.5"));
        assert_eq!(plain_decimal("-0.00"), plain_decimal("0"));
        assert_ne!(plain_decimal("10"), plain_decimal("1"));
    }
}
