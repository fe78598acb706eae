//! Collation ids to character sets, and texts to UTF-8.

mod tables;

use mysql_common::collations::{Collation, CollationId};

/// What stands for a character set where the binlog does not tell whether a column has one.
pub(crate) const UNKNOWN: &str = "unknown";

/// The collation of bytes without a character set.
pub(crate) const BINARY: u16 = 63;

/// The character set of a collation, by the server's own name; `None` for an unknown id.
#[allow(clippy::wildcard_enum_match_arm, reason = "hundreds of collations")]
pub(crate) fn charset_of(collation: u16) -> Option<&'static str> {
    /// MariaDB: the same collations without padding have ids that are higher by this.
    const NO_PAD: u16 = 1024;
    match collation {
        // MariaDB's UCA 14.0.0, one block per character set.
        2048..=2303 => return Some("utf8mb3"),
        2304..=2559 => return Some("utf8mb4"),
        2560..=2815 => return Some("ucs2"),
        2816..=3071 => return Some("utf16"),
        3072..=3327 => return Some("utf32"),
        // MariaDB's own additions: Croatian, Myanmar and Thai.
        576..=578 | 1600..=1602 => return Some("utf8mb3"),
        608..=610 | 1632..=1634 => return Some("utf8mb4"),
        640..=642 | 1664..=1666 => return Some("ucs2"),
        672..=674 | 1696..=1698 => return Some("utf16"),
        736..=738 | 1760..=1762 => return Some("utf32"),
        _ => {}
    }
    let id = if collation > NO_PAD { collation - NO_PAD } else { collation };
    match CollationId::from(id) {
        CollationId::UNKNOWN_COLLATION_ID => None,
        known => Some(canonical(static_charset(known))),
    }
}

/// The name of a collation; for one that is newer than the tables here, that of its set's binary
/// collation: what a row needs of it is only the set.
pub(crate) fn collation_name(collation: u16) -> Option<String> {
    let known = CollationId::from(collation);
    if known == CollationId::UNKNOWN_COLLATION_ID {
        return charset_of(collation).map(|charset| format!("{charset}_bin"));
    }
    Some(Collation::resolve(known).collation().to_owned())
}

fn static_charset(id: CollationId) -> &'static str {
    // The table holds static texts, but its accessor borrows from the value.
    const NAMES: [&str; 43] = [
        "armscii8", "ascii", "big5", "binary", "cp1250", "cp1251", "cp1256", "cp1257", "cp850",
        "cp852", "cp866", "cp932", "dec8", "eucjpms", "euckr", "gb18030", "gb2312", "gbk",
        "geostd8", "greek", "hebrew", "hp8", "keybcs2", "koi8r", "koi8u", "latin1", "latin2",
        "latin5", "latin7", "macce", "macroman", "sjis", "swe7", "tis620", "ucs2", "ujis", "utf16",
        "utf16le", "utf32", "utf8", "utf8mb3", "utf8mb4", "latin9",
    ];
    let collation = Collation::resolve(id);
    let name = collation.charset();
    NAMES.into_iter().find(|known| known.eq_ignore_ascii_case(name)).unwrap_or("unknown")
}

/// One name per character set: servers before MySQL 8.0.28 and MariaDB 10.6 say `utf8`.
pub(crate) fn canonical(charset: &str) -> &str {
    if charset.eq_ignore_ascii_case("utf8") { "utf8mb3" } else { charset }
}

/// A text in UTF-8, where the character set is one of those that can be converted here.
pub(crate) fn to_utf8(charset: &str, text: &[u8]) -> Option<String> {
    match charset {
        "utf8mb4" | "utf8mb3" | "utf8" | "ascii" | "binary" | UNKNOWN => {
            std::str::from_utf8(text).ok().map(ToOwned::to_owned)
        }
        "latin1" => Some(text.iter().map(|byte| latin1(*byte)).collect()),
        "ucs2" | "utf16" => wide(text, u16::from_be_bytes),
        "utf16le" => wide(text, u16::from_le_bytes),
        "utf32" => {
            let (letters, rest) = text.as_chunks::<4>();
            let letters = letters.iter().map(|letter| char::from_u32(u32::from_be_bytes(*letter)));
            rest.is_empty().then(|| letters.collect()).flatten()
        }
        // No server of today has it; its lower half is ASCII.
        "latin9" if text.is_ascii() => std::str::from_utf8(text).ok().map(ToOwned::to_owned),
        _ => tables::to_utf8(charset, text),
    }
}

fn wide(text: &[u8], read: fn([u8; 2]) -> u16) -> Option<String> {
    let (units, rest) = text.as_chunks::<2>();
    let letters = char::decode_utf16(units.iter().map(|unit| read(*unit)));
    if rest.is_empty() { letters.collect::<Result<_, _>>().ok() } else { None }
}

/// MySQL's latin1 is Windows code page 1252, with the five undefined places as control characters.
fn latin1(byte: u8) -> char {
    const UPPER: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž',
        '\u{8f}', '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}',
        'ž', 'Ÿ',
    ];
    let place = usize::from(byte).checked_sub(0x80);
    place.and_then(|place| UPPER.get(place)).copied().unwrap_or(char::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collations_of_both_families_name_their_charset() {
        for (id, charset) in [
            (8, "latin1"),
            (28, "gbk"),
            (33, "utf8mb3"),
            (35, "ucs2"),
            (45, "utf8mb4"),
            (63, "binary"),
            (255, "utf8mb4"),
            (323, "utf8mb4"),
            (248, "gb18030"),
            (1032, "latin1"),
            (1069, "utf8mb4"),
            (2304, "utf8mb4"),
            (576, "utf8mb3"),
        ] {
            assert_eq!(charset_of(id), Some(charset), "{id}");
        }
        assert_eq!(charset_of(9999), None);
        assert_eq!(charset_of(0), None);
    }

    #[test]
    fn no_known_collation_lacks_a_name() {
        for id in 1..400 {
            assert_ne!(charset_of(id), Some("unknown"), "{id}");
        }
    }

    #[test]
    fn texts_of_the_common_sets_become_utf8() {
        assert_eq!(to_utf8("latin1", b"\x80\xe9"), Some("€é".into()));
        assert_eq!(to_utf8("ucs2", &[0, b'a', 0x4e, 0x2d]), Some("a中".into()));
        assert_eq!(to_utf8("utf32", &[0, 1, 0xf6, 0]), Some("😀".into()));
        assert_eq!(to_utf8("utf16le", b"a"), None);
        assert_eq!(to_utf8("gbk", b"plain"), Some("plain".into()));
        assert_eq!(to_utf8("gbk", &[0xd6, 0xd0]), Some("中".into()));
        assert_eq!(to_utf8("gb18030", b"plain"), Some("plain".into()));
        assert_eq!(to_utf8("gb18030", &[0xd6, 0xd0]), Some("中".into()));
        assert_eq!(to_utf8("latin9", b"\xa4"), None);
        assert_eq!(to_utf8("utf8mb4", &[0xff]), None);
    }
}
