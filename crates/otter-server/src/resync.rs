//! `otter-server resync`: asks a pipeline to copy rows from its source again.
//!
//! Nothing here writes to a user's table: a request is left in the target, and the pipeline that runs,
//! or its next start, carries it out.

use std::time::Duration;

use otter_binlog::copy::inspect;
use otter_core::{Error, PipelineId, Result, ResyncRequest, ResyncStage, ResyncWish};
use otter_sink::Mode;
use otter_sink::resync::{ResyncDesk, ResyncReport};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::assemble::{NOT_IN_FAST_MODE, SCHEMA};
use crate::attended::{Attended, when_it_happens};
use crate::config::{Config, PipelineConfig};
use crate::exit::Exit;
use crate::live::{Amount, Live, Meter, how_far};
use crate::operator::operator;
use crate::position::chosen;

use crate::status::StatusFormat;
use crate::terminal::{complain, note, write};

/// Between two looks at a request that is waited for.
const LOOK: Duration = Duration::from_millis(250);

/// How far a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asking {
    /// It is told what it would do.
    Preview,
    /// It is asked for.
    Ask,
    /// It is asked for, and waited for.
    Wait,
}

/// Asks a pipeline to copy rows again.
pub(crate) async fn ask(
    config: &Config,
    name: &str,
    (request, asking): (&ResyncRequest, Asking),
) -> Exit {
    let Some(pipeline) = one(config, name) else { return Exit::Usage };
    if pipeline.mode == Mode::Fast {
        complain(format_args!("pipeline `{name}`: {NOT_IN_FAST_MODE}"));
        return Exit::Failed;
    }
    let inspected = match Box::pin(inspect(&pipeline.from.url, &pipeline.mappings, request)).await {
        Ok(inspected) => inspected,
        Err(error) => {
            complain(format_args!("pipeline `{name}`: {}", Error::from(error)));
            return Exit::Failed;
        }
    };
    let targets: Vec<String> =
        pipeline.mappings.targets(&request.table).iter().map(ToString::to_string).collect();
    let table = &request.table;
    let what = match &request.wish {
        ResyncWish::All => format!("all rows of {table}, about {}", inspected.table_rows),
        ResyncWish::Where(_) => {
            format!(
                "the rows of {table} that meet the condition, of about {}",
                inspected.table_rows
            )
        }
        ResyncWish::Keys { .. } => format!("{} rows of {table} by their keys", inspected.keys),
    };
    let targets = targets.join(", ");
    if asking == Asking::Preview {
        write(&format!(
            "pipeline {name}: would copy {what}, again to {targets}\n\
             Nothing is done without --yes\n"
        ));
        return Exit::Done;
    }
    let outcome = async {
        let id = PipelineId::new(name);
        let mut desk = ResyncDesk::open(&pipeline.to.url, SCHEMA, &id).await?;
        let number = desk.ask(request, &operator()).await?;
        let when = when_it_happens(config, pipeline).await;
        write(&format!(
            "pipeline {name}: request {number}: copies {what}, again to {targets} {when}\n"
        ));
        let exit = match asking {
            Asking::Preview | Asking::Ask => Exit::Done,
            Asking::Wait => {
                let waited = wait(&mut desk, (config, pipeline), &[number]).await?;
                let exit = waited.complained();
                waited.finished.iter().for_each(|report| write(&format!("{}\n", line(report))));
                exit
            }
        };
        desk.close().await;
        Ok::<_, Error>(exit)
    };
    told(name, outcome.await)
}

/// How requests ended.
#[derive(Debug, Default)]
pub(crate) struct Waited {
    /// Those that were finished.
    pub(crate) finished: Vec<ResyncReport>,
    /// Those that somebody has deleted.
    pub(crate) gone: Vec<u64>,
    /// No process runs the pipeline, and the others wait for one.
    pub(crate) is_unattended: bool,
}

impl Waited {
    /// Those that were refused.
    pub(crate) fn refused(&self) -> impl Iterator<Item = &ResyncReport> {
        self.finished.iter().filter(|report| report.stage == ResyncStage::Refused)
    }

    /// Complains of what was not done: [`Exit::Failed`] where a request was refused, and
    /// [`Exit::Unproven`] where no process runs the pipeline.
    fn complained(&self) -> Exit {
        for number in &self.gone {
            complain(format_args!("request {number} is gone: somebody deleted it"));
        }
        self.refused().for_each(complain_of);
        if self.is_unattended {
            Exit::Unproven
        } else if self.gone.is_empty() && self.refused().next().is_none() {
            Exit::Done
        } else {
            Exit::Failed
        }
    }
}

/// Tells why a request was refused.
pub(crate) fn complain_of(refused: &ResyncReport) {
    let why = refused.reason.as_deref().unwrap_or("no reason is known");
    complain(format_args!("request {} of {}: {why}", refused.id, refused.table));
}

