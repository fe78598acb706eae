//! JSON documents in a form that is the same for equal documents.
//!
//! Keys are in order, of equal keys the last one stays, white space is gone, letters are themselves,
//! and numbers are the whole number or the DOUBLE that they stand for: MySQL prints what a DECIMAL
//! inside a document is, and stores what comes as text as a DOUBLE.

use std::collections::BTreeMap;

/// Containers inside each other; both servers refuse more than 100.
const DEEPEST: usize = 110;

/// The document in its one form; what is no document stays as it is, behind a mark.
pub(super) fn canonical_document(text: &str) -> String {
    let mut reader = Reader { rest: text };
    let mut out = String::with_capacity(text.len());
    let whole = reader.value(&mut out, DEEPEST).filter(|()| reader.rest.trim().is_empty());
    match whole {
        Some(()) => out,
        None => format!("no document: {text}"),
    }
}

struct Reader<'t> {
    rest: &'t str,
}

impl Reader<'_> {
    fn value(&mut self, out: &mut String, depth: usize) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        self.skip_space();
        match self.rest.chars().next()? {
            '{' => self.object(out, depth),
            '[' => self.array(out, depth),
            '"' => self.string(out),
            letter if letter == '-' || letter.is_ascii_digit() => self.number(out),
            _ => self.word(out),
        }
    }

    fn object(&mut self, out: &mut String, depth: usize) -> Option<()> {
        self.take('{')?;
        let mut members = BTreeMap::new();
        if !self.took('}') {
            loop {
                let (mut key, mut value) = (String::new(), String::new());
                self.skip_space();
                self.string(&mut key)?;
                self.take(':')?;
                self.value(&mut value, depth)?;
                members.insert(key, value);
                if !self.took(',') {
                    break;
                }
            }
            self.take('}')?;
        }
        out.push('{');
        for (index, (key, value)) in members.iter().enumerate() {
            out.push_str(if index > 0 { "," } else { "" });
            out.push_str(key);
            out.push(':');
            out.push_str(value);
        }
        out.push('}');
        Some(())
    }

    fn array(&mut self, out: &mut String, depth: usize) -> Option<()> {
        self.take('[')?;
        out.push('[');
        if !self.took(']') {
            loop {
                self.value(out, depth)?;
                if !self.took(',') {
                    break;
                }
                out.push(',');
            }
            self.take(']')?;
        }
        out.push(']');
        Some(())
    }

    /// A string, in which only quotes and backslashes stay escaped.
    fn string(&mut self, out: &mut String) -> Option<()> {
        self.rest = self.rest.strip_prefix('"')?;
        out.push('"');
        loop {
            let at = self.rest.find(['"', '\\'])?;
            let (plain, tail) = self.rest.split_at(at);
            out.push_str(plain);
            let mut letters = tail.chars();
            if letters.next()? == '"' {
                self.rest = letters.as_str();
                out.push('"');
                return Some(());
            }
            let escaped = letters.next()?;
            self.rest = letters.as_str();
            match escaped {
                'n' => out.push('\n'),
                't' => out.push('\t'),
                'r' => out.push('\r'),
                'b' => out.push('\u{8}'),
                'f' => out.push('\u{c}'),
                '/' => out.push('/'),
                'u' => self.code(out)?,
                '"' | '\\' => {
                    out.push('\\');
                    out.push(escaped);
                }
                _ => return None,
            }
        }
    }

    fn code(&mut self, out: &mut String) -> Option<()> {
        let first = self.unit()?;
        let mut units = vec![first];
        if (0xd800..0xdc00).contains(&first) {
            self.rest = self.rest.strip_prefix("\\u")?;
            units.push(self.unit()?);
        }
        for letter in char::decode_utf16(units) {
            let letter = letter.ok()?;
            if matches!(letter, '"' | '\\') {
                out.push('\\');
            }
            out.push(letter);
        }
        Some(())
    }

    fn unit(&mut self) -> Option<u16> {
        let (digits, rest) = (self.rest.get(..4)?, self.rest.get(4..)?);
        self.rest = rest;
        u16::from_str_radix(digits, 16).ok()
    }

    fn number(&mut self, out: &mut String) -> Option<()> {
        let is_part = |letter: char| letter.is_ascii_digit() || "+-.eE".contains(letter);
        let end = self.rest.find(|letter| !is_part(letter)).unwrap_or(self.rest.len());
        let (number, rest) = self.rest.split_at(end);
        self.rest = rest;
        // A whole number that 64 bits hold is one; all others are DOUBLEs.
        let whole = number.parse::<i128>().ok().filter(|_| number != "-0");
        let fits = |whole: &i128| (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(whole);
        match whole.filter(fits) {
            Some(whole) => out.push_str(&whole.to_string()),
            None => out.push_str(&format!("{:?}", number.parse::<f64>().ok()?)),
        }
        Some(())
    }

    fn word(&mut self, out: &mut String) -> Option<()> {
        let word =
            ["true", "false", "null"].into_iter().find(|word| self.rest.starts_with(word))?;
        self.rest = self.rest.strip_prefix(word)?;
        out.push_str(word);
        Some(())
    }

    fn take(&mut self, letter: char) -> Option<()> {
        self.took(letter).then_some(())
    }

    fn took(&mut self, letter: char) -> bool {
        self.skip_space();
        let rest = self.rest.strip_prefix(letter);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equal_documents_have_one_form() {
        for (one, other) in [
            ("{\"b\":1,\"a\":[1, 2]}", " {\"a\": [1,2] , \"b\": 1 } "),
            ("{\"a\":1,\"a\":2}", "{\"a\": 2}"),
            ("\"\\u00e9\\/\\n\"", "\"é/\n\""),
            ("\"\\ud83d\\ude00\"", "\"😀\""),
            ("\"\\u0022\"", "\"\\\"\""),
            ("1.10", "1.1"),
            ("1e20", "100000000000000000000.0"),
            ("1E2", "100.0"),
            ("[]", "[ ]"),
            ("{}", "{ }"),
        ] {
            assert_eq!(canonical_document(one), canonical_document(other), "{one} {other}");
        }
    }

    #[test]
    fn different_documents_have_different_forms() {
        for (one, other) in [
            ("[1,2]", "[2,1]"),
            ("1", "1.0"),
            ("1", "\"1\""),
            ("0.0", "-0.0"),
            ("0", "-0"),
            ("null", "\"null\""),
            ("{\"a\":null}", "{}"),
            ("\"a\"", "\"A\""),
            ("\"a\"", "\"a \""),
            ("18446744073709551615", "18446744073709551616"),
            ("9007199254740993", "9007199254740992"),
            ("{", "{}"),
            ("[1]x", "[1]"),
        ] {
            assert_ne!(canonical_document(one), canonical_document(other), "{one} {other}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,60}", near in "[\\[\\]{}:,\"\\\\u0-9eE.+-]{0,60}") {
            let _ = canonical_document(&text);
            let _ = canonical_document(&near);
        }
    }
}
