//! The transform that applies mappings: rows get the names that their table and its columns have
//! in the target, other rows are dropped.
//!
//! It looks into a row only where a filter asks about it: all else is decided once per version of a
//! table. A schema change gets the target's names where it is carried as a whole.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::Mappings;
use super::filter::BoundFilter;
use super::spread::BoundSpread;
use crate::batch::{Batch, Transaction};
use crate::copy::InCopy;
use crate::event::{ColumnView, Event, RowKind, RowsEvent};
use crate::fault::{Classify, Fault, Result};
use crate::stage::Transform;
use crate::table::{Table, TableName};

/// Renames tables and changes their columns as [`Mappings`] say, and drops the rows of tables that are not mapped.
///
/// Transactions stay, even where nothing is left of them. A schema change stays where it names a
/// mapped table, or concerns a whole database that holds one, and tells by its [`DdlReach`] whether
/// the target may execute it.
///
/// [`DdlReach`]: crate::ddl::DdlReach
#[derive(Debug)]
pub struct Route {
    mappings: Mappings,
    /// The last version of each table that was seen, and what it became: bounded by the number
    /// of the source's tables.
    seen: Mutex<HashMap<TableName, Routed>>,
}

#[derive(Debug, Clone)]
struct Routed {
    source: Arc<Table>,
    target: Option<TableRoute>,
}

/// What becomes of one version of a source table.
#[derive(Debug, Clone)]
pub struct TableRoute {
    /// One, or those that rows are spread over.
    pub(super) tables: Arc<[Arc<Table>]>,
    pub(super) view: Option<Arc<ColumnView>>,
    pub(super) filter: Option<BoundFilter>,
    pub(super) spread: Option<BoundSpread>,
}

/// Rows that do not follow the definition that they came with.
#[derive(Debug, thiserror::Error)]
#[error("the rows of {0} do not have the columns of their table")]
struct ColumnsDiffer(TableName);

impl Classify for ColumnsDiffer {
    fn fault(&self) -> Fault {
        Fault::Fatal
    }
    fn doing(&self) -> &'static str {
        "route rows to their target table"
    }
}

impl Route {
    /// Makes the transform of these mappings.
    #[must_use]
    pub fn new(mappings: Mappings) -> Self {
        Self { mappings, seen: Mutex::default() }
    }

    /// Adds what becomes of rows. `before` rows of the transaction came before them.
    fn rows(&self, rows: RowsEvent, transaction: &mut Transaction, before: u64) -> Result<()> {
        let Some(target) = self.target(rows.table())? else { return Ok(()) };
        // What is copied again must go from the target also where the filter does not keep it now.
        let goes = rows.kind() == RowKind::Delete && rows.flags().copy == InCopy::Resynced;
        let Some(filter) = target.filter.as_ref().filter(|_| !goes) else {
            return target.push(rows, transaction, before);
        };
        for (part, ordinal) in filter.apply(&rows, transaction, before)? {
            target.push(part, transaction, ordinal)?;
        }
        Ok(())
    }

    fn target(&self, source: &Arc<Table>) -> Result<Option<TableRoute>> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = seen.get_mut(&source.name)
            && (Arc::ptr_eq(&known.source, source) || known.source == *source)
        {
            return Ok(known.target.clone());
        }
        let target = self.mappings.table(source)?;
        let routed = Routed { source: Arc::clone(source), target: target.clone() };
        seen.insert(source.name.clone(), routed);
        Ok(target)
    }
}

impl TableRoute {
    /// The definitions that the rows have in the target: one, or as many as rows are spread over.
    #[must_use]
    pub fn tables(&self) -> &[Arc<Table>] {
        &self.tables
    }

    /// The place of the source's column that a column of the definitions shows; `None` for a constant.
    #[must_use]
    pub fn shown(&self, column: usize) -> Option<usize> {
        match &self.view {
            Some(view) => view.cell(column),
            None => Some(column),
        }
    }

    /// Whether a filter of the mapping leaves rows out.
    #[must_use]
    pub fn is_filtered(&self) -> bool {
        self.filter.is_some()
    }

    /// Whether an expression picks the table of each row.
    #[must_use]
    pub fn is_spread(&self) -> bool {
        self.spread.is_some()
    }

    /// Adds rows of the source table to a transaction, as the target has them. `before` rows of the
    /// transaction came before them.
    fn push(&self, rows: RowsEvent, transaction: &mut Transaction, before: u64) -> Result<()> {
        let Some(spread) = &self.spread else {
            transaction.events.push(Event::Rows(self.apply(rows, 0)?));
            return Ok(());
        };
        for (part, table) in spread.apply(&rows, transaction, before)? {
            transaction.events.push(Event::Rows(self.apply(part, table)?));
        }
        Ok(())
    }

    /// Gives rows of the source table one of the target's definitions.
    fn apply(&self, rows: RowsEvent, table: usize) -> Result<RowsEvent> {
        let name = rows.table().name.clone();
        let Some(table) = self.tables.get(table) else { return Err(ColumnsDiffer(name).into()) };
        if Arc::ptr_eq(table, rows.table()) {
            return Ok(rows);
        }
        let table = Arc::clone(table);
        let mapped = match &self.view {
            Some(view) => rows.with_view(table, Arc::clone(view)),
            None => rows.with_table(table),
        };
        Ok(mapped.ok_or(ColumnsDiffer(name))?)
    }
}

impl Transform for Route {
    fn transform(&self, mut batch: Batch) -> Result<Batch> {
        for transaction in &mut batch.transactions {
            let events = std::mem::take(&mut transaction.events);
            transaction.events.reserve_exact(events.len());
            let mut before = transaction.rows_before;
            for event in events {
                match event {
                    Event::Rows(rows) => {
                        let count = u64::try_from(rows.row_count()).unwrap_or(u64::MAX);
                        self.rows(rows, transaction, before)?;
                        before = before.saturating_add(count);
                    }
                    Event::Ddl(ddl) => {
                        if self.mappings.concerns(&ddl) {
                            let ddl = self.mappings.route_ddl(ddl);
                            transaction.events.push(Event::Ddl(ddl));
                        }
                    }
                    step @ (Event::Copy(_) | Event::Resync(_)) => transaction.events.push(step),
                }
            }
        }
        Ok(batch)
    }
}
