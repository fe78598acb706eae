//! Which tables' changes may become one change per row.

use otter_core::Table;

use super::ColumnPlan;
use crate::mysql::target::TargetTable;

/// The most columns of a table whose changes are compacted: one bit each.
const MOST_COLUMNS: usize = 128;

/// Whether a table's changes may be applied in another order than the source's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Compaction {
    /// They stay in source order: rows cannot be told apart, or depend on rows of other tables.
    Never,
    /// One change per row: first the deletes, then the updates, then the inserts.
    ByKey {
        /// The source columns of each unique key besides the first identity.
        others: Vec<Vec<usize>>,
        /// Whether rows that are there may be written by an INSERT that updates them.
        upserts: bool,
        /// Whether the target has columns of its own: then a row that stays is never made anew.
        keeps_rows: bool,
    },
}

/// Rows are compacted where their key is written as the source has it, and nothing but unique keys
/// of the table's own makes one row's change depend on another's.
pub(super) fn compaction(
    source: &Table,
    target: &TargetTable,
    columns: &[ColumnPlan],
    identities: &[Vec<usize>],
) -> Compaction {
    let is_written = |index: &usize| columns.get(*index).is_some_and(|column| column.written);
    let Some(key) = identities.first().filter(|key| key.iter().all(is_written)) else {
        return Compaction::Never;
    };
    // A versioned table keeps each state that a row had.
    let is_versioned = target.kind == "SYSTEM VERSIONED";
    if target.related || is_versioned || columns.len() > MOST_COLUMNS {
        return Compaction::Never;
    }
    let mut others = Vec::new();
    for unique in &target.uniques {
        let indexes = unique.as_ref().and_then(|names| {
            names.iter().map(|name| source.column_index(name)).collect::<Option<Vec<_>>>()
        });
        match indexes {
            Some(indexes) if indexes == *key => {}
            Some(indexes) if indexes.iter().all(is_written) => others.push(indexes),
            // Values that the target makes itself are not known here.
            Some(_) | None => return Compaction::Never,
        }
    }
    // An INSERT that updates leaves the key as it is, and a key that stamps itself would not stay so.
    let stamps = |index: &usize| columns.get(*index).is_none_or(|column| column.stamps);
    let upserts = others.is_empty() && !key.iter().any(stamps);
    let keeps_rows = target
        .columns
        .iter()
        .any(|column| !column.generated && source.column_index(&column.name).is_none());
    Compaction::ByKey { others, upserts, keeps_rows }
}
