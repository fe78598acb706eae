//! Groups that execute at once: they commit in source order, whatever gets in their way.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use otter_core::testkit::lease::{lease, pipeline};
use otter_core::testkit::random::Random;
use otter_core::{Event, Fault, Load, Table};
use otter_sink::{LoaderOptions, MySqlLoader};
use otter_tests::wait::wait_until;
use sqlx::{AssertSqlSafe, Executor as _};

use crate::place::Place;
use crate::source::{INT, Image, Source, delete, insert, pair, table, text, update};

/// Small groups, so that a batch has many.
fn options(place: &Place) -> LoaderOptions {
    let mut options = place.options();
    options.connections = 4;
    options.group_rows = 10;
    options
}

/// The target's rows as the source has them.
type Model = BTreeMap<i64, i64>;

/// A change to a table with the key `id` and the unique column `n`, where the source lets it pass.
fn change(random: &mut Random, model: &mut Model, pairs: &Arc<Table>) -> Option<Event> {
    let (id, n) = (random.below(60), random.below(90));
    let (id, n) = (i64::try_from(id).unwrap(), i64::try_from(n).unwrap());
    let is_free = |model: &Model| model.values().all(|other| *other != n);
    match model.get(&id).copied() {
        None if is_free(model) => {
            model.insert(id, n);
            Some(insert(pairs, &[pair(id, n)]))
        }
        None => None,
        Some(old) if random.below(3) == 0 => {
            model.remove(&id);
            Some(delete(pairs, &[pair(id, old)]))
        }
        Some(old) if is_free(model) => {
            model.insert(id, n);
            Some(update(pairs, pair(id, old), pair(id, n)))
        }
        Some(_) => None,
    }
}

/// Loads a batch while readers look at single snapshots of `entry`, whose numbers have no gap.
async fn load_watched(place: &Place, loader: &MySqlLoader, batch: otter_core::Batch) {
    let is_over = AtomicBool::new(false);
    let watch = async {
        let mut looks = 0u32;
        while !is_over.load(Ordering::Relaxed) {
            let seen = place.texts("SELECT COUNT(*), COALESCE(MAX(id), 0) FROM {db}.entry").await;
            assert_eq!(seen[0][0], seen[0][1], "a transaction is missing before the last one");
            looks += 1;
        }
        looks
    };
    let load = async {
        let loaded = loader.load(batch, &lease(1)).await;
        is_over.store(true, Ordering::Relaxed);
        let _ = loaded.unwrap();
    };
    let ((), looks) = tokio::join!(load, watch);
    assert!(looks > 0);
}

