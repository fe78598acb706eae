//! What the worker's answers mean for the run.

use std::sync::Arc;
use std::time::Duration;

use otter_core::{CopyRecord, CopyStage};
use tracing::{debug, warn};

use super::error::CopyError;
use super::flight::Job;
use super::pieces::End;
use super::run::Run;
use super::worker::Answer;

/// What reading a part should take: the stream touches few rows meanwhile, and little is lost where
/// it is read in vain.
const TARGET_TIME: Duration = Duration::from_millis(500);
/// What a part should hold at most.
const MOST_BYTES: usize = 8 << 20;
const LEAST_ROWS: u64 = 16;
const MOST_ROWS: u64 = 200_000;
/// Before something is asked again that was not ready.
pub(super) const PAUSE: Duration = Duration::from_millis(200);
/// How often a table without a key is read before that is given up.
pub(super) const MOST_TRIES: u32 = 20;
/// After so many tries more of them the log tells.
const WARN_TRIES: u32 = 5;

impl Run {
    /// Takes what the reader of a lane answers.
    pub(super) fn take_answer(&mut self, index: usize, answer: Answer) -> Result<(), CopyError> {
        let Some(lane) = self.lanes.get_mut(index) else { return Ok(()) };
        match answer {
            Answer::Defined(None) => {
                let table = lane.job.table().cloned();
                lane.job = Job::Idle;
                if let Some(open) = table.and_then(|name| self.open.get_mut(&name)) {
                    warn!(table = %open.record.table, "a table that is to be copied is gone");
                    open.is_gone = true;
                }
            }
            Answer::Defined(Some((definition, high))) => {
                let definition = Arc::new(*definition);
                lane.job = Job::Idle;
                let Some(open) = self.open.get_mut(&definition.table.name) else { return Ok(()) };
                if open.record.estimated == 0 {
                    open.record.estimated = definition.estimated;
                }
                if open.record.stage == CopyStage::Waiting {
                    lane.job = Job::Defined { definition, high };
                } else if definition.key.is_none() {
                    let (table, problem) =
                        (definition.table.name.clone(), "the table has no key any more");
                    return Err(CopyError::BadRecord { table, problem });
                } else {
                    let key = definition.key.as_ref();
                    let fits = |place: &str| key.is_some_and(|key| key.has_place(place));
                    if open.record.after.as_deref().is_some_and(|place| !fits(place)) {
                        let table = &open.record.table;
                        warn!(%table, "a table has another key now, and is copied from its beginning");
                        let (after, rows, bytes) = (None, 0, 0);
                        open.record = CopyRecord { after, rows, bytes, ..open.record.clone() };
                    }
                    open.definition = Some(definition);
                }
            }
            Answer::Snapshot(snapshot) => {
                if let Some(flight) = lane.job.flight() {
                    flight.snapshot = Some(snapshot);
                }
            }
            Answer::Piece(piece) => {
                if let Some(flight) = lane.job.flight() {
                    flight.pieces.push_back(piece);
                }
            }
            Answer::End(end, _) => {
                if let Some(flight) = lane.job.flight() {
                    flight.end = Some(end);
                    if flight.whole.is_none() && end.rows == flight.limit {
                        lane.rows_at_once = rows_after(lane.rows_at_once, end);
                    }
                }
            }
            // Nothing of the kind was asked for.
            Answer::Prepared(_) => {}
            Answer::Again(reason) => return self.ask_again(index, reason),
            Answer::Failed(error) => return Err(error),
        }
        Ok(())
    }

    fn ask_again(&mut self, lane: usize, reason: &'static str) -> Result<(), CopyError> {
        let Some(lane) = self.lanes.get_mut(lane) else { return Ok(()) };
        let table = lane.job.table().cloned();
        debug!(table = table.as_ref().map(ToString::to_string), reason, "reading is tried again");
        if let Some(flight) = lane.job.flight()
            && flight.whole.is_some()
            && flight.emitted > 0
        {
            let table = flight.table().clone();
            return Err(CopyError::Interrupted { table, reason });
        }
        if let Some(open) = table.and_then(|name| self.open.get_mut(&name)) {
            open.definition = None;
        }
        lane.drop_job(PAUSE);
        Ok(())
    }
}

impl Run {
    /// What a lane has read is of no use any more.
    pub(super) fn read_again(&mut self, index: usize) -> Result<(), CopyError> {
        let Some(lane) = self.lanes.get_mut(index) else { return Ok(()) };
        if let Some(flight) = lane.job.flight()
            && let Some(open) = self.open.get_mut(flight.table())
        {
            open.tries += 1;
            let (table, tries) = (flight.table(), open.tries);
            let most = if flight.whole.is_some() { MOST_TRIES } else { 10 * MOST_TRIES };
            if tries >= most {
                return Err(CopyError::Busy { table: table.clone(), tries });
            }
            if tries.is_multiple_of(WARN_TRIES) {
                warn!(%table, tries, "a table is changed each time that it is read, and read again");
            }
        }
        lane.rows_at_once = (lane.rows_at_once / 2).max(LEAST_ROWS);
        lane.drop_job(Duration::ZERO);
        Ok(())
    }
}

/// How many rows to ask for next, after so many took so long.
fn rows_after(rows: u64, end: End) -> u64 {
    let took = end.took.as_millis().max(1);
    let by_time = u128::from(rows).saturating_mul(TARGET_TIME.as_millis()) / took;
    let by_time = u64::try_from(by_time).unwrap_or(u64::MAX).clamp(rows / 2, rows * 2);
    let each = end.bytes / usize::try_from(end.rows).unwrap_or(usize::MAX).max(1);
    let by_bytes = u64::try_from(MOST_BYTES / each.max(1)).unwrap_or(u64::MAX);
    by_time.min(by_bytes).clamp(LEAST_ROWS, MOST_ROWS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_grow_and_shrink_with_the_time_that_they_take() {
        let end = |rows, bytes, millis| End { rows, bytes, took: Duration::from_millis(millis) };
        assert_eq!(rows_after(1_000, end(1_000, 50_000, 10)), 2_000);
        assert_eq!(rows_after(1_000, end(1_000, 50_000, 400)), 1_250);
        assert_eq!(rows_after(1_000, end(1_000, 50_000, 5_000)), 500);
        assert_eq!(rows_after(1_000, end(1_000, 80 << 20, 10)), 100);
        assert_eq!(rows_after(16, end(16, 1 << 30, 10)), 16);
    }
}
