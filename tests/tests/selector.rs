//! `BinlogSelector` on real servers: the conformance suite, every type, resuming, identity, large
//! transactions, XA, DDL and filters.
#![allow(
    clippy::large_futures,
    clippy::wildcard_enum_match_arm,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::panic,
    clippy::expect_used,
    missing_docs,
    reason = "tests describe themselves by their names"
)]

#[path = "selector/ddl.rs"]
mod ddl;
#[path = "selector/files.rs"]
mod files;
#[path = "selector/history.rs"]
mod history;
#[path = "selector/identity.rs"]
mod identity;
#[path = "selector/images.rs"]
mod images;
#[path = "selector/large.rs"]
mod large;
#[path = "selector/partial_json.rs"]
mod partial_json;
#[path = "selector/reading.rs"]
mod reading;
#[path = "selector/schema.rs"]
mod schema;
#[path = "selector/suite.rs"]
mod suite;
#[path = "selector/support.rs"]
mod support;
#[path = "selector/values.rs"]
mod values;
#[path = "selector/xa.rs"]
mod xa;
