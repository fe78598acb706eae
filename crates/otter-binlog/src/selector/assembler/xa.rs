//! Distributed transactions: their rows are logged at XA PREPARE, their decision in a transaction
//! of its own, which may come hours later and in another file.
//!
//! Rows wait here until then and are handed out at the place of XA COMMIT. Meanwhile the position
//! says that reading begins again before the oldest one that waits.

use otter_core::{Batch, FilePlace, Permit, Place, Position, RowArenaBuilder, TransactionEnd};
use tracing::warn;

use super::replay::Passed;
use super::{Assembler, Seal};
use crate::cursor::Cursor;
use crate::event::{EventError, RawEvent};
use crate::selector::draft::Draft;
use crate::selector::error::SelectError;
use crate::statement::XaVerb;

/// What one that waits takes beside its rows, generously.
const ENTRY_BYTES: usize = 1024;

/// XA transactions that are prepared and not decided, oldest first.
#[derive(Debug)]
pub(crate) struct Undecided {
    waiting: Vec<Prepared>,
    /// The room that their rows take.
    taken: usize,
    /// The place where reading begins again is not the place that was reached.
    is_behind: bool,
}

/// One that is prepared.
#[derive(Debug)]
pub(crate) struct Prepared {
    xid: String,
    /// The place before it.
    pub(super) before: Place,
    /// Where its first event begins.
    start: FilePlace,
    content: Content,
}

/// What there is to be handed out.
#[derive(Debug)]
enum Content {
    /// No wanted rows.
    Nothing,
    /// These rows.
    Rows(Box<Draft>, Permit),
    /// Rows that are not held.
    Lost(SelectError),
}

impl Undecided {
    /// Nothing waits at this position, or not yet.
    pub(super) fn behind(position: &Position) -> Self {
        let is_behind = position.resume_from != position.applied_through;
        Self { waiting: Vec::new(), taken: 0, is_behind }
    }

    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub(super) fn oldest(&self) -> Option<&Prepared> {
        self.waiting.first()
    }

    /// Whether the place where reading begins again does not simply move along.
    pub(super) fn holds_back(&self) -> bool {
        self.is_behind || self.is_waiting()
    }

    pub(super) fn has_settled(&mut self) {
        self.is_behind = self.is_waiting();
    }

    fn add(&mut self, prepared: Prepared) {
        if let Some(older) = self.take(&prepared.xid) {
            // The source lets an id be used again only after a decision.
            let place = &older.start;
            warn!(%place, "an XA transaction was decided without a trace in the binlog");
        }
        if let Content::Rows(_, permit) = &prepared.content {
            self.taken += permit.bytes();
        }
        self.waiting.push(prepared);
    }

    fn take(&mut self, xid: &str) -> Option<Prepared> {
        let at = self.waiting.iter().position(|waiting| waiting.xid == xid)?;
        let prepared = self.waiting.remove(at);
        if let Content::Rows(_, permit) = &prepared.content {
            self.taken = self.taken.saturating_sub(permit.bytes());
        }
        Some(prepared)
    }
}

impl Prepared {
    /// Reminds an operator when the source begins a new file.
    pub(super) fn tell_that_it_waits(&self) {
        warn!(
            place = %self.start,
            "an XA transaction waits for its decision: the source must keep its binlogs from there"
        );
    }
}

impl Assembler {
    pub(super) fn on_xa(
        &mut self,
        verb: XaVerb,
        event: &RawEvent<'_>,
        text: &[u8],
        seal: &Seal,
    ) -> Result<Option<Box<Batch>>, SelectError> {
        match verb {
            XaVerb::Start => {
                let draft = self.draft_for(&event.header, seal.start)?;
                if std::mem::replace(&mut draft.begun, true) || draft.has_seen_rows {
                    let problem = "the transaction before it has no end";
                    return Err(self.out_of_place(seal, event.header.kind, problem));
                }
                self.begin_xa()
            }
            XaVerb::End | XaVerb::Prepare => Ok(None),
            XaVerb::Commit | XaVerb::Rollback => {
                if self.draft_for(&event.header, seal.start)?.has_seen_rows {
                    let problem = "a decision stands behind rows";
                    return Err(self.out_of_place(seal, event.header.kind, problem));
                }
                self.decide(verb, &xid_of_statement(text), seal)
            }
        }
    }

