//! `otter-server position`: the checkpoints in the targets, shown and handed over.
//!
//! Positions live in the targets and nowhere else; this reads them, and on the operator's word moves
//! one or makes it the checkpoint of this installation's arbiter.

mod set;

use std::sync::Arc;

use otter_core::{Arbiter, Campaign, Fault, Lease, PipelineId, Position, Side};
use otter_sink::checkpoint::{self, Checkpoint};

use crate::assemble::{self, SCHEMA};
use crate::config::{Config, PipelineConfig};
use crate::exit::Exit;
use crate::terminal::{complain, write};
use crate::{preflight, retention};
pub(crate) use set::{Wish, set};

/// Prints the checkpoints of one pipeline or all.
pub(crate) async fn show(config: &Config, name: Option<&str>) -> Exit {
    let Some(pipelines) = chosen(config, name) else { return Exit::Usage };
    let ours = match assemble::arbiter_id(config).await {
        Ok(id) => id,
        Err(error) => {
            complain(error);
            return Exit::Failed;
        }
    };
    let mut exit = Exit::Done;
    for pipeline in pipelines {
        let id = PipelineId::new(pipeline.name.as_str());
        match checkpoint::read(&pipeline.to.url, SCHEMA, &id).await {
            Ok(found) => {
                write(&described(pipeline, found.as_ref(), ours.as_ref()));
                if let Some(position) = found.and_then(|found| found.position) {
                    write(&kept(pipeline, &position).await);
                }
            }
            Err(error) => {
                complain(format_args!("pipeline `{id}`: {error}"));
                exit = Exit::Failed;
            }
        }
    }
    exit
}

/// Makes the checkpoints of one pipeline or all this installation's.
pub(crate) async fn adopt(config: &Config, name: Option<&str>) -> Exit {
    let Some(pipelines) = chosen(config, name) else { return Exit::Usage };
    let open = match assemble::arbiter(config).await {
        Ok(arbiter) => arbiter,
        Err(error) => {
            complain(error);
            return Exit::Failed;
        }
    };
    let mut exit = Exit::Done;
    for pipeline in pipelines {
        exit = exit.max(adopt_one(pipeline, &open.arbiter).await);
    }
    open.close().await;
    exit
}

async fn adopt_one(pipeline: &PipelineConfig, arbiter: &Arc<dyn Arbiter>) -> Exit {
    let id = PipelineId::new(pipeline.name.as_str());
    let lease = match hold(&id, arbiter, "adopt again").await {
        Ok(lease) => lease,
        Err(exit) => return exit,
    };
    let adopted = match checkpoint::read(&pipeline.to.url, SCHEMA, &id).await {
        Ok(None) => {
            write(&format!("pipeline {id}: no checkpoint in `{}` yet\n", pipeline.to.name));
            return Exit::Done;
        }
        // An arbiter that was set back grants terms which the checkpoint refuses.
        Ok(Some(found)) if found.arbiter == *arbiter.id() && found.term < lease.term() => {
            write(&format!("pipeline {id}: the checkpoint is this installation's already\n"));
            return Exit::Done;
        }
        Ok(Some(_)) => checkpoint::adopt(&pipeline.to.url, SCHEMA, &id, arbiter.id()).await,
        Err(error) => Err(error),
    };
    drop(lease);
    match adopted {
        Ok(checkpoint) => {
            write(&format!("pipeline {id}: adopted at {}\n", position_text(&checkpoint)));
            Exit::Done
        }
        Err(error) => {
            complain(format_args!("pipeline `{id}`: {error}"));
            Exit::Failed
        }
    }
}

/// Holds a pipeline, so that no process of this installation writes while its checkpoint is changed;
/// the exit code after a complaint where that cannot be.
async fn hold(
    id: &PipelineId,
    arbiter: &Arc<dyn Arbiter>,
    again: &str,
) -> std::result::Result<Lease, Exit> {
    match arbiter.try_campaign(&Side::target(id.clone())).await {
        Ok(Campaign::Won(lease)) => Ok(lease),
        Ok(Campaign::Held(holder)) => {
            complain(format_args!(
                "pipeline `{id}` is held by {holder}: stop that process, then {again}"
            ));
            Err(Exit::Held)
        }
        Err(error) => {
            complain(format_args!("pipeline `{id}`: {error}"));
            Err(Exit::Failed)
        }
    }
}

