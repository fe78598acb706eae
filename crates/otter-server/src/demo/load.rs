//! The busy load: customers come, order, pay, return things and leave, in transactions.
//!
//! Some connections share the wanted rate. Each keeps to the orders it has made itself, so that
//! they rarely wait for each other, and keeps their number bounded.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use otter_core::Stop;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{AssertSqlSafe, Connection};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::random::Random;
use super::shop::{self, FIRST_CUSTOMERS, NAMES, PRODUCTS};

/// Enough to keep a server of two cores busy, few enough to leave some for the pipeline.
const CONNECTIONS: u32 = 4;
/// Orders that a connection keeps before it archives the oldest.
const OPEN_ORDERS: usize = 2_000;
/// The table without a key only grows; beyond this the demo's disk matters more than the show.
const MOST_VISITS: u64 = 1_000_000;

/// What the load has done so far.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) transactions: AtomicU64,
    pub(super) inserted: AtomicU64,
    pub(super) updated: AtomicU64,
    pub(super) deleted: AtomicU64,
    visits: AtomicU64,
}

impl Done {
    /// What is done when the shop opens.
    pub(super) fn opening() -> Self {
        let (transactions, inserted) = shop::opening_totals();
        Self {
            transactions: AtomicU64::new(transactions),
            inserted: AtomicU64::new(inserted),
            ..Self::default()
        }
    }

    /// Counts a transaction that changed one row.
    pub(super) fn updated_one(&self) {
        self.transactions.fetch_add(1, Ordering::Relaxed);
        self.updated.fetch_add(1, Ordering::Relaxed);
    }

    /// All changed rows.
    pub(super) fn rows(&self) -> u64 {
        [&self.inserted, &self.updated, &self.deleted]
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .sum()
    }
}

/// Rows that one transaction changes.
#[derive(Debug, Default, Clone, Copy)]
struct Changed {
    inserted: u64,
    updated: u64,
    deleted: u64,
}

/// Runs the load until it is asked to stop; every transaction is then committed or rolled back.
pub(super) async fn run(
    options: MySqlConnectOptions,
    rate: u32,
    done: Arc<Done>,
    stop: Stop,
) -> Result<(), sqlx::Error> {
    let mut shops = JoinSet::new();
    for number in 0..CONNECTIONS {
        let connection = MySqlConnection::connect_with(&options).await?;
        let mut shop = Shop {
            connection,
            random: Random::new(u64::from(number) + 1),
            number,
            customers: u64::from(FIRST_CUSTOMERS),
            orders: VecDeque::new(),
            done: Arc::clone(&done),
        };
        let pace = Duration::from_secs(1) * CONNECTIONS / rate.max(1);
        let stop = stop.clone();
        shops.spawn(async move { shop.trade(pace, &stop).await });
    }
    while let Some(ended) = shops.join_next().await {
        // A task that was cancelled or panicked has nothing to tell.
        ended.unwrap_or(Ok(()))?;
    }
    Ok(())
}

struct Shop {
    connection: MySqlConnection,
    random: Random,
    number: u32,
    customers: u64,
    orders: VecDeque<u64>,
    done: Arc<Done>,
}

