//! Cuts SQL text into tokens the way MySQL's and MariaDB's own scanners do.
//!
//! Separate from the reader because what is a comment, a name or a text depends on the server's
//! version and the session's modes and on nothing else. It is total: any bytes give tokens, and the
//! last one is always [`TokenKind::End`]. It never allocates for a token and knows no keyword.
//!
//! ```
//! use otter_binlog::history::token::{Lexer, TokenKind};
//! use otter_binlog::history::{Dialect, Flavor};
//!
//! let text = b"DROP /* the old */ TABLE `t``1` /*!99999 CASCADE */";
//! let lexer = Lexer::new(text, Dialect::new(Flavor::MySql, 8, 0, 36));
//! let kinds: Vec<TokenKind> = lexer.map(|token| token.kind).collect();
//! assert_eq!(kinds, [TokenKind::Word, TokenKind::Word, TokenKind::QuotedName]);
//! ```

mod blank;
mod literal;
mod number;

#[cfg(test)]
mod tests;

use super::dialect::{Dialect, SqlMode};

pub use literal::{name_of, text_of};

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// A keyword or an unquoted name.
    Word,
    /// A name in backticks, or in double quotes under ANSI_QUOTES.
    QuotedName,
    /// A text in quotes, also `N'…'`; an introducer such as `_utf8` is a word before it.
    Text,
    /// `x'4d'` or `0x4d`.
    Hex,
    /// `b'01'` or `0b01`.
    Bit,
    /// A number without a sign.
    Number,
    /// One byte that is none of the others.
    Symbol(u8),
    /// A quote that is never closed; it takes the rest of the text.
    Broken,
    /// The end of the text.
    End,
}

/// A token: its kind and its place in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// The offset of its first byte.
    pub start: usize,
    /// The offset behind its last byte.
    pub end: usize,
}

impl Token {
    /// The token's bytes in the text that it was cut from.
    #[must_use]
    pub fn slice<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        text.get(self.start..self.end).unwrap_or_default()
    }
}

/// Yields the tokens of a text, without the final [`TokenKind::End`].
///
/// The text is taken to be UTF-8 or any set in which no part of a wider character looks like ASCII;
/// text in `gbk`, `sjis`, `big5` or `gb18030` must be converted first.
#[derive(Debug, Clone)]
pub struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    dialect: Dialect,
    /// Inside a versioned comment whose content is executed: `*/` is blank.
    in_comment: bool,
    /// Where the last name ended: a dot there belongs to it.
    name_end: Option<usize>,
    /// Where such a dot ended: what follows is a name, even if it is all digits.
    dot_end: Option<usize>,
}

impl<'a> Lexer<'a> {
    /// Begins at the start of the text.
    #[must_use]
    pub fn new(text: &'a [u8], dialect: Dialect) -> Self {
        Self { text, at: 0, dialect, in_comment: false, name_end: None, dot_end: None }
    }

    /// The next token; [`TokenKind::End`] at the end and ever after.
    pub fn next_token(&mut self) -> Token {
        self.skip_blanks();
        let start = self.at;
        let Some(first) = self.ahead(0) else {
            return Token { kind: TokenKind::End, start, end: start };
        };
        let kind = self.cut(first);
        if matches!(kind, TokenKind::Word | TokenKind::QuotedName) {
            self.name_end = Some(self.at);
        }
        Token { kind, start, end: self.at }
    }

    fn cut(&mut self, first: u8) -> TokenKind {
        let after_dot = self.dot_end == Some(self.at);
        let second = self.ahead(1);
        match first {
            b'`' => self.quoted(0, TokenKind::QuotedName),
            b'"' if self.dialect.sql_mode.has(SqlMode::ANSI_QUOTES) => {
                self.quoted(0, TokenKind::QuotedName)
            }
            b'\'' | b'"' => self.quoted(0, TokenKind::Text),
            b'n' | b'N' if second == Some(b'\'') => self.quoted(1, TokenKind::Text),
            b'x' | b'X' if second == Some(b'\'') => self.quoted(1, TokenKind::Hex),
            b'b' | b'B' if second == Some(b'\'') => self.quoted(1, TokenKind::Bit),
            b'0'..=b'9' if !after_dot => self.number(),
            b'.' if self.name_end == Some(self.at) => {
                self.at += 1;
                self.dot_end = Some(self.at);
                TokenKind::Symbol(b'.')
            }
            b'.' if second.is_some_and(|byte| byte.is_ascii_digit()) => self.number(),
            byte if is_word_byte(byte) => self.word(),
            byte => {
                self.at += 1;
                TokenKind::Symbol(byte)
            }
        }
    }

    fn word(&mut self) -> TokenKind {
        let rest = self.rest();
        self.at += rest.iter().position(|byte| !is_word_byte(*byte)).unwrap_or(rest.len());
        TokenKind::Word
    }

    /// Cuts a quoted token whose opening quote is `prefix` bytes ahead.
    fn quoted(&mut self, prefix: usize, kind: TokenKind) -> TokenKind {
        let Some(quote) = self.ahead(prefix) else {
            return self.broken();
        };
        let has_escapes =
            kind == TokenKind::Text && !self.dialect.sql_mode.has(SqlMode::NO_BACKSLASH_ESCAPES);
        let mut length = prefix + 1;
        while let Some(byte) = self.ahead(length) {
            if byte == b'\\' && has_escapes {
                length += 2;
            } else if byte != quote {
                length += 1;
            } else if self.ahead(length + 1) == Some(quote) {
                length += 2;
            } else {
                self.at += length + 1;
                return kind;
            }
        }
        self.broken()
    }

    fn broken(&mut self) -> TokenKind {
        self.at = self.text.len();
        TokenKind::Broken
    }

    fn ahead(&self, distance: usize) -> Option<u8> {
        self.text.get(self.at.checked_add(distance)?).copied()
    }

    fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let token = self.next_token();
        (token.kind != TokenKind::End).then_some(token)
    }
}

/// Whether the byte can be part of an unquoted name: all bytes of wider characters can.
fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}
