//! The transform that applies mappings: rows get the names that their table and its columns have
//! in the target, other rows are dropped.
//!
//! It never looks into a row: what is decided is decided once per version of a table. A schema
//! change gets the target's names where it is carried as a whole.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::Mappings;
use crate::batch::Batch;
use crate::event::{ColumnView, Event, RowsEvent};
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
    pub(super) table: Arc<Table>,
    pub(super) view: Option<Arc<ColumnView>>,
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

    fn event(&self, event: Event) -> Result<Option<Event>> {
        match event {
            Event::Rows(rows) => Ok(self.rows(rows)?.map(Event::Rows)),
            Event::Ddl(ddl) => {
                let concerns = self.mappings.concerns(&ddl);
                Ok(concerns.then(|| Event::Ddl(self.mappings.route_ddl(ddl))))
            }
        }
    }

    fn rows(&self, rows: RowsEvent) -> Result<Option<RowsEvent>> {
        match self.target(rows.table())? {
            Some(target) => Ok(Some(target.apply(rows)?)),
            None => Ok(None),
        }
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
    /// The definition that the rows have in the target.
    #[must_use]
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// Gives rows of the source table the target's definition.
    fn apply(&self, rows: RowsEvent) -> Result<RowsEvent> {
        if Arc::ptr_eq(&self.table, rows.table()) {
            return Ok(rows);
        }
        let name = rows.table().name.clone();
        let table = Arc::clone(&self.table);
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
            for event in events {
                transaction.events.extend(self.event(event)?);
            }
        }
        Ok(batch)
    }
}
