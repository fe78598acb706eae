//! Whether the pipeline can begin or go on where it is to: at its checkpoint, or at `start`.

use std::time::Duration;

use otter_core::{Budget, Finding, PipelineId, Position, Result, Select};
use otter_sink::checkpoint::{self, Checkpoint};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::MEND;
use crate::assemble::{self, SCHEMA};
use crate::config::{Config, PipelineConfig};
use crate::retention;

/// A source answers in milliseconds; recognising it takes one transaction.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn look(config: &Config, pipeline: &PipelineConfig) -> Vec<Finding> {
    let id = PipelineId::new(pipeline.name.as_str());
    match checkpoint::read(&pipeline.to.url, SCHEMA, &id).await {
        Err(error) => {
            vec![Finding::fail("the checkpoint can be read", error.to_string(), MEND)]
        }
        Ok(Some(checkpoint)) => {
            let mut findings = vec![whose(config, pipeline, &checkpoint).await];
            findings.push(match &checkpoint.position {
                Some(position) => resume(pipeline, position).await,
                None => begin(pipeline).await,
            });
            if let Some(position) = &checkpoint.position {
                findings.extend(keeps(pipeline, position).await);
            }
            findings
        }
        Ok(None) => vec![begin(pipeline).await],
    }
}

/// Whether this installation may go on from the checkpoint.
async fn whose(config: &Config, pipeline: &PipelineConfig, checkpoint: &Checkpoint) -> Finding {
    const WHAT: &str = "the checkpoint is this installation's";
    match assemble::arbiter_id(config).await {
        Err(error) => Finding::fail(WHAT, error.to_string(), MEND),
        Ok(Some(ours)) if ours == checkpoint.arbiter => Finding::pass(WHAT),
        Ok(_) => Finding::fail(
            WHAT,
            format!("it was written under arbiter {}", checkpoint.arbiter),
            format!(
                "stop every process of the other installation, then run: otter-server position \
                 adopt -c {} {}",
                config.file.display(),
                pipeline.name
            ),
        ),
    }
}

async fn resume(pipeline: &PipelineConfig, position: &Position) -> Finding {
    const WHAT: &str = "the source still has what follows the checkpoint";
    finding(WHAT, open_at(pipeline, position).await, || format!("goes on at {position}"))
}

/// Begins to read at a position, as a start would, and ends it.
pub(crate) async fn open_at(
    pipeline: &PipelineConfig,
    position: &Position,
) -> std::result::Result<Result<()>, Elapsed> {
    let mut selector = assemble::selector(pipeline);
    let budget = Budget::new(pipeline.limits.memory_bytes);
    timeout(PATIENCE, selector.open(position, &budget)).await
}

/// How long the source keeps what follows; where it does not answer, that has been said.
async fn keeps(pipeline: &PipelineConfig, position: &Position) -> Option<Finding> {
    timeout(PATIENCE, retention::look(pipeline, position)).await.ok()?.ok()?
}

async fn begin(pipeline: &PipelineConfig) -> Finding {
    const WHAT: &str = "the source has what `start` asks for";
    let Some(start) = &pipeline.start else {
        return Finding::fail(
            "there is a place to start at",
            "the target has no checkpoint of this pipeline, and `start` is not set",
            format!(
                "start = \"now\"    # in pipeline `{}`; or \"earliest\", or a position",
                pipeline.name
            ),
        );
    };
    let mut selector = assemble::selector(pipeline);
    match timeout(PATIENCE, selector.locate(start)).await {
        Ok(Ok(position)) => {
            Finding { detail: format!("begins at {position}"), ..Finding::pass(WHAT) }
        }
        Ok(Err(error)) => Finding::fail(WHAT, error.to_string(), MEND),
        Err(_) => silent(WHAT),
    }
}

fn finding(
    what: &str,
    outcome: std::result::Result<Result<()>, Elapsed>,
    detail: impl FnOnce() -> String,
) -> Finding {
    match outcome {
        Ok(Ok(())) => Finding { detail: detail(), ..Finding::pass(what) },
        Ok(Err(error)) => Finding::fail(what, error.to_string(), MEND),
        Err(_) => silent(what),
    }
}

fn silent(what: &str) -> Finding {
    let detail = format!("the source does not answer within {} s", PATIENCE.as_secs());
    Finding::fail(what, detail, "look at the source's load and the line to it, then check again")
}
