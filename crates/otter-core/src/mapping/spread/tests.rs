use super::*;
use crate::event::{Event, Row, RowKind};
use crate::mapping::{ColumnRules, Mappings, Route};
use crate::rows::RowArenaBuilder;
use crate::stage::Transform;
use crate::table::{Column, ColumnType};
use crate::testkit::history::History;
use crate::testkit::item::insert;
use crate::value::Value;

/// The column `n` itself.
#[derive(Debug)]
struct N([Arc<str>; 1]);

impl RowPicker for N {
    fn columns(&self) -> &[Arc<str>] {
        &self.0
    }
    fn pick(&self, row: &AskedRow<'_>) -> Result<i64, Box<dyn StdError + Send + Sync>> {
        match row.value(0) {
            Some(Value::Int(number)) => Ok(number),
            _ => Err("n is no number".into()),
        }
    }
}

fn by(column: &str) -> Arc<dyn RowPicker> {
    Arc::new(N([Arc::from(column)]))
}

fn table() -> Arc<Table> {
    let column = |name: &str| Column {
        name: name.into(),
        column_type: ColumnType::Integer { bytes: 4, unsigned: false },
        nullable: true,
    };
    Arc::new(Table {
        name: TableName::new("shop", "item"),
        columns: ["n", "id"].map(column).into(),
        primary_key: vec![1],
        dropped_key: Vec::new(),
    })
}

fn names(from: &str, to: &str) -> Result<Vec<String>, MappingError> {
    let mappings = Mappings::new(vec![Mapping::spread(from, to, by("n"))?])?;
    let routed = mappings.table(&table()).unwrap().unwrap();
    Ok(routed.tables().iter().map(|table| table.name.to_string()).collect())
}

#[test]
fn a_range_names_the_tables() {
    let three = |text: &str| ["08", "09", "10"].map(|number| text.replace('#', number)).to_vec();
    assert_eq!(names("shop.item", "shop.item_[08-10]").unwrap(), three("shop.item_#"));
    assert_eq!(names("shop.*", "shop_[08-10].*").unwrap(), three("shop_#.item"));
    assert_eq!(names("shop.*", "all.*_[08-10]_x").unwrap(), three("all.item_#_x"));
    assert_eq!(names("*.i*m", "*_2.new_[08-10]_*").unwrap(), three("shop_2.new_#_te"));
    // Without the wildcards of `from` its tables meet.
    assert_eq!(names("s*.i*", "s_[08-10].all").unwrap(), three("s_#.all"));
    assert_eq!(names("shop.it?m", "a.[08-10]").unwrap(), three("a.#"));
    // Ranges of `from` stay what they are.
    let one = names("shop.item", "shop.item_[7-7]").unwrap();
    assert_eq!(one, ["shop.item_7"]);
}

#[test]
fn the_last_range_is_the_spread() {
    let mapping = Mapping::spread("d.t_[0-3]", "d.t_[0-3]_[0-1]", by("n")).unwrap();
    let mappings = Mappings::new(vec![mapping]).unwrap();
    let source = Arc::new(Table { name: TableName::new("d", "t_2"), ..Table::clone(&table()) });
    let routed = mappings.table(&source).unwrap().unwrap();
    let names: Vec<_> = routed.tables().iter().map(|table| &*table.name.table).collect();
    assert_eq!(names, ["t_2_0", "t_2_1"]);
    assert!(mappings.is_mapped(&source.name));
    assert_eq!(mappings.route(&source.name), None);
}

#[test]
fn what_names_no_tables_is_refused() {
    for (from, to) in [
        ("shop.item", "shop.item"),
        ("shop.item", "shop.*_[0-3]"),
        ("shop.*", "shop.*"),
        ("shop.item_[0-3]", "shop.?_[0-3]"),
        ("shop.*", "*.item_[0-3]"),
        ("shop.item", "shop.item_[00000-10000]"),
        ("shop./(a|b)/", "shop./(a|b)/"),
    ] {
        let error = names(from, to).unwrap_err().to_string();
        assert!(error.contains(to) && error.contains("[00-31]"), "{error}");
    }
    assert_eq!(names("shop.item", "shop.item_[00000-09999]").unwrap().len(), 10_000);
}

#[test]
fn an_unknown_column_is_named() {
    let mapping = Mapping::spread("shop.item", "shop.item_[0-3]", by("m")).unwrap();
    let error = Mappings::new(vec![mapping]).unwrap().table(&table()).unwrap_err();
    assert!(error.to_string().contains("spread by"), "{error}");
}

/// A table, a kind of change, and the ids before and after of each row.
type Part = (String, RowKind, Vec<(Option<i64>, Option<i64>)>);

