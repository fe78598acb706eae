//! Where row values live: one buffer of cells and one of bytes for many rows.
//!
//! A cell is sixteen bytes; numbers and temporals are inside it, text and bytes are a range of
//! the byte buffer. Decoding a row allocates nothing, and a batch is freed in two pieces.

mod again;

use crate::temporal::{Date, DateTime, Time, Timestamp};
use crate::value::Value;

/// One value's place: a tag, and either the value itself or its range in the byte buffer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    tag: Tag,
    digits: u8,
    length: u32,
    word: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Tag {
    Absent,
    Null,
    Int,
    UInt,
    Float,
    Double,
    Decimal,
    Bit,
    Year,
    Date,
    Time,
    DateTime,
    Timestamp,
    Text,
    Bytes,
    Enum,
    Set,
    Json,
    JsonChanges,
    Geometry,
    Vector,
}

impl std::fmt::Debug for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}(…)", self.tag)
    }
}

/// Cells and bytes of many rows, read only.
#[derive(Default)]
pub struct RowArena {
    cells: Vec<Cell>,
    bytes: Vec<u8>,
}

/// Cells and bytes while they are being written.
#[derive(Default)]
pub struct RowArenaBuilder {
    cells: Vec<Cell>,
    bytes: Vec<u8>,
}

/// The buffer of one arena would exceed 4 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a row buffer cannot hold more than 4 GiB")]
pub struct ArenaFull;

/// Kinds of values that are written as bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BytesKind {
    /// [`Value::Decimal`]; the bytes must be ASCII digits, sign and point.
    Decimal,
    /// [`Value::Text`].
    Text,
    /// [`Value::Bytes`].
    Bytes,
    /// [`Value::Json`]; the bytes must be UTF-8.
    Json,
    /// [`Value::JsonChanges`]; the bytes must be UTF-8.
    JsonChanges,
    /// [`Value::Geometry`].
    Geometry,
    /// [`Value::Vector`].
    Vector,
}

impl RowArena {
    /// The number of cells.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether there are no cells.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// The memory held, in bytes.
    #[must_use]
    pub fn byte_size(&self) -> usize {
        self.cells.capacity() * size_of::<Cell>() + self.bytes.capacity()
    }

    /// The value at `index`; `None` where it is absent from the row image or past the end.
    #[must_use]
    #[inline]
    pub fn value(&self, index: usize) -> Option<Value<'_>> {
        self.read(self.cells.get(index)?)
    }

    /// The values of `count` cells from `first` on, as far as there are cells; `None` where one is
    /// absent from its row image.
    #[inline]
    pub(crate) fn values(
        &self,
        first: usize,
        count: usize,
    ) -> impl ExactSizeIterator<Item = Option<Value<'_>>> {
        let behind = first.saturating_add(count).min(self.cells.len());
        let cells = self.cells.get(first..behind).unwrap_or_default();
        cells.iter().map(|cell| self.read(cell))
    }

    #[inline]
    fn read(&self, cell: &Cell) -> Option<Value<'_>> {
        Some(match cell.tag {
            Tag::Absent => return None,
            Tag::Null => Value::Null,
            Tag::Int => Value::Int(cell.word.cast_signed()),
            Tag::UInt => Value::UInt(cell.word),
            Tag::Float => Value::Float(f32::from_bits(low_32(cell.word))),
            Tag::Double => Value::Double(f64::from_bits(cell.word)),
            Tag::Decimal => Value::Decimal(self.text(cell)),
            Tag::Bit => Value::Bit(cell.word),
            Tag::Year => Value::Year(low_16(cell.word)),
            Tag::Date => Value::Date(unpack_date(cell.word)),
            Tag::Time => Value::Time(unpack_time(cell)),
            Tag::DateTime => Value::DateTime(unpack_datetime(cell)),
            Tag::Timestamp => Value::Timestamp(Timestamp {
                seconds: low_32(cell.word >> 32),
                micros: low_32(cell.word),
                digits: cell.digits,
            }),
            Tag::Text => Value::Text(self.slice(cell)),
            Tag::Bytes => Value::Bytes(self.slice(cell)),
            Tag::Enum => Value::Enum(low_16(cell.word)),
            Tag::Set => Value::Set(cell.word),
            Tag::Json => Value::Json(self.text(cell)),
            Tag::JsonChanges => Value::JsonChanges(self.text(cell)),
            Tag::Geometry => Value::Geometry(self.slice(cell)),
            Tag::Vector => Value::Vector(self.slice(cell)),
        })
    }

    #[inline]
    fn slice(&self, cell: &Cell) -> &[u8] {
        let start = usize::try_from(cell.word).unwrap_or(usize::MAX);
        let length = usize::try_from(cell.length).unwrap_or(usize::MAX);
        // The builder wrote the range, so it is always there.
        self.bytes.get(start..start.saturating_add(length)).unwrap_or_default()
    }

    fn text(&self, cell: &Cell) -> &str {
        // The builder took UTF-8 only, so the check cannot fail.
        std::str::from_utf8(self.slice(cell)).unwrap_or_default()
    }
}

