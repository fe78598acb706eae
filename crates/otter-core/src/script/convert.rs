//! Values of a row as a script sees them.

use rhai::Dynamic;

use super::error::ScriptError;
use super::exact::Exact;
use crate::mapping::AskedRow;
use crate::table::ColumnType;
use crate::value::Value;

/// The value of the column that a script asks for at this place.
pub(super) fn to_dynamic(
    row: &AskedRow<'_>,
    place: usize,
    name: &str,
) -> Result<Dynamic, ScriptError> {
    let absent = || ScriptError::Absent(name.to_owned());
    let value = row.value(place).ok_or_else(absent)?;
    let column_type = &row.column(place).ok_or_else(absent)?.column_type;
    let known = match value {
        Value::Null => Some(Dynamic::UNIT),
        Value::Int(number) => Some(Dynamic::from_int(number)),
        Value::UInt(number) | Value::Bit(number) => unsigned(number),
        Value::Float(number) => number.to_string().parse().ok().map(Dynamic::from_float),
        Value::Double(number) => Some(Dynamic::from_float(number)),
        Value::Decimal(digits) => Exact::parse(digits).map(Dynamic::from),
        Value::Year(year) => Some(Dynamic::from_int(i64::from(year))),
        Value::Date(date) => Some(date.to_string().into()),
        Value::Time(time) => Some(time.to_string().into()),
        Value::DateTime(time) => Some(time.to_string().into()),
        Value::Timestamp(time) => Some(time.to_string().into()),
        Value::Text(bytes) => return text(bytes, column_type, name),
        Value::Json(document) => Some(document.into()),
        Value::JsonChanges(_) => return Err(absent()),
        Value::Bytes(bytes) | Value::Geometry(bytes) | Value::Vector(bytes) => {
            Some(Dynamic::from_blob(bytes.to_vec()))
        }
        Value::Enum(number) => enumerated(number, column_type),
        Value::Set(bits) => set(bits, column_type),
    };
    known.ok_or_else(|| ScriptError::Charset {
        column: name.to_owned(),
        charset: column_type.describe(),
    })
}

fn unsigned(number: u64) -> Option<Dynamic> {
    match i64::try_from(number) {
        Ok(number) => Some(Dynamic::from_int(number)),
        Err(_) => Exact::parse(&number.to_string()).map(Dynamic::from),
    }
}

fn text(bytes: &[u8], column_type: &ColumnType, name: &str) -> Result<Dynamic, ScriptError> {
    let charset =
        if let ColumnType::Text { charset, .. } = column_type { charset } else { "utf8mb4" };
    let read = match charset {
        "utf8" | "utf8mb3" | "utf8mb4" | "ascii" => std::str::from_utf8(bytes).ok().map(Into::into),
        "latin1" => latin1(bytes),
        // Their letters have two or four bytes.
        "ucs2" | "utf16" | "utf16le" | "utf32" => None,
        _ if bytes.is_ascii() => std::str::from_utf8(bytes).ok().map(Into::into),
        _ => None,
    };
    read.ok_or_else(|| ScriptError::Charset {
        column: name.to_owned(),
        charset: charset.to_owned(),
    })
}

/// MySQL: latin1 is Windows' code page 1252, whose bytes from 0x80 to 0x9f are not ISO 8859-1's.
fn latin1(bytes: &[u8]) -> Option<Dynamic> {
    let letter = |byte: &u8| (!(0x80..0xa0).contains(byte)).then(|| char::from(*byte));
    bytes.iter().map(letter).collect::<Option<String>>().map(Dynamic::from)
}

fn enumerated(number: u16, column_type: &ColumnType) -> Option<Dynamic> {
    let ColumnType::Enum { labels: Some(labels) } = column_type else { return None };
    match number.checked_sub(1) {
        // The server shows its error value as an empty text.
        None => Some("".into()),
        Some(index) => labels.get(usize::from(index)).map(|label| label.as_ref().into()),
    }
}

fn set(bits: u64, column_type: &ColumnType) -> Option<Dynamic> {
    let ColumnType::Set { labels: Some(labels) } = column_type else { return None };
    let chosen = labels.iter().enumerate().filter(|(index, _)| bits >> index & 1 == 1);
    let labels: Vec<&str> = chosen.map(|(_, label)| label.as_ref()).collect();
    Some(labels.join(",").into())
}
