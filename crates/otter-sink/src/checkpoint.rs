//! Looking at a target's checkpoints, and changing one by hand.
//!
//! A running loader is not asked: whatever an operator changes here fences it at its next commit,
//! and its pipeline then resumes from what it finds.

use std::time::Duration;

use otter_core::{ArbiterId, DatabaseUrl, PipelineId, Position, Result, Term};

use crate::mysql::MySqlLoadError;
use crate::mysql::conn::ApplyConn;
use crate::mysql::connect::{self, SessionTimes};
use crate::mysql::store::{Claim, Store, StoredCheckpoint};

/// How long the server may keep an operator's idle connection.
const IDLE: Duration = Duration::from_secs(30);

/// How long a row lock or an answer may take; somebody waits for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a target knows about a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checkpoint {
    /// The arbiter whose leases may write.
    pub arbiter: ArbiterId,
    /// The highest term that has claimed the target.
    pub term: Term,
    /// The number of target transactions committed.
    pub sequence: u64,
    /// How far the pipeline has come; `None` before its first position.
    pub position: Option<Position>,
    /// When the source committed the last transaction, by its clock, in UTC.
    pub source_time: Option<String>,
    /// When the target committed it, by the target's clock, in UTC.
    pub applied_time: Option<String>,
}

/// Reads a pipeline's checkpoint; `None` where it has never been at this target.
///
/// # Errors
/// [`Fault::Transient`](otter_core::Fault::Transient) where the target cannot be reached,
/// [`Fault::Fatal`](otter_core::Fault::Fatal) where it does not let the account in or the
/// checkpoint cannot be read.
pub async fn read(
    url: &DatabaseUrl,
    schema: &str,
    pipeline: &PipelineId,
) -> Result<Option<Checkpoint>> {
    let mut desk = Desk::open(url, schema, pipeline).await?;
    let rows = desk.store.read_if_there(&mut *desk.conn).await?;
    desk.conn.goodbye().await;
    Ok(rows.first().map(|row| show(row, pipeline)).transpose()?)
}

/// Hands a pipeline's checkpoint over to another arbiter: the next lease that this one grants may
/// claim it, whatever its term.
///
/// Only when no process works under the old arbiter any more. Returns the checkpoint as it is now.
///
/// # Errors
/// [`Fault::Fatal`](otter_core::Fault::Fatal) where the pipeline has no checkpoint, and as
/// [`read`].
pub async fn adopt(
    url: &DatabaseUrl,
    schema: &str,
    pipeline: &PipelineId,
    arbiter: &ArbiterId,
) -> Result<Checkpoint> {
    let mut desk = Desk::open(url, schema, pipeline).await?;
    let stored = desk.lock(pipeline).await?;
    let before = show(&stored, pipeline)?;
    // Term 0 without a holder is free for the arbiter's first term.
    let claim = Claim { arbiter: arbiter.as_str().to_owned(), term: 0, holder: String::new() };
    let text = desk.store.claim_text(&claim, stored.slots);
    desk.commit(&text).await?;
    Ok(Checkpoint { arbiter: arbiter.clone(), term: Term(0), ..before })
}

/// Moves a pipeline to another position, for an operator who knows what is in the target.
///
/// # Errors
/// As [`adopt`].
pub async fn set_position(
    url: &DatabaseUrl,
    schema: &str,
    pipeline: &PipelineId,
    position: &Position,
) -> Result<Checkpoint> {
    let mut desk = Desk::open(url, schema, pipeline).await?;
    let stored = desk.lock(pipeline).await?;
    let before = show(&stored, pipeline)?;
    let held =
        Claim { arbiter: stored.arbiter.clone(), term: stored.term, holder: stored.holder.clone() };
    desk.store.forget_schema(&mut *desk.conn).await?;
    // The sequence moves, so that a loader at work is fenced; the holder goes, so that its
    // pipeline may resume under the same term.
    let mut text = String::new();
    desk.store.push_advance(&mut text, (&held, stored.sequence), position, None);
    text.push_str("; ");
    let free = Claim { holder: String::new(), ..held };
    text.push_str(&desk.store.claim_text(&free, stored.slots));
    desk.commit(&text).await?;
    Ok(Checkpoint { sequence: stored.sequence + 1, position: Some(position.clone()), ..before })
}

/// A connection for an operator's business.
struct Desk {
    conn: Box<dyn ApplyConn>,
    store: Store,
}

impl Desk {
    async fn open(
        url: &DatabaseUrl,
        schema: &str,
        pipeline: &PipelineId,
    ) -> Result<Self, MySqlLoadError> {
        let times = SessionTimes { idle: IDLE, row_lock: PATIENCE, answer: PATIENCE * 3 };
        let (conn, _) = connect::open(url, times).await?;
        Ok(Self { conn, store: Store::new(schema, pipeline.as_str()) })
    }

    /// Begins a transaction that holds the pipeline's only lane.
    async fn lock(&mut self, pipeline: &PipelineId) -> Result<StoredCheckpoint, MySqlLoadError> {
        let mut rows = self.store.lock(&mut *self.conn).await?;
        let bad = |what: &str| MySqlLoadError::BadCheckpoint {
            pipeline: pipeline.to_string(),
            what: what.to_owned(),
        };
        match (rows.pop(), rows.is_empty()) {
            (Some(row), true) => Ok(row),
            (Some(_), false) => Err(bad("it has several lanes: drain them in fast mode first")),
            (None, _) => Err(bad("there is none: the pipeline has never been at this target")),
        }
    }

    async fn commit(mut self, text: &str) -> Result<(), MySqlLoadError> {
        self.conn.query(&format!("{text}; COMMIT")).await.map_err(MySqlLoadError::plain)?;
        self.conn.goodbye().await;
        Ok(())
    }
}

fn show(row: &StoredCheckpoint, pipeline: &PipelineId) -> Result<Checkpoint, MySqlLoadError> {
    let position = row
        .position()
        .map_err(|what| MySqlLoadError::BadCheckpoint { pipeline: pipeline.to_string(), what })?;
    Ok(Checkpoint {
        arbiter: ArbiterId::new(row.arbiter.as_str()),
        term: Term(row.term),
        sequence: row.sequence,
        position,
        source_time: row.source_time.clone(),
        applied_time: row.applied_time.clone(),
    })
}
