//! The tracked schema of an open source: what each table looks like where reading stands.
//!
//! DDL moves it as it is read, and each step becomes a record for the schema log, keyed by the
//! place behind its transaction. What the reader of DDL does not understand makes the tables
//! concerned unknown; an unknown table is asked of the server, where no later DDL concerns it.
//! Live and from the log the same functions are used, so that a restart knows what was known.

use std::sync::Arc;

use otter_core::{Place, SchemaRecord, TableName};
use tracing::warn;

use super::error::SelectError;
use crate::connection::ServerInfo;
use crate::event::query::Query;
use crate::history::schema::TableNames;
use crate::history::{
    DdlRecord, Dialect, ReplayError, Schema, SchemaOptions, Session, Statement, TableSchema, read,
};
use crate::schema::SchemaTable;
use crate::schema::charset::{charset_of, collation_name, to_utf8};
use crate::schema::tracked::schema_table;

/// The first words of each kind of record.
const SNAPSHOT: &str = "otter-schema ";
const DDL: &str = "otter-ddl ";
/// A table's definition as the server told it.
const TABLE: &str = "otter-table 1\n";
/// Nothing is known any more.
const LOST: &str = "otter-lost 1";

/// More records than this behind a snapshot make a new one at the next start.
const MOST_RECORDS: usize = 200;

/// A schema with the records that are not stored yet.
#[derive(Debug)]
pub(crate) struct Tracker {
    schema: Schema,
    dialect: Dialect,
    /// The schema before the DDL of the transaction in progress.
    before: Option<Schema>,
    /// Records of the transaction in progress.
    draft: Vec<Arc<str>>,
    pending: Vec<SchemaRecord>,
    last_number: u64,
}

/// What the log of a pipeline says about a place.
#[derive(Debug)]
pub(crate) struct Remembered {
    pub(crate) tracker: Tracker,
    /// How many records count at the place; those behind them are to be cut off.
    pub(crate) last_number: u64,
    /// So many records that a new snapshot is due.
    pub(crate) is_long: bool,
}

/// A statement of the binlog with what its meaning depends on.
pub(crate) struct Logged<'a> {
    pub(crate) query: &'a Query<'a>,
    /// Uncompressed.
    pub(crate) text: &'a [u8],
    /// The client's character set.
    pub(crate) charset: &'a str,
    /// It certainly changes no definition unless the reader of DDL says so.
    pub(crate) is_harmless: bool,
}

/// How names are compared at this server.
pub(super) fn options_of(info: &ServerInfo) -> SchemaOptions {
    let value = info.variable("lower_case_table_names").and_then(|value| value.parse().ok());
    SchemaOptions { table_names: TableNames::from_variable(value.unwrap_or(0)) }
}

impl Tracker {
    /// Begins with a schema that holds at a place, and the record that says so.
    pub(crate) fn begin(schema: Schema, dialect: Dialect, last_number: u64) -> Self {
        Self { schema, dialect, before: None, draft: Vec::new(), pending: Vec::new(), last_number }
    }

    /// What the records say about a place; `None` where they do not reach back to it.
    pub(crate) fn recall(
        records: &[SchemaRecord],
        at: &Place,
        dialect: Dialect,
    ) -> Result<Option<Remembered>, SelectError> {
        let Some(first) = records.first() else { return Ok(None) };
        if at.covers(&first.place) != Some(true) || !first.text.starts_with(SNAPSHOT) {
            return Ok(None);
        }
        let mut tracker = Self::begin(Schema::new(SchemaOptions::default()), dialect, 0);
        let mut count = 0;
        for record in records.iter().take_while(|it| at.covers(&it.place) == Some(true)) {
            tracker.replay(record)?;
            tracker.last_number = record.number;
            count += 1;
        }
        let last_number = tracker.last_number;
        Ok(Some(Remembered { tracker, last_number, is_long: count > MOST_RECORDS }))
    }

    fn replay(&mut self, record: &SchemaRecord) -> Result<(), SelectError> {
        let number = record.number;
        let text = &*record.text;
        let bad = |problem: String| SelectError::SchemaLog { number, problem };
        if text.starts_with(SNAPSHOT) {
            self.schema = Schema::from_text(text).map_err(|error| bad(error.to_string()))?;
        } else if text.starts_with(DDL) {
            let ddl = DdlRecord::from_text(text).map_err(|error| bad(error.to_string()))?;
            self.carry(&ddl);
        } else if let Some(tables) = text.strip_prefix(TABLE) {
            let told = Schema::from_text(tables).map_err(|error| bad(error.to_string()))?;
            for (name, table) in told.tables() {
                self.schema.insert(&name, TableSchema::clone(table));
            }
        } else if text == LOST {
            self.lose();
        } else {
            return Err(bad("its kind is not known".to_owned()));
        }
        Ok(())
    }

    /// The schema as a record that needs none before it.
    pub(crate) fn snapshot(&self, place: &Place) -> SchemaRecord {
        let text = self.schema.to_text().into();
        SchemaRecord { number: self.last_number, place: bare(place), text }
    }

