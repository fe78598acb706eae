//! `otter-server copy`: how far the initial copies are, table by table.
//!
//! It reads what the targets keep, and changes nothing.

use std::time::Duration;

use otter_core::{CopyStage, PipelineId, Result};
use otter_sink::copy::{self, CopyTableProgress, CopyTables};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::assemble::SCHEMA;
use crate::attended::Attended;
use crate::config::{Config, PipelineConfig};
use crate::exit::Exit;
use crate::live::{Amount, Live, Meter, how_far};
use crate::position::chosen;
use crate::status::StatusFormat;
use crate::terminal::{complain, note, write};

/// Between two looks at a copy that is followed.
const LOOK: Duration = Duration::from_millis(500);

/// Prints how far the initial copies of one pipeline or all are.
pub(crate) async fn show(config: &Config, name: Option<&str>, format: StatusFormat) -> Exit {
    let Some(pipelines) = chosen(config, name) else { return Exit::Usage };
    let mut exit = Exit::Done;
    let mut all = Vec::new();
    for pipeline in pipelines {
        match read(pipeline).await {
            Ok(tables) => match format {
                StatusFormat::Text => write(&as_text(&pipeline.name, tables.as_ref())),
                StatusFormat::Json => all.push(as_json(&pipeline.name, tables.as_ref())),
            },
            Err(error) => {
                complain(format_args!("pipeline `{}`: {error}", pipeline.name));
                exit = Exit::Failed;
            }
        }
    }
    if format == StatusFormat::Json {
        write(&format!("{:#}\n", Value::Array(all)));
    }
    exit
}

/// Shows how far the initial copies are until all are done; [`Exit::Unproven`] where no process runs
/// a pipeline that is not.
pub(crate) async fn follow(config: &Config, name: Option<&str>) -> Exit {
    let Some(pipelines) = chosen(config, name) else { return Exit::Usage };
    let mut exit = Exit::Done;
    for pipeline in pipelines {
        exit = exit.max(follow_one(config, pipeline).await);
    }
    exit
}

async fn follow_one(config: &Config, pipeline: &PipelineConfig) -> Exit {
    let name = &pipeline.name;
    let mut live = Live::new();
    let mut meter = Meter::default();
    let mut attended = Attended::new();
    let exit = loop {
        let tables = match read(pipeline).await {
            Ok(Some(copy)) if copy.is_finished => break Exit::Done,
            Ok(Some(copy)) => copy.tables,
            // It is begun by the pipeline's first start.
            Ok(None) if pipeline.initial_copy.is_some() => Vec::new(),
            Ok(None) => break Exit::Done,
            Err(error) => {
                live.end();
                complain(format_args!("pipeline `{name}`: {error}"));
                return Exit::Failed;
            }
        };
        meter.take(amount(&tables));
        live.show(|with_bar| picture(name, &tables, (meter.rate(), with_bar)));
        if attended.is_abandoned(config, pipeline).await {
            live.end();
            note(format_args!(
                "no process runs pipeline `{name}`: its copy waits for its next start"
            ));
            break Exit::Unproven;
        }
        sleep(LOOK).await;
    };
    live.end();
    match read(pipeline).await {
        Ok(tables) => write(&as_text(name, tables.as_ref())),
        Err(error) => {
            complain(format_args!("pipeline `{name}`: {error}"));
            return Exit::Failed;
        }
    }
    exit
}

async fn read(pipeline: &PipelineConfig) -> Result<Option<CopyTables>> {
    let id = PipelineId::new(pipeline.name.as_str());
    copy::tables(&pipeline.to.url, SCHEMA, &id).await
}

/// The whole, and each table that is being copied.
fn picture(
    pipeline: &str,
    tables: &[CopyTableProgress],
    (rate, with_bar): (Option<Amount>, bool),
) -> Vec<String> {
    let mut lines = vec![total(pipeline, tables, (rate, with_bar))];
    for table in tables.iter().filter(|table| with_bar && table.stage == CopyStage::Copying) {
        lines.push(format!("  {}  {}", table.table, table_text(table, with_bar)));
    }
    lines
}

fn total(
    pipeline: &str,
    tables: &[CopyTableProgress],
    (rate, with_bar): (Option<Amount>, bool),
) -> String {
    let done = tables.iter().filter(|table| table.stage == CopyStage::Done).count();
    // Of tables that are done the number is known.
    let estimated = tables.iter().map(|table| match table.stage {
        CopyStage::Done => table.rows,
        CopyStage::Waiting | CopyStage::Copying | CopyStage::Forgotten => {
            table.estimated_rows.max(table.rows)
        }
    });
    let far = how_far(amount(tables), estimated.sum(), rate, with_bar);
    let hindered = match tables.iter().filter(|table| table.problem.is_some()).count() {
        0 => String::new(),
        count => format!(", {count} cannot be copied as they are"),
    };
    format!("pipeline {pipeline}: {done} of {} tables, {far}{hindered}", tables.len())
}

/// What was copied of all of them.
fn amount(tables: &[CopyTableProgress]) -> Amount {
    Amount {
        rows: tables.iter().map(|table| table.rows).sum(),
        bytes: Some(tables.iter().map(|table| table.bytes).sum()),
    }
}

fn table_text(table: &CopyTableProgress, with_bar: bool) -> String {
    let amount = amount(std::slice::from_ref(table));
    let rate = (table.took >= Duration::from_secs(1)).then(|| amount.per_second(table.took));
    match table.stage {
        CopyStage::Waiting | CopyStage::Forgotten => {
            format!("{}, about {} rows", table.stage.word(), table.estimated_rows)
        }
        CopyStage::Copying => {
            format!("copying, {}", how_far(amount, table.estimated_rows, rate, with_bar))
        }
        CopyStage::Done => {
            format!("done, {}", how_far(amount, 0, rate, false))
        }
    }
}

fn as_text(pipeline: &str, copy: Option<&CopyTables>) -> String {
    let Some(CopyTables { tables, .. }) = copy else {
        return format!("pipeline {pipeline}: began without an initial copy, or has not begun\n");
    };
    let mut text = total(pipeline, tables, (None, false));
    text.push('\n');
    for table in tables {
        text.push_str(&format!("  {}  {}\n", table.table, table_text(table, false)));
        if let Some(problem) = &table.problem {
            text.push_str(&format!("    {problem}\n"));
        }
    }
    text
}

fn as_json(pipeline: &str, copy: Option<&CopyTables>) -> Value {
    let state = match copy {
        None => "none",
        Some(copy) if copy.is_finished => "done",
        Some(_) => "copying",
    };
    let tables = copy.map_or(&[][..], |copy| &copy.tables);
    let tables = tables.iter().map(|table| {
        json!({
            "table": table.table.to_string(),
            "state": table.stage.word(),
            "rows": table.rows,
            "bytes": table.bytes,
            "estimated_rows": table.estimated_rows,
            "seconds": table.took.as_secs(),
            "problem": table.problem.as_deref(),
        })
    });
    json!({ "pipeline": pipeline, "state": state, "tables": tables.collect::<Vec<_>>() })
}
