//! XA transactions: prepared, and decided later, elsewhere, or never.

use std::time::Duration;

use otter_binlog::reader::LiveReader;
use otter_binlog::selector::{BinlogSelector, SelectorOptions};
use otter_core::{Budget, Fault, Position, Select, Start};
use otter_server::sandbox::{Flavor, Server};
use otter_tests::query::number;
use otter_tests::testbed::{self, FLAVORS};
use otter_tests::wait::wait_until;
use sqlx::{AssertSqlSafe, Connection, Executor, Row, raw_sql};
use tokio::time::timeout;

use super::support::{
    BUDGET, DEADLINE, assert_fatal, failure, next, open_now, options as usual_options, reading,
    show, transactions,
};

const SHOP: &str = "CREATE DATABASE shop; CREATE DATABASE other;
    CREATE TABLE shop.item (id INT PRIMARY KEY, name LONGTEXT);
    CREATE TABLE other.item (id INT PRIMARY KEY, name LONGTEXT);
    CREATE TABLE shop.digit (d INT PRIMARY KEY);
    INSERT INTO shop.digit VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)";

async fn source(flavor: Flavor, args: &[&str]) -> Server {
    let testbed = args.iter().fold(testbed::server(flavor).source(), |it, arg| it.arg(*arg));
    let server = testbed.start().await;
    testbed::execute(&server, SHOP).await;
    server
}

fn options(server: &Server) -> SelectorOptions {
    let mut options = usual_options(server);
    options.progress_interval = Duration::from_millis(20);
    options
}

/// Prepares an XA transaction with these statements, in a session that ends with it.
async fn prepare(server: &Server, xid: &str, statements: &str) {
    let mut session = server.connect().await.unwrap();
    let row = session.fetch_one("SELECT CONNECTION_ID()").await.unwrap();
    let id: u64 = row.try_get_unchecked(0).unwrap();
    let text = format!("XA START {xid}; {statements}; XA END {xid}; XA PREPARE {xid}");
    session.execute(raw_sql(AssertSqlSafe(text))).await.unwrap();
    session.close().await.unwrap();
    // Until the server has let go of it nobody else can decide.
    let query = format!("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = {id}");
    wait_until("the session ends", DEADLINE, async || number(server, &query).await == 0).await;
}

fn insert(table: &str, id: u32) -> String {
    format!("INSERT INTO {table} VALUES ({id}, 'x')")
}

/// What is read until so many transactions have come, each one opened anew from the position
/// behind the batch before where `reopens`.
async fn read(
    selector: &mut BinlogSelector,
    at: &mut Position,
    (count, reopens): (usize, bool),
) -> Vec<String> {
    let mut shown = Vec::new();
    while shown.len() < count {
        let batch = next(selector).await;
        assert_eq!(batch.after, *at);
        shown.extend(batch.transactions.iter().map(show));
        *at = batch.through.clone().unwrap();
        drop(batch);
        if reopens {
            selector.open(at, &Budget::new(BUDGET)).await.unwrap();
        }
    }
    assert_eq!(shown.len(), count, "{shown:?}");
    shown
}

async fn begin(server: &Server) -> (BinlogSelector, Position) {
    let mut selector = BinlogSelector::new(options(server));
    let position = selector.locate(&Start::Now).await.unwrap();
    selector.open(&position, &Budget::new(BUDGET)).await.unwrap();
    (selector, position)
}

