//! Values as a SELECT tells them, turned into what the binlog's rows would hold.
//!
//! The session must have `time_zone = '+00:00'` and `character_set_results = NULL`: texts come as
//! they are stored. Numbers that text would round, and labels, are selected by expressions.

use std::net::Ipv6Addr;
use std::str::FromStr;

use otter_core::temporal::{Date, DateTime, Time, Timestamp};
use otter_core::{ColumnType, RowArenaBuilder, Value};

use crate::schema::information::SchemaColumn;

/// A value that is not what its column's type says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable;

/// A name in backquotes.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// What is selected of a column.
pub(super) fn expression(column: &SchemaColumn) -> String {
    let name = quoted(&column.name);
    match column.data_type.as_str() {
        // The text of a FLOAT has six digits; that of a DOUBLE without a number of digits, all. A
        // product keeps the sign of zero.
        "float" | "double" => format!("{name} * 1e0"),
        "enum" | "set" => format!("CAST({name} AS UNSIGNED)"),
        "timestamp" => format!("UNIX_TIMESTAMP({name})"),
        _ => name,
    }
}

/// Appends a value of a column to the arena.
pub(super) fn push(
    arena: &mut RowArenaBuilder,
    column: &SchemaColumn,
    column_type: &ColumnType,
    bytes: Option<&[u8]>,
) -> Result<(), Unreadable> {
    let Some(bytes) = bytes else { return add(arena, Value::Null) };
    let text = || std::str::from_utf8(bytes).map_err(|_| Unreadable);
    let value = match column_type {
        ColumnType::Integer { unsigned, .. } if *unsigned => Value::UInt(number(text()?)?),
        ColumnType::Integer { .. } => Value::Int(number(text()?)?),
        ColumnType::Decimal { .. } => return decimal(arena, text()?),
        ColumnType::Float => Value::Float(number(text()?)?),
        ColumnType::Double => Value::Double(number(text()?)?),
        ColumnType::Bit { .. } => Value::Bit(big_endian(bytes)?),
        ColumnType::Year => Value::Year(number(text()?)?),
        ColumnType::Date => Value::Date(date(text()?)?),
        ColumnType::Time { digits } => Value::Time(time(text()?, *digits)?),
        ColumnType::DateTime { digits } => Value::DateTime(date_time(text()?, *digits)?),
        ColumnType::Timestamp { digits } => Value::Timestamp(timestamp(text()?, *digits)?),
        ColumnType::Text { .. } if column.data_type == "inet6" => {
            // Servers and we write some addresses in other words; keys are compared as texts.
            let address: Ipv6Addr = number(text()?)?;
            return add(arena, Value::Text(address.to_string().as_bytes()));
        }
        ColumnType::Text { .. } => Value::Text(bytes),
        ColumnType::Bytes { .. } => Value::Bytes(bytes),
        ColumnType::Enum { .. } => Value::Enum(number(text()?)?),
        ColumnType::Set { .. } => Value::Set(number(text()?)?),
        ColumnType::Json => Value::Json(text()?),
        ColumnType::Geometry => Value::Geometry(bytes),
        ColumnType::Vector => Value::Vector(bytes),
        ColumnType::Constant { .. } => return Err(Unreadable),
        // A type that is not known here.
        _ => return Err(Unreadable),
    };
    add(arena, value)
}

fn add(arena: &mut RowArenaBuilder, value: Value<'_>) -> Result<(), Unreadable> {
    arena.push(Some(value)).map_err(|_| Unreadable)
}

fn number<T: FromStr>(text: &str) -> Result<T, Unreadable> {
    text.parse().map_err(|_| Unreadable)
}

/// ZEROFILL writes zeros in front, which the binlog does not.
fn decimal(arena: &mut RowArenaBuilder, text: &str) -> Result<(), Unreadable> {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let rest = digits.trim_start_matches('0');
    let zero = if rest.is_empty() || rest.starts_with('.') { "0" } else { "" };
    add(arena, Value::Decimal(&format!("{sign}{zero}{rest}")))
}

fn big_endian(bytes: &[u8]) -> Result<u64, Unreadable> {
    if bytes.len() > 8 {
        return Err(Unreadable);
    }
    Ok(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

fn date(text: &str) -> Result<Date, Unreadable> {
    let mut parts = text.splitn(3, '-');
    let mut next = || parts.next().ok_or(Unreadable);
    Ok(Date { year: number(next()?)?, month: number(next()?)?, day: number(next()?)? })
}

/// A number of seconds with its fraction.
fn seconds<T: FromStr>(text: &str) -> Result<(T, u32), Unreadable> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 6 {
        return Err(Unreadable);
    }
    let micros = if fraction.is_empty() { 0 } else { number(&format!("{fraction:0<6}"))? };
    Ok((number(whole)?, micros))
}

fn time(text: &str, digits: u8) -> Result<Time, Unreadable> {
    let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let mut parts = rest.splitn(3, ':');
    let mut next = || parts.next().ok_or(Unreadable);
    let (hours, minutes) = (number(next()?)?, number(next()?)?);
    let (seconds, micros) = seconds(next()?)?;
    Ok(Time { negative, hours, minutes, seconds, micros, digits })
}

fn date_time(text: &str, digits: u8) -> Result<DateTime, Unreadable> {
    let (day, clock) = text.split_once(' ').ok_or(Unreadable)?;
    let mut parts = clock.splitn(3, ':');
    let mut next = || parts.next().ok_or(Unreadable);
    let (hour, minute) = (number(next()?)?, number(next()?)?);
    let (second, micros) = seconds(next()?)?;
    Ok(DateTime { date: date(day)?, hour, minute, second, micros, digits })
}

fn timestamp(text: &str, digits: u8) -> Result<Timestamp, Unreadable> {
    let (seconds, micros) = seconds(text)?;
    Ok(Timestamp { seconds, micros, digits })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporals_keep_their_fields_and_digits() {
        assert_eq!(date("2024-00-07"), Ok(Date { year: 2024, month: 0, day: 7 }));
        assert_eq!(time("-838:59:58.999", 3).unwrap().to_string(), "-838:59:58.999");
        assert_eq!(time("-00:00:00.01", 2).unwrap().to_string(), "-00:00:00.01");
        let text = "0000-00-00 00:00:00";
        assert_eq!(date_time(text, 0).unwrap().to_string(), text);
        let text = "1000-01-01 00:00:00.000001";
        assert_eq!(date_time(text, 6).unwrap().to_string(), text);
        assert!(timestamp("0.000000", 6).unwrap().is_zero());
        assert_eq!(timestamp("2147483647.5", 1).unwrap().micros, 500_000);
        assert!(date_time("2024-01-01", 0).is_err());
    }

    #[test]
    fn numbers_are_exact() {
        let mut arena = RowArenaBuilder::new();
        for text in ["000.50", "-0.01", "0012", "0", "0.00"] {
            decimal(&mut arena, text).unwrap();
        }
        let arena = arena.finish();
        let shown: Vec<_> = (0..arena.len()).map(|index| arena.value(index).unwrap()).collect();
        let expected = ["0.50", "-0.01", "12", "0", "0.00"].map(Value::Decimal);
        assert!(shown == expected);
        assert_eq!(big_endian(&[0x15, 0x55]), Ok(0x1555));
        // What MySQL prints for the FLOAT 3.4e38 times one.
        assert_eq!(number::<f32>("3.3999999521443642e38"), Ok(3.4e38));
        assert!(number::<f64>("-0").unwrap().is_sign_negative());
    }
}
