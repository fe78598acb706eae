//! Rare histories on real servers that once made the selector lose, tear or halt.
#![allow(
    clippy::large_futures,
    clippy::wildcard_enum_match_arm,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::panic,
    clippy::expect_used,
    missing_docs,
    reason = "tests describe themselves by their names"
)]
#![allow(dead_code, reason = "the helpers are shared with the other tests of the selector")]

use std::time::Duration;

use otter_binlog::selector::BinlogSelector;
use otter_core::{Budget, Part, Select, Start};
use otter_server::sandbox::{Flavor, Server};
use otter_tests::testbed::{self, FLAVORS};
use tokio::time::{sleep, timeout};

#[path = "selector/support.rs"]
mod support;
use support::{next, open_now, options, show, transactions};

const SHOP: &str = "CREATE DATABASE shop; CREATE DATABASE other;
    CREATE TABLE shop.item (id INT PRIMARY KEY, name LONGTEXT);
    CREATE TABLE other.item (id INT PRIMARY KEY)";

async fn source(flavor: Flavor, args: &[&str]) -> Server {
    let testbed = args.iter().fold(testbed::server(flavor).source(), |it, arg| it.arg(*arg));
    let server = testbed.start().await;
    testbed::execute(&server, SHOP).await;
    server
}

/// INVARIANT TXN-1: nothing comes between the fragments of one transaction, however slowly they
/// are taken.
#[tokio::test]
async fn no_progress_is_reported_inside_a_transaction_that_comes_in_fragments() {
    for flavor in FLAVORS {
        let server = source(flavor, &[]).await;
        let mut options = options(&server);
        options.fragment_bytes = 64 * 1024;
        options.batch_rows = 1;
        options.progress_interval = Duration::from_millis(700);
        let mut selector = open_now(options).await;
        let rows: Vec<String> = (0..2_000).map(|id| format!("({id}, REPEAT('x', 200))")).collect();
        testbed::execute(
            &server,
            &format!(
                "INSERT INTO shop.item VALUES (-1, 'before'); INSERT INTO other.item VALUES (1); \
                 BEGIN; INSERT INTO shop.item VALUES {}; COMMIT",
                rows.join(",")
            ),
        )
        .await;
        let before = next(&mut selector).await;
        assert_eq!(before.transactions[0].part, Part::Whole);
        let mut first = next(&mut selector).await;
        if first.transactions.is_empty() {
            first = next(&mut selector).await;
        }
        assert_eq!(first.transactions[0].part, Part::Fragment { index: 0, last: false });
        sleep(Duration::from_millis(800)).await;
        let mut index = 0;
        loop {
            let batch = next(&mut selector).await;
            index += 1;
            assert_eq!(batch.transactions.len(), 1, "progress behind fragment {}", index - 1);
            match batch.transactions[0].part {
                Part::Fragment { index: found, last } => {
                    assert_eq!(found, index);
                    assert_eq!(batch.after, first.after);
                    if last {
                        break;
                    }
                }
                Part::Whole | Part::Copied => panic!("a whole transaction among fragments"),
            }
        }
    }
}

/// The server logs a rolled back savepoint where a temporary table was made in the transaction.
#[tokio::test]
async fn savepoints_are_found_whatever_the_case_of_their_names() {
    for flavor in FLAVORS {
        let server = source(flavor, &[]).await;
        let mut selector = open_now(options(&server)).await;
        testbed::execute(
            &server,
            "USE shop; BEGIN; INSERT INTO item VALUES (1, 'a'); CREATE TEMPORARY TABLE t (id INT); \
             SAVEPOINT Keep; INSERT INTO item VALUES (2, 'b'); ROLLBACK TO keep; COMMIT",
        )
        .await;
        let read = transactions(&mut selector, 1).await;
        assert_eq!(show(&read[0]), "insert shop.item 1,a", "{flavor:?}");
    }
}

#[tokio::test]
async fn a_statement_with_settings_of_its_own_is_what_it_sets_them_for() {
    let server = source(Flavor::MariaDb, &[]).await;
    let mut selector = open_now(options(&server)).await;
    testbed::execute(
        &server,
        "SET STATEMENT lock_wait_timeout = 5 FOR ALTER TABLE shop.item ADD COLUMN n INT; \
         INSERT INTO shop.item VALUES (1, 'a', 2)",
    )
    .await;
    let read = transactions(&mut selector, 2).await;
    assert!(show(&read[0]).starts_with("ALTER TABLE ["), "{}", show(&read[0]));
    assert_eq!(show(&read[1]), "insert shop.item 1,a,2");
}

#[tokio::test]
async fn a_database_is_known_in_any_case_where_the_server_folds_names() {
    // MySQL fixes this when it is set up, so that the template does not fit.
    let server = source(Flavor::MariaDb, &["--lower-case-table-names=1"]).await;
    let mut selector = open_now(options(&server)).await;
    testbed::execute(&server, "DROP DATABASE SHOP").await;
    let read = timeout(Duration::from_secs(10), transactions(&mut selector, 1)).await.unwrap();
    assert!(show(&read[0]).starts_with("DROP DATABASE ["), "{}", show(&read[0]));
}

/// INVARIANT MEM-1: rows that were taken back take no room that somebody waits for.
#[tokio::test]
async fn rows_that_are_rolled_back_again_and_again_do_not_use_up_the_budget() {
    for flavor in FLAVORS {
        let server = source(flavor, &[]).await;
        let mut selector = BinlogSelector::new(options(&server));
        let position = selector.locate(&Start::Now).await.unwrap();
        selector.open(&position, &Budget::new(256 * 1024)).await.unwrap();
        let again = "SAVEPOINT s; INSERT INTO item VALUES (2, REPEAT('x', 60000)); ROLLBACK TO s; "
            .repeat(12);
        testbed::execute(
            &server,
            &format!(
                "USE shop; BEGIN; CREATE TEMPORARY TABLE t (id INT); {again} \
                 INSERT INTO item VALUES (1, 'a'); COMMIT"
            ),
        )
        .await;
        let read = timeout(Duration::from_secs(15), transactions(&mut selector, 1)).await;
        let read = read.unwrap_or_else(|_| panic!("{flavor:?}: the selector hangs"));
        assert_eq!(show(&read[0]), "insert shop.item 1,a");
    }
}

#[tokio::test]
async fn compressed_columns_of_every_length_of_length_are_read() {
    let server = source(Flavor::MariaDb, &[]).await;
    testbed::execute(
        &server,
        "SET NAMES latin1; CREATE TABLE shop.z (id INT PRIMARY KEY, \
         a VARCHAR(254) COMPRESSED CHARACTER SET latin1, b VARCHAR(255) COMPRESSED CHARACTER SET latin1, \
         c VARCHAR(256) COMPRESSED CHARACTER SET latin1, d VARCHAR(253) COMPRESSED CHARACTER SET latin1, \
         e TINYTEXT COMPRESSED, f LONGTEXT COMPRESSED)",
    )
    .await;
    let mut selector = open_now(options(&server)).await;
    testbed::execute(&server, "INSERT INTO shop.z VALUES (1, 'a', 'b', 'c', 'd', 'e', 'f')").await;
    assert_eq!(show(&transactions(&mut selector, 1).await[0]), "insert shop.z 1,a,b,c,d,e,f");
}
