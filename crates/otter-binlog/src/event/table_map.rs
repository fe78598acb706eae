//! The TABLE_MAP event: a table's name, the types of its columns, and what else the server tells.

use otter_core::TableName;

use super::format::Format;
use super::frame::{EventError, RawEvent};
use super::kind::EventKind;
use super::metadata::{self, ColumnFacts};
use super::rows::read_table_id;
use crate::cursor::Cursor;

/// A type code of a column, as the row format knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TypeCode(pub(crate) u8);

#[allow(dead_code, reason = "the list is complete so that it can be compared with the servers'")]
impl TypeCode {
    pub(crate) const DECIMAL: Self = Self(0);
    pub(crate) const TINY: Self = Self(1);
    pub(crate) const SHORT: Self = Self(2);
    pub(crate) const LONG: Self = Self(3);
    pub(crate) const FLOAT: Self = Self(4);
    pub(crate) const DOUBLE: Self = Self(5);
    pub(crate) const NULL: Self = Self(6);
    pub(crate) const TIMESTAMP: Self = Self(7);
    pub(crate) const LONGLONG: Self = Self(8);
    pub(crate) const INT24: Self = Self(9);
    pub(crate) const DATE: Self = Self(10);
    pub(crate) const TIME: Self = Self(11);
    pub(crate) const DATETIME: Self = Self(12);
    pub(crate) const YEAR: Self = Self(13);
    pub(crate) const NEWDATE: Self = Self(14);
    pub(crate) const VARCHAR: Self = Self(15);
    pub(crate) const BIT: Self = Self(16);
    pub(crate) const TIMESTAMP2: Self = Self(17);
    pub(crate) const DATETIME2: Self = Self(18);
    pub(crate) const TIME2: Self = Self(19);
    pub(crate) const TYPED_ARRAY: Self = Self(20);
    pub(crate) const BLOB_COMPRESSED: Self = Self(140);
    pub(crate) const VARCHAR_COMPRESSED: Self = Self(141);
    pub(crate) const VECTOR: Self = Self(242);
    pub(crate) const JSON: Self = Self(245);
    pub(crate) const NEWDECIMAL: Self = Self(246);
    pub(crate) const ENUM: Self = Self(247);
    pub(crate) const SET: Self = Self(248);
    pub(crate) const TINY_BLOB: Self = Self(249);
    pub(crate) const MEDIUM_BLOB: Self = Self(250);
    pub(crate) const LONG_BLOB: Self = Self(251);
    pub(crate) const BLOB: Self = Self(252);
    pub(crate) const VAR_STRING: Self = Self(253);
    pub(crate) const STRING: Self = Self(254);
    pub(crate) const GEOMETRY: Self = Self(255);

    /// Whether the metadata counts a column of this type among those with a sign.
    pub(crate) fn is_numeric(self) -> bool {
        matches!(
            self,
            Self::TINY
                | Self::SHORT
                | Self::INT24
                | Self::LONG
                | Self::LONGLONG
                | Self::NEWDECIMAL
                | Self::FLOAT
                | Self::DOUBLE
                // Both servers log the sign of a YEAR, as unsigned.
                | Self::YEAR
        )
    }

    /// Whether the metadata counts a column of this type among those with a character set.
    /// MySQL counts vectors and MariaDB spatial ones, both as binary.
    pub(crate) fn is_character(self, mariadb: bool) -> bool {
        match self {
            Self::STRING
            | Self::VAR_STRING
            | Self::VARCHAR
            | Self::TINY_BLOB
            | Self::MEDIUM_BLOB
            | Self::LONG_BLOB
            | Self::BLOB
            | Self::VARCHAR_COMPRESSED
            | Self::BLOB_COMPRESSED
            | Self::VECTOR => true,
            Self::GEOMETRY => mariadb,
            _ => false,
        }
    }

    /// Whether the metadata counts a column of this type among those with labels.
    pub(crate) fn is_labelled(self) -> bool {
        matches!(self, Self::ENUM | Self::SET)
    }
}

/// One column as the table map knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MapColumn {
    /// The real type: ENUM and SET are told from STRING already.
    pub(crate) code: TypeCode,
    /// What the type needs besides: a length, a precision, fraction digits.
    pub(crate) meta: Meta,
    pub(crate) nullable: bool,
    pub(crate) facts: ColumnFacts,
}

/// The metadata of one column type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meta {
    None,
    /// The greatest length in bytes of VARCHAR, CHAR and BINARY.
    Length(u16),
    /// How many bytes the value or its length takes: ENUM, SET, BLOB, FLOAT.
    Width(u8),
    Bits(u16),
    Decimal {
        precision: u8,
        scale: u8,
    },
    Digits(u8),
}

/// A table and its columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableMap {
    pub(crate) id: u64,
    pub(crate) name: TableName,
    pub(crate) columns: Vec<MapColumn>,
    /// Indexes into `columns` in key order; `None` where the server does not tell.
    pub(crate) primary_key: Option<Vec<usize>>,
}

