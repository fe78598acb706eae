//! Whether the source purges what a pipeline still needs, told while there is time.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use otter_binlog::selector::{Retention, Room};
use otter_core::{Finding, PipelineId, Position, Result};
use otter_sink::checkpoint;
use tokio::time::sleep;
use tracing::{debug, info, warn};

use crate::assemble::{self, SCHEMA};
use crate::config::PipelineConfig;
use crate::live::size;

/// Less than so many thousandths of the time for which the source keeps its binlog, or of the room, is
/// little.
const LITTLE: u32 = 250;
/// Between two looks: seldom, for it costs the source a connection, and often where it keeps little.
const LOOKS_WHILE_KEPT: u32 = 100;
const SHORTEST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(600);

/// A week, in seconds.
const WEEK: u64 = 604_800;

/// What to do when time runs out. The source keeps its binlog longer then, never shorter.
fn remedy(retention: &Retention) -> String {
    const ELSE: &str = "-- at the source; or let the pipeline run, and look why it is behind";
    let is_scarcer =
        |room: &Room| share_of_time(retention).is_none_or(|it| share_of_room(*room) < it);
    if let Some(room) = retention.room.filter(is_scarcer) {
        let bytes = room.limit.max(room.taken).saturating_mul(2);
        let variable = room.variable;
        return format!("SET GLOBAL {variable} = {bytes}    {ELSE}");
    }
    let kept = retention.kept.map_or(0, |kept| kept.as_secs());
    let seconds = kept.saturating_mul(2).max(WEEK).min(u32::MAX.into());
    format!("SET GLOBAL binlog_expire_logs_seconds = {seconds}    {ELSE}")
}

/// What is left of the time or of the room, in thousandths, where it is little.
fn little(retention: &Retention) -> Option<u32> {
    let of_room = retention.room.map(share_of_room);
    let least = share_of_time(retention).into_iter().chain(of_room).min()?;
    (least < LITTLE).then_some(least)
}

/// What is left of the time, in thousandths.
fn share_of_time(retention: &Retention) -> Option<u32> {
    let (kept, left) = (retention.kept?, retention.left?);
    Some(thousandths(left.as_millis(), kept.as_millis()))
}

/// What is left of the room, in thousandths.
fn share_of_room(room: Room) -> u32 {
    thousandths(room.limit.saturating_sub(room.taken).into(), room.limit.into())
}

fn thousandths(part: u128, whole: u128) -> u32 {
    let share = part.saturating_mul(1_000).checked_div(whole).unwrap_or(0);
    u32::try_from(share).unwrap_or(u32::MAX)
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
        Some(_) => Finding::warn(WHAT, text(&found), remedy(&found)),
        None => Finding { detail: text(&found), ..Finding::pass(WHAT) },
    }))
}

/// What is known, for people.
pub(crate) fn text(retention: &Retention) -> String {
    let Some(room) = retention.room else { return text_of_time(retention) };
    let by_size = format!(
        "what is needed from {} on takes {} of the {} that all files may have",
        retention.file,
        size(room.taken),
        size(room.limit)
    );
    match retention.kept {
        None => by_size,
        Some(_) => format!("{}; {by_size}", text_of_time(retention)),
    }
}

fn text_of_time(retention: &Retention) -> String {
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

/// Whether a pipeline that is looked after moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moves {
    /// It runs, and finds out by itself when its place is gone.
    Yes,
    /// It is paused or halted, and nobody else looks.
    No,
}

