//! Which held row a change must wait behind.
//!
//! Pure. Rows are known by their numbers, which grow with the source's order. A change waits behind
//! the first held row that it has anything in common with; when that one is gone, whoever waited for
//! it is asked about again, so that nobody passes anybody.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;

use super::relations::TableKey;
use super::touch::{Link, Touch};
use super::undo::Undo;

/// A number of a held row.
pub(crate) type HeldId = u64;

/// All held rows of a pipeline.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct HeldIndex {
    held: BTreeMap<HeldId, Held>,
    tables: HashMap<TableKey, InTable>,
    values: Ids<u64>,
    provided: Ids<Link>,
    /// By foreign key.
    all_provided: Ids<u64>,
    referred: Ids<Link>,
    all_referred: Ids<u64>,
    /// Rows that are reached at second hand.
    reached: Ids<TableKey>,
    /// Who waits for whom.
    waiting: Ids<HeldId>,
    /// What undoes the changes of the open target transaction; `None` where that is not noted.
    pub(super) journal: Option<Vec<Undo>>,
}

/// One held row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) touch: Touch,
    pub(super) cause: Option<HeldId>,
}

/// The held rows of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct InTable {
    all: BTreeSet<HeldId>,
    whole: BTreeSet<HeldId>,
    shapes: BTreeMap<u64, BTreeSet<HeldId>>,
}

/// Numbers by something.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ids<K: Eq + Hash>(HashMap<K, BTreeSet<HeldId>>);

impl<K: Eq + Hash> Default for Ids<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash + Clone> Ids<K> {
    fn add(&mut self, key: K, id: HeldId) {
        self.0.entry(key).or_default().insert(id);
    }

    fn remove(&mut self, key: &K, id: HeldId) {
        let Some(ids) = self.0.get_mut(key) else { return };
        ids.remove(&id);
        if ids.is_empty() {
            self.0.remove(key);
        }
    }

    fn first(&self, key: &K) -> Option<HeldId> {
        self.0.get(key)?.first().copied()
    }
}

impl HeldIndex {
    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// The tables of which rows are held.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &TableKey> {
        self.tables.keys()
    }

    /// Adds a row that waits for another one, or for the operator.
    pub(crate) fn add(&mut self, id: HeldId, touch: Touch, cause: Option<HeldId>) {
        let here = self.tables.entry(touch.table.clone()).or_default();
        here.all.insert(id);
        here.shapes.entry(touch.shape).or_default().insert(id);
        if touch.whole {
            here.whole.insert(id);
        }
        for value in &touch.values {
            self.values.add(*value, id);
        }
        for link in &touch.provides {
            self.provided.add(*link, id);
            self.all_provided.add(link.relation, id);
        }
        for link in &touch.refers {
            self.referred.add(*link, id);
            self.all_referred.add(link.relation, id);
        }
        for table in &touch.reaches {
            self.reached.add(table.clone(), id);
        }
        if let Some(cause) = cause {
            self.waiting.add(cause, id);
        }
        self.held.insert(id, Held { touch, cause });
    }

    /// Forgets a row; those that wait for it are told by [`waiting_for`](Self::waiting_for).
    pub(crate) fn remove(&mut self, id: HeldId) {
        let Some(held) = self.held.remove(&id) else { return };
        self.take_out(id, &held);
        self.note(Undo::Put(id, held));
    }

    fn take_out(&mut self, id: HeldId, Held { touch, cause }: &Held) {
        if let Some(here) = self.tables.get_mut(&touch.table) {
            here.all.remove(&id);
            here.whole.remove(&id);
            if let Some(ids) = here.shapes.get_mut(&touch.shape) {
                ids.remove(&id);
                if ids.is_empty() {
                    here.shapes.remove(&touch.shape);
                }
            }
            if here.all.is_empty() {
                self.tables.remove(&touch.table);
            }
        }
        for value in &touch.values {
            self.values.remove(value, id);
        }
        for link in &touch.provides {
            self.provided.remove(link, id);
            self.all_provided.remove(&link.relation, id);
        }
        for link in &touch.refers {
            self.referred.remove(link, id);
            self.all_referred.remove(&link.relation, id);
        }
        for table in &touch.reaches {
            self.reached.remove(table, id);
        }
        if let Some(cause) = cause {
            self.waiting.remove(cause, id);
        }
    }

    /// Lets a row wait for another one, or for the operator.
    pub(crate) fn set_cause(&mut self, id: HeldId, cause: Option<HeldId>) {
        let Some(held) = self.held.get_mut(&id) else { return };
        let old = std::mem::replace(&mut held.cause, cause);
        if let Some(old) = old {
            self.waiting.remove(&old, id);
        }
        self.note(Undo::Cause(id, old));
        if let Some(cause) = cause {
            self.waiting.add(cause, id);
        }
    }

    /// Adds what an edited image of a held row touches.
    pub(crate) fn widen(&mut self, id: HeldId, edited: Touch) {
        let Some(held) = self.held.get(&id) else { return };
        let Held { mut touch, cause } = held.clone();
        self.remove(id);
        touch.join(edited);
        self.add(id, touch, cause);
    }

    /// Rows whose cause is gone, in order.
    pub(crate) fn due(&self) -> BTreeSet<HeldId> {
        let gone = self.waiting.0.iter().filter(|(cause, _)| !self.held.contains_key(cause));
        gone.flat_map(|(_, ids)| ids).copied().collect()
    }

    /// Rows that wait for this one.
    pub(crate) fn waiting_for(&self, id: HeldId) -> BTreeSet<HeldId> {
        self.waiting.0.get(&id).cloned().unwrap_or_default()
    }

    /// The first held row that a new change must wait behind.
    pub(crate) fn blocker(&self, touch: &Touch) -> Option<HeldId> {
        self.first_in_common(touch)
    }

    /// The first row that a held row must wait behind.
    pub(crate) fn blocker_of(&self, id: HeldId) -> Option<HeldId> {
        let touch = &self.held.get(&id)?.touch;
        self.first_in_common(touch).filter(|first| *first < id)
    }

    fn first_in_common(&self, touch: &Touch) -> Option<HeldId> {
        let mut first: Option<HeldId> = None;
        let mut meet = |found: Option<HeldId>| {
            first = match (first, found) {
                (Some(first), Some(found)) => Some(first.min(found)),
                (first, found) => first.or(found),
            };
        };
        if let Some(here) = self.tables.get(&touch.table) {
            meet(here.whole.first().copied());
            if touch.whole {
                meet(here.all.first().copied());
            }
            let others = here.shapes.iter().filter(|(shape, _)| **shape != touch.shape);
            others.for_each(|(_, ids)| meet(ids.first().copied()));
        }
        touch.values.iter().for_each(|value| meet(self.values.first(value)));
        meet(self.first_linked(&touch.refers, &self.provided, &self.all_provided));
        meet(self.first_linked(&touch.provides, &self.referred, &self.all_referred));
        meet(self.reached.first(&touch.table));
        for table in &touch.reaches {
            meet(self.tables.get(table).and_then(|here| here.all.first().copied()));
        }
        first
    }

    /// The first row on the other side of these links.
    fn first_linked(&self, links: &[Link], others: &Ids<Link>, all: &Ids<u64>) -> Option<HeldId> {
        let of = |link: &Link| match link.value {
            None => all.first(&link.relation),
            Some(_) => {
                let any = Link { value: None, ..*link };
                [others.first(link), others.first(&any)].into_iter().flatten().min()
            }
        };
        links.iter().filter_map(of).min()
    }
}

#[cfg(test)]
mod tests;
