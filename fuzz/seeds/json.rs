//! JSON documents and their differences, found in rows by what they look like: that is enough for
//! seeds.

use std::io;

use super::Seeds;

/// Looks for documents behind a length of four bytes, and for differences likewise.
pub fn write(rows: &[u8], seeds: &mut Seeds) -> io::Result<()> {
    let mut document: &[u8] = &[];
    for at in 0..rows.len() {
        let Some((length, rest)) = rows[at..].split_first_chunk::<4>() else { break };
        let Ok(length) = usize::try_from(u32::from_le_bytes(*length)) else { continue };
        let Some(value) = rest.get(..length) else { continue };
        if is_document(value) {
            document = value;
            seeds.add("json", 0, &seed(document, &[]))?;
        } else if is_difference(value) {
            seeds.add("json", 1, &seed(document, value))?;
        }
    }
    Ok(())
}

fn seed(document: &[u8], differences: &[u8]) -> Vec<u8> {
    let length = u16::try_from(document.len()).unwrap_or(u16::MAX).to_le_bytes();
    [&length[..], document, differences].concat()
}

/// An object or array tells its own size.
fn is_document(value: &[u8]) -> bool {
    let size = match *value {
        [0 | 2, _, _, a, b, ..] => usize::from(u16::from_le_bytes([a, b])),
        [1 | 3, _, _, _, _, a, b, c, d, ..] => {
            usize::try_from(u32::from_le_bytes([a, b, c, d])).unwrap_or(0)
        }
        _ => return false,
    };
    size + 1 == value.len()
}

/// An operation, a path behind its length, and the path begins with `$`.
fn is_difference(value: &[u8]) -> bool {
    matches!(*value, [0..=2, length, b'$', ..] if usize::from(length) < value.len())
}
