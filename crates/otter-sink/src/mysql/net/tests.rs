use std::collections::BTreeMap;
use std::sync::Arc;

use otter_core::{
    Event, FilePlace, Part, RowArenaBuilder, RowKind, RowsEvent, SourceTime, Table, Transaction,
    Value,
};
use proptest::prelude::*;

use super::*;
use crate::mysql::fit::fit;
use crate::mysql::fit::tests::{INT, source_table, target_column, target_table};

/// `id` is the key; `u` has a unique key of its own where that is asked for.
fn plans(is_unique: bool) -> (Arc<Table>, TablePlans) {
    let source = source_table(&[("id", INT), ("u", INT), ("n", INT)]);
    let columns = ["id", "u", "n"].map(|name| target_column(name, "int")).to_vec();
    let mut target = target_table(columns, &["id"]);
    if is_unique {
        target.uniques.push(Some(vec!["u".to_owned()]));
    }
    let mut plans = TablePlans::default();
    plans.insert(fit(&source, Some(target)).unwrap());
    (source, plans)
}

type Numbers = [Option<i64>; 3];

/// A change as its images: before, after.
type Change = (Option<Numbers>, Option<Numbers>);

fn whole(row: [i64; 3]) -> Numbers {
    row.map(Some)
}

fn transaction(table: &Arc<Table>, changes: &[Change]) -> Transaction {
    let events = changes.iter().map(|(before, after)| {
        let kind = match (before, after) {
            (None, _) => RowKind::Insert,
            (Some(_), None) => RowKind::Delete,
            (Some(_), Some(_)) => RowKind::Update,
        };
        let mut arena = RowArenaBuilder::new();
        for value in before.iter().chain(after).flatten() {
            arena.push(value.map(Value::Int)).unwrap();
        }
        let arena = Arc::new(arena.finish());
        Event::Rows(RowsEvent::new(Arc::clone(table), kind, arena, 0, 1).unwrap())
    });
    Transaction {
        gtid: None,
        start: FilePlace::new("b.000001", 4),
        committed_at: SourceTime(0),
        origin: None,
        part: Part::Whole,
        rows_before: 0,
        events: events.collect(),
        end: None,
    }
}

fn number(value: Option<Value<'_>>) -> i64 {
    let Some(Value::Int(number)) = value else { panic!("{value:?}") };
    number
}

/// Net rows as text, with the place of the last change.
fn show(net: &Net<'_>) -> Vec<String> {
    let id = |row: &Row<'_>| number(row.value(0));
    let show = |row: &NetRow<'_>| {
        assert_eq!(row.of.kind, row.effect.kind(), "a refusal names what is done");
        let text = match &row.effect {
            Effect::Delete { key } => format!("delete {}", id(key)),
            Effect::Absent { key } => format!("absent {}", id(key)),
            Effect::Insert { after } => {
                format!("insert {:?}", [0, 1, 2].map(|index| number(after.value(index))))
            }
            Effect::Update { key, after, changed } => {
                let columns = (0..3).filter(|index| changed.contains(*index));
                let values: Vec<_> =
                    columns.map(|index| (index, number(after.value(index)))).collect();
                format!("update {} {values:?}", id(key))
            }
        };
        format!("{text} by {}", row.of.ordinal)
    };
    net.rows.iter().map(show).collect()
}

#[test]
fn many_changes_of_a_row_become_one() {
    let (table, plans) = plans(false);
    let changes = [
        (None, Some(whole([1, 10, 0]))),
        (Some(whole([1, 10, 0])), Some(whole([1, 10, 5]))),
        (Some(whole([2, 20, 0])), Some(whole([2, 20, 1]))),
        (Some(whole([2, 20, 1])), Some(whole([2, 21, 1]))),
        (None, Some(whole([3, 30, 0]))),
        (Some(whole([3, 30, 0])), None),
        (Some(whole([4, 40, 0])), Some(whole([4, 40, 1]))),
        (Some(whole([4, 40, 1])), None),
        (Some(whole([5, 50, 0])), None),
        (None, Some(whole([5, 51, 7]))),
        (Some(whole([6, 60, 0])), Some(whole([7, 60, 0]))),
    ];
    let transactions = [transaction(&table, &changes)];
    let net = compact(&transactions, &plans);
    assert_eq!(
        show(&net),
        [
            "delete 4 by 8",
            "delete 6 by 11",
            "absent 3 by 6",
            "update 2 [(1, 21), (2, 1)] by 4",
            "update 5 [(0, 5), (1, 51), (2, 7)] by 10",
            "insert [1, 10, 5] by 2",
            "insert [7, 60, 0] by 11",
        ]
    );
}

