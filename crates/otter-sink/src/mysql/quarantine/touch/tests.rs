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
        (insert(2, "a\tb"), false),
        (insert(2, "AN\tna"), true),
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
    let flags =
        RowFlags { no_foreign_key_checks: true, no_unique_checks: true, ..RowFlags::default() };
    let rows = rows.with_flags(flags);
    let change = rows.changes().next().unwrap();
    let touch = Touch::of(&rows, &change, &plan, &Relations::default());
    assert_eq!(touch, touch_of(&insert(1, "a"), &plan));
}

#[test]
fn text_of_a_collation_that_is_not_known_may_be_any() {
    for collation in ["utf8mb4_spanish2_ci", "utf8mb4_czech_ci", "utf8mb3_hungarian_ci", "unknown"]
    {
        assert!(touch_of(&insert(1, "plain"), &plan(collation)).whole, "{collation}");
    }
    for collation in ["utf8mb4_0900_ai_ci", "utf8mb4_uca1400_ai_ci", "utf8mb4_unicode_ci"] {
        assert!(!touch_of(&insert(1, "plain"), &plan(collation)).whole, "{collation}");
    }
}

#[test]
fn a_unique_value_that_the_target_makes_itself_may_be_any() {
    let mut target = plan("utf8mb4_bin").target;
    for column in &mut target.columns {
        column.generated = &*column.name == "name";
    }
    let plan = fit(&Arc::new(Table::clone(&table())), Some(target)).unwrap();
    assert!(touch_of(&insert(1, "a"), &plan).whole);
}

#[test]
fn any_row_of_a_table_waits_for_parents_children_and_what_cascades_reach() {
    let row = |name: &str, child: &str, parent: &str| -> Vec<Option<String>> {
        [name, "s", child, "p", "s", parent, "id", "CASCADE", "CASCADE"]
            .map(|text| Some(text.to_owned()))
            .to_vec()
    };
    let relations = Relations::of(&[row("a", "child", "parent"), row("b", "grandchild", "child")]);
    let key = |name: &str| TableKey::from(&otter_core::TableName::new("s", name));
    let any = |name: &str| Touch::any_of(key(name), &relations);
    let mut index = crate::mysql::quarantine::index::HeldIndex::default();
    index.add(1, any("parent"), None);
    let of_child = any("child");
    assert_eq!((of_child.refers.len(), of_child.provides.len()), (1, 1));
    let value = |link: &Link| Link { value: Some(7), ..*link };
    let child =
        Touch { whole: false, refers: of_child.refers.iter().map(value).collect(), ..any("child") };
    assert_eq!(index.blocker(&child), Some(1));
    assert_eq!(
        index.blocker(&Touch { whole: false, refers: Vec::new(), ..any("grandchild") }),
        Some(1)
    );
    assert_eq!(index.blocker(&any("other")), None);
}
