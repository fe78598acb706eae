//! DDL texts: the statement reader, the tracked schema and its stored text, and the selector's
//! own look at statements.

use crate::history::{
    DdlRecord, Dialect, Flavor, Schema, SchemaOptions, Session, SqlMode, read, read_column_type,
};
use crate::statement::{Dialect as TokenDialect, Statement, Wide, classify};

/// Bits of the first byte.
mod option {
    pub(super) const MARIADB: u8 = 1;
    pub(super) const ANSI_QUOTES: u8 = 2;
    pub(super) const PLAIN_BACKSLASHES: u8 = 4;
    pub(super) const GBK: u8 = 8;
    pub(super) const SJIS: u8 = 16;
    pub(super) const FAILED: u8 = 32;
}

/// Options (one byte), then statements with a zero between them.
pub fn ddl(bytes: &[u8]) {
    let Some((bits, texts)) = bytes.split_first() else { return };
    let has = |bit| bits & bit != 0;
    let mut modes = SqlMode::NONE;
    if has(option::ANSI_QUOTES) {
        modes = modes.with(SqlMode::ANSI_QUOTES);
    }
    if has(option::PLAIN_BACKSLASHES) {
        modes = modes.with(SqlMode::NO_BACKSLASH_ESCAPES);
    }
    let dialect = match has(option::MARIADB) {
        true => Dialect::new(Flavor::MariaDb, 10, 11, 19),
        false => Dialect::new(Flavor::MySql, 8, 4, 6),
    };
    let mut session = Session::new(dialect.under(modes));
    session.database = "shop".into();
    let charset = match (has(option::GBK), has(option::SJIS)) {
        (true, _) => "gbk",
        (false, true) => "sjis",
        (false, false) => "utf8mb4",
    };
    let tokens = TokenDialect {
        ansi_quotes: has(option::ANSI_QUOTES),
        plain_backslashes: has(option::PLAIN_BACKSLASHES),
        wide: Wide::of(charset),
    };
    let mut schema = Schema::new(SchemaOptions::default());
    for text in texts.split(|byte| *byte == 0) {
        if let Statement::Ddl { end, .. } = classify(text, tokens, charset) {
            assert!(end <= text.len(), "a statement ends in its text");
        }
        let _ = read_column_type(text, &session.dialect);
        apply(&mut schema, text, &session, has(option::FAILED));
    }
    let stored = schema.to_text();
    let again = Schema::from_text(&stored).map(|schema| schema.to_text());
    assert!(again.as_ref() == Ok(&stored), "a schema is read as it is stored");
    if let Ok(text) = std::str::from_utf8(texts) {
        let _ = Schema::from_text(text);
        let _ = DdlRecord::from_text(text);
    }
}

fn apply(schema: &mut Schema, text: &[u8], session: &Session, failed: bool) {
    let Ok(statement) = read(text, &session.dialect) else { return };
    let result = match failed {
        true => schema.apply_failed(&statement, session),
        false => schema.apply(&statement, session),
    };
    drop(result);
    let Ok(text) = std::str::from_utf8(text) else { return };
    let record = DdlRecord { session: session.clone(), statement: text.into(), failed };
    let again = DdlRecord::from_text(&record.to_text());
    assert!(again.as_ref() == Ok(&record), "a record is read as it is stored");
}
