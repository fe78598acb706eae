use std::sync::Arc;

use otter_core::{FilePlace, Part, RowArenaBuilder, RowKind, SourceTime, Table, Value};

use super::*;
use crate::mysql::fit::fit;
use crate::mysql::fit::tests::{INT, source_table, target_column, target_table};
use crate::mysql::target::TargetTable;

/// `id` is the key, and `u` unique.
pub(crate) fn table(change: impl FnOnce(&mut TargetTable)) -> (Arc<Table>, TablePlans) {
    let source = source_table(&[("id", INT), ("u", INT), ("n", INT)]);
    let columns = ["id", "u", "n"].map(|name| target_column(name, "int")).to_vec();
    let mut target = target_table(columns, &["id"]);
    target.uniques.push(Some(vec!["u".to_owned()]));
    change(&mut target);
    let mut plans = TablePlans::default();
    plans.insert(fit(&source, Some(target)).unwrap());
    (source, plans)
}

pub(crate) fn transaction(
    table: &Arc<Table>,
    kind: RowKind,
    images: &[[Option<i64>; 3]],
) -> Transaction {
    let mut arena = RowArenaBuilder::new();
    for value in images.iter().flatten() {
        arena.push(value.map(Value::Int)).unwrap();
    }
    let arena = Arc::new(arena.finish());
    let rows = RowsEvent::new(Arc::clone(table), kind, arena, 0, 1).unwrap();
    Transaction {
        gtid: None,
        start: FilePlace::new("b.000001", 4),
        committed_at: SourceTime(0),
        origin: None,
        part: Part::Whole,
        rows_before: 0,
        events: vec![Event::Rows(rows)],
        end: None,
    }
}

/// Whether the second may begin beside the first.
fn independent(
    (table, plans): &(Arc<Table>, TablePlans),
    first: (RowKind, &[[Option<i64>; 3]]),
    second: (RowKind, &[[Option<i64>; 3]]),
) -> bool {
    let set = |(kind, images)| WriteSet::of(&[transaction(table, kind, images)], plans);
    let (first, second) = (set(first), set(second));
    let mut written = Written::default();
    written.add(&first);
    let is_independent = written.is_independent(&second);
    written.remove(&first);
    assert!(written.is_independent(&first) && written.is_independent(&second));
    is_independent
}

const fn row(id: i64, u: i64) -> [Option<i64>; 3] {
    [Some(id), Some(u), Some(0)]
}

#[test]
fn groups_are_independent_where_no_unique_value_is_in_both() {
    let table = table(|_| ());
    let insert: (RowKind, &[_]) = (RowKind::Insert, &[row(1, 10)]);
    assert!(independent(&table, insert, (RowKind::Insert, &[row(2, 20)])));
    // The same number in two keys is not the same value.
    assert!(independent(&table, insert, (RowKind::Insert, &[row(10, 1)])));
    assert!(!independent(&table, insert, (RowKind::Delete, &[row(1, 10)])));
    assert!(!independent(&table, insert, (RowKind::Insert, &[row(2, 10)])));
    // Values before and after an update.
    assert!(!independent(&table, insert, (RowKind::Update, &[row(2, 10), row(2, 20)])));
    assert!(!independent(&table, insert, (RowKind::Update, &[row(2, 20), row(2, 10)])));
    assert!(!independent(&table, insert, (RowKind::Update, &[row(1, 20), row(3, 20)])));
}

#[test]
fn a_value_that_the_images_leave_out_makes_the_table_a_whole() {
    let table = table(|_| ());
    let update: (RowKind, &[_]) =
        (RowKind::Update, &[[Some(2), None, None], [None, None, Some(1)]]);
    assert!(!independent(&table, (RowKind::Insert, &[row(1, 10)]), update));
    assert!(!independent(&table, update, (RowKind::Insert, &[row(1, 10)])));
}

#[test]
fn tables_without_a_key_and_with_foreign_keys_are_wholes() {
    let insert: (RowKind, &[_]) = (RowKind::Insert, &[row(1, 10)]);
    let other: (RowKind, &[_]) = (RowKind::Insert, &[row(2, 20)]);
    let keyless = table(|table| {
        table.identities.clear();
        table.uniques.clear();
    });
    assert!(!independent(&keyless, insert, other));
    let related = table(|table| table.related = true);
    assert!(!independent(&related, insert, other));
}
