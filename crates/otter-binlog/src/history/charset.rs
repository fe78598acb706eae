//! Character sets and collations by name: which belongs to which, and how wide a character gets.
//!
//! Only what a definition needs: the default collation of a set and its bytes per character.
//! Converting text is the decoder's.

use std::borrow::Cow;
use std::sync::Arc;

use super::dialect::{Dialect, Session};
use crate::connection::Flavor;

/// A character set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charset {
    /// Its name; `utf8` is called `utf8mb3` everywhere.
    pub name: &'static str,
    /// The collation that it means by itself, on servers older than the exceptions.
    pub default_collation: &'static str,
    /// The most bytes that one character takes.
    pub max_bytes: u8,
}

/// The name of the set and collation of bytes.
pub const BINARY: &str = "binary";

const fn charset(name: &'static str, default_collation: &'static str, max_bytes: u8) -> Charset {
    Charset { name, default_collation, max_bytes }
}

/// Sorted by name, for binary search.
const CHARSETS: [Charset; 41] = [
    charset("armscii8", "armscii8_general_ci", 1),
    charset("ascii", "ascii_general_ci", 1),
    charset("big5", "big5_chinese_ci", 2),
    charset("binary", "binary", 1),
    charset("cp1250", "cp1250_general_ci", 1),
    charset("cp1251", "cp1251_general_ci", 1),
    charset("cp1256", "cp1256_general_ci", 1),
    charset("cp1257", "cp1257_general_ci", 1),
    charset("cp850", "cp850_general_ci", 1),
    charset("cp852", "cp852_general_ci", 1),
    charset("cp866", "cp866_general_ci", 1),
    charset("cp932", "cp932_japanese_ci", 2),
    charset("dec8", "dec8_swedish_ci", 1),
    charset("eucjpms", "eucjpms_japanese_ci", 3),
    charset("euckr", "euckr_korean_ci", 2),
    charset("gb18030", "gb18030_chinese_ci", 4),
    charset("gb2312", "gb2312_chinese_ci", 2),
    charset("gbk", "gbk_chinese_ci", 2),
    charset("geostd8", "geostd8_general_ci", 1),
    charset("greek", "greek_general_ci", 1),
    charset("hebrew", "hebrew_general_ci", 1),
    charset("hp8", "hp8_english_ci", 1),
    charset("keybcs2", "keybcs2_general_ci", 1),
    charset("koi8r", "koi8r_general_ci", 1),
    charset("koi8u", "koi8u_general_ci", 1),
    charset("latin1", "latin1_swedish_ci", 1),
    charset("latin2", "latin2_general_ci", 1),
    charset("latin5", "latin5_turkish_ci", 1),
    charset("latin7", "latin7_general_ci", 1),
    charset("macce", "macce_general_ci", 1),
    charset("macroman", "macroman_general_ci", 1),
    charset("sjis", "sjis_japanese_ci", 2),
    charset("swe7", "swe7_swedish_ci", 1),
    charset("tis620", "tis620_thai_ci", 1),
    charset("ucs2", "ucs2_general_ci", 2),
    charset("ujis", "ujis_japanese_ci", 3),
    charset("utf16", "utf16_general_ci", 4),
    charset("utf16le", "utf16le_general_ci", 4),
    charset("utf32", "utf32_general_ci", 4),
    charset("utf8mb3", "utf8mb3_general_ci", 3),
    charset("utf8mb4", "utf8mb4_general_ci", 4),
];

/// Whose width is assumed for a set that is not in the table: the widest there is.
const UNKNOWN_MAX_BYTES: u8 = 4;

/// The character set with this name in any case; `utf8` is `utf8mb3`.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Charset> {
    let name = canonical(name);
    let index = CHARSETS.binary_search_by(|charset| charset.name.cmp(&name)).ok()?;
    CHARSETS.get(index)
}

/// A set's or collation's name in lower case, with `utf8mb3` for `utf8`.
#[must_use]
pub fn canonical(name: &str) -> Cow<'_, str> {
    let name: Cow<'_, str> = if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        name.to_ascii_lowercase().into()
    } else {
        name.into()
    };
    match name.strip_prefix("utf8") {
        Some(rest) if rest.is_empty() || rest.starts_with('_') => format!("utf8mb3{rest}").into(),
        _ => name,
    }
}

