//! One value as JSON text.
//!
//! | column | JSON |
//! |---|---|
//! | integers, BIT, YEAR, FLOAT, DOUBLE | number |
//! | DECIMAL | number with all its digits |
//! | DATE, TIME, DATETIME, TIMESTAMP (in UTC) | string as the server prints it |
//! | CHAR, VARCHAR, TEXT | string |
//! | ENUM | its label as a string |
//! | SET | array of its labels |
//! | JSON | the document itself |
//! | VECTOR | array of numbers |
//! | geometries | well-known text as a string: `"POINT (3 2)"` |
//! | BINARY, VARBINARY, BLOB | base64 string; BINARY without the zeros that pad it |
//!
//! What has no such form (text that is not of its character set, a label that is not known) is an
//! object that says so: `{"base64":"…","charset":"gbk"}`, `{"number":3}`. Where the binlog does not
//! tell text from bytes (old servers, `binlog_row_metadata = NO_LOG`), what is UTF-8 is a string,
//! and the rest has the charset `unknown`.

use std::fmt::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use otter_binlog::charset::to_utf8;
use otter_core::{ColumnType, Value};

use super::wkt::write_geometry;

/// Appends a value as JSON text.
pub(super) fn write_value(output: &mut String, value: Value<'_>, column: &ColumnType) {
    match value {
        Value::Null => output.push_str("null"),
        Value::Int(number) => append(output, number),
        Value::UInt(number) | Value::Bit(number) => append(output, number),
        Value::Year(number) => append(output, number),
        // Servers store no infinities.
        Value::Float(number) => append(output, number),
        Value::Double(number) => append(output, number),
        Value::Decimal(digits) => output.push_str(digits),
        Value::Json(document) => output.push_str(document),
        Value::JsonChanges(steps) => append(output, format_args!("{{\"json_changes\":{steps}}}")),
        Value::Date(date) => quote(output, &date.to_string()),
        Value::Time(time) => quote(output, &time.to_string()),
        Value::DateTime(time) => quote(output, &time.to_string()),
        Value::Timestamp(time) => quote(output, &time.to_string()),
        Value::Text(text) => write_text(output, text, column),
        Value::Bytes(bytes) => write_bytes(output, unpadded(bytes, column)),
        Value::Geometry(stored) => write_wkt(output, stored),
        Value::Vector(bytes) => write_vector(output, bytes),
        Value::Enum(number) => write_label(output, number, column),
        Value::Set(bits) => write_labels(output, bits, column),
        // A kind of a later version.
        other => {
            output.push_str("{\"kind\":");
            quote(output, other.kind());
            output.push('}');
        }
    }
}

/// Appends a JSON string.
pub(super) fn quote(output: &mut String, text: &str) {
    // serde_json fails for no string.
    output.push_str(&serde_json::to_string(text).unwrap_or_default());
}

fn append(output: &mut String, number: impl std::fmt::Display) {
    // Writing into a string never fails.
    let _ = write!(output, "{number}");
}

fn write_text(output: &mut String, text: &[u8], column: &ColumnType) {
    let charset = if let ColumnType::Text { charset, .. } = column { charset } else { "utf8mb4" };
    if let Some(text) = to_utf8(charset, text) {
        return quote(output, &text);
    }
    output.push_str("{\"base64\":");
    quote(output, &BASE64.encode(text));
    output.push_str(",\"charset\":");
    quote(output, charset);
    output.push('}');
}

/// A BINARY as it was given: its declared length tells the zeros that the server has added.
fn unpadded<'b>(bytes: &'b [u8], column: &ColumnType) -> &'b [u8] {
    if !matches!(column, ColumnType::Bytes { fixed: true, .. }) {
        return bytes;
    }
    let length = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes.get(..length).unwrap_or(bytes)
}

fn write_bytes(output: &mut String, bytes: &[u8]) {
    quote(output, &BASE64.encode(bytes));
}

/// A geometry as text; what is none, which no server stores, as bytes.
fn write_wkt(output: &mut String, stored: &[u8]) {
    let length = output.len();
    // Its letters need no escapes.
    output.push('"');
    if write_geometry(output, stored) {
        output.push('"');
    } else {
        output.truncate(length);
        write_bytes(output, stored);
    }
}

fn write_vector(output: &mut String, bytes: &[u8]) {
    output.push('[');
    for (index, float) in bytes.as_chunks::<4>().0.iter().enumerate() {
        if index > 0 {
            output.push(',');
        }
        append(output, f32::from_le_bytes(*float));
    }
    output.push(']');
}

fn labels_of(column: &ColumnType) -> Option<&Arc<[Arc<str>]>> {
    let (ColumnType::Enum { labels } | ColumnType::Set { labels }) = column else { return None };
    labels.as_ref()
}

fn write_label(output: &mut String, number: u16, column: &ColumnType) {
    // 0 is what a server stores for a value that is none of the labels.
    let label = usize::from(number).checked_sub(1);
    let known = labels_of(column).and_then(|labels| labels.get(label?));
    match (number, known) {
        (0, _) => quote(output, ""),
        (_, Some(label)) => quote(output, label),
        (_, None) => write_number(output, number.into()),
    }
}

