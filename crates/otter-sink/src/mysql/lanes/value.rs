//! Values of keys as bytes that are equal wherever the target holds the values equal.
//!
//! Pure, and coarser than the target: what it holds apart may have the same bytes here, never the
//! other way round. The bytes are part of the checkpoint's format of several lanes, since by them
//! rows find their lanes after a restart too.

use std::collections::BTreeSet;
use std::sync::Arc;

use otter_core::{ColumnType, Date, Value};

use crate::mysql::target::TargetColumn;

/// When the target holds two values of a column equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mysql) enum Equality {
    /// Where they are equal as they are.
    Exact,
    /// Where they are, but for trailing spaces.
    BinaryText,
    /// Where they are, but for the case, trailing spaces and control characters, as long as they
    /// are ASCII; other letters cannot be told.
    AsciiText,
}

/// Collations by the end of their names, without the character set, that hold ASCII texts equal
/// only where they differ in case, in trailing spaces or in control characters. Others know letters
/// of two or three characters, which may be equal in several spellings.
const PLAIN_COLLATIONS: [&str; 14] = [
    "general_ci",
    "general_nopad_ci",
    "general_cs",
    "unicode_ci",
    "unicode_nopad_ci",
    "unicode_520_ci",
    "unicode_520_nopad_ci",
    "0900_ai_ci",
    "0900_as_ci",
    "0900_as_cs",
    "uca1400_ai_ci",
    "uca1400_as_ci",
    "uca1400_as_cs",
    "swedish_ci",
];

/// Character sets in which ASCII stands for itself, and no other letter has an ASCII byte.
const ASCII_BASED: [&str; 5] = ["utf8mb4", "utf8mb3", "utf8", "latin1", "ascii"];

impl Equality {
    /// The name by which it is noted.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::BinaryText => "binary text",
            Self::AsciiText => "ASCII text",
        }
    }

    /// The equality of a column, by its definitions on both sides; `None` where it is not known.
    pub(in crate::mysql) fn of(source: &ColumnType, target: &TargetColumn) -> Option<Self> {
        let is_number = matches!(
            target.data_type.as_str(),
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "decimal" | "bit" | "year"
        );
        match source {
            ColumnType::Integer { .. } | ColumnType::Year | ColumnType::Bit { .. } => {
                is_number.then_some(Self::Exact)
            }
            ColumnType::Decimal { .. } => (target.data_type == "decimal").then_some(Self::Exact),
            ColumnType::Date
            | ColumnType::Time { .. }
            | ColumnType::DateTime { .. }
            | ColumnType::Timestamp { .. } => {
                matches!(target.data_type.as_str(), "date" | "time" | "datetime" | "timestamp")
                    .then_some(Self::Exact)
            }
            ColumnType::Enum { labels } => {
                (target.data_type == "enum" && are_apart(labels.as_deref())).then_some(Self::Exact)
            }
            ColumnType::Set { labels } => {
                (target.data_type == "set" && are_apart(labels.as_deref())).then_some(Self::Exact)
            }
            ColumnType::Bytes { .. } => {
                matches!(target.data_type.as_str(), "binary" | "varbinary").then_some(Self::Exact)
            }
            ColumnType::Text { charset, .. } => {
                ASCII_BASED.contains(&&**charset).then(|| text_equality(target))?
            }
            // The same in every row of a source table, and text.
            ColumnType::Constant { .. } => text_equality(target),
            // Nobody's keys, or, of the two floats, nobody's good keys.
            ColumnType::Float
            | ColumnType::Double
            | ColumnType::Json
            | ColumnType::Geometry
            | ColumnType::Vector
            | _ => None,
        }
    }
}

/// Whether no collation holds two of the labels equal, so that their numbers stand for them.
fn are_apart(labels: Option<&[Arc<str>]>) -> bool {
    let Some(labels) = labels else { return false };
    let mut folded = BTreeSet::new();
    labels.iter().all(|label| {
        let mut bytes = Vec::new();
        push_folded(&mut bytes, label.as_bytes()).is_some() && folded.insert(bytes)
    })
}

fn text_equality(target: &TargetColumn) -> Option<Equality> {
    let is_text = matches!(target.data_type.as_str(), "char" | "varchar");
    let charset =
        target.charset.as_deref().filter(|charset| is_text && ASCII_BASED.contains(charset))?;
    let collation = target.collation.as_deref()?;
    if collation.ends_with("_bin") {
        return Some(Equality::BinaryText);
    }
    // MariaDB writes uca1400 collations without the character set in some places.
    let name =
        collation.strip_prefix(charset).map_or(collation, |rest| rest.trim_start_matches('_'));
    PLAIN_COLLATIONS.contains(&name).then_some(Equality::AsciiText)
}

