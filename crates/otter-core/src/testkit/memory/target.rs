//! A target in memory: tables, checkpoints, and the transactions that change both.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::time::sleep;

use super::super::item::{self, Item};
use super::faults::{FaultPoint, Injected, Plan};
use super::load::{MemoryLoad, MemoryLoadError};
use super::rows::{Refused, Tables};
use super::stored::{Stored, StoredRow};
use crate::arbiter::{ArbiterId, Lease, PipelineId, Term};
use crate::batch::{Transaction, TransactionEnd};
use crate::position::Position;
use crate::table::{Table, TableName};

/// A database in memory. Clones are the same database.
#[derive(Clone)]
pub struct MemoryTarget {
    state: Arc<Mutex<State>>,
    commits: watch::Sender<u64>,
}

/// One target transaction that was committed.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The pipeline that wrote it.
    pub pipeline: PipelineId,
    /// The term of the lease that it was written under.
    pub term: Term,
    /// The ends of the source transactions in it.
    pub transactions: Vec<TransactionEnd>,
    /// The position committed with it.
    pub position: Position,
}

/// A promise that a target breaks on purpose, to show that a suite notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weakness {
    /// Terms are not compared.
    NoFence,
    /// The position is committed after the data, not with it.
    PositionApart,
    /// Each fragment is committed by itself.
    FragmentsAlone,
    /// A transaction that does not fit is left out.
    SkipsPoison,
    /// Batches are taken wherever they begin.
    TakesGaps,
}

struct State {
    tables: Tables,
    checkpoints: BTreeMap<PipelineId, Checkpoint>,
    /// The session that may write for a pipeline; all others are dead.
    sessions: BTreeMap<PipelineId, u64>,
    last_session: u64,
    in_doubt: Vec<InDoubt>,
    refused: Refused,
    weakness: Option<Weakness>,
    script: VecDeque<(FaultPoint, Injected)>,
    plan: Option<Plan>,
    on_commit: Option<OnCommit>,
}

type OnCommit = Box<dyn FnMut(&Commit, &Tables) + Send>;

#[derive(Debug, Clone)]
struct Checkpoint {
    arbiter: ArbiterId,
    term: Term,
    sequence: u64,
    position: Option<Position>,
}

struct InDoubt {
    work: Work,
    commits: bool,
}

/// What one target transaction does.
#[derive(Debug, Clone)]
pub(super) struct Work {
    pub(super) pipeline: PipelineId,
    pub(super) arbiter: ArbiterId,
    pub(super) term: Term,
    pub(super) session: u64,
    pub(super) sequence: u64,
    pub(super) transactions: Vec<Transaction>,
    pub(super) position: Position,
}

/// What an open transaction would do.
#[derive(Default)]
pub(super) struct Rehearsal {
    tables: Option<Tables>,
    pub(super) fitting: usize,
    pub(super) rows: u64,
    pub(super) misfit: Option<MemoryLoadError>,
}

/// What a loader that has taken over knows.
pub(super) struct Claimed {
    pub(super) session: u64,
    pub(super) sequence: u64,
    pub(super) position: Option<Position>,
}

impl MemoryTarget {
    /// An empty database.
    #[must_use]
    pub fn new() -> Self {
        Self::build(None)
    }

    /// A database that breaks one promise.
    #[must_use]
    pub fn with_weakness(weakness: Weakness) -> Self {
        Self::build(Some(weakness))
    }

    fn build(weakness: Option<Weakness>) -> Self {
        let state = State {
            tables: Tables::default(),
            checkpoints: BTreeMap::new(),
            sessions: BTreeMap::new(),
            last_session: 0,
            in_doubt: Vec::new(),
            refused: Refused::new(),
            weakness,
            script: VecDeque::new(),
            plan: None,
            on_commit: None,
        };
        Self { state: Arc::new(Mutex::new(state)), commits: watch::Sender::new(0) }
    }

    /// A loader with a connection of its own, as another process would have it.
    #[must_use]
    pub fn loader(&self) -> MemoryLoad {
        MemoryLoad::new(self.clone())
    }

    /// The committed rows of a table in key order.
    #[must_use]
    pub fn rows(&self, table: &TableName) -> Vec<StoredRow> {
        self.lock().tables.rows(table)
    }

    /// The committed rows of the suites' table in key order.
    ///
    /// # Panics
    /// Where a row is not as the table's definition says.
    #[must_use]
    pub fn items(&self) -> Vec<Item> {
        items_of(&self.lock().tables)
    }

