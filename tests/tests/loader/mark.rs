//! Marks: the first row event of every target transaction, one origin in each.

use otter_core::testkit::lease::lease;
use otter_core::{Load, Verdict};
use otter_sink::preflight::prove_marks;

use crate::place::Place;
use crate::source::{Source, insert, pair};

/// The tables of all row events in the target's binlog, by transaction, for this place only.
async fn logged_tables(place: &Place) -> Vec<Vec<String>> {
    let logs = place.texts("SHOW BINARY LOGS").await;
    let mut transactions = Vec::new();
    let mut tables: Vec<String> = Vec::new();
    for log in logs {
        for row in place.texts(&format!("SHOW BINLOG EVENTS IN '{}'", log[0])).await {
            let (kind, info) = (row[2].as_str(), row[5].as_str());
            if kind == "Table_map" {
                let name = info.split(['(', ')']).nth(1).expect("a table map names its table");
                let (schema, table) = name.split_once('.').expect("schema and table");
                let shown = match schema {
                    _ if schema == place.schema => table.to_owned(),
                    _ if schema == place.database => format!("shop.{table}"),
                    _ => continue,
                };
                tables.push(shown);
            } else if kind == "Xid" && !tables.is_empty() {
                transactions.push(std::mem::take(&mut tables));
            }
        }
    }
    transactions
}

on_both! {
    async fn the_mark_is_first_and_the_checkpoint_last_in_every_transaction(place: Place) {
        let pairs = place.pairs().await;
        let mut source = Source::new();
        let loader = place.begun(&source).await;
        for step in 0..3 {
            let events = vec![insert(&pairs, &[pair(step, 0)])];
            let _ = loader.load(source.batch(vec![events]), &lease(1)).await.unwrap();
        }
        let pieces = source
            .fragments(vec![vec![insert(&pairs, &[pair(8, 0)])], vec![insert(&pairs, &[pair(9, 0)])]]);
        for piece in pieces {
            let _ = loader.load(piece, &lease(1)).await.unwrap();
        }
        loader.close().await;
        let logged = logged_tables(&place).await;
        let with_rows: Vec<_> =
            logged.iter().filter(|tables| tables.iter().any(|table| table == "shop.pair")).collect();
        assert_eq!(with_rows.len(), 4, "{logged:?}");
        for tables in with_rows {
            assert_eq!(tables.first().unwrap(), "mark", "{tables:?}");
            assert_eq!(tables.last().unwrap(), "checkpoint", "{tables:?}");
        }
    }

    async fn a_target_transaction_holds_one_origin(place: Place) {
        let pairs = place.pairs().await;
        let mut source = Source::new();
        let mut options = place.options();
        options.source_site = Some("hangzhou".into());
        let loader = place.begun_with(&source, options).await;
        let one = |id| vec![insert(&pairs, &[pair(id, 0)])];
        let batch = source.batch_from(vec![
            (None, one(1)),
            (None, one(2)),
            (Some("virginia"), one(3)),
            (Some("virginia"), one(4)),
            (Some("dublin"), one(5)),
            (None, one(6)),
        ]);
        let through = batch.through.clone();
        let loaded = loader.load(batch, &lease(1)).await.unwrap();
        assert_eq!((loaded.through, loaded.transactions, loaded.rows), (through, 6, 6));
        loader.close().await;
        let marks = place
            .texts("SELECT origin, slot, counter FROM {otter}.mark ORDER BY origin")
            .await;
        assert_eq!(
            marks,
            [["dublin", "0", "1"], ["hangzhou", "0", "2"], ["virginia", "0", "1"]]
        );
    }
}

on_both! {
    async fn the_proof_finds_its_mark_in_the_binlog(place: Place) {
        let url = place.url();
        let finding = prove_marks(&url, &place.schema).await;
        assert_eq!(finding.verdict, Verdict::Pass, "{finding:?}");
        // An account that may write marks but not look into the binlog is told what is missing.
        let name = format!("marker_{}", place.database);
        place
            .execute(&format!(
                "CREATE USER {name}@'127.0.0.1' IDENTIFIED BY 'pw';
                 GRANT SELECT, INSERT, UPDATE ON {}.* TO {name}@'127.0.0.1'",
                place.schema
            ))
            .await;
        let url = place.server.url_as(&name, "pw").parse().unwrap();
        let finding = prove_marks(&url, &place.schema).await;
        assert_ne!(finding.verdict, Verdict::Pass, "{finding:?}");
        let remedy = finding.remedy.unwrap();
        place.execute(remedy.split_once("; ").map_or(&*remedy, |(_, grant)| grant)).await;
        let finding = prove_marks(&url, &place.schema).await;
        assert_eq!(finding.verdict, Verdict::Pass, "{finding:?}");
    }
}

#[tokio::test]
async fn the_proof_fails_where_marks_do_not_reach_the_binlog() {
    let server = otter_tests::testbed::mariadb().arg("--binlog-ignore-db=otter").start().await;
    let url = server.url().parse().unwrap();
    let finding = prove_marks(&url, "otter").await;
    assert_eq!(finding.verdict, Verdict::Fail, "{finding:?}");
    assert!(finding.remedy.unwrap().contains("binlog-ignore-db"));
    let server =
        otter_tests::testbed::mariadb().with(|options| options.without_binlog()).start().await;
    let url = server.url().parse().unwrap();
    let finding = prove_marks(&url, "otter").await;
    assert_eq!(finding.verdict, Verdict::Fail, "{finding:?}");
}
