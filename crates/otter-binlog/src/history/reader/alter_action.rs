//! One change in the list of ALTER TABLE.

use std::sync::Arc;

use super::super::statement::{
    CharsetClause, ColumnAction, Element, KeyAction, PartitionMove, Place,
};
use super::Result;
use super::alter::AlterDraft;
use super::charset;
use super::column;
use super::create_table::{self, ElementList};
use super::cursor::Cursor;
use super::key;

/// Words behind which only partitions are concerned, up to the end.
const ON_PARTITIONS: [&str; 10] = [
    "ADD",
    "DROP",
    "TRUNCATE",
    "COALESCE",
    "REORGANIZE",
    "REBUILD",
    "OPTIMIZE",
    "ANALYZE",
    "CHECK",
    "REPAIR",
];

pub(super) fn read(cursor: &mut Cursor<'_>, draft: &mut AlterDraft) -> Result<()> {
    if cursor.is_any_word(&ON_PARTITIONS) && cursor.second_is_word("PARTITION") {
        return cursor.skip_rest();
    }
    if cursor.is_word("PARTITION")
        || cursor.is_any_word(&["DISCARD", "IMPORT"])
            && cursor.second_is_any_word(&["PARTITION", "TABLESPACE"])
    {
        return cursor.skip_rest();
    }
    if cursor.eat_word("ADD") {
        read_add(cursor, draft)
    } else if cursor.eat_word("DROP") {
        read_drop(cursor, draft)
    } else if cursor.eat_word("MODIFY") {
        read_modify(cursor, draft)
    } else if cursor.eat_word("CHANGE") {
        read_change(cursor, draft)
    } else if cursor.eat_word("ALTER") {
        read_alter(cursor, draft)
    } else if cursor.eat_word("RENAME") {
        read_rename(cursor, draft)
    } else if cursor.eat_word("CONVERT") {
        read_convert(cursor, draft)
    } else if cursor.eat_words(&["EXCHANGE", "PARTITION"]) {
        cursor.name("a partition's name")?;
        cursor.expect_word("WITH")?;
        cursor.expect_word("TABLE")?;
        draft.others.push(cursor.table_name()?);
        cursor.skip_clause()
    } else if cursor.eat_words(&["ORDER", "BY"]) {
        skip_order(cursor)
    } else if cursor.eat_any_word(&["FORCE", "SECONDARY_LOAD", "SECONDARY_UNLOAD"])
        || cursor.eat_words(&["ENABLE", "KEYS"])
        || cursor.eat_words(&["DISABLE", "KEYS"])
        || cursor.eat_words(&["REMOVE", "PARTITIONING"])
        || cursor.eat_words(&["UPGRADE", "PARTITIONING"])
        || cursor.eat_words(&["WITH", "VALIDATION"])
        || cursor.eat_words(&["WITHOUT", "VALIDATION"])
    {
        Ok(())
    } else {
        draft.read_option(cursor)
    }
}

fn read_add(cursor: &mut Cursor<'_>, draft: &mut AlterDraft) -> Result<()> {
    if cursor.eat_words(&["SYSTEM", "VERSIONING"]) {
        draft.alter.versioning = Some(true);
        return Ok(());
    }
    if create_table::begins_period(cursor) {
        let (begin, end, is_system) = create_table::read_period_columns(cursor)?;
        if !is_system {
            draft.alter.keys.push(KeyAction::AddPeriod(begin, end));
        }
        return Ok(());
    }
    if key::begins_here(cursor) {
        if let Some(key) = key::read(cursor)? {
            draft.add_key(key);
        }
        return Ok(());
    }
    cursor.eat_word("COLUMN");
    let if_not_exists = cursor.eat_if_not_exists();
    if cursor.eat_symbol(b'(') {
        let mut elements = ElementList::default();
        elements.read(cursor)?;
        cursor.expect_symbol(b')', "a comma or a closing parenthesis")?;
        add_elements(elements, if_not_exists, draft);
        return Ok(());
    }
    let column = column::read(cursor)?;
    draft.options.is_versioned |= column.is_versioned;
    let place = read_place(cursor)?;
    let definition = column.definition;
    draft.alter.columns.push(ColumnAction::Add { column: definition, place, if_not_exists });
    for mut key in column.keys {
        // MariaDB: what the column says, goes for the keys in its definition.
        key.if_not_exists |= if_not_exists;
        draft.add_key(key);
    }
    Ok(())
}

