//! Opening the arbiter for `run`: a new one is made only where no checkpoint names a former one.
//!
//! Whoever makes a new arbiter where the nodes of the former were deleted keeps those that know the
//! former from making it again, and every pipeline would need an operator.

use otter_arbitrate::{ZooKeeperArbiter, ZooKeeperPlace};
use otter_core::{ArbiterId, Classify, Fault, PipelineId, Result};
use otter_sink::checkpoint;
use tokio::task::JoinSet;

use crate::assemble::{self, OpenArbiter, SCHEMA};
use crate::config::{ArbiterKind, Config, PipelineConfig};

/// How the ids of arbiters in ZooKeeper begin.
const IN_ZOOKEEPER: &str = "zookeeper-";
/// So many targets are asked at once: few for a server that many pipelines write to.
const AT_ONCE: usize = 16;

/// The arbiter would be a new one, and a checkpoint names a former one.
#[derive(Debug, thiserror::Error)]
#[error(
    "there is no arbiter in {place}, and the checkpoint of pipeline {pipeline} belongs to arbiter \
     {former}: where its nodes were deleted, start a process first whose state folder knows it; \
     where the ensemble is another one, make sure that no process works under the former arbiter any \
     more, then run: otter-server position adopt -c {file}"
)]
struct FormerArbiter {
    place: String,
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
    let ArbiterKind::ZooKeeper { place } = &config.arbiter.kind else {
        return assemble::arbiter(config).await;
    };
    if let Some(arbiter) = ZooKeeperArbiter::reopen(place, config.arbiter.lease).await? {
        return Ok(assemble::in_zookeeper(arbiter));
    }
    match former(config, place).await {
        Some(error) => Err(error.into()),
        None => assemble::arbiter(config).await,
    }
}

/// Looks for a checkpoint that names another arbiter in ZooKeeper. A target that does not answer is
/// told by its pipeline.
async fn former(config: &Config, place: &ZooKeeperPlace) -> Option<FormerArbiter> {
    for some in config.pipelines.chunks(AT_ONCE) {
        let mut asked = JoinSet::new();
        for pipeline in some {
            asked.spawn(former_of(pipeline.clone()));
        }
        while let Some(answer) = asked.join_next().await {
            let Ok(Some((pipeline, former))) = answer else { continue };
            let (place, file) = (place.to_string(), config.file.display().to_string());
            return Some(FormerArbiter { place, pipeline, former, file });
        }
    }
    None
}

async fn former_of(pipeline: PipelineConfig) -> Option<(String, ArbiterId)> {
    let id = PipelineId::new(pipeline.name.as_str());
    let found = checkpoint::read(&pipeline.to.url, SCHEMA, &id).await.ok()??;
    let is_in_zookeeper = found.arbiter.as_str().starts_with(IN_ZOOKEEPER);
    is_in_zookeeper.then_some((pipeline.name, found.arbiter))
}