    /// The transaction in progress is an XA transaction. What was finished is handed out, so that
    /// its rows share no arena and no room with those that will wait.
    pub(super) fn begin_xa(&mut self) -> Result<Option<Box<Batch>>, SelectError> {
        let is_recognition = self.expected.is_some();
        let Some(draft) = &mut self.draft else { return Ok(None) };
        if is_recognition || self.lessons.one_phase.as_ref() == Some(&draft.start) {
            return Ok(None);
        }
        draft.is_xa = true;
        // Though it was read before, its decision may not have been.
        draft.is_known = false;
        if self.has_finished() {
            return Ok(Some(Box::new(self.cut()?)));
        }
        self.forget_rows();
        Ok(None)
    }

    /// The end of an XA transaction's first phase, or of its only one.
    pub(super) fn on_xa_prepare(
        &mut self,
        event: &RawEvent<'_>,
        seal: &Seal,
    ) -> Result<Option<Box<Batch>>, SelectError> {
        let kind = event.header.kind;
        let Some((one_phase, xid)) = xid_of_event(event.body) else {
            let place = self.place(seal);
            return Err(SelectError::Event { place, kind, source: EventError::Short });
        };
        if one_phase {
            return self.commit_one_phase(seal);
        }
        if self.expected.is_some() {
            return self.commit(seal);
        }
        let Some(draft) = self.draft.take_if(|draft| draft.is_xa) else {
            return Err(self.out_of_place(seal, kind, "no XA transaction has begun"));
        };
        if self.undecided.waiting.len() >= self.most_waiting() {
            return Err(SelectError::XaTooLarge { place: draft.start, limit: self.xa_limit() });
        }
        let (start, end) = (draft.start.clone(), self.end_of(&draft, seal));
        let before = self.read_place().clone();
        let content = self.hold(draft)?;
        self.undecided.add(Prepared { xid, before, start, content });
        if self.pass(&end)? == Passed::First {
            self.leave_out(&end);
        }
        Ok(None)
    }

    fn commit_one_phase(&mut self, seal: &Seal) -> Result<Option<Box<Batch>>, SelectError> {
        if self.replay.is_none()
            && let Some(draft) = self.draft.as_mut().filter(|draft| !draft.is_passed)
            && let Some(failure) = draft.take_failure()
        {
            // There is no decision to wait for, so it can be handed out in fragments.
            let SelectError::XaTooLarge { place, .. } = failure else { return Err(failure) };
            return Err(SelectError::XaOnePhase { place });
        }
        self.commit(seal)
    }

    fn hold(&mut self, mut draft: Draft) -> Result<Content, SelectError> {
        if let Some(failure) = draft.take_failure() {
            return Ok(Content::Lost(failure));
        }
        if !draft.has_content() {
            self.forget_rows();
            return Ok(Content::Nothing);
        }
        self.seal(Some(&mut draft))?;
        Ok(Content::Rows(Box::new(draft), self.cut_room()))
    }

    /// Ends an XA transaction with the transaction in progress.
    fn decide(
        &mut self,
        verb: XaVerb,
        xid: &str,
        seal: &Seal,
    ) -> Result<Option<Box<Batch>>, SelectError> {
        if self.expected.is_some() {
            return self.commit(seal);
        }
        let prepared = self.undecided.take(xid);
        let is_passed = self.draft.as_ref().is_some_and(|draft| draft.is_passed);
        if self.replay.is_some() || is_passed || verb != XaVerb::Commit {
            return self.commit(seal);
        }
        match prepared.map(|prepared| prepared.content) {
            None => Err(SelectError::Xa { place: self.place(seal) }),
            Some(Content::Nothing) => self.commit(seal),
            Some(Content::Lost(error)) => Err(error),
            Some(Content::Rows(draft, permit)) => self.hand_out(*draft, permit, seal),
        }
    }

