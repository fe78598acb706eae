//! Names of pipelines as names of files and nodes: any text, and back.

use std::fmt::Write;

/// The text in letters that every file system and every tree takes, and tells apart: lower case,
/// digits, `-` and `_`; the rest as `%` and two digits.
pub(crate) fn escape(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_') {
            name.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(name, "%{byte:02x}");
        }
    }
    name
}

/// The text that was escaped; `None` where nobody can have escaped it.
pub(crate) fn unescape(name: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first != b'%' {
            bytes.push(*first);
            rest = after;
            continue;
        }
        let (digits, after) = after.split_first_chunk::<2>()?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok().filter(|text| escape(text) == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_and_nothing_else_is_one() {
        for text in ["shop", "a-b_c.d", "A", "a/b", "日本", "", "%41", "../x"] {
            let name = escape(text);
            assert!(!name.contains(['/', '.']) && name.is_ascii(), "{name}");
            assert_eq!(unescape(&name).as_deref(), Some(text));
        }
        assert_eq!(escape("a-9_Z"), "a-9_%5a");
        for name in ["A", "%4", "%zz", "%+1", "a.b", "%61", "%E6", "%ff"] {
            assert_eq!(unescape(name), None, "{name}");
        }
    }
}
