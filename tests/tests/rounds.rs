//! Processes that share pipelines go through rounds of mishaps; `scripts/soak arbiter` has more.
#![allow(
    clippy::large_futures,
    clippy::print_stdout,
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::time::Duration;

use otter_server::sandbox::Flavor;
use otter_tests::random::Random;
use otter_tests::rounds::{ArbiterIn, Mishap, Plan, Report, Setup, carry_out, rolling_restart};

/// Long enough to be renewed on a loaded machine, short enough for a dozen take-overs.
const LEASE: Duration = Duration::from_secs(4);
/// Longer than a lease.
const OUTAGE: Duration = Duration::from_secs(6);
/// An election and the search for another server fit into half of it.
const RESTART_LEASE: Duration = Duration::from_secs(10);

fn setup(arbiter: ArbiterIn, pairing: (Flavor, Flavor), lease: Duration) -> Setup {
    let seed = Random::seed_from_environment();
    println!("OTTER_SEED={seed}");
    Setup { arbiter, pairing, lease, pipelines: 12, processes: 3, rate: 40, seed }
}

async fn rounds(arbiter: ArbiterIn, pairing: (Flavor, Flavor), rounds: usize) -> Report {
    let setup = setup(arbiter, pairing, LEASE);
    let plan = Plan { setup, rounds, mishaps: Mishap::ALL.to_vec(), outage: OUTAGE };
    let report = carry_out(&plan).await;
    assert!(report.take_overs > 0 && report.fenced > 0, "{report}");
    report
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_row_arrives_once_whatever_happens_around_zookeeper() {
    let report = rounds(ArbiterIn::ZooKeeper, (Flavor::MariaDb, Flavor::MySql), 12).await;
    assert_eq!(report.rounds.len(), Mishap::ALL.len(), "each kind has happened");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_row_arrives_once_whatever_happens_around_a_database() {
    let report = rounds(ArbiterIn::Database, (Flavor::MySql, Flavor::MariaDb), 8).await;
    // A database has no subtree that could be deleted.
    assert_eq!(report.rounds.len(), Mishap::ALL.len() - 1, "each other kind has happened");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_of_the_ensemble_stops_nothing_and_moves_nothing() {
    let pairing = (Flavor::MySql, Flavor::MariaDb);
    let report = rolling_restart(&setup(ArbiterIn::ZooKeeper, pairing, RESTART_LEASE)).await;
    // A pipeline that had to begin anew would take a lease and more.
    assert!(report.longest_drain < RESTART_LEASE, "{report:?}");
}
