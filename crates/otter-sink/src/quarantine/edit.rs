//! What an operator types, as values of columns.

use std::fmt;

use otter_core::{ColumnType, Date, DateTime, Table, Time, Value};

use super::QuarantineError;
use crate::mysql::quarantine::coding::encode_value;

/// The longest fraction of a second.
const MOST_DIGITS: u8 = 6;

/// A value that replaces another one. `Debug` does not show it (SECRET-1).
#[derive(Clone, PartialEq, Eq)]
pub enum NewValue {
    /// SQL NULL.
    Null,
    /// A text as SQL would take it between quotes; bytes as hexadecimal digits.
    Text(String),
}

impl fmt::Debug for NewValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "Null",
            Self::Text(_) => "Text(…)",
        })
    }
}

/// The columns with their new values as they are stored.
pub(super) fn cells(
    id: u64,
    table: &Table,
    values: &[(String, NewValue)],
) -> Result<Vec<(usize, Vec<u8>)>, QuarantineError> {
    values
        .iter()
        .map(|(name, value)| {
            let index = table.column_index(name);
            let column = index.and_then(|index| Some((index, table.columns.get(index)?)));
            let (index, column) = column
                .ok_or_else(|| QuarantineError::UnknownColumn { id, column: name.clone() })?;
            let bad = |needs| QuarantineError::BadValue { column: name.clone(), needs };
            let cell = match value {
                NewValue::Null => encode_value(Value::Null).ok(),
                NewValue::Text(text) => parse(text, &column.column_type).map_err(bad)?,
            };
            cell.map(|cell| (index, cell)).ok_or(QuarantineError::Unreadable { id })
        })
        .collect()
}

/// A text as a value of a type, stored; the error tells what it should look like. `None` where it
/// cannot be stored.
fn parse(text: &str, column: &ColumnType) -> Result<Option<Vec<u8>>, &'static str> {
    let stored = |value: Value<'_>| Ok(encode_value(value).ok());
    match column {
        ColumnType::Integer { unsigned: false, .. } => {
            stored(Value::Int(text.parse().map_err(|_| "a whole number")?))
        }
        ColumnType::Integer { .. } => {
            stored(Value::UInt(text.parse().map_err(|_| "a whole number from 0")?))
        }
        ColumnType::Bit { .. } => {
            stored(Value::Bit(text.parse().map_err(|_| "its bits as a whole number")?))
        }
        ColumnType::Year => stored(Value::Year(text.parse().map_err(|_| "a year")?)),
        ColumnType::Decimal { scale, .. } if is_decimal(text) => {
            let digits = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
            if digits > usize::from(*scale) {
                return Err("it has more digits behind the point than the column");
            }
            stored(Value::Decimal(text))
        }
        ColumnType::Decimal { .. } => Err("a decimal number: -12.50"),
        ColumnType::Float => stored(Value::Float(finite(text)?)),
        ColumnType::Double => stored(Value::Double(finite(text)?)),
        ColumnType::Date => stored(Value::Date(date(text).ok_or("YYYY-MM-DD")?)),
        ColumnType::Time { digits } => stored(Value::Time(
            time(text, *digits)
                .ok_or("HH:MM:SS, with no more digits behind the point than the column has")?,
        )),
        ColumnType::DateTime { digits } => stored(Value::DateTime(datetime(text, *digits).ok_or(
            "YYYY-MM-DD HH:MM:SS, with no more digits behind the point than the column has",
        )?)),
        ColumnType::Text { charset, .. } => {
            let is_utf8 = matches!(&**charset, "utf8" | "utf8mb3" | "utf8mb4");
            let has_several_bytes = matches!(&**charset, "ucs2" | "utf16" | "utf16le" | "utf32");
            if is_utf8 || (text.is_ascii() && !has_several_bytes) {
                return stored(Value::Text(text.as_bytes()));
            }
            Err("text beyond ASCII of this character set cannot be typed here: change the row in \
                 the target by hand, and drop the held one")
        }
        ColumnType::Constant { .. } => stored(Value::Text(text.as_bytes())),
        ColumnType::Bytes { .. } => {
            let bytes = bytes(text).ok_or("an even number of hexadecimal digits")?;
            stored(Value::Bytes(&bytes))
        }
        ColumnType::Enum { labels } => {
            let number = number_of(text, labels.as_deref());
            stored(Value::Enum(number.ok_or("one of its labels")?))
        }
        ColumnType::Set { labels } => {
            let mut bits = 0;
            for label in text.split(',').filter(|label| !label.is_empty()) {
                let number = number_of(label, labels.as_deref()).and_then(|it| it.checked_sub(1));
                let number = number.ok_or("some of its labels, separated by commas")?;
                bits |= 1_u64.checked_shl(number.into()).ok_or("some of its labels")?;
            }
            stored(Value::Set(bits))
        }
        ColumnType::Json => stored(Value::Json(text)),
        ColumnType::Timestamp { .. } | ColumnType::Geometry | ColumnType::Vector | _ => {
            Err("values of this type cannot be typed here: change the row in the target by hand, \
                 and drop the held one")
        }
    }
}

fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|it| it.is_ascii_digit());
    is_number(whole) && is_number(fraction)
}

fn finite<F: std::str::FromStr + Into<f64> + Copy>(text: &str) -> Result<F, &'static str> {
    let number: F = text.parse().map_err(|_| "a number")?;
    if number.into().is_finite() { Ok(number) } else { Err("a finite number") }
}

