//! Resuming, and noticing a source that is not the one that was read from.

use otter_binlog::selector::BinlogSelector;
use otter_core::{Budget, Error, Place, Position, Select, Start};
use otter_server::sandbox::{Flavor, Server};
use otter_tests::query;
use otter_tests::testbed;
use otter_tests::wait::wait_until;

use super::support::{
    BUDGET, DEADLINE, assert_fatal, open_now, options, position_after, show, transactions,
};

/// What tells one source's kind of position from another's.
const KINDS: [(Flavor, &[&str]); 3] = [
    (Flavor::MySql, &[]),
    (Flavor::MySql, &["--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"]),
    (Flavor::MariaDb, &[]),
];

const TABLE: &str =
    "CREATE DATABASE shop; CREATE TABLE shop.item (id INT PRIMARY KEY, name VARCHAR(100))";

async fn source(flavor: Flavor, args: &[&str]) -> Server {
    let testbed = args.iter().fold(testbed::server(flavor).source(), |it, arg| it.arg(*arg));
    let server = testbed.start().await;
    testbed::execute(&server, TABLE).await;
    server
}

/// A position as a checkpoint keeps it: as text.
fn stored(position: &Position) -> Position {
    let place = |place: &Place| place.to_string().parse().unwrap();
    Position {
        source: position.source.clone(),
        resume_from: place(&position.resume_from),
        applied_through: place(&position.applied_through),
    }
}

/// Inserts a row and reads it, and returns the position behind it.
async fn read_one(server: &Server, selector: &mut BinlogSelector, id: u32) -> Position {
    testbed::execute(server, &format!("INSERT INTO shop.item VALUES ({id}, 'x')")).await;
    stored(&position_after(selector, 1).await)
}

async fn reopen(server: &Server, position: &Position) -> Result<BinlogSelector, Error> {
    let mut selector = BinlogSelector::new(options(server));
    selector.open(position, &Budget::new(BUDGET)).await.map(|()| selector)
}

fn reset_statement(flavor: Flavor) -> &'static str {
    match flavor {
        Flavor::MySql => "RESET BINARY LOGS AND GTIDS",
        Flavor::MariaDb => "RESET MASTER",
    }
}

/// Purges all files but the newest. A dump that has just been dropped may still hold one.
async fn purge(server: &Server) {
    let newest = query::texts(server, "SHOW BINARY LOGS").await.pop().unwrap().remove(0);
    wait_until("all other files are purged", DEADLINE, async || {
        testbed::execute(server, &format!("PURGE BINARY LOGS TO '{newest}'")).await;
        query::texts(server, "SHOW BINARY LOGS").await.len() == 1
    })
    .await;
}

#[tokio::test]
async fn a_stored_position_is_gone_on_from_after_restarts_and_rotations_of_the_source() {
    for (flavor, args) in KINDS {
        let mut server = source(flavor, args).await;
        let mut selector = open_now(options(&server)).await;
        let position = read_one(&server, &mut selector, 1).await;
        drop(selector);
        // Again at the same place, twice: reading to recognise changes nothing.
        drop(reopen(&server, &position).await.unwrap());
        let mut selector = reopen(&server, &position).await.unwrap();
        testbed::execute(&server, "FLUSH BINARY LOGS").await;
        server.restart().await.unwrap();
        let position = {
            // The line broke with the restart.
            drop(selector);
            selector = reopen(&server, &position).await.unwrap();
            read_one(&server, &mut selector, 2).await
        };
        server.kill9().unwrap();
        server.start_again().await.unwrap();
        let mut selector = reopen(&server, &position).await.unwrap();
        testbed::execute(&server, "INSERT INTO shop.item VALUES (3, 'y')").await;
        assert_eq!(show(&transactions(&mut selector, 1).await[0]), "insert shop.item 3,y");
    }
}

