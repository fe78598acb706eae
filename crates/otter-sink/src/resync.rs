//! The target's side of a resync: the list of requests to copy rows again.
//!
//! What becomes of a request is written by the loader, with the rows; here requests are read for the
//! selector, and asked, listed and given up for an operator. Nothing here writes to a user's table.

use std::time::Duration;

use async_trait::async_trait;
use otter_core::{
    DatabaseUrl, PipelineId, Result, ResyncLog, ResyncRecord, ResyncRequest, ResyncStage, TableName,
};
use tokio::sync::Mutex;

use crate::mysql::MySqlLoadError;
use crate::mysql::conn::ApplyConn;
use crate::mysql::connect::{self, ServerFacts, SessionTimes};
use crate::mysql::refusal::SAME_KEY;
use crate::mysql::resync::HELD;
use crate::mysql::row_place::OF_ROW;
use crate::mysql::store::{MAX_NAME, Requests, Store};

/// How long the server may keep the connection between two looks.
const IDLE: Duration = Duration::from_secs(60);
/// How long a row lock or an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A [`ResyncLog`] in a target's own schema; it keeps one connection.
#[derive(Debug)]
pub struct TargetResyncLog {
    url: DatabaseUrl,
    store: Store,
    /// The connection of the look before.
    desk: Mutex<Option<Desk>>,
}

#[derive(Debug)]
struct Desk {
    conn: Box<dyn ApplyConn>,
    facts: ServerFacts,
}

impl Desk {
    async fn open(url: &DatabaseUrl) -> Result<Self, MySqlLoadError> {
        let times = SessionTimes { idle: IDLE, row_lock: PATIENCE, answer: PATIENCE * 3 };
        let (conn, facts) = connect::open(url, times).await?;
        Ok(Self { conn, facts })
    }
}

impl TargetResyncLog {
    /// The log of a pipeline in this schema of this target. Nothing is opened yet.
    #[must_use]
    pub fn new(url: DatabaseUrl, schema: &str, pipeline: &PipelineId) -> Self {
        let store = Store::new(schema, pipeline.as_str());
        Self { url, store, desk: Mutex::default() }
    }
}

#[async_trait]
impl ResyncLog for TargetResyncLog {
    async fn first(&self) -> Result<Option<(ResyncRequest, ResyncRecord)>> {
        let mut slot = self.desk.lock().await;
        // A call that fails or is dropped takes its connection along.
        let mut desk = match slot.take() {
            Some(desk) => desk,
            None => Desk::open(&self.url).await?,
        };
        let found = self.store.read_requests(&mut *desk.conn, Requests::First).await?;
        *slot = Some(desk);
        Ok(found.into_iter().next().map(|found| (found.request, found.record)))
    }

    async fn ensure(&self) -> Result<()> {
        let mut desk = Desk::open(&self.url).await?;
        self.store.ensure_resync(&mut *desk.conn, &desk.facts).await?;
        desk.conn.goodbye().await;
        Ok(())
    }
}

/// A request and what has become of it, without its keys and conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResyncReport {
    /// Its number; requests are done in the order of their numbers.
    pub id: u64,
    /// The source's table.
    pub table: TableName,
    /// What it asks for: `all`, `where` or `keys`.
    pub kind: &'static str,
    /// How far it is.
    pub stage: ResyncStage,
    /// Rows copied so far.
    pub rows: u64,
    /// Bytes of their values, as the source sent them.
    pub bytes: u64,
    /// How many there may be; 0 where nobody knows.
    pub estimated_rows: u64,
    /// Keys so far that the source does not have.
    pub gone: u64,
    /// Why it was refused, with the remedy.
    pub reason: Option<String>,
    /// Who asked, as that machine tells; or `the source`.
    pub operator: String,
    /// When it was asked, by the target's clock in UTC.
    pub asked_time: String,
    /// When something became of it last, by the target's clock in UTC.
    pub written_time: String,
}

impl ResyncReport {
    /// Whether it was refused for a row that the target does not take: others of it may be done by
    /// themselves.
    #[must_use]
    pub fn is_about_a_row(&self) -> bool {
        let reason = self.reason.as_deref().unwrap_or_default();
        self.stage == ResyncStage::Refused && (reason.contains(OF_ROW) || reason == HELD)
    }

    /// Whether it was refused since another row of the target holds a unique value that one of its rows
    /// needs: together with that row it may be done.
    #[must_use]
    pub fn needs_another_row(&self) -> bool {
        let reason = self.reason.as_deref().unwrap_or_default();
        self.stage == ResyncStage::Refused && reason.contains(SAME_KEY)
    }
}

/// An operator's connection to the requests of one pipeline.
#[derive(Debug)]
pub struct ResyncDesk {
    desk: Desk,
    store: Store,
}

impl ResyncDesk {
    /// Connects to the target of a pipeline.
    ///
    /// # Errors
    /// [`Fault::Transient`](otter_core::Fault::Transient) where the target cannot be reached,
    /// [`Fault::Fatal`](otter_core::Fault::Fatal) where it does not let the account in.
    pub async fn open(url: &DatabaseUrl, schema: &str, pipeline: &PipelineId) -> Result<Self> {
        let desk = Desk::open(url).await?;
        Ok(Self { desk, store: Store::new(schema, pipeline.as_str()) })
    }

    /// Asks to copy rows again, and returns the request's number. The pipeline does it when it runs.
    /// Who asks is written down; what is longer than 190 letters is cut.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`Fault::Fatal`](otter_core::Fault::Fatal) where the account may not
    /// make the table of requests.
    ///
    /// # Cancel safety
    /// A call that is dropped may have asked.
    pub async fn ask(&mut self, request: &ResyncRequest, operator: &str) -> Result<u64> {
        self.store.ensure_resync(&mut *self.desk.conn, &self.desk.facts).await?;
        let operator: String = operator.chars().take(MAX_NAME).collect();
        Ok(self.store.write_request(&mut *self.desk.conn, (request, &operator)).await?)
    }

    /// All requests that are open, and those that were finished of late, in order.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn list(&mut self) -> Result<Vec<ResyncReport>> {
        let found = self.store.read_requests(&mut *self.desk.conn, Requests::All).await?;
        let reports = found.into_iter().map(|found| ResyncReport {
            id: found.record.id,
            table: found.request.table,
            kind: found.request.wish.word(),
            stage: found.record.stage,
            rows: found.record.rows,
            bytes: found.record.bytes,
            estimated_rows: found.record.estimated,
            gone: found.record.gone,
            reason: found.record.reason.map(|reason| reason.to_string()),
            operator: found.operator,
            asked_time: found.asked_time,
            written_time: found.written_time,
        });
        Ok(reports.collect())
    }

    /// Gives a request up, and tells whether it was open. What was copied stays; a part that is on its
    /// way may still come.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn cancel(&mut self, id: u64) -> Result<bool> {
        Ok(self.store.cancel_request(&mut *self.desk.conn, id).await?)
    }

    /// Ends the connection in an orderly way.
    pub async fn close(self) {
        self.desk.conn.goodbye().await;
    }
}
