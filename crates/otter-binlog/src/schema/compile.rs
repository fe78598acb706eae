//! A table map, and the schema where it is needed, to a table and the plan that reads its rows.

use std::sync::Arc;

use otter_core::{Column, ColumnType, Table};

use super::charset::{BINARY, UNKNOWN, charset_of, to_utf8};
use super::error::SchemaError;
use super::fit::fits;
use super::information::{SchemaColumn, SchemaTable, address_type};
use crate::event::table_map::{MapColumn, Meta, TableMap, TypeCode};
use crate::row::address::Address;
use crate::row::codec::Content;
use crate::row::decimal::DecimalLayout;
use crate::row::temporal::fraction_width;
use crate::row::{Codec, RowPlan};

/// What a table map needs besides itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outlook {
    /// Nothing.
    Complete,
    /// The schema of their place: it tells types apart that the map does not.
    Better,
    /// The schema; without it no column has a name.
    Needed,
}

/// Where names come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Naming {
    /// From the map or the schema.
    Real,
    /// `@1`, `@2`, as the servers' own tools print rows without a schema.
    Numbered,
}

/// What becomes of what neither the map nor the schema tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Untold {
    /// It is an error.
    Refused,
    /// The plainest type is taken.
    Plain,
    /// It is said that it is not known.
    Told,
}

/// Tells whether the schema must be asked.
pub(crate) fn outlook(map: &TableMap, mariadb: bool) -> Outlook {
    if map.columns.iter().any(|column| column.facts.name.is_none()) {
        return Outlook::Needed;
    }
    if map.columns.iter().any(|column| is_ambiguous(column, mariadb)) {
        Outlook::Better
    } else {
        Outlook::Complete
    }
}

/// MariaDB: UUID and INET are logged as BINARY. Old temporals with fractions do not tell their
/// digits. Labels in some character sets can be read only by the server itself.
fn is_ambiguous(column: &MapColumn, mariadb: bool) -> bool {
    let binary = column.facts.collation.is_none_or(|collation| collation == BINARY);
    match column.code {
        TypeCode::STRING => mariadb && binary && matches!(column.meta, Meta::Length(4 | 16)),
        TypeCode::TIME | TypeCode::DATETIME | TypeCode::TIMESTAMP => mariadb,
        TypeCode::ENUM | TypeCode::SET => logged_labels(column).is_none(),
        _ => false,
    }
}

/// Makes the table and its plan. `schema` is needed where [`outlook`] says so.
pub(crate) fn compile(
    map: &TableMap,
    schema: Option<&SchemaTable>,
    naming: Naming,
    mariadb: bool,
) -> Result<RowPlan, SchemaError> {
    let named = map.columns.iter().all(|column| column.facts.name.is_some());
    match naming {
        Naming::Real if named => verify_unclear(map, schema, mariadb)?,
        Naming::Real => verify(map, schema)?,
        Naming::Numbered => {}
    }
    let untold = match naming {
        Naming::Numbered => Untold::Told,
        Naming::Real if mariadb => Untold::Refused,
        Naming::Real => Untold::Plain,
    };
    let mut columns = Vec::with_capacity(map.columns.len());
    let mut codecs = Vec::with_capacity(map.columns.len());
    for (index, logged) in map.columns.iter().enumerate() {
        let now = match &logged.facts.name {
            // What the map tells itself need not be the schema's.
            Some(name) => schema.and_then(|it| it.column(name)).filter(|now| fits(logged, now)),
            None => schema.and_then(|it| it.columns.get(index)),
        };
        let name = logged
            .facts
            .name
            .clone()
            .or_else(|| now.map(|now| now.name.clone()))
            .unwrap_or_else(|| format!("@{}", index + 1).into());
        let (column_type, codec) = decide(logged, now, untold).map_err(|problem| {
            SchemaError::Unsupported { table: map.name.clone(), column: name.clone(), problem }
        })?;
        columns.push(Column { name, column_type, nullable: logged.nullable });
        codecs.push(codec);
    }
    let primary_key = match (&map.primary_key, schema) {
        (Some(key), _) => key.clone(),
        (None, Some(schema)) => schema.primary_key.clone(),
        (None, None) => Vec::new(),
    };
    let dropped_key = Vec::new();
    let table = Table { name: map.name.clone(), columns, primary_key, dropped_key };
    Ok(RowPlan { table: Arc::new(table), codecs: codecs.into(), takes_changes: false })
}

