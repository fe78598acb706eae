//! Arbiters: who runs which side of a pipeline, with leases and terms.
//!
//! | Arbiter | For | Feature |
//! |---|---|---|
//! | [`LocalArbiter`] | one machine: the embedded default, a directory with lock files | |
#![cfg_attr(
    feature = "sql",
    doc = "| [`SqlArbiter`] | several machines: a schema on a MySQL or MariaDB server | `sql` |"
)]
#![cfg_attr(
    feature = "zookeeper",
    doc = "| [`ZooKeeperArbiter`] | several machines: a subtree of a ZooKeeper ensemble | `zookeeper` |"
)]
//!
//! An arbiter keeps two processes from doing the same work; that a pipeline's data stays right
//! does not depend on it, since the checkpoint in the target judges (FENCE-1). This crate never
//! touches row data.

#[cfg(any(feature = "sql", feature = "zookeeper"))]
mod holding;
#[cfg(any(feature = "sql", feature = "zookeeper"))]
mod known;
pub mod local;
mod machine;
mod name;
mod random;
pub mod report;
#[cfg(test)]
#[cfg(feature = "sql")]
mod simulation;
#[cfg(feature = "sql")]
pub mod sql;
pub mod status;
pub mod wanted;
#[cfg(feature = "zookeeper")]
pub mod zookeeper;

pub use local::{LocalArbiter, LocalArbiterError};
pub use report::{Report, Reports};
#[cfg(feature = "sql")]
pub use sql::{SqlArbiter, SqlArbiterError};
pub use status::{ArbiterStatus, HeldSide, PresentNode};
pub use wanted::{Wanted, Wishes};
#[cfg(feature = "zookeeper")]
pub use zookeeper::{ZooKeeperArbiter, ZooKeeperArbiterError, ZooKeeperPlace, ZooKeeperTls};
