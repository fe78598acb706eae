//! The loader of a target in memory.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::task::yield_now;

use super::faults::{FaultPoint, Injected};
use super::rows::At;
use super::store::{Poison, Rehearsal, Weakness, Work};
use super::target::MemoryTarget;
use crate::arbiter::{ArbiterId, Lease, PipelineId};
use crate::batch::{Batch, Transaction};
use crate::fault::{Classify, Fault, Result};
use crate::position::Position;
use crate::stage::{Load, Loaded};

/// Loads into a [`MemoryTarget`]. Each loader has a connection of its own.
pub struct MemoryLoad {
    target: MemoryTarget,
    poison: Poison,
    /// Taken out during a call, so that a dropped call leaves none.
    session: Mutex<Option<Session>>,
}

struct Session {
    pipeline: PipelineId,
    id: u64,
    sequence: u64,
    /// `None` until the first position is committed.
    position: Option<Position>,
    /// The pieces of a transaction whose last one has not come yet.
    pieces: Vec<Transaction>,
    rehearsal: Rehearsal,
    poison: Poison,
}

/// A failure of a target in memory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryLoadError {
    /// The connection was lost, as a test wished.
    #[error("the connection to the target was lost")]
    Disconnected,
    /// The lease is over, or a higher term has been here.
    #[error("another holder has taken the target over")]
    Superseded,
    /// The checkpoint is another arbiter's.
    #[error("the checkpoint is of arbiter {expected}, the lease of {found}")]
    OtherArbiter {
        /// Who granted the terms in the checkpoint.
        expected: ArbiterId,
        /// Who granted the lease.
        found: ArbiterId,
    },
    /// A call came without a `resume` before it, or after a call that failed or was dropped.
    #[error("the target has not been taken over")]
    NotResumed,
    /// The first position was committed already, or nothing was.
    #[error("the first position is committed exactly once, before the first batch")]
    NotTheBeginning,
    /// A batch does not begin where the one before ended.
    #[error("a batch begins at {found} where {expected} was due")]
    Gap {
        /// Where the batch should have begun.
        expected: String,
        /// Where it begins.
        found: String,
    },
    /// A row does not fit, or is not as it was expected.
    #[error("row {ordinal} of a transaction, in table {table}, {what}")]
    Row {
        /// The table.
        table: String,
        /// The row's number in its transaction, from 1.
        ordinal: u64,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl MemoryLoadError {
    pub(super) fn duplicate(at: &At<'_>) -> Self {
        Self::row(at, "has a key that is there already")
    }

    pub(super) fn missing(at: &At<'_>) -> Self {
        Self::row(at, "is not there")
    }

    pub(super) fn different(at: &At<'_>) -> Self {
        Self::row(at, "is not as the source had it")
    }

    pub(super) fn refused(at: &At<'_>) -> Self {
        Self::row(at, "is refused")
    }

    fn row(at: &At<'_>, what: &'static str) -> Self {
        Self::Row { table: at.table.name.to_string(), ordinal: at.ordinal, what }
    }
}

impl Classify for MemoryLoadError {
    fn fault(&self) -> Fault {
        match self {
            Self::Disconnected => Fault::Transient,
            Self::Superseded => Fault::Fenced,
            Self::Row { .. } => Fault::Poison,
            Self::OtherArbiter { .. }
            | Self::NotResumed
            | Self::NotTheBeginning
            | Self::Gap { .. } => Fault::Fatal,
        }
    }

    fn doing(&self) -> &'static str {
        "load into the target in memory"
    }
}

impl MemoryLoad {
    pub(super) fn new(target: MemoryTarget, poison: Poison) -> Self {
        Self { target, poison, session: Mutex::new(None) }
    }

    fn session(&self) -> MutexGuard<'_, Option<Session>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the session out for a call under this lease.
    fn enter(&self, lease: &Lease) -> Result<Session, MemoryLoadError> {
        let session = self.session().take().ok_or(MemoryLoadError::NotResumed)?;
        check_lease(lease)?;
        if session.pipeline != lease.side().pipeline {
            return Err(MemoryLoadError::NotResumed);
        }
        Ok(session)
    }

    async fn commit(
        &self,
        session: &mut Session,
        work: Work,
        lease: &Lease,
    ) -> Result<(), MemoryLoadError> {
        let left = self.target.pass(FaultPoint::Commit).await?;
        check_lease(lease)?;
        if let Some(Injected::InDoubt { commits }) = left {
            self.target.doubt(work, commits);
            return Err(MemoryLoadError::Disconnected);
        }
        if self.target.weakness() == Some(Weakness::PositionApart)
            && let Some(old) = session.position.clone()
        {
            let data = Work { position: old, ..work.clone() };
            session.sequence = self.target.commit(data)?;
            yield_now().await;
            let position = Work { transactions: Vec::new(), sequence: session.sequence, ..work };
            session.sequence = self.target.commit(position.clone())?;
            session.position = Some(position.position);
            return Ok(());
        }
        let position = work.position.clone();
        session.sequence = self.target.commit(work)?;
        session.position = Some(position);
        // A caller that gives up here does not learn of the commit.
        yield_now().await;
        match left {
            Some(Injected::LostAfter) => Err(MemoryLoadError::Disconnected),
            Some(_) | None => Ok(()),
        }
    }

    /// Does what is wished of held rows, between two batches.
    fn settle(&self, session: &mut Session, lease: &Lease) -> Result<(), MemoryLoadError> {
        let Some(position) = session.position.clone() else { return Ok(()) };
        if self.poison == Poison::Halts || !session.pieces.is_empty() {
            return Ok(());
        }
        if self.target.has_wish(&session.pipeline) {
            let work = session.work(lease, Vec::new(), position);
            session.sequence = self.target.commit(work)?;
        }
        Ok(())
    }

