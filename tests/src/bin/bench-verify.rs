//! `scripts/bench verify`: how long one pass of `verify` over equal tables takes, both servers at work
//! at once, beside `CHECKSUM TABLE` on each of them.
//!
//! `--scale small` for 100,000 rows instead of 1,000,000 (`--rows N`), `--rounds N` (3) of which the best
//! counts, the two taking turns, `--pairs mysql-mysql,…` for all four pairings.
#![allow(
    clippy::large_futures,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "it fails by panicking and reports by printing"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use otter_binlog::preflight::source_tables;
use otter_core::{DatabaseUrl, Mapping, Mappings, PipelineId};
use otter_server::sandbox::{Flavor, Server};
use otter_sink::verify::{MappedTable, State, Verifier, VerifyOptions};
use otter_tests::arguments::Arguments;
use otter_tests::query::text;
use otter_tests::testbed::{self, PAIRINGS};

/// Rows as sysbench makes them: numbers in groups of eleven digits.
const TABLE: &str = "CREATE DATABASE shop CHARACTER SET utf8mb4;
     CREATE TABLE shop.digit (d INT PRIMARY KEY);
     INSERT INTO shop.digit VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9);
     CREATE TABLE shop.sbtest1 (id INT NOT NULL AUTO_INCREMENT, k INT NOT NULL DEFAULT 0,
       c CHAR(120) NOT NULL DEFAULT '', pad CHAR(60) NOT NULL DEFAULT '', PRIMARY KEY (id),
       KEY k_1 (k))";

#[tokio::main]
async fn main() {
    let arguments = Arguments::from_environment();
    let rows = match arguments.text("scale", "full") {
        "small" => 100_000,
        _ => 1_000_000,
    };
    let rows = arguments.number("rows", rows);
    let rounds = arguments.number("rounds", 3);
    for pairing in arguments.pairings(&PAIRINGS) {
        measure(pairing, rows, rounds).await;
    }
}

async fn measure((from, to): (Flavor, Flavor), rows: u64, rounds: u64) {
    let start =
        |flavor| testbed::server(flavor).source().arg("--innodb-buffer-pool-size=1G").start();
    let (source, target) = tokio::join!(start(from), start(to));
    tokio::join!(fill(&source, rows), fill(&target, rows));
    let tables = tables(&source).await;
    let mut best = [Duration::MAX; 3];
    for _ in 0..rounds {
        let times = [checksum(&source).await, checksum(&target).await, {
            let begun = Instant::now();
            pass(&source, &target, &tables, rows).await;
            begun.elapsed()
        }];
        for (best, time) in best.iter_mut().zip(times) {
            *best = time.min(*best);
        }
    }
    let [at_source, at_target, both] = best;
    println!(
        "{from} to {to}, {rows} rows: CHECKSUM TABLE {:.3} s and {:.3} s, verify of both at once {:.3} s \
         ({:.0} rows/s)",
        at_source.as_secs_f64(),
        at_target.as_secs_f64(),
        both.as_secs_f64(),
        rate(rows, both),
    );
    let allowed = |flavor, time: Duration| time * if flavor == Flavor::MySql { 2 } else { 4 };
    let goal = allowed(from, at_source).max(allowed(to, at_target));
    let verdict = if both <= goal { "met" } else { "missed" };
    println!(
        "goal: verify {from} to {to} {:.3} s (target {:.3} s) {verdict}",
        both.as_secs_f64(),
        goal.as_secs_f64()
    );
}

async fn fill(server: &Server, rows: u64) {
    let group = |seed: u32| format!("LPAD(CRC32(CONCAT(n, '/{seed}')) * 7, 11, '0')");
    let groups = |seeds: std::ops::Range<u32>| {
        format!("CONCAT_WS('-', {})", seeds.map(group).collect::<Vec<_>>().join(", "))
    };
    testbed::execute(server, TABLE).await;
    let insert = format!(
        "INSERT INTO shop.sbtest1 (id, k, c, pad) SELECT n + 1, CRC32(n) % 500000, {}, {} FROM \
         (SELECT a.d + b.d * 10 + c.d * 100 + d.d * 1000 + e.d * 10000 + f.d * 100000 AS n FROM \
         shop.digit a, shop.digit b, shop.digit c, shop.digit d, shop.digit e, shop.digit f) \
         numbers WHERE n < {rows} ORDER BY n",
        groups(0..10),
        groups(10..15),
    );
    testbed::execute(server, &insert).await;
    let count = text(server, "SELECT COUNT(*) FROM shop.sbtest1").await;
    assert_eq!(count, rows.to_string(), "at most 1,000,000 rows can be made");
}

async fn checksum(server: &Server) -> Duration {
    let mut connection = server.connect().await.unwrap();
    let begun = Instant::now();
    sqlx::raw_sql("CHECKSUM TABLE shop.sbtest1").fetch_all(&mut connection).await.unwrap();
    begun.elapsed()
}

async fn tables(source: &Server) -> Vec<MappedTable> {
    let mappings = Mappings::new(vec![Mapping::parse("shop.sbtest1", None).unwrap()]).unwrap();
    let url: DatabaseUrl = source.url().parse().unwrap();
    let found = source_tables(&url, &mappings.filter()).await.unwrap();
    let found = found.into_iter().map(Arc::new).map(|table| {
        let route = mappings.table(&table).unwrap().unwrap();
        MappedTable::new(&table, &route)
    });
    found.collect()
}

async fn pass(source: &Server, target: &Server, tables: &[MappedTable], rows: u64) {
    let (source, target) = (source.url().parse().unwrap(), target.url().parse().unwrap());
    let (id, options) = (PipelineId::new("bench"), VerifyOptions::default());
    let mut verifier = Verifier::open(&source, &target, &id, options).await.unwrap();
    let report = verifier.verify(tables, &mut |_| {}).await.unwrap();
    assert_eq!(report.state(), State::Equal, "{report:?}");
    assert_eq!(report.tables.first().map(|table| table.target_rows), Some(rows));
    verifier.close().await;
}

#[allow(clippy::cast_precision_loss, reason = "for people")]
fn rate(rows: u64, time: Duration) -> f64 {
    rows as f64 / time.as_secs_f64()
}
