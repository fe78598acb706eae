//! The traits of the four stages.
//!
//! Every sentence here has a case in `testkit`. Stages are chosen at run time, so the traits are
//! object safe; nothing per row is async or dynamic.

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;

use crate::arbiter::Lease;
use crate::batch::{Batch, SourceTime};
use crate::budget::Budget;
use crate::fault::Result;
use crate::position::{ParsePositionError, Place, Position};
use crate::source_time::looks_like_time;

/// Where a pipeline without a checkpoint begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// Behind the newest transaction.
    Now,
    /// Before the oldest transaction that the source still has.
    Earliest,
    /// At this place.
    At(Place),
    /// Before the first transaction that was committed at this time or later, by the source's
    /// clock.
    Since(SourceTime),
}

impl FromStr for Start {
    type Err = ParsePositionError;

    /// Reads what an operator writes: `now`, `earliest`, a GTID set, `NAME:OFFSET`, or a point in
    /// time as `2026-11-21T07:00:00Z`.
    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        match text.trim() {
            "now" => Ok(Self::Now),
            "earliest" => Ok(Self::Earliest),
            time if looks_like_time(time) => time.parse().map(Self::Since),
            text => text.parse().map(Self::At),
        }
    }
}

/// Reads a source's history.
#[async_trait]
pub trait Select: Send + fmt::Debug {
    /// Turns a start into the position that it means now.
    ///
    /// # Errors
    /// [`Fault::Fatal`](crate::Fault::Fatal) where the source does not have that place (any more).
    async fn locate(&mut self, start: &Start) -> Result<Position>;

    /// Begins reading behind `from`, dropping whatever was read before. Opening again is how a
    /// pipeline rewinds.
    ///
    /// # Errors
    /// [`Fault::Fatal`](crate::Fault::Fatal) where the source no longer has what follows `from`,
    /// or is not the source that `from` is about; [`Fault::Transient`](crate::Fault::Transient)
    /// where it cannot be reached.
    async fn open(&mut self, from: &Position, budget: &Budget) -> Result<()>;

    /// Waits for the next batch. The first begins at the opened position, each further one where
    /// the one before ended. A batch is returned as soon as it holds one transaction and nothing
    /// more is there to read without waiting.
    ///
    /// # Errors
    /// After an error nothing more is returned until [`open`](Self::open).
    ///
    /// # Cancel safety
    /// Cancel safe: what was read is returned by the next call.
    async fn next(&mut self) -> Result<Batch>;
}

/// Enriches a batch at the source's side: looks up, collects files, resolves resync requests.
#[async_trait]
pub trait Extract: Send + Sync + fmt::Debug {
    /// Returns the batch with the same span and transactions, enriched.
    ///
    /// # Errors
    /// With the fault of whatever it talks to.
    async fn extract(&self, batch: Batch) -> Result<Batch>;
}

/// Changes a batch: routes, renames, filters, converts. Pure: no I/O, no clock, no randomness.
pub trait Transform: Send + Sync + fmt::Debug {
    /// Returns the batch with the same span and the same transaction boundaries. Transactions
    /// may become empty, but stay.
    ///
    /// # Errors
    /// [`Fault::Poison`](crate::Fault::Poison) where a row cannot be transformed.
    fn transform(&self, batch: Batch) -> Result<Batch>;
}

/// What a load has done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loaded {
    /// The position that is now committed in the target; `None` where a fragment waits for the
    /// rest of its transaction.
    pub through: Option<Position>,
    /// Rows changed in the target.
    pub rows: u64,
    /// Source transactions committed.
    pub transactions: u64,
    /// Rows that wait in quarantine now, where the loader has one.
    pub held: u64,
}

/// How much a loader wants at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appetite {
    /// Changed rows.
    pub rows: usize,
    /// Bytes of row data.
    pub bytes: usize,
}

impl Appetite {
    /// How many rows of the batch are wanted; `None` where all of them.
    pub(crate) fn rows_of(&self, batch: &Batch) -> Option<usize> {
        let (rows, bytes) = (batch.row_count(), batch.permit.bytes());
        let by_bytes = match self.bytes {
            wanted if wanted < bytes => rows.saturating_mul(wanted) / bytes,
            _ => usize::MAX,
        };
        let wanted = self.rows.min(by_bytes);
        (wanted < rows).then_some(wanted)
    }
}

impl Default for Appetite {
    /// As much as there is.
    fn default() -> Self {
        Self { rows: usize::MAX, bytes: usize::MAX }
    }
}

/// Writes batches to a target exactly once.
///
/// Batches are loaded in order, one at a time. A target transaction holds whole consecutive
/// source transactions and the position behind them.
#[async_trait]
pub trait Load: Send + Sync + fmt::Debug {
    /// Takes the target over under this lease and returns the committed position, or `None` where
    /// this pipeline has never written here. Predecessors cannot write any more when it returns.
    /// Whatever an earlier call left open is rolled back.
    ///
    /// # Errors
    /// [`Fault::Fenced`](crate::Fault::Fenced) where a higher term has been here,
    /// [`Fault::Fatal`](crate::Fault::Fatal) where the checkpoint is another arbiter's.
    async fn resume(&self, lease: &Lease) -> Result<Option<Position>>;

    /// Commits the first position, so that a crash before the first batch loses nothing. Only
    /// after a [`resume`](Self::resume) that returned `None`.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    async fn begin(&self, at: &Position, lease: &Lease) -> Result<()>;

    /// Applies the batch and commits it with its position in one target transaction. Fragments
    /// stay in one open target transaction until the last.
    ///
    /// On an error the transactions before the failing one may be committed, with their position;
    /// the failing one and all behind it are not. [`resume`](Self::resume) tells.
    ///
    /// # Errors
    /// [`Fault::Fenced`](crate::Fault::Fenced) where the lease is over or a higher term has been
    /// here: nothing was written. [`Fault::Poison`](crate::Fault::Poison) where a row does not
    /// fit or was not as expected. [`Fault::Transient`](crate::Fault::Transient) where the target
    /// cannot be reached. [`Fault::Fatal`](crate::Fault::Fatal) where the batch does not begin
    /// where the last one ended.
    ///
    /// # Cancel safety
    /// Not cancel safe: after a dropped call, [`resume`](Self::resume).
    async fn load(&self, batch: Batch, lease: &Lease) -> Result<Loaded>;

    /// Keeps idle connections alive and shows that the target still answers. The pipeline calls
    /// it while nothing is there to load, at a third of the lease's duration.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    async fn ping(&self, lease: &Lease) -> Result<()>;

    /// How much it wants at once: the pipeline joins no more, and cuts between transactions what
    /// comes in one piece. Whoever wraps a loader passes its word on.
    fn appetite(&self) -> Appetite {
        Appetite::default()
    }

    /// Rolls back what is open and gives connections and locks back.
    async fn close(&self);
}
