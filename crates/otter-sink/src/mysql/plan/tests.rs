use std::sync::Arc;

use otter_core::{
    ColumnType, FilePlace, Part, RowArenaBuilder, RowFlags, SourceTime, Table, Value,
};

use super::*;
use crate::mysql::fit::fit;
use crate::mysql::fit::tests::{INT, source_table, target_column, target_table};
use crate::mysql::target::TargetTable;

const LIMITS: Limits = Limits {
    text_bytes: 1 << 20,
    packet_bytes: 1 << 24,
    insert_rows: 3,
    delete_keys: 3,
    new_rows: NewRows::Lines,
    load_rows: 0,
};

type Values = Vec<Option<Value<'static>>>;

fn rows(table: &Arc<Table>, kind: RowKind, images: &[Values]) -> Event {
    let mut arena = RowArenaBuilder::new();
    for value in images.iter().flatten() {
        arena.push(*value).unwrap();
    }
    let count = if kind == RowKind::Update { images.len() / 2 } else { images.len() };
    let arena = Arc::new(arena.finish());
    Event::Rows(RowsEvent::new(Arc::clone(table), kind, arena, 0, count).unwrap())
}

fn transaction(events: Vec<Event>) -> Transaction {
    Transaction {
        gtid: None,
        start: FilePlace::new("b.000001", 4),
        committed_at: SourceTime(0),
        origin: None,
        part: Part::Whole,
        rows_before: 0,
        events,
        end: None,
    }
}

/// `id` is the key, `n` a number.
fn item() -> (Arc<Table>, TargetTable) {
    let columns = vec![target_column("id", "int"), target_column("n", "int")];
    (source_table(&[("id", INT), ("n", INT)]), target_table(columns, &["id"]))
}

fn row(id: i64, n: i64) -> Values {
    vec![Some(Value::Int(id)), Some(Value::Int(n))]
}

/// All texts, with the rows that each statement is about.
fn plan_with(
    (source, target): (Arc<Table>, TargetTable),
    transactions: &[Transaction],
    limits: Limits,
    detail: Detail,
) -> Result<Vec<(String, Vec<Expect>)>, PlanError> {
    let mut tables = TablePlans::default();
    tables.insert(fit(&source, Some(target)).unwrap());
    let store = Store::new("otter", "p");
    let mark = ("here", 0);
    let keeps_rows = false;
    let planning = Planning { tables: &tables, store: &store, limits, detail, keeps_rows, mark };
    let mut planner = Planner::new(planning, transactions, true);
    let mut texts = Vec::new();
    loop {
        let mut script = Script::default();
        let filled = planner.fill(&mut script)?;
        let expects = script.expects().to_vec();
        let steps = script.take();
        let text = steps.into_iter().map(|step| step.text);
        texts.push((text.collect(), expects));
        if filled == Filled::All {
            return Ok(texts);
        }
    }
}

fn rows_of(expect: &Expect) -> RowsOf {
    let Expect::Rows(of) = expect else { panic!("{expect:?}") };
    *of
}

fn one_text(table: (Arc<Table>, TargetTable), events: Vec<Event>) -> String {
    let texts = plan_with(table, &[transaction(events)], LIMITS, Detail::Joined).unwrap();
    assert_eq!(texts.len(), 1);
    texts.into_iter().next().unwrap().0
}

#[test]
fn neighbouring_inserts_share_a_statement_up_to_the_limit() {
    let (source, target) = item();
    let events = vec![
        rows(&source, RowKind::Insert, &[row(1, 1), row(2, 2)]),
        rows(&source, RowKind::Insert, &[row(3, 3), row(4, 4)]),
    ];
    let texts =
        plan_with((source, target), &[transaction(events)], LIMITS, Detail::Joined).unwrap();
    assert_eq!(
        texts[0].0,
        "INSERT INTO `shop`.`item` (`id`,`n`) VALUES (1,1),(2,2),(3,3); \
         INSERT INTO `shop`.`item` (`id`,`n`) VALUES (4,4)"
    );
    let counted: Vec<_> = texts[0].1.iter().map(rows_of).map(|of| (of.ordinal, of.rows)).collect();
    assert_eq!(counted, [(1, 3), (4, 1)]);
}

#[test]
fn single_rows_have_a_statement_each() {
    let (source, target) = item();
    let events = vec![rows(&source, RowKind::Delete, &[row(1, 1), row(2, 2)])];
    let texts =
        plan_with((source, target), &[transaction(events)], LIMITS, Detail::SingleRows).unwrap();
    assert_eq!(
        texts[0].0,
        "DELETE FROM `shop`.`item` WHERE `id` IN (1); DELETE FROM `shop`.`item` WHERE `id` IN (2)"
    );
}

