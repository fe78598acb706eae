//! The table that the suites write: a number as its key, and a name.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::batch::Transaction;
use crate::event::{Change, Event, Row, RowKind, RowsEvent};
use crate::rows::RowArenaBuilder;
use crate::table::{Column, ColumnType, Table, TableName};
use crate::value::Value;

/// The statement that makes the table's database on MySQL and MariaDB.
pub const CREATE_DATABASE: &str = "CREATE DATABASE IF NOT EXISTS otter_suite";

/// The statement that makes the table on MySQL and MariaDB.
pub const CREATE_TABLE: &str = "CREATE TABLE otter_suite.item \
    (id BIGINT NOT NULL PRIMARY KEY, name VARCHAR(1000) CHARACTER SET utf8mb4)";

/// One row of the table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Item {
    /// The key.
    pub id: i64,
    /// A text of up to 1,000 letters, or NULL.
    pub name: Option<String>,
}

/// One change of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// A new row.
    Insert(Item),
    /// A changed row; the key may change as well.
    Update {
        /// The row as it was.
        before: Item,
        /// The row as it is.
        after: Item,
    },
    /// A removed row.
    Delete(Item),
}

/// All rows by key.
pub type Items = BTreeMap<i64, Item>;

impl Item {
    /// A row with a name.
    #[must_use]
    pub fn new(id: i64, name: &str) -> Self {
        Self { id, name: Some(name.to_owned()) }
    }
}

/// A new row.
#[must_use]
pub fn insert(id: i64, name: &str) -> Edit {
    Edit::Insert(Item::new(id, name))
}

/// A row whose name changes.
#[must_use]
pub fn update(id: i64, from: &str, to: &str) -> Edit {
    Edit::Update { before: Item::new(id, from), after: Item::new(id, to) }
}

/// A removed row.
#[must_use]
pub fn delete(id: i64, name: &str) -> Edit {
    Edit::Delete(Item::new(id, name))
}

/// The rows as the suites compare them.
#[must_use]
pub fn items(rows: &[(i64, &str)]) -> Vec<Item> {
    rows.iter().map(|(id, name)| Item::new(*id, name)).collect()
}

/// The table's definition: `otter_suite.item`.
#[must_use]
pub fn table() -> Arc<Table> {
    let column =
        |name: &str, column_type, nullable| Column { name: Arc::from(name), column_type, nullable };
    let text = ColumnType::Text { max_bytes: 4_000, charset: Arc::from("utf8mb4"), fixed: false };
    Arc::new(Table {
        name: TableName::new("otter_suite", "item"),
        columns: vec![
            column("id", ColumnType::Integer { bytes: 8, unsigned: false }, false),
            column("name", text, true),
        ],
        primary_key: vec![0],
        dropped_key: Vec::new(),
    })
}

impl Edit {
    fn kind(&self) -> RowKind {
        match self {
            Self::Insert(_) => RowKind::Insert,
            Self::Update { .. } => RowKind::Update,
            Self::Delete(_) => RowKind::Delete,
        }
    }

    pub(super) fn images(&self) -> impl Iterator<Item = &Item> {
        let images = match self {
            Self::Insert(item) | Self::Delete(item) => [Some(item), None],
            Self::Update { before, after } => [Some(before), Some(after)],
        };
        images.into_iter().flatten()
    }

    /// Applies the change to a model of the table.
    ///
    /// # Panics
    /// Where the row is not as the change expects it: the model and the changes must agree.
    pub fn apply(&self, rows: &mut Items) {
        match self {
            Self::Insert(item) => assert_eq!(rows.insert(item.id, item.clone()), None),
            Self::Delete(item) => assert_eq!(rows.remove(&item.id).as_ref(), Some(item)),
            Self::Update { before, after } => {
                assert_eq!(rows.remove(&before.id).as_ref(), Some(before));
                assert_eq!(rows.insert(after.id, after.clone()), None);
            }
        }
    }
}

/// Makes row events of changes; neighbours of one kind share an event, as a server logs them.
///
/// # Panics
/// Never: a suite's changes fit into an arena.
#[must_use]
pub fn events(edits: &[Edit]) -> Vec<Event> {
    let table = table();
    let run_of = |run: &[Edit]| {
        let kind = run.first()?.kind();
        let mut arena = RowArenaBuilder::new();
        for item in run.iter().flat_map(Edit::images) {
            let name = item.name.as_ref();
            arena.push(Some(Value::Int(item.id))).expect("there is room");
            let name = name.map_or(Value::Null, |name| Value::Text(name.as_bytes()));
            arena.push(Some(name)).expect("there is room");
        }
        RowsEvent::new(Arc::clone(&table), kind, Arc::new(arena.finish()), 0, run.len())
    };
    edits
        .chunk_by(|one, other| one.kind() == other.kind())
        .filter_map(run_of)
        .map(Event::Rows)
        .collect()
}

/// Reads the changes of the suites' table back out of a transaction; others are left out.
///
/// # Panics
/// Where a row of the table is not as the table's definition says.
#[must_use]
pub fn edits_of(transaction: &Transaction) -> Vec<Edit> {
    let name = &table().name;
    let mut edits = Vec::new();
    for event in &transaction.events {
        let Event::Rows(rows) = event else { continue };
        if rows.table().name != *name {
            continue;
        }
        edits.extend(rows.changes().map(|change| match change {
            Change::Insert { after } => Edit::Insert(item_of(after)),
            Change::Update { before, after } => {
                Edit::Update { before: item_of(before), after: item_of(after) }
            }
            Change::Delete { before } => Edit::Delete(item_of(before)),
        }));
    }
    edits
}

fn item_of(row: Row<'_>) -> Item {
    let id = match row.value(0) {
        Some(Value::Int(id)) => id,
        other => panic!("the key is {other:?}"),
    };
    let name = match row.value(1) {
        Some(Value::Null) => None,
        Some(Value::Text(text)) => Some(String::from_utf8(text.to_vec()).expect("UTF-8")),
        other => panic!("the name is {other:?}"),
    };
    Item { id, name }
}
