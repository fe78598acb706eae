//! The frame of an event: header, body and checksum.
//!
//! Nothing of an event is read before its checksum has been verified.

use std::fmt;

use super::format::{Checksum, Format};
use super::kind::EventKind;
use crate::cursor::{Cursor, Short};

/// Length of the header that every version 4 event has.
pub(crate) const HEADER_LENGTH: usize = 19;
const CHECKSUM_LENGTH: usize = 4;

/// Flags of the header.
pub(crate) mod flag {
    /// The file that holds this format description is still being written.
    pub(crate) const BINLOG_IN_USE: u16 = 0x01;
    /// Made up for the stream; it is in no file.
    pub(crate) const ARTIFICIAL: u16 = 0x20;
    /// Whoever does not know the type may skip the event.
    pub(crate) const IGNORABLE: u16 = 0x80;
}

/// What can be wrong with the bytes of an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// A field is cut off.
    #[error("it ends in the middle of a field")]
    Short,
    /// The checksum differs.
    #[error(
        "its checksum is {stored:08x}, but its bytes give {computed:08x}: the file is damaged, \
         or the line has garbled it"
    )]
    Checksum {
        /// As written behind the event.
        stored: u32,
        /// As its bytes give.
        computed: u32,
    },
    /// The size in the header is not the size of the event.
    #[error("its header says {header} bytes, but there are {actual}")]
    Size {
        /// As in the header.
        header: u32,
        /// The bytes there are.
        actual: usize,
    },
    /// A field holds what cannot be.
    #[error("{0}")]
    Malformed(&'static str),
    /// A compressed body does not unfold.
    #[error("its compressed part cannot be unfolded: {0}")]
    Compressed(&'static str),
    /// Unfolding it takes more memory at once than the configured limit.
    #[error(
        "unfolding it takes too much memory at once: raise `max_event` above {limit} bytes, or set \
         binlog_transaction_compression_level_zstd to 19 or less on the source"
    )]
    Window {
        /// The limit in bytes.
        limit: usize,
    },
    /// Larger than the configured limit.
    #[error("it unfolds to more than {limit} bytes: raise `max_event`")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
}

impl From<Short> for EventError {
    fn from(_: Short) -> Self {
        Self::Short
    }
}

/// The header of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// Seconds since 1970.
    pub(crate) timestamp: u32,
    pub(crate) kind: EventKind,
    pub(crate) server_id: u32,
    /// The size of the whole event with header and checksum.
    pub(crate) size: u32,
    /// The lower 32 bits of the offset behind the event, or 0.
    pub(crate) log_pos: u32,
    pub(crate) flags: u16,
}

impl Header {
    pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Result<Self, Short> {
        Ok(Self {
            timestamp: cursor.u32()?,
            kind: EventKind(cursor.u8()?),
            server_id: cursor.u32()?,
            size: cursor.u32()?,
            log_pos: cursor.u32()?,
            flags: cursor.u16()?,
        })
    }

    pub(crate) fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }
}

/// An event whose checksum is right.
#[derive(Clone, Copy)]
pub(crate) struct RawEvent<'a> {
    pub(crate) header: Header,
    /// Between header and checksum.
    pub(crate) body: &'a [u8],
    /// The whole event without its checksum.
    plain: &'a [u8],
    stored: Option<u32>,
}

impl fmt::Debug for RawEvent<'_> {
    /// Shows the header only: a body holds row values (SECRET-1).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawEvent").field("header", &self.header).finish_non_exhaustive()
    }
}

impl<'a> RawEvent<'a> {
    /// Splits the bytes of one event and verifies its checksum.
    pub(crate) fn parse(bytes: &'a [u8], format: &Format) -> Result<Self, EventError> {
        let header = Header::parse(&mut Cursor::new(bytes))?;
        if usize::try_from(header.size) != Ok(bytes.len()) {
            return Err(EventError::Size { header: header.size, actual: bytes.len() });
        }
        let checksum = match header.kind {
            EventKind::FORMAT_DESCRIPTION => Format::own_checksum(bytes),
            _ => format.checksum,
        };
        let (plain, stored) = match checksum {
            Checksum::None => (bytes, None),
            Checksum::Unknown => split_if_checked(bytes),
            Checksum::Crc32 => {
                let (plain, stored) = split_checksum(bytes)?;
                let computed = crc_of(plain, header);
                if stored != computed {
                    return Err(EventError::Checksum { stored, computed });
                }
                (plain, Some(stored))
            }
        };
        // MySQL: these two kinds have the short header, whatever the format says.
        let header_length = match header.kind {
            EventKind::FORMAT_DESCRIPTION | EventKind::ROTATE => HEADER_LENGTH,
            _ => format.header_length,
        };
        let body = plain.get(header_length..).ok_or(EventError::Short)?;
        Ok(Self { header, body, plain, stored })
    }

    /// An event inside a compressed transaction, which has no checksum of its own.
    pub(crate) fn parse_inner(bytes: &'a [u8]) -> Result<Self, EventError> {
        let header = Header::parse(&mut Cursor::new(bytes))?;
        let body = bytes.get(HEADER_LENGTH..).ok_or(EventError::Short)?;
        Ok(Self { header, body, plain: bytes, stored: None })
    }

    /// An event that was cut in pieces, whose checksum may be with it, or only counted in its size.
    pub(crate) fn parse_joined(bytes: &'a [u8]) -> Result<Self, EventError> {
        let header = Header::parse(&mut Cursor::new(bytes))?;
        let size = usize::try_from(header.size).unwrap_or(usize::MAX);
        let (plain, stored) = if size == bytes.len() {
            split_if_checked(bytes)
        } else if size == bytes.len().saturating_add(CHECKSUM_LENGTH) {
            (bytes, None)
        } else {
            return Err(EventError::Size { header: header.size, actual: bytes.len() });
        };
        let body = plain.get(HEADER_LENGTH..).ok_or(EventError::Short)?;
        Ok(Self { header, body, plain, stored })
    }

    /// Whether a checksum was there and right.
    pub(crate) fn is_checked(&self) -> bool {
        self.stored.is_some()
    }

    /// The CRC-32 of the event without its checksum bytes.
    pub(crate) fn checksum(&self) -> u32 {
        self.stored.unwrap_or_else(|| crc32fast::hash(self.plain))
    }
}

fn split_checksum(bytes: &[u8]) -> Result<(&[u8], u32), EventError> {
    let (plain, stored) = bytes.split_last_chunk::<CHECKSUM_LENGTH>().ok_or(EventError::Short)?;
    if plain.len() < HEADER_LENGTH {
        return Err(EventError::Short);
    }
    Ok((plain, u32::from_le_bytes(*stored)))
}

/// The first event of a stream comes before the format is known: it carries a checksum if one
/// fits.
fn split_if_checked(bytes: &[u8]) -> (&[u8], Option<u32>) {
    match split_checksum(bytes) {
        Ok((plain, stored)) if crc32fast::hash(plain) == stored => (plain, Some(stored)),
        _ => (bytes, None),
    }
}

/// MySQL: the checksum of a format description is that of the closed file, without the flag that
/// says it is still being written.
fn crc_of(plain: &[u8], header: Header) -> u32 {
    if header.kind == EventKind::FORMAT_DESCRIPTION
        && header.has(flag::BINLOG_IN_USE)
        && let Some((before, [low, rest @ ..])) = plain.split_at_checked(HEADER_LENGTH - 2)
    {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(before);
        hasher.update(&[low & !1]);
        hasher.update(rest);
        return hasher.finalize();
    }
    crc32fast::hash(plain)
}

#[cfg(test)]
mod tests;
