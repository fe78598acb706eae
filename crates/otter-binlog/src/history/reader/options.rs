//! The options of a table and its partitions, of which only the charset is kept.

use super::super::statement::CharsetClause;
use super::super::token::TokenKind;
use super::cursor::Cursor;
use super::{Result, charset};

/// The options that change what rows look like.
#[derive(Default)]
pub(super) struct TableOptions {
    pub(super) charset: CharsetClause,
    pub(super) is_versioned: bool,
    pub(super) is_sequence: bool,
}

/// Words that begin a partition's or a select's clause, where no option follows any more.
const NO_OPTION: [&str; 7] = ["PARTITION", "SELECT", "AS", "IGNORE", "REPLACE", "VALUES", "TABLE"];

/// Reads options up to the end, the partitions or the SELECT.
pub(super) fn read_all(cursor: &mut Cursor<'_>, options: &mut TableOptions) -> Result<()> {
    loop {
        cursor.eat_symbol(b',');
        let is_over = cursor.is_end() || cursor.is_symbol(b'(') || cursor.is_any_word(&NO_OPTION);
        if is_over || cursor.is_word("WITH") && !cursor.second_is_word("SYSTEM") {
            return Ok(());
        }
        read_one(cursor, options)?;
    }
}

/// Reads one option.
pub(super) fn read_one(cursor: &mut Cursor<'_>, options: &mut TableOptions) -> Result<()> {
    if cursor.eat_words(&["START", "TRANSACTION"]) {
        return Ok(());
    }
    if cursor.eat_words(&["WITH", "SYSTEM", "VERSIONING"]) {
        options.is_versioned = true;
        return Ok(());
    }
    cursor.eat_word("DEFAULT");
    if charset::read_option(cursor, &mut options.charset)? {
        return Ok(());
    }
    if cursor.is_any_word(&["DATA", "INDEX"]) && cursor.second_is_word("DIRECTORY") {
        cursor.bump();
    }
    // MySQL and MariaDB: options of storage engines are not known by name, but have the same form.
    let is_sequence = cursor.is_word("SEQUENCE");
    cursor.name("an option of a table")?;
    cursor.eat_symbol(b'=');
    cursor.eat_symbol(b'-');
    match cursor.peek().kind {
        TokenKind::Number if is_sequence => options.is_sequence = cursor.number("0 or 1")? == 1,
        TokenKind::Symbol(b'(') => cursor.skip_parentheses()?,
        TokenKind::Word
        | TokenKind::QuotedName
        | TokenKind::Text
        | TokenKind::Hex
        | TokenKind::Bit
        | TokenKind::Number => drop(cursor.bump()),
        TokenKind::Symbol(_) | TokenKind::Broken | TokenKind::End => {
            return Err(cursor.refuse("the value of an option"));
        }
    }
    Ok(())
}

/// Skips `PARTITION BY …` up to the end or the SELECT.
pub(super) fn skip_partitions(cursor: &mut Cursor<'_>) -> Result<()> {
    if !cursor.eat_word("PARTITION") {
        return Ok(());
    }
    cursor.expect_word("BY")?;
    while !cursor.is_end() && !cursor.is_any_word(&["SELECT", "AS", "IGNORE", "REPLACE", "WITH"]) {
        cursor.skip_one()?;
    }
    Ok(())
}
