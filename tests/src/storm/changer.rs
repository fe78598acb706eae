//! Schema changes in the midst of the storm, none of which breaks a fact.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use otter_core::testkit::random::Random;
use otter_server::sandbox::Server;
use sqlx::mysql::MySqlConnection;
use sqlx::{AssertSqlSafe, Executor, raw_sql};

/// Columns that a change adds, and takes away again.
const COLUMNS: [&str; 5] = [
    "INT",
    "VARCHAR(10) NOT NULL DEFAULT 'x'",
    "DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP",
    "BIGINT NOT NULL DEFAULT 7 FIRST",
    "DECIMAL(6,2) NULL AFTER id",
];

/// A session that changes schemas.
#[derive(Debug)]
pub(super) struct Changer {
    connection: MySqlConnection,
    random: Random,
    number: u64,
    /// What undoes the last change of a table: `DROP COLUMN a7`.
    undo: Vec<(&'static str, String)>,
}

impl Changer {
    pub(super) async fn open(source: &Server, random: Random) -> Self {
        let mut connection = source.connect().await.expect("the source takes a connection");
        let settings = raw_sql("SET SESSION lock_wait_timeout = 1");
        connection.execute(settings).await.expect("the session is set up");
        Self { connection, random, number: 0, undo: Vec::new() }
    }

    /// Changes schemas until it is to stop; returns how many changes the source took.
    pub(super) async fn work(mut self, pause: Duration, stop: Arc<AtomicBool>) -> u64 {
        let mut taken = 0;
        while !stop.load(Ordering::Relaxed) {
            taken += u64::from(self.change().await);
            tokio::time::sleep(pause.mul_f64(f64::from(self.percent()) / 50.0)).await;
        }
        while let Some((table, clause)) = self.undo.pop() {
            let statement = format!("ALTER TABLE shop.{table} {clause}");
            assert!(self.execute(&statement).await, "{statement}");
            taken += 1;
        }
        taken
    }

    fn percent(&mut self) -> u32 {
        u32::try_from(self.random.below(100)).unwrap_or(0)
    }

    async fn execute(&mut self, statement: &str) -> bool {
        match self.connection.execute(raw_sql(AssertSqlSafe(statement.to_owned()))).await {
            Ok(_) => true,
            // A table that is busy, or a change that does not fit: another one will.
            Err(sqlx::Error::Database(_)) => false,
            Err(error) => panic!("the source answers: {error}"),
        }
    }

    async fn change(&mut self) -> bool {
        self.number += 1;
        let number = self.number;
        let table = *self.random.choose(&["red", "blue", "left_twin", "seat", "orders", "stamp"]);
        if let Some(at) = self.undo.iter().position(|(changed, _)| *changed == table) {
            let (_, clause) = self.undo.swap_remove(at);
            if self.execute(&format!("ALTER TABLE shop.{table} {clause}")).await {
                return true;
            }
            self.undo.push((table, clause));
            return false;
        }
        match self.random.below(10) {
            0..=3 if table != "stamp" => {
                let column = *self.random.choose(&COLUMNS);
                let statement = format!("ALTER TABLE shop.{table} ADD COLUMN a{number} {column}");
                let undo = format!("DROP COLUMN a{number}");
                self.change_and_remember(table, &statement, undo).await
            }
            4 => {
                let statement = format!("CREATE INDEX i{number} ON shop.{table} (id)");
                let undo = format!("DROP INDEX i{number}");
                self.change_and_remember(table, &statement, undo).await
            }
            // Readers and writers know both names, and each table keeps its facts.
            5..=7 => self.swap_colours().await,
            8 => {
                let made = format!("CREATE TABLE shop.own{number} (id INT PRIMARY KEY, n INT)");
                let dropped = format!("DROP TABLE shop.own{number}");
                let written = format!("INSERT INTO shop.own{number} VALUES (1, 1), (2, 2)");
                let altered = format!("ALTER TABLE shop.own{number} ADD COLUMN m INT FIRST");
                let mut all = true;
                for statement in [made, written, altered, dropped] {
                    all &= self.execute(&statement).await;
                }
                all
            }
            _ => self.execute(&format!("ALTER TABLE shop.{table} COMMENT 'c{number}'")).await,
        }
    }

    async fn swap_colours(&mut self) -> bool {
        let swap = "RENAME TABLE shop.red TO shop.aside, shop.blue TO shop.red, \
                    shop.aside TO shop.blue";
        if !self.execute(swap).await {
            return false;
        }
        for (table, _) in &mut self.undo {
            *table = match *table {
                "red" => "blue",
                "blue" => "red",
                other => other,
            };
        }
        true
    }

    async fn change_and_remember(
        &mut self,
        table: &'static str,
        statement: &str,
        undo: String,
    ) -> bool {
        if self.execute(statement).await {
            self.undo.push((table, undo));
            return true;
        }
        false
    }
}
