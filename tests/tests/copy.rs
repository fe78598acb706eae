//! The initial copy, through the real program: while the source is being written, over kills, for
//! every kind of key and every type.
#![allow(
    clippy::large_futures,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

#[path = "copy/kills.rs"]
mod kills;
#[path = "copy/lanes.rs"]
mod lanes;
#[path = "copy/relations.rs"]
mod relations;
#[path = "copy/renamed.rs"]
mod renamed;
#[path = "copy/rules.rs"]
mod rules;
#[path = "copy/shelf.rs"]
mod shelf;
#[path = "copy/shown.rs"]
mod shown;
#[path = "copy/snapshot.rs"]
mod snapshot;
#[path = "copy/statements.rs"]
mod statements;
#[path = "copy/trouble.rs"]
mod trouble;
#[path = "copy/types.rs"]
mod types;
