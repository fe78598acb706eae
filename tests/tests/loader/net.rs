//! Net changes of groups: what they must leave as it is, and where they stand back for source order.

use std::sync::Arc;

use otter_core::testkit::lease::lease;
use otter_core::{ColumnType, Load, Table, Timestamp, Value};
use otter_server::sandbox::Flavor;

use crate::place::Place;
use crate::source::{INT, Image, Source, delete, insert, pair, table, text, update};

on_both! {
    async fn a_key_that_stamps_itself_keeps_the_source_s_time(place: Place) {
        place.execute(
            "CREATE TABLE measure (id INT, at TIMESTAMP NOT NULL DEFAULT '2001-01-01 00:00:00' \
             ON UPDATE CURRENT_TIMESTAMP, n INT, PRIMARY KEY (id, at)); SET time_zone = '+00:00'; \
             INSERT INTO measure VALUES (1, '2020-01-01 00:00:00', 1), (2, '2020-01-01 00:00:00', 1)",
        )
        .await;
        let columns = [("id", INT), ("at", ColumnType::Timestamp { digits: 0 }), ("n", INT)];
        let mut measures = Table::clone(&table(&place.database, "measure", &columns));
        measures.columns[1].nullable = false;
        let measures = Arc::new(measures);
        let row = |id: i64, n: i64| -> Image<'static> {
            let at = Timestamp { seconds: 1_577_836_800, micros: 0, digits: 0 };
            vec![Some(Value::Int(id)), Some(Value::Timestamp(at)), Some(Value::Int(n))]
        };
        let mut source = Source::new();
        let loader = place.begun(&source).await;
        let changes = [1, 2].map(|id| update(&measures, row(id, 1), row(id, 5)));
        let _ = loader.load(source.batch(vec![changes.to_vec()]), &lease(1)).await.unwrap();
        loader.close().await;
        let stored = place
            .texts("SELECT CONCAT(id, ' ', UNIX_TIMESTAMP(at), ' ', n) FROM {db}.measure ORDER BY id")
            .await;
        assert_eq!(stored.concat(), ["1 1577836800 5", "2 1577836800 5"]);
    }

    async fn what_the_target_alone_knows_of_a_row_goes_with_the_row_and_only_then(place: Place) {
        place.execute(
            "CREATE TABLE pair (id INT PRIMARY KEY, n INT, seen INT NOT NULL DEFAULT 0);
             INSERT INTO pair VALUES (1, 1, 7), (2, 2, 8), (4, 4, 9)",
        )
        .await;
        let pairs = table(&place.database, "pair", &[("id", INT), ("n", INT)]);
        let mut source = Source::new();
        let loader = place.begun(&source).await;
        let again = vec![delete(&pairs, &[pair(1, 1)]), insert(&pairs, &[pair(1, 5)])];
        let moved = vec![update(&pairs, pair(2, 2), pair(3, 2)), update(&pairs, pair(4, 4), pair(4, 6))];
        let _ = loader.load(source.batch(vec![again, moved]), &lease(1)).await.unwrap();
        loader.close().await;
        let stored = place.texts("SELECT CONCAT_WS(' ', id, n, seen) FROM {db}.pair ORDER BY id").await;
        assert_eq!(stored.concat(), ["1 5 0", "3 2 8", "4 6 9"]);
    }

    /// The key that came and went is equal, for the collation, to the one that is there.
    async fn the_last_fragment_stands_back_for_source_order(place: Place) {
        place.execute(
            "CREATE TABLE word (id VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci \
             PRIMARY KEY, n INT); INSERT INTO word VALUES ('a', 0), ('b', 0)",
        )
        .await;
        let words = table(&place.database, "word", &[("id", text("utf8mb4")), ("n", INT)]);
        let word = |id: &'static str, n: i64| -> Image<'static> {
            vec![Some(Value::Text(id.as_bytes())), Some(Value::Int(n))]
        };
        let mut source = Source::new();
        let loader = place.begun(&source).await;
        let pieces = vec![
            vec![update(&words, word("b", 0), word("b", 1))],
            vec![
                update(&words, word("a", 0), word("A", 0)),
                update(&words, word("A", 0), word("a", 1)),
            ],
        ];
        for fragment in source.fragments(pieces) {
            let _ = loader.load(fragment, &lease(1)).await.unwrap();
        }
        loader.close().await;
        let stored = place.texts("SELECT CONCAT(id, n) FROM {db}.word ORDER BY id").await;
        assert_eq!(stored.concat(), ["a1", "b1"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_versioned_table_is_changed_in_source_order() {
    let place = Place::new(Flavor::MariaDb).await;
    place
        .execute(
            "CREATE TABLE pair (id INT PRIMARY KEY, n INT) WITH SYSTEM VERSIONING;
             INSERT INTO pair VALUES (1, 1), (2, 2)",
        )
        .await;
    let pairs = table(&place.database, "pair", &[("id", INT), ("n", INT)]);
    let mut source = Source::new();
    let loader = place.begun(&source).await;
    let changes = vec![
        update(&pairs, pair(1, 1), pair(1, 2)),
        update(&pairs, pair(1, 2), pair(1, 3)),
        update(&pairs, pair(2, 2), pair(2, 3)),
    ];
    let _ = loader.load(source.batch(vec![changes]), &lease(1)).await.unwrap();
    loader.close().await;
    assert_eq!(place.shown_pairs().await, "1=3 2=3");
}
