//! Whether a column of a table map and one of `information_schema` can be the same.

use super::charset::charset_of;
use super::information::SchemaColumn;
use crate::event::table_map::{MapColumn, Meta, TypeCode};
use crate::row::address::Address;

/// Whether the rows could have been written with this definition.
pub(crate) fn fits(logged: &MapColumn, now: &SchemaColumn) -> bool {
    type_fits(logged, now)
        && logged.nullable == now.nullable
        && sign_fits(logged, now)
        && charset_fits(logged, now)
}

#[allow(clippy::wildcard_enum_match_arm, reason = "a length is the only thing asked for")]
fn type_fits(logged: &MapColumn, now: &SchemaColumn) -> bool {
    let code = logged.code;
    let is = |expected: TypeCode| code == expected;
    let length = |expected: Option<u64>| match logged.meta {
        Meta::Length(length) => Some(u64::from(length)) == expected,
        _ => false,
    };
    let blob = |width: u8| {
        (is(TypeCode::BLOB) || is(TypeCode::BLOB_COMPRESSED)) && logged.meta == Meta::Width(width)
    };
    let varying = || {
        // A compressed one has a byte more, for the method.
        is(TypeCode::VARCHAR_COMPRESSED) && length(now.octets.map(|octets| octets + 1))
            || (is(TypeCode::VARCHAR) || is(TypeCode::VAR_STRING)) && length(now.octets)
    };
    let temporal = |new: TypeCode, old: TypeCode| {
        is(new) && logged.meta == Meta::Digits(now.digits) || is(old)
    };
    if let Some(address) = Address::of(&now.data_type) {
        return is(TypeCode::STRING) && length(Some(u64::from(address.width())));
    }
    match now.data_type.as_str() {
        "tinyint" => is(TypeCode::TINY),
        "smallint" => is(TypeCode::SHORT),
        "mediumint" => is(TypeCode::INT24),
        "int" => is(TypeCode::LONG),
        "bigint" => is(TypeCode::LONGLONG),
        "float" => is(TypeCode::FLOAT),
        "double" => is(TypeCode::DOUBLE),
        "decimal" => matches!(logged.meta, Meta::Decimal { precision, scale }
            if now.precision == Some(precision) && now.scale.unwrap_or(0) == scale),
        "bit" => matches!(logged.meta, Meta::Bits(bits)
            if now.precision.map(u16::from) == Some(bits)),
        "year" => is(TypeCode::YEAR),
        "date" => is(TypeCode::DATE) || is(TypeCode::NEWDATE),
        "time" => temporal(TypeCode::TIME2, TypeCode::TIME),
        "datetime" => temporal(TypeCode::DATETIME2, TypeCode::DATETIME),
        "timestamp" => temporal(TypeCode::TIMESTAMP2, TypeCode::TIMESTAMP),
        "char" | "binary" => is(TypeCode::STRING) && length(now.octets),
        "varchar" | "varbinary" => varying(),
        "tinytext" | "tinyblob" => blob(1),
        "text" | "blob" => blob(2),
        "mediumtext" | "mediumblob" => blob(3),
        "longtext" | "longblob" => blob(4),
        "enum" => is(TypeCode::ENUM),
        "set" => is(TypeCode::SET),
        "json" => is(TypeCode::JSON),
        // MariaDB stores vectors as VARBINARY.
        "vector" => is(TypeCode::VECTOR) || is(TypeCode::VARCHAR),
        "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring"
        | "multipolygon" | "geomcollection" | "geometrycollection" => is(TypeCode::GEOMETRY),
        _ => false,
    }
}

fn sign_fits(logged: &MapColumn, now: &SchemaColumn) -> bool {
    // A YEAR is logged as unsigned, but its definition does not say so.
    logged.code == TypeCode::YEAR
        || logged.facts.unsigned.is_none_or(|unsigned| unsigned == now.is_unsigned())
}

fn charset_fits(logged: &MapColumn, now: &SchemaColumn) -> bool {
    let is_text = logged.code.is_character(false) && logged.code != TypeCode::VECTOR;
    if !is_text || Address::of(&now.data_type).is_some() {
        return true;
    }
    let Some(collation) = logged.facts.collation else { return true };
    // A collation that we do not know proves nothing.
    charset_of(collation)
        .is_none_or(|charset| charset == now.charset.as_deref().unwrap_or("binary"))
}
