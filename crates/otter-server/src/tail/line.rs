//! One change as a line of JSON, in the shape that Maxwell has made familiar.

use std::fmt::Write as _;

use otter_core::{Change, Ddl, Event, Row, Transaction, Value};

use super::value::{quote, write_value};

/// What one line is about.
pub(super) enum Part<'e> {
    Row(Change<'e>),
    Ddl(&'e Ddl),
}

/// The changes of a transaction in source order.
pub(super) fn parts(transaction: &Transaction) -> impl Iterator<Item = Part<'_>> {
    transaction.events.iter().flat_map(|event| {
        let (rows, ddl) = match event {
            Event::Rows(rows) => (Some(rows), None),
            Event::Ddl(ddl) => (None, Some(ddl)),
            // An event of a later version has no lines.
            Event::Copy(_) | _ => (None, None),
        };
        let rows = rows.into_iter().flat_map(|rows| rows.changes().map(Part::Row));
        rows.chain(ddl.map(Part::Ddl))
    })
}

/// Makes lines of transactions, one after the other.
///
/// The last change of a transaction carries `"commit":true`. Whether the last one of a fragment is
/// that, only the next fragment tells: until then its line is held back.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// A line without its end.
    held: Option<String>,
}

impl Lines {
    /// Calls `take` with each change of a transaction as a line, until it says that it is enough.
    pub(super) fn write(
        &mut self,
        transaction: &Transaction,
        mut take: impl FnMut(&str) -> bool,
    ) -> bool {
        let tail = tail_of(transaction);
        let mut parts = parts(transaction).peekable();
        let goes_on = matches!(transaction.part, otter_core::Part::Fragment { index: 1.., .. });
        let was_last = goes_on && parts.peek().is_none() && transaction.end.is_some();
        // A fragment without changes that is not the last tells nothing.
        let tells = !goes_on || was_last || parts.peek().is_some();
        if tells && self.held.take().is_some_and(|line| take(&ended(line, was_last))) {
            return true;
        }
        while let Some(part) = parts.next() {
            let mut line = String::from("{");
            match part {
                Part::Row(change) => write_change(&mut line, &change),
                Part::Ddl(ddl) => write_ddl(&mut line, ddl),
            }
            line.push_str(&tail);
            let is_last = parts.peek().is_none();
            if is_last && transaction.end.is_none() {
                self.held = Some(line);
            } else if take(&ended(line, is_last)) {
                return true;
            }
        }
        false
    }

    /// The line that is held back, of a transaction that does not go on.
    pub(super) fn release(&mut self) -> Option<String> {
        self.held.take().map(|line| ended(line, false))
    }
}

/// A whole line.
fn ended(mut line: String, commits: bool) -> String {
    line.push_str(if commits { ",\"commit\":true}\n" } else { "}\n" });
    line
}

/// What all lines of a transaction end with.
fn tail_of(transaction: &Transaction) -> String {
    let mut text = format!(",\"ts\":{}", transaction.committed_at.0 / 1_000_000);
    if let Some(server_id) = server_of(transaction) {
        // Writing into a string never fails.
        let _ = write!(text, ",\"server_id\":{server_id}");
    }
    text.push_str(",\"position\":");
    quote(&mut text, &transaction.start.to_string());
    if let Some(gtid) = &transaction.gtid {
        text.push_str(",\"gtid\":");
        quote(&mut text, &gtid.to_string());
    }
    text
}

/// The server that wrote it first; a fragment's rows know it before its end.
fn server_of(transaction: &Transaction) -> Option<u32> {
    let of_rows = || {
        transaction.events.iter().find_map(|event| {
            let Event::Rows(rows) = event else { return None };
            Some(rows.server_id())
        })
    };
    transaction.end.as_ref().map(|end| end.server_id).or_else(of_rows)
}

/// A changed row as JSON: its names, its kind and its values.
pub(crate) fn row_as_json(change: &Change<'_>) -> String {
    let mut line = String::from("{");
    write_change(&mut line, change);
    line.push('}');
    line
}

fn write_change(line: &mut String, change: &Change<'_>) {
    let (kind, row) = match change {
        Change::Insert { after } => ("insert", after),
        Change::Update { after, .. } => ("update", after),
        Change::Delete { before } => ("delete", before),
    };
    let name = &row.table().name;
    write_head(line, &name.database, kind);
    line.push_str(",\"table\":");
    quote(line, &name.table);
    line.push_str(",\"data\":");
    match change {
        // What an image that is not FULL leaves out of the new row has not changed.
        Change::Update { before, after } => {
            write_columns(line, row, |index| after.value(index).or_else(|| before.value(index)))
        }
        Change::Insert { .. } | Change::Delete { .. } => {
            write_columns(line, row, |index| row.value(index))
        }
    };
    if let Change::Update { before, after } = change {
        let length = line.len();
        line.push_str(",\"old\":");
        let has_changed =
            |index| after.value(index).is_some_and(|new| before.value(index) != Some(new));
        let old = |index| before.value(index).filter(|_| has_changed(index));
        if write_columns(line, before, old) == 0 {
            // A MINIMAL image tells the old row's key only.
            line.truncate(length);
        }
    }
}

fn write_head(line: &mut String, database: &str, kind: &str) {
    line.push_str("\"database\":");
    quote(line, database);
    line.push_str(",\"type\":");
    quote(line, kind);
}

fn write_ddl(line: &mut String, ddl: &Ddl) {
    write_head(line, &ddl.database, "ddl");
    line.push_str(",\"kind\":");
    quote(line, &ddl.kind);
    line.push_str(",\"tables\":[");
    for (index, table) in ddl.tables.iter().enumerate() {
        if index > 0 {
            line.push(',');
        }
        quote(line, &table.to_string());
    }
    line.push(']');
    line.push_str(",\"sql\":");
    quote(line, &ddl.statement);
}

/// Writes the columns that have a value, and tells how many there are.
fn write_columns<'v>(
    line: &mut String,
    row: &Row<'_>,
    value_of: impl Fn(usize) -> Option<Value<'v>>,
) -> usize {
    let mut count = 0;
    line.push('{');
    for (index, column) in row.table().columns.iter().enumerate() {
        let Some(value) = value_of(index) else { continue };
        if count > 0 {
            line.push(',');
        }
        count += 1;
        quote(line, &column.name);
        line.push(':');
        write_value(line, value, &column.column_type);
    }
    line.push('}');
    count
}
