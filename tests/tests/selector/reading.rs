//! What is read, what is left out, and what stops the reading.

use std::time::Duration;

use otter_binlog::selector::BinlogSelector;
use otter_core::{Budget, Select, Start};
use otter_server::sandbox::{Flavor, Server};
use otter_tests::testbed::{self, FLAVORS};
use otter_tests::wait::wait_until;

use super::support::{
    BUDGET, DEADLINE, assert_fatal, failure, next, open_now, options, show, transactions,
};

const SHOP: &str = "CREATE DATABASE shop; CREATE DATABASE other;
    CREATE TABLE shop.item (id INT PRIMARY KEY, name VARCHAR(100));
    CREATE TABLE other.item (id INT PRIMARY KEY, name VARCHAR(100))";

async fn source(flavor: Flavor, args: &[&str]) -> Server {
    let testbed = args.iter().fold(testbed::server(flavor).source(), |it, arg| it.arg(*arg));
    let server = testbed.start().await;
    testbed::execute(&server, SHOP).await;
    server
}

#[tokio::test]
async fn other_tables_are_left_out_and_the_position_still_moves() {
    for flavor in FLAVORS {
        let server = source(flavor, &[]).await;
        let mut options = options(&server);
        options.progress_interval = Duration::from_millis(50);
        let mut selector = BinlogSelector::new(options);
        let begin = selector.locate(&Start::Now).await.unwrap();
        selector.open(&begin, &Budget::new(BUDGET)).await.unwrap();
        testbed::execute(&server, "INSERT INTO other.item VALUES (1, 'a'), (2, 'b')").await;
        let batch = next(&mut selector).await;
        assert_eq!((batch.transactions.len(), &batch.after), (0, &begin));
        let moved = batch.through.unwrap();
        assert_eq!((moved.covers(&begin), begin.covers(&moved)), (Some(true), Some(false)));
        testbed::execute(
            &server,
            "BEGIN; INSERT INTO other.item VALUES (3, 'c'); INSERT INTO shop.item VALUES (3, 'c'); \
             COMMIT",
        )
        .await;
        let read = transactions(&mut selector, 1).await;
        assert_eq!(show(&read[0]), "insert shop.item 3,c");
    }
}

#[tokio::test]
async fn the_mark_tells_the_origin_and_otter_s_own_tables_are_left_out() {
    for flavor in FLAVORS {
        for metadata in ["FULL", "MINIMAL"] {
            let server = source(flavor, &[&format!("--binlog-row-metadata={metadata}")]).await;
            testbed::execute(
                &server,
                "CREATE DATABASE otter;
                 CREATE TABLE otter.mark (origin VARCHAR(100) PRIMARY KEY, n BIGINT);
                 CREATE TABLE otter.checkpoint (id INT PRIMARY KEY, n BIGINT);
                 INSERT INTO otter.checkpoint VALUES (1, 1)",
            )
            .await;
            let mut options = options(&server);
            options.filter = std::sync::Arc::new(|_| true);
            let mut selector = open_now(options).await;
            testbed::execute(
                &server,
                "BEGIN; INSERT INTO otter.mark VALUES ('virginia', 1) \
                 ON DUPLICATE KEY UPDATE n = n + 1; INSERT INTO shop.item VALUES (1, 'a'); \
                 UPDATE otter.checkpoint SET n = 2; COMMIT; \
                 BEGIN; INSERT INTO otter.mark VALUES ('virginia', 1) \
                 ON DUPLICATE KEY UPDATE n = n + 1; INSERT INTO shop.item VALUES (2, 'b'); COMMIT; \
                 BEGIN; INSERT INTO shop.item VALUES (3, 'c'); \
                 UPDATE otter.mark SET n = n + 1; COMMIT",
            )
            .await;
            let read = transactions(&mut selector, 3).await;
            let origin =
                |index: usize| read[index].origin.as_ref().map(|origin| origin.0.to_string());
            assert_eq!(show(&read[0]), "insert shop.item 1,a");
            assert_eq!(origin(0).as_deref(), Some("virginia"));
            // An update of the mark names the site as well.
            assert_eq!(origin(1).as_deref(), Some("virginia"));
            // A mark that is not the first row signs nothing.
            assert_eq!((show(&read[2]).as_str(), origin(2)), ("insert shop.item 3,c", None));
        }
    }
}