#[test]
fn images_that_lack_columns_are_laid_over_each_other() {
    let (table, plans) = plans(false);
    let changes = [
        (Some([Some(1), None, None]), Some([None, Some(10), None])),
        (Some([Some(1), None, None]), Some([None, None, Some(5)])),
        (None, Some(whole([2, 20, 0]))),
        (Some([Some(2), None, None]), Some([None, None, Some(6)])),
    ];
    let transactions = [transaction(&table, &changes)];
    assert_eq!(
        show(&compact(&transactions, &plans)),
        ["update 1 [(1, 10), (2, 5)] by 2", "insert [2, 20, 6] by 4"]
    );
    // A key that moves in an image that is not whole: what the new row is cannot be told.
    let changes = [(Some([Some(1), None, None]), Some([Some(2), None, None]))];
    let transactions = [transaction(&table, &changes)];
    assert!(compact(&transactions, &plans).tables.is_empty());
}

#[test]
fn a_unique_value_that_changes_hands_keeps_the_source_s_order() {
    let (table, plans) = plans(true);
    let swap = [
        (Some(whole([1, 10, 0])), Some(whole([1, 99, 0]))),
        (Some(whole([2, 20, 0])), Some(whole([2, 10, 0]))),
        (Some(whole([1, 99, 0])), Some(whole([1, 20, 0]))),
    ];
    let transactions = [transaction(&table, &swap)];
    let net = compact(&transactions, &plans);
    assert!(net.tables.is_empty() && net.rows.is_empty());
    let given_by_a_delete = [
        (Some(whole([1, 10, 0])), None),
        (Some(whole([2, 20, 0])), Some(whole([2, 10, 0]))),
        (None, Some(whole([3, 20, 0]))),
    ];
    let transactions = [transaction(&table, &given_by_a_delete)];
    assert_eq!(
        show(&compact(&transactions, &plans)),
        ["delete 1 by 1", "update 2 [(1, 10)] by 2", "insert [3, 20, 0] by 3"]
    );
}

#[test]
fn a_history_that_cannot_be_keeps_the_source_s_order() {
    let (table, plans) = plans(false);
    let row = whole([1, 10, 0]);
    for changes in [
        [(None, Some(row)), (None, Some(row))],
        [(Some(row), None), (Some(row), None)],
        [(Some(row), None), (Some(row), Some(row))],
        [(Some(row), Some(row)), (None, Some(row))],
    ] {
        let transactions = [transaction(&table, &changes)];
        assert!(compact(&transactions, &plans).tables.is_empty(), "{changes:?}");
    }
}

#[test]
fn rows_of_two_tables_that_meet_in_one_keep_the_source_s_order() {
    let (table, mut plans) = plans(false);
    let other = source_table(&[("id", INT), ("n", INT), ("u", INT)]);
    let columns = ["id", "u", "n"].map(|name| target_column(name, "int")).to_vec();
    plans.insert(fit(&other, Some(target_table(columns, &["id"]))).unwrap());
    let transactions = [
        transaction(&table, &[(Some(whole([1, 10, 0])), None)]),
        transaction(&other, &[(None, Some(whole([1, 10, 0])))]),
    ];
    assert!(compact(&transactions, &plans).tables.is_empty());
}

#[test]
fn each_table_is_told_by_its_own_place() {
    let (table, mut plans) = plans(false);
    let name = otter_core::TableName::new("shop", "other");
    let other = Arc::new(Table { name, ..Table::clone(&table) });
    let columns = ["id", "u", "n"].map(|name| target_column(name, "int")).to_vec();
    plans.insert(fit(&other, Some(target_table(columns, &["id"]))).unwrap());
    let transactions = [transaction(&other, &[(None, Some(whole([1, 10, 0])))])];
    let net = compact(&transactions, &plans);
    assert_eq!(net.tables.iter().copied().collect::<Vec<_>>(), [plans.find(&other).unwrap()]);
    assert_ne!(plans.find(&other), plans.find(&table));
}

