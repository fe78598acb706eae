//! A place in the tokens of a statement, with the few steps that every clause is read with.
//!
//! It looks ahead by copying the scanner, so that no list of tokens is ever made.

use std::sync::Arc;

use super::super::dialect::Dialect;
use super::super::statement::QualifiedName;
use super::super::token::{Lexer, Token, TokenKind, name_of, text_of};
use super::{NotUnderstood, Result};

#[derive(Clone)]
pub(super) struct Cursor<'a> {
    text: &'a [u8],
    dialect: Dialect,
    lexer: Lexer<'a>,
    token: Token,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a [u8], dialect: Dialect) -> Self {
        let mut lexer = Lexer::new(text, dialect);
        let token = lexer.next_token();
        Self { text, dialect, lexer, token }
    }

    pub(super) fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    pub(super) fn peek(&self) -> Token {
        self.token
    }

    /// The token behind the next one.
    pub(super) fn peek_second(&self) -> Token {
        self.lexer.clone().next_token()
    }

    pub(super) fn bump(&mut self) -> Token {
        std::mem::replace(&mut self.token, self.lexer.next_token())
    }

    pub(super) fn refuse(&self, expected: &'static str) -> NotUnderstood {
        NotUnderstood { at: self.token.start, expected }
    }

    /// Whether the statement ends here, by its text or by a semicolon.
    pub(super) fn is_end(&self) -> bool {
        matches!(self.token.kind, TokenKind::End | TokenKind::Symbol(b';'))
    }

    pub(super) fn is_symbol(&self, symbol: u8) -> bool {
        self.token.kind == TokenKind::Symbol(symbol)
    }

    pub(super) fn eat_symbol(&mut self, symbol: u8) -> bool {
        let found = self.is_symbol(symbol);
        if found {
            self.bump();
        }
        found
    }

    pub(super) fn expect_symbol(&mut self, symbol: u8, name: &'static str) -> Result<()> {
        if self.eat_symbol(symbol) { Ok(()) } else { Err(self.refuse(name)) }
    }

    /// Whether the next token is this keyword, given in upper case.
    pub(super) fn is_word(&self, word: &str) -> bool {
        self.token_is_word(self.token, word)
    }

    pub(super) fn is_any_word(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.is_word(word))
    }

    /// Whether the token behind the next one is this keyword.
    pub(super) fn second_is_word(&self, word: &str) -> bool {
        self.token_is_word(self.peek_second(), word)
    }

    pub(super) fn second_is_any_word(&self, words: &[&str]) -> bool {
        let second = self.peek_second();
        words.iter().any(|word| self.token_is_word(second, word))
    }

    fn token_is_word(&self, token: Token, word: &str) -> bool {
        token.kind == TokenKind::Word
            && token.slice(self.text).eq_ignore_ascii_case(word.as_bytes())
    }

    pub(super) fn eat_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        if found {
            self.bump();
        }
        found
    }

    pub(super) fn eat_any_word(&mut self, words: &[&str]) -> bool {
        words.iter().any(|word| self.eat_word(word))
    }

    /// Eats these keywords if all of them follow.
    pub(super) fn eat_words(&mut self, words: &[&str]) -> bool {
        let mut ahead = self.clone();
        if !words.iter().all(|word| ahead.eat_word(word)) {
            return false;
        }
        *self = ahead;
        true
    }

    pub(super) fn eat_if_exists(&mut self) -> bool {
        self.eat_words(&["IF", "EXISTS"])
    }

    pub(super) fn eat_if_not_exists(&mut self) -> bool {
        self.eat_words(&["IF", "NOT", "EXISTS"])
    }

    pub(super) fn expect_word(&mut self, word: &'static str) -> Result<()> {
        if self.eat_word(word) { Ok(()) } else { Err(self.refuse(word)) }
    }

    /// Takes an unquoted word, in upper case.
    pub(super) fn take_word(&mut self) -> Option<String> {
        if self.token.kind != TokenKind::Word {
            return None;
        }
        let word = String::from_utf8_lossy(self.token.slice(self.text)).to_ascii_uppercase();
        self.bump();
        Some(word)
    }

    /// Whether the next token can be a name.
    pub(super) fn is_name(&self) -> bool {
        matches!(self.token.kind, TokenKind::Word | TokenKind::QuotedName)
    }

    pub(super) fn name(&mut self, expected: &'static str) -> Result<Arc<str>> {
        if !self.is_name() {
            return Err(self.refuse(expected));
        }
        let token = self.bump();
        Ok(name_of(token.slice(self.text)).into())
    }

    /// A name, or a text in its place: the names of charsets and collations.
    pub(super) fn name_or_text(&mut self, expected: &'static str) -> Result<Arc<str>> {
        if self.peek().kind == TokenKind::Text {
            return Ok(self.text(expected)?.into());
        }
        self.name(expected)
    }

    pub(super) fn table_name(&mut self) -> Result<QualifiedName> {
        // MySQL: a dot alone before the name is an old way to write the default database.
        self.eat_symbol(b'.');
        let first = self.name("a table's name")?;
        if !self.eat_symbol(b'.') {
            return Ok(QualifiedName { database: None, table: first });
        }
        let table = self.name("a table's name")?;
        Ok(QualifiedName { database: Some(first), table })
    }

    pub(super) fn table_names(&mut self) -> Result<Vec<QualifiedName>> {
        let mut names = vec![self.table_name()?];
        while self.eat_symbol(b',') {
            names.push(self.table_name()?);
        }
        Ok(names)
    }

    /// A column's name, which may have its table and database before it.
    pub(super) fn column_name(&mut self) -> Result<Arc<str>> {
        self.eat_symbol(b'.');
        let mut name = self.name("a column's name")?;
        while self.eat_symbol(b'.') {
            name = self.name("a column's name")?;
        }
        Ok(name)
    }

    /// The bytes of a text, hexadecimal or binary literal.
    pub(super) fn literal(&mut self, expected: &'static str) -> Result<Vec<u8>> {
        if !matches!(self.token.kind, TokenKind::Text | TokenKind::Hex | TokenKind::Bit) {
            return Err(self.refuse(expected));
        }
        let Some(bytes) = text_of(self.token.slice(self.text), &self.dialect) else {
            return Err(self.refuse(expected));
        };
        self.bump();
        Ok(bytes)
    }

    pub(super) fn text(&mut self, expected: &'static str) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.literal(expected)?).into_owned())
    }

    pub(super) fn number(&mut self, expected: &'static str) -> Result<u64> {
        let number = (self.token.kind == TokenKind::Number)
            .then(|| std::str::from_utf8(self.token.slice(self.text)).ok()?.parse().ok())
            .flatten()
            .ok_or_else(|| self.refuse(expected))?;
        self.bump();
        Ok(number)
    }

    /// A number in parentheses, if parentheses follow.
    pub(super) fn parenthesised_number(&mut self, expected: &'static str) -> Result<Option<u64>> {
        if !self.eat_symbol(b'(') {
            return Ok(None);
        }
        let number = self.number(expected)?;
        self.expect_symbol(b')', "a closing parenthesis")?;
        Ok(Some(number))
    }

    /// Skips from an opening parenthesis to behind its partner.
    pub(super) fn skip_parentheses(&mut self) -> Result<()> {
        self.expect_symbol(b'(', "an opening parenthesis")?;
        let mut depth = 1_usize;
        while depth > 0 {
            if matches!(self.peek().kind, TokenKind::End | TokenKind::Broken) {
                return Err(self.refuse("a closing parenthesis"));
            }
            depth += usize::from(self.is_symbol(b'('));
            depth -= usize::from(self.is_symbol(b')'));
            self.bump();
        }
        Ok(())
    }

    /// Skips one token, or a pair of parentheses with what is inside.
    pub(super) fn skip_one(&mut self) -> Result<()> {
        if self.is_symbol(b'(') {
            return self.skip_parentheses();
        }
        let ends = [TokenKind::End, TokenKind::Broken, TokenKind::Symbol(b')')];
        if ends.contains(&self.peek().kind) {
            return Err(self.refuse("more of the clause"));
        }
        self.bump();
        Ok(())
    }

    /// Skips to a comma, a closing parenthesis or the end, outside of parentheses.
    pub(super) fn skip_clause(&mut self) -> Result<()> {
        while !self.is_end() && !self.is_symbol(b',') && !self.is_symbol(b')') {
            self.skip_one()?;
        }
        Ok(())
    }

    /// Skips to the end of the statement, through balanced parentheses only.
    pub(super) fn skip_rest(&mut self) -> Result<()> {
        while !self.is_end() {
            self.skip_one()?;
        }
        Ok(())
    }
}
