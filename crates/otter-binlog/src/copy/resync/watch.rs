//! Looking for requests: once a second, and soon after one has ended, in a task of its own.

use std::sync::Arc;
use std::time::Duration;

use otter_core::{ResyncLog, ResyncRecord, ResyncRequest};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::debug;

/// How often the target is asked; each time one small statement.
const EVERY: Duration = Duration::from_secs(1);
/// How soon, where another request may wait behind one that has ended: the loader has committed its end
/// by then, mostly.
const SOON: Duration = Duration::from_millis(50);

/// What the list holds first.
pub(super) type First = Option<(ResyncRequest, ResyncRecord)>;

/// A task that looks; it ends with this.
#[derive(Debug)]
pub(super) struct Watch {
    found: mpsc::Receiver<First>,
    hurry: Arc<Notify>,
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
        let hurry = Arc::new(Notify::new());
        let hurried = Arc::clone(&hurry);
        let task = tokio::spawn(async move {
            let mut pace = interval(EVERY);
            pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    _ = pace.tick() => {}
                    () = hurried.notified() => sleep(SOON).await,
                }
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
        Self { found, hurry, task }
    }

    /// Has the next look come soon.
    pub(super) fn hurry(&self) {
        self.hurry.notify_one();
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
