//! The initial copy: tables are read while the source is being written, and put into the stream.
//!
//! ```text
//! CopySelector           a Select around the BinlogSelector
//!     next               passes the stream on, and puts pieces of tables between its transactions
//!         Worker         reads a part of a table in a snapshot, over a connection of its own
//!         Window         the rows that the stream has touched since: of them the piece is too old
//!         CopyLog        how far the copy is; the loader writes it with the rows
//! ```
//!
//! Nothing is locked and nothing is written at the source. A part is read in a snapshot that holds
//! everything which the stream has passed when it was asked for, and put into the stream where that
//! has reached the place at which the snapshot ends, without the rows that it has touched meanwhile.
//! So at every place the target holds some of the table's rows, each as the source had it there
//! (docs/adr/0015).
//!
//! This module never knows a target but by [`CopyLog`].

mod answers;
mod aside;
mod births;
mod definition;
mod emit;
mod error;
mod flight;
mod key;
mod lane;
mod passing;
mod pieces;
mod preflight;
mod relations;
mod renames;
mod resync;
mod run;
mod snapshot;
mod tables;
mod turns;
mod value;
mod watermark;
mod window;
mod worker;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use otter_core::mapping::Mappings;
use otter_core::{Batch, Budget, CopyLog, FilePlace, Position, Result, Select, Start, TableName};

pub use aside::OnUnreadable;
pub use error::CopyError;
pub use preflight::check;
pub use resync::{Inspected, ResyncSelector, inspect};
use run::Run;

use crate::selector::{BinlogSelector, SelectError};

/// The part of a pipeline's memory that the copy may hold.
const SHARE: usize = 4;

/// Copies the tables of a source and reads its binlog meanwhile, as one stream.
///
/// Where the [`CopyLog`] says that all tables are copied it is the selector inside, and nothing more.
#[derive(Debug)]
pub struct CopySelector {
    inner: BinlogSelector,
    setting: Setting,
    run: Option<Box<Run>>,
}

/// What a copy needs to know.
#[derive(Clone)]
pub(crate) struct Setting {
    mappings: Mappings,
    log: Arc<dyn CopyLog>,
    on_unreadable: OnUnreadable,
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setting")
            .field("log", &self.log)
            .field("on_unreadable", &self.on_unreadable)
            .finish_non_exhaustive()
    }
}

impl CopySelector {
    /// A selector that copies the mapped tables; it is not open yet.
    #[must_use]
    pub fn new(inner: BinlogSelector, mappings: Mappings, log: Arc<dyn CopyLog>) -> Self {
        let on_unreadable = OnUnreadable::default();
        Self { inner, setting: Setting { mappings, log, on_unreadable }, run: None }
    }

    /// What becomes of tables that cannot be read; [`OnUnreadable::Wait`] unless this is called.
    #[must_use]
    pub fn with_on_unreadable(mut self, on_unreadable: OnUnreadable) -> Self {
        self.setting.on_unreadable = on_unreadable;
        self
    }

    /// The selector inside.
    pub(crate) fn inner(&self) -> &BinlogSelector {
        &self.inner
    }

    /// Whether tables are being copied; false where all that are left are put aside, or wait for such.
    pub(crate) fn is_copying(&self) -> bool {
        self.run.as_ref().is_some_and(|run| !run.is_over() && !run.only_waits())
    }

    /// Whether a table is not copied as a whole yet.
    pub(crate) fn is_open(&self, table: &TableName) -> bool {
        self.run.as_ref().is_some_and(|run| run.open.contains_key(table))
    }

    /// As [`BinlogSelector::idle_place`].
    pub(crate) fn idle_place(&self) -> Option<FilePlace> {
        if self.run.as_ref()?.is_drained() { self.inner.idle_place() } else { None }
    }
}

#[async_trait]
impl Select for CopySelector {
    async fn locate(&mut self, start: &Start) -> Result<Position> {
        self.inner.locate(start).await
    }

    async fn open(&mut self, from: &Position, budget: &Budget) -> Result<()> {
        self.run = None;
        let total = budget.total_bytes();
        let copy = total / SHARE;
        let beginning = Run::begin(&self.inner, &self.setting, from, Budget::new(copy));
        let run = Box::new(Box::pin(beginning).await?);
        // What is left to the copy waits for the stream, and must not keep it from its room.
        let rest = if run.is_over() { total } else { total - copy };
        self.inner.open(from, &Budget::new(rest)).await?;
        self.run = Some(run);
        Ok(())
    }

    async fn next(&mut self) -> Result<Batch> {
        let run = self.run.as_mut().ok_or(SelectError::NotOpen)?;
        match run.next(&mut self.inner).await {
            Ok(batch) => Ok(batch),
            Err(error) => {
                self.run = None;
                Err(error)
            }
        }
    }
}
