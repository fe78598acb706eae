use std::sync::Arc;

use super::*;
use crate::batch::Batch;
use crate::event::{Change, Event, RowKind, RowsEvent};
use crate::fault::Fault;
use crate::mapping::{Mapping, Mappings, Route};
use crate::rows::RowArenaBuilder;
use crate::stage::Transform;
use crate::testkit::history::History;
use crate::testkit::item::{self, delete, insert, update};
use crate::testkit::transform::assert_keeps_promises;

fn rules() -> ColumnRules {
    ColumnRules::default()
        .rename("ttl", "title")
        .unwrap()
        .drop_column("TMP")
        .unwrap()
        .constant("shard", "{1}")
        .unwrap()
}

fn mappings(columns: ColumnRules) -> Mappings {
    let mapping = Mapping::parse("legacy.item_[00-31]", Some("shop.item")).unwrap();
    Mappings::new(vec![mapping.with_columns(columns).unwrap()]).unwrap()
}

/// `id` is the key, or `id` and `tmp`.
fn source(key: &[usize]) -> Arc<Table> {
    let column = |name: &str| Column {
        name: name.into(),
        column_type: ColumnType::Integer { bytes: 4, unsigned: false },
        nullable: false,
    };
    Arc::new(Table {
        name: TableName::new("legacy", "item_03"),
        columns: ["tmp", "id", "ttl"].map(column).into(),
        primary_key: key.to_vec(),
        dropped_key: Vec::new(),
    })
}

fn mapped(columns: ColumnRules, key: &[usize]) -> Arc<Table> {
    let route = mappings(columns).table(&source(key)).unwrap().unwrap();
    Arc::clone(&route.tables()[0])
}

fn error(columns: ColumnRules) -> String {
    mappings(columns).table(&source(&[1])).unwrap_err().to_string()
}

fn names(table: &Table) -> Vec<&str> {
    table.columns.iter().map(|column| &*column.name).collect()
}

#[test]
fn columns_are_renamed_dropped_and_added_and_the_key_follows() {
    let table = mapped(rules(), &[1]);
    assert_eq!(table.name, TableName::new("shop", "item"));
    assert_eq!(names(&table), ["id", "title", "shard"]);
    assert_eq!(table.primary_key, [0]);
    let shard = ColumnType::Constant { text: "03".into() };
    assert_eq!(table.columns[2].column_type, shard);
    let key = ColumnRules::default().rename("id", "number").unwrap();
    let table = mapped(key, &[1]);
    assert_eq!((names(&table), &table.primary_key[..]), (vec!["tmp", "number", "ttl"], &[1][..]));
}

#[test]
fn a_table_that_loses_a_column_of_its_key_has_none_and_says_so() {
    let table = mapped(rules(), &[1, 0]);
    assert!(table.primary_key.is_empty());
    assert_eq!(table.dropped_key, ["tmp".into()]);
    assert!(mapped(rules(), &[1]).dropped_key.is_empty());
}

#[test]
fn rules_that_a_table_does_not_fit_name_the_nearest_column() {
    let none = ColumnRules::default;
    assert_eq!(
        error(none().drop_column("temp").unwrap()),
        "the mapping of legacy.item_03 would drop column `temp`, which the table does not have: \
         did you mean `tmp`?"
    );
    let far = error(none().rename("description", "text").unwrap());
    assert!(
        far.ends_with(
            "would rename column `description`, which the table does not have: \
         remove the rule, or give such tables a mapping of their own"
        ),
        "{far}"
    );
    for taken in [none().rename("ttl", "ID").unwrap(), none().constant("Id", "x").unwrap()] {
        assert!(error(taken).to_lowercase().contains("would make two columns `id`"));
    }
    let all = none().drop_column("id").unwrap().drop_column("ttl").unwrap();
    assert!(error(all.drop_column("tmp").unwrap()).contains("would drop all its columns"));
    let swapped = none().rename("ttl", "tmp").unwrap().rename("tmp", "ttl").unwrap();
    assert_eq!(names(&mapped(swapped, &[1])), ["ttl", "id", "tmp"]);
    let over = none().drop_column("tmp").unwrap().rename("ttl", "tmp").unwrap();
    assert_eq!(names(&mapped(over, &[1])), ["id", "tmp"]);
}

#[test]
fn two_rules_for_one_column_are_refused() {
    let problem = |outcome: Result<ColumnRules, MappingError>| outcome.unwrap_err().to_string();
    assert!(problem(rules().drop_column("ttl")).contains("`ttl` is renamed by another rule"));
    assert!(problem(rules().rename("tmp", "x")).contains("`tmp` is dropped by another rule"));
    assert!(problem(rules().rename("id", "Title")).contains("is the new name of another column"));
    assert!(problem(rules().rename("id", "shard")).contains("is added as a constant"));
    assert!(problem(rules().constant("SHARD", "")).contains("is added as a constant"));
    assert!(problem(rules().constant("", "x")).contains("has no name"));
    let mapping = Mapping::parse("a*.b", None).unwrap();
    let two = ColumnRules::default().constant("c", "{1}{2}").unwrap();
    assert_eq!(
        mapping.with_columns(two).unwrap_err().to_string(),
        "the constant for column `c` asks for wildcard 2, and `a*.b` has 1: count the `*`, `?`, \
         ranges and groups from the left, beginning with 1"
    );
}

