//! One session of the source: random transactions until its work is done.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use otter_core::testkit::random::Random;
use otter_server::sandbox::{Flavor, Server};
use sqlx::mysql::{MySqlConnection, MySqlDatabaseError};
use sqlx::{AssertSqlSafe, Connection, Executor, raw_sql};

use super::statement;
use super::table::Table;

/// The tables as their makers know them, for all sessions at once.
#[derive(Debug, Clone, Default)]
pub(super) struct Catalog(Arc<Mutex<Vec<Arc<Table>>>>);

/// What sessions have done.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Statements that the server took.
    pub taken: u64,
    /// Statements that it refused, by error number.
    pub refused: BTreeMap<u16, u64>,
}

/// A session with its own seed.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) connection: MySqlConnection,
    pub(super) random: Random,
    pub(super) tally: Tally,
    /// Whether it may leave foreign keys unchecked. MariaDB does not log its cascades: a child that
    /// comes unchecked while another session deletes its parent stays there, and goes in every
    /// replica, where it comes first.
    may_uncheck: bool,
    log: File,
}

/// How a statement ended that the server answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Taken,
    Refused,
    /// The server has rolled the transaction back.
    RolledBack,
}

/// Syntax and names: a statement that no server understands tests nothing.
const MISTAKES: [u16; 4] = [1064, 1047, 1235, 1149];
/// Deadlock, and whatever else takes the whole transaction back.
const DEADLOCK: u16 = 1213;

impl Catalog {
    pub(super) fn tables(&self) -> Vec<Arc<Table>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Vec<Arc<Table>>)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Tally {
    /// All statements.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.taken + self.refused.values().sum::<u64>()
    }

    /// Adds another one's counts.
    pub fn add(&mut self, other: &Self) {
        self.taken += other.taken;
        for (number, count) in &other.refused {
            *self.refused.entry(*number).or_default() += count;
        }
    }
}

impl Session {
    pub(super) async fn open(server: &Server, random: Random, log: &Path) -> Self {
        let connection = server.connect().await.expect("the source takes a connection");
        let log = File::create(log).expect("a log of statements can be written");
        let may_uncheck = server.flavor() == Flavor::MySql;
        let tally = Tally::default();
        let mut session = Self { connection, random, tally, may_uncheck, log };
        let levels = ["READ COMMITTED", "REPEATABLE READ", "REPEATABLE READ", "SERIALIZABLE"];
        let level = *session.random.choose(&levels);
        session
            .execute(
                "SET SESSION sql_mode = '', time_zone = '+00:00', innodb_lock_wait_timeout = 1, \
                 lock_wait_timeout = 2",
            )
            .await;
        session.execute("USE shop").await;
        session.execute(&format!("SET SESSION TRANSACTION ISOLATION LEVEL {level}")).await;
        if server.flavor() == Flavor::MySql && session.random.chance(25) {
            session.execute("SET SESSION binlog_transaction_compression = ON").await;
        }
        session
    }

    /// Changes rows until the allowance of all sessions together is used up.
    pub(super) async fn work(mut self, catalog: Catalog, allowance: Arc<AtomicI64>) -> Self {
        while allowance.load(Ordering::Relaxed) > 0 {
            let before = self.tally.total();
            self.transaction(&catalog.tables()).await;
            let done = i64::try_from(self.tally.total() - before).unwrap_or(0).max(1);
            allowance.fetch_sub(done, Ordering::Relaxed);
        }
        self
    }

    pub(super) async fn close(self) -> Tally {
        let _ = self.connection.close().await;
        self.tally
    }

    async fn transaction(&mut self, tables: &[Arc<Table>]) {
        if self.random.chance(5) {
            return self.two_phases(tables).await;
        }
        if self.random.chance(30) {
            for statement in statement::any(tables, &mut self.random) {
                self.execute(&statement).await;
            }
            return;
        }
        let unchecked = self.random.chance(4) && self.may_uncheck;
        if unchecked {
            self.execute("SET SESSION foreign_key_checks = 0").await;
        }
        self.execute("BEGIN").await;
        let is_open = self.statements(tables).await;
        let end = if self.random.chance(10) || !is_open { "ROLLBACK" } else { "COMMIT" };
        self.execute(end).await;
        if unchecked {
            self.execute("SET SESSION foreign_key_checks = 1").await;
        }
    }

    /// An XA transaction: prepared and decided, committed in one phase, or rolled back.
    async fn two_phases(&mut self, tables: &[Arc<Table>]) {
        let id = format!("'x{:x}'", self.random.number());
        self.execute(&format!("XA START {id}")).await;
        let is_open = self.statements(tables).await;
        let has_ended = self.execute(&format!("XA END {id}")).await == Answer::Taken;
        if is_open && has_ended {
            if self.random.chance(20) {
                if self.execute(&format!("XA COMMIT {id} ONE PHASE")).await == Answer::Taken {
                    return;
                }
            } else if self.execute(&format!("XA PREPARE {id}")).await == Answer::Taken {
                let pause = if self.random.chance(20) { 200 } else { 2 };
                let pause = u64::try_from(self.random.below(pause)).unwrap_or(0);
                tokio::time::sleep(Duration::from_millis(pause)).await;
                let decision = if self.random.chance(75) { "COMMIT" } else { "ROLLBACK" };
                self.execute(&format!("XA {decision} {id}")).await;
                return;
            }
        }
        self.execute(&format!("XA ROLLBACK {id}")).await;
    }

    /// Tells whether the transaction is still open.
    async fn statements(&mut self, tables: &[Arc<Table>]) -> bool {
        let mut has_savepoint = false;
        for _ in 0..1 + self.random.below(8) {
            match self.random.below(12) {
                0 => {
                    self.execute("SAVEPOINT s").await;
                    has_savepoint = true;
                }
                1 if has_savepoint => {
                    self.execute("ROLLBACK TO s").await;
                }
                _ => {
                    for statement in statement::any(tables, &mut self.random) {
                        match self.execute(&statement).await {
                            Answer::Taken => {}
                            Answer::Refused if self.random.chance(80) => {}
                            Answer::Refused | Answer::RolledBack => return false,
                        }
                    }
                }
            }
        }
        true
    }

    /// Executes a statement, which the server may refuse.
    ///
    /// # Panics
    /// Where it is no statement, or the server is gone.
    pub(super) async fn execute(&mut self, statement: &str) -> Answer {
        let text = AssertSqlSafe(statement.to_owned());
        let outcome = self.connection.execute(raw_sql(text)).await;
        let number = match outcome {
            Ok(_) => 0,
            Err(sqlx::Error::Database(error)) => {
                error.downcast_ref::<MySqlDatabaseError>().number()
            }
            Err(error) => panic!("the source answers: {error}\n{statement}"),
        };
        assert!(!MISTAKES.contains(&number), "error {number}: {statement}");
        // The story of a failure, to be told again by hand.
        let _ = writeln!(self.log, "{number}\t{statement}");
        if number == 0 {
            self.tally.taken += 1;
            return Answer::Taken;
        }
        *self.tally.refused.entry(number).or_default() += 1;
        if number == DEADLOCK { Answer::RolledBack } else { Answer::Refused }
    }
}
