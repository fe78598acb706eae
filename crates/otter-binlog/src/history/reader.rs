//! Reads a statement's text into what it does to definitions.
//!
//! It knows columns, keys, character sets and names, and skips everything else by balanced
//! parentheses. What it cannot place it refuses by position: it never guesses and never quotes the
//! text. It looks nothing up: that is the schema's.

mod administration;
mod alter;
mod alter_action;
mod attributes;
mod charset;
mod column;
mod create;
mod create_table;
mod cursor;
mod data_type;
mod database;
mod drop;
mod key;
mod options;
mod string_type;
mod transaction;

#[cfg(test)]
mod tests;

use otter_core::{Classify, Fault};

use self::cursor::Cursor;
use super::dialect::Dialect;
use super::statement::{ColumnDefinition, Ddl, DmlKind, SchemaChange, Statement};
use super::token::TokenKind;

/// A statement that the reader cannot place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the statement is not understood at byte {at}: expected {expected}")]
pub struct NotUnderstood {
    /// The offset of the token that does not fit.
    pub at: usize,
    /// What would have fitted.
    pub expected: &'static str,
}

impl Classify for NotUnderstood {
    fn fault(&self) -> Fault {
        Fault::Poison
    }

    fn doing(&self) -> &'static str {
        "read a schema change"
    }
}

type Result<T> = std::result::Result<T, NotUnderstood>;

/// Reads one statement.
///
/// The text is UTF-8 (see [`super::token::Lexer`]); a semicolon may end it. Statements that change
/// no column of any table are understood by their first words alone.
///
/// # Errors
///
/// [`NotUnderstood`] (poison) where the text is no statement that this reader knows.
pub fn read(text: &[u8], dialect: &Dialect) -> Result<Statement> {
    let mut cursor = Cursor::new(text, *dialect);
    read_statement(&mut cursor)
}

/// Reads a column's type and attributes as `information_schema` and SHOW COLUMNS write them:
/// `int(10) unsigned`, `enum('a','b')`, `varchar(20) /*M!100301 COMPRESSED*/`.
///
/// The name of the result is empty.
///
/// # Errors
///
/// [`NotUnderstood`] (poison) where the text is no type that this reader knows.
pub fn read_column_type(text: &[u8], dialect: &Dialect) -> Result<ColumnDefinition> {
    let mut cursor = Cursor::new(text, *dialect);
    let column = column::read_named("".into(), &mut cursor)?;
    cursor.expect_end()?;
    Ok(column.definition)
}

fn read_statement(cursor: &mut Cursor<'_>) -> Result<Statement> {
    if cursor.is_end() {
        return Ok(Statement::Nothing);
    }
    if cursor.is_symbol(b'(') {
        return Ok(Statement::Dml(DmlKind::Other));
    }
    let Some(first) = cursor.take_word() else {
        return Err(cursor.refuse("a statement's first word"));
    };
    let dml = match &*first {
        "INSERT" => DmlKind::Insert,
        "REPLACE" => DmlKind::Replace,
        "UPDATE" => DmlKind::Update,
        "DELETE" => DmlKind::Delete,
        "CALL" => DmlKind::Call,
        "LOAD" if !cursor.is_word("INDEX") => DmlKind::Load,
        "SELECT" | "DO" | "WITH" | "VALUES" | "TABLE" | "HANDLER" | "EXECUTE" => DmlKind::Other,
        "CREATE" => return create::read(cursor).map(Statement::Ddl),
        "ALTER" => return alter::read(cursor).map(Statement::Ddl),
        "DROP" => return drop::read(cursor).map(Statement::Ddl),
        "RENAME" => return drop::read_rename(cursor).map(Statement::Ddl),
        "TRUNCATE" => return drop::read_truncate(cursor).map(Statement::Ddl),
        "BEGIN" | "START" | "COMMIT" | "ROLLBACK" | "SAVEPOINT" | "RELEASE" | "XA" => {
            return transaction::read(&first, cursor);
        }
        _ => return administration::read(&first, cursor).map(Statement::Ddl),
    };
    Ok(Statement::Dml(dml))
}

/// A statement that changes no definition that is tracked.
fn without_change(kind: &'static str) -> Ddl {
    Ddl { kind, changes: Vec::new(), tables: Vec::new() }
}

/// A statement with one change to one table.
fn with_change(
    kind: &'static str,
    table: &super::statement::QualifiedName,
    change: SchemaChange,
) -> Ddl {
    Ddl { kind, changes: vec![change], tables: vec![table.clone()] }
}

impl Cursor<'_> {
    /// Requires that nothing is left but a semicolon.
    fn expect_end(&mut self) -> Result<()> {
        self.eat_symbol(b';');
        if self.peek().kind == TokenKind::End { Ok(()) } else { Err(self.refuse("the end")) }
    }
}