fn event(table: &Arc<Table>, kind: RowKind, images: &[[Option<i64>; 3]]) -> RowsEvent {
    let mut arena = RowArenaBuilder::new();
    // Another event's cells stand in front.
    arena.push(Some(Value::Null)).unwrap();
    for value in images.iter().flatten() {
        arena.push(value.map(Value::Int)).unwrap();
    }
    let count = if kind == RowKind::Update { images.len() / 2 } else { images.len() };
    RowsEvent::new(Arc::clone(table), kind, Arc::new(arena.finish()), 1, count).unwrap()
}

fn shown(rows: &RowsEvent) -> Vec<Vec<String>> {
    let text = |value: Option<Value<'_>>| match value {
        None => "absent".to_owned(),
        Some(Value::Int(number)) => number.to_string(),
        Some(Value::Text(text)) => String::from_utf8(text.to_vec()).unwrap(),
        Some(other) => format!("{other:?}"),
    };
    let images = rows.changes().flat_map(|change| match change {
        Change::Insert { after } => vec![after],
        Change::Update { before, after } => vec![before, after],
        Change::Delete { before } => vec![before],
    });
    images
        .map(|row| {
            let by_index: Vec<_> = (0..4).map(|index| row.value(index)).collect();
            let values: Vec<_> = row.values().collect();
            assert_eq!(by_index.get(..values.len()), Some(&values[..]));
            assert!(by_index.iter().skip(values.len()).all(Option::is_none));
            values.into_iter().map(text).collect()
        })
        .collect()
}

fn through(route: &Route, rows: RowsEvent) -> RowsEvent {
    let mut history = History::new();
    history.commit(vec![insert(1, "a")]);
    let mut batch: Batch = history.batch(0..1);
    batch.transactions[0].events = vec![Event::Rows(rows)];
    let mut batch = route.transform(batch).unwrap();
    match batch.transactions[0].events.pop() {
        Some(Event::Rows(rows)) => rows,
        other => panic!("rows expected, not {other:?}"),
    }
}

#[test]
fn rows_are_seen_through_the_rules_without_being_copied() {
    let table = source(&[1]);
    let images = [[Some(7), Some(1), Some(2)], [None, Some(1), None]];
    let route = Route::new(mappings(rules()));
    let rows = through(&route, event(&table, RowKind::Update, &images));
    assert_eq!(shown(&rows), [["1", "2", "03"], ["1", "absent", "03"]]);
    let rows = through(&route, event(&table, RowKind::Delete, &images));
    assert_eq!(shown(&rows), [["1", "2", "03"], ["1", "absent", "03"]]);
    let first = through(&route, event(&table, RowKind::Insert, &images));
    let again = through(&route, event(&source(&[1]), RowKind::Insert, &images));
    assert!(Arc::ptr_eq(first.table(), again.table()), "one definition for one version");
}

#[test]
fn rules_apply_to_what_earlier_rules_left() {
    let next =
        ColumnRules::default().drop_column("title").unwrap().constant("by", "{table}").unwrap();
    let next = Mapping::parse("shop.*", Some("copy.*")).unwrap().with_columns(next).unwrap();
    let next = Route::new(Mappings::new(vec![next]).unwrap());
    let images = [[Some(7), Some(1), Some(2)], [Some(8), Some(3), Some(4)]];
    let rows = event(&source(&[1]), RowKind::Insert, &images);
    let rows = through(&next, through(&Route::new(mappings(rules())), rows));
    assert_eq!(names(rows.table()), ["id", "shard", "by"]);
    assert_eq!(shown(&rows), [["1", "03", "item"], ["3", "03", "item"]]);
}

#[test]
fn a_rule_that_does_not_fit_is_the_set_ups_fault() {
    let route = Route::new(mappings(ColumnRules::default().drop_column("temp").unwrap()));
    let mut history = History::new();
    history.commit(vec![insert(1, "a")]);
    let mut batch = history.batch(0..1);
    let rows = event(&source(&[1]), RowKind::Insert, &[[Some(1), Some(2), Some(3)]]);
    batch.transactions[0].events = vec![Event::Rows(rows)];
    let error = route.transform(batch).unwrap_err();
    assert_eq!(error.fault(), Fault::Fatal);
    assert!(error.to_string().starts_with("cannot map the columns of a table: the mapping of"));
}

#[test]
fn column_rules_keep_what_every_transform_must() {
    let mut history = History::new();
    history.commit(vec![insert(1, "a"), insert(2, "b")]);
    history.progress();
    history.commit(vec![update(1, "a", "c"), delete(2, "b"), insert(3, "d")]);
    let table = item::table();
    let [_, second, ..] = table.columns.as_slice() else { panic!("two columns") };
    let columns = ColumnRules::default()
        .drop_column(&second.name)
        .unwrap()
        .constant("origin", "{database}")
        .unwrap();
    let mapping = Mapping::parse("otter_suite.*", Some("copy.*")).unwrap();
    let mapping = mapping.with_columns(columns).unwrap();
    assert_keeps_promises(&Route::new(Mappings::new(vec![mapping]).unwrap()), &history);
}
