//! The testbed: real servers, `otter-server` as a process, bad lines between
//! them, and the questions that tests ask of them.
//!
//! | module | holds |
//! |---|---|
//! | [`testbed`] | servers in the roles of source and target |
//! | [`query`] | what a server answers |
//! | [`charsets`] | what servers make of the codes of character sets |
//! | [`comparison`] | whether two servers hold the same rows |
//! | [`corpora`] | recorded binlogs and statements |
//! | [`otter`] | the program `otter-server` |
//! | [`zookeeper`] | ZooKeeper servers, one or an ensemble |
//! | [`proxy`] | a line that is cut, silent or slow |
//! | [`wait`] | conditions with deadlines |
//! | [`workload`], [`exactly_once`] | a busy application, and the main promise under fire |
//! | [`random_soak`], [`storm`] | random schemas under random work; what readers must find in a storm |
//! | [`copying`] | a large copy under load and kills |
//! | [`rounds`] | processes that share pipelines, in rounds of mishaps |
//! | [`fleet`] | processes that share pipelines in memory, to measure arbitration |
//! | [`replication`] | the servers' own replication, to measure against |
//!
//! Everything here panics where something does not work, because that is how a
//! test fails. No published crate may depend on this one.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking and reports by printing"
)]

pub mod arguments;
pub mod binlog_text;
pub mod charsets;
pub mod comparison;
pub mod copying;
pub mod corpora;
pub mod exactly_once;
pub mod fencing;
pub mod fleet;
pub mod huge_transaction;
pub mod otter;
pub mod proxy;
pub mod query;
pub mod random;
pub mod random_soak;
pub mod replication;
pub mod rounds;
pub mod scene;
pub mod signals;
pub mod storm;
pub mod sysbench;
pub mod testbed;
pub mod types;
pub mod usage;
pub mod wait;
pub mod workload;
pub mod zookeeper;
