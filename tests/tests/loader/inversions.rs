//! Groups that have nothing in common, and of which the older still waits for the younger: the
//! server's locks reach further than what is written, and it sees no deadlock, since the order of
//! commits is ours.

use std::time::Duration;

use otter_core::testkit::lease::lease;
use otter_core::{Event, Load};
use otter_server::sandbox::Flavor;
use otter_tests::query;
use otter_tests::wait::wait_until;
use sqlx::{AssertSqlSafe, raw_sql};

use crate::place::Place;
use crate::source::{INT, Source, delete, insert, pair, table, update};

const LONG: Duration = Duration::from_secs(60);

/// Changes of the table `it` (and `other`) that two groups make at once.
struct Inversion {
    name: &'static str,
    tables: &'static str,
    older: &'static [Write],
    younger: &'static [Write],
    /// A query of one number that tells 1 when the younger's changes can be seen before its commit;
    /// none where the two are never beside each other.
    is_done: Option<&'static str>,
    /// Where the older waits for the younger.
    waits_in: &'static [Flavor],
    /// `it` in the end.
    left: &'static str,
}

/// A row of `it` or `other`: the table, and the row before and after.
type Write = (&'static str, Option<(i64, i64)>, Option<(i64, i64)>);

const BOTH: &[Flavor] = &[Flavor::MariaDb, Flavor::MySql];

const KEYED: &str = "CREATE TABLE it (id INT PRIMARY KEY, n INT, UNIQUE (n)); \
                     CREATE TABLE other (id INT PRIMARY KEY, n INT); \
                     INSERT INTO it VALUES (1, 10), (2, 20), (4, 40), (5, 50), (6, 60)";

const INVERSIONS: [Inversion; 5] = [
    Inversion {
        name: "a row just below a unique value that the younger gave another row",
        tables: KEYED,
        older: &[("it", None, Some((8, 49)))],
        younger: &[("it", Some((5, 50)), None), ("it", None, Some((7, 50)))],
        is_done: Some("SELECT COUNT(*) FROM {db}.it WHERE id = 7"),
        waits_in: BOTH,
        left: "1=10 2=20 4=40 6=60 7=50 8=49",
    },
    Inversion {
        name: "a unique value that moves just below such a one",
        tables: KEYED,
        older: &[("it", Some((1, 10)), Some((1, 49)))],
        younger: &[("it", Some((5, 50)), None), ("it", None, Some((7, 50)))],
        is_done: Some("SELECT COUNT(*) FROM {db}.it WHERE id = 7"),
        waits_in: BOTH,
        left: "1=49 2=20 4=40 6=60 7=50",
    },
    Inversion {
        name: "a unique value given to another row beside a row that the younger deletes",
        tables: KEYED,
        older: &[("it", Some((5, 50)), None), ("it", None, Some((7, 50)))],
        younger: &[("it", Some((6, 60)), None)],
        is_done: Some("SELECT COUNT(*) = 0 FROM {db}.it WHERE id = 6"),
        waits_in: &[Flavor::MariaDb],
        left: "1=10 2=20 4=40 7=50",
    },
    Inversion {
        name: "a parent whose child the younger inserts",
        tables: "CREATE TABLE it (id INT PRIMARY KEY, n INT); \
                 CREATE TABLE other (id INT PRIMARY KEY, n INT, FOREIGN KEY (n) REFERENCES it (id)); \
                 INSERT INTO it VALUES (1, 10)",
        older: &[("it", Some((1, 10)), Some((1, 11)))],
        younger: &[("other", None, Some((1, 1)))],
        is_done: None,
        waits_in: BOTH,
        left: "1=11",
    },
    Inversion {
        name: "a row without a key behind one that the younger deletes",
        tables: "CREATE TABLE it (id INT, n INT); CREATE TABLE other (id INT PRIMARY KEY, n INT); \
                 INSERT INTO it VALUES (1, 10), (2, 20), (3, 30)",
        older: &[("it", Some((3, 30)), None)],
        younger: &[("it", Some((1, 10)), None)],
        is_done: None,
        waits_in: BOTH,
        left: "2=20",
    },
];

/// The statement that makes a change.
fn statement((name, before, after): &Write) -> String {
    match (before, after) {
        (None, Some((id, n))) => format!("INSERT INTO {name} VALUES ({id}, {n})"),
        (Some((id, n)), None) => format!("DELETE FROM {name} WHERE id = {id} AND n = {n} LIMIT 1"),
        (Some((id, _)), Some((_, n))) => format!("UPDATE {name} SET n = {n} WHERE id = {id}"),
        (None, None) => panic!("a change changes something"),
    }
}

/// The event that tells it.
fn event(place: &Place, (name, before, after): &Write) -> Event {
    let table = table(&place.database, name, &[("id", INT), ("n", INT)]);
    match (before, after) {
        (None, Some((id, n))) => insert(&table, &[pair(*id, *n)]),
        (Some((id, n)), None) => delete(&table, &[pair(*id, *n)]),
        (Some((id, old)), Some((_, n))) => update(&table, pair(*id, *old), pair(*id, *n)),
        (None, None) => panic!("a change changes something"),
    }
}

fn script(writes: &[Write]) -> String {
    writes.iter().map(statement).collect::<Vec<_>>().join("; ")
}

async fn row_lock_waits(place: &Place) -> i64 {
    let shown = query::texts(place.server, "SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_waits'").await;
    shown[0][1].parse().unwrap()
}

async fn make_anew(place: &Place, inversion: &Inversion) {
    place
        .execute(&format!(
            "DROP TABLE IF EXISTS other, it, gate; {}; \
             CREATE TABLE gate (id INT PRIMARY KEY, n INT); INSERT INTO gate VALUES (1, 0)",
            inversion.tables
        ))
        .await;
}

on_both! {
    /// What the loader's patience is for: a version of a server that changes it shall be noticed.
    async fn these_locks_reach_further_than_what_is_written(place: Place) {
        for inversion in &INVERSIONS {
            make_anew(&place, inversion).await;
            let begin = format!(
                "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; \
                 SET SESSION innodb_lock_wait_timeout = 1; USE {}; START TRANSACTION; ",
                place.database
            );
            let mut younger = place.server.connect().await.unwrap();
            let text = format!("{begin}{}", script(inversion.younger));
            raw_sql(AssertSqlSafe(text)).execute(&mut younger).await.unwrap();
            let mut older = place.server.connect().await.unwrap();
            let text = format!("{begin}{}", script(inversion.older));
            let outcome = raw_sql(AssertSqlSafe(text)).execute(&mut older).await;
            let waits = matches!(&outcome, Err(error) if error.to_string().contains("Lock wait"));
            assert!(waits || outcome.is_ok(), "{outcome:?}");
            assert_eq!(waits, inversion.waits_in.contains(&place.flavor), "{}", inversion.name);
        }
    }

    async fn the_older_does_not_wait_for_the_server_s_patience(place: Place) {
        let mut source = Source::new();
        let mut options = place.options();
        options.connections = 4;
        options.group_rows = 2;
        // The server's own way out would come too late for this test.
        options.row_lock_wait = Duration::from_secs(300);
        let mut term = 0;
        for inversion in &INVERSIONS {
            make_anew(&place, inversion).await;
            term += 1;
            let loader = place.loader_with(options.clone());
            if loader.resume(&lease(term)).await.unwrap().is_none() {
                loader.begin(&source.position(), &lease(term)).await.unwrap();
            }
            let mut other = place.server.connect().await.unwrap();
            let hold = format!("START TRANSACTION; UPDATE {}.gate SET n = 1", place.database);
            raw_sql(AssertSqlSafe(hold)).execute(&mut other).await.unwrap();
            // The older waits at the gate while the younger is executed.
            let events = |writes: &[Write]| -> Vec<Event> {
                writes.iter().map(|write| event(&place, write)).collect()
            };
            let mut older = vec![event(&place, &("gate", Some((1, 0)), Some((1, 2))))];
            older.extend(events(inversion.older));
            let batch = source.batch(vec![older, events(inversion.younger)]);
            let before = row_lock_waits(&place).await;
            let load = async { loader.load(batch, &lease(term)).await };
            let release = async {
                place.wait_for_a_lock_wait().await;
                if let Some(query) = inversion.is_done {
                    let query = format!(
                        "SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED; {query}"
                    );
                    wait_until("the younger is executed", LONG, async || {
                        place.texts(&query).await.last().is_some_and(|row| row[0] == "1")
                    })
                    .await;
                }
                raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
            };
            let both = async { tokio::join!(load, release) };
            let (loaded, ()) = tokio::time::timeout(LONG, both).await.expect(inversion.name);
            let _ = loaded.expect(inversion.name);
            loader.close().await;
            let left = place.texts("SELECT CONCAT(id, '=', n) FROM {db}.it ORDER BY id").await;
            assert_eq!(left.concat().join(" "), inversion.left, "{}", inversion.name);
            // At the gate, and for the younger.
            let is_met = inversion.is_done.is_some() && inversion.waits_in.contains(&place.flavor);
            let waits = row_lock_waits(&place).await - before;
            assert!(waits > i64::from(is_met), "{}: {waits}", inversion.name);
        }
    }
}
