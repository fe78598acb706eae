//! What the operator wants done with held rows, carried out in order.
//!
//! Rows are tried in target transactions of their own: the mark first, the checkpoint last, where it
//! stays at its position but counts on, so that a loader that was fenced off settles nothing
//! (FENCE-1). When a row is gone, those that waited for it are asked about again, in order.

use std::collections::BTreeSet;
use std::time::Duration;

use otter_core::{Event, FilePlace, Lease, Origin, Part, RowsEvent, SourceTime, Transaction};
use tokio::time::Instant;

use super::Quarantine;
use super::coding::decode;
use super::hold::SAVEPOINT;
use super::unfit::unfit;
use crate::mysql::error::MySqlLoadError;
use crate::mysql::group::pause_for_contention;
use crate::mysql::line::{Setback, require_held};
use crate::mysql::plan::{Detail, Expect};
use crate::mysql::session::{Advance, Session};
use crate::mysql::store::{HeldRow, Verdict, Wanted};

/// How often the operator's wishes are looked for while batches come.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// How long batches wait for held rows at most; the rest comes after the next look.
const LONGEST_TURN: Duration = Duration::from_secs(2);

/// How long nothing is settled behind locks that did not pass.
const REST: Duration = Duration::from_secs(10);

/// The most rows of a target transaction.
const ROWS_AT_ONCE: usize = 500;

/// What became of a held row.
enum Outcome {
    /// It is applied or dropped.
    Gone { word: &'static str },
    /// It is refused again.
    Refused(Verdict),
    /// It waits behind another one.
    Waits,
}

impl Session {
    /// Looks for wishes where that was not done of late.
    pub(in super::super) async fn settle_now_and_then(
        &mut self,
        lease: &Lease,
    ) -> Result<(), MySqlLoadError> {
        let asked_at = self.quarantine.asked_at;
        if asked_at.is_some_and(|asked| asked.elapsed() < ASK_EVERY) {
            return Ok(());
        }
        self.settle(lease).await
    }

    /// Carries out what the operator wants, and lets rows follow whose cause is gone. Between two
    /// batches only.
    pub(in super::super) async fn settle(&mut self, lease: &Lease) -> Result<(), MySqlLoadError> {
        if self.quarantine.is_empty() || self.fragment.is_some() || self.position.is_none() {
            return Ok(());
        }
        // INVARIANT EXACT-1: lanes that differ have no one position that all could be moved to.
        if self.standing.is_some() {
            return Ok(());
        }
        let began = Instant::now();
        if self.quarantine.rests_until.is_some_and(|until| began < until) {
            return Ok(());
        }
        self.quarantine.asked_at = Some(began);
        let mut due = self.quarantine.index.due();
        due.extend(self.store.wishes(&mut *self.line.conn).await?);
        if due.is_empty() {
            return Ok(());
        }
        self.ensure_relations().await?;
        let deadline = began + LONGEST_TURN;
        while !due.is_empty() && Instant::now() < deadline {
            if !self.settle_some(&mut due, deadline, lease).await? {
                tracing::warn!(
                    pipeline = self.pipeline(),
                    due = due.len(),
                    "other work in the target holds the locks that held rows need: they are tried \
                     again later"
                );
                self.quarantine.rests_until = Some(Instant::now() + REST);
                return Ok(());
            }
        }
        if !due.is_empty() {
            // There is more to do at once.
            self.quarantine.asked_at = None;
        }
        Ok(())
    }

    /// Settles rows in one target transaction, and takes them out of those that are due. Tells whether
    /// that was possible: where locks do not pass nothing has changed, and the wishes stand.
    async fn settle_some(
        &mut self,
        due: &mut BTreeSet<u64>,
        deadline: Instant,
        lease: &Lease,
    ) -> Result<bool, MySqlLoadError> {
        let tries = self.options.contention_tries.max(1);
        for attempt in 0..tries {
            let mut taken = Vec::new();
            self.quarantine.index.begin();
            match self.attempt_to_settle((due, &mut taken), deadline, lease).await {
                Ok(()) => {
                    self.quarantine.index.keep();
                    self.quarantine.watch();
                    return Ok(true);
                }
                Err(Setback::Stop(error)) => return Err(error),
                Err(Setback::Contention | Setback::Refused(_)) => {
                    self.rollback().await?;
                    self.quarantine.index.roll_back();
                    self.quarantine.watch();
                    due.extend(taken);
                    if Instant::now() >= deadline {
                        return Ok(false);
                    }
                    pause_for_contention(attempt).await;
                }
            }
        }
        Ok(false)
    }

