//! What a database in memory holds, and the transactions that change it.

use std::collections::{BTreeMap, VecDeque};

use super::faults::{FaultPoint, Injected, Plan};
use super::load::MemoryLoadError;
use super::rows::{Refused, Tables};
use crate::arbiter::{ArbiterId, Lease, PipelineId, Term};
use crate::batch::{Transaction, TransactionEnd};
use crate::position::Position;

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

/// What the database holds, and what can still happen to it.
#[derive(Default)]
pub(super) struct Store {
    pub(super) tables: Tables,
    pub(super) checkpoints: BTreeMap<PipelineId, Checkpoint>,
    /// The session that may write for a pipeline; all others are dead.
    pub(super) sessions: BTreeMap<PipelineId, u64>,
    pub(super) last_session: u64,
    pub(super) in_doubt: Vec<InDoubt>,
    pub(super) refused: Refused,
    pub(super) weakness: Option<Weakness>,
    pub(super) script: VecDeque<(FaultPoint, Injected)>,
    pub(super) plan: Option<Plan>,
    pub(super) on_commit: Option<OnCommit>,
}

type OnCommit = Box<dyn FnMut(&Commit, &Tables) + Send>;

#[derive(Debug, Clone)]
pub(super) struct Checkpoint {
    arbiter: ArbiterId,
    term: Term,
    sequence: u64,
    pub(super) position: Option<Position>,
}

pub(super) struct InDoubt {
    pub(super) work: Work,
    pub(super) commits: bool,
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

impl Store {
    /// Takes the pipeline over and counts what it decided: ends other sessions, decides what is in doubt, claims the term.
    pub(super) fn claim(&mut self, lease: &Lease) -> Result<(Claimed, u64), MemoryLoadError> {
        let pipeline = &lease.side().pipeline;
        if let Some(checkpoint) = self.checkpoints.get(pipeline) {
            checkpoint.admits(lease, self.weakness)?;
        }
        let mut decided = 0;
        for doubt in std::mem::take(&mut self.in_doubt) {
            if doubt.work.pipeline != *pipeline {
                self.in_doubt.push(doubt);
            } else if doubt.commits && self.commit(doubt.work).is_ok() {
                decided += 1;
            }
        }
        self.last_session += 1;
        let session = self.last_session;
        self.sessions.insert(pipeline.clone(), session);
        let claimed = Checkpoint {
            arbiter: lease.arbiter().clone(),
            term: lease.term(),
            sequence: 0,
            position: None,
        };
        let checkpoint = self.checkpoints.entry(pipeline.clone()).or_insert(claimed);
        checkpoint.term = lease.term();
        checkpoint.sequence += 1;
        let claimed = Claimed {
            session,
            sequence: checkpoint.sequence,
            position: checkpoint.position.clone(),
        };
        Ok((claimed, decided))
    }

    /// Applies transactions to a copy of the tables: how many can be, and why the next cannot.
    pub(super) fn rehearse(&self, rehearsal: &mut Rehearsal, transactions: &[Transaction]) {
        let tables = rehearsal.tables.get_or_insert_with(|| self.tables.clone());
        for transaction in transactions {
            match tables.apply(transaction, &self.refused) {
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

    pub(super) fn fault_at(&mut self, point: FaultPoint) -> Option<Injected> {
        if self.script.front().is_some_and(|(at, _)| *at == point) {
            return self.script.pop_front().map(|(_, fault)| fault);
        }
        self.plan.as_mut()?(point)
    }

    pub(super) fn is_current(&self, pipeline: &PipelineId, session: u64) -> bool {
        self.sessions.get(pipeline) == Some(&session)
    }

    /// All of the work or nothing.
    pub(super) fn commit(&mut self, work: Work) -> Result<u64, MemoryLoadError> {
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
