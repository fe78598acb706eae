//! The DDL reader against DDL that nobody on this project wrote: canal's pairs of a random sequence
//! and the schema that MySQL ended with, and Maxwell's collection of odd statements.
//!
//! The corpora are kept beside the project; `OTTER_CORPORA` is their folder.
#![allow(
    clippy::large_futures,
    clippy::wildcard_enum_match_arm,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking and reports by printing"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use otter_binlog::history::token::{Lexer, TokenKind};
use otter_binlog::history::{
    Dialect, Flavor, Schema, SchemaOptions, Session, Statement, TableSchema, read,
};
use otter_tests::corpora::folder;

fn text_of(path: &str) -> String {
    let path = folder().join(path);
    std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}

/// The server that canal's and Maxwell's statements ran on.
fn session() -> Session {
    let mut session = Session::new(Dialect::new(Flavor::MySql, 5, 7, 26));
    session.database = "test".into();
    session
}

/// The statements of a script, cut at semicolons outside of quotes and comments.
fn statements<'a>(script: &'a str, dialect: &Dialect) -> Vec<&'a str> {
    let mut statements = Vec::new();
    let mut start = 0;
    for token in Lexer::new(script.as_bytes(), *dialect) {
        if token.kind == TokenKind::Symbol(b';') {
            statements.push(script[start..token.start].trim());
            start = token.end;
        }
    }
    statements.push(script[start..].trim());
    statements.retain(|statement| !statement.is_empty());
    statements
}

/// Applies a script to an empty schema; tells the number of statements.
fn load(path: &str) -> (Schema, usize) {
    let session = session();
    let script = text_of(path);
    let statements = statements(&script, &session.dialect);
    let mut schema = Schema::new(SchemaOptions::default());
    for (index, text) in statements.iter().enumerate() {
        let statement = read(text.as_bytes(), &session.dialect)
            .unwrap_or_else(|error| panic!("{path}, statement {}: {error}", index + 1));
        schema
            .apply(&statement, &session)
            .unwrap_or_else(|error| panic!("{path}, statement {}: {error}", index + 1));
    }
    (schema, statements.len())
}

fn tables(schema: &Schema) -> BTreeMap<String, Arc<TableSchema>> {
    schema.tables().map(|(name, table)| (name.to_string(), Arc::clone(table))).collect()
}

/// One line per column: its name, whether it is unsigned, and its key flag.
fn outline(table: &TableSchema) -> Vec<String> {
    let columns = table.columns().iter().enumerate();
    columns
        .map(|(index, column)| {
            let sign = if column.data_type.is_unsigned() { "unsigned" } else { "" };
            format!(
                "{} {sign} {}",
                column.name,
                table.column_key(index, &session().dialect).as_str()
            )
        })
        .collect()
}

#[test]
fn canals_sequences_end_in_the_schema_that_mysql_had() {
    let (mut pairs, mut empty) = (0, 0);
    let (mut statement_count, mut table_count, mut column_count) = (0, 0, 0);
    for number in 1..=39 {
        let (ours, count) = load(&format!("canal-ddl/test_{number}.sql"));
        let (theirs, _) = load(&format!("canal-ddl/mysql_{number}.sql"));
        let (ours, theirs) = (tables(&ours), tables(&theirs));
        let names = |tables: &BTreeMap<String, _>| tables.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&ours), names(&theirs), "the tables of pair {number}");
        for (name, table) in &theirs {
            assert_eq!(outline(&ours[name]), outline(table), "{name} of pair {number}");
            // Stricter than what the pairs were made for: types, charsets and nullability too.
            assert_eq!(ours[name].columns(), table.columns(), "{name} of pair {number}");
            table_count += 1;
            column_count += table.columns().len();
        }
        pairs += 1;
        empty += usize::from(count == 0);
        statement_count += count;
    }
    println!(
        "canal: {pairs} of 39 pairs ({empty} of them empty), {statement_count} statements, {table_count} tables and \
         {column_count} columns as MySQL had them"
    );
}

#[test]
fn maxwells_statements_are_all_understood() {
    let session = session();
    let (mut understood, mut by_kind) = (0, BTreeMap::<&str, usize>::new());
    let mut refused = Vec::new();
    for file in ["mysql-test-fixed.sql", "mysql-test-gis.sql"] {
        let script = text_of(&format!("maxwell/ddl/{file}"));
        for (index, line) in script.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
            match read(line.as_bytes(), &session.dialect) {
                Ok(Statement::Ddl(ddl)) => {
                    understood += 1;
                    *by_kind.entry(ddl.kind).or_default() += 1;
                }
                Ok(other) => refused.push(format!("{file}:{} read as {other:?}", index + 1)),
                Err(error) => refused.push(format!("{file}:{} {error}", index + 1)),
            }
        }
    }
    println!("maxwell: {understood} of 408 statements understood: {by_kind:?}");
    assert!(refused.is_empty(), "{} refused:\n{}", refused.len(), refused.join("\n"));
    assert_eq!(understood, 408);
}
