//! Keys as an operator, or a row of the source, writes them.
//!
//! One key in each line, its values with commas between them. A value is plain (`17`, `abc`), a text
//! in quotes (`'a, b'`, a quote within doubled), or bytes (`X'E9'`, `_latin1 X'E9'`).

use otter_core::ColumnType;

use crate::row::address::Address;
use crate::schema::information::SchemaColumn;

/// A value of a key, as it is written.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Given {
    /// A text; `quoted` where it must be one.
    Text(String),
    /// Bytes, in a character set where one is named.
    Bytes { charset: Option<String>, bytes: Vec<u8> },
}

/// A literal that the source compares with a column.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Literal {
    Ready(String),
    /// A text that the source is to convert first.
    Convert {
        from: String,
        to: String,
    },
}

/// Why a key cannot be read; without any value (SECRET-1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BadKey(pub(super) String);

/// Reads the values of one key.
pub(super) fn parse(line: &str) -> Result<Vec<Given>, BadKey> {
    let mut given = Vec::new();
    let mut rest = line.trim();
    loop {
        let (value, behind) = parse_one(rest)?;
        given.push(value);
        match behind.trim_start().strip_prefix(',') {
            Some(behind) => rest = behind.trim_start(),
            None if behind.trim().is_empty() => return Ok(given),
            None => return Err(BadKey("a comma is missing between two values".to_owned())),
        }
    }
}

fn parse_one(text: &str) -> Result<(Given, &str), BadKey> {
    if let Some(rest) = text.strip_prefix('\'') {
        return parse_quoted(rest);
    }
    let plain = text.split(',').next().unwrap_or_default();
    let (charset, bytes) = match plain.strip_prefix('_').and_then(|rest| rest.split_once(' ')) {
        Some((charset, rest)) if is_name(charset) => (Some(charset.to_owned()), rest.trim()),
        Some(_) | None => (None, plain.trim()),
    };
    let inside = bytes
        .strip_prefix("X'")
        .or_else(|| bytes.strip_prefix("x'"))
        .and_then(|rest| rest.strip_suffix('\''));
    let behind = text.get(plain.len()..).unwrap_or_default();
    match (inside, charset) {
        (Some(inside), charset) => {
            let bytes = unhex(inside)
                .ok_or_else(|| BadKey("X'…' takes pairs of hexadecimal digits".to_owned()))?;
            Ok((Given::Bytes { charset, bytes }, behind))
        }
        (None, _) => Ok((Given::Text(plain.trim().to_owned()), behind)),
    }
}

fn parse_quoted(text: &str) -> Result<(Given, &str), BadKey> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let Some((front, behind)) = rest.split_once('\'') else {
            return Err(BadKey("a quote is not closed".to_owned()));
        };
        value.push_str(front);
        match behind.strip_prefix('\'') {
            Some(behind) => {
                value.push('\'');
                rest = behind;
            }
            None => return Ok((Given::Text(value), behind)),
        }
    }
}

