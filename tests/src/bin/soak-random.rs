//! `scripts/soak random`: random schemas under random statements, seed after seed.
//!
//! `--seeds N` (20) runs, each on the next of the `--pairs` (all four), with `--statements M`
//! (10000) each; `--ddl 0|1` and `--kills 0|1` decide what else the seed does. `--first S` repeats
//! a seed; `--hold 1` keeps the servers of a failure until Ctrl-C.
#![allow(
    clippy::large_futures,
    clippy::wildcard_enum_match_arm,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "it fails by panicking and reports by printing"
)]

use std::process::ExitCode;

use otter_tests::arguments::Arguments;
use otter_tests::random::Random;
use otter_tests::random_soak::{Plan, Report, Stage};
use otter_tests::testbed::PAIRINGS;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::from_environment();
    // Small enough to be typed.
    let first = arguments.number("first", Random::seed_from_environment() % 1_000_000_000);
    let decided = |name: &str| match arguments.text(name, "") {
        "" => None,
        text => Some(text == "1"),
    };
    let seeds = arguments.number("seeds", 20);
    let pairings = arguments.pairings(&PAIRINGS);
    let mut total = Report::default();
    let mut failures = Vec::new();
    let mut lost = 0;
    for (index, pairing) in pairings.iter().copied().enumerate() {
        let pair = format!("{}-{}", pairing.0, pairing.1);
        let mut stage = Stage::start(pairing).await;
        for seed in (first..first + seeds).skip(index).step_by(pairings.len()) {
            let plan = Plan {
                seed,
                statements: arguments.number("statements", 10_000),
                ddl: decided("ddl"),
                kills: decided("kills"),
            };
            match stage.carry_out(&plan).await {
                Ok(report) => {
                    println!("equal: {report:?}");
                    total.tally.add(&report.tally);
                    total.schema_changes += report.schema_changes;
                    total.kills += report.kills;
                    total.comparisons += report.comparisons;
                    total.rows += report.rows;
                }
                Err(error) => {
                    println!("seed {seed}, {pair}: {error}");
                    println!("again: scripts/soak random --first {seed} --seeds 1 --pairs {pair}");
                    if stage.has_lost_its_source().await {
                        println!("the source has died of it");
                        lost += 1;
                    } else {
                        failures.push((seed, pair.clone()));
                    }
                    if arguments.number("hold", 0) == 1 {
                        println!("{}", stage.place());
                        tokio::signal::ctrl_c().await.expect("signals can be awaited");
                        return ExitCode::FAILURE;
                    }
                    // The next seed shall not suffer from what this one has left.
                    stage = Stage::start(pairing).await;
                }
            }
        }
    }
    println!("{} statements: {total:?}", total.tally.total());
    if failures.is_empty() {
        println!("all {seeds} seeds equal but {lost} that the source died of, the first {first}");
        return ExitCode::SUCCESS;
    }
    println!("failed: {failures:?}");
    ExitCode::FAILURE
}
