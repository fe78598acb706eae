//! Schema changes as events, and the definitions behind them.

use otter_core::Event;
use otter_server::sandbox::{Flavor, Server};
use otter_tests::testbed::{self, FLAVORS};

use super::support::{open_now, options, show, transactions};

async fn source(flavor: Flavor) -> Server {
    let server = testbed::server(flavor).source().start().await;
    testbed::execute(
        &server,
        "CREATE DATABASE shop; CREATE DATABASE other; \
         CREATE TABLE shop.item (id INT PRIMARY KEY, name VARCHAR(100)); \
         CREATE TABLE other.item (id INT PRIMARY KEY)",
    )
    .await;
    server
}

#[tokio::test]
async fn changes_of_wanted_tables_come_in_order_with_the_rows() {
    for flavor in FLAVORS {
        let server = source(flavor).await;
        let mut selector = open_now(options(&server)).await;
        testbed::execute(
            &server,
            "INSERT INTO shop.item VALUES (1, 'a'); USE shop; \
             /* because */ ALTER TABLE item ADD COLUMN n INT DEFAULT 5; \
             INSERT INTO item VALUES (2, 'b', 6); \
             RENAME TABLE item TO article, other.item TO shop.moved; \
             TRUNCATE article; DROP TABLE article, moved",
        )
        .await;
        let read = transactions(&mut selector, 6).await;
        let ddl = |index: usize| match &read[index].events[..] {
            [Event::Ddl(ddl)] => ddl.clone(),
            events => panic!("no DDL: {events:?}"),
        };
        assert_eq!(show(&read[0]), "insert shop.item 1,a");
        let alter = ddl(1);
        assert_eq!((&*alter.kind, &*alter.database), ("ALTER TABLE", "shop"));
        assert!(alter.statement.contains("ADD COLUMN n INT DEFAULT 5"), "{}", alter.statement);
        assert_eq!(show(&read[2]), "insert shop.item 2,b,6");
        let names = |index: usize| {
            ddl(index).tables.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names(3), "shop.item shop.article other.item shop.moved");
        assert_eq!((&*ddl(4).kind, names(4).as_str()), ("TRUNCATE TABLE", "shop.article"));
        assert!(names(5).contains("shop.article"));
    }
}

#[tokio::test]
async fn statements_that_touch_no_wanted_table_pass_by() {
    for flavor in FLAVORS {
        let server = source(flavor).await;
        let mut selector = open_now(options(&server)).await;
        testbed::execute(
            &server,
            "CREATE USER someone IDENTIFIED BY 'secret-word'; GRANT SELECT ON shop.* TO someone; \
             ALTER TABLE other.item ADD COLUMN n INT; CREATE DATABASE third; DROP DATABASE third; \
             USE shop; CREATE TEMPORARY TABLE t (id INT); INSERT INTO t VALUES (1); \
             DROP TEMPORARY TABLE t; CREATE VIEW v AS SELECT * FROM item; DROP VIEW v; \
             CREATE PROCEDURE p() DELETE FROM item; ANALYZE TABLE item; OPTIMIZE TABLE item; \
             FLUSH PRIVILEGES; DROP USER someone; \
             INSERT INTO item VALUES (1, 'a')",
        )
        .await;
        assert_eq!(show(&transactions(&mut selector, 1).await[0]), "insert shop.item 1,a");
    }
}

#[tokio::test]
async fn a_database_is_reported_where_it_may_hold_wanted_tables() {
    for flavor in FLAVORS {
        let server = source(flavor).await;
        let mut selector = open_now(options(&server)).await;
        testbed::execute(&server, "ALTER DATABASE shop CHARACTER SET latin1; DROP DATABASE shop")
            .await;
        let read = transactions(&mut selector, 2).await;
        assert!(show(&read[0]).starts_with("ALTER DATABASE ["), "{}", show(&read[0]));
        assert!(show(&read[1]).starts_with("DROP DATABASE ["), "{}", show(&read[1]));
    }
}

#[tokio::test]
async fn a_table_made_from_a_select_comes_with_its_rows() {
    for flavor in FLAVORS {
        let server = source(flavor).await;
        testbed::execute(&server, "INSERT INTO shop.item VALUES (1, 'a'), (2, 'b')").await;
        let mut selector = open_now(options(&server)).await;
        testbed::execute(
            &server,
            "CREATE TABLE shop.copy AS SELECT * FROM shop.item; INSERT INTO shop.copy VALUES (3, 'c')",
        )
        .await;
        let read = transactions(&mut selector, 2).await;
        let shown = show(&read[0]);
        assert!(shown.starts_with("CREATE TABLE ["), "{shown}");
        assert!(!shown.contains("START TRANSACTION"), "{shown}");
        assert!(shown.ends_with("insert shop.copy 1,a | insert shop.copy 2,b"), "{shown}");
        assert_eq!(show(&read[1]), "insert shop.copy 3,c");
    }
}

#[tokio::test]
async fn an_alter_in_two_phases_counts_once_when_it_is_committed() {
    let server = source(Flavor::MariaDb).await;
    let mut selector = open_now(options(&server)).await;
    testbed::execute(
        &server,
        "SET SESSION binlog_alter_two_phase = ON; ALTER TABLE shop.item ADD COLUMN n INT, \
         ALGORITHM=COPY; INSERT INTO shop.item VALUES (1, 'a', 2)",
    )
    .await;
    let read = transactions(&mut selector, 2).await;
    assert!(show(&read[0]).starts_with("ALTER TABLE ["), "{}", show(&read[0]));
    assert_eq!(show(&read[1]), "insert shop.item 1,a,2");
}

#[tokio::test]
async fn statements_in_another_character_set_are_carried_in_utf8() {
    let server = source(Flavor::MySql).await;
    let mut selector = open_now(options(&server)).await;
    // Sent as UTF-8 bytes by the client, which the session takes for something else.
    for (charset, comment) in [("latin1", "Ã©"), ("gb18030", "茅")] {
        let statement = format!("SET NAMES {charset}; ALTER TABLE shop.item COMMENT 'é'");
        testbed::execute(&server, &statement).await;
        let shown = show(&transactions(&mut selector, 1).await[0]);
        assert!(shown.contains(&format!("COMMENT '{comment}'")), "{shown}");
    }
}
