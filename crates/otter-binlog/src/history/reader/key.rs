//! Keys: PRIMARY, UNIQUE, indexes, and the index that a foreign key brings along.

use std::sync::Arc;

use super::super::statement::{KeyDefinition, KeyKind, KeyPart};
use super::super::token::TokenKind;
use super::Result;
use super::cursor::Cursor;

/// Whether an element that is no column begins here.
pub(super) fn begins_here(cursor: &Cursor<'_>) -> bool {
    let words = [
        "PRIMARY",
        "UNIQUE",
        "KEY",
        "INDEX",
        "FULLTEXT",
        "SPATIAL",
        "FOREIGN",
        "CONSTRAINT",
        "CHECK",
    ];
    cursor.is_any_word(&words)
        || cursor.is_word("VECTOR") && cursor.second_is_any_word(&["KEY", "INDEX"])
}

/// Reads a key or constraint; `None` for one that is no key.
pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Option<KeyDefinition>> {
    let mut constraint = None;
    let mut if_not_exists = false;
    if cursor.eat_word("CONSTRAINT") {
        if_not_exists = cursor.eat_if_not_exists();
        if !cursor.is_any_word(&["PRIMARY", "UNIQUE", "FOREIGN", "CHECK"]) {
            constraint = Some(cursor.name("a constraint's name")?);
        }
    }
    if cursor.eat_word("CHECK") {
        cursor.skip_parentheses()?;
        cursor.skip_clause()?;
        return Ok(None);
    }
    let kind = if cursor.eat_word("PRIMARY") {
        cursor.expect_word("KEY")?;
        KeyKind::Primary
    } else if cursor.eat_word("UNIQUE") {
        cursor.eat_any_word(&["KEY", "INDEX"]);
        KeyKind::Unique
    } else if cursor.eat_any_word(&["FULLTEXT", "SPATIAL", "VECTOR"]) {
        cursor.eat_any_word(&["KEY", "INDEX"]);
        KeyKind::Special
    } else if cursor.eat_word("FOREIGN") {
        cursor.expect_word("KEY")?;
        KeyKind::Foreign
    } else if cursor.eat_any_word(&["KEY", "INDEX"]) {
        KeyKind::Index
    } else {
        return Err(cursor.refuse("a key"));
    };
    if_not_exists |= cursor.eat_if_not_exists();
    let name = read_name(cursor)?;
    let name = match kind {
        KeyKind::Primary => None,
        // The index of a foreign key is named by the constraint first, a unique key last.
        KeyKind::Foreign => constraint.or(name),
        KeyKind::Unique | KeyKind::Index | KeyKind::Special => name.or(constraint),
    };
    let mut key = read_parts(name, kind, cursor)?;
    key.if_not_exists = if_not_exists;
    if kind == KeyKind::Foreign {
        skip_references(cursor)?;
    } else {
        cursor.skip_clause()?;
    }
    Ok(Some(key))
}

/// The name before the parts, and a type of index that may follow or replace it.
fn read_name(cursor: &mut Cursor<'_>) -> Result<Option<Arc<str>>> {
    let is_type = |cursor: &Cursor<'_>| {
        cursor.is_any_word(&["USING", "TYPE"])
            && cursor.second_is_any_word(&["BTREE", "HASH", "RTREE"])
    };
    let mut name = None;
    if !cursor.is_symbol(b'(') && !is_type(cursor) {
        name = Some(cursor.name("a key's name or its parts")?);
    }
    if is_type(cursor) {
        cursor.bump();
        cursor.bump();
    }
    Ok(name)
}

/// Reads the parts in parentheses.
pub(super) fn read_parts(
    name: Option<Arc<str>>,
    kind: KeyKind,
    cursor: &mut Cursor<'_>,
) -> Result<KeyDefinition> {
    let mut parts = Vec::new();
    cursor.expect_symbol(b'(', "the parts of a key")?;
    loop {
        if cursor.second_is_word("WITHOUT") {
            // MariaDB: `period WITHOUT OVERLAPS` is no column.
            cursor.skip_clause()?;
        } else {
            parts.push(read_part(cursor)?);
        }
        if !cursor.eat_symbol(b',') {
            break;
        }
    }
    cursor.expect_symbol(b')', "a comma or a closing parenthesis")?;
    Ok(KeyDefinition { name, kind, parts, if_not_exists: false })
}

fn read_part(cursor: &mut Cursor<'_>) -> Result<KeyPart> {
    let part = if cursor.is_symbol(b'(') {
        cursor.skip_parentheses()?;
        KeyPart { column: None, prefix: None }
    } else {
        let column = cursor.name("a column's name")?;
        let prefix = cursor.parenthesised_number("the length of a prefix")?;
        let prefix = prefix.map(|length| u32::try_from(length).unwrap_or(u32::MAX));
        KeyPart { column: Some(column), prefix }
    };
    cursor.eat_any_word(&["ASC", "DESC"]);
    Ok(part)
}

/// Skips `REFERENCES t (a) MATCH FULL ON DELETE SET NULL ON UPDATE CASCADE`.
pub(super) fn skip_references(cursor: &mut Cursor<'_>) -> Result<()> {
    cursor.expect_word("REFERENCES")?;
    cursor.table_name()?;
    if cursor.is_symbol(b'(') {
        cursor.skip_parentheses()?;
    }
    loop {
        if cursor.eat_word("MATCH") {
            cursor.skip_one()?;
        } else if cursor.is_word("ON") && cursor.second_is_any_word(&["DELETE", "UPDATE"]) {
            cursor.bump();
            cursor.bump();
            if !cursor.eat_words(&["SET", "NULL"])
                && !cursor.eat_words(&["SET", "DEFAULT"])
                && !cursor.eat_words(&["NO", "ACTION"])
                && !cursor.eat_any_word(&["RESTRICT", "CASCADE"])
            {
                return Err(cursor.refuse("what a foreign key does"));
            }
        } else {
            return Ok(());
        }
    }
}

/// The key that a column's own definition asks for.
pub(super) fn of_column(column: &Arc<str>, kind: KeyKind) -> KeyDefinition {
    let part = KeyPart { column: Some(Arc::clone(column)), prefix: None };
    KeyDefinition { name: None, kind, parts: vec![part], if_not_exists: false }
}

impl Cursor<'_> {
    /// Whether a text, a number or another literal is next.
    pub(super) fn is_literal(&self) -> bool {
        matches!(
            self.peek().kind,
            TokenKind::Text | TokenKind::Hex | TokenKind::Bit | TokenKind::Number
        )
    }
}
