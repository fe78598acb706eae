//! `otter-server verify`: whether the targets hold what the sources hold.
//!
//! It works beside a running pipeline, in another process or none, and changes no table of a user; where
//! the target keeps a record of what was found last, it takes part in it. What it prints
//! are rows, for the operator who asks; each look is noted in the target, and `--no-values` leaves their
//! values out.

mod last;
mod preview;
mod print;
mod pulse;
mod repair;
mod tables;

use std::num::NonZeroU64;
use std::time::Duration;

use otter_core::{Fault, PipelineId, Result, TableName};
use otter_sink::audit::Audit;
use otter_sink::verify::{Ledger, Report, State, TableReport, Verifier, VerifyOptions};
use serde_json::Value;

use crate::assemble::SCHEMA;
use crate::attended::is_held;
use crate::config::{Config, PipelineConfig};
use crate::exit::Exit;
use crate::operator::operator;
use crate::position::chosen;
use crate::status::StatusFormat;
use crate::terminal::{complain, write};
pub(crate) use last::last;
use pulse::Pulse;
pub(crate) use repair::Repair;
use tables::wanted;
pub(crate) use tables::{by_target, mapped_tables};

/// Why there is nothing to compare.
const NO_TABLES: &str = "the source has no table that it carries, or the account may not see them";

/// What is asked for beyond the pipeline.
#[derive(Debug, Clone)]
pub(crate) struct VerifyWishes {
    /// These tables alone; all without any.
    pub(crate) tables: Vec<TableName>,
    pub(crate) format: StatusFormat,
    /// The most rows of each table that are printed.
    pub(crate) rows: usize,
    pub(crate) shows_values: bool,
    /// How fast tables are read at most.
    pub(crate) rows_per_second: Option<NonZeroU64>,
    /// What was proven longer ago is not proven any more, for `--last`.
    pub(crate) max_age: Option<Duration>,
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
                complain(format_args!("pipeline `{}`: {NO_TABLES}", pipeline.name));
                exit = exit.max(Exit::Unproven);
            }
            continue;
        }
        seen.extend(report.tables.iter().map(|table| table.target.clone()));
        seen.extend(report.tables.iter().flat_map(|table| table.sources.clone()));
        let wishes = &as_may_be_seen(pipeline, (&report, wishes)).await;
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

/// Notes in the target who is to see rows. Where it cannot be noted, their values are not shown.
async fn as_may_be_seen(
    pipeline: &PipelineConfig,
    (report, wishes): (&Report, &VerifyWishes),
) -> VerifyWishes {
    let tables = report.tables.iter().filter(|table| !table.differences.is_empty());
    let shown = tables.map(|table| {
        let rows = table.differences.len().min(wishes.rows);
        format!("{rows} rows of {}", table.target)
    });
    let shown: Vec<String> = shown.collect();
    if shown.is_empty() || wishes.rows == 0 || !wishes.shows_values {
        return wishes.clone();
    }
    let id = PipelineId::new(pipeline.name.as_str());
    let noting = async {
        let mut audit = Audit::open(&pipeline.to.url, SCHEMA, &id).await?;
        audit.note(&operator(), ("verify", &shown.join(", "))).await?;
        audit.close().await;
        Ok::<_, otter_core::Error>(())
    };
    let is_noted = noting.await.inspect_err(|error| {
        complain(format_args!(
            "pipeline `{}`: values are left out, since the target cannot note who sees them: {error}",
            pipeline.name
        ));
    });
    VerifyWishes { shows_values: is_noted.is_ok(), ..wishes.clone() }
}

async fn verify_one(
    config: &Config,
    pipeline: &PipelineConfig,
    wishes: &VerifyWishes,
) -> Result<Report> {
    let id = PipelineId::new(pipeline.name.as_str());
    let tables = wanted(mapped_tables(pipeline, None).await?, &wishes.tables);
    let mut options = VerifyOptions::default();
    options.shown_rows = wishes.rows;
    options.rows_per_second = wishes.rows_per_second;
    options.estimates = true;
    options.rows_with_values = wishes.rows;
    match wishes.repair {
        Repair::No => {}
        // One at least, which tells whether rows can be asked for.
        Repair::Preview => {
            options.shown_rows = wishes.rows.max(1);
            options.whole_rows = true;
        }
        Repair::Yes => options.shown_rows = wishes.rows.max(repair::MOST_ROWS),
    }
    options.schema = SCHEMA.to_owned();
    if !is_held(config, pipeline).await {
        // Nobody moves it: there is nothing to wait for.
        options.patience = Duration::ZERO;
    }
    let (source, target) = (&pipeline.from.url, &pipeline.to.url);
    let open = || Box::pin(Verifier::open(source, target, &id, options.clone()));
    let mut verifier = Ok(open().await?);
    let mut pulse = Pulse::new();
    let mut report = Report::default();
    let mut record = Record::new();
    for sources in by_target(tables).into_values() {
        let outcome = match &mut verifier {
            Ok(verifier) => verifier.verify(&sources, &mut |progress| pulse.beat(progress)).await,
            Err(why) => {
                report.tables.push(TableReport::unverified(&sources, String::clone(why)));
                continue;
            }
        };
        match outcome {
            Ok(found) => {
                for table in &found.tables {
                    record.take(pipeline, table).await;
                }
                report.tables.extend(found.tables);
            }
            // What was found before stands, and the databases may be back for the next one.
            Err(error) => {
                report.tables.push(TableReport::unverified(&sources, error.to_string()));
                verifier = open().await.map_err(|error| error.to_string());
            }
        }
    }
    record.close().await;
    if let Ok(verifier) = verifier {
        verifier.close().await;
    }
    Ok(report)
}

/// The record of what was found last, where the target keeps one.
#[derive(Debug)]
enum Record {
    Unopened,
    Open(Box<Ledger>),
    /// There is none, or it cannot be written, which was told.
    Without,
}

impl Record {
    fn new() -> Self {
        Self::Unopened
    }

    /// Takes in what was found of a table.
    async fn take(&mut self, pipeline: &PipelineConfig, table: &TableReport) {
        let id = PipelineId::new(pipeline.name.as_str());
        let before = std::mem::replace(self, Self::Without);
        let noting = async {
            let open = || Ledger::open(&pipeline.to.url, SCHEMA, &id);
            let mut ledger = match before {
                Self::Without => return Ok(Self::Without),
                Self::Open(ledger) => *ledger,
                Self::Unopened => open().await?,
            };
            let is_kept = match ledger.note(table).await {
                // The table may have taken longer than the server keeps a connection.
                Err(error) if error.fault() == Fault::Transient => {
                    ledger = open().await?;
                    ledger.note(table).await?
                }
                noted => noted?,
            };
            if is_kept {
                return Ok(Self::Open(Box::new(ledger)));
            }
            ledger.close().await;
            Ok::<_, otter_core::Error>(Self::Without)
        };
        *self = noting.await.unwrap_or_else(|error| {
            complain(format_args!(
                "pipeline `{}`: what was found is not kept for `verify --last`: {error}",
                pipeline.name
            ));
            Self::Without
        });
    }

    async fn close(self) {
        if let Self::Open(ledger) = self {
            ledger.close().await;
        }
    }
}