    /// The committed position of a pipeline.
    #[must_use]
    pub fn position(&self, pipeline: &PipelineId) -> Option<Position> {
        self.lock().checkpoints.get(pipeline)?.position.clone()
    }

    /// Counts committed target transactions, so that a test can wait for the next one.
    #[must_use]
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.commits.subscribe()
    }

    /// Puts a row behind the loaders' backs, replacing one with its key.
    pub fn put(&self, table: &Table, row: StoredRow) {
        self.lock().tables.put(table, row);
    }

    /// Takes a row out behind the loaders' backs and returns it.
    pub fn take(&self, table: &TableName, key: &[Stored]) -> Option<StoredRow> {
        self.lock().tables.take(table, key)
    }

    /// Refuses every change of this key from now on, as a value that does not fit would be.
    pub fn refuse(&self, table: &TableName, key: &[Stored]) {
        self.lock().refused.insert((table.clone(), key.to_vec()));
    }

    /// Refuses nothing any more.
    pub fn accept_all(&self) {
        self.lock().refused.clear();
    }

    /// Makes this go wrong when the point is passed next, after what was asked for before.
    pub fn fail_next(&self, point: FaultPoint, fault: Injected) {
        self.lock().script.push_back((point, fault));
    }

    /// Asks `plan` each time a point is passed what goes wrong there.
    pub fn fail_by(&self, plan: impl FnMut(FaultPoint) -> Option<Injected> + Send + 'static) {
        self.lock().plan = Some(Box::new(plan));
    }

    /// Lets nothing go wrong any more.
    pub fn fail_never(&self) {
        let mut state = self.lock();
        state.plan = None;
        state.script.clear();
    }

    /// Shows `look` every commit with the tables as they are behind it, before anybody can see
    /// them. It must not use the target.
    pub fn on_commit(&self, look: impl FnMut(&Commit, &Tables) + Send + 'static) {
        self.lock().on_commit = Some(Box::new(look));
    }

    pub(super) fn weakness(&self) -> Option<Weakness> {
        self.lock().weakness
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A look that panicked has failed its test; the next one may go on.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes a point where something may go wrong. What is left to the caller is returned.
    pub(super) async fn pass(
        &self,
        point: FaultPoint,
    ) -> Result<Option<Injected>, MemoryLoadError> {
        let fault = self.lock().fault_at(point);
        match fault {
            None => Ok(None),
            Some(Injected::LostBefore) => Err(MemoryLoadError::Disconnected),
            Some(Injected::Hang(time)) => {
                sleep(time).await;
                Err(MemoryLoadError::Disconnected)
            }
            Some(Injected::Slow(time)) => {
                sleep(time).await;
                Ok(None)
            }
            Some(left @ (Injected::LostAfter | Injected::InDoubt { .. })) => Ok(Some(left)),
        }
    }

    /// Takes the pipeline over: ends other sessions, decides what is in doubt, claims the term.
    pub(super) fn claim(&self, lease: &Lease) -> Result<Claimed, MemoryLoadError> {
        let mut state = self.lock();
        let pipeline = &lease.side().pipeline;
        if let Some(checkpoint) = state.checkpoints.get(pipeline) {
            checkpoint.admits(lease, state.weakness)?;
        }
        let mut decided = 0;
        for doubt in std::mem::take(&mut state.in_doubt) {
            if doubt.work.pipeline != *pipeline {
                state.in_doubt.push(doubt);
            } else if doubt.commits && state.commit(doubt.work).is_ok() {
                decided += 1;
            }
        }
        state.last_session += 1;
        let session = state.last_session;
        state.sessions.insert(pipeline.clone(), session);
        let claimed = Checkpoint {
            arbiter: lease.arbiter().clone(),
            term: lease.term(),
            sequence: 0,
            position: None,
        };
        let checkpoint = state.checkpoints.entry(pipeline.clone()).or_insert(claimed);
        checkpoint.term = lease.term();
        checkpoint.sequence += 1;
        let claimed = Claimed {
            session,
            sequence: checkpoint.sequence,
            position: checkpoint.position.clone(),
        };
        drop(state);
        self.count(decided);
        Ok(claimed)
    }

    /// Commits and returns the new sequence.
    pub(super) fn commit(&self, work: Work) -> Result<u64, MemoryLoadError> {
        let sequence = self.lock().commit(work)?;
        self.count(1);
        Ok(sequence)
    }

    /// Leaves it open whether this is committed.
    pub(super) fn doubt(&self, work: Work, commits: bool) {
        self.lock().in_doubt.push(InDoubt { work, commits });
    }

    /// Applies transactions to a copy of the tables: how many can be, and why the next cannot.
    pub(super) fn rehearse(&self, rehearsal: &mut Rehearsal, transactions: &[Transaction]) {
        let state = self.lock();
        let tables = rehearsal.tables.get_or_insert_with(|| state.tables.clone());
        for transaction in transactions {
            match tables.apply(transaction, &state.refused) {
                Ok(changed) => {
                    rehearsal.rows += changed;
                    rehearsal.fitting += 1;
                }
                Err(error) => {
                    rehearsal.misfit = Some(error);
                    return;
                }
            }
        }
    }

    /// Whether this session may still write.
    pub(super) fn check_session(
        &self,
        pipeline: &PipelineId,
        session: u64,
    ) -> Result<(), MemoryLoadError> {
        let state = self.lock();
        if state.weakness == Some(Weakness::NoFence) || state.is_current(pipeline, session) {
            return Ok(());
        }
        Err(MemoryLoadError::Superseded)
    }

    /// Ends a session; what it had not committed is gone.
    pub(super) fn end_session(&self, pipeline: &PipelineId, session: u64) {
        let mut state = self.lock();
        if state.is_current(pipeline, session) {
            state.sessions.remove(pipeline);
        }
    }

    fn count(&self, commits: u64) {
        self.commits.send_modify(|count| *count += commits);
    }
}

