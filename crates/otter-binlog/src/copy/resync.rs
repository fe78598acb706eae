//! Resync: rows are copied again on request, while the source is written and the pipeline runs.
//!
//! ```text
//! ResyncSelector         a Select around another one
//!     Watch              looks for requests in the target
//!     Run                one request at a time
//!         Worker         reads rows in a snapshot, over a connection of its own
//!         Window         the rows that the stream has touched since: of them what was read is too old
//! ```
//!
//! From the place on at which a request is taken up, changes of its table in the stream take effect
//! whatever the target has in their place. What was read is put into the stream where that has reached
//! the end of its snapshot, without the rows that the stream has touched meanwhile: there the target's
//! rows go, and the source's come (docs/adr/0018).

mod active;
mod answers;
mod emit;
mod gate;
mod jobs;
mod keys;
mod passing;
pub(super) mod prepare;
pub(super) mod refusal;
mod run;
mod touched;
mod wanted;
mod watch;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use otter_core::mapping::Mappings;
use otter_core::{Batch, Budget, FilePlace, Position, Result, ResyncLog, Select, Start, TableName};

pub use prepare::{Inspected, inspect};
use run::Run;

use super::CopySelector;
use crate::selector::{BinlogSelector, SelectError, SelectorOptions};

/// The part of a pipeline's memory that rows on their way may take.
const SHARE: usize = 32;

/// Copies rows again on request and passes a stream on meanwhile, as one stream.
///
/// Where nobody asks for anything it is the selector inside, and a look into the target each second.
/// Requests wait until an initial copy is over.
#[derive(Debug)]
pub struct ResyncSelector {
    inner: Inner,
    setting: Setting,
    run: Option<Box<Run>>,
}

/// The selector inside.
#[derive(Debug)]
pub(super) enum Inner {
    Plain(Box<BinlogSelector>),
    Copying(Box<CopySelector>),
}

/// What a resync needs to know.
#[derive(Clone)]
pub(super) struct Setting {
    pub(super) mappings: Mappings,
    pub(super) log: Arc<dyn ResyncLog>,
    /// Why no request can be done; `None` where they can.
    pub(super) refusal: Option<Arc<str>>,
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setting").field("log", &self.log).finish_non_exhaustive()
    }
}

impl From<BinlogSelector> for Inner {
    fn from(selector: BinlogSelector) -> Self {
        Self::Plain(Box::new(selector))
    }
}

impl From<CopySelector> for Inner {
    fn from(selector: CopySelector) -> Self {
        Self::Copying(Box::new(selector))
    }
}

impl Inner {
    fn select(&mut self) -> &mut dyn Select {
        match self {
            Self::Plain(inner) => &mut **inner,
            Self::Copying(inner) => &mut **inner,
        }
    }

    pub(super) async fn next(&mut self) -> Result<Batch> {
        match self {
            Self::Plain(inner) => inner.next().await,
            Self::Copying(inner) => inner.next().await,
        }
    }

    pub(super) fn options(&self) -> &SelectorOptions {
        match self {
            Self::Plain(inner) => inner.options(),
            Self::Copying(inner) => inner.inner().options(),
        }
    }

    /// How far the source has sent, where all of it has been handed out or is not wanted.
    pub(super) fn idle_place(&self) -> Option<FilePlace> {
        match self {
            Self::Plain(inner) => inner.idle_place(),
            Self::Copying(inner) => inner.idle_place(),
        }
    }

    /// Whether an initial copy is under way, and has something to do.
    pub(super) fn is_copying(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Copying(inner) => inner.is_copying(),
        }
    }

    /// Whether the initial copy of a table is not finished.
    pub(super) fn is_open(&self, table: &TableName) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Copying(inner) => inner.is_open(table),
        }
    }
}

impl ResyncSelector {
    /// A selector that reads the mapped tables, and does what the log asks for; it is not open yet.
    #[must_use]
    pub fn new(inner: BinlogSelector, mappings: Mappings, log: Arc<dyn ResyncLog>) -> Self {
        let setting = Setting { mappings, log, refusal: None };
        Self { inner: inner.into(), setting, run: None }
    }

    /// The same around an initial copy.
    #[must_use]
    pub fn around_copy(inner: CopySelector, mappings: Mappings, log: Arc<dyn ResyncLog>) -> Self {
        let setting = Setting { mappings, log, refusal: None };
        Self { inner: inner.into(), setting, run: None }
    }

    /// The same, but every request is refused for this reason.
    #[must_use]
    pub fn refuse(mut self, why: impl Into<Arc<str>>) -> Self {
        self.setting.refusal = Some(why.into());
        self
    }
}

#[async_trait]
impl Select for ResyncSelector {
    async fn locate(&mut self, start: &Start) -> Result<Position> {
        self.inner.select().locate(start).await
    }

    async fn open(&mut self, from: &Position, budget: &Budget) -> Result<()> {
        self.run = None;
        let total = budget.total_bytes();
        let own = total / SHARE;
        self.inner.select().open(from, &Budget::new(total - own)).await?;
        // Before anything is passed on: what halted the pipeline may be what the request mends.
        let first = self.setting.log.first().await?;
        let url = self.inner.options().url.clone();
        let run = Run::begin((url, &self.setting), from, Budget::new(own), first);
        self.run = Some(Box::new(run));
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