/// The id and the raw rest of a table map: enough to know whether it is the same as before.
pub(crate) fn split_id<'a>(
    event: &RawEvent<'a>,
    format: &Format,
) -> Result<(u64, &'a [u8]), EventError> {
    let mut cursor = Cursor::new(event.body);
    let id = read_table_id(&mut cursor, EventKind::TABLE_MAP, format)?;
    Ok((id, cursor.take_rest()))
}

/// No table has more columns; it bounds what a hostile count can make us allocate.
const MOST_COLUMNS: usize = 4096;

impl TableMap {
    /// The name of the table, without reading the columns.
    pub(crate) fn parse_name(rest: &[u8]) -> Result<TableName, EventError> {
        let mut cursor = Cursor::new(rest);
        cursor.u16()?;
        read_name(&mut cursor)
    }

    /// Reads everything behind the table's id, as MySQL or as MariaDB wrote it.
    pub(crate) fn parse(id: u64, rest: &[u8], mariadb: bool) -> Result<Self, EventError> {
        let mut cursor = Cursor::new(rest);
        cursor.u16()?;
        let name = read_name(&mut cursor)?;
        let count = cursor.packed_length()?;
        if count > MOST_COLUMNS {
            return Err(EventError::Malformed("it counts more than 4096 columns"));
        }
        let codes = cursor.bytes(count)?;
        let mut metas = Cursor::new(cursor.packed_bytes()?);
        let nulls = cursor.bytes(count.div_ceil(8))?;
        let mut columns = Vec::with_capacity(count);
        for (index, code) in codes.iter().enumerate() {
            let (code, meta) = read_meta(TypeCode(*code), &mut metas)?;
            let nullable = is_set(nulls, index);
            columns.push(MapColumn { code, meta, nullable, facts: ColumnFacts::default() });
        }
        let primary_key = metadata::read(&mut cursor, &mut columns, mariadb)?;
        Ok(Self { id, name, columns, primary_key })
    }
}

/// Whether a bit is set in a bitmap whose first bit is the lowest of its first byte.
#[inline]
pub(crate) fn is_set(bitmap: &[u8], index: usize) -> bool {
    bitmap.get(index / 8).is_some_and(|byte| byte >> (index % 8) & 1 == 1)
}

fn read_name(cursor: &mut Cursor<'_>) -> Result<TableName, EventError> {
    let mut part = || -> Result<&str, EventError> {
        let text = cursor.prefixed(1)?;
        cursor.u8()?;
        std::str::from_utf8(text).map_err(|_| EventError::Malformed("a name is not UTF-8"))
    };
    Ok(TableName::new(part()?, part()?))
}

fn read_meta(code: TypeCode, cursor: &mut Cursor<'_>) -> Result<(TypeCode, Meta), EventError> {
    Ok(match code {
        TypeCode::VARCHAR | TypeCode::VAR_STRING | TypeCode::VARCHAR_COMPRESSED => {
            (code, Meta::Length(cursor.u16()?))
        }
        TypeCode::STRING | TypeCode::ENUM | TypeCode::SET => read_string_meta(cursor)?,
        TypeCode::FLOAT
        | TypeCode::DOUBLE
        | TypeCode::BLOB
        | TypeCode::TINY_BLOB
        | TypeCode::MEDIUM_BLOB
        | TypeCode::LONG_BLOB
        | TypeCode::BLOB_COMPRESSED
        | TypeCode::GEOMETRY
        | TypeCode::JSON
        | TypeCode::VECTOR => (code, Meta::Width(cursor.u8()?)),
        TypeCode::TIME2 | TypeCode::DATETIME2 | TypeCode::TIMESTAMP2 => {
            (code, Meta::Digits(cursor.u8()?))
        }
        TypeCode::NEWDECIMAL => {
            (code, Meta::Decimal { precision: cursor.u8()?, scale: cursor.u8()? })
        }
        TypeCode::BIT => {
            let (bits, bytes) = (cursor.u8()?, cursor.u8()?);
            (code, Meta::Bits(u16::from(bytes) * 8 + u16::from(bits)))
        }
        TypeCode::TYPED_ARRAY => {
            // The type of the elements with its own metadata; no image ever holds the column.
            let element = TypeCode(cursor.u8()?);
            if element != TypeCode::TYPED_ARRAY {
                read_meta(element, cursor)?;
            }
            (code, Meta::None)
        }
        _ => (code, Meta::None),
    })
}

/// MySQL: CHAR, BINARY, ENUM and SET share a type code; the first byte tells the real one. CHAR
/// over 255 bytes hides two more bits of its length there, inverted.
fn read_string_meta(cursor: &mut Cursor<'_>) -> Result<(TypeCode, Meta), EventError> {
    const LENGTH_BITS: u8 = 0x30;
    let (first, second) = (cursor.u8()?, cursor.u8()?);
    if first & LENGTH_BITS != LENGTH_BITS {
        let high = u16::from(first & LENGTH_BITS ^ LENGTH_BITS) << 4;
        return Ok((TypeCode(first | LENGTH_BITS), Meta::Length(high | u16::from(second))));
    }
    let code = TypeCode(first);
    if code.is_labelled() {
        Ok((code, Meta::Width(second)))
    } else {
        Ok((code, Meta::Length(u16::from(second))))
    }
}

#[cfg(test)]
mod tests;
