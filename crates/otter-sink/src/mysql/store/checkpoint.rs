//! A row of `checkpoint` as it is read.

use otter_core::Position;

/// A row of `checkpoint`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredCheckpoint {
    pub(crate) lane: u16,
    pub(crate) format: u16,
    pub(crate) arbiter: String,
    pub(crate) term: u64,
    pub(crate) holder: String,
    pub(crate) slots: u16,
    pub(crate) sequence: u64,
    pub(crate) source: Option<String>,
    /// `None` until the first position is committed.
    pub(crate) resume_from: Option<String>,
    pub(crate) applied_through: Option<String>,
    pub(crate) source_time: Option<String>,
    pub(crate) applied_time: Option<String>,
}

pub(super) fn parse_checkpoint(row: &[Option<String>]) -> Option<StoredCheckpoint> {
    let [
        _,
        Some(lane),
        Some(format),
        Some(arbiter),
        Some(term),
        Some(holder),
        Some(slots),
        Some(sequence),
        source,
        resume_from,
        applied_through,
        source_time,
        applied_time,
    ] = row
    else {
        return None;
    };
    Some(StoredCheckpoint {
        lane: lane.parse().ok()?,
        format: format.parse().ok()?,
        arbiter: arbiter.clone(),
        term: term.parse().ok()?,
        holder: holder.clone(),
        slots: slots.parse().ok()?,
        sequence: sequence.parse().ok()?,
        source: source.clone(),
        resume_from: resume_from.clone(),
        applied_through: applied_through.clone(),
        source_time: source_time.clone(),
        applied_time: applied_time.clone(),
    })
}

impl StoredCheckpoint {
    /// The position, or `None` where none has been committed yet.
    pub(crate) fn position(&self) -> Result<Option<Position>, String> {
        let place = |text: &str| {
            if text.is_empty() { Ok(Default::default()) } else { text.parse() }
                .map_err(|error: otter_core::position::ParsePositionError| error.to_string())
        };
        let Some(resume_from) = &self.resume_from else { return Ok(None) };
        let applied_through = self.applied_through.as_ref().unwrap_or(resume_from);
        Ok(Some(Position {
            source: self.source.as_deref().map(Into::into),
            resume_from: place(resume_from)?,
            applied_through: place(applied_through)?,
        }))
    }
}
