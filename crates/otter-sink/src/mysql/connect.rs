//! Opening a connection to a target and setting up its session.
//!
//! The session accepts every value that a source can hold, unchanged, and refuses what does not
//! fit; its time-outs are below the lease, so that a frozen process loses its locks in time.

use std::time::Duration;

use otter_core::DatabaseUrl;
use otter_core::database_url::SslMode;
use sqlx::ConnectOptions;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};

use super::conn::{ApplyConn, ConnError, SqlxConn};
use super::error::MySqlLoadError;

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
    let opening = Box::pin(open_within(url, times));
    match tokio::time::timeout(url.connect_timeout(), opening).await {
        Ok(outcome) => outcome,
        Err(_) => Err(MySqlLoadError::Unreachable {
            address: url.address(),
            cause: format!("no login within {} s", url.connect_timeout().as_secs_f32()),
        }),
    }
}

async fn open_within(
    url: &DatabaseUrl,
    times: SessionTimes,
) -> Result<(Box<dyn ApplyConn>, ServerFacts), MySqlLoadError> {
    let mut conn = SqlxConn::open(connect_options(url), times.answer)
        .await
        .map_err(|error| refused_connection(url, &error))?;
    let rows = conn.query(&session_text(times)).await.map_err(MySqlLoadError::plain)?;
    let facts = rows.last().and_then(|row| read_facts(row)).ok_or_else(|| {
        MySqlLoadError::plain(ConnError::Broken("the server does not say its version".to_owned()))
    })?;
    Ok((Box::new(conn), facts))
}

fn connect_options(url: &DatabaseUrl) -> MySqlConnectOptions {
    let mut options = MySqlConnectOptions::new()
        .host(url.host())
        .port(url.port())
        .username(url.user())
        .ssl_mode(match url.ssl_mode() {
            SslMode::Disabled => MySqlSslMode::Disabled,
            SslMode::Preferred => MySqlSslMode::Preferred,
            SslMode::Required => MySqlSslMode::Required,
            SslMode::VerifyCa => MySqlSslMode::VerifyCa,
            SslMode::VerifyIdentity => MySqlSslMode::VerifyIdentity,
        })
        // The session is set up in one text of ours; sqlx's would cost another round trip.
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .timezone(None)
        .set_names(false)
        // sqlx logs statements, and ours hold row values (SECRET-1).
        .disable_statement_logging();
    if !url.password().is_empty() {
        options = options.password(url.password().expose());
    }
    if let Some(database) = url.database() {
        options = options.database(database);
    }
    if let Some(ca) = url.ssl_ca() {
        options = options.ssl_ca(ca);
    }
    options
}

/// Limits of MariaDB's own that a server may set for everybody stand in a comment that MySQL skips:
/// a large transaction takes its time.
fn session_text(times: SessionTimes) -> String {
    let seconds = |time: Duration| time.as_secs().max(1);
    format!(
        "SET NAMES utf8mb4; \
         SET SESSION sql_mode='{SQL_MODE}', time_zone='+00:00', autocommit=1, \
         completion_type=0, foreign_key_checks=1, unique_checks=1, sql_safe_updates=0, \
         sql_big_selects=1, innodb_lock_wait_timeout={row_lock}, lock_wait_timeout={meta_lock}, \
         wait_timeout={idle}, net_read_timeout={idle}, net_write_timeout={idle} \
         /*M!100500 , max_statement_time=0, idle_transaction_timeout=0, \
         idle_write_transaction_timeout=0 */; \
         SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; \
         SELECT VERSION(), @@max_allowed_packet, CURRENT_USER()",
        row_lock = seconds(times.row_lock),
        // Metadata locks are held by whole transactions, so they may take longer than rows.
        meta_lock = seconds(times.row_lock * 3),
        idle = seconds(times.idle),
    )
}

fn read_facts(row: &[Option<String>]) -> Option<ServerFacts> {
    let [Some(version), Some(max_packet), Some(account)] = row else { return None };
    let flavour = if version.contains("MariaDB") { Flavour::MariaDb } else { Flavour::MySql };
    // The host part is behind the last @, since a user's name may hold one.
    let (user, host) = account.rsplit_once('@')?;
    Some(ServerFacts {
        flavour,
        version: version.clone(),
        max_packet: max_packet.parse().ok()?,
        account: format!("{}@{}", super::names::string(user), super::names::string(host)),
    })
}

/// Tells the faults of connecting apart, with the remedy where there is one.
fn refused_connection(url: &DatabaseUrl, error: &sqlx::Error) -> MySqlLoadError {
    let address = url.address();
    if let sqlx::Error::Configuration(_) = error {
        // The only configuration that sqlx refuses here is RSA, which is left out because of
        // RUSTSEC-2023-0071.
        return MySqlLoadError::NeedsTls { address, user: url.user().to_owned() };
    }
    if let sqlx::Error::Tls(cause) = error {
        return MySqlLoadError::Tls { address, cause: cause.to_string() };
    }
    if let sqlx::Error::Io(cause) = error {
        let cause = cause.to_string();
        return if matches!(error, sqlx::Error::Io(io) if io.kind() == std::io::ErrorKind::InvalidData)
        {
            MySqlLoadError::Tls { address, cause }
        } else {
            MySqlLoadError::Unreachable { address, cause }
        };
    }
    match ConnError::from_sqlx(error) {
        ConnError::Server(server) => match server.number {
            // Too many connections, of all or of this account; the account's hourly limits.
            1040 | 1203 | 1226 | 1053 | 1158..=1161 => MySqlLoadError::Unreachable {
                address,
                cause: format!("{server}: {}", server.message()),
            },
            _ => MySqlLoadError::Login {
                address,
                user: url.user().to_owned(),
                number: server.number,
                message: server.message().to_owned(),
            },
        },
        ConnError::Broken(cause) if cause.contains("plugin") => MySqlLoadError::Login {
            address,
            user: url.user().to_owned(),
            number: 0,
            message: cause,
        },
        error @ (ConnError::Broken(_) | ConnError::Late(_)) => {
            MySqlLoadError::Unreachable { address, cause: error.to_string() }
        }
    }
}
