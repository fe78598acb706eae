//! One connection to the arbiter's server: texts of statements out, rows of text back.
//!
//! Texts only, never prepared statements: closing one of those costs 40 ms with sqlx 0.9.0, which
//! does not set TCP_NODELAY. A connection whose call was dropped or failed must not be used again.

use std::time::Duration;

use otter_core::database_url::{DatabaseUrl, SslMode};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlRow, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row, ValueRef};
use tokio::time::timeout;

use super::error::SqlArbiterError;

/// How long saying goodbye may take; the server cleans up by itself afterwards.
const GOODBYE: Duration = Duration::from_secs(1);

/// A row of text values; `None` is NULL.
pub(super) type TextRow = Vec<Option<String>>;

/// A connection with the session that the statements are written for.
#[derive(Debug)]
pub(super) struct Conn {
    inner: MySqlConnection,
}

impl Conn {
    /// Connects within the URL's time-out. `idle` is how long the server keeps the connection
    /// when nothing is heard from it, with the locks that it holds.
    pub(super) async fn open(url: &DatabaseUrl, idle: Duration) -> Result<Self, SqlArbiterError> {
        let limit = url.connect_timeout();
        let open = async {
            let failed = |error: sqlx::Error| SqlArbiterError::connecting(url, &error);
            let mut inner = options(url).connect().await.map_err(failed)?;
            let set_up = sqlx::raw_sql(AssertSqlSafe(session_text(idle)));
            set_up.execute(&mut inner).await.map_err(failed)?;
            Ok(Self { inner })
        };
        match timeout(limit, Box::pin(open)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let cause = format!("no login within {} s", limit.as_secs_f32());
                Err(SqlArbiterError::Unreachable { address: url.address(), cause })
            }
        }
    }

    /// Executes one or more statements and returns the rows of all of them.
    pub(super) async fn query(&mut self, text: String) -> sqlx::Result<Vec<TextRow>> {
        let rows = sqlx::raw_sql(AssertSqlSafe(text)).fetch_all(&mut self.inner).await?;
        rows.iter().map(text_row).collect()
    }

    /// Ends the connection in an orderly way, within a short time.
    pub(super) async fn goodbye(self) {
        // Nothing depends on it: the server notices the closed socket as well.
        let _ = timeout(GOODBYE, self.inner.close()).await;
    }
}

fn options(url: &DatabaseUrl) -> MySqlConnectOptions {
    // Not into the URL's database: it may have to be made first.
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
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .timezone(None)
        .set_names(false)
        .disable_statement_logging();
    if !url.password().is_empty() {
        options = options.password(url.password().expose());
    }
    if let Some(ca) = url.ssl_ca() {
        options = options.ssl_ca(ca);
    }
    options
}

fn session_text(idle: Duration) -> String {
    let idle = idle.as_secs().max(1);
    format!(
        "SET NAMES utf8mb4; \
         SET SESSION sql_mode='STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', time_zone='+00:00', \
         autocommit=1, completion_type=0, sql_safe_updates=0, \
         innodb_lock_wait_timeout={idle}, lock_wait_timeout={idle}, \
         wait_timeout={wait}, net_read_timeout={idle}, net_write_timeout={idle}",
        // Between two campaigns a connection is idle for long.
        wait = idle.saturating_mul(10).max(600),
    )
}

fn text_row(row: &MySqlRow) -> sqlx::Result<TextRow> {
    (0..row.len())
        .map(|index| {
            if row.try_get_raw(index)?.is_null() {
                return Ok(None);
            }
            // The text protocol sends everything as text, whatever the declared type.
            let bytes: Vec<u8> = row.try_get_unchecked(index)?;
            Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
        })
        .collect()
}
