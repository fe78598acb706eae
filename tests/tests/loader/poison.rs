//! Rows that the target does not take: named exactly, told without values, and nothing behind them
//! is committed.

use std::sync::Arc;

use otter_core::testkit::lease::lease;
use otter_core::{ColumnType, Event, Fault, Load, RowKind, Value};
use otter_sink::MySqlLoadError;
use otter_sink::mysql::{Reason, RowPlace};

use crate::place::Place;
use crate::source::{INT, Source, delete, insert, pair, table, text, update};

/// What the loader said about the only refused row.
pub(crate) fn refusal(error: &otter_core::Error) -> (&RowPlace, &Reason) {
    assert_eq!(error.fault(), Fault::Poison, "{error}");
    match error.cause::<MySqlLoadError>() {
        Some(MySqlLoadError::Refused { place, reason }) => (place, reason),
        other => panic!("{other:?}"),
    }
}

on_both! {
    async fn the_refused_row_of_a_group_is_named_and_those_before_it_are_committed(place: Place) {
        let pairs = place.pairs().await;
        place.execute("INSERT INTO pair VALUES (7, 0)").await;
        let mut source = Source::new();
        let loader = place.begun(&source).await;
        let first = vec![insert(&pairs, &[pair(1, 1), pair(2, 2)])];
        let second = vec![
            insert(&pairs, &[pair(5, 5)]),
            insert(&pairs, &[pair(6, 6), pair(7, 7), pair(8, 8)]),
        ];
        let third = vec![insert(&pairs, &[pair(9, 9)])];
        let mut group = source.batch(vec![first, second, third]);
        let start = group.transactions[1].start.clone();
        let behind_first = {
            let mut position = group.after.clone();
            position.advance(group.transactions[0].end.as_ref().unwrap());
            position
        };
        group.transactions[1].rows_before = 0;
        let error = loader.load(group, &lease(1)).await.unwrap_err();
        let (row, reason) = refusal(&error);
        assert_eq!(row.table, pairs.name);
        assert_eq!(row.key.iter().map(|name| &**name).collect::<Vec<_>>(), ["id"]);
        assert_eq!((row.kind, row.ordinal), (RowKind::Insert, 3));
        assert_eq!(row.start, start);
        assert_eq!(*reason, Reason::Duplicate { key: Some("PRIMARY".to_owned()) });
        assert_eq!(loader.resume(&lease(1)).await.unwrap(), Some(behind_first));
        assert_eq!(place.shown_pairs().await, "1=1 2=2 7=0");
        loader.close().await;
    }

    async fn a_missing_row_is_a_finding(place: Place) {
        let pairs = place.pairs().await;
        place.execute("INSERT INTO pair VALUES (1, 1), (3, 3)").await;
        let cases: [Vec<Event>; 3] = [
            vec![update(&pairs, pair(2, 2), pair(2, 5))],
            vec![delete(&pairs, &[pair(1, 1), pair(2, 2), pair(3, 3)])],
            // What changed is generated or dropped, but the row must still be there.
            vec![update(&pairs, pair(2, 2), pair(2, 2))],
        ];
        let mut source = Source::new();
        let loader = place.begun(&source).await;
        for (events, ordinal) in cases.into_iter().zip([1, 2, 1]) {
            let before = source.position();
            let error = loader.load(source.batch(vec![events]), &lease(1)).await.unwrap_err();
            let (row, reason) = refusal(&error);
            assert_eq!((reason, row.ordinal), (&Reason::Missing, ordinal));
            assert_eq!(loader.resume(&lease(1)).await.unwrap(), Some(before));
            source = Source::new();
            assert_eq!(place.shown_pairs().await, "1=1 3=3");
        }
        loader.close().await;
    }

    /// Before anything of the fragment is sent: there is nothing yet to go back to.
    async fn a_row_of_the_first_fragment_that_cannot_be_written_is_named(place: Place) {
        place.execute("CREATE TABLE label (id INT PRIMARY KEY, e ENUM('a'))").await;
        let labels = ColumnType::Enum { labels: Some([Arc::from("a")].into()) };
        let label = table(&place.database, "label", &[("id", INT), ("e", labels)]);
        let image = |id, number| vec![Some(Value::Int(id)), Some(Value::Enum(number))];
        let mut source = Source::new();
        let loader = place.begun(&source).await;
        let pieces = [vec![insert(&label, &[image(1, 7)])], vec![insert(&label, &[image(2, 1)])]];
        let first = source.fragments(pieces.into()).into_iter().next().unwrap();
        let error = loader.load(first, &lease(1)).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Poison, "{error}");
        assert!(error.to_string().contains("has a number without a label"), "{error}");
        loader.close().await;
    }

    async fn the_position_in_a_fragmented_transaction_is_counted_from_its_start(place: Place) {
        let pairs = place.pairs().await;
        place.execute("INSERT INTO pair VALUES (6, 0)").await;
        let mut source = Source::new();
        let loader = place.begun(&source).await;
        let piece = |ids: [i64; 3]| vec![insert(&pairs, &ids.map(|id| pair(id, id)))];
        let mut pieces = source.fragments(vec![piece([1, 2, 3]), piece([4, 5, 6])]).into_iter();
        let _ = loader.load(pieces.next().unwrap(), &lease(1)).await.unwrap();
        let error = loader.load(pieces.next().unwrap(), &lease(1)).await.unwrap_err();
        assert_eq!(refusal(&error).0.ordinal, 6);
        loader.close().await;
        assert_eq!(place.shown_pairs().await, "6=0");
    }

    async fn no_value_is_in_any_message(place: Place) {
        place
            .execute(
                "CREATE TABLE parent (id INT PRIMARY KEY);
                 CREATE TABLE odd (id VARCHAR(20) PRIMARY KEY, tiny TINYINT, day DATE,
                     word VARCHAR(10) CHARACTER SET latin1, must INT NOT NULL DEFAULT 1,
                     parent INT, CONSTRAINT to_parent FOREIGN KEY (parent) REFERENCES parent (id),
                     CONSTRAINT small_must CHECK (must < 100));
                 INSERT INTO odd (id) VALUES ('sekret')",
            )
            .await;
        let number = ColumnType::Integer { bytes: 4, unsigned: false };
        let odd = table(
            &place.database,
            "odd",
            &[
                ("id", text("utf8mb4")),
                ("tiny", number.clone()),
                ("day", text("utf8mb4")),
                ("word", text("utf8mb4")),
                ("must", number.clone()),
                ("parent", number),
            ],
        );
        // A source column of a type that no check complains about, with values that do not fit.
        let mut odd = std::sync::Arc::unwrap_or_clone(odd);
        odd.columns[2].column_type = ColumnType::Date;
        let odd = std::sync::Arc::new(odd);
        let row = |id: &'static str| {
            vec![
                Some(Value::Text(id.as_bytes())),
                Some(Value::Int(1)),
                Some(Value::Null),
                Some(Value::Text(b"w")),
                Some(Value::Int(1)),
                Some(Value::Null),
            ]
        };
        let with = |column: usize, value: Value<'static>| {
            let mut image = row("other");
            image[column] = Some(value);
            image
        };
        let column = |name: &str| Some(name.to_owned());
        let constraint = |name: &str| Some(name.to_owned());
        let day = otter_core::Date { year: 2024, month: 13, day: 77 };
        let cases = [
            (row("sekret"), Reason::Duplicate { key: constraint("PRIMARY") }),
            (
                with(1, Value::Int(7_777_777)),
                Reason::DoesNotFit { column: column("tiny"), what: "is out of range" },
            ),
            (
                with(3, Value::Text(b"sekret sekret sekret")),
                Reason::DoesNotFit { column: column("word"), what: "is too long" },
            ),
            (
                with(3, Value::Text("sekret 日".as_bytes())),
                Reason::DoesNotFit {
                    column: column("word"),
                    what: "cannot be written in the column's character set",
                },
            ),
            (
                with(2, Value::Date(day)),
                Reason::DoesNotFit {
                    column: column("day"),
                    what: "is no valid date, time or number there",
                },
            ),
            (with(4, Value::Null), Reason::NotNull { column: column("must") }),
            (with(4, Value::Int(7_777_777)), Reason::Check { constraint: constraint("small_must") }),
            (
                with(5, Value::Int(7_777_777)),
                Reason::ForeignKey { constraint: constraint("to_parent") },
            ),
        ];
        let mut source = Source::new();
        let loader = place.begun(&source).await;
        for (image, expected) in cases {
            let events = vec![insert(&odd, &[image])];
            let error = loader.load(source.batch(vec![events]), &lease(1)).await.unwrap_err();
            let (_, reason) = refusal(&error);
            assert_eq!(*reason, expected);
            for shown in [error.to_string(), format!("{error:?}")] {
                for value in ["sekret", "7777777", "2024-13"] {
                    assert!(!shown.contains(value), "{shown}");
                }
            }
            let _ = loader.resume(&lease(1)).await.unwrap();
            source = Source::new();
        }
        loader.close().await;
    }

    async fn a_row_larger_than_the_packet_names_the_setting(place: Place) {
        place.execute("CREATE TABLE big (id INT PRIMARY KEY, b LONGBLOB)").await;
        let bytes = ColumnType::Bytes { max_bytes: u32::MAX, fixed: false };
        let big = table(&place.database, "big", &[("id", crate::source::INT), ("b", bytes)]);
        let limit: usize =
            place.texts("SELECT @@max_allowed_packet").await.concat().concat().parse().unwrap();
        let blob = vec![0xff; limit / 2];
        let image = || vec![Some(Value::Int(1)), Some(Value::Bytes(&blob))];
        let mut source = Source::new();
        let loader = place.begun(&source).await;
        let batch = source.batch(vec![vec![insert(&big, &[image()])]]);
        let error = loader.load(batch, &lease(1)).await.unwrap_err();
        let (_, reason) = refusal(&error);
        assert!(matches!(reason, Reason::TooLarge { limit: told, .. } if *told == limit));
        assert!(error.to_string().contains("max_allowed_packet"), "{error}");
        loader.close().await;
    }
}