    /// Hands out what waited, as the transaction that decided.
    fn hand_out(
        &mut self,
        mut draft: Draft,
        permit: Permit,
        seal: &Seal,
    ) -> Result<Option<Box<Batch>>, SelectError> {
        let decision =
            self.draft.take().ok_or(SelectError::Bug("a decision is in no transaction"))?;
        if self.has_finished() {
            return Err(SelectError::Bug("transactions wait behind an XA transaction"));
        }
        let end = self.end_of(&decision, seal);
        self.pass(&end)?;
        let end = TransactionEnd { passed: self.passed.take(), ..end };
        draft.gtid = decision.gtid;
        draft.start = decision.start;
        draft.committed_at = decision.committed_at;
        let transaction = draft.finish(end);
        Ok(Some(Box::new(self.batch(vec![transaction], permit))))
    }

    /// How much of the budget undecided rows may take.
    ///
    /// INVARIANT MEM-1: whoever waits for room always gets it, since the other half is never held
    /// by what only a decision can free.
    fn xa_limit(&self) -> usize {
        self.room.budget_bytes() / 2
    }

    fn most_waiting(&self) -> usize {
        self.xa_limit().div_ceil(ENTRY_BYTES)
    }

    /// Whether no more rows of the XA transaction in progress may be held.
    pub(super) fn is_too_large_to_wait(&self) -> bool {
        self.draft.as_ref().is_some_and(|draft| draft.is_xa)
            && self.undecided.taken + self.room.taken() >= self.xa_limit()
    }

    /// The error to end with if it is committed.
    pub(super) fn too_large_to_wait(&self) -> SelectError {
        let place =
            self.draft.as_ref().map_or_else(|| self.tape.here(), |draft| draft.start.clone());
        let limit = self.xa_limit();
        warn!(%place, limit, "an XA transaction is too large to be held until its decision");
        SelectError::XaTooLarge { place, limit }
    }

    /// Drops the rows of the transaction in progress, which are missed only if it is committed.
    pub(super) fn lose_rows(&mut self, error: SelectError) {
        if let Some(draft) = &mut self.draft {
            draft.lose(error);
        }
        self.forget_rows();
    }

    /// Where an XA transaction is read again, its tables may have been changed since its rows were
    /// applied, so that only its commit tells whether an error matters.
    pub(super) fn or_lose_rows(
        &mut self,
        result: Result<(), SelectError>,
    ) -> Result<(), SelectError> {
        match result {
            Err(error) if self.replay.is_some() => {
                self.lose_rows(error);
                Ok(())
            }
            result => result,
        }
    }

    /// Gives back the room of rows that nobody wants. Nothing may be finished.
    pub(super) fn forget_rows(&mut self) {
        self.arena = RowArenaBuilder::new();
        self.draft_begin = 0;
        self.sealed_bytes = 0;
        drop(self.cut_room());
    }
}

/// `X'61',X'62',1` behind `XA COMMIT`, in lower case.
fn xid_of_statement(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text).to_ascii_lowercase();
    let mut parts = text.trim().splitn(3, ' ');
    let xid = parts.nth(2).unwrap_or_default();
    xid.trim_end_matches("one phase").chars().filter(|letter| !letter.is_whitespace()).collect()
}

/// Whether it is committed at once, and the xid as the statements write it.
fn xid_of_event(body: &[u8]) -> Option<(bool, String)> {
    let mut cursor = Cursor::new(body);
    let one_phase = cursor.u8().ok()? != 0;
    let format = cursor.u32().ok()?;
    let global = usize::try_from(cursor.u32().ok()?).ok()?;
    let branch = usize::try_from(cursor.u32().ok()?).ok()?;
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let (global, branch) = (cursor.bytes(global).ok()?, cursor.bytes(branch).ok()?);
    Some((one_phase, format!("x'{}',x'{}',{format}", hex(global), hex(branch))))
}
