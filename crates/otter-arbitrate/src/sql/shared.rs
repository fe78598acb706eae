//! What the parts of one arbiter in one process share: those that ask, those that wait, and the
//! task that keeps.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use otter_core::Holder;
use otter_core::database_url::DatabaseUrl;
use tokio::sync::watch;
use tokio::time::Instant;

use super::conn::Conn;
use super::presence::Members;
use super::text::Texts;
use crate::holding::Holding;
use crate::wanted::Paused;

/// A server counts a session as over a twentieth of the lease later than its holder does, for
/// clocks that run at different rates.
const SERVER_PATIENCE: u32 = 20;

/// Where the arbiter is.
#[derive(Debug)]
pub(super) struct World {
    pub(super) url: DatabaseUrl,
    pub(super) texts: Texts,
}

/// Which sides were held when the server was asked last, and by whom.
#[derive(Debug, Clone)]
pub(super) struct Board {
    /// When the question was asked.
    pub(super) asked: Instant,
    pub(super) held: HashMap<String, Holder>,
}

impl Board {
    /// The board on which nothing stands, as of now.
    pub(super) fn empty() -> Self {
        Self { asked: Instant::now(), held: HashMap::new() }
    }
}

/// What all parts of one arbiter in one process share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) world: World,
    pub(super) holding: Arc<Holding>,
    pub(super) board: watch::Sender<Board>,
    waiting: AtomicUsize,
    /// The pipelines that shall rest, for those that follow it.
    pub(super) paused: watch::Sender<Paused>,
    /// The highest term that was seen.
    seen: AtomicU64,
    /// What this process is present as.
    pub(super) members: Members,
    /// One connection for all that ask, in turn; none where the last one broke.
    pub(super) desk: tokio::sync::Mutex<Option<Conn>>,
    /// True when the keeper has given everything back.
    pub(super) ended: watch::Sender<bool>,
}

impl World {
    /// Address and schema.
    pub(super) fn place(&self) -> String {
        format!("{}/{}", self.url.address(), self.texts.schema())
    }
}

impl Shared {
    pub(super) fn new(world: World, holding: Arc<Holding>) -> Self {
        Self {
            world,
            holding,
            board: watch::Sender::new(Board::empty()),
            waiting: AtomicUsize::new(0),
            paused: watch::Sender::new(None),
            seen: AtomicU64::new(0),
            members: Members::default(),
            desk: tokio::sync::Mutex::new(None),
            ended: watch::Sender::new(false),
        }
    }

    /// How long the server shall count a renewal.
    pub(super) fn lasts(&self) -> Duration {
        self.holding.lease + self.holding.lease / SERVER_PATIENCE
    }

    /// The highest term that is known.
    pub(super) fn seen(&self) -> u64 {
        self.seen.load(Ordering::Acquire)
    }

    /// This term was granted, by whom ever.
    pub(super) fn note_seen(&self, term: u64) {
        self.seen.fetch_max(term, Ordering::AcqRel);
    }

    /// Whether somebody waits for a side.
    pub(super) fn is_awaited(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }

    /// Has the keeper look at the board until the answer is dropped.
    pub(super) fn wait(self: &Arc<Self>) -> Waiting {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        self.holding.work.notify_one();
        Waiting(Arc::clone(self))
    }
}

/// Somebody waits for a side.
#[derive(Debug)]
pub(super) struct Waiting(Arc<Shared>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}
