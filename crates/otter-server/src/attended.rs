//! Whether a process runs a pipeline that somebody waits for.

use std::time::Duration;

use otter_arbitrate::ArbiterStatus;
use otter_core::{PipelineId, Side};
use otter_sink::checkpoint;
use tokio::time::Instant;

use crate::assemble::{self, SCHEMA};
use crate::config::{ArbiterKind, Config, PipelineConfig};
use crate::terminal::note;

/// Between two questions.
const ASK: Duration = Duration::from_secs(2);

/// What is known of the process that runs a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attendance {
    Held,
    Nobody,
    /// The arbiter does not answer; or a process of another machine may run it, of which this one's
    /// knows nothing.
    Unknown,
}

/// Whether a process runs the pipeline, as far as can be told: where nothing can, one may.
pub(crate) async fn is_held(config: &Config, pipeline: &PipelineConfig) -> bool {
    look(config, pipeline).await != Attendance::Nobody
}

/// When a wish is carried out: a running pipeline looks for it, else its next start does.
pub(crate) async fn when_it_happens(config: &Config, pipeline: &PipelineConfig) -> &'static str {
    match look(config, pipeline).await {
        Attendance::Held => "in a moment",
        Attendance::Nobody => "when it runs: no process holds it now",
        Attendance::Unknown => "in a moment, or when it runs",
    }
}

async fn look(config: &Config, pipeline: &PipelineConfig) -> Attendance {
    let id = PipelineId::new(pipeline.name.as_str());
    let Ok(status) = assemble::arbiter_status(config, &[Side::target(id)]).await else {
        return Attendance::Unknown;
    };
    if status.sides.iter().any(Option::is_some) {
        return Attendance::Held;
    }
    match &config.arbiter.kind {
        ArbiterKind::Local { .. } => look_at_target(pipeline, &status).await,
        ArbiterKind::MySql { .. } | ArbiterKind::ZooKeeper { .. } => Attendance::Nobody,
    }
}

/// A local arbiter knows of its own processes alone: whose the checkpoint is, the target tells.
async fn look_at_target(pipeline: &PipelineConfig, status: &ArbiterStatus) -> Attendance {
    let id = PipelineId::new(pipeline.name.as_str());
    match checkpoint::read(&pipeline.to.url, SCHEMA, &id).await {
        Ok(Some(found)) if status.id.as_ref() != Some(&found.arbiter) => Attendance::Unknown,
        Ok(_) => Attendance::Nobody,
        Err(_) => Attendance::Unknown,
    }
}

/// Asks now and then while somebody waits.
#[derive(Debug)]
pub(crate) struct Attended {
    asked_at: Instant,
    absent: u32,
    /// It was told that nothing is known of the process.
    was_told: bool,
}

impl Attended {
    pub(crate) fn new() -> Self {
        Self { asked_at: Instant::now(), absent: 0, was_told: false }
    }

    /// Whether nobody runs the pipeline, asked twice: a process may be about to take it over.
    pub(crate) async fn is_abandoned(
        &mut self,
        config: &Config,
        pipeline: &PipelineConfig,
    ) -> bool {
        if self.asked_at.elapsed() < ASK {
            return self.absent >= 2;
        }
        self.asked_at = Instant::now();
        match look(config, pipeline).await {
            Attendance::Nobody => self.absent += 1,
            Attendance::Held => self.absent = 0,
            Attendance::Unknown => {
                self.absent = 0;
                if !std::mem::replace(&mut self.was_told, true) {
                    note(format_args!(
                        "whether a process runs pipeline `{}` is not known, since its arbiter does not \
                         answer, or it was run last under that of another machine: it is waited for; \
                         Ctrl-C ends the waiting and takes nothing back",
                        pipeline.name
                    ));
                }
            }
        }
        self.absent >= 2
    }
}
