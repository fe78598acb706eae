//! A statement's text as words, names, texts and symbols.
//!
//! Comments are skipped, except versioned ones (`/*!50001 … */`, `/*M! … */`), which the server
//! executes. Works on bytes, since the text is in the client's character set.

use std::borrow::Cow;

/// How the bytes of a statement are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Dialect {
    /// `"name"` is a name.
    pub(crate) ansi_quotes: bool,
    /// A backslash in a text escapes nothing.
    pub(crate) plain_backslashes: bool,
    /// Letters of two bytes whose second one may look like ASCII.
    pub(crate) wide: Wide,
}

/// Character sets whose letters may end in an ASCII byte: a quote or a backslash there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Wide {
    #[default]
    No,
    /// gbk, gb18030, big5.
    Chinese,
    /// sjis, cp932.
    Japanese,
}

impl Wide {
    pub(crate) fn of(charset: &str) -> Self {
        match charset {
            "gbk" | "gb18030" | "big5" => Self::Chinese,
            "sjis" | "cp932" => Self::Japanese,
            _ => Self::No,
        }
    }

    fn is_lead(self, byte: u8) -> bool {
        match self {
            Self::No => false,
            Self::Chinese => (0x81..=0xfe).contains(&byte),
            Self::Japanese => matches!(byte, 0x81..=0x9f | 0xe0..=0xfc),
        }
    }
}

/// One token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// A keyword, a plain name or a number.
    Word(&'a [u8]),
    /// A quoted name.
    Name(Cow<'a, [u8]>),
    /// A text.
    Text,
    /// Any other character.
    Symbol(u8),
}

impl Token<'_> {
    /// Whether this is the keyword, which is given in upper case.
    pub(crate) fn is(&self, keyword: &str) -> bool {
        matches!(self, Self::Word(word) if word.eq_ignore_ascii_case(keyword.as_bytes()))
    }
}

/// The tokens of a statement, one after the other.
#[derive(Debug, Clone)]
pub(crate) struct Tokens<'a> {
    text: &'a [u8],
    at: usize,
    /// Where the last token began.
    begin: usize,
    dialect: Dialect,
    /// Inside a versioned comment, whose end is just skipped.
    versioned: bool,
}

impl<'a> Tokens<'a> {
    pub(crate) fn new(text: &'a [u8], dialect: Dialect) -> Self {
        Self { text, at: 0, begin: 0, dialect, versioned: false }
    }

    /// Where the next token is looked for.
    pub(crate) fn offset(&self) -> usize {
        self.at
    }

    /// Where the last token began.
    pub(crate) fn begin(&self) -> usize {
        self.begin
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    fn starts_with(&self, text: &[u8]) -> bool {
        self.text.get(self.at..).is_some_and(|rest| rest.starts_with(text))
    }

    /// Moves behind the next `end`, or behind everything.
    fn skip_past(&mut self, end: &[u8]) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let found = rest.windows(end.len()).position(|window| window == end);
        self.at = found.map_or(self.text.len(), |place| self.at + place + end.len());
    }

    fn skip_blanks(&mut self) {
        loop {
            match self.byte(0) {
                Some(byte) if byte.is_ascii_whitespace() || byte == 0x0b => self.at += 1,
                Some(b'#') => self.skip_past(b"\n"),
                // MySQL: two dashes begin a comment only before white space or the end.
                Some(b'-')
                    if self.byte(1) == Some(b'-')
                        && self.byte(2).is_none_or(|byte| byte <= b' ') =>
                {
                    self.skip_past(b"\n");
                }
                Some(b'/') if self.starts_with(b"/*!") || self.starts_with(b"/*M!") => {
                    self.at += if self.starts_with(b"/*!") { 3 } else { 4 };
                    while self.byte(0).is_some_and(|byte| byte.is_ascii_digit()) {
                        self.at += 1;
                    }
                    self.versioned = true;
                }
                Some(b'/') if self.byte(1) == Some(b'*') => {
                    self.at += 2;
                    self.skip_past(b"*/");
                }
                Some(b'*') if self.versioned && self.byte(1) == Some(b'/') => {
                    self.at += 2;
                    self.versioned = false;
                }
                _ => return,
            }
        }
    }

    /// Moves over one letter.
    fn step(&mut self) {
        let lead = self.byte(0).is_some_and(|byte| self.dialect.wide.is_lead(byte));
        self.at = (self.at + if lead { 2 } else { 1 }).min(self.text.len());
    }