    async fn attempt_to_settle(
        &mut self,
        (due, taken): (&mut BTreeSet<u64>, &mut Vec<u64>),
        deadline: Instant,
        lease: &Lease,
    ) -> Result<(), Setback> {
        require_held(lease)?;
        let through = self.position.clone().ok_or(MySqlLoadError::NotBegun)?;
        let mut told = Vec::new();
        let mut origin: Option<Option<String>> = None;
        while let Some(id) = due.first().copied() {
            let is_late = !told.is_empty() && Instant::now() >= deadline;
            if is_late || told.len() >= ROWS_AT_ONCE {
                break;
            }
            let row = self.store.lock_held(&mut *self.line.conn, id).await.map_err(met)?;
            let Some(row) = row else {
                // Somebody has removed it by hand.
                due.remove(&id);
                taken.push(id);
                due.extend(self.quarantine.index.waiting_for(id));
                self.quarantine.index.remove(id);
                continue;
            };
            match &origin {
                // A mark names one origin, and is the first that a transaction writes.
                None => {
                    self.begin_script(&alone(&row, None));
                    self.run_plainly(lease).await?;
                    origin = Some(row.origin.clone());
                    // The row was read before the transaction began.
                    continue;
                }
                Some(open) if *open != row.origin => break,
                Some(_) => {}
            }
            due.remove(&id);
            taken.push(id);
            let outcome = self.settle_row(&row, lease).await?;
            self.note(&row, &outcome, due).await?;
            told.push((row, outcome));
        }
        if origin.is_some() {
            let source_time = None;
            self.move_and_commit(Advance { through: &through, source_time }, lease).await?;
        }
        told.iter().for_each(|(row, outcome)| self.tell(row, outcome));
        Ok(())
    }

    /// Does what is wanted of one row, in the open target transaction.
    async fn settle_row(&mut self, row: &HeldRow, lease: &Lease) -> Result<Outcome, Setback> {
        if row.wanted == Some(Wanted::Drop) {
            return Ok(Outcome::Gone { word: "dropped" });
        }
        // What an edited row touches is known only when it is read.
        if !row.is_edited && self.quarantine.index.blocker_of(row.id).is_some() {
            return Ok(Outcome::Waits);
        }
        let image = (row.id, row.is_edited);
        let bytes = self.store.held_bytes(&mut *self.line.conn, image).await.map_err(met)?;
        let Some(rows) = decode(&bytes) else {
            return Ok(Outcome::Refused(Verdict {
                code: "unreadable".to_owned(),
                reason: "what it holds cannot be read by this version".to_owned(),
                remedy: "use the version that held it, or drop it and repair the row".to_owned(),
            }));
        };
        match self.learn_table(rows.table()).await {
            // Somebody may have mended it.
            Ok(()) => self.quarantine.fits(rows.table()),
            Err(error @ MySqlLoadError::Unfit { .. }) => {
                return Ok(Outcome::Refused(unfit(error)));
            }
            Err(error) => return Err(error.into()),
        }
        if row.is_edited
            && let Some(change) = rows.changes().next()
            && let Some(touch) = self.touch_of(&rows, &change)
        {
            self.quarantine.index.widen(row.id, touch);
        }
        if self.quarantine.index.blocker_of(row.id).is_some() {
            return Ok(Outcome::Waits);
        }
        self.try_row(row, rows, lease).await
    }

