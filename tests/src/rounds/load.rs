//! A small load that goes on for hours: tables stay small, with keys of one and two columns and
//! without any, in one database for each pipeline.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use sqlx::mysql::MySqlConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, raw_sql};
use tokio::sync::{OwnedRwLockWriteGuard, RwLock};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::installation::database;
use crate::random::Random;

/// Connections that write at once. Each has databases of its own, so that the load has no deadlocks.
const CONNECTIONS: usize = 3;
/// Few keys, so that changes of one key follow each other closely.
const KEYS: u64 = 200;
/// A table without a key is searched row by row for every change.
const JOURNAL_ROWS: u64 = 60;
/// Rows that are equal in all columns.
const MOST_TWINS: u64 = 5;

/// The tables of one database, the same on both sides.
pub(super) fn schema(database: &str) -> String {
    format!(
        "CREATE DATABASE {database} CHARACTER SET utf8mb4; \
         CREATE TABLE {database}.account (id INT PRIMARY KEY, v INT NOT NULL, note VARCHAR(40)); \
         CREATE TABLE {database}.seat \
         (a INT NOT NULL, b INT NOT NULL, v DECIMAL(12,2) NOT NULL, PRIMARY KEY (a, b)); \
         CREATE TABLE {database}.journal (n BIGINT NOT NULL, note VARCHAR(40)); \
         CREATE TABLE {database}.sentinel (id BIGINT PRIMARY KEY);"
    )
}

/// The tables that are compared.
pub(super) const TABLES: [&str; 4] = ["account", "seat", "journal", "sentinel"];

/// A load that runs until it ends, and can be held.
#[derive(Debug)]
pub(super) struct Load {
    gate: Arc<RwLock<()>>,
    over: Arc<AtomicBool>,
    transactions: Arc<AtomicU64>,
    /// How many rows the journal of each database must have.
    journals: Arc<[AtomicU64]>,
    writers: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts it; the tables must be there.
    pub(super) fn start(
        source: &MySqlConnectOptions,
        databases: usize,
        (rate, seed): (u32, u64),
    ) -> Self {
        let gate = Arc::new(RwLock::new(()));
        let over = Arc::new(AtomicBool::new(false));
        let transactions = Arc::new(AtomicU64::new(0));
        let journals: Arc<[AtomicU64]> = (0..databases).map(|_| AtomicU64::new(0)).collect();
        let writers = (0..CONNECTIONS).map(|number| {
            let books = (number..databases).step_by(CONNECTIONS).map(Book::new).collect();
            let writer = Writer {
                source: source.clone(),
                random: Random::new(seed ^ (u64::try_from(number).unwrap_or(0) << 32)),
                books,
                pause: Duration::from_secs(1) * u32::try_from(CONNECTIONS).unwrap_or(1)
                    / rate.max(1),
                gate: Arc::clone(&gate),
                over: Arc::clone(&over),
                transactions: Arc::clone(&transactions),
                journals: Arc::clone(&journals),
            };
            tokio::spawn(writer.run())
        });
        let writers = writers.collect();
        Self { gate, over, transactions, journals, writers }
    }

    /// Lets nothing more begin, and waits until what has begun is committed; until the guard is
    /// dropped.
    pub(super) async fn hold(&self) -> OwnedRwLockWriteGuard<()> {
        Arc::clone(&self.gate).write_owned().await
    }

    /// How many rows the journal of a database must have, while the load is held.
    pub(super) fn journal_rows(&self, database: usize) -> u64 {
        self.journals[database].load(Ordering::SeqCst)
    }

    /// Ends it, and tells how many transactions the source acknowledged.
    pub(super) async fn end(self) -> u64 {
        self.over.store(true, Ordering::SeqCst);
        for writer in self.writers {
            writer.await.expect("the source takes all of the load");
        }
        self.transactions.load(Ordering::SeqCst)
    }
}