/// What the map does not tell of a column that it names, the schema must.
fn verify_unclear(
    map: &TableMap,
    schema: Option<&SchemaTable>,
    mariadb: bool,
) -> Result<(), SchemaError> {
    for (index, logged) in map.columns.iter().enumerate() {
        if !is_ambiguous(logged, mariadb) {
            continue;
        }
        let table = || map.name.clone();
        let schema = schema.ok_or_else(|| SchemaError::Missing { table: table() })?;
        let name = logged.facts.name.as_deref().unwrap_or_default();
        let now = schema.column(name);
        if !now.is_some_and(|now| fits(logged, now)) {
            return Err(SchemaError::Mismatch {
                table: table(),
                ordinal: format!("{} (`{name}`)", index + 1),
                logged: describe(logged),
                now: now.map_or_else(|| "nothing of it".to_owned(), describe_now),
            });
        }
    }
    Ok(())
}

/// The schema of now must describe what was logged, column by column.
fn verify(map: &TableMap, schema: Option<&SchemaTable>) -> Result<(), SchemaError> {
    let table = || map.name.clone();
    let schema = schema.ok_or_else(|| SchemaError::Missing { table: table() })?;
    if schema.columns.len() != map.columns.len() {
        let (logged, now) = (map.columns.len(), schema.columns.len());
        return Err(SchemaError::Width { table: table(), logged, now });
    }
    for (index, (logged, now)) in map.columns.iter().zip(&schema.columns).enumerate() {
        if !fits(logged, now) {
            return Err(SchemaError::Mismatch {
                table: table(),
                ordinal: format!("{} (`{}`)", index + 1, now.name),
                logged: describe(logged),
                now: describe_now(now),
            });
        }
    }
    Ok(())
}

fn describe(logged: &MapColumn) -> String {
    let column_type = match decide(logged, None, Untold::Plain) {
        Ok((column_type, _)) => column_type.describe(),
        Err(_) => format!("type {}", logged.code.0),
    };
    format!("{column_type} {}", null_or_not(logged.nullable))
}

fn describe_now(now: &SchemaColumn) -> String {
    let charset = now.charset.as_deref().map_or(String::new(), |charset| format!(" {charset}"));
    format!("{}{charset} {}", now.column_type, null_or_not(now.nullable))
}

fn null_or_not(nullable: bool) -> &'static str {
    if nullable { "NULL" } else { "NOT NULL" }
}

/// The labels of the map in UTF-8.
fn logged_labels(logged: &MapColumn) -> Option<Arc<[Arc<str>]>> {
    let charset = charset_of(logged.facts.collation?)?;
    let labels = logged.facts.labels.as_ref()?;
    labels.iter().map(|label| to_utf8(charset, label).map(Arc::from)).collect()
}

