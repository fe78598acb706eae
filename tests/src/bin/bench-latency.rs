//! `scripts/bench latency`: commit at the source to visible at the target, for one-row
//! transactions on an idle channel, beside the server's own replication in the same run.
//!
//! One source feeds two targets: one through `otter-server`, one through native replication. The
//! sides alternate in blocks; after each commit one connection polls one target until the row is
//! there. First on an idle channel, then under a load of other transactions of one row.
//! `--samples N` per side (1,000), `--rate N` transactions a second of the load (2,000; 0 for none),
//! `--flavors mariadb,mysql`.
#![allow(
    clippy::large_futures,
    clippy::wildcard_enum_match_arm,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "it fails by panicking and reports by printing"
)]

use std::time::{Duration, Instant};

use otter_server::sandbox::{Flavor, Server, ServerOptions};
use otter_tests::arguments::Arguments;
use otter_tests::exactly_once::plain_config;
use otter_tests::otter::OtterProcess;
use otter_tests::replication;
use sqlx::mysql::MySqlConnection;
use sqlx::{AssertSqlSafe, Executor, raw_sql};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::interval;

const TABLE: &str =
    "CREATE DATABASE shop; CREATE TABLE shop.tick (id BIGINT PRIMARY KEY, note VARCHAR(40));
     CREATE TABLE shop.load_row (id BIGINT PRIMARY KEY, n BIGINT NOT NULL, note VARCHAR(40))";
/// Connections of the load, and the rows that each goes round.
const LOADERS: u64 = 8;
const ROWS: u64 = 1_000;
/// Samples in a row on one side before the other side has its turn.
const BLOCK: u64 = 50;
/// Whoever needs longer is behind.
const LONGEST: Duration = Duration::from_secs(30);
/// The pause before each sample, so that the channel is idle.
const PAUSE: Duration = Duration::from_millis(5);

#[tokio::main]
async fn main() {
    let arguments = Arguments::from_environment();
    let samples = arguments.number("samples", 1_000);
    let rates = [0, arguments.number("rate", 2_000)];
    let mut goals = Vec::new();
    for name in arguments.text("flavors", "mariadb,mysql").split(',') {
        let flavor: Flavor = name.parse().expect("mariadb or mysql");
        let rates = if rates[1] == 0 { &rates[..1] } else { &rates[..] };
        for rate in rates {
            let what = match rate {
                0 => name.to_owned(),
                rate => format!("{name} under {rate} transactions/s"),
            };
            let (otter, native) = measure(flavor, samples, *rate).await;
            for (side, taken) in [("otter ", &otter), ("native", &native)] {
                if taken.is_empty() {
                    continue;
                }
                let [p50, p99, max] = [500, 990, 1000].map(|per_mille| ms(taken, per_mille));
                println!("{what}: {side} p50 {p50} p99 {p99} max {max}");
            }
            if !native.is_empty() {
                let ratio = at(&otter, 500).as_secs_f64() / at(&native, 500).as_secs_f64();
                println!("{what}: ratio of the p50, otter to native: {ratio:.2}");
            }
            let (p50, p99) = (at(&otter, 500), at(&otter, 990));
            if *rate == 0 {
                goals.push(goal(&format!("{what} p50"), p50, Duration::from_millis(3)));
                goals.push(goal(&format!("{what} p99"), p99, Duration::from_millis(15)));
            } else {
                goals.push(goal(&format!("{what} p99"), p99, Duration::from_millis(50)));
            }
        }
    }
    for goal in goals {
        println!("{goal}");
    }
}

/// Other transactions of one row each, at a steady rate.
struct Load {
    stop: watch::Sender<bool>,
    connections: Vec<JoinHandle<u64>>,
    began: Instant,
}

