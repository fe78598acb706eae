//! `otter-server resync`: rows are copied again while the source is written, in order with the stream.
#![allow(
    clippy::large_futures,
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

#[path = "resync/bad_input.rs"]
mod bad_input;
#[path = "resync/gate.rs"]
mod gate;
#[path = "resync/rows.rs"]
mod rows;
#[path = "resync/stage.rs"]
mod stage;
