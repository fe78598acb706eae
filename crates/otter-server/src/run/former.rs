//! Opening the arbiter for `run`: a new one is made only where no checkpoint names a former one of its
//! kind.
//!
//! Whoever makes a new arbiter where the records of the former were deleted keeps those that know the
//! former from making it again, and every pipeline would need an operator.

use otter_arbitrate::ZooKeeperArbiter;
use otter_core::{ArbiterId, Classify, Fault, PipelineId, Result};
use otter_sink::checkpoint;
use tokio::task::JoinSet;

use crate::assemble::{self, OpenArbiter, SCHEMA};
use crate::config::{ArbiterKind, Config, PipelineConfig};

/// So many targets are asked at once: few for a server that many pipelines write to.
const AT_ONCE: usize = 16;

/// The arbiter would be a new one, and a checkpoint names a former one.
#[derive(Debug, thiserror::Error)]
#[error(
    "there is no arbiter yet where [arbiter] says, and the checkpoint of pipeline {pipeline} belongs \
     to arbiter {former}: where its records were deleted, start a process first whose state folder \
     knows it; otherwise make sure that no process works under the former arbiter any more, then \
     run: otter-server position adopt -c {file}"
)]
struct FormerArbiter {
    pipeline: String,
    former: ArbiterId,
    file: String,
}

impl Classify for FormerArbiter {
    fn fault(&self) -> Fault {
        Fault::Fatal
    }

    fn doing(&self) -> &'static str {
        "open the arbiter"
    }
}

/// Opens the arbiter of an installation.
pub(super) async fn open(config: &Config) -> Result<OpenArbiter> {
    match &config.arbiter.kind {
        // Its folder is the machine's own: nobody else could know what was in it.
        ArbiterKind::Local { .. } => return assemble::arbiter(config).await,
        ArbiterKind::MySql { .. } => {
            if assemble::arbiter_id(config).await?.is_some() {
                return assemble::arbiter(config).await;
            }
        }
        ArbiterKind::ZooKeeper { place } => {
            if let Some(arbiter) = ZooKeeperArbiter::reopen(place, config.arbiter.lease).await? {
                return Ok(assemble::in_zookeeper(arbiter));
            }
        }
    }
    match former(config).await? {
        Some(error) => Err(error.into()),
        None => assemble::arbiter(config).await,
    }
}

/// Looks for a checkpoint that names another arbiter of this kind. A target that does not answer is
/// told by its pipeline, unless none does: then nothing is known.
async fn former(config: &Config) -> Result<Option<FormerArbiter>> {
    // How the ids of its kind begin.
    let kind = format!("{}-", config.arbiter.kind.word());
    let (mut silence, mut has_answer) = (None, false);
    for some in config.pipelines.chunks(AT_ONCE) {
        let mut asked = JoinSet::new();
        for pipeline in some {
            asked.spawn(arbiter_of(pipeline.clone()));
        }
        while let Some(answer) = asked.join_next().await {
            let Ok((pipeline, answer)) = answer else { continue };
            match answer {
                Ok(Some(former)) if former.as_str().starts_with(&kind) => {
                    let file = config.file.display().to_string();
                    return Ok(Some(FormerArbiter { pipeline, former, file }));
                }
                // What is wrong for good is told by the pipeline, with the others' help or not.
                Err(error) if error.fault() == Fault::Transient => silence = Some(error),
                Ok(_) | Err(_) => has_answer = true,
            }
        }
    }
    match silence {
        Some(error) if !has_answer => Err(error),
        Some(_) | None => Ok(None),
    }
}

/// The arbiter that a pipeline's checkpoint names.
async fn arbiter_of(pipeline: PipelineConfig) -> (String, Result<Option<ArbiterId>>) {
    let id = PipelineId::new(pipeline.name.as_str());
    let found = checkpoint::read(&pipeline.to.url, SCHEMA, &id).await;
    (pipeline.name, found.map(|found| found.map(|found| found.arbiter)))
}