#[tokio::test]
async fn a_committed_transaction_is_there_at_once() {
    for flavor in FLAVORS {
        let server = source(flavor, &[]).await;
        let mut selector = open_now(options(&server)).await;
        for id in 0..20 {
            testbed::execute(&server, &format!("INSERT INTO shop.item VALUES ({id}, 'x')")).await;
            let began = tokio::time::Instant::now();
            let read = transactions(&mut selector, 1).await;
            assert_eq!(show(&read[0]), format!("insert shop.item {id},x"));
            // The interval of reports, and the heartbeat, are a second and two.
            assert!(began.elapsed() < Duration::from_millis(800), "{:?}", began.elapsed());
        }
    }
}

#[tokio::test]
async fn savepoints_take_back_what_came_behind_them() {
    for flavor in FLAVORS {
        let server = source(flavor, &[]).await;
        let mut selector = open_now(options(&server)).await;
        testbed::execute(
            &server,
            "BEGIN; INSERT INTO shop.item VALUES (1, 'a'); SAVEPOINT s; \
             INSERT INTO shop.item VALUES (2, 'b'); ROLLBACK TO s; \
             INSERT INTO shop.item VALUES (3, 'c'); COMMIT; \
             BEGIN; INSERT INTO shop.item VALUES (4, 'd'); ROLLBACK; \
             INSERT INTO shop.item VALUES (5, 'e')",
        )
        .await;
        let read = transactions(&mut selector, 2).await;
        assert_eq!(show(&read[0]), "insert shop.item 1,a | insert shop.item 3,c");
        assert_eq!(show(&read[1]), "insert shop.item 5,e");
    }
}

#[tokio::test]
async fn compressed_binlogs_are_read_as_plain_ones() {
    for (flavor, args) in [
        (Flavor::MySql, &["--binlog-transaction-compression=ON"][..]),
        (Flavor::MariaDb, &["--log-bin-compress=ON", "--log-bin-compress-min-len=10"]),
    ] {
        let server = source(flavor, args).await;
        let mut selector = open_now(options(&server)).await;
        testbed::execute(
            &server,
            "BEGIN; INSERT INTO shop.item VALUES (1, REPEAT('a', 100)), (2, REPEAT('b', 100)); \
             UPDATE shop.item SET name = 'c' WHERE id = 1; DELETE FROM shop.item WHERE id = 2; \
             COMMIT; ALTER TABLE shop.item ADD COLUMN n INT COMMENT 'aaaaaaaaaaaaaaaaaaaaaaaaaa'; \
             INSERT INTO shop.item VALUES (3, 'd', 7)",
        )
        .await;
        let read = transactions(&mut selector, 3).await;
        let (a, b) = ("a".repeat(100), "b".repeat(100));
        assert_eq!(
            show(&read[0]),
            format!(
                "insert shop.item 1,{a} | insert shop.item 2,{b} | update shop.item 1,{a} to 1,c \
                 | delete shop.item 2,{b}"
            )
        );
        assert!(show(&read[1]).starts_with("ALTER TABLE [ALTER TABLE shop.item ADD"));
        assert_eq!(show(&read[2]), "insert shop.item 3,d,7");
        // A position behind a compressed transaction is one to go on from.
        let end = read[2].end.clone().unwrap();
        let mut position = selector.locate(&Start::Now).await.unwrap();
        position.advance(&end);
        selector.open(&position, &Budget::new(BUDGET)).await.unwrap();
        testbed::execute(&server, "DELETE FROM shop.item WHERE id = 3").await;
        assert_eq!(show(&transactions(&mut selector, 1).await[0]), "delete shop.item 3,d,7");
    }
}

#[tokio::test]
async fn a_sequence_of_mariadb_is_no_table() {
    for metadata in ["FULL", "NO_LOG"] {
        let arg = format!("--binlog-row-metadata={metadata}");
        let server = source(Flavor::MariaDb, &[&arg]).await;
        let mut selector = open_now(options(&server)).await;
        testbed::execute(
            &server,
            "CREATE SEQUENCE shop.s CACHE 1; SELECT NEXTVAL(shop.s); \
             INSERT INTO shop.item VALUES (NEXTVAL(shop.s), 'a')",
        )
        .await;
        assert_eq!(show(&transactions(&mut selector, 1).await[0]), "insert shop.item 2,a");
        // A table of the same names is one.
        testbed::execute(
            &server,
            "CREATE TABLE shop.alike (next_not_cached_value INT NOT NULL, minimum_value INT NOT NULL, \
             maximum_value INT NOT NULL, start_value INT NOT NULL, increment INT NOT NULL, \
             cache_size INT NOT NULL, cycle_option INT NOT NULL, cycle_count INT NOT NULL); \
             INSERT INTO shop.alike VALUES (1, 2, 3, 4, 5, 6, 7, 8)",
        )
        .await;
        let read = transactions(&mut selector, 2).await;
        assert_eq!(show(&read[1]), "insert shop.alike 1,2,3,4,5,6,7,8", "{metadata}");
    }
}

