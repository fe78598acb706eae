//! Whether two tables hold the same rows, byte for byte, in whatever order.
//!
//! Every row becomes one text of hexadecimal columns, made alike by MariaDB and MySQL; both
//! sides send them sorted, and the two streams are read side by side. Tables without a key are
//! compared as multisets: a row that stands twice must stand twice on the other side.

use std::cmp::Ordering;

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::{AssertSqlSafe, Row};

/// How one table came out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) source_rows: u64,
    pub(super) target_rows: u64,
    pub(super) only_source: u64,
    pub(super) only_target: u64,
}

impl Outcome {
    pub(super) fn is_equal(&self) -> bool {
        self.only_source == 0 && self.only_target == 0
    }
}

/// Compares one table of the shop.
pub(super) async fn compare(
    source: &mut MySqlConnection,
    target: &mut MySqlConnection,
    table: &str,
) -> Result<Outcome, sqlx::Error> {
    let query = rows_query(source, table).await?;
    for connection in [&mut *source, &mut *target] {
        sqlx::raw_sql("SET SESSION time_zone = '+00:00'").execute(connection).await?;
    }
    let mut ours = texts(source, &query);
    let mut theirs = texts(target, &query);
    let mut outcome = Outcome::default();
    let (mut left, mut right) = (ours.try_next().await?, theirs.try_next().await?);
    loop {
        let order = match (&left, &right) {
            (None, None) => return Ok(outcome),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(left), Some(right)) => left.cmp(right),
        };
        if order != Ordering::Greater {
            outcome.source_rows += 1;
            left = ours.try_next().await?;
        }
        if order != Ordering::Less {
            outcome.target_rows += 1;
            right = theirs.try_next().await?;
        }
        match order {
            Ordering::Less => outcome.only_source += 1,
            Ordering::Greater => outcome.only_target += 1,
            Ordering::Equal => {}
        }
    }
}

/// A row's digest, by which it is sorted, and its text.
type Text = (String, String);

fn texts<'c>(
    connection: &'c mut MySqlConnection,
    query: &'c str,
) -> BoxStream<'c, Result<Text, sqlx::Error>> {
    sqlx::raw_sql(AssertSqlSafe(query.to_owned()))
        .fetch(connection)
        .map(|row: Result<MySqlRow, _>| {
            let row = row?;
            Ok((row.try_get(0)?, row.try_get(1)?))
        })
        .boxed()
}

/// The query of all rows as texts. Servers sort by the first bytes of long texts only, so they
/// sort by a digest; rows of equal digests have equal texts, or else the texts decide.
async fn rows_query(source: &mut MySqlConnection, table: &str) -> Result<String, sqlx::Error> {
    let columns: Vec<String> = sqlx::query_scalar(
        "SELECT CONVERT(COLUMN_NAME USING utf8mb4) FROM information_schema.COLUMNS \
         WHERE TABLE_SCHEMA = 'shop' AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION",
    )
    .bind(table)
    .fetch_all(source)
    .await?;
    let texts: Vec<String> = columns
        .iter()
        .map(|column| format!("IFNULL(HEX(CAST(`{column}` AS BINARY)), 'NULL')"))
        .collect();
    Ok(format!(
        "SELECT CONVERT(SHA2(r, 256) USING utf8mb4), CONVERT(r USING utf8mb4) FROM \
         (SELECT CONCAT_WS('|', {}) AS r FROM shop.`{table}`) AS texts ORDER BY SHA2(r, 256), r",
        texts.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::shop;
    use crate::sandbox::{Flavor, Server, ServerOptions};

    /// The same shop on a server of each kind, opened at the same second.
    async fn shops() -> [(Server, MySqlConnection); 2] {
        let opening = format!("SET timestamp = 1790000000; {}", shop::opening());
        let mut shops = Vec::new();
        for (flavor, id) in [(Flavor::MariaDb, 1), (Flavor::MySql, 2)] {
            let server = Server::start(ServerOptions::new(flavor, id).fast()).await.unwrap();
            server.execute(shop::SCHEMA).await.unwrap();
            server.execute(&opening).await.unwrap();
            let connection = server.connect().await.unwrap();
            shops.push((server, connection));
        }
        shops.try_into().unwrap()
    }

    #[tokio::test]
    async fn equal_rows_are_equal_across_mariadb_and_mysql_and_others_are_counted() {
        let [(source, mut ours), (target, mut theirs)] = shops().await;
        for server in [&source, &target] {
            let twice = "INSERT INTO shop.visits VALUES ('2026-01-02 03:04:05.678901', NULL, '/', \
                         '-00:01:02.003', 2026, X'00FF'), ('2026-01-02 03:04:05.678901', NULL, '/', \
                         '-00:01:02.003', 2026, X'00FF')";
            server.execute(twice).await.unwrap();
        }
        for table in shop::TABLES {
            let outcome = compare(&mut ours, &mut theirs, table).await.unwrap();
            assert!(outcome.is_equal(), "{table}: {outcome:?}");
            assert_eq!(outcome.source_rows, outcome.target_rows);
        }
        let products = compare(&mut ours, &mut theirs, "products").await.unwrap();
        assert_eq!(products.source_rows, u64::from(shop::PRODUCTS));

        // The same change to two rows, and a row that stands there once too often.
        target.execute("UPDATE shop.products SET price = price + 1 WHERE id < 3").await.unwrap();
        let products = compare(&mut ours, &mut theirs, "products").await.unwrap();
        assert_eq!((products.only_source, products.only_target), (2, 2));
        target.execute("DELETE FROM shop.visits LIMIT 1").await.unwrap();
        let visits = compare(&mut ours, &mut theirs, "visits").await.unwrap();
        assert_eq!((visits.only_source, visits.only_target), (1, 0));
    }
}
