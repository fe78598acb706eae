//! What may follow a column's type, in any order.

use super::super::statement::{Generated, KeyKind};
use super::super::token::TokenKind;
use super::column::ColumnReading;
use super::cursor::Cursor;
use super::{Result, charset, key};
use crate::connection::Flavor;

/// Reads attributes up to something that is none.
pub(super) fn read(cursor: &mut Cursor<'_>, reading: &mut ColumnReading) -> Result<()> {
    loop {
        let is_attribute = charset::read_attribute(cursor, &mut reading.definition.charset)?
            || read_nullability(cursor, reading)?
            || read_value(cursor, reading)?
            || read_key(cursor, reading)?
            || read_storage(cursor, reading)?;
        if !is_attribute {
            break;
        }
    }
    // MariaDB: a column that is the primary key is not made unique once more.
    let is_primary = reading.keys.iter().any(|key| key.kind == KeyKind::Primary);
    if is_primary && cursor.dialect().flavor == Flavor::MariaDb {
        reading.keys.retain(|key| key.kind != KeyKind::Unique);
    }
    Ok(())
}

fn read_nullability(cursor: &mut Cursor<'_>, reading: &mut ColumnReading) -> Result<bool> {
    if cursor.eat_word("NULL") {
        reading.definition.nullable = Some(true);
    } else if cursor.eat_word("NOT") {
        if cursor.eat_word("NULL") {
            reading.definition.nullable = Some(false);
        } else if !cursor.eat_any_word(&["SECONDARY", "ENFORCED"]) {
            return Err(cursor.refuse("NULL"));
        }
    } else {
        return Ok(false);
    }
    Ok(true)
}

/// Where the column's value comes from.
fn read_value(cursor: &mut Cursor<'_>, reading: &mut ColumnReading) -> Result<bool> {
    let column = &mut reading.definition;
    if cursor.eat_word("DEFAULT") {
        skip_default(cursor)?;
    } else if cursor.is_word("ON") && cursor.second_is_word("UPDATE") {
        cursor.bump();
        cursor.bump();
        skip_operand(cursor)?;
    } else if cursor.eat_word("AUTO_INCREMENT") {
        column.auto_increment = true;
        column.nullable = Some(false);
    } else if cursor.eat_words(&["SERIAL", "DEFAULT", "VALUE"]) {
        column.auto_increment = true;
        column.nullable = Some(false);
        reading.ask_for(KeyKind::Unique);
    } else if cursor.eat_words(&["GENERATED", "ALWAYS", "AS"]) || cursor.eat_word("AS") {
        if cursor.eat_words(&["ROW", "START"]) || cursor.eat_words(&["ROW", "END"]) {
            column.generated = Some(Generated::RowTime);
            column.nullable = Some(false);
        } else {
            cursor.skip_parentheses()?;
            column.generated = Some(Generated::Virtual);
        }
    } else if cursor.eat_word("VIRTUAL") {
        column.generated = Some(Generated::Virtual);
    } else if cursor.eat_any_word(&["STORED", "PERSISTENT"]) {
        column.generated = Some(Generated::Stored);
    } else {
        return Ok(false);
    }
    Ok(true)
}

fn read_key(cursor: &mut Cursor<'_>, reading: &mut ColumnReading) -> Result<bool> {
    if cursor.eat_words(&["PRIMARY", "KEY"]) || cursor.eat_word("KEY") {
        reading.ask_for(KeyKind::Primary);
    } else if cursor.eat_word("UNIQUE") {
        cursor.eat_word("KEY");
        reading.ask_for(KeyKind::Unique);
    } else if cursor.is_word("CONSTRAINT") {
        return read_constraint(cursor, reading);
    } else if cursor.eat_word("CHECK") {
        cursor.skip_parentheses()?;
    } else if cursor.eat_word("ENFORCED") {
    } else if cursor.is_word("REFERENCES") {
        key::skip_references(cursor)?;
        ask_for_foreign(cursor, reading);
    } else {
        return Ok(false);
    }
    Ok(true)
}

