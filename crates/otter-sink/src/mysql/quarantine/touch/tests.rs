use std::sync::Arc;

use otter_core::testkit::item::{Edit, Item, delete, events, insert, table, update};
use otter_core::{Event, RowFlags};

use super::*;
use crate::mysql::fit::fit;
use crate::mysql::fit::tests::{target_column, target_table};
use crate::mysql::target::TargetColumn;

/// The suites' table, with a unique name.
fn plan(collation: &str) -> TablePlan {
    let text = TargetColumn {
        charset: Some("utf8mb4".to_owned()),
        collation: Some(collation.to_owned()),
        max_letters: Some(1_000),
        max_bytes: Some(4_000),
        ..target_column("name", "varchar")
    };
    let id = TargetColumn { nullable: false, ..target_column("id", "bigint") };
    let mut target = target_table(vec![id, text], &["id"]);
    target.uniques.push(Some(vec!["name".to_owned()]));
    fit(&Arc::new(Table::clone(&table())), Some(target)).unwrap()
}

use otter_core::Table;

fn touch_of(edit: &Edit, plan: &TablePlan) -> Touch {
    let Some(Event::Rows(rows)) = events(std::slice::from_ref(edit)).pop() else { panic!() };
    let change = rows.changes().next().unwrap();
    Touch::of(&rows, &change, plan, &Relations::default())
}

fn meet(one: &Touch, other: &Touch) -> bool {
    one.whole || other.whole || one.values.iter().any(|value| other.values.contains(value))
}

#[test]
fn rows_meet_in_any_unique_value_before_or_after() {
    let plan = plan("utf8mb4_general_ci");
    let touch = |edit: Edit| touch_of(&edit, &plan);
    let held = touch(update(1, "Anna ", "berta"));
    for (edit, meets) in [
        (insert(1, "x"), true),
        (delete(2, "ANNA"), true),
        (insert(2, "BERTA  "), true),
        (insert(2, "cora"), false),
        // Nobody knows what a collation holds equal to it.
        (insert(2, "Änna"), true),
        (insert(2, "a\tb"), true),
    ] {
        assert_eq!(meet(&held, &touch(edit.clone())), meets, "{edit:?}");
    }
    let null = Edit::Insert(Item { id: 3, name: None });
    assert!(!touch(null.clone()).whole && !meet(&touch(null), &held));
}

#[test]
fn bytes_tell_other_letters_apart_where_the_collation_compares_them() {
    let plan = plan("utf8mb4_bin");
    let touch = |edit: Edit| touch_of(&edit, &plan);
    assert!(!meet(&touch(insert(1, "é")), &touch(insert(2, "è"))));
    assert!(meet(&touch(insert(1, "é")), &touch(insert(2, "é "))));
}

#[test]
fn rows_of_a_table_with_a_key_over_an_expression_may_be_any() {
    let mut plan = plan("utf8mb4_bin");
    plan.target.uniques.push(None);
    assert!(touch_of(&insert(1, "a"), &plan).whole);
}

#[test]
fn flags_of_an_event_do_not_change_what_it_touches() {
    let plan = plan("utf8mb4_bin");
    let Some(Event::Rows(rows)) = events(&[insert(1, "a")]).pop() else { panic!() };
    let flags = RowFlags { no_foreign_key_checks: true, no_unique_checks: true };
    let rows = rows.with_flags(flags);
    let change = rows.changes().next().unwrap();
    let touch = Touch::of(&rows, &change, &plan, &Relations::default());
    assert_eq!(touch, touch_of(&insert(1, "a"), &plan));
}
