//! Schema changes while rows flow: rows are read by the definition that they were written under,
//! also when the reader comes after all those changes, and with or without metadata in the binlog.

use std::sync::Arc;

use otter_binlog::selector::{BinlogSelector, SelectorOptions};
use otter_core::{Budget, Change, Event, MemorySchemaLog, SchemaLog, Select, Transaction};
use otter_server::sandbox::{Flavor, Server};
use otter_tests::testbed::{self, FLAVORS};

use super::support::{BUDGET, failure, next, open_now, options, show, text};

const BEGIN: &str = "CREATE DATABASE shop; CREATE DATABASE other; \
    CREATE TABLE shop.t (id INT UNSIGNED PRIMARY KEY, a INT, b INT); \
    CREATE TABLE other.hidden (n INT UNSIGNED, o INT, PRIMARY KEY (n))";

/// Statements, and the row that one of them writes, by the names of its time.
const STORY: [(&str, &str); 50] = [
    ("INSERT INTO shop.t VALUES (1, 10, 20)", "id=1 a=10 b=20"),
    ("ALTER TABLE shop.t ADD COLUMN c VARCHAR(5) FIRST", ""),
    ("INSERT INTO shop.t VALUES ('x', 4000000000, 11, 21)", "c=x id=4000000000 a=11 b=21"),
    // The same types in another order: nothing in the rows tells.
    ("ALTER TABLE shop.t MODIFY b INT AFTER id", ""),
    ("INSERT INTO shop.t VALUES ('y', 2, 22, 12)", "c=y id=2 b=22 a=12"),
    ("ALTER TABLE shop.t CHANGE a x BIGINT UNSIGNED, DROP c", ""),
    ("INSERT INTO shop.t VALUES (3, 23, 18446744073709551615)", "id=3 b=23 x=18446744073709551615"),
    ("ALTER TABLE shop.t RENAME COLUMN b TO y, ADD e ENUM('p','q')", ""),
    ("INSERT INTO shop.t VALUES (4, 24, 14, 'q')", "id=4 y=24 x=14 e=2"),
    // A chain of renames that swaps two tables.
    ("CREATE TABLE shop.u LIKE shop.t", ""),
    ("ALTER TABLE shop.u MODIFY x BIGINT UNSIGNED FIRST", ""),
    ("RENAME TABLE shop.t TO shop.s, shop.u TO shop.t, shop.s TO shop.u", ""),
    ("INSERT INTO shop.t VALUES (15, 5, 25, 'p')", "x=15 id=5 y=25 e=1"),
    ("INSERT INTO shop.u VALUES (6, 26, 16, 'p')", "id=6 y=26 x=16 e=1"),
    ("ALTER TABLE shop.t PARTITION BY HASH (id) PARTITIONS 3", ""),
    ("INSERT INTO shop.t VALUES (17, 7, 27, NULL)", "x=17 id=7 y=27 e=NULL"),
    ("ALTER TABLE shop.t COALESCE PARTITION 1", ""),
    ("ALTER TABLE shop.t REMOVE PARTITIONING", ""),
    ("ALTER TABLE shop.t ADD COLUMN i INT UNSIGNED DEFAULT 7, ALGORITHM=INSTANT", ""),
    ("INSERT INTO shop.t (id) VALUES (8)", "x=NULL id=8 y=NULL e=NULL i=7"),
    ("UPDATE shop.t SET i = 4000000001 WHERE id = 8", "x=NULL id=8 y=NULL e=NULL i=4000000001"),
    // As gh-ost does it.
    ("CREATE TABLE shop._t_gho LIKE shop.t", ""),
    ("CREATE TABLE shop._t_ghc (id BIGINT AUTO_INCREMENT PRIMARY KEY, hint VARCHAR(64))", ""),
    ("ALTER TABLE shop._t_gho MODIFY i INT UNSIGNED FIRST, MODIFY y INT UNSIGNED, DROP e", ""),
    ("INSERT INTO shop._t_ghc (hint) VALUES ('state')", "id=1 hint=state"),
    ("INSERT INTO shop._t_gho VALUES (9, 19, 9, 29)", "i=9 x=19 id=9 y=29"),
    ("RENAME TABLE shop.t TO shop._t_del, shop._t_gho TO shop.t", ""),
    ("INSERT INTO shop.t VALUES (4000000002, 1, 10, 3)", "i=4000000002 x=1 id=10 y=3"),
    ("DROP TABLE shop._t_del, shop._t_ghc", ""),
    // As pt-online-schema-change does it.
    ("CREATE TABLE shop._t_new LIKE shop.t", ""),
    ("ALTER TABLE shop._t_new MODIFY y INT UNSIGNED FIRST, ADD z INT", ""),
    (
        "CREATE TRIGGER shop.pt_osc_ins AFTER INSERT ON shop.t FOR EACH ROW \
         REPLACE INTO shop._t_new (y, i, x, id) VALUES (NEW.y, NEW.i, NEW.x, NEW.id)",
        "",
    ),
    ("INSERT INTO shop.t VALUES (5, 2, 11, 4)", "i=5 x=2 id=11 y=4|y=4 i=5 x=2 id=11 z=NULL"),
    ("RENAME TABLE shop.t TO shop._t_old, shop._t_new TO shop.t", ""),
    ("DROP TABLE IF EXISTS shop._t_old", ""),
    ("INSERT INTO shop.t VALUES (4000000003, 6, 3, 12, -1)", "y=4000000003 i=6 x=3 id=12 z=-1"),
    // From where nobody looks.
    ("ALTER TABLE other.hidden MODIFY o INT UNSIGNED FIRST", ""),
    ("RENAME TABLE other.hidden TO shop.shown", ""),
    ("INSERT INTO shop.shown VALUES (4000000004, 13)", "o=4000000004 n=13"),
    ("CREATE TABLE shop.copy AS SELECT id, y FROM shop.t WHERE id = 12", "id=12 y=4000000003"),
    ("INSERT INTO shop.copy VALUES (14, 4000000005)", "id=14 y=4000000005"),
    ("DROP TABLE shop.copy", ""),
    ("CREATE TABLE shop.copy (y INT UNSIGNED PRIMARY KEY, id INT UNSIGNED)", ""),
    ("INSERT INTO shop.copy VALUES (15, 4000000006)", "y=15 id=4000000006"),
    ("CREATE TABLE IF NOT EXISTS shop.copy (id INT PRIMARY KEY, y INT)", ""),
    ("INSERT INTO shop.copy VALUES (16, 4000000007)", "y=16 id=4000000007"),
    ("CREATE TEMPORARY TABLE shop.copy (q INT); DROP TEMPORARY TABLE shop.copy", ""),
    ("TRUNCATE TABLE shop.copy", ""),
    ("ALTER TABLE shop.copy RENAME TO shop.copied, ADD COLUMN w INT FIRST", ""),
    ("INSERT INTO shop.copied VALUES (1, 2, 3)", "w=1 y=2 id=3"),
];

