//! How long it takes until others have taken the target over, by what stands in its checkpoints.

use std::collections::BTreeMap;
use std::time::Duration;

use otter_server::sandbox::Server;
use tokio::time::{Instant, sleep};

use super::installation::pipeline;
use crate::query::texts;

/// Often enough for a time to the tenth of a second.
const BETWEEN_LOOKS: Duration = Duration::from_millis(30);

/// The term under which each pipeline's target was claimed last.
pub(super) async fn terms(target: &Server) -> BTreeMap<String, u64> {
    let rows = texts(target, "SELECT pipeline, term FROM otter.checkpoint").await;
    let term = |row: Vec<String>| match row.as_slice() {
        [pipeline, term] => (pipeline.clone(), term.parse().expect("a term is a number")),
        _ => panic!("two columns were asked for"),
    };
    rows.into_iter().map(term).collect()
}

/// Pipelines whose holder is about to be taken away.
#[derive(Debug)]
pub(super) struct Watch {
    before: BTreeMap<String, u64>,
}

impl Watch {
    pub(super) async fn begin(target: &Server, pipelines: &[usize]) -> Self {
        let mut before = terms(target).await;
        let watched: Vec<String> = pipelines.iter().map(|number| pipeline(*number)).collect();
        before.retain(|pipeline, _| watched.contains(pipeline));
        assert_eq!(before.len(), pipelines.len(), "each has a checkpoint");
        Self { before }
    }

    /// Waits until each target was claimed under a higher term, and tells when, in their order.
    ///
    /// # Panics
    /// Where it takes longer than `limit` from `began` on.
    pub(super) async fn until_taken_over(
        self,
        target: &Server,
        (began, limit): (Instant, Duration),
    ) -> Vec<Duration> {
        let mut left = self.before;
        let mut times = Vec::new();
        loop {
            let now = terms(target).await;
            let elapsed = began.elapsed();
            left.retain(|pipeline, term| {
                let is_taken = now.get(pipeline).is_some_and(|now| now > term);
                if is_taken {
                    times.push(elapsed);
                }
                !is_taken
            });
            if left.is_empty() {
                return times;
            }
            assert!(elapsed <= limit, "not taken over within {limit:?}: {left:?}");
            sleep(BETWEEN_LOOKS).await;
        }
    }
}
