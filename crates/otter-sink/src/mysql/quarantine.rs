//! Rows that the target does not take, held back in order until the operator has decided.
//!
//! A refused row is written to the target's own schema in the transaction that applies the rest, and
//! the pipeline goes on. Every later change that may depend on it is held too, behind it. What is
//! done with held rows is wished in the table and carried out by the loader, the only one that
//! writes (FENCE-1), between two batches.

pub(crate) mod coding;
mod fold;
mod hold;
mod index;
mod parts;
mod relations;
mod settle;
mod touch;

use std::collections::{HashMap, HashSet};

use otter_core::{Event, RowsEvent, Table, TableName, Transaction};
use tokio::time::Instant;

use super::error::MySqlLoadError;
use super::options::OnPoison;
use super::plan::TablePlans;
use super::refusal::Reason;
use super::session::Session;
use super::store::{HeldFilter, HeldRow, Verdict};
use index::HeldIndex;
use relations::{Relations, TableKey};
use touch::Touch;

/// What is known of a pipeline's held rows.
#[derive(Debug, Default)]
pub(super) struct Quarantine {
    index: HeldIndex,
    /// The target's foreign keys; read when something is held.
    relations: Option<Relations>,
    /// Tables of held rows, and all that foreign keys connect them with.
    watched: HashSet<TableKey>,
    /// Tables that do not fit, as the source calls them on the way, and why: all their rows are held.
    unfit: HashMap<TableName, Verdict>,
    /// Rows that the open target transaction holds, to be told when it is committed.
    open: Vec<HeldRow>,
    /// When the operator's wishes were looked for.
    asked_at: Option<Instant>,
}

impl Quarantine {
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Whether every row may go as if there were no quarantine.
    pub(super) fn is_idle(&self) -> bool {
        self.index.is_empty() && self.unfit.is_empty()
    }

    /// Whether rows of a transaction may depend on held ones.
    pub(super) fn watches(&self, transaction: &Transaction, tables: &TablePlans) -> bool {
        if self.is_idle() {
            return false;
        }
        transaction.events.iter().any(|event| {
            let Event::Rows(rows) = event else { return false };
            let plan = tables.find(rows.table()).and_then(|index| tables.plan(index));
            plan.is_none_or(|plan| self.watched.contains(&TableKey::from(&plan.target.name)))
        })
    }

    /// Whether a table, or the whole of a database, may have to do with held rows.
    pub(super) fn watches_name(&self, name: &TableName) -> bool {
        self.watched.contains(&TableKey::from(name))
    }

    /// Whether rows of a database's tables are held.
    pub(super) fn watches_database(&self, database: &str) -> bool {
        self.watched.iter().any(|table| table.is_in(database))
    }

    /// Definitions may have changed.
    pub(super) fn forget_definitions(&mut self) {
        self.unfit.clear();
        self.relations = None;
    }

    /// The open target transaction is committed: tells what it holds.
    pub(super) fn tell_open(&mut self, pipeline: &str) {
        for row in self.open.drain(..) {
            tracing::warn!(
                pipeline,
                id = row.id,
                table = %row.table,
                kind = row.kind,
                key = row.key,
                position = row.place,
                ordinal = row.ordinal,
                behind = row.cause,
                reason = row.verdict.reason,
                remedy = row.verdict.remedy,
                "a row is held in quarantine"
            );
        }
    }

    /// The open target transaction is rolled back, and what it holds with it.
    pub(super) fn forget_open(&mut self) {
        for row in std::mem::take(&mut self.open) {
            self.index.remove(row.id);
        }
        self.watch();
    }

    fn watch(&mut self) {
        let tables = self.index.tables().cloned();
        self.watched = match &self.relations {
            Some(relations) => relations.connected(tables),
            None => tables.collect(),
        };
    }
}

impl Session {
    /// Reads which rows are held, as another loader has left them.
    pub(super) async fn read_quarantine(&mut self) -> Result<(), MySqlLoadError> {
        let rows = self.store.held_rows(&mut *self.line.conn, &HeldFilter::All).await?;
        if rows.is_empty() {
            return Ok(());
        }
        self.ensure_relations().await?;
        for row in &rows {
            let touch = self.touch_of_held(row).await?;
            self.quarantine.index.add(row.id, touch, row.cause);
        }
        self.quarantine.watch();
        tracing::warn!(
            pipeline = self.pipeline(),
            rows = rows.len(),
            "rows are held in quarantine: `otter-server quarantine list` shows why"
        );
        Ok(())
    }

