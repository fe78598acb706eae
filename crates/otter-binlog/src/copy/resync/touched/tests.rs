//! A model of a resync: a source with random writes whose keys are compared without case and accents,
//! snapshots anywhere in the uncertain window, and a target that holds anything at first.

use std::collections::BTreeMap;
use std::sync::Arc;

use otter_core::{Column, RowArenaBuilder, RowKind, Table, TableName};
use proptest::prelude::*;

use super::*;
use crate::copy::key::KeyColumn;
use crate::schema::information::SchemaColumn;

/// Rows by what the servers hold equal.
type Rows = BTreeMap<String, (&'static str, i64)>;

const TEXTS: [&str; 7] = ["a", "A", "b", "é", "E", "e", "c"];

/// As a collation without case and accents compares.
fn folded(text: &str) -> String {
    text.to_lowercase().replace('é', "e")
}

#[derive(Debug, Clone, Copy)]
enum Op {
    Insert(&'static str, i64),
    Update(&'static str, &'static str, i64),
    Delete(&'static str, i64),
}

fn table() -> Arc<Table> {
    let column =
        |name: &str, column_type| Column { name: name.into(), column_type, nullable: false };
    let text = ColumnType::Text { max_bytes: 80, charset: "utf8mb4".into(), fixed: false };
    let number = ColumnType::Integer { bytes: 8, unsigned: false };
    Arc::new(Table {
        name: TableName::new("d", "t"),
        columns: vec![column("k", text), column("v", number)],
        primary_key: vec![0],
        dropped_key: Vec::new(),
    })
}

fn key() -> Key {
    let column = SchemaColumn {
        name: "k".into(),
        data_type: "varchar".to_owned(),
        column_type: "varchar(20)".to_owned(),
        nullable: false,
        charset: Some("utf8mb4".into()),
        octets: Some(80),
        precision: None,
        scale: None,
        digits: 0,
    };
    let columns = vec![KeyColumn::new(0, &column).unwrap()];
    Key { name: "PRIMARY".to_owned(), columns, mark: "k1".into() }
}

fn event(kind: RowKind, rows: &[(&str, i64)]) -> RowsEvent {
    let mut arena = RowArenaBuilder::new();
    for (key, value) in rows {
        arena.push(Some(Value::Text(key.as_bytes()))).unwrap();
        arena.push(Some(Value::Int(*value))).unwrap();
    }
    let count = if kind == RowKind::Update { rows.len() / 2 } else { rows.len() };
    RowsEvent::new(table(), kind, Arc::new(arena.finish()), 0, count).unwrap()
}

/// A valid history of what was drawn, and the states before and behind each change.
fn history(draws: &[(u8, usize, usize)]) -> (Vec<Op>, Vec<Rows>) {
    let mut states = vec![Rows::from([("a".to_owned(), ("a", 1)), ("c".to_owned(), ("c", 2))])];
    let mut ops = Vec::new();
    for (number, (kind, one, two)) in (10..).zip(draws) {
        let mut rows = states.last().unwrap().clone();
        let (one, two) = (TEXTS[one % TEXTS.len()], TEXTS[two % TEXTS.len()]);
        let op = match rows.get(&folded(one)).copied() {
            None => Op::Insert(one, number),
            Some((there, value)) if kind % 3 == 0 => Op::Delete(there, value),
            // To other letters of the same key, or to a key that is free.
            Some((there, _)) if folded(two) == folded(one) || !rows.contains_key(&folded(two)) => {
                Op::Update(there, two, number)
            }
            Some((there, _)) => Op::Update(there, there, number),
        };
        match op {
            Op::Insert(key, value) => {
                rows.insert(folded(key), (key, value));
            }
            Op::Update(from, to, value) => {
                rows.remove(&folded(from));
                rows.insert(folded(to), (to, value));
            }
            Op::Delete(key, _) => {
                rows.remove(&folded(key));
            }
        }
        ops.push(op);
        states.push(rows);
    }
    (ops, states)
}

struct Model<'a> {
    ops: &'a [Op],
    states: &'a [Rows],
    target: Rows,
    place: usize,
    touched: Touched,
    /// Changes from here on may be missing from the snapshot.
    low: usize,
}

impl Model<'_> {
    /// Applies one change of the stream as the loader does meanwhile.
    fn stream(&mut self) {
        let Some(op) = self.ops.get(self.place) else { return };
        let before = |key: &str| self.states[self.place][&folded(key)].1;
        let rows = match *op {
            Op::Insert(key, value) => {
                self.target.insert(folded(key), (key, value));
                event(RowKind::Insert, &[(key, value)])
            }
            Op::Update(from, to, value) => {
                self.target.remove(&folded(from));
                self.target.insert(folded(to), (to, value));
                event(RowKind::Update, &[(from, before(from)), (to, value)])
            }
            Op::Delete(key, value) => {
                self.target.remove(&folded(key));
                event(RowKind::Delete, &[(key, value)])
            }
        };
        let coarse = if self.place >= self.low { Coarse::Yes } else { Coarse::No };
        self.touched.touch(&rows, &key(), coarse).unwrap();
        self.place += 1;
    }

    /// Puts the rows of a key into the stream; false where they are to be read again.
    fn exchange(&mut self, wanted: &'static str, snapshot: usize) -> bool {
        match self.states[snapshot].get(&folded(wanted)) {
            Some((there, value)) => {
                let rows = event(RowKind::Insert, &[(there, *value)]);
                if !self.touched.window.runs(&rows, &key()).is_empty() {
                    self.target.remove(&folded(there));
                    self.target.insert(folded(there), (there, *value));
                }
            }
            None => {
                let value_of = |_| Some(Value::Text(wanted.as_bytes()));
                match self.touched.judge(&key(), value_of) {
                    Verdict::Unknown => return false,
                    Verdict::Touched => {}
                    Verdict::Untouched => {
                        self.target.remove(&folded(wanted));
                    }
                }
            }
        }
        true
    }
}

proptest! {
    #[test]
    fn every_key_is_as_the_source_has_it_where_it_was_copied(
        draws in prop::collection::vec((any::<u8>(), 0_usize..7, 0_usize..7), 0..60),
        first in prop::collection::vec((0_usize..7, 100_i64..105), 0..6),
        windows in prop::collection::vec((0_usize..4, 0_usize..4, 0_usize..3, 0_usize..3), 7..20),
    ) {
        let (ops, states) = history(&draws);
        let target: Rows = first
            .iter()
            .map(|(text, value)| (folded(TEXTS[*text]), (TEXTS[*text], *value)))
            .collect();
        let touched = Touched::default();
        let mut model = Model { ops: &ops, states: &states, target, place: 0, touched, low: 0 };
        let mut wanted = TEXTS.iter();
        let mut next = wanted.next();
        for (ahead, seen, more, late) in windows.iter().cycle().take(300) {
            let Some(key) = next else { break };
            for _ in 0..*ahead {
                model.stream();
            }
            model.touched = Touched::default();
            model.low = (model.place + seen).min(ops.len());
            let snapshot = (model.low + more).min(ops.len());
            let high = (snapshot + late).min(ops.len());
            while model.place < high {
                model.stream();
            }
            if model.exchange(key, snapshot) {
                let form = folded(key);
                prop_assert_eq!(model.target.get(&form), states[model.place].get(&form));
                next = wanted.next();
            }
        }
        prop_assert!(next.is_none(), "the resync ends");
        while model.place < ops.len() {
            model.stream();
            prop_assert_eq!(&model.target, &states[model.place]);
        }
        prop_assert_eq!(&model.target, &states[model.place]);
    }
}

fn form_of(number: i64, texts: &[&str]) -> Form {
    let texts = texts.iter().map(|text| Some(Value::Text(text.as_bytes())));
    form(std::iter::once(Some(Value::Int(number))).chain(texts)).unwrap()
}

#[test]
fn equal_keys_have_one_coarse_form() {
    assert_eq!(form_of(1, &["Ab c", "x"]), form_of(1, &["aBc  ", "X"]));
    assert_ne!(form_of(1, &["a", "bc"]), form_of(1, &["ab", "c"]));
    assert_ne!(form_of(1, &["a"]), form_of(2, &["a"]));
    let open = form_of(1, &["é"]);
    assert_eq!((open.texts, open.exact), (None, form_of(1, &[]).exact));
    assert!(form([None].into_iter()).is_none());
}
