//! A model of a copy: a source with random writes, snapshots anywhere in the uncertain window, and a
//! target that must hold some of the source's rows at every place, and all of them at the end.

use std::collections::BTreeMap;
use std::sync::Arc;

use otter_core::{
    Column, ColumnType, RowArenaBuilder, RowKind, RowsEvent, Table, TableName, Value,
};
use proptest::prelude::*;

use super::super::key::KeyColumn;
use super::*;
use crate::schema::information::SchemaColumn;

type Rows = BTreeMap<i64, i64>;

/// What happens to one row at the source.
#[derive(Debug, Clone, Copy)]
enum Op {
    Insert(i64, i64),
    Update(i64, i64),
    Move(i64, i64),
    Delete(i64),
}

fn table() -> Arc<Table> {
    let column = |name: &str| Column {
        name: name.into(),
        column_type: ColumnType::Integer { bytes: 8, unsigned: false },
        nullable: false,
    };
    Arc::new(Table {
        name: TableName::new("d", "t"),
        columns: vec![column("v"), column("k")],
        primary_key: vec![1],
        dropped_key: Vec::new(),
    })
}

fn key() -> Key {
    let column = SchemaColumn {
        name: "k".into(),
        data_type: "bigint".to_owned(),
        column_type: "bigint".to_owned(),
        nullable: false,
        charset: None,
        octets: None,
        precision: None,
        scale: None,
        digits: 0,
    };
    let columns = vec![KeyColumn::new(1, &column).unwrap()];
    Key { name: "PRIMARY".to_owned(), columns, mark: "k1".into() }
}

/// Rows of key and value.
fn event(kind: RowKind, rows: &[(i64, i64)]) -> RowsEvent {
    let mut arena = RowArenaBuilder::new();
    for (key, value) in rows {
        arena.push(Some(Value::Int(*value))).unwrap();
        arena.push(Some(Value::Int(*key))).unwrap();
    }
    let count = if kind == RowKind::Update { rows.len() / 2 } else { rows.len() };
    RowsEvent::new(table(), kind, Arc::new(arena.finish()), 0, count).unwrap()
}

fn read(rows: &RowsEvent) -> Vec<(i64, i64)> {
    let number = |row: &otter_core::Row<'_>, index| match row.value(index) {
        Some(Value::Int(number)) => number,
        other => panic!("{other:?}"),
    };
    let pair = |row: otter_core::Row<'_>| (number(&row, 1), number(&row, 0));
    rows.changes().filter_map(|change| change.after().map(pair)).collect()
}

/// A valid history of what was drawn, and the states before and behind each change.
fn history(draws: &[(u8, i64, i64)]) -> (Vec<Op>, Vec<Rows>) {
    let mut states = vec![Rows::from([(1, 10), (3, 30), (5, 50), (7, 70), (9, 90), (11, 110)])];
    let mut ops = Vec::new();
    for (kind, one, two) in draws {
        let mut rows = states.last().unwrap().clone();
        let op = match (kind % 4, rows.get(one).copied()) {
            (_, None) => Op::Insert(*one, *two),
            (0, Some(_)) => Op::Delete(*one),
            (1, Some(_)) if !rows.contains_key(two) => Op::Move(*one, *two),
            (_, Some(value)) => Op::Update(*one, value + 1),
        };
        match op {
            Op::Insert(key, value) | Op::Update(key, value) => {
                rows.insert(key, value);
            }
            Op::Move(from, to) => {
                let value = rows.remove(&from).unwrap();
                rows.insert(to, value);
            }
            Op::Delete(key) => {
                rows.remove(&key);
            }
        }
        ops.push(op);
        states.push(rows);
    }
    (ops, states)
}

/// The copy's side of the model.
struct Copy<'a> {
    ops: &'a [Op],
    states: &'a [Rows],
    target: Rows,
    /// Where the stream stands.
    place: usize,
    window: Window,
}

