//! The main job under fire, in the short form; `scripts/soak` has the full counts.
#![allow(
    clippy::large_futures,
    clippy::wildcard_enum_match_arm,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking and reports by printing"
)]

#[path = "main_job/matrix.rs"]
mod matrix;

use otter_server::sandbox::Flavor;
use otter_tests::exactly_once::{Mode, Plan, carry_out};
use otter_tests::fencing::{Arbiters, freeze_and_wake};
use otter_tests::huge_transaction::{self, Huge};
use otter_tests::random::Random;
use otter_tests::sysbench;

fn short_plan(source: Flavor, target: Flavor) -> Plan {
    Plan {
        source,
        target,
        otter_kills: 5,
        target_kills: 1,
        source_kills: 1,
        mode: Mode::Strict,
        seed: Random::seed_from_environment(),
        connections: 4,
        rate_per_connection: Some(250),
    }
}

/// EXACT-1, TXN-1, ORD-1.
#[tokio::test(flavor = "multi_thread")]
async fn kills_from_mariadb_to_mysql_lose_and_repeat_nothing() {
    carry_out(&short_plan(Flavor::MariaDb, Flavor::MySql)).await;
}

/// EXACT-1, TXN-1, ORD-1.
#[tokio::test(flavor = "multi_thread")]
async fn kills_from_mysql_to_mariadb_lose_and_repeat_nothing() {
    let plan = short_plan(Flavor::MySql, Flavor::MariaDb);
    carry_out(&Plan { target_kills: 2, ..plan }).await;
}

/// EXACT-1 and ORD-1 in fast mode: equal when it has drained.
#[tokio::test(flavor = "multi_thread")]
async fn kills_in_fast_mode_lose_and_repeat_nothing() {
    let plan = short_plan(Flavor::MySql, Flavor::MySql);
    carry_out(&Plan { mode: Mode::Fast, rate_per_connection: None, ..plan }).await;
}

/// EXACT-1 where each start has another mode or another number of lanes than the one before.
#[tokio::test(flavor = "multi_thread")]
async fn kills_while_the_mode_changes_lose_and_repeat_nothing() {
    let plan = short_plan(Flavor::MariaDb, Flavor::MariaDb);
    carry_out(&Plan { mode: Mode::Changing, otter_kills: 7, rate_per_connection: None, ..plan })
        .await;
}

/// FENCE-1.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_process_is_fenced_when_it_wakes() {
    let seed = Random::seed_from_environment();
    freeze_and_wake(Flavor::MariaDb, Arbiters::One, 3, seed).await;
}

/// FENCE-1: the checkpoint is the judge, not the arbiter.
#[tokio::test(flavor = "multi_thread")]
async fn two_arbiters_that_both_say_yes_do_no_harm() {
    let seed = Random::seed_from_environment();
    freeze_and_wake(Flavor::MySql, Arbiters::TwoThatBothSayYes, 3, seed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sysbench_ends_with_equal_checksums() {
    let load = sysbench::Load { tables: 4, rows: 5_000, transactions: 3_000 };
    sysbench::carry_out(Flavor::MySql, Flavor::MariaDb, &load).await;
}

/// TXN-1 and MEM-1; the limit for a million rows is in `scripts/soak huge`.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_larger_than_the_budget_is_atomic_in_bounded_memory() {
    let huge = Huge::Rows(400_000);
    let report = huge_transaction::carry_out(Flavor::MariaDb, huge, true).await;
    assert!(report.peak_kib < 256 * 1024, "peak memory {} KiB", report.peak_kib);
    assert!(report.looks > 1, "the transaction was on its way for a while");
}
