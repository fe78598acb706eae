//! The net effect of a group: one change per row instead of all that happened to it.
//!
//! Pure. A group is committed as a whole, so that only its first and its last state can be seen.
//! Rows of a table are told apart by the bytes of their first identity's columns. Deletes go first,
//! then updates, then inserts, so that unique values are free before they are taken; where an
//! update takes a value that another update gives away, the table stays in source order.
//!
//! Equality of keys is the target's collation's, which bytes are finer than. That loses nothing: of
//! values that a collation holds equal at most one exists at a time, so that the one that is deleted
//! goes before the other comes. Whatever is overlooked here is met by the counts that every
//! statement must have, and the group is applied again in source order.

mod image;
mod key;
mod table;

use std::collections::{HashMap, HashSet};

use otter_core::{Event, InCopy, Row, RowKind, Transaction};

pub(crate) use image::Image;
pub(crate) use key::push_columns;
use table::TableNet;
pub(crate) use table::is_same;

use super::fit::Compaction;
use super::plan::{RowsOf, TablePlans};

/// What a group does to one row.
#[derive(Debug, Clone)]
pub(crate) struct NetRow<'a> {
    /// The last change to the row, as a finding names it.
    pub(crate) of: RowsOf,
    pub(crate) effect: Effect<'a>,
}

/// The difference between a row before and after a group.
#[derive(Debug, Clone)]
pub(crate) enum Effect<'a> {
    /// The row goes.
    Delete { key: Row<'a> },
    /// The row came and went: there must be none.
    Absent { key: Row<'a> },
    /// The row is there before and after, and changes in these columns.
    Update { key: Row<'a>, after: Image<'a>, changed: ColumnSet },
    /// The row is new.
    Insert { after: Image<'a> },
}

/// Source columns, as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ColumnSet(u128);

/// What a group does, but for the tables that stay in source order.
#[derive(Debug, Default)]
pub(crate) struct Net<'a> {
    /// Table by table: deletes, absent rows, updates, inserts.
    pub(crate) rows: Vec<NetRow<'a>>,
    /// The plans of the tables that are here.
    pub(crate) tables: HashSet<usize>,
}

impl ColumnSet {
    pub(crate) fn insert(&mut self, index: usize) {
        self.0 |= u32::try_from(index).ok().and_then(|bit| 1u128.checked_shl(bit)).unwrap_or(0);
    }

    pub(crate) fn contains(self, index: usize) -> bool {
        u32::try_from(index)
            .ok()
            .and_then(|bit| 1u128.checked_shl(bit))
            .is_some_and(|bit| self.0 & bit != 0)
    }

    fn join(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// Works the net effect out. Tables whose changes do not allow it are left out altogether.
pub(crate) fn compact<'a>(transactions: &'a [Transaction], plans: &'a TablePlans) -> Net<'a> {
    let mut order = Vec::new();
    let mut tables: HashMap<&str, Option<TableNet<'a>>> = HashMap::new();
    for (number, transaction) in transactions.iter().enumerate() {
        let mut ordinal = transaction.rows_before;
        for event in &transaction.events {
            let Event::Rows(rows) = event else { continue };
            let begin = ordinal;
            ordinal += u64::try_from(rows.row_count()).unwrap_or(u64::MAX);
            let Some((index, plan)) =
                plans.find(rows.table()).and_then(|index| Some((index, plans.plan(index)?)))
            else {
                continue;
            };
            let net = tables.entry(plan.quoted.as_str()).or_insert_with(|| {
                order.push(plan.quoted.as_str());
                match &plan.compaction {
                    Compaction::Never => None,
                    Compaction::ByKey { others, keeps_rows, .. } => {
                        TableNet::new(index, plan, others, *keeps_rows)
                    }
                }
            });
            let Some(open) = net else { continue };
            // Rows of several tables, or of several definitions, that meet in one table.
            // Of a table that is being copied rows may be missing, so that nothing is known of what
            // a change meets.
            let mut is_taken = open.table() == index && rows.flags().copy == InCopy::No;
            for (row, change) in rows.changes().enumerate() {
                let ordinal = begin.saturating_add(u64::try_from(row).unwrap_or(u64::MAX)) + 1;
                let of = RowsOf {
                    table: index,
                    transaction: number,
                    ordinal,
                    kind: rows.kind(),
                    rows: 1,
                };
                is_taken = is_taken && open.take(change, of).is_some();
            }
            if !is_taken {
                *net = None;
            }
        }
    }
    let mut whole = Net::default();
    for name in order {
        if let Some(Some(net)) = tables.remove(name)
            && let Some((table, rows)) = net.finish()
        {
            whole.tables.insert(table);
            whole.rows.extend(rows);
        }
    }
    whole
}

impl Effect<'_> {
    /// The kind of statement that brings it about.
    pub(crate) fn kind(&self) -> RowKind {
        match self {
            Self::Delete { .. } | Self::Absent { .. } => RowKind::Delete,
            Self::Update { .. } => RowKind::Update,
            Self::Insert { .. } => RowKind::Insert,
        }
    }
}

#[cfg(test)]
mod tests;