fn date(text: &str) -> Option<Date> {
    let mut parts = text.split('-');
    let date = Date {
        year: parts.next()?.parse().ok()?,
        month: parts.next()?.parse().ok()?,
        day: parts.next()?.parse().ok()?,
    };
    let is_date = date.year <= 9_999 && date.month <= 12 && date.day <= 31;
    (is_date && parts.next().is_none()).then_some(date)
}

fn time(text: &str, digits: u8) -> Option<Time> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (hours, rest) = text.split_once(':')?;
    let (minutes, seconds, micros) = minutes(rest, digits)?;
    let hours = hours.parse().ok().filter(|hours| *hours <= 838)?;
    Some(Time { negative, hours, minutes, seconds, micros, digits })
}

fn datetime(text: &str, digits: u8) -> Option<DateTime> {
    let (day, clock) = text.split_once([' ', 'T']).unwrap_or((text, "00:00:00"));
    let (hour, rest) = clock.split_once(':')?;
    let (minute, second, micros) = minutes(rest, digits)?;
    let hour = hour.parse().ok().filter(|hour| *hour <= 23)?;
    Some(DateTime { date: date(day)?, hour, minute, second, micros, digits })
}

/// `MM:SS` or `MM:SS.ffffff`, as minutes, seconds and millionths.
fn minutes(text: &str, digits: u8) -> Option<(u8, u8, u32)> {
    let (minutes, seconds) = text.split_once(':')?;
    let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let length =
        u8::try_from(fraction.len()).ok().filter(|length| *length <= digits.min(MOST_DIGITS))?;
    let micros = match fraction {
        "" => 0,
        _ if !fraction.bytes().all(|byte| byte.is_ascii_digit()) => return None,
        _ => fraction.parse::<u32>().ok()? * 10_u32.pow(u32::from(MOST_DIGITS - length)),
    };
    let part = |text: &str| text.parse().ok().filter(|part: &u8| *part <= 59);
    Some((part(minutes)?, part(seconds)?, micros))
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("0x").unwrap_or(text).as_bytes();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|it| u8::try_from(it).ok());
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let (pairs, _) = digits.as_chunks::<2>();
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

/// The number of a label, from 1, or a number itself.
fn number_of(text: &str, labels: Option<&[std::sync::Arc<str>]>) -> Option<u16> {
    let known = labels.and_then(|labels| labels.iter().position(|label| **label == *text));
    match known {
        Some(index) => u16::try_from(index + 1).ok(),
        None => text.parse().ok().filter(|_| labels.is_none()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, column: &ColumnType) -> Option<Vec<u8>> {
        parse(text, column).ok().flatten()
    }

    #[test]
    fn texts_become_values_of_their_column_or_are_refused() {
        let is = |text: &str, column: ColumnType, value: Value<'_>| {
            assert_eq!(shown(text, &column), Some(encode_value(value).unwrap()), "{column:?}");
        };
        let moment = DateTime {
            date: Date { year: 2024, month: 2, day: 29 },
            hour: 23,
            minute: 5,
            second: 7,
            micros: 120_000,
            digits: 2,
        };
        let labels = Some(["a", "b"].map(std::sync::Arc::from).into());
        let text = |charset: &str| ColumnType::Text {
            max_bytes: 9,
            charset: std::sync::Arc::from(charset),
            fixed: false,
        };
        is("-7", ColumnType::Integer { bytes: 4, unsigned: false }, Value::Int(-7));
        is("7", ColumnType::Integer { bytes: 4, unsigned: true }, Value::UInt(7));
        is(
            "1.50",
            ColumnType::Decimal { precision: 4, scale: 2, unsigned: false },
            Value::Decimal("1.50"),
        );
        is("2024-02-29 23:05:07.12", ColumnType::DateTime { digits: 2 }, Value::DateTime(moment));
        is("é", text("utf8mb4"), Value::Text("é".as_bytes()));
        is("e", text("gbk"), Value::Text(b"e"));
        is("0x00fF", ColumnType::Bytes { max_bytes: 9, fixed: false }, Value::Bytes(&[0, 255]));
        is("b", ColumnType::Enum { labels: labels.clone() }, Value::Enum(2));
        is("a,b", ColumnType::Set { labels: labels.clone() }, Value::Set(3));
        is("", ColumnType::Set { labels: labels.clone() }, Value::Set(0));
        for (text, column) in [
            ("x", ColumnType::Integer { bytes: 4, unsigned: false }),
            ("-1", ColumnType::Integer { bytes: 4, unsigned: true }),
            ("1e3", ColumnType::Decimal { precision: 4, scale: 2, unsigned: false }),
            ("1.125", ColumnType::Decimal { precision: 4, scale: 2, unsigned: false }),
            ("12:05:00.25", ColumnType::Time { digits: 1 }),
            ("2024-02-29 12:05:00.5", ColumnType::DateTime { digits: 0 }),
            ("inf", ColumnType::Double),
            ("2024-13-01", ColumnType::Date),
            ("12:60:00", ColumnType::Time { digits: 0 }),
            ("é", text("gbk")),
            ("e", text("ucs2")),
            ("abc", ColumnType::Bytes { max_bytes: 9, fixed: false }),
            ("c", ColumnType::Enum { labels: labels.clone() }),
            ("a,c", ColumnType::Set { labels }),
            ("x", ColumnType::Geometry),
        ] {
            assert_eq!(shown(text, &column), None, "{column:?}");
        }
    }
}