/// Every kind of metadata, and MySQL without GTIDs.
fn servers() -> Vec<(Flavor, Vec<&'static str>)> {
    vec![
        (Flavor::MySql, vec!["--binlog-row-metadata=FULL"]),
        (Flavor::MySql, vec!["--binlog-row-metadata=MINIMAL"]),
        (Flavor::MySql, vec!["--binlog-row-metadata=MINIMAL", "--gtid-mode=OFF"]),
        (Flavor::MariaDb, vec!["--binlog-row-metadata=FULL"]),
        (Flavor::MariaDb, vec!["--binlog-row-metadata=NO_LOG"]),
    ]
}

async fn source(flavor: Flavor, arguments: &[&str]) -> Server {
    let mut builder = testbed::server(flavor).source();
    for argument in arguments {
        builder = builder.arg(*argument);
    }
    let server = builder.start().await;
    testbed::execute(&server, BEGIN).await;
    server
}

async fn tell(server: &Server) {
    for (statement, _) in STORY {
        testbed::execute(server, statement).await;
    }
}

fn expected() -> Vec<String> {
    STORY.iter().filter(|(_, row)| !row.is_empty()).map(|(_, row)| (*row).to_owned()).collect()
}

/// The rows of a transaction after it, with the names of their columns; empty without rows.
fn named(transaction: &Transaction) -> String {
    let mut rows = Vec::new();
    for event in &transaction.events {
        let Event::Rows(event) = event else { continue };
        for change in event.changes() {
            let row = match change {
                Change::Insert { after } | Change::Update { after, .. } => after,
                Change::Delete { before } => before,
            };
            let cells = event.table().columns.iter().zip(row.values()).map(|(column, value)| {
                format!("{}={}", column.name, value.map_or("-".into(), text))
            });
            rows.push(cells.collect::<Vec<_>>().join(" "));
        }
    }
    rows.join("|")
}

