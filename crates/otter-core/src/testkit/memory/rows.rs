//! Tables in memory, and how changes are applied to them: strictly, each as it is expected.

use std::collections::{BTreeMap, BTreeSet};

use super::load::MemoryLoadError;
use super::stored::{Stored, StoredRow, image};
use crate::batch::Transaction;
use crate::event::{Change, Event, Row};
use crate::table::{Table, TableName};

/// All tables of a target. They come into being with their first row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tables {
    tables: BTreeMap<TableName, TableRows>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum TableRows {
    /// By primary key.
    Keyed(BTreeMap<Vec<Stored>, StoredRow>),
    /// Without one: equal rows are counted.
    Bag(BTreeMap<StoredRow, usize>),
}

/// Keys whose changes the target does not take.
pub(super) type Refused = BTreeSet<(TableName, Vec<Stored>)>;

/// The place of a row in its transaction, for errors.
pub(super) struct At<'a> {
    pub(super) table: &'a Table,
    pub(super) ordinal: u64,
}

impl Tables {
    /// The rows of a table in key order; none where there is no such table.
    #[must_use]
    pub fn rows(&self, name: &TableName) -> Vec<StoredRow> {
        match self.tables.get(name) {
            None => Vec::new(),
            Some(TableRows::Keyed(rows)) => rows.values().cloned().collect(),
            Some(TableRows::Bag(rows)) => {
                let repeated = rows.iter().map(|(row, count)| std::iter::repeat_n(row, *count));
                repeated.flatten().cloned().collect()
            }
        }
    }

    /// Puts a row, replacing one with its key.
    pub(super) fn put(&mut self, table: &Table, row: StoredRow) {
        match self.rows_of(table) {
            TableRows::Keyed(rows) => {
                rows.insert(key_of(table, &row), row);
            }
            TableRows::Bag(rows) => *rows.entry(row).or_default() += 1,
        }
    }

    /// Takes the row with this key out.
    pub(super) fn take(&mut self, name: &TableName, key: &[Stored]) -> Option<StoredRow> {
        match self.tables.get_mut(name)? {
            TableRows::Keyed(rows) => rows.remove(key),
            TableRows::Bag(_) => None,
        }
    }

    /// Applies all changes of a transaction, or fails at one and leaves a part behind: work on a
    /// copy. Returns the number of changed rows.
    pub(super) fn apply(
        &mut self,
        transaction: &Transaction,
        refused: &Refused,
    ) -> Result<u64, MemoryLoadError> {
        let mut ordinal = transaction.rows_before;
        for event in &transaction.events {
            match event {
                Event::Ddl(_) | Event::Copy(_) | Event::Resync(_) => {}
                Event::Rows(rows) => {
                    for change in rows.changes() {
                        ordinal += 1;
                        self.change(change, &At { table: rows.table(), ordinal }, refused)?;
                    }
                }
            }
        }
        Ok(ordinal - transaction.rows_before)
    }

    /// As [`apply`](Self::apply), but holds each row that does not fit, and with `waits` those that
    /// share a key with a held one. Returns the number of the transaction's rows.
    pub(super) fn apply_or_hold(
        &mut self,
        transaction: &Transaction,
        refused: &Refused,
        (held, waits): (&mut Vec<Transaction>, bool),
    ) -> u64 {
        let mut ordinal = transaction.rows_before;
        for event in &transaction.events {
            let Event::Rows(rows) = event else { continue };
            for index in 0..rows.row_count() {
                ordinal += 1;
                let Some(row) = rows.part(index..index + 1) else { continue };
                let Some(change) = row.changes().next() else { continue };
                let keys = keys_of(row.table(), &change);
                let is_behind = waits && held.iter().any(|one| shares_a_key(one, &keys));
                let before = self.clone();
                if !is_behind {
                    let at = At { table: row.table(), ordinal };
                    if self.change(change, &at, refused).is_ok() {
                        continue;
                    }
                    *self = before;
                }
                let rows_before = ordinal - 1;
                let events = vec![Event::Rows(row)];
                held.push(Transaction { rows_before, events, ..transaction.clone() });
            }
        }
        ordinal - transaction.rows_before
    }