#[test]
fn deletes_are_lists_of_keys_and_updates_stay_in_source_order() {
    let (source, target) = item();
    let events = vec![
        rows(&source, RowKind::Delete, &[row(1, 1), row(2, 2)]),
        rows(&source, RowKind::Update, &[row(3, 3), row(3, 4)]),
        rows(&source, RowKind::Delete, &[row(3, 4)]),
    ];
    assert_eq!(
        one_text((source, target), events),
        "DELETE FROM `shop`.`item` WHERE `id` IN (1,2); \
         UPDATE `shop`.`item` SET `n` = 4 WHERE `id` = 3; \
         DELETE FROM `shop`.`item` WHERE `id` IN (3)"
    );
}

#[test]
fn keys_of_several_columns_are_compared_one_by_one() {
    let (source, mut target) = item();
    target.identities[0].columns = vec!["id".into(), "n".into()];
    let events = vec![rows(&source, RowKind::Delete, &[row(1, 1), row(2, 2)])];
    assert_eq!(
        one_text((source, target), events),
        "DELETE FROM `shop`.`item` WHERE (`id` = 1 AND `n` = 1) OR (`id` = 2 AND `n` = 2)"
    );
}

#[test]
fn a_changed_key_is_found_by_the_old_one() {
    let (source, target) = item();
    let events = vec![rows(&source, RowKind::Update, &[row(1, 1), row(2, 1)])];
    assert_eq!(
        one_text((source, target), events),
        "UPDATE `shop`.`item` SET `id` = 2 WHERE `id` = 1"
    );
}

#[test]
fn an_update_that_changes_nothing_still_looks_for_its_row() {
    let (source, target) = item();
    let events = vec![rows(&source, RowKind::Update, &[row(1, 1), row(1, 1)])];
    assert_eq!(
        one_text((source, target), events),
        "UPDATE `shop`.`item` SET `id` = `id` WHERE `id` = 1"
    );
}

#[test]
fn absent_columns_stay_as_they_are_and_stamps_are_held() {
    let (source, mut target) = item();
    target.columns.push(target_column("at", "timestamp"));
    target.columns[2].stamps_updates = true;
    let wide =
        source_table(&[("id", INT), ("n", INT), ("at", ColumnType::Timestamp { digits: 0 })]);
    let before = vec![Some(Value::Int(1)), None, None];
    let after = vec![None, Some(Value::Int(5)), None];
    let events = vec![rows(&wide, RowKind::Update, &[before, after])];
    drop(source);
    assert_eq!(
        one_text((wide, target), events),
        "UPDATE `shop`.`item` SET `n` = 5, `at` = `at` WHERE `id` = 1"
    );
}

#[test]
fn columns_that_the_target_generates_are_left_out() {
    let (source, mut target) = item();
    target.columns[1].generated = true;
    let events = vec![
        rows(&source, RowKind::Insert, &[row(1, 1)]),
        rows(&source, RowKind::Update, &[row(1, 1), row(2, 2)]),
    ];
    assert_eq!(
        one_text((source, target), events),
        "INSERT INTO `shop`.`item` (`id`) VALUES (1); \
         UPDATE `shop`.`item` SET `id` = 2 WHERE `id` = 1"
    );
}

#[test]
fn rows_without_a_key_are_found_by_all_columns_one_at_a_time() {
    let (source, mut target) = item();
    target.identities.clear();
    let nothing = vec![Some(Value::Int(1)), Some(Value::Null)];
    let events = vec![
        rows(&source, RowKind::Delete, &[row(1, 1), row(1, 1)]),
        rows(&source, RowKind::Update, &[nothing, row(1, 2)]),
    ];
    assert_eq!(
        one_text((source, target), events),
        "DELETE FROM `shop`.`item` WHERE `id` <=> 1 AND `n` <=> 1 LIMIT 1; \
         DELETE FROM `shop`.`item` WHERE `id` <=> 1 AND `n` <=> 1 LIMIT 1; \
         UPDATE `shop`.`item` SET `n` = 2 WHERE `id` <=> 1 AND `n` IS NULL LIMIT 1"
    );
}

#[test]
fn a_row_without_a_key_and_with_absent_columns_is_refused() {
    let (source, mut target) = item();
    target.identities.clear();
    let events = vec![rows(&source, RowKind::Delete, &[vec![Some(Value::Int(1)), None]])];
    let error = plan_with((source, target), &[transaction(events)], LIMITS, Detail::Joined);
    assert_eq!(error.unwrap_err().reason, Reason::NotIdentified);
}

