//! Other work in the target: deadlocks and locks that last.

use std::time::Duration;

use otter_core::testkit::lease::lease;
use otter_core::{Fault, Load};
use sqlx::AssertSqlSafe;

use crate::place::Place;
use crate::source::{Source, pair, update};

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
}
