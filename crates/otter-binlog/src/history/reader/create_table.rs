//! CREATE TABLE: its columns and keys, LIKE, options, partitions and SELECT.

use std::sync::Arc;

use super::super::statement::{
    ColumnDefinition, CreateBody, CreateTable, Ddl, Element, KeyDefinition, SchemaChange,
};
use super::create::Prefix;
use super::cursor::Cursor;
use super::options::{self, TableOptions};
use super::{Result, column, create, key, with_change};

/// Reads from behind the word TABLE.
pub(super) fn read(cursor: &mut Cursor<'_>, prefix: &Prefix) -> Result<Ddl> {
    let if_not_exists = cursor.eat_if_not_exists();
    let name = cursor.table_name()?;
    create::skip_wait(cursor)?;
    let body = read_body(cursor)?;
    cursor.expect_end()?;
    let Prefix { or_replace, temporary, .. } = *prefix;
    let table = CreateTable { name: name.clone(), or_replace, temporary, if_not_exists, body };
    Ok(with_change("CREATE TABLE", &name, SchemaChange::CreateTable(table)))
}

fn read_body(cursor: &mut Cursor<'_>) -> Result<CreateBody> {
    if cursor.eat_word("LIKE") {
        return cursor.table_name().map(CreateBody::Like);
    }
    let mut list = ElementList::default();
    if cursor.is_symbol(b'(') && !begins_select(cursor) {
        cursor.bump();
        if cursor.eat_word("LIKE") {
            let like = cursor.table_name()?;
            cursor.expect_symbol(b')', "a closing parenthesis")?;
            return Ok(CreateBody::Like(like));
        }
        list.read(cursor)?;
        cursor.expect_symbol(b')', "a comma or a closing parenthesis")?;
    }
    let mut options = TableOptions::default();
    options::read_all(cursor, &mut options)?;
    options::skip_partitions(cursor)?;
    let has_select = !cursor.is_end();
    if has_select {
        skip_select(cursor)?;
    }
    Ok(CreateBody::Defined {
        elements: list.elements,
        charset: options.charset,
        has_select,
        is_versioned: options.is_versioned || list.is_versioned,
        is_sequence: options.is_sequence,
    })
}

/// Whether a SELECT begins here, perhaps in parentheses.
fn begins_select(cursor: &Cursor<'_>) -> bool {
    let mut ahead = cursor.clone();
    while ahead.eat_symbol(b'(') {}
    ahead.is_any_word(&["SELECT", "WITH", "VALUES", "TABLE"])
}

fn skip_select(cursor: &mut Cursor<'_>) -> Result<()> {
    cursor.eat_any_word(&["IGNORE", "REPLACE"]);
    cursor.eat_word("AS");
    if !begins_select(cursor) {
        return Err(cursor.refuse("a SELECT"));
    }
    cursor.skip_rest()
}

/// More than all columns of the widest table and all of its keys.
const MOST_ELEMENTS: usize = 8192;

/// The elements between the parentheses of CREATE TABLE, and of ADD ( … ).
#[derive(Default)]
pub(super) struct ElementList {
    pub(super) elements: Vec<Element>,
    /// A column asked for system versioning.
    pub(super) is_versioned: bool,
}

impl ElementList {
    /// Reads elements up to the closing parenthesis, which is left.
    pub(super) fn read(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        loop {
            self.read_one(cursor)?;
            if self.elements.len() > MOST_ELEMENTS {
                return Err(cursor.refuse("the end, after so many columns and keys"));
            }
            if !cursor.eat_symbol(b',') {
                return Ok(());
            }
        }
    }

    fn read_one(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        if begins_period(cursor) {
            self.elements.extend(read_period(cursor)?);
            return Ok(());
        }
        if key::begins_here(cursor) {
            self.elements.extend(key::read(cursor)?.map(Element::Key));
            return Ok(());
        }
        let column = column::read(cursor)?;
        self.is_versioned |= column.is_versioned;
        self.push_column(column.definition, column.keys);
        Ok(())
    }

    fn push_column(&mut self, definition: ColumnDefinition, keys: Vec<KeyDefinition>) {
        self.elements.push(Element::Column(definition));
        self.elements.extend(keys.into_iter().map(Element::Key));
    }
}

/// Whether `PERIOD FOR` follows, optionally with IF NOT EXISTS between.
pub(super) fn begins_period(cursor: &Cursor<'_>) -> bool {
    cursor.is_word("PERIOD") && cursor.second_is_any_word(&["FOR", "IF"])
}

/// Reads `PERIOD FOR name (a, b)`; the system's own period adds nothing to its columns.
pub(super) fn read_period(cursor: &mut Cursor<'_>) -> Result<Option<Element>> {
    let (begin, end, is_system) = read_period_columns(cursor)?;
    Ok((!is_system).then_some(Element::Period(begin, end)))
}

pub(super) fn read_period_columns(cursor: &mut Cursor<'_>) -> Result<(Arc<str>, Arc<str>, bool)> {
    cursor.expect_word("PERIOD")?;
    cursor.eat_if_not_exists();
    cursor.expect_word("FOR")?;
    let is_system = cursor.is_word("SYSTEM_TIME");
    cursor.name("a period's name")?;
    cursor.expect_symbol(b'(', "an opening parenthesis")?;
    let begin = cursor.name("a column's name")?;
    cursor.expect_symbol(b',', "a comma")?;
    let end = cursor.name("a column's name")?;
    cursor.expect_symbol(b')', "a closing parenthesis")?;
    Ok((begin, end, is_system))
}
