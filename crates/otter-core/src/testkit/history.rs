//! A model of a source's history: transactions of the suites' table, what the table held after
//! each, and batches made from any stretch of them.

use std::ops::Range;
use std::sync::Arc;

use super::item::{Edit, Items, events};
use crate::batch::{Batch, Part, SourceTime, Transaction, TransactionEnd};
use crate::budget::Permit;
use crate::position::{FilePlace, Gtid, GtidSet, Place, Position};

/// The source's identity in every position of a history.
pub const SOURCE: &str = "history";
/// Where the first transaction begins, as in a binlog.
const FIRST_OFFSET: u64 = 4;
/// Each transaction takes this much of the file; no offset is ever looked into.
const TRANSACTION_BYTES: u64 = 100;

/// One step of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A transaction with these changes.
    Transaction(Vec<Edit>),
    /// Something that does not concern the pipeline: only the position moves.
    Progress,
}

/// A source's history, from its first transaction.
#[derive(Debug, Clone, Default)]
pub struct History {
    steps: Vec<Step>,
    /// The table after each number of steps.
    tables: Vec<Arc<Items>>,
}

impl History {
    /// A history in which nothing has happened.
    #[must_use]
    pub fn new() -> Self {
        Self { steps: Vec::new(), tables: vec![Arc::new(Items::new())] }
    }

    /// Appends a transaction and returns the number of steps.
    ///
    /// # Panics
    /// Where a change does not fit the table as it is.
    pub fn commit(&mut self, edits: Vec<Edit>) -> usize {
        let mut table = Items::clone(self.newest());
        for edit in &edits {
            edit.apply(&mut table);
        }
        self.push(Step::Transaction(edits), Arc::new(table))
    }

    /// Appends a transaction whose changes a target cannot apply, because they do not fit the
    /// table; the model of the table stays as it is.
    pub fn commit_misfit(&mut self, edits: Vec<Edit>) -> usize {
        let table = Arc::clone(self.newest());
        self.push(Step::Transaction(edits), table)
    }

    /// Appends something that only moves the position.
    pub fn progress(&mut self) -> usize {
        let table = Arc::clone(self.newest());
        self.push(Step::Progress, table)
    }

    fn push(&mut self, step: Step, table: Arc<Items>) -> usize {
        self.steps.push(step);
        self.tables.push(table);
        self.steps.len()
    }

    fn newest(&self) -> &Arc<Items> {
        self.tables.last().expect("there is a table before the first step")
    }

    /// The number of steps.
    #[must_use]
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether nothing has happened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// What the table holds after `count` steps.
    ///
    /// # Panics
    /// Where the history has fewer steps.
    #[must_use]
    pub fn table_after(&self, count: usize) -> &Items {
        self.tables.get(count).expect("the history is that long")
    }

    /// The step behind the first `count`.
    #[must_use]
    pub fn step(&self, count: usize) -> Option<&Step> {
        self.steps.get(count)
    }

    /// The place behind the first `count` steps.
    #[must_use]
    pub fn position(&self, count: usize) -> Position {
        let mut place = Place::from_file(file_place(0));
        // With one domain the last GTID stands for all before it.
        if let Some(last) = count.checked_sub(1) {
            place.advance(&end_of(last));
        }
        Position::at(Some(Arc::from(SOURCE)), place)
    }

    /// How many steps are before the first one of this time or later.
    #[must_use]
    pub fn steps_until(&self, time: SourceTime) -> usize {
        (0..self.len())
            .position(|step| SourceTime::from_seconds(end_of(step).timestamp.into()) >= time)
            .unwrap_or(self.len())
    }

    /// How many steps are before this place; `None` where it is not a place of this history.
    #[must_use]
    pub fn steps_before(&self, place: &Place) -> Option<usize> {
        let count = match (&place.file, &place.gtids) {
            (Some(file), _) => {
                let bytes = file.offset.checked_sub(FIRST_OFFSET)?;
                if file.file != file_place(0).file || bytes % TRANSACTION_BYTES != 0 {
                    return None;
                }
                usize::try_from(bytes / TRANSACTION_BYTES).ok()?
            }
            (None, Some(GtidSet::MariaDb(gtids))) => step_of(gtids.last().next().as_ref())? + 1,
            (None, Some(GtidSet::MySql(_)) | None) => return None,
        };
        (count <= self.len()).then_some(count)
    }

    /// The batch of these steps.
    ///
    /// # Panics
    /// Where the history has fewer steps.
    pub fn batch(&self, steps: Range<usize>) -> Batch {
        let transactions = steps.clone().filter_map(|step| self.transaction(step)).collect();
        Batch {
            after: self.position(steps.start),
            through: Some(self.position(steps.end)),
            transactions,
            permit: Permit::none(),
        }
    }

