//! `scripts/soak exactly-once`: the full count of kills under load, on each pairing of servers.
//!
//! `--otter N --target N --source N` set the counts (100, 20, 20), `--pairs mariadb-mysql,…` the
//! pairings (one per run of the counts), `--rate R` transactions per second and connection,
//! `--mode strict|fast|changing` (strict).
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
use otter_tests::exactly_once::{Plan, carry_out};
use otter_tests::random::Random;
use otter_tests::testbed::PAIRINGS;

#[tokio::main]
async fn main() {
    let arguments = Arguments::from_environment();
    let seed = Random::seed_from_environment();
    let mut transactions = 0;
    for (round, (source, target)) in arguments.pairings(&PAIRINGS).into_iter().enumerate() {
        let plan = Plan {
            source,
            target,
            otter_kills: arguments.number("otter", 100),
            target_kills: arguments.number("target", 20),
            source_kills: arguments.number("source", 20),
            mode: arguments.text("mode", "strict").parse().expect("a mode"),
            seed: seed.wrapping_add(u64::try_from(round).unwrap_or(0)),
            connections: arguments.number("connections", 6),
            rate_per_connection: match arguments.number("rate", 250) {
                0 => None,
                rate => Some(rate),
            },
        };
        transactions += carry_out(&plan).await.transactions;
    }
    println!("all pairings equal: {transactions} transactions, first seed {seed}");
}
