//! Definitions over time: with full metadata from the rows themselves, otherwise from the source's
//! schema of now, checked against each table map.

use otter_core::{Budget, ColumnType, Event, Fault, Select, Start};
use otter_server::sandbox::{Flavor, Server};
use otter_tests::testbed::{self, FLAVORS};

use otter_binlog::preflight::{check_source, source_tables};
use otter_binlog::selector::BinlogSelector;
use otter_core::Verdict;

use super::support::{BUDGET, failure, open_now, options, reading, show, transactions};

const TABLE: &str = "CREATE DATABASE shop; CREATE TABLE shop.item \
    (id INT UNSIGNED PRIMARY KEY, name VARCHAR(100), state ENUM('new','it''s','b\\\\c') NOT NULL)";

async fn source(flavor: Flavor, metadata: &str) -> Server {
    let arg = format!("--binlog-row-metadata={metadata}");
    let server = testbed::server(flavor).source().arg(arg).start().await;
    testbed::execute(&server, TABLE).await;
    server
}

#[tokio::test]
async fn rows_of_before_an_alter_are_read_after_it_with_full_metadata() {
    for flavor in FLAVORS {
        let server = source(flavor, "FULL").await;
        let mut selector = BinlogSelector::new(options(&server));
        let position = selector.locate(&Start::Now).await.unwrap();
        testbed::execute(
            &server,
            "INSERT INTO shop.item VALUES (4000000000, 'a', 'new'); \
             ALTER TABLE shop.item DROP COLUMN name, ADD COLUMN n INT FIRST; \
             INSERT INTO shop.item VALUES (1, 2, 'new'); DROP TABLE shop.item",
        )
        .await;
        selector.open(&position, &Budget::new(BUDGET)).await.unwrap();
        let read = transactions(&mut selector, 4).await;
        assert_eq!(show(&read[0]), "insert shop.item 4000000000,a,1");
        assert_eq!(show(&read[2]), "insert shop.item 1,2,1");
    }
}

/// Each statement, and its row where it has one. In between the meaning of 16 bytes changes, of
/// which the binlog tells nothing but the ALTER.
const SIXTEEN_BYTES: [(&str, &str); 6] = [
    ("CREATE TABLE shop.u (id INT PRIMARY KEY, c BINARY(16))", ""),
    ("INSERT INTO shop.u VALUES (1, '0123456789abcdef')", "1,30313233343536373839616263646566"),
    ("ALTER TABLE shop.u MODIFY c UUID", ""),
    (
        "INSERT INTO shop.u VALUES (2, '123e4567-e89b-12d3-a456-426655440000')",
        "2,123e4567-e89b-12d3-a456-426655440000",
    ),
    ("ALTER TABLE shop.u MODIFY c BINARY(16)", ""),
    ("INSERT INTO shop.u VALUES (3, 'fedcba9876543210')", "3,66656463626139383736353433323130"),
];

#[tokio::test]
async fn sixteen_bytes_of_mariadb_mean_what_they_meant_when_they_were_written() {
    let server = source(Flavor::MariaDb, "FULL").await;
    let mut places = Vec::new();
    for (statement, _) in SIXTEEN_BYTES {
        let place = BinlogSelector::new(options(&server)).locate(&Start::Now).await.unwrap();
        places.push(place);
        testbed::execute(&server, statement).await;
    }
    // Whoever begins before the table was made knows it all along.
    let mut selector = BinlogSelector::new(options(&server));
    selector.open(&places[0], &Budget::new(BUDGET)).await.unwrap();
    let read = transactions(&mut selector, SIXTEEN_BYTES.len()).await;
    for (transaction, (_, row)) in read.iter().zip(SIXTEEN_BYTES) {
        let shown = show(transaction);
        assert!(row.is_empty() || shown == format!("insert shop.u {row}"), "{shown}");
    }
    // Whoever begins between is not told what the table was, and guesses nothing.
    for begin in [1, 3] {
        for options in [options(&server), reading(&server)] {
            let mut selector = BinlogSelector::new(options);
            selector.open(&places[begin], &Budget::new(BUDGET)).await.unwrap();
            let error = failure(&mut selector).await;
            assert_eq!(error.fault(), Fault::Poison, "{error}");
            let words = "`shop.u` was altered, renamed or dropped later";
            assert!(error.to_string().contains(words), "{error}");
        }
    }
    // Behind the last change the schema of now holds.
    for options in [options(&server), reading(&server)] {
        let mut selector = BinlogSelector::new(options);
        selector.open(&places[5], &Budget::new(BUDGET)).await.unwrap();
        let read = transactions(&mut selector, 1).await;
        assert_eq!(show(&read[0]), format!("insert shop.u {}", SIXTEEN_BYTES[5].1));
    }
}

