//! Changes as a person reads them: a line per transaction, then each row with its key, and for an
//! update only the columns that changed.

use std::fmt::Write as _;

use otter_core::{Change, Row, Table, Timestamp, Transaction};

use super::line::{Part, parts};
use super::shown::shown;
use super::value::write_value;
use crate::terminal::{Colour, paint};

/// Calls `take` with the text of each change, the first one under the transaction's head, until it
/// says that it is enough.
pub(super) fn texts(
    transaction: &Transaction,
    in_colour: bool,
    mut take: impl FnMut(&str) -> bool,
) -> bool {
    let mut head = Some(head(transaction, in_colour));
    for part in parts(transaction) {
        let mut text = head.take().unwrap_or_default();
        match part {
            Part::Row(change) => write_change(&mut text, &change, in_colour),
            Part::Ddl(ddl) => {
                text.push_str(&paint(Colour::Yellow, "ddl", in_colour));
                let (database, statement) = (shown(&ddl.database), shown(&ddl.statement));
                append(&mut text, format_args!(" {database}: {statement}\n"));
            }
        }
        if take(&text) {
            return true;
        }
    }
    false
}

fn head(transaction: &Transaction, in_colour: bool) -> String {
    let seconds = transaction.committed_at.0 / 1_000_000;
    let time = Timestamp { seconds: seconds.try_into().unwrap_or(0), micros: 0, digits: 0 };
    let mut text = format!("{time} UTC  {}", shown(&transaction.start.to_string()));
    if let Some(gtid) = &transaction.gtid {
        append(&mut text, format_args!("  {gtid}"));
    }
    format!("{}\n", paint(Colour::Dim, &text, in_colour))
}

fn append(text: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing into a string never fails.
    let _ = text.write_fmt(what);
}

fn write_change(text: &mut String, change: &Change<'_>, in_colour: bool) {
    let (word, colour, row) = match change {
        Change::Insert { after } => ("insert", Colour::Green, after),
        Change::Update { before, .. } => ("update", Colour::Cyan, before),
        Change::Delete { before } => ("delete", Colour::Red, before),
    };
    let table = row.table();
    let name = table.name.to_string();
    append(text, format_args!("{} {}", paint(colour, word, in_colour), shown(&name)));
    for index in &table.primary_key {
        let Some(column) = table.columns.get(*index) else { continue };
        append(text, format_args!("  {}=", shown(&column.name)));
        write_cell(text, row, *index);
    }
    text.push('\n');
    for index in 0..table.columns.len() {
        match change {
            Change::Insert { after: row } | Change::Delete { before: row } => {
                if !table.primary_key.contains(&index) && row.value(index).is_some() {
                    write_name(text, table, index);
                    write_cell(text, row, index);
                    text.push('\n');
                }
            }
            Change::Update { before, after } => {
                let new = after.value(index);
                if new.is_some() && new != before.value(index) {
                    write_name(text, table, index);
                    write_cell(text, before, index);
                    text.push_str(" → ");
                    write_cell(text, after, index);
                    text.push('\n');
                }
            }
        }
    }
}

fn write_name(text: &mut String, table: &Table, index: usize) {
    let name = table.columns.get(index).map_or("?", |column| &*column.name);
    append(text, format_args!("    {}: ", shown(name)));
}

fn write_cell(text: &mut String, row: &Row<'_>, index: usize) {
    match (row.value(index), row.table().columns.get(index)) {
        (Some(value), Some(column)) => {
            let mut json = String::new();
            write_value(&mut json, value, &column.column_type);
            text.push_str(&shown(&json));
        }
        _ => text.push_str("(not logged)"),
    }
}
