//! Tells every few seconds how a pipeline moves, where it does: what an operator looks for first.

use std::convert::Infallible;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use otter_core::{Progress, SourceTime};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tracing::info;

/// Seldom enough for a log that is kept for weeks, often enough to see a pipeline at work.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// Logs a line every ten seconds in which the pipeline has moved. Ends by being dropped.
pub(super) async fn tell(pipeline: &str, mut progress: watch::Receiver<Progress>) -> Infallible {
    let mut told = progress.borrow().clone();
    let (mut lag, mut last_commit) = (Duration::ZERO, told.committed_at);
    let mut lines = interval_at(Instant::now() + BETWEEN_LINES, BETWEEN_LINES);
    lines.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_open = true;
    loop {
        tokio::select! {
            biased;
            _ = lines.tick() => {
                let now = progress.borrow().clone();
                if now.transactions != told.transactions {
                    log(pipeline, &told, &now, lag);
                    told = now;
                }
            }
            changed = progress.changed(), if is_open => {
                is_open = changed.is_ok();
                // The position of an idle source moves as well: that is no lag.
                let newest = progress.borrow_and_update().committed_at;
                if newest != last_commit {
                    lag = newest.map_or(lag, since);
                    last_commit = newest;
                }
            }
        }
    }
}

fn log(pipeline: &str, before: &Progress, now: &Progress, lag: Duration) {
    let rows = now.rows.saturating_sub(before.rows);
    let transactions = now.transactions.saturating_sub(before.transactions);
    let term = now.term.map_or(0, |term| term.0);
    info!(
        pipeline,
        term,
        position = %now.position_text(),
        rows,
        transactions,
        rows_per_second = rows / BETWEEN_LINES.as_secs(),
        lag_ms = u64::try_from(lag.as_millis()).unwrap_or(u64::MAX),
        "pipeline moved"
    );
}

/// How long ago the source committed it, by the clocks of both machines: for people only.
fn since(committed_at: SourceTime) -> Duration {
    behind(committed_at, time_of_day())
}

/// How far a transaction lies back at a time of this machine; not at all where the clocks differ.
pub(super) fn behind(committed_at: SourceTime, now: Duration) -> Duration {
    now.saturating_sub(Duration::from_micros(committed_at.0))
}

/// The time since 1970 by this machine's clock.
pub(super) fn time_of_day() -> Duration {
    #[allow(clippy::disallowed_methods, reason = "shown to people, decides nothing (CLOCK-1)")]
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH).unwrap_or_default()
}
