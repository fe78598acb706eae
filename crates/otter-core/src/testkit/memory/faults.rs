//! What can go wrong on the way to a target in memory, on demand.

use std::time::Duration;

/// Where something can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultPoint {
    /// When a loader takes the target over.
    Resume,
    /// When the first position is committed.
    Begin,
    /// When a batch is sent.
    Load,
    /// When a target transaction is committed.
    Commit,
    /// When an idle connection is kept alive.
    Ping,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Injected {
    /// The connection is lost before anything happened.
    LostBefore,
    /// It happened, but the answer is lost.
    LostAfter,
    /// The answer is lost, and the target has not decided yet: it does so when a loader takes
    /// over, at the latest. Anywhere but at a commit this is as `LostBefore`.
    InDoubt {
        /// How it decides.
        commits: bool,
    },
    /// It happens, this much later.
    Slow(Duration),
    /// No answer for this long, then the connection is lost before anything happened.
    Hang(Duration),
}

/// Says what goes wrong at a point; asked each time one is passed.
pub(super) type Plan = Box<dyn FnMut(FaultPoint) -> Option<Injected> + Send>;
