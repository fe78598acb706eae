//! How far the pipeline has come at the target, and waiting for it.

use std::time::Duration;

use otter_core::{PipelineId, Place};
use tokio::time::{Instant, sleep_until};

use super::error::{Database, VerifyError};
use super::line::Line;
use crate::checkpoint::{self, Checkpoint};
use crate::mysql::store::Store;

/// How often the checkpoint is looked at: a busy pipeline moves it every few milliseconds.
const FIRST_LOOK: Duration = Duration::from_millis(5);
const LATER_LOOKS: Duration = Duration::from_millis(100);

/// How long a pipeline that moves may take to come to a place.
const LONGEST: Duration = Duration::from_secs(600);

/// Whether the target holds what it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reached {
    Yes,
    /// Why not.
    No(String),
}

/// The checkpoint of one pipeline.
#[derive(Debug)]
pub(super) struct Stand {
    store: Store,
    pipeline: PipelineId,
    /// How long it may stand still before it is taken for stopped.
    patience: Duration,
    /// Where it was found to stand still: it is not waited for there again.
    stopped_at: Option<u64>,
}

impl Stand {
    pub(super) fn new(schema: &str, pipeline: &PipelineId, patience: Duration) -> Self {
        let store = Store::new(schema, pipeline.as_str());
        Self { store, pipeline: pipeline.clone(), patience, stopped_at: None }
    }

    /// Waits until the target holds everything before a place of the source.
    pub(super) async fn reach(
        &mut self,
        target: &mut Line,
        place: &Place,
    ) -> Result<Reached, VerifyError> {
        let began = Instant::now();
        let mut moved = began;
        let mut last = None;
        let mut pause = FIRST_LOOK;
        loop {
            let Some(checkpoint) = self.look(target).await? else {
                let why = "the pipeline has never been at this target";
                return Ok(Reached::No(why.to_owned()));
            };
            let applied = checkpoint.position.as_ref().map(|position| &position.applied_through);
            let covers = match applied {
                Some(applied) => applied.covers(place),
                None => Some(false),
            };
            if covers == Some(true) {
                self.stopped_at = None;
                return Ok(Reached::Yes);
            }
            let sequence = checkpoint.sequence;
            if covers.is_none() {
                let why = "the pipeline's position is of another history than the source's";
                return Ok(Reached::No(why.to_owned()));
            }
            if last != Some(sequence) {
                (last, moved) = (Some(sequence), Instant::now());
            }
            let is_still = moved.elapsed() >= self.patience || self.stopped_at == Some(sequence);
            if is_still || began.elapsed() >= LONGEST {
                self.stopped_at = Some(sequence);
                let stands = checkpoint.position.map_or_else(
                    || "has no position yet".to_owned(),
                    |position| format!("stands at {position}"),
                );
                let why = match is_still {
                    true => "does not move",
                    false => "does not catch up",
                };
                return Ok(Reached::No(format!("the pipeline {stands} and {why}")));
            }
            sleep_until(Instant::now() + pause).await;
            pause = (pause * 2).min(LATER_LOOKS);
        }
    }

    async fn look(&self, target: &mut Line) -> Result<Option<Checkpoint>, VerifyError> {
        let failed = VerifyError::database(Database::Target);
        let rows = self.store.read_if_there(&mut *target.conn).await.map_err(&failed)?;
        checkpoint::show(&rows, &self.pipeline).map_err(failed)
    }
}