/// Looks again and again how long what a pipeline needs is kept, and warns when time runs out; of one
/// that does not move also when it is gone. Ends by being dropped.
pub(crate) async fn guard(pipeline: &PipelineConfig, moves: Moves) -> Infallible {
    let mut told = Told::default();
    loop {
        let seen = match Box::pin(look_at_checkpoint(pipeline)).await {
            Ok(seen) => seen,
            Err(error) => {
                debug!(pipeline = %pipeline.name, %error, "how long the source keeps its binlog is \
                     not known");
                Seen::Nothing
            }
        };
        match told.next(&seen, moves) {
            Some(News::Little(found)) => warn!(
                pipeline = %pipeline.name,
                "the source will purge what the pipeline still needs: {}; {}",
                text(&found),
                remedy(&found)
            ),
            Some(News::Enough(found)) => info!(
                pipeline = %pipeline.name,
                "the source keeps what the pipeline needs long enough again: {}",
                text(&found)
            ),
            Some(News::Gone(file)) => warn!(
                pipeline = %pipeline.name, %file,
                "the source does not have the file any more from which the pipeline was to go on: \
                 `otter-server position show` tells whether its place is lost; then its tables must \
                 be copied again and the pipeline started afresh"
            ),
            None => {}
        }
        sleep(pause(seen.kept())).await;
    }
}

fn pause(found: Option<&Retention>) -> Duration {
    let kept = found.and_then(|found| found.kept).unwrap_or(LONGEST * LOOKS_WHILE_KEPT);
    // A busy source may need the rest of its room any minute.
    let longest =
        if found.is_some_and(|found| found.room.is_some()) { LONGEST / 10 } else { LONGEST };
    (kept / LOOKS_WHILE_KEPT).clamp(SHORTEST, longest)
}

/// What was seen of the file that a pipeline needs.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    /// The pipeline has no place yet, or a place without a file, or a database did not answer.
    Nothing,
    /// The source has it.
    Kept(Retention),
    /// The source does not have it.
    Gone(Arc<str>),
}

impl Seen {
    fn kept(&self) -> Option<&Retention> {
        match self {
            Self::Kept(found) => Some(found),
            Self::Nothing | Self::Gone(_) => None,
        }
    }
}

async fn look_at_checkpoint(pipeline: &PipelineConfig) -> Result<Seen> {
    let id = PipelineId::new(pipeline.name.as_str());
    let found = checkpoint::read(&pipeline.to.url, SCHEMA, &id).await?;
    let Some(position) = found.and_then(|found| found.position) else { return Ok(Seen::Nothing) };
    let kept = assemble::selector(pipeline).retention(&position).await?;
    Ok(match (kept, position.resume_from.file) {
        (Some(kept), _) => Seen::Kept(kept),
        (None, Some(needed)) => Seen::Gone(needed.file),
        (None, None) => Seen::Nothing,
    })
}

/// What is worth a line in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
enum News {
    Little(Retention),
    Enough(Retention),
    Gone(Arc<str>),
}

/// What was told last.
#[derive(Debug, Default)]
struct Told {
    /// What was left of time or room, in thousandths; `None` while there is enough.
    left: Option<u32>,
    /// The file that is gone.
    gone: Option<Arc<str>>,
}

impl Told {
    /// Little time or room is told when it begins, and each time that half of it is gone; a file that is gone
    /// is told once.
    fn next(&mut self, seen: &Seen, moves: Moves) -> Option<News> {
        match seen {
            Seen::Nothing => None,
            Seen::Kept(found) => {
                self.gone = None;
                self.time(found)
            }
            Seen::Gone(_) if moves == Moves::Yes => None,
            Seen::Gone(file) if self.gone.as_ref() == Some(file) => None,
            Seen::Gone(file) => {
                self.gone = Some(Arc::clone(file));
                Some(News::Gone(Arc::clone(file)))
            }
        }
    }