    fn change(
        &mut self,
        change: Change<'_>,
        at: &At<'_>,
        refused: &Refused,
    ) -> Result<(), MemoryLoadError> {
        let removed = change.before().map(|row| self.remove(row, at, refused)).transpose()?;
        let Some(after) = change.after() else { return Ok(()) };
        let mut row = Vec::with_capacity(at.table.columns.len());
        for (index, value) in image(after).into_iter().enumerate() {
            // What an image leaves out stays as it was; a new row gets NULL there.
            let was = removed.as_ref().and_then(|row: &StoredRow| row.get(index)).cloned();
            row.push(value.or(was).unwrap_or(Stored::Null));
        }
        self.insert(row, at, refused)
    }

    fn insert(
        &mut self,
        row: StoredRow,
        at: &At<'_>,
        refused: &Refused,
    ) -> Result<(), MemoryLoadError> {
        match self.rows_of(at.table) {
            TableRows::Keyed(rows) => {
                let key = key_of(at.table, &row);
                if rows.contains_key(&key) {
                    return Err(MemoryLoadError::duplicate(at));
                }
                if refused.contains(&(at.table.name.clone(), key.clone())) {
                    return Err(MemoryLoadError::refused(at));
                }
                rows.insert(key, row);
            }
            TableRows::Bag(rows) => *rows.entry(row).or_default() += 1,
        }
        Ok(())
    }

    fn remove(
        &mut self,
        before: Row<'_>,
        at: &At<'_>,
        refused: &Refused,
    ) -> Result<StoredRow, MemoryLoadError> {
        let image = image(before);
        match self.rows_of(at.table) {
            TableRows::Keyed(rows) => {
                let key =
                    key_of_image(at.table, &image).ok_or_else(|| MemoryLoadError::missing(at))?;
                if refused.contains(&(at.table.name.clone(), key.clone())) {
                    return Err(MemoryLoadError::refused(at));
                }
                let row = rows.remove(&key).ok_or_else(|| MemoryLoadError::missing(at))?;
                let is_as_expected = image
                    .iter()
                    .zip(&row)
                    .all(|(expected, found)| expected.as_ref().is_none_or(|value| value == found));
                if !is_as_expected {
                    return Err(MemoryLoadError::different(at));
                }
                Ok(row)
            }
            TableRows::Bag(rows) => {
                let row: Option<StoredRow> = image.into_iter().collect();
                let row = row.ok_or_else(|| MemoryLoadError::missing(at))?;
                let count = rows.get_mut(&row).ok_or_else(|| MemoryLoadError::missing(at))?;
                *count -= 1;
                if *count == 0 {
                    rows.remove(&row);
                }
                Ok(row)
            }
        }
    }

    fn rows_of(&mut self, table: &Table) -> &mut TableRows {
        self.tables.entry(table.name.clone()).or_insert_with(|| {
            if table.primary_key.is_empty() {
                TableRows::Bag(BTreeMap::new())
            } else {
                TableRows::Keyed(BTreeMap::new())
            }
        })
    }
}

/// The keys of a change, before and after; `None` for any.
fn keys_of(table: &Table, change: &Change<'_>) -> Vec<(TableName, Option<Vec<Stored>>)> {
    let sides = [change.before(), change.after()].into_iter().flatten();
    let key = |row: Row<'_>| match table.primary_key.as_slice() {
        [] => None,
        _ => key_of_image(table, &image(row)),
    };
    sides.map(|row| (table.name.clone(), key(row))).collect()
}

fn shares_a_key(held: &Transaction, keys: &[(TableName, Option<Vec<Stored>>)]) -> bool {
    held.events.iter().any(|event| {
        let Event::Rows(rows) = event else { return false };
        let theirs = rows.changes().flat_map(|change| keys_of(rows.table(), &change));
        let meets = |(table, key): &(TableName, Option<Vec<Stored>>)| {
            let is_met = |(other, mine): &(TableName, Option<Vec<Stored>>)| {
                other == table && (key.is_none() || mine.is_none() || key == mine)
            };
            keys.iter().any(is_met)
        };
        theirs.collect::<Vec<_>>().iter().any(meets)
    })
}

fn key_of(table: &Table, row: &StoredRow) -> Vec<Stored> {
    let values = table.primary_key.iter().filter_map(|index| row.get(*index));
    values.cloned().collect()
}

fn key_of_image(table: &Table, image: &[Option<Stored>]) -> Option<Vec<Stored>> {
    table.primary_key.iter().map(|index| image.get(*index).cloned().flatten()).collect()
}
