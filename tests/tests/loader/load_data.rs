//! Many new rows go by `LOAD DATA LOCAL` or, on MariaDB, by bulk execution, and nothing is lost or
//! changed by it.

use std::sync::Arc;

use otter_core::testkit::lease::lease;
use otter_core::{ColumnType, Load, Value};
use otter_server::sandbox::Flavor;
use otter_sink::LoaderOptions;

use crate::place::Place;
use crate::poison::refusal;
use crate::source::{INT, Image, Source, delete, insert, table, text};
use crate::values::{assert_shown, in_table, kinds, numbered};

/// Two rows are many.
fn eager(place: &Place) -> LoaderOptions {
    let mut options = place.options();
    options.load_rows = 2;
    options
}

/// How many such statements the server has executed.
async fn loads(place: &Place) -> u64 {
    let name = match place.flavor {
        Flavor::MySql => "Com_load",
        Flavor::MariaDb => "Com_stmt_execute",
    };
    let rows = place.texts(&format!("SHOW GLOBAL STATUS LIKE '{name}'")).await;
    rows[0][1].parse().unwrap()
}

fn pair(id: i64, n: i64) -> Image<'static> {
    vec![Some(Value::Int(id)), Some(Value::Int(n))]
}

fn pairs_of(ids: std::ops::Range<i64>) -> Vec<Image<'static>> {
    ids.map(|id| pair(id, id)).collect()
}

