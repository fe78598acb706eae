//! Groups that execute at once and commit in source order.
//!
//! Each group has a connection and a target transaction of its own. A group begins when its write
//! set shares nothing with those of the groups before it that are not committed; it commits when
//! all of them are, so that one row of the checkpoint suffices, and readers of the target see source
//! order (TXN-1).
//!
//! Whatever goes wrong with a younger group may come of an older one that is not committed yet: it
//! is rolled back, with all that are younger still, and tried again behind its predecessors. The
//! server may also make the older wait for a younger one, and cannot see that as a deadlock, since
//! the order of commits is ours: where the oldest takes much longer than groups do, the younger ones
//! that wait for it are rolled back.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use otter_core::{Classify, Fault, Lease, Position, Transaction};
use tokio::time::{Instant, sleep_until};

use super::connect;
use super::error::MySqlLoadError;
use super::group::{Group, row_count};
use super::line::{Line, Setback, require_held};
use super::plan::Detail;
use super::session::{Advance, Desk, Session};
use super::store::Held;
use super::takeover::{hand_slot_over, lock_name};
use super::usual::Usual;
use super::writeset::{WriteSet, Written};

/// How much longer than others the oldest group may take before the younger ones give way.
const PATIENCE_FACTOR: u32 = 4;
/// The least that is waited for the oldest group.
const LEAST_PATIENCE: Duration = Duration::from_millis(20);
/// How long nothing more is tried where a further connection was refused.
const HELPER_PAUSE: Duration = Duration::from_secs(60);
/// A group with everything that is decided before it begins.
#[derive(Debug)]
struct Work<'a> {
    transactions: &'a [Transaction],
    through: Position,
    writes: WriteSet,
}

