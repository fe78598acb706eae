//! The files of a server give what the server itself sends, from every start; and a time is found
//! on a live server.

use std::sync::Arc;
use std::time::Duration;

use otter_binlog::reader::{BinlogFiles, BinlogReader, LiveReader, ReadOptions, has_names};
use otter_binlog::selector::BinlogSelector;
use otter_core::{Event, GtidSet, Place, Select, SourceTime, Start, Transaction};
use otter_server::sandbox::{Flavor, Server};
use otter_tests::query;
use otter_tests::testbed::{self, FLAVORS};
use otter_tests::wait::wait_until;
use tokio::time::timeout;

use super::support::{DEADLINE, options, reading, show};

const TABLES: &str = "CREATE DATABASE shop; CREATE DATABASE other;
    CREATE TABLE shop.item (id INT PRIMARY KEY, name VARCHAR(100), price DECIMAL(8, 2),
        kind ENUM('new', 'old'), made DATETIME(3), seen TIMESTAMP NULL, note TEXT, thumb BLOB);
    CREATE TABLE other.item (id INT PRIMARY KEY)";

/// Transactions of several seconds in three files; DDL, savepoints and other tables among them.
async fn written(flavor: Flavor, metadata: &str) -> Server {
    let metadata = format!("--binlog-row-metadata={metadata}");
    let server = testbed::server(flavor).source().arg(metadata).start().await;
    testbed::execute(&server, TABLES).await;
    for file in 0..3 {
        for second in 0..2 {
            next_second(&server).await;
            let id = 10 * file + 2 * second;
            let (next, name) = (id + 1, "n".repeat(50));
            testbed::execute(
                &server,
                &format!(
                    "INSERT INTO shop.item (id, name, price, kind, made, thumb) VALUES \
                     ({id}, 'Käse', 1.50, 'new', '2026-01-02 03:04:05.678', X'00ff'); \
                     BEGIN; INSERT INTO shop.item (id, name) VALUES ({next}, '{name}'); \
                     INSERT INTO other.item VALUES ({id}); SAVEPOINT s; \
                     DELETE FROM shop.item WHERE id = {id}; ROLLBACK TO s; \
                     UPDATE shop.item SET note = 'x', kind = 'old' WHERE id >= {id}; COMMIT; \
                     INSERT INTO other.item VALUES ({next})"
                ),
            )
            .await;
        }
        testbed::execute(&server, "ALTER TABLE shop.item COMMENT 'a'; FLUSH BINARY LOGS").await;
    }
    server
}

async fn next_second(server: &Server) {
    let begin = query::number(server, "SELECT UNIX_TIMESTAMP()").await;
    wait_until("the next second", DEADLINE, async || {
        query::number(server, "SELECT UNIX_TIMESTAMP()").await > begin
    })
    .await;
}

/// What the live server sends from a start until everything that it has written by now.
async fn live(server: &Server, start: &Start) -> Vec<Transaction> {
    let mut selector = BinlogSelector::new(options(server));
    let end = selector.locate(&Start::Now).await.unwrap();
    let mut reached = selector.locate(start).await.unwrap();
    selector.open(&reached, &otter_core::Budget::new(64 << 20)).await.unwrap();
    let mut read = Vec::new();
    while reached.covers(&end) != Some(true) {
        let batch = timeout(DEADLINE, selector.next()).await.expect("a batch in time").unwrap();
        read.extend(batch.transactions);
        reached = batch.through.unwrap_or(reached);
    }
    read
}

fn wanted() -> ReadOptions {
    let mut options = ReadOptions::new(|table| &*table.database == "shop");
    options.databases = Arc::new(|database| database == "shop");
    options
}

fn filed(server: &Server, start: &Start) -> Vec<Transaction> {
    let files = BinlogFiles::find(server.data_dir()).unwrap();
    let reader = BinlogReader::open(files, start, wanted()).unwrap();
    reader.into_iter().map(Result::unwrap).collect()
}

/// All that is known of a transaction, as text.
fn told(transactions: &[Transaction]) -> Vec<String> {
    let tell = |it: &Transaction| {
        let (gtid, at) = (it.gtid.as_ref().map(ToString::to_string), it.committed_at);
        format!("{gtid:?} {} {at} {:?} {}", it.start, it.part, show(it))
    };
    transactions.iter().map(tell).collect()
}

#[tokio::test]
async fn files_give_the_transactions_that_the_live_selector_gives_from_every_start() {
    for flavor in FLAVORS {
        let server = written(flavor, "FULL").await;
        let all = live(&server, &Start::Earliest).await;
        assert!(all.len() >= 3 * 5, "{} transactions", all.len());
        let all_told = told(&all);
        assert_eq!(told(&filed(&server, &Start::Earliest)), all_told, "{flavor}");

        let mut gtids: Option<GtidSet> = None;
        for (index, transaction) in all.iter().enumerate() {
            let place = Start::At(Place::from_file(transaction.start.clone()));
            assert_eq!(told(&filed(&server, &place)), all_told[index..], "{flavor} from {place:?}");
            if let Some(gtids) = gtids.clone().filter(|_| flavor == Flavor::MariaDb) {
                let behind = Start::At(Place::from_gtids(gtids));
                assert_eq!(told(&filed(&server, &behind)), all_told[index..], "from {behind:?}");
            }
            let gtid = transaction.gtid.as_ref().unwrap();
            gtids.get_or_insert_with(|| GtidSet::single(gtid)).insert(gtid);
        }
        // MySQL's sets name every transaction, those of other tables too.
        if flavor == Flavor::MySql {
            let executed = query::text(&server, "SELECT @@GLOBAL.gtid_executed").await;
            let set: GtidSet = executed.parse().unwrap();
            assert!(filed(&server, &Start::At(Place::from_gtids(set.clone()))).is_empty());
            let mut without = set;
            without.remove(all[7].gtid.as_ref().unwrap());
            without.remove(all[2].gtid.as_ref().unwrap());
            let behind = filed(&server, &Start::At(Place::from_gtids(without)));
            assert_eq!(told(&behind), [all_told[2].clone(), all_told[7].clone()]);
        }
    }
}

