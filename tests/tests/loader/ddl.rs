//! Schema changes of the source: a halt that says what to do, or passing by.

use std::sync::Arc;
use std::time::Duration;

use otter_core::arbiter::LeaseParts;
use otter_core::testkit::lease::{lease, pipeline};
use otter_core::{
    ArbiterId, Ddl, DdlReach, DdlSession, Event, Fault, Lease, Load, Side, TableName, Term,
};
use otter_sink::{DdlPolicy, LoaderOptions, MySqlLoader};
use otter_tests::random::Random;
use sqlx::{AssertSqlSafe, Executor};

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

fn ddl(place: &Place, kind: &str, statement: &str, tables: &[&str]) -> Ddl {
    Ddl {
        database: place.database.as_str().into(),
        statement: statement.into(),
        kind: kind.into(),
        tables: tables.iter().map(|name| TableName::new(place.database.as_str(), *name)).collect(),
        ..Ddl::default()
    }
}

fn applying(place: &Place) -> LoaderOptions {
    let mut options = place.options();
    options.ddl = DdlPolicy::Apply.into();
    options
}

/// Loads one transaction again and again, giving up ever later, until it is committed. Returns how
/// often that was given up before it was.
async fn load_with_interruptions(
    loader: &MySqlLoader,
    source: &mut Source,
    event: &Event,
    random: &mut Random,
) -> u32 {
    let begin = source.clone();
    let _ = source.batch(vec![vec![event.clone()]]);
    for given_up in 0.. {
        let batch = begin.clone().batch(vec![vec![event.clone()]]);
        let patience = Duration::from_micros(random.below(4_000 * (u64::from(given_up) + 1)));
        if let Ok(outcome) = tokio::time::timeout(patience, loader.load(batch, &lease(1))).await {
            let _ = outcome.unwrap();
            return given_up;
        }
        // The server may be at it still; to resume is to wait for its end.
        let found = loader.resume(&lease(1)).await.unwrap().unwrap();
        if found == source.position() {
            return given_up;
        }
        assert_eq!(found, begin.position());
    }
    unreachable!("it returns when it is committed")
}

