//! The transform that applies mappings: rows get their target's name, other rows are dropped.
//!
//! It never looks into a row. A schema change gets the target's names where it is carried as a
//! whole.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::Mappings;
use crate::batch::Batch;
use crate::event::{Event, RowsEvent};
use crate::fault::{Classify, Fault, Result};
use crate::stage::Transform;
use crate::table::{Table, TableName};

/// Renames tables as [`Mappings`] say and drops the rows of tables that are not mapped.
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
    target: Option<Arc<Table>>,
}

/// A table lost columns on its way.
#[derive(Debug, thiserror::Error)]
#[error("renaming {0} changed its number of columns")]
struct ColumnsChanged(TableName);

impl Classify for ColumnsChanged {
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
        let Some(target) = self.target(rows.table()) else { return Ok(None) };
        if Arc::ptr_eq(&target, rows.table()) {
            return Ok(Some(rows));
        }
        let name = rows.table().name.clone();
        let rows = rows.with_table(target).ok_or(ColumnsChanged(name))?;
        Ok(Some(rows))
    }

    fn target(&self, source: &Arc<Table>) -> Option<Arc<Table>> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = seen.get_mut(&source.name)
            && (Arc::ptr_eq(&known.source, source) || known.source == *source)
        {
            return known.target.clone();
        }
        let target = self.mappings.route(&source.name).map(|name| {
            if name == source.name {
                return Arc::clone(source);
            }
            Arc::new(Table { name, ..Table::clone(source) })
        });
        let routed = Routed { source: Arc::clone(source), target: target.clone() };
        seen.insert(source.name.clone(), routed);
        target
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
