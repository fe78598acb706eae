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

/// So many ids are found without hashing. Servers count them up, so that tables which are written
/// to at the same time seldom share a slot.
const SLOTS: usize = 16;

/// Table ids and what they mean.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    by_id: HashMap<u64, usize>,
    known: Vec<Known>,
    /// Where an id is in `known` whose lower digits are those of the slot.
    recent: [usize; SLOTS],
}

#[derive(Debug)]
struct Known {
    id: u64,
    map: Box<[u8]>,
    what: Use,
}

impl Tables {
    /// Whether this very table map is known. It is repeated in every statement, and comparing its
    /// bytes is quicker than reading them again.
    pub(crate) fn knows(&mut self, id: u64, map: &[u8]) -> bool {
        if let Some(known) = self.recent(id) {
            return *known.map == *map;
        }
        let Some(at) = self.by_id.get(&id).copied() else { return false };
        self.remember(id, at);
        self.known.get(at).is_some_and(|known| *known.map == *map)
    }

    pub(crate) fn insert(&mut self, id: u64, map: Box<[u8]>, what: Use) {
        let entry = Known { id, map, what };
        let at = *self.by_id.entry(id).or_insert(self.known.len());
        match self.known.get_mut(at) {
            Some(known) => *known = entry,
            None => self.known.push(entry),
        }
        self.remember(id, at);
    }

    fn remember(&mut self, id: u64, at: usize) {
        if let Some(recent) = self.recent.get_mut(slot(id)) {
            *recent = at;
        }
    }

    pub(crate) fn get(&self, id: u64) -> Option<&Use> {
        let known = self.recent(id).or_else(|| self.known.get(*self.by_id.get(&id)?))?;
        Some(&known.what)
    }

    #[inline]
    fn recent(&self, id: u64) -> Option<&Known> {
        self.known.get(*self.recent.get(slot(id))?).filter(|known| known.id == id)
    }

    pub(crate) fn clear(&mut self) {
        self.by_id.clear();
        self.known.clear();
    }

    /// Forgets everything where there is too much of it. Only between transactions: each one
    /// repeats the maps that it needs.
    pub(crate) fn trim(&mut self) {
        if self.known.len() > MOST_IDS {
            self.clear();
        }
    }
}

#[allow(clippy::cast_possible_truncation, reason = "the remainder is below the number of slots")]
fn slot(id: u64) -> usize {
    (id % SLOTS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_share_a_slot_are_told_apart() {
        let mut tables = Tables::default();
        let slots = u64::try_from(SLOTS).unwrap();
        let ids = [3, 3 + slots, 3 + 2 * slots, 4];
        assert!(!tables.knows(3, b"3"));
        for id in ids {
            assert!(tables.get(id).is_none());
            tables.insert(id, id.to_string().into_bytes().into(), Use::Unwanted);
        }
        tables.insert(3, (*b"3").into(), Use::Own);
        for id in ids.into_iter().chain(ids) {
            assert!(matches!(
                (id, tables.get(id)),
                (3, Some(Use::Own)) | (4.., Some(Use::Unwanted))
            ));
            assert!(tables.knows(id, id.to_string().as_bytes()));
            assert!(!tables.knows(id, b"another map"));
        }
        assert_eq!(tables.known.len(), ids.len());
        tables.clear();
        assert!(tables.get(3).is_none() && !tables.knows(4, b"4"));
    }
}
