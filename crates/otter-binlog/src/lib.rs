//! From the bytes of a MySQL or MariaDB binlog to transactions of row changes.
//!
//! [`BinlogSelector`](selector::BinlogSelector) is the `Select` stage: it finds its place, proves
//! that the source is still the one it was reading from, decodes, and hands out batches. Everything
//! from the network is taken for hostile until its checksum and its bounds have been verified.
//! [`reader`] gives the transactions of files, and those of a live server one by one.
//!
//! This crate never knows a target.

#![cfg_attr(
    test,
    allow(
        clippy::needless_range_loop,
        clippy::wildcard_enum_match_arm,
        reason = "tests build bytes and look at one case"
    )
)]

mod bisection;
pub mod charset;
pub mod copy;
mod cursor;
mod errand;
mod event;
pub mod file;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod history;
pub mod preflight;
pub mod reader;
mod row;
mod schema;
pub mod selector;
mod statement;
#[cfg(test)]
mod test_bytes;

/// Connections to a source: everything of the crate `otter-mysql`.
pub use otter_mysql as connection;
