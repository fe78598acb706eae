//! For authors of stages and arbiters, and for Otter's own tests: conformance suites, in-memory
//! parts, and a simulation with many seeds.
//!
//! | Module | Holds |
//! |---|---|
//! | [`arbiter`], [`loader`], [`selector`] | a suite each: a case for every sentence of the trait |
//! | [`join`] | a suite for arbiters that tell processes of each other |
//! | [`quarantine`] | a second suite for loaders that hold rows which do not fit |
//! | [`remote_arbiter`] | a second suite for arbiters that ask a server, which may go away |
//! | [`transform`] | what every transform must keep |
//! | [`memory`] | an arbiter, a source and a target that live in memory and can fail on demand |
//! | [`history`] | a model of a source's history, and batches made from it |
//! | [`simulation`] | nodes, crashes and lost answers under one seed, judged by a model |
//!
//! A suite is run by its macro ([`arbiter_suite!`](crate::arbiter_suite),
//! [`join_suite!`](crate::join_suite),
//! [`remote_arbiter_suite!`](crate::remote_arbiter_suite),
//! [`loader_suite!`](crate::loader_suite), [`quarantine_suite!`](crate::quarantine_suite),
//! [`selector_suite!`](crate::selector_suite)) with the
//! type of a fixture: each case becomes a test of its own.
//!
//! Nothing here is for production; none of it is compiled without the feature `testkit`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's way to fail is to panic"
)]

pub mod arbiter;
pub mod history;
pub mod item;
pub mod join;
pub mod lease;
pub mod loader;
pub mod memory;
pub mod quarantine;
pub mod random;
pub mod remote_arbiter;
pub mod selector;
pub mod simulation;
pub mod suite;
pub mod transform;
