//! The testbed: real servers, `otter-server` as a process, bad lines between
//! them, and the questions that tests ask of them.
//!
//! | module | holds |
//! |---|---|
//! | [`testbed`] | servers in the roles of source and target |
//! | [`query`] | what a server answers |
//! | [`comparison`] | whether two servers hold the same rows |
//! | [`otter`] | the program `otter-server` |
//! | [`proxy`] | a line that is cut, silent or slow |
//! | [`wait`] | conditions with deadlines |
//!
//! Everything here panics where something does not work, because that is how a
//! test fails. No published crate may depend on this one.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking and reports by printing"
)]

pub mod comparison;
pub mod otter;
pub mod proxy;
pub mod query;
pub mod testbed;
pub mod wait;
