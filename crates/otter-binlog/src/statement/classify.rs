//! What a statement is, told by its first words and the tables it names.

use super::kind::{Scope, Statement, XaVerb};
use super::names::{QualifiedName, Reader};
use super::tokens::{Dialect, Tokens};

/// Reads a statement. `end` of a DDL is where its text ends, which is earlier than the whole
/// where the server appended words of its own.
pub(crate) fn classify(text: &[u8], dialect: Dialect, charset: &str) -> Statement {
    // The five statements that nearly all events hold.
    match text {
        b"BEGIN" => return Statement::Begin,
        b"COMMIT" => return Statement::Commit,
        _ => {}
    }
    let mut reader = Reader::new(Tokens::new(text, dialect), charset);
    read_statement(&mut reader, text, dialect)
}

pub(super) fn read_statement(reader: &mut Reader<'_>, text: &[u8], dialect: Dialect) -> Statement {
    skip_own_settings(reader);
    let Some(first) = reader.peek() else { return Statement::Passing };
    // Statements may stand in parentheses: `(SELECT …)`.
    if matches!(first, super::tokens::Token::Symbol(b'(')) {
        return dml("SELECT", None);
    }
    let Some(verb) = verb(reader) else {
        return Statement::Unknown { kind: first_words(text, dialect) };
    };
    let unknown = || Statement::Unknown { kind: first_words(text, dialect) };
    match verb {
        "BEGIN" => Statement::Begin,
        "COMMIT" => Statement::Commit,
        "START" if reader.take("TRANSACTION") => Statement::Begin,
        "ROLLBACK" => rollback(reader),
        "SAVEPOINT" => reader.name().map_or_else(unknown, Statement::Savepoint),
        "XA" => xa(reader).unwrap_or_else(unknown),
        "CREATE" => create(reader, text.len()).unwrap_or_else(unknown),
        "ALTER" => alter(reader, text.len()).unwrap_or_else(unknown),
        "DROP" => drop_statement(reader, text.len()).unwrap_or_else(unknown),
        "RENAME" => rename(reader, text.len()).unwrap_or_else(unknown),
        "TRUNCATE" => {
            reader.take("TABLE");
            ddl("TRUNCATE TABLE", reader.table().map(|table| vec![table]), text.len())
                .unwrap_or_else(unknown)
        }
        "DELETE" => delete(reader),
        "ANALYZE" => analyze(reader),
        "INSERT" | "REPLACE" => {
            reader.take_any(&["LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE", "INTO"]);
            dml(verb, reader.table())
        }
        _ if DML.contains(&verb) => dml(verb, None),
        _ if PASSING.contains(&verb) => Statement::Passing,
        _ => unknown(),
    }
}

const DML: [&str; 10] =
    ["INSERT", "REPLACE", "UPDATE", "LOAD", "CALL", "WITH", "SELECT", "DO", "VALUES", "MERGE"];

const PASSING: [&str; 29] = [
    "GRANT",
    "REVOKE",
    "SET",
    "FLUSH",
    "OPTIMIZE",
    "REPAIR",
    "CHECK",
    "CHECKSUM",
    "USE",
    "SHOW",
    "INSTALL",
    "UNINSTALL",
    "RESET",
    "KILL",
    "LOCK",
    "UNLOCK",
    "CACHE",
    "HELP",
    "RELEASE",
    "DESCRIBE",
    "EXPLAIN",
    "HANDLER",
    "PURGE",
    "CHANGE",
    "STOP",
    "CLONE",
    "PREPARE",
    "DEALLOCATE",
    "SHUTDOWN",
];

const VERBS: [&str; 14] = [
    "BEGIN",
    "COMMIT",
    "START",
    "ROLLBACK",
    "SAVEPOINT",
    "XA",
    "CREATE",
    "ALTER",
    "DROP",
    "RENAME",
    "TRUNCATE",
    "DELETE",
    "IMPORT",
    "ANALYZE",
];

