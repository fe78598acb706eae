//! Loaders: apply changes to a target database exactly once.
//!
//! [`MySqlLoader`] writes to MySQL and MariaDB. Every target transaction holds whole source
//! transactions and the position behind them, so that a restart neither repeats nor skips a
//! change; the checkpoint in the target decides who may write.
//!
//! This crate never knows where changes came from, and nothing it prints holds a row value; what [`verify`] and
//! [`quarantine`] find holds values, for those who ask, and [`audit`] is where each look is noted.

pub mod audit;
pub mod checkpoint;
pub mod copy;
pub mod health;
pub mod mysql;
pub mod preflight;
pub mod quarantine;
pub mod resync;
pub mod schema_log;
pub mod verify;

pub use copy::TargetCopyLog;
pub use mysql::{
    DdlPolicies, DdlPolicy, Existing, LoaderOptions, Mode, MySqlLoadError, MySqlLoader, OnPoison,
};
pub use resync::TargetResyncLog;
pub use schema_log::TargetSchemaLog;
