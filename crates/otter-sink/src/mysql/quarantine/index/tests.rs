use otter_core::TableName;
use proptest::prelude::*;

use super::*;
use crate::mysql::quarantine::relations::Relations;

fn table(name: &str) -> TableKey {
    TableKey::from(&TableName::new("s", name))
}

/// A row of a table with these unique values.
fn touch(name: &str, values: &[u64]) -> Touch {
    Touch { whole: false, values: values.to_vec(), ..any_of(name) }
}

fn any_of(name: &str) -> Touch {
    Touch::any_of(table(name), &Relations::default())
}

fn link(relation: u64, value: Option<u64>) -> Link {
    Link { relation, value }
}

#[test]
fn a_change_waits_for_the_first_row_that_it_has_something_in_common_with() {
    let mut index = HeldIndex::default();
    assert_eq!(index.blocker(&touch("a", &[1])), None);
    index.add(10, touch("a", &[1, 2]), None);
    index.add(11, touch("a", &[2, 3]), Some(10));
    index.add(12, touch("b", &[9]), None);
    assert_eq!(index.blocker(&touch("a", &[3])), Some(11));
    assert_eq!(index.blocker(&touch("a", &[2])), Some(10));
    assert_eq!(index.blocker(&touch("a", &[4])), None);
    assert_eq!(index.blocker_of(11), Some(10));
    assert_eq!(index.blocker_of(10), None);
    // A row that may be any waits for all of its table, and all wait for it.
    assert_eq!(index.blocker(&any_of("a")), Some(10));
    assert_eq!(index.blocker(&any_of("c")), None);
    index.add(13, any_of("c"), None);
    assert_eq!(index.blocker(&touch("c", &[7])), Some(13));
    // So do rows of another definition.
    let altered = Touch { shape: 1, ..touch("b", &[5]) };
    assert_eq!(index.blocker(&altered), Some(12));
}

#[test]
fn parents_and_children_wait_for_each_other_and_siblings_do_not() {
    let parent = |value| Touch { provides: vec![link(7, value)], ..touch("parent", &[1]) };
    let child = |value, key| Touch { refers: vec![link(7, value)], ..touch("child", &[key]) };
    let mut index = HeldIndex::default();
    index.add(1, child(Some(5), 50), None);
    assert_eq!(index.blocker(&child(Some(5), 51)), None);
    assert_eq!(index.blocker(&parent(Some(5))), Some(1));
    assert_eq!(index.blocker(&parent(Some(6))), None);
    assert_eq!(index.blocker(&parent(None)), Some(1));
    index.add(2, child(None, 52), None);
    assert_eq!(index.blocker(&parent(Some(6))), Some(2));
    index.remove(1);
    index.remove(2);
    index.add(3, parent(Some(5)), None);
    assert_eq!(index.blocker(&child(Some(5), 99)), Some(3));
    assert_eq!(index.blocker(&child(None, 99)), Some(3));
    assert_eq!(index.blocker(&child(Some(6), 99)), None);
}

#[test]
fn what_a_cascade_reaches_at_second_hand_waits() {
    let grandparent = || Touch { reaches: vec![table("c")], ..touch("a", &[1]) };
    let mut index = HeldIndex::default();
    index.add(1, touch("c", &[4]), None);
    assert_eq!(index.blocker(&grandparent()), Some(1));
    index.remove(1);
    index.add(2, grandparent(), None);
    assert_eq!(index.blocker(&touch("c", &[4])), Some(2));
    assert_eq!(index.blocker(&touch("b", &[4])), None);
}

#[test]
fn rows_whose_cause_is_gone_are_due() {
    let mut index = HeldIndex::default();
    index.add(1, touch("a", &[1]), None);
    index.add(2, touch("a", &[1]), Some(1));
    index.add(3, touch("a", &[1]), Some(1));
    assert!(index.due().is_empty());
    assert_eq!(index.waiting_for(1), [2, 3].into());
    index.remove(1);
    assert_eq!(index.due(), [2, 3].into());
    index.set_cause(3, Some(2));
    assert_eq!(index.due(), [2].into());
    index.set_cause(2, None);
    assert!(index.due().is_empty());
    index.widen(2, Touch { shape: 5, ..touch("a", &[8]) });
    assert_eq!((index.blocker(&touch("a", &[99])), index.waiting_for(2)), (Some(2), [3].into()));
}

proptest! {
    /// However rows come and go, nothing is left of those that are gone, and the first in common is
    /// what a search over all would find.
    #[test]
    fn the_index_is_a_search_over_all(
        rows in proptest::collection::vec((0_u64..3, proptest::collection::vec(0_u64..6, 0..3), any::<bool>()), 1..20),
        gone in proptest::collection::vec(any::<proptest::sample::Index>(), 0..10),
    ) {
        let make = |(shape, values, whole): &(u64, Vec<u64>, bool)| Touch {
            shape: *shape,
            whole: *whole,
            ..touch("a", values)
        };
        let mut index = HeldIndex::default();
        for (id, row) in (0_u64..).zip(&rows) {
            index.add(id, make(row), None);
        }
        let mut left: Vec<(u64, Touch)> = (0_u64..).zip(rows.iter().map(make)).collect();
        for one in gone {
            if left.is_empty() {
                break;
            }
            let (id, _) = left.remove(one.index(left.len()));
            index.begin();
            let before = index.clone();
            index.set_cause(id, Some(99));
            index.widen(id, touch("a", &[7]));
            index.remove(id);
            index.roll_back();
            let now = HeldIndex { journal: Some(Vec::new()), ..index.clone() };
            prop_assert_eq!(&now, &before);
            index.remove(id);
        }
        for row in &rows {
            let new = make(row);
            let in_common = |(_, other): &&(u64, Touch)| {
                other.whole || new.whole || other.shape != new.shape
                    || other.values.iter().any(|value| new.values.contains(value))
            };
            let found = left.iter().find(in_common).map(|(id, _)| *id);
            prop_assert_eq!(index.blocker(&new), found);
        }
        for (id, _) in left {
            index.remove(id);
        }
        prop_assert!(index.is_empty() && index.tables().next().is_none());
        prop_assert!(index.values.0.is_empty() && index.waiting.0.is_empty());
    }
}
