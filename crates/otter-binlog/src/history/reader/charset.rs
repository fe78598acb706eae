//! Character sets and collations, as options of tables and databases and as attributes of columns.

use std::sync::Arc;

use super::super::statement::{CharsetClause, CharsetName};
use super::Result;
use super::cursor::Cursor;

/// Reads `CHARACTER SET [=] x` or `COLLATE [=] x` into the clause, if one follows.
pub(super) fn read_option(cursor: &mut Cursor<'_>, clause: &mut CharsetClause) -> Result<bool> {
    if eat_charset_words(cursor) {
        cursor.eat_symbol(b'=');
        clause.charset = Some(read_name(cursor)?);
        // A charset means its own collation, whatever was said before it.
        return Ok(true);
    }
    if cursor.eat_word("COLLATE") {
        cursor.eat_symbol(b'=');
        clause.collation = read_collation(cursor)?;
        return Ok(true);
    }
    Ok(false)
}

/// Eats `CHARACTER SET`, `CHAR SET` or `CHARSET`.
pub(super) fn eat_charset_words(cursor: &mut Cursor<'_>) -> bool {
    cursor.eat_words(&["CHARACTER", "SET"])
        || cursor.eat_words(&["CHAR", "SET"])
        || cursor.eat_word("CHARSET")
}

pub(super) fn read_name(cursor: &mut Cursor<'_>) -> Result<CharsetName> {
    if cursor.eat_word("DEFAULT") {
        return Ok(CharsetName::Default);
    }
    Ok(CharsetName::Named(cursor.name_or_text("a character set")?))
}

fn read_collation(cursor: &mut Cursor<'_>) -> Result<Option<Arc<str>>> {
    if cursor.eat_word("DEFAULT") {
        return Ok(None);
    }
    cursor.name_or_text("a collation").map(Some)
}

/// Reads an attribute that says the charset of a column, if one follows.
pub(super) fn read_attribute(cursor: &mut Cursor<'_>, clause: &mut CharsetClause) -> Result<bool> {
    if cursor.eat_word("ASCII") {
        clause.charset = Some(CharsetName::Named("latin1".into()));
    } else if cursor.eat_word("UNICODE") {
        clause.charset = Some(CharsetName::Named("ucs2".into()));
    } else if cursor.eat_word("BYTE") {
        clause.charset = Some(CharsetName::Named("binary".into()));
    } else if cursor.eat_word("BINARY") {
        clause.binary = true;
    } else {
        return read_option(cursor, clause);
    }
    Ok(true)
}
