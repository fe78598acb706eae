//! `otter-server pause` and `resume`: what an operator wants of a pipeline, written for all processes of
//! an installation.

use otter_arbitrate::Wanted;
use otter_core::{PipelineId, Side};

use crate::assemble;
use crate::config::Config;
use crate::exit::Exit;
use crate::position;
use crate::terminal::{complain, write};

/// Writes what is wanted of one pipeline, and tells what becomes of it.
pub(crate) async fn want(config: &Config, name: &str, wanted: Wanted) -> Exit {
    let Some(pipelines) = position::chosen(config, Some(name)) else { return Exit::Usage };
    for pipeline in pipelines {
        let id = PipelineId::new(pipeline.name.as_str());
        // Asked before: whoever holds it may be quick.
        let text = consequence(config, &id, wanted).await;
        if let Err(error) = assemble::want(config, &id, wanted).await {
            complain(error);
            return Exit::Failed;
        }
        write(&format!("pipeline {id}: {text}\n"));
    }
    Exit::Done
}

async fn consequence(config: &Config, id: &PipelineId, wanted: Wanted) -> String {
    let side = Side::target(id.clone());
    let found = assemble::arbiter_status(config, &[side]).await;
    let holder = found.ok().and_then(|found| found.sides.into_iter().next().flatten());
    match (wanted, holder) {
        (Wanted::Paused, Some(held)) => {
            format!("paused; {} loads what it has read, and stops", held.holder)
        }
        (Wanted::Paused, None) => "paused; no process holds it".to_owned(),
        (Wanted::Running, Some(held)) => format!("resumed; {} holds it", held.holder),
        (Wanted::Running, None) => "resumed; a process that runs takes it".to_owned(),
    }
}
