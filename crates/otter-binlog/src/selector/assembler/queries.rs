//! Statements: borders of transactions, DDL, and what should have been logged as rows.

use std::borrow::Cow;

use otter_core::{Batch, TableName};

use super::ddl::Spoken;
use super::{Assembler, Seal, Stale};
use crate::event::compressed::inflate_event;
use crate::event::gtid::MariaDbRole;
use crate::event::query::Query;
use crate::event::{EventKind, RawEvent};
use crate::schema::reader::SYSTEM_SCHEMAS;
use crate::selector::error::SelectError;
use crate::selector::tracker::{Logged, client_charset};
use crate::statement::{Dialect, QualifiedName, Scope, Statement, Wide, classify};

impl Assembler {
    pub(super) fn on_query(
        &mut self,
        event: &RawEvent<'_>,
        seal: &Seal,
    ) -> Result<Option<Box<Batch>>, SelectError> {
        let kind = event.header.kind;
        let query = Query::parse(event.body, &self.format)
            .map_err(|source| self.unreadable(seal, kind, source))?;
        // What nearly all of these events hold, whatever the character set.
        if query.statement == b"BEGIN" && kind == EventKind::QUERY {
            return self.on_begin(event, seal);
        }
        let text = if kind == EventKind::QUERY_COMPRESSED {
            let mut plain = Vec::new();
            inflate_event(query.statement, self.options.max_event, &mut plain)
                .map_err(|source| self.unreadable(seal, kind, source))?;
            Cow::Owned(plain)
        } else {
            Cow::Borrowed(query.statement)
        };
        let charset = client_charset(&query);
        let dialect = Dialect {
            ansi_quotes: query.session.has_ansi_quotes(),
            plain_backslashes: query.session.has_plain_backslashes(),
            wide: Wide::of(charset),
        };
        let statement = classify(&text, dialect, charset);
        let database = String::from_utf8_lossy(query.database);
        let spoken = Spoken { database: &database, query: &query, text: &text, charset, dialect };
        let is_schema_change = matches!(
            statement,
            Statement::Ddl { .. } | Statement::Database { .. } | Statement::Unknown { .. }
        );
        if is_schema_change || matches!(statement, Statement::Passing) {
            let is_harmless = !is_schema_change;
            self.follow(&Logged { query: &query, text: &text, charset, is_harmless });
        }
        match statement {
            Statement::Begin => return self.on_begin(event, seal),
            Statement::Commit => return self.commit(seal),
            Statement::Rollback => {
                if let Some(draft) = &mut self.draft {
                    draft.roll_back()?;
                }
                return self.commit(seal);
            }
            Statement::Savepoint(name) => {
                if let Some(draft) = &mut self.draft {
                    draft.set_savepoint(&name);
                }
                return Ok(None);
            }
            Statement::RollbackTo(name) => {
                if let Some(draft) = &mut self.draft {
                    draft.roll_back_to(&name)?;
                }
                return Ok(None);
            }
            Statement::Xa(verb) => return self.on_xa(verb, event, &text, seal),
            Statement::Passing => {}
            Statement::Dml { kind, table, scope } => {
                let table = table.map(|name| self.resolve(name, spoken.database));
                self.judge_dml(kind, table.as_ref(), scope, seal)?;
            }
            Statement::Ddl { kind, tables, end } => {
                let text = text.get(..end).unwrap_or(&text);
                self.on_ddl(event, seal, kind, tables, &Spoken { text, ..spoken })?;
            }
            Statement::Database { kind, name } => {
                let name = name.unwrap_or_else(|| spoken.database.to_owned());
                let name = if self.facts.folds_names { name.to_lowercase() } else { name };
                self.make_all_stale();
                if self.may_hold_tables(&name) {
                    let spoken = Spoken { database: &name, ..spoken };
                    self.push_ddl(event, seal, kind, Vec::new(), &spoken)?;
                }
            }
            Statement::Unknown { kind } => {
                self.make_all_stale();
                // It may name tables of any database.
                self.push_ddl(event, seal, kind, Vec::new(), &spoken)?;
            }
        }
        self.end_single(event, seal)
    }

