//! A source in memory, and its selector.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::Notify;

use super::super::history::{History, SOURCE, Step};
use super::super::item::Edit;
use crate::batch::Batch;
use crate::budget::Budget;
use crate::fault::{Classify, Fault, Result};
use crate::position::Position;
use crate::stage::{Select, Start};

/// No more transactions than this go into one batch, so that batches stay small.
const BATCH_TRANSACTIONS: usize = 16;
/// A batch takes this part of the budget at most, so that several can be under way.
const BATCHES_PER_BUDGET: usize = 4;
/// What a row takes beside its text: a few cells.
const ROW_BYTES: usize = 64;

/// A source in memory. Clones are the same source.
#[derive(Clone)]
pub struct MemorySource {
    state: Arc<Mutex<State>>,
    /// Wakes in the order of waiting, unlike a watch: a simulation must be repeatable.
    changed: Arc<Notify>,
}

struct State {
    history: History,
    /// How many of the oldest steps are gone.
    purged: usize,
    /// How often all connections have been cut.
    cuts: u64,
    is_reachable: bool,
}

impl MemorySource {
    /// A source in whose history nothing has happened.
    #[must_use]
    pub fn new() -> Self {
        let state = State { history: History::new(), purged: 0, cuts: 0, is_reachable: true };
        Self { state: Arc::new(Mutex::new(state)), changed: Arc::new(Notify::new()) }
    }

    /// A selector with a connection of its own.
    #[must_use]
    pub fn selector(&self) -> MemorySelect {
        MemorySelect { source: self.clone(), opened: None }
    }

    /// Appends to the history, by `write`, and wakes whoever reads it.
    pub fn write<T>(&self, write: impl FnOnce(&mut History) -> T) -> T {
        let written = write(&mut self.lock().history);
        self.changed.notify_waiters();
        written
    }

    /// Appends a transaction.
    ///
    /// # Panics
    /// Where a change does not fit the table as it is.
    pub fn commit(&self, edits: Vec<Edit>) {
        self.write(|history| history.commit(edits));
    }

    /// Looks at the history.
    pub fn read<T>(&self, look: impl FnOnce(&History) -> T) -> T {
        look(&self.lock().history)
    }

    /// The place behind the newest step.
    #[must_use]
    pub fn end(&self) -> Position {
        self.read(|history| history.position(history.len()))
    }

    /// Forgets the first `count` steps, as a server purges its oldest binlogs.
    pub fn purge(&self, count: usize) {
        self.lock().purged = count;
    }

    /// Cuts all connections.
    pub fn cut(&self) {
        self.lock().cuts += 1;
        self.changed.notify_waiters();
    }

    /// Makes the source reachable or not; open connections are cut.
    pub fn set_reachable(&self, is_reachable: bool) {
        self.lock().is_reachable = is_reachable;
        self.cut();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a [`MemorySource`].
pub struct MemorySelect {
    source: MemorySource,
    opened: Option<Opened>,
}

struct Opened {
    budget: Budget,
    cuts: u64,
    next_step: usize,
    /// How many fragments of the next step were returned already.
    fragments: usize,
}

/// What the next batch is.
enum Next {
    Steps { end: usize, bytes: usize },
    Fragment { rows: usize, bytes: usize, is_last: bool },
}

/// A failure of a source in memory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MemorySelectError {
    /// The connection was cut, or none could be made, as a test wished.
    #[error("the connection to the source was lost")]
    Disconnected,
    /// Reading needs an `open` first, or once more after an error.
    #[error("the source is not open")]
    NotOpen,
    /// The position is of another source.
    #[error("the position is of another source than this one")]
    OtherSource,
    /// There is no such place.
    #[error("the source has no such place")]
    NoSuchPlace,
    /// What follows the place is not there any more.
    #[error("the source no longer has what follows the place")]
    Purged,
}

impl Classify for MemorySelectError {
    fn fault(&self) -> Fault {
        match self {
            Self::Disconnected => Fault::Transient,
            Self::NotOpen | Self::OtherSource | Self::NoSuchPlace | Self::Purged => Fault::Fatal,
        }
    }

    fn doing(&self) -> &'static str {
        "read the source in memory"
    }
}

impl State {
    fn check_reachable(&self) -> Result<(), MemorySelectError> {
        if self.is_reachable { Ok(()) } else { Err(MemorySelectError::Disconnected) }
    }

    fn check_kept(&self, step: usize) -> Result<usize, MemorySelectError> {
        if step >= self.purged { Ok(step) } else { Err(MemorySelectError::Purged) }
    }
}

