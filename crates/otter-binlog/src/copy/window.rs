//! The rows that the stream has touched while a part of a table was being read.
//!
//! What was read is older than what the stream has brought since: it counts only for the rows that
//! are not here.

use std::collections::HashSet;
use std::ops::Range;

use otter_core::{Change, RowKind, RowsEvent};

use super::key::Key;

/// So many bytes of keys are remembered for all that is read at once; with more, what is read is
/// dropped and read again in smaller parts.
const MOST_BYTES: usize = 16 << 20;
/// What a key takes beside its bytes.
const KEY_BYTES: usize = 48;

/// The keys that were touched since a place in the stream.
#[derive(Debug)]
pub(super) struct Window {
    keys: HashSet<Box<[u8]>>,
    bytes: usize,
    most: usize,
}

impl Default for Window {
    fn default() -> Self {
        Self::one_of(1)
    }
}

/// Why a window cannot take a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Untaken {
    /// There are too many.
    Full,
    /// The rows do not have the columns of the key.
    OtherKey,
}

impl Window {
    /// One of so many that are filled at once.
    pub(super) fn one_of(count: usize) -> Self {
        Self { keys: HashSet::new(), bytes: 0, most: MOST_BYTES / count.max(1) }
    }

    /// Takes the keys of rows before and after their changes.
    pub(super) fn touch(&mut self, rows: &RowsEvent, key: &Key) -> Result<(), Untaken> {
        for change in rows.changes() {
            for row in [change.before(), change.after()].into_iter().flatten() {
                let bytes = key.bytes_of(row).ok_or(Untaken::OtherKey)?;
                let size = bytes.len() + KEY_BYTES;
                if self.keys.insert(bytes) {
                    self.bytes += size;
                }
            }
        }
        if self.bytes > self.most { Err(Untaken::Full) } else { Ok(()) }
    }

    /// The rows that were read and not touched since, in runs.
    pub(super) fn untouched(&self, rows: RowsEvent, key: &Key) -> Vec<RowsEvent> {
        if self.keys.is_empty() {
            return vec![rows];
        }
        self.runs(&rows, key).into_iter().filter_map(|run| rows.part(run)).collect()
    }

    /// Whether the row with these bytes as its key was touched.
    pub(super) fn has_touched(&self, key: &[u8]) -> bool {
        self.keys.contains(key)
    }

    /// Which rows were not touched since.
    pub(super) fn runs(&self, rows: &RowsEvent, key: &Key) -> Vec<Range<usize>> {
        let mut runs = Vec::new();
        let mut begin = 0;
        let is_touched = |change: Change<'_>| {
            let bytes = change.after().and_then(|row| key.bytes_of(row));
            bytes.is_none_or(|bytes| self.keys.contains(&bytes))
        };
        for (index, change) in rows.changes().enumerate() {
            if is_touched(change) {
                runs.push(begin..index);
                begin = index + 1;
            }
        }
        runs.push(begin..rows.row_count());
        runs.retain(|run| !run.is_empty());
        runs
    }
}

/// Whether all images hold all columns: of a table that is being copied the row may be missing.
pub(super) fn is_whole(rows: &RowsEvent) -> bool {
    rows.kind() == RowKind::Delete
        || rows.changes().all(|change| {
            change.after().is_some_and(|row| row.values().all(|value| value.is_some()))
        })
}

#[cfg(test)]
mod tests;