    fn on_begin(
        &mut self,
        event: &RawEvent<'_>,
        seal: &Seal,
    ) -> Result<Option<Box<Batch>>, SelectError> {
        let draft = self.draft_for(&event.header, seal.start)?;
        if std::mem::replace(&mut draft.begun, true) {
            let problem = "the transaction before it has no end";
            return Err(self.out_of_place(seal, event.header.kind, problem));
        }
        Ok(None)
    }

    fn make_all_stale(&mut self) {
        self.tables.clear();
        if self.expected.is_none() {
            self.stale = Stale::Everything;
        }
    }

    /// Carries the tracked schema over a statement.
    fn follow(&mut self, logged: &Logged<'_>) {
        let Some(tracker) = &mut self.tracker else { return };
        let draft = self.draft.as_ref();
        // MariaDB: an ALTER in two phases is logged twice; it counts when it is committed.
        let counts = draft.is_none_or(|draft| {
            !matches!(draft.role, MariaDbRole::StartAlter | MariaDbRole::RollbackAlter)
        });
        // What is only recognised is in the schema of the position already.
        if counts && self.expected.is_none() {
            tracker.take(logged, draft.is_some_and(|draft| draft.begun));
        }
    }

    /// A statement outside of BEGIN and COMMIT is a transaction by itself.
    fn end_single(
        &mut self,
        event: &RawEvent<'_>,
        seal: &Seal,
    ) -> Result<Option<Box<Batch>>, SelectError> {
        if self.draft_for(&event.header, seal.start)?.begun {
            return Ok(None);
        }
        self.commit(seal)
    }

    /// Whether a statement about a whole database concerns us.
    fn may_hold_tables(&self, database: &str) -> bool {
        !database.is_empty()
            && !SYSTEM_SCHEMAS.contains(&database)
            && !self.options.is_own(database)
            && (self.options.databases)(database)
    }

    pub(super) fn resolve(&self, name: QualifiedName, database: &str) -> TableName {
        let database = name.database.unwrap_or_else(|| database.to_owned());
        if self.facts.folds_names {
            TableName::new(database.to_lowercase(), name.table.to_lowercase())
        } else {
            TableName::new(database, name.table)
        }
    }

    fn on_ddl(
        &mut self,
        event: &RawEvent<'_>,
        seal: &Seal,
        kind: String,
        tables: Vec<QualifiedName>,
        spoken: &Spoken<'_>,
    ) -> Result<(), SelectError> {
        let tables: Vec<TableName> =
            tables.into_iter().map(|name| self.resolve(name, spoken.database)).collect();
        self.tables.clear();
        // What is only recognised is in the definitions of the position already.
        if self.expected.is_none() {
            self.stale.add(&tables);
        }
        let concerns = tables
            .iter()
            .any(|table| !self.options.is_own(&table.database) && (self.options.filter)(table));
        if concerns { self.push_ddl(event, seal, kind, tables, spoken) } else { Ok(()) }
    }

    /// DML that was logged as a statement: it passes only where it certainly concerns no wanted
    /// table. A trigger may lead anywhere, but system tables have none.
    fn judge_dml(
        &self,
        kind: &'static str,
        table: Option<&TableName>,
        scope: Scope,
        seal: &Seal,
    ) -> Result<(), SelectError> {
        let is_known = self.draft.as_ref().is_some_and(|draft| draft.is_known);
        let is_harmless = |table: &TableName| {
            SYSTEM_SCHEMAS.contains(&&*table.database)
                || scope == Scope::Emptied && !(self.options.filter)(table)
        };
        if is_known || table.is_some_and(is_harmless) {
            return Ok(());
        }
        Err(SelectError::Statement { place: self.place(seal), kind: kind.to_owned() })
    }
}
