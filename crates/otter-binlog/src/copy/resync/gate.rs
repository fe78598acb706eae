//! Requests that come from the source: rows that somebody inserts into the table of requests there.
//!
//! They travel in the binlog, and become requests of the list in the target transaction that moves the
//! position behind them: each exactly once, in order with the changes around them.

use otter_core::{
    Batch, Event, Part, Permit, ResyncRequest, ResyncStep, ResyncWish, Row, RowKind, RowsEvent,
    TableName, Transaction, Value,
};
use tracing::warn;

use super::Inner;
use super::run::Run;

/// What may stand in the column `operation`: to copy; the original Otter's letters mean the same, since
/// what becomes of a row is told by the source.
const OPERATIONS: [&str; 4] = ["copy", "I", "U", "D"];

/// Whether these rows are of the table of requests.
pub(super) fn is_of_gate(rows: &RowsEvent, inner: &Inner) -> bool {
    let options = inner.options();
    let name = &rows.table().name;
    options.own_schema.as_deref() == Some(&*name.database)
        && options.request_table.as_deref() == Some(&*name.table)
}

fn has_request(transaction: &Transaction, inner: &Inner) -> bool {
    let mut events = transaction.events.iter();
    events.any(|event| matches!(event, Event::Rows(rows) if is_of_gate(rows, inner)))
}

impl Run {
    /// Parts a batch around a transaction with requests, which goes as fragments: these a loader
    /// applies and commits by themselves. What is left waits.
    pub(super) fn part_at_requests(&mut self, mut batch: Batch, inner: &Inner) -> Option<Batch> {
        let place = batch.transactions.iter().position(|one| has_request(one, inner));
        let Some(place) = place else { return Some(batch) };
        if !self.has_list {
            self.unready = Some(batch);
            return None;
        }
        let count = place.max(1);
        if let Some(front) = batch.split_at(count) {
            self.rest.push_front(batch);
            batch = front;
        }
        // Requests come first now, or not in this part.
        if batch.transactions.first().is_some_and(|first| has_request(first, inner)) {
            return self.take_requests(batch, inner);
        }
        Some(batch)
    }

    /// Makes requests of the rows of a transaction that is alone in its batch.
    fn take_requests(&mut self, mut batch: Batch, inner: &Inner) -> Option<Batch> {
        let Some(transaction) = batch.transactions.first_mut() else { return Some(batch) };
        let mut asked = Vec::new();
        let mut others = Vec::new();
        for event in std::mem::take(&mut transaction.events) {
            match event {
                Event::Rows(rows) if is_of_gate(&rows, inner) => {
                    asked.extend(self.requests_in(&rows));
                }
                other
                @ (Event::Rows(_) | Event::Ddl(_) | Event::Copy(_) | Event::Resync(_) | _) => {
                    others.push(other);
                }
            }
        }
        transaction.events = others;
        let asked: Vec<Event> =
            asked.into_iter().map(|one| Event::Resync(ResyncStep::Asked(one))).collect();
        if asked.is_empty() {
            return Some(batch);
        }
        if matches!(transaction.part, Part::Fragment { .. }) {
            transaction.events.extend(asked);
            return Some(batch);
        }
        if transaction.events.is_empty() {
            transaction.part = Part::Fragment { index: 0, last: true };
            transaction.events = asked;
            return Some(batch);
        }
        // Its own rows first, and the requests behind them.
        let rows = u64::try_from(transaction.row_count()).unwrap_or(u64::MAX);
        let behind = Transaction {
            part: Part::Fragment { index: 1, last: true },
            rows_before: rows,
            events: asked,
            ..transaction.clone()
        };
        transaction.part = Part::Fragment { index: 0, last: false };
        transaction.end = None;
        let last = Batch {
            after: batch.after.clone(),
            through: batch.through.take(),
            transactions: vec![behind],
            permit: Permit::none(),
        };
        self.rest.push_front(last);
        Some(batch)
    }

    /// The requests that rows stand for, where they are about tables of this pipeline.
    fn requests_in(&self, rows: &RowsEvent) -> Vec<ResyncRequest> {
        if rows.kind() != RowKind::Insert {
            return Vec::new();
        }
        let requests = rows.changes().filter_map(|change| change.after()).map(request);
        let mut wanted = Vec::new();
        for request in requests {
            match request {
                Ok(request) if self.setting.mappings.is_mapped(&request.table) => {
                    wanted.push(request);
                }
                Ok(request) => warn!(
                    table = %request.table,
                    "a request of the source is about a table that this pipeline does not carry; \
                     where no other one carries it, write its name as the source has it, or add it to \
                     the mapping, and insert the row again"
                ),
                Err(what) => {
                    warn!(
                        what,
                        "a request of the source cannot be read, and is not done; insert a row with \
                         `table` as DATABASE.TABLE, `operation` copy, and `key` or `where` or \
                         neither, all of them texts in utf8mb4"
                    );
                }
            }
        }
        wanted
    }
}

/// The request that a row is, or what is wrong with it.
fn request(row: Row<'_>) -> Result<ResyncRequest, &'static str> {
    let table = text(row, "table")?.ok_or("it names no table")?;
    let (database, table) = table.split_once('.').ok_or("its table is not DATABASE.TABLE")?;
    let table = TableName::new(database, table);
    let operation = text(row, "operation")?.unwrap_or("copy");
    if !OPERATIONS.contains(&operation) {
        return Err("its operation is not copy");
    }
    let wish = match (text(row, "key")?, text(row, "where")?) {
        (None, None) => ResyncWish::All,
        (None, Some(condition)) => ResyncWish::Where(condition.into()),
        (Some(keys), None) => ResyncWish::Keys { columns: [].into(), keys: keys.into() },
        (Some(_), Some(_)) => return Err("it has a key and a condition"),
    };
    Ok(ResyncRequest { table, wish })
}

/// A text of a row; `None` for NULL, and for a column that the table does not have.
fn text<'r>(row: Row<'r>, column: &str) -> Result<Option<&'r str>, &'static str> {
    match row.by_name(column) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Text(bytes) | Value::Bytes(bytes)) => {
            std::str::from_utf8(bytes).map(Some).map_err(|_| "it is not in UTF-8")
        }
        Some(_) => Err("one of its columns is no text"),
    }
}