    /// The table as rows hold it now; `None` where that is not known.
    pub(crate) fn table(&self, name: &TableName) -> Option<SchemaTable> {
        schema_table(name, self.schema.table(name)?)
    }

    /// Takes a statement of the transaction in progress. `is_amid` tells that the transaction goes
    /// on behind it, and so may come to nothing.
    pub(crate) fn take(&mut self, logged: &Logged<'_>, is_amid: bool) {
        let Some(text) = to_utf8(logged.charset, logged.text) else {
            if !logged.is_harmless {
                warn!(
                    charset = logged.charset,
                    "a schema change is written in a character set that is not understood: \
                     tables are asked of the source again"
                );
                self.keep_before(is_amid);
                self.lose();
                self.draft.push(LOST.into());
            }
            return;
        };
        let record = self.record(logged, text);
        let is_change = match read(record.statement.as_bytes(), &record.session.dialect) {
            Ok(Statement::Ddl(ddl)) => !ddl.changes.is_empty(),
            Ok(Statement::Dml(_) | Statement::Transaction(_) | Statement::Nothing) => false,
            Err(_) => !logged.is_harmless,
        };
        if is_change {
            self.keep_before(is_amid);
            self.carry(&record);
            self.draft.push(record.to_text().into());
        }
    }

    fn record(&self, logged: &Logged<'_>, statement: String) -> DdlRecord {
        let spoken = &logged.query.session;
        let sql_mode = crate::history::SqlMode::from_bits(spoken.sql_mode);
        let mut session = Session::new(self.dialect.under(sql_mode));
        session.database = String::from_utf8_lossy(logged.query.database).into();
        session.thread = logged.query.thread;
        if let Some(name) = spoken.server_collation.and_then(collation_name) {
            session.server_collation = name.into();
        }
        if let Some(name) = spoken.utf8mb4_collation.and_then(collation_name) {
            session.utf8mb4_collation = name.into();
        }
        if let Some(explicit) = spoken.explicit_timestamp_defaults {
            session.explicit_timestamp_defaults = explicit;
        }
        DdlRecord { session, statement: statement.into(), failed: logged.query.failed }
    }

    /// A transaction that goes on may be rolled back, and its DDL with it.
    fn keep_before(&mut self, is_amid: bool) {
        if is_amid && self.before.is_none() {
            self.before = Some(self.schema.clone());
        }
    }

    /// Carries the schema over a statement. Where that cannot be done, what it may concern is not
    /// known any more.
    fn carry(&mut self, record: &DdlRecord) {
        match record.replay(&mut self.schema) {
            Ok(_) => {}
            Err(ReplayError::Apply(error)) => {
                warn!(%error, "a schema change does not fit what is known of its table");
                match error.table() {
                    Some(table) => {
                        self.schema.forget(table);
                    }
                    None => self.lose(),
                }
            }
            Err(ReplayError::NotUnderstood(error)) => {
                warn!(
                    %error,
                    "a schema change is not understood: tables are asked of the source again"
                );
                self.lose();
            }
        }
    }

    fn lose(&mut self) {
        self.schema = Schema::new(self.schema.options());
    }

    /// Takes a definition that the server has told, which holds at this place.
    pub(crate) fn heal(&mut self, name: &TableName, table: TableSchema, place: &Place) {
        let mut told = Schema::new(self.schema.options());
        told.insert(name, table.clone());
        self.push(format!("{TABLE}{}", told.to_text()).into(), place);
        // The transaction in progress may come to nothing, but not what the server says.
        if let Some(before) = &mut self.before {
            before.insert(name, table.clone());
        }
        self.schema.insert(name, table);
    }

    /// The transaction in progress has ended here.
    pub(crate) fn commit(&mut self, place: &Place) {
        self.before = None;
        for text in std::mem::take(&mut self.draft) {
            self.push(text, place);
        }
    }

    /// The transaction in progress has come to nothing.
    pub(crate) fn roll_back(&mut self) {
        self.draft.clear();
        if let Some(before) = self.before.take() {
            self.schema = before;
        }
    }

    /// The server was started: its temporary tables are gone.
    pub(crate) fn forget_temporary(&mut self) {
        self.schema.forget_temporary();
    }

    fn push(&mut self, text: Arc<str>, place: &Place) {
        self.last_number += 1;
        let record = SchemaRecord { number: self.last_number, place: bare(place), text };
        self.pending.push(record);
    }

    /// Records that must be stored before anything behind them is handed out.
    pub(crate) fn pending(&self) -> &[SchemaRecord] {
        &self.pending
    }

    /// All pending records are stored.
    pub(crate) fn set_stored(&mut self) {
        self.pending.clear();
    }
}

/// A place as far as places are compared.
fn bare(place: &Place) -> Place {
    Place { last: None, ..place.clone() }
}

/// The character set of a statement's client.
pub(super) fn client_charset(query: &Query<'_>) -> &'static str {
    query.session.client_collation.and_then(charset_of).unwrap_or("utf8mb4")
}