impl Shop {
    async fn trade(&mut self, pace: Duration, stop: &Stop) -> Result<(), sqlx::Error> {
        self.sql("SET SESSION time_zone = '+00:00'").await?;
        let mut ticks = interval(pace.max(Duration::from_micros(100)));
        // A server that cannot keep up makes the load slower, not bursty.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !stop.is_asked() {
            tokio::select! {
                biased;
                () = stop.asked() => break,
                _ = ticks.tick() => {}
            }
            match self.transaction().await {
                Ok(changed) => self.count(changed),
                Err(error) if is_contention(&error) => {
                    self.sql("ROLLBACK").await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn transaction(&mut self) -> Result<Changed, sqlx::Error> {
        self.sql("START TRANSACTION").await?;
        let changed = match self.random.below(100) {
            _ if self.orders.len() >= OPEN_ORDERS => self.archive().await?,
            0..45 => self.place_order().await?,
            45..65 => self.move_order_on().await?,
            65..75 => self.welcome_customer().await?,
            75..85 => self.change_customer().await?,
            85..92 => self.return_order().await?,
            _ => self.change_prices().await?,
        };
        self.sql("COMMIT").await?;
        Ok(changed)
    }

    async fn place_order(&mut self) -> Result<Changed, sqlx::Error> {
        let customer = self.any_customer();
        let note =
            if self.random.percent(20) { "'please ring twice — \u{1f6ce}'" } else { "NULL" };
        let mut lines: Vec<(u32, u32)> = Vec::new();
        for _ in 0..self.random.between(1, 4) {
            let product = self.random.between(1, PRODUCTS);
            let quantity = self.random.between(1, 5);
            if lines.iter().all(|(other, _)| *other != product) {
                lines.push((product, quantity));
            }
        }
        // One order of locking for all connections.
        lines.sort_unstable();
        let quantities: u32 = lines.iter().map(|(_, quantity)| quantity).sum();
        let total = f64::from(quantities) * 19.99;
        let order = self
            .insert(format!(
                "INSERT INTO shop.orders (customer_id, status, total, placed_at, note) \
                 VALUES ({customer}, 'placed', {total:.2}, NOW(6), {note})"
            ))
            .await?;
        let items: Vec<String> = lines
            .iter()
            .zip(1..)
            .map(|((product, quantity), line)| {
                format!("({order}, {line}, {product}, {quantity}, 19.99)")
            })
            .collect();
        self.sql(format!("INSERT INTO shop.order_items VALUES {}", items.join(", "))).await?;
        for (product, quantity) in &lines {
            self.sql(format!(
                "UPDATE shop.products SET stock = stock - {quantity} WHERE id = {product}"
            ))
            .await?;
        }
        let mut changed = Changed {
            inserted: 1 + count(lines.len()),
            updated: count(lines.len()),
            ..Changed::default()
        };
        changed.inserted += self.visit(Some(customer)).await?;
        self.orders.push_back(order);
        Ok(changed)
    }

    async fn move_order_on(&mut self) -> Result<Changed, sqlx::Error> {
        let Some(order) = self.any_order() else { return self.welcome_customer().await };
        let status = self.random.pick(&["paid", "shipped", "returned"]).copied().unwrap_or("paid");
        let updated = self
            .sql(format!(
                "UPDATE shop.orders SET status = '{status}', total = total + 0.01 WHERE id = {order}"
            ))
            .await?;
        let inserted = self.visit(None).await?;
        Ok(Changed { updated, inserted, ..Changed::default() })
    }

    async fn welcome_customer(&mut self) -> Result<Changed, sqlx::Error> {
        let name = self.random.pick(&NAMES).copied().unwrap_or("Ada");
        let (number, made) = (self.number, self.customers);
        let id = self
            .insert(format!(
                "INSERT INTO shop.customers (email, name, tier, balance, born, created_at) VALUES \
                 ('new{made}.{number}@example.com', '{name}', 'basic', 0, '1990-02-28', NOW(3))"
            ))
            .await?;
        self.customers += 1;
        let inserted = 1 + self.visit(Some(id)).await?;
        Ok(Changed { inserted, ..Changed::default() })
    }

    async fn change_customer(&mut self) -> Result<Changed, sqlx::Error> {
        let customer = self.any_customer();
        let (tier, cents) = (self.random.between(1, 3), self.random.below(10_000));
        let updated = self
            .sql(format!(
                "UPDATE shop.customers SET tier = {tier}, balance = balance + {cents} / 100, \
                 changed_at = NOW(6) WHERE id = {customer}"
            ))
            .await?;
        Ok(Changed { updated, ..Changed::default() })
    }

    async fn return_order(&mut self) -> Result<Changed, sqlx::Error> {
        let Some(order) = self.orders.pop_front() else { return self.welcome_customer().await };
        self.delete_order(order).await
    }

    /// Deletes the oldest orders in one transaction.
    async fn archive(&mut self) -> Result<Changed, sqlx::Error> {
        let mut changed = Changed::default();
        for _ in 0..50 {
            let Some(order) = self.orders.pop_front() else { break };
            changed.deleted += self.delete_order(order).await?.deleted;
        }
        Ok(changed)
    }

    async fn delete_order(&mut self, order: u64) -> Result<Changed, sqlx::Error> {
        let items =
            self.sql(format!("DELETE FROM shop.order_items WHERE order_id = {order}")).await?;
        let orders = self.sql(format!("DELETE FROM shop.orders WHERE id = {order}")).await?;
        Ok(Changed { deleted: items + orders, ..Changed::default() })
    }

    async fn change_prices(&mut self) -> Result<Changed, sqlx::Error> {
        let first = self.random.between(1, PRODUCTS);
        let (labels, cents) = (self.random.below(16), self.random.below(50));
        let updated = self
            .sql(format!(
                "UPDATE shop.products SET price = price + {cents} / 100, labels = {labels}, \
                 flags = flags ^ 5 WHERE id BETWEEN {first} AND {}",
                first + 10
            ))
            .await?;
        Ok(Changed { updated, ..Changed::default() })
    }

    /// Sometimes somebody looks at a page; the table has no key.
    async fn visit(&mut self, customer: Option<u64>) -> Result<u64, sqlx::Error> {
        let seen = self.done.visits.load(Ordering::Relaxed);
        if seen >= MOST_VISITS || !self.random.percent(50) {
            return Ok(0);
        }
        let customer = customer.map_or_else(|| "NULL".to_owned(), |id| id.to_string());
        let (page, seconds) = (self.random.between(1, PRODUCTS), self.random.below(59));
        self.done.visits.fetch_add(1, Ordering::Relaxed);
        self.sql(format!(
            "INSERT INTO shop.visits VALUES (NOW(6), {customer}, '/products/{page}', \
             '00:01:{seconds:02}.250', 2026, X'4D6F7A00FF')"
        ))
        .await
    }

    fn any_customer(&mut self) -> u64 {
        u64::from(self.random.between(1, FIRST_CUSTOMERS))
    }

    fn any_order(&mut self) -> Option<u64> {
        let (head, tail) = self.orders.as_slices();
        let part = if head.is_empty() { tail } else { head };
        self.random.pick(part).copied()
    }

    fn count(&self, changed: Changed) {
        self.done.inserted.fetch_add(changed.inserted, Ordering::Relaxed);
        self.done.updated.fetch_add(changed.updated, Ordering::Relaxed);
        self.done.deleted.fetch_add(changed.deleted, Ordering::Relaxed);
        self.done.transactions.fetch_add(1, Ordering::Relaxed);
    }

    /// Executes a statement and tells how many rows it changed. All texts are of this file.
    async fn sql(&mut self, statement: impl Into<String>) -> Result<u64, sqlx::Error> {
        let statement = AssertSqlSafe(statement.into());
        Ok(sqlx::raw_sql(statement).execute(&mut self.connection).await?.rows_affected())
    }

    /// Inserts one row and tells its number.
    async fn insert(&mut self, statement: String) -> Result<u64, sqlx::Error> {
        let done = sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut self.connection).await?;
        Ok(done.last_insert_id())
    }
}

/// A deadlock or a lock that was waited for too long: the shop tries something else.
fn is_contention(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else { return false };
    let number = error
        .try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()
        .map(sqlx::mysql::MySqlDatabaseError::number);
    matches!(number, Some(1205 | 1213))
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
