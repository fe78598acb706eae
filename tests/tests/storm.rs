//! TXN-1 in a short storm; `scripts/soak storm` lets it blow for longer.
#![allow(
    clippy::large_futures,
    clippy::print_stdout,
    reason = "a test fails by panicking and reports by printing"
)]

use std::time::Duration;

use otter_server::sandbox::Flavor;
use otter_tests::exactly_once::Mode;
use otter_tests::random::Random;
use otter_tests::storm::{Plan, Report, carry_out};

async fn readers_see_only_states_that_the_source_has_had(flavor: Flavor) {
    let report = storm(flavor, Mode::Strict).await;
    assert!(report.moved > 100, "the readers saw the storm move: {report:?}");
}

/// Blows for half a minute, and compares both sides in the end.
async fn storm(flavor: Flavor, mode: Mode) -> Report {
    let seed = Random::seed_from_environment();
    println!("OTTER_SEED={seed}");
    carry_out(&Plan {
        pairing: (flavor, flavor),
        mode,
        seed,
        duration: Duration::from_secs(30),
        // A build without optimization shall keep up with it.
        pause: Duration::from_millis(8),
        schema_changes: Some(Duration::from_millis(400)),
        intruders: 3,
        kills: Some(Duration::from_secs(5)),
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_of_mariadb_see_only_states_that_the_source_has_had() {
    readers_see_only_states_that_the_source_has_had(Flavor::MariaDb).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_of_mysql_see_only_states_that_the_source_has_had() {
    readers_see_only_states_that_the_source_has_had(Flavor::MySql).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fast_mode_on_mariadb_is_equal_after_the_storm() {
    let report = storm(Flavor::MariaDb, Mode::Fast).await;
    assert!(report.otter_kills > 0, "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fast_mode_on_mysql_is_equal_after_the_storm() {
    let report = storm(Flavor::MySql, Mode::Fast).await;
    assert!(report.otter_kills > 0, "{report:?}");
}
