//! `scripts/soak copy`: many tables with millions of rows are copied while they are changed all over and
//! `otter-server` is killed; then a database is added.
//!
//! `--rows N` (5,000,000), a fifth of them in the first table; `--tables N` (50), `--rate N` (500)
//! transactions per second, `--kills N` (30), `--kill-ms N` (2000) for the longest time between two,
//! `--pairs mysql-mysql,…` (all four). `OTTER_SEED` repeats a run.
#![allow(
    clippy::large_futures,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "it fails by panicking and reports by printing"
)]

use std::time::Duration;

use otter_tests::arguments::Arguments;
use otter_tests::copying::{Plan, carry_out};
use otter_tests::random::Random;
use otter_tests::testbed::PAIRINGS;

#[tokio::main]
async fn main() {
    let arguments = Arguments::from_environment();
    let seed = Random::seed_from_environment();
    println!("OTTER_SEED={seed}");
    for pairing in arguments.pairings(&PAIRINGS) {
        let plan = Plan {
            pairing,
            rows: arguments.number("rows", 5_000_000),
            tables: arguments.number("tables", 50),
            rate: arguments.number("rate", 500),
            kills: u32::try_from(arguments.number("kills", 30)).unwrap(),
            kill_after: Duration::from_millis(arguments.number("kill-ms", 2_000)),
            seed,
        };
        let report = carry_out(&plan).await;
        let (from, to) = pairing;
        println!(
            "{from} to {to}: copied in {:.1} s over {} kills, {} transactions meanwhile; verified in \
             {:.1} s; {} rows are equal",
            report.copied_in.as_secs_f64(),
            report.kills,
            report.transactions,
            report.verified_in.as_secs_f64(),
            report.rows
        );
    }
}
