//! Looking at the rows that a target holds in quarantine, and saying what shall become of them.
//!
//! Nothing here writes to a user's table: a wish is written beside the row, and the pipeline's
//! loader, the only one that may write, carries it out between two batches, or when it starts. Each
//! look at values and each wish is written down in the table `audit` of the same schema, without
//! values (SECRET-1).

mod edit;

use std::time::Duration;

use otter_core::{Classify, DatabaseUrl, Fault, PipelineId, Result, RowsEvent, TableName};

pub use edit::NewValue;

use crate::mysql::MySqlLoadError;
use crate::mysql::conn::ApplyConn;
use crate::mysql::connect::{self, SessionTimes};
use crate::mysql::quarantine::coding::{decode, encode_edited};
use crate::mysql::store::{AuditEntry, HeldFilter, HeldRow, MAX_NAME, Store, Wanted};

/// How long the server may keep an operator's idle connection.
const IDLE: Duration = Duration::from_secs(30);

/// How long a row lock or an answer may take; somebody waits for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// A held row, without what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Held {
    /// Its number; numbers grow in the order of holding and are never used again.
    pub id: u64,
    /// The target's table.
    pub table: TableName,
    /// What was to be done: `insert`, `update` or `delete`.
    pub kind: String,
    /// The names of the columns that identify the row, separated by commas; empty without a key.
    pub key: String,
    /// Where its transaction begins in the source's binlog.
    pub place: String,
    /// The transaction's GTID, where it has one.
    pub gtid: Option<String>,
    /// The row's number in its transaction, from 1.
    pub ordinal: u64,
    /// Why it is held, in one word: `duplicate`, `missing`, `waits`.
    pub code: String,
    /// Why it is held, without values.
    pub reason: String,
    /// What an operator can do.
    pub remedy: String,
    /// The held row that it waits behind; it follows by itself. `None` where it was refused.
    pub cause: Option<u64>,
    /// How often it was tried again.
    pub tries: u32,
    /// When it was held, by the target's clock in UTC.
    pub held_time: String,
    /// When it was tried last, by the target's clock in UTC.
    pub tried_time: Option<String>,
    /// What shall become of it, where that is not done yet: `retry` or `drop`.
    pub wanted: Option<&'static str>,
    /// Whether values were replaced.
    pub is_edited: bool,
}

/// Which held rows are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// All of the pipeline.
    All,
    /// Those with these numbers.
    Ids(Vec<u64>),
    /// Those of one table of the target.
    Table(TableName),
}

/// What cannot be done with a held row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuarantineError {
    /// There is no such held row.
    #[error("there is no held row {id}")]
    Gone {
        /// The number.
        id: u64,
    },
    /// What a held row holds cannot be read.
    #[error("what held row {id} holds cannot be read by this version")]
    Unreadable {
        /// The number.
        id: u64,
    },
    /// A removed row has no values to replace.
    #[error("held row {id} is a delete, which has no new values")]
    NoNewRow {
        /// The number.
        id: u64,
    },
    /// The row has no such column.
    #[error("held row {id} has no column {column}")]
    UnknownColumn {
        /// The number.
        id: u64,
        /// The column's name.
        column: String,
    },
    /// A text is no value of the column's type.
    #[error("the new value of column {column} is none of its type: {needs}")]
    BadValue {
        /// The column's name.
        column: String,
        /// What a value looks like.
        needs: &'static str,
    },
}

impl Classify for QuarantineError {
    fn fault(&self) -> Fault {
        match self {
            Self::Gone { .. }
            | Self::Unreadable { .. }
            | Self::NoNewRow { .. }
            | Self::UnknownColumn { .. }
            | Self::BadValue { .. } => Fault::Fatal,
        }
    }

    fn doing(&self) -> &'static str {
        "look into the quarantine"
    }
}

/// An operator's connection to the quarantine of one pipeline.
#[derive(Debug)]
pub struct Quarantine {
    conn: Box<dyn ApplyConn>,
    store: Store,
    /// Who looks, for the audit.
    operator: String,
}

impl Quarantine {
    /// Connects to the target of a pipeline.
    ///
    /// # Errors
    /// [`Fault::Transient`] where the target cannot be reached, [`Fault::Fatal`] where it does not
    /// let the account in.
    pub async fn open(url: &DatabaseUrl, schema: &str, pipeline: &PipelineId) -> Result<Self> {
        let times = SessionTimes { idle: IDLE, row_lock: PATIENCE, answer: PATIENCE * 3 };
        let (conn, _) = connect::open(url, times).await?;
        let store = Store::new(schema, pipeline.as_str());
        Ok(Self { conn, store, operator: String::new() })
    }

    /// Tells who looks, and from where, as it is to be written down beside the account. Nobody checks
    /// it; what is longer than 190 letters is cut.
    #[must_use]
    pub fn on_behalf_of(self, operator: &str) -> Self {
        Self { operator: operator.chars().take(MAX_NAME).collect(), ..self }
    }

