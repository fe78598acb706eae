//! A document as a tree, for those that are changed: keys in the server's order, scalars as they
//! are stored.

use std::borrow::Cow;

use super::{BROKEN, DEEPEST, Size, kind, scalar, whole};
use crate::cursor::Cursor;
use crate::row::codec::ValueError;

/// A value of a document.
pub(super) enum Node<'a> {
    Scalar { kind: u8, bytes: &'a [u8] },
    Array(Vec<Node<'a>>),
    Object(Vec<(Cow<'a, [u8]>, Node<'a>)>),
}

/// MySQL: an object's keys are sorted by length, then by their bytes.
pub(super) fn key_order(key: &[u8]) -> (usize, &[u8]) {
    (key.len(), key)
}

impl<'a> Node<'a> {
    /// Reads a document that will stand below `above` objects and arrays.
    pub(super) fn parse(document: &'a [u8], above: usize) -> Result<Self, ValueError> {
        let Some((kind, bytes)) = document.split_first() else {
            return Ok(Self::Scalar { kind: kind::LITERAL, bytes: &[0] });
        };
        let above = u32::try_from(above).map_err(|_| BROKEN)?;
        let depth = DEEPEST.checked_sub(above).ok_or(BROKEN)?;
        // Each value but the first has an entry of three bytes or more, unless values are shared,
        // which the server never writes.
        Parser { values_left: document.len() / 3 + 1 }.value(*kind, bytes, depth)
    }

    /// Appends the text, which may not make `output` longer than `limit` by more than one scalar.
    pub(super) fn write(&self, limit: usize, output: &mut Vec<u8>) -> Result<(), ValueError> {
        if output.len() > limit {
            return Err(BROKEN);
        }
        let separator = |index: usize| if index > 0 { &b", "[..] } else { &[] };
        match self {
            Self::Scalar { kind, bytes } => scalar::write(*kind, bytes, output)?,
            Self::Array(elements) => {
                output.push(b'[');
                for (index, element) in elements.iter().enumerate() {
                    output.extend_from_slice(separator(index));
                    element.write(limit, output)?;
                }
                output.push(b']');
            }
            Self::Object(members) => {
                output.push(b'{');
                for (index, (key, value)) in members.iter().enumerate() {
                    output.extend_from_slice(separator(index));
                    scalar::write_string(key, output)?;
                    output.extend_from_slice(b": ");
                    value.write(limit, output)?;
                }
                output.push(b'}');
            }
        }
        Ok(())
    }
}

struct Parser {
    values_left: usize,
}

impl Parser {
    fn value<'a>(&mut self, kind: u8, bytes: &'a [u8], depth: u32) -> Result<Node<'a>, ValueError> {
        self.values_left = self.values_left.checked_sub(1).ok_or(BROKEN)?;
        let size = match kind {
            kind::SMALL_OBJECT | kind::SMALL_ARRAY => Size::Small,
            kind::LARGE_OBJECT | kind::LARGE_ARRAY => Size::Large,
            _ => return Ok(Node::Scalar { kind, bytes }),
        };
        let depth = depth.checked_sub(1).ok_or(BROKEN)?;
        let mut entries = Cursor::new(bytes);
        let count = size.read(&mut entries)?;
        let whole = whole(bytes, size.read(&mut entries)?)?;
        if matches!(kind, kind::SMALL_ARRAY | kind::LARGE_ARRAY) {
            let elements = (0..count).map(|_| self.entry(&mut entries, whole, size, depth));
            return Ok(Node::Array(elements.collect::<Result<_, _>>()?));
        }
        // Offset and length of each key, then kind and offset of each value.
        let mut keys = entries;
        let keys_length = count.checked_mul(size.width() + 2).ok_or(ValueError::Short)?;
        entries.bytes(keys_length)?;
        let members = (0..count).map(|_| {
            let offset = size.read(&mut keys)?;
            let length = usize::from(keys.u16()?);
            let key = whole.get(offset..).and_then(|rest| rest.get(..length));
            let key = Cow::Borrowed(key.ok_or(ValueError::Short)?);
            Ok((key, self.entry(&mut entries, whole, size, depth)?))
        });
        Ok(Node::Object(members.collect::<Result<_, ValueError>>()?))
    }

    fn entry<'a>(
        &mut self,
        entries: &mut Cursor<'a>,
        whole: &'a [u8],
        size: Size,
        depth: u32,
    ) -> Result<Node<'a>, ValueError> {
        let kind = entries.u8()?;
        if size.inlines(kind) {
            return self.value(kind, entries.bytes(size.width())?, depth);
        }
        let offset = size.read(entries)?;
        self.value(kind, whole.get(offset..).ok_or(ValueError::Short)?, depth)
    }
}
