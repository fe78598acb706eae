//! What a name or a text says, without its quotes and escapes.

use super::super::dialect::{Dialect, SqlMode};

/// The name in the bytes of a [`super::TokenKind::Word`] or [`super::TokenKind::QuotedName`].
///
/// Bytes that are not UTF-8 become U+FFFD.
#[must_use]
pub fn name_of(slice: &[u8]) -> String {
    match slice {
        [quote @ (b'`' | b'"'), inner @ .., last] if quote == last => {
            let mut name = Vec::with_capacity(inner.len());
            let mut bytes = inner.iter().copied();
            while let Some(byte) = bytes.next() {
                name.push(byte);
                if byte == *quote {
                    bytes.next();
                }
            }
            String::from_utf8_lossy(&name).into_owned()
        }
        _ => String::from_utf8_lossy(slice).into_owned(),
    }
}

/// The bytes that a [`super::TokenKind::Text`], [`super::TokenKind::Hex`] or
/// [`super::TokenKind::Bit`] stands for; `None` where its digits are none.
#[must_use]
pub fn text_of(slice: &[u8], dialect: &Dialect) -> Option<Vec<u8>> {
    match slice {
        [b'\'' | b'"', inner @ .., _] | [b'n' | b'N', b'\'', inner @ .., _] => {
            let quote = if slice.first() == Some(&b'"') { b'"' } else { b'\'' };
            let has_escapes = !dialect.sql_mode.has(SqlMode::NO_BACKSLASH_ESCAPES);
            Some(unescape(inner, quote, has_escapes))
        }
        [b'x' | b'X', b'\'', digits @ .., _] if digits.len() % 2 == 0 => gather(digits, 16, 2),
        [b'0', b'x', digits @ ..] => gather(digits, 16, 2),
        [b'b' | b'B', b'\'', digits @ .., _] | [b'0', b'b', digits @ ..] => gather(digits, 2, 8),
        _ => None,
    }
}

fn unescape(inner: &[u8], quote: u8, has_escapes: bool) -> Vec<u8> {
    let mut text = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte == quote {
            bytes.next();
            text.push(byte);
        } else if byte == b'\\' && has_escapes {
            match bytes.next() {
                Some(b'0') => text.push(0),
                Some(b'b') => text.push(8),
                Some(b'n') => text.push(b'\n'),
                Some(b'r') => text.push(b'\r'),
                Some(b't') => text.push(b'\t'),
                Some(b'Z') => text.push(0x1a),
                // Kept whole, because they mean something to LIKE.
                Some(other @ (b'%' | b'_')) => text.extend_from_slice(&[b'\\', other]),
                Some(other) => text.push(other),
                None => text.push(b'\\'),
            }
        } else {
            text.push(byte);
        }
    }
    text
}

/// Gathers digits from the right, `per_byte` of them to a byte.
fn gather(digits: &[u8], radix: u32, per_byte: usize) -> Option<Vec<u8>> {
    let byte_of = |chunk: &[u8]| {
        chunk
            .iter()
            .try_fold(0_u32, |byte, digit| Some(byte * radix + char::from(*digit).to_digit(radix)?))
    };
    let mut bytes = digits
        .rchunks(per_byte)
        .map(|chunk| byte_of(chunk).and_then(|byte| u8::try_from(byte).ok()))
        .collect::<Option<Vec<u8>>>()?;
    bytes.reverse();
    Some(bytes)
}
