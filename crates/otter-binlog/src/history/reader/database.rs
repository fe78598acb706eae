//! CREATE, ALTER and DROP DATABASE.

use super::super::statement::{CharsetClause, Ddl, SchemaChange};
use super::super::token::TokenKind;
use super::cursor::Cursor;
use super::{Result, charset};

pub(super) fn create(cursor: &mut Cursor<'_>) -> Result<Ddl> {
    let if_not_exists = cursor.eat_if_not_exists();
    let name = cursor.name("a database's name")?;
    let charset = read_options(cursor)?;
    let change = SchemaChange::CreateDatabase { name, if_not_exists, charset };
    Ok(Ddl { kind: "CREATE DATABASE", changes: vec![change], tables: Vec::new() })
}

pub(super) fn alter(cursor: &mut Cursor<'_>) -> Result<Ddl> {
    let name = if begins_option(cursor) { None } else { Some(cursor.name("a database's name")?) };
    let charset = read_options(cursor)?;
    let change = SchemaChange::AlterDatabase { name, charset };
    Ok(Ddl { kind: "ALTER DATABASE", changes: vec![change], tables: Vec::new() })
}

pub(super) fn drop(cursor: &mut Cursor<'_>) -> Result<Ddl> {
    cursor.eat_if_exists();
    let name = cursor.name("a database's name")?;
    cursor.expect_end()?;
    let change = SchemaChange::DropDatabase { name };
    Ok(Ddl { kind: "DROP DATABASE", changes: vec![change], tables: Vec::new() })
}

/// Whether ALTER DATABASE goes on with an option, and so names no database.
fn begins_option(cursor: &Cursor<'_>) -> bool {
    if cursor.is_any_word(&["CHARACTER", "CHAR", "COLLATE", "DEFAULT", "READ"]) {
        return true;
    }
    // These words may also be the name of a database, which an option must follow.
    let is_option = cursor.is_any_word(&["CHARSET", "ENCRYPTION", "COMMENT"]);
    let options =
        ["CHARACTER", "CHARSET", "CHAR", "COLLATE", "DEFAULT", "READ", "ENCRYPTION", "COMMENT"];
    is_option
        && (cursor.peek_second().kind == TokenKind::Symbol(b'=')
            || !cursor.second_is_any_word(&options))
}

fn read_options(cursor: &mut Cursor<'_>) -> Result<CharsetClause> {
    let mut clause = CharsetClause::default();
    while !cursor.is_end() {
        cursor.eat_word("DEFAULT");
        if charset::read_option(cursor, &mut clause)? {
            continue;
        }
        if cursor.eat_words(&["UPGRADE", "DATA", "DIRECTORY", "NAME"]) {
            continue;
        }
        if cursor.eat_words(&["READ", "ONLY"]) || cursor.eat_any_word(&["ENCRYPTION", "COMMENT"]) {
            cursor.eat_symbol(b'=');
            cursor.skip_one()?;
            continue;
        }
        return Err(cursor.refuse("an option of a database"));
    }
    Ok(clause)
}
