//! Tables without a key: rows are told apart by all their columns, and equal ones are counted.

use otter_core::testkit::lease::lease;
use otter_core::{ColumnType, Fault, Load, Value};

use crate::place::Place;
use crate::source::{INT, Image, Source, delete, insert, table, text, update};

fn row(n: i64, word: Option<&'static str>) -> Image<'static> {
    let word = word.map_or(Value::Null, |word| Value::Text(word.as_bytes()));
    vec![Some(Value::Int(n)), Some(word)]
}

on_both! {
    async fn equal_rows_are_changed_and_removed_one_at_a_time(place: Place) {
        place.execute("CREATE TABLE bag (n INT, word VARCHAR(20))").await;
        let bag = table(&place.database, "bag", &[("n", INT), ("word", text("utf8mb4"))]);
        let mut source = Source::new();
        let loader = place.begun(&source).await;
        let events = vec![
            insert(&bag, &[row(1, Some("a")), row(1, Some("a")), row(1, Some("a"))]),
            insert(&bag, &[row(1, Some("A")), row(1, Some("a ")), row(1, None), row(1, None)]),
            delete(&bag, &[row(1, Some("a")), row(1, None)]),
            update(&bag, row(1, Some("a")), row(2, Some("b"))),
        ];
        let loaded = loader.load(source.batch(vec![events]), &lease(1)).await.unwrap();
        assert_eq!(loaded.rows, 10);
        let left = place
            .texts("SELECT CONCAT(n, IFNULL(CONCAT('<', word, '>'), '-')) AS t FROM {db}.bag ORDER BY BINARY t")
            .await;
        assert_eq!(left.concat(), ["1-", "1<A>", "1<a >", "1<a>", "2<b>"]);
        let missing = source.batch(vec![vec![delete(&bag, &[row(3, None)])]]);
        let error = loader.load(missing, &lease(1)).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Poison);
        assert!(error.to_string().contains("no key"), "{error}");
        loader.close().await;
    }

    async fn a_unique_key_that_takes_no_null_serves_as_well(place: Place) {
        place
            .execute("CREATE TABLE uni (n INT, word VARCHAR(20) NOT NULL, UNIQUE KEY by_n (n), UNIQUE KEY by_word (word))")
            .await;
        let uni = table(&place.database, "uni", &[("n", INT), ("word", text("utf8mb4"))]);
        let mut source = Source::new();
        let loader = place.begun(&source).await;
        let events = vec![
            insert(&uni, &[row(1, Some("a")), row(2, Some("b"))]),
            // The image holds the key and nothing else.
            update(
                &uni,
                vec![None, Some(Value::Text(b"a"))],
                vec![Some(Value::Int(7)), None],
            ),
            delete(&uni, &[vec![None, Some(Value::Text(b"b"))]]),
        ];
        let _ = loader.load(source.batch(vec![events]), &lease(1)).await.unwrap();
        let left = place.texts("SELECT n, word FROM {db}.uni").await;
        assert_eq!(left, [["7", "a"]]);
        loader.close().await;
    }

    async fn documents_that_only_compare_as_equal_are_told_apart(place: Place) {
        place.execute("CREATE TABLE documents (d JSON)").await;
        let documents = table(&place.database, "documents", &[("d", ColumnType::Json)]);
        let document = |text| vec![Some(Value::Json(text))];
        let mut source = Source::new();
        let loader = place.begun(&source).await;
        let events = vec![
            insert(&documents, &[document("1"), document("1.0"), document("[2.0]"), document("[2]")]),
            delete(&documents, &[document("1.0"), document("[2]")]),
        ];
        let _ = loader.load(source.batch(vec![events]), &lease(1)).await.unwrap();
        let left = place.texts("SELECT CAST(d AS CHAR) AS t FROM {db}.documents ORDER BY BINARY t").await;
        assert_eq!(left.concat(), ["1", "[2.0]"]);
        loader.close().await;
    }
}