    fn word(&mut self) -> Token<'a> {
        let begin = self.at;
        while self.byte(0).is_some_and(is_word_byte) {
            self.step();
        }
        Token::Word(self.text.get(begin..self.at).unwrap_or_default())
    }

    /// Reads up to the closing quote; a doubled one stands for itself.
    fn quoted(&mut self, quote: u8, escapes: bool) -> Cow<'a, [u8]> {
        self.at += 1;
        let begin = self.at;
        let mut doubled = false;
        let end = loop {
            match self.byte(0) {
                None => break self.text.len(),
                Some(b'\\') if escapes => {
                    self.at += 1;
                    self.step();
                }
                Some(byte) if byte == quote => {
                    if self.byte(1) != Some(quote) {
                        let end = self.at;
                        self.at += 1;
                        break end;
                    }
                    doubled = true;
                    self.at += 2;
                }
                Some(_) => self.step(),
            }
        };
        let text = self.text.get(begin..end).unwrap_or_default();
        if !doubled {
            return Cow::Borrowed(text);
        }
        let mut single = Vec::with_capacity(text.len());
        let mut bytes = text.iter().peekable();
        while let Some(byte) = bytes.next() {
            single.push(*byte);
            if *byte == quote {
                bytes.next_if(|next| **next == quote);
            }
        }
        Cow::Owned(single)
    }
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..)
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        self.skip_blanks();
        self.begin = self.at;
        let byte = self.byte(0)?;
        let escapes = !self.dialect.plain_backslashes;
        Some(match byte {
            b'`' => Token::Name(self.quoted(b'`', false)),
            b'"' if self.dialect.ansi_quotes => Token::Name(self.quoted(b'"', false)),
            b'"' | b'\'' => {
                self.quoted(byte, escapes);
                Token::Text
            }
            byte if is_word_byte(byte) => self.word(),
            symbol => {
                self.at += 1;
                Token::Symbol(symbol)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn show(text: &[u8], dialect: Dialect) -> String {
        let show = |token| match token {
            Token::Word(word) => String::from_utf8_lossy(word).into_owned(),
            Token::Name(name) => format!("<{}>", String::from_utf8_lossy(&name)),
            Token::Text => "T".to_owned(),
            Token::Symbol(symbol) => char::from(symbol).to_string(),
        };
        Tokens::new(text, dialect).map(show).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn comments_are_skipped_and_versioned_ones_are_read() {
        let text =
            b"/* a */ DROP -- b\n /*!40005 TEMPORARY */ # c\n TABLE/*M!100100 IF EXISTS*/ t --x";
        assert_eq!(show(text, Dialect::default()), "DROP TEMPORARY TABLE IF EXISTS t - - x");
        assert_eq!(show(b"# Dummy event", Dialect::default()), "");
        assert_eq!(show(b"a /* never closed", Dialect::default()), "a");
    }

    #[test]
    fn quotes_follow_the_session() {
        let text = br#"`a``b`."c" 'it''s \' x' "d\"""#;
        assert_eq!(show(text, Dialect::default()), "<a`b> . T T T");
        let ansi = Dialect { ansi_quotes: true, ..Dialect::default() };
        assert_eq!(show(br#"a."b""c""#, ansi), "a . <b\"c>");
        let plain = Dialect { plain_backslashes: true, ..Dialect::default() };
        assert_eq!(show(br"'\' b", plain), "T b");
    }

    #[test]
    fn the_second_byte_of_a_wide_letter_is_neither_quote_nor_backslash() {
        // In gbk 0xd1 0x5c is one letter; read byte by byte its end would escape the quote.
        let gbk = Dialect { wide: Wide::of("gbk"), ..Dialect::default() };
        assert_eq!(show(b"'\xd1\x5c' b", gbk), "T b");
        let sjis = Dialect { wide: Wide::of("sjis"), ..Dialect::default() };
        assert_eq!(show(b"'\x83\x5c' b", sjis), "T b");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_run_for_ever(
            bytes in prop::collection::vec(any::<u8>(), 0..80), ansi: bool, plain: bool,
        ) {
            for wide in [Wide::No, Wide::Chinese, Wide::Japanese] {
                let dialect = Dialect { ansi_quotes: ansi, plain_backslashes: plain, wide };
                prop_assert!(Tokens::new(&bytes, dialect).count() <= bytes.len());
            }
        }
    }
}