impl RowArenaBuilder {
    /// An empty builder.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty builder with room.
    #[must_use]
    pub fn with_capacity(cells: usize, bytes: usize) -> Self {
        Self { cells: Vec::with_capacity(cells), bytes: Vec::with_capacity(bytes) }
    }

    /// The number of cells so far; the index of the next one.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether there are no cells.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// The memory in use, in bytes.
    #[must_use]
    #[inline]
    pub fn byte_size(&self) -> usize {
        self.cells.len() * size_of::<Cell>() + self.bytes.len()
    }

    /// Forgets all cells from `length` on. Their bytes stay until the arena is dropped.
    pub fn truncate(&mut self, length: usize) {
        self.cells.truncate(length);
    }

    /// Appends a value, or an absent one.
    ///
    /// # Errors
    /// [`ArenaFull`] where the byte buffer would exceed 4 GiB.
    // Whoever calls it knows the kind of the value; inlined, nothing is left of the match.
    #[allow(clippy::inline_always, reason = "decoding is a third faster with it")]
    #[inline(always)]
    pub fn push(&mut self, value: Option<Value<'_>>) -> Result<(), ArenaFull> {
        let Some(value) = value else {
            self.cells.push(Cell { tag: Tag::Absent, digits: 0, length: 0, word: 0 });
            return Ok(());
        };
        let (tag, digits, word) = match value {
            Value::Null => (Tag::Null, 0, 0),
            Value::Int(value) => (Tag::Int, 0, value.cast_unsigned()),
            Value::UInt(value) => (Tag::UInt, 0, value),
            Value::Float(value) => (Tag::Float, 0, u64::from(value.to_bits())),
            Value::Double(value) => (Tag::Double, 0, value.to_bits()),
            Value::Bit(value) => (Tag::Bit, 0, value),
            Value::Year(value) => (Tag::Year, 0, u64::from(value)),
            Value::Date(value) => (Tag::Date, 0, pack_date(value)),
            Value::Time(value) => (Tag::Time, value.digits, pack_time(value)),
            Value::DateTime(value) => (Tag::DateTime, value.digits, pack_datetime(value)),
            Value::Timestamp(value) => (
                Tag::Timestamp,
                value.digits,
                u64::from(value.seconds) << 32 | u64::from(value.micros),
            ),
            Value::Enum(value) => (Tag::Enum, 0, u64::from(value)),
            Value::Set(value) => (Tag::Set, 0, value),
            Value::Decimal(value) => return self.push_bytes(Tag::Decimal, value.as_bytes()),
            Value::Json(value) => return self.push_bytes(Tag::Json, value.as_bytes()),
            Value::JsonChanges(value) => {
                return self.push_bytes(Tag::JsonChanges, value.as_bytes());
            }
            Value::Text(value) => return self.push_bytes(Tag::Text, value),
            Value::Bytes(value) => return self.push_bytes(Tag::Bytes, value),
            Value::Geometry(value) => return self.push_bytes(Tag::Geometry, value),
            Value::Vector(value) => return self.push_bytes(Tag::Vector, value),
        };
        self.cells.push(Cell { tag, digits, length: 0, word });
        Ok(())
    }

    /// Appends a value whose bytes `write` appends to the buffer it is given.
    ///
    /// # Errors
    /// What `write` returns, with nothing appended; a [`BytesKind::Decimal`] or
    /// [`BytesKind::Json`] that is not UTF-8, or a full arena, is `ArenaFull`'s conversion.
    pub fn push_with<E: From<ArenaFull>>(
        &mut self,
        kind: BytesKind,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let start = self.bytes.len();
        if let Err(error) = write(&mut self.bytes) {
            self.bytes.truncate(start);
            return Err(error);
        }
        let tag = match kind {
            BytesKind::Decimal => Tag::Decimal,
            BytesKind::Text => Tag::Text,
            BytesKind::Bytes => Tag::Bytes,
            BytesKind::Json => Tag::Json,
            BytesKind::JsonChanges => Tag::JsonChanges,
            BytesKind::Geometry => Tag::Geometry,
            BytesKind::Vector => Tag::Vector,
        };
        self.seal(tag, start).map_err(E::from)
    }

