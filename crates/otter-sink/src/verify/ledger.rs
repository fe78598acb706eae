//! What was found when tables were compared last, and when each was last equal: kept in the target.

use std::time::Duration;

use otter_core::{DatabaseUrl, PipelineId, Result, TableName};

use super::report::{State, TableReport};
use crate::mysql::MySqlLoadError;
use crate::mysql::conn::ApplyConn;
use crate::mysql::connect::{self, ServerFacts, SessionTimes};
use crate::mysql::store::{Finding, Store, StoredVerdict, unreadable};

/// How long the server keeps the connection between two statements.
const IDLE: Duration = Duration::from_secs(3_600);
/// How long a row lock or an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is known of a table of the target.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LedgerEntry {
    /// The target's table.
    pub target: TableName,
    /// What was found last.
    pub state: State,
    /// Rows at the source, then.
    pub source_rows: u64,
    /// Rows at the target, then.
    pub target_rows: u64,
    /// Rows that the target lacked.
    pub missing: u64,
    /// Rows that only the target had.
    pub extra: u64,
    /// Rows that differed.
    pub different: u64,
    /// Rows of which nothing could be said.
    pub unsettled: u64,
    /// Why nothing, or not all, could be said.
    pub reason: Option<String>,
    /// When the last look began that came to its end, by the target's clock in UTC; `None` where none
    /// has.
    pub looked_time: Option<String>,
    /// How long ago that is, in whole seconds.
    pub looked_ago: Option<Duration>,
    /// How long ago a look began last, in whole seconds, whatever became of it.
    pub begun_ago: Duration,
    /// When it was last equal; `None` where it never was.
    pub equal: Option<LastEqual>,
}

/// When a table was last equal.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LastEqual {
    /// When the look began that found it, by the target's clock in UTC.
    pub time: String,
    /// How long ago that is, in whole seconds.
    pub ago: Duration,
    /// The place in the source's history up to which it held.
    pub position: Option<String>,
}

/// The record of what verifying a pipeline's tables has found, over one connection to the target.
#[derive(Debug)]
pub struct Ledger {
    conn: Box<dyn ApplyConn>,
    facts: ServerFacts,
    store: Store,
}

impl Ledger {
    /// Connects to the target of a pipeline.
    ///
    /// # Errors
    /// [`Fault::Transient`](otter_core::Fault::Transient) where the target cannot be reached,
    /// [`Fault::Fatal`](otter_core::Fault::Fatal) where it does not let the account in.
    pub async fn open(url: &DatabaseUrl, schema: &str, pipeline: &PipelineId) -> Result<Self> {
        let times = SessionTimes { idle: IDLE, row_lock: PATIENCE, answer: PATIENCE * 3 };
        let (conn, facts) = connect::open(url, times).await?;
        Ok(Self { conn, facts, store: Store::new(schema, pipeline.as_str()) })
    }

    /// Makes the table that holds it, where it is missing.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`Fault::Fatal`](otter_core::Fault::Fatal) where the account may not
    /// make it.
    pub async fn ensure(&mut self) -> Result<()> {
        Ok(self.store.ensure_verified(&mut *self.conn, &self.facts).await?)
    }

    /// Notes that a look at a table begins, which may take long: if it is broken off, others come first
    /// the next time.
    ///
    /// # Errors
    /// As [`note`](Self::note).
    pub async fn begin(&mut self, table: &TableName) -> Result<()> {
        let never = (table, State::Unverified.word(), "no comparison has come to its end yet");
        Ok(self.store.begin_verdict(&mut *self.conn, never).await?)
    }

    /// Notes what was found of a table just now, over what an earlier look has found, and tells whether the target keeps such a record: it is there
    /// once [`ensure`](Self::ensure) has made it.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`Fault::Fatal`](otter_core::Fault::Fatal) where the account may not
    /// write it.
    pub async fn note(&mut self, found: &TableReport) -> Result<bool> {
        let state = found.state();
        let finding = Finding {
            table: &found.target,
            state: state.word(),
            is_equal: state == State::Equal,
            counts: [
                found.source_rows,
                found.target_rows,
                found.missing,
                found.extra,
                found.different,
                found.unsettled,
            ],
            reason: found.reason.as_deref(),
            position: found.position.as_deref(),
            took: found.took,
        };
        Ok(self.store.write_verdict(&mut *self.conn, &finding).await?)
    }

    /// What is known, in the order of the tables' names; nothing where no record is kept.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`Fault::Fatal`](otter_core::Fault::Fatal) where a later version has
    /// written it.
    pub async fn entries(&mut self) -> Result<Vec<LedgerEntry>> {
        let found = self.store.read_verdicts(&mut *self.conn).await?;
        let entries = found.into_iter().map(entry);
        Ok(entries.collect::<Result<_, MySqlLoadError>>()?)
    }

    /// Forgets a table, which the pipeline carries no more.
    ///
    /// # Errors
    /// As [`note`](Self::note).
    pub async fn forget(&mut self, table: &TableName) -> Result<()> {
        Ok(self.store.forget_verdict(&mut *self.conn, table).await?)
    }

    /// Takes back that tables are equal, for this reason: what is found next counts. When they were
    /// last equal stays. Does nothing where no record is kept.
    ///
    /// # Errors
    /// As [`note`](Self::note).
    pub async fn doubt(&mut self, reason: &str) -> Result<()> {
        let states = (State::Equal.word(), State::Unverified.word());
        Ok(self.store.doubt_verdicts(&mut *self.conn, states, reason).await?)
    }

    /// Ends the connection in an orderly way.
    pub async fn close(self) {
        self.conn.goodbye().await;
    }
}

fn entry(stored: StoredVerdict) -> Result<LedgerEntry, MySqlLoadError> {
    let state = State::of_word(&stored.state).ok_or_else(|| unreadable("verified"))?;
    let [source_rows, target_rows, missing, extra, different, unsettled] = stored.counts;
    Ok(LedgerEntry {
        target: stored.table,
        state,
        source_rows,
        target_rows,
        missing,
        extra,
        different,
        unsettled,
        reason: stored.reason,
        looked_ago: stored.looked.as_ref().map(|(_, ago)| Duration::from_secs(*ago)),
        looked_time: stored.looked.map(|(time, _)| time),
        begun_ago: Duration::from_secs(stored.begun_seconds_ago),
        equal: stored.equal.map(|equal| LastEqual {
            time: equal.time,
            ago: Duration::from_secs(equal.seconds_ago),
            position: equal.position,
        }),
    })
}