impl Opened {
    /// What can be returned now; `None` where the history has no more.
    fn next(&self, history: &History) -> Option<Next> {
        let most_bytes = self.budget.total_bytes() / BATCHES_PER_BUDGET;
        let first = history.step(self.next_step)?;
        if bytes_of_step(first) > most_bytes {
            return Some(self.next_fragment(first, most_bytes));
        }
        let mut end = self.next_step;
        let mut bytes = 0;
        while let Some(step) = history.step(end)
            && end - self.next_step < BATCH_TRANSACTIONS
            && bytes + bytes_of_step(step) <= most_bytes
        {
            bytes += bytes_of_step(step);
            end += 1;
        }
        Some(Next::Steps { end, bytes })
    }

    fn next_fragment(&self, step: &Step, most_bytes: usize) -> Next {
        let edits: &[Edit] = match step {
            Step::Transaction(edits) => edits,
            Step::Progress => &[],
        };
        // All fragments have equally many rows, as many as fit were all as large as the largest.
        let largest = edits.iter().map(bytes_of).max().unwrap_or(1);
        let rows = (most_bytes / largest).max(1);
        let is_last = (self.fragments + 1) * rows >= edits.len();
        let piece = edits.chunks(rows).nth(self.fragments).unwrap_or_default();
        Next::Fragment { rows, bytes: piece.iter().map(bytes_of).sum(), is_last }
    }
}

fn bytes_of_step(step: &Step) -> usize {
    match step {
        Step::Transaction(edits) => edits.iter().map(bytes_of).sum(),
        Step::Progress => 0,
    }
}

fn bytes_of(edit: &Edit) -> usize {
    edit.images().map(|item| ROW_BYTES + item.name.as_ref().map_or(0, String::len)).sum()
}

#[async_trait]
impl Select for MemorySelect {
    async fn locate(&mut self, start: &Start) -> Result<Position> {
        let state = self.source.lock();
        state.check_reachable()?;
        let step = match start {
            Start::Now => state.history.len(),
            Start::Earliest => state.purged,
            Start::At(place) => {
                let step = state.history.steps_before(place);
                state.check_kept(step.ok_or(MemorySelectError::NoSuchPlace)?)?
            }
            Start::Since(time) => state.check_kept(state.history.steps_until(*time))?,
        };
        Ok(state.history.position(step))
    }

    async fn open(&mut self, from: &Position, budget: &Budget) -> Result<()> {
        self.opened = None;
        let state = self.source.lock();
        state.check_reachable()?;
        if from.source.as_deref() != Some(SOURCE) {
            return Err(MemorySelectError::OtherSource.into());
        }
        let step = state.history.steps_before(&from.resume_from);
        let step = state.check_kept(step.ok_or(MemorySelectError::NoSuchPlace)?)?;
        if from.resume_from.last != state.history.position(step).resume_from.last {
            return Err(MemorySelectError::OtherSource.into());
        }
        self.opened = Some(Opened {
            budget: budget.clone(),
            cuts: state.cuts,
            next_step: step,
            fragments: 0,
        });
        Ok(())
    }

    async fn next(&mut self) -> Result<Batch> {
        loop {
            // Before looking, so that nothing is written unnoticed between looking and waiting.
            let mut changed = std::pin::pin!(self.source.changed.notified());
            changed.as_mut().enable();
            let opened = self.opened.as_mut().ok_or(MemorySelectError::NotOpen)?;
            let next = {
                let state = self.source.lock();
                if opened.cuts != state.cuts || !state.is_reachable {
                    drop(state);
                    self.opened = None;
                    return Err(MemorySelectError::Disconnected.into());
                }
                opened.next(&state.history)
            };
            let Some(next) = next else {
                changed.await;
                continue;
            };
            let bytes = match next {
                Next::Steps { bytes, .. } | Next::Fragment { bytes, .. } => bytes,
            };
            // The last wait: a call that is dropped has changed nothing.
            let permit = opened.budget.acquire(bytes).await;
            let history = &self.source.lock().history;
            let mut batch = match next {
                Next::Steps { end, .. } => history.batch(opened.next_step..end),
                Next::Fragment { rows, .. } => {
                    let fragment = history.fragment(opened.next_step, rows, opened.fragments);
                    fragment.expect("a piece was due")
                }
            };
            match next {
                Next::Steps { end, .. } => opened.next_step = end,
                Next::Fragment { is_last: true, .. } => {
                    opened.next_step += 1;
                    opened.fragments = 0;
                }
                Next::Fragment { is_last: false, .. } => opened.fragments += 1,
            }
            batch.permit = permit;
            return Ok(batch);
        }
    }
}

impl Default for MemorySource {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemorySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = self.read(History::len);
        f.debug_struct("MemorySource").field("steps", &steps).finish_non_exhaustive()
    }
}

impl fmt::Debug for MemorySelect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySelect").field("source", &self.source).finish_non_exhaustive()
    }
}
