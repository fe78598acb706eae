//! Values as fields of a line that `LOAD DATA LOCAL` reads.
//!
//! Pure. A server takes such fields as the texts of string literals, so that a value is loaded as
//! an INSERT of its literal would write it. Kinds of values for which that does not hold are left to
//! INSERT: [`NotLoadable`] is no finding.
//!
//! Source: MySQL's manual, "LOAD DATA Statement"; MariaDB's, "LOAD DATA INFILE".

use otter_core::{ColumnType, Value};

use super::number::{push_float, push_padded, push_signed, push_unsigned};
use super::text::{plain_ascii, push_hex};
use super::{Unwritable, json, push_date, push_datetime, push_decimal, push_time};
use crate::mysql::fit::{ColumnPlan, TablePlan, TargetForm, TextForm};
use crate::mysql::target::TargetColumn;

/// How a column's values stand in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineForm {
    /// Not at all.
    Never,
    /// As the text of their literal.
    Plain,
    /// As hexadecimal digits.
    Hex,
    /// As a number where text would be taken for bytes.
    Number,
}

/// A value that no line can hold; an INSERT writes it, or says why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotLoadable;

impl From<Unwritable> for NotLoadable {
    fn from(_: Unwritable) -> Self {
        Self
    }
}

/// How the values of a source column stand in a line for this target column.
pub(crate) fn line_form(source: &ColumnType, target: &TargetColumn, form: &TargetForm) -> LineForm {
    let is_text = matches!(form, TargetForm::Text(_));
    let is_other = *form == TargetForm::Other;
    let data_type = target.data_type.as_str();
    let is_binary = is_other && (data_type.ends_with("blob") || data_type.ends_with("binary"));
    let is_bit = data_type == "bit";
    let plain = |fits: bool| if fits { LineForm::Plain } else { LineForm::Never };
    match source {
        // As text a DOUBLE is what the server makes of its literal.
        ColumnType::Float | ColumnType::Double => plain(is_other && !is_bit && !is_binary),
        ColumnType::Integer { .. }
        | ColumnType::Decimal { .. }
        | ColumnType::Date
        | ColumnType::Time { .. }
        | ColumnType::DateTime { .. }
        | ColumnType::Timestamp { .. }
        | ColumnType::Constant { .. } => plain((is_text || is_other) && !is_bit && !is_binary),
        ColumnType::Year => plain(data_type == "year"),
        ColumnType::Bit { .. } if is_bit => LineForm::Number,
        ColumnType::Bit { .. } => plain((is_text || is_other) && !is_binary),
        ColumnType::Text { .. } => plain(is_text),
        ColumnType::Enum { labels: Some(_) } | ColumnType::Set { labels: Some(_) } => {
            plain(is_text || *form == TargetForm::Enum)
        }
        ColumnType::Json => plain(is_text || *form == TargetForm::Json),
        ColumnType::Bytes { .. } if is_binary => LineForm::Hex,
        // Kinds whose texts depend on the target, and those that this version does not know.
        ColumnType::Bytes { .. }
        | ColumnType::Enum { labels: None }
        | ColumnType::Set { labels: None }
        | ColumnType::Geometry
        | ColumnType::Vector
        | _ => LineForm::Never,
    }
}

/// Appends the statement up to its end; the data follows in lines.
pub(crate) fn push_load(text: &mut String, plan: &TablePlan) {
    for piece in ["LOAD DATA LOCAL INFILE '", otter_mysql::LOCAL_DATA, "' INTO TABLE "] {
        text.push_str(piece);
    }
    text.push_str(&plan.quoted);
    text.push_str(
        " CHARACTER SET utf8mb4 FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' \
         LINES TERMINATED BY '\\n' (",
    );
    let written = || plan.columns.iter().filter(|column| column.written).enumerate();
    for (index, column) in written() {
        text.push_str(if index > 0 { "," } else { "" });
        if column.line == LineForm::Plain {
            text.push_str(&column.quoted);
        } else {
            push_variable(text, index);
        }
    }
    text.push(')');
    let mut separator = " SET ";
    for (index, column) in written() {
        let (before, behind) = match column.line {
            LineForm::Hex => ("UNHEX(", ")"),
            LineForm::Number => ("CAST(", " AS UNSIGNED)"),
            LineForm::Plain | LineForm::Never => continue,
        };
        for piece in [separator, &column.quoted, " = ", before] {
            text.push_str(piece);
        }
        push_variable(text, index);
        text.push_str(behind);
        separator = ", ";
    }
}

/// A field that an expression takes on its way into the column.
fn push_variable(text: &mut String, index: usize) {
    text.push_str("@otter_");
    push_unsigned(text, u64::try_from(index).unwrap_or(u64::MAX));
}

