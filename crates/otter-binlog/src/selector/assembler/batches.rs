//! Cutting what was read into batches.

use std::sync::Arc;

use otter_core::{Batch, FilePlace, GtidSet, Permit, Transaction, TransactionEnd};

use super::Assembler;
use super::replay::Passed;
use crate::selector::draft::Draft;
use crate::selector::error::SelectError;

/// DDL has no rows and takes no room in the arena.
pub(super) const MOST_TRANSACTIONS: usize = 4096;
/// Where memory is used again, what is in a batch besides its rows should fit into the processor's
/// cache too.
pub(super) const MOST_IN_CACHE: usize = 512;

/// A transaction that waits for the batch to be cut.
#[derive(Debug)]
pub(crate) struct Finished {
    draft: Draft,
    end: TransactionEnd,
}

impl Assembler {
    /// Ends a transaction.
    pub(super) fn close(
        &mut self,
        draft: Draft,
        end: TransactionEnd,
    ) -> Result<Option<Box<Batch>>, SelectError> {
        if self.expected.is_some() {
            return self.recognise(&end).map(|()| None);
        }
        match self.pass(&end)? {
            Passed::Again => {
                self.forget_rows();
                Ok(None)
            }
            // XA: its rows were read, since its decision might have come later.
            Passed::First if draft.is_passed && draft.has_content() => {
                self.forget_rows();
                self.leave_out(&end);
                Ok(None)
            }
            Passed::First if draft.has_content() => {
                let passed = self.passed.take();
                self.keep(draft, TransactionEnd { passed, ..end })
            }
            Passed::First => {
                self.leave_out(&end);
                Ok(None)
            }
        }
    }

    /// Remembers a transaction that is in no batch, so that the place behind the next one that is
    /// tells the whole truth.
    pub(super) fn leave_out(&mut self, end: &TransactionEnd) {
        let Some(gtid) = &end.gtid else { return };
        match &mut self.passed {
            Some(passed) => passed.insert(gtid),
            none => *none = Some(GtidSet::single(gtid)),
        }
    }

    /// Takes a transaction that is complete; the last fragment of a large one is handed out alone,
    /// and so is every transaction while an XA transaction waits for its decision.
    pub(super) fn keep(
        &mut self,
        draft: Draft,
        end: TransactionEnd,
    ) -> Result<Option<Box<Batch>>, SelectError> {
        let rows = draft.row_count();
        // While an XA transaction waits, reading could not begin again between two transactions.
        if draft.is_fragmented() || self.undecided.is_waiting() {
            let mut draft = draft;
            self.seal(Some(&mut draft))?;
            let permit = self.cut_room();
            let transaction = draft.finish(end);
            return Ok(Some(Box::new(self.batch(vec![transaction], permit))));
        }
        self.finished_rows += rows;
        self.finished.push(Finished { draft, end });
        Ok(None)
    }

    /// Whether a batch is ready because it has reached a limit.
    pub(crate) fn is_full(&self) -> bool {
        !self.finished.is_empty()
            && (self.used_bytes() >= self.options.batch_bytes
                || self.finished_rows >= self.options.batch_rows
                || self.finished.len() >= self.most_finished)
    }

    /// Whether at least one transaction is complete.
    pub(crate) fn has_finished(&self) -> bool {
        !self.finished.is_empty()
    }

    /// Where the next event begins, where everything before it is whole and handed out, or not
    /// wanted.
    pub(crate) fn idle_place(&self) -> Option<FilePlace> {
        let is_idle = self.draft.is_none()
            && self.finished.is_empty()
            && self.expected.is_none()
            && self.replay.is_none()
            && self.ahead.is_none()
            && self.payload.is_none()
            && self.wanted.is_none()
            && self.carry.is_none();
        is_idle.then(|| self.tape.here())
    }

    /// Whether the position has moved since the last batch and may be reported alone.
    ///
    /// INVARIANT TXN-1: not between the fragments of a transaction, whose last one reports it.
    pub(crate) fn has_moved(&self) -> bool {
        self.has_moved && !self.draft.as_ref().is_some_and(Draft::is_fragmented)
    }

    /// Whether the transaction that is being read is large enough for a fragment.
    pub(crate) fn is_fragment_due(&self) -> bool {
        self.draft.as_ref().is_some_and(Draft::may_go_in_fragments)
            && self.draft_bytes() >= self.options.fragment_bytes
    }

    /// The bytes of the transaction that is being read.
    pub(super) fn draft_bytes(&self) -> usize {
        self.sealed_bytes + self.arena.byte_size().saturating_sub(self.draft_begin)
    }

    /// The complete transactions as a batch, or only the position where there are none.
    pub(crate) fn cut(&mut self) -> Result<Batch, SelectError> {
        let mut draft = self.draft.take();
        let has_sealed = self.sealed_bytes > 0;
        let shares = draft
            .as_ref()
            .is_some_and(|draft| draft.has_open_rows() || has_sealed && draft.has_pieces());
        self.seal(draft.as_mut())?;
        // Rows of the next transaction may lie in the same arena. Then the room stays with them:
        // their batch is dropped later than this one.
        let permit = if shares { Permit::none() } else { self.cut_room() };
        self.draft = draft;
        let transactions = self.take_finished();
        Ok(self.batch(transactions, permit))
    }

    /// What was read of the transaction in progress, as a fragment. Call [`cut`](Self::cut) first
    /// where other transactions are complete.
    pub(crate) fn cut_fragment(&mut self) -> Result<Option<Box<Batch>>, SelectError> {
        let Some(mut draft) = self.draft.take_if(|draft| !draft.is_xa) else { return Ok(None) };
        self.seal(Some(&mut draft))?;
        let permit = self.cut_room();
        let transaction = draft.take_fragment();
        self.draft = Some(draft);
        let after = self.handed_out.clone();
        let transactions = vec![transaction];
        Ok(Some(Box::new(Batch { after, through: None, transactions, permit })))
    }

    pub(super) fn cut_room(&mut self) -> Permit {
        let bytes = std::mem::take(&mut self.sealed_bytes);
        self.room.cut(bytes)
    }

    /// Ends the arena and gives it to everything that has rows in it.
    pub(super) fn seal(&mut self, draft: Option<&mut Draft>) -> Result<(), SelectError> {
        self.sealed_bytes += self.arena.byte_size();
        self.draft_begin = 0;
        let next = self.spare.take();
        let arena = std::mem::replace(&mut self.arena, next);
        let arena = Arc::new(arena.finish());
        self.spare.keep(&arena);
        for finished in &mut self.finished {
            finished.draft.seal(&arena)?;
        }
        if let Some(draft) = draft {
            draft.seal(&arena)?;
        }
        Ok(())
    }

    fn take_finished(&mut self) -> Vec<Transaction> {
        self.finished_rows = 0;
        self.finished.drain(..).map(|finished| finished.draft.finish(finished.end)).collect()
    }

    pub(super) fn batch(&mut self, transactions: Vec<Transaction>, permit: Permit) -> Batch {
        self.has_moved = false;
        self.passed = None;
        let after = std::mem::replace(&mut self.handed_out, self.position.clone());
        Batch { after, through: Some(self.position.clone()), transactions, permit }
    }
}