#[test]
fn a_new_row_with_absent_columns_is_refused() {
    let tables = item();
    let events =
        vec![rows(&tables.0, RowKind::Insert, &[row(1, 1), vec![Some(Value::Int(2)), None]])];
    let error = plan_with(tables, &[transaction(events)], LIMITS, Detail::Joined);
    assert_eq!(error.unwrap_err().reason, Reason::NotWhole { column: "n".to_owned() });
}

#[test]
fn foreign_keys_are_checked_where_the_source_checked_them() {
    let (source, target) = item();
    let unchecked = |event: Event| {
        let Event::Rows(rows) = event else { panic!("no rows") };
        let flags = RowFlags {
            no_foreign_key_checks: true,
            no_unique_checks: false,
            ..RowFlags::default()
        };
        Event::Rows(rows.with_flags(flags))
    };
    let events = vec![
        unchecked(rows(&source, RowKind::Insert, &[row(1, 1)])),
        rows(&source, RowKind::Insert, &[row(2, 2)]),
    ];
    assert_eq!(
        one_text((source, target), events),
        "SET SESSION foreign_key_checks=0; \
         INSERT INTO `shop`.`item` (`id`,`n`) VALUES (1,1); \
         SET SESSION foreign_key_checks=1; \
         INSERT INTO `shop`.`item` (`id`,`n`) VALUES (2,2)"
    );
}

#[test]
fn an_enums_error_value_is_written_alone_and_watched() {
    let enumeration = ColumnType::Enum { labels: None };
    let source = source_table(&[("id", INT), ("n", enumeration)]);
    let target =
        target_table(vec![target_column("id", "int"), target_column("n", "enum")], &["id"]);
    let value = |id, number| vec![Some(Value::Int(id)), Some(Value::Enum(number))];
    let events = vec![rows(&source, RowKind::Insert, &[value(1, 1), value(2, 0), value(3, 1)])];
    let text = one_text((source, target), events);
    let statements: Vec<&str> = text.split("; ").collect();
    assert_eq!(statements.len(), 7, "{text}");
    assert!(statements[2].contains("VALUES (2,0)"), "{text}");
    assert!(statements[5].ends_with("@otter_warnings = 1"), "{text}");
}

#[test]
fn ordinals_go_on_over_events_and_begin_anew_with_a_transaction() {
    let (source, target) = item();
    let event = || rows(&source, RowKind::Update, &[row(1, 1), row(1, 2)]);
    let mut second = transaction(vec![event()]);
    second.rows_before = 7;
    let transactions = [transaction(vec![event(), event()]), second];
    let texts =
        plan_with((Arc::clone(&source), target), &transactions, LIMITS, Detail::Joined).unwrap();
    let places: Vec<_> =
        texts[0].1.iter().map(rows_of).map(|of| (of.transaction, of.ordinal)).collect();
    assert_eq!(places, [(0, 1), (0, 2), (1, 8)]);
}

#[test]
fn a_long_history_is_cut_into_texts_that_hold_every_row_once() {
    let (source, target) = item();
    let mut events = Vec::new();
    for base in 0..50 {
        let images: Vec<Values> = (0..7).map(|id| row(base * 7 + id, 0)).collect();
        let kind = if base % 3 == 0 { RowKind::Delete } else { RowKind::Insert };
        events.push(rows(&source, kind, &images));
    }
    let whole = [transaction(events)];
    for packet_bytes in [PACKET_SLACK + 126, PACKET_SLACK + 376, 1 << 20] {
        let limits = Limits { text_bytes: packet_bytes / 2, packet_bytes, ..LIMITS };
        let texts =
            plan_with((Arc::clone(&source), target.clone()), &whole, limits, Detail::Joined)
                .unwrap();
        let mut next = 1;
        for (text, expects) in &texts {
            assert!(text.len() + PACKET_SLACK <= packet_bytes);
            assert_eq!(text.split("; ").count(), expects.len().max(1), "{text}");
            for piece in text.split("; ").filter(|piece| piece.starts_with("DELETE")) {
                assert_eq!(piece.matches('(').count(), piece.matches(')').count(), "{piece}");
            }
            for expect in expects {
                let of = rows_of(expect);
                assert_eq!(of.ordinal, next);
                next += of.rows;
            }
        }
        assert_eq!(next, 351, "packets of {packet_bytes} bytes");
    }
}

#[test]
fn a_row_larger_than_a_packet_is_refused_with_both_sizes() {
    let (source, target) = item();
    let events = vec![rows(&source, RowKind::Insert, &[row(1, 1)])];
    let limits = Limits { packet_bytes: 1_060, ..LIMITS };
    let error =
        plan_with((source, target), &[transaction(events)], limits, Detail::Joined).unwrap_err();
    assert!(matches!(error.reason, Reason::TooLarge { limit: 1_060, .. }));
    assert_eq!(error.of.ordinal, 1);
}

mod copied;
mod loads;
mod resync;
