//! Other work in the target: deadlocks and locks that last.

use std::time::Duration;

use otter_core::testkit::lease::lease;
use otter_core::{Event, Fault, Load, RowKind};
use sqlx::AssertSqlSafe;

use crate::place::Place;
use crate::source::{Source, delete, insert, pair, update};

on_both! {
    async fn a_deadlock_is_played_again_at_once(place: Place) {
        let pairs = place.pairs().await;
        let filler = (100..1_100).map(|id| format!("({id}, 0)")).collect::<Vec<_>>().join(",");
        place.execute(&format!("INSERT INTO pair VALUES (1, 1), (2, 2), {filler}")).await;
        let mut source = Source::new();
        let loader = place.begun(&source).await;
        let mut other = place.server.connect().await.unwrap();
        // The heavier transaction survives a deadlock.
        let heavy = format!(
            "USE {}; START TRANSACTION; UPDATE pair SET n = 1 WHERE id >= 100; \
             UPDATE pair SET n = 20 WHERE id = 2",
            place.database
        );
        sqlx::raw_sql(AssertSqlSafe(heavy)).execute(&mut other).await.unwrap();
        let events =
            vec![update(&pairs, pair(1, 1), pair(1, 5)), update(&pairs, pair(2, 2), pair(2, 6))];
        let batch = source.batch(vec![events]);
        let load = async { loader.load(batch, &lease(1)).await };
        let clash = async {
            place.wait_for_a_lock_wait().await;
            sqlx::raw_sql("UPDATE pair SET n = 10 WHERE id = 1; COMMIT")
                .execute(&mut other)
                .await
                .unwrap();
        };
        let (loaded, ()) = tokio::join!(load, clash);
        assert_eq!(loaded.unwrap().rows, 2);
        loader.close().await;
        assert_eq!(place.texts("SELECT n FROM {db}.pair WHERE id < 3 ORDER BY id").await, [["5"], ["6"]]);
    }

    /// MySQL since 9.6 rolls the loser back and answers its UPDATE as if nothing had happened.
    async fn a_deadlock_inside_a_cascade_is_played_again(place: Place) {
        let pairs = place.pairs().await;
        let filler = (100..1_100).map(|id| format!("({id}, 0)")).collect::<Vec<_>>().join(",");
        place
            .execute(&format!(
                "INSERT INTO pair VALUES (1, 1), {filler}; \
                 CREATE TABLE child (id INT PRIMARY KEY, p INT, \
                 FOREIGN KEY (p) REFERENCES pair (id) ON UPDATE CASCADE); \
                 INSERT INTO child VALUES (7, 1), (8, 1)"
            ))
            .await;
        let mut source = Source::new();
        let loader = place.begun(&source).await;
        let mut other = place.server.connect().await.unwrap();
        let heavy = format!(
            "USE {}; SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; \
             START TRANSACTION; UPDATE pair SET n = 1 WHERE id >= 100; \
             SELECT * FROM child WHERE id = 8 FOR UPDATE",
            place.database
        );
        sqlx::raw_sql(AssertSqlSafe(heavy)).execute(&mut other).await.unwrap();
        let before = insert(&pairs, &[pair(50, 5)]);
        let moved = update(&pairs, pair(1, 1), pair(2, 1));
        let behind = insert(&pairs, &[pair(51, 6)]);
        let batch = source.batch(vec![vec![before, moved, behind]]);
        let load = async { loader.load(batch, &lease(1)).await };
        let clash = async {
            place.wait_for_a_lock_wait().await;
            sqlx::raw_sql("SELECT n FROM pair WHERE id = 1 FOR UPDATE; COMMIT")
                .execute(&mut other)
                .await
                .unwrap();
        };
        let (loaded, ()) = tokio::join!(load, clash);
        assert_eq!(loaded.unwrap().rows, 3);
        loader.close().await;
        let there = "SELECT id FROM {db}.pair WHERE id < 100 ORDER BY id";
        assert_eq!(place.texts(there).await, [["2"], ["50"], ["51"]]);
        assert_eq!(place.texts("SELECT id, p FROM {db}.child").await, [["7", "2"], ["8", "2"]]);
    }

    async fn a_lock_that_lasts_is_a_transient_fault(place: Place) {
        let pairs = place.pairs().await;
        place.execute("INSERT INTO pair VALUES (1, 1)").await;
        let mut source = Source::new();
        let mut options = place.options();
        options.row_lock_wait = Duration::from_secs(1);
        options.contention_tries = 2;
        let loader = place.begun_with(&source, options).await;
        let mut other = place.server.connect().await.unwrap();
        let hold = format!("START TRANSACTION; UPDATE {}.pair SET n = 1 WHERE id = 1", place.database);
        sqlx::raw_sql(AssertSqlSafe(hold)).execute(&mut other).await.unwrap();
        let events = || vec![vec![update(&pairs, pair(1, 1), pair(1, 5))]];
        let error = loader.load(source.batch(events()), &lease(1)).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Transient, "{error}");
        sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
        source = Source::new();
        assert_eq!(loader.resume(&lease(1)).await.unwrap(), Some(source.position()));
        let _ = loader.load(source.batch(events()), &lease(1)).await.unwrap();
        assert_eq!(place.shown_pairs().await, "1=5");
        loader.close().await;
    }

    /// MySQL since 9.6 leaves such a change undone, half of its children changed, and says nothing.
    async fn a_lock_that_lasts_inside_a_cascade_is_a_transient_fault(place: Place) {
        let pairs = place.pairs().await;
        place
            .execute(
                "INSERT INTO pair VALUES (1, 1), (3, 3); CREATE TABLE child (id INT PRIMARY KEY, \
                 p INT, FOREIGN KEY (p) REFERENCES pair (id) ON UPDATE CASCADE ON DELETE SET NULL); \
                 INSERT INTO child VALUES (7, 1), (8, 1), (9, 3), (10, 3)",
            )
            .await;
        let mut options = place.options();
        options.row_lock_wait = Duration::from_secs(1);
        options.contention_tries = 2;
        let mut source = Source::new();
        let loader = place.begun_with(&source, options).await;
        let changes: [fn(&_) -> _; 2] = [
            |pairs| update(pairs, pair(1, 1), pair(2, 1)),
            |pairs| delete(pairs, &[pair(3, 3)]),
        ];
        for change in changes {
            let mut other = place.server.connect().await.unwrap();
            let hold = format!(
                "START TRANSACTION; SELECT * FROM {}.child WHERE id IN (8, 10) FOR UPDATE",
                place.database
            );
            sqlx::raw_sql(AssertSqlSafe(hold)).execute(&mut other).await.unwrap();
            let before = source.clone();
            let error = loader.load(source.batch(vec![vec![change(&pairs)]]), &lease(1)).await;
            assert_eq!(error.unwrap_err().fault(), Fault::Transient);
            sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
            source = before;
            assert_eq!(loader.resume(&lease(1)).await.unwrap(), Some(source.position()));
            let _ = loader.load(source.batch(vec![vec![change(&pairs)]]), &lease(1)).await.unwrap();
        }
        loader.close().await;
        assert_eq!(place.shown_pairs().await, "2=1");
        let children = place.texts("SELECT id, COALESCE(p, '-') FROM {db}.child ORDER BY id").await;
        assert_eq!(children.concat().join(" "), "7 2 8 2 9 - 10 -");
    }

    async fn a_missing_parent_of_a_cascade_is_a_finding(place: Place) {
        let pairs = place.pairs().await;
        place
            .execute(
                "CREATE TABLE child (id INT PRIMARY KEY, p INT, \
                 FOREIGN KEY (p) REFERENCES pair (id) ON UPDATE CASCADE ON DELETE CASCADE)",
            )
            .await;
        for event in [update(&pairs, pair(1, 1), pair(2, 1)), delete(&pairs, &[pair(1, 1)])] {
            let mut source = Source::new();
            let mut options = place.options();
            options.schema = format!("{}_{}", place.schema, matches!(&event, Event::Rows(rows) if rows.kind() == RowKind::Delete)).into();
            let loader = place.begun_with(&source, options).await;
            let error = loader.load(source.batch(vec![vec![event]]), &lease(1)).await.unwrap_err();
            assert_eq!(error.fault(), Fault::Poison, "{error}");
            assert!(error.to_string().contains("the target has no such row"), "{error}");
            loader.close().await;
        }
    }
}
