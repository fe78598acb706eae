//! Rows that are held in quarantine: the rest goes on, what depends on them waits, and everything
//! follows in order once they are gone.

use std::sync::Arc;

use otter_core::testkit::lease::{lease, pipeline};
use otter_core::{Ddl, Event, Fault, Load, RowFlags, Table, TableName, Value};
use otter_sink::quarantine::{Held, NewValue, Quarantine, Selection};
use otter_sink::{LoaderOptions, MySqlLoader, OnPoison};

use crate::place::Place;
use crate::source::{INT, Image, Source, delete, insert, pair, table, text, update};

fn options(place: &Place) -> LoaderOptions {
    let mut options = place.options();
    options.on_poison = OnPoison::Quarantine;
    options
}

async fn begun(place: &Place, source: &Source) -> MySqlLoader {
    place.begun_with(source, options(place)).await
}

async fn desk(place: &Place) -> Quarantine {
    Quarantine::open(&place.url(), &place.schema, &pipeline()).await.unwrap()
}

async fn held(place: &Place) -> Vec<Held> {
    desk(place).await.list(&Selection::All).await.unwrap()
}

/// Table, kind and reason of each held row, and whether it waits for another.
async fn shown(place: &Place) -> String {
    let rows = held(place).await;
    let line = |row: &Held| format!("{} {} {}", row.table.table, row.kind, row.code);
    rows.iter().map(line).collect::<Vec<_>>().join(", ")
}

async fn load(loader: &MySqlLoader, source: &mut Source, transactions: Vec<Vec<Event>>) {
    let batch = source.batch(transactions);
    let through = batch.through.clone();
    let loaded = loader.load(batch, &lease(1)).await.unwrap();
    assert_eq!(loaded.through, through);
}

async fn retry_all(place: &Place, loader: &MySqlLoader) {
    let _ = desk(place).await.retry(&Selection::All).await.unwrap();
    loader.ping(&lease(1)).await.unwrap();
}

fn without_checks(event: Event) -> Event {
    let Event::Rows(rows) = event else { panic!("rows were expected") };
    let flags =
        RowFlags { no_foreign_key_checks: true, no_unique_checks: false, ..RowFlags::default() };
    Event::Rows(rows.with_flags(flags))
}

fn altered(place: &Place, name: &str) -> Event {
    Event::Ddl(Ddl {
        database: place.database.as_str().into(),
        statement: "ALTER TABLE … ADD CONSTRAINT …".into(),
        kind: "ALTER TABLE".into(),
        tables: vec![TableName::new(place.database.as_str(), name)],
        ..Ddl::default()
    })
}

async fn family(place: &Place, rule: &str) -> [Arc<Table>; 2] {
    place
        .execute(&format!(
            "CREATE TABLE parent (id INT PRIMARY KEY, n INT);
             CREATE TABLE child (id INT PRIMARY KEY, n INT,
                 CONSTRAINT to_parent FOREIGN KEY (n) REFERENCES parent (id) {rule})"
        ))
        .await;
    ["parent", "child"].map(|name| table(&place.database, name, &[("id", INT), ("n", INT)]))
}

async fn pairs_of(place: &Place, name: &str) -> String {
    let query = format!("SELECT CONCAT(id, '=', IFNULL(n, '-')) FROM {{db}}.{name} ORDER BY id");
    place.texts(&query).await.concat().join(" ")
}

