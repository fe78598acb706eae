//! Values as SQL literals, byte for byte.
//!
//! Pure. The literals are written for a session with character set utf8mb4, time zone +00:00 and
//! the modes of `connect`. Whatever cannot be written exactly is an error, never an approximation.

mod json;
mod line;
mod number;
mod parameter;
mod spaces;
mod text;

use otter_core::{Date, DateTime, Time, Value};

use super::fit::{ColumnPlan, TargetForm};
pub(crate) use line::{LineForm, NotLoadable, line_form, push_field, push_load};
use number::{push_float, push_padded, push_signed, push_unsigned};
pub(crate) use parameter::{RowsStatement, parameter_type, push_parameter, rows_statement};
use text::{push_bytes, push_labels, push_text};

/// A value that cannot be written; what is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unwritable(pub(crate) &'static str);

/// Appends a value for an INSERT or a SET.
pub(crate) fn push_value(
    text: &mut String,
    value: Value<'_>,
    column: &ColumnPlan,
) -> Result<(), Unwritable> {
    match value {
        Value::Null => text.push_str("NULL"),
        Value::Int(value) => push_signed(text, value),
        Value::UInt(value) | Value::Bit(value) => push_unsigned(text, value),
        Value::Float(value) => push_float(text, f64::from(value))?,
        Value::Double(value) => push_float(text, value)?,
        Value::Decimal(digits) => push_decimal(text, digits)?,
        // MySQL: '0' would be 2000, and 0 is 0000.
        Value::Year(year) => push_unsigned(text, u64::from(year)),
        Value::Date(date) => quoted(text, |text| push_date(text, date)),
        Value::Time(time) => quoted(text, |text| push_time(text, time)),
        Value::DateTime(value) => quoted(text, |text| push_datetime(text, value)),
        Value::Timestamp(value) => quoted(text, |text| push_datetime(text, value.to_utc())),
        Value::Text(bytes) => {
            column.check_spaces(bytes)?;
            push_text(text, bytes, &column.text)?;
        }
        Value::Bytes(bytes) | Value::Geometry(bytes) | Value::Vector(bytes) => {
            push_bytes(text, bytes);
        }
        Value::Enum(number) => push_enum(text, number, column)?,
        Value::Set(bits) => push_set(text, bits, column)?,
        Value::Json(document) => {
            if column.target == TargetForm::Json {
                json::push_document(text, document)?;
            } else {
                super::names::push_string(text, document);
            }
        }
        Value::JsonChanges(_) => {
            return Err(Unwritable("is logged as differences of a document that is not there"));
        }
        // A kind of value that this version does not know.
        _ => return Err(Unwritable("is of an unknown kind")),
    }
    Ok(())
}

/// Between apostrophes, for what holds none.
fn quoted(text: &mut String, push: impl FnOnce(&mut String)) {
    text.push('\'');
    push(text);
    text.push('\'');
}

/// Appends an INSERT into these columns up to the first row's parenthesis.
pub(crate) fn push_insert(text: &mut String, table: &str, columns: &[ColumnPlan]) {
    text.push_str("INSERT INTO ");
    text.push_str(table);
    text.push_str(" (");
    for (index, column) in columns.iter().filter(|column| column.written).enumerate() {
        text.push_str(if index > 0 { "," } else { "" });
        text.push_str(&column.quoted);
    }
    text.push_str(") VALUES (");
}

/// Appends what an INSERT does to rows that are there: all columns but these take the new values.
pub(crate) fn push_upsert_end(text: &mut String, columns: &[ColumnPlan], key: &[usize]) {
    text.push_str(" ON DUPLICATE KEY UPDATE ");
    let mut separator = "";
    for (index, column) in columns.iter().enumerate() {
        if column.written && !key.contains(&index) {
            for piece in [separator, &column.quoted, "=VALUES(", &column.quoted, ")"] {
                text.push_str(piece);
            }
            separator = ",";
        }
    }
}

/// Appends `column = value`, for a column of a key.
pub(crate) fn push_key_predicate(
    text: &mut String,
    value: Value<'_>,
    column: &ColumnPlan,
) -> Result<(), Unwritable> {
    text.push_str(&column.quoted);
    if value.is_null() {
        text.push_str(" IS NULL");
        return Ok(());
    }
    text.push_str(" = ");
    push_value(text, value, column)
}