#[tokio::test]
async fn a_source_that_was_reset_is_refused() {
    for (flavor, args) in KINDS {
        let server = source(flavor, args).await;
        let mut selector = open_now(options(&server)).await;
        let position = read_one(&server, &mut selector, 1).await;
        drop(selector);
        testbed::execute(&server, reset_statement(flavor)).await;
        let error = reopen(&server, &position).await.unwrap_err();
        assert_fatal(&error, "start the pipeline afresh");
        // Neither does new life with as many transactions make it the old one.
        testbed::execute(
            &server,
            "DROP DATABASE shop; CREATE DATABASE shop; \
             CREATE TABLE shop.item (id INT PRIMARY KEY, name VARCHAR(100))",
        )
        .await;
        for id in 1..20 {
            testbed::execute(&server, &format!("INSERT INTO shop.item VALUES ({id}, 'z')")).await;
        }
        let error = reopen(&server, &position).await.unwrap_err();
        assert_fatal(&error, "start the pipeline afresh");
    }
}

#[tokio::test]
async fn another_server_with_the_same_history_is_refused() {
    for (flavor, args) in KINDS {
        let (server, other) = tokio::join!(source(flavor, args), source(flavor, args));
        let mut selector = open_now(options(&server)).await;
        let position = read_one(&server, &mut selector, 1).await;
        testbed::execute(&other, "INSERT INTO shop.item VALUES (1, 'x')").await;
        let error = reopen(&other, &position).await.unwrap_err();
        assert_fatal(&error, "afresh");
    }
}

#[tokio::test]
async fn purged_binlogs_that_were_not_read_are_told_with_the_oldest_there_is() {
    for (flavor, args) in KINDS {
        let server = source(flavor, args).await;
        let mut selector = open_now(options(&server)).await;
        let position = read_one(&server, &mut selector, 1).await;
        drop(selector);
        testbed::execute(
            &server,
            "INSERT INTO shop.item VALUES (2, 'x'); FLUSH BINARY LOGS; \
             INSERT INTO shop.item VALUES (3, 'x'); FLUSH BINARY LOGS",
        )
        .await;
        purge(&server).await;
        let error = reopen(&server, &position).await.unwrap_err();
        assert_fatal(&error, "purged binlogs that were not read yet");
        let oldest = query::texts(&server, "SHOW BINARY LOGS").await[0][0].clone();
        assert!(error.to_string().contains(&oldest), "{error}");
        // An operator who gives that position is told the same.
        let place = position.resume_from.clone();
        let mut selector = BinlogSelector::new(options(&server));
        let error = selector.locate(&Start::At(Place { last: None, ..place })).await.unwrap_err();
        assert_fatal(&error, "purged");
    }
}

/// An idle source changes its files; the position follows, so that purging loses nothing.
#[tokio::test]
async fn a_source_that_only_rotates_and_purges_is_gone_on_with() {
    for (flavor, args) in KINDS {
        let server = source(flavor, args).await;
        let mut options = options(&server);
        options.progress_interval = std::time::Duration::from_millis(50);
        let mut selector = open_now(options).await;
        let before = read_one(&server, &mut selector, 1).await;
        testbed::execute(&server, "FLUSH BINARY LOGS").await;
        let batch = super::support::next(&mut selector).await;
        assert!(batch.transactions.is_empty());
        let position = stored(&batch.through.unwrap());
        assert_ne!(position.resume_from.file, before.resume_from.file);
        drop(selector);
        purge(&server).await;
        let mut selector = reopen(&server, &position).await.unwrap();
        testbed::execute(&server, "INSERT INTO shop.item VALUES (2, 'y')").await;
        assert_eq!(show(&transactions(&mut selector, 1).await[0]), "insert shop.item 2,y");
    }
}

