//! Looking at a target's checkpoints, and changing one by hand.
//!
//! A running loader is not asked: whatever an operator changes here fences it at its next commit,
//! and its pipeline then resumes from what it finds.

use std::time::Duration;

use otter_core::{ArbiterId, DatabaseUrl, PipelineId, Position, Result, Term};

use crate::mysql::MySqlLoadError;
use crate::mysql::conn::ApplyConn;
use crate::mysql::connect::{self, SessionTimes};
use crate::mysql::lanes::Standing;
use crate::mysql::store::{Claim, Held, Store, StoredCheckpoint};

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
    /// The number of target transactions committed; of several lanes, by the one with the most.
    pub sequence: u64,
    /// How far the pipeline has come; `None` before its first position. Where lanes differ, what
    /// every one of them has: from there on the source is read again.
    pub position: Option<Position>,
    /// The number of lanes: 1 but in fast mode.
    pub lanes: usize,
    /// Where the lane stands that has come furthest, where lanes differ: they were interrupted, and
    /// the target may show states that the source never had until the pipeline has come so far.
    pub furthest: Option<Position>,
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
    Ok(show(&rows, pipeline)?)
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
    let (rows, before) = desk.lock(pipeline).await?;
    // Term 0 without a holder is free for the arbiter's first term.
    let claim = Claim { arbiter: arbiter.as_str().to_owned(), term: 0, holder: String::new() };
    let text = desk.store.claim_text(&claim, slots(&rows));
    desk.commit(&text).await?;
    Ok(Checkpoint { arbiter: arbiter.clone(), term: Term(0), ..before })
}

/// Moves a pipeline to another position, for an operator who knows what is in the target.
///
/// # Errors
/// As [`adopt`], and [`Fault::Fatal`](otter_core::Fault::Fatal) where lanes differ: what is in the
/// target is then no state of the source.
pub async fn set_position(
    url: &DatabaseUrl,
    schema: &str,
    pipeline: &PipelineId,
    position: &Position,
) -> Result<Checkpoint> {
    let mut desk = Desk::open(url, schema, pipeline).await?;
    let (rows, before) = desk.lock(pipeline).await?;
    if before.furthest.is_some() {
        let what = "its lanes differ: start the pipeline and let it run until they do not";
        return Err(bad(pipeline, what).into());
    }
    let Some(first) = rows.first() else { return Err(none_there(pipeline).into()) };
    let held =
        Claim { arbiter: first.arbiter.clone(), term: first.term, holder: first.holder.clone() };
    let lanes = Held::new(rows.iter().map(|row| (row.lane, row.sequence)).collect());
    desk.store.forget_schema(&mut *desk.conn).await?;
    // The sequence moves, so that a loader at work is fenced; the holder goes, so that its
    // pipeline may resume under the same term.
    let mut text = String::new();
    desk.store.push_advance(&mut text, (&held, &lanes), position, None);
    text.push_str("; ");
    let free = Claim { holder: String::new(), ..held };
    text.push_str(&desk.store.claim_text(&free, slots(&rows)));
    desk.commit(&text).await?;
    Ok(Checkpoint { sequence: before.sequence + 1, position: Some(position.clone()), ..before })
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

    /// Begins a transaction that holds all lanes of the pipeline.
    async fn lock(
        &mut self,
        pipeline: &PipelineId,
    ) -> Result<(Vec<StoredCheckpoint>, Checkpoint), MySqlLoadError> {
        let rows = self.store.lock(&mut *self.conn).await?;
        let checkpoint = show(&rows, pipeline)?.ok_or_else(|| none_there(pipeline))?;
        Ok((rows, checkpoint))
    }

    async fn commit(mut self, text: &str) -> Result<(), MySqlLoadError> {
        self.conn.query(&format!("{text}; COMMIT")).await.map_err(MySqlLoadError::plain)?;
        self.conn.goodbye().await;
        Ok(())
    }
}

/// The most connections that any lane's loader was to write with.
fn slots(rows: &[StoredCheckpoint]) -> u16 {
    rows.iter().map(|row| row.slots).max().unwrap_or(1)
}

fn bad(pipeline: &PipelineId, what: &str) -> MySqlLoadError {
    MySqlLoadError::BadCheckpoint { pipeline: pipeline.to_string(), what: what.to_owned() }
}

fn none_there(pipeline: &PipelineId) -> MySqlLoadError {
    bad(pipeline, "there is none: the pipeline has never been at this target")
}

pub(crate) fn show(
    rows: &[StoredCheckpoint],
    pipeline: &PipelineId,
) -> Result<Option<Checkpoint>, MySqlLoadError> {
    let Some(row) = rows.first() else { return Ok(None) };
    let standing = Standing::of(rows).map_err(|what| bad(pipeline, &what))?;
    let differing = standing.as_ref().filter(|standing| standing.differ());
    let latest = |time: fn(&StoredCheckpoint) -> &Option<String>| {
        rows.iter().filter_map(|row| time(row).clone()).max()
    };
    Ok(Some(Checkpoint {
        arbiter: ArbiterId::new(row.arbiter.as_str()),
        term: Term(row.term),
        sequence: rows.iter().map(|row| row.sequence).max().unwrap_or(row.sequence),
        position: standing.as_ref().and_then(Standing::least).cloned(),
        lanes: rows.len(),
        furthest: differing.and_then(Standing::furthest).cloned(),
        source_time: latest(|row| &row.source_time),
        applied_time: latest(|row| &row.applied_time),
    }))
}