struct Writer {
    source: MySqlConnectOptions,
    random: Random,
    books: Vec<Book>,
    pause: Duration,
    gate: Arc<RwLock<()>>,
    over: Arc<AtomicBool>,
    transactions: Arc<AtomicU64>,
    journals: Arc<[AtomicU64]>,
}

impl Writer {
    async fn run(mut self) {
        let mut connection = self.source.connect().await.expect("the source takes a connection");
        let mut due = Instant::now();
        while !self.over.load(Ordering::SeqCst) && !self.books.is_empty() {
            let open = self.gate.read().await;
            let at = self.random.below(u64::try_from(self.books.len()).unwrap_or(1));
            let book = &mut self.books[usize::try_from(at).unwrap_or(0)];
            let text = book.transaction(&mut self.random);
            // The source is never in trouble here.
            connection.execute(raw_sql(AssertSqlSafe(text))).await.expect("the source commits");
            self.journals[book.number].store(book.journal_rows(), Ordering::SeqCst);
            self.transactions.fetch_add(1, Ordering::SeqCst);
            drop(open);
            due = (due + self.pause).max(Instant::now());
            sleep_until(due).await;
        }
    }
}

/// What the load has written into one database.
struct Book {
    number: usize,
    database: String,
    /// Numbers in the journal, from the oldest that is left to the next.
    oldest: u64,
    next: u64,
    twins: u64,
}

impl Book {
    fn new(number: usize) -> Self {
        Self { number, database: database(number), oldest: 1, next: 1, twins: 0 }
    }

    fn journal_rows(&self) -> u64 {
        self.next - self.oldest + self.twins
    }

    /// One to three changes in one transaction, as one text.
    fn transaction(&mut self, random: &mut Random) -> String {
        let mut text = String::from("BEGIN;");
        for _ in 0..=random.below(3) {
            self.push_change(&mut text, random);
        }
        text.push_str("COMMIT");
        text
    }

    fn push_change(&mut self, text: &mut String, random: &mut Random) {
        let database = &self.database;
        let (id, v) = (random.below(KEYS), random.below(1_000_000));
        let (a, b) = (id / 20, id % 20);
        // Writing to a string cannot fail.
        let _ = match random.below(9) {
            0 | 1 => write!(
                text,
                "INSERT INTO {database}.account VALUES ({id}, {v}, 'note \u{e4}\u{1f9a6} {v}') \
                 ON DUPLICATE KEY UPDATE v = {v};"
            ),
            2 => write!(text, "UPDATE {database}.account SET v = {v} WHERE id = {id};"),
            3 => write!(text, "DELETE FROM {database}.account WHERE id = {id};"),
            4 => write!(
                text,
                "INSERT INTO {database}.seat VALUES ({a}, {b}, {v}.25) \
                 ON DUPLICATE KEY UPDATE v = v + 1;"
            ),
            // A key moves.
            5 => write!(
                text,
                "DELETE FROM {database}.seat WHERE a = {a} AND b = {b} + 100; \
                 UPDATE {database}.seat SET b = b + 100 WHERE a = {a} AND b = {b};"
            ),
            6 => {
                let n = self.oldest + random.below((self.next - self.oldest).max(1));
                write!(text, "UPDATE {database}.journal SET note = 'changed {v}' WHERE n = {n};")
            }
            7 if self.twins < MOST_TWINS => {
                self.twins += 1;
                write!(text, "INSERT INTO {database}.journal VALUES (0, 'twin');")
            }
            7 => {
                self.twins -= 1;
                write!(text, "DELETE FROM {database}.journal WHERE n = 0 LIMIT 1;")
            }
            _ => {
                let n = self.next;
                self.next += 1;
                write!(text, "INSERT INTO {database}.journal VALUES ({n}, 'entry {v}');")
            }
        };
        if self.next - self.oldest > JOURNAL_ROWS {
            let _ =
                write!(text, "DELETE FROM {}.journal WHERE n = {};", self.database, self.oldest);
            self.oldest += 1;
        }
    }
}
