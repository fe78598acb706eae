//! MariaDB's COMPRESSED columns: a byte of method, then the bytes themselves or a zlib stream.
//!
//! MariaDB: `Field_longstr::uncompress` in `sql/field.cc`.

use super::codec::ValueError;
use crate::cursor::Cursor;
use crate::event::compressed::{Wrapper, inflate};

/// Appends the plain bytes of a compressed value of at most `limit` bytes.
pub(crate) fn unfold(stored: &[u8], limit: u64, output: &mut Vec<u8>) -> Result<(), ValueError> {
    const PLAIN: u8 = 0;
    const ZLIB: u8 = 8;
    const WITHOUT_HEADER: u8 = 0x08;
    let mut cursor = Cursor::new(stored);
    // An empty value has not even the first byte.
    let Ok(head) = cursor.u8() else { return Ok(()) };
    match head >> 4 {
        PLAIN => output.extend_from_slice(cursor.take_rest()),
        ZLIB => {
            let promised = cursor.uint_be(usize::from(head & 0x07))?;
            let fits = usize::try_from(promised).ok().filter(|_| promised <= limit);
            let promised = fits.ok_or(ValueError::Malformed(
                "a compressed value is longer than its type or than `max_event` allows",
            ))?;
            let wrapper = if head & WITHOUT_HEADER != 0 { Wrapper::None } else { Wrapper::Zlib };
            inflate(cursor.take_rest(), wrapper, promised, output)
                .map_err(|_| ValueError::Malformed("a compressed value cannot be unfolded"))?;
        }
        _ => return Err(ValueError::Malformed("a value is compressed by an unknown method")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, ZlibEncoder};

    use super::*;

    fn plain(stored: &[u8]) -> Result<Vec<u8>, ValueError> {
        let mut output = Vec::new();
        unfold(stored, 1000, &mut output).map(|()| output)
    }

    #[test]
    fn both_wrappings_plain_bytes_and_nothing_are_read() {
        let mut zlib = ZlibEncoder::new(vec![0x82, 0x03, 0xe8], Compression::default());
        zlib.write_all(&[7; 1000]).unwrap();
        assert_eq!(plain(&zlib.finish().unwrap()).unwrap(), [7; 1000]);
        let mut raw = DeflateEncoder::new(vec![0x89, 100], Compression::default());
        raw.write_all(&[7; 100]).unwrap();
        assert_eq!(plain(&raw.finish().unwrap()).unwrap(), [7; 100]);
        assert_eq!(plain(b"\x00abc").unwrap(), b"abc");
        assert_eq!(plain(b"").unwrap(), b"");
    }

    #[test]
    fn more_than_the_type_holds_and_unknown_methods_are_refused() {
        assert!(plain(&[0x82, 0x03, 0xe9, 1, 2]).is_err());
        assert!(plain(&[0x20, 1]).is_err());
        assert!(plain(&[0x84, 0, 0]).is_err());
    }
}
