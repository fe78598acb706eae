//! Transactions larger than a fragment, a budget, an event.

use std::collections::VecDeque;

use otter_core::{Batch, Budget, Change, Event, Part, Select, Start, Value};
use otter_server::sandbox::{Flavor, Server};
use otter_tests::testbed::{self, FLAVORS};
use tokio::time::timeout;

use otter_binlog::selector::BinlogSelector;

use super::support::{
    BUDGET, DEADLINE, assert_fatal, failure, next, open_now, options, show, transactions,
};

async fn source(flavor: Flavor, args: &[&str]) -> Server {
    let testbed = args.iter().fold(testbed::server(flavor).source(), |it, arg| it.arg(*arg));
    let server = testbed.start().await;
    testbed::execute(
        &server,
        "CREATE DATABASE shop; CREATE TABLE shop.item (id INT PRIMARY KEY, name LONGTEXT); \
         CREATE TABLE shop.digit (d INT PRIMARY KEY); \
         INSERT INTO shop.digit VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)",
    )
    .await;
    server
}

/// Inserts 10,000 rows of about this many bytes in one transaction, after and before small ones.
async fn insert_many(server: &Server, bytes: usize) {
    testbed::execute(
        server,
        &format!(
            "INSERT INTO shop.item VALUES (-1, 'before'); \
             BEGIN; INSERT INTO shop.item VALUES (-2, 'first'); \
             INSERT INTO shop.item SELECT a.d * 1000 + b.d * 100 + c.d * 10 + d.d, REPEAT('x', {bytes}) \
             FROM shop.digit a, shop.digit b, shop.digit c, shop.digit d; COMMIT; \
             INSERT INTO shop.item VALUES (-3, 'after')"
        ),
    )
    .await;
}

fn ids(batch: &Batch) -> Vec<i64> {
    let rows =
        batch.transactions.iter().flat_map(|it| &it.events).filter_map(|event| match event {
            Event::Rows(rows) => Some(rows),
            _ => None,
        });
    let id = |change: Change<'_>| match change.after().unwrap().value(0) {
        Some(Value::Int(id)) => id,
        _ => panic!("no id"),
    };
    rows.flat_map(|rows| rows.changes().map(id).collect::<Vec<_>>()).collect()
}

/// Reads everything, holding at most `held` batches, and checks the fragments' numbers.
async fn read_all(selector: &mut BinlogSelector, held: usize) -> (Vec<i64>, u32) {
    let (mut all, mut fragments) = (Vec::new(), 0);
    let mut holding: VecDeque<Batch> = VecDeque::new();
    let mut in_large: u64 = 0;
    while !all.contains(&-3) {
        let batch = next(selector).await;
        for transaction in &batch.transactions {
            match transaction.part {
                Part::Whole | Part::Copied => assert_eq!(transaction.rows_before, 0),
                Part::Fragment { index, last } => {
                    assert_eq!((index, transaction.rows_before), (fragments, in_large));
                    assert_eq!(batch.transactions.len(), 1);
                    assert_eq!(batch.through.is_some(), last);
                    assert_eq!(transaction.end.is_some(), last);
                    fragments += 1;
                    in_large += u64::try_from(transaction.row_count()).unwrap();
                }
            }
        }
        all.extend(ids(&batch));
        holding.push_back(batch);
        while holding.len() > held {
            holding.pop_front();
        }
    }
    (all, fragments)
}

fn expected() -> Vec<i64> {
    [-1, -2].into_iter().chain(0..10_000).chain([-3]).collect()
}

#[tokio::test]
async fn a_large_transaction_comes_in_fragments_and_whole_where_it_fits() {
    for (flavor, args) in [
        (Flavor::MariaDb, &[][..]),
        (Flavor::MySql, &[]),
        (Flavor::MySql, &["--binlog-transaction-compression=ON"]),
        (Flavor::MariaDb, &["--log-bin-compress=ON"]),
        // One event holds thousands of rows.
        (Flavor::MySql, &["--binlog-row-event-max-size=1048576"]),
    ] {
        let server = source(flavor, args).await;
        let mut options = options(&server);
        options.fragment_bytes = 256 * 1024;
        let mut selector = open_now(options.clone()).await;
        insert_many(&server, 100).await;
        let (mut all, fragments) = read_all(&mut selector, 3).await;
        // The server reads the digits in an order of its own.
        all[2..10_002].sort_unstable();
        assert_eq!(all, expected());
        // Two images of 16 bytes per cell and the text, in pieces of 256 KiB.
        assert!((4..12).contains(&fragments), "{fragments} fragments");

        options.fragment_bytes = 64 << 20;
        let mut selector = open_now(options).await;
        testbed::execute(&server, "DELETE FROM shop.item WHERE id >= 0").await;
        let read = transactions(&mut selector, 1).await;
        assert_eq!((read[0].row_count(), read[0].part), (10_000, Part::Whole));
    }
}

