//! Groups under way.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::pin::Pin;
use std::time::Duration;

use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use otter_core::{Classify, Fault, Lease};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::unit::Units;
use crate::mysql::error::MySqlLoadError;
use crate::mysql::line::{Line, Setback};
use crate::mysql::plan::Detail;
use crate::mysql::session::{Advance, Desk};
use crate::mysql::store::Held;
use crate::mysql::usual::Usual;
use crate::mysql::writeset::Written;

/// How much longer than others the oldest group may take before the younger ones give way.
const PATIENCE_FACTOR: u32 = 4;
/// The least that is waited for the oldest group.
const LEAST_PATIENCE: Duration = Duration::from_millis(20);

/// What came to an end on a connection.
enum Done<'l> {
    Executed(usize, &'l mut Line, Result<(), Setback>),
    Committed(usize, &'l mut Line, Result<(), Setback>),
    RolledBack(&'l mut Line, Result<(), MySqlLoadError>),
}

type Doing<'l> = Pin<Box<dyn Future<Output = Done<'l>> + Send + 'l>>;

/// What is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Through {
    pub(super) groups: usize,
    pub(super) cuts: usize,
}

/// A run under way.
pub(super) struct Run<'l> {
    desk: Desk<'l>,
    units: Units<'l>,
    lease: &'l Lease,
    /// The checkpoint's lanes before the first group.
    held: &'l Held,
    /// The one that has rested longest first, so that none is closed by the server for silence.
    idle: VecDeque<&'l mut Line>,
    doing: FuturesUnordered<Doing<'l>>,
    /// The group that is planned and may not execute yet, and how it is told that it may.
    waiting: Option<(usize, oneshot::Sender<()>)>,
    /// Of the groups that are begun and not committed, which are these.
    written: Written,
    are_written: BTreeSet<usize>,
    /// When each group began that is executing.
    begun: BTreeMap<usize, Instant>,
    /// Groups that wait for their predecessors.
    executed: BTreeMap<usize, &'l mut Line>,
    committed: usize,
    is_committing: bool,
    /// Groups from here on are not begun, or are rolled back.
    end: usize,
    /// Whether the group at `end` was refused.
    is_refused: bool,
    /// How long a group takes to execute.
    usual: &'l mut Usual,
}

impl<'l> Run<'l> {
    pub(super) fn new(
        (desk, lease, held): (Desk<'l>, &'l Lease, &'l Held),
        units: Units<'l>,
        idle: VecDeque<&'l mut Line>,
        usual: &'l mut Usual,
    ) -> Self {
        Self {
            desk,
            units,
            lease,
            held,
            idle,
            doing: FuturesUnordered::new(),
            waiting: None,
            written: Written::default(),
            are_written: BTreeSet::new(),
            begun: BTreeMap::new(),
            executed: BTreeMap::new(),
            committed: 0,
            is_committing: false,
            end: usize::MAX,
            is_refused: false,
            usual,
        }
    }

    /// What is committed so far.
    pub(super) fn done(&self) -> Through {
        Through { groups: self.committed, cuts: self.units.cuts_of(self.committed) }
    }

    /// Runs the groups; true where the first that is not committed was refused or met a lock.
    pub(super) async fn finish(&mut self) -> Result<bool, MySqlLoadError> {
        loop {
            self.begin_groups();
            self.commit_oldest();
            if self.doing.is_empty() {
                return Ok(self.is_refused);
            }
            let oldest = self.units.get(self.committed);
            let (oldest, width) =
                oldest.map_or((&[][..], 1), |unit| (unit.transactions, unit.width));
            let usual = self.usual.of(oldest).saturating_mul(width);
            let patience = usual.saturating_mul(PATIENCE_FACTOR).max(LEAST_PATIENCE);
            // Only groups that wait can be in the way for longer than they take themselves.
            let oldest = self.begun.get(&self.committed).filter(|_| !self.executed.is_empty());
            let deadline = oldest.map(|begun| *begun + patience);
            tokio::select! {
                biased;
                done = self.doing.next() => match done {
                    Some(done) => self.take(done)?,
                    None => continue,
                },
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    tracing::debug!("the oldest group waits: younger ones give way");
                    let behind = self.executed.keys().next().copied().unwrap_or(self.end);
                    self.give_up_from(behind, false);
                }
            }
        }
    }

