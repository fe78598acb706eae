//! Types by all their names, and what stands in parentheses behind them.

use super::super::dialect::SqlMode;
use super::super::statement::CharsetClause;
use super::super::types::{DataType, Shape};
use super::cursor::Cursor;
use super::{Result, string_type};
use crate::connection::Flavor;

/// A type as written.
pub(super) struct TypeReading {
    pub(super) data_type: DataType,
    /// The length in TEXT(n) and BLOB(n).
    pub(super) asked_length: Option<u64>,
    /// SERIAL, which implies attributes.
    pub(super) is_serial: bool,
}

impl From<DataType> for TypeReading {
    fn from(data_type: DataType) -> Self {
        Self { data_type, asked_length: None, is_serial: false }
    }
}

/// Whose meaning a type's name has.
#[derive(Clone, Copy)]
pub(super) struct Meaning {
    pub(super) oracle: bool,
    maxdb: bool,
}

/// Reads a type; what its name says about the charset goes to `charset`.
pub(super) fn read(cursor: &mut Cursor<'_>, charset: &mut CharsetClause) -> Result<TypeReading> {
    let meaning = read_meaning(cursor);
    let at_type = cursor.clone();
    let Some(name) = cursor.take_word() else {
        return Err(cursor.refuse("a column's type"));
    };
    if let Some(data_type) = read_number(&name, cursor)? {
        return Ok(data_type);
    }
    if let Some(data_type) = read_temporal(&name, meaning, cursor)? {
        return Ok(data_type.into());
    }
    if let Some(reading) = string_type::read(&name, meaning, cursor, charset)? {
        return Ok(reading);
    }
    let data_type = match &*name {
        "VECTOR" => {
            /// MySQL's default.
            const DIMENSIONS: u32 = 2048;
            let dimensions = cursor.parenthesised_number("the dimensions")?;
            let dimensions =
                dimensions.map_or(DIMENSIONS, |n| u32::try_from(n).unwrap_or(u32::MAX));
            DataType::Vector { dimensions }
        }
        "UUID" => DataType::Uuid,
        "INET4" => DataType::Inet4,
        "INET6" => DataType::Inet6,
        "GEOMCOLLECTION" => DataType::Geometry(Shape::Collection),
        _ => match Shape::ALL.into_iter().find(|shape| shape.name().eq_ignore_ascii_case(&name)) {
            Some(shape) => DataType::Geometry(shape),
            None => return Err(at_type.refuse("a column's type")),
        },
    };
    if matches!(data_type, DataType::Geometry(_)) {
        // Old versions print a length that means nothing.
        cursor.parenthesised_number("a length")?;
    }
    Ok(data_type.into())
}

/// The modes decide, unless MariaDB's `mariadb_schema.` or the like stands before the type.
fn read_meaning(cursor: &mut Cursor<'_>) -> Meaning {
    let mode = cursor.dialect().sql_mode;
    let is_mariadb = cursor.dialect().flavor == Flavor::MariaDb;
    let by_mode = Meaning {
        oracle: is_mariadb && mode.has(SqlMode::ORACLE),
        maxdb: mode.has(SqlMode::MAXDB),
    };
    for (schema, oracle, maxdb) in [
        ("MARIADB_SCHEMA", false, false),
        ("ORACLE_SCHEMA", true, false),
        ("MAXDB_SCHEMA", false, true),
    ] {
        let mut ahead = cursor.clone();
        if ahead.eat_word(schema) && ahead.eat_symbol(b'.') {
            *cursor = ahead;
            return Meaning { oracle, maxdb };
        }
    }
    by_mode
}

fn read_number(name: &str, cursor: &mut Cursor<'_>) -> Result<Option<TypeReading>> {
    let bytes = match name {
        "TINYINT" | "INT1" => 1,
        "BOOL" | "BOOLEAN" => {
            return Ok(Some(DataType::Integer { bytes: 1, unsigned: false }.into()));
        }
        "SMALLINT" | "INT2" => 2,
        "MEDIUMINT" | "MIDDLEINT" | "INT3" => 3,
        "INT" | "INTEGER" | "INT4" => 4,
        "BIGINT" | "INT8" => 8,
        "SERIAL" => {
            let data_type = DataType::Integer { bytes: 8, unsigned: true };
            return Ok(Some(TypeReading { data_type, asked_length: None, is_serial: true }));
        }
        "BIT" => {
            let bits = cursor.parenthesised_number("the number of bits")?.unwrap_or(1).clamp(1, 64);
            return Ok(Some(DataType::Bit { bits: narrow(bits) }.into()));
        }
        "DECIMAL" | "DEC" | "NUMERIC" | "FIXED" | "NUMBER" => {
            let asked = read_precision(cursor)?;
            let unsigned = read_sign(cursor);
            return Ok(Some(
                match asked {
                    // MariaDB: Oracle's NUMBER without a precision floats.
                    None if name == "NUMBER" => DataType::Double { unsigned },
                    _ => decimal(asked, unsigned),
                }
                .into(),
            ));
        }
        "FLOAT" | "FLOAT4" | "FLOAT8" | "DOUBLE" | "REAL" => {
            return read_float(name, cursor).map(|data_type| Some(data_type.into()));
        }
        _ => return Ok(None),
    };
    cursor.parenthesised_number("a display width")?;
    let unsigned = read_sign(cursor);
    Ok(Some(DataType::Integer { bytes, unsigned }.into()))
}

