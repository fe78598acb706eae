//! What begins with a digit: a number, a hexadecimal or binary literal, or a name such as `1st`.

use super::{Lexer, TokenKind, is_word_byte};

impl Lexer<'_> {
    pub(super) fn number(&mut self) -> TokenKind {
        if let Some(kind) = self.based_literal() {
            return kind;
        }
        let digits = self.count_digits(0);
        match self.ahead(digits) {
            Some(b'.') => self.fraction(digits + 1),
            Some(b'e' | b'E') => match self.exponent(digits) {
                Some(end) => {
                    self.at += end;
                    TokenKind::Number
                }
                None => self.word(),
            },
            Some(byte) if is_word_byte(byte) => self.word(),
            _ => {
                self.at += digits;
                TokenKind::Number
            }
        }
    }

    fn fraction(&mut self, begin: usize) -> TokenKind {
        let end = begin + self.count_digits(begin);
        self.at += self.exponent(end).unwrap_or(end);
        TokenKind::Number
    }

    /// The distance behind an exponent that begins at this distance.
    fn exponent(&self, at: usize) -> Option<usize> {
        self.ahead(at).filter(|byte| matches!(byte, b'e' | b'E'))?;
        let signed = matches!(self.ahead(at + 1), Some(b'+' | b'-'));
        let begin = at + 1 + usize::from(signed);
        let digits = self.count_digits(begin);
        (digits > 0).then_some(begin + digits)
    }

    /// `0x4d` or `0b01`, if nothing of a name follows it.
    fn based_literal(&mut self) -> Option<TokenKind> {
        let (kind, is_digit): (_, fn(u8) -> bool) = match (self.ahead(0)?, self.ahead(1)?) {
            (b'0', b'x') => (TokenKind::Hex, |byte| byte.is_ascii_hexdigit()),
            (b'0', b'b') => (TokenKind::Bit, |byte| matches!(byte, b'0' | b'1')),
            _ => return None,
        };
        let mut end = 2;
        while self.ahead(end).is_some_and(is_digit) {
            end += 1;
        }
        if end == 2 || self.ahead(end).is_some_and(is_word_byte) {
            return None;
        }
        self.at += end;
        Some(kind)
    }

    fn count_digits(&self, begin: usize) -> usize {
        let mut count = 0;
        while self.ahead(begin + count).is_some_and(|byte| byte.is_ascii_digit()) {
            count += 1;
        }
        count
    }
}
