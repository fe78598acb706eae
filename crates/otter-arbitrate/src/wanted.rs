//! What operators want of pipelines: that they run, or that they rest.
//!
//! It is written into an arbiter's records, outlives every process, and is followed by all of them:
//! whoever runs a pipeline that shall rest stops it in order and gives its side back, and nobody asks
//! for the side until it shall run again. No promise depends on it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use otter_core::PipelineId;
use tokio::sync::watch;

/// What an operator wants of a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wanted {
    /// It runs wherever it can.
    #[default]
    Running,
    /// It rests everywhere.
    Paused,
}

/// The pipelines that shall rest; `None` while the arbiter has not told yet.
pub(crate) type Paused = Option<Arc<BTreeSet<PipelineId>>>;

/// Follows what is wanted of the pipelines of an installation. While the arbiter is away, it stays as
/// it was known last.
#[derive(Debug, Clone)]
pub struct Wishes(watch::Receiver<Paused>);

impl Wishes {
    pub(crate) fn new(paused: watch::Receiver<Paused>) -> Self {
        Self(paused)
    }

    /// What is wanted of a pipeline now, as far as is known; `None` before the arbiter was asked.
    #[must_use]
    pub fn of(&self, pipeline: &PipelineId) -> Option<Wanted> {
        self.0.borrow().as_ref().map(|paused| wanted(paused, pipeline))
    }

    /// Waits until the arbiter has told what is wanted; for ever where it is closed before.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn known(&self) {
        let mut paused = self.0.clone();
        if paused.wait_for(Option::is_some).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until this is wanted of a pipeline; for ever where the arbiter is closed.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn wait_for(&self, pipeline: &PipelineId, what: Wanted) {
        let mut paused = self.0.clone();
        let is_so = |paused: &Paused| {
            paused.as_ref().is_some_and(|paused| wanted(paused, pipeline) == what)
        };
        if paused.wait_for(is_so).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

fn wanted(paused: &BTreeSet<PipelineId>, pipeline: &PipelineId) -> Wanted {
    if paused.contains(pipeline) { Wanted::Paused } else { Wanted::Running }
}

/// Tells those that follow, where something has changed.
pub(crate) fn tell(sender: &watch::Sender<Paused>, paused: BTreeSet<PipelineId>) {
    sender.send_if_modified(|known| {
        let differs = known.as_deref() != Some(&paused);
        if differs {
            *known = Some(Arc::new(paused));
        }
        differs
    });
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Paused => "paused",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[test]
    fn wishes_are_told_in_words() {
        assert_eq!(
            [Wanted::Running, Wanted::Paused].map(|it| it.to_string()),
            ["running", "paused"]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_is_told_when_it_is_so_and_not_before() {
        let (sender, receiver) = watch::channel(None);
        let wishes = Wishes::new(receiver);
        let (shop, stock) = (PipelineId::new("shop"), PipelineId::new("stock"));
        assert_eq!(wishes.of(&shop), None);
        let long = Duration::from_secs(60);
        // Before the arbiter has told, neither is wanted.
        for what in [Wanted::Running, Wanted::Paused] {
            assert!(timeout(long, wishes.wait_for(&shop, what)).await.is_err());
        }
        assert!(timeout(long, wishes.known()).await.is_err());
        tell(&sender, BTreeSet::from([shop.clone()]));
        wishes.known().await;
        assert_eq!(
            (wishes.of(&shop), wishes.of(&stock)),
            (Some(Wanted::Paused), Some(Wanted::Running))
        );
        wishes.wait_for(&shop, Wanted::Paused).await;
        wishes.wait_for(&stock, Wanted::Running).await;
        assert!(timeout(long, wishes.wait_for(&shop, Wanted::Running)).await.is_err());
        tell(&sender, BTreeSet::new());
        wishes.wait_for(&shop, Wanted::Running).await;
        drop(sender);
        assert!(timeout(long, wishes.wait_for(&shop, Wanted::Paused)).await.is_err());
    }
}
