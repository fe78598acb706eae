//! What `verify` found, as text and as JSON.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use otter_sink::verify::{
    ColumnDifference, Difference, DifferenceKind, Report, Shown, TableReport,
};
use serde_json::{Map, Value, json};

use super::VerifyWishes;

/// Letters of a value in the text; the whole value is in the JSON.
const SHOWN_LETTERS: usize = 60;

pub(super) fn as_text(pipeline: &str, report: &Report, wishes: &VerifyWishes) -> String {
    let mut text = format!("pipeline {pipeline}: {}\n", report.state().word());
    for table in &report.tables {
        push_table(&mut text, table);
        for difference in table.differences.iter().take(wishes.rows) {
            push_difference(&mut text, difference, wishes.shows_values);
        }
        let count = table.missing + table.extra + table.different + table.unsettled;
        let shown: u64 = table.differences.iter().take(wishes.rows).map(|one| one.times).sum();
        if count > shown && shown > 0 {
            let _ = writeln!(text, "    and {} more; --rows shows more of them", count - shown);
        }
    }
    text
}

fn push_table(text: &mut String, table: &TableReport) {
    let mut name = table.target.to_string();
    if table.sources.as_slice() != std::slice::from_ref(&table.target) {
        let sources: Vec<String> = table.sources.iter().map(ToString::to_string).collect();
        name = format!("{} → {name}", sources.join(", "));
    }
    let rows = match table.source_rows == table.target_rows {
        true => format!("{} rows", table.source_rows),
        false => format!("{} and {} rows", table.source_rows, table.target_rows),
    };
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "  {name}  {rows}  {} chunks  {:.1} s  {}",
        table.chunks,
        table.took.as_secs_f64(),
        table.state().word()
    );
    let counts = [table.missing, table.extra, table.different, table.unsettled];
    text.push_str(&counts_text(counts));
    if let Some(reason) = &table.reason {
        let _ = write!(text, " ({reason})");
    }
    if let Some(position) = &table.position {
        let _ = write!(text, "  at {position}");
    }
    text.push('\n');
}

/// Rows that are missing, extra, different and unsettled, as far as there are any.
pub(super) fn counts_text(counts: [u64; 4]) -> String {
    let mut text = String::new();
    let words = ["missing", "extra", "different", "unsettled"];
    for (count, word) in counts.into_iter().zip(words).filter(|(count, _)| *count > 0) {
        let separator = if text.is_empty() { ": " } else { ", " };
        let _ = write!(text, "{separator}{count} {word}");
    }
    text
}

fn push_difference(text: &mut String, difference: &Difference, shows_values: bool) {
    let _ = write!(text, "    {}", difference.kind.word());
    if difference.times > 1 {
        let _ = write!(text, " {} times", difference.times);
    }
    if !difference.key.is_empty() {
        let _ = match shows_values {
            true => write!(text, " {}", key_text(difference)),
            false => write!(text, " key {}", difference.key_digest()),
        };
    }
    let mut separator = ": ";
    for column in &difference.columns {
        let _ = write!(text, "{separator}{}", column.name);
        separator = ", ";
        if shows_values {
            let _ = write!(text, " {}", values_text(column, difference.kind));
        }
    }
    text.push('\n');
}

fn key_text(difference: &Difference) -> String {
    let parts = difference.key.iter();
    let parts: Vec<String> =
        parts.map(|(name, value)| format!("{name}={}", value_text(value))).collect();
    parts.join(", ")
}

fn values_text(column: &ColumnDifference, kind: DifferenceKind) -> String {
    match kind {
        DifferenceKind::Missing => value_text(&column.source),
        DifferenceKind::Extra => value_text(&column.target),
        DifferenceKind::Different | DifferenceKind::Unsettled => {
            format!("{} → {}", value_text(&column.source), value_text(&column.target))
        }
    }
}

fn value_text(value: &Shown) -> String {
    let (text, is_cut) = match value {
        Shown::Absent => return "(no row)".to_owned(),
        Shown::Null => return "NULL".to_owned(),
        // Quoted and escaped, so that spaces at the end show and no terminal obeys a value.
        Shown::Text(text) => {
            let letters: String = text.chars().take(SHOWN_LETTERS).collect();
            (format!("{letters:?}"), letters.len() < text.len())
        }
        Shown::Bytes(bytes) => {
            let shown = bytes.get(..SHOWN_LETTERS / 2).unwrap_or(bytes);
            let hex: String = shown.iter().map(|byte| format!("{byte:02X}")).collect();
            (format!("0x{hex}"), shown.len() < bytes.len())
        }
    };
    if is_cut { format!("{text}…") } else { text }
}

pub(super) fn as_json(pipeline: &str, report: &Report, wishes: &VerifyWishes) -> Value {
    let tables: Vec<Value> =
        report.tables.iter().map(|table| table_json(table, wishes.shows_values)).collect();
    json!({ "pipeline": pipeline, "state": report.state().word(), "tables": tables })
}

fn table_json(table: &TableReport, shows_values: bool) -> Value {
    let sources: Vec<String> = table.sources.iter().map(ToString::to_string).collect();
    let differences = table.differences.iter();
    let differences: Vec<Value> =
        differences.map(|one| difference_json(one, shows_values)).collect();
    json!({
        "sources": sources,
        "target": table.target.to_string(),
        "state": table.state().word(),
        "source_rows": table.source_rows,
        "target_rows": table.target_rows,
        "chunks": table.chunks,
        "seconds": table.took.as_secs_f64(),
        "missing": table.missing,
        "extra": table.extra,
        "different": table.different,
        "unsettled": table.unsettled,
        "reason": table.reason,
        "position": table.position,
        "differences": differences,
    })
}

fn difference_json(difference: &Difference, shows_values: bool) -> Value {
    let mut object = Map::new();
    object.insert("type".to_owned(), difference.kind.word().into());
    object.insert("times".to_owned(), difference.times.into());
    object.insert("key_digest".to_owned(), difference.key_digest().into());
    if !shows_values {
        let names: Vec<&str> = difference.columns.iter().map(|column| &*column.name).collect();
        object.insert("columns".to_owned(), names.into());
        return Value::Object(object);
    }
    let key = difference.key.iter().map(|(name, value)| (name.to_string(), value_json(value)));
    object.insert("key".to_owned(), Value::Object(key.collect()));
    let columns = difference.columns.iter().map(|column| {
        let mut sides = Map::new();
        for (side, value) in [("source", &column.source), ("target", &column.target)] {
            if *value != Shown::Absent {
                sides.insert(side.to_owned(), value_json(value));
            }
        }
        (column.name.to_string(), Value::Object(sides))
    });
    object.insert("columns".to_owned(), Value::Object(columns.collect()));
    Value::Object(object)
}

/// Values are texts, and bytes that are no text `{"base64": …}`.
fn value_json(value: &Shown) -> Value {
    match value {
        Shown::Absent | Shown::Null => Value::Null,
        Shown::Text(text) => text.as_str().into(),
        Shown::Bytes(bytes) => json!({ "base64": STANDARD.encode(bytes) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_cut_and_never_control_a_terminal() {
        let text = |text: &str| value_text(&Shown::Text(text.to_owned()));
        assert_eq!(text("a "), "\"a \"");
        assert_eq!(text("\x1b[31m"), "\"\\u{1b}[31m\"");
        assert!(text(&"é".repeat(100)).ends_with("é\"…"));
        assert_eq!(value_text(&Shown::Null), "NULL");
        assert_eq!(value_text(&Shown::Bytes(vec![0, 255])), "0x00FF");
    }
}