    /// Ends the writing.
    #[must_use]
    pub fn finish(self) -> RowArena {
        RowArena { cells: self.cells, bytes: self.bytes }
    }

    #[inline]
    fn push_bytes(&mut self, tag: Tag, value: &[u8]) -> Result<(), ArenaFull> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.seal(tag, start)
    }

    #[inline]
    fn seal(&mut self, tag: Tag, start: usize) -> Result<(), ArenaFull> {
        let length = self.bytes.len() - start;
        let (Ok(length), Ok(_)) = (u32::try_from(length), u32::try_from(self.bytes.len())) else {
            self.bytes.truncate(start);
            return Err(ArenaFull);
        };
        let word = u64::try_from(start).map_err(|_| ArenaFull)?;
        self.cells.push(Cell { tag, digits: 0, length, word });
        Ok(())
    }
}

impl std::fmt::Debug for RowArena {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RowArena({} cells, {} bytes)", self.cells.len(), self.bytes.len())
    }
}

impl std::fmt::Debug for RowArenaBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RowArenaBuilder({} cells, {} bytes)", self.cells.len(), self.bytes.len())
    }
}

// Fields are packed into a word: the widths hold every value that the types can hold.

#[inline]
#[allow(clippy::cast_possible_truncation, reason = "the mask keeps what fits")]
fn low_8(word: u64) -> u8 {
    (word & 0xff) as u8
}

#[inline]
#[allow(clippy::cast_possible_truncation, reason = "the mask keeps what fits")]
fn low_16(word: u64) -> u16 {
    (word & 0xffff) as u16
}

#[inline]
#[allow(clippy::cast_possible_truncation, reason = "the mask keeps what fits")]
fn low_32(word: u64) -> u32 {
    (word & 0xffff_ffff) as u32
}

#[inline]
fn pack_date(date: Date) -> u64 {
    u64::from(date.year) << 16 | u64::from(date.month) << 8 | u64::from(date.day)
}

#[inline]
fn unpack_date(word: u64) -> Date {
    Date { year: low_16(word >> 16), month: low_8(word >> 8), day: low_8(word) }
}

#[inline]
fn pack_time(time: Time) -> u64 {
    u64::from(time.negative) << 63
        | u64::from(time.hours) << 40
        | u64::from(time.minutes) << 32
        | u64::from(time.seconds) << 24
        | u64::from(time.micros & 0xff_ffff)
}

#[inline]
fn unpack_time(cell: &Cell) -> Time {
    Time {
        negative: cell.word >> 63 == 1,
        hours: low_16(cell.word >> 40),
        minutes: low_8(cell.word >> 32),
        seconds: low_8(cell.word >> 24),
        micros: low_32(cell.word & 0xff_ffff),
        digits: cell.digits,
    }
}

/// Year 14 bits, month 4, day 5, hour 5, minute 6, second 6, micros 24: 64 in all.
#[inline]
fn pack_datetime(value: DateTime) -> u64 {
    u64::from(value.date.year & 0x3fff) << 50
        | u64::from(value.date.month & 0xf) << 46
        | u64::from(value.date.day & 0x1f) << 41
        | u64::from(value.hour & 0x1f) << 36
        | u64::from(value.minute & 0x3f) << 30
        | u64::from(value.second & 0x3f) << 24
        | u64::from(value.micros & 0xff_ffff)
}

#[inline]
fn unpack_datetime(cell: &Cell) -> DateTime {
    let word = cell.word;
    DateTime {
        date: Date {
            year: low_16(word >> 50 & 0x3fff),
            month: low_8(word >> 46 & 0xf),
            day: low_8(word >> 41 & 0x1f),
        },
        hour: low_8(word >> 36 & 0x1f),
        minute: low_8(word >> 30 & 0x3f),
        second: low_8(word >> 24 & 0x3f),
        micros: low_32(word & 0xff_ffff),
        digits: cell.digits,
    }
}

#[cfg(test)]
mod tests;
