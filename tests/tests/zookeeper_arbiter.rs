//! `ZooKeeperArbiter` on real servers: the conformance suites, and an ensemble that is restarted.
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

#[path = "zookeeper_arbiter/check.rs"]
mod check;
#[path = "zookeeper_arbiter/deleted.rs"]
mod deleted;
#[path = "zookeeper_arbiter/ensemble.rs"]
mod ensemble;
#[path = "zookeeper_arbiter/near.rs"]
mod near;
#[path = "zookeeper_arbiter/place.rs"]
mod place;
#[path = "zookeeper_arbiter/sasl.rs"]
mod sasl;
#[path = "zookeeper_arbiter/suites.rs"]
mod suites;
#[path = "zookeeper_arbiter/tls.rs"]
mod tls;
