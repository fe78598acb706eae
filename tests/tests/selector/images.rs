//! Row images that sessions ask to be smaller: what is absent is told from what is NULL.

use otter_server::sandbox::Flavor;
use otter_tests::testbed::{self, FLAVORS};

use super::support::{assert_fatal, failure, open_now, options, reading, show, transactions};

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

/// Whose setting it is.
#[derive(Debug, Clone, Copy)]
enum Of {
    Session,
    /// Which only readers are content with.
    Server,
}

async fn images_are_read(flavor: Flavor, metadata: &str, of: Of) {
    let argument = format!("--binlog-row-metadata={metadata}");
    for (image, statements) in [("MINIMAL", MINIMAL), ("NOBLOB", NOBLOB)] {
        let server = testbed::server(flavor).source().arg(&argument);
        let server = match of {
            Of::Session => server.start().await,
            Of::Server => server.arg(format!("--binlog-row-image={image}")).start().await,
        };
        testbed::execute(
            &server,
            "CREATE DATABASE shop; CREATE TABLE shop.keyless (a INT, b VARCHAR(9)); \
             CREATE TABLE shop.t (id INT PRIMARY KEY, a INT DEFAULT 5, b VARCHAR(10), d TEXT, \
             u INT UNIQUE)",
        )
        .await;
        let (options, set) = match of {
            Of::Session => (options(&server), format!("SET SESSION binlog_row_image = '{image}';")),
            Of::Server => (reading(&server), String::new()),
        };
        let mut selector = open_now(options).await;
        for (statement, expected) in statements {
            let sql = format!("{set} {statement}");
            testbed::execute(&server, &sql).await;
            let read = show(&transactions(&mut selector, 1).await[0]);
            if !expected.is_empty() {
                assert_eq!(read, *expected, "{flavor} {metadata} {image} {of:?}: {statement}");
            }
        }
    }
}

#[tokio::test]
async fn absent_columns_are_told_from_null_with_full_metadata() {
    for flavor in FLAVORS {
        images_are_read(flavor, "FULL", Of::Session).await;
    }
}

#[tokio::test]
async fn absent_columns_are_told_from_null_with_minimal_metadata() {
    for flavor in FLAVORS {
        images_are_read(flavor, "MINIMAL", Of::Session).await;
    }
}

#[tokio::test]
async fn a_reader_takes_what_a_server_logs_that_leaves_columns_out_for_all() {
    for flavor in FLAVORS {
        images_are_read(flavor, "FULL", Of::Server).await;
        images_are_read(flavor, "MINIMAL", Of::Server).await;
    }
}

#[tokio::test]
async fn a_reader_goes_on_with_mixed_logging_until_a_statement_is_no_rows() {
    for flavor in FLAVORS {
        let server = testbed::server(flavor).source().start().await;
        let tables = "CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY)";
        testbed::execute(&server, tables).await;
        testbed::execute(&server, "SET GLOBAL binlog_format = MIXED").await;
        let mut selector = open_now(reading(&server)).await;
        let rows = "SET SESSION binlog_format = ROW; INSERT INTO shop.t VALUES (1)";
        testbed::execute(&server, rows).await;
        assert_eq!(show(&transactions(&mut selector, 1).await[0]), "insert shop.t 1", "{flavor}");
        testbed::execute(&server, "INSERT INTO shop.t VALUES (2)").await;
        let error = failure(&mut selector).await;
        assert_fatal(&error, "SET GLOBAL binlog_format = ROW");
    }
}
