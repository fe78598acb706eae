//! The conformance suite of loaders: a case for every sentence of [`Load`].
//!
//! A loader is tested under its strictest settings: a row that is not as expected is an error.
//!
//! ```
//! use std::sync::Arc;
//! use async_trait::async_trait;
//! use otter_core::Load;
//! use otter_core::testkit::item::Item;
//! use otter_core::testkit::loader::LoaderFixture;
//! use otter_core::testkit::memory::MemoryTarget;
//! use otter_core::testkit::suite::{Clock, Fixture};
//!
//! struct InMemory(MemoryTarget);
//!
//! #[async_trait]
//! impl Fixture for InMemory {
//!     const CLOCK: Clock = Clock::Paused;
//!     async fn start() -> Self {
//!         Self(MemoryTarget::new())
//!     }
//! }
//!
//! #[async_trait]
//! impl LoaderFixture for InMemory {
//!     async fn loader(&self) -> Arc<dyn Load> {
//!         Arc::new(self.0.loader())
//!     }
//!
//!     async fn rows(&self) -> Vec<Item> {
//!         self.0.items()
//!     }
//! }
//!
//! otter_core::loader_suite!(InMemory);
//! ```

pub mod cases;
mod steps;

use std::sync::Arc;

use async_trait::async_trait;

use super::item::Item;
use super::suite::Fixture;
use crate::stage::Load;

/// Makes loaders of one target, and shows what it holds.
///
/// The fixture makes the table [`item::table`](super::item::table) at the target, empty, before
/// the first case's loader; where a target makes tables by itself, it need not.
#[async_trait]
pub trait LoaderFixture: Fixture {
    /// Whether the target only ever shows states that the source has had (TXN-1). A loader that
    /// promises it only for what is loaded in peace says no: then the cases that interrupt it look
    /// at the rows when it has caught up again.
    const SHOWS_STATES_OF_THE_SOURCE: bool = true;

    /// A loader as another process would be: with connections of its own to the same target, for
    /// the pipeline of [`lease::pipeline`](super::lease::pipeline).
    async fn loader(&self) -> Arc<dyn Load>;

    /// The committed rows of the table in key order, read by a connection of the fixture's own.
    async fn rows(&self) -> Vec<Item>;
}