/// Waits until requests are finished, or nobody is there to do them.
pub(crate) async fn wait(
    desk: &mut ResyncDesk,
    (config, pipeline): (&Config, &PipelineConfig),
    numbers: &[u64],
) -> Result<Waited> {
    let id = PipelineId::new(pipeline.name.as_str());
    let (mut live, mut meter) = (Live::new(), Meter::default());
    let mut attended = Attended::new();
    let mut waited = Waited::default();
    let mut open: Vec<u64> = numbers.to_vec();
    loop {
        let reports = desk.list().await?;
        for number in std::mem::take(&mut open) {
            match reports.iter().find(|report| report.id == number) {
                Some(report) if !report.stage.is_finished() => open.push(number),
                Some(report) => waited.finished.push(report.clone()),
                None => waited.gone.push(number),
            }
        }
        let Some(first) = open.first() else {
            live.end();
            return Ok(waited);
        };
        if attended.is_abandoned(config, pipeline).await {
            live.end();
            note(format_args!(
                "no process runs pipeline `{id}`: {} requests wait for its next start",
                open.len()
            ));
            waited.is_unattended = true;
            return Ok(waited);
        }
        if let Some(report) = reports.iter().find(|report| report.id == *first) {
            let amount = Amount { rows: report.rows, bytes: Some(report.bytes) };
            meter.take(amount);
            live.show(|with_bar| {
                let far = how_far(amount, report.estimated_rows, meter.rate(), with_bar);
                vec![format!("{} requests are open; {first}: {} {far}", open.len(), report.table)]
            });
        }
        sleep(LOOK).await;
    }
}

/// Prints what was asked for.
pub(crate) async fn list(config: &Config, name: &str, format: StatusFormat) -> Exit {
    let Some(pipeline) = one(config, name) else { return Exit::Usage };
    let outcome = async {
        let mut desk = open(pipeline).await?;
        let reports = desk.list().await?;
        desk.close().await;
        match format {
            StatusFormat::Text if reports.is_empty() => {
                write(&format!("pipeline {name}: nothing was asked for of late\n"));
            }
            StatusFormat::Text => {
                let lines: Vec<String> =
                    reports.iter().map(|it| format!("  {}\n", line(it))).collect();
                write(&format!("pipeline {name}\n{}", lines.concat()));
            }
            StatusFormat::Json => {
                let all: Vec<Value> = reports.iter().map(|it| as_json(name, it)).collect();
                write(&format!("{:#}\n", Value::Array(all)));
            }
        }
        Ok::<_, Error>(Exit::Done)
    };
    told(name, outcome.await)
}

/// Gives a request up.
pub(crate) async fn cancel(config: &Config, name: &str, number: u64) -> Exit {
    let Some(pipeline) = one(config, name) else { return Exit::Usage };
    let outcome = async {
        let mut desk = open(pipeline).await?;
        let was_open = desk.cancel(number).await?;
        desk.close().await;
        if was_open {
            write(&format!("pipeline {name}: request {number} is given up\n"));
            return Ok(Exit::Done);
        }
        complain(format_args!("pipeline `{name}` has no open request {number}"));
        Ok::<_, Error>(Exit::Failed)
    };
    told(name, outcome.await)
}

pub(crate) async fn open(pipeline: &PipelineConfig) -> Result<ResyncDesk> {
    let id = PipelineId::new(pipeline.name.as_str());
    ResyncDesk::open(&pipeline.to.url, SCHEMA, &id).await
}

fn one<'c>(config: &'c Config, name: &str) -> Option<&'c PipelineConfig> {
    chosen(config, Some(name))?.into_iter().next()
}

fn told(name: &str, outcome: Result<Exit>) -> Exit {
    outcome.unwrap_or_else(|error| {
        complain(format_args!("pipeline `{name}`: {error}"));
        Exit::Failed
    })
}

fn line(report: &ResyncReport) -> String {
    let ResyncReport { id, table, kind, rows, .. } = report;
    let mut text = format!("request {id}: {table} ({kind}) {}, {rows} rows", report.stage.word());
    if report.estimated_rows > 0 && !report.stage.is_finished() {
        text.push_str(&format!(" of about {}", report.estimated_rows));
    }
    if report.gone > 0 {
        text.push_str(&format!(", {} keys that the source does not have", report.gone));
    }
    text.push_str(&format!(", asked by {} at {} UTC", report.operator, report.asked_time));
    if let Some(reason) = &report.reason {
        text.push_str(&format!(": {reason}"));
    }
    text
}

fn as_json(pipeline: &str, report: &ResyncReport) -> Value {
    json!({
        "pipeline": pipeline,
        "id": report.id,
        "table": report.table.to_string(),
        "kind": report.kind,
        "state": report.stage.word(),
        "rows": report.rows,
        "bytes": report.bytes,
        "estimated_rows": report.estimated_rows,
        "gone_keys": report.gone,
        "reason": report.reason,
        "operator": report.operator,
        "asked_time": report.asked_time,
        "written_time": report.written_time,
    })
}
