//! Who may run which side of a pipeline: leases and terms.
//!
//! An arbiter grants a side to one holder at a time, under a term that grows with every grant.
//! No promise depends on it alone: the checkpoint in the target judges (FENCE-1).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::fault::Result;

/// The name of a pipeline, unique in an installation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PipelineId(Arc<str>);

/// The identity of one arbitration history; terms of different arbiters cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ArbiterId(Arc<str>);

/// The number of a lease: greater than that of every earlier lease of the same side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Term(pub u64);

/// Which half of a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Select and Extract.
    Source,
    /// Transform and Load.
    Target,
}

/// One half of one pipeline: what a lease is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Side {
    /// The pipeline.
    pub pipeline: PipelineId,
    /// The half.
    pub role: Role,
}

/// Who holds a side now, as far as the arbiter can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The holder in its own words: `host db7, process 4711`.
    pub name: String,
    /// The holder's term.
    pub term: Term,
}

/// The outcome of asking once.
#[derive(Debug)]
pub enum Campaign {
    /// The side is ours.
    Won(Lease),
    /// Somebody else holds it.
    Held(Holder),
}

/// Decides who runs a side.
///
/// Every sentence here has a case in `testkit::arbiter`.
#[async_trait]
pub trait Arbiter: Send + Sync + fmt::Debug {
    /// The identity of this arbitration history. It stays the same for ever, whatever restarts.
    fn id(&self) -> &ArbiterId;

    /// Asks once for the side, without waiting for its holder.
    ///
    /// # Errors
    /// [`Fault::Transient`](crate::Fault::Transient) where the arbiter cannot be reached,
    /// [`Fault::Fatal`](crate::Fault::Fatal) where it cannot work at all.
    async fn try_campaign(&self, side: &Side) -> Result<Campaign>;

    /// Waits until the side is ours. At most one lease of a side is held at a time, and each has
    /// a higher term than all before it.
    ///
    /// # Errors
    /// As [`try_campaign`](Self::try_campaign).
    ///
    /// # Cancel safety
    /// Cancel safe: a side won but not returned is given up.
    async fn campaign(&self, side: &Side) -> Result<Lease>;
}

/// The right to run a side. Dropping it gives the side up at once.
pub struct Lease {
    arbiter: ArbiterId,
    side: Side,
    term: Term,
    duration: Duration,
    lost: watch::Receiver<bool>,
    still_valid: Box<dyn Fn() -> bool + Send + Sync>,
    /// Gives the side up when dropped.
    _guard: Box<dyn Send + Sync>,
}

/// What an arbiter needs to make a [`Lease`].
pub struct LeaseParts {
    /// The arbiter's identity.
    pub arbiter: ArbiterId,
    /// The side.
    pub side: Side,
    /// The term.
    pub term: Term,
    /// How long the lease lasts after the last renewal.
    pub duration: Duration,
    /// Turns true when the lease is lost; a dropped sender means lost.
    pub lost: watch::Receiver<bool>,
    /// Whether the lease's time is not over, by a clock that does not stop while the machine
    /// sleeps.
    pub still_valid: Box<dyn Fn() -> bool + Send + Sync>,
    /// Gives the side up when dropped.
    pub guard: Box<dyn Send + Sync>,
}

impl Lease {
    /// Makes a lease; only arbiters call this.
    #[must_use]
    pub fn new(parts: LeaseParts) -> Self {
        Self {
            arbiter: parts.arbiter,
            side: parts.side,
            term: parts.term,
            duration: parts.duration,
            lost: parts.lost,
            still_valid: parts.still_valid,
            _guard: parts.guard,
        }
    }

    /// A lease that is never lost, for tests and for programs that are alone.
    #[must_use]
    pub fn for_ever(arbiter: ArbiterId, side: Side, term: Term) -> Self {
        let (sender, lost) = watch::channel(false);
        Self::new(LeaseParts {
            arbiter,
            side,
            term,
            duration: Duration::from_secs(10),
            lost,
            still_valid: Box::new(|| true),
            guard: Box::new(sender),
        })
    }

    /// The arbiter that granted it.
    #[must_use]
    pub fn arbiter(&self) -> &ArbiterId {
        &self.arbiter
    }

    /// The side it is for.
    #[must_use]
    pub fn side(&self) -> &Side {
        &self.side
    }

    /// Its number.
    #[must_use]
    pub fn term(&self) -> Term {
        self.term
    }

    /// How long it lasts after the last renewal: what time-outs of connections derive from.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// Whether the holder may still act.
    #[must_use]
    pub fn is_held(&self) -> bool {
        !*self.lost.borrow() && self.lost.has_changed().is_ok() && (self.still_valid)()
    }

    /// Returns when the lease is lost.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn lost(&self) {
        let mut lost = self.lost.clone();
        // An error means that the arbiter is gone, and the lease with it.
        let _ = lost.wait_for(|lost| *lost).await;
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("arbiter", &self.arbiter)
            .field("side", &self.side)
            .field("term", &self.term)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for LeaseParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeaseParts").field("side", &self.side).finish_non_exhaustive()
    }
}

impl PipelineId {
    /// Makes an id from a name.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ArbiterId {
    /// Makes an id from its text.
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self(id.into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Side {
    /// The target side of a pipeline: the one that writes.
    #[must_use]
    pub fn target(pipeline: PipelineId) -> Self {
        Self { pipeline, role: Role::Target }
    }
}

impl fmt::Display for PipelineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ArbiterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Target => "target",
        })
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.pipeline, self.role)
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (term {})", self.name, self.term)
    }
}