    /// How many rows are held.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    pub async fn count(&mut self) -> Result<u64> {
        Ok(self.store.count_held(&mut *self.conn).await?)
    }

    /// The held rows in order, without what they hold.
    ///
    /// # Errors
    /// [`Fault::Transient`] where the target does not answer, [`Fault::Fatal`] where the account may
    /// not read them.
    pub async fn list(&mut self, which: &Selection) -> Result<Vec<Held>> {
        let rows = self.store.held_rows(&mut *self.conn, &filter(which)).await?;
        Ok(rows.into_iter().map(Held::from).collect())
    }

    /// The change that a held row is, with its values, as it is to be tried. The look is written
    /// down before anything is shown.
    ///
    /// # Errors
    /// [`QuarantineError`], and as [`list`](Self::list).
    pub async fn show(&mut self, id: u64) -> Result<(Held, RowsEvent)> {
        let row = self.find(id).await?;
        self.audit("show", &id.to_string()).await?;
        let image = (id, row.is_edited);
        let rows = self.read(image).await?;
        Ok((row.into(), rows))
    }

    /// Wishes that held rows be tried again, and returns how many are meant.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    pub async fn retry(&mut self, which: &Selection) -> Result<u64> {
        self.want(Wanted::Retry, which).await
    }

    /// Wishes that held rows be given up, and returns how many are meant. Rows that wait behind them
    /// are then tried.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    pub async fn give_up(&mut self, which: &Selection) -> Result<u64> {
        self.want(Wanted::Drop, which).await
    }

    /// Replaces values of a held row's new image, and wishes that it be tried. What was held before
    /// is kept until the row is gone; a later edit begins with it again.
    ///
    /// # Errors
    /// [`QuarantineError`], and as [`list`](Self::list).
    pub async fn edit(&mut self, id: u64, values: &[(String, NewValue)]) -> Result<()> {
        self.find(id).await?;
        let rows = self.read((id, false)).await?;
        let cells = edit::cells(id, rows.table(), values)?;
        let new_value =
            |index| cells.iter().find(|(at, _)| *at == index).map(|(_, cell)| cell.clone());
        let bytes = encode_edited(&rows, new_value)
            .map_err(|_| QuarantineError::Unreadable { id })?
            .ok_or(QuarantineError::NoNewRow { id })?;
        let names: Vec<&str> = values.iter().map(|(name, _)| name.as_str()).collect();
        self.query("START TRANSACTION").await?;
        if self.store.lock_held(&mut *self.conn, id).await?.is_none() {
            return Err(QuarantineError::Gone { id }.into());
        }
        self.store.edit(&mut *self.conn, id, &bytes).await?;
        let subject = format!("{id}: {}", names.join(", "));
        self.audit("edit", &subject).await?;
        self.query("COMMIT").await
    }

    /// Ends the connection in an orderly way.
    pub async fn close(self) {
        self.conn.goodbye().await;
    }

    async fn want(&mut self, wanted: Wanted, which: &Selection) -> Result<u64> {
        self.query("START TRANSACTION").await?;
        let count = self.store.want(&mut *self.conn, wanted, &filter(which)).await?;
        let subject = match which {
            Selection::All => format!("all {count}"),
            Selection::Table(table) => format!("table {table}: {count}"),
            Selection::Ids(ids) => ids.iter().map(u64::to_string).collect::<Vec<_>>().join(", "),
        };
        self.audit(wanted.word(), &subject).await?;
        self.query("COMMIT").await?;
        Ok(count)
    }

    async fn find(&mut self, id: u64) -> Result<HeldRow> {
        let filter = HeldFilter::Ids(vec![id]);
        let row = self.store.held_rows(&mut *self.conn, &filter).await?.into_iter().next();
        Ok(row.ok_or(QuarantineError::Gone { id })?)
    }

    async fn read(&mut self, (id, is_edited): (u64, bool)) -> Result<RowsEvent> {
        let bytes = self.store.held_bytes(&mut *self.conn, (id, is_edited)).await?;
        Ok(decode(&bytes).ok_or(QuarantineError::Unreadable { id })?)
    }

    async fn audit(&mut self, action: &str, subject: &str) -> Result<()> {
        let entry = AuditEntry { operator: &self.operator, action, subject };
        Ok(self.store.audit(&mut *self.conn, entry).await?)
    }

    async fn query(&mut self, text: &str) -> Result<()> {
        self.conn.query(text).await.map_err(MySqlLoadError::plain)?;
        Ok(())
    }
}

fn filter(which: &Selection) -> HeldFilter {
    match which {
        Selection::All => HeldFilter::All,
        Selection::Ids(ids) => HeldFilter::Ids(ids.clone()),
        Selection::Table(table) => HeldFilter::Table(table.clone()),
    }
}

impl From<HeldRow> for Held {
    fn from(row: HeldRow) -> Self {
        Self {
            id: row.id,
            table: row.table,
            kind: row.kind,
            key: row.key,
            place: row.place,
            gtid: row.gtid,
            ordinal: row.ordinal,
            code: row.verdict.code,
            reason: row.verdict.reason,
            remedy: row.verdict.remedy,
            cause: row.cause,
            tries: row.tries,
            held_time: row.held_time,
            tried_time: row.tried_time,
            wanted: row.wanted.map(Wanted::word),
            is_edited: row.is_edited,
        }
    }
}
