//! A busy application: several connections that insert, update and delete in transactions, over
//! tables with a single key, a composite key and none.
//!
//! It survives the loss of its server: it connects again and goes on with new transactions.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, raw_sql};
use tokio::task::JoinHandle;

use crate::random::Random;

/// The tables that the workload writes, in database `shop`.
pub const SCHEMA: &str = "
CREATE DATABASE IF NOT EXISTS shop CHARACTER SET utf8mb4;
CREATE TABLE shop.single (id BIGINT PRIMARY KEY, v INT NOT NULL, note VARCHAR(80), at TIMESTAMP(3) NOT NULL);
CREATE TABLE shop.composite (a INT NOT NULL, b INT NOT NULL, v DECIMAL(12,2) NOT NULL, PRIMARY KEY (a, b));
CREATE TABLE shop.journal (worker INT NOT NULL, n BIGINT NOT NULL, note VARCHAR(40));
CREATE TABLE shop.sentinel (id BIGINT PRIMARY KEY);
";

/// The tables to compare.
pub const TABLES: [&str; 3] = ["shop.single", "shop.composite", "shop.journal"];

/// How the workload behaves.
#[derive(Debug, Clone)]
pub struct WorkloadOptions {
    /// Connections that write at once.
    pub connections: u64,
    /// The seed of the whole workload.
    pub seed: u64,
    /// Each connection keeps to this many transactions per second; `None` for as many as it can.
    pub rate_per_connection: Option<u64>,
}

/// A workload that runs until it is stopped.
#[derive(Debug)]
pub struct Workload {
    committed: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    workers: Vec<JoinHandle<()>>,
    began: Instant,
}

/// What a workload did.
#[derive(Debug, Clone, Copy)]
pub struct WorkloadTotals {
    /// Transactions that the server acknowledged.
    pub transactions: u64,
    /// How long it ran.
    pub took: Duration,
}

impl Workload {
    /// Starts the workload; the tables must be there.
    #[must_use]
    pub fn start(server: &MySqlConnectOptions, options: &WorkloadOptions) -> Self {
        let committed = Arc::new(AtomicU64::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let workers = (0..options.connections)
            .map(|worker| {
                let writer = Writer {
                    server: server.clone(),
                    worker,
                    random: Random::new(options.seed ^ (worker << 32)),
                    next: 0,
                    committed: Arc::clone(&committed),
                    stop: Arc::clone(&stop),
                    pause: options.rate_per_connection.map(|rate| {
                        Duration::from_secs(1) / u32::try_from(rate.max(1)).unwrap_or(1)
                    }),
                };
                tokio::spawn(writer.run())
            })
            .collect();
        Self { committed, stop, workers, began: Instant::now() }
    }

    /// Transactions acknowledged so far.
    #[must_use]
    pub fn transactions(&self) -> u64 {
        self.committed.load(Ordering::Relaxed)
    }

    /// Stops all connections after their current transaction.
    pub async fn stop(self) -> WorkloadTotals {
        self.stop.store(true, Ordering::Relaxed);
        for worker in self.workers {
            worker.await.expect("a workload connection does not panic");
        }
        WorkloadTotals {
            transactions: self.committed.load(Ordering::Relaxed),
            took: self.began.elapsed(),
        }
    }
}

struct Writer {
    server: MySqlConnectOptions,
    worker: u64,
    random: Random,
    next: u64,
    committed: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    pause: Option<Duration>,
}

impl Writer {
    async fn run(mut self) {
        let mut due = Instant::now();
        while !self.stop.load(Ordering::Relaxed) {
            let Ok(mut connection) = self.server.connect().await else {
                // The server is down on purpose; it comes back within seconds.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            while !self.stop.load(Ordering::Relaxed) {
                let text = self.transaction();
                if execute(&mut connection, text).await.is_err() {
                    break;
                }
                self.committed.fetch_add(1, Ordering::Relaxed);
                if let Some(pause) = self.pause {
                    due = (due + pause).max(Instant::now() - pause * 10);
                    tokio::time::sleep_until(due.into()).await;
                }
            }
        }
    }

    /// One to four changes in one transaction, as one text: one round trip.
    fn transaction(&mut self) -> String {
        let mut text = String::from("BEGIN;");
        for _ in 0..=self.random.below(4) {
            let statement = self.statement();
            text.push_str(&statement);
        }
        text.push_str("COMMIT");
        text
    }

    fn statement(&mut self) -> String {
        let Self { worker, .. } = *self;
        self.next += 1;
        let n = self.next;
        // Keys of different connections do not meet, so that the load has no deadlocks of its own.
        let known = worker * 1_000_000_000 + self.random.below(n) + 1;
        let id = worker * 1_000_000_000 + n;
        let (a, b) = (worker * 1_000 + self.random.below(40), self.random.below(50));
        let v = self.random.below(1_000_000);
        match self.random.below(10) {
            0..=3 => format!(
                "INSERT INTO shop.single VALUES ({id}, {v}, 'note {v} \u{e4}\u{1f9a6}', NOW(3));"
            ),
            4 | 5 => format!("UPDATE shop.single SET v = {v} WHERE id = {known};"),
            6 => format!("DELETE FROM shop.single WHERE id = {known};"),
            7 => format!(
                "INSERT INTO shop.composite VALUES ({a}, {b}, {v}.25) ON DUPLICATE KEY UPDATE v = v + 1;"
            ),
            8 => format!(
                "DELETE FROM shop.composite WHERE a = {a} AND b = {b} + 100; \
                 UPDATE shop.composite SET b = b + 100 WHERE a = {a} AND b = {b};"
            ),
            _ => format!("INSERT INTO shop.journal VALUES ({worker}, {n}, 'entry {v}');"),
        }
    }
}

async fn execute(connection: &mut MySqlConnection, text: String) -> Result<(), sqlx::Error> {
    // A frozen server must not freeze the load for ever.
    match tokio::time::timeout(
        Duration::from_secs(20),
        connection.execute(raw_sql(AssertSqlSafe(text))),
    )
    .await
    {
        Ok(outcome) => outcome.map(|_| ()),
        Err(_) => Err(sqlx::Error::WorkerCrashed),
    }
}
