//! Otter's own connection against real servers: login, TLS, queries, and the binlog dump.
#![allow(
    clippy::large_futures,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "connection/dump.rs"]
mod dump;
#[path = "connection/events.rs"]
mod events;
#[path = "connection/login.rs"]
mod login;
#[path = "connection/support.rs"]
mod support;
