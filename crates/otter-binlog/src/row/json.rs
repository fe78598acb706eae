//! MySQL's binary JSON to the text that the server itself prints.
//!
//! Keys stay in stored order, numbers keep their kind, opaque decimals and temporals are printed
//! as SQL does. Depth and output are bounded, since offsets of a hostile document may point
//! anywhere, even to each other.
//!
//! MySQL: `sql-common/json_binary.h` describes the format, `Json_wrapper::to_string` the text.

mod diff;
mod path;
mod scalar;
mod tree;

pub(crate) use diff::{write_changed_json, write_json_changes};

use super::codec::ValueError;
use crate::cursor::Cursor;

/// MySQL refuses deeper documents.
const DEEPEST: u32 = 100;
/// No document's text is longer than eight times its bytes (a control character becomes six),
/// unless values are shared, which the server never writes.
const GREATEST_GROWTH: usize = 8;

mod kind {
    pub(super) const SMALL_OBJECT: u8 = 0x00;
    pub(super) const LARGE_OBJECT: u8 = 0x01;
    pub(super) const SMALL_ARRAY: u8 = 0x02;
    pub(super) const LARGE_ARRAY: u8 = 0x03;
    pub(super) const LITERAL: u8 = 0x04;
    pub(super) const INT16: u8 = 0x05;
    pub(super) const UINT16: u8 = 0x06;
    pub(super) const INT32: u8 = 0x07;
    pub(super) const UINT32: u8 = 0x08;
    pub(super) const INT64: u8 = 0x09;
    pub(super) const UINT64: u8 = 0x0a;
    pub(super) const DOUBLE: u8 = 0x0b;
    pub(super) const STRING: u8 = 0x0c;
    pub(super) const OPAQUE: u8 = 0x0f;
}

/// Appends a document's text.
pub(crate) fn write_json(document: &[u8], output: &mut Vec<u8>) -> Result<(), ValueError> {
    let Some((kind, value)) = document.split_first() else {
        // MySQL: a JSON column filled by INSERT IGNORE may hold nothing; the server reads null.
        output.extend_from_slice(b"null");
        return Ok(());
    };
    let limit = output.len() + document.len() * GREATEST_GROWTH + 64;
    Writer { output, limit }.value(*kind, value, DEEPEST)
}

/// Writes within bounds.
struct Writer<'a> {
    output: &'a mut Vec<u8>,
    limit: usize,
}

/// The two sizes of objects and arrays: how wide counts and offsets are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Size {
    Small,
    Large,
}

impl Size {
    fn width(self) -> usize {
        match self {
            Self::Small => 2,
            Self::Large => 4,
        }
    }

    fn read(self, cursor: &mut Cursor<'_>) -> Result<usize, ValueError> {
        usize::try_from(cursor.uint(self.width())?).map_err(|_| ValueError::Short)
    }

    /// Whether a value of this kind stands in the place of its offset.
    fn inlines(self, kind: u8) -> bool {
        match kind {
            kind::LITERAL | kind::INT16 | kind::UINT16 => true,
            kind::INT32 | kind::UINT32 => self == Self::Large,
            _ => false,
        }
    }
}

const BROKEN: ValueError = ValueError::Malformed("a JSON document is damaged");

impl Writer<'_> {
    fn value(&mut self, kind: u8, bytes: &[u8], depth: u32) -> Result<(), ValueError> {
        if self.output.len() > self.limit {
            return Err(BROKEN);
        }
        let depth_left = || depth.checked_sub(1).ok_or(BROKEN);
        match kind {
            kind::SMALL_OBJECT => self.object(bytes, Size::Small, depth_left()?),
            kind::LARGE_OBJECT => self.object(bytes, Size::Large, depth_left()?),
            kind::SMALL_ARRAY => self.array(bytes, Size::Small, depth_left()?),
            kind::LARGE_ARRAY => self.array(bytes, Size::Large, depth_left()?),
            _ => scalar::write(kind, bytes, self.output),
        }
    }

    fn array(&mut self, bytes: &[u8], size: Size, depth: u32) -> Result<(), ValueError> {
        let mut entries = Cursor::new(bytes);
        let count = size.read(&mut entries)?;
        let whole = whole(bytes, size.read(&mut entries)?)?;
        self.output.push(b'[');
        for index in 0..count {
            if index > 0 {
                self.output.extend_from_slice(b", ");
            }
            self.entry(&mut entries, whole, size, depth)?;
        }
        self.output.push(b']');
        Ok(())
    }

    fn object(&mut self, bytes: &[u8], size: Size, depth: u32) -> Result<(), ValueError> {
        let mut keys = Cursor::new(bytes);
        let count = size.read(&mut keys)?;
        let whole = whole(bytes, size.read(&mut keys)?)?;
        // Offset and length of each key, then kind and offset of each value.
        let mut entries = keys;
        let keys_length = count.checked_mul(size.width() + 2).ok_or(ValueError::Short)?;
        entries.bytes(keys_length)?;
        self.output.push(b'{');
        for index in 0..count {
            if index > 0 {
                self.output.extend_from_slice(b", ");
            }
            let offset = size.read(&mut keys)?;
            let length = usize::from(keys.u16()?);
            let key = whole.get(offset..).and_then(|rest| rest.get(..length));
            scalar::write_string(key.ok_or(ValueError::Short)?, self.output)?;
            self.output.extend_from_slice(b": ");
            self.entry(&mut entries, whole, size, depth)?;
        }
        self.output.push(b'}');
        Ok(())
    }

    /// Writes the value whose kind and offset come next.
    fn entry(
        &mut self,
        entries: &mut Cursor<'_>,
        whole: &[u8],
        size: Size,
        depth: u32,
    ) -> Result<(), ValueError> {
        let kind = entries.u8()?;
        if size.inlines(kind) {
            return self.value(kind, entries.bytes(size.width())?, depth);
        }
        let offset = size.read(entries)?;
        self.value(kind, whole.get(offset..).ok_or(ValueError::Short)?, depth)
    }
}

/// An object or array may not reach beyond its declared size.
fn whole(bytes: &[u8], size: usize) -> Result<&[u8], ValueError> {
    bytes.get(..size).ok_or(ValueError::Short)
}

#[cfg(test)]
mod tests;