/// One pipeline; `None` after a complaint where there is no such one.
fn pipeline_named<'c>(config: &'c Config, name: &str) -> Option<&'c PipelineConfig> {
    chosen(config, Some(name))?.into_iter().next()
}

/// The pipelines that are meant; `None` after a complaint where there is no such one.
pub(crate) fn chosen<'c>(
    config: &'c Config,
    name: Option<&str>,
) -> Option<Vec<&'c PipelineConfig>> {
    let Some(name) = name else { return Some(config.pipelines.iter().collect()) };
    let found = config.pipeline(name);
    if found.is_none() {
        let known: Vec<&str> = config.pipelines.iter().map(|one| one.name.as_str()).collect();
        complain(format_args!(
            "{} has no pipeline `{name}`; there are {}",
            config.file.display(),
            known.join(", ")
        ));
    }
    Some(vec![found?])
}

fn described(
    pipeline: &PipelineConfig,
    checkpoint: Option<&Checkpoint>,
    ours: Option<&otter_core::ArbiterId>,
) -> String {
    let mut text =
        format!("pipeline {}: {} → {}\n", pipeline.name, pipeline.from.name, pipeline.to.name);
    let Some(found) = checkpoint else {
        text.push_str("  no checkpoint yet: it begins at `start`\n");
        return text;
    };
    let whose = if ours == Some(&found.arbiter) {
        "this installation's"
    } else {
        "another installation's: see `otter-server help position adopt`"
    };
    let time = |time: &Option<String>| {
        time.as_ref().map_or_else(|| "unknown".to_owned(), |time| format!("{time} UTC"))
    };
    for (name, value) in [
        ("position", position_text(found)),
        ("source time", time(&found.source_time)),
        ("applied", time(&found.applied_time)),
        ("target transactions", found.sequence.to_string()),
        ("term", found.term.to_string()),
        ("arbiter", format!("{} ({whose})", found.arbiter)),
    ] {
        text.push_str(&format!("  {name:<20} {value}\n"));
    }
    if found.lanes > 1 {
        text.push_str(&format!("  {:<20} {}\n", "lanes", lanes_text(found)));
    }
    text
}

/// How long the source keeps what follows a position.
async fn kept(pipeline: &PipelineConfig, position: &Position) -> String {
    let text = match assemble::selector(pipeline).retention(position).await {
        Ok(Some(found)) => retention::text(&found),
        Ok(None) => without_file(pipeline, position).await,
        Err(error) => format!("unknown: {error}"),
    };
    format!("  {:<20} {text}\n", "at the source")
}

/// Whether the source has what follows a position whose file it has not: GTIDs may lead on.
async fn without_file(pipeline: &PipelineConfig, position: &Position) -> String {
    match Box::pin(preflight::open_at(pipeline, position)).await {
        Ok(Ok(())) => "what follows is there; for how long is not known, since the source has no \
             file of the position's name"
            .to_owned(),
        Ok(Err(error)) if error.fault() == Fault::Transient => format!("unknown: {error}"),
        // The message tells what to do.
        Ok(Err(error)) => format!("lost: the pipeline cannot go on from there: {error}"),
        Err(_) => "unknown: the source has no file of the position's name, and does not answer \
             whether it has what follows; try again"
            .to_owned(),
    }
}

/// Fast mode's lanes, and whether the target is at one place.
fn lanes_text(checkpoint: &Checkpoint) -> String {
    let count = checkpoint.lanes;
    match &checkpoint.furthest {
        None => format!("{count}, all at this position"),
        Some(furthest) => {
            format!("{count}, interrupted at different places, the furthest at {furthest}")
        }
    }
}

fn position_text(checkpoint: &Checkpoint) -> String {
    checkpoint.position.as_ref().map_or_else(|| "no position yet".to_owned(), ToString::to_string)
}
