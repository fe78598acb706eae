//! Values as bytes that are equal wherever the target may hold the values equal.
//!
//! Pure. The target's collation decides what equal text is, and is not asked: of text only plain
//! ASCII is folded, in a way that is coarser than all collations, and other text only where the
//! collation compares bytes. For everything else the answer is that nobody knows. Two values that
//! differ may look equal here, which makes a change wait that need not; never the other way round.

use otter_core::{Date, DateTime, Value};

use crate::mysql::fit::{ColumnPlan, TargetForm, TextForm};
use crate::mysql::target::TargetColumn;

/// Appends a value of a column; `None` where what it equals is not known.
pub(super) fn push_folded(
    bytes: &mut Vec<u8>,
    value: Value<'_>,
    column: &ColumnPlan,
    target: Option<&TargetColumn>,
) -> Option<()> {
    match value {
        Value::Null => bytes.push(0),
        Value::Int(value) => push(bytes, &value.to_le_bytes()),
        Value::UInt(value) | Value::Bit(value) | Value::Set(value) => {
            push(bytes, &value.to_le_bytes());
        }
        Value::Year(value) | Value::Enum(value) => push(bytes, &value.to_le_bytes()),
        Value::Decimal(digits) => push(bytes, plain_decimal(digits).as_bytes()),
        Value::Date(date) => push(bytes, &date_bytes(date)),
        Value::DateTime(value) => push(bytes, &datetime_bytes(value)),
        Value::Timestamp(value) => push(bytes, &datetime_bytes(value.to_utc())),
        Value::Time(time) => {
            bytes.extend([1, u8::from(time.negative)]);
            bytes.extend(time.hours.to_le_bytes());
            bytes.extend([time.minutes, time.seconds]);
            bytes.extend(time.micros.to_le_bytes());
        }
        Value::Text(text) => push(bytes, &folded_text(text, column, target)?),
        Value::Bytes(binary) if column.target == TargetForm::Other => {
            // BINARY and VARBINARY differ in the zeros at the end.
            let length = binary.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            push(bytes, binary.get(..length).unwrap_or_default());
        }
        Value::Bytes(_)
        | Value::Float(_)
        | Value::Double(_)
        | Value::Json(_)
        | Value::JsonChanges(_)
        | Value::Geometry(_)
        | Value::Vector(_)
        | _ => return None,
    }
    Some(())
}

/// The text as far as it matters for equality.
fn folded_text(text: &[u8], column: &ColumnPlan, target: Option<&TargetColumn>) -> Option<Vec<u8>> {
    // Most collations ignore spaces at the end.
    let length = text.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last + 1);
    let text = text.get(..length).unwrap_or_default();
    match &column.text {
        // A letter is not a byte.
        TextForm::Coded(_) => return None,
        TextForm::Utf8 | TextForm::AsciiBased(_) => {}
    }
    if text.iter().all(|byte| (b' '..=b'~').contains(byte)) {
        return Some(text.iter().map(|byte| folded_letter(*byte)).collect());
    }
    let compares_bytes = target.is_some_and(|target| {
        target.collation.as_deref().is_some_and(|name| name.ends_with("_bin"))
    });
    // Some collations ignore control characters, and some of them only at the end.
    let is_clear = compares_bytes && !text.iter().any(u8::is_ascii_control);
    is_clear.then(|| text.iter().map(|byte| folded_letter(*byte)).collect())
}

/// Lower case as upper case; swe7 has letters behind Z too, and `utf8_roman_ci` holds I and J equal,
/// and U and V.
fn folded_letter(byte: u8) -> u8 {
    let upper = if (b'`'..=b'~').contains(&byte) { byte - 0x20 } else { byte };
    match upper {
        b'J' => b'I',
        b'V' => b'U',
        other => other,
    }
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
    fn what_a_collation_may_hold_equal_is_folded_to_one() {
        let fold = |text: &str| text.bytes().map(folded_letter).collect::<Vec<_>>();
        assert_eq!(fold("jUliVs"), fold("IULIUS"));
        assert_eq!(fold("{a}~"), fold("[A]^"));
        assert_ne!(fold("a"), fold("b"));
        assert_eq!(plain_decimal("-001.50"), plain_decimal("-1.5"));
        assert_eq!(plain_decimal("-0.00"), plain_decimal("0"));
        assert_ne!(plain_decimal("10"), plain_decimal("1"));
    }
}
