//! A session of the source: random transactions, each of which keeps all facts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use otter_core::testkit::random::Random;
use otter_server::sandbox::Server;
use sqlx::mysql::{MySqlConnection, MySqlDatabaseError};
use sqlx::{AssertSqlSafe, Executor, raw_sql};

use super::facts::{ACCOUNTS, SEATS};

/// The other session was quicker: deadlocks, lock waits, tables that have just changed.
const CLASHES: [u16; 4] = [1205, 1213, 1412, 1020];

/// A session that writes.
#[derive(Debug)]
pub(super) struct Writer {
    connection: MySqlConnection,
    random: Random,
    session: u64,
    /// Of the next twin, order and item.
    next: u64,
    committed: Arc<AtomicU64>,
}

impl Writer {
    pub(super) async fn open(
        source: &Server,
        random: Random,
        session: u64,
        committed: Arc<AtomicU64>,
    ) -> Self {
        let mut connection = source.connect().await.expect("the source takes a connection");
        let settings = "SET SESSION innodb_lock_wait_timeout = 2, lock_wait_timeout = 10";
        connection.execute(raw_sql(settings)).await.expect("the session is set up");
        Self { connection, random, session, next: 0, committed }
    }

    /// Writes until it is to stop.
    pub(super) async fn work(mut self, pause: Duration, stop: Arc<AtomicBool>) {
        while !stop.load(Ordering::Relaxed) {
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            let text = self.transaction();
            if self.execute(&text).await {
                self.committed.fetch_add(1, Ordering::Relaxed);
            } else {
                self.execute("ROLLBACK").await;
            }
        }
    }

    /// Tells whether the source has taken all of it.
    async fn execute(&mut self, text: &str) -> bool {
        match self.connection.execute(raw_sql(AssertSqlSafe(text.to_owned()))).await {
            Ok(_) => true,
            Err(sqlx::Error::Database(error)) => {
                let number = error.downcast_ref::<MySqlDatabaseError>().number();
                assert!(CLASHES.contains(&number), "{error}: {text}");
                false
            }
            Err(error) => panic!("the source answers: {error}"),
        }
    }

    fn transaction(&mut self) -> String {
        let session = self.session;
        let mut text = String::from("BEGIN; ");
        for _ in 0..1 + self.random.below(3) {
            text.push_str(&self.action());
        }
        if self.random.chance(15) {
            text.push_str(
                "UPDATE shop.ticket SET n = n + 1; INSERT INTO shop.stamp SELECT n FROM shop.ticket; ",
            );
            if self.random.chance(10) {
                text.push_str(
                    "UPDATE shop.ticket SET base = n - 20 WHERE n > 20; \
                     DELETE FROM shop.stamp WHERE n <= (SELECT base FROM shop.ticket); ",
                );
            }
        }
        text.push_str(&format!(
            "UPDATE shop.counter SET n = n + 1 WHERE session = {session}; \
             INSERT INTO shop.journal SELECT session, n FROM shop.counter WHERE session = {session}; "
        ));
        if self.random.chance(4) {
            text.push_str(&format!(
                "UPDATE shop.counter SET base = n - 10 WHERE session = {session} AND n > 10; \
                 DELETE FROM shop.journal WHERE session = {session} \
                 AND n <= (SELECT base FROM shop.counter WHERE session = {session}); "
            ));
        }
        text.push_str(if self.random.chance(5) { "ROLLBACK; BEGIN; COMMIT" } else { "COMMIT" });
        text
    }

    fn action(&mut self) -> String {
        match self.random.below(12) {
            0..=3 => self.transfer(),
            4 | 5 => self.twins(),
            6 | 7 => self.swap(),
            8 => self.order(),
            9 => self.item(),
            10 => self.ledger(),
            _ => self.notes(),
        }
    }

    fn account(&mut self) -> u64 {
        1 + self.random.number() % ACCOUNTS
    }

    fn transfer(&mut self) -> String {
        let colour = *self.random.choose(&["red", "blue"]);
        let (from, to) = (self.account(), self.account());
        let amount = self.random.below(50);
        format!(
            "UPDATE shop.{colour} SET balance = balance - {amount} WHERE id = {from}; \
             UPDATE shop.{colour} SET balance = balance + {amount} WHERE id = {to}; "
        )
    }

    /// Two rows come together, or some pairs go together.
    fn twins(&mut self) -> String {
        self.next += 1;
        let first = self.session * 1_000_000_000;
        let id = first + self.next;
        if self.random.chance(70) {
            return format!(
                "INSERT INTO shop.left_twin (id, v) VALUES ({id}, {0}); \
                 INSERT INTO shop.right_twin (id, v) VALUES ({id}, 'v{0}'); ",
                self.random.below(1_000)
            );
        }
        let below = id.saturating_sub(30).max(first);
        format!(
            "DELETE FROM shop.right_twin WHERE id > {first} AND id < {below}; \
             DELETE FROM shop.left_twin WHERE id > {first} AND id < {below}; "
        )
    }

    /// Two seats exchange their holders.
    fn swap(&mut self) -> String {
        let (one, two) = (1 + self.random.number() % SEATS, 1 + self.random.number() % SEATS);
        if one == two {
            return String::new();
        }
        format!(
            "SELECT holder INTO @one FROM shop.seat WHERE id = {one} FOR UPDATE; \
             SELECT holder INTO @two FROM shop.seat WHERE id = {two} FOR UPDATE; \
             UPDATE shop.seat SET holder = -1 - {session} WHERE id = {one}; \
             UPDATE shop.seat SET holder = @one WHERE id = {two}; \
             UPDATE shop.seat SET holder = @two WHERE id = {one}; ",
            session = self.session
        )
    }

    /// An order comes with its items, or an old one goes and takes them along.
    fn order(&mut self) -> String {
        self.next += 1;
        let first = self.session * 1_000_000_000;
        let id = first + self.next;
        if self.random.chance(60) {
            let (one, two) = (self.random.below(100), self.random.below(100));
            return format!(
                "INSERT INTO shop.orders (id, total) VALUES ({id}, {}); \
                 INSERT INTO shop.item (id, orders, price) VALUES ({}, {id}, {one}), ({}, {id}, {two}); ",
                one + two,
                id * 2,
                id * 2 + 1
            );
        }
        let below = id.saturating_sub(40).max(first);
        format!("DELETE FROM shop.orders WHERE id > {first} AND id < {below}; ")
    }

    /// An item changes its price, and its order the total.
    fn item(&mut self) -> String {
        let first = self.session * 1_000_000_000;
        let id = first + self.next.saturating_sub(self.random.number() % 20);
        let more = self.random.below(10);
        format!(
            "UPDATE shop.orders o JOIN shop.item i ON i.orders = o.id \
             SET o.total = o.total + {more}, i.price = i.price + {more} WHERE i.id = {}; ",
            id * 2
        )
    }

    fn ledger(&mut self) -> String {
        let (session, amount) = (self.session, self.random.below(20));
        if self.random.chance(70) {
            return format!(
                "INSERT INTO shop.ledger (owner, amount) VALUES ({session}, {amount}), ({session}, -{amount}); "
            );
        }
        format!("DELETE FROM shop.ledger WHERE owner = {session}; ")
    }

    /// Many rows at once.
    fn notes(&mut self) -> String {
        let colour = *self.random.choose(&["red", "blue"]);
        let (from, note) = (self.account(), self.random.below(100));
        format!(
            "UPDATE shop.{colour} SET note = 'n{note}' WHERE id BETWEEN {from} AND {}; ",
            from + 8
        )
    }
}