/// The literal of a value for a column.
pub(super) fn literal(
    given: &Given,
    column: &SchemaColumn,
    column_type: &ColumnType,
) -> Result<Literal, BadKey> {
    let name = &column.name;
    let needs = |what: &str| BadKey(format!("column {name} needs {what}"));
    let text = || match given {
        Given::Text(text) => Ok(text.as_str()),
        Given::Bytes { charset, bytes } if charset.as_deref().is_none_or(is_utf8) => {
            std::str::from_utf8(bytes).map_err(|_| needs("a plain value"))
        }
        Given::Bytes { .. } => Err(needs("a plain value")),
    };
    let ready = |literal: String| Ok(Literal::Ready(literal));
    match column_type {
        ColumnType::Integer { unsigned: true, .. } => {
            ready(text()?.parse::<u64>().map_err(|_| needs("a whole number"))?.to_string())
        }
        ColumnType::Integer { .. } => {
            ready(text()?.parse::<i64>().map_err(|_| needs("a whole number"))?.to_string())
        }
        ColumnType::Decimal { .. } => {
            let text = text()?;
            let digits = text.strip_prefix('-').unwrap_or(text);
            let is_number = digits.chars().all(|it| it.is_ascii_digit() || it == '.')
                && digits.matches('.').count() < 2
                && digits.starts_with(|first: char| first.is_ascii_digit());
            if is_number { ready(text.to_owned()) } else { Err(needs("a number")) }
        }
        ColumnType::Float | ColumnType::Double => {
            let number: f64 = text()?.parse().map_err(|_| needs("a number"))?;
            if number.is_finite() { ready(format!("{number:e}")) } else { Err(needs("a number")) }
        }
        ColumnType::Year | ColumnType::Bit { .. } => {
            ready(text()?.parse::<u64>().map_err(|_| needs("a whole number"))?.to_string())
        }
        ColumnType::Enum { labels } => {
            let text = text()?;
            let labels = labels.iter().flat_map(|labels| labels.iter());
            let place = labels.zip(1_u64..).find(|(label, _)| ***label == *text);
            let number = place.map(|(_, number)| number).or_else(|| text.parse().ok());
            ready(
                number.ok_or_else(|| needs("one of its labels, or a label's number"))?.to_string(),
            )
        }
        ColumnType::Set { labels } => {
            let text = text()?;
            let known: Vec<&str> =
                labels.iter().flat_map(|labels| labels.iter()).map(|label| &**label).collect();
            let bits =
                text.split(',').filter(|it| !it.is_empty()).try_fold(0_u64, |bits, label| {
                    let place = known.iter().position(|known| *known == label)?;
                    Some(bits | 1_u64.checked_shl(u32::try_from(place).ok()?)?)
                });
            let number = text.parse().ok().or(bits);
            ready(
                number
                    .ok_or_else(|| needs("some of its labels, or the number of its bits"))?
                    .to_string(),
            )
        }
        ColumnType::Date
        | ColumnType::Time { .. }
        | ColumnType::DateTime { .. }
        | ColumnType::Timestamp { .. } => {
            let text = text()?;
            let is_one = !text.is_empty()
                && text.chars().all(|it| it.is_ascii_digit() || "-:. ".contains(it))
                && !text.contains("--");
            if is_one {
                ready(format!("'{text}'"))
            } else {
                Err(needs("a date or time, 2026-11-21 07:00:00"))
            }
        }
        ColumnType::Text { charset, .. } => text_literal(given, column, charset, &needs),
        ColumnType::Bytes { max_bytes, fixed } => {
            let mut bytes = match given {
                Given::Text(text) => text.clone().into_bytes(),
                Given::Bytes { bytes, .. } => bytes.clone(),
            };
            if *fixed {
                let width = usize::try_from(*max_bytes).unwrap_or(usize::MAX);
                bytes.resize(width.max(bytes.len()), 0);
            }
            ready(format!("X'{}'", hex(&bytes)))
        }
        ColumnType::Json
        | ColumnType::Geometry
        | ColumnType::Vector
        | ColumnType::Constant { .. } => Err(needs("a type that can be compared")),
        // A type that is not known here.
        _ => Err(needs("a type that is known")),
    }
}

fn text_literal(
    given: &Given,
    column: &SchemaColumn,
    charset: &str,
    needs: &dyn Fn(&str) -> BadKey,
) -> Result<Literal, BadKey> {
    if Address::of(&column.data_type).is_some() {
        return match given {
            Given::Text(text)
                if text.chars().all(|it| it.is_ascii_hexdigit() || ":.-".contains(it))
                    && !text.contains("--") =>
            {
                Ok(Literal::Ready(format!("'{text}'")))
            }
            Given::Text(_) | Given::Bytes { .. } => Err(needs("an address or a UUID as its text")),
        };
    }
    let (from, bytes) = match given {
        Given::Text(text) => ("utf8mb4", text.as_bytes()),
        Given::Bytes { charset: named, bytes } => (named.as_deref().unwrap_or(charset), &bytes[..]),
    };
    let is_ascii = bytes.is_ascii() && is_ascii_like(charset) && is_ascii_like(from);
    if from == charset || (is_utf8(from) && is_utf8(charset)) || is_ascii {
        return Ok(Literal::Ready(format!("_{charset} X'{}'", hex(bytes))));
    }
    let from = format!("_{from} X'{}'", hex(bytes));
    Ok(Literal::Convert { from, to: charset.to_owned() })
}

