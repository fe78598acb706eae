//! Opening a connection to a target and setting up its session.
//!
//! The session accepts every value that a source can hold, unchanged, and refuses what does not
//! fit; its time-outs are below the lease, so that a frozen process loses its locks in time.

use std::time::Duration;

use otter_core::DatabaseUrl;
use otter_mysql::ConnectionError;

use super::conn::{ApplyConn, ConnError, OwnConn};
use super::error::MySqlLoadError;
use super::plan::NewRows;

/// Values are accepted as the source had them (zero dates, 0 in AUTO_INCREMENT columns), and what
/// does not fit is an error. Without ANSI_QUOTES, NO_BACKSLASH_ESCAPES and PIPES_AS_CONCAT: the
/// literals are written for that.
pub(crate) const SQL_MODE: &str =
    "STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,NO_ENGINE_SUBSTITUTION";

/// As [`SQL_MODE`], but not strict: the only way to write an ENUM's error value.
pub(crate) const LENIENT_SQL_MODE: &str =
    "NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,NO_ENGINE_SUBSTITUTION";

/// Which of the two servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavour {
    MySql,
    MariaDb,
}

/// What the server says about itself and about us.
#[derive(Debug, Clone)]
pub(crate) struct ServerFacts {
    pub(crate) flavour: Flavour,
    pub(crate) version: String,
    /// The largest text it takes, in bytes.
    pub(crate) max_packet: usize,
    /// The fastest way for many new rows.
    pub(crate) new_rows: NewRows,
    /// The account as `'user'@'host'`, ready for a GRANT.
    pub(crate) account: String,
}

/// The session's time-outs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SessionTimes {
    /// How long the server waits for the next command, or for the network.
    pub(crate) idle: Duration,
    /// How long a statement waits for a row lock.
    pub(crate) row_lock: Duration,
    /// How long we wait for an answer.
    pub(crate) answer: Duration,
}

impl SessionTimes {
    /// Two thirds of the lease: pings come at a third of it, and a silent holder's locks are gone
    /// before the lease is.
    pub(crate) fn below(lease: Duration, row_lock: Duration, answer: Duration) -> Self {
        Self { idle: lease * 2 / 3, row_lock, answer }
    }
}

/// Opens a connection and sets the session up, within the URL's connect time-out.
pub(crate) async fn open(
    url: &DatabaseUrl,
    times: SessionTimes,
) -> Result<(Box<dyn ApplyConn>, ServerFacts), MySqlLoadError> {
    let (address, after) = (url.address(), url.connect_timeout());
    match tokio::time::timeout(after, Box::pin(open_patiently(url, times))).await {
        Ok(outcome) => outcome,
        Err(_) => {
            Err(ConnectionError::Timeout { address, doing: "set up a session", after }.into())
        }
    }
}

async fn open_patiently(
    url: &DatabaseUrl,
    times: SessionTimes,
) -> Result<(Box<dyn ApplyConn>, ServerFacts), MySqlLoadError> {
    let mut conn = Box::pin(OwnConn::open(url, times.answer)).await?;
    let rows = conn.query(&session_text(times)).await.map_err(MySqlLoadError::plain)?;
    let facts =
        rows.last().and_then(|row| read_facts(row, conn.takes_rows())).ok_or_else(|| {
            MySqlLoadError::plain(ConnError::Broken(
                "the server does not say its version".to_owned(),
            ))
        })?;
    Ok((Box::new(conn), facts))
}

/// Limits of MariaDB's own that a server may set for everybody stand in a comment that MySQL skips:
/// a large transaction takes its time.
fn session_text(times: SessionTimes) -> String {
    let seconds = |time: Duration| time.as_secs().max(1);
    format!(
        "SET SESSION sql_mode='{SQL_MODE}', time_zone='+00:00', autocommit=1, \
         completion_type=0, foreign_key_checks=1, unique_checks=1, sql_safe_updates=0, \
         sql_big_selects=1, innodb_lock_wait_timeout={row_lock}, lock_wait_timeout={meta_lock}, \
         wait_timeout={idle}, net_read_timeout={idle}, net_write_timeout={idle} \
         /*M!100500 , max_statement_time=0, idle_transaction_timeout=0, \
         idle_write_transaction_timeout=0 */; \
         SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; \
         SELECT VERSION(), @@max_allowed_packet, CURRENT_USER(), @@local_infile",
        row_lock = seconds(times.row_lock),
        // Metadata locks are held by whole transactions, so they may take longer than rows.
        meta_lock = seconds(times.row_lock * 3),
        idle = seconds(times.idle),
    )
}

fn read_facts(row: &[Option<String>], takes_rows: bool) -> Option<ServerFacts> {
    let [Some(version), Some(max_packet), Some(account), local_data] = row else { return None };
    let flavour = if version.contains("MariaDB") { Flavour::MariaDb } else { Flavour::MySql };
    Some(ServerFacts {
        flavour,
        version: version.clone(),
        max_packet: max_packet.parse().ok()?,
        new_rows: if takes_rows {
            NewRows::Parameters
        } else if local_data.as_deref() == Some("1") {
            NewRows::Lines
        } else {
            NewRows::Inserts
        },
        account: super::names::account(account)?,
    })
}
