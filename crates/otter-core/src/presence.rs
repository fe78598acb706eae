//! Which processes there are, for those that share the pipelines of an installation.
//!
//! It is apart from [`Arbiter`], since whoever runs one pipeline, or is alone, needs none of it. No
//! promise depends on it: a process that sees others late takes too little or too much, and the
//! arbiter still grants each side to one.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::arbiter::{Arbiter, Holder, Side, Term};
use crate::fault::Result;

/// A process that is present.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Node {
    /// Random, so that no other process has it, not even a later one of the same name.
    pub key: Arc<str>,
    /// The process in its own words, as in [`Holder::name`].
    pub name: Arc<str>,
}

/// All processes that are present, the oldest first.
pub type Nodes = Arc<[Node]>;

/// Tells the processes of an installation of each other.
///
/// Every sentence here has a case in `testkit::join`.
#[async_trait]
pub trait Join: Arbiter {
    /// Becomes present. The node is seen by all that are present soon, in an order that is the
    /// same for all of them; it goes when the presence is dropped, and after the time of a lease
    /// where its process gives no sign of life.
    ///
    /// Does not wait until the others know. While the arbiter is away the nodes stay as they were
    /// known last; a node whose time was over meanwhile comes back as the youngest.
    ///
    /// # Errors
    /// [`Fault::Fatal`](crate::Fault::Fatal) where the arbiter cannot work at all.
    ///
    /// # Cancel safety
    /// Cancel safe: a presence that is not returned is given up.
    async fn join(&self) -> Result<Presence>;

    /// Waits until somebody holds the side under another term than `known`, and tells who; `None`
    /// where nobody holds it, unless `known` says so already. Takes nothing. What comes and goes
    /// quickly may be missed, what stays is not.
    ///
    /// # Errors
    /// As [`Arbiter::try_campaign`].
    ///
    /// # Cancel safety
    /// Cancel safe.
    async fn holder_other_than(&self, side: &Side, known: Option<Term>) -> Result<Option<Holder>>;
}

/// Makes this process present until it is dropped.
#[must_use = "a presence that is dropped is over"]
pub struct Presence {
    key: Arc<str>,
    nodes: watch::Receiver<Nodes>,
    /// Ends the presence when dropped.
    _guard: Box<dyn Send + Sync>,
}

impl Presence {
    /// Makes a presence; only arbiters call this. Dropping `guard` ends it.
    pub fn new(key: Arc<str>, nodes: watch::Receiver<Nodes>, guard: Box<dyn Send + Sync>) -> Self {
        Self { key, nodes, _guard: guard }
    }

    /// The key of this process among the nodes.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// All nodes, the oldest first; none before the arbiter was asked, and without this one until
    /// the arbiter knows of it.
    #[must_use]
    pub fn nodes(&self) -> watch::Receiver<Nodes> {
        self.nodes.clone()
    }
}

impl fmt::Debug for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presence").field("key", &self.key).finish_non_exhaustive()
    }
}
