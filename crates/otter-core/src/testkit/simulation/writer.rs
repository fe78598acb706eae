//! The application at the source: random changes that fit the table as it is.

use super::super::item::{Edit, Item, Items};
use super::super::random::Random;

/// Few keys, so that changes of one key follow each other closely.
const KEYS: usize = 8;

/// Changes for one transaction, each fitting the table behind the ones before.
pub(super) fn edits(random: &mut Random, table: &Items, count: usize) -> Vec<Edit> {
    let mut table = table.clone();
    let mut edits = Vec::with_capacity(count);
    for _ in 0..count {
        let edit = edit(random, &table);
        edit.apply(&mut table);
        edits.push(edit);
    }
    edits
}

fn edit(random: &mut Random, table: &Items) -> Edit {
    let id = key(random);
    let Some(before) = table.get(&id).cloned() else { return Edit::Insert(item(random, id)) };
    match random.below(4) {
        0 => Edit::Delete(before),
        1 => {
            // A row takes a free key, if it finds one.
            let other = key(random);
            let id = if table.contains_key(&other) { id } else { other };
            Edit::Update { before, after: item(random, id) }
        }
        _ => Edit::Update { before, after: item(random, id) },
    }
}

fn key(random: &mut Random) -> i64 {
    i64::try_from(random.below(KEYS)).unwrap_or(0)
}

fn item(random: &mut Random, id: i64) -> Item {
    if random.chance(10) {
        return Item { id, name: None };
    }
    Item::new(id, &format!("{:x}", random.number()))
}
