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
mod read;
mod reason;
mod relations;
mod settle;
mod touch;
mod undo;
mod unfit;

use std::collections::HashSet;
use std::sync::Arc;

use otter_core::{Change, Event, RowsEvent, Table, TableName, Transaction};
use tokio::time::Instant;

use super::error::MySqlLoadError;
use super::options::OnPoison;
use super::plan::TablePlans;
use super::session::Session;
use super::store::HeldRow;
use index::HeldIndex;
use relations::{Relations, TableKey};
use touch::Touch;
use unfit::{UnfitTables, unfit};

/// What is known of a pipeline's held rows.
#[derive(Debug, Default)]
pub(super) struct Quarantine {
    index: HeldIndex,
    /// The target's foreign keys; read when something is held. While they are not known, everything is
    /// watched, and what held rows touch is read anew with them.
    relations: Option<Relations>,
    /// Tables of held rows, and all that foreign keys connect them with.
    watched: HashSet<TableKey>,
    /// Tables that do not fit: all their rows are held.
    unfit: UnfitTables,
    /// Rows that the open target transaction holds, to be told when it is committed.
    open: Vec<HeldRow>,
    /// When the operator's wishes were looked for.
    asked_at: Option<Instant>,
    /// Until when nothing is settled: other work in the target was in the way.
    rests_until: Option<Instant>,
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

    /// Whether a table did not fit a moment ago, so that it is not looked at again now.
    pub(super) fn is_known_unfit(&self, table: &Arc<Table>) -> bool {
        self.unfit.is_fresh(table)
    }

    /// A table fits, or does now.
    pub(super) fn fits(&mut self, table: &Arc<Table>) {
        self.unfit.remove(table);
    }

    /// Whether rows of a transaction may depend on held ones.
    pub(super) fn watches(&self, transaction: &Transaction, tables: &TablePlans) -> bool {
        if self.is_idle() {
            return false;
        }
        if self.relations.is_none() {
            return true;
        }
        transaction.events.iter().any(|event| {
            let Event::Rows(rows) = event else { return false };
            let plan = tables.find(rows.table()).and_then(|index| tables.plan(index));
            plan.is_none_or(|plan| self.watched.contains(&TableKey::from(&plan.target.name)))
        })
    }

    /// Whether a table, or the whole of a database, may have to do with held rows.
    pub(super) fn watches_name(&self, name: &TableName) -> bool {
        self.relations.is_none() || self.watched.contains(&TableKey::from(name))
    }

    /// Whether rows of a database's tables are held.
    pub(super) fn watches_database(&self, database: &str) -> bool {
        self.relations.is_none() || self.watched.iter().any(|table| table.is_in(database))
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

    /// Works out which tables have to do with held rows. While the foreign keys are not known, that is
    /// never fewer than before.
    fn watch(&mut self) {
        let tables = self.index.tables().cloned();
        match &self.relations {
            Some(relations) => self.watched = relations.connected(tables),
            None => self.watched.extend(tables.collect::<Vec<_>>()),
        }
    }
}

impl Session {
    /// Lets the pipeline go on where a table does not fit: its rows are held.
    pub(super) fn hold_table(
        &mut self,
        table: &Arc<Table>,
        error: MySqlLoadError,
    ) -> Result<(), MySqlLoadError> {
        if self.options.on_poison != OnPoison::Quarantine || self.is_apart {
            return Err(error);
        }
        let MySqlLoadError::Unfit { .. } = &error else { return Err(error) };
        let told = error.to_string();
        if self.quarantine.unfit.add(table, unfit(error)) {
            tracing::warn!(
                pipeline = self.pipeline(),
                table = %table.name,
                error = told,
                "a table does not fit, and its rows are held"
            );
        }
        Ok(())
    }

    /// Whether a row of a transaction must wait behind a held one, as far as is known.
    pub(super) fn waits(&self, transaction: &Transaction) -> bool {
        if !self.quarantine.watches(transaction, &self.tables) {
            return false;
        }
        transaction.events.iter().any(|event| {
            let Event::Rows(rows) = event else { return false };
            self.quarantine.unfit.verdict(rows.table()).is_some()
                || rows.changes().any(|change| {
                    let touch = self.touch_of(rows, &change);
                    touch.is_none_or(|touch| self.quarantine.index.blocker(&touch).is_some())
                })
        })
    }

    /// What a change touches; `None` where its table or the foreign keys are not known.
    fn touch_of(&self, rows: &RowsEvent, change: &Change<'_>) -> Option<Touch> {
        let relations = self.quarantine.relations.as_ref()?;
        if self.quarantine.unfit.verdict(rows.table()).is_some() {
            return Some(Touch::any_of(TableKey::from(&rows.table().name), relations));
        }
        let plan = self.tables.plan(self.tables.find(rows.table())?)?;
        Some(Touch::of(rows, change, plan, relations))
    }

    fn pipeline(&self) -> &str {
        self.store.name()
    }
}