    fn check_chain(&self, session: &Session, batch: &Batch) -> Result<(), MemoryLoadError> {
        if session.position.as_ref() == Some(&batch.after)
            || self.target.weakness() == Some(Weakness::TakesGaps)
        {
            return Ok(());
        }
        let expected =
            session.position.as_ref().map_or("a beginning".to_owned(), Position::to_string);
        Err(MemoryLoadError::Gap { expected, found: batch.after.to_string() })
    }
}

impl Session {
    fn work(&self, lease: &Lease, transactions: Vec<Transaction>, position: Position) -> Work {
        Work {
            pipeline: self.pipeline.clone(),
            arbiter: lease.arbiter().clone(),
            term: lease.term(),
            session: self.id,
            sequence: self.sequence,
            transactions,
            position,
            poison: self.poison,
        }
    }
}

fn check_lease(lease: &Lease) -> Result<(), MemoryLoadError> {
    if lease.is_held() { Ok(()) } else { Err(MemoryLoadError::Superseded) }
}

#[async_trait]
impl Load for MemoryLoad {
    async fn resume(&self, lease: &Lease) -> Result<Option<Position>> {
        self.close().await;
        check_lease(lease)?;
        let left = self.target.pass(FaultPoint::Resume).await?;
        check_lease(lease)?;
        let claimed = self.target.claim(lease)?;
        if left.is_some() {
            return Err(MemoryLoadError::Disconnected.into());
        }
        *self.session() = Some(Session {
            pipeline: lease.side().pipeline.clone(),
            id: claimed.session,
            sequence: claimed.sequence,
            position: claimed.position.clone(),
            pieces: Vec::new(),
            rehearsal: Rehearsal::default(),
            poison: self.poison,
        });
        Ok(claimed.position)
    }

    async fn begin(&self, at: &Position, lease: &Lease) -> Result<()> {
        let mut session = self.enter(lease)?;
        self.target.pass(FaultPoint::Begin).await?;
        if session.position.is_some() {
            return Err(MemoryLoadError::NotTheBeginning.into());
        }
        let work = session.work(lease, Vec::new(), at.clone());
        self.commit(&mut session, work, lease).await?;
        *self.session() = Some(session);
        Ok(())
    }

    async fn load(&self, batch: Batch, lease: &Lease) -> Result<Loaded> {
        let mut session = self.enter(lease)?;
        self.target.pass(FaultPoint::Load).await?;
        // A successor may have been at work meanwhile: that its rows are in the way is no fault of
        // ours.
        self.target.check_session(&session.pipeline, session.id)?;
        self.check_chain(&session, &batch)?;
        let is_alone = self.target.weakness() == Some(Weakness::FragmentsAlone);
        let through = match batch.through {
            None if is_alone => Some(batch.after),
            through => through,
        };
        let mut rehearsal = std::mem::take(&mut session.rehearsal);
        let rules = (&session.pipeline, self.poison);
        self.target.rehearse(&mut rehearsal, &batch.transactions, rules);
        let mut transactions = std::mem::take(&mut session.pieces);
        let is_fragment = !transactions.is_empty()
            || batch.transactions.iter().any(|transaction| transaction.part.is_fragment());
        transactions.extend(batch.transactions);
        let misfit = match self.target.weakness() {
            Some(Weakness::SkipsPoison) => None,
            Some(_) | None => rehearsal.misfit.take(),
        };
        let Some(mut through) = through else {
            if let Some(misfit) = misfit {
                return Err(misfit.into());
            }
            (session.pieces, session.rehearsal) = (transactions, rehearsal);
            self.target.check_session(&session.pipeline, session.id)?;
            *self.session() = Some(session);
            return Ok(Loaded::default());
        };
        if misfit.is_some() {
            // Whole transactions before the one that does not fit are committed; pieces are
            // whole only all together.
            transactions.truncate(if is_fragment { 0 } else { rehearsal.fitting });
            through = batch_position(&session, &transactions).ok_or(MemoryLoadError::NotResumed)?;
        }
        let is_committable = misfit.is_none() || !transactions.is_empty();
        let count = if is_fragment { 1 } else { transactions.len() };
        if is_committable {
            let work = session.work(lease, transactions, through.clone());
            self.commit(&mut session, work, lease).await?;
        }
        if let Some(misfit) = misfit {
            return Err(misfit.into());
        }
        *self.session() = Some(session);
        let transactions = u64::try_from(count).unwrap_or(u64::MAX);
        let held = self.target.held_count(&lease.side().pipeline);
        let held = u64::try_from(held).unwrap_or(u64::MAX);
        Ok(Loaded { through: Some(through), rows: rehearsal.rows, transactions, held })
    }

    async fn ping(&self, lease: &Lease) -> Result<()> {
        let mut session = self.enter(lease)?;
        let left = self.target.pass(FaultPoint::Ping).await?;
        self.target.check_session(&session.pipeline, session.id)?;
        if left.is_some() {
            return Err(MemoryLoadError::Disconnected.into());
        }
        self.settle(&mut session, lease)?;
        *self.session() = Some(session);
        Ok(())
    }

    async fn close(&self) {
        if let Some(session) = self.session().take() {
            self.target.end_session(&session.pipeline, session.id);
        }
    }
}

/// The position behind these transactions.
fn batch_position(session: &Session, transactions: &[Transaction]) -> Option<Position> {
    let mut position = session.position.clone()?;
    for end in transactions.iter().filter_map(|transaction| transaction.end.as_ref()) {
        position.advance(end);
    }
    Some(position)
}

impl fmt::Debug for MemoryLoad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryLoad").field("target", &self.target).finish_non_exhaustive()
    }
}
