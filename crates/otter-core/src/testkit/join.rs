//! The conformance suite of arbiters that tell processes of each other: a case for every sentence
//! of [`Join`].
//!
//! Such an arbiter runs [`arbiter_suite!`](crate::arbiter_suite) too. Its nodes are the same ones,
//! with one more power.

pub mod cases;

use std::sync::Arc;

use async_trait::async_trait;

use super::arbiter::Node;
use super::suite::Fixture;
use crate::presence::Join;

/// Makes nodes that share one arbitration history, new in each case.
#[async_trait]
pub trait JoinFixture: Fixture {
    /// A node as another process would be: with an arbiter of its own over the same state.
    async fn joining_node(&self) -> Box<dyn JoiningNode>;
}

/// One process that can become present.
#[async_trait]
pub trait JoiningNode: Node {
    /// The node's arbiter; the same each time.
    fn join(&self) -> Arc<dyn Join>;
}
