//! A few seeds of the random soak on each pairing; `scripts/soak random` has many.
#![allow(
    clippy::large_futures,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking and reports by printing"
)]

use otter_server::sandbox::Flavor;
use otter_tests::random::Random;
use otter_tests::random_soak::{Plan, Stage};
use otter_tests::testbed::PAIRINGS;

/// EXACT-1, ORD-1, LOSS-1: one seed with schema changes, one with kills.
async fn the_target_ends_as_the_source(pairing: (Flavor, Flavor)) {
    let first = Random::given_seed().unwrap_or(21);
    let stage = Stage::start(pairing).await;
    for (seed, changes_schemas) in [(first, true), (first.wrapping_add(1), false)] {
        let plan = Plan {
            seed,
            statements: 1_000,
            ddl: Some(changes_schemas),
            kills: Some(!changes_schemas),
        };
        match stage.carry_out(&plan).await {
            Ok(report) => println!("{report:?}"),
            Err(error) => panic!("OTTER_SEED={seed}: {error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_arrives_at_mariadb_whatever_was_written() {
    the_target_ends_as_the_source(PAIRINGS[0]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mysql_arrives_at_mysql_whatever_was_written() {
    the_target_ends_as_the_source(PAIRINGS[1]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_arrives_at_mysql_whatever_was_written() {
    the_target_ends_as_the_source(PAIRINGS[2]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mysql_arrives_at_mariadb_whatever_was_written() {
    the_target_ends_as_the_source(PAIRINGS[3]).await;
}
