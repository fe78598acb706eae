//! `SqlArbiter` on real servers: the conformance suites, what it writes, and what it says.
#![allow(
    unreachable_pub,
    clippy::large_futures,
    clippy::wildcard_enum_match_arm,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::panic,
    clippy::expect_used,
    missing_docs,
    reason = "tests describe themselves by their names"
)]

#[path = "sql_arbiter/check.rs"]
mod check;
#[path = "sql_arbiter/deleted.rs"]
mod deleted;
#[path = "sql_arbiter/place.rs"]
mod place;
#[path = "sql_arbiter/suites.rs"]
mod suites;
#[path = "sql_arbiter/writes.rs"]
mod writes;
