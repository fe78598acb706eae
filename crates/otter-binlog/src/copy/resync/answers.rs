//! What the worker's answers mean for the run.

use std::time::Duration;

use otter_core::{Classify, Fault, ResyncRecord, ResyncStage, SourceTime};
use tracing::{debug, warn};

use super::active::Job;
use super::prepare::{Prepared, What, told};
use super::refusal::Refusal;
use super::run::{MOST_PIECES, PAUSE, Run};
use crate::copy::error::CopyError;
use crate::copy::worker::Answer;

/// Before a source is asked again that did not answer.
const LONG_PAUSE: Duration = Duration::from_secs(5);
/// How often in a row the source is asked in vain before the request is given up: some minutes.
const MOST_VAIN: u32 = 40;

impl Run {
    pub(super) fn take_answer(&mut self, answer: Answer) {
        let Some(active) = &mut self.active else { return };
        match answer {
            Answer::Prepared(Ok(prepared)) => self.take_prepared(prepared),
            Answer::Prepared(Err(refusal)) => self.refuse(refusal),
            Answer::Snapshot(snapshot) => {
                if let Some(flight) = active.flight() {
                    flight.snapshot = Some(snapshot);
                }
            }
            Answer::Piece(piece) => {
                let Some(flight) = active.flight() else { return };
                flight.pieces.push_back(piece);
                // All rows of some keys go together: of fewer keys, where they are large.
                let is_too_much = flight.keys.as_ref().is_some_and(|keys| keys.len() > 1)
                    && flight.pieces.len() >= MOST_PIECES;
                if is_too_much {
                    self.read_again();
                }
            }
            Answer::End(end, until) => {
                if let Some(flight) = active.flight() {
                    flight.end = Some(end);
                    flight.until = until;
                }
            }
            // Nothing of the kind was asked for.
            Answer::Defined(..) | Answer::Unseen(_) => {}
            Answer::Again(reason) => {
                debug!(request = active.record.id, reason, "reading is tried again");
                active.prepared = None;
                self.ask_later(reason);
            }
            Answer::Failed(error) => self.take_failure(&error),
        }
    }

    /// Asks once more in a while, and not for ever.
    fn ask_later(&mut self, reason: &str) {
        let Some(active) = &mut self.active else { return };
        active.vain += 1;
        if active.vain >= MOST_VAIN {
            let why = format!(
                "the source was asked {MOST_VAIN} times in vain: {reason}: look whether the table \
                 can be read there, and ask again"
            );
            self.refuse(Refusal::new(why));
            return;
        }
        let pause = pause_after(active.vain);
        self.drop_job(pause);
    }

    fn take_failure(&mut self, error: &CopyError) {
        let server = match error {
            CopyError::Connection(error) => {
                Refusal::of_server("the source refuses to read the rows", error)
            }
            CopyError::Table { problem, .. } => Some(Refusal::new(problem.as_str())),
            CopyError::BadRecord { problem, .. } => Some(Refusal::new(*problem)),
            CopyError::NoGtids { .. } => Some(Refusal::new(told(error))),
            CopyError::Select(_)
            | CopyError::Unreadable { .. }
            | CopyError::Request { .. }
            | CopyError::Busy { .. }
            | CopyError::Unready { .. }
            | CopyError::Interrupted { .. }
            | CopyError::PartialRow { .. }
            | CopyError::Ddl { .. } => None,
        };
        match server {
            Some(refusal) => self.refuse(refusal),
            None => {
                let code = code_of(error);
                let reason = code.map_or_else(|| told(error), |code| format!("error {code}"));
                warn!(error = reason, "reading rows that are to be copied again is tried again");
                if code.is_none() && error.fault() == Fault::Transient {
                    // The stream meets a source that is away, and tells.
                    self.drop_job(LONG_PAUSE);
                } else {
                    self.ask_later(&reason);
                }
            }
        }
    }

    fn take_prepared(&mut self, prepared: Box<Prepared>) {
        if let Err(refusal) = prepared.check_mapping(&self.setting.mappings) {
            self.refuse(refusal);
            return;
        }
        let Some(active) = &mut self.active else { return };
        active.job = Job::Idle;
        if self.newest == SourceTime::from_seconds(0) {
            self.newest = SourceTime::from_seconds(prepared.now);
        }
        let in_order = !matches!(prepared.what, What::Keys(_));
        if in_order && !prepared.definition.goes_on_behind(active.record.after.as_deref()) {
            // Its key is another one now: what was copied is copied once more.
            let (after, rows, bytes) = (None, 0, 0);
            active.record = ResyncRecord { after, rows, bytes, ..active.record.clone() };
        }
        let has_begun = active.has_begun();
        if !has_begun {
            active.record.stage = ResyncStage::Copying;
            active.record.estimated = match &prepared.what {
                What::All => prepared.definition.estimated,
                What::Where(_) => 0,
                What::Keys(keys) => u64::try_from(keys.len()).unwrap_or(u64::MAX),
            };
        }
        active.table_rows = prepared.definition.estimated;
        active.prepared = Some(prepared);
        if !has_begun {
            let record = active.record.clone();
            self.emit_record(record);
        }
    }
}

/// The number of the server's error, whose words may hold values of rows (SECRET-1).
fn code_of(error: &CopyError) -> Option<u16> {
    if let CopyError::Connection(error) = error {
        return error.server_error().map(|server| server.code);
    }
    None
}

/// How long it is waited after so many questions in vain.
fn pause_after(vain: u32) -> Duration {
    PAUSE.saturating_mul(vain.max(1)).min(LONG_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_longest() {
        let all: Vec<Duration> = (0..MOST_VAIN).map(pause_after).collect();
        assert!(all.is_sorted());
        assert_eq!((all.first(), all.last()), (Some(&PAUSE), Some(&LONG_PAUSE)));
    }
}