fn decimal(asked: Option<(u64, Option<u64>)>, unsigned: bool) -> DataType {
    let (precision, scale) = asked.unwrap_or((0, None));
    let scale = scale.unwrap_or(0);
    // A precision of 0 is the default, and the scale must fit into it.
    let precision = if precision == 0 { 10.max(scale) } else { precision };
    DataType::Decimal { precision: narrow(precision), scale: narrow(scale), unsigned }
}

fn read_float(name: &str, cursor: &mut Cursor<'_>) -> Result<DataType> {
    if name == "DOUBLE" {
        cursor.eat_word("PRECISION");
    }
    let asked = read_precision(cursor)?;
    let unsigned = read_sign(cursor);
    let real_is_float = cursor.dialect().sql_mode.has(SqlMode::REAL_AS_FLOAT);
    let is_float = match name {
        // FLOAT(25) has more bits than a float; FLOAT(25,2) is a display format.
        "FLOAT" => !matches!(asked, Some((25.., None))),
        "FLOAT4" => true,
        "REAL" => real_is_float,
        _ => false,
    };
    Ok(if is_float { DataType::Float { unsigned } } else { DataType::Double { unsigned } })
}

/// `(10)` or `(10,2)`, if parentheses follow.
fn read_precision(cursor: &mut Cursor<'_>) -> Result<Option<(u64, Option<u64>)>> {
    if !cursor.eat_symbol(b'(') {
        return Ok(None);
    }
    let precision = cursor.number("a precision")?;
    let scale = if cursor.eat_symbol(b',') {
        cursor.eat_symbol(b'-');
        Some(cursor.number("a scale")?)
    } else {
        None
    };
    cursor.expect_symbol(b')', "a closing parenthesis")?;
    Ok(Some((precision, scale)))
}

/// SIGNED, UNSIGNED and ZEROFILL in any order; ZEROFILL implies UNSIGNED.
fn read_sign(cursor: &mut Cursor<'_>) -> bool {
    let mut unsigned = false;
    loop {
        if cursor.eat_any_word(&["UNSIGNED", "ZEROFILL"]) {
            unsigned = true;
        } else if !cursor.eat_word("SIGNED") {
            return unsigned;
        }
    }
}

fn read_temporal(
    name: &str,
    meaning: Meaning,
    cursor: &mut Cursor<'_>,
) -> Result<Option<DataType>> {
    let data_type = match name {
        "YEAR" => {
            cursor.parenthesised_number("the digits of a year")?;
            DataType::Year
        }
        "DATE" if meaning.oracle => DataType::DateTime { digits: 0 },
        "DATE" => DataType::Date,
        "TIME" => DataType::Time { digits: read_digits(cursor)? },
        "DATETIME" => DataType::DateTime { digits: read_digits(cursor)? },
        "TIMESTAMP" if meaning.maxdb => DataType::DateTime { digits: read_digits(cursor)? },
        "TIMESTAMP" => DataType::Timestamp { digits: read_digits(cursor)? },
        _ => return Ok(None),
    };
    Ok(Some(data_type))
}

fn read_digits(cursor: &mut Cursor<'_>) -> Result<u8> {
    let asked = cursor.parenthesised_number("fraction digits")?.unwrap_or(0);
    // Before there were fractions, the number was a display width.
    let has_fractions = match cursor.dialect().flavor {
        Flavor::MySql => cursor.dialect().version >= 50_604,
        Flavor::MariaDb => true,
    };
    Ok(if has_fractions && asked <= 6 { narrow(asked) } else { 0 })
}

/// A number that the server has accepted as small; a greater one is capped.
pub(super) fn narrow(number: u64) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}
