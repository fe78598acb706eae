//! `otter-server verify --last`: what was found last of each table, and when it was last equal.
//!
//! It reads what the target keeps and which tables the source has; it compares nothing.

use std::collections::BTreeMap;
use std::fmt::Write;

use otter_core::{PipelineId, Result, TableName};
use otter_sink::verify::{Ledger, LedgerEntry, State};
use serde_json::{Value, json};

use super::VerifyWishes;
use super::print::counts_text;
use super::tables::mapped_tables;
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
    for pipeline in pipelines {
        let known = match Box::pin(known(pipeline, &wishes.tables)).await {
            Ok(known) => known,
            Err(error) => {
                complain(format_args!("pipeline `{}`: {error}", pipeline.name));
                exit = exit.max(Exit::Unproven);
                continue;
            }
        };
        unseen.retain(|table| !known.contains_key(*table));
        exit = exit.max(exit_of(&known));
        match wishes.format {
            StatusFormat::Text => write(&as_text(&pipeline.name, &known)),
            StatusFormat::Json => all.push(as_json(&pipeline.name, &known)),
        }
    }
    if wishes.format == StatusFormat::Json {
        write(&format!("{:#}\n", Value::Array(all)));
    }
    match unseen.first() {
        Some(table) => {
            complain(format_args!("no pipeline carries into a table {table}"));
            if exit == Exit::Done { Exit::Usage } else { exit }
        }
        None => exit,
    }
}

async fn known(pipeline: &PipelineConfig, only: &[TableName]) -> Result<Known> {
    let id = PipelineId::new(pipeline.name.as_str());
    let mut ledger = Ledger::open(&pipeline.to.url, SCHEMA, &id).await?;
    let entries = ledger.entries().await?;
    ledger.close().await;
    let tables = mapped_tables(pipeline).await?;
    let mut known: Known = tables.iter().map(|table| (table.target().clone(), None)).collect();
    // What the pipeline carries no more is not asked for.
    for entry in entries {
        if let Some(slot) = known.get_mut(&entry.target) {
            *slot = Some(entry);
        }
    }
    if !only.is_empty() {
        known.retain(|table, _| only.contains(table));
    }
    Ok(known)
}

fn exit_of(known: &Known) -> Exit {
    let states = known.values().map(|entry| entry.as_ref().map(|entry| entry.state));
    let exits = states.map(|state| match state {
        Some(State::Equal) => Exit::Done,
        Some(State::Different) => Exit::Failed,
        Some(State::Unsettled | State::Unverified) | None => Exit::Unproven,
    });
    let exits: Vec<Exit> = exits.collect();
    // Differences are graver than what nobody knows.
    if exits.contains(&Exit::Failed) {
        return Exit::Failed;
    }
    exits.into_iter().max().unwrap_or(Exit::Done)
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
    let _ = write!(text, "  looked at {} ago", span(entry.looked_ago));
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
        "looked_seconds_ago": entry.looked_ago.as_secs(),
        "equal_time": equal.map(|equal| &equal.time),
        "equal_seconds_ago": equal.map(|equal| equal.ago.as_secs()),
        "equal_position": equal.and_then(|equal| equal.position.as_ref()),
    })
}
