//! The conformance suite of arbiters: a case for every sentence of [`Arbiter`] and its leases.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use async_trait::async_trait;
//! use otter_core::Arbiter;
//! use otter_core::testkit::arbiter::{ArbiterFixture, Node};
//! use otter_core::testkit::memory::MemoryArbiter;
//! use otter_core::testkit::suite::{Clock, Fixture};
//!
//! struct InMemory(MemoryArbiter);
//!
//! #[async_trait]
//! impl Fixture for InMemory {
//!     const CLOCK: Clock = Clock::Paused;
//!     async fn start() -> Self {
//!         Self(MemoryArbiter::new(Duration::from_secs(10)))
//!     }
//! }
//!
//! #[async_trait]
//! impl ArbiterFixture for InMemory {
//!     async fn node(&self) -> Box<dyn Node> {
//!         Box::new(InMemoryNode(self.0.node("another node")))
//!     }
//! }
//!
//! struct InMemoryNode(MemoryArbiter);
//!
//! #[async_trait]
//! impl Node for InMemoryNode {
//!     fn arbiter(&self) -> Arc<dyn Arbiter> {
//!         Arc::new(self.0.clone())
//!     }
//!     async fn freeze(&self) {
//!         self.0.freeze();
//!     }
//!     async fn thaw(&self) {
//!         self.0.thaw();
//!     }
//! }
//!
//! otter_core::arbiter_suite!(InMemory);
//! ```

pub mod cases;

use std::sync::Arc;

use async_trait::async_trait;

use super::suite::Fixture;
use crate::arbiter::Arbiter;

/// Makes nodes that share one arbitration history, new in each case.
///
/// Cases wait for leases to run out: a short lease makes a short suite. It must not be so short
/// that a busy machine cannot renew it.
#[async_trait]
pub trait ArbiterFixture: Fixture {
    /// A node as another process would be: with an arbiter of its own over the same state.
    async fn node(&self) -> Box<dyn Node>;
}

/// One process that asks an arbiter.
#[async_trait]
pub trait Node: Send + Sync {
    /// The node's arbiter; the same each time.
    fn arbiter(&self) -> Arc<dyn Arbiter>;
    /// Stops whatever keeps this node's leases alive, as SIGSTOP or a cut cable would. Nothing is
    /// given up by it.
    async fn freeze(&self);
    /// Lets it go on.
    async fn thaw(&self);
}