/// What came to an end on a connection.
enum Done<'l> {
    Executed(usize, &'l mut Line, Result<(), Setback>),
    Committed(usize, &'l mut Line, Result<(), Setback>),
    RolledBack(&'l mut Line, Result<(), MySqlLoadError>),
}

type Doing<'l> = Pin<Box<dyn Future<Output = Done<'l>> + Send + 'l>>;

/// How a run of groups ended, with nothing open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Outcome {
    /// So many groups are committed, the first ones.
    committed: usize,
    /// Whether the next one was refused or met a lock, and is not only to be tried again.
    is_refused: bool,
}

impl Session {
    /// Applies and commits transactions, in groups of which several execute at once where there are
    /// many rows.
    pub(super) async fn load_groups(
        &mut self,
        group: Group<'_>,
        lease: &Lease,
    ) -> Result<u64, MySqlLoadError> {
        let cuts = self.cut(group)?;
        let mut rows = 0;
        if cuts.len() < 2 || self.options.connections < 2 {
            for (transactions, through) in &cuts {
                rows += self.load_group(Group { transactions, through }, lease).await?;
            }
            return Ok(rows);
        }
        let with_writes = |(transactions, through)| Work {
            transactions,
            through,
            writes: WriteSet::of(transactions, &self.tables),
        };
        let works: Vec<_> = cuts.into_iter().map(with_writes).collect();
        self.open_helpers(works.len(), lease).await?;
        let mut works = works.as_slice();
        while !works.is_empty() {
            // Groups with rows that wait behind held ones go alone.
            let is_free = |work: &&Work<'_>| !work.transactions.iter().any(|one| self.waits(one));
            let free = works.iter().take_while(is_free).count();
            let (at_once, _) = works.split_at(free);
            let outcome = Box::pin(self.run_groups(at_once, lease)).await?;
            let (committed, rest) = works.split_at(outcome.committed);
            rows += committed.iter().map(|work| row_count(work.transactions)).sum::<u64>();
            works = rest;
            if (outcome.is_refused || outcome.committed == free)
                && let Some((next, rest)) = works.split_first()
            {
                // Alone, behind all its predecessors: what is refused now is a finding.
                let group = Group { transactions: next.transactions, through: &next.through };
                rows += Box::pin(self.load_group(group, lease)).await?;
                works = rest;
            }
        }
        Ok(rows)
    }

    /// Opens connections for so many groups at once; each holds the named lock of its slot, so that
    /// whoever takes over finds and ends it.
    pub(super) async fn open_helpers(
        &mut self,
        groups: usize,
        lease: &Lease,
    ) -> Result<(), MySqlLoadError> {
        if self.no_helper_before.is_some_and(|pause| Instant::now() < pause) {
            return Ok(());
        }
        let most = usize::from(self.options.connections).min(groups).saturating_sub(1);
        while self.helpers.len() < most {
            match Box::pin(self.open_helper(lease)).await? {
                Ok(line) => self.helpers.push(line),
                Err(error) => {
                    // An account may have a limit; fewer connections do the same more slowly.
                    tracing::warn!(%error, "no further connection to the target");
                    self.no_helper_before = Some(Instant::now() + HELPER_PAUSE);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Opens one more connection; the inner error tells why the target has none.
    pub(super) async fn open_helper(
        &mut self,
        lease: &Lease,
    ) -> Result<Result<Line, MySqlLoadError>, MySqlLoadError> {
        require_held(lease)?;
        let slot = u16::try_from(self.helpers.len() + 1).unwrap_or(u16::MAX);
        let (url, times) = &self.target;
        let (mut conn, facts) = match Box::pin(connect::open(url, *times)).await {
            Ok(opened) => opened,
            Err(error) => return Ok(Err(error)),
        };
        let pipeline = lease.side().pipeline.as_str();
        let name = lock_name(self.store.schema(), pipeline, slot);
        hand_slot_over(&mut *self.line.conn, &mut *conn, &name).await?;
        Ok(Ok(Line::new(slot, conn, facts)))
    }

    /// Runs groups until all are committed, or until one must be tried again; then those before it
    /// are committed and those behind it are rolled back.
    async fn run_groups(
        &mut self,
        works: &[Work<'_>],
        lease: &Lease,
    ) -> Result<Outcome, MySqlLoadError> {
        let held = self.held.clone();
        let mut usual = self.usual_time;
        let (line, helpers, desk) = self.parts();
        let mut run = Run {
            desk,
            works,
            lease,
            held: &held,
            idle: std::iter::once(line).chain(helpers).collect(),
            doing: FuturesUnordered::new(),
            written: Written::default(),
            begun: BTreeMap::new(),
            executed: BTreeMap::new(),
            next: 0,
            committed: 0,
            is_committing: false,
            end: works.len(),
            is_refused: false,
            usual: &mut usual,
        };
        let outcome = run.finish().await;
        let committed = run.committed;
        drop(run);
        self.usual_time = usual;
        // What is committed is committed, whatever became of the others.
        if let Some(last) = committed.checked_sub(1).and_then(|last| works.get(last)) {
            self.held.advance(committed);
            self.position = Some(last.through.clone());
        }
        outcome
    }
}

/// A run under way.
struct Run<'l, 'w> {
    desk: Desk<'l>,
    works: &'l [Work<'w>],
    lease: &'l Lease,
    /// The checkpoint's lanes before the first group.
    held: &'l Held,
    /// The one that has rested longest first, so that none is closed by the server for silence.
    idle: VecDeque<&'l mut Line>,
    doing: FuturesUnordered<Doing<'l>>,
    /// Of the groups that are begun and not committed.
    written: Written,
    /// When each group began that is executing.
    begun: BTreeMap<usize, Instant>,
    /// Groups that wait for their predecessors.
    executed: BTreeMap<usize, &'l mut Line>,
    /// The next group to begin.
    next: usize,
    committed: usize,
    is_committing: bool,
    /// Groups from here on are not begun, or are rolled back.
    end: usize,
    /// Whether the group at `end` was refused.
    is_refused: bool,
    /// How long a group takes to execute.
    usual: &'l mut Usual,
}

impl<'l> Run<'l, '_> {
    async fn finish(&mut self) -> Result<Outcome, MySqlLoadError> {
        loop {
            self.begin_groups();
            self.commit_oldest();
            if self.doing.is_empty() {
                return Ok(Outcome { committed: self.committed, is_refused: self.is_refused });
            }
            let oldest = self.works.get(self.committed).map_or(&[][..], |work| work.transactions);
            let patience = (self.usual.of(oldest) * PATIENCE_FACTOR).max(LEAST_PATIENCE);
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

    /// Begins every group that may begin and has a connection.
    fn begin_groups(&mut self) {
        while self.next < self.end
            && let Some(work) = self.works.get(self.next)
            && self.written.is_independent(&work.writes)
            && let Some(line) = self.idle.pop_front()
        {
            self.written.add(&work.writes);
            self.begun.insert(self.next, Instant::now());
            let (desk, lease, index) = (self.desk, self.lease, self.next);
            let transactions = work.transactions;
            self.doing.push(Box::pin(async move {
                let outcome = match transactions.first() {
                    Some(first) => {
                        desk.begin_script(line, first);
                        desk.execute(line, transactions, Detail::Compacted, None, lease).await
                    }
                    None => Err(MySqlLoadError::Malformed { what: "a group is empty" }.into()),
                };
                Done::Executed(index, line, outcome)
            }));
            self.next += 1;
        }
    }

    /// Commits the oldest group where it has executed.
    fn commit_oldest(&mut self) {
        if self.is_committing {
            return;
        }
        let index = self.committed;
        let (Some(line), Some(work)) = (self.executed.remove(&index), self.works.get(index)) else {
            return;
        };
        self.is_committing = true;
        let (desk, lease) = (self.desk, self.lease);
        let held = self.held.after(index);
        let source_time = work.transactions.last().map(|last| last.committed_at);
        let (through, transactions) = (&work.through, work.transactions);
        self.doing.push(Box::pin(async move {
            let advance = Advance { through, source_time };
            let outcome = desk.move_and_commit(line, transactions, (advance, &held), lease).await;
            Done::Committed(index, line, outcome)
        }));
    }

    fn take(&mut self, done: Done<'l>) -> Result<(), MySqlLoadError> {
        match done {
            Done::Executed(index, line, outcome) => {
                if let (Some(begun), Some(work)) =
                    (self.begun.remove(&index), self.works.get(index))
                {
                    self.usual.learn(work.transactions, begun.elapsed());
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
        if let Some(work) = self.works.get(index) {
            self.written.remove(&work.writes);
        }
    }
}
