//! What the worker's answers mean for the run.

use std::sync::Arc;
use std::time::Duration;

use otter_core::{Classify, CopyRecord, CopyStage, CopyStep, Event, Fault, TableName};
use tracing::{debug, warn};

use super::error::CopyError;
use super::flight::Job;
use super::passing::step;
use super::pieces::End;
use super::run::Run;
use super::worker::Answer;
use crate::selector::BinlogSelector;

/// What reading a part should take: the stream touches few rows meanwhile, and little is lost where
/// it is read in vain.
const TARGET_TIME: Duration = Duration::from_millis(500);
/// What a part should hold at most.
const MOST_BYTES: usize = 8 << 20;
/// What is wrong with a table that is there for the server, and not for the account.
const UNSEEN: &str = "the source does not show it to the account: GRANT SELECT ON it";
const LEAST_ROWS: u64 = 16;
const MOST_ROWS: u64 = 200_000;
/// Before something is asked again that was not ready.
pub(super) const PAUSE: Duration = Duration::from_millis(200);
/// Before a table is looked for again that was not seen.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// How often a table without a key is read before that is given up.
pub(super) const MOST_TRIES: u32 = 20;
/// How often the source is asked in a row that is not ready for a table, before others have their turn.
const MOST_VAIN: u32 = 3;
/// After so many tries more of them the log tells.
const WARN_TRIES: u32 = 5;

impl Run {
    /// Takes what the reader of a lane answers.
    pub(super) fn take_answer(&mut self, index: usize, answer: Answer) -> Result<(), CopyError> {
        let Some(lane) = self.lanes.get_mut(index) else { return Ok(()) };
        match answer {
            Answer::Unseen(absent) => {
                let table = lane.job.table().cloned();
                lane.job = Job::Idle;
                if let Some(open) = table.and_then(|name| self.open.get_mut(&name)) {
                    if let Some(place) = absent.clone() {
                        let name = &open.record.table;
                        self.absent.retain(|(absent, _)| absent != name);
                        self.absent.push((name.clone(), place));
                    }
                    if absent.is_none() && open.record.problem.is_none() {
                        open.record.problem = Some(UNSEEN.into());
                        self.untold.insert(open.record.table.clone());
                    }
                    if open.again_at.is_none() {
                        warn!(
                            table = %open.record.table,
                            "a table that is to be copied is not seen: where it was dropped, the \
                             stream tells; where it is there, GRANT SELECT ON it to the account. It \
                             is looked for again"
                        );
                    }
                    open.put_off(LOOK_AGAIN);
                    self.plan_look();
                }
            }
            Answer::Defined(definition, high) => {
                let definition = Arc::new(*definition);
                let (name, text) = (&definition.table.name, &definition.statement.statement);
                lane.job = Job::Idle;
                if self.source.learn(name, text, &self.setting.mappings) {
                    self.source.check_rings()?;
                    // Its turn may be another one now.
                    return Ok(());
                }
                let Some(open) = self.open.get_mut(&definition.table.name) else { return Ok(()) };
                if open.record.estimated == 0 {
                    open.record.estimated = definition.estimated;
                }
                if open.record.stage == CopyStage::Waiting {
                    lane.job = Job::Defined { definition, high, due: Box::default() };
                } else if definition.key.is_none() {
                    let (table, problem) =
                        (definition.table.name.clone(), "the table has no key any more");
                    return Err(CopyError::BadRecord { table, problem });
                } else {
                    if !definition.goes_on_behind(open.record.after.as_deref()) {
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
            Answer::Failed(error) => {
                let error = named(error, lane.job.table());
                return self.put_aside(index, error);
            }
        }
        Ok(())
    }

    /// Forgets tables of which the stream has come to a place where there were none: it has told of
    /// their end before, or has told somebody who died before it was written down.
    pub(super) fn forget_absent(&mut self, inner: &BinlogSelector) {
        if self.absent.is_empty() || self.stash.is_some() || self.is_amid_transaction() {
            return;
        }
        let mut steps = Vec::new();
        for (table, place) in std::mem::take(&mut self.absent) {
            if !self.has_reached(&place, inner) {
                self.absent.push((table, place));
            } else if self.open.get(&table).is_some_and(|open| open.misses > 0) {
                // Whoever mends it may drop it and make it again, without a word in the binlog.
                continue;
            } else if self.open.get(&table).is_some_and(|open| open.is_away) {
                self.open.remove(&table);
                warn!(
                    %table,
                    "a table that was to be copied is gone from the source; what the target has of it \
                     stays"
                );
                steps.push(step(table, CopyStage::Forgotten));
            }
        }
        if steps.is_empty() {
            return;
        }
        if self.is_over() {
            steps.push(Event::Copy(CopyStep::Finished));
        }
        self.emit_events(steps);
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
        lane.drop_job(PAUSE);
        let Some(open) = table.as_ref().and_then(|name| self.open.get_mut(name)) else {
            return Ok(());
        };
        open.definition = None;
        open.vain += 1;
        // Of one that was put aside before, one try is enough.
        let is_enough = open.misses > 0 || open.vain.is_multiple_of(MOST_VAIN);
        if let Some(table) = table.filter(|_| is_enough) {
            let error = CopyError::Unready { table: table.clone(), reason };
            self.leave_for_later(&table, &error);
        }
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
                let table = table.clone();
                return self.put_aside(index, CopyError::Busy { table, tries });
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

/// What the source refuses, with the table; its own words may hold values of rows (SECRET-1).
fn named(error: CopyError, table: Option<&TableName>) -> CopyError {
    let (CopyError::Connection(cause), Some(table)) = (&error, table) else { return error };
    match cause.server_error() {
        Some(server) if cause.fault() != Fault::Transient => {
            let (table, code) = (table.clone(), server.code);
            CopyError::Unreadable { table, code, meaning: meaning(code) }
        }
        _ => error,
    }
}

fn meaning(code: u16) -> &'static str {
    match code {
        1044 | 1142 | 1143 => " (the account may not read it)",
        1030 | 1034 | 1194 | 1195 | 1712 | 1877 => " (it is damaged)",
        1814 => " (its tablespace is discarded)",
        _ => "",
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
