//! The scalars of a JSON document.

use std::io::Write as _;

use super::{BROKEN, kind};
use crate::cursor::Cursor;
use crate::event::table_map::TypeCode;
use crate::row::codec::ValueError;
use crate::row::decimal::DecimalLayout;
use crate::row::number::write_json_double;
use crate::row::temporal::{JsonTemporal, JsonTemporalKind, unpack_json};

pub(super) fn write(kind: u8, bytes: &[u8], output: &mut Vec<u8>) -> Result<(), ValueError> {
    let mut cursor = Cursor::new(bytes);
    // Writing to a vector cannot fail.
    let _ = match kind {
        kind::LITERAL => return write_literal(cursor.u8()?, output),
        kind::INT16 => write!(output, "{}", cursor.u16()?.cast_signed()),
        kind::UINT16 => write!(output, "{}", cursor.u16()?),
        kind::INT32 => write!(output, "{}", cursor.u32()?.cast_signed()),
        kind::UINT32 => write!(output, "{}", cursor.u32()?),
        kind::INT64 => write!(output, "{}", cursor.u64()?.cast_signed()),
        kind::UINT64 => write!(output, "{}", cursor.u64()?),
        kind::DOUBLE => {
            write_json_double(f64::from_bits(cursor.u64()?), output);
            Ok(())
        }
        kind::STRING => {
            let length = read_length(&mut cursor)?;
            return write_string(cursor.bytes(length)?, output);
        }
        kind::OPAQUE => {
            let code = TypeCode(cursor.u8()?);
            let length = read_length(&mut cursor)?;
            return write_opaque(code, cursor.bytes(length)?, output);
        }
        _ => return Err(BROKEN),
    };
    Ok(())
}

fn write_literal(literal: u8, output: &mut Vec<u8>) -> Result<(), ValueError> {
    output.extend_from_slice(match literal {
        0 => b"null",
        1 => b"true",
        2 => b"false",
        _ => return Err(BROKEN),
    });
    Ok(())
}

/// Seven bits per byte, lowest first; the highest bit says that another byte follows.
fn read_length(cursor: &mut Cursor<'_>) -> Result<usize, ValueError> {
    let mut length = 0_u64;
    for shift in [0, 7, 14, 21, 28] {
        let byte = cursor.u8()?;
        length |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return usize::try_from(length).map_err(|_| BROKEN);
        }
    }
    Err(BROKEN)
}

/// Writes a text with quotes; the server escapes quotes, backslashes and control characters only.
pub(super) fn write_string(bytes: &[u8], output: &mut Vec<u8>) -> Result<(), ValueError> {
    if std::str::from_utf8(bytes).is_err() {
        return Err(ValueError::Malformed("a JSON document holds text that is not UTF-8"));
    }
    output.push(b'"');
    let mut plain = 0;
    for (index, byte) in bytes.iter().enumerate() {
        let escape = match byte {
            b'"' => Some(b'"'),
            b'\\' => Some(b'\\'),
            0x08 => Some(b'b'),
            0x0c => Some(b'f'),
            b'\n' => Some(b'n'),
            b'\r' => Some(b'r'),
            b'\t' => Some(b't'),
            0x00..0x20 => None,
            _ => continue,
        };
        output.extend_from_slice(bytes.get(plain..index).unwrap_or_default());
        plain = index + 1;
        match escape {
            Some(letter) => output.extend_from_slice(&[b'\\', letter]),
            None => drop(write!(output, "\\u{byte:04x}")),
        }
    }
    output.extend_from_slice(bytes.get(plain..).unwrap_or_default());
    output.push(b'"');
    Ok(())
}

fn write_opaque(code: TypeCode, bytes: &[u8], output: &mut Vec<u8>) -> Result<(), ValueError> {
    let kind = match code {
        TypeCode::NEWDECIMAL => {
            let mut cursor = Cursor::new(bytes);
            let layout = DecimalLayout::new(cursor.u8()?, cursor.u8()?).ok_or(BROKEN)?;
            return layout.write(cursor.take_rest(), output);
        }
        TypeCode::DATE => JsonTemporalKind::Date,
        TypeCode::TIME => JsonTemporalKind::Time,
        TypeCode::DATETIME | TypeCode::TIMESTAMP => JsonTemporalKind::DateTime,
        _ => {
            let _ = write!(output, "\"base64:type{}:", code.0);
            write_base64(bytes, output);
            output.push(b'"');
            return Ok(());
        }
    };
    let packed = Cursor::new(bytes).u64()?.cast_signed();
    let _ = match unpack_json(kind, packed)? {
        JsonTemporal::Date(date) => write!(output, "\"{date}\""),
        JsonTemporal::DateTime(value) => write!(output, "\"{value}\""),
        JsonTemporal::Time(time) => write!(output, "\"{time}\""),
    };
    Ok(())
}

fn write_base64(bytes: &[u8], output: &mut Vec<u8>) {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letter = |word: u32, shift: u32| {
        usize::try_from(word >> shift & 63).ok().and_then(|at| LETTERS.get(at)).copied()
    };
    for chunk in bytes.chunks(3) {
        let mut three = [0; 4];
        three.iter_mut().skip(1).zip(chunk).for_each(|(place, byte)| *place = *byte);
        let word = u32::from_be_bytes(three);
        for (place, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            output.push(if place <= chunk.len() {
                letter(word, shift).unwrap_or(b'=')
            } else {
                b'='
            });
        }
    }
}
