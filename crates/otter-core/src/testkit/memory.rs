//! An arbiter, a source and a target that live in memory, for tests of pipelines, transforms and
//! programs around them. They keep the traits' promises, pass the suites, and fail on demand.

mod arbiter;
mod faults;
mod load;
mod rows;
mod select;
mod store;
mod stored;
mod target;

pub use arbiter::MemoryArbiter;
pub use faults::{FaultPoint, Injected};
pub use load::{MemoryLoad, MemoryLoadError};
pub use rows::Tables;
pub use select::{MemorySelect, MemorySelectError, MemorySource};
pub use store::{Commit, Weakness};
pub(super) use stored::image;
pub use stored::{Stored, StoredRow};
pub use target::MemoryTarget;
pub(super) use target::items_of;