fn read_constraint(cursor: &mut Cursor<'_>, reading: &mut ColumnReading) -> Result<bool> {
    cursor.expect_word("CONSTRAINT")?;
    let mut name = None;
    if !cursor.is_any_word(&["CHECK", "REFERENCES"]) {
        name = Some(cursor.name("a constraint's name")?);
    }
    if cursor.eat_word("CHECK") {
        cursor.skip_parentheses()?;
        return Ok(true);
    }
    key::skip_references(cursor)?;
    ask_for_foreign(cursor, reading);
    if let Some(key) = reading.keys.last_mut().filter(|key| key.kind == KeyKind::Foreign) {
        key.name = name;
    }
    Ok(true)
}

/// Older servers read REFERENCES behind a column and forget it.
fn ask_for_foreign(cursor: &Cursor<'_>, reading: &mut ColumnReading) {
    let is_heeded = match cursor.dialect().flavor {
        Flavor::MySql => cursor.dialect().version >= 90_000,
        Flavor::MariaDb => cursor.dialect().version >= 100_500,
    };
    if is_heeded {
        reading.ask_for(KeyKind::Foreign);
    }
}

/// How the column is kept and shown.
fn read_storage(cursor: &mut Cursor<'_>, reading: &mut ColumnReading) -> Result<bool> {
    let column = &mut reading.definition;
    if cursor.eat_word("INVISIBLE") {
        column.invisible = true;
    } else if cursor.eat_word("VISIBLE") {
        column.invisible = false;
    } else if cursor.eat_word("COMMENT") {
        cursor.eat_symbol(b'=');
        cursor.literal("a comment")?;
    } else if cursor.eat_any_word(&["COLUMN_FORMAT", "STORAGE", "SRID"]) {
        cursor.skip_one()?;
    } else if cursor.eat_word("COMPRESSED") {
        column.compressed = true;
        if cursor.eat_symbol(b'=') {
            cursor.skip_one()?;
        }
    } else if cursor.eat_words(&["WITH", "SYSTEM", "VERSIONING"]) {
        reading.is_versioned = true;
    } else if cursor.eat_words(&["WITHOUT", "SYSTEM", "VERSIONING"]) {
    } else if cursor.eat_any_word(&["ENGINE_ATTRIBUTE", "SECONDARY_ENGINE_ATTRIBUTE"])
        || cursor.is_name() && cursor.peek_second().kind == TokenKind::Symbol(b'=')
    {
        // Also MariaDB's attributes of storage engines: any name, but always with `=`.
        cursor.eat_word("REF_SYSTEM_ID");
        if !cursor.is_symbol(b'=') && !cursor.is_literal() {
            cursor.bump();
        }
        cursor.eat_symbol(b'=');
        cursor.skip_one()?;
    } else {
        return Ok(false);
    }
    Ok(true)
}

/// Skips a default: a literal, a function, or an expression of such.
fn skip_default(cursor: &mut Cursor<'_>) -> Result<()> {
    skip_operand(cursor)?;
    while matches!(
        cursor.peek().kind,
        TokenKind::Symbol(b'+' | b'-' | b'*' | b'/' | b'%' | b'|' | b'&' | b'^')
    ) {
        cursor.bump();
        skip_operand(cursor)?;
    }
    Ok(())
}

fn skip_operand(cursor: &mut Cursor<'_>) -> Result<()> {
    while cursor.eat_symbol(b'-') || cursor.eat_symbol(b'+') || cursor.eat_symbol(b'~') {}
    if cursor.is_symbol(b'(') {
        return cursor.skip_parentheses();
    }
    if cursor.is_literal() {
        cursor.bump();
        // Texts that follow each other are one.
        while cursor.peek().kind == TokenKind::Text {
            cursor.bump();
        }
        return Ok(());
    }
    cursor.eat_words(&["NEXT", "VALUE", "FOR"]);
    cursor.name("a default")?;
    while cursor.eat_symbol(b'.') {
        cursor.name("the rest of a name")?;
    }
    if cursor.is_symbol(b'(') {
        return cursor.skip_parentheses();
    }
    // `_utf8'x'`, `DATE '2001-01-01'`.
    while matches!(cursor.peek().kind, TokenKind::Text | TokenKind::Hex | TokenKind::Bit) {
        cursor.bump();
    }
    Ok(())
}