impl State {
    fn fault_at(&mut self, point: FaultPoint) -> Option<Injected> {
        if self.script.front().is_some_and(|(at, _)| *at == point) {
            return self.script.pop_front().map(|(_, fault)| fault);
        }
        self.plan.as_mut()?(point)
    }

    fn is_current(&self, pipeline: &PipelineId, session: u64) -> bool {
        self.sessions.get(pipeline) == Some(&session)
    }

    /// All of the work or nothing.
    fn commit(&mut self, work: Work) -> Result<u64, MemoryLoadError> {
        let is_weak = |weakness| self.weakness == Some(weakness);
        if !is_weak(Weakness::NoFence) {
            if !self.is_current(&work.pipeline, work.session) {
                return Err(MemoryLoadError::Superseded);
            }
            // INVARIANT FENCE-1: the checkpoint is the judge, whatever the sessions are.
            let is_expected = self.checkpoints.get(&work.pipeline).is_some_and(|checkpoint| {
                checkpoint.arbiter == work.arbiter
                    && checkpoint.term == work.term
                    && checkpoint.sequence == work.sequence
            });
            if !is_expected {
                return Err(MemoryLoadError::Superseded);
            }
        }
        let mut tables = self.tables.clone();
        for transaction in &work.transactions {
            match tables.apply(transaction, &self.refused) {
                Ok(_) => {}
                Err(_) if is_weak(Weakness::SkipsPoison) => {}
                Err(error) => return Err(error),
            }
        }
        self.tables = tables;
        let ends = work.transactions.iter().filter_map(|transaction| transaction.end.clone());
        let commit = Commit {
            pipeline: work.pipeline.clone(),
            term: work.term,
            transactions: ends.collect(),
            position: work.position.clone(),
        };
        if let Some(look) = &mut self.on_commit {
            look(&commit, &self.tables);
        }
        let checkpoint = self.checkpoints.entry(work.pipeline).or_insert(Checkpoint {
            arbiter: work.arbiter,
            term: work.term,
            sequence: work.sequence,
            position: None,
        });
        checkpoint.sequence += 1;
        checkpoint.position = Some(work.position);
        Ok(checkpoint.sequence)
    }
}

impl Checkpoint {
    fn admits(&self, lease: &Lease, weakness: Option<Weakness>) -> Result<(), MemoryLoadError> {
        if weakness == Some(Weakness::NoFence) {
            return Ok(());
        }
        if self.arbiter != *lease.arbiter() {
            return Err(MemoryLoadError::OtherArbiter {
                expected: self.arbiter.clone(),
                found: lease.arbiter().clone(),
            });
        }
        if self.term > lease.term() {
            return Err(MemoryLoadError::Superseded);
        }
        Ok(())
    }
}

/// The rows of the suites' table.
pub(in super::super) fn items_of(tables: &Tables) -> Vec<Item> {
    let item = |row: StoredRow| match row.as_slice() {
        [Stored::Int(id), Stored::Text(name)] => Item::new(*id, name),
        [Stored::Int(id), Stored::Null] => Item { id: *id, name: None },
        other => panic!("a row of the suites' table holds {other:?}"),
    };
    tables.rows(&item::table().name).into_iter().map(item).collect()
}

impl Default for MemoryTarget {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryTarget").field("commits", &*self.commits.borrow()).finish()
    }
}