#[tokio::test]
async fn a_live_reader_goes_on_at_its_position_wherever_it_was_left() {
    for flavor in FLAVORS {
        let server = source(flavor, &[]).await;
        let mut options = reading(&server);
        options.fragment_bytes = 4 << 10;
        let begin = LiveReader::open(options.clone(), &Start::Now).await.unwrap();
        let begin = begin.position().clone();
        let single = |id| insert("shop.item", id);
        let before = [1, 2, 3].map(single).join(";");
        testbed::execute(&server, &before).await;
        prepare(&server, "'waits'", &single(4)).await;
        testbed::execute(&server, &[5, 6].map(single).join(";")).await;
        testbed::execute(&server, "XA COMMIT 'waits'").await;
        testbed::execute(&server, &single(7)).await;
        let expected = [1, 2, 3, 5, 6, 4, 7].map(|id| format!("insert shop.item {id},x"));
        for most in 1..=expected.len() {
            let (mut at, mut read) = (begin.clone(), Vec::new());
            while read.len() < expected.len() {
                let mut reader = LiveReader::open_at(options.clone(), &at).await.unwrap();
                for _ in 0..most.min(expected.len() - read.len()) {
                    let next = timeout(DEADLINE, reader.next_transaction()).await;
                    read.push(show(&next.expect("a transaction in time").unwrap()));
                }
                at = reader.position().clone();
            }
            assert_eq!(read, expected, "{flavor}, {most} at a time");
            assert!(is_settled(&at), "{flavor}: {at:?}");
        }

        // A transaction of which only fragments were given comes again from its beginning.
        let now = LiveReader::open(options.clone(), &Start::Now).await.unwrap();
        let now = now.position().clone();
        let large = "INSERT INTO shop.item SELECT 100 + d, REPEAT('y', 3000) FROM shop.digit";
        testbed::execute(&server, large).await;
        let mut reader = LiveReader::open_at(options.clone(), &now).await.unwrap();
        let first = timeout(DEADLINE, reader.next_transaction()).await.unwrap().unwrap();
        assert!(first.end.is_none() && first.row_count() < 10, "{flavor}");
        let mut reader = LiveReader::open_at(options, reader.position()).await.unwrap();
        let mut rows = 0;
        loop {
            let part = timeout(DEADLINE, reader.next_transaction()).await.unwrap().unwrap();
            rows += part.row_count();
            if part.end.is_some() {
                break;
            }
        }
        assert_eq!(rows, 10, "{flavor}");
    }
}

fn is_settled(position: &Position) -> bool {
    position.resume_from == position.applied_through
}

#[tokio::test]
async fn rows_come_at_the_commit_whatever_comes_between_and_wherever_reading_begins_again() {
    for flavor in FLAVORS {
        for reopens in [false, true] {
            let server = source(flavor, &[]).await;
            let (mut selector, mut at) = begin(&server).await;
            testbed::execute(&server, &insert("shop.item", 1)).await;
            let statements = format!("{}; {}", insert("shop.item", 2), insert("other.item", 2));
            prepare(&server, "'first','branch',7", &statements).await;
            testbed::execute(&server, &format!("{}; FLUSH BINARY LOGS", insert("shop.item", 3)))
                .await;
            prepare(&server, "'second'", &insert("shop.item", 4)).await;
            prepare(&server, "'third'", &insert("shop.item", 5)).await;
            testbed::execute(&server, "UPDATE shop.item SET name = 'y' WHERE id = 3").await;
            let inserted = |id| format!("insert shop.item {id},x");
            assert_eq!(
                read(&mut selector, &mut at, (3, reopens)).await,
                [inserted(1), inserted(3), "update shop.item 3,x to 3,y".to_owned()]
            );
            assert!(!is_settled(&at), "{at:?}");

            testbed::execute(&server, "XA COMMIT 'second'; XA ROLLBACK 'third'").await;
            testbed::execute(&server, &format!("FLUSH BINARY LOGS; {}", insert("shop.item", 6)))
                .await;
            assert_eq!(
                read(&mut selector, &mut at, (2, reopens)).await,
                [inserted(4), inserted(6)]
            );
            assert!(!is_settled(&at), "{at:?}");
            testbed::execute(&server, "XA COMMIT 'first','branch',7").await;
            assert_eq!(read(&mut selector, &mut at, (1, reopens)).await, [inserted(2)]);
            assert!(is_settled(&at), "{at:?}");
            testbed::execute(&server, &insert("shop.item", 7)).await;
            assert_eq!(read(&mut selector, &mut at, (1, reopens)).await, [inserted(7)]);
        }
    }
}

