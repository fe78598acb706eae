//! Columns that the target would fill by itself, and the checks of keys to other tables.

use std::sync::Arc;

use otter_core::testkit::lease::lease;
use otter_core::{ColumnType, Event, Fault, Load, RowFlags, RowKind, Timestamp, Value};

use crate::place::Place;
use crate::source::{INT, Source, delete, insert, pair, rows, table, update};

/// The same event as a server logs it where a session did not check foreign keys.
fn unchecked(event: Event) -> Event {
    let Event::Rows(rows) = event else { panic!("no rows") };
    Event::Rows(rows.with_flags(RowFlags {
        no_foreign_key_checks: true,
        no_unique_checks: false,
        ..RowFlags::default()
    }))
}

on_both! {
    async fn a_column_that_stamps_itself_keeps_the_sources_time(place: Place) {
        place
            .execute(
                "CREATE TABLE stamped (id INT PRIMARY KEY, n INT,
                     at TIMESTAMP NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP)",
            )
            .await;
        let stamp = ColumnType::Timestamp { digits: 0 };
        let stamped = table(&place.database, "stamped", &[("id", INT), ("n", INT), ("at", stamp)]);
        let at = Timestamp { seconds: 951_782_400, micros: 0, digits: 0 };
        let row = |n, at: Value<'static>| vec![Some(Value::Int(1)), Some(Value::Int(n)), Some(at)];
        let mut source = Source::new();
        let loader = place.begun(&source).await;
        let events = vec![
            insert(&stamped, &[row(1, Value::Timestamp(at))]),
            // Nothing but the number changed; whole images, then images without the time.
            update(&stamped, row(1, Value::Timestamp(at)), row(2, Value::Timestamp(at))),
            update(
                &stamped,
                vec![Some(Value::Int(1)), None, None],
                vec![None, Some(Value::Int(3)), None],
            ),
        ];
        let _ = loader.load(source.batch(vec![events]), &lease(1)).await.unwrap();
        loader.close().await;
        let shown = place.texts("SELECT n, CONVERT_TZ(at, @@time_zone, '+00:00') FROM {db}.stamped").await;
        assert_eq!(shown, [["3", "2000-02-29 00:00:00"]]);
    }

    async fn generated_and_additional_columns_are_the_targets_own(place: Place) {
        place
            .execute(
                "CREATE TABLE wide (id INT AUTO_INCREMENT PRIMARY KEY, n INT,
                     twice INT GENERATED ALWAYS AS (n * 2) STORED, shelf INT NOT NULL DEFAULT 7)",
            )
            .await;
        let wide = table(&place.database, "wide", &[("id", INT), ("n", INT), ("twice", INT)]);
        let row = |id, n| vec![Some(Value::Int(id)), Some(Value::Int(n)), Some(Value::Int(99))];
        let mut source = Source::new();
        let loader = place.begun(&source).await;
        // Zero is a number like others here, not a request for the next one.
        let events = vec![insert(&wide, &[row(0, 1), row(5, 2)]), update(&wide, row(5, 2), row(5, 3))];
        let _ = loader.load(source.batch(vec![events]), &lease(1)).await.unwrap();
        loader.close().await;
        let shown = place.texts("SELECT id, n, twice, shelf FROM {db}.wide ORDER BY id").await;
        assert_eq!(shown, [["0", "1", "2", "7"], ["5", "3", "6", "7"]]);
    }

    async fn foreign_keys_are_checked_as_the_source_did(place: Place) {
        place
            .execute(
                "CREATE TABLE parent (id INT PRIMARY KEY, n INT);
                 CREATE TABLE child (id INT PRIMARY KEY, n INT,
                     FOREIGN KEY (n) REFERENCES parent (id) ON DELETE CASCADE)",
            )
            .await;
        let of = |name: &str| table(&place.database, name, &[("id", INT), ("n", INT)]);
        let (parent, child) = (of("parent"), of("child"));
        let mut source = Source::new();
        let loader = place.begun(&source).await;
        let events = vec![
            // A session without checks writes an orphan, then comes its parent.
            unchecked(insert(&child, &[pair(1, 10)])),
            insert(&parent, &[pair(10, 0), pair(20, 0)]),
            insert(&child, &[pair(2, 20), pair(3, 20)]),
            // MySQL 9 logs what a cascade does, the children first and unchecked.
            unchecked(delete(&child, &[pair(1, 10)])),
            unchecked(delete(&parent, &[pair(10, 0)])),
            // MariaDB logs the parent only, and the target cascades by itself.
            delete(&parent, &[pair(20, 0)]),
        ];
        let _ = loader.load(source.batch(vec![events]), &lease(1)).await.unwrap();
        assert_eq!(place.texts("SELECT * FROM {db}.child").await, Vec::<Vec<String>>::new());
        assert_eq!(place.texts("SELECT * FROM {db}.parent").await, Vec::<Vec<String>>::new());
        let orphan = source.batch(vec![vec![insert(&child, &[pair(4, 40)])]]);
        let error = loader.load(orphan, &lease(1)).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Poison, "{error}");
        loader.close().await;
    }

    async fn names_with_odd_letters_are_quoted(place: Place) {
        place
            .execute("CREATE TABLE `a``b 'c;` (`key` INT PRIMARY KEY, `select``x` INT, `日` INT)")
            .await;
        let odd = table(
            &place.database,
            "a`b 'c;",
            &[("KEY", INT), ("Select`x", INT), ("日", INT)],
        );
        let row = |n| [1, n, n].map(|value| Some(Value::Int(value))).to_vec();
        let mut source = Source::new();
        let loader = place.begun(&source).await;
        let events = vec![insert(&odd, &[row(1)]), update(&odd, row(1), row(2))];
        let _ = loader.load(source.batch(vec![events]), &lease(1)).await.unwrap();
        loader.close().await;
        assert_eq!(place.texts("SELECT * FROM {db}.`a``b 'c;`").await, [["1", "2", "2"]]);
    }

    async fn definitions_that_are_made_anew_are_known_again(place: Place) {
        let pairs = place.pairs().await;
        let mut source = Source::new();
        let loader = place.begun(&source).await;
        // A transform may make the same definition anew for every batch.
        for id in 0..5 {
            let anew = Arc::new((*pairs).clone());
            let batch = source.batch(vec![vec![rows(&anew, RowKind::Insert, &[pair(id, 0)])]]);
            let _ = loader.load(batch, &lease(1)).await.unwrap();
        }
        loader.close().await;
        assert_eq!(place.shown_pairs().await, "0=0 1=0 2=0 3=0 4=0");
    }

    async fn a_label_that_the_target_would_take_for_a_number_is_refused(place: Place) {
        place
            .execute(
                "CREATE TABLE labelled (id INT PRIMARY KEY, e ENUM('0', '1'));
                 CREATE TABLE flagged (id INT PRIMARY KEY, s SET('0', '1'))",
            )
            .await;
        let labels: Arc<[Arc<str>]> = ["0", "1", "2"].map(Arc::from).into();
        for (name, column, of_type, value) in [
            ("labelled", "e", ColumnType::Enum { labels: Some(Arc::clone(&labels)) }, Value::Enum(3)),
            ("flagged", "s", ColumnType::Set { labels: Some(Arc::clone(&labels)) }, Value::Set(4)),
        ] {
            let table = table(&place.database, name, &[("id", INT), (column, of_type)]);
            let mut source = Source::new();
            let loader = place.loader();
            let lease = lease(if name == "labelled" { 1 } else { 2 });
            if loader.resume(&lease).await.unwrap().is_none() {
                loader.begin(&source.position(), &lease).await.unwrap();
            }
            let events = vec![insert(&table, &[vec![Some(Value::Int(1)), Some(value)]])];
            let error = loader.load(source.batch(vec![events]), &lease).await.unwrap_err();
            assert_eq!(error.fault(), Fault::Fatal, "{error}");
            assert!(error.to_string().contains(&format!("column {column} ")), "{error}");
            loader.close().await;
        }
    }

    async fn null_does_not_become_the_next_number(place: Place) {
        place.execute("CREATE TABLE numbered (n INT, id INT AUTO_INCREMENT PRIMARY KEY)").await;
        let numbered = table(&place.database, "numbered", &[("n", INT), ("id", INT)]);
        let mut source = Source::new();
        let loader = place.begun(&source).await;
        let events = vec![insert(&numbered, &[vec![Some(Value::Int(1)), Some(Value::Null)]])];
        let error = loader.load(source.batch(vec![events]), &lease(1)).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Fatal, "{error}");
        assert!(error.to_string().contains("column id "), "{error}");
        loader.close().await;
    }
}
