//! `scripts/soak sysbench`: prepare and `oltp_write_only` through the pipeline, then the servers'
//! own `CHECKSUM TABLE` on both sides.
//!
//! `--tables N` (4), `--rows N` (250000), `--transactions N` (100000), `--pairs mariadb-mariadb,…`.
#![allow(
    clippy::large_futures,
    clippy::wildcard_enum_match_arm,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "it fails by panicking and reports by printing"
)]

use otter_tests::arguments::Arguments;
use otter_tests::sysbench::{Load, carry_out};
use otter_tests::testbed::PAIRINGS;

#[tokio::main]
async fn main() {
    let arguments = Arguments::from_environment();
    let load = Load {
        tables: arguments.number("tables", 4),
        rows: arguments.number("rows", 250_000),
        transactions: arguments.number("transactions", 100_000),
    };
    for (source, target) in arguments.pairings(&PAIRINGS) {
        carry_out(source, target, &load).await;
    }
}