#[test]
fn a_zero_that_changes_its_sign_is_another_value() {
    assert!(!is_same(Value::Double(0.0), Value::Double(-0.0)));
    assert!(!is_same(Value::Float(0.0), Value::Float(-0.0)));
    assert!(is_same(Value::Double(1.5), Value::Double(1.5)));
    assert!(is_same(Value::Float(f32::NAN), Value::Float(f32::NAN)));
    assert!(!is_same(Value::Int(0), Value::UInt(0)));
}

#[derive(Debug, Clone)]
enum Wish {
    Insert([i64; 3]),
    Update(i64, [i64; 3]),
    Delete(i64),
}

/// Few keys and few unique values, so that they meet.
fn wishes() -> impl Strategy<Value = Vec<Wish>> {
    let row = || [0..6i64, 0..8i64, 0..3i64];
    let wish = prop_oneof![
        row().prop_map(Wish::Insert),
        (0..6i64, row()).prop_map(|(id, row)| Wish::Update(id, row)),
        (0..6i64).prop_map(Wish::Delete),
    ];
    prop::collection::vec(wish, 0..40)
}

type Model = BTreeMap<i64, [i64; 3]>;

/// Carries out what the source's unique keys let pass.
fn live(model: &mut Model, wishes: &[Wish], is_unique: bool) -> Vec<Change> {
    let mut changes = Vec::new();
    for wish in wishes {
        let (old, new) = match wish {
            Wish::Insert(row) => (None, Some(*row)),
            Wish::Update(id, row) => (Some(*id), Some(*row)),
            Wish::Delete(id) => (Some(*id), None),
        };
        let before = match old.map(|id| model.remove(&id)) {
            Some(None) => continue,
            Some(Some(row)) => Some(row),
            None => None,
        };
        let is_free = |row: &[i64; 3]| {
            !model.contains_key(&row[0])
                && (!is_unique || model.values().all(|other| other[1] != row[1]))
        };
        if new.is_some_and(|row| !is_free(&row)) {
            model.extend(before.map(|row| (row[0], row)));
            continue;
        }
        model.extend(new.map(|row| (row[0], row)));
        changes.push((before.map(whole), new.map(whole)));
    }
    changes
}

/// Applies net rows as a server does: each must find what it expects, and no key may be taken.
fn apply(model: &mut Model, net: &Net<'_>, is_unique: bool) {
    for row in &net.rows {
        let new = match &row.effect {
            Effect::Delete { key } => {
                assert!(model.remove(&number(key.value(0))).is_some());
                continue;
            }
            Effect::Absent { key } => {
                assert!(!model.contains_key(&number(key.value(0))));
                continue;
            }
            Effect::Update { key, after, changed } => {
                let mut row = model.remove(&number(key.value(0))).expect("it is there");
                for index in (0..3).filter(|index| changed.contains(*index)) {
                    row[index] = number(after.value(index));
                }
                row
            }
            Effect::Insert { after } => [0, 1, 2].map(|index| number(after.value(index))),
        };
        assert!(!model.contains_key(&new[0]));
        assert!(!is_unique || model.values().all(|other| other[1] != new[1]));
        model.insert(new[0], new);
    }
}

proptest! {
    /// The net effect of any history, applied to where the history began, gives where it ended.
    #[test]
    fn the_net_effect_is_the_history_s(
        before in wishes(),
        group in wishes(),
        is_unique in any::<bool>(),
        pieces in 1..5usize,
    ) {
        let (table, plans) = plans(is_unique);
        let mut source = Model::new();
        live(&mut source, &before, is_unique);
        let mut target = source.clone();
        let changes = live(&mut source, &group, is_unique);
        let transactions: Vec<_> = changes
            .chunks(changes.len().div_ceil(pieces).max(1))
            .map(|changes| transaction(&table, changes))
            .collect();
        let net = compact(&transactions, &plans);
        if net.tables.is_empty() {
            // Without another unique key nothing stands in the way.
            prop_assert!(is_unique || changes.is_empty());
        } else {
            apply(&mut target, &net, is_unique);
            prop_assert_eq!(target, source);
        }
    }
}
