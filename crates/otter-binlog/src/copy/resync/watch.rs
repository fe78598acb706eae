//! Looking for requests: once a second, in a task of its own.

use std::sync::Arc;
use std::time::Duration;

use otter_core::{ResyncLog, ResyncRecord, ResyncRequest};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};
use tracing::debug;

/// How often the target is asked; each time one small statement.
const EVERY: Duration = Duration::from_secs(1);

/// What the list holds first.
pub(super) type First = Option<(ResyncRequest, ResyncRecord)>;

/// A task that looks; it ends with this.
#[derive(Debug)]
pub(super) struct Watch {
    found: mpsc::Receiver<First>,
    task: JoinHandle<()>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Watch {
    pub(super) fn start(log: Arc<dyn ResyncLog>) -> Self {
        let (sender, found) = mpsc::channel(1);
        let task = tokio::spawn(async move {
            let mut pace = interval(EVERY);
            pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                pace.tick().await;
                match log.first().await {
                    Ok(first) => {
                        if sender.send(first).await.is_err() {
                            return;
                        }
                    }
                    // The loader meets a target that is away, and tells.
                    Err(error) => {
                        debug!(%error, "requests to copy rows again cannot be looked for");
                    }
                }
            }
        });
        Self { found, task }
    }

    /// What was found at the next look. Cancel safe.
    pub(super) async fn next(&mut self) -> First {
        match self.found.recv().await {
            Some(first) => first,
            // The task ends only with this.
            None => std::future::pending().await,
        }
    }
}
