//! A reader of the target: one snapshot after the other, each of which must hold all facts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use otter_core::testkit::random::Random;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlDatabaseError, MySqlRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Row, raw_sql};

use super::facts::{FACTS, Fact, Rule};

/// A table was changed since the snapshot, or is just being changed: another snapshot will do.
const CHANGED: [u16; 4] = [1412, 1205, 1213, 1146];

/// What a reader saw.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// Snapshots with all facts.
    pub(super) snapshots: u64,
    /// Those in which some session had moved on.
    pub(super) moved: u64,
    /// Snapshots that a schema change or a restart ended.
    pub(super) broken: u64,
    /// The first ones that were wrong.
    pub(super) violations: Vec<String>,
}

/// A reader on its own connection.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) target: MySqlConnectOptions,
    pub(super) random: Random,
    pub(super) seen: Seen,
    /// The last snapshot's numbers.
    last: Vec<i64>,
}

/// Why a snapshot could not be read.
enum Broken {
    Changed,
    Disconnected,
}

impl Reader {
    pub(super) fn new(target: MySqlConnectOptions, random: Random) -> Self {
        Self { target, random, seen: Seen::default(), last: vec![i64::MIN; FACTS.len()] }
    }

    /// Reads until it is to stop.
    pub(super) async fn work(mut self, stop: Arc<AtomicBool>) -> Seen {
        while !stop.load(Ordering::Relaxed) {
            let Ok(mut connection) = self.target.connect().await else {
                // The target is down on purpose.
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            // A MariaDB server lets a connection that has given way to schema changes a hundred times
            // win against all that follow; applications reconnect now and then.
            let mut looks = 0;
            while !stop.load(Ordering::Relaxed) && looks < 2_000 {
                looks += 1;
                let numbers = if self.random.chance(50) {
                    in_one_statement(&mut connection).await
                } else {
                    in_a_snapshot(&mut connection).await
                };
                match numbers {
                    Ok(numbers) => self.judge(numbers),
                    Err(Broken::Changed) => self.seen.broken += 1,
                    Err(Broken::Disconnected) => {
                        self.seen.broken += 1;
                        break;
                    }
                }
            }
        }
        self.seen
    }

    fn judge(&mut self, numbers: Vec<i64>) {
        self.seen.snapshots += 1;
        let before = self.seen.violations.len();
        for ((Fact { name, rule, .. }, number), last) in FACTS.iter().zip(&numbers).zip(&self.last)
        {
            let is_so = match rule {
                Rule::Is(wanted) => number == wanted,
                Rule::Grows => number >= last,
            };
            if !is_so && before < 10 {
                self.seen.violations.push(format!("{name}: {number}, {rule:?}, before {last}"));
            }
        }
        self.seen.moved += u64::from(self.last != numbers);
        self.last = numbers;
    }
}

async fn in_one_statement(connection: &mut MySqlConnection) -> Result<Vec<i64>, Broken> {
    let parts: Vec<String> =
        FACTS.iter().map(|fact| format!("CAST(({}) AS SIGNED)", fact.query)).collect();
    let row = one(connection, &format!("SELECT {}", parts.join(", "))).await?;
    Ok((0..FACTS.len()).map(|index| number(&row, index)).collect())
}

async fn in_a_snapshot(connection: &mut MySqlConnection) -> Result<Vec<i64>, Broken> {
    execute(connection, "START TRANSACTION WITH CONSISTENT SNAPSHOT").await?;
    let mut numbers = Vec::with_capacity(FACTS.len());
    for fact in FACTS {
        match one(connection, &format!("SELECT CAST(({}) AS SIGNED)", fact.query)).await {
            Ok(row) => numbers.push(number(&row, 0)),
            Err(broken) => {
                execute(connection, "ROLLBACK").await?;
                return Err(broken);
            }
        }
    }
    execute(connection, "COMMIT").await?;
    Ok(numbers)
}

async fn execute(connection: &mut MySqlConnection, text: &'static str) -> Result<(), Broken> {
    raw_sql(text).execute(connection).await.map_err(|error| broken(&error, text))?;
    Ok(())
}

async fn one(connection: &mut MySqlConnection, text: &str) -> Result<MySqlRow, Broken> {
    let outcome = raw_sql(AssertSqlSafe(text.to_owned())).fetch_one(connection).await;
    outcome.map_err(|error| broken(&error, text))
}

fn number(row: &MySqlRow, index: usize) -> i64 {
    let text: Option<Vec<u8>> = row.try_get_unchecked(index).expect("the column is there");
    // NULL, where rows are missing that nobody deletes, is no number that a fact allows.
    let text = text.and_then(|bytes| String::from_utf8(bytes).ok());
    text.and_then(|text| text.parse().ok()).unwrap_or(i64::MIN)
}

fn broken(error: &sqlx::Error, text: &str) -> Broken {
    let sqlx::Error::Database(error) = error else { return Broken::Disconnected };
    let number = error.downcast_ref::<MySqlDatabaseError>().number();
    // 1053, 1927 and 3169: the server goes down.
    if [1053, 1927, 3169].contains(&number) {
        return Broken::Disconnected;
    }
    assert!(CHANGED.contains(&number), "{error}: {text}");
    Broken::Changed
}