    /// One step's transaction in pieces of at most `rows` changes each.
    ///
    /// # Panics
    /// Where the step is not a transaction.
    #[must_use]
    pub fn fragments(&self, step: usize, rows: usize) -> Vec<Batch> {
        (0..).map_while(|index| self.fragment(step, rows, index)).collect()
    }

    /// The piece number `index`, from 0, of those; `None` behind the last.
    ///
    /// # Panics
    /// Where the step is not a transaction.
    #[must_use]
    pub fn fragment(&self, step: usize, rows: usize, index: usize) -> Option<Batch> {
        let Some(Step::Transaction(edits)) = self.steps.get(step) else {
            panic!("step {step} is not a transaction")
        };
        let rows_before = index.checked_mul(rows.max(1))?;
        let rest = edits.get(rows_before..).filter(|rest| !rest.is_empty())?;
        let (piece, behind) = rest.split_at_checked(rows.max(1)).unwrap_or((rest, &[]));
        let last = behind.is_empty();
        let index = u32::try_from(index).expect("few pieces");
        Some(Batch {
            after: self.position(step),
            through: last.then(|| self.position(step + 1)),
            transactions: vec![Transaction {
                part: Part::Fragment { index, last },
                rows_before: u64::try_from(rows_before).expect("few rows"),
                end: last.then(|| end_of(step)),
                ..transaction(step, piece)
            }],
            permit: Permit::none(),
        })
    }

    fn transaction(&self, step: usize) -> Option<Transaction> {
        match self.steps.get(step).expect("the history is that long") {
            Step::Transaction(edits) => Some(transaction(step, edits)),
            Step::Progress => None,
        }
    }
}

/// The number of the step that has this GTID, counted from 0; `None` where it is not from a
/// history.
#[must_use]
pub fn step_of(gtid: Option<&Gtid>) -> Option<usize> {
    match gtid? {
        Gtid::MariaDb { number, .. } => usize::try_from(*number).ok()?.checked_sub(1),
        Gtid::MySql { .. } => None,
    }
}

fn transaction(step: usize, edits: &[Edit]) -> Transaction {
    let end = end_of(step);
    Transaction {
        gtid: end.gtid.clone(),
        start: end.start.clone(),
        committed_at: SourceTime(u64::from(end.timestamp) * 1_000_000),
        origin: None,
        part: Part::Whole,
        rows_before: 0,
        events: events(edits),
        end: Some(end),
    }
}

fn number_of(step: usize) -> u64 {
    u64::try_from(step).expect("few steps")
}

fn file_place(step: usize) -> FilePlace {
    FilePlace::new("history-bin.000001", FIRST_OFFSET + TRANSACTION_BYTES * number_of(step))
}

fn end_of(step: usize) -> TransactionEnd {
    let number = number_of(step) + 1;
    let timestamp = u32::try_from(number).expect("few steps");
    TransactionEnd {
        gtid: Some(Gtid::MariaDb { domain: 0, server: 1, number }),
        passed: None,
        start: file_place(step),
        end: file_place(step + 1),
        timestamp,
        server_id: 1,
        // Any number that differs from step to step.
        checksum: timestamp.wrapping_mul(0x9e37_79b9),
    }
}

#[cfg(test)]
mod tests {
    use super::super::item::{delete, insert, update};
    use super::*;

    #[test]
    fn a_history_tells_its_table_and_place_after_each_step() {
        let mut history = History::new();
        history.commit(vec![insert(1, "a"), insert(2, "b")]);
        history.progress();
        history.commit(vec![update(1, "a", "c"), delete(2, "b")]);
        assert_eq!(history.table_after(1).len(), 2);
        assert_eq!(history.table_after(3).len(), 1);
        for count in 0..=3 {
            let place = history.position(count).resume_from;
            assert_eq!(history.steps_before(&place), Some(count));
        }
    }

    #[test]
    fn fragments_of_a_step_together_are_its_batch() {
        let mut history = History::new();
        history.commit((0..5).map(|id| insert(id, "x")).collect());
        let whole = history.batch(0..1);
        let pieces = history.fragments(0, 2);
        assert_eq!(pieces.len(), 3);
        assert_eq!(pieces.iter().map(Batch::row_count).sum::<usize>(), whole.row_count());
        assert_eq!(pieces.last().unwrap().through, whole.through);
        assert!(pieces[..2].iter().all(|piece| piece.through.is_none()));
    }
}
