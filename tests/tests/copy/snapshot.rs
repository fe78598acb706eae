//! What the copy leans on: which transactions a snapshot of a loaded MySQL server holds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use otter_binlog::selector::{BinlogSelector, SelectorOptions};
use otter_core::{Budget, Event, FilePlace, Gtid, GtidSet, Select, Start, Value};
use otter_server::sandbox::{Flavor, Server};
use otter_tests::testbed::{self, execute};
use sqlx::mysql::MySqlConnection;
use sqlx::{AssertSqlSafe, Row};

/// A snapshot with what was said around it.
struct Look {
    low: GtidSet,
    high: FilePlace,
    visible: Vec<u64>,
}

async fn cell(connection: &mut MySqlConnection, query: &str, column: usize) -> String {
    let row = sqlx::raw_sql(AssertSqlSafe(query.to_owned())).fetch_one(connection).await.unwrap();
    let bytes: Vec<u8> = row.try_get_unchecked(column).unwrap();
    String::from_utf8(bytes).unwrap()
}

async fn run(connection: &mut MySqlConnection, text: &str) {
    sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(connection).await.unwrap();
}

async fn look(connection: &mut MySqlConnection) -> Look {
    let executed = cell(connection, "SELECT @@GLOBAL.gtid_executed", 0).await;
    run(connection, "START TRANSACTION WITH CONSISTENT SNAPSHOT").await;
    let status = "SHOW BINARY LOG STATUS".to_owned();
    let row = sqlx::raw_sql(AssertSqlSafe(status)).fetch_one(&mut *connection).await.unwrap();
    let text = |column: usize| {
        let bytes: Vec<u8> = row.try_get_unchecked(column).unwrap();
        String::from_utf8(bytes).unwrap()
    };
    let high = FilePlace::new(text(0), text(1).parse().unwrap());
    let rows = sqlx::raw_sql("SELECT CAST(id AS CHAR) FROM shop.t").fetch_all(&mut *connection);
    let rows = rows.await.unwrap();
    let visible = rows.iter().map(|row| {
        let bytes: Vec<u8> = row.try_get_unchecked(0).unwrap();
        String::from_utf8(bytes).unwrap().parse().unwrap()
    });
    let visible = visible.collect();
    run(connection, "COMMIT").await;
    Look { low: GtidSet::parse_mysql(&executed).unwrap(), high, visible }
}

async fn write(source: Arc<Server>, stop: Arc<AtomicBool>) {
    let mut connection = source.connect().await.unwrap();
    while !stop.load(Ordering::Relaxed) {
        run(&mut connection, "INSERT INTO shop.t (v) VALUES ('x')").await;
    }
}

/// Which transaction brought each row, and where it ends.
async fn history(selector: &mut BinlogSelector, rows: usize) -> BTreeMap<u64, (Gtid, FilePlace)> {
    let mut found = BTreeMap::new();
    while found.len() < rows {
        let batch = selector.next().await.unwrap();
        for transaction in &batch.transactions {
            let end = transaction.end.as_ref().unwrap();
            for event in &transaction.events {
                let Event::Rows(rows) = event else { continue };
                for change in rows.changes() {
                    let id = match change.after().and_then(|row| row.value(0)) {
                        Some(Value::Int(id)) => u64::try_from(id).unwrap(),
                        other => panic!("{other:?}"),
                    };
                    found.insert(id, (transaction.gtid.clone().unwrap(), end.end.clone()));
                }
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_of_mysql_holds_what_is_executed_and_nothing_behind_the_binlog_s_end() {
    let source = Arc::new(testbed::server(Flavor::MySql).source().start().await);
    execute(
        &source,
        "CREATE DATABASE shop; CREATE TABLE shop.t (id INT AUTO_INCREMENT PRIMARY KEY, v TEXT)",
    )
    .await;
    let url = source.url().parse().unwrap();
    let options = SelectorOptions::new(url, Arc::new(|table| &*table.database == "shop"));
    let mut selector = BinlogSelector::new(options);
    let position = selector.locate(&Start::Now).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> =
        (0..4).map(|_| tokio::spawn(write(Arc::clone(&source), Arc::clone(&stop)))).collect();
    let mut connection = source.connect().await.unwrap();
    run(&mut connection, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ").await;
    let mut looks = Vec::new();
    for _ in 0..200 {
        looks.push(look(&mut connection).await);
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    let last = look(&mut connection).await;
    selector.open(&position, &Budget::new(64 << 20)).await.unwrap();
    let history = history(&mut selector, last.visible.len()).await;
    let mut between = 0;
    for look in &looks {
        for id in &look.visible {
            let (_, end) = &history[id];
            assert_eq!(look.high.covers(end), Some(true), "row {id} ends at {end}: {}", look.high);
        }
        let visible: std::collections::BTreeSet<_> = look.visible.iter().collect();
        for (id, (gtid, _)) in &history {
            assert!(!look.low.contains(gtid) || visible.contains(id), "row {id} of {gtid}");
            between += usize::from(visible.contains(id) && !look.low.contains(gtid));
        }
    }
    println!("{} rows, {between} seen between the two marks", history.len());
    assert!(history.len() > 200, "only {} rows", history.len());
}