fn verb(reader: &mut Reader<'_>) -> Option<&'static str> {
    VERBS.iter().chain(&DML).chain(&PASSING).find(|verb| reader.take(verb)).copied()
}

/// Up to three words from the beginning, for messages.
#[allow(clippy::wildcard_enum_match_arm, reason = "only this kind of token is asked for")]
fn first_words(text: &[u8], dialect: Dialect) -> String {
    let words = Tokens::new(text, dialect).take(3).map_while(|token| match token {
        super::tokens::Token::Word(word) => Some(String::from_utf8_lossy(word).to_uppercase()),
        _ => None,
    });
    words.collect::<Vec<_>>().join(" ")
}

fn ddl(kind: &str, tables: Option<Vec<QualifiedName>>, end: usize) -> Option<Statement> {
    Some(Statement::Ddl { kind: kind.to_owned(), tables: tables?, end })
}

fn rollback(reader: &mut Reader<'_>) -> Statement {
    reader.take("WORK");
    if !reader.take("TO") {
        return Statement::Rollback;
    }
    reader.take("SAVEPOINT");
    Statement::RollbackTo(reader.name().unwrap_or_default())
}

fn xa(reader: &mut Reader<'_>) -> Option<Statement> {
    let verbs = [
        ("START", XaVerb::Start),
        ("BEGIN", XaVerb::Start),
        ("END", XaVerb::End),
        ("PREPARE", XaVerb::Prepare),
        ("COMMIT", XaVerb::Commit),
        ("ROLLBACK", XaVerb::Rollback),
    ];
    let found = verbs.into_iter().find(|(word, _)| reader.take(word));
    found.map(|(_, verb)| Statement::Xa(verb))
}

/// MariaDB: `SET STATEMENT name = value, … FOR` before the statement that they are for.
fn skip_own_settings(reader: &mut Reader<'_>) {
    let mut ahead = reader.clone();
    if !ahead.take("SET") || !ahead.take("STATEMENT") {
        return;
    }
    if ahead.skip_past("FOR") {
        *reader = ahead;
    }
}

/// `DEFINER = user@host`, `ALGORITHM = x`, `SQL SECURITY x`.
fn skip_definer(reader: &mut Reader<'_>) {
    loop {
        if reader.take("DEFINER") || reader.take("ALGORITHM") {
            reader.take_symbol(b'=');
            reader.bump();
            if reader.take_symbol(b'@') {
                reader.bump();
            }
            if reader.take_symbol(b'(') {
                reader.take_symbol(b')');
            }
        } else if reader.take("SQL") {
            reader.bump();
            reader.bump();
        } else {
            return;
        }
    }
}

fn skip_if_exists(reader: &mut Reader<'_>) {
    if reader.take("IF") {
        reader.take("NOT");
        reader.take("EXISTS");
    }
}

/// Kinds of things without rows of their own.
const OTHER_THINGS: [&str; 19] = [
    "VIEW",
    "PROCEDURE",
    "FUNCTION",
    "TRIGGER",
    "EVENT",
    "USER",
    "ROLE",
    "SERVER",
    "TABLESPACE",
    "LOGFILE",
    "UNDO",
    "RESOURCE",
    "REFERENCE",
    "SEQUENCE",
    "PACKAGE",
    "INSTANCE",
    "AGGREGATE",
    "PREPARE",
    "LIBRARY",
];

fn takes_other_thing(reader: &mut Reader<'_>) -> bool {
    OTHER_THINGS.iter().any(|thing| reader.take(thing))
}

fn create(reader: &mut Reader<'_>, end: usize) -> Option<Statement> {
    if reader.take("OR") {
        reader.take("REPLACE");
    }
    skip_definer(reader);
    let temporary = reader.take("TEMPORARY");
    reader.take_any(&["UNIQUE", "FULLTEXT", "SPATIAL", "ONLINE", "OFFLINE", "VECTOR"]);
    if reader.take("TABLE") {
        if temporary {
            return Some(Statement::Passing);
        }
        skip_if_exists(reader);
        let table = reader.table()?;
        return ddl("CREATE TABLE", Some(vec![table]), end_before_start(reader, end));
    }
    if reader.take("INDEX") {
        return index("CREATE INDEX", reader, end);
    }
    if reader.take("DATABASE") || reader.take("SCHEMA") {
        skip_if_exists(reader);
        let name = Some(reader.name()?);
        return Some(Statement::Database { kind: "CREATE DATABASE".into(), name });
    }
    (temporary || takes_other_thing(reader)).then_some(Statement::Passing)
}

/// MySQL appends START TRANSACTION to a CREATE TABLE … SELECT whose rows follow as row events;
/// executed elsewhere it would forbid the rows to be written by others.
fn end_before_start(reader: &mut Reader<'_>, end: usize) -> usize {
    let mut begin = None;
    while reader.peek().is_some() {
        let at = reader.offset();
        if reader.take("START") {
            begin = Some(at);
        } else if reader.take("TRANSACTION") {
            if reader.peek().is_none() {
                return begin.unwrap_or(end);
            }
        } else {
            reader.bump();
            begin = None;
        }
    }
    end
}

fn index(kind: &str, reader: &mut Reader<'_>, end: usize) -> Option<Statement> {
    if !reader.skip_past("ON") {
        return None;
    }
    ddl(kind, reader.table().map(|table| vec![table]), end)
}

fn alter(reader: &mut Reader<'_>, end: usize) -> Option<Statement> {
    skip_definer(reader);
    reader.take_any(&["ONLINE", "OFFLINE", "IGNORE"]);
    if reader.take("TABLE") {
        skip_if_exists(reader);
        let mut tables = vec![reader.table()?];
        tables.extend(other_tables(reader));
        return ddl("ALTER TABLE", Some(tables), end);
    }
    if reader.take("DATABASE") || reader.take("SCHEMA") {
        // The name may be left out: then an option follows.
        let is_option = ["DEFAULT", "CHARACTER", "CHARSET", "COLLATE", "COMMENT", "ENCRYPTION"];
        let without = reader.peek().is_none_or(|next| is_option.iter().any(|word| next.is(word)));
        let name = if without { None } else { Some(reader.name()?) };
        return Some(Statement::Database { kind: "ALTER DATABASE".into(), name });
    }
    takes_other_thing(reader).then_some(Statement::Passing)
}

/// The new name of a table, and the table that a partition is exchanged with.
fn other_tables(reader: &mut Reader<'_>) -> Vec<QualifiedName> {
    let mut tables = Vec::new();
    let mut depth = 0_usize;
    while reader.peek().is_some() {
        if reader.take_symbol(b'(') {
            depth += 1;
        } else if reader.take_symbol(b')') {
            depth = depth.saturating_sub(1);
        } else if depth == 0 && reader.take("RENAME") {
            let part = ["COLUMN", "INDEX", "KEY"];
            if reader.peek().is_some_and(|next| part.iter().any(|word| next.is(word))) {
                continue;
            }
            reader.take_any(&["TO", "AS"]);
            reader.take_symbol(b'=');
            tables.extend(reader.table());
        } else if depth == 0 && reader.take_one(&["WITH", "TO", "CONVERT"]) {
            // EXCHANGE PARTITION p WITH TABLE t; MariaDB: CONVERT TABLE t TO PARTITION p and back.
            if reader.take("TABLE") {
                tables.extend(reader.table());
            }
        } else {
            reader.bump();
        }
    }
    tables
}

fn drop_statement(reader: &mut Reader<'_>, end: usize) -> Option<Statement> {
    let temporary = reader.take("TEMPORARY");
    reader.take_any(&["ONLINE", "OFFLINE"]);
    if reader.take("TABLE") || reader.take("TABLES") {
        if temporary {
            return Some(Statement::Passing);
        }
        skip_if_exists(reader);
        return ddl("DROP TABLE", reader.tables(), end);
    }
    if reader.take("INDEX") {
        return index("DROP INDEX", reader, end);
    }
    if reader.take("DATABASE") || reader.take("SCHEMA") {
        skip_if_exists(reader);
        let name = Some(reader.name()?);
        return Some(Statement::Database { kind: "DROP DATABASE".into(), name });
    }
    let spatial = reader.take("SPATIAL");
    (temporary || spatial || takes_other_thing(reader)).then_some(Statement::Passing)
}

fn rename(reader: &mut Reader<'_>, end: usize) -> Option<Statement> {
    if reader.take("USER") {
        return Some(Statement::Passing);
    }
    if !reader.take("TABLE") && !reader.take("TABLES") {
        return None;
    }
    skip_if_exists(reader);
    let mut tables = Vec::new();
    loop {
        tables.push(reader.table()?);
        // MariaDB: how long to wait for the lock.
        if reader.take("WAIT") {
            reader.bump();
        }
        reader.take("NOWAIT");
        if !reader.take("TO") {
            return None;
        }
        tables.push(reader.table()?);
        if !reader.take_symbol(b',') {
            return ddl("RENAME TABLE", Some(tables), end);
        }
    }
}

fn dml(kind: &'static str, table: Option<QualifiedName>) -> Statement {
    Statement::Dml { kind, table, scope: Scope::Any }
}

/// ANALYZE TABLE; MariaDB's other ANALYZE executes the statement behind it.
fn analyze(reader: &mut Reader<'_>) -> Statement {
    reader.take_any(&["NO_WRITE_TO_BINLOG", "LOCAL"]);
    if reader.take("TABLE") || reader.take("TABLES") {
        return Statement::Passing;
    }
    dml("ANALYZE", None)
}

fn delete(reader: &mut Reader<'_>) -> Statement {
    reader.take_any(&["LOW_PRIORITY", "QUICK", "IGNORE"]);
    if !reader.take("FROM") {
        return dml("DELETE", None);
    }
    let table = reader.table();
    // Behind the name of a single table only these come.
    match reader.peek() {
        None => Statement::Dml { kind: "DELETE", table, scope: Scope::Emptied },
        Some(next) if ["WHERE", "ORDER", "LIMIT"].iter().any(|word| next.is(word)) => {
            dml("DELETE", table)
        }
        Some(_) => dml("DELETE", None),
    }
}

#[cfg(test)]
mod tests;