fn add_elements(elements: ElementList, if_not_exists: bool, draft: &mut AlterDraft) {
    draft.options.is_versioned |= elements.is_versioned;
    for element in elements.elements {
        match element {
            Element::Column(column) => {
                let place = Place::Last;
                draft.alter.columns.push(ColumnAction::Add { column, place, if_not_exists });
            }
            Element::Key(mut key) => {
                key.if_not_exists |= if_not_exists;
                draft.add_key(key);
            }
            Element::Period(begin, end) => {
                draft.alter.keys.push(KeyAction::AddPeriod(begin, end));
            }
        }
    }
}

fn read_place(cursor: &mut Cursor<'_>) -> Result<Place> {
    if cursor.eat_word("FIRST") {
        return Ok(Place::First);
    }
    if cursor.eat_word("AFTER") {
        return cursor.column_name().map(Place::After);
    }
    Ok(Place::Last)
}

fn read_drop(cursor: &mut Cursor<'_>, draft: &mut AlterDraft) -> Result<()> {
    if cursor.eat_words(&["SYSTEM", "VERSIONING"]) {
        draft.alter.versioning = Some(false);
    } else if create_table::begins_period(cursor) {
        cursor.bump();
        cursor.eat_if_exists();
        cursor.expect_word("FOR")?;
        cursor.name("a period's name")?;
    } else if cursor.eat_words(&["PRIMARY", "KEY"]) {
        draft.alter.keys.push(KeyAction::Drop { name: "PRIMARY".into() });
    } else if cursor.eat_words(&["FOREIGN", "KEY"]) || cursor.eat_word("CHECK") {
        cursor.eat_if_exists();
        cursor.name("a constraint's name")?;
    } else if cursor.eat_any_word(&["KEY", "INDEX"]) {
        cursor.eat_if_exists();
        let name = cursor.name("a key's name")?;
        draft.alter.keys.push(KeyAction::Drop { name });
    } else if cursor.eat_word("CONSTRAINT") {
        cursor.eat_if_exists();
        let name = cursor.name("a constraint's name")?;
        draft.alter.keys.push(KeyAction::DropConstraint { name });
    } else {
        cursor.eat_word("COLUMN");
        let if_exists = cursor.eat_if_exists();
        let name = cursor.column_name()?;
        draft.alter.columns.push(ColumnAction::Drop { name, if_exists });
        cursor.eat_any_word(&["RESTRICT", "CASCADE"]);
    }
    Ok(())
}

fn read_modify(cursor: &mut Cursor<'_>, draft: &mut AlterDraft) -> Result<()> {
    cursor.eat_word("COLUMN");
    let if_exists = cursor.eat_if_exists();
    let name = cursor.column_name()?;
    read_changed(Arc::clone(&name), name, if_exists, cursor, draft)
}

fn read_change(cursor: &mut Cursor<'_>, draft: &mut AlterDraft) -> Result<()> {
    cursor.eat_word("COLUMN");
    let if_exists = cursor.eat_if_exists();
    let before = cursor.column_name()?;
    let after = cursor.column_name()?;
    read_changed(before, after, if_exists, cursor, draft)
}

fn read_changed(
    before: Arc<str>,
    after: Arc<str>,
    if_exists: bool,
    cursor: &mut Cursor<'_>,
    draft: &mut AlterDraft,
) -> Result<()> {
    let column = column::read_named(after, cursor)?;
    let place = read_place(cursor)?;
    let definition = column.definition;
    let action = ColumnAction::Change { name: before, column: definition, place, if_exists };
    draft.alter.columns.push(action);
    column.keys.into_iter().for_each(|key| draft.add_key(key));
    Ok(())
}