#[tokio::test]
async fn a_time_is_the_same_start_on_a_live_server_and_in_its_files() {
    for flavor in FLAVORS {
        let server = written(flavor, "FULL").await;
        let all = filed(&server, &Start::Earliest);
        let all_told = told(&all);
        let (first, last) = (all[0].committed_at.seconds(), all.last().unwrap().committed_at);
        for second in first - 1..=last.seconds() + 1 {
            let time = SourceTime::from_seconds(second);
            next_second_is_over(&server, second).await;
            let index = all.iter().take_while(|it| it.committed_at < time).count();
            let since = Start::Since(time);
            assert_eq!(told(&filed(&server, &since)), all_told[index..], "{flavor} {time}");
            assert_eq!(told(&live(&server, &since).await), all_told[index..], "{flavor} {time}");
        }
        let mut selector = BinlogSelector::new(options(&server));
        let future: Start = "2100-01-01T00:00:00Z".parse().unwrap();
        let error = selector.locate(&future).await.unwrap_err();
        assert!(error.to_string().contains("lies in the future"), "{error}");

        // The place that was found is one to resume at, by which the source is recognised.
        let located = selector.locate(&Start::Since(last)).await.unwrap();
        let place = located.resume_from;
        assert!(place.last.is_some() && place.gtids.is_some(), "{flavor} {place:?}");
    }
}

async fn next_second_is_over(server: &Server, second: u64) {
    wait_until("the second", DEADLINE, async || {
        query::number(server, "SELECT UNIX_TIMESTAMP()").await >= second
    })
    .await;
}

#[tokio::test]
async fn without_names_in_the_binlog_columns_of_files_are_numbered() {
    for flavor in FLAVORS {
        let server = testbed::server(flavor).source().arg("--binlog-row-metadata=MINIMAL");
        let server = server.start().await;
        testbed::execute(&server, TABLES).await;
        testbed::execute(&server, "INSERT INTO shop.item (id, name) VALUES (7, 'a')").await;
        testbed::execute(&server, "FLUSH BINARY LOGS").await;
        let read = filed(&server, &Start::Earliest);
        let Some(Event::Rows(rows)) = read.last().and_then(|it| it.events.last()) else {
            panic!("{flavor}: {:?}", told(&read));
        };
        assert!(!has_names(rows.table()));
        assert_eq!(&*rows.table().columns[1].name, "@2");
        assert_eq!(
            show(read.last().unwrap()),
            "insert shop.item 7,a,NULL,NULL,NULL,NULL,NULL,NULL"
        );
    }
}

#[tokio::test]
async fn transactions_of_a_live_server_come_one_by_one_and_waiting_loses_none() {
    for flavor in FLAVORS {
        let server = written(flavor, "FULL").await;
        let all_told = told(&filed(&server, &Start::Earliest));
        let mut reader = LiveReader::open(reading(&server), &Start::Earliest).await.unwrap();
        let mut read = Vec::new();
        while read.len() < all_told.len() {
            // A wait that is given up takes nothing with it.
            let next = timeout(Duration::from_micros(50), reader.next_transaction());
            if let Ok(transaction) = next.await {
                read.push(transaction.unwrap());
            }
        }
        assert_eq!(told(&read), all_told, "{flavor}");
    }
}

#[tokio::test]
async fn a_file_that_is_still_written_is_read_as_far_as_it_goes() {
    for flavor in FLAVORS {
        let server = testbed::server(flavor).source().arg("--binlog-row-metadata=FULL");
        let mut server = server.start().await;
        testbed::execute(&server, TABLES).await;
        for id in 1..4 {
            testbed::execute(&server, &format!("INSERT INTO shop.item (id) VALUES ({id})")).await;
            assert_eq!(filed(&server, &Start::Earliest).len(), id + 2, "{flavor}");
        }
        let end = filed(&server, &Start::Earliest).pop().unwrap().end.unwrap().end;
        server.kill9().unwrap();
        assert_eq!(filed(&server, &Start::Earliest).len(), 5, "{flavor}");
        server.start_again().await.unwrap();
        testbed::execute(&server, "INSERT INTO shop.item (id) VALUES (9)").await;
        let rest = filed(&server, &Start::At(Place::from_file(end)));
        let rest: Vec<String> = rest.iter().map(show).collect();
        assert_eq!(rest, ["insert shop.item 9,NULL,NULL,NULL,NULL,NULL,NULL,NULL"], "{flavor}");
    }
}
