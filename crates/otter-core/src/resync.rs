//! Resync: what a selector that copies rows again and a loader say to each other.
//!
//! A request names rows of a source table. They are read while the source is written, and travel in
//! the stream as transactions of their own; how far a request is travels with them as a
//! [`ResyncStep`], so that the loader commits both with the position.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::fault::Result;
use crate::table::TableName;

/// Which rows of a table are copied again.
#[derive(Clone, PartialEq, Eq)]
pub enum ResyncWish {
    /// All that the source has.
    All,
    /// Those for which the condition holds at the source, as it reads it.
    Where(Arc<str>),
    /// Those with these keys; of a key that the source does not have, the target's row goes.
    Keys {
        /// The key's columns; empty for those of the primary key.
        columns: Arc<[Arc<str>]>,
        /// One key in each line, its values in the order of the columns with commas between them.
        keys: Arc<str>,
    },
}

/// Asks to copy rows of a table again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResyncRequest {
    /// The source's table.
    pub table: TableName,
    /// Which of its rows.
    pub wish: ResyncWish,
}

/// How far a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResyncStage {
    /// Nobody has begun with it.
    Waiting,
    /// Its rows are being copied.
    Copying,
    /// All of its rows are in the target.
    Done,
    /// It cannot be done, or nobody wants it any more.
    Refused,
}

/// How far a request is, as it is stored in the target.
#[derive(Clone, PartialEq, Eq)]
pub struct ResyncRecord {
    /// The request's number.
    pub id: u64,
    /// Its stage.
    pub stage: ResyncStage,
    /// Behind which place it goes on, in words of the selector's own; `None` at the beginning.
    pub after: Option<Arc<str>>,
    /// Rows copied so far.
    pub rows: u64,
    /// Bytes of their values, as the source sent them.
    pub bytes: u64,
    /// How many there may be, as the source guesses.
    pub estimated: u64,
    /// Keys so far that the source does not have.
    pub gone: u64,
    /// Why it was refused, with the remedy; without values of rows.
    pub reason: Option<Arc<str>>,
}

/// A step of a resync, as it travels in the stream.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ResyncStep {
    /// The source asks for it.
    Asked(ResyncRequest),
    /// A request is this far from here on.
    Moved(ResyncRecord),
}

/// The target's list of requests, for whoever reads the rows.
#[async_trait]
pub trait ResyncLog: Send + Sync + fmt::Debug {
    /// The oldest request that is not finished.
    ///
    /// # Errors
    /// [`Fault::Transient`](crate::Fault::Transient) where the target cannot be reached,
    /// [`Fault::Fatal`](crate::Fault::Fatal) where the list cannot be read.
    ///
    /// # Cancel safety
    /// Cancel safe: nothing is changed.
    async fn first(&self) -> Result<Option<(ResyncRequest, ResyncRecord)>>;

    /// Makes the list where it is missing, for requests that come from the source.
    ///
    /// # Errors
    /// As [`first`](Self::first); [`Fault::Fatal`](crate::Fault::Fatal) where the account may not
    /// make it.
    ///
    /// # Cancel safety
    /// Cancel safe: the same may be made again.
    async fn ensure(&self) -> Result<()>;
}

impl ResyncWish {
    /// The word that is stored.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Where(_) => "where",
            Self::Keys { .. } => "keys",
        }
    }
}

impl ResyncStage {
    /// The word that is stored.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Copying => "copying",
            Self::Done => "done",
            Self::Refused => "refused",
        }
    }

    /// The stage that is stored as this word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        [Self::Waiting, Self::Copying, Self::Done, Self::Refused]
            .into_iter()
            .find(|stage| stage.word() == word)
    }

    /// Whether nothing more is done about it.
    #[must_use]
    pub fn is_finished(self) -> bool {
        matches!(self, Self::Done | Self::Refused)
    }
}

impl fmt::Debug for ResyncWish {
    /// Leaves keys and conditions out, which hold values of rows (SECRET-1).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl fmt::Debug for ResyncRecord {
    /// Leaves the place out, which is a value of a row (SECRET-1).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResyncRecord")
            .field("id", &self.id)
            .field("stage", &self.stage)
            .field("rows", &self.rows)
            .field("bytes", &self.bytes)
            .field("gone", &self.gone)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}
