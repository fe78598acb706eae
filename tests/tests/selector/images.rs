//! Row images that sessions ask to be smaller: what is absent is told from what is NULL.

use otter_server::sandbox::Flavor;
use otter_tests::testbed::{self, FLAVORS};

use super::support::{open_now, options, show, transactions};

/// `-` is a column that the image does not hold.
const MINIMAL: &[(&str, &str)] = &[
    // The server leaves columns to their defaults: the row has 5 here.
    ("INSERT INTO shop.t (id) VALUES (1)", "insert shop.t 1,-,-,-,-"),
    ("INSERT INTO shop.t VALUES (2, 3, 'x', 'y', 4)", "insert shop.t 2,3,x,y,4"),
    ("UPDATE shop.t SET a = NULL WHERE id = 1", "update shop.t 1,-,-,-,- to -,NULL,-,-,-"),
    ("UPDATE shop.t SET id = 7, d = NULL WHERE id = 2", "update shop.t 2,-,-,-,- to 7,-,-,NULL,-"),
    ("DELETE FROM shop.t WHERE id = 7", "delete shop.t 7,-,-,-,-"),
    // Without a key the image before holds everything.
    ("INSERT INTO shop.keyless VALUES (1, 'x'), (NULL, 'y')", ""),
    ("DELETE FROM shop.keyless WHERE a IS NULL", "delete shop.keyless NULL,y"),
];

const NOBLOB: &[(&str, &str)] = &[
    ("INSERT INTO shop.t (id) VALUES (1)", "insert shop.t 1,5,NULL,-,NULL"),
    ("INSERT INTO shop.t VALUES (2, 3, 'x', 'y', 4)", "insert shop.t 2,3,x,y,4"),
    (
        "UPDATE shop.t SET a = NULL WHERE id = 1",
        "update shop.t 1,5,NULL,-,NULL to 1,NULL,NULL,-,NULL",
    ),
    ("UPDATE shop.t SET d = NULL WHERE id = 2", "update shop.t 2,3,x,-,4 to 2,3,x,NULL,4"),
    ("DELETE FROM shop.t WHERE id = 2", "delete shop.t 2,3,x,-,4"),
];

async fn images_are_read(flavor: Flavor, metadata: &str) {
    let argument = format!("--binlog-row-metadata={metadata}");
    for (image, statements) in [("MINIMAL", MINIMAL), ("NOBLOB", NOBLOB)] {
        let server = testbed::server(flavor).source().arg(&argument).start().await;
        testbed::execute(
            &server,
            "CREATE DATABASE shop; CREATE TABLE shop.keyless (a INT, b VARCHAR(9)); \
             CREATE TABLE shop.t (id INT PRIMARY KEY, a INT DEFAULT 5, b VARCHAR(10), d TEXT, \
             u INT UNIQUE)",
        )
        .await;
        let mut selector = open_now(options(&server)).await;
        for (statement, expected) in statements {
            let sql = format!("SET SESSION binlog_row_image = '{image}'; {statement}");
            testbed::execute(&server, &sql).await;
            let read = show(&transactions(&mut selector, 1).await[0]);
            if !expected.is_empty() {
                assert_eq!(read, *expected, "{flavor} {metadata} {image}: {statement}");
            }
        }
    }
}

#[tokio::test]
async fn absent_columns_are_told_from_null_with_full_metadata() {
    for flavor in FLAVORS {
        images_are_read(flavor, "FULL").await;
    }
}

#[tokio::test]
async fn absent_columns_are_told_from_null_with_minimal_metadata() {
    for flavor in FLAVORS {
        images_are_read(flavor, "MINIMAL").await;
    }
}
