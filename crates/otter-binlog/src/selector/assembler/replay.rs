//! Reading again what was applied already.
//!
//! While an XA transaction waits for its decision, reading begins again before it, though later
//! transactions are applied. Which ones is told by order: everything up to and including the last
//! one that was applied, in the order in which the source sends it.

use otter_core::{Fingerprint, Gtid, Place, Position, TransactionEnd};

use super::{Assembler, borders};
use crate::selector::error::SelectError;

/// Whether a transaction has effects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passed {
    /// It has come for the first time.
    First,
    /// It was applied before.
    Again,
}

/// What is read again.
#[derive(Debug)]
pub(crate) struct Replay {
    /// Behind the last transaction.
    pub(super) read: Place,
    /// The last transaction that was applied.
    last: Fingerprint,
}

impl Replay {
    /// What must be read again from this position on.
    pub(super) fn of(position: &Position) -> Option<Self> {
        let (from, through) = (&position.resume_from, &position.applied_through);
        let last = through.last.clone().filter(|last| from.last.as_ref() != Some(last))?;
        (from != through).then(|| Self { read: from.clone(), last })
    }

    fn ends_with(&self, end: &TransactionEnd) -> bool {
        match (&self.last.gtid, &end.gtid) {
            (Some(last @ Gtid::MySql { .. }), Some(gtid)) => last == gtid,
            _ => self.last.start == end.start,
        }
    }
}

impl Assembler {
    /// Moves the position behind a transaction.
    ///
    /// INVARIANT EXACT-1, LOSS-1: what is applied is not handed out again, and nothing else is
    /// left out: the last one that was applied must come, and be the same.
    pub(super) fn pass(&mut self, end: &TransactionEnd) -> Result<Passed, SelectError> {
        let Some(replay) = &mut self.replay else {
            self.position.applied_through.advance(end);
            if self.undecided.holds_back() {
                self.settle();
            } else {
                self.position.resume_from.advance(end);
            }
            self.has_moved = true;
            self.follow_schema();
            return Ok(Passed::First);
        };
        replay.read.advance(end);
        if let Some(tracker) = &mut self.tracker {
            tracker.commit(&replay.read);
        }
        if replay.ends_with(end) {
            borders::recognise(&replay.last, end)?;
            self.end_replay();
        } else if end.start.covers(&replay.last.start) == Some(true) {
            return Err(SelectError::OtherHistory {
                what: format!(
                    "the last transaction applied began at {}, and none begins there now",
                    replay.last.start
                ),
            });
        }
        Ok(Passed::Again)
    }

    /// Looks for the transaction by which the source is recognised.
    ///
    /// MySQL: the server sends what the set lacks, and a loader that committed a part of a batch
    /// knows nothing of transactions in between that held nothing for it.
    pub(super) fn recognise(&mut self, end: &TransactionEnd) -> Result<(), SelectError> {
        let Some(expected) = self.expected.take() else { return Ok(()) };
        let (Some(gtid @ Gtid::MySql { .. }), Some(last)) = (&end.gtid, &expected.gtid) else {
            return borders::recognise(&expected, end);
        };
        if gtid == last {
            return borders::recognise(&expected, end);
        }
        let read = self.replay.as_mut().map(|replay| &mut replay.read);
        let places = [&mut self.position.resume_from, &mut self.position.applied_through];
        for place in places.into_iter().chain(read) {
            if let Some(gtids) = &mut place.gtids {
                gtids.insert(gtid);
            }
        }
        self.leave_out(end);
        self.expected = Some(expected);
        Ok(())
    }

    /// Schema changes of the transaction that has ended hold from here on.
    fn follow_schema(&mut self) {
        if let Some(tracker) = &mut self.tracker {
            tracker.commit(&self.position.applied_through);
        }
    }

    fn end_replay(&mut self) {
        let Some(replay) = self.replay.take() else { return };
        self.position.applied_through = replay.read;
        self.settle();
        self.has_moved = self.position != self.handed_out;
    }

    /// Finds the place where reading begins again.
    fn settle(&mut self) {
        let oldest = self.undecided.oldest().map(|oldest| &oldest.before);
        let place = oldest.unwrap_or(&self.position.applied_through).clone();
        self.position.resume_from = place;
        self.undecided.has_settled();
    }

    /// Behind the last transaction that was read.
    pub(crate) fn read_place(&self) -> &Place {
        self.replay.as_ref().map_or(&self.position.applied_through, |replay| &replay.read)
    }
}