/// Appends a value; `None` where its equality cannot be told.
pub(in crate::mysql) fn push_value(
    bytes: &mut Vec<u8>,
    value: Value<'_>,
    equality: Equality,
) -> Option<()> {
    match (value, equality) {
        (Value::Text(text), Equality::BinaryText) => push_long(bytes, text.trim_ascii_end_spaces()),
        (Value::Text(text), Equality::AsciiText) => push_folded(bytes, text)?,
        (Value::Null, _) => bytes.push(0),
        (value, Equality::Exact) => push_exact(bytes, value)?,
        (_, Equality::BinaryText | Equality::AsciiText) => return None,
    }
    Some(())
}

trait TrimSpaces {
    fn trim_ascii_end_spaces(&self) -> &Self;
}

impl TrimSpaces for [u8] {
    fn trim_ascii_end_spaces(&self) -> &Self {
        let kept = self.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last + 1);
        self.split_at(kept).0
    }
}

fn push_exact(bytes: &mut Vec<u8>, value: Value<'_>) -> Option<()> {
    match value {
        Value::Int(number) => push_number(bytes, i128::from(number)),
        Value::UInt(number) | Value::Bit(number) | Value::Set(number) => {
            push_number(bytes, i128::from(number));
        }
        Value::Year(number) | Value::Enum(number) => push_number(bytes, i128::from(number)),
        // Its scale is the column's, so that equal numbers have equal digits, but for the sign of 0.
        Value::Decimal(digits) => {
            let is_zero = digits.bytes().all(|byte| !matches!(byte, b'1'..=b'9'));
            let digits = if is_zero { digits.trim_start_matches('-') } else { digits };
            push_long(bytes, digits.as_bytes());
        }
        Value::Date(date) => push_date(bytes, date),
        Value::Time(time) => {
            let is_zero =
                time.hours == 0 && time.minutes == 0 && time.seconds == 0 && time.micros == 0;
            bytes.push(if time.negative && !is_zero { 2 } else { 1 });
            bytes.extend_from_slice(&time.hours.to_le_bytes());
            bytes.extend_from_slice(&[time.minutes, time.seconds]);
            bytes.extend_from_slice(&time.micros.to_le_bytes());
        }
        Value::DateTime(value) => {
            push_date(bytes, value.date);
            bytes.extend_from_slice(&[value.hour, value.minute, value.second]);
            bytes.extend_from_slice(&value.micros.to_le_bytes());
        }
        Value::Timestamp(value) => {
            bytes.push(1);
            bytes.extend_from_slice(&value.seconds.to_le_bytes());
            bytes.extend_from_slice(&value.micros.to_le_bytes());
        }
        // BINARY ends in zeros, which a longer or shorter column does not tell apart.
        Value::Bytes(long) => {
            let kept = long.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            push_long(bytes, long.split_at(kept).0);
        }
        Value::Null
        | Value::Float(_)
        | Value::Double(_)
        | Value::Text(_)
        | Value::Json(_)
        | Value::JsonChanges(_)
        | Value::Geometry(_)
        | Value::Vector(_)
        | _ => return None,
    }
    Some(())
}

/// Appends ASCII text without what collations may overlook.
fn push_folded(bytes: &mut Vec<u8>, text: &[u8]) -> Option<()> {
    if !text.is_ascii() {
        return None;
    }
    bytes.push(1);
    bytes.extend(text.iter().filter(|byte| !byte.is_ascii_control()).map(u8::to_ascii_uppercase));
    // Behind the control characters: they may stand between spaces. The 1 in front is none.
    while bytes.last() == Some(&b' ') {
        bytes.pop();
    }
    // No letter that is left is a zero, so that this ends the text as its length would.
    bytes.push(0);
    Some(())
}

fn push_number(bytes: &mut Vec<u8>, number: i128) {
    bytes.push(1);
    bytes.extend_from_slice(&number.to_le_bytes());
}

fn push_long(bytes: &mut Vec<u8>, long: &[u8]) {
    bytes.push(1);
    bytes.extend_from_slice(&u64::try_from(long.len()).unwrap_or(u64::MAX).to_le_bytes());
    bytes.extend_from_slice(long);
}

fn push_date(bytes: &mut Vec<u8>, date: Date) {
    bytes.push(1);
    bytes.extend_from_slice(&date.year.to_le_bytes());
    bytes.extend_from_slice(&[date.month, date.day]);
}

#[cfg(test)]
mod tests;
