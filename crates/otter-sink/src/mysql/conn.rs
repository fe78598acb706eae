//! One connection to a target: texts of statements out, matched rows back.
//!
//! The trait is all that the loader knows of a driver. A connection whose call was dropped, timed
//! out or broke answers nothing any more: what the server did last is unknown then, and only the
//! checkpoint can tell.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use otter_core::{Causes, DatabaseUrl};
use otter_mysql::{
    Answer, Connection, ConnectionError, Done, ParameterRows, Row, Session, Statement,
};
use tokio::time::timeout;

use super::literal::RowsStatement;
use super::plan::Step;

/// How long saying goodbye may take; the server cleans up by itself afterwards.
const GOODBYE: Duration = Duration::from_secs(2);

/// The most statements that the server keeps for a connection; all connections of all clients share
/// 16,382 by default.
const MOST_PREPARED: usize = 100;

const ENDED: &str = "the server has ended the session";

/// How long a statement may take that may take any time.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);

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
    #[error("{0}")]
    Broken(String),
}

/// A row of text values; `None` is NULL.
pub(crate) type TextRow = Vec<Option<String>>;

/// A connection that executes texts of statements.
#[async_trait]
pub(crate) trait ApplyConn: Send + fmt::Debug {
    /// Executes steps one after the other and appends the outcome of each statement to `done`, in
    /// order. On a server's error the statements before the failing one are in `done`; those behind
    /// it were not executed.
    async fn execute(&mut self, steps: &[Step], done: &mut Vec<Done>) -> Result<(), ConnError>;

    /// Executes a statement that may take any time; the caller says when it is too long by
    /// dropping the call.
    async fn execute_patiently(&mut self, text: &str) -> Result<(), ConnError>;

    /// Executes one or more statements and returns the rows of all of them.
    async fn query(&mut self, text: &str) -> Result<Vec<TextRow>, ConnError>;

    /// Ends the connection in an orderly way, within a short time.
    async fn goodbye(self: Box<Self>);
}

/// A connection of Otter's own.
#[derive(Debug)]
pub(crate) struct OwnConn {
    inner: Connection,
    answer_timeout: Duration,
    /// By their texts; the server keeps them as long as the connection lives.
    prepared: HashMap<String, Statement>,
    /// The server has said goodbye with an error.
    ended: bool,
}

impl OwnConn {
    /// Opens a connection, and leaves the session as the server sets it.
    pub(crate) async fn open(
        url: &DatabaseUrl,
        answer_timeout: Duration,
    ) -> Result<Self, ConnectionError> {
        let mut inner = Connection::connect_for(url, Session::Writing).await?;
        inner.set_read_timeout(answer_timeout);
        Ok(Self { inner, answer_timeout, prepared: HashMap::new(), ended: false })
    }

    async fn run(
        &mut self,
        text: &str,
        data: &[String],
        take: impl FnMut(Answer) + Send,
    ) -> Result<(), ConnError> {
        self.require_session()?;
        let outcome = self.inner.run(text, data, take).await;
        self.end(outcome)
    }

    async fn run_rows(
        &mut self,
        statement: &Arc<RowsStatement>,
        rows: &ParameterRows,
    ) -> Result<Done, ConnError> {
        self.require_session()?;
        let prepared = match self.prepared.get(&statement.sql) {
            Some(prepared) => *prepared,
            None => {
                if self.prepared.len() >= MOST_PREPARED {
                    self.forget_prepared().await?;
                }
                let prepared = self.inner.prepare(&statement.sql).await;
                let prepared = self.end(prepared)?;
                self.prepared.insert(statement.sql.clone(), prepared);
                prepared
            }
        };
        let outcome = self.inner.execute_rows(prepared, &statement.types, rows).await;
        self.end(outcome)
    }

    /// All of them: which tables come next is anybody's guess.
    async fn forget_prepared(&mut self) -> Result<(), ConnError> {
        for (_, statement) in self.prepared.drain() {
            let closed = self.inner.close_statement(statement).await;
            closed.map_err(|error| ConnError::of(&error))?;
        }
        Ok(())
    }

    /// Whether the server takes rows of parameters.
    pub(crate) fn takes_rows(&self) -> bool {
        self.inner.takes_rows()
    }

    fn require_session(&self) -> Result<(), ConnError> {
        if self.ended { Err(ConnError::Broken(ENDED.to_owned())) } else { Ok(()) }
    }

    fn end<T>(&mut self, outcome: Result<T, ConnectionError>) -> Result<T, ConnError> {
        let outcome = outcome.map_err(|error| ConnError::of(&error));
        self.ended = matches!(&outcome, Err(ConnError::Server(server)) if server.ends_session());
        outcome
    }
}

#[async_trait]
impl ApplyConn for OwnConn {
    async fn execute(&mut self, steps: &[Step], done: &mut Vec<Done>) -> Result<(), ConnError> {
        for Step { text, data, rows } in steps {
            if !text.is_empty() {
                let take = |answer| {
                    // Rows of a script's statements are nobody's answer.
                    if let Answer::Done(answer) = answer {
                        done.push(answer);
                    }
                };
                self.run(text, data, take).await?;
            }
            if let Some((statement, rows)) = rows {
                done.push(self.run_rows(statement, rows).await?);
            }
        }
        Ok(())
    }

    async fn execute_patiently(&mut self, text: &str) -> Result<(), ConnError> {
        self.inner.set_read_timeout(LONGEST);
        let outcome = self.run(text, &[], |_| {}).await;
        self.inner.set_read_timeout(self.answer_timeout);
        outcome
    }

    async fn query(&mut self, text: &str) -> Result<Vec<TextRow>, ConnError> {
        let mut rows = Vec::new();
        let take = |answer| {
            if let Answer::Row(row) = answer {
                rows.push(text_row(&row));
            }
        };
        self.run(text, &[], take).await?;
        Ok(rows)
    }

    async fn goodbye(self: Box<Self>) {
        if !self.ended {
            // Nothing depends on it: the server notices the closed socket as well.
            let _ = timeout(GOODBYE, self.inner.close()).await;
        }
    }
}

fn text_row(row: &Row) -> TextRow {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (0..row.width()).map(|index| row.bytes(index).map(text)).collect()
}

impl ConnError {
    pub(crate) fn of(error: &ConnectionError) -> Self {
        if let Some(server) = error.server_error() {
            return Self::Server(ServerError {
                number: server.code,
                state: server.state.clone(),
                message: server.message.clone(),
            });
        }
        Self::Broken(Causes(error).to_string())
    }

    /// The server's error number, where the server sent one.
    pub(crate) fn number(&self) -> Option<u16> {
        match self {
            Self::Server(server) => Some(server.number),
            Self::Broken(_) => None,
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