#[tokio::test]
async fn a_commit_in_one_phase_is_a_transaction_like_any_other() {
    for flavor in FLAVORS {
        let server = source(flavor, &[]).await;
        let (mut selector, mut at) = begin(&server).await;
        let one_phase = "XA START 'y'; INSERT INTO shop.item VALUES (1, 'x'); XA END 'y'; \
                         XA COMMIT 'y' ONE PHASE";
        testbed::execute(&server, one_phase).await;
        let read = read(&mut selector, &mut at, (1, false)).await;
        assert_eq!(read, ["insert shop.item 1,x"]);
        assert!(is_settled(&at));
    }
}

#[tokio::test]
async fn compressed_ones_and_savepoints_are_read_as_well() {
    let arguments = [
        (Flavor::MySql, vec!["--binlog-transaction-compression=ON"]),
        (Flavor::MariaDb, vec!["--log-bin-compress=ON", "--log-bin-compress-min-len=10"]),
    ];
    for (flavor, arguments) in arguments {
        let server = source(flavor, &arguments).await;
        let (mut selector, mut at) = begin(&server).await;
        let name = "x".repeat(400);
        prepare(
            &server,
            "'a'",
            &format!(
                "INSERT INTO shop.item VALUES (1, '{name}'); SAVEPOINT s; \
                 INSERT INTO shop.item VALUES (2, '{name}'); ROLLBACK TO s; \
                 INSERT INTO shop.item VALUES (3, '{name}')"
            ),
        )
        .await;
        // The prepared one keeps its locks.
        testbed::execute(&server, "INSERT INTO shop.digit VALUES (10)").await;
        assert_eq!(read(&mut selector, &mut at, (1, true)).await, ["insert shop.digit 10"]);
        testbed::execute(&server, "XA COMMIT 'a'").await;
        assert_eq!(
            read(&mut selector, &mut at, (1, true)).await,
            [format!("insert shop.item 1,{name} | insert shop.item 3,{name}")]
        );
    }
}

#[tokio::test]
async fn a_decision_on_unmapped_tables_passes_by_after_a_restart() {
    for flavor in FLAVORS {
        let server = source(flavor, &[]).await;
        let (mut selector, mut at) = begin(&server).await;
        prepare(&server, "'a'", &insert("other.item", 1)).await;
        testbed::execute(&server, &insert("shop.item", 1)).await;
        read(&mut selector, &mut at, (1, true)).await;
        testbed::execute(&server, &format!("XA COMMIT 'a'; {}", insert("shop.item", 2))).await;
        assert_eq!(read(&mut selector, &mut at, (1, true)).await, ["insert shop.item 2,x"]);
        assert!(is_settled(&at));
    }
}

#[tokio::test]
async fn what_leaves_no_trace_at_its_prepare_leaves_none_at_its_decision() {
    for flavor in FLAVORS {
        let server = source(flavor, &[]).await;
        let (mut selector, mut at) = begin(&server).await;
        prepare(&server, "'empty'", "DO 1").await;
        prepare(&server, "'reads'", "SELECT COUNT(*) FROM shop.item").await;
        prepare(&server, "'same'", "UPDATE shop.item SET name = 'z' WHERE id = 99").await;
        testbed::execute(
            &server,
            "XA START 'back'; INSERT INTO shop.item VALUES (1, 'x'); XA END 'back'; \
             XA ROLLBACK 'back'",
        )
        .await;
        // MariaDB rolls back what changed nothing when its session ends.
        for xid in ["empty", "reads", "same"] {
            let _ = server.execute(&format!("XA COMMIT '{xid}'")).await;
        }
        testbed::execute(&server, &insert("shop.item", 2)).await;
        assert_eq!(read(&mut selector, &mut at, (1, true)).await, ["insert shop.item 2,x"]);
        assert!(is_settled(&at));
    }
}

