//! The Select stage for MySQL and MariaDB sources.
//!
//! ```text
//! BinlogSelector
//!     locate     asks the source where a start is now
//!     open       proves that the source is the one the position is about, starts the dump
//!     next       Session: waits for events, definitions and room
//!                  Assembler: events in, batches out, never waits
//! ```
//!
//! A position moves at the ends of transactions only. A transaction is handed out once it is
//! complete, or in fragments once it is larger than a fragment or than the room in the budget. Rows
//! of an XA transaction wait until it is decided, and are handed out where it is committed.

pub(crate) mod assembler;
mod checks;
mod draft;
mod error;
mod lessons;
mod locate;
mod opening;
mod options;
mod retention;
mod room;
mod session;
mod since;
mod status;
mod survey;
pub(crate) mod tables;
pub(crate) mod tape;
mod tracker;

use async_trait::async_trait;
use otter_core::{Batch, Budget, FilePlace, Position, Result, Select, Start};

pub use crate::event::{EventError, EventKind};
pub use crate::row::{ImageError, ValueError};
pub use crate::schema::SchemaError;
pub use error::SelectError;
use lessons::Lessons;
pub use options::{
    DatabaseFilter, OWN_SCHEMA, ReadOptions, RowsNeeded, SelectorOptions, TableFilter,
};
pub(crate) use retention::kept;
pub use retention::{Retention, Room};
use session::Session;
pub(crate) use status::{
    BinlogEnd as SourceEnd, binlog_end as source_end, binlog_end_for_trial, has_mysql_gtids,
};

/// What [`crate::fuzzing`] drives itself.
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing {
    pub(crate) use super::assembler::{Assembler, SourceFacts};
}

/// Reads a source's binlog as batches of transactions.
///
/// ```no_run
/// use std::sync::Arc;
/// use otter_binlog::selector::{BinlogSelector, SelectorOptions};
/// use otter_core::{Budget, Select, Start};
///
/// # async fn run() -> otter_core::Result<()> {
/// let url = "mysql://otter:secret@127.0.0.1:3306".parse().expect("the URL is right");
/// let options = SelectorOptions::new(url, Arc::new(|table| &*table.database == "shop"));
/// let mut selector = BinlogSelector::new(options);
/// let position = selector.locate(&Start::Now).await?;
/// selector.open(&position, &Budget::new(64 << 20)).await?;
/// let batch = selector.next().await?;
/// println!("{} rows", batch.row_count());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct BinlogSelector {
    options: SelectorOptions,
    session: Option<Session>,
    lessons: Lessons,
    /// How far this selector has read: up to here its schema log has all schema changes.
    reached: Option<Position>,
}

impl BinlogSelector {
    /// A selector that is not open yet.
    #[must_use]
    pub fn new(options: SelectorOptions) -> Self {
        Self { options, session: None, lessons: Lessons::default(), reached: None }
    }

    /// Looks how long the source keeps what a position still needs; `None` where that cannot be
    /// known, because the position names no file or one that the source has not.
    ///
    /// # Errors
    /// [`Fault::Transient`](otter_core::Fault::Transient) where the source cannot be reached,
    /// [`Fault::Fatal`](otter_core::Fault::Fatal) where it refuses to tell.
    ///
    /// # Cancel safety
    /// Cancel safe: connections of its own are closed.
    pub async fn retention(&self, position: &Position) -> Result<Option<Retention>> {
        Ok(Box::pin(retention::look(&self.options, position)).await?)
    }

    /// What it reads.
    pub(crate) fn options(&self) -> &SelectorOptions {
        &self.options
    }

    /// How far the source has sent, where all of it has been handed out or is not wanted.
    pub(crate) fn idle_place(&self) -> Option<FilePlace> {
        self.session.as_ref()?.idle_place()
    }
}

#[async_trait]
impl Select for BinlogSelector {
    async fn locate(&mut self, start: &Start) -> Result<Position> {
        Ok(Box::pin(locate::locate(&self.options, start)).await?)
    }

    async fn open(&mut self, from: &Position, budget: &Budget) -> Result<()> {
        self.session = None;
        // Schema changes that are jumped over are in no log.
        if self.reached.as_ref().is_some_and(|reached| reached.covers(from) != Some(true)) {
            self.options.schema_log.cut(0).await?;
        }
        self.reached = Some(from.clone());
        let lessons = self.lessons.clone();
        let session = Session::open(&self.options, from, budget, lessons);
        self.session = Some(Box::pin(session).await?);
        Ok(())
    }

    async fn next(&mut self) -> Result<Batch> {
        let session = self.session.as_mut().ok_or(SelectError::NotOpen)?;
        match session.next().await {
            Ok(batch) => {
                if let Some(through) = &batch.through {
                    self.reached = Some(through.clone());
                }
                Ok(batch)
            }
            Err(error) => {
                self.lessons.learn(&error);
                self.session = None;
                Err(error.into())
            }
        }
    }
}
