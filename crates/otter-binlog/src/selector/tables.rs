//! The table maps of the current file: what is done with the rows of each table id.

use std::collections::HashMap;
use std::sync::Arc;

use crate::row::RowPlan;

/// What happens to the rows of a table.
#[derive(Debug, Clone)]
pub(crate) enum Use {
    /// Skipped: the filter does not want them.
    Unwanted,
    /// Skipped: Otter's own.
    Own,
    /// Skipped, but the first of a transaction tells its origin.
    Mark(Arc<RowPlan>),
    /// Skipped: the state of a MariaDB SEQUENCE, which is no table.
    Sequence,
    /// Handed out.
    Wanted(Arc<RowPlan>),
}

/// Ids are given anew at each opening of a table, so a long-lived file may see many.
const MOST_IDS: usize = 16 * 1024;

/// Table ids and what they mean.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    by_id: HashMap<u64, (Box<[u8]>, Use)>,
}

impl Tables {
    /// Whether this very table map is known. It is repeated in every transaction, and comparing
    /// its bytes is quicker than reading them again.
    pub(crate) fn knows(&self, id: u64, map: &[u8]) -> bool {
        self.by_id.get(&id).is_some_and(|(known, _)| **known == *map)
    }

    pub(crate) fn insert(&mut self, id: u64, map: Box<[u8]>, what: Use) {
        self.by_id.insert(id, (map, what));
    }

    pub(crate) fn get(&self, id: u64) -> Option<&Use> {
        self.by_id.get(&id).map(|(_, what)| what)
    }

    pub(crate) fn clear(&mut self) {
        self.by_id.clear();
    }

    /// Forgets everything where there is too much of it. Only between transactions: each one
    /// repeats the maps that it needs.
    pub(crate) fn trim(&mut self) {
        if self.by_id.len() > MOST_IDS {
            self.by_id.clear();
        }
    }
}
