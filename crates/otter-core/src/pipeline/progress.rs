//! How far a pipeline is, for consoles, logs and metrics. Nothing is decided by it.

use crate::arbiter::Term;
use crate::batch::SourceTime;
use crate::position::Position;

/// What a pipeline is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum State {
    /// Not run yet.
    #[default]
    Idle,
    /// Waiting for the lease.
    Campaigning,
    /// Taking the target over and opening the source.
    Starting,
    /// Reading and loading.
    Running,
    /// Waiting after a transient fault.
    Retrying,
    /// Ended, orderly or by a fault.
    Ended,
}

/// How far a pipeline is. Counts are of this run.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// What the pipeline is doing.
    pub state: State,
    /// The term of the lease.
    pub term: Option<Term>,
    /// The position committed in the target.
    pub position: Option<Position>,
    /// Rows changed in the target.
    pub rows: u64,
    /// Source transactions committed in the target.
    pub transactions: u64,
    /// Target transactions committed.
    pub groups: u64,
    /// When the source committed the newest transaction that is committed in the target.
    pub committed_at: Option<SourceTime>,
    /// Whether nothing was waiting to be loaded when this was written.
    pub is_drained: bool,
    /// Rows that wait in quarantine, as the last load told.
    pub held: u64,
    /// How often the pipeline has tried again after a transient fault.
    pub retries: u64,
    /// The last fault's message; stays until something is loaded again.
    pub error: Option<String>,
}

impl Progress {
    /// The committed position for people.
    #[must_use]
    pub fn position_text(&self) -> String {
        self.position.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string)
    }
}