/// The type and the codec of one column, from the map first and the schema second.
fn decide(
    logged: &MapColumn,
    now: Option<&SchemaColumn>,
    untold: Untold,
) -> Result<(ColumnType, Codec), String> {
    let charset = || charset(logged, now, untold);
    let unsigned =
        logged.facts.unsigned.or_else(|| now.map(SchemaColumn::is_unsigned)).unwrap_or(false);
    let labels = || logged_labels(logged).or_else(|| now.and_then(SchemaColumn::labels));
    let integer = |bytes, signed_codec, unsigned_codec| {
        let codec = if unsigned { unsigned_codec } else { signed_codec };
        Ok((ColumnType::Integer { bytes, unsigned }, codec))
    };
    let broken = || Err(format!("its metadata does not fit type {}", logged.code.0));
    match (logged.code, logged.meta) {
        (TypeCode::TINY, _) => integer(1, Codec::I8, Codec::U8),
        (TypeCode::SHORT, _) => integer(2, Codec::I16, Codec::U16),
        (TypeCode::INT24, _) => integer(3, Codec::I24, Codec::U24),
        (TypeCode::LONG, _) => integer(4, Codec::I32, Codec::U32),
        (TypeCode::LONGLONG, _) => integer(8, Codec::I64, Codec::U64),
        (TypeCode::FLOAT, _) => Ok((ColumnType::Float, Codec::Float)),
        (TypeCode::DOUBLE, _) => Ok((ColumnType::Double, Codec::Double)),
        (TypeCode::NEWDECIMAL, Meta::Decimal { precision, scale }) => {
            match DecimalLayout::new(precision, scale) {
                Some(layout) => {
                    Ok((ColumnType::Decimal { precision, scale, unsigned }, Codec::Decimal(layout)))
                }
                None => broken(),
            }
        }
        (TypeCode::BIT, Meta::Bits(bits)) => match u8::try_from(bits) {
            Ok(bits @ 1..=64) => Ok((ColumnType::Bit { bits }, Codec::Bit(bits.div_ceil(8)))),
            _ => broken(),
        },
        (TypeCode::YEAR, _) => Ok((ColumnType::Year, Codec::Year)),
        (TypeCode::DATE | TypeCode::NEWDATE, _) => Ok((ColumnType::Date, Codec::Date)),
        (TypeCode::TIME2 | TypeCode::DATETIME2 | TypeCode::TIMESTAMP2, Meta::Digits(digits)) => {
            match fraction_width(digits).and_then(|width| u8::try_from(width).ok()) {
                Some(width) => Ok(temporal(logged.code, digits, width)),
                None => broken(),
            }
        }
        (TypeCode::TIME | TypeCode::DATETIME | TypeCode::TIMESTAMP, _) => {
            old_temporal(logged.code, now, untold)
        }
        (TypeCode::VARCHAR | TypeCode::VAR_STRING, Meta::Length(length)) => {
            Ok(run(charset()?, now, u32::from(length), prefix_of(length)))
        }
        (TypeCode::STRING, Meta::Length(length)) => Ok(string(charset()?, now, length)),
        (
            TypeCode::TINY_BLOB | TypeCode::MEDIUM_BLOB | TypeCode::LONG_BLOB | TypeCode::BLOB,
            Meta::Width(prefix @ 1..=4),
        ) => Ok(run(charset()?, now, longest(prefix), prefix)),
        (TypeCode::JSON, Meta::Width(prefix @ 1..=4)) => {
            Ok((ColumnType::Json, Codec::Json { prefix }))
        }
        (TypeCode::GEOMETRY, Meta::Width(prefix @ 1..=4)) => {
            Ok((ColumnType::Geometry, Codec::Run { prefix, content: Content::Geometry }))
        }
        (TypeCode::VECTOR, Meta::Width(prefix @ 1..=4)) => {
            Ok((ColumnType::Vector, Codec::Run { prefix, content: Content::Vector }))
        }
        (TypeCode::ENUM, Meta::Width(width @ 1..=2)) => {
            Ok((ColumnType::Enum { labels: labels() }, Codec::Enum { width }))
        }
        (TypeCode::SET, Meta::Width(width @ 1..=8)) => {
            Ok((ColumnType::Set { labels: labels() }, Codec::Set { width }))
        }
        (TypeCode::VARCHAR_COMPRESSED, Meta::Length(length)) => {
            // One byte of it is the method's.
            let limit = u32::from(length.saturating_sub(1));
            Ok(compressed(charset()?, limit, prefix_of(length)))
        }
        (TypeCode::BLOB_COMPRESSED, Meta::Width(prefix @ 1..=4)) => {
            Ok(compressed(charset()?, longest(prefix), prefix))
        }
        (TypeCode(code), Meta::None) => Err(format!("type {code} is unknown")),
        _ => broken(),
    }
}

/// The bytes of the length before a text of at most `length` bytes.
fn prefix_of(length: u16) -> u8 {
    if length > 255 { 2 } else { 1 }
}

/// The greatest length that a prefix can say.
fn longest(prefix: u8) -> u32 {
    u32::MAX >> (32 - 8 * u32::from(prefix))
}

