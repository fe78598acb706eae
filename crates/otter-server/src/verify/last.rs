//! `otter-server verify --last`: what was found last of each table, and when it was last equal.
//!
//! It reads what the target keeps and which tables the source has; it compares nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Duration;

use otter_core::{PipelineId, Result, TableName};
use otter_sink::verify::{Ledger, LedgerEntry, State};
use serde_json::{Value, json};

use super::print::counts_text;
use super::tables::{mapped_tables, wanted};
use super::{NO_TABLES, VerifyWishes};
use crate::assemble::SCHEMA;
use crate::config::{Config, PipelineConfig};
use crate::exit::Exit;
use crate::position::chosen;
use crate::retention::span;
use crate::status::StatusFormat;
use crate::terminal::{complain, write};

/// What is known of each table of the target; `None` where it was never looked at.
type Known = BTreeMap<TableName, Option<LedgerEntry>>;

/// Prints what is known of one pipeline's tables or all's.
pub(crate) async fn last(config: &Config, name: Option<&str>, wishes: &VerifyWishes) -> Exit {
    let Some(pipelines) = chosen(config, name) else { return Exit::Usage };
    let mut exit = Exit::Done;
    let mut all = Vec::new();
    let mut unseen: Vec<&TableName> = wishes.tables.iter().collect();
    let mut was_asked = true;
    for pipeline in pipelines {
        let (known, names) = match Box::pin(known(pipeline, &wishes.tables)).await {
            Ok(known) => known,
            Err(error) => {
                complain(format_args!("pipeline `{}`: {error}", pipeline.name));
                exit = exit.max(Exit::Unproven);
                was_asked = false;
                continue;
            }
        };
        unseen.retain(|table| !names.contains(*table));
        if known.is_empty() {
            if wishes.tables.is_empty() {
                complain(format_args!("pipeline `{}`: {NO_TABLES}", pipeline.name));
                exit = exit.max(Exit::Unproven);
            }
            continue;
        }
        exit = exit.max(exit_of(&known, wishes.max_age));
        match wishes.format {
            StatusFormat::Text => write(&as_text(&pipeline.name, &known)),
            StatusFormat::Json => all.push(as_json(&pipeline.name, &known)),
        }
    }
    if wishes.format == StatusFormat::Json {
        write(&format!("{:#}\n", Value::Array(all)));
    }
    match unseen.first().filter(|_| was_asked) {
        Some(table) => {
            complain(format_args!("no pipeline carries a table {table}"));
            if exit == Exit::Done { Exit::Usage } else { exit }
        }
        None => exit,
    }
}

/// What is known of the tables that are asked for, and their names in source and target.
async fn known(
    pipeline: &PipelineConfig,
    only: &[TableName],
) -> Result<(Known, BTreeSet<TableName>)> {
    let id = PipelineId::new(pipeline.name.as_str());
    let mut ledger = Ledger::open(&pipeline.to.url, SCHEMA, &id).await?;
    let entries = ledger.entries().await?;
    ledger.close().await;
    let tables = wanted(mapped_tables(pipeline, None).await?, only);
    let names = tables.iter().flat_map(|table| [table.source().clone(), table.target().clone()]);
    let names = names.collect();
    let mut known: Known = tables.iter().map(|table| (table.target().clone(), None)).collect();
    // What the pipeline carries no more is not asked for.
    for entry in entries {
        if let Some(slot) = known.get_mut(&entry.target) {
            *slot = Some(entry);
        }
    }
    Ok((known, names))
}

/// Differences are graver than what nobody knows.
fn exit_of(known: &Known, max_age: Option<Duration>) -> Exit {
    let is_old = |entry: &LedgerEntry| {
        let ago = entry.equal.as_ref().map_or(Duration::MAX, |equal| equal.ago);
        max_age.is_some_and(|most| ago > most)
    };
    let exits = known.values().map(|entry| match entry {
        Some(entry) if entry.state == State::Different => Exit::Failed,
        Some(entry) if entry.state == State::Equal && !is_old(entry) => Exit::Done,
        Some(_) | None => Exit::Unproven,
    });
    exits.max().unwrap_or(Exit::Unproven)
}

fn as_text(pipeline: &str, known: &Known) -> String {
    let mut text = format!("pipeline {pipeline}\n");
    for (table, entry) in known {
        // Writing to a string cannot fail.
        let _ = match entry {
            Some(entry) => writeln!(text, "  {table}  {}", entry_text(entry)),
            None => writeln!(text, "  {table}  never looked at"),
        };
    }
    text
}

fn entry_text(entry: &LedgerEntry) -> String {
    let mut text = format!("{}{}", entry.state.word(), counts_text(counts(entry)));
    if let Some(reason) = &entry.reason {
        let _ = write!(text, " ({reason})");
    }
    if let Some(ago) = entry.looked_ago {
        let _ = write!(text, "  looked at {} ago", span(ago));
    }
    match &entry.equal {
        Some(equal) => {
            let _ = write!(text, "  last equal {} ago", span(equal.ago));
            if let Some(position) = &equal.position {
                let _ = write!(text, " at {position}");
            }
        }
        None => text.push_str("  never equal"),
    }
    text
}

fn counts(entry: &LedgerEntry) -> [u64; 4] {
    [entry.missing, entry.extra, entry.different, entry.unsettled]
}

fn as_json(pipeline: &str, known: &Known) -> Value {
    let tables: Vec<Value> = known
        .iter()
        .map(|(table, entry)| match entry {
            Some(entry) => entry_json(entry),
            None => json!({ "target": table.to_string(), "state": "never looked at" }),
        })
        .collect();
    json!({ "pipeline": pipeline, "tables": tables })
}

fn entry_json(entry: &LedgerEntry) -> Value {
    let equal = entry.equal.as_ref();
    json!({
        "target": entry.target.to_string(),
        "state": entry.state.word(),
        "source_rows": entry.source_rows,
        "target_rows": entry.target_rows,
        "missing": entry.missing,
        "extra": entry.extra,
        "different": entry.different,
        "unsettled": entry.unsettled,
        "reason": entry.reason,
        "looked_time": entry.looked_time,
        "looked_seconds_ago": entry.looked_ago.map(|ago| ago.as_secs()),
        "equal_time": equal.map(|equal| &equal.time),
        "equal_seconds_ago": equal.map(|equal| equal.ago.as_secs()),
        "equal_position": equal.and_then(|equal| equal.position.as_ref()),
    })
}
