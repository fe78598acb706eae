//! Arbiters: who runs which side of a pipeline, with leases and terms.
//!
//! | Arbiter | For |
//! |---|---|
//! | [`LocalArbiter`] | one machine: the embedded default, a directory with lock files |
//!
//! An arbiter keeps two processes from doing the same work; that a pipeline's data stays right
//! does not depend on it, since the checkpoint in the target judges (FENCE-1). This crate never
//! touches row data.

pub mod local;

pub use local::{LocalArbiter, LocalArbiterError};