on_both! {
    async fn values_of_every_type_arrive_byte_for_byte(place: Place) {
        let mut source = Source::new();
        let loader = place.begun_with(&source, eager(&place)).await;
        let mut loaded = Vec::new();
        for (number, kind) in kinds(place.flavor).iter().enumerate() {
            // A single value goes twice, under two numbers, so that there are rows enough.
            let name = format!("v{number}");
            place.execute(&format!("CREATE TABLE {name} (id INT PRIMARY KEY, v {})", kind.sql)).await;
            let table = in_table(&place, &name, kind);
            let mut rows = numbered(kind);
            let spare = i64::try_from(rows.len()).unwrap() + 1;
            rows.push(vec![Some(Value::Int(spare)), rows[0][1]]);
            let before = loads(&place).await;
            let batch = source.batch(vec![vec![insert(&table, &rows)]]);
            loader.load(batch, &lease(1)).await.map(|_| ()).unwrap_or_else(|error| panic!("{}: {error}", kind.sql));
            if loads(&place).await > before {
                loaded.push(kind.sql);
            }
            place.execute(&format!("DELETE FROM {name} WHERE id = {spare}")).await;
            assert_shown(&place, &name, kind).await;
        }
        println!("loaded: {loaded:?}");
        for usual in ["BIGINT", "DOUBLE", "BIT(64)", "YEAR", "DATE", "DATETIME(6)"] {
            assert!(loaded.contains(&usual), "{usual} is not among {loaded:?}");
        }
        loader.close().await;
    }

    async fn few_rows_are_inserted_and_many_are_loaded(place: Place) {
        let table = place.pairs().await;
        let mut source = Source::new();
        let loader = place.begun(&source).await;
        let few = source.batch(vec![vec![insert(&table, &pairs_of(0..99))]]);
        let _ = loader.load(few, &lease(1)).await.unwrap();
        assert_eq!(loads(&place).await, 0);
        let many = source.batch(vec![
            vec![insert(&table, &pairs_of(100..160))],
            vec![insert(&table, &pairs_of(160..200)), delete(&table, &[pair(0, 0)])],
        ]);
        assert_eq!(loader.load(many, &lease(1)).await.unwrap().rows, 101);
        assert_eq!(loads(&place).await, 1);
        let sums = place.texts("SELECT COUNT(*), SUM(n) FROM {db}.pair").await;
        let sum: i64 = (0..99).chain(100..200).sum();
        assert_eq!(sums, [["198".to_owned(), sum.to_string()]]);
        loader.close().await;
    }

    async fn a_row_that_is_there_is_named_as_by_an_insert(place: Place) {
        let table = place.pairs().await;
        place.execute("INSERT INTO pair VALUES (150, 0)").await;
        let mut source = Source::new();
        let loader = place.begun(&source).await;
        let good = vec![insert(&table, &pairs_of(0..100))];
        let bad = vec![insert(&table, &pairs_of(100..200))];
        let error = loader.load(source.batch(vec![good, bad]), &lease(1)).await.unwrap_err();
        assert_eq!(refusal(&error).0.ordinal, 51);
        assert!(!error.to_string().contains("150"), "{error}");
        // The transaction before it is there, nothing of its own.
        assert_eq!(place.texts("SELECT COUNT(*), SUM(n) FROM {db}.pair").await, [["101", "4950"]]);
    }

    async fn a_value_that_does_not_fit_is_a_finding(place: Place) {
        place.execute("CREATE TABLE narrow (id INT PRIMARY KEY, v VARCHAR(3) CHARACTER SET latin1)").await;
        let table = table(&place.database, "narrow", &[("id", INT), ("v", text("utf8mb4"))]);
        let rows_with = |value: &'static str| -> Vec<Image<'static>> {
            let text = |id| if id == 57 { value } else { "abc" };
            (0..120).map(|id| vec![Some(Value::Int(id)), Some(Value::Text(text(id).as_bytes()))]).collect()
        };
        for value in ["abcd", "日", "ab\u{1F9A6}"] {
            let mut source = Source::new();
            let loader = place.loader();
            if loader.resume(&lease(1)).await.unwrap().is_none() {
                loader.begin(&source.position(), &lease(1)).await.unwrap();
            }
            let batch = source.batch(vec![vec![insert(&table, &rows_with(value))]]);
            let error = loader.load(batch, &lease(1)).await.unwrap_err();
            assert_eq!(refusal(&error).0.ordinal, 58, "{error}");
            assert_eq!(place.texts("SELECT COUNT(*) FROM {db}.narrow").await, [["0"]]);
        }
    }

    async fn zero_in_a_counting_column_and_generated_columns_stay(place: Place) {
        place.execute(
            "CREATE TABLE counted (id INT PRIMARY KEY AUTO_INCREMENT, n INT, \
             twice INT AS (n * 2) STORED, at TIMESTAMP NULL DEFAULT CURRENT_TIMESTAMP)",
        ).await;
        let columns = [
            ("id", INT),
            ("n", INT),
            ("twice", INT),
            ("at", ColumnType::Timestamp { digits: 0 }),
        ];
        let table = table(&place.database, "counted", &columns);
        let row = |id| vec![Some(Value::Int(id)), Some(Value::Int(id)), Some(Value::Int(2 * id)), Some(Value::Null)];
        let mut source = Source::new();
        let loader = place.begun_with(&source, eager(&place)).await;
        let rows: Vec<_> = (0..3).map(row).collect();
        let _ = loader.load(source.batch(vec![vec![insert(&table, &rows)]]), &lease(1)).await.unwrap();
        let shown = place.texts("SELECT id, twice, at IS NULL FROM {db}.counted ORDER BY id").await;
        assert_eq!(shown, [["0", "0", "1"], ["1", "2", "1"], ["2", "4", "1"]]);
        assert_eq!(loads(&place).await, 1);
        loader.close().await;
    }

    async fn a_server_that_takes_no_local_data_gets_inserts(place: Place) {
        let table = place.pairs().await;
        let mut source = Source::new();
        let loader = place.begun_with(&source, eager(&place)).await;
        // Switched off below a session that has seen it on.
        place.execute("SET GLOBAL local_infile = OFF").await;
        for ids in [0..10, 10..20] {
            let batch = source.batch(vec![vec![insert(&table, &pairs_of(ids))]]);
            assert_eq!(loader.load(batch, &lease(1)).await.unwrap().rows, 10);
        }
        loader.close().await;
        let loader = place.loader_with(eager(&place));
        let _ = loader.resume(&lease(2)).await.unwrap();
        let tried = loads(&place).await;
        let batch = source.batch(vec![vec![insert(&table, &pairs_of(20..30))]]);
        let _ = loader.load(batch, &lease(2)).await.unwrap();
        // MariaDB takes rows of parameters all the same.
        let more = u64::from(place.flavor == Flavor::MariaDb);
        assert_eq!(loads(&place).await, tried + more);
        assert_eq!(place.texts("SELECT COUNT(*) FROM {db}.pair").await, [["30"]]);
        loader.close().await;
    }

    async fn numbers_become_the_same_text_whichever_way_they_go(place: Place) {
        place.execute("CREATE TABLE said (id INT PRIMARY KEY, d VARCHAR(50), i VARCHAR(50), x VARCHAR(50))").await;
        let decimal = ColumnType::Decimal { precision: 9, scale: 3, unsigned: false };
        let columns = [("id", INT), ("d", ColumnType::Double), ("i", INT), ("x", decimal)];
        let table = table(&place.database, "said", &columns);
        let row = |id| vec![
            Some(Value::Int(id)),
            Some(Value::Double(0.1)),
            Some(Value::Int(-7)),
            Some(Value::Decimal("-1.500")),
        ];
        let mut source = Source::new();
        let loader = place.begun_with(&source, eager(&place)).await;
        for ids in [vec![1], vec![2, 3, 4]] {
            let rows: Vec<_> = ids.into_iter().map(row).collect();
            let _ = loader.load(source.batch(vec![vec![insert(&table, &rows)]]), &lease(1)).await.unwrap();
        }
        let shown = place.texts("SELECT DISTINCT d, i, x FROM {db}.said").await;
        assert_eq!(shown, [["0.1", "-7", "-1.500"]]);
        loader.close().await;
    }

    async fn a_table_without_a_key_may_have_equal_rows(place: Place) {
        place.execute("CREATE TABLE bare (v VARCHAR(9))").await;
        let table = table(&place.database, "bare", &[("v", text("utf8mb4"))]);
        let rows = vec![vec![Some(Value::Text(b""))], vec![Some(Value::Text(b"\\N"))], vec![Some(Value::Null)], vec![Some(Value::Text(b""))]];
        let mut source = Source::new();
        let loader = place.begun_with(&source, eager(&place)).await;
        let batch = source.batch(vec![vec![insert(&Arc::clone(&table), &rows), delete(&table, &rows[..1])]]);
        assert_eq!(loader.load(batch, &lease(1)).await.unwrap().rows, 5);
        let shown = place.texts("SELECT COUNT(*), SUM(v = ''), SUM(v IS NULL), SUM(v = '\\\\N') FROM {db}.bare").await;
        assert_eq!(shown, [["3", "1", "1", "1"]]);
        assert_eq!(loads(&place).await, 1);
        loader.close().await;
    }

    async fn many_tables_need_few_statements_at_the_server(place: Place) {
        let mut source = Source::new();
        let loader = place.begun_with(&source, eager(&place)).await;
        // Only MariaDB keeps statements for it.
        let tables = if place.flavor == Flavor::MariaDb { 150 } else { 5 };
        for number in 0..tables {
            let name = format!("t{number}");
            place.execute(&format!("CREATE TABLE {name} (id INT PRIMARY KEY, n INT)")).await;
            let table = table(&place.database, &name, &[("id", INT), ("n", INT)]);
            for ids in [0..5, 5..10] {
                let batch = source.batch(vec![vec![insert(&table, &pairs_of(ids))]]);
                assert_eq!(loader.load(batch, &lease(1)).await.unwrap().rows, 5);
            }
            // The statement outlives a change of its table.
            place.execute(&format!("ALTER TABLE {name} ADD COLUMN more INT")).await;
            let batch = source.batch(vec![vec![insert(&table, &pairs_of(10..15))]]);
            assert_eq!(loader.load(batch, &lease(1)).await.unwrap().rows, 5);
            assert_eq!(place.texts(&format!("SELECT COUNT(*) FROM {{db}}.{name}")).await, [["15"]]);
        }
        let kept = place.texts("SHOW GLOBAL STATUS LIKE 'Prepared_stmt_count'").await;
        assert!(kept[0][1].parse::<u32>().unwrap() <= 100, "{kept:?}");
        loader.close().await;
    }
}