fn with_log(server: &Server, log: &Arc<MemorySchemaLog>) -> SelectorOptions {
    let mut options = options(server);
    options.schema_log = Arc::clone(log) as Arc<dyn SchemaLog>;
    options
}

#[tokio::test]
async fn a_reader_that_comes_after_all_changes_reads_each_row_by_its_own_definition() {
    for (flavor, arguments) in servers() {
        let server = source(flavor, &arguments).await;
        let mut selector = open_now(options(&server)).await;
        tell(&server).await;
        let (expected, mut read) = (expected(), Vec::new());
        while read.len() < expected.len() {
            let batch = next(&mut selector).await;
            read.extend(batch.transactions.iter().map(named).filter(|row| !row.is_empty()));
        }
        assert_eq!(read, expected, "{flavor:?} {arguments:?}");
    }
}

/// A new process at every batch: what it knows of the tables is what the log tells it.
#[tokio::test]
async fn a_reader_that_starts_anew_behind_each_transaction_knows_the_tables_of_its_place() {
    for (flavor, arguments) in servers() {
        let server = source(flavor, &arguments).await;
        let log = Arc::new(MemorySchemaLog::new());
        let mut options = with_log(&server, &log);
        options.batch_rows = 1;
        let mut selector = BinlogSelector::new(options.clone());
        let start = selector.locate(&otter_core::Start::Now).await.unwrap();
        selector.open(&start, &Budget::new(BUDGET)).await.unwrap();
        tell(&server).await;
        let (expected, mut read) = (expected(), Vec::new());
        let mut starts = 0;
        while read.len() < expected.len() {
            let batch = next(&mut selector).await;
            let rows: Vec<String> =
                batch.transactions.iter().map(named).filter(|row| !row.is_empty()).collect();
            read.extend(rows);
            let through = batch.through.clone().unwrap();
            selector = BinlogSelector::new(options.clone());
            selector.open(&through, &Budget::new(BUDGET)).await.unwrap();
            starts += 1;
        }
        assert_eq!(read, expected, "{flavor:?} {arguments:?}");
        assert!(starts > 10, "all came in {starts} batches");

        // From the beginning again: records behind it are cut off and written again.
        let mut selector = BinlogSelector::new(options.clone());
        selector.open(&start, &Budget::new(BUDGET)).await.unwrap();
        let mut again = Vec::new();
        while again.len() < expected.len() {
            let batch = next(&mut selector).await;
            again.extend(batch.transactions.iter().map(named).filter(|row| !row.is_empty()));
        }
        assert_eq!(again, expected, "{flavor:?} {arguments:?}");
    }
}