/// MariaDB's old formats do not tell whether there are fractions of a second.
#[tokio::test]
async fn an_old_fraction_that_was_altered_away_since_is_refused() {
    let server = testbed::mariadb().source().arg("--binlog-row-metadata=FULL");
    let server = server.arg("--mysql56-temporal-format=OFF").start().await;
    let mut selector = BinlogSelector::new(options(&server));
    let position = selector.locate(&Start::Now).await.unwrap();
    testbed::execute(
        &server,
        "CREATE DATABASE shop; CREATE TABLE shop.d (id INT PRIMARY KEY, at DATETIME(3)); \
         INSERT INTO shop.d VALUES (1, '2026-01-02 03:04:05.678'); \
         ALTER TABLE shop.d MODIFY at DATETIME",
    )
    .await;
    selector.open(&position, &Budget::new(BUDGET)).await.unwrap();
    let error = failure(&mut selector).await;
    assert_eq!(error.fault(), Fault::Poison, "{error}");
    assert!(error.to_string().contains("`shop.d` was altered, renamed or dropped"), "{error}");
}

#[tokio::test]
async fn a_definition_is_asked_for_again_after_each_ddl() {
    for (flavor, metadata) in [(Flavor::MySql, "MINIMAL"), (Flavor::MariaDb, "NO_LOG")] {
        let server = source(flavor, metadata).await;
        let mut selector = open_now(options(&server)).await;
        testbed::execute(&server, "INSERT INTO shop.item VALUES (1, 'a', 'new')").await;
        assert_eq!(show(&transactions(&mut selector, 1).await[0]), "insert shop.item 1,a,1");
        testbed::execute(
            &server,
            "ALTER TABLE shop.item CHANGE name title VARCHAR(100), MODIFY id BIGINT UNSIGNED; \
             INSERT INTO shop.item VALUES (18446744073709551615, 'b', 'new')",
        )
        .await;
        let read = transactions(&mut selector, 2).await;
        assert_eq!(show(&read[1]), "insert shop.item 18446744073709551615,b,1");
        let Event::Rows(rows) = &read[1].events[0] else { panic!("no rows") };
        assert_eq!(rows.table().columns[1].name.as_ref(), "title");
        assert_eq!(rows.table().primary_key, [0]);
    }
}

#[tokio::test]
async fn definitions_of_rows_and_of_the_schema_agree() {
    for flavor in FLAVORS {
        for metadata in ["FULL", "MINIMAL"] {
            let server = source(flavor, metadata).await;
            testbed::execute(
                &server,
                "CREATE TABLE shop.wide (b VARBINARY(7), a CHAR(3) CHARACTER SET latin1 NOT NULL, \
                 s SET('x','é') CHARACTER SET ucs2, e ENUM('中','b') CHARACTER SET gbk, \
                 d DECIMAL(7,3) UNSIGNED, t TIMESTAMP(3) NULL, y YEAR, bits BIT(11), \
                 l LONGTEXT, g POINT, f FLOAT, dd DOUBLE UNSIGNED, m MEDIUMINT UNSIGNED NOT NULL, \
                 dt DATETIME(6), ti TIME(1), da DATE, ba BINARY(5), PRIMARY KEY (m, a(2)))",
            )
            .await;
            let mut selector = open_now(options(&server)).await;
            testbed::execute(
                &server,
                "INSERT INTO shop.wide (a, m) VALUES ('a', 1); \
                 INSERT INTO shop.item VALUES (1, 'a', 'new')",
            )
            .await;
            let read = transactions(&mut selector, 2).await;
            let url = server.url().parse().unwrap();
            let listed = source_tables(&url, &options(&server).filter).await.unwrap();
            let names: Vec<String> = listed.iter().map(|table| table.name.to_string()).collect();
            assert_eq!(names, ["shop.item", "shop.wide"]);
            for (transaction, listed) in read.iter().zip(listed.iter().rev()) {
                let Event::Rows(rows) = &transaction.events[0] else { panic!("no rows") };
                assert_eq!(**rows.table(), *listed, "{flavor:?} {metadata}");
            }
            let ColumnType::Enum { labels: Some(labels) } = &listed[0].columns[2].column_type
            else {
                panic!("labels are known")
            };
            assert_eq!(labels.join("|"), r"new|it's|b\c");
        }
    }
}