on_both! {
    async fn a_schema_change_is_executed_between_the_rows_before_and_behind_it(place: Place) {
        let pairs = place.pairs().await;
        let mut source = Source::new();
        // Even where rows have one connection only.
        let mut options = applying(&place);
        options.connections = 1;
        let loader = place.begun_with(&source, options).await;
        let wide = table(&place.database, "pair", &[("id", INT), ("n", INT), ("m", INT)]);
        let mut image = pair(2, 2);
        image.push(Some(otter_core::Value::Int(3)));
        let text = "ALTER TABLE pair ADD COLUMN m INT NOT NULL DEFAULT 7";
        let batch = source.batch(vec![
            vec![insert(&pairs, &[pair(1, 1)])],
            vec![Event::Ddl(ddl(&place, "ALTER TABLE", text, &["pair"]))],
            vec![insert(&wide, &[image])],
        ]);
        let through = batch.through.clone();
        let loaded = loader.load(batch, &lease(1)).await.unwrap();
        assert_eq!((loaded.through, loaded.transactions, loaded.rows), (through, 3, 2));
        let shown = place.texts("SELECT id, n, m FROM {db}.pair ORDER BY id").await;
        assert_eq!(shown, [["1", "1", "7"], ["2", "2", "3"]]);
        loader.close().await;
    }

    async fn the_session_of_a_schema_change_is_the_source_s(place: Place) {
        let _ = place.pairs().await;
        place.execute("INSERT INTO pair VALUES (1, 1)").await;
        let mut source = Source::new();
        let loader = place.begun_with(&source, applying(&place)).await;
        // ANSI_QUOTES; zero dates are valid; noon of a day long ago, two hours east.
        let text = r#"ALTER TABLE "pair" ADD d DATE NOT NULL DEFAULT '0000-00-00',
            ADD t DATETIME(6) DEFAULT CURRENT_TIMESTAMP(6)"#;
        let mut change = ddl(&place, "ALTER TABLE", text, &["pair"]);
        let mut session = DdlSession::default();
        session.sql_mode = 4;
        session.begun_micros = 1_000_000_000_000_042;
        session.time_zone = Some("+02:00".into());
        change.session = session;
        let _ = loader.load(source.batch(vec![vec![Event::Ddl(change)]]), &lease(1)).await.unwrap();
        let shown = place.texts("SELECT CONCAT(d), CONCAT(t) FROM {db}.pair").await;
        assert_eq!(shown, [["0000-00-00", "2001-09-09 03:46:40.000042"]]);
        loader.close().await;
    }

    async fn a_table_arrives_with_the_rows_that_it_was_made_of(place: Place) {
        let mut source = Source::new();
        let loader = place.begun_with(&source, applying(&place)).await;
        let pairs = table(&place.database, "pair", &[("id", INT), ("n", INT)]);
        let text = "CREATE TABLE pair (id INT PRIMARY KEY, n INT)";
        let create = Event::Ddl(ddl(&place, "CREATE TABLE", text, &["pair"]));
        let events = vec![create, insert(&pairs, &[pair(1, 1), pair(2, 2)])];
        let _ = loader.load(source.batch(vec![events]), &lease(1)).await.unwrap();
        assert_eq!(place.shown_pairs().await, "1=1 2=2");
        loader.close().await;
    }

    async fn an_interrupted_schema_change_is_executed_once(place: Place) {
        let seed = Random::seed_from_environment();
        println!("OTTER_SEED={seed}");
        let mut random = Random::new(seed);
        place
            .execute(
                "CREATE TABLE a (id INT PRIMARY KEY) COMMENT 'first'; \
                 CREATE TABLE b (id INT PRIMARY KEY) COMMENT 'second'",
            )
            .await;
        let mut source = Source::new();
        let loader = place.begun_with(&source, applying(&place)).await;
        let (mut given_up, mut columns) = (0, 1);
        for round in 1..=12 {
            let swap = "RENAME TABLE a TO c, b TO a, c TO b";
            let swap = ddl(&place, "RENAME TABLE", swap, &["a", "c", "b", "a", "c", "b"]);
            given_up +=
                load_with_interruptions(&loader, &mut source, &Event::Ddl(swap), &mut random).await;
            // In one of the two definitions there is one column more each time.
            let add = format!("ALTER TABLE a ADD COLUMN c{round} INT");
            let add = Event::Ddl(ddl(&place, "ALTER TABLE", &add, &["a"]));
            given_up += load_with_interruptions(&loader, &mut source, &add, &mut random).await;
            columns += 1;
            let shown = place
                .texts(
                    "SELECT TABLE_COMMENT FROM information_schema.TABLES \
                     WHERE TABLE_SCHEMA = '{db}' ORDER BY TABLE_NAME",
                )
                .await
                .concat();
            let swapped = if round % 2 == 1 { ["second", "first"] } else { ["first", "second"] };
            assert_eq!(shown, swapped, "after round {round}");
        }
        let count = "SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = '{db}'";
        assert_eq!(place.texts(count).await, [[(columns + 1).to_string()]]);
        assert!(given_up > 0, "something was interrupted");
        loader.close().await;
    }

    async fn a_schema_change_may_take_longer_than_the_lease(place: Place) {
        let _ = place.pairs().await;
        let mut source = Source::new();
        let (lost, never) = tokio::sync::watch::channel(false);
        let short = Lease::new(LeaseParts {
            arbiter: ArbiterId::new("suite"),
            side: Side::target(pipeline()),
            term: Term(1),
            duration: Duration::from_secs(2),
            lost: never,
            still_valid: Box::new(|| true),
            guard: Box::new(()),
        });
        let loader = place.loader_with(applying(&place));
        assert_eq!(loader.resume(&short).await.unwrap(), None);
        loader.begin(&source.position(), &short).await.unwrap();
        // Somebody reads the table for two leases and a half.
        let mut reader = place.server.connect().await.unwrap();
        let read = format!("START TRANSACTION; SELECT COUNT(*) FROM {}.pair", place.database);
        reader.execute(sqlx::raw_sql(AssertSqlSafe(read))).await.unwrap();
        let text = "ALTER TABLE pair ADD COLUMN m INT";
        let change = Event::Ddl(ddl(&place, "ALTER TABLE", text, &["pair"]));
        let release = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            reader.execute("COMMIT").await.unwrap();
        };
        let (loaded, ()) =
            tokio::join!(loader.load(source.batch(vec![vec![change]]), &short), release);
        assert_eq!(loaded.unwrap().transactions, 1);
        loader.close().await;
        drop(lost);
    }

    async fn odd_names_and_other_servers_are_told_apart(place: Place) {
        place.execute("CREATE TABLE `a-1 é` (id INT PRIMARY KEY); CREATE TABLE `b#2` (id INT PRIMARY KEY)").await;
        let mut source = Source::new();
        let loader = place.begun_with(&source, applying(&place)).await;
        let begin = source.clone();
        let swap = "RENAME TABLE `b#2` TO c, `a-1 é` TO `b#2`, c TO `a-1 é`";
        let swap = ddl(&place, "RENAME TABLE", swap, &["b#2", "c", "a-1 é", "b#2", "c", "a-1 é"]);
        let batch = || begin.clone().batch(vec![vec![Event::Ddl(swap.clone())]]);
        // Interrupted at once, with the footprint of another server.
        let _ = loader.load(batch(), &lease(1)).await.unwrap();
        place
            .execute(&format!(
                "UPDATE {0}.ddl SET server = CONCAT(server, ' elsewhere'); \
                 UPDATE {0}.checkpoint SET applied_through = '{1}', resume_from = '{1}'",
                place.schema,
                begin.position().applied_through
            ))
            .await;
        let _ = loader.resume(&lease(1)).await.unwrap();
        let error = loader.load(batch(), &lease(1)).await.unwrap_err();
        assert!(error.to_string().contains("does not tell whether"), "{error}");
        // Where the definitions tell, they do.
        let _ = loader.resume(&lease(1)).await.unwrap();
        place.execute(&format!("DELETE FROM {}.ddl", place.schema)).await;
        let _ = loader.load(batch(), &lease(1)).await.unwrap();
        source = begin;
        let _ = source.batch(vec![Vec::new()]);
        assert_eq!(loader.resume(&lease(1)).await.unwrap().unwrap(), source.position());
        loader.close().await;
    }

    async fn a_schema_change_among_fragments_halts(place: Place) {
        let pairs = table(&place.database, "pair", &[("id", INT), ("n", INT)]);
        let mut source = Source::new();
        let loader = place.begun_with(&source, applying(&place)).await;
        let text = "CREATE TABLE pair (id INT PRIMARY KEY, n INT)";
        let create = Event::Ddl(ddl(&place, "CREATE TABLE", text, &["pair"]));
        let pieces = source.fragments(vec![
            vec![create, insert(&pairs, &[pair(1, 1)])],
            vec![insert(&pairs, &[pair(2, 2)])],
        ]);
        let first = pieces.into_iter().next().unwrap();
        let error = loader.load(first, &lease(1)).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Poison);
        assert!(error.to_string().contains("raise memory_mb"), "{error}");
        loader.close().await;
    }

    async fn a_schema_change_that_the_target_refuses_is_told_without_values(place: Place) {
        let _ = place.pairs().await;
        place.execute("INSERT INTO pair VALUES (1, 424242), (2, 424242)").await;
        let mut source = Source::new();
        let loader = place.begun_with(&source, applying(&place)).await;
        let begin = source.clone();
        let refused = async |text: &str| {
            let change = Event::Ddl(ddl(&place, "ALTER TABLE", text, &["pair"]));
            let batch = begin.clone().batch(vec![vec![change]]);
            let error = loader.load(batch, &lease(1)).await.unwrap_err();
            assert_eq!(error.fault(), Fault::Poison, "{error}");
            let found = loader.resume(&lease(1)).await.unwrap().unwrap();
            assert_eq!(found, begin.position());
            error.to_string()
        };
        let shown = refused("ALTER TABLE pair ADD UNIQUE KEY (n)").await;
        assert!(shown.contains("error 1062") && !shown.contains("424242"), "{shown}");
        let shown = refused("ALTER TABLE pair ADD COLUMN n INT").await;
        assert!(shown.contains("error 1060: Duplicate column name 'n'"), "{shown}");
        // The operator makes room, which must not be taken for the change itself.
        place.execute("DELETE FROM pair WHERE id = 2; ALTER TABLE pair COMMENT 'mended'").await;
        let add = Event::Ddl(ddl(&place, "ALTER TABLE", "ALTER TABLE pair ADD UNIQUE KEY (n)", &["pair"]));
        let _ = loader.load(source.batch(vec![vec![add]]), &lease(1)).await.unwrap();
        let keys = "SELECT COUNT(*) FROM information_schema.STATISTICS \
                    WHERE TABLE_SCHEMA = '{db}' AND COLUMN_NAME = 'n'";
        assert_eq!(place.texts(keys).await, [["1"]]);
        loader.close().await;
    }

    async fn what_the_target_cannot_be_sure_of_halts(place: Place) {
        let _ = place.pairs().await;
        let source = Source::new();
        let loader = place.begun_with(&source, applying(&place)).await;
        let change = ddl(&place, "ALTER TABLE", "ALTER TABLE pair ADD COLUMN m INT", &["pair"]);
        let mut failed = change.clone();
        failed.session.failed = true;
        for (change, told) in [
            (Ddl { reach: DdlReach::Partly, ..change.clone() }, "does not carry as a whole"),
            (Ddl { reach: DdlReach::Merged, ..change.clone() }, "flow into the one"),
            (failed, "failed at the source"),
            (Ddl { kind: "FROB TABLE".into(), ..change }, "changes of this kind halt"),
        ] {
            let batch = source.clone().batch(vec![vec![Event::Ddl(change)]]);
            let error = loader.load(batch, &lease(1)).await.unwrap_err();
            assert_eq!(error.fault(), Fault::Poison, "{error}");
            assert!(error.to_string().contains(told), "{error}");
            let _ = loader.resume(&lease(1)).await.unwrap();
        }
        loader.close().await;
    }

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
        options.ddl = DdlPolicy::Skip.into();
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
