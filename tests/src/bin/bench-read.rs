//! `scripts/bench read`: a live server's binlog read over loopback, beside the speed at which the
//! server sends it.
//!
//! `--rows N` (1,000,000) sysbench rows are written first; then, `--rounds N` (3) times by turns,
//! the raw dump is received and the selector reads the same transactions: framed, checked, decoded
//! to typed values and cut into batches. On MySQL and MariaDB.
#![allow(
    clippy::large_futures,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "it fails by panicking and reports by printing"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use otter_binlog::connection::{AtEnd, Connection, DumpRequest, DumpStart, DumpStream};
use otter_binlog::selector::{BinlogSelector, SelectorOptions};
use otter_core::{Budget, DatabaseUrl, Position, Select, Start};
use otter_server::sandbox::Server;
use otter_tests::arguments::Arguments;
use otter_tests::{query, testbed};

const TABLE: &str = "CREATE DATABASE bench; CREATE TABLE bench.rows \
     (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, k INT NOT NULL, c CHAR(120) NOT NULL, \
     pad CHAR(60) NOT NULL)";
const ROW: &str = "NULL, FLOOR(RAND() * 1000000), \
     REPEAT(CONCAT(LPAD(FLOOR(RAND() * 1e10), 10, '0'), '-'), 10), \
     REPEAT(CONCAT(LPAD(FLOOR(RAND() * 1e10), 10, '0'), '-'), 5)";
/// Per statement, so that no transaction is extreme.
const STEP: u64 = 10_000;
const BUDGET: usize = 64 << 20;
/// Bytes per second.
const GOAL: f64 = 150e6;

#[tokio::main]
async fn main() {
    let arguments = Arguments::from_environment();
    let rows = arguments.number("rows", 1_000_000).next_multiple_of(STEP);
    let rounds = arguments.number("rounds", 3);
    let mut goals = Vec::new();
    for (name, builder) in [("MySQL", testbed::mysql()), ("MariaDB", testbed::mariadb())] {
        let server =
            builder.source().arg("--binlog-row-metadata=FULL").arg("--max-binlog-size=1G").start();
        let server = server.await;
        let source = Source::fill(&server, rows).await;
        let (mut raw, mut read) = (f64::MIN, f64::MIN);
        for _ in 0..rounds {
            raw = raw.max(source.receive().await);
            read = read.max(source.select().await);
        }
        println!(
            "{name}: {:.0} MB of binlog, {rows} rows: the server sends {:.0} MB/s, the selector \
             reads {:.0} MB/s, {:.2} M rows/s",
            source.bytes / 1e6,
            raw / 1e6,
            read / 1e6,
            read / source.bytes * count(rows) / 1e6,
        );
        let target = GOAL.min(raw);
        let verdict = if read >= target { "met" } else { "missed" };
        goals.push(format!(
            "goal: live read of {name} {:.0} MB/s (target {:.0} MB/s) {verdict}",
            read / 1e6,
            target / 1e6
        ));
    }
    for goal in goals {
        println!("{goal}");
    }
}

/// A server with rows behind a position.
struct Source {
    url: DatabaseUrl,
    from: Position,
    rows: u64,
    bytes: f64,
}

impl Source {
    async fn fill(server: &Server, rows: u64) -> Self {
        testbed::execute(server, TABLE).await;
        testbed::execute(server, "FLUSH BINARY LOGS").await;
        let url: DatabaseUrl = server.url().parse().unwrap();
        let from = selector(&url).locate(&Start::Now).await.unwrap();
        let before = size(server).await;
        for _ in 0..rows / STEP {
            testbed::execute(
                server,
                &format!(
                    "INSERT INTO bench.rows WITH RECURSIVE n AS \
                     (SELECT 1 i UNION ALL SELECT i + 1 FROM n WHERE i < 1000) \
                     SELECT {ROW} FROM n, (SELECT 1 FROM n LIMIT {}) m",
                    STEP / 1000
                ),
            )
            .await;
        }
        let bytes = count(size(server).await - before);
        Self { url, from, rows, bytes }
    }

    /// Bytes per second of a dump that nobody looks at.
    async fn receive(&self) -> f64 {
        let mut connection = Connection::connect(&self.url).await.unwrap();
        let info = connection.server_info().await.unwrap();
        let place = self.from.resume_from.file.clone().expect("it was asked of the server");
        let start = DumpStart::File { name: place.file.to_string(), offset: place.offset };
        let mut request = DumpRequest::new(start);
        request.at_end = AtEnd::Stop;
        let mut stream = DumpStream::start(connection, &info, &request).await.unwrap();
        let begun = Instant::now();
        let mut bytes = 0;
        while let Some(event) = stream.next_event().await.unwrap() {
            bytes += event.len();
        }
        assert!(bytes > 0);
        per_second(self.bytes, begun.elapsed())
    }

    /// Bytes per second of the selector.
    async fn select(&self) -> f64 {
        let mut selector = selector(&self.url);
        selector.open(&self.from, &Budget::new(BUDGET)).await.unwrap();
        let begun = Instant::now();
        let mut rows = 0;
        while rows < self.rows {
            let batch = selector.next().await.unwrap();
            rows += u64::try_from(batch.row_count()).unwrap();
        }
        per_second(self.bytes, begun.elapsed())
    }
}

fn selector(url: &DatabaseUrl) -> BinlogSelector {
    BinlogSelector::new(SelectorOptions::new(url.clone(), Arc::new(|_| true)))
}

/// Bytes of all binlogs.
async fn size(server: &Server) -> u64 {
    let logs = query::texts(server, "SHOW BINARY LOGS").await;
    logs.iter().map(|line| line[1].parse::<u64>().expect("a size")).sum()
}

fn per_second(bytes: f64, time: Duration) -> f64 {
    bytes / time.as_secs_f64()
}

#[allow(clippy::cast_precision_loss, reason = "for people")]
fn count(number: u64) -> f64 {
    number as f64
}