/// INVARIANT MEM-1: a small budget slows the reading and never stops it.
#[tokio::test]
async fn a_budget_smaller_than_the_transaction_is_kept_and_nothing_waits_for_ever() {
    for flavor in FLAVORS {
        let server = source(flavor, &[]).await;
        let mut selector = BinlogSelector::new(options(&server));
        let position = selector.locate(&Start::Now).await.unwrap();
        let budget = Budget::new(64 * 1024);
        selector.open(&position, &budget).await.unwrap();
        insert_many(&server, 100).await;
        let (mut all, fragments) = read_all(&mut selector, 0).await;
        all[2..10_002].sort_unstable();
        assert_eq!(all, expected());
        assert!(fragments > 20, "{fragments} fragments");
        drop(selector);
        assert_eq!(budget.free_bytes(), 64 * 1024, "all room was given back");
    }
}

#[tokio::test]
async fn without_room_nothing_is_read_until_a_batch_is_dropped() {
    let server = source(Flavor::MySql, &[]).await;
    let mut selector = BinlogSelector::new(options(&server));
    let position = selector.locate(&Start::Now).await.unwrap();
    let budget = Budget::new(64 * 1024);
    selector.open(&position, &budget).await.unwrap();
    insert_many(&server, 100).await;
    let mut held = Vec::new();
    let quiet = std::time::Duration::from_millis(500);
    while let Ok(batch) = timeout(quiet, selector.next()).await {
        held.push(batch.unwrap());
    }
    let read: usize = held.iter().map(Batch::row_count).sum();
    assert!(read < 1_000, "{read} rows were read into 64 KiB");
    drop(held);
    assert!(next(&mut selector).await.row_count() > 0);
}

#[tokio::test]
async fn a_row_larger_than_the_budget_passes_alone() {
    for flavor in FLAVORS {
        let server = source(flavor, &["--max-allowed-packet=64M"]).await;
        let mut selector = BinlogSelector::new(options(&server));
        let position = selector.locate(&Start::Now).await.unwrap();
        selector.open(&position, &Budget::new(64 * 1024)).await.unwrap();
        testbed::execute(
            &server,
            "INSERT INTO shop.item VALUES (1, REPEAT('x', 20000000)); \
             INSERT INTO shop.item VALUES (2, 'small')",
        )
        .await;
        let large = next(&mut selector).await;
        assert_eq!(large.row_count(), 1);
        drop(large);
        loop {
            let batch = next(&mut selector).await;
            if let Some(transaction) = batch.transactions.first()
                && transaction.row_count() > 0
            {
                assert_eq!(show(transaction), "insert shop.item 2,small");
                break;
            }
        }
    }
}

#[tokio::test]
async fn an_event_larger_than_the_limit_stops_the_reading_and_names_the_setting() {
    for (flavor, args) in [
        (Flavor::MySql, &[][..]),
        (Flavor::MySql, &["--binlog-transaction-compression=ON"]),
        (Flavor::MariaDb, &["--log-bin-compress=ON"]),
    ] {
        let server = source(flavor, args).await;
        let mut options = options(&server);
        options.max_event = 1 << 20;
        let mut selector = open_now(options).await;
        testbed::execute(&server, "INSERT INTO shop.item VALUES (1, REPEAT('x', 2000000))").await;
        assert_fatal(&failure(&mut selector).await, "max_event");
    }
}

#[tokio::test]
async fn a_busy_source_is_read_in_large_batches() {
    let server = source(Flavor::MySql, &[]).await;
    let mut selector = BinlogSelector::new(options(&server));
    let position = selector.locate(&Start::Now).await.unwrap();
    let inserts: Vec<String> =
        (0..2_000).map(|id| format!("INSERT INTO shop.item VALUES ({id}, 'x')")).collect();
    testbed::execute(&server, &inserts.join(";")).await;
    selector.open(&position, &Budget::new(BUDGET)).await.unwrap();
    let (mut batches, mut rows) = (0, 0);
    while rows < 2_000 {
        rows += timeout(DEADLINE, selector.next()).await.unwrap().unwrap().row_count();
        batches += 1;
    }
    assert!(batches < 100, "{batches} batches for 2,000 transactions that were all there");
}
