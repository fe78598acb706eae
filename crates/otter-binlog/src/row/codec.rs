//! How one column's value is read: a small plan item, matched once per value.

use otter_core::rows::{ArenaFull, BytesKind};
use otter_core::{RowArenaBuilder, Value};

use super::address::Address;
use super::compressed::unfold;
use super::decimal::DecimalLayout;
use super::json::write_json;
use super::temporal;
use crate::cursor::{Cursor, Short};

/// Why a value cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// The row ends inside the value.
    #[error("the row ends in the middle of it")]
    Short,
    /// The stored form holds what cannot be.
    #[error("{0}")]
    Malformed(&'static str),
    /// The row buffer is full.
    #[error(transparent)]
    Full(#[from] ArenaFull),
}

impl From<Short> for ValueError {
    fn from(_: Short) -> Self {
        Self::Short
    }
}

/// What a run of bytes is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    Text,
    Bytes,
    Geometry,
    Vector,
}

/// How a value is stored and what it becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    I8,
    U8,
    I16,
    U16,
    I24,
    U24,
    I32,
    U32,
    I64,
    U64,
    Float,
    Double,
    Decimal(DecimalLayout),
    /// Big-endian bytes.
    Bit(u8),
    Year,
    Date,
    Time {
        digits: u8,
        width: u8,
    },
    DateTime {
        digits: u8,
        width: u8,
    },
    Timestamp {
        digits: u8,
        width: u8,
    },
    OldTime,
    OldDateTime,
    OldTimestamp,
    /// A length of `prefix` bytes, then the content.
    Run {
        prefix: u8,
        content: Content,
    },
    /// BINARY: stored without trailing zeros.
    Padded {
        prefix: u8,
        width: u16,
    },
    Json {
        prefix: u8,
    },
    Enum {
        width: u8,
    },
    Set {
        width: u8,
    },
    Address(Address),
    Compressed {
        prefix: u8,
        content: Content,
        limit: u32,
    },
}

/// Appends the next value of the row to the arena.
#[inline]
pub(crate) fn read_value(
    codec: Codec,
    cursor: &mut Cursor<'_>,
    arena: &mut RowArenaBuilder,
) -> Result<(), ValueError> {
    match codec {
        Codec::I8 => push(arena, Value::Int(i64::from(cursor.u8()?.cast_signed()))),
        Codec::U8 => push(arena, Value::UInt(u64::from(cursor.u8()?))),
        Codec::I16 => push(arena, Value::Int(i64::from(cursor.u16()?.cast_signed()))),
        Codec::U16 => push(arena, Value::UInt(u64::from(cursor.u16()?))),
        // The highest of three bytes carries the sign.
        Codec::I24 => push(arena, Value::Int(i64::from((cursor.u24()? << 8).cast_signed() >> 8))),
        Codec::U24 => push(arena, Value::UInt(u64::from(cursor.u24()?))),
        Codec::I32 => push(arena, Value::Int(i64::from(cursor.u32()?.cast_signed()))),
        Codec::U32 => push(arena, Value::UInt(u64::from(cursor.u32()?))),
        Codec::I64 => push(arena, Value::Int(cursor.u64()?.cast_signed())),
        Codec::U64 => push(arena, Value::UInt(cursor.u64()?)),
        Codec::Float => push(arena, Value::Float(f32::from_bits(cursor.u32()?))),
        Codec::Double => push(arena, Value::Double(f64::from_bits(cursor.u64()?))),
        Codec::Run { prefix, content } => {
            let bytes = cursor.prefixed(usize::from(prefix))?;
            match content {
                Content::Text => push(arena, Value::Text(bytes)),
                Content::Bytes => push(arena, Value::Bytes(bytes)),
                Content::Geometry => push(arena, Value::Geometry(bytes)),
                Content::Vector => push(arena, Value::Vector(bytes)),
            }
        }
        Codec::Year => push(arena, Value::Year(temporal::read_year(cursor)?)),
        Codec::Date => push(arena, Value::Date(temporal::read_date(cursor)?)),
        Codec::Time { digits, width } => {
            let time = temporal::read_time(cursor, digits, usize::from(width))?;
            push(arena, Value::Time(time))
        }
        Codec::DateTime { digits, width } => {
            let time = temporal::read_date_time(cursor, digits, usize::from(width))?;
            push(arena, Value::DateTime(time))
        }
        Codec::Timestamp { digits, width } => {
            let time = temporal::read_timestamp(cursor, digits, usize::from(width))?;
            push(arena, Value::Timestamp(time))
        }
        Codec::Bit(width) => push(arena, Value::Bit(cursor.uint_be(usize::from(width))?)),
        Codec::Enum { width: 1 } => push(arena, Value::Enum(u16::from(cursor.u8()?))),
        Codec::Enum { .. } => push(arena, Value::Enum(cursor.u16()?)),
        Codec::Set { width } => push(arena, Value::Set(cursor.uint(usize::from(width))?)),
        Codec::Decimal(layout) => {
            let bytes = cursor.bytes(layout.length)?;
            arena.push_with(BytesKind::Decimal, |output| layout.write(bytes, output))
        }
        Codec::Json { .. }
        | Codec::Padded { .. }
        | Codec::Address(_)
        | Codec::Compressed { .. }
        | Codec::OldTime
        | Codec::OldDateTime
        | Codec::OldTimestamp => read_rare(codec, cursor, arena),
    }
}

/// The codecs that take time anyway, out of the way of the others.
#[inline(never)]
#[allow(clippy::wildcard_enum_match_arm, reason = "the common codecs were matched by the caller")]
fn read_rare(
    codec: Codec,
    cursor: &mut Cursor<'_>,
    arena: &mut RowArenaBuilder,
) -> Result<(), ValueError> {
    match codec {
        Codec::Json { prefix } => {
            let document = cursor.prefixed(usize::from(prefix))?;
            arena.push_with(BytesKind::Json, |output| write_json(document, output))
        }
        Codec::Padded { prefix, width } => {
            let bytes = cursor.prefixed(usize::from(prefix))?;
            let padding = usize::from(width)
                .checked_sub(bytes.len())
                .ok_or(ValueError::Malformed("it is longer than its type"))?;
            arena.push_with(BytesKind::Bytes, |output| {
                output.extend_from_slice(bytes);
                output.resize(output.len() + padding, 0);
                Ok(())
            })
        }
        Codec::Address(address) => {
            let bytes = cursor.prefixed(1)?;
            arena.push_with(BytesKind::Text, |output| address.write(bytes, output))
        }
        Codec::Compressed { prefix, content, limit } => {
            let stored = cursor.prefixed(usize::from(prefix))?;
            let kind = match content {
                Content::Text => BytesKind::Text,
                Content::Bytes | Content::Geometry | Content::Vector => BytesKind::Bytes,
            };
            arena.push_with(kind, |output| unfold(stored, u64::from(limit), output))
        }
        Codec::OldTime => push(arena, Value::Time(temporal::read_old_time(cursor)?)),
        Codec::OldDateTime => push(arena, Value::DateTime(temporal::read_old_date_time(cursor)?)),
        Codec::OldTimestamp => push(arena, Value::Timestamp(temporal::read_old_timestamp(cursor)?)),
        _ => Err(ValueError::Malformed("its codec is not a rare one")),
    }
}

#[allow(clippy::inline_always, reason = "each caller knows the kind of the value")]
#[inline(always)]
fn push(arena: &mut RowArenaBuilder, value: Value<'_>) -> Result<(), ValueError> {
    arena.push(Some(value)).map_err(ValueError::from)
}