    fn time(&mut self, found: &Retention) -> Option<News> {
        let Some(left) = little(found) else {
            return self.left.take().map(|_| News::Enough(found.clone()));
        };
        let is_news = match self.left {
            None => true,
            Some(told) => left <= told / 2 && left < told,
        };
        if !is_news {
            return None;
        }
        self.left = Some(left);
        Some(News::Little(found.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retention(kept: Option<Duration>, left: Option<Duration>) -> Retention {
        Retention { file: "binlog.000007".into(), kept, left, room: None }
    }

    #[test]
    fn little_time_is_told_when_it_begins_and_at_each_half() {
        let hour = Duration::from_secs(3_600);
        let mut told = Told::default();
        let mut next = |minutes: Option<u64>| {
            let left = minutes.map(|minutes| Duration::from_secs(minutes * 60));
            let seen = Seen::Kept(retention(Some(hour), left));
            match told.next(&seen, Moves::Yes) {
                None => "nothing",
                Some(News::Little(_)) => "little",
                Some(News::Enough(_)) => "enough",
                Some(News::Gone(_)) => "gone",
            }
        };
        assert_eq!(next(None), "nothing");
        assert_eq!(next(Some(50)), "nothing");
        assert_eq!(next(Some(14)), "little");
        assert_eq!(next(Some(12)), "nothing");
        assert_eq!(next(Some(7)), "little");
        assert_eq!(next(Some(0)), "little");
        assert_eq!(next(Some(0)), "nothing");
        assert_eq!(next(None), "enough");
        assert_eq!(next(None), "nothing");
        assert_eq!(next(Some(1)), "little");
    }

    #[test]
    fn a_file_that_is_gone_is_told_once_where_the_pipeline_does_not_move() {
        let gone = Seen::Gone("binlog.000007".into());
        let mut told = Told::default();
        assert_eq!(told.next(&gone, Moves::Yes), None);
        let news = Some(News::Gone("binlog.000007".into()));
        assert_eq!(told.next(&gone, Moves::No), news);
        assert_eq!(told.next(&Seen::Nothing, Moves::No), None);
        assert_eq!(told.next(&gone, Moves::No), None);
        assert_eq!(told.next(&Seen::Kept(retention(None, None)), Moves::No), None);
        assert_eq!(told.next(&gone, Moves::No), news);
    }

    #[test]
    fn the_remedy_never_has_the_source_keep_less() {
        let told = |days: u64| remedy(&retention(Some(Duration::from_secs(days * 86_400)), None));
        assert!(told(1).contains("= 604800 "), "{}", told(1));
        assert!(told(30).contains("= 5184000 "), "{}", told(30));
        assert!(told(99 * 365).contains("= 4294967295 "), "{}", told(99 * 365));
    }

    #[test]
    fn what_is_kept_for_ever_is_never_little() {
        assert_eq!(little(&retention(None, None)), None);
        assert!(text(&retention(None, None)).contains("purges nothing"));
    }

    #[test]
    fn room_that_runs_out_is_little_whatever_time_is_left() {
        let hour = Duration::from_secs(3_600);
        let taken = |taken| {
            let room = Room { variable: "max_binlog_total_size", limit: 1 << 30, taken };
            Retention { room: Some(room), ..retention(Some(hour), Some(hour)) }
        };
        let half = taken(1 << 29);
        assert_eq!(little(&half), None);
        assert!(text(&half).contains("takes 512.0 MiB of the 1.0 GiB"), "{}", text(&half));
        let full = taken((1 << 30) - 1);
        assert_eq!(little(&full), Some(0));
        assert!(remedy(&full).starts_with("SET GLOBAL max_binlog_total_size = 2147483648 "));
        // More than may be: the server keeps it while it is read, or has not purged it yet.
        let more = taken(1 << 31);
        assert_eq!(little(&more), Some(0));
        assert!(remedy(&more).starts_with("SET GLOBAL max_binlog_total_size = 4294967296 "));
        assert_eq!(pause(Some(&more)), Duration::from_secs(36));
        // Whatever is scarcer is mended.
        let late = Retention { left: Some(Duration::ZERO), ..taken(900 << 20) };
        assert!(remedy(&late).contains("binlog_expire_logs_seconds"), "{}", remedy(&late));
        let alone = Retention { kept: None, left: None, ..full };
        assert!(!text(&alone).contains("purges nothing"), "{}", text(&alone));
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
