use super::*;
use crate::event::{Event, RowKind};
use crate::mapping::{ColumnRules, Mapping, Mappings, Route};
use crate::rows::RowArenaBuilder;
use crate::stage::Transform;
use crate::table::ColumnType;
use crate::testkit::history::History;
use crate::testkit::item::{delete, insert, update};
use crate::testkit::transform::assert_keeps_promises;

/// Keeps rows whose number `n` is even; fails at 13.
#[derive(Debug)]
struct Even([Arc<str>; 1]);

impl RowFilter for Even {
    fn columns(&self) -> &[Arc<str>] {
        &self.0
    }
    fn keeps(&self, row: &AskedRow<'_>) -> Result<bool, Box<dyn StdError + Send + Sync>> {
        assert_eq!(row.table().name, TableName::new("shop", "item"));
        assert_eq!(&*row.column(0).unwrap().name, "n");
        assert_eq!((row.value(1), row.column(1)), (None, None));
        match row.value(0) {
            Some(Value::Int(13)) => Err("unlucky".into()),
            Some(Value::Int(number)) => Ok(number % 2 == 0),
            Some(_) => Ok(false),
            None => Err("n is not there".into()),
        }
    }
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

fn route(filter: impl RowFilter + 'static) -> Route {
    let columns = ColumnRules::default().drop_column("n").unwrap();
    let mapping = Mapping::parse("shop.*", Some("copy.*")).unwrap();
    let mapping = mapping.with_columns(columns).unwrap().with_filter(Arc::new(filter));
    Route::new(Mappings::new(vec![mapping]).unwrap())
}

type Image = (Option<i64>, i64);

fn event(kind: RowKind, images: &[Image]) -> Event {
    let mut arena = RowArenaBuilder::new();
    arena.push(Some(Value::Null)).unwrap();
    for (n, id) in images {
        arena.push(n.map(Value::Int)).unwrap();
        arena.push(Some(Value::Int(*id))).unwrap();
    }
    let count = if kind == RowKind::Update { images.len() / 2 } else { images.len() };
    Event::Rows(RowsEvent::new(table(), kind, Arc::new(arena.finish()), 1, count).unwrap())
}

/// A kind of change, and the ids before and after of each row.
type Left = (RowKind, Vec<(Option<i64>, Option<i64>)>);

fn left(events: Vec<Event>) -> Result<Vec<Left>> {
    let mut history = History::new();
    history.commit(vec![insert(1, "a")]);
    let mut batch = history.batch(0..1);
    batch.transactions[0].events = events;
    let batch = route(Even([Arc::from("N")])).transform(batch)?;
    let id = |row: Option<Row<'_>>| match row?.value(0) {
        Some(Value::Int(id)) => Some(id),
        other => panic!("an id, not {other:?}"),
    };
    let rows = |event: &Event| match event {
        Event::Rows(rows) => {
            assert_eq!(rows.table().columns.len(), 1);
            let ids = rows.changes().map(|change| (id(change.before()), id(change.after())));
            (rows.kind(), ids.collect())
        }
        Event::Ddl(_) | Event::Copy(_) | Event::Resync(_) => panic!("rows expected"),
    };
    Ok(batch.transactions[0].events.iter().map(rows).collect())
}

#[test]
fn rows_that_are_not_carried_are_left_out_and_neighbours_stay_together() {
    let images =
        [(Some(2), 1), (Some(4), 2), (Some(3), 3), (None::<i64>.or(Some(1)), 4), (Some(6), 5)];
    let inserted = left(vec![event(RowKind::Insert, &images)]).unwrap();
    assert_eq!(
        inserted,
        [
            (RowKind::Insert, vec![(None, Some(1)), (None, Some(2))]),
            (RowKind::Insert, vec![(None, Some(5))]),
        ]
    );
    let deleted = left(vec![event(RowKind::Delete, &images[2..])]).unwrap();
    assert_eq!(deleted, [(RowKind::Delete, vec![(Some(5), None)])]);
    assert_eq!(left(vec![event(RowKind::Insert, &[(Some(1), 1)])]).unwrap(), []);
}

#[test]
fn an_update_that_enters_becomes_an_insert_and_one_that_leaves_a_delete() {
    let images = [
        ((Some(2), 1), (Some(4), 1)),
        ((Some(1), 2), (Some(2), 20)),
        ((Some(2), 3), (Some(1), 30)),
        ((Some(1), 4), (Some(3), 4)),
        ((Some(2), 5), (None, 5)),
        ((Some(2), 6), (Some(8), 6)),
    ];
    let images: Vec<Image> = images.into_iter().flat_map(|(old, new)| [old, new]).collect();
    assert_eq!(
        left(vec![event(RowKind::Update, &images)]).unwrap(),
        [
            (RowKind::Update, vec![(Some(1), Some(1))]),
            (RowKind::Insert, vec![(None, Some(20))]),
            (RowKind::Delete, vec![(Some(3), None)]),
            // The image after the change leaves out what has not changed.
            (RowKind::Update, vec![(Some(5), Some(5)), (Some(6), Some(6))]),
        ]
    );
}

#[test]
fn a_filter_that_fails_tells_the_row_and_its_place() {
    let events = vec![
        event(RowKind::Insert, &[(Some(2), 1), (Some(3), 2)]),
        event(RowKind::Insert, &[(Some(4), 3), (Some(13), 4)]),
    ];
    let error = left(events).unwrap_err();
    assert_eq!(error.fault(), Fault::Poison);
    let text = error.to_string();
    assert!(text.contains("row 4 of the transaction at"), "{text}");
    assert!(text.contains("shop.item") && text.ends_with("unlucky"), "{text}");
}

#[test]
fn a_filter_by_a_column_that_is_not_there_names_the_nearest() {
    let mapping = Mapping::parse("shop.*", None).unwrap();
    let mapping = mapping.with_filter(Arc::new(Even([Arc::from("idd")])));
    let error = Mappings::new(vec![mapping]).unwrap().table(&table()).unwrap_err().to_string();
    assert_eq!(
        error,
        "the mapping of shop.item would filter by column `idd`, which the table does not have: did \
         you mean `id`?"
    );
}

/// Keeps rows by what the suite's table has.
#[derive(Debug)]
struct Named([Arc<str>; 1]);

impl RowFilter for Named {
    fn columns(&self) -> &[Arc<str>] {
        &self.0
    }
    fn keeps(&self, row: &AskedRow<'_>) -> Result<bool, Box<dyn StdError + Send + Sync>> {
        match row.value(0) {
            Some(Value::Text(b"poison")) => Err("poison".into()),
            other => Ok(other == Some(Value::Text(b"a"))),
        }
    }
}

#[test]
fn filters_keep_what_every_transform_must() {
    let mut history = History::new();
    history.commit(vec![insert(1, "a"), insert(2, "b"), insert(4, "a")]);
    history.progress();
    history.commit(vec![update(1, "a", "c"), update(2, "b", "a"), delete(4, "a"), insert(3, "d")]);
    let route = |name: &str| {
        let mapping = Mapping::parse("otter_suite.*", Some("copy.*")).unwrap();
        let mapping = mapping.with_filter(Arc::new(Named([Arc::from(name)])));
        Route::new(Mappings::new(vec![mapping]).unwrap())
    };
    assert_keeps_promises(&route("name"), &history);
    history.commit(vec![insert(5, "a"), insert(6, "poison")]);
    assert_keeps_promises(&route("name"), &history);
}
