//! How long a source keeps what is still needed of its binlog.
//!
//! Both servers purge whole files, the oldest first and never the one that is written, when they
//! begin a new one. What counts is when a file was written last: MySQL looks at the file's time,
//! which is that of the first event of the file behind it to a second or so. Some also purge where
//! all files together become too large.
//! <https://dev.mysql.com/doc/refman/9.7/en/replication-options-binary-log.html#sysvar_binlog_expire_logs_seconds>,
//! <https://mariadb.com/kb/en/replication-and-binary-log-system-variables/#expire_logs_days>.

use std::sync::Arc;
use std::time::Duration;

use otter_core::{Place, Position};

use super::error::SelectError;
use super::options::SelectorOptions;
use super::since::head;
use super::status::binlog_files;
use crate::connection::{Connection, ServerInfo};

/// How long a source keeps what a position still needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// The oldest file that is needed.
    pub file: Arc<str>,
    /// How old a file becomes before the server purges it; `None` where it keeps all.
    pub kept: Option<Duration>,
    /// The time from now until the server may purge the file; zero where the next new file may bring
    /// that. `None` where it does not: it keeps all, or the file is the one that is written now.
    pub left: Option<Duration>,
    /// How much room there is for binlogs, where the server purges by their size too; `None` also where
    /// the file is the one that is written now.
    pub room: Option<Room>,
}

/// The room that a server has for its binlogs: it purges the oldest files when they need more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// The server's variable that limits it, which an operator may set.
    pub variable: &'static str,
    /// How many bytes all files may have.
    pub limit: u64,
    /// How many the files have that are needed: from the oldest needed one to the newest.
    pub taken: u64,
}

/// MariaDB since 11.4, and Percona Server.
const ROOM: [&str; 2] = ["max_binlog_total_size", "binlog_space_limit"];

/// The room that the files take which are needed, by their sizes.
fn room(info: &ServerInfo, needed: impl Iterator<Item = u64>) -> Option<Room> {
    let limit = |name: &'static str| {
        let bytes: u64 = info.variable(name)?.parse().ok()?;
        (bytes > 0).then_some((name, bytes))
    };
    let (variable, limit) = ROOM.into_iter().find_map(limit)?;
    Some(Room { variable, limit, taken: needed.fold(0, u64::saturating_add) })
}

/// How old a server lets a binlog file become; `None` where it keeps all.
pub(crate) fn kept(info: &ServerInfo) -> Option<Duration> {
    const DAY: f64 = 24.0 * 3600.0;
    if info.variable("binlog_expire_logs_auto_purge") == Some("OFF") {
        return None;
    }
    let seconds = |name: &str, unit: f64| {
        let value: f64 = info.variable(name)?.parse().ok()?;
        let seconds = Duration::try_from_secs_f64(value * unit).ok()?;
        (!seconds.is_zero()).then_some(seconds)
    };
    // Either of the two may be set; 0 means for ever.
    seconds("binlog_expire_logs_seconds", 1.0).or_else(|| seconds("expire_logs_days", DAY))
}

/// Looks how long the source keeps what a position needs; `None` where the position or the source
/// does not know the file.
pub(super) async fn look(
    options: &SelectorOptions,
    position: &Position,
) -> Result<Option<Retention>, SelectError> {
    let Place { file: Some(needed), .. } = &position.resume_from else { return Ok(None) };
    let mut connection = Connection::connect(&options.url).await?;
    let info = connection.server_info().await?;
    let files = binlog_files(&mut connection).await?;
    let clock = connection.query("SELECT UNIX_TIMESTAMP() AS now").await?;
    let now = clock.first("now").and_then(|now| now.parse().ok()).unwrap_or(0);
    connection.close().await;
    let Some(index) = files.iter().position(|file| *file.name == *needed.file) else {
        return Ok(None);
    };
    let mut retention =
        Retention { file: Arc::clone(&needed.file), kept: kept(&info), left: None, room: None };
    // The newest file is never purged.
    if let Some(next) = files.get(index + 1) {
        retention.room = room(&info, files.iter().skip(index).map(|file| file.size));
        let Some(kept) = retention.kept else { return Ok(Some(retention)) };
        let written = u64::from(head(options, &info, &next.name).await?.begun_at.unwrap_or(0));
        retention.left = Some(left(written, kept, now));
    }
    Ok(Some(retention))
}

/// How long a file is kept that was written last at a time; both times are seconds since 1970.
fn left(written: u64, kept: Duration, now: u64) -> Duration {
    let until = Duration::from_secs(written).saturating_add(kept);
    until.saturating_sub(Duration::from_secs(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_kept_from_when_it_was_written_last() {
        let hour = Duration::from_secs(3_600);
        assert_eq!(left(10_000, hour, 10_000), hour);
        assert_eq!(left(10_000, hour, 13_000), Duration::from_secs(600));
        assert_eq!(left(10_000, hour, 99_000), Duration::ZERO);
        // The source's clock was set back.
        assert_eq!(left(10_000, hour, 9_000), Duration::from_secs(4_600));
    }
}
