//! One connection to a target: texts of statements out, matched rows back.
//!
//! The trait is all that the loader knows of a driver. A connection whose call was dropped, timed
//! out or broke answers nothing any more: what the server did last is unknown then, and only the
//! checkpoint can tell.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::{Stream, TryStreamExt};
use sqlx::mysql::{
    MySqlConnectOptions, MySqlConnection, MySqlDatabaseError, MySqlQueryResult, MySqlRow,
};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Either, Row, ValueRef};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

#[cfg(target_os = "linux")]
use super::relay::Relay;

/// How long saying goodbye may take; the server cleans up by itself afterwards.
const GOODBYE: Duration = Duration::from_secs(2);

/// How long a statement may take that may take any time: a year.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3_600);

/// What a server said in an error packet.
///
/// The message may hold row values (`Duplicate entry '…'`), so `Debug` and `Display` leave it
/// out; [`message`](Self::message) is only for statements without row values (SECRET-1).
#[derive(Clone)]
pub(crate) struct ServerError {
    pub(crate) number: u16,
    state: String,
    message: String,
}

/// Why a call on a connection failed.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum ConnError {
    #[error("{0}")]
    Server(ServerError),
    #[error("the connection broke: {0}")]
    Broken(String),
    #[error("the server did not answer within {} s", .0.as_secs_f32())]
    Late(Duration),
}

/// A row of text values; `None` is NULL.
pub(crate) type TextRow = Vec<Option<String>>;

/// A connection that executes texts of statements.
#[async_trait]
pub(crate) trait ApplyConn: Send + fmt::Debug {
    /// Executes a text of statements and appends the matched rows of each to `matched`, in order.
    /// On a server's error the statements before the failing one are in `matched`; those behind
    /// it were not executed.
    async fn execute(
        &mut self,
        text: &Arc<String>,
        matched: &mut Vec<u64>,
    ) -> Result<(), ConnError>;

    /// Executes a statement that may take any time; the caller says when it is too long by
    /// dropping the call.
    async fn execute_patiently(&mut self, text: &str) -> Result<(), ConnError>;

    /// Executes one or more statements and returns the rows of all of them.
    async fn query(&mut self, text: &str) -> Result<Vec<TextRow>, ConnError>;

    /// Ends the connection in an orderly way, within a short time.
    async fn goodbye(self: Box<Self>);
}

/// A connection by sqlx.
#[derive(Debug)]
pub(crate) struct SqlxConn {
    inner: MySqlConnection,
    /// Host and port, for messages.
    address: String,
    #[cfg(target_os = "linux")]
    relay: Relay,
    answer_timeout: Duration,
    /// Set while a call is under way, so that a dropped call leaves it set.
    busy: bool,
}

impl SqlxConn {
    /// Opens a connection; `options` must leave the session as the server sets it.
    pub(crate) async fn open(
        options: MySqlConnectOptions,
        answer_timeout: Duration,
    ) -> sqlx::Result<Self> {
        let address = format!("{}:{}", options.get_host(), options.get_port());
        #[cfg(target_os = "linux")]
        let relay = Relay::open(options.get_host(), options.get_port()).await?;
        #[cfg(target_os = "linux")]
        let options = options.socket(relay.address());
        let inner = options.connect().await?;
        Ok(Self {
            inner,
            address,
            #[cfg(target_os = "linux")]
            relay,
            answer_timeout,
            busy: false,
        })
    }

    async fn run(
        &mut self,
        text: Arc<String>,
        patience: Duration,
        mut take: impl FnMut(Either<MySqlQueryResult, MySqlRow>) + Send,
    ) -> Result<(), ConnError> {
        if self.busy {
            return Err(ConnError::Broken("an earlier command was given up".to_owned()));
        }
        self.busy = true;
        let stream = sqlx::raw_sql(AssertSqlSafe(text)).fetch_many(&mut self.inner);
        match drain(stream, patience, &mut take).await {
            Ok(Ok(())) => {
                self.busy = false;
                Ok(())
            }
            Ok(Err(error)) => {
                let error = ConnError::from_sqlx(&error).at(&self.address);
                // After an error packet the connection is ready for the next command, unless the
                // server has said goodbye with it.
                self.busy = !matches!(&error, ConnError::Server(server) if !server.ends_session());
                Err(error)
            }
            Err(_) => Err(ConnError::Late(patience)),
        }
    }
}

