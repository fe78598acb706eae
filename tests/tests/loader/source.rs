//! A made-up source: transactions one behind the other, each with its place.

use std::sync::Arc;

use otter_core::budget::Permit;
use otter_core::{
    Batch, Column, ColumnType, Event, FilePlace, Gtid, Origin, Part, Place, Position,
    RowArenaBuilder, RowKind, RowsEvent, SourceTime, Table, TableName, Transaction, TransactionEnd,
    Value,
};

pub type Image<'a> = Vec<Option<Value<'a>>>;

/// Makes batches that follow each other.
#[derive(Debug, Clone)]
pub struct Source {
    position: Position,
    number: u64,
}

impl Source {
    pub fn new() -> Self {
        let place = Place::from_file(FilePlace::new("made-up.000001", 4));
        Self { position: Position::at(Some(Arc::from("made-up")), place), number: 0 }
    }

    /// Where the next batch begins.
    pub fn position(&self) -> Position {
        self.position.clone()
    }

    fn transaction(&mut self, events: Vec<Event>) -> Transaction {
        self.number += 1;
        let gtid = Some(Gtid::MariaDb { domain: 0, server: 1, number: self.number });
        let start = FilePlace::new("made-up.000001", 4 + 100 * (self.number - 1));
        let end = TransactionEnd {
            gtid: gtid.clone(),
            passed: None,
            start: start.clone(),
            end: FilePlace::new("made-up.000001", 4 + 100 * self.number),
            timestamp: 1_700_000_000,
            server_id: 1,
            checksum: 7,
        };
        Transaction {
            gtid,
            start,
            committed_at: SourceTime(1_700_000_000_123_456),
            origin: None,
            part: Part::Whole,
            rows_before: 0,
            events,
            end: Some(end),
        }
    }

    /// One batch of whole transactions.
    pub fn batch(&mut self, transactions: Vec<Vec<Event>>) -> Batch {
        let from = transactions.into_iter().map(|events| (None, events)).collect();
        self.batch_from(from)
    }

    /// One batch of transactions that other sites wrote.
    pub fn batch_from(&mut self, transactions: Vec<(Option<&str>, Vec<Event>)>) -> Batch {
        let after = self.position();
        let transactions: Vec<Transaction> = transactions
            .into_iter()
            .map(|(origin, events)| {
                let mut transaction = self.transaction(events);
                transaction.origin = origin.map(|name| Origin(Arc::from(name)));
                let end = transaction.end.as_ref().expect("it is whole");
                self.position.advance(end);
                transaction
            })
            .collect();
        Batch { after, through: Some(self.position()), transactions, permit: Permit::none() }
    }

    /// One transaction in pieces.
    pub fn fragments(&mut self, pieces: Vec<Vec<Event>>) -> Vec<Batch> {
        let after = self.position();
        let whole = self.transaction(Vec::new());
        let end = whole.end.clone().expect("it is whole");
        self.position.advance(&end);
        let count = pieces.len();
        let mut rows_before = 0;
        let mut batches = Vec::new();
        for (index, events) in pieces.into_iter().enumerate() {
            let last = index + 1 == count;
            let part = Part::Fragment { index: u32::try_from(index).expect("few"), last };
            let piece = Transaction {
                part,
                rows_before,
                events,
                end: last.then(|| end.clone()),
                ..whole.clone()
            };
            rows_before += u64::try_from(piece.row_count()).expect("few");
            batches.push(Batch {
                after: after.clone(),
                through: last.then(|| self.position()),
                transactions: vec![piece],
                permit: Permit::none(),
            });
        }
        batches
    }
}

pub const INT: ColumnType = ColumnType::Integer { bytes: 4, unsigned: false };

pub fn text(charset: &str) -> ColumnType {
    ColumnType::Text { max_bytes: 1_000, charset: Arc::from(charset), fixed: false }
}

/// A table whose first column is its key.
pub fn table(database: &str, name: &str, columns: &[(&str, ColumnType)]) -> Arc<Table> {
    Arc::new(Table {
        name: TableName::new(database, name),
        columns: columns
            .iter()
            .enumerate()
            .map(|(index, (name, column_type))| Column {
                name: Arc::from(*name),
                column_type: column_type.clone(),
                nullable: index > 0,
            })
            .collect(),
        primary_key: vec![0],
        dropped_key: Vec::new(),
    })
}

/// An event of these row images; an update has two for each row.
pub fn rows(table: &Arc<Table>, kind: RowKind, images: &[Image<'_>]) -> Event {
    let mut arena = RowArenaBuilder::new();
    for value in images.iter().flatten() {
        arena.push(*value).expect("there is room");
    }
    let count = if kind == RowKind::Update { images.len() / 2 } else { images.len() };
    let rows = RowsEvent::new(Arc::clone(table), kind, Arc::new(arena.finish()), 0, count);
    Event::Rows(rows.expect("each image has all columns"))
}

pub fn insert(table: &Arc<Table>, images: &[Image<'_>]) -> Event {
    rows(table, RowKind::Insert, images)
}

pub fn delete(table: &Arc<Table>, images: &[Image<'_>]) -> Event {
    rows(table, RowKind::Delete, images)
}

pub fn update(table: &Arc<Table>, before: Image<'_>, after: Image<'_>) -> Event {
    rows(table, RowKind::Update, &[before, after])
}

/// A row of two numbers.
pub fn pair(id: i64, n: i64) -> Image<'static> {
    vec![Some(Value::Int(id)), Some(Value::Int(n))]
}