impl Load {
    async fn start(source: &Server, rate: u64) -> Self {
        let (stop, asked) = watch::channel(false);
        let mut connections = Vec::new();
        let loaders = LOADERS.min(rate);
        for loader in 0..loaders {
            let mut writer = source.connect().await.expect("the source is reached");
            let first = loader * ROWS;
            let rows: Vec<String> =
                (first..first + ROWS).map(|id| format!("({id}, 0, 'load')")).collect();
            let fill = format!("INSERT INTO shop.load_row VALUES {}", rows.join(","));
            writer.execute(raw_sql(AssertSqlSafe(fill))).await.expect("the source takes rows");
            let asked = asked.clone();
            connections.push(tokio::spawn(async move {
                let mut ticks = interval(Duration::from_secs_f64(loaders as f64 / rate as f64));
                let mut count = 0;
                while !*asked.borrow() {
                    ticks.tick().await;
                    let id = first + count % ROWS;
                    let update = format!("UPDATE shop.load_row SET n = n + 1 WHERE id = {id}");
                    let update = raw_sql(AssertSqlSafe(update));
                    writer.execute(update).await.expect("the source takes the update");
                    count += 1;
                }
                count
            }));
        }
        Self { stop, connections, began: Instant::now() }
    }

    /// Ends it and tells how many transactions a second there were.
    async fn end(self) -> f64 {
        self.stop.send_replace(true);
        let mut count = 0;
        for connection in self.connections {
            count += connection.await.expect("the load goes on");
        }
        count as f64 / self.began.elapsed().as_secs_f64()
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

async fn measure(flavor: Flavor, samples: u64, rate: u64) -> (Vec<Duration>, Vec<Duration>) {
    let options = |id| ServerOptions::new(flavor, id).fast().arg("--binlog-row-metadata=FULL");
    let start = |id| async move { Server::start(options(id)).await.expect("the server starts") };
    let (source, target, replica) = tokio::join!(start(1), start(2), start(3));
    println!("{flavor} {}", source.version());
    replication::follow(&replica, &source).await;
    source.execute(TABLE).await.expect("the source takes the table");
    target.execute(TABLE).await.expect("the target takes the table");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut otter = OtterProcess::run(folder.path(), &plain_config(&source, &target, 10_000));
    otter.wait_for_log("pipeline running", Duration::from_secs(60)).await;

    let load = Load::start(&source, rate).await;
    let mut writer = source.connect().await.expect("the source is reached");
    let mut readers = [
        target.connect().await.expect("the target is reached"),
        replica.connect().await.expect("the replica is reached"),
    ];
    let mut taken = [Vec::new(), Vec::new()];
    let mut keeps_up = [true, true];
    let mut replica = Some(replica);
    let mut id = 0;
    // The first block of each side only warms up.
    for block in 0..=(2 * samples / BLOCK + 1) {
        let side = usize::from(block % 2 == 1);
        for _ in 0..BLOCK {
            if !keeps_up[side] {
                break;
            }
            id += 1;
            match sample(&mut writer, &mut readers[side], id).await {
                Some(sample) if block > 1 => taken[side].push(sample),
                Some(_) => {}
                None => keeps_up[side] = false,
            }
        }
        assert!(keeps_up[0], "otter falls behind by more than {LONGEST:?}");
        // What it has to catch up must not slow the other side down.
        if !keeps_up[1] && replica.take().is_some() {
            println!("{flavor}: native falls behind by more than {LONGEST:?}, and is left out");
            taken = [Vec::new(), Vec::new()];
        }
    }
    drop(replica);
    if rate > 0 {
        println!("{flavor}: the load made {:.0} transactions/s", load.end().await);
    }
    otter.terminate_and_expect_success(Duration::from_secs(30)).await;
    let [mut otter, mut native] = taken;
    otter.sort_unstable();
    native.sort_unstable();
    (otter, native)
}

/// Commits one row and polls until it is visible; `None` where it is not in time.
async fn sample(
    writer: &mut MySqlConnection,
    reader: &mut MySqlConnection,
    id: u64,
) -> Option<Duration> {
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
            return Some(committed.elapsed());
        }
        if committed.elapsed() > LONGEST {
            return None;
        }
    }
}