on_both! {
    async fn the_rest_goes_on_and_later_changes_of_the_key_wait_and_follow(place: Place) {
        let pairs = place.pairs().await;
        place.execute("INSERT INTO pair VALUES (7, 0)").await;
        let mut source = Source::new();
        let loader = begun(&place, &source).await;
        let first = vec![
            insert(&pairs, &[pair(6, 6), pair(7, 7), pair(8, 8)]),
            update(&pairs, pair(7, 7), pair(7, 70)),
        ];
        load(&loader, &mut source, vec![vec![insert(&pairs, &[pair(1, 1)])], first]).await;
        assert_eq!(place.shown_pairs().await, "1=1 6=6 7=0 8=8");
        load(
            &loader,
            &mut source,
            vec![
                vec![update(&pairs, pair(7, 70), pair(9, 90)), update(&pairs, pair(8, 8), pair(8, 80))],
                // It takes the key that only the held row will have.
                vec![update(&pairs, pair(9, 90), pair(9, 91))],
                vec![insert(&pairs, &[pair(2, 2)])],
            ],
        )
        .await;
        assert_eq!(place.shown_pairs().await, "1=1 2=2 6=6 7=0 8=80");
        assert_eq!(
            shown(&place).await,
            "pair insert duplicate, pair update waits, pair update waits, pair update waits"
        );
        let rows = held(&place).await;
        assert_eq!((rows[0].ordinal, rows[0].key.as_str(), rows[0].cause), (2, "id", None));
        let causes: Vec<Option<u64>> = rows.iter().map(|row| row.cause).collect();
        let [first, _, third, _] = [0, 1, 2, 3].map(|index: usize| Some(rows[index].id));
        assert_eq!(causes, [None, first, first, third]);

        // What stands in the way is still there: it is noted, and nothing changes.
        retry_all(&place, &loader).await;
        assert_eq!(held(&place).await[0].tries, 1);
        assert_eq!(place.shown_pairs().await, "1=1 2=2 6=6 7=0 8=80");

        place.execute("DELETE FROM pair WHERE id = 7").await;
        let head = Selection::Ids(vec![rows[0].id]);
        assert_eq!(desk(&place).await.retry(&head).await.unwrap(), 1);
        loader.ping(&lease(1)).await.unwrap();
        assert_eq!(shown(&place).await, "");
        assert_eq!(place.shown_pairs().await, "1=1 2=2 6=6 8=80 9=91");
        let pieces = place.texts("SELECT COUNT(*) FROM {otter}.quarantine_piece").await;
        assert_eq!(pieces, [["0"]]);
        // Nothing is watched any more.
        load(&loader, &mut source, vec![vec![delete(&pairs, &[pair(9, 91)])]]).await;
        loader.close().await;
    }

    async fn a_successor_knows_what_is_held_and_carries_out_what_was_wished(place: Place) {
        let pairs = place.pairs().await;
        let mut source = Source::new();
        let loader = begun(&place, &source).await;
        load(&loader, &mut source, vec![vec![update(&pairs, pair(1, 1), pair(1, 2))]]).await;
        assert_eq!(shown(&place).await, "pair update missing");
        loader.close().await;

        // The policy is another one now: what was held is held on, in order.
        let second = place.loader();
        let _ = second.resume(&lease(2)).await.unwrap();
        let batch = source.batch(vec![vec![update(&pairs, pair(1, 2), pair(1, 3))]]);
        let _ = second.load(batch, &lease(2)).await.unwrap();
        assert_eq!(shown(&place).await, "pair update missing, pair update waits");
        second.close().await;

        place.execute("INSERT INTO pair VALUES (1, 1)").await;
        assert_eq!(desk(&place).await.retry(&Selection::All).await.unwrap(), 2);
        assert_eq!(place.shown_pairs().await, "1=1");
        let third = place.loader_with(options(&place));
        assert_eq!(third.resume(&lease(3)).await.unwrap(), Some(source.position()));
        assert_eq!((shown(&place).await.as_str(), place.shown_pairs().await.as_str()), ("", "1=3"));
        third.close().await;
    }

    async fn what_waits_goes_on_behind_a_row_that_is_dropped(place: Place) {
        let pairs = place.pairs().await;
        place.execute("INSERT INTO pair VALUES (1, 5)").await;
        let mut source = Source::new();
        let loader = begun(&place, &source).await;
        let transactions = vec![
            vec![insert(&pairs, &[pair(1, 1)])],
            vec![update(&pairs, pair(1, 1), pair(1, 2))],
            vec![update(&pairs, pair(1, 2), pair(1, 3))],
        ];
        load(&loader, &mut source, transactions).await;
        let first = held(&place).await[0].id;
        assert_eq!(desk(&place).await.give_up(&Selection::Ids(vec![first])).await.unwrap(), 1);
        loader.ping(&lease(1)).await.unwrap();
        assert_eq!((shown(&place).await.as_str(), place.shown_pairs().await.as_str()), ("", "1=3"));
        loader.close().await;
    }

    async fn an_edited_row_is_tried_with_its_new_values(place: Place) {
        place.execute("CREATE TABLE word (id INT PRIMARY KEY, w VARCHAR(4))").await;
        let word = table(&place.database, "word", &[("id", INT), ("w", text("utf8mb4"))]);
        let image = |w: &'static str| -> Image<'static> {
            vec![Some(Value::Int(1)), Some(Value::Text(w.as_bytes()))]
        };
        let mut source = Source::new();
        let loader = begun(&place, &source).await;
        load(&loader, &mut source, vec![vec![insert(&word, &[image("too long")])]]).await;
        let anew = vec![delete(&word, &[image("too long")]), insert(&word, &[image("b")])];
        load(&loader, &mut source, vec![anew]).await;
        assert_eq!(
            shown(&place).await,
            "word insert does-not-fit, word delete waits, word insert waits"
        );
        let ids: Vec<u64> = held(&place).await.iter().map(|row| row.id).collect();
        let mut desk = desk(&place).await;
        let new = |text: &str| [("W".to_owned(), NewValue::Text(text.to_owned()))];
        assert!(desk.edit(ids[1], &new("x")).await.is_err(), "a delete has no new values");
        assert!(desk.edit(1 << 40, &new("x")).await.is_err());
        desk.edit(ids[0], &new("also too long")).await.unwrap();
        loader.ping(&lease(1)).await.unwrap();
        assert_eq!(held(&place).await[0].tries, 1);
        desk.edit(ids[0], &new("fine")).await.unwrap();
        let (row, rows) = desk.show(ids[0]).await.unwrap();
        assert_eq!((row.is_edited, row.wanted), (true, Some("retry")));
        let after = rows.changes().next().unwrap().after().unwrap();
        assert!(after.value(1) == Some(Value::Text(b"fine")));
        loader.ping(&lease(1)).await.unwrap();
        assert_eq!(place.texts("SELECT w FROM {db}.word").await, [["b"]]);
        assert_eq!(shown(&place).await, "");
        let audit = place.texts("SELECT action, subject FROM {otter}.audit ORDER BY id").await;
        let id = ids[0].to_string();
        let edit = format!("{id}: W");
        assert_eq!(audit, [["edit", &edit], ["edit", &edit], ["show", &id]]);
        loader.close().await;
    }

    async fn children_wait_for_a_held_parent_and_follow_it(place: Place) {
        let [parent, child] = family(&place, "").await;
        place.execute("INSERT INTO parent VALUES (1, 0), (2, 0)").await;
        let mut source = Source::new();
        let loader = begun(&place, &source).await;
        let transactions = vec![
            vec![insert(&child, &[pair(30, 3)])],
            vec![insert(&parent, &[pair(1, 1)]), insert(&child, &[pair(10, 1), pair(20, 2)])],
            vec![update(&child, pair(20, 2), pair(20, 1)), insert(&parent, &[pair(3, 3)])],
        ];
        load(&loader, &mut source, transactions).await;
        assert_eq!(
            shown(&place).await,
            "child insert foreign-key, parent insert duplicate, child insert waits, \
             child update waits, parent insert waits"
        );
        assert_eq!(pairs_of(&place, "child").await, "20=2");
        place.execute("DELETE FROM parent WHERE id = 1").await;
        let rows = held(&place).await;
        let mut desk = desk(&place).await;
        let _ = desk.retry(&Selection::Ids(vec![rows[1].id])).await.unwrap();
        loader.ping(&lease(1)).await.unwrap();
        assert_eq!(pairs_of(&place, "child").await, "10=1 20=1");
        // The first child came before its parent: only the operator can say which goes first.
        assert_eq!(shown(&place).await, "child insert foreign-key, parent insert waits");
        place.execute("INSERT INTO parent VALUES (3, 0)").await;
        retry_all(&place, &loader).await;
        assert_eq!(shown(&place).await, "parent insert duplicate");
        assert_eq!(pairs_of(&place, "child").await, "10=1 20=1 30=3");
        loader.close().await;
    }

    /// Nobody refuses what comes with checks off, and a cascade of the target's own refuses nothing.
    async fn what_nobody_would_refuse_waits_too(place: Place) {
        let [parent, child] = family(&place, "ON DELETE CASCADE").await;
        place.execute("INSERT INTO parent VALUES (1, 1), (2, 2); INSERT INTO child VALUES (10, 1), (20, 2)").await;
        let mut source = Source::new();
        let loader = begun(&place, &source).await;
        let missing = vec![update(&child, pair(11, 1), pair(11, 2))];
        load(&loader, &mut source, vec![missing]).await;
        let transactions = vec![
            // It would take the rows of 10 and 11 along.
            vec![delete(&parent, &[pair(1, 1)])],
            vec![without_checks(insert(&parent, &[pair(1, 5)]))],
            vec![without_checks(insert(&child, &[pair(12, 1)]))],
            vec![insert(&parent, &[pair(4, 4)]), insert(&child, &[pair(40, 4)])],
        ];
        load(&loader, &mut source, transactions).await;
        assert_eq!(
            shown(&place).await,
            "child update missing, parent delete waits, parent insert waits, child insert waits"
        );
        assert_eq!(pairs_of(&place, "parent").await, "1=1 2=2 4=4");
        assert_eq!(pairs_of(&place, "child").await, "10=1 20=2 40=4");
        let first = held(&place).await[0].id;
        let _ = desk(&place).await.give_up(&Selection::Ids(vec![first])).await.unwrap();
        loader.ping(&lease(1)).await.unwrap();
        assert_eq!(shown(&place).await, "");
        assert_eq!(pairs_of(&place, "parent").await, "1=5 2=2 4=4");
        assert_eq!(pairs_of(&place, "child").await, "12=1 20=2 40=4");
        loader.close().await;
    }

    async fn values_that_a_collation_holds_equal_wait(place: Place) {
        place
            .execute("CREATE TABLE name (id INT PRIMARY KEY, w VARCHAR(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci, UNIQUE KEY (w));
                      INSERT INTO name VALUES (9, 'taken')")
            .await;
        let name = table(&place.database, "name", &[("id", INT), ("w", text("utf8mb4"))]);
        let image = |id: i64, w: &'static str| -> Image<'static> {
            vec![Some(Value::Int(id)), Some(Value::Text(w.as_bytes()))]
        };
        let mut source = Source::new();
        let loader = begun(&place, &source).await;
        let transactions = vec![
            vec![insert(&name, &[image(1, "Taken ")])],
            vec![insert(&name, &[image(2, "free")])],
            vec![update(&name, image(1, "Taken "), image(1, "one"))],
            vec![insert(&name, &[image(3, "TAKEN"), image(4, "ONE")])],
            vec![insert(&name, &[image(5, "é")])],
        ];
        load(&loader, &mut source, transactions).await;
        let rows = shown(&place).await;
        assert_eq!(rows, "name insert duplicate, name update waits, name insert waits, name insert waits, name insert waits");
        place.execute("DELETE FROM name WHERE id = 9").await;
        retry_all(&place, &loader).await;
        // 4 takes what 1 has: the source could not have had that, but nobody knows here.
        assert_eq!(shown(&place).await, "name insert duplicate, name insert waits");
        let fourth = held(&place).await[0].id;
        let _ = desk(&place).await.give_up(&Selection::Ids(vec![fourth])).await.unwrap();
        loader.ping(&lease(1)).await.unwrap();
        assert_eq!(shown(&place).await, "");
        let left = place.texts("SELECT CONCAT(id, w) FROM {db}.name ORDER BY id").await;
        assert_eq!(left.concat(), ["1one", "2free", "3TAKEN", "5é"]);
        loader.close().await;
    }

    async fn unique_values_that_change_hands_beside_a_held_row_arrive(place: Place) {
        place.execute("CREATE TABLE seat (id INT PRIMARY KEY, n INT, UNIQUE KEY (n)); INSERT INTO seat VALUES (1, 1), (2, 2), (3, 33)").await;
        let seat = table(&place.database, "seat", &[("id", INT), ("n", INT)]);
        let mut source = Source::new();
        let loader = begun(&place, &source).await;
        let swap = vec![
            update(&seat, pair(1, 1), pair(1, 0)),
            update(&seat, pair(2, 2), pair(2, 1)),
            update(&seat, pair(1, 0), pair(1, 2)),
            insert(&seat, &[pair(3, 3)]),
            // The value that the held row will have is taken by nobody before it.
            insert(&seat, &[pair(4, 4)]),
        ];
        load(&loader, &mut source, vec![swap]).await;
        load(&loader, &mut source, vec![vec![
            update(&seat, pair(3, 3), pair(3, 5)),
            update(&seat, pair(4, 4), pair(4, 3)),
            update(&seat, pair(1, 2), pair(1, 4)),
        ]]).await;
        assert_eq!(pairs_of(&place, "seat").await, "1=2 2=1 3=33 4=4");
        place.execute("DELETE FROM seat WHERE id = 3").await;
        retry_all(&place, &loader).await;
        assert_eq!(shown(&place).await, "");
        assert_eq!(pairs_of(&place, "seat").await, "1=4 2=1 3=5 4=3");
        loader.close().await;
    }

    async fn a_table_without_a_key_waits_as_a_whole_and_others_go_on(place: Place) {
        let pairs = place.pairs().await;
        place.execute("CREATE TABLE bag (id INT, n INT)").await;
        let bag = table(&place.database, "bag", &[("id", INT), ("n", INT)]);
        let mut source = Source::new();
        let loader = begun(&place, &source).await;
        let transactions = vec![
            vec![delete(&bag, &[pair(1, 1)]), insert(&pairs, &[pair(1, 1)])],
            vec![insert(&bag, &[pair(2, 2)]), insert(&pairs, &[pair(2, 2)])],
        ];
        load(&loader, &mut source, transactions).await;
        assert_eq!(shown(&place).await, "bag delete missing, bag insert waits");
        assert_eq!(place.shown_pairs().await, "1=1 2=2");
        let other = Selection::Table(pairs.name.clone());
        assert_eq!(desk(&place).await.give_up(&other).await.unwrap(), 0);
        let first = held(&place).await[0].id;
        let _ = desk(&place).await.give_up(&Selection::Ids(vec![first])).await.unwrap();
        loader.ping(&lease(1)).await.unwrap();
        assert_eq!(pairs_of(&place, "bag").await, "2=2");
        loader.close().await;
    }

    async fn rows_of_fragments_are_held_with_their_transaction(place: Place) {
        let pairs = place.pairs().await;
        place.execute("INSERT INTO pair VALUES (2, 0), (5, 0)").await;
        let mut source = Source::new();
        let loader = begun(&place, &source).await;
        let piece = |ids: [i64; 3]| vec![insert(&pairs, &ids.map(|id| pair(id, id)))];
        let last = vec![update(&pairs, pair(2, 2), pair(2, 22)), update(&pairs, pair(1, 1), pair(1, 11))];
        let pieces = source.fragments(vec![piece([1, 2, 3]), piece([4, 5, 6]), last]);
        for piece in pieces.into_iter().take(2) {
            let _ = loader.load(piece, &lease(1)).await.unwrap();
        }
        assert_eq!(shown(&place).await, "");
        // Read again after a kill, as a whole.
        let _ = loader.resume(&lease(1)).await.unwrap();
        source = Source::new();
        let last = vec![update(&pairs, pair(2, 2), pair(2, 22)), update(&pairs, pair(1, 1), pair(1, 11))];
        for piece in source.fragments(vec![piece([1, 2, 3]), piece([4, 5, 6]), last]) {
            let _ = loader.load(piece, &lease(1)).await.unwrap();
        }
        assert_eq!(place.shown_pairs().await, "1=11 2=0 3=3 4=4 5=0 6=6");
        assert_eq!(shown(&place).await, "pair insert duplicate, pair insert duplicate, pair update waits");
        let ordinals: Vec<u64> = held(&place).await.iter().map(|row| row.ordinal).collect();
        assert_eq!(ordinals, [2, 5, 7]);
        place.execute("DELETE FROM pair WHERE n = 0").await;
        retry_all(&place, &loader).await;
        assert_eq!(place.shown_pairs().await, "1=11 2=22 3=3 4=4 5=5 6=6");
        loader.close().await;
    }

    async fn many_groups_go_on_around_held_rows(place: Place) {
        let pairs = place.pairs().await;
        place.execute("CREATE TABLE other (id INT PRIMARY KEY, n INT); INSERT INTO pair VALUES (150, 0), (950, 0)").await;
        let other = table(&place.database, "other", &[("id", INT), ("n", INT)]);
        let mut source = Source::new();
        let mut few = options(&place);
        few.group_rows = 20;
        let loader = place.begun_with(&source, few).await;
        let one = |id: i64| {
            let event = insert(if id % 2 == 0 { &pairs } else { &other }, &[pair(id, 1)]);
            vec![event]
        };
        let mut transactions: Vec<Vec<Event>> = (0..1_000).map(one).collect();
        transactions.extend((0..1_000).map(|id| {
            vec![update(if id % 2 == 0 { &pairs } else { &other }, pair(id, 1), pair(id, 2))]
        }));
        load(&loader, &mut source, transactions).await;
        assert_eq!(
            shown(&place).await,
            "pair insert duplicate, pair insert duplicate, pair update waits, pair update waits"
        );
        let sums = "SELECT (SELECT SUM(n) FROM {db}.pair), (SELECT SUM(n) FROM {db}.other)";
        assert_eq!(place.texts(sums).await, [["996", "1000"]]);
        place.execute("DELETE FROM pair WHERE n = 0").await;
        retry_all(&place, &loader).await;
        assert_eq!(place.texts(sums).await, [["1000", "1000"]]);
        loader.close().await;
    }

    async fn more_than_may_be_held_halts_and_names_the_setting(place: Place) {
        let pairs = place.pairs().await;
        let mut source = Source::new();
        let mut few = options(&place);
        few.quarantine_rows = 2;
        let loader = place.begun_with(&source, few).await;
        let missing = delete(&pairs, &[pair(1, 1), pair(2, 2)]);
        load(&loader, &mut source, vec![vec![missing]]).await;
        let before = source.position();
        let batch = source.batch(vec![vec![delete(&pairs, &[pair(3, 3)])]]);
        let error = loader.load(batch, &lease(1)).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Poison);
        assert!(error.to_string().contains("raise quarantine_rows"), "{error}");
        assert_eq!(loader.resume(&lease(1)).await.unwrap(), Some(before));
        assert_eq!(held(&place).await.len(), 2);
        loader.close().await;
    }

    async fn a_row_larger_than_a_packet_is_kept_in_pieces(place: Place) {
        place.execute("CREATE TABLE big (id INT PRIMARY KEY, b LONGBLOB)").await;
        let bytes = otter_core::ColumnType::Bytes { max_bytes: u32::MAX, fixed: false };
        let big = table(&place.database, "big", &[("id", INT), ("b", bytes)]);
        let limit: usize =
            place.texts("SELECT @@max_allowed_packet").await.concat().concat().parse().unwrap();
        let blob: Vec<u8> = (0_u8..=255).cycle().take(limit / 2).collect();
        let mut source = Source::new();
        let loader = begun(&place, &source).await;
        let image = vec![Some(Value::Int(1)), Some(Value::Bytes(&blob))];
        load(&loader, &mut source, vec![vec![insert(&big, &[image])]]).await;
        assert_eq!(shown(&place).await, "big insert too-large");
        let id = held(&place).await[0].id;
        let (_, rows) = desk(&place).await.show(id).await.unwrap();
        assert!(rows.changes().next().unwrap().after().unwrap().value(1) == Some(Value::Bytes(&blob)));
        loader.close().await;
    }

    async fn rows_of_a_table_that_does_not_fit_wait_until_it_does(place: Place) {
        let pairs = place.pairs().await;
        let gone = table(&place.database, "gone", &[("id", INT), ("n", INT)]);
        let mut source = Source::new();
        let loader = begun(&place, &source).await;
        let transactions = vec![
            vec![insert(&gone, &[pair(1, 1), pair(2, 2)]), insert(&pairs, &[pair(1, 1)])],
            vec![update(&gone, pair(1, 1), pair(1, 3))],
            vec![insert(&pairs, &[pair(2, 2)])],
        ];
        load(&loader, &mut source, transactions).await;
        assert_eq!(shown(&place).await, "gone insert unfit, gone insert waits, gone update waits");
        assert_eq!(place.shown_pairs().await, "1=1 2=2");
        let _ = loader.resume(&lease(1)).await.unwrap();
        load(&loader, &mut source, vec![vec![delete(&gone, &[pair(2, 2)])]]).await;
        assert_eq!(held(&place).await.len(), 4);
        place.execute("CREATE TABLE gone (id INT PRIMARY KEY, n INT)").await;
        retry_all(&place, &loader).await;
        assert_eq!((shown(&place).await.as_str(), pairs_of(&place, "gone").await.as_str()), ("", "1=3"));
        load(&loader, &mut source, vec![vec![insert(&gone, &[pair(5, 5)])]]).await;
        assert_eq!(pairs_of(&place, "gone").await, "1=3 5=5");
        loader.close().await;
    }

    async fn children_of_a_parent_table_that_does_not_fit_wait_for_it_even_over_a_restart(place: Place) {
        let [_, child] = family(&place, "").await;
        let wide = table(&place.database, "parent", &[("id", INT), ("n", INT), ("more", INT)]);
        let parent = |id| vec![Some(Value::Int(id)), Some(Value::Int(0)), Some(Value::Int(0))];
        place.execute("INSERT INTO parent VALUES (1, 0)").await;
        let mut source = Source::new();
        let loader = begun(&place, &source).await;
        let first = vec![insert(&wide, &[parent(3)]), insert(&child, &[pair(30, 3)])];
        load(&loader, &mut source, vec![first]).await;
        assert_eq!(shown(&place).await, "parent insert unfit, child insert waits");
        let _ = loader.resume(&lease(1)).await.unwrap();
        load(&loader, &mut source, vec![vec![insert(&child, &[pair(31, 3)])]]).await;
        assert_eq!(shown(&place).await, "parent insert unfit, child insert waits, child insert waits");
        place.execute("ALTER TABLE parent ADD COLUMN more INT").await;
        retry_all(&place, &loader).await;
        assert_eq!((shown(&place).await.as_str(), pairs_of(&place, "child").await.as_str()), ("", "30=3 31=3"));
        loader.close().await;
    }

    async fn foreign_keys_that_come_with_a_schema_change_are_heeded_at_once(place: Place) {
        place
            .execute("CREATE TABLE parent (id INT PRIMARY KEY, n INT); INSERT INTO parent VALUES (3, 0);
                      CREATE TABLE child (id INT PRIMARY KEY, n INT)")
            .await;
        let [parent, child] =
            ["parent", "child"].map(|name| table(&place.database, name, &[("id", INT), ("n", INT)]));
        let mut source = Source::new();
        let mut skipping = options(&place);
        skipping.ddl = otter_sink::DdlPolicy::Skip.into();
        let loader = place.begun_with(&source, skipping).await;
        load(&loader, &mut source, vec![vec![update(&parent, pair(4, 4), pair(5, 5))]]).await;
        place
            .execute("ALTER TABLE child ADD CONSTRAINT to_parent FOREIGN KEY (n) REFERENCES parent (id)")
            .await;
        let transactions = vec![
            vec![altered(&place, "child")],
            vec![insert(&child, &[pair(30, 3), pair(50, 5)])],
        ];
        load(&loader, &mut source, transactions).await;
        assert_eq!(shown(&place).await, "parent update missing, child insert waits");
        assert_eq!(pairs_of(&place, "child").await, "30=3");
        loader.close().await;
    }

    async fn nothing_is_held_and_nothing_settled_while_lanes_differ(place: Place) {
        let pairs = place.pairs().await;
        let mut source = Source::new();
        // A row that is held, and put aside.
        let loader = begun(&place, &source).await;
        load(&loader, &mut source, vec![vec![delete(&pairs, &[pair(999, 1)])]]).await;
        loader.close().await;
        let (here, away) = ("UPDATE {0}.quarantine SET pipeline = '{1}', wanted = 'drop'", "away");
        let set = |name: &str| here.replace("{0}", &place.schema).replace("{1}", name);
        place.execute(&set(away)).await;

        let mut fast = place.options();
        (fast.mode, fast.connections, fast.group_rows) = (otter_sink::Mode::Fast, 4, 5);
        place.execute("INSERT INTO pair VALUES (14, 0)").await;
        let loader = place.loader_with(fast);
        assert_eq!(loader.resume(&lease(2)).await.unwrap(), Some(source.position()));
        let before = source.position();
        let rows: Vec<_> = (1..=20).map(|id| pair(id, id)).collect();
        let batch = source.batch(vec![vec![insert(&pairs, &rows)]]);
        let again = || {
            let mut again = Source::new();
            let _ = again.batch(vec![vec![delete(&pairs, &[pair(999, 1)])]]);
            again.batch(vec![vec![insert(&pairs, &rows)]])
        };
        assert_eq!(loader.load(batch, &lease(2)).await.unwrap_err().fault(), Fault::Poison);
        loader.close().await;
        let lanes = "SELECT applied_through FROM {otter}.checkpoint ORDER BY lane";
        let differing = place.texts(lanes).await;
        assert!(differing.iter().any(|lane| *lane != differing[0]), "{differing:?}");

        place.execute(&set(pipeline().as_str())).await;
        let loader = place.loader_with(options(&place));
        assert_eq!(loader.resume(&lease(3)).await.unwrap(), Some(before));
        loader.ping(&lease(3)).await.unwrap();
        assert_eq!((place.texts(lanes).await, held(&place).await.len()), (differing.clone(), 1));
        // The refused row halts: the lanes that have theirs are not to pass it.
        let error = loader.load(again(), &lease(3)).await.unwrap_err();
        assert_eq!((error.fault(), held(&place).await.len()), (Fault::Poison, 1), "{error}");
        place.execute("DELETE FROM pair WHERE id = 14").await;
        let _ = loader.resume(&lease(3)).await.unwrap();
        let _ = loader.load(again(), &lease(3)).await.unwrap();
        loader.ping(&lease(3)).await.unwrap();
        assert_eq!(shown(&place).await, "");
        assert_eq!(place.texts("SELECT COUNT(*), SUM(n) FROM {db}.pair").await, [["20", "210"]]);
        loader.close().await;
    }

    async fn a_pipeline_begins_only_where_nothing_of_an_earlier_one_is_held(place: Place) {
        let pairs = place.pairs().await;
        let mut source = Source::new();
        let loader = begun(&place, &source).await;
        load(&loader, &mut source, vec![vec![delete(&pairs, &[pair(1, 1), pair(2, 2)])]]).await;
        loader.close().await;
        place.execute(&format!("DELETE FROM {}.checkpoint", place.schema)).await;
        let source = Source::new();
        for who in [place.options(), options(&place)] {
            let loader = place.loader_with(who);
            assert_eq!(loader.resume(&lease(1)).await.unwrap(), None);
            let error = loader.begin(&source.position(), &lease(1)).await.unwrap_err();
            let told = error.to_string();
            assert!(told.contains("2 rows") && told.contains("drop") && told.contains("--all"), "{told}");
            assert_eq!(held(&place).await.len(), 2);
            loader.close().await;
        }
        assert_eq!(desk(&place).await.give_up(&Selection::All).await.unwrap(), 2);
        let loader = begun(&place, &source).await;
        assert_eq!(shown(&place).await, "");
        assert_eq!(place.texts("SELECT COUNT(*) FROM {otter}.quarantine_piece").await, [["0"]]);
        loader.close().await;
    }

    async fn locks_that_held_rows_meet_stop_no_pipeline(place: Place) {
        let pairs = place.pairs().await;
        place.execute("INSERT INTO pair VALUES (7, 0)").await;
        let mut source = Source::new();
        let mut hasty = options(&place);
        (hasty.row_lock_wait, hasty.contention_tries) = (std::time::Duration::from_secs(1), 2);
        let loader = place.begun_with(&source, hasty.clone()).await;
        load(&loader, &mut source, vec![vec![insert(&pairs, &[pair(7, 7)])]]).await;
        let _ = desk(&place).await.retry(&Selection::All).await.unwrap();
        let mut other = place.server.connect().await.unwrap();
        let lock = format!("START TRANSACTION; DELETE FROM {}.pair WHERE id = 7", place.database);
        sqlx::raw_sql(sqlx::AssertSqlSafe(lock)).execute(&mut other).await.unwrap();
        loader.ping(&lease(1)).await.unwrap();
        load(&loader, &mut source, vec![vec![insert(&pairs, &[pair(8, 8)])]]).await;
        assert_eq!(held(&place).await[0].wanted, Some("retry"));
        // Nor do they stop one that starts.
        assert_eq!(loader.resume(&lease(1)).await.unwrap(), Some(source.position()));
        sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
        assert_eq!(loader.resume(&lease(1)).await.unwrap(), Some(source.position()));
        assert_eq!((shown(&place).await.as_str(), place.shown_pairs().await.as_str()), ("", "7=7 8=8"));
        loader.close().await;
    }

    async fn a_table_is_meant_by_its_exact_name(place: Place) {
        let pairs = place.pairs().await;
        let mut source = Source::new();
        let loader = begun(&place, &source).await;
        load(&loader, &mut source, vec![vec![delete(&pairs, &[pair(1, 1)])]]).await;
        let named = |name: &str| {
            Selection::Table(TableName::new(place.database.as_str(), name))
        };
        assert_eq!(place.texts("SELECT @@lower_case_table_names").await, [["0"]]);
        assert_eq!(desk(&place).await.list(&named("PAIR")).await.unwrap(), []);
        assert_eq!(desk(&place).await.list(&named("pair")).await.unwrap().len(), 1);
        loader.close().await;
    }
}
