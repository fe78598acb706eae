//! What a group writes, to tell which groups are independent.
//!
//! Pure. A write set holds a hash of every unique value that a row has before or after. What is
//! overlooked (values that only the collation holds equal, values that the row images leave out of a
//! nullable key) is met by the server: the younger group waits or is refused, and is applied again
//! when its predecessors are committed. Nothing depends on a write set but speed, with one exception:
//! a streamed change of a table in copy may match no row, so that no server tells that a copied piece
//! with its row is not committed yet. INVARIANT ORD-1: the values of a row's key are the same bytes
//! whether the row was copied or streamed, which the copy needs to find rows that were touched anyway,
//! so that such a change waits for the piece.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use otter_core::{Event, RowsEvent, Transaction};

use super::fit::{Compaction, TablePlan};
use super::net::push_columns;
use super::plan::TablePlans;

/// Everything that a group writes, as hashes; each stands once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct WriteSet {
    /// Unique values: no other group may write one of them.
    keys: Vec<u64>,
    /// Tables.
    tables: Vec<u64>,
    /// Those of the tables that no other group may touch.
    whole: Vec<u64>,
}

/// Stands for all tables with foreign keys: which rows depend on each other is the server's secret.
const RELATED: &str = "foreign keys";

impl WriteSet {
    pub(crate) fn of(transactions: &[Transaction], plans: &TablePlans) -> Self {
        let mut set = Self::default();
        let mut scratch = Vec::new();
        for event in transactions.iter().flat_map(|transaction| &transaction.events) {
            let Event::Rows(rows) = event else { continue };
            let Some(plan) = plans.find(rows.table()).and_then(|index| plans.plan(index)) else {
                continue;
            };
            set.tables.push(hash_of(&plan.quoted));
            if set.add(rows, plan, &mut scratch).is_none() {
                set.whole.push(hash_of(&plan.quoted));
            }
            if plan.target.related {
                set.tables.push(hash_of(RELATED));
                set.whole.push(hash_of(RELATED));
            }
        }
        for hashes in [&mut set.keys, &mut set.tables, &mut set.whole] {
            hashes.sort_unstable();
            hashes.dedup();
        }
        set
    }

    /// Adds the unique values of all rows; `None` where they do not tell rows apart.
    fn add(&mut self, rows: &RowsEvent, plan: &TablePlan, scratch: &mut Vec<u8>) -> Option<()> {
        let Compaction::ByKey { others, .. } = &plan.compaction else { return None };
        let key = plan.identities.first()?;
        for change in rows.changes() {
            let (before, after) = (change.before(), change.after());
            for (number, columns) in std::iter::once(key).chain(others).enumerate() {
                for image in [before, after].into_iter().flatten() {
                    // An image after the change may leave out what has not changed.
                    let value_of =
                        |index| image.value(index).or(before.and_then(|it| it.value(index)));
                    scratch.clear();
                    push_columns(scratch, columns, value_of)?;
                    self.keys.push(hash_of(&(&plan.quoted, number, &scratch)));
                }
            }
        }
        Some(())
    }
}

fn hash_of(what: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// The write sets of all groups that are begun and not committed.
#[derive(Debug, Default)]
pub(crate) struct Written {
    keys: HashMap<u64, usize>,
    tables: HashMap<u64, usize>,
    whole: HashMap<u64, usize>,
}

impl Written {
    /// Whether a group may begin beside those that are begun.
    pub(crate) fn is_independent(&self, set: &WriteSet) -> bool {
        let none_of = |hashes: &[u64], taken: &HashMap<u64, usize>| {
            hashes.iter().all(|hash| !taken.contains_key(hash))
        };
        none_of(&set.whole, &self.tables)
            && none_of(&set.tables, &self.whole)
            && none_of(&set.keys, &self.keys)
    }

    pub(crate) fn add(&mut self, set: &WriteSet) {
        for (hashes, taken) in self.pairs(set) {
            for hash in hashes {
                *taken.entry(*hash).or_default() += 1;
            }
        }
    }

    pub(crate) fn remove(&mut self, set: &WriteSet) {
        for (hashes, taken) in self.pairs(set) {
            for hash in hashes {
                if let Some(count) = taken.get_mut(hash) {
                    *count -= 1;
                    if *count == 0 {
                        taken.remove(hash);
                    }
                }
            }
        }
    }

    fn pairs<'a>(&'a mut self, set: &'a WriteSet) -> [(&'a [u64], &'a mut HashMap<u64, usize>); 3] {
        [
            (&set.keys, &mut self.keys),
            (&set.tables, &mut self.tables),
            (&set.whole, &mut self.whole),
        ]
    }
}

#[cfg(test)]
pub(crate) mod tests;
