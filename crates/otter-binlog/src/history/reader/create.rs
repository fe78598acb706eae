//! CREATE: finds out what is created, behind all that may stand before it.

use super::super::statement::{AlterTable, Ddl, KeyAction, KeyKind, SchemaChange};
use super::super::token::TokenKind;
use super::cursor::Cursor;
use super::{Result, create_table, database, key, with_change, without_change};

/// What may stand between CREATE and the word for what is created.
#[derive(Default)]
pub(super) struct Prefix {
    pub(super) or_replace: bool,
    pub(super) temporary: bool,
    key: Option<KeyKind>,
}

pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Ddl> {
    let prefix = read_prefix(cursor)?;
    let at_object = cursor.clone();
    let Some(object) = cursor.take_word() else {
        return Err(cursor.refuse("what is created"));
    };
    let kind = match &*object {
        "TABLE" => return create_table::read(cursor, &prefix),
        "DATABASE" | "SCHEMA" => return database::create(cursor),
        "INDEX" => return create_index(cursor, &prefix),
        "SEQUENCE" => return create_sequence(cursor, prefix.temporary),
        "VIEW" => {
            cursor.eat_if_not_exists();
            let mut ddl = without_change("CREATE VIEW");
            ddl.tables.push(cursor.table_name()?);
            return Ok(ddl);
        }
        "TRIGGER" => return create_trigger(cursor),
        "PROCEDURE" => "CREATE PROCEDURE",
        "FUNCTION" => "CREATE FUNCTION",
        "PACKAGE" => "CREATE PACKAGE",
        "LIBRARY" => "CREATE LIBRARY",
        "EVENT" => "CREATE EVENT",
        "USER" => "CREATE USER",
        "ROLE" => "CREATE ROLE",
        "SERVER" => "CREATE SERVER",
        "TABLESPACE" => "CREATE TABLESPACE",
        "LOGFILE" => "CREATE LOGFILE GROUP",
        "RESOURCE" => "CREATE RESOURCE GROUP",
        "REFERENCE" => "CREATE SPATIAL REFERENCE SYSTEM",
        _ => return Err(at_object.refuse("what is created")),
    };
    Ok(without_change(kind))
}

fn read_prefix(cursor: &mut Cursor<'_>) -> Result<Prefix> {
    let mut prefix = Prefix::default();
    loop {
        if cursor.eat_words(&["OR", "REPLACE"]) {
            prefix.or_replace = true;
        } else if cursor.eat_word("TEMPORARY") {
            prefix.temporary = true;
        } else if cursor.eat_word("UNIQUE") {
            prefix.key = Some(KeyKind::Unique);
        } else if cursor.eat_any_word(&["FULLTEXT", "SPATIAL", "VECTOR"]) {
            prefix.key = Some(KeyKind::Special);
        } else if cursor.eat_word("DEFINER") {
            cursor.eat_symbol(b'=');
            skip_account(cursor)?;
        } else if cursor.eat_word("ALGORITHM") {
            cursor.eat_symbol(b'=');
            cursor.skip_one()?;
        } else if cursor.eat_words(&["SQL", "SECURITY"]) {
            cursor.skip_one()?;
        } else if !cursor.eat_any_word(&[
            "AGGREGATE",
            "ONLINE",
            "OFFLINE",
            "UNDO",
            "EXTERNAL",
            "JSON",
            "RELATIONAL",
            "DUALITY",
            "MATERIALIZED",
            "NO",
            "FORCE",
        ]) {
            return Ok(prefix);
        }
    }
}

/// Skips `user`, `'user'@'host'` or `CURRENT_USER()`; a host may be unquoted, as in `127.0.0.1`.
pub(super) fn skip_account(cursor: &mut Cursor<'_>) -> Result<()> {
    if !cursor.is_name() && cursor.peek().kind != TokenKind::Text {
        return Err(cursor.refuse("an account"));
    }
    let mut end = cursor.bump().end;
    if cursor.is_symbol(b'(') {
        return cursor.skip_parentheses();
    }
    if cursor.is_symbol(b'@') {
        end = cursor.bump().end;
        if cursor.peek().start != end {
            return cursor.skip_one();
        }
    }
    while cursor.peek().start == end && !cursor.is_end() {
        end = cursor.peek().end;
        cursor.skip_one()?;
    }
    Ok(())
}

fn create_index(cursor: &mut Cursor<'_>, prefix: &Prefix) -> Result<Ddl> {
    let if_not_exists = cursor.eat_if_not_exists();
    let name = cursor.name("an index's name")?;
    while !cursor.is_word("ON") {
        cursor.skip_one()?;
    }
    cursor.expect_word("ON")?;
    let table = cursor.table_name()?;
    skip_wait(cursor)?;
    let mut key = key::read_parts(Some(name), prefix.key.unwrap_or(KeyKind::Index), cursor)?;
    key.if_not_exists = if_not_exists;
    cursor.skip_rest()?;
    let mut alter = AlterTable::new(table.clone());
    alter.keys.push(KeyAction::Add { key, or_replace: prefix.or_replace });
    Ok(with_change("CREATE INDEX", &table, SchemaChange::AlterTable(alter)))
}

fn create_sequence(cursor: &mut Cursor<'_>, temporary: bool) -> Result<Ddl> {
    let if_not_exists = cursor.eat_if_not_exists();
    let name = cursor.table_name()?;
    cursor.skip_rest()?;
    if temporary {
        return Ok(without_change("CREATE SEQUENCE"));
    }
    let change = SchemaChange::CreateSequence { name: name.clone(), if_not_exists };
    Ok(with_change("CREATE SEQUENCE", &name, change))
}

/// `name BEFORE INSERT ON table FOR EACH ROW …`: the table is what it is about.
fn create_trigger(cursor: &mut Cursor<'_>) -> Result<Ddl> {
    cursor.eat_if_not_exists();
    let trigger = cursor.table_name()?;
    while !cursor.is_word("ON") {
        cursor.skip_one()?;
    }
    cursor.expect_word("ON")?;
    let mut table = cursor.table_name()?;
    // A trigger lives in its table's database, so either name may give it.
    table.database = table.database.or(trigger.database);
    let mut ddl = without_change("CREATE TRIGGER");
    ddl.tables.push(table);
    Ok(ddl)
}

/// MariaDB's `WAIT 5` and `NOWAIT` behind a table's name.
pub(super) fn skip_wait(cursor: &mut Cursor<'_>) -> Result<()> {
    if cursor.eat_word("WAIT") {
        cursor.number("seconds")?;
    } else {
        cursor.eat_word("NOWAIT");
    }
    Ok(())
}
