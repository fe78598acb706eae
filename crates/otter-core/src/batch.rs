//! Transactions, and batches of them on their way through the stages.
//!
//! A batch covers `(after, through]` of the source's history; the next one begins where this one
//! ended. It holds whole consecutive transactions, or one fragment of a transaction that is larger
//! than the budget allows at once.

use std::fmt;
use std::sync::Arc;

use crate::budget::Permit;
use crate::event::Event;
use crate::position::{FilePlace, Gtid, GtidSet, Position};
pub use crate::source_time::SourceTime;

/// The site where an application wrote a transaction, read from the mark that a pipeline left.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin(pub Arc<str>);

/// Where a transaction ends in the source's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionEnd {
    /// Its GTID, where the source has GTIDs.
    pub gtid: Option<Gtid>,
    /// The GTIDs in front of it, behind the transaction before it in the batch, that are in no
    /// batch since they held nothing wanted.
    pub passed: Option<GtidSet>,
    /// Where its first event begins.
    pub start: FilePlace,
    /// Where the next transaction begins.
    pub end: FilePlace,
    /// The time in its last event's header: seconds since 1970.
    pub timestamp: u32,
    /// The id of the server that wrote it first.
    pub server_id: u32,
    /// The CRC-32 of its last event without the checksum bytes.
    pub checksum: u32,
}

/// Whether a transaction is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// All of it, and no transaction of the source: rows of its tables as they are between two of its
    /// transactions. It ends where the one before it has ended.
    Copied,
    /// A piece of a transaction that is too large to hold; pieces follow each other in order.
    Fragment {
        /// 0 for the first piece.
        index: u32,
        /// Whether this piece ends the transaction.
        last: bool,
    },
}

/// A transaction of the source, or a fragment of one.
#[derive(Debug, Clone)]
pub struct Transaction {
    /// Its GTID, where the source has GTIDs.
    pub gtid: Option<Gtid>,
    /// Where its first event begins: what a finding names.
    pub start: FilePlace,
    /// When it was committed.
    pub committed_at: SourceTime,
    /// The site that wrote it first, where a mark tells.
    pub origin: Option<Origin>,
    /// Whether this is all of it.
    pub part: Part,
    /// How many rows of this transaction came before this fragment; 0 where it is whole.
    pub rows_before: u64,
    /// Its changes in source order.
    pub events: Vec<Event>,
    /// Where it ends; `None` for a fragment that is not the last, and for copied rows.
    pub end: Option<TransactionEnd>,
}

/// Consecutive transactions, or one fragment, or just progress.
///
/// Several transactions travel in one batch only where reading could begin again behind each of
/// them, so that a loader may commit any whole number of them: while an XA transaction waits for
/// its decision, each transaction has a batch of its own.
#[derive(Debug)]
#[must_use = "a batch that is dropped is read again only after the pipeline resumes"]
pub struct Batch {
    /// Where the batch begins: what every earlier batch has covered.
    pub after: Position,
    /// Where the batch ends; `None` for a fragment that is not the last.
    pub through: Option<Position>,
    /// The transactions; none where only the position moved.
    pub transactions: Vec<Transaction>,
    /// The room that the rows take in the byte budget.
    pub permit: Permit,
}

/// Two batches that cannot be one, given back.
#[derive(Debug)]
pub struct Unjoined {
    /// The first batch, unchanged.
    pub first: Batch,
    /// The second batch, unchanged.
    pub second: Batch,
}

impl Part {
    /// Whether it is a piece of a transaction.
    #[must_use]
    pub fn is_fragment(self) -> bool {
        match self {
            Self::Whole | Self::Copied => false,
            Self::Fragment { .. } => true,
        }
    }
}

impl Transaction {
    /// The number of changed rows.
    #[must_use]
    pub fn row_count(&self) -> usize {
        self.events
            .iter()
            .map(|event| match event {
                Event::Rows(rows) => rows.row_count(),
                Event::Ddl(_) | Event::Copy(_) | Event::Resync(_) => 0,
            })
            .sum()
    }
}

impl Batch {
    /// The number of changed rows.
    #[must_use]
    pub fn row_count(&self) -> usize {
        self.transactions.iter().map(Transaction::row_count).sum()
    }

    /// Whether this batch is a piece of a transaction.
    #[must_use]
    pub fn is_fragment(&self) -> bool {
        self.transactions.iter().any(|transaction| transaction.part.is_fragment())
    }

    /// Joins the batch that follows to this one. Fragments stay alone.
    ///
    /// # Errors
    /// Both batches, unchanged, where one is a fragment, the second does not begin where the
    /// first ends, or reading could not begin again between them.
    #[allow(clippy::result_large_err, reason = "both batches go back to the caller")]
    pub fn join(mut self, mut next: Self) -> Result<Self, Unjoined> {
        let follows = self.through.as_ref() == Some(&next.after);
        if !follows || !next.after.is_settled() || self.is_fragment() || next.is_fragment() {
            return Err(Unjoined { first: self, second: next });
        }
        let first = next.transactions.first_mut().and_then(|first| first.end.as_mut());
        if let (Some(first), Some(passed)) = (first, self.passed_at_its_end()) {
            let mut passed = passed.clone();
            if let Some(own) = &first.passed {
                passed.extend(own);
            }
            first.passed = Some(passed);
        }
        self.through = next.through;
        self.transactions.extend(next.transactions);
        self.permit.merge(next.permit);
        Ok(self)
    }