/// The server cannot tell what a table looked like before a change that it has made since.
#[tokio::test]
async fn without_a_log_rows_before_a_change_are_refused_and_others_are_read() {
    for (flavor, metadata) in [(Flavor::MySql, "MINIMAL"), (Flavor::MariaDb, "NO_LOG")] {
        let server = source(flavor, &[&format!("--binlog-row-metadata={metadata}")]).await;
        let first = BinlogSelector::new(options(&server)).locate(&otter_core::Start::Now).await;
        let first = first.unwrap();
        testbed::execute(
            &server,
            "CREATE TABLE shop.u (id INT UNSIGNED PRIMARY KEY); \
             INSERT INTO shop.u VALUES (4000000000); INSERT INTO shop.t VALUES (1, 2, 3); \
             ALTER TABLE shop.t MODIFY b INT AFTER id",
        )
        .await;
        let mut selector = BinlogSelector::new(options(&server));
        selector.open(&first, &Budget::new(BUDGET)).await.unwrap();
        let error = failure(&mut selector).await;
        assert_eq!(error.fault(), otter_core::Fault::Poison, "{error}");
        let message = error.to_string();
        assert!(message.contains("`shop.t` was altered, renamed or dropped later"), "{message}");
        assert!(message.contains("SET GLOBAL binlog_row_metadata = FULL"), "{message}");
    }
}

/// Statements that are not logged change tables all the same.
#[tokio::test]
async fn a_change_that_was_not_logged_is_healed_from_the_server() {
    for (flavor, metadata) in [(Flavor::MySql, "MINIMAL"), (Flavor::MariaDb, "NO_LOG")] {
        let server = source(flavor, &[&format!("--binlog-row-metadata={metadata}")]).await;
        let log = Arc::new(MemorySchemaLog::new());
        let mut selector = open_now(with_log(&server, &log)).await;
        testbed::execute(
            &server,
            "SET sql_log_bin = 0; ALTER TABLE shop.t ADD COLUMN q INT UNSIGNED FIRST; \
             SET sql_log_bin = 1; INSERT INTO shop.t VALUES (4000000000, 1, 2, 3)",
        )
        .await;
        let batch = next(&mut selector).await;
        assert_eq!(named(&batch.transactions[0]), "q=4000000000 id=1 a=2 b=3");
        // What was learnt is there for the next process, and later changes build on it.
        let through = batch.through.clone().unwrap();
        testbed::execute(
            &server,
            "INSERT INTO shop.t VALUES (4000000001, 2, 3, 4); \
             ALTER TABLE shop.t DROP COLUMN a; INSERT INTO shop.t VALUES (4000000002, 3, 5)",
        )
        .await;
        let mut selector = BinlogSelector::new(with_log(&server, &log));
        selector.open(&through, &Budget::new(BUDGET)).await.unwrap();
        let mut read = Vec::new();
        while read.len() < 3 {
            read.extend(next(&mut selector).await.transactions);
        }
        let rows: Vec<String> = read.iter().map(named).collect();
        assert_eq!(rows, ["q=4000000001 id=2 a=3 b=4", "", "q=4000000002 id=3 b=5"]);
        assert!(show(&read[1]).starts_with("ALTER TABLE"), "{}", show(&read[1]));
    }
}

#[tokio::test]
async fn a_damaged_log_is_refused_with_the_way_out() {
    for flavor in FLAVORS {
        let server = source(flavor, &["--binlog-row-metadata=MINIMAL"]).await;
        let log = Arc::new(MemorySchemaLog::new());
        let mut selector = BinlogSelector::new(with_log(&server, &log));
        let position = selector.locate(&otter_core::Start::Now).await.unwrap();
        selector.open(&position, &Budget::new(BUDGET)).await.unwrap();
        let mut record = log.load().await.unwrap().remove(0);
        assert!(record.text.contains("hidden"), "tables that nobody wants are tracked too");
        record.text = format!("{}Z what is this\n", record.text).into();
        log.restart(&record).await.unwrap();
        let error = selector.open(&position, &Budget::new(BUDGET)).await.unwrap_err();
        assert_eq!(error.fault(), otter_core::Fault::Fatal);
        assert!(error.to_string().contains("Delete the pipeline's records"), "{error}");
    }
}