fn write_labels(output: &mut String, bits: u64, column: &ColumnType) {
    let labels = labels_of(column).map_or(&[][..], |labels| labels);
    let is_known = labels.len() >= 64 || bits >> labels.len() == 0;
    if !is_known {
        return write_number(output, bits);
    }
    output.push('[');
    let set = labels.iter().take(64).enumerate().filter(|(index, _)| bits >> index & 1 == 1);
    for (count, (_, label)) in set.enumerate() {
        if count > 0 {
            output.push(',');
        }
        quote(output, label);
    }
    output.push(']');
}

fn write_number(output: &mut String, number: u64) {
    output.push_str("{\"number\":");
    append(output, number);
    output.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: Value<'_>, column: &ColumnType) -> String {
        let mut output = String::new();
        write_value(&mut output, value, column);
        // Whatever it is, it is JSON.
        serde_json::from_str::<serde_json::Value>(&output).unwrap();
        output
    }

    fn labels() -> Option<Arc<[Arc<str>]>> {
        Some(["a".into(), "b\"".into(), "c".into()].into())
    }

    #[test]
    fn numbers_keep_their_digits() {
        let plain = ColumnType::Double;
        assert_eq!(written(Value::Int(-1), &plain), "-1");
        assert_eq!(written(Value::UInt(u64::MAX), &plain), "18446744073709551615");
        assert_eq!(written(Value::Decimal("-0.100"), &plain), "-0.100");
        assert_eq!(written(Value::Float(0.1), &plain), "0.1");
        assert_eq!(written(Value::Double(1e300), &plain).len(), 301);
        assert_eq!(written(Value::Null, &plain), "null");
        assert_eq!(written(Value::Json("{\"a\": 1}"), &ColumnType::Json), "{\"a\": 1}");
        let steps = Value::JsonChanges("[{\"op\": \"remove\", \"path\": \"$.a\"}]");
        let expected = "{\"json_changes\":[{\"op\": \"remove\", \"path\": \"$.a\"}]}";
        assert_eq!(written(steps, &ColumnType::Json), expected);
        let vector = [1.5f32.to_le_bytes(), (-2f32).to_le_bytes()].concat();
        assert_eq!(written(Value::Vector(&vector), &ColumnType::Vector), "[1.5,-2]");
    }

    #[test]
    fn text_is_converted_and_what_is_no_text_says_so() {
        let text = |charset: &str| ColumnType::Text {
            max_bytes: 40,
            charset: charset.into(),
            fixed: false,
        };
        assert_eq!(written(Value::Text(b"a\"\n"), &text("utf8mb4")), r#""a\"\n""#);
        assert_eq!(written(Value::Text(b"caf\xe9"), &text("latin1")), "\"café\"");
        assert_eq!(written(Value::Text(b"\xc4\xe3"), &text("gbk")), "\"你\"");
        let expected = r#"{"base64":"xA==","charset":"gbk"}"#;
        assert_eq!(written(Value::Text(b"\xc4"), &text("gbk")), expected);
        let expected = r#"{"base64":"xA==","charset":"unknown"}"#;
        assert_eq!(written(Value::Text(b"\xc4"), &text("unknown")), expected);
        assert_eq!(written(Value::Text("Käse".as_bytes()), &text("unknown")), "\"Käse\"");
        let bytes = ColumnType::Bytes { max_bytes: 9, fixed: false };
        assert_eq!(written(Value::Bytes(b"\0\xff"), &bytes), "\"AP8=\"");
    }

    #[test]
    fn only_binary_of_fixed_length_loses_its_last_zeros() {
        let binary = |fixed| ColumnType::Bytes { max_bytes: 4, fixed };
        assert_eq!(written(Value::Bytes(b"\0\xff\0\0"), &binary(true)), "\"AP8=\"");
        assert_eq!(written(Value::Bytes(b"\0\0\0\0"), &binary(true)), "\"\"");
        assert_eq!(written(Value::Bytes(b"\0\xff\0\0"), &binary(false)), "\"AP8AAA==\"");
    }

    #[test]
    fn geometries_are_text_and_what_is_none_is_bytes() {
        let point = [&[0; 4][..], &[1, 1, 0, 0, 0], &3f64.to_le_bytes(), &2f64.to_le_bytes()];
        let stored = point.concat();
        let expected = "\"POINT (3 2)\"";
        assert_eq!(written(Value::Geometry(&stored), &ColumnType::Geometry), expected);
        let broken = Value::Geometry(&stored[..6]);
        assert_eq!(written(broken, &ColumnType::Geometry), "\"AAAAAAEB\"");
    }

    #[test]
    fn labels_are_told_where_they_are_known() {
        let of_enum = ColumnType::Enum { labels: labels() };
        let of_set = ColumnType::Set { labels: labels() };
        assert_eq!(written(Value::Enum(2), &of_enum), r#""b\"""#);
        assert_eq!(written(Value::Enum(0), &of_enum), "\"\"");
        assert_eq!(written(Value::Enum(4), &of_enum), r#"{"number":4}"#);
        assert_eq!(written(Value::Set(0b101), &of_set), r#"["a","c"]"#);
        assert_eq!(written(Value::Set(0), &of_set), "[]");
        assert_eq!(written(Value::Set(8), &of_set), r#"{"number":8}"#);
        let unknown = ColumnType::Set { labels: None };
        assert_eq!(written(Value::Set(1), &unknown), r#"{"number":1}"#);
    }
}