on_both! {
    async fn random_histories_end_as_the_source_is_and_are_seen_in_order(place: Place) {
        place.execute(
            "CREATE TABLE pair (id INT PRIMARY KEY, n INT, UNIQUE (n));
             CREATE TABLE entry (id INT PRIMARY KEY, n INT)",
        )
        .await;
        let pairs = table(&place.database, "pair", &[("id", INT), ("n", INT)]);
        let entries = table(&place.database, "entry", &[("id", INT), ("n", INT)]);
        let mut random = Random::new(7);
        let mut model = Model::new();
        let mut source = Source::new();
        let loader = place.begun_with(&source, options(&place)).await;
        let mut number = 0;
        for _ in 0..5 {
            let transactions = (0..300)
                .map(|_| {
                    number += 1;
                    let mut events = vec![insert(&entries, &[pair(number, number)])];
                    let count = random.below(5);
                    events.extend((0..count).filter_map(|_| change(&mut random, &mut model, &pairs)));
                    events
                })
                .collect();
            load_watched(&place, &loader, source.batch(transactions)).await;
            let shown: Vec<_> = model.iter().map(|(id, n)| format!("{id}={n}")).collect();
            assert_eq!(place.shown_pairs().await, shown.join(" "));
        }
        loader.close().await;
        // Another loader finds the place behind the last group.
        let next = place.loader_with(options(&place));
        assert_eq!(next.resume(&lease(2)).await.unwrap(), Some(source.position()));
        next.close().await;
    }

    async fn a_refused_row_is_named_behind_all_groups_before_its_own(place: Place) {
        let pairs = place.pairs().await;
        place.execute("INSERT INTO pair VALUES (777, 0)").await;
        let mut source = Source::new();
        let loader = place.begun_with(&source, options(&place)).await;
        let ids = (1..=100).map(|id| if id == 57 { 777 } else { id });
        let batch = source.batch(ids.map(|id| vec![insert(&pairs, &[pair(id, id)])]).collect());
        let error = loader.load(batch, &lease(1)).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Poison, "{error}");
        assert!(error.to_string().contains("made-up.000001:5604"), "{error}");
        let shown: Vec<_> = (1..=56).map(|id| format!("{id}={id}")).collect();
        assert_eq!(place.shown_pairs().await, format!("{} 777=0", shown.join(" ")));
        loader.close().await;
    }

    async fn a_missing_right_is_met_behind_all_groups_before_its_own(place: Place) {
        let pairs = place.pairs().await;
        let name = format!("half_{}", place.database);
        place
            .execute(&format!(
                "CREATE TABLE other (id INT PRIMARY KEY, n INT);
                 CREATE USER {name}@'127.0.0.1' IDENTIFIED BY 'pw';
                 GRANT ALL ON {schema}.* TO {name}@'127.0.0.1';
                 GRANT SELECT, INSERT, TRIGGER ON pair TO {name}@'127.0.0.1';
                 GRANT SELECT, TRIGGER ON other TO {name}@'127.0.0.1'",
                schema = place.schema
            ))
            .await;
        let other = table(&place.database, "other", &[("id", INT), ("n", INT)]);
        let mut source = Source::new();
        let url = place.server.url_as(&name, "pw").parse().unwrap();
        let loader = MySqlLoader::new(pipeline(), url, options(&place));
        assert_eq!(loader.resume(&lease(1)).await.unwrap(), None);
        loader.begin(&source.position(), &lease(1)).await.unwrap();
        let table_of = |id| if id <= 30 { &pairs } else { &other };
        let transaction = |id| vec![insert(table_of(id), &[pair(id, id)])];
        let batch = source.batch((1..=40).map(transaction).collect());
        let error = loader.load(batch, &lease(1)).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Fatal, "{error}");
        assert!(error.to_string().contains("GRANT"), "{error}");
        assert_eq!(place.texts("SELECT COUNT(*) FROM {db}.pair").await, [["30"]]);
        loader.close().await;
    }

    /// Equal for the collation and not as bytes, so that nothing tells them apart beforehand.
    async fn an_older_group_that_waits_for_a_younger_one_goes_first(place: Place) {
        place.execute(
            "CREATE TABLE word (id VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci \
             PRIMARY KEY, n INT); INSERT INTO word VALUES ('a', 0), ('held', 0)",
        )
        .await;
        let words = table(&place.database, "word", &[("id", text("utf8mb4")), ("n", INT)]);
        let word = |id: &'static str, n: i64| -> Image<'static> {
            use otter_core::Value;
            vec![Some(Value::Text(id.as_bytes())), Some(Value::Int(n))]
        };
        let mut source = Source::new();
        let mut options = options(&place);
        options.group_rows = 2;
        // The server's own way out would come too late for this test.
        options.row_lock_wait = Duration::from_secs(300);
        let loader = place.begun_with(&source, options).await;
        let mut other = place.server.connect().await.unwrap();
        let hold = format!(
            "START TRANSACTION; UPDATE {}.word SET n = 1 WHERE id = 'held'",
            place.database
        );
        sqlx::raw_sql(AssertSqlSafe(hold)).execute(&mut other).await.unwrap();
        let batch = source.batch(vec![
            vec![
                update(&words, word("held", 0), word("held", 5)),
                update(&words, word("a", 0), word("a", 1)),
            ],
            vec![
                update(&words, word("A", 1), word("A", 2)),
                insert(&words, &[word("new", 2)]),
            ],
        ]);
        let load = async { loader.load(batch, &lease(1)).await };
        let release = async {
            place.wait_for_a_lock_wait().await;
            // The younger has the row that the older wants next.
            wait_until("the younger holds its rows", Duration::from_secs(20), async || {
                let seen = place
                    .texts("SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED; \
                            SELECT n FROM {db}.word WHERE id = 'a'")
                    .await;
                seen.last().is_some_and(|row| row[0] == "2")
            })
            .await;
            sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
        };
        let both = async { tokio::join!(load, release) };
        let (loaded, ()) = tokio::time::timeout(Duration::from_secs(60), both).await.unwrap();
        assert_eq!(loaded.unwrap().rows, 4);
        loader.close().await;
        let words = place.texts("SELECT CONCAT(id, n) FROM {db}.word ORDER BY id").await;
        assert_eq!(words.concat(), ["a2", "held5", "new2"]);
    }

    /// As a server does with those that say nothing while one group takes its time.
    async fn further_connections_that_were_ended_are_opened_again(place: Place) {
        let pairs = place.pairs().await;
        let mut source = Source::new();
        let loader = place.begun_with(&source, options(&place)).await;
        let batch = |source: &mut Source, from: i64| {
            source.batch((from..from + 100).map(|id| vec![insert(&pairs, &[pair(id, id)])]).collect())
        };
        let others = "SELECT id FROM information_schema.processlist \
                      WHERE user = 'root' AND id <> CONNECTION_ID()";
        let before = place.texts(others).await;
        let _ = loader.load(batch(&mut source, 0), &lease(1)).await.unwrap();
        let further = || async {
            let mut now = place.texts(others).await;
            now.retain(|id| !before.contains(id));
            now
        };
        let ended = further().await;
        assert!(ended.len() >= 3, "{ended:?}");
        for id in ended.concat() {
            // What this test itself has used may have ended by now.
            let _ = place.server.connect().await.unwrap().execute(AssertSqlSafe(format!("KILL {id}"))).await;
        }
        wait_until("they are ended", Duration::from_secs(10), async || {
            further().await.iter().all(|id| !ended.contains(id))
        })
        .await;
        loader.ping(&lease(1)).await.unwrap();
        assert_eq!(loader.load(batch(&mut source, 100), &lease(1)).await.unwrap().rows, 100);
        assert!(further().await.len() >= 3);
        loader.close().await;
        assert_eq!(place.texts("SELECT COUNT(*) FROM {db}.pair").await, [["200"]]);
    }

    async fn all_connections_of_a_predecessor_are_ended(place: Place) {
        let pairs = place.pairs().await;
        let mut source = Source::new();
        let first = place.begun_with(&source, options(&place)).await;
        let batch = |source: &mut Source, from: i64| {
            source.batch((from..from + 100).map(|id| vec![insert(&pairs, &[pair(id, id)])]).collect())
        };
        let _ = first.load(batch(&mut source, 0), &lease(1)).await.unwrap();
        let second = place.loader_with(options(&place));
        assert_eq!(second.resume(&lease(2)).await.unwrap(), Some(source.position()));
        let mut late = Source::new();
        let _ = batch(&mut late, 0);
        let error = first.load(batch(&mut late, 1_000), &lease(1)).await.unwrap_err();
        assert!(matches!(error.fault(), Fault::Fenced | Fault::Transient), "{error}");
        assert_eq!(first.resume(&lease(1)).await.unwrap_err().fault(), Fault::Fenced);
        let _ = second.load(batch(&mut source, 100), &lease(2)).await.unwrap();
        second.close().await;
        assert_eq!(place.texts("SELECT COUNT(*) FROM {db}.pair").await, [["200"]]);
    }
}
