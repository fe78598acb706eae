//! `otter-server quarantine`: the rows that the targets hold, listed, shown, and given a fate.
//!
//! Nothing here writes to a user's table: a wish is left in the target, and the pipeline's loader
//! carries it out. Only `show` prints values, and leaves a note of that.

use otter_core::{PipelineId, Result};
use otter_sink::quarantine::{Held, NewValue, Quarantine, Selection};
use serde_json::{Value, json};

use crate::assemble::SCHEMA;
use crate::attended::when_it_happens;
use crate::config::{Config, PipelineConfig};
use crate::exit::Exit;
use crate::operator::operator;
use crate::position::chosen;
use crate::status::StatusFormat;
use crate::tail::row_as_json;
use crate::terminal::{complain, write};

/// What is done with held rows.
#[derive(Debug)]
pub(crate) enum Act {
    /// Prints them with their values.
    Show(Selection),
    /// Tries them again.
    Retry(Selection),
    /// Gives them up.
    Drop(Selection),
    /// Replaces values of one, and tries it again.
    Edit {
        /// The row's number.
        id: u64,
        /// The new values by column.
        values: Vec<(String, NewValue)>,
    },
}

/// Prints the held rows of one pipeline or all, without values.
pub(crate) async fn list(
    config: &Config,
    name: Option<&str>,
    which: &Selection,
    format: StatusFormat,
) -> Exit {
    let Some(pipelines) = chosen(config, name) else { return Exit::Usage };
    let mut exit = Exit::Done;
    let mut all = Vec::new();
    for pipeline in pipelines {
        match held_of(pipeline, which).await {
            Ok(rows) => match format {
                StatusFormat::Text => write(&as_text(&pipeline.name, &rows)),
                StatusFormat::Json => {
                    all.extend(rows.iter().map(|row| as_json(&pipeline.name, row)));
                }
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

/// Does something with held rows of one pipeline.
pub(crate) async fn act(config: &Config, name: &str, act: Act) -> Exit {
    let Some(pipelines) = chosen(config, Some(name)) else { return Exit::Usage };
    for pipeline in pipelines {
        let done = match act_on(pipeline, &act).await {
            Ok(done) => done,
            Err(error) => {
                complain(format_args!("pipeline `{name}`: {error}"));
                return Exit::Failed;
            }
        };
        if let Done::Wished { rows: 0, .. } = done {
            complain(format_args!("pipeline `{name}` holds no such rows"));
            return Exit::Failed;
        }
        if let Done::Wished { rows, what } = done {
            let when = when_it_happens(config, pipeline).await;
            write(&format!("pipeline {name}: {what} {rows} held rows {when}\n"));
        }
    }
    Exit::Done
}

/// What has been done.
enum Done {
    Shown,
    Wished { rows: u64, what: &'static str },
}

async fn act_on(pipeline: &PipelineConfig, act: &Act) -> Result<Done> {
    let mut desk = open(pipeline).await?;
    let done = match act {
        Act::Show(which) => {
            for row in desk.list(which).await? {
                let (row, rows) = desk.show(row.id).await?;
                let Some(change) = rows.changes().next() else { continue };
                write(&format!("{{\"id\":{},{}\n", row.id, tail_of(&row_as_json(&change))));
            }
            Done::Shown
        }
        Act::Retry(which) => Done::Wished { rows: desk.retry(which).await?, what: "will retry" },
        Act::Drop(which) => Done::Wished { rows: desk.give_up(which).await?, what: "will drop" },
        Act::Edit { id, values } => {
            desk.edit(*id, values).await?;
            Done::Wished { rows: 1, what: "will retry, edited," }
        }
    };
    desk.close().await;
    Ok(done)
}

/// An object without its opening brace.
fn tail_of(object: &str) -> &str {
    object.strip_prefix('{').unwrap_or(object)
}

async fn held_of(pipeline: &PipelineConfig, which: &Selection) -> Result<Vec<Held>> {
    let mut desk = open(pipeline).await?;
    let rows = desk.list(which).await?;
    desk.close().await;
    Ok(rows)
}

async fn open(pipeline: &PipelineConfig) -> Result<Quarantine> {
    let id = PipelineId::new(pipeline.name.as_str());
    let desk = Quarantine::open(&pipeline.to.url, SCHEMA, &id).await?;
    Ok(desk.on_behalf_of(&operator()))
}

fn as_text(pipeline: &str, rows: &[Held]) -> String {
    if rows.is_empty() {
        return format!("pipeline {pipeline}: nothing is held\n");
    }
    let mut text = format!("pipeline {pipeline}: {} rows are held\n", rows.len());
    for row in rows {
        let key = if row.key.is_empty() { "no key" } else { &row.key };
        text.push_str(&format!(
            "  {:<6} {} of {} (key {key}), row {} of the transaction at {}, held since {} UTC\n",
            row.id, row.kind, row.table, row.ordinal, row.place, row.held_time
        ));
        text.push_str(&format!("         {}; {}\n", row.reason, row.remedy));
        if row.tries > 0 {
            let tried = row.tried_time.as_deref().unwrap_or("an unknown time");
            text.push_str(&format!("         tried {} times, last at {tried} UTC\n", row.tries));
        }
        if let Some(wanted) = row.wanted {
            let edited = if row.is_edited { ", edited" } else { "" };
            text.push_str(&format!("         wanted: {wanted}{edited}\n"));
        }
    }
    text
}

fn as_json(pipeline: &str, row: &Held) -> Value {
    json!({
        "pipeline": pipeline,
        "id": row.id,
        "database": &*row.table.database,
        "table": &*row.table.table,
        "type": row.kind,
        "key": row.key,
        "position": row.place,
        "gtid": row.gtid,
        "ordinal": row.ordinal,
        "code": row.code,
        "reason": row.reason,
        "remedy": row.remedy,
        "behind": row.cause,
        "tries": row.tries,
        "held_time": row.held_time,
        "tried_time": row.tried_time,
        "wanted": row.wanted,
        "edited": row.is_edited,
    })
}
