//! DROP, RENAME and TRUNCATE.

use super::super::statement::{AlterTable, Ddl, KeyAction, SchemaChange};
use super::cursor::Cursor;
use super::{Result, create, database, with_change, without_change};

pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Ddl> {
    let temporary = cursor.eat_word("TEMPORARY");
    cursor.eat_any_word(&["ONLINE", "OFFLINE", "UNDO"]);
    let at_object = cursor.clone();
    let Some(object) = cursor.take_word() else {
        return Err(cursor.refuse("what is dropped"));
    };
    let kind = match &*object {
        "TABLE" | "TABLES" => return drop_tables("DROP TABLE", cursor, temporary),
        "SEQUENCE" => return drop_tables("DROP SEQUENCE", cursor, temporary),
        "DATABASE" | "SCHEMA" => return database::drop(cursor),
        "INDEX" => return drop_index(cursor),
        "VIEW" => {
            cursor.eat_if_exists();
            let mut ddl = without_change("DROP VIEW");
            ddl.tables = cursor.table_names()?;
            return Ok(ddl);
        }
        "TRIGGER" => "DROP TRIGGER",
        "PROCEDURE" => "DROP PROCEDURE",
        "FUNCTION" => "DROP FUNCTION",
        "PACKAGE" => "DROP PACKAGE",
        "LIBRARY" => "DROP LIBRARY",
        "EVENT" => "DROP EVENT",
        "USER" => "DROP USER",
        "ROLE" => "DROP ROLE",
        "SERVER" => "DROP SERVER",
        "TABLESPACE" => "DROP TABLESPACE",
        "LOGFILE" => "DROP LOGFILE GROUP",
        "RESOURCE" => "DROP RESOURCE GROUP",
        "SPATIAL" => "DROP SPATIAL REFERENCE SYSTEM",
        "PREPARE" => "DROP PREPARE",
        _ => return Err(at_object.refuse("what is dropped")),
    };
    Ok(without_change(kind))
}

fn drop_tables(kind: &'static str, cursor: &mut Cursor<'_>, temporary: bool) -> Result<Ddl> {
    cursor.eat_if_exists();
    let names = cursor.table_names()?;
    create::skip_wait(cursor)?;
    cursor.eat_any_word(&["RESTRICT", "CASCADE"]);
    cursor.expect_end()?;
    let change = SchemaChange::DropTables { names: names.clone(), temporary };
    Ok(Ddl { kind, changes: vec![change], tables: names })
}

fn drop_index(cursor: &mut Cursor<'_>) -> Result<Ddl> {
    cursor.eat_if_exists();
    let name = cursor.name("an index's name")?;
    cursor.expect_word("ON")?;
    let table = cursor.table_name()?;
    cursor.skip_rest()?;
    let mut alter = AlterTable::new(table.clone());
    alter.keys.push(KeyAction::Drop { name });
    Ok(with_change("DROP INDEX", &table, SchemaChange::AlterTable(alter)))
}

pub(super) fn read_rename(cursor: &mut Cursor<'_>) -> Result<Ddl> {
    if cursor.eat_word("USER") {
        return Ok(without_change("RENAME USER"));
    }
    if !cursor.eat_any_word(&["TABLE", "TABLES"]) {
        return Err(cursor.refuse("TABLE or USER"));
    }
    cursor.eat_if_exists();
    let mut pairs = Vec::new();
    loop {
        let from = cursor.table_name()?;
        create::skip_wait(cursor)?;
        cursor.expect_word("TO")?;
        pairs.push((from, cursor.table_name()?));
        if !cursor.eat_symbol(b',') {
            break;
        }
    }
    cursor.expect_end()?;
    let tables = pairs.iter().flat_map(|(from, to)| [from.clone(), to.clone()]).collect();
    let changes = vec![SchemaChange::RenameTables(pairs)];
    Ok(Ddl { kind: "RENAME TABLE", changes, tables })
}

pub(super) fn read_truncate(cursor: &mut Cursor<'_>) -> Result<Ddl> {
    cursor.eat_word("TABLE");
    let name = cursor.table_name()?;
    create::skip_wait(cursor)?;
    cursor.eat_any_word(&["DROP", "REUSE"]);
    cursor.skip_rest()?;
    Ok(with_change("TRUNCATE TABLE", &name, SchemaChange::TruncateTable(name.clone())))
}
