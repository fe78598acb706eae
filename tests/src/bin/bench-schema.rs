//! `scripts/bench schema`: how long a selector needs to resume with a tracked schema of many tables,
//! and how much memory the schema takes.
//!
//! `--tables N` (10,000) of 12 columns each on a MariaDB source that logs no metadata, `--rounds N`
//! (5) resumes. Resuming is measured from the request to the first batch and compared with the same
//! on a source of one table in the same run: the difference is the schema's.
#![allow(
    clippy::large_futures,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "it fails by panicking and reports by printing"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use otter_binlog::selector::{BinlogSelector, SelectorOptions};
use otter_core::{Budget, MemorySchemaLog, Position, SchemaLog, Select, Start};
use otter_server::sandbox::Server;
use otter_tests::arguments::Arguments;
use otter_tests::testbed;

const COLUMNS: &str = "id BIGINT UNSIGNED PRIMARY KEY, customer_id INT UNSIGNED NOT NULL, \
     state ENUM('new', 'paid', 'sent') NOT NULL, amount DECIMAL(12,2), currency CHAR(3), \
     note VARCHAR(200), address TEXT, created DATETIME(3), updated TIMESTAMP NULL, flags SMALLINT, \
     weight DOUBLE, token BINARY(16), KEY (customer_id)";
const BUDGET: usize = 64 << 20;
const GOAL: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() {
    let arguments = Arguments::from_environment();
    let tables = arguments.number("tables", 10_000);
    let rounds = arguments.number("rounds", 5);
    let server = testbed::mariadb().source().arg("--binlog-row-metadata=NO_LOG").start().await;
    testbed::execute(&server, "CREATE DATABASE shop").await;
    testbed::execute(&server, &format!("CREATE TABLE shop.t0 ({COLUMNS})")).await;

    let one = Log::begin(&server).await;
    let small = one.resume(&server, rounds).await;
    for first in (1..tables).step_by(200) {
        let last = (first + 200).min(tables);
        let text: String = (first..last)
            .map(|number| format!("CREATE TABLE shop.t{number} ({COLUMNS});"))
            .collect();
        testbed::execute(&server, &text).await;
    }
    let before = resident();
    let begun = Instant::now();
    let many = Log::begin(&server).await;
    println!("begin with a snapshot of {tables} tables: {:.2} s", begun.elapsed().as_secs_f64());
    let text: usize = many.log.load().await.unwrap().iter().map(|record| record.text.len()).sum();
    assert!(text > 0, "nothing is tracked");
    println!("the log holds {:.1} MiB", mebibytes(text));
    let large = many.resume(&server, rounds).await;
    let mut selector = many.selector(&server);
    selector.open(&many.position, &Budget::new(BUDGET)).await.unwrap();
    let grown = resident().saturating_sub(before);
    println!(
        "resume: {:.3} s with {tables} tables, {:.3} s with one; memory grown by {:.1} MiB \
         (schema, its log in memory, and the answers it was read from)",
        large.as_secs_f64(),
        small.as_secs_f64(),
        mebibytes(grown),
    );
    let own = large.saturating_sub(small);
    let verdict = if own < GOAL { "met" } else { "missed" };
    println!(
        "goal: own work of a resume with {tables} tables {:.3} s (target 1 s) {verdict}",
        own.as_secs_f64()
    );
}

/// A pipeline's schema log and its position.
struct Log {
    log: Arc<MemorySchemaLog>,
    position: Position,
}

impl Log {
    async fn begin(server: &Server) -> Self {
        let log = Arc::new(MemorySchemaLog::new());
        let mut this = Self { log, position: Position::default() };
        let mut selector = this.selector(server);
        this.position = selector.locate(&Start::Now).await.unwrap();
        selector.open(&this.position, &Budget::new(BUDGET)).await.unwrap();
        testbed::execute(server, "INSERT INTO shop.t0 (id, customer_id) VALUES (UUID_SHORT(), 1)")
            .await;
        let batch = selector.next().await.unwrap();
        this.position = batch.through.clone().unwrap();
        this
    }

    fn selector(&self, server: &Server) -> BinlogSelector {
        let url = server.url().parse().unwrap();
        let mut options = SelectorOptions::new(url, Arc::new(|table| &*table.database == "shop"));
        options.schema_log = Arc::clone(&self.log) as Arc<dyn SchemaLog>;
        BinlogSelector::new(options)
    }

    /// The shortest of several resumes, from nothing to an open source.
    async fn resume(&self, server: &Server, rounds: u64) -> Duration {
        let mut best = Duration::MAX;
        for _ in 0..rounds {
            let begun = Instant::now();
            let mut selector = self.selector(server);
            selector.open(&self.position, &Budget::new(BUDGET)).await.unwrap();
            best = best.min(begun.elapsed());
        }
        best
    }
}

/// Bytes of this process in memory.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("it tells memory");
    let kibibytes: usize =
        line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number");
    kibibytes * 1024
}

#[allow(clippy::cast_precision_loss, reason = "for people")]
fn mebibytes(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