fn temporal(code: TypeCode, digits: u8, width: u8) -> (ColumnType, Codec) {
    match code {
        TypeCode::TIME2 => (ColumnType::Time { digits }, Codec::Time { digits, width }),
        TypeCode::DATETIME2 => (ColumnType::DateTime { digits }, Codec::DateTime { digits, width }),
        _ => (ColumnType::Timestamp { digits }, Codec::Timestamp { digits, width }),
    }
}

/// MariaDB: with mysql56_temporal_format=OFF these types have fractions whose digits are in no
/// metadata.
fn old_temporal(
    code: TypeCode,
    now: Option<&SchemaColumn>,
    untold: Untold,
) -> Result<(ColumnType, Codec), String> {
    let rebuild = "rebuild the table with mysql56_temporal_format=ON (ALTER TABLE … FORCE)";
    match now {
        Some(now) if now.digits > 0 => {
            return Err(format!("MariaDB's old format with fractions of a second; {rebuild}"));
        }
        None if untold == Untold::Refused => {
            return Err(format!("an old temporal whose digits are not known; {rebuild}"));
        }
        Some(_) | None => {}
    }
    Ok(match code {
        TypeCode::TIME => (ColumnType::Time { digits: 0 }, Codec::OldTime),
        TypeCode::DATETIME => (ColumnType::DateTime { digits: 0 }, Codec::OldDateTime),
        _ => (ColumnType::Timestamp { digits: 0 }, Codec::OldTimestamp),
    })
}

/// The character set; `None` for bytes.
fn charset(
    logged: &MapColumn,
    now: Option<&SchemaColumn>,
    untold: Untold,
) -> Result<Option<Arc<str>>, String> {
    let known = match (logged.facts.collation, now) {
        (Some(BINARY), _) => return Ok(None),
        (Some(collation), _) => charset_of(collation).map(Arc::from),
        // Bytes or a text: only their reader can tell.
        (None, None) if untold == Untold::Told => return Ok(Some(UNKNOWN.into())),
        (None, now) => return Ok(now.and_then(|now| now.charset.clone())),
    };
    match known.or_else(|| now.and_then(|now| now.charset.clone())) {
        Some(charset) => Ok(Some(charset)),
        None => Err(format!("its collation {:?} is unknown", logged.facts.collation)),
    }
}

fn run(
    charset: Option<Arc<str>>,
    now: Option<&SchemaColumn>,
    max_bytes: u32,
    prefix: u8,
) -> (ColumnType, Codec) {
    if now.is_some_and(|now| now.data_type == "vector") {
        return (ColumnType::Vector, Codec::Run { prefix, content: Content::Vector });
    }
    match charset {
        Some(charset) => (
            ColumnType::Text { max_bytes, charset, fixed: false },
            Codec::Run { prefix, content: Content::Text },
        ),
        None => (
            ColumnType::Bytes { max_bytes, fixed: false },
            Codec::Run { prefix, content: Content::Bytes },
        ),
    }
}

fn string(
    charset: Option<Arc<str>>,
    now: Option<&SchemaColumn>,
    length: u16,
) -> (ColumnType, Codec) {
    let (max_bytes, prefix) = (u32::from(length), prefix_of(length));
    if let Some(address) = now.and_then(|now| Address::of(&now.data_type)) {
        return (address_type(address), Codec::Address(address));
    }
    match charset {
        Some(charset) => (
            ColumnType::Text { max_bytes, charset, fixed: true },
            Codec::Run { prefix, content: Content::Text },
        ),
        None => {
            (ColumnType::Bytes { max_bytes, fixed: true }, Codec::Padded { prefix, width: length })
        }
    }
}

fn compressed(charset: Option<Arc<str>>, limit: u32, prefix: u8) -> (ColumnType, Codec) {
    let (column_type, content) = match charset {
        Some(charset) => {
            (ColumnType::Text { max_bytes: limit, charset, fixed: false }, Content::Text)
        }
        None => (ColumnType::Bytes { max_bytes: limit, fixed: false }, Content::Bytes),
    };
    (column_type, Codec::Compressed { prefix, content, limit })
}

#[cfg(test)]
mod tests;