/// ALTER COLUMN, INDEX, CHECK and CONSTRAINT: only a column's visibility is kept.
fn read_alter(cursor: &mut Cursor<'_>, draft: &mut AlterDraft) -> Result<()> {
    if cursor.eat_any_word(&["KEY", "INDEX", "CHECK", "CONSTRAINT"]) {
        cursor.eat_if_exists();
        cursor.name("a constraint's name")?;
        return cursor.skip_clause();
    }
    cursor.eat_word("COLUMN");
    cursor.eat_if_exists();
    let name = cursor.column_name()?;
    if cursor.eat_words(&["SET", "INVISIBLE"]) {
        draft.alter.columns.push(ColumnAction::SetInvisible { name, invisible: true });
    } else if cursor.eat_words(&["SET", "VISIBLE"]) {
        draft.alter.columns.push(ColumnAction::SetInvisible { name, invisible: false });
    } else if !cursor.eat_words(&["DROP", "DEFAULT"]) {
        cursor.expect_word("SET")?;
        cursor.expect_word("DEFAULT")?;
        cursor.skip_clause()?;
    }
    Ok(())
}

fn read_rename(cursor: &mut Cursor<'_>, draft: &mut AlterDraft) -> Result<()> {
    if cursor.eat_word("COLUMN") {
        let if_exists = cursor.eat_if_exists();
        let from = cursor.column_name()?;
        cursor.expect_word("TO")?;
        let to = cursor.column_name()?;
        draft.alter.columns.push(ColumnAction::Rename { from, to, if_exists });
    } else if cursor.eat_any_word(&["KEY", "INDEX"]) {
        cursor.eat_if_exists();
        let from = cursor.name("a key's name")?;
        cursor.expect_word("TO")?;
        let to = cursor.name("a key's name")?;
        draft.alter.keys.push(KeyAction::Rename { from, to });
    } else {
        if !cursor.eat_symbol(b'=') {
            cursor.eat_any_word(&["TO", "AS"]);
        }
        draft.alter.rename = Some(cursor.table_name()?);
    }
    Ok(())
}

fn read_convert(cursor: &mut Cursor<'_>, draft: &mut AlterDraft) -> Result<()> {
    if cursor.eat_word("PARTITION") {
        cursor.name("a partition's name")?;
        cursor.expect_word("TO")?;
        cursor.expect_word("TABLE")?;
        let table = cursor.table_name()?;
        draft.others.push(table.clone());
        draft.alter.partition_moves.push(PartitionMove::ToTable(table));
        return cursor.skip_rest();
    }
    if cursor.eat_word("TABLE") {
        let table = cursor.table_name()?;
        draft.others.push(table.clone());
        draft.alter.partition_moves.push(PartitionMove::FromTable(table));
        return cursor.skip_rest();
    }
    cursor.expect_word("TO")?;
    if !charset::eat_charset_words(cursor) {
        return Err(cursor.refuse("CHARACTER SET"));
    }
    let name = charset::read_name(cursor)?;
    let mut clause = CharsetClause { charset: Some(name), ..CharsetClause::default() };
    if cursor.is_word("COLLATE") {
        charset::read_option(cursor, &mut clause)?;
    }
    draft.convert(clause);
    Ok(())
}

/// `ORDER BY a, b DESC`: its commas are its own, up to one that another change follows.
fn skip_order(cursor: &mut Cursor<'_>) -> Result<()> {
    let changes =
        ["ADD", "DROP", "CHANGE", "MODIFY", "ALTER", "RENAME", "CONVERT", "ORDER", "FORCE"];
    loop {
        cursor.column_name()?;
        cursor.eat_any_word(&["ASC", "DESC"]);
        if !cursor.is_symbol(b',') || cursor.second_is_any_word(&changes) {
            return Ok(());
        }
        cursor.bump();
    }
}
