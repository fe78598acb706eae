//! `otter-server verify`: whether the targets hold what the sources hold.
//!
//! It works beside a running pipeline, in another process or none, and changes no table of a user; where
//! the target keeps a record of what was found last, it takes part in it. What it prints
//! are rows, for the operator who asks; `--no-values` leaves their values out.

mod last;
mod print;
mod pulse;
mod repair;
mod tables;

use std::num::NonZeroU64;
use std::time::Duration;

use otter_core::{PipelineId, Result, Side, TableName};
use otter_sink::verify::{Ledger, MappedTable, Report, State, Verifier, VerifyOptions};
use serde_json::Value;

use crate::assemble::{self, SCHEMA};
use crate::config::{Config, PipelineConfig};
use crate::exit::Exit;
use crate::position::chosen;
use crate::status::StatusFormat;
use crate::terminal::{complain, write};
pub(crate) use last::last;
use pulse::Pulse;
pub(crate) use repair::Repair;
pub(crate) use tables::{by_target, mapped_tables};

/// What is asked for beyond the pipeline.
#[derive(Debug)]
pub(crate) struct VerifyWishes {
    /// These tables alone; all without any.
    pub(crate) tables: Vec<TableName>,
    pub(crate) format: StatusFormat,
    /// The most rows of each table that are printed.
    pub(crate) rows: usize,
    pub(crate) shows_values: bool,
    /// How fast tables are read at most.
    pub(crate) rows_per_second: Option<NonZeroU64>,
    /// Whether differences are mended.
    pub(crate) repair: Repair,
}

/// Compares the tables of one pipeline or all.
pub(crate) async fn verify(config: &Config, name: Option<&str>, wishes: &VerifyWishes) -> Exit {
    let Some(pipelines) = chosen(config, name) else { return Exit::Usage };
    let mut exit = Exit::Done;
    let mut all = Vec::new();
    let mut seen = Vec::new();
    for pipeline in pipelines {
        let report = match Box::pin(verify_one(config, pipeline, wishes)).await {
            Ok(report) => report,
            Err(error) => {
                complain(format_args!("pipeline `{}`: {error}", pipeline.name));
                exit = exit.max(Exit::Unproven);
                continue;
            }
        };
        if report.tables.is_empty() {
            // With `--table`, another pipeline may carry it.
            if wishes.tables.is_empty() {
                complain(format_args!(
                    "pipeline `{}`: the source has no table that it carries, or the account may not \
                     see them",
                    pipeline.name
                ));
                exit = exit.max(Exit::Unproven);
            }
            continue;
        }
        seen.extend(report.tables.iter().map(|table| table.target.clone()));
        seen.extend(report.tables.iter().flat_map(|table| table.sources.clone()));
        match wishes.format {
            StatusFormat::Text => write(&print::as_text(&pipeline.name, &report, wishes)),
            StatusFormat::Json => all.push(print::as_json(&pipeline.name, &report, wishes)),
        }
        if wishes.repair == Repair::No {
            exit = exit.max(exit_of(&report));
            continue;
        }
        let mended = Box::pin(repair::repair(config, pipeline, (report, wishes))).await;
        exit = exit.max(mended.unwrap_or_else(|error| {
            complain(format_args!("pipeline `{}`: {error}", pipeline.name));
            Exit::Failed
        }));
    }
    if wishes.format == StatusFormat::Json {
        write(&format!("{:#}\n", Value::Array(all)));
    }
    // A table that no pipeline carries would be equal without a look.
    match wishes.tables.iter().find(|table| !seen.contains(table)) {
        Some(unseen) => {
            complain(format_args!("no pipeline that was compared carries a table {unseen}"));
            if exit == Exit::Done { Exit::Usage } else { exit }
        }
        None => exit,
    }
}

/// How a command ends that has found this.
fn exit_of(report: &Report) -> Exit {
    match report.state() {
        State::Equal => Exit::Done,
        State::Different => Exit::Failed,
        State::Unsettled | State::Unverified => Exit::Unproven,
    }
}

async fn verify_one(
    config: &Config,
    pipeline: &PipelineConfig,
    wishes: &VerifyWishes,
) -> Result<Report> {
    let id = PipelineId::new(pipeline.name.as_str());
    let tables = wanted_tables(pipeline, wishes).await?;
    let mut options = VerifyOptions::default();
    options.shown_rows = wishes.rows;
    options.rows_per_second = wishes.rows_per_second;
    if wishes.repair != Repair::No {
        options.shown_rows = wishes.rows.max(repair::MOST_ROWS);
        options.whole_rows = wishes.repair == Repair::Preview;
    }
    options.schema = SCHEMA.to_owned();
    if !is_held(config, &id).await {
        // Nobody moves it: there is nothing to wait for.
        options.patience = Duration::ZERO;
    }
    let (source, target) = (&pipeline.from.url, &pipeline.to.url);
    let mut verifier = Box::pin(Verifier::open(source, target, &id, options)).await?;
    let mut pulse = Pulse::new();
    let report = verifier.verify(&tables, &mut |progress| pulse.beat(progress)).await?;
    pulse.end();
    verifier.close().await;
    note(pipeline, &report).await;
    Ok(report)
}

/// Whether a process runs the pipeline, as far as the arbiter can tell.
pub(crate) async fn is_held(config: &Config, id: &PipelineId) -> bool {
    match assemble::arbiter_status(config, &[Side::target(id.clone())]).await {
        Ok(status) => status.sides.iter().any(Option::is_some),
        Err(_) => true,
    }
}

/// The tables that are to be compared; with `--table`, all source tables that flow into one of those
/// together.
async fn wanted_tables(
    pipeline: &PipelineConfig,
    wishes: &VerifyWishes,
) -> Result<Vec<MappedTable>> {
    let mut tables = mapped_tables(pipeline).await?;
    if wishes.tables.is_empty() {
        return Ok(tables);
    }
    let is_wanted = |table: &&MappedTable| {
        wishes.tables.contains(table.source()) || wishes.tables.contains(table.target())
    };
    let targets: Vec<TableName> =
        tables.iter().filter(is_wanted).map(|table| table.target().clone()).collect();
    tables.retain(|table| targets.contains(table.target()));
    Ok(tables)
}

/// Takes what was found into the record that the target keeps, where it keeps one.
async fn note(pipeline: &PipelineConfig, report: &Report) {
    let id = PipelineId::new(pipeline.name.as_str());
    let noting = async {
        let mut ledger = Ledger::open(&pipeline.to.url, SCHEMA, &id).await?;
        for table in &report.tables {
            if !ledger.note(table).await? {
                break;
            }
        }
        ledger.close().await;
        Ok::<_, otter_core::Error>(())
    };
    if let Err(error) = noting.await {
        complain(format_args!(
            "pipeline `{}`: what was found is not kept for `verify --last`: {error}",
            pipeline.name
        ));
    }
}
