//! Values as parameters of a statement that takes many rows.
//!
//! Pure. Each is sent as what the literal of an INSERT is: an integer, a DOUBLE, a DECIMAL, text in
//! utf8mb4, or bytes. What that does not carry is left to INSERT.

use std::sync::Arc;

use otter_core::{ColumnType, Value};
use otter_mysql::{ParameterRows, ParameterType};

use super::line::{LineForm, NotLoadable, push_plain, text_of};
use super::{push_decimal, push_insert, push_upsert_end};
use crate::mysql::fit::{ColumnPlan, TargetForm};

/// A statement that inserts rows of parameters.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RowsStatement {
    pub(crate) sql: String,
    pub(crate) types: Vec<ParameterType>,
}

/// How the values of a source column are sent.
pub(crate) fn parameter_type(source: &ColumnType, form: &TargetForm) -> ParameterType {
    let is_text = matches!(form, TargetForm::Text(_));
    match source {
        ColumnType::Integer { unsigned: false, .. } => ParameterType::Int,
        ColumnType::Integer { .. } | ColumnType::Bit { .. } | ColumnType::Year => {
            ParameterType::UInt
        }
        ColumnType::Float | ColumnType::Double => ParameterType::Double,
        ColumnType::Decimal { .. } if !is_text => ParameterType::Decimal,
        ColumnType::Bytes { .. } => ParameterType::Bytes,
        ColumnType::Decimal { .. }
        | ColumnType::Date
        | ColumnType::Time { .. }
        | ColumnType::DateTime { .. }
        | ColumnType::Timestamp { .. }
        | ColumnType::Text { .. }
        | ColumnType::Enum { .. }
        | ColumnType::Set { .. }
        | ColumnType::Json
        | ColumnType::Geometry
        | ColumnType::Vector
        | ColumnType::Constant { .. }
        | _ => ParameterType::Text,
    }
}

/// The statement for rows with these columns: new ones, or such that may be there as they are.
pub(crate) fn rows_statement(
    quoted: &str,
    columns: &[ColumnPlan],
    may_be_there: bool,
) -> Arc<RowsStatement> {
    let written = || columns.iter().filter(|column| column.written);
    let mut sql = String::new();
    push_insert(&mut sql, quoted, columns);
    for (index, _) in written().enumerate() {
        sql.push_str(if index > 0 { ",?" } else { "?" });
    }
    sql.push(')');
    if may_be_there {
        push_upsert_end(&mut sql, columns, &[]);
    }
    Arc::new(RowsStatement { sql, types: written().map(|column| column.parameter).collect() })
}

/// Appends a value; `scratch` is room for its text.
pub(crate) fn push_parameter(
    rows: &mut ParameterRows,
    value: Value<'_>,
    column: &ColumnPlan,
    scratch: &mut String,
) -> Result<(), NotLoadable> {
    match (value, column.parameter) {
        (Value::Null, _) => rows.push_null(),
        (Value::Int(value), ParameterType::Int) => rows.push_bits(value.cast_unsigned()),
        (Value::UInt(value) | Value::Bit(value), ParameterType::UInt) => rows.push_bits(value),
        (Value::Year(year), ParameterType::UInt) => rows.push_bits(u64::from(year)),
        (Value::Float(value), ParameterType::Double) => push_double(rows, f64::from(value))?,
        (Value::Double(value), ParameterType::Double) => push_double(rows, value)?,
        (Value::Decimal(digits), ParameterType::Decimal) => {
            scratch.clear();
            push_decimal(scratch, digits)?;
            rows.push_bytes(scratch.as_bytes());
        }
        (Value::Bytes(bytes), ParameterType::Bytes) if column.line == LineForm::Hex => {
            rows.push_bytes(bytes);
        }
        (value, ParameterType::Text) => {
            if let Some(text) = text_of(value, column)? {
                rows.push_bytes(text.as_bytes());
            } else {
                scratch.clear();
                push_plain(scratch, value, column)?;
                rows.push_bytes(scratch.as_bytes());
            }
        }
        _ => return Err(NotLoadable),
    }
    Ok(())
}

fn push_double(rows: &mut ParameterRows, value: f64) -> Result<(), NotLoadable> {
    if !value.is_finite() {
        return Err(NotLoadable);
    }
    rows.push_bits(value.to_bits());
    Ok(())
}
