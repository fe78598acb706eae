//! Tables that cannot be copied as they are: they are put aside, and tried again.
//!
//! Of a table that waits the target has nothing, and of one that is begun some rows, each as it is at the
//! stream's place: so it stays while nothing of it is read, for as long as that takes. Tables that refer
//! to it wait for it.

use std::time::Duration;

use otter_core::{Event, TableName};
use tokio::time::Instant;
use tracing::{debug, warn};

use super::error::CopyError;
use super::flight::Job;
use super::passing::step_of;
use super::run::{OpenTable, Run};

/// Before a table is tried again that could not be read once.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// As long as it waits at most; each pause is twice as long as the one before.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What becomes of a table that the source refuses to read, or that changes faster than it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnUnreadable {
    /// It is tried again, at least every minute; the stream and the other tables go on. The record of the table in
    /// the target tells the problem.
    #[default]
    Wait,
    /// The copy ends with the error.
    Halt,
}

impl OpenTable {
    /// Leaves the table alone for a while.
    pub(super) fn put_off(&mut self, pause: Duration) {
        self.is_away = true;
        self.again_at = Some(Instant::now() + pause);
    }
}

impl Run {
    /// Leaves what a lane reads for later, unless the copy is to end with it.
    pub(super) fn put_aside(&mut self, lane: usize, error: CopyError) -> Result<(), CopyError> {
        let wait = self.setting.on_unreadable == OnUnreadable::Wait;
        let (
            true,
            CopyError::Unreadable { table, .. }
            | CopyError::Table { table, .. }
            | CopyError::Busy { table, .. },
        ) = (wait, &error)
        else {
            return Err(error);
        };
        let Some(lane) = self.lanes.get_mut(lane) else { return Err(error) };
        let is_begun = lane.job.flight().is_some_and(|it| it.whole.is_some() && it.emitted > 0);
        if is_begun || !self.open.contains_key(table) {
            return Err(error);
        }
        lane.drop_job(Duration::ZERO);
        self.leave_for_later(table, &error);
        Ok(())
    }

    /// Lets others have their turn before a table is tried again.
    pub(super) fn leave_for_later(&mut self, table: &TableName, error: &CopyError) {
        let Some(open) = self.open.get_mut(table) else { return };
        let problem = error.to_string();
        let pause = pause_after(open.misses);
        open.misses += 1;
        if open.record.problem.as_deref() == Some(problem.as_str()) {
            debug!(error = problem, again_in_s = pause.as_secs(), "a table cannot be copied still");
        } else {
            warn!(
                error = problem,
                again_in_s = pause.as_secs(),
                "a table cannot be copied; the others go on, and it is tried again, at least every \
                 minute"
            );
            open.record.problem = Some(problem.into());
            self.untold.insert(table.clone());
        }
        (open.tries, open.definition) = (0, None);
        open.put_off(pause);
        // It is there, whatever was seen before.
        self.absent.retain(|(absent, _)| absent != table);
        self.plan_look();
    }

    /// Looks again for tables that were away, when it is time to.
    pub(super) fn look_again(&mut self) {
        let now = Instant::now();
        if self.look_at.is_none_or(|at| at > now) {
            return;
        }
        for open in self.open.values_mut().filter(|open| open.again_at.is_some_and(|at| at <= now))
        {
            open.is_away = false;
        }
        self.plan_look();
    }

    /// Notes when the first of the tables that are away is due.
    pub(super) fn plan_look(&mut self) {
        let away = self.open.values().filter(|open| open.is_away);
        self.look_at = away.filter_map(|open| open.again_at).min();
    }

    /// Whether nothing can be done until a table can be read again that is put aside.
    pub(crate) fn only_waits(&self) -> bool {
        self.look_at.is_some()
            && self.lanes.iter().all(|lane| matches!(lane.job, Job::Idle))
            && self.next_table().is_none()
    }

    /// Writes down what is wrong with tables, where the stream lets it.
    pub(super) fn tell_problems(&mut self) {
        if self.untold.is_empty() || self.is_amid_transaction() {
            return;
        }
        let untold = std::mem::take(&mut self.untold);
        let open = untold.iter().filter_map(|table| self.open.get(table));
        let steps: Vec<Event> = open.map(|open| step_of(open.record.clone())).collect();
        if !steps.is_empty() {
            self.emit_events(steps);
        }
    }

    /// Whether a transaction was handed out in part: of the stream, or of a table that is read as a whole.
    pub(super) fn is_amid_transaction(&self) -> bool {
        let whole = self.holding().is_some_and(|it| it.whole.is_some() && it.emitted > 0);
        self.is_in_fragment || whole
    }
}

/// How long to wait after so many that were in vain.
fn pause_after(misses: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << misses.min(8)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_longest() {
        let seconds = |misses| pause_after(misses).as_secs();
        assert_eq!([0, 1, 2, 3, 4, 9, u32::MAX].map(seconds), [5, 10, 20, 40, 60, 60, 60]);
    }
}