    /// Begins every group that may begin and has a connection; the first that may not is planned.
    fn begin_groups(&mut self) {
        self.let_go();
        while self.waiting.is_none()
            && self.end == usize::MAX
            && !self.idle.is_empty()
            && self.units.find(self.desk.tables, &self.written)
        {
            let index = self.units.len() - 1;
            let (Some(line), Some(unit)) = (self.idle.pop_front(), self.units.get(index)) else {
                return;
            };
            let (go, may_go) = oneshot::channel();
            let (desk, lease, transactions) = (self.desk, self.lease, unit.transactions);
            self.doing.push(Box::pin(async move {
                let outcome = match transactions.first() {
                    Some(first) => {
                        desk.begin_script(line, first);
                        let group = (transactions, Detail::Compacted);
                        let predecessors = may_go.map(|told| told.is_ok());
                        desk.execute_behind(line, group, None, predecessors, lease).await
                    }
                    None => Err(MySqlLoadError::Malformed { what: "a group is empty" }.into()),
                };
                Done::Executed(index, line, outcome)
            }));
            self.waiting = Some((index, go));
            self.let_go();
        }
    }

    /// Lets the group that waits execute, where it has nothing to do with those before it.
    fn let_go(&mut self) {
        let Some((index, go)) = self.waiting.take() else { return };
        let Some(unit) = self.units.get(index) else { return };
        if !self.written.is_independent(&unit.writes) {
            self.waiting = Some((index, go));
            return;
        }
        self.written.add(&unit.writes);
        self.are_written.insert(index);
        self.begun.insert(index, Instant::now());
        // One that could not be planned tells by itself.
        let _ = go.send(());
    }

    /// Commits the oldest group where it has executed.
    fn commit_oldest(&mut self) {
        if self.is_committing {
            return;
        }
        let index = self.committed;
        let (Some(line), Some(unit)) = (self.executed.remove(&index), self.units.get(index)) else {
            return;
        };
        self.is_committing = true;
        let (desk, lease) = (self.desk, self.lease);
        let held = self.held.after(index);
        let source_time = unit.transactions.last().map(|last| last.committed_at);
        let (through, transactions) = (unit.through, unit.transactions);
        self.doing.push(Box::pin(async move {
            let advance = Advance { through, source_time };
            let outcome = desk.move_and_commit(line, transactions, (advance, &held), lease).await;
            Done::Committed(index, line, outcome)
        }));
    }

    fn take(&mut self, done: Done<'l>) -> Result<(), MySqlLoadError> {
        match done {
            Done::Executed(index, line, outcome) => {
                if let (Some(begun), Some(unit)) =
                    (self.begun.remove(&index), self.units.get(index))
                {
                    self.usual.learn(unit.transactions, begun.elapsed() / unit.width);
                }
                match outcome {
                    Err(Setback::Stop(error)) if !self.may_wait(index, &error) => {
                        return Err(error);
                    }
                    Ok(()) if index < self.end => {
                        self.executed.insert(index, line);
                    }
                    Ok(()) => self.roll_back(index, line),
                    Err(Setback::Contention | Setback::Refused(_) | Setback::Stop(_)) => {
                        self.roll_back(index, line);
                        self.give_up_from(index, true);
                    }
                }
            }
            Done::Committed(index, line, outcome) => {
                self.is_committing = false;
                match outcome {
                    Err(Setback::Stop(error)) => return Err(error),
                    Ok(()) => {
                        self.committed = index + 1;
                        self.release(index);
                        self.idle.push_back(line);
                    }
                    Err(Setback::Contention | Setback::Refused(_)) => {
                        self.roll_back(index, line);
                        self.give_up_from(index, true);
                    }
                }
            }
            Done::RolledBack(line, outcome) => {
                outcome?;
                self.idle.push_back(line);
            }
        }
        Ok(())
    }

    /// Whether the groups before this one come first: where only its own rows are in question, and
    /// the connection is in order. Tried alone behind them, it meets the same again.
    fn may_wait(&self, index: usize, error: &MySqlLoadError) -> bool {
        index > self.committed && error.fault() == Fault::Fatal
    }

    /// Takes back all groups from this one on; those that are executing are taken back when they
    /// have ended.
    fn give_up_from(&mut self, index: usize, is_refused: bool) {
        if index < self.end {
            self.end = index;
            self.is_refused = is_refused;
        }
        // It ends without having executed anything.
        self.waiting.take_if(|(waiting, _)| *waiting >= self.end);
        for (index, line) in self.executed.split_off(&self.end) {
            self.roll_back(index, line);
        }
    }

    fn roll_back(&mut self, index: usize, line: &'l mut Line) {
        self.release(index);
        self.doing.push(Box::pin(async move {
            let outcome = line.roll_back().await;
            Done::RolledBack(line, outcome)
        }));
    }

    fn release(&mut self, index: usize) {
        if self.are_written.remove(&index)
            && let Some(unit) = self.units.get(index)
        {
            self.written.remove(&unit.writes);
        }
    }
}
