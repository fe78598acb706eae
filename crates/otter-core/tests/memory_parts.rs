//! The in-memory parts keep what they promise: they pass the suites of the traits.
#![allow(
    clippy::large_futures,
    clippy::wildcard_enum_match_arm,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking and reports by printing"
)]

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use otter_core::testkit::arbiter::{ArbiterFixture, Node};
use otter_core::testkit::item::{Edit, Item};
use otter_core::testkit::join::{JoinFixture, JoiningNode};
use otter_core::testkit::lease::pipeline;
use otter_core::testkit::loader::LoaderFixture;
use otter_core::testkit::memory::{MemoryArbiter, MemorySource, MemoryTarget};
use otter_core::testkit::quarantine::QuarantineFixture;
use otter_core::testkit::selector::SelectorFixture;
use otter_core::testkit::suite::{Clock, Fixture};
use otter_core::{Arbiter, Join, Load, Select, Throttle, ThrottleLimits};

struct Arbitration(MemoryArbiter);
struct OneNode(MemoryArbiter);
struct Target(MemoryTarget);
struct Source(MemorySource);
/// A target behind limits that are never reached.
struct Throttled(MemoryTarget);

#[async_trait]
impl Fixture for Arbitration {
    const CLOCK: Clock = Clock::Paused;
    async fn start() -> Self {
        Self(MemoryArbiter::new(Duration::from_secs(10)))
    }
}

#[async_trait]
impl ArbiterFixture for Arbitration {
    async fn node(&self) -> Box<dyn Node> {
        Box::new(OneNode(self.0.node("a node")))
    }
}

#[async_trait]
impl Node for OneNode {
    fn arbiter(&self) -> Arc<dyn Arbiter> {
        Arc::new(self.0.clone())
    }
    async fn freeze(&self) {
        self.0.freeze();
    }
    async fn thaw(&self) {
        self.0.thaw();
    }
}

#[async_trait]
impl JoinFixture for Arbitration {
    async fn joining_node(&self) -> Box<dyn JoiningNode> {
        Box::new(OneNode(self.0.node("a node")))
    }
}

#[async_trait]
impl JoiningNode for OneNode {
    fn join(&self) -> Arc<dyn Join> {
        Arc::new(self.0.clone())
    }
}

#[async_trait]
impl Fixture for Target {
    const CLOCK: Clock = Clock::Paused;
    async fn start() -> Self {
        Self(MemoryTarget::new())
    }
}

#[async_trait]
impl LoaderFixture for Target {
    async fn loader(&self) -> Arc<dyn Load> {
        Arc::new(self.0.loader())
    }
    async fn rows(&self) -> Vec<Item> {
        self.0.items()
    }
}

/// A target whose loaders hold what does not fit.
struct Holding(MemoryTarget);

#[async_trait]
impl Fixture for Holding {
    const CLOCK: Clock = Clock::Paused;
    async fn start() -> Self {
        Self(MemoryTarget::new())
    }
}

#[async_trait]
impl LoaderFixture for Holding {
    async fn loader(&self) -> Arc<dyn Load> {
        Arc::new(self.0.holding_loader())
    }
    async fn rows(&self) -> Vec<Item> {
        self.0.items()
    }
}

#[async_trait]
impl QuarantineFixture for Holding {
    async fn held(&self) -> usize {
        self.0.held_count(&pipeline())
    }
    async fn retry_all(&self) {
        self.0.retry_held(&pipeline());
    }
    async fn drop_first(&self) {
        self.0.drop_first_held(&pipeline());
    }
    async fn meddle(&self, edit: Edit) {
        self.0.meddle(&edit);
    }
}

#[async_trait]
impl Fixture for Throttled {
    const CLOCK: Clock = Clock::Paused;
    async fn start() -> Self {
        Self(MemoryTarget::new())
    }
}

#[async_trait]
impl LoaderFixture for Throttled {
    async fn loader(&self) -> Arc<dyn Load> {
        let mut limits = ThrottleLimits::default();
        limits.rows_per_second = NonZeroU64::new(1_000_000);
        Arc::new(Throttle::new(Arc::new(self.0.loader()), limits).0)
    }
    async fn rows(&self) -> Vec<Item> {
        self.0.items()
    }
}

#[async_trait]
impl Fixture for Source {
    const CLOCK: Clock = Clock::Paused;
    async fn start() -> Self {
        Self(MemorySource::new())
    }
}

#[async_trait]
impl SelectorFixture for Source {
    async fn selector(&self) -> Box<dyn Select> {
        Box::new(self.0.selector())
    }
    async fn commit(&self, edits: &[Edit]) {
        self.0.commit(edits.to_vec());
    }
    async fn cut(&self) {
        self.0.cut();
    }
}

mod arbiter {
    otter_core::arbiter_suite!(super::Arbitration);
}

mod joining {
    otter_core::join_suite!(super::Arbitration);
}

mod loader {
    otter_core::loader_suite!(super::Target);
}

mod quarantine {
    otter_core::quarantine_suite!(super::Holding);
}

mod throttle {
    otter_core::loader_suite!(super::Throttled);
}

mod selector {
    otter_core::selector_suite!(super::Source);
}