#[tokio::test]
async fn one_that_was_prepared_before_the_first_start_halts_at_its_commit() {
    for flavor in FLAVORS {
        let server = source(flavor, &[]).await;
        let before = BinlogSelector::new(options(&server)).locate(&Start::Now).await.unwrap();
        prepare(&server, "'a'", &insert("shop.item", 1)).await;
        let mut selector = open_now(options(&server)).await;
        testbed::execute(&server, "XA COMMIT 'a'").await;
        assert_fatal(&failure(&mut selector).await, "before its XA PREPARE");
        // The remedy.
        selector.open(&before, &Budget::new(BUDGET)).await.unwrap();
        assert_eq!(show(&transactions(&mut selector, 1).await[0]), "insert shop.item 1,x");
    }
}

#[tokio::test]
async fn prepared_ones_survive_a_crash_of_the_source() {
    for flavor in FLAVORS {
        let mut server = source(flavor, &[]).await;
        let (mut selector, mut at) = begin(&server).await;
        prepare(&server, "'kept'", &insert("shop.item", 1)).await;
        prepare(&server, "'dropped'", &insert("shop.item", 2)).await;
        testbed::execute(&server, &insert("shop.item", 3)).await;
        assert_eq!(read(&mut selector, &mut at, (1, false)).await, ["insert shop.item 3,x"]);
        server.kill9().unwrap();
        assert_eq!(failure(&mut selector).await.fault(), Fault::Transient);
        server.start_again().await.unwrap();
        selector.open(&at, &Budget::new(BUDGET)).await.unwrap();
        testbed::execute(&server, "XA ROLLBACK 'dropped'; XA COMMIT 'kept'").await;
        assert_eq!(read(&mut selector, &mut at, (1, false)).await, ["insert shop.item 1,x"]);
    }
}

/// INVARIANT MEM-1: what waits for a decision leaves room for everything else.
#[tokio::test]
async fn one_that_is_too_large_to_wait_is_handed_out_with_a_larger_budget() {
    const SMALL: usize = 256 * 1024;
    let many = |first: u32| {
        format!(
            "INSERT INTO shop.item SELECT {first} + a.d * 100 + b.d * 10 + c.d, REPEAT('x', 1000) \
             FROM shop.digit a, shop.digit b, shop.digit c"
        )
    };
    for flavor in FLAVORS {
        let server = source(flavor, &[]).await;
        let mut selector = BinlogSelector::new(options(&server));
        let mut at = selector.locate(&Start::Now).await.unwrap();
        selector.open(&at, &Budget::new(SMALL)).await.unwrap();
        prepare(&server, "'rolled back'", &many(1000)).await;
        prepare(&server, "'small'", &insert("shop.item", 1)).await;
        testbed::execute(&server, "XA ROLLBACK 'rolled back'").await;
        prepare(&server, "'large'", &many(1000)).await;
        // One that needs no decision goes in fragments, whatever its size.
        let one_phase = many(2000);
        testbed::execute(
            &server,
            &format!("XA START 'o'; {one_phase}; XA END 'o'; XA COMMIT 'o' ONE PHASE"),
        )
        .await;
        testbed::execute(&server, "XA COMMIT 'small'; XA COMMIT 'large'").await;
        let mut rows = Vec::new();
        let error = loop {
            match selector.next().await {
                Ok(batch) => {
                    rows.push(batch.row_count());
                    at = batch.through.unwrap_or(at);
                }
                Err(error) if error.fault() == Fault::Transient => {
                    selector.open(&at, &Budget::new(SMALL)).await.unwrap();
                }
                Err(error) => break error,
            }
        };
        assert_fatal(&error, "half of the memory budget");
        assert_eq!(rows.iter().sum::<usize>(), 1_001, "{rows:?}");
        selector.open(&at, &Budget::new(BUDGET)).await.unwrap();
        assert_eq!(transactions(&mut selector, 1).await[0].row_count(), 1_000);
    }
}