impl Copy<'_> {
    /// Applies one change of the stream as the loader does.
    fn stream(&mut self) {
        let Some(op) = self.ops.get(self.place) else { return };
        let before = &self.states[self.place];
        let rows = match *op {
            Op::Insert(key, value) => {
                assert!(self.target.insert(key, value).is_none(), "an insert meets a row");
                event(RowKind::Insert, &[(key, value)])
            }
            Op::Update(key, value) => {
                self.target.insert(key, value);
                event(RowKind::Update, &[(key, before[&key]), (key, value)])
            }
            Op::Move(from, to) => {
                let value = before[&from];
                self.target.remove(&from);
                assert!(self.target.insert(to, value).is_none(), "a moved row meets another");
                event(RowKind::Update, &[(from, value), (to, value)])
            }
            Op::Delete(key) => {
                self.target.remove(&key);
                event(RowKind::Delete, &[(key, before[&key])])
            }
        };
        self.window.touch(&rows, &key()).unwrap();
        self.place += 1;
        self.check();
    }

    /// Puts a part into the stream.
    fn emit(&mut self, part: &[(i64, i64)]) {
        for run in self.window.untouched(event(RowKind::Insert, part), &key()) {
            for (key, value) in read(&run) {
                let there = self.target.insert(key, value);
                assert!(there.is_none_or(|there| there == value), "a copied row meets another");
            }
        }
        self.check();
    }

    /// The invariant: some of the source's rows, each as it is here.
    fn check(&self) {
        let source = &self.states[self.place];
        for (key, value) in &self.target {
            assert_eq!(source.get(key), Some(value), "key {key} at {}", self.place);
        }
    }
}

proptest! {
    #[test]
    fn the_target_holds_rows_of_the_source_at_every_place_and_all_at_the_end(
        draws in prop::collection::vec((any::<u8>(), 0_i64..14, 0_i64..14), 0..60),
        windows in prop::collection::vec((0_usize..4, 0_usize..4, 0_usize..3, 0_usize..4), 1..40),
        size in 1_usize..4,
    ) {
        let (ops, states) = history(&draws);
        let mut copy = Copy {
            ops: &ops,
            states: &states,
            target: Rows::new(),
            place: 0,
            window: Window::default(),
        };
        let mut after: Option<i64> = None;
        let mut is_done = false;
        for (ahead, seen, more, late) in windows.iter().cycle().take(200) {
            for _ in 0..*ahead {
                copy.stream();
            }
            // Asked for here; the snapshot holds all of it, and perhaps more.
            copy.window = Window::default();
            let snapshot = (copy.place + seen).min(ops.len());
            let high = (snapshot + more).min(ops.len());
            let behind = |key: &i64| after.is_none_or(|after| *key > after);
            let part: Vec<(i64, i64)> = states[snapshot]
                .iter()
                .filter(|(key, _)| behind(key))
                .take(size)
                .map(|(key, value)| (*key, *value))
                .collect();
            while copy.place < (high + late).min(ops.len()) {
                copy.stream();
            }
            if part.is_empty() {
                is_done = true;
                break;
            }
            copy.emit(&part);
            after = part.last().map(|(key, _)| *key);
            if part.len() < size {
                is_done = true;
                break;
            }
        }
        prop_assert!(is_done, "the copy ends");
        loop {
            prop_assert_eq!(&copy.target, &states[copy.place]);
            if copy.place == ops.len() {
                break;
            }
            copy.stream();
        }
    }
}

#[test]
fn both_keys_of_a_moved_row_are_touched() {
    let mut window = Window::default();
    window.touch(&event(RowKind::Update, &[(2, 0), (5, 0)]), &key()).unwrap();
    let rows = event(RowKind::Insert, &[(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6)]);
    let runs: Vec<_> = window.untouched(rows, &key()).iter().map(read).collect();
    assert_eq!(runs, [vec![(1, 1)], vec![(3, 3), (4, 4)], vec![(6, 6)]]);
}

#[test]
fn rows_of_another_shape_are_not_taken() {
    let mut arena = RowArenaBuilder::new();
    arena.push(Some(Value::Int(1))).unwrap();
    let other = Table { columns: table().columns[..1].to_vec(), ..Table::clone(&table()) };
    let rows = RowsEvent::new(Arc::new(other), RowKind::Insert, Arc::new(arena.finish()), 0, 1);
    let taken = Window::default().touch(&rows.unwrap(), &key());
    assert_eq!(taken, Err(Untaken::OtherKey));
}

#[test]
fn an_image_without_all_columns_is_not_whole() {
    let mut arena = RowArenaBuilder::new();
    for value in [Some(Value::Int(1)), Some(Value::Int(2)), None, Some(Value::Int(2))] {
        arena.push(value).unwrap();
    }
    let arena = Arc::new(arena.finish());
    let of = |kind, first, count| {
        RowsEvent::new(table(), kind, Arc::clone(&arena), first, count).unwrap()
    };
    assert!(!is_whole(&of(RowKind::Update, 0, 1)));
    assert!(is_whole(&of(RowKind::Insert, 0, 1)));
    assert!(is_whole(&of(RowKind::Delete, 2, 1)));
}