/// Character sets in which ASCII letters are their ASCII bytes.
fn is_ascii_like(charset: &str) -> bool {
    is_utf8(charset) || charset.starts_with("latin") || charset == "binary"
}

fn is_utf8(charset: &str) -> bool {
    matches!(charset, "utf8mb4" | "utf8mb3" | "utf8" | "ascii")
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|it| it.is_ascii_alphanumeric())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(data_type: &str) -> SchemaColumn {
        SchemaColumn {
            name: "k".into(),
            data_type: data_type.to_owned(),
            column_type: data_type.to_owned(),
            nullable: false,
            charset: None,
            octets: None,
            precision: None,
            scale: None,
            digits: 0,
        }
    }

    fn ready(text: &str, data_type: &str, column_type: &ColumnType) -> Option<String> {
        let given = parse(text).ok()?;
        let [one] = given.as_slice() else { return None };
        match literal(one, &column(data_type), column_type) {
            Ok(Literal::Ready(literal)) => Some(literal),
            Ok(Literal::Convert { from, to }) => Some(format!("{from} to {to}")),
            Err(_) => None,
        }
    }

    fn text(charset: &str) -> ColumnType {
        ColumnType::Text { max_bytes: 100, charset: charset.into(), fixed: false }
    }

    #[test]
    fn keys_are_plain_quoted_or_bytes() {
        let count = |line| parse(line).map(|given| given.len());
        assert_eq!(count("17"), Ok(1));
        assert_eq!(count(" 17 , 'a, ''b''', _latin1 X'E9',x'00' "), Ok(4));
        assert!(parse("17, 'a, ''b'''").unwrap()[1] == Given::Text("a, 'b'".to_owned()));
        let bytes = Given::Bytes { charset: Some("latin1".to_owned()), bytes: vec![0xe9] };
        assert!(parse("_latin1 X'E9'").unwrap()[0] == bytes);
        assert!(parse("_id").unwrap()[0] == Given::Text("_id".to_owned()));
        for bad in ["'open", "'a' 'b'", "X'E'", "X'zz'"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn literals_fit_the_type_of_their_column() {
        let number = ColumnType::Integer { bytes: 4, unsigned: false };
        assert_eq!(ready("-017", "int", &number).as_deref(), Some("-17"));
        assert_eq!(ready("17; DROP", "int", &number), None);
        let decimal = ColumnType::Decimal { precision: 10, scale: 2, unsigned: false };
        assert_eq!(ready("-1.50", "decimal", &decimal).as_deref(), Some("-1.50"));
        assert_eq!(ready("1e5", "decimal", &decimal), None);
        let moment = ColumnType::DateTime { digits: 0 };
        assert_eq!(
            ready("2024-01-01 00:00:00", "datetime", &moment).as_deref(),
            Some("'2024-01-01 00:00:00'")
        );
        assert_eq!(ready("x' OR '1", "datetime", &moment), None);
        assert_eq!(
            ready("'a''b'", "varchar", &text("utf8mb4")).as_deref(),
            Some("_utf8mb4 X'612762'")
        );
        assert_eq!(
            ready("'é'", "varchar", &text("latin1")).as_deref(),
            Some("_utf8mb4 X'C3A9' to latin1")
        );
        assert_eq!(ready("X'E9'", "varchar", &text("latin1")).as_deref(), Some("_latin1 X'E9'"));
        let bytes = ColumnType::Bytes { max_bytes: 4, fixed: true };
        assert_eq!(ready("X'E9'", "binary", &bytes).as_deref(), Some("X'E9000000'"));
        let labels = Some(["x", "y"].map(std::sync::Arc::from).into());
        let label = ColumnType::Enum { labels };
        assert_eq!(ready("y", "enum", &label).as_deref(), Some("2"));
        assert_eq!(ready("z", "enum", &label), None);
    }
}
