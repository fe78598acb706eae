//! A stranger in the target, who locks what Otter writes: lock waits and deadlocks, no changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use otter_core::testkit::random::Random;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, raw_sql};

use super::facts::{ACCOUNTS, SEATS};

/// A table of the stranger's own: whoever has changed more survives a deadlock.
pub(super) const SCHEMA: &str = "
CREATE DATABASE stranger;
CREATE TABLE stranger.weight (id INT PRIMARY KEY, n INT NOT NULL);
INSERT INTO stranger.weight SELECT a.d * 100 + b.d * 10 + c.d, 0 FROM
 (SELECT 0 d UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4) a,
 (SELECT 0 d UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5
  UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9) b,
 (SELECT 0 d UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5
  UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9) c";

/// A session that gets in the way.
#[derive(Debug)]
pub(super) struct Intruder {
    pub(super) target: MySqlConnectOptions,
    pub(super) random: Random,
}

impl Intruder {
    /// Locks until it is to stop; returns how many transactions met others.
    pub(super) async fn work(mut self, stop: Arc<AtomicBool>) -> u64 {
        let mut clashes = 0;
        while !stop.load(Ordering::Relaxed) {
            let Ok(mut connection) = self.target.connect().await else {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let settings =
                raw_sql("SET SESSION innodb_lock_wait_timeout = 1, lock_wait_timeout = 2");
            let mut is_connected = connection.execute(settings).await.is_ok();
            while is_connected && !stop.load(Ordering::Relaxed) {
                is_connected = self.get_in_the_way(&mut connection, &mut clashes).await;
                let pause = u64::try_from(self.random.below(200)).unwrap_or(0);
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
        }
        clashes
    }

    /// Tells whether the connection is still good.
    async fn get_in_the_way(
        &mut self,
        connection: &mut MySqlConnection,
        clashes: &mut u64,
    ) -> bool {
        let mut texts = vec!["START TRANSACTION".to_owned()];
        if self.random.chance(40) {
            texts.push("UPDATE stranger.weight SET n = n + 1".to_owned());
        }
        for _ in 0..1 + self.random.below(5) {
            texts.push(self.lock());
        }
        for text in texts {
            match connection.execute(raw_sql(AssertSqlSafe(text))).await {
                Ok(_) => {}
                Err(sqlx::Error::Database(_)) => {
                    *clashes += 1;
                    break;
                }
                Err(_) => return false,
            }
            let pause = if self.random.chance(85) { 15 } else { 700 };
            let pause = u64::try_from(self.random.below(pause)).unwrap_or(0);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        connection.execute(raw_sql("ROLLBACK")).await.is_ok()
    }

    fn lock(&mut self) -> String {
        let account = 1 + self.random.number() % ACCOUNTS;
        let seat = 1 + self.random.number() % SEATS;
        let colour = *self.random.choose(&["red", "blue"]);
        match self.random.below(8) {
            0 | 1 => format!("SELECT * FROM shop.{colour} WHERE id = {account} FOR UPDATE"),
            2 => format!("UPDATE shop.{colour} SET balance = balance - 1 WHERE id = {account}"),
            3 => format!("SELECT * FROM shop.seat WHERE holder >= {seat} LIMIT 5 FOR UPDATE"),
            4 => format!("SELECT * FROM shop.counter WHERE session = {} FOR UPDATE", seat % 6),
            5 => "SELECT * FROM shop.ledger LIMIT 3 FOR UPDATE".to_owned(),
            // The gap behind the last one: where inserts go.
            6 => "SELECT * FROM shop.left_twin ORDER BY id DESC LIMIT 1 FOR UPDATE".to_owned(),
            // No lock of rows, but one of the table's definition.
            _ => format!("SELECT COUNT(*) FROM shop.{colour}"),
        }
    }
}
