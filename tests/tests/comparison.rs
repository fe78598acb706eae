//! The comparison of two servers: it must see every difference, and no other.
#![allow(
    clippy::large_futures,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use otter_tests::comparison::{assert_tables_equal, compare};
use otter_tests::testbed::{PAIRINGS, execute, mariadb, mysql, start_pair};

const TABLE: &str = "CREATE DATABASE shop;
    CREATE TABLE shop.item (
        id BIGINT UNSIGNED, f FLOAT, d DOUBLE, n DECIMAL(30,10), t TIME(6), dt DATETIME(3),
        ts TIMESTAMP(6) NULL, y YEAR, b BIT(9), e ENUM('', 'x'), s SET('p', 'q'),
        c VARCHAR(20) COLLATE utf8mb4_general_ci, l VARCHAR(20) CHARACTER SET latin1, bin VARBINARY(20), g POINT
    )";
const ROW: &str =
    "18446744073709551615, 0.1, 0.1, '12345678901234567890.0123456789', '-838:59:58.000001',
    '2026-01-02 03:04:05.678', '2026-01-02 03:04:05.678901', 2026, b'100000001', 'x', 'p,q',
    'caf\u{e9} \u{1f9a6}', '\u{e9}', x'00ff2c', ST_GeomFromText('POINT(1 2)')";

#[tokio::test]
async fn equal_rows_of_all_types_are_equal_on_every_pairing() {
    for pairing in PAIRINGS {
        let (source, target) = start_pair(pairing).await;
        let rows = format!(
            "INSERT INTO shop.item VALUES ({ROW}), ({ROW}); INSERT INTO shop.item (id) VALUES (1)"
        );
        for server in [&source, &target] {
            execute(server, TABLE).await;
            execute(server, &rows).await;
        }
        assert_eq!(assert_tables_equal(&source, &target, &["shop.item"]).await, 3, "{pairing:?}");
    }
}

#[tokio::test]
async fn the_smallest_difference_is_seen() {
    let (source, target) = tokio::join!(mariadb().start(), mysql().start());
    for server in [&source, &target] {
        execute(server, TABLE).await;
    }
    let cases = [
        ("id", "18446744073709551615", "18446744073709551614"),
        ("f", "16777216", "16777218"),
        ("d", "0.1", "0.10000000000000002"),
        ("n", "1.0000000001", "1.0000000002"),
        ("ts", "'2026-01-02 03:04:05.000001'", "'2026-01-02 03:04:05.000002'"),
        ("b", "b'1'", "b'0'"),
        ("e", "''", "NULL"),
        ("c", "'a'", "'A'"),
        ("c", "'a'", "'a '"),
        ("c", "''", "NULL"),
        ("c", "'NULL'", "NULL"),
        ("bin", "x'00'", "x'0000'"),
        ("g", "ST_GeomFromText('POINT(1 2)')", "ST_GeomFromText('POINT(2 1)')"),
    ];
    for (column, left, right) in cases {
        execute(&source, &format!("INSERT INTO shop.item ({column}) VALUES ({left})")).await;
        execute(&target, &format!("INSERT INTO shop.item ({column}) VALUES ({right})")).await;
        let outcome = compare(&source, &target, ("shop.item", "shop.item")).await;
        assert!(outcome.is_err(), "{column}: {left} is not {right}");
        for server in [&source, &target] {
            execute(server, "TRUNCATE TABLE shop.item").await;
        }
    }
}

#[tokio::test]
async fn a_row_that_is_there_twice_differs_from_one_that_is_there_once() {
    let (source, target) = tokio::join!(mariadb().start(), mariadb().start());
    for server in [&source, &target] {
        execute(server, "CREATE DATABASE shop; CREATE TABLE shop.log (line VARCHAR(20))").await;
        execute(server, "INSERT INTO shop.log VALUES ('once')").await;
    }
    execute(&source, "INSERT INTO shop.log VALUES ('twice'), ('twice')").await;
    execute(&target, "INSERT INTO shop.log VALUES ('twice'), (NULL)").await;
    let difference = compare(&source, &target, ("shop.log", "shop.log")).await.unwrap_err();
    assert_eq!(
        difference.to_string(),
        "shop.log differs: 3 rows at the source, 3 at the target\n  \
         only at the source: 1 different rows\n    line: \"twice\"\n  \
         only at the target: 1 different rows\n    line: NULL\n"
    );
}

#[tokio::test]
async fn tables_of_other_names_are_compared_by_the_columns_of_the_source() {
    let (source, target) = tokio::join!(mariadb().start(), mysql().start());
    execute(&source, "CREATE DATABASE a; CREATE TABLE a.x (id INT); INSERT INTO a.x VALUES (7)")
        .await;
    execute(
        &target,
        "CREATE DATABASE b; CREATE TABLE b.y (more INT, id INT); INSERT INTO b.y VALUES (1, 7)",
    )
    .await;
    assert_eq!(compare(&source, &target, ("a.x", "b.y")).await, Ok(1));
}
