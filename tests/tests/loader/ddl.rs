//! Schema changes of the source: a halt that says what to do, or passing by.

use std::sync::Arc;

use otter_core::testkit::lease::lease;
use otter_core::{Ddl, Event, Fault, Load};
use otter_sink::DdlPolicy;

use crate::place::Place;
use crate::source::{INT, Source, insert, pair, table};

fn alter(place: &Place) -> Event {
    Event::Ddl(Ddl {
        database: Arc::from(place.database.as_str()),
        statement: Arc::from("ALTER TABLE pair ADD COLUMN m INT DEFAULT 'sekret'"),
        kind: Arc::from("ALTER TABLE"),
        tables: vec![otter_core::TableName::new(place.database.as_str(), "pair")],
        ..Ddl::default()
    })
}

on_both! {
    async fn a_schema_change_halts_behind_what_came_before_it(place: Place) {
        let pairs = place.pairs().await;
        let mut source = Source::new();
        let loader = place.begun(&source).await;
        let batch = source.batch(vec![
            vec![insert(&pairs, &[pair(1, 1)])],
            vec![alter(&place)],
            vec![insert(&pairs, &[pair(2, 2)])],
        ]);
        let mut behind_first = batch.after.clone();
        behind_first.advance(batch.transactions[0].end.as_ref().unwrap());
        let error = loader.load(batch, &lease(1)).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Poison);
        let shown = error.to_string();
        for part in ["ALTER TABLE", ".pair", "made-up.000001:104", "ddl = \"skip\""] {
            assert!(shown.contains(part), "{shown}");
        }
        assert!(!shown.contains("sekret"), "{shown}");
        assert_eq!(loader.resume(&lease(1)).await.unwrap(), Some(behind_first));
        assert_eq!(place.shown_pairs().await, "1=1");
        loader.close().await;
    }

    async fn a_schema_change_that_is_passed_by_is_read_again_in_the_target(place: Place) {
        let pairs = place.pairs().await;
        let mut source = Source::new();
        let mut options = place.options();
        options.ddl = DdlPolicy::Skip;
        let loader = place.begun_with(&source, options).await;
        let first = source.batch(vec![vec![insert(&pairs, &[pair(1, 1)])]]);
        let _ = loader.load(first, &lease(1)).await.unwrap();
        place.execute("ALTER TABLE pair ADD COLUMN m INT").await;
        let wide = table(&place.database, "pair", &[("id", INT), ("n", INT), ("m", INT)]);
        let mut image = pair(2, 2);
        image.push(Some(otter_core::Value::Int(3)));
        let rest = source.batch(vec![vec![alter(&place)], vec![insert(&wide, &[image])]]);
        let through = rest.through.clone();
        let loaded = loader.load(rest, &lease(1)).await.unwrap();
        assert_eq!((loaded.through, loaded.transactions), (through, 2));
        let shown = place.texts("SELECT id, n, m FROM {db}.pair ORDER BY id").await;
        assert_eq!(shown, [["1", "1", "NULL"], ["2", "2", "3"]]);
        loader.close().await;
    }

    async fn a_table_that_changed_in_the_target_is_checked_again(place: Place) {
        let pairs = place.pairs().await;
        let mut source = Source::new();
        let loader = place.begun(&source).await;
        let first = source.batch(vec![vec![insert(&pairs, &[pair(1, 1)])]]);
        let _ = loader.load(first, &lease(1)).await.unwrap();
        let behind = source.position();
        place.execute("ALTER TABLE pair DROP COLUMN n").await;
        let events = vec![insert(&pairs, &[pair(2, 2)])];
        let error = loader.load(source.batch(vec![events]), &lease(1)).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Transient, "{error}");
        assert_eq!(loader.resume(&lease(1)).await.unwrap(), Some(behind));
        source = Source::new();
        let _ = source.batch(vec![Vec::new()]);
        let events = vec![insert(&pairs, &[pair(2, 2)])];
        let error = loader.load(source.batch(vec![events]), &lease(1)).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Fatal, "{error}");
        assert!(error.to_string().contains("ADD COLUMN `n`"), "{error}");
        loader.close().await;
    }
}