    /// What a held row touches, as it was and as it is edited.
    async fn touch_of_held(&mut self, row: &HeldRow) -> Result<Touch, MySqlLoadError> {
        let mut touch = self.touch_of_stored(row, false).await?;
        if row.is_edited {
            touch.join(self.touch_of_stored(row, true).await?);
        }
        Ok(touch)
    }

    async fn touch_of_stored(
        &mut self,
        row: &HeldRow,
        is_edited: bool,
    ) -> Result<Touch, MySqlLoadError> {
        let bytes = self.store.held_bytes(&mut *self.line.conn, (row.id, is_edited)).await?;
        let table = TableKey::from(&row.table);
        // A row that cannot be read may be any row of its table.
        let Some(rows) = coding::decode(&bytes) else { return Ok(Touch::any_of(table)) };
        match self.learn_table(rows.table()).await {
            Ok(()) => Ok(self.touch_of(&rows).unwrap_or_else(|| Touch::any_of(table))),
            Err(MySqlLoadError::Unfit { .. }) => Ok(Touch::any_of(table)),
            Err(error) => Err(error),
        }
    }

    /// Lets the pipeline go on where a table does not fit: its rows are held.
    pub(super) fn hold_table(
        &mut self,
        table: &Table,
        error: MySqlLoadError,
    ) -> Result<(), MySqlLoadError> {
        if self.options.on_poison != OnPoison::Quarantine {
            return Err(error);
        }
        let MySqlLoadError::Unfit { .. } = &error else { return Err(error) };
        if !self.quarantine.unfit.contains_key(&table.name) {
            tracing::warn!(
                pipeline = self.pipeline(),
                table = %table.name,
                %error,
                "a table does not fit, and its rows are held"
            );
            self.quarantine.unfit.insert(table.name.clone(), unfit(error));
        }
        Ok(())
    }

    /// What the only row of an event touches; `None` where its table is not known.
    fn touch_of(&self, rows: &RowsEvent) -> Option<Touch> {
        if self.quarantine.unfit.contains_key(&rows.table().name) {
            return Some(Touch::any_of(TableKey::from(&rows.table().name)));
        }
        let plan = self.tables.plan(self.tables.find(rows.table())?)?;
        let relations = self.quarantine.relations.as_ref()?;
        Some(Touch::of(rows, &rows.changes().next()?, plan, relations))
    }

    pub(super) async fn ensure_relations(&mut self) -> Result<(), MySqlLoadError> {
        if self.quarantine.relations.is_none() {
            let relations = Relations::read(&mut *self.line.conn).await?;
            self.quarantine.relations = Some(relations);
            self.quarantine.watch();
        }
        Ok(())
    }

    fn pipeline(&self) -> &str {
        self.store.name()
    }
}

impl Reason {
    /// Whether it is about the row itself, so that the rows behind it need not wait.
    pub(super) fn is_about_the_row(&self) -> bool {
        match self {
            Self::Missing
            | Self::Several { .. }
            | Self::Duplicate { .. }
            | Self::ForeignKey { .. }
            | Self::Check { .. }
            | Self::NotNull { .. }
            | Self::DoesNotFit { .. }
            | Self::TooLarge { .. }
            | Self::NotIdentified
            | Self::NotWhole { .. } => true,
            // A statement that the server does not understand is a fault of ours.
            Self::Other { number } => *number != 1064,
            Self::UnknownEvent => false,
        }
    }

    /// The reason in one word, for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Several { .. } => "several",
            Self::Duplicate { .. } => "duplicate",
            Self::ForeignKey { .. } => "foreign-key",
            Self::Check { .. } => "check",
            Self::NotNull { .. } => "not-null",
            Self::DoesNotFit { .. } => "does-not-fit",
            Self::TooLarge { .. } => "too-large",
            Self::NotIdentified => "not-identified",
            Self::NotWhole { .. } => "not-whole",
            Self::UnknownEvent => "unknown-event",
            Self::Other { .. } => "other",
        }
    }
}

/// Why a row of a table that does not fit is held.
fn unfit(error: MySqlLoadError) -> Verdict {
    let MySqlLoadError::Unfit { table, what, remedy } = error else {
        let (reason, remedy) = (error.to_string(), String::new());
        return Verdict { code: "unfit".to_owned(), reason, remedy };
    };
    let reason = format!("table {table} in the target does not fit: {what}");
    Verdict { code: "unfit".to_owned(), reason, remedy }
}

impl From<&Reason> for Verdict {
    fn from(reason: &Reason) -> Self {
        Self {
            code: reason.code().to_owned(),
            reason: reason.to_string(),
            remedy: reason.remedy().to_owned(),
        }
    }
}
