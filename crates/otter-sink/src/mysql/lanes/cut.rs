//! Cutting transactions into pieces within which lanes know nothing of each other.
//!
//! Pure. In a piece each row belongs to one lane, and no unique value is given or taken in two of
//! them, so that the lanes may apply their rows in any order against each other (ORD-1). A
//! transaction for which that does not hold by itself goes as a whole, when all lanes rest.

use std::collections::HashMap;

use otter_core::{Event, RowsEvent, Transaction};

use super::place::{Room, Rule, Spot};
use crate::mysql::plan::TablePlans;
use crate::mysql::store::NotedRule;

/// A transaction with more rows goes as a whole: what is shared out takes some hundred bytes for each
/// row beside the row itself (MEM-1).
const MOST_ROWS: usize = 32_000;

/// Transactions, one behind the other, that are applied before those behind them begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// So many, by all lanes at once: the lane of each of their rows.
    Apart(usize, Vec<u16>),
    /// So many, while the lanes rest.
    Whole(usize),
}

/// By what pieces are cut.
#[derive(Debug)]
pub(super) struct Cutting<'a> {
    plans: &'a TablePlans,
    lanes: u16,
    /// A piece takes no further transaction where it would have more rows.
    most_rows: usize,
    rules: HashMap<usize, Rule>,
    room: Room,
}

/// What is open to further transactions.
#[derive(Debug, Default)]
struct Open<'a> {
    transactions: usize,
    lanes: Vec<u16>,
    /// The lane that has to do with each unique value.
    touched: HashMap<u64, u16>,
    /// The plan by which the rows of a table find their lanes.
    tables: HashMap<&'a str, usize>,
}

impl<'a> Cutting<'a> {
    pub(super) fn new(plans: &'a TablePlans, lanes: u16, most_rows: usize) -> Self {
        Self {
            plans,
            lanes,
            most_rows: most_rows.min(MOST_ROWS),
            rules: HashMap::new(),
            room: Room::default(),
        }
    }

    /// Cuts transactions whose tables are all known.
    pub(super) fn cut(&mut self, transactions: &[Transaction]) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut open = Open::default();
        for transaction in transactions {
            // A schema change that was passed by leaves its rows, and no lane may have it alone.
            let is_indivisible = transaction.row_count() > MOST_ROWS || has_ddl(transaction);
            let alone = if is_indivisible { None } else { self.alone(transaction) };
            let Some(alone) = alone else {
                open.close(&mut pieces);
                match pieces.last_mut() {
                    Some(Piece::Whole(count)) => *count += 1,
                    Some(Piece::Apart(..)) | None => pieces.push(Piece::Whole(1)),
                }
                continue;
            };
            let rows = open.lanes.len() + alone.lanes.len();
            if rows > self.most_rows || !self.may_join(&open, &alone) {
                open.close(&mut pieces);
            }
            open.join(alone);
        }
        open.close(&mut pieces);
        pieces
    }

    /// The lanes of a transaction's rows, by themselves; `None` where they depend on each other.
    pub(super) fn lanes_of(&mut self, transaction: &Transaction) -> Option<Vec<u16>> {
        self.alone(transaction).map(|alone| alone.lanes)
    }

    /// The tables that were met, with the digests of their rules.
    pub(super) fn rules(&self) -> Vec<NotedRule> {
        let noted = |(index, rule): (&usize, &Rule)| {
            let plan = self.plans.plan(*index)?;
            Some((plan.quoted.clone(), rule.digest(plan)))
        };
        let mut rules: Vec<_> = self.rules.iter().filter_map(noted).collect();
        rules.sort_unstable();
        rules.dedup();
        rules
    }

    fn alone(&mut self, transaction: &Transaction) -> Option<Open<'a>> {
        let mut alone = Open { transactions: 1, ..Open::default() };
        for event in &transaction.events {
            let Event::Rows(rows) = event else { continue };
            self.add(rows, &mut alone)?;
        }
        Some(alone)
    }

    fn add(&mut self, rows: &RowsEvent, alone: &mut Open<'a>) -> Option<()> {
        let index = self.plans.find(rows.table())?;
        let plan = self.plans.plan(index)?;
        let first = *alone.tables.entry(plan.quoted.as_str()).or_insert(index);
        if !self.agree(first, index) {
            return None;
        }
        let lanes = self.lanes;
        let rule = self.rules.entry(index).or_insert_with(|| Rule::of(plan));
        for change in rows.changes() {
            let Spot::Lane(lane) = rule.place(&change, lanes, &mut self.room) else { return None };
            alone.lanes.push(lane);
            for value in &self.room.touched {
                if *alone.touched.entry(*value).or_insert(lane) != lane {
                    return None;
                }
            }
        }
        Some(())
    }

    fn may_join(&mut self, open: &Open<'a>, alone: &Open<'a>) -> bool {
        let is_free = |(value, lane): (&u64, &u16)| {
            open.touched.get(value).is_none_or(|holder| holder == lane)
        };
        if !alone.touched.iter().all(is_free) {
            return false;
        }
        alone.tables.iter().all(|(name, index)| {
            open.tables.get(name).is_none_or(|first| self.agree(*first, *index))
        })
    }

    /// Whether the rows of two source tables that flow into one find their lanes alike.
    fn agree(&mut self, first: usize, second: usize) -> bool {
        if first == second {
            return true;
        }
        let (Some(one), Some(other)) = (self.plans.plan(first), self.plans.plan(second)) else {
            return false;
        };
        self.rules.entry(first).or_insert_with(|| Rule::of(one));
        self.rules.entry(second).or_insert_with(|| Rule::of(other));
        match (self.rules.get(&first), self.rules.get(&second)) {
            (Some(one), Some(other)) => one.agrees_with(other),
            _ => false,
        }
    }
}

/// Whether a transaction holds a schema change.
pub(super) fn has_ddl(transaction: &Transaction) -> bool {
    transaction.events.iter().any(|event| matches!(event, Event::Ddl(_)))
}

impl<'a> Open<'a> {
    fn join(&mut self, alone: Self) {
        self.transactions += alone.transactions;
        self.lanes.extend(alone.lanes);
        self.touched.extend(alone.touched);
        // The first plan of a table stays: all that come agree with it.
        for (name, index) in alone.tables {
            let _ = self.tables.entry(name).or_insert(index);
        }
    }

    fn close(&mut self, pieces: &mut Vec<Piece>) {
        let open = std::mem::take(self);
        if open.transactions > 0 {
            pieces.push(Piece::Apart(open.transactions, open.lanes));
        }
    }
}

#[cfg(test)]
mod tests;
