//! The loader for MySQL and MariaDB.
//!
//! Planning (changes to statements) is pure and separate from executing; executing goes through
//! one small trait. A connection is never opened
//! again behind the loader's back: only [`resume`](otter_core::Load::resume) connects.

pub(crate) mod conn;
pub(crate) mod connect;
mod ddl;
mod emptying;
pub(crate) mod error;
pub(crate) mod fit;
mod fragment;
mod group;
pub(crate) mod lanes;
mod line;
mod literal;
mod loader;
pub(crate) mod names;
mod net;
mod options;
mod parallel;
pub(crate) mod plan;
pub(crate) mod quarantine;
mod random;
pub(crate) mod refusal;
pub(crate) mod resync;
pub(crate) mod row_place;
mod segment;
mod session;
pub(crate) mod store;
mod takeover;
pub(crate) mod target;
mod usual;
mod writeset;

pub use ddl::{DdlPolicies, DdlRefusal};
pub use error::MySqlLoadError;
pub use loader::MySqlLoader;
pub use options::{DdlPolicy, Existing, LoaderOptions, Mode, OnPoison};
pub use refusal::Reason;
pub use row_place::RowPlace;