#[tokio::test]
async fn a_well_prepared_source_has_no_findings_and_each_fault_its_remedy() {
    for flavor in FLAVORS {
        let server = source(flavor, "FULL").await;
        let url = server.url().parse().unwrap();
        let filter = options(&server).filter;
        for finding in check_source(&url, &filter).await {
            assert_eq!(finding.verdict, Verdict::Pass, "{finding:?}");
        }
        testbed::execute(
            &server,
            "SET GLOBAL binlog_row_image = MINIMAL; SET GLOBAL binlog_row_metadata = MINIMAL; \
             SET GLOBAL binlog_expire_logs_seconds = 3600; CREATE TABLE shop.keyless (id INT); \
             CREATE TABLE shop.mine (id INT PRIMARY KEY) ENGINE = MyISAM; \
             CREATE TABLE shop.whole (id INT PRIMARY KEY); \
             CREATE TABLE shop.part (id INT PRIMARY KEY, whole INT, \
             FOREIGN KEY (whole) REFERENCES shop.whole (id) ON UPDATE CASCADE); \
             CREATE USER poor@'%' IDENTIFIED BY 'x'; GRANT SELECT ON shop.item TO poor@'%'",
        )
        .await;
        let findings = check_source(&url, &filter).await;
        let remedy = |what: &str| {
            let found = findings.iter().find(|it| it.what.contains(what));
            let found = found.unwrap_or_else(|| panic!("nothing about {what}"));
            (found.verdict, found.remedy.clone().unwrap_or_default(), found.detail.clone())
        };
        let (verdict, statement, _) = remedy("binlog_row_image");
        assert_eq!(verdict, Verdict::Fail);
        assert!(statement.starts_with("SET GLOBAL binlog_row_image = FULL"));
        let (verdict, statement, _) = remedy("binlog_row_metadata");
        assert_eq!(
            (verdict, statement.as_str()),
            (Verdict::Warn, "SET GLOBAL binlog_row_metadata = FULL")
        );
        assert_eq!(remedy("kept for three days").0, Verdict::Warn);
        let (verdict, _, detail) = remedy("primary key");
        assert_eq!(verdict, Verdict::Warn);
        assert!(detail.contains("shop.keyless"), "{detail}");
        let moving = findings.iter().find(|it| it.what.contains("ON UPDATE CASCADE"));
        let told = moving.map(|it| (it.verdict, it.detail.contains("shop.part (part_ibfk_1)")));
        // MariaDB leaves cascades to InnoDB, and does not log them.
        assert_eq!(told, (flavor == Flavor::MySql).then_some((Verdict::Warn, true)));
        assert!(remedy("transactional").2.contains("shop.mine (MyISAM)"));

        let poor = server.url_as("poor", "x").parse().unwrap();
        let findings = check_source(&poor, &filter).await;
        let failed = |words: &str| {
            findings.iter().any(|it| {
                it.verdict == Verdict::Fail
                    && it.remedy.as_deref().is_some_and(|remedy| remedy.contains(words))
            })
        };
        assert!(failed("GRANT REPLICATION SLAVE ON *.* TO 'poor'@'%'"), "{findings:?}");
        assert!(failed("ON *.* TO 'poor'@'%'"), "{findings:?}");

        let wrong = server.url_as("nobody", "x").parse().unwrap();
        let findings = check_source(&wrong, &filter).await;
        assert_eq!((findings.len(), findings[0].verdict), (1, Verdict::Fail));
    }
}
