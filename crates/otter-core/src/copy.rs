//! The initial copy: what a selector that copies tables and a loader say to each other.
//!
//! Copied rows travel in the stream as transactions of their own, and how far the copy is travels
//! with them as a [`CopyStep`]: the loader commits both with the position, so that a copy that was
//! interrupted goes on exactly where it was.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::ddl::Ddl;
use crate::fault::Result;
use crate::position::Position;
use crate::table::TableName;

/// What rows have to do with the initial copy of their table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InCopy {
    /// Nothing: the target holds the table as the source had it.
    #[default]
    No,
    /// They are changes of the stream to a table that is being copied: of its rows the target has
    /// some, each as it is at this place.
    Streamed,
    /// They were read by the copy. The target may have some of them already, as they are.
    Copied,
    /// They are changes of the stream to a table of which rows are copied again: of what the target
    /// has in their place nothing is known.
    Mended,
    /// They were read to be copied again: whatever the target has in their place goes first, and of
    /// rows that are deleted only a key may be known.
    Resynced,
}

/// How far the copy of a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CopyStage {
    /// Nothing of it is in the target yet, and its changes in the stream are left out.
    Waiting,
    /// A part of its rows is in the target.
    Copying,
    /// All of its rows are in the target.
    Done,
    /// The table is gone, or not carried any more.
    Forgotten,
}

impl CopyStage {
    /// The word that is stored.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Copying => "copying",
            Self::Done => "done",
            Self::Forgotten => "forgotten",
        }
    }

    /// The stage that is stored as this word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        [Self::Waiting, Self::Copying, Self::Done, Self::Forgotten]
            .into_iter()
            .find(|stage| stage.word() == word)
    }
}

/// How far the copy of one table is, as it is stored in the target.
#[derive(Clone, PartialEq, Eq)]
pub struct CopyRecord {
    /// The source's table.
    pub table: TableName,
    /// Its stage.
    pub stage: CopyStage,
    /// Behind which key the copy goes on, in words of the selector's own; `None` at the beginning. Of
    /// a table that waits, what [`Prepared::made_from`] said of it, nothing where that is empty.
    pub after: Option<Arc<str>>,
    /// Rows copied so far.
    pub rows: u64,
    /// Bytes of their values, as the source sent them.
    pub bytes: u64,
    /// How many there may be, as the source guesses.
    pub estimated: u64,
    /// Why it does not go on, with the remedy and without values of rows; `None` where nothing is wrong.
    pub problem: Option<Arc<str>>,
}

impl CopyRecord {
    /// A table of which nothing is copied.
    #[must_use]
    pub fn new(table: TableName, stage: CopyStage) -> Self {
        Self { table, stage, after: None, rows: 0, bytes: 0, estimated: 0, problem: None }
    }
}

/// A step of the copy, as it travels in the stream.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum CopyStep {
    /// A table is this far from here on.
    Table {
        /// How far it is.
        record: CopyRecord,
        /// Tables of the target whose rows are deleted first.
        emptied: Arc<[TableName]>,
    },
    /// All tables are copied.
    Finished,
}

/// A table whose copy is about to begin.
#[derive(Debug, Clone)]
pub struct CopyTable {
    /// The source's table.
    pub source: TableName,
    /// The tables of the target that its rows go to.
    pub targets: Vec<TableName>,
    /// The statement that makes it, as the source says it.
    pub definition: Ddl,
    /// The default collation of the source's database.
    pub database_collation: Option<Arc<str>>,
    /// Whether rows of another source table may be in these tables of the target already.
    pub is_shared: bool,
}

/// What a copy is to do before the first row of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prepared {
    /// Tables of the target whose rows are to be deleted.
    pub emptied: Vec<TableName>,
    /// What the log has noted of the target's tables: that they are there, though the table waits still.
    pub made_from: Option<Arc<str>>,
}

/// The target's side of an initial copy, for whoever reads the tables.
#[async_trait]
pub trait CopyLog: Send + Sync + fmt::Debug {
    /// How far the copy is. Only after the loader has taken the target over, so that nobody else
    /// writes it.
    ///
    /// # Errors
    /// [`Fault::Transient`](crate::Fault::Transient) where the target cannot be reached.
    ///
    /// # Cancel safety
    /// Cancel safe: nothing is changed.
    async fn load(&self) -> Result<Vec<CopyRecord>>;

    /// Notes tables that are to be copied, for whoever looks at the progress.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    ///
    /// # Cancel safety
    /// Cancel safe: the same may be noted again.
    async fn note(&self, tables: &[CopyRecord]) -> Result<()>;

    /// How far the target has taken the stream, as its checkpoint says; `None` where it has not begun.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    ///
    /// # Cancel safety
    /// Cancel safe: nothing is changed.
    async fn position(&self) -> Result<Option<Position>>;

    /// Makes the tables of the target where they are missing, and looks at rows that are there.
    ///
    /// # Errors
    /// [`Fault::Fatal`](crate::Fault::Fatal) where a table cannot be made, or holds rows that
    /// nobody has said what to do about.
    ///
    /// # Cancel safety
    /// Cancel safe: the same may be prepared again.
    async fn prepare(&self, table: &CopyTable) -> Result<Prepared>;
}

impl fmt::Debug for CopyRecord {
    /// Leaves the key out, which is a value of a row (SECRET-1).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyRecord")
            .field("table", &self.table)
            .field("stage", &self.stage)
            .field("rows", &self.rows)
            .field("bytes", &self.bytes)
            .field("estimated", &self.estimated)
            .field("problem", &self.problem)
            .finish_non_exhaustive()
    }
}
