//! Selectors for the tests, and what they read, as text.

use std::sync::Arc;
use std::time::Duration;

use otter_binlog::selector::{BinlogSelector, SelectorOptions};
use otter_core::{
    Batch, Budget, Change, Event, Fault, Position, Row, Select, Start, Transaction, Value,
};
use otter_server::sandbox::Server;
use tokio::time::timeout;

/// Far more than anything here takes, even on a loaded machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
pub(crate) const BUDGET: usize = 64 << 20;

/// Options that want all tables of the database `shop`.
pub(crate) fn options(server: &Server) -> SelectorOptions {
    let mut options = SelectorOptions::new(
        server.url().parse().unwrap(),
        Arc::new(|table| &*table.database == "shop"),
    );
    options.databases = Arc::new(|database| database == "shop");
    options
}

/// The same for whoever only reads.
pub(crate) fn reading(server: &Server) -> SelectorOptions {
    let url = server.url().parse().unwrap();
    let mut options =
        SelectorOptions::for_reader(url, Arc::new(|table| &*table.database == "shop"));
    options.databases = Arc::new(|database| database == "shop");
    options
}

/// A selector that stands at the end of the source's binlog.
pub(crate) async fn open_now(options: SelectorOptions) -> BinlogSelector {
    let mut selector = BinlogSelector::new(options);
    let position = selector.locate(&Start::Now).await.unwrap();
    selector.open(&position, &Budget::new(BUDGET)).await.unwrap();
    selector
}

pub(crate) async fn next(selector: &mut BinlogSelector) -> Batch {
    match timeout(DEADLINE, selector.next()).await {
        Ok(Ok(batch)) => batch,
        Ok(Err(error)) => panic!("{error}"),
        Err(_) => panic!("no batch within {DEADLINE:?}"),
    }
}

/// Reads until `count` transactions have come.
pub(crate) async fn transactions(selector: &mut BinlogSelector, count: usize) -> Vec<Transaction> {
    let mut all = Vec::new();
    while all.len() < count {
        all.extend(next(selector).await.transactions);
    }
    assert_eq!(all.len(), count, "more transactions than expected");
    all
}

/// Reads until the position covers everything that the source has committed by now.
pub(crate) async fn position_after(selector: &mut BinlogSelector, count: usize) -> Position {
    let (mut seen, mut position) = (0, None);
    while seen < count {
        let batch = next(selector).await;
        seen += batch.transactions.len();
        position = batch.through;
    }
    position.unwrap()
}

/// The error that the selector ends with.
pub(crate) async fn failure(selector: &mut BinlogSelector) -> otter_core::Error {
    loop {
        match timeout(DEADLINE, selector.next()).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return error,
            Err(_) => panic!("no error within {DEADLINE:?}"),
        }
    }
}

pub(crate) fn assert_fatal(error: &otter_core::Error, words: &str) {
    assert_eq!(error.fault(), Fault::Fatal, "{error}");
    assert!(error.to_string().contains(words), "{error}");
}

/// A transaction in one line: `insert shop.item 1,a | delete shop.item 2,b`.
pub(crate) fn show(transaction: &Transaction) -> String {
    let event = |event: &Event| match event {
        Event::Rows(rows) => rows.changes().map(show_change).collect::<Vec<_>>().join(" | "),
        Event::Ddl(ddl) => format!("{} [{}]", ddl.kind, ddl.statement),
        _ => "?".to_owned(),
    };
    transaction.events.iter().map(event).collect::<Vec<_>>().join(" | ")
}

fn show_change(change: Change<'_>) -> String {
    let name = |row: &Row<'_>| row.table().name.to_string();
    match change {
        Change::Insert { after } => format!("insert {} {}", name(&after), cells(after)),
        Change::Delete { before } => format!("delete {} {}", name(&before), cells(before)),
        Change::Update { before, after } => {
            format!("update {} {} to {}", name(&after), cells(before), cells(after))
        }
    }
}

fn cells(row: Row<'_>) -> String {
    row.values().map(|value| value.map_or("-".into(), text)).collect::<Vec<_>>().join(",")
}

/// A value as the statements of [`values`](super::values) select it: bytes of texts in hexadecimal
/// only where they are not ASCII.
pub(crate) fn text(value: Value<'_>) -> String {
    match value {
        Value::Null => "NULL".into(),
        Value::Int(number) => number.to_string(),
        Value::UInt(number) => number.to_string(),
        Value::Float(number) => f64::from(number).to_string(),
        Value::Double(number) => number.to_string(),
        Value::Decimal(digits) => digits.into(),
        Value::Bit(bits) => bits.to_string(),
        Value::Year(year) => format!("{year:04}"),
        Value::Date(date) => date.to_string(),
        Value::Time(time) => time.to_string(),
        Value::DateTime(value) => value.to_string(),
        Value::Timestamp(value) => value.to_string(),
        Value::Text(bytes) if bytes.is_ascii() => String::from_utf8_lossy(bytes).into_owned(),
        Value::Text(bytes)
        | Value::Bytes(bytes)
        | Value::Geometry(bytes)
        | Value::Vector(bytes) => hex(bytes),
        Value::Enum(number) => number.to_string(),
        Value::Set(bits) => bits.to_string(),
        Value::Json(json) => json.into(),
        _ => "?".into(),
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}
