//! Only one loader writes, whoever else believes that it may.

use std::time::Duration;

use otter_core::arbiter::LeaseParts;
use otter_core::testkit::lease::{lease, pipeline};
use otter_core::{ArbiterId, Fault, Lease, Load, Side, Term};
use otter_sink::checkpoint;
use otter_tests::wait::wait_until;
use tokio::sync::watch;

use crate::place::Place;
use crate::source::{Source, insert, pair};

fn short_lease(term: u64, duration: Duration) -> (Lease, watch::Sender<bool>) {
    let (sender, lost) = watch::channel(false);
    let parts = LeaseParts {
        arbiter: ArbiterId::new("suite"),
        side: Side::target(pipeline()),
        term: Term(term),
        duration,
        lost,
        still_valid: Box::new(|| true),
        guard: Box::new(()),
    };
    (Lease::new(parts), sender)
}

on_both! {
    async fn of_two_loaders_with_one_term_the_later_writes_and_the_earlier_stays_away(place: Place) {
        let pairs = place.pairs().await;
        let mut source = Source::new();
        let early = place.begun(&source).await;
        let first = source.batch(vec![vec![insert(&pairs, &[pair(1, 1)])]]);
        let _ = early.load(first, &lease(1)).await.unwrap();
        let behind = source.position();
        let late = place.loader();
        assert_eq!(late.resume(&lease(1)).await.unwrap(), Some(behind.clone()));

        let next = || vec![vec![insert(&pairs, &[pair(2, 2)])]];
        let mut twin = Source::new();
        let _ = twin.batch(vec![Vec::new()]);
        assert_eq!(twin.position(), behind);
        let error = early.load(twin.batch(next()), &lease(1)).await.unwrap_err();
        assert!(matches!(error.fault(), Fault::Transient | Fault::Fenced), "{error}");
        assert_eq!(early.resume(&lease(1)).await.unwrap_err().fault(), Fault::Fenced);
        assert_eq!(early.resume(&lease(1)).await.unwrap_err().fault(), Fault::Fenced);

        let _ = late.load(source.batch(next()), &lease(1)).await.unwrap();
        // A fault of its own does not take the later one's right away.
        assert_eq!(late.resume(&lease(1)).await.unwrap(), Some(source.position()));
        assert_eq!(place.shown_pairs().await, "1=1 2=2");
        late.close().await;
    }

    async fn a_loader_whose_checkpoint_moved_writes_nothing(place: Place) {
        let pairs = place.pairs().await;
        let mut source = Source::new();
        let loader = place.begun(&source).await;
        let url = place.url();
        let elsewhere = {
            let mut other = Source::new();
            let _ = other.batch(vec![Vec::new(), Vec::new()]);
            other.position()
        };
        checkpoint::set_position(&url, &place.schema, &pipeline(), &elsewhere).await.unwrap();
        let batch = source.batch(vec![vec![insert(&pairs, &[pair(1, 1)])]]);
        let error = loader.load(batch, &lease(1)).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Fenced, "{error}");
        assert_eq!(place.shown_pairs().await, "");
        assert_eq!(loader.resume(&lease(1)).await.unwrap(), Some(elsewhere));
        loader.close().await;
    }

    async fn rows_that_another_loader_wrote_are_no_findings(place: Place) {
        let pairs = place.pairs().await;
        let mut source = Source::new();
        let loader = place.begun(&source).await;
        // The row is there and the checkpoint has moved: somebody applied this batch already.
        place
            .execute(&format!(
                "INSERT INTO pair VALUES (1, 1);
                 UPDATE {}.checkpoint SET sequence = sequence + 1, term = 2",
                place.schema
            ))
            .await;
        let batch = source.batch(vec![vec![insert(&pairs, &[pair(1, 1)])]]);
        let error = loader.load(batch, &lease(1)).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Fenced, "{error}");
        assert_eq!(loader.resume(&lease(1)).await.unwrap_err().fault(), Fault::Fenced);
        loader.close().await;
    }

    async fn a_silent_loader_loses_its_locks_within_its_lease(place: Place) {
        let pairs = place.pairs().await;
        place.execute("INSERT INTO pair VALUES (1, 1)").await;
        let mut source = Source::new();
        let loader = place.loader();
        let (lease, _held) = short_lease(1, Duration::from_secs(3));
        assert_eq!(loader.resume(&lease).await.unwrap(), None);
        loader.begin(&source.position(), &lease).await.unwrap();
        let change = crate::source::update(&pairs, pair(1, 1), pair(1, 2));
        let pieces = source.fragments(vec![vec![change], Vec::new()]);
        let _ = loader.load(pieces.into_iter().next().unwrap(), &lease).await.unwrap();
        // Nobody pings: as if the process were frozen.
        wait_until("the row is free", Duration::from_secs(3), async || {
            let locked = place
                .server
                .execute(&format!(
                    "SET SESSION innodb_lock_wait_timeout = 1;
                     UPDATE {}.pair SET n = 9 WHERE id = 1",
                    place.database
                ))
                .await;
            locked.is_ok()
        })
        .await;
        assert_eq!(loader.ping(&lease).await.unwrap_err().fault(), Fault::Transient);
        assert_eq!(place.shown_pairs().await, "1=9");
    }

    async fn a_lease_that_ends_in_the_middle_commits_nothing(place: Place) {
        let pairs = place.pairs().await;
        place.execute("INSERT INTO pair VALUES (1, 1)").await;
        let mut source = Source::new();
        let loader = place.begun(&source).await;
        loader.close().await;
        let (lease, held) = short_lease(2, Duration::from_secs(30));
        let _ = loader.resume(&lease).await.unwrap();
        // Somebody holds the row, so that the load waits in the middle of its transaction.
        let mut other = place.server.connect().await.unwrap();
        let hold = format!("START TRANSACTION; UPDATE {}.pair SET n = 5", place.database);
        sqlx::raw_sql(sqlx::AssertSqlSafe(hold)).execute(&mut other).await.unwrap();
        let events = vec![
            insert(&pairs, &[pair(2, 2)]),
            crate::source::update(&pairs, pair(1, 1), pair(1, 2)),
        ];
        let load = loader.load(source.batch(vec![events]), &lease);
        let end = async {
            place.wait_for_a_lock_wait().await;
            held.send_replace(true);
        };
        let (outcome, ()) = tokio::join!(load, end);
        assert_eq!(outcome.unwrap_err().fault(), Fault::Fenced);
        sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
        let successor = place.loader();
        let _ = successor.resume(&otter_core::testkit::lease::lease(3)).await.unwrap();
        assert_eq!(place.shown_pairs().await, "1=1");
        successor.close().await;
    }
}