#[tokio::test]
async fn what_was_read_before_a_fault_is_handed_out_before_it() {
    let server = source(Flavor::MariaDb, &[]).await;
    let mut selector = BinlogSelector::new(options(&server));
    let position = selector.locate(&Start::Now).await.unwrap();
    // They arrive together, and nothing waits between them.
    testbed::execute(
        &server,
        "INSERT INTO shop.item VALUES (1, 'a'); INSERT INTO shop.item VALUES (2, 'b'); \
         SET SESSION binlog_format = STATEMENT; INSERT INTO shop.item VALUES (3, 'c')",
    )
    .await;
    selector.open(&position, &Budget::new(BUDGET)).await.unwrap();
    let read = transactions(&mut selector, 2).await;
    assert_eq!(show(&read[1]), "insert shop.item 2,b");
    let error = failure(&mut selector).await;
    assert!(error.to_string().contains("INSERT statement at "), "{error}");
}

#[tokio::test]
async fn rows_that_were_logged_as_statements_stop_the_reading() {
    let server = source(Flavor::MariaDb, &[]).await;
    let mut selector = open_now(options(&server)).await;
    testbed::execute(
        &server,
        "SET SESSION binlog_format = STATEMENT; INSERT INTO shop.item VALUES (1, 'secret')",
    )
    .await;
    let error = failure(&mut selector).await;
    assert_fatal(&error, "SET GLOBAL binlog_format = ROW");
    assert!(error.to_string().contains("INSERT statement at binlog."), "{error}");
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[tokio::test]
async fn settings_that_would_lose_changes_are_refused_at_the_start() {
    for (flavor, statement, words) in [
        (Flavor::MariaDb, "SET GLOBAL binlog_format = MIXED", "SET GLOBAL binlog_format = ROW"),
        (
            Flavor::MySql,
            "SET GLOBAL binlog_row_image = MINIMAL",
            "SET GLOBAL binlog_row_image = FULL",
        ),
    ] {
        let server = source(flavor, &[]).await;
        testbed::execute(&server, statement).await;
        let mut selector = BinlogSelector::new(options(&server));
        let error = selector.locate(&Start::Now).await.unwrap_err();
        assert_fatal(&error, words);
    }
}

#[tokio::test]
async fn a_source_that_falls_silent_or_goes_away_is_a_transient_fault() {
    let mut server = source(Flavor::MySql, &[]).await;
    let mut options = options(&server);
    options.heartbeat = Duration::from_millis(200);
    let mut selector = open_now(options).await;
    testbed::execute(&server, "INSERT INTO shop.item VALUES (1, 'a')").await;
    transactions(&mut selector, 1).await;
    server.pause().unwrap();
    let error = failure(&mut selector).await;
    assert_eq!(error.fault(), otter_core::Fault::Transient, "{error}");
    assert!(error.to_string().contains("silent"), "{error}");
    server.resume().unwrap();
    let position = selector.locate(&Start::Now).await.unwrap();
    selector.open(&position, &Budget::new(BUDGET)).await.unwrap();
    server.kill9().unwrap();
    let error = failure(&mut selector).await;
    assert_eq!(error.fault(), otter_core::Fault::Transient, "{error}");
}

#[tokio::test]
async fn a_definition_is_read_again_by_a_connection_that_the_server_has_closed() {
    let server = source(Flavor::MariaDb, &["--binlog-row-metadata=NO_LOG"]).await;
    testbed::execute(&server, "CREATE TABLE shop.later (id INT PRIMARY KEY)").await;
    let mut selector = open_now(options(&server)).await;
    testbed::execute(&server, "INSERT INTO shop.item VALUES (1, 'a')").await;
    transactions(&mut selector, 1).await;
    let idle = "SELECT id FROM information_schema.processlist \
                WHERE command = 'Sleep' AND info IS NULL AND id <> CONNECTION_ID()";
    wait_until("the schema's connection is closed", DEADLINE, async || {
        for row in otter_tests::query::texts(&server, idle).await {
            // It may have ended by itself.
            let _ = server.execute(&format!("KILL {}", row[0])).await;
        }
        otter_tests::query::texts(&server, idle).await.is_empty()
    })
    .await;
    testbed::execute(&server, "INSERT INTO shop.later VALUES (2)").await;
    assert_eq!(show(&transactions(&mut selector, 1).await[0]), "insert shop.later 2");
}
