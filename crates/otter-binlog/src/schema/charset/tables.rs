//! The character sets that only a table can convert: one file each, as the servers themselves
//! convert them (MySQL and MariaDB agree on every code; `tests/tests/charsets.rs` asks them;
//! MariaDB has no `gb18030`).
//!
//! A line is the first code in hexadecimal, a space, and the letters of that code and of those
//! that follow it. ASCII is left out where it is itself. `cargo run -p otter-tests --bin
//! charset-tables` writes the files.

use std::sync::OnceLock;

/// How many bytes the longest code has: those of `gb18030`.
const LONGEST: usize = 4;

macro_rules! sources {
    ($($charset:literal)*) => {
        /// The character sets and their files, by name.
        const SOURCES: &[(&str, &str)] =
            &[$(($charset, include_str!(concat!("tables/", $charset, ".txt")))),*];
    };
}

sources! {
    "armscii8" "big5" "cp1250" "cp1251" "cp1256" "cp1257" "cp850" "cp852" "cp866" "cp932" "dec8"
    "eucjpms" "euckr" "gb18030" "gb2312" "gbk" "geostd8" "greek" "hebrew" "hp8" "keybcs2" "koi8r" "koi8u"
    "latin2" "latin5" "latin7" "macce" "macroman" "sjis" "swe7" "tis620" "ujis"
}

/// Each is read when its first text comes.
static TABLES: [OnceLock<Table>; SOURCES.len()] = [const { OnceLock::new() }; SOURCES.len()];

/// The text in UTF-8; `None` where a code stands for nothing, or the character set has no table.
pub(super) fn to_utf8(charset: &str, text: &[u8]) -> Option<String> {
    let place = SOURCES.iter().position(|(name, _)| *name == charset)?;
    let (source, cell) = (SOURCES.get(place)?.1, TABLES.get(place)?);
    cell.get_or_init(|| Table::read(source)).to_utf8(text)
}

/// The letters of one character set, as runs of neighbouring codes.
struct Table {
    // Invariant: in the order of their codes, none twice.
    runs: Vec<Run>,
    /// The highest code below 0x80 that stands for itself where no run has it.
    last_ascii: u8,
    /// Codes of four bytes go on with the letters beyond the basic plane (`gb18030`).
    counts_planes: bool,
}

struct Run {
    first: u32,
    letters: Vec<char>,
}

impl Table {
    fn read(source: &str) -> Self {
        let run = |line: &str| {
            let (code, letters) = line.split_once(' ')?;
            let first = u32::from_str_radix(code, 16).ok()?;
            Some(Run { first, letters: letters.chars().collect() })
        };
        let runs: Vec<Run> = source.lines().filter_map(run).collect();
        // swe7 is the one set that has letters in ASCII's place, and nothing where DEL is.
        let last_ascii = if runs.iter().any(|run| run.first < 0x80) { 0x7e } else { 0x7f };
        let counts_planes = runs.last().is_some_and(|run| run.first > 0xff_ffff);
        Self { runs, last_ascii, counts_planes }
    }

    fn to_utf8(&self, text: &[u8]) -> Option<String> {
        let mut output = String::with_capacity(text.len().saturating_mul(3) / 2);
        let mut rest = text;
        while !rest.is_empty() {
            let (letter, length) = self.first_letter(rest)?;
            output.push(letter);
            rest = rest.get(length..)?;
        }
        Some(output)
    }

    /// The letter that the text begins with, and the length of its code. No code is the beginning
    /// of another one.
    fn first_letter(&self, text: &[u8]) -> Option<(char, usize)> {
        let mut code = 0;
        for (index, byte) in text.iter().take(LONGEST).enumerate() {
            code = code << 8 | u32::from(*byte);
            if let Some(letter) = self.letter(code) {
                return Some((letter, index + 1));
            }
            if index == 0 && *byte <= self.last_ascii {
                return Some((char::from(*byte), 1));
            }
        }
        if self.counts_planes { beyond_the_basic_plane(text) } else { None }
    }

    fn letter(&self, code: u32) -> Option<char> {
        let after = self.runs.partition_point(|run| run.first <= code);
        let run = self.runs.get(after.checked_sub(1)?)?;
        run.letters.get(usize::try_from(code - run.first).ok()?).copied()
    }
}

/// `gb18030` gives all letters beyond the basic plane codes in their order: of their four bytes the
/// second and the fourth are digits.
fn beyond_the_basic_plane(text: &[u8]) -> Option<(char, usize)> {
    let place = |byte: &u8, first: u8, last: u8| {
        (first..=last).contains(byte).then(|| u32::from(byte - first))
    };
    let [first, second, third, fourth] = text.first_chunk::<4>()?;
    let number = place(first, 0x90, 0xe3)?;
    let number = number * 10 + place(second, b'0', b'9')?;
    let number = number * 126 + place(third, 0x81, 0xfe)?;
    let number = number * 10 + place(fourth, b'0', b'9')?;
    Some((char::from_u32(0x1_0000 + number)?, 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_one_two_and_three_bytes_become_utf8() {
        for (charset, bytes, text) in [
            ("gbk", &b"a\x81\x75\xd1\x5c"[..], "a乽裓"),
            ("big5", b"\xb9\xcf\xa7\xce\xbdX", "圖形碼"),
            ("ujis", b"\xb2\xcf\x8e\xb1\x8f\xb0\xa1~", "河ｱ丂~"),
            ("sjis", b"\x95\x5c\xb1", "表ｱ"),
            ("koi8r", b"\xc1\xc2x", "абx"),
            ("swe7", b"[\\]a", "ÄÖÅa"),
            ("gb18030", b"a\xd6\xd0\x81\x30\x81\x31\x94\x39\xda\x33b", "a中\u{81}💩b"),
            ("gb18030", b"\x90\x30\x81\x30\xe3\x32\x9a\x35", "\u{10000}\u{10ffff}"),
            ("latin2", b"", ""),
        ] {
            assert_eq!(to_utf8(charset, bytes).as_deref(), Some(text), "{charset}");
        }
    }

    #[test]
    fn codes_without_a_letter_are_not_guessed() {
        for (charset, bytes) in [
            ("gbk", &b"\xff"[..]),
            ("gbk", b"\xd6"),
            ("gbk", b"\x80"),
            ("cp1250", b"\x81"),
            ("swe7", b"\x7f"),
            ("ujis", b"\x8f\xb0"),
            ("gb18030", b"\x81\x30\x81"),
            ("gb18030", b"\xe3\x32\x9a\x36"),
            ("gb18030", b"\xff"),
            ("utf8mb4", b"a"),
        ] {
            assert_eq!(to_utf8(charset, bytes), None, "{charset}");
        }
    }

    #[test]
    fn every_file_is_read_whole_and_no_code_begins_another() {
        for (charset, source) in SOURCES {
            let table = Table::read(source);
            assert_eq!(table.runs.len(), source.lines().count(), "{charset}");
            let mut next = 0;
            for run in &table.runs {
                assert!(run.first >= next && !run.letters.is_empty(), "{charset} {:x}", run.first);
                next = run.first + u32::try_from(run.letters.len()).unwrap();
                for code in run.first..next {
                    let is_longer = code > 0xff;
                    assert!(!is_longer || table.letter(code >> 8).is_none(), "{charset} {code:x}");
                    assert!(code <= 0xffff || table.letter(code >> 16).is_none(), "{charset}");
                    // Nor do the bytes before the last one look like ASCII.
                    assert!(!is_longer || code >> 8 & 0x80 != 0, "{charset} {code:x}");
                }
            }
        }
    }
}