fn spread(kind: RowKind, images: &[(i64, i64)]) -> crate::fault::Result<Vec<Part>> {
    let mut arena = RowArenaBuilder::new();
    for (n, id) in images {
        arena.push(Some(Value::Int(*n))).unwrap();
        arena.push(Some(Value::Int(*id))).unwrap();
    }
    let count = if kind == RowKind::Update { images.len() / 2 } else { images.len() };
    let rows = RowsEvent::new(table(), kind, Arc::new(arena.finish()), 0, count).unwrap();
    let mapping = Mapping::spread("shop.item", "shop.item_[1-3]", by("n")).unwrap();
    let mapping = mapping.with_columns(ColumnRules::default().drop_column("n").unwrap()).unwrap();
    let route = Route::new(Mappings::new(vec![mapping]).unwrap());
    let mut history = History::new();
    history.commit(vec![insert(1, "a")]);
    let mut batch = history.batch(0..1);
    batch.transactions[0].events = vec![Event::Rows(rows)];
    let batch = route.transform(batch)?;
    let id = |row: Option<Row<'_>>| match row?.value(0) {
        Some(Value::Int(id)) => Some(id),
        other => panic!("an id, not {other:?}"),
    };
    let part = |event: &Event| match event {
        Event::Rows(rows) => {
            let ids = rows.changes().map(|change| (id(change.before()), id(change.after())));
            (rows.table().name.table.to_string(), rows.kind(), ids.collect())
        }
        Event::Ddl(_) | Event::Copy(_) | Event::Resync(_) => panic!("rows expected"),
    };
    Ok(batch.transactions[0].events.iter().map(part).collect())
}

#[test]
fn neighbours_of_one_table_stay_together() {
    let part = |table: &str, ids: &[i64]| {
        let ids = ids.iter().map(|id| (None, Some(*id))).collect();
        (table.to_owned(), RowKind::Insert, ids)
    };
    let images = [(2, 10), (2, 11), (1, 12), (3, 13), (3, 14)];
    assert_eq!(
        spread(RowKind::Insert, &images).unwrap(),
        [part("item_2", &[10, 11]), part("item_1", &[12]), part("item_3", &[13, 14])]
    );
    let deleted = spread(RowKind::Delete, &[(3, 1), (3, 2)]).unwrap();
    let ids = vec![(Some(1), None), (Some(2), None)];
    assert_eq!(deleted, [("item_3".to_owned(), RowKind::Delete, ids)]);
}

#[test]
fn a_row_that_moves_is_deleted_and_inserted() {
    // Two stay, one moves, and one more stays where the last one went.
    let images = [
        (1, 1),
        (1, 1),
        (1, 2),
        (1, 3),
        (1, 4),
        (2, 5),
        (2, 6),
        (2, 7),
        (3, 8),
        (1, 8),
        (3, 9),
        (3, 9),
    ];
    let part = |table: &str, kind, ids: &[(Option<i64>, Option<i64>)]| {
        (table.to_owned(), kind, ids.to_vec())
    };
    assert_eq!(
        spread(RowKind::Update, &images).unwrap(),
        [
            part("item_1", RowKind::Update, &[(Some(1), Some(1)), (Some(2), Some(3))]),
            part("item_1", RowKind::Delete, &[(Some(4), None)]),
            part("item_2", RowKind::Insert, &[(None, Some(5))]),
            part("item_2", RowKind::Update, &[(Some(6), Some(7))]),
            part("item_3", RowKind::Delete, &[(Some(8), None)]),
            part("item_1", RowKind::Insert, &[(None, Some(8))]),
            part("item_3", RowKind::Update, &[(Some(9), Some(9))]),
        ]
    );
}

#[test]
fn a_number_without_a_table_halts_and_is_not_told() {
    for number in [0, 4, -1, i64::MIN, i64::MAX] {
        let error = spread(RowKind::Insert, &[(1, 1), (number, 2)]).unwrap_err();
        assert_eq!(error.fault(), Fault::Poison);
        let told = error.to_string();
        assert!(told.contains("row 2 of the transaction") && told.contains("shop.item"), "{told}");
        assert!(told.contains("[1-3]") && !told.contains(&format!(" {number} ")), "{told}");
    }
}

mod properties {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever is spread, each row is in the table of its number, and nowhere else.
        #[test]
        fn each_row_is_in_its_table(changes in prop::collection::vec((1..4i64, 0..6i64), 1..30)) {
            let mut source: BTreeMap<i64, i64> = BTreeMap::new();
            let mut target: BTreeMap<(String, i64), ()> = BTreeMap::new();
            for (n, id) in changes {
                let parts = match source.insert(id, n) {
                    None => spread(RowKind::Insert, &[(n, id)]),
                    Some(old) => spread(RowKind::Update, &[(old, id), (n, id)]),
                };
                for (table, _, ids) in parts.unwrap() {
                    for (before, after) in ids {
                        if let Some(id) = before {
                            prop_assert!(target.remove(&(table.clone(), id)).is_some());
                        }
                        if let Some(id) = after {
                            prop_assert!(target.insert((table.clone(), id), ()).is_none());
                        }
                    }
                }
                let wanted: Vec<_> =
                    source.iter().map(|(id, n)| (format!("item_{n}"), *id)).collect();
                let mut found: Vec<_> = target.keys().cloned().collect();
                found.sort_by_key(|(_, id)| *id);
                prop_assert_eq!(found, wanted);
            }
        }
    }
}