/// Appends a value as a field.
pub(crate) fn push_field(
    line: &mut String,
    value: Value<'_>,
    column: &ColumnPlan,
) -> Result<(), NotLoadable> {
    if value.is_null() {
        line.push_str("\\N");
    } else if let Value::Year(year) = value {
        // Only of four digits 0000 is itself.
        push_padded(line, u32::from(year), 4);
    } else if let (Value::Bytes(bytes), LineForm::Hex) = (value, column.line) {
        push_hex(line, bytes);
    } else if let Some(text) = text_of(value, column)? {
        push_escaped(line, text);
    } else {
        push_plain(line, value, column)?;
    }
    Ok(())
}

/// The text of a value that is one already.
pub(super) fn text_of<'v>(
    value: Value<'v>,
    column: &'v ColumnPlan,
) -> Result<Option<&'v str>, NotLoadable> {
    let text = if let Value::Text(bytes) = value {
        column.check_spaces(bytes)?;
        match column.text {
            TextForm::Utf8 => std::str::from_utf8(bytes).map_err(|_| NotLoadable)?,
            TextForm::AsciiBased(_) => plain_ascii(bytes).ok_or(NotLoadable)?,
            TextForm::Coded(_) => return Err(NotLoadable),
        }
    } else if let Value::Enum(number) = value {
        let label = usize::from(number).checked_sub(1);
        let label = column.labels.as_ref().and_then(|labels| labels.get(label?));
        label.ok_or(NotLoadable)?
    } else if let Value::Json(document) = value {
        if column.target == TargetForm::Json && !json::is_carried(document) {
            return Err(NotLoadable);
        }
        document
    } else {
        return Ok(None);
    };
    Ok(Some(text))
}

/// Appends the text of another value.
pub(super) fn push_plain(
    text: &mut String,
    value: Value<'_>,
    column: &ColumnPlan,
) -> Result<(), NotLoadable> {
    match value {
        Value::Int(value) => push_signed(text, value),
        Value::UInt(value) | Value::Bit(value) => push_unsigned(text, value),
        Value::Float(value) => push_number(text, f64::from(value))?,
        Value::Double(value) => push_number(text, value)?,
        Value::Decimal(digits) => push_decimal(text, digits)?,
        Value::Date(date) => push_date(text, date),
        Value::Time(time) => push_time(text, time),
        Value::DateTime(value) => push_datetime(text, value),
        Value::Timestamp(value) => push_datetime(text, value.to_utc()),
        Value::Set(bits) => push_labels(text, bits, column)?,
        Value::Null
        | Value::Year(_)
        | Value::Text(_)
        | Value::Bytes(_)
        | Value::Enum(_)
        | Value::Json(_)
        | Value::JsonChanges(_)
        | Value::Geometry(_)
        | Value::Vector(_)
        | _ => return Err(NotLoadable),
    }
    Ok(())
}

fn push_number(line: &mut String, value: f64) -> Result<(), NotLoadable> {
    if value == 0.0 && value.is_sign_negative() {
        line.push_str("-0");
        return Ok(());
    }
    Ok(push_float(line, value)?)
}

/// The labels of a SET, between commas. A label never holds a comma.
fn push_labels(line: &mut String, bits: u64, column: &ColumnPlan) -> Result<(), NotLoadable> {
    let labels = column.labels.as_ref().ok_or(NotLoadable)?;
    if labels.len() < 64 && bits >> labels.len() != 0 {
        return Err(NotLoadable);
    }
    let mut separator = "";
    for (_, label) in labels.iter().enumerate().filter(|(index, _)| bits >> index & 1 == 1) {
        // What a line would have to escape, and a parameter must not.
        if label.bytes().any(is_special) {
            return Err(NotLoadable);
        }
        line.push_str(separator);
        line.push_str(label);
        separator = ",";
    }
    Ok(())
}

/// Whether the byte ends a field or a line, or begins an escape.
fn is_special(byte: u8) -> bool {
    matches!(byte, b'\\' | b'\t' | b'\n' | 0)
}

/// Appends text with a backslash before what ends a field or a line.
fn push_escaped(line: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.bytes().position(is_special) {
        // All four are ASCII, so `at` is a border between letters.
        let (plain, tail) = rest.split_at(at);
        line.push_str(plain);
        let mut letters = tail.chars();
        line.push_str(match letters.next() {
            Some('\\') => "\\\\",
            Some('\t') => "\\t",
            Some('\n') => "\\n",
            _ => "\\0",
        });
        rest = letters.as_str();
    }
    line.push_str(rest);
}

#[cfg(test)]
mod tests;
