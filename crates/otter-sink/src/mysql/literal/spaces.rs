//! Trailing spaces, which a target drops without an error where they do not fit.
//!
//! A space and a letter have as many bytes as their character set says: what ends with the byte of a
//! space need not end with a space, and text of many bytes may have few letters.

use super::Unwritable;
use crate::mysql::fit::{ColumnPlan, TextForm};

impl ColumnPlan {
    /// Refuses trailing spaces that the target would drop without an error.
    pub(super) fn check_spaces(&self, bytes: &[u8]) -> Result<(), Unwritable> {
        let charset = match &self.text {
            TextForm::Utf8 => "utf8mb4",
            TextForm::AsciiBased(charset) | TextForm::Coded(charset) => &**charset,
        };
        if !bytes.ends_with(space(charset)) {
            return Ok(());
        }
        if self.drops_spaces {
            return Err(Unwritable("ends with spaces, which a CHAR drops"));
        }
        // Bytes are an upper bound of letters, so most values need no counting.
        let has_room = |count: usize, most| u64::try_from(count).unwrap_or(u64::MAX) <= most;
        let is_too_long = self.max_letters.is_some_and(|most| {
            !has_room(bytes.len(), most) && !has_room(letter_count(bytes, charset), most)
        });
        if is_too_long { Err(Unwritable("is too long")) } else { Ok(()) }
    }
}

/// A space as its character set writes it. Where letters have several bytes of 8 bits, none but the
/// space itself ends with that byte.
fn space(charset: &str) -> &'static [u8] {
    match charset {
        "ucs2" | "utf16" => b"\0 ",
        "utf16le" => b" \0",
        "utf32" => b"\0\0\0 ",
        _ => b" ",
    }
}

/// How many letters the text has.
fn letter_count(bytes: &[u8], charset: &str) -> usize {
    match charset {
        "ucs2" => bytes.len() / 2,
        "utf32" => bytes.len() / 4,
        "utf16" => units(bytes).filter(|[high, _]| !is_second(*high)).count(),
        "utf16le" => units(bytes).filter(|[_, high]| !is_second(*high)).count(),
        "utf8mb4" => bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count(),
        _ => {
            let mut rest = bytes;
            let mut letters = 0;
            while let [first, more @ ..] = rest {
                let second = more.first().copied().unwrap_or(0);
                rest = rest.get(letter_length(charset, *first, second)..).unwrap_or_default();
                letters += 1;
            }
            letters
        }
    }
}

fn units(bytes: &[u8]) -> impl Iterator<Item = &[u8; 2]> {
    bytes.as_chunks().0.iter()
}

/// Whether a unit that begins so is the second one of a letter.
fn is_second(high: u8) -> bool {
    high & 0xfc == 0xdc
}

/// The bytes of a letter that begins so; 1 in a character set that has no longer ones.
fn letter_length(charset: &str, first: u8, second: u8) -> usize {
    match (charset, first) {
        ("gb18030", 0x81..=0xfe) if second.is_ascii_digit() => 4,
        ("ujis" | "eucjpms", 0x8f) => 3,
        ("gb18030" | "gbk" | "gb2312" | "big5" | "euckr", 0x81..=0xfe)
        | ("sjis" | "cp932", 0x81..=0x9f | 0xe0..=0xfc)
        | ("ujis" | "eucjpms", 0x8e | 0xa1..=0xfe) => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_counted_as_their_character_set_writes_them() {
        for (charset, bytes, letters) in [
            ("latin1", &b"\xe9\xe8 "[..], 3),
            ("utf8mb4", "中é ".as_bytes(), 3),
            ("gbk", b"\xd6\xd0\xce\xc4 ", 3),
            ("gb18030", b"\x94\x39\xfc\x36\xd6\xd0 ", 3),
            ("big5", b"\xa5\x5c ", 2),
            ("sjis", b"\xb1\x95\x5c ", 3),
            ("ujis", b"\x8f\xa2\xaf\x8e\xb1\xc6\xfc ", 4),
            ("ucs2", b"\x4e\x2d\0 ", 2),
            ("utf16", b"\xd8\x3d\xde\x00\0 ", 2),
            ("utf16le", b"\x3d\xd8\x00\xde \0", 2),
            ("utf32", b"\0\x01\xf6\0\0\0\0 ", 2),
            ("gbk", b"\xd6", 1),
        ] {
            assert_eq!(letter_count(bytes, charset), letters, "{charset}");
        }
    }

    #[test]
    fn a_space_is_a_whole_letter() {
        assert!(b"\x01 ".ends_with(space("latin1")));
        // U+0120.
        assert!(!b"\x01 ".ends_with(space("ucs2")));
        assert!(b" \0".ends_with(space("utf16le")));
    }
}
