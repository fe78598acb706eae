//! Reading names behind keywords.

use std::ops::Range;

use super::tokens::{Token, Tokens};
use crate::schema::charset::to_utf8;

/// A table's name as the statement gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QualifiedName {
    /// `None` means the session's default database.
    pub(crate) database: Option<String>,
    pub(crate) table: String,
}

/// Tokens with one of look-ahead, and words for what is read.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    tokens: Tokens<'a>,
    next: Option<Token<'a>>,
    /// Where `next` was looked for.
    next_offset: usize,
    /// Where `next` begins.
    next_begin: usize,
    charset: &'a str,
    /// Every table's name that was read, with its place in the text.
    read: Vec<(Range<usize>, QualifiedName)>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(mut tokens: Tokens<'a>, charset: &'a str) -> Self {
        let next_offset = tokens.offset();
        let next = tokens.next();
        let next_begin = tokens.begin();
        Self { tokens, next, next_offset, next_begin, charset, read: Vec::new() }
    }

    /// The token that comes next; `None` at the end.
    pub(crate) fn peek(&self) -> Option<&Token<'a>> {
        self.next.as_ref()
    }

    /// Where the next token begins, or the blanks before it.
    pub(crate) fn offset(&self) -> usize {
        self.next_offset
    }

    pub(crate) fn bump(&mut self) -> Option<Token<'a>> {
        self.next_offset = self.tokens.offset();
        let taken = std::mem::replace(&mut self.next, self.tokens.next());
        self.next_begin = self.tokens.begin();
        taken
    }

    /// Takes the keyword if it comes next.
    pub(crate) fn take(&mut self, keyword: &str) -> bool {
        let is_next = self.peek().is_some_and(|token| token.is(keyword));
        if is_next {
            self.bump();
        }
        is_next
    }

    /// Takes one of the keywords if it comes next.
    pub(crate) fn take_one(&mut self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.take(keyword))
    }

    /// Takes any of the keywords, as often as they come, and tells whether one did.
    pub(crate) fn take_any(&mut self, keywords: &[&str]) -> bool {
        let mut any = false;
        while keywords.iter().any(|keyword| self.take(keyword)) {
            any = true;
        }
        any
    }

    pub(crate) fn take_symbol(&mut self, symbol: u8) -> bool {
        let is_next = self.peek() == Some(&Token::Symbol(symbol));
        if is_next {
            self.bump();
        }
        is_next
    }

    /// A single name.
    pub(crate) fn name(&mut self) -> Option<String> {
        let bytes: Vec<u8> = match self.peek()? {
            Token::Word(word) => word.to_vec(),
            Token::Name(name) => name.to_vec(),
            Token::Text | Token::Symbol(_) => return None,
        };
        self.bump();
        let lossy = || String::from_utf8_lossy(&bytes).into_owned();
        Some(to_utf8(self.charset, &bytes).unwrap_or_else(lossy))
    }

    /// The tables' names that were read, with their places in the text.
    pub(crate) fn into_read(self) -> Vec<(Range<usize>, QualifiedName)> {
        self.read
    }

    /// A table's name, with or without its database.
    pub(crate) fn table(&mut self) -> Option<QualifiedName> {
        let begin = self.next_begin;
        let table = self.table_here()?;
        // The look-ahead began where the name ended.
        self.read.push((begin..self.next_offset, table.clone()));
        Some(table)
    }

    fn table_here(&mut self) -> Option<QualifiedName> {
        // `.name` means the default database.
        let leading_point = self.take_symbol(b'.');
        let first = self.name()?;
        if leading_point || !self.take_symbol(b'.') {
            return Some(QualifiedName { database: None, table: first });
        }
        Some(QualifiedName { database: Some(first), table: self.name()? })
    }

    /// Names with commas between them; `None` where one cannot be read.
    pub(crate) fn tables(&mut self) -> Option<Vec<QualifiedName>> {
        let mut tables = vec![self.table()?];
        while self.take_symbol(b',') {
            tables.push(self.table()?);
        }
        Some(tables)
    }

    /// Moves behind the keyword; false where it does not come.
    pub(crate) fn skip_past(&mut self, keyword: &str) -> bool {
        while self.peek().is_some() {
            if self.take(keyword) {
                return true;
            }
            self.bump();
        }
        false
    }
}
