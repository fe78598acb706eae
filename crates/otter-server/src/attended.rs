//! Whether a process runs a pipeline that somebody waits for.

use std::time::Duration;

use otter_core::{PipelineId, Side};
use tokio::time::Instant;

use crate::assemble;
use crate::config::Config;

/// Between two questions.
const ASK: Duration = Duration::from_secs(2);

/// Whether a process runs the pipeline, as far as the arbiter can tell.
pub(crate) async fn is_held(config: &Config, id: &PipelineId) -> bool {
    match assemble::arbiter_status(config, &[Side::target(id.clone())]).await {
        Ok(status) => status.sides.iter().any(Option::is_some),
        Err(_) => true,
    }
}

/// Asks now and then while somebody waits.
#[derive(Debug)]
pub(crate) struct Attended {
    asked_at: Instant,
    absent: u32,
}

impl Attended {
    pub(crate) fn new() -> Self {
        Self { asked_at: Instant::now(), absent: 0 }
    }

    /// Whether nobody runs the pipeline, asked twice: a process may be about to take it over.
    pub(crate) async fn is_abandoned(&mut self, config: &Config, id: &PipelineId) -> bool {
        if self.asked_at.elapsed() >= ASK {
            self.asked_at = Instant::now();
            self.absent = if is_held(config, id).await { 0 } else { self.absent + 1 };
        }
        self.absent >= 2
    }
}
