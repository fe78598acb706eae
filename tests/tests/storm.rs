//! TXN-1 in a short storm; `scripts/soak storm` lets it blow for longer.
#![allow(
    clippy::large_futures,
    clippy::print_stdout,
    reason = "a test fails by panicking and reports by printing"
)]

use std::time::Duration;

use otter_server::sandbox::Flavor;
use otter_tests::random::Random;
use otter_tests::storm::{Plan, carry_out};

async fn readers_see_only_states_that_the_source_has_had(flavor: Flavor) {
    let seed = Random::seed_from_environment();
    println!("OTTER_SEED={seed}");
    let report = carry_out(&Plan {
        pairing: (flavor, flavor),
        seed,
        duration: Duration::from_secs(30),
        // A build without optimization shall keep up with it.
        pause: Duration::from_millis(8),
        schema_changes: Some(Duration::from_millis(400)),
        intruders: 3,
        kills: Some(Duration::from_secs(5)),
    })
    .await;
    assert!(report.moved > 100, "the readers saw the storm move: {report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_of_mariadb_see_only_states_that_the_source_has_had() {
    readers_see_only_states_that_the_source_has_had(Flavor::MariaDb).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_of_mysql_see_only_states_that_the_source_has_had() {
    readers_see_only_states_that_the_source_has_had(Flavor::MySql).await;
}