/// Whether ASCII text is the same bytes in this character set.
#[must_use]
pub fn extends_ascii(charset: &str) -> bool {
    !matches!(charset, "ucs2" | "utf16" | "utf16le" | "utf32")
}

/// The name of the character set that a collation belongs to.
#[must_use]
pub fn of_collation(collation: &str) -> &str {
    collation.split_once('_').map_or(collation, |(charset, _)| charset)
}

/// The most bytes that one character takes under this collation.
#[must_use]
pub fn max_bytes(collation: &str) -> u8 {
    by_name(of_collation(collation)).map_or(UNKNOWN_MAX_BYTES, |charset| charset.max_bytes)
}

/// The default of `collation_server` of this version.
#[must_use]
pub fn server_default(dialect: &Dialect) -> &'static str {
    let is_utf8mb4 = match dialect.flavor {
        Flavor::MySql => dialect.version >= 80_001,
        Flavor::MariaDb => dialect.version >= 110_600,
    };
    if is_utf8mb4 { utf8mb4_default(dialect) } else { "latin1_swedish_ci" }
}

/// What `utf8mb4` means without a collation in this version.
#[must_use]
pub fn utf8mb4_default(dialect: &Dialect) -> &'static str {
    if dialect.is_at_least(Flavor::MySql, 80_001) {
        "utf8mb4_0900_ai_ci"
    } else if dialect.is_at_least(Flavor::MariaDb, 110_500) {
        "utf8mb4_uca1400_ai_ci"
    } else {
        "utf8mb4_general_ci"
    }
}

/// The collation that a character set means by itself in this session.
#[must_use]
pub fn default_collation(charset: &str, session: &Session) -> Arc<str> {
    let name = canonical(charset);
    if name == "utf8mb4" {
        return Arc::clone(&session.utf8mb4_collation);
    }
    // MariaDB: since 11.5 `character_set_collations` maps the Unicode sets to UCA 14.
    let is_unicode = matches!(&*name, "utf8mb3" | "ucs2" | "utf16" | "utf32");
    if is_unicode && session.dialect.is_at_least(Flavor::MariaDb, 110_500) {
        return format!("{name}_uca1400_ai_ci").into();
    }
    match by_name(&name) {
        Some(charset) => charset.default_collation.into(),
        None => format!("{name}_general_ci").into(),
    }
}

/// The collation with which bytes of this collation's set are compared one by one.
#[must_use]
pub fn binary_collation(collation: &str) -> Arc<str> {
    match of_collation(collation) {
        BINARY => BINARY.into(),
        charset => format!("{charset}_bin").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_each_default_belongs_to_its_set() {
        assert!(CHARSETS.is_sorted_by(|a, b| a.name < b.name));
        for charset in CHARSETS {
            assert_eq!(of_collation(charset.default_collation), charset.name);
            assert_eq!(by_name(&charset.name.to_uppercase()), Some(&charset));
        }
    }

    #[test]
    fn utf8_is_another_word_for_utf8mb3() {
        assert_eq!(canonical("UTF8"), "utf8mb3");
        assert_eq!(canonical("utf8_bin"), "utf8mb3_bin");
        assert_eq!(canonical("utf8mb4_bin"), "utf8mb4_bin");
        assert_eq!(by_name("utf8").map(|charset| charset.max_bytes), Some(3));
    }

    #[test]
    fn defaults_follow_the_version() {
        let collation = |flavor, major, minor, charset| {
            let session = Session::new(Dialect::new(flavor, major, minor, 2));
            default_collation(charset, &session).to_string()
        };
        assert_eq!(collation(Flavor::MySql, 5, 7, "utf8mb4"), "utf8mb4_general_ci");
        assert_eq!(collation(Flavor::MySql, 8, 0, "utf8mb4"), "utf8mb4_0900_ai_ci");
        assert_eq!(collation(Flavor::MariaDb, 10, 11, "UTF8"), "utf8mb3_general_ci");
        assert_eq!(collation(Flavor::MariaDb, 11, 8, "utf16"), "utf16_uca1400_ai_ci");
        assert_eq!(collation(Flavor::MySql, 8, 0, "newset"), "newset_general_ci");
        assert_eq!(binary_collation("latin1_swedish_ci").as_ref(), "latin1_bin");
        assert_eq!(binary_collation("binary").as_ref(), "binary");
    }
}
