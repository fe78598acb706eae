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
    /// A row that is held is forgotten.
    ForgetsHeld,
    /// Later changes of a held key do not wait for it.
    PassesHeld,
}

/// What is done with a row that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Poison {
    #[default]
    Halts,
    IsHeld,
}

/// What an operator wishes for the held rows of a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// Try all again.
    Retry,
    /// Give the first up, and try the others again.
    DropFirst,
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
    /// Rows that are held, in order.
    pub(super) held: BTreeMap<PipelineId, Vec<Transaction>>,
    /// What is wished for them.
    pub(super) wishes: BTreeMap<PipelineId, Wish>,
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
    pub(super) poison: Poison,
}

/// What an open transaction would do.
#[derive(Default)]
pub(super) struct Rehearsal {
    tables: Option<Tables>,
    held: Option<Vec<Transaction>>,
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
    pub(super) fn rehearse(
        &self,
        rehearsal: &mut Rehearsal,
        transactions: &[Transaction],
        (pipeline, poison): (&PipelineId, Poison),
    ) {
        let tables = rehearsal.tables.get_or_insert_with(|| self.tables.clone());
        let held = || self.held.get(pipeline).cloned().unwrap_or_default();
        let held = rehearsal.held.get_or_insert_with(held);
        for transaction in transactions {
            match self.apply(tables, held, (transaction, poison)) {
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

    fn apply(
        &self,
        tables: &mut Tables,
        held: &mut Vec<Transaction>,
        (transaction, poison): (&Transaction, Poison),
    ) -> Result<u64, MemoryLoadError> {
        match poison {
            Poison::Halts => tables.apply(transaction, &self.refused),
            Poison::IsHeld => {
                let waits = self.weakness != Some(Weakness::PassesHeld);
                Ok(tables.apply_or_hold(transaction, &self.refused, (held, waits)))
            }
        }
    }

    /// Does what is wished of held rows, and lets those follow that wait for nothing any more.
    fn settle(&self, pipeline: &PipelineId, tables: &mut Tables, held: &mut Vec<Transaction>) {
        let rows = match self.wishes.get(pipeline) {
            None => return,
            Some(Wish::Retry) => std::mem::take(held),
            Some(Wish::DropFirst) => held.split_off(held.len().min(1)),
        };
        held.clear();
        for row in rows {
            // Whatever is still in its way holds it again.
            let _ = tables.apply_or_hold(&row, &self.refused, (held, true));
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
        let weakness = self.weakness;
        let is_weak = |one| weakness == Some(one);
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
        let mut held = self.held.get(&work.pipeline).cloned().unwrap_or_default();
        if work.poison == Poison::IsHeld {
            self.settle(&work.pipeline, &mut tables, &mut held);
        }
        for transaction in &work.transactions {
            match self.apply(&mut tables, &mut held, (transaction, work.poison)) {
                Ok(_) => {}
                Err(_) if is_weak(Weakness::SkipsPoison) => {}
                Err(error) => return Err(error),
            }
        }
        self.tables = tables;
        if work.poison == Poison::IsHeld {
            self.wishes.remove(&work.pipeline);
        }
        if !is_weak(Weakness::ForgetsHeld) {
            self.held.insert(work.pipeline.clone(), held);
        }
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
