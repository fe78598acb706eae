//! `scripts/bench latency`: commit at the source to visible at the target, for one-row
//! transactions on an idle channel, beside the server's own replication in the same run.
//!
//! One source feeds two targets: one through `otter-server`, one through native replication. The
//! sides alternate in blocks; after each commit one connection polls one target until the row is
//! there. `--samples N` per side (1,000), `--flavors mariadb,mysql`.
#![allow(
    clippy::large_futures,
    clippy::wildcard_enum_match_arm,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "it fails by panicking and reports by printing"
)]

use std::time::{Duration, Instant};

use otter_server::sandbox::{Flavor, Server, ServerOptions};
use otter_tests::arguments::Arguments;
use otter_tests::exactly_once::config;
use otter_tests::otter::OtterProcess;
use otter_tests::replication;
use sqlx::mysql::MySqlConnection;
use sqlx::{AssertSqlSafe, Executor, raw_sql};

const TABLE: &str =
    "CREATE DATABASE shop; CREATE TABLE shop.tick (id BIGINT PRIMARY KEY, note VARCHAR(40))";
/// Samples in a row on one side before the other side has its turn.
const BLOCK: u64 = 50;
/// The pause before each sample, so that the channel is idle.
const PAUSE: Duration = Duration::from_millis(5);

#[tokio::main]
async fn main() {
    let arguments = Arguments::from_environment();
    let samples = arguments.number("samples", 1_000);
    let mut goals = Vec::new();
    for name in arguments.text("flavors", "mariadb,mysql").split(',') {
        let flavor: Flavor = name.parse().expect("mariadb or mysql");
        let (otter, native) = measure(flavor, samples).await;
        println!(
            "{name}: otter  p50 {} p99 {} max {}",
            ms(&otter, 500),
            ms(&otter, 990),
            ms(&otter, 1000)
        );
        println!(
            "{name}: native p50 {} p99 {} max {}",
            ms(&native, 500),
            ms(&native, 990),
            ms(&native, 1000)
        );
        let ratio = at(&otter, 500).as_secs_f64() / at(&native, 500).as_secs_f64();
        println!("{name}: ratio of the p50, otter to native: {ratio:.2}");
        goals.push(goal(&format!("{name} p50"), at(&otter, 500), Duration::from_millis(3)));
        goals.push(goal(&format!("{name} p99"), at(&otter, 990), Duration::from_millis(15)));
    }
    for goal in goals {
        println!("{goal}");
    }
}

fn goal(what: &str, value: Duration, target: Duration) -> String {
    let verdict = if value <= target { "met" } else { "missed" };
    format!(
        "goal: latency {what} {:.2} ms (target at most {} ms) {verdict}",
        value.as_secs_f64() * 1e3,
        target.as_millis()
    )
}

/// The value at `per_mille` of the sorted samples.
fn at(sorted: &[Duration], per_mille: usize) -> Duration {
    let index = (sorted.len() * per_mille / 1000).min(sorted.len().saturating_sub(1));
    sorted.get(index).copied().unwrap_or_default()
}

fn ms(sorted: &[Duration], per_mille: usize) -> String {
    format!("{:.2} ms", at(sorted, per_mille).as_secs_f64() * 1e3)
}

async fn measure(flavor: Flavor, samples: u64) -> (Vec<Duration>, Vec<Duration>) {
    let options = |id| ServerOptions::new(flavor, id).fast().arg("--binlog-row-metadata=FULL");
    let start = |id| async move { Server::start(options(id)).await.expect("the server starts") };
    let (source, target, replica) = tokio::join!(start(1), start(2), start(3));
    println!("{flavor} {}", source.version());
    replication::follow(&replica, &source).await;
    source.execute(TABLE).await.expect("the source takes the table");
    target.execute(TABLE).await.expect("the target takes the table");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut otter = OtterProcess::run(folder.path(), &config(&source, &target, 10_000));
    otter.wait_for_log("pipeline running", Duration::from_secs(60)).await;

    let mut writer = source.connect().await.expect("the source is reached");
    let mut readers = [
        target.connect().await.expect("the target is reached"),
        replica.connect().await.expect("the replica is reached"),
    ];
    let mut taken = [Vec::new(), Vec::new()];
    let mut id = 0;
    // The first block of each side only warms up.
    for block in 0..=(2 * samples / BLOCK + 1) {
        let side = usize::from(block % 2 == 1);
        for _ in 0..BLOCK {
            id += 1;
            let sample = sample(&mut writer, &mut readers[side], id).await;
            if block > 1 {
                taken[side].push(sample);
            }
        }
    }
    otter.terminate_and_expect_success(Duration::from_secs(30)).await;
    let [mut otter, mut native] = taken;
    otter.sort_unstable();
    native.sort_unstable();
    (otter, native)
}

/// Commits one row and polls until it is visible.
async fn sample(writer: &mut MySqlConnection, reader: &mut MySqlConnection, id: u64) -> Duration {
    tokio::time::sleep(PAUSE).await;
    let insert = format!("INSERT INTO shop.tick VALUES ({id}, 'tick')");
    writer.execute(raw_sql(AssertSqlSafe(insert))).await.expect("the source takes the row");
    let committed = Instant::now();
    let query = format!("SELECT id FROM shop.tick WHERE id = {id}");
    loop {
        let rows = reader
            .fetch_all(raw_sql(AssertSqlSafe(query.clone())))
            .await
            .expect("the target answers");
        if !rows.is_empty() {
            return committed.elapsed();
        }
        assert!(committed.elapsed() < Duration::from_secs(30), "row {id} arrives");
    }
}
