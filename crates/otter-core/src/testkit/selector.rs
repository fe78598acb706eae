//! The conformance suite of selectors: a case for every sentence of [`Select`].
//!
//! ```
//! use async_trait::async_trait;
//! use otter_core::Select;
//! use otter_core::testkit::item::Edit;
//! use otter_core::testkit::memory::MemorySource;
//! use otter_core::testkit::selector::SelectorFixture;
//! use otter_core::testkit::suite::{Clock, Fixture};
//!
//! struct InMemory(MemorySource);
//!
//! #[async_trait]
//! impl Fixture for InMemory {
//!     const CLOCK: Clock = Clock::Paused;
//!     async fn start() -> Self {
//!         Self(MemorySource::new())
//!     }
//! }
//!
//! #[async_trait]
//! impl SelectorFixture for InMemory {
//!     async fn selector(&self) -> Box<dyn Select> {
//!         Box::new(self.0.selector())
//!     }
//!     async fn commit(&self, edits: &[Edit]) {
//!         self.0.commit(edits.to_vec());
//!     }
//!     async fn cut(&self) {
//!         self.0.cut();
//!     }
//! }
//!
//! otter_core::selector_suite!(InMemory);
//! ```

pub mod cases;

use async_trait::async_trait;

use super::item::Edit;
use super::suite::Fixture;
use crate::stage::Select;

/// Makes selectors of one source, and writes to it.
///
/// The fixture makes the table [`item::table`](super::item::table) at the source, empty, before
/// the first selector.
#[async_trait]
pub trait SelectorFixture: Fixture {
    /// A selector with a connection of its own to the source.
    async fn selector(&self) -> Box<dyn Select>;

    /// Commits one transaction with these changes of the table.
    async fn commit(&self, edits: &[Edit]);

    /// Cuts the connections of all selectors; new ones can be made at once.
    async fn cut(&self);
}
