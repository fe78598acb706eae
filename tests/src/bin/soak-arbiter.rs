//! `scripts/soak arbiter`: processes that share pipelines under load, in hundreds of rounds of
//! mishaps: deaths, sleep, cut lines, and an arbiter that loses servers, sessions or everything.
//!
//! `--rounds N` (300), `--arbiter zookeeper|mysql` (zookeeper), `--outage-s N` (60) for how long all of
//! the arbiter is gone, `--lease-ms N` (4000), `--pipelines N` (12), `--processes N` (3), `--rate N`
//! (60) transactions per second in all, `--pairs mariadb-mysql` (the first counts), and
//! `--without subtree,…` or `--only kill,…`: kinds of rounds. `OTTER_SEED` repeats a run.
#![allow(
    clippy::large_futures,
    clippy::wildcard_enum_match_arm,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "it fails by panicking and reports by printing"
)]

use std::time::Duration;

use otter_server::sandbox::Flavor;
use otter_tests::arguments::Arguments;
use otter_tests::random::Random;
use otter_tests::rounds::{Mishap, Plan, Setup, carry_out};

/// The kinds that a comma separates.
fn kinds(text: &str) -> Vec<Mishap> {
    let words = text.split(',').filter(|word| !word.is_empty());
    words.map(|word| word.parse().expect("a kind of round")).collect()
}

#[tokio::main]
async fn main() {
    let arguments = Arguments::from_environment();
    let seed = Random::seed_from_environment();
    println!("OTTER_SEED={seed}");
    let without = kinds(arguments.text("without", ""));
    let only = kinds(arguments.text("only", ""));
    let mut mishaps = if only.is_empty() { Mishap::ALL.to_vec() } else { only };
    mishaps.retain(|mishap| !without.contains(mishap));
    let small = |name, default| usize::try_from(arguments.number(name, default)).unwrap();
    let pairings = arguments.pairings(&[(Flavor::MariaDb, Flavor::MySql)]);
    let plan = Plan {
        setup: Setup {
            arbiter: arguments.text("arbiter", "zookeeper").parse().expect("zookeeper or mysql"),
            pairing: *pairings.first().expect("a pairing"),
            lease: Duration::from_millis(arguments.number("lease-ms", 4_000)),
            pipelines: small("pipelines", 12),
            processes: small("processes", 3),
            rate: u32::try_from(arguments.number("rate", 60)).unwrap(),
            seed,
        },
        rounds: small("rounds", 300),
        mishaps,
        outage: Duration::from_secs(arguments.number("outage-s", 60)),
    };
    carry_out(&plan).await;
    println!("every row once after each round, seed {seed}");
}