/// Appends a condition that holds for exactly this value, byte for byte, NULL included.
pub(crate) fn push_exact_predicate(
    text: &mut String,
    value: Value<'_>,
    column: &ColumnPlan,
) -> Result<(), Unwritable> {
    let name = &column.quoted;
    if value.is_null() {
        text.push_str(name);
        text.push_str(" IS NULL");
        return Ok(());
    }
    match (value, &column.target) {
        // Equality of text is the collation's, so the bytes are compared as well. The first
        // condition is there for indexes.
        (Value::Text(_) | Value::Json(_), TargetForm::Text(charset)) => {
            text.push_str(name);
            text.push_str(" <=> ");
            push_value(text, value, column)?;
            text.push_str(" AND CAST(");
            text.push_str(name);
            text.push_str(" AS BINARY) <=> CAST(CONVERT(");
            push_value(text, value, column)?;
            text.push_str(" USING ");
            text.push_str(charset);
            text.push_str(") AS BINARY)");
        }
        (Value::Json(document), TargetForm::Json) => {
            text.push_str(name);
            text.push_str(" = ");
            json::push_typed(text, document)?;
            // 1 and 1.0 compare as equal, so that their texts are compared as well.
            text.push_str(" AND HEX(");
            text.push_str(name);
            text.push_str(") = HEX(");
            json::push_typed(text, document)?;
            text.push(')');
        }
        (Value::Text(_), TargetForm::Json) => {
            text.push_str(name);
            text.push_str(" = CAST(");
            push_value(text, value, column)?;
            text.push_str(" AS JSON) AND HEX(");
            text.push_str(name);
            text.push_str(") = HEX(CAST(");
            push_value(text, value, column)?;
            text.push_str(" AS JSON))");
        }
        (Value::Geometry(_), _) | (_, TargetForm::Geometry) => {
            text.push_str("CAST(");
            text.push_str(name);
            text.push_str(" AS BINARY) <=> ");
            push_value(text, value, column)?;
        }
        (Value::Vector(_), _) | (_, TargetForm::Vector) => {
            // MySQL: a VECTOR cannot be compared, its hexadecimal text can.
            text.push_str("HEX(");
            text.push_str(name);
            text.push_str(") <=> HEX(");
            push_value(text, value, column)?;
            text.push(')');
        }
        _ => {
            text.push_str(name);
            text.push_str(" <=> ");
            push_value(text, value, column)?;
        }
    }
    Ok(())
}

/// Whether writing the value needs a session that is not strict: only an ENUM's error value does.
pub(crate) fn needs_lenience(value: Value<'_>, column: &ColumnPlan) -> bool {
    value == Value::Enum(0) && column.target == TargetForm::Enum
}

fn push_decimal(text: &mut String, digits: &str) -> Result<(), Unwritable> {
    let is_number = !digits.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+'));
    if !is_number {
        return Err(Unwritable("is no decimal number"));
    }
    text.push_str(digits);
    Ok(())
}

fn push_date(text: &mut String, date: Date) {
    push_padded(text, u32::from(date.year), 4);
    text.push('-');
    push_padded(text, u32::from(date.month), 2);
    text.push('-');
    push_padded(text, u32::from(date.day), 2);
}

fn push_datetime(text: &mut String, value: DateTime) {
    push_date(text, value.date);
    text.push(' ');
    push_padded(text, u32::from(value.hour), 2);
    text.push(':');
    push_padded(text, u32::from(value.minute), 2);
    text.push(':');
    push_padded(text, u32::from(value.second), 2);
    push_fraction(text, value.micros);
}

fn push_time(text: &mut String, time: Time) {
    text.push_str(if time.negative { "-" } else { "" });
    push_padded(text, u32::from(time.hours), 2);
    text.push(':');
    push_padded(text, u32::from(time.minutes), 2);
    text.push(':');
    push_padded(text, u32::from(time.seconds), 2);
    push_fraction(text, time.micros);
}

/// All six digits where there is a fraction: the target rounds nothing, since its column was
/// checked to hold as many digits as the source's.
fn push_fraction(text: &mut String, micros: u32) {
    if micros != 0 {
        text.push('.');
        push_padded(text, micros, 6);
    }
}

/// By label where it is known, since the target may number its labels otherwise.
fn push_enum(text: &mut String, number: u16, column: &ColumnPlan) -> Result<(), Unwritable> {
    let (Some(labels), true) = (&column.labels, number > 0) else {
        push_unsigned(text, u64::from(number));
        return Ok(());
    };
    let label =
        labels.get(usize::from(number - 1)).ok_or(Unwritable("has a number without a label"))?;
    super::names::push_string(text, label);
    Ok(())
}

fn push_set(text: &mut String, bits: u64, column: &ColumnPlan) -> Result<(), Unwritable> {
    let Some(labels) = &column.labels else {
        push_unsigned(text, bits);
        return Ok(());
    };
    let known = labels.len();
    if known < 64 && bits >> known != 0 {
        return Err(Unwritable("has a bit without a label"));
    }
    let chosen = labels
        .iter()
        .enumerate()
        .filter(|(index, _)| bits >> index & 1 == 1)
        .map(|(_, label)| &**label);
    push_labels(text, chosen);
    Ok(())
}

#[cfg(test)]
mod tests;
