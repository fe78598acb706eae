//! What the pipelines of this process are doing, gathered to be published for `otter-server status`.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use otter_arbitrate::{Report, Reports};
use otter_core::{PipelineId, Progress, Side, SourceTime, State};
use tokio::sync::watch;
use tokio::time::sleep;

use super::moves::{behind, time_of_day};

/// How often an arbiter is written to at most: seldom for thousands of pipelines, often enough for
/// somebody who looks whether a pipeline moves.
pub(super) const BETWEEN_WRITES: Duration = Duration::from_secs(5);
/// How often the pipelines are looked at.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// The pipelines that this process runs.
#[derive(Debug, Default)]
pub(super) struct Board(Mutex<BTreeMap<PipelineId, Entry>>);

#[derive(Debug)]
struct Entry {
    progress: watch::Receiver<Progress>,
    /// The newest transaction that was in the target when it was looked at last.
    seen: Option<SourceTime>,
}

/// Takes a pipeline off the board when dropped.
#[derive(Debug)]
pub(super) struct Listed {
    board: Arc<Board>,
    pipeline: PipelineId,
}

impl Board {
    fn entries(&self) -> MutexGuard<'_, BTreeMap<PipelineId, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lists a pipeline until the answer is dropped.
    pub(super) fn list(
        self: &Arc<Self>,
        pipeline: PipelineId,
        progress: watch::Receiver<Progress>,
    ) -> Listed {
        self.entries().insert(pipeline.clone(), Entry { progress, seen: None });
        Listed { board: Arc::clone(self), pipeline }
    }

    /// What all pipelines are doing; `now` is the time of this machine.
    fn look(&self, now: Duration) -> Vec<Report> {
        let mut entries = self.entries();
        entries.iter_mut().filter_map(|(pipeline, entry)| entry.look(pipeline, now)).collect()
    }
}

impl Entry {
    fn look(&mut self, pipeline: &PipelineId, now: Duration) -> Option<Report> {
        let progress = self.progress.borrow().clone();
        let has_moved = progress.committed_at != self.seen;
        self.seen = progress.committed_at;
        Some(Report {
            side: Side::target(pipeline.clone()),
            term: progress.term?,
            state: progress.state,
            lag: lag(&progress, has_moved, now),
            committed_at: progress.committed_at,
            rows: progress.rows,
            transactions: progress.transactions,
            retries: progress.retries,
            position: progress.position.as_ref().map(ToString::to_string).unwrap_or_default(),
        })
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.board.entries().remove(&self.pipeline);
    }
}

/// How far a target is behind. One that catches up waits for nothing again and again while it is
/// behind by hours: it is known by transactions that come. An idle one is not behind, however old
/// its newest transaction is.
fn lag(progress: &Progress, has_moved: bool, now: Duration) -> Option<Duration> {
    if progress.state != State::Running {
        return None;
    }
    if progress.is_drained && !has_moved {
        return Some(Duration::ZERO);
    }
    Some(behind(progress.committed_at?, now))
}

/// Publishes what the pipelines are doing. Ends by being dropped.
pub(super) async fn publish(board: &Board, reports: Reports) -> Infallible {
    loop {
        reports.publish(&board.look(time_of_day()));
        sleep(BETWEEN_LOOKS).await;
    }
}

#[cfg(test)]
mod tests {
    use otter_core::Term;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn progress(state: State, committed_at: Option<Duration>, is_drained: bool) -> Progress {
        let micros = |time: Duration| SourceTime(u64::try_from(time.as_micros()).unwrap());
        Progress {
            state,
            term: Some(Term(7)),
            committed_at: committed_at.map(micros),
            is_drained,
            ..Progress::default()
        }
    }

    #[test]
    fn what_comes_tells_how_far_behind_it_is_and_silence_tells_nothing() {
        let board = Arc::new(Board::default());
        let (sender, receiver) = watch::channel(progress(State::Starting, None, false));
        let listed = board.list(PipelineId::new("shop"), receiver);
        let lag = |now| board.look(now).first().map(|report| report.lag);
        assert_eq!(lag(9 * HOUR), Some(None));
        // Nothing has come yet.
        sender.send_replace(progress(State::Running, None, true));
        assert_eq!(lag(9 * HOUR), Some(Some(Duration::ZERO)));
        sender.send_replace(progress(State::Running, None, false));
        assert_eq!(lag(9 * HOUR), Some(None));
        // It catches up, and has loaded what it has read.
        sender.send_replace(progress(State::Running, Some(7 * HOUR), true));
        assert_eq!(lag(9 * HOUR), Some(Some(2 * HOUR)));
        sender.send_replace(progress(State::Running, Some(8 * HOUR), true));
        assert_eq!(lag(9 * HOUR), Some(Some(HOUR)));
        // Nothing more comes.
        assert_eq!(lag(9 * HOUR), Some(Some(Duration::ZERO)));
        // Something waits and is not loaded.
        sender.send_replace(progress(State::Running, Some(8 * HOUR), false));
        assert_eq!(lag(10 * HOUR), Some(Some(2 * HOUR)));
        sender.send_replace(progress(State::Retrying, Some(8 * HOUR), false));
        assert_eq!(lag(10 * HOUR), Some(None));
        // The clocks differ.
        sender.send_replace(progress(State::Running, Some(11 * HOUR), false));
        assert_eq!(lag(10 * HOUR), Some(Some(Duration::ZERO)));
        drop(listed);
        assert_eq!(lag(10 * HOUR), None);
    }
}
