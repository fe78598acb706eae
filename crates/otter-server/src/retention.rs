//! Whether the source purges what a pipeline still needs, told while there is time.

use std::convert::Infallible;
use std::time::Duration;

use otter_binlog::selector::Retention;
use otter_core::{Finding, PipelineId, Position, Result};
use otter_sink::checkpoint;
use tokio::time::sleep;
use tracing::{debug, info, warn};

use crate::assemble::{self, SCHEMA};
use crate::config::PipelineConfig;

/// Less than this part of the time for which the source keeps its binlog is little.
const LITTLE: u32 = 4;
/// Between two looks: seldom, for it costs the source a connection, and often where it keeps little.
const LOOKS_WHILE_KEPT: u32 = 100;
const SHORTEST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(600);

/// Where to look when time runs out.
const REMEDY: &str = "SET GLOBAL binlog_expire_logs_seconds = 604800    -- at the source; or let the \
                      pipeline run, and look why it is behind";

/// The time that is left, in words, where it is little.
fn little(retention: &Retention) -> Option<Duration> {
    let (kept, left) = (retention.kept?, retention.left?);
    (left < kept / LITTLE).then_some(left)
}

/// The finding of `check`; `None` where nothing can be known.
pub(crate) async fn look(
    pipeline: &PipelineConfig,
    position: &Position,
) -> Result<Option<Finding>> {
    const WHAT: &str = "the source keeps what follows the checkpoint for a while";
    let Some(found) = assemble::selector(pipeline).retention(position).await? else {
        return Ok(None);
    };
    Ok(Some(match little(&found) {
        Some(_) => Finding::warn(WHAT, text(&found), REMEDY),
        None => Finding { detail: text(&found), ..Finding::pass(WHAT) },
    }))
}

/// What is known, for people.
pub(crate) fn text(retention: &Retention) -> String {
    let file = &retention.file;
    match (retention.kept, retention.left) {
        (None, _) => format!("{file} is kept, since the source purges nothing by itself"),
        (Some(kept), None) => format!(
            "{file} is the newest file; one is kept for {} after it was written",
            span(kept)
        ),
        (Some(_), Some(Duration::ZERO)) => {
            format!("{file} may be purged whenever the source begins a new file")
        }
        (Some(kept), Some(left)) => {
            format!("{file} is kept for another {} (of {})", span(left), span(kept))
        }
    }
}

/// A time in the unit that fits.
pub(crate) fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// Looks again and again while a pipeline runs, and warns when time runs out. Ends with the run that
/// it is dropped with.
pub(crate) async fn guard(pipeline: &PipelineConfig) -> Infallible {
    let mut told = Told::default();
    loop {
        let found = match Box::pin(look_at_checkpoint(pipeline)).await {
            Ok(found) => found,
            Err(error) => {
                debug!(pipeline = %pipeline.name, %error, "how long the source keeps its binlog is \
                     not known");
                None
            }
        };
        if let Some(found) = &found {
            match told.next(found) {
                Some(News::Little) => warn!(
                    pipeline = %pipeline.name,
                    "the source will purge what the pipeline still needs: {}; {REMEDY}",
                    text(found)
                ),
                Some(News::Enough) => info!(
                    pipeline = %pipeline.name,
                    "the source keeps what the pipeline needs long enough again: {}",
                    text(found)
                ),
                None => {}
            }
        }
        sleep(pause(found.as_ref())).await;
    }
}

fn pause(found: Option<&Retention>) -> Duration {
    let kept = found.and_then(|found| found.kept).unwrap_or(LONGEST * LOOKS_WHILE_KEPT);
    (kept / LOOKS_WHILE_KEPT).clamp(SHORTEST, LONGEST)
}

async fn look_at_checkpoint(pipeline: &PipelineConfig) -> Result<Option<Retention>> {
    let id = PipelineId::new(pipeline.name.as_str());
    let found = checkpoint::read(&pipeline.to.url, SCHEMA, &id).await?;
    let Some(position) = found.and_then(|found| found.position) else { return Ok(None) };
    assemble::selector(pipeline).retention(&position).await
}

/// What is worth a line in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    Little,
    Enough,
}

/// The time left that was told last; `None` while there is enough.
#[derive(Debug, Default)]
struct Told(Option<Duration>);

impl Told {
    /// Little time is told when it begins, and each time that half of it is gone.
    fn next(&mut self, found: &Retention) -> Option<News> {
        let Some(left) = little(found) else {
            return self.0.take().map(|_| News::Enough);
        };
        let is_news = match self.0 {
            None => true,
            Some(told) => left <= told / 2 && left < told,
        };
        if !is_news {
            return None;
        }
        self.0 = Some(left);
        Some(News::Little)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retention(kept: Option<Duration>, left: Option<Duration>) -> Retention {
        Retention { file: "binlog.000007".into(), kept, left }
    }

    #[test]
    fn little_time_is_told_when_it_begins_and_at_each_half() {
        let hour = Duration::from_secs(3_600);
        let mut told = Told::default();
        let mut next = |minutes: Option<u64>| {
            let left = minutes.map(|minutes| Duration::from_secs(minutes * 60));
            told.next(&retention(Some(hour), left))
        };
        assert_eq!(next(None), None);
        assert_eq!(next(Some(50)), None);
        assert_eq!(next(Some(14)), Some(News::Little));
        assert_eq!(next(Some(12)), None);
        assert_eq!(next(Some(7)), Some(News::Little));
        assert_eq!(next(Some(0)), Some(News::Little));
        assert_eq!(next(Some(0)), None);
        assert_eq!(next(None), Some(News::Enough));
        assert_eq!(next(None), None);
        assert_eq!(next(Some(1)), Some(News::Little));
    }

    #[test]
    fn what_is_kept_for_ever_is_never_little() {
        assert_eq!(little(&retention(None, None)), None);
        assert!(text(&retention(None, None)).contains("purges nothing"));
    }

    #[test]
    fn looks_are_seldom_but_many_while_a_file_is_kept() {
        assert_eq!(pause(None), LONGEST);
        let days = Duration::from_secs(30 * 86_400);
        assert_eq!(pause(Some(&retention(Some(days), None))), LONGEST);
        let hour = Duration::from_secs(3_600);
        assert_eq!(pause(Some(&retention(Some(hour), None))), Duration::from_secs(36));
        assert_eq!(pause(Some(&retention(Some(Duration::from_secs(1)), None))), SHORTEST);
    }
}