    async fn try_row(
        &mut self,
        row: &HeldRow,
        rows: RowsEvent,
        lease: &Lease,
    ) -> Result<Outcome, Setback> {
        self.line.script.clear();
        self.line.script.push(Expect::Nothing).push_str(&format!("SAVEPOINT {SAVEPOINT}"));
        self.run_plainly(lease).await?;
        let alone = [alone(row, Some(rows))];
        let verdict = match self.execute(&alone, Detail::SingleRows, None, lease).await {
            Ok(()) => return Ok(Outcome::Gone { word: "applied" }),
            Err(Setback::Refused(refusal)) => Verdict::from(&refusal.reason),
            // It keeps no other row from being loaded.
            Err(Setback::Stop(MySqlLoadError::MissingRight { number, remedy })) => Verdict {
                code: "no-right".to_owned(),
                reason: format!("the account may not write it (error {number})"),
                remedy,
            },
            Err(setback) => return Err(setback),
        };
        self.line.roll_back_to(SAVEPOINT).await?;
        self.line.script.clear();
        self.require_claim().await?;
        Ok(Outcome::Refused(verdict))
    }

    /// Lets a pipeline begin where nothing is held of an earlier one of its name, but what an operator
    /// has given up.
    // INVARIANT LOSS-1: what is held is never lost in silence.
    pub(in super::super) async fn forget_given_up(&mut self) -> Result<(), MySqlLoadError> {
        let rows = self.store.count_held(&mut *self.line.conn).await?;
        if rows == 0 {
            return Ok(());
        }
        let held = (&self.claim, &self.held);
        let kept = self.store.release_given_up(&mut *self.line.conn, held).await?;
        if kept > 0 {
            let pipeline = self.pipeline().to_owned();
            return Err(MySqlLoadError::HeldBefore { pipeline, rows: kept });
        }
        tracing::warn!(
            pipeline = self.pipeline(),
            rows,
            "rows that an earlier pipeline of this name held are given up, as was wished"
        );
        self.quarantine = Quarantine::default();
        Ok(())
    }

    /// Writes down what became of a row, and says who is due next.
    async fn note(
        &mut self,
        row: &HeldRow,
        outcome: &Outcome,
        due: &mut BTreeSet<u64>,
    ) -> Result<(), Setback> {
        let id = row.id;
        match outcome {
            Outcome::Gone { .. } => {
                self.store.release(&mut *self.line.conn, id).await.map_err(met)?;
                due.extend(self.quarantine.index.waiting_for(id));
                self.quarantine.index.remove(id);
                if self.quarantine.index.is_empty() {
                    // Tables that did not fit are looked at again.
                    self.quarantine.unfit.clear();
                }
            }
            Outcome::Refused(verdict) => {
                self.store.note_refusal(&mut *self.line.conn, id, verdict).await.map_err(met)?;
                self.quarantine.index.set_cause(id, None);
            }
            Outcome::Waits => {
                if let Some(cause) = self.quarantine.index.blocker_of(id) {
                    self.store.note_cause(&mut *self.line.conn, id, cause).await.map_err(met)?;
                    self.quarantine.index.set_cause(id, Some(cause));
                }
            }
        }
        Ok(())
    }

    fn tell(&self, row: &HeldRow, outcome: &Outcome) {
        let pipeline = self.pipeline();
        let HeldRow { id, table, .. } = row;
        match outcome {
            Outcome::Gone { word } => {
                tracing::info!(pipeline, id, %table, outcome = word, "a held row is settled");
            }
            Outcome::Refused(verdict) => tracing::warn!(
                pipeline,
                id,
                %table,
                reason = verdict.reason,
                remedy = verdict.remedy,
                "a held row is refused again"
            ),
            Outcome::Waits => tracing::debug!(pipeline, id, %table, "a held row waits"),
        }
    }
}

/// Locks that other work holds are no end of the session: the same may pass at once.
fn met(error: MySqlLoadError) -> Setback {
    if let MySqlLoadError::Contention { .. } = error {
        return Setback::Contention;
    }
    Setback::Stop(error)
}

/// A held row as a transaction of its own.
fn alone(row: &HeldRow, rows: Option<RowsEvent>) -> Transaction {
    Transaction {
        gtid: None,
        start: FilePlace::new("quarantine", row.id),
        committed_at: SourceTime(0),
        origin: row.origin.as_deref().map(|origin| Origin(origin.into())),
        part: Part::Whole,
        rows_before: row.ordinal.saturating_sub(1),
        events: rows.into_iter().map(Event::Rows).collect(),
        end: None,
    }
}