    /// All GTIDs up to its end, where some of them are behind its last transaction.
    fn passed_at_its_end(&self) -> Option<&GtidSet> {
        let through = &self.through.as_ref()?.applied_through;
        let last = self.transactions.last().and_then(|last| last.end.as_ref());
        let is_tight =
            last.zip(through.last.as_ref()).is_some_and(|(end, last)| end.start == last.start);
        through.gtids.as_ref().filter(|_| !is_tight)
    }

    /// Cuts off the first transactions: as many as have `rows` rows, and at least one. `None`
    /// where nothing would be left, or reading could not begin again at the cut.
    ///
    /// The bytes are counted by numbers of rows; their room goes with the rest.
    #[must_use = "what is cut off is no longer in the batch"]
    pub fn split_front(&mut self, rows: usize) -> Option<Self> {
        let mut taken = 0;
        let mut count = 0;
        for transaction in &self.transactions {
            let more = transaction.row_count();
            if count > 0 && taken + more > rows {
                break;
            }
            taken += more;
            count += 1;
        }
        self.split_at(count)
    }

    /// Cuts off so many transactions. `None` where there are none, nothing would be left, or reading
    /// could not begin again at the cut.
    ///
    /// The bytes are counted by numbers of rows; their room goes with the rest.
    #[must_use = "what is cut off is no longer in the batch"]
    pub fn split_at(&mut self, count: usize) -> Option<Self> {
        let through = self.through.as_ref()?;
        if !self.after.is_settled() || !through.is_settled() || self.is_fragment() {
            return None;
        }
        if count == 0 || count >= self.transactions.len() {
            return None;
        }
        let mut taken = 0;
        let mut place = self.after.clone();
        for transaction in self.transactions.get(..count)? {
            if transaction.part != Part::Copied {
                place.advance(transaction.end.as_ref()?);
            }
            taken += transaction.row_count();
        }
        let bytes = self.permit.bytes().saturating_mul(taken) / self.row_count().max(1);
        let rest = self.transactions.split_off(count);
        let front = Self {
            after: std::mem::replace(&mut self.after, place.clone()),
            through: Some(place),
            transactions: std::mem::replace(&mut self.transactions, rest),
            permit: self.permit.share(bytes),
        };
        Some(front)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::Place;
    use crate::testkit::history::History;
    use crate::testkit::item::insert;

    fn progress(after: &Position, through: &Position) -> Batch {
        Batch {
            after: after.clone(),
            through: Some(through.clone()),
            transactions: Vec::new(),
            permit: Permit::none(),
        }
    }

    #[test]
    fn batches_join_where_one_begins_at_the_end_of_the_other() {
        let at = |offset| Position::at(None, Place::from_file(FilePlace::new("b.000001", offset)));
        let joined = progress(&at(4), &at(10)).join(progress(&at(10), &at(20))).unwrap();
        assert_eq!((joined.after, joined.through), (at(4), Some(at(20))));
        assert!(progress(&at(4), &at(10)).join(progress(&at(11), &at(20))).is_err());
    }

    #[test]
    fn batches_stay_apart_where_reading_could_not_begin_between_them() {
        let place = |offset| Place::from_file(FilePlace::new("b.000001", offset));
        let [before, behind] = [4, 20].map(|offset| Position::at(None, place(offset)));
        let waiting = Position { source: None, resume_from: place(4), applied_through: place(10) };
        assert!(progress(&before, &waiting).join(progress(&waiting, &behind)).is_err());
    }

    #[tokio::test]
    async fn a_batch_is_cut_where_reading_could_begin_again() {
        let mut history = History::new();
        for first in 0..4 {
            history.commit((0..10).map(|row| insert(first * 10 + row, "x")).collect());
        }
        let mut batch = history.batch(0..4);
        batch.permit = crate::budget::Budget::new(8192).acquire(8192).await;
        let front = batch.split_front(25).unwrap();
        assert_eq!((front.row_count(), batch.row_count()), (20, 20));
        assert_eq!((front.permit.bytes(), batch.permit.bytes()), (4096, 4096));
        assert_eq!(front.through, Some(history.position(2)));
        // One transaction at least, and never all.
        let front = batch.split_front(0).unwrap();
        assert_eq!(front.row_count(), 10);
        assert!(batch.split_front(10).is_none());
        assert_eq!(batch.after, history.position(3));
        assert_eq!(batch.through, Some(history.position(4)));
        // The parts are the whole.
        let mut whole = history.batch(0..4);
        let front = whole.split_front(30).unwrap();
        let joined = front.join(whole).unwrap();
        assert_eq!(joined.transactions.len(), 4);
        let mut fragment = history.fragments(0, 3).into_iter().next().unwrap();
        assert!(fragment.split_front(1).is_none());
    }

    #[test]
    fn what_was_passed_behind_a_batch_is_told_by_the_next_one() {
        let mut history = History::new();
        for id in 0..3 {
            history.commit(vec![insert(id, "x")]);
        }
        // The second transaction held nothing wanted, and its batch only moves the position.
        let mut unwanted = history.batch(1..2);
        unwanted.transactions.clear();
        let joined = history.batch(0..1).join(unwanted).unwrap();
        let mut joined = joined.join(history.batch(2..3)).unwrap();
        let passed = |batch: &Batch, index: usize| {
            let end = batch.transactions[index].end.as_ref().unwrap();
            end.passed.as_ref().map(ToString::to_string)
        };
        assert_eq!((passed(&joined, 0), passed(&joined, 1)), (None, Some("0-1-2".into())));
        let front = joined.split_front(1).unwrap();
        assert_eq!(front.through.as_ref(), Some(&joined.after));
        let whole = front.join(joined).unwrap();
        assert_eq!(whole.through, Some(history.position(3)));
    }
}