/// Takes all answers; each may take the whole time-out, since a text may hold many statements.
async fn drain(
    mut stream: impl Stream<Item = sqlx::Result<Either<MySqlQueryResult, MySqlRow>>> + Unpin,
    answer_timeout: Duration,
    take: &mut (impl FnMut(Either<MySqlQueryResult, MySqlRow>) + Send),
) -> Result<sqlx::Result<()>, Elapsed> {
    loop {
        match timeout(answer_timeout, stream.try_next()).await? {
            Ok(Some(item)) => take(item),
            Ok(None) => return Ok(Ok(())),
            Err(error) => return Ok(Err(error)),
        }
    }
}

#[async_trait]
impl ApplyConn for SqlxConn {
    async fn execute(
        &mut self,
        text: &Arc<String>,
        matched: &mut Vec<u64>,
    ) -> Result<(), ConnError> {
        self.run(Arc::clone(text), self.answer_timeout, |item| {
            if let Either::Left(done) = item {
                matched.push(done.rows_affected());
            }
        })
        .await
    }

    async fn execute_patiently(&mut self, text: &str) -> Result<(), ConnError> {
        self.run(Arc::new(text.to_owned()), LONGEST, |_| {}).await
    }

    async fn query(&mut self, text: &str) -> Result<Vec<TextRow>, ConnError> {
        let mut rows = Vec::new();
        self.run(Arc::new(text.to_owned()), self.answer_timeout, |item| {
            if let Either::Right(row) = item {
                rows.push(text_row(&row));
            }
        })
        .await?;
        rows.into_iter()
            .collect::<Result<_, _>>()
            .map_err(|error: sqlx::Error| ConnError::Broken(error.to_string()))
    }

    async fn goodbye(self: Box<Self>) {
        if self.busy {
            return;
        }
        // Nothing depends on it: the server notices the closed socket as well.
        let goodbye = async {
            let _ = self.inner.close().await;
            #[cfg(target_os = "linux")]
            self.relay.finish().await;
        };
        let _ = timeout(GOODBYE, goodbye).await;
    }
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

impl ConnError {
    pub(crate) fn from_sqlx(error: &sqlx::Error) -> Self {
        let server = error
            .as_database_error()
            .and_then(|database| database.try_downcast_ref::<MySqlDatabaseError>());
        match server {
            Some(server) => Self::Server(ServerError {
                number: server.number(),
                state: server.code().unwrap_or_default().to_owned(),
                message: server.message().to_owned(),
            }),
            None => Self::Broken(error.to_string()),
        }
    }

    /// With the address where the message would not tell the server.
    fn at(self, address: &str) -> Self {
        match self {
            Self::Broken(cause) => Self::Broken(format!("{address}: {cause}")),
            Self::Server(_) | Self::Late(_) => self,
        }
    }

    /// The server's error number, where the server sent one.
    pub(crate) fn number(&self) -> Option<u16> {
        match self {
            Self::Server(server) => Some(server.number),
            Self::Broken(_) | Self::Late(_) => None,
        }
    }
}

impl ServerError {
    /// The server's own words; they may hold row values where the statement did.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Whether the server ends the session with this error: 1053 shutting down, 1077 normal
    /// shutdown, 1152, 1153 (packet too large), 1158 to 1161 (network), 1927 (killed on MariaDB), 2006, 2013,
    /// 3169 (killed on MySQL), 4031 (idle too long).
    pub(crate) fn ends_session(&self) -> bool {
        matches!(
            self.number,
            1053 | 1077 | 1079 | 1152 | 1153 | 1158..=1161 | 1927 | 2006 | 2013 | 3169 | 4031
        )
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server answered error {} ({})", self.number, self.state)
    }
}

impl fmt::Debug for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerError({}, {})", self.number, self.state)
    }
}