#[tokio::test]
async fn the_earliest_start_reads_everything_that_there_is() {
    for (flavor, args) in KINDS {
        let server = source(flavor, args).await;
        testbed::execute(
            &server,
            "INSERT INTO shop.item VALUES (1, 'x'); FLUSH BINARY LOGS; \
             INSERT INTO shop.item VALUES (2, 'y'); FLUSH BINARY LOGS; \
             INSERT INTO shop.item VALUES (3, 'z')",
        )
        .await;
        let mut selector = BinlogSelector::new(options(&server));
        let position = selector.locate(&Start::Earliest).await.unwrap();
        selector.open(&position, &Budget::new(BUDGET)).await.unwrap();
        let read: Vec<String> = transactions(&mut selector, 5).await.iter().map(show).collect();
        assert!(read[0].starts_with("CREATE DATABASE"), "{read:?}");
        assert!(read[1].starts_with("CREATE TABLE"), "{read:?}");
        assert_eq!(
            read[2..],
            ["insert shop.item 1,x", "insert shop.item 2,y", "insert shop.item 3,z"]
        );
    }
}

#[tokio::test]
async fn an_operator_s_place_is_a_start_where_it_exists() {
    for (flavor, args) in KINDS {
        let server = source(flavor, args).await;
        let mut selector = open_now(options(&server)).await;
        let position = read_one(&server, &mut selector, 1).await;
        testbed::execute(&server, "INSERT INTO shop.item VALUES (2, 'y')").await;
        let place = position.resume_from;
        let mut given = Vec::new();
        if let Some(gtids) = &place.gtids {
            given.push(Place::from_gtids(gtids.clone()));
        }
        given.push(Place::from_file(place.file.clone().unwrap()));
        for place in given {
            let mut selector = BinlogSelector::new(options(&server));
            let located = selector.locate(&Start::At(place)).await.unwrap();
            selector.open(&located, &Budget::new(BUDGET)).await.unwrap();
            let batch = super::support::next(&mut selector).await;
            assert_eq!(batch.after, located);
            assert_eq!(show(&batch.transactions[0]), "insert shop.item 2,y");
            // And from behind it, with what was stored.
            let mut selector = reopen(&server, &stored(&batch.through.unwrap())).await.unwrap();
            testbed::execute(&server, "UPDATE shop.item SET name = 'z' WHERE id = 2").await;
            let read = transactions(&mut selector, 1).await;
            assert_eq!(show(&read[0]), "update shop.item 2,y to 2,z");
            testbed::execute(&server, "UPDATE shop.item SET name = 'y' WHERE id = 2").await;
        }
        for nowhere in ["binlog.000001:3", "binlog.000001:99999999", "binlog.999999:4"] {
            let place = nowhere.parse().unwrap();
            let error = selector.locate(&Start::At(place)).await.unwrap_err();
            assert_eq!(error.fault(), otter_core::Fault::Fatal, "{nowhere}: {error}");
        }
    }
}

#[tokio::test]
async fn a_place_inside_a_transaction_is_refused() {
    let server = source(Flavor::MariaDb, &[]).await;
    testbed::execute(&server, "INSERT INTO shop.item VALUES (1, 'x')").await;
    let events = query::texts(&server, "SHOW BINLOG EVENTS").await;
    let table_map = events.iter().find(|row| row[2] == "Table_map").unwrap();
    let place = Place::from_file(otter_core::FilePlace::new(
        table_map[0].as_str(),
        table_map[1].parse::<u64>().unwrap(),
    ));
    let mut selector = BinlogSelector::new(options(&server));
    let located = selector.locate(&Start::At(place)).await.unwrap();
    selector.open(&located, &Budget::new(BUDGET)).await.unwrap();
    let error = super::support::failure(&mut selector).await;
    assert_fatal(&error, "the position is inside one");
}

#[tokio::test]
async fn tagged_gtids_are_followed() {
    let server = source(Flavor::MySql, &[]).await;
    let mut selector = open_now(options(&server)).await;
    testbed::execute(
        &server,
        "SET gtid_next = 'AUTOMATIC:otter'; INSERT INTO shop.item VALUES (1, 'x')",
    )
    .await;
    let position = stored(&position_after(&mut selector, 1).await);
    assert!(position.to_string().contains(":otter:1"), "{position}");
    let mut selector = reopen(&server, &position).await.unwrap();
    testbed::execute(&server, "INSERT INTO shop.item VALUES (2, 'y')").await;
    assert_eq!(show(&transactions(&mut selector, 1).await[0]), "insert shop.item 2,y");
}
