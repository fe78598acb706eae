//! The conformance suite of loaders that hold rows in quarantine, besides that of all loaders.
//!
//! ```
//! use std::sync::Arc;
//! use async_trait::async_trait;
//! use otter_core::Load;
//! use otter_core::testkit::item::{Edit, Item};
//! use otter_core::testkit::lease::pipeline;
//! use otter_core::testkit::loader::LoaderFixture;
//! use otter_core::testkit::memory::MemoryTarget;
//! use otter_core::testkit::quarantine::QuarantineFixture;
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
//!         Arc::new(self.0.holding_loader())
//!     }
//!
//!     async fn rows(&self) -> Vec<Item> {
//!         self.0.items()
//!     }
//! }
//!
//! #[async_trait]
//! impl QuarantineFixture for InMemory {
//!     async fn held(&self) -> usize {
//!         self.0.held_count(&pipeline())
//!     }
//!
//!     async fn retry_all(&self) {
//!         self.0.retry_held(&pipeline());
//!     }
//!
//!     async fn drop_first(&self) {
//!         self.0.drop_first_held(&pipeline());
//!     }
//!
//!     async fn meddle(&self, edit: Edit) {
//!         self.0.meddle(&edit);
//!     }
//! }
//!
//! otter_core::quarantine_suite!(InMemory);
//! ```

pub mod cases;

use async_trait::async_trait;

use super::item::Edit;
use super::loader::LoaderFixture;

/// Makes loaders that hold rows which do not fit.
///
/// All loaders of [`loader`](LoaderFixture::loader) hold them. A wish is carried out at the latest
/// when the loader is pinged.
#[async_trait]
pub trait QuarantineFixture: LoaderFixture {
    /// How many rows are held, by a look of the fixture's own.
    async fn held(&self) -> usize;

    /// Wishes that all held rows be tried again.
    async fn retry_all(&self);

    /// Wishes that the row which was held first be given up, and those behind it be tried.
    async fn drop_first(&self);

    /// Changes the table by a connection of the fixture's own, as an operator would.
    async fn meddle(&self, edit: Edit);
}
