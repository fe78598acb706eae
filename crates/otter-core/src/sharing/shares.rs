//! The pipelines of one process, each with a handle that waits for its turn.
//!
//! The lock is never held across an await.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tracing::info;

use super::{Order, Sharing, SharingOptions};
use crate::arbiter::{Campaign, Holder, Lease, Side, Term};
use crate::fault::Result;
use crate::presence::{Join, Nodes};

/// Long enough that nothing is asked in a hurry, short enough that nobody waits for it.
const NEVER: Duration = Duration::from_secs(3_600);
/// A process that has room takes a free side within a renewal or two; twice the lease is longer
/// than a dead node is still counted.
const LEASES_OF_GRACE: u32 = 2;
/// So many sides move in the time of a lease at most: each is a short pause of its pipeline.
const MOVES_PER_LEASE: u32 = 10;

/// The pipelines of one process, which shares those of an installation with other processes.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use otter_core::sharing::Shares;
/// use otter_core::testkit::memory::MemoryArbiter;
/// use otter_core::{Join, PipelineId, Side};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> otter_core::Result<()> {
/// let lease = Duration::from_secs(10);
/// let arbiter: Arc<dyn Join> = Arc::new(MemoryArbiter::new(lease));
/// let sides = ["shop", "stock"].map(|name| Side::target(PipelineId::new(name)));
/// let (shares, mut handles) = Shares::new(arbiter, sides.to_vec(), lease);
/// let mut shop = handles.remove(0);
/// let won = tokio::select! {
///     never = shares.keep() => match never? {},
///     won = shop.campaign() => won?,
/// };
/// assert!(won.lease.is_held());
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Shares {
    inner: Arc<Inner>,
    arbiter: Arc<dyn Join>,
}

/// One pipeline of a process that shares. Dropped, it is one that this process does not run.
#[derive(Debug)]
pub struct Share {
    inner: Arc<Inner>,
    arbiter: Arc<dyn Join>,
    index: usize,
    side: Side,
    /// The term that the side was known to be held under last, by whomever.
    known: Option<Term>,
    /// Whether another process was ever seen to hold it.
    was_held: bool,
}

/// A side that was won.
#[derive(Debug)]
pub struct Won {
    /// The right to run it.
    pub lease: Lease,
    /// Whether another process was ever seen to hold it.
    pub was_held: bool,
}

#[derive(Debug)]
struct Inner {
    sharing: Mutex<Sharing>,
    began: Instant,
    /// Something happened to a pipeline.
    changed: Notify,
    /// Something is to be done about each pipeline.
    orders: Vec<Notify>,
}

impl Inner {
    fn sharing(&self) -> MutexGuard<'_, Sharing> {
        self.sharing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what happened to a pipeline.
    fn note(&self, happened: impl FnOnce(&mut Sharing, Duration)) {
        happened(&mut self.sharing(), self.began.elapsed());
        self.changed.notify_one();
    }

    /// Waits until this is to be done about a pipeline. Cancel safe.
    async fn ordered(&self, index: usize, order: Order) {
        loop {
            if self.sharing().order(index) == Some(order) {
                return;
            }
            match self.orders.get(index) {
                Some(told) => told.notified().await,
                None => std::future::pending().await,
            }
        }
    }
}

impl Shares {
    /// Makes the shares of a process, and a handle for each side, in their order. `lease` is how
    /// long a lease lasts: a side that is free for twice as long is taken beyond the quota.
    ///
    /// All processes of an installation must name the same sides.
    #[must_use]
    pub fn new(arbiter: Arc<dyn Join>, sides: Vec<Side>, lease: Duration) -> (Self, Vec<Share>) {
        let options = SharingOptions {
            grace: lease * LEASES_OF_GRACE,
            between_moves: lease / MOVES_PER_LEASE,
        };
        let inner = Arc::new(Inner {
            sharing: Mutex::new(Sharing::new(sides.len(), options)),
            began: Instant::now(),
            changed: Notify::new(),
            orders: sides.iter().map(|_| Notify::new()).collect(),
        });
        let share = |(index, side)| {
            let (inner, arbiter) = (Arc::clone(&inner), Arc::clone(&arbiter));
            Share { inner, arbiter, index, side, known: None, was_held: false }
        };
        let shares = sides.into_iter().enumerate().map(share).collect();
        (Self { inner, arbiter }, shares)
    }

    /// Is present from the first campaign on, and says whose turn it is. The handles wait while
    /// this does not run.
    ///
    /// # Errors
    /// As [`Join::join`].
    ///
    /// # Cancel safety
    /// Dropping it ends the presence; it may be called again.
    pub async fn keep(&self) -> Result<Infallible> {
        // A process that can run nothing must not be counted.
        while !self.inner.sharing().takes_part() {
            self.inner.changed.notified().await;
        }
        let presence = self.arbiter.join().await?;
        let mut nodes = presence.nodes();
        let mut is_open = true;
        loop {
            let seen = nodes.borrow_and_update().clone();
            self.see(&seen, presence.key());
            let wake_at = self.give_orders();
            tokio::select! {
                biased;
                changed = nodes.changed(), if is_open => is_open = changed.is_ok(),
                () = self.inner.changed.notified() => {}
                () = sleep_until(wake_at) => {}
            }
        }
    }

    fn see(&self, nodes: &Nodes, own: &str) {
        let mut sharing = self.inner.sharing();
        let before = (sharing.node_count(), sharing.quota());
        sharing.see(nodes, own);
        let now = (sharing.node_count(), sharing.quota());
        if now != before
            && let (nodes, Some(quota)) = now
        {
            info!(nodes, quota, "pipelines are shared out");
        }
    }

    /// Tells the handles, and returns when to look again.
    fn give_orders(&self) -> Instant {
        let mut sharing = self.inner.sharing();
        while let Some((index, _)) = sharing.next(self.inner.began.elapsed()) {
            if let Some(told) = self.inner.orders.get(index) {
                told.notify_one();
            }
        }
        let now = Instant::now();
        sharing.wake_at().map_or(now + NEVER, |at| (self.inner.began + at).max(now))
    }
}

impl Share {
    /// Waits until it is this process's turn to have the side, and wins it. Logs who holds it
    /// meanwhile. A lease won before must have been dropped.
    ///
    /// # Errors
    /// As [`Arbiter::try_campaign`](crate::Arbiter::try_campaign).
    ///
    /// # Cancel safety
    /// Cancel safe: a side won but not returned is given up, and the next campaign waits for its
    /// turn again.
    pub async fn campaign(&mut self) -> Result<Won> {
        let mut told: Option<Holder> = None;
        let index = self.index;
        if self.known.is_some() {
            // Our own lease, which the arbiter may not know to be over yet.
            self.inner.note(|sharing, _| sharing.given_back(index));
        }
        loop {
            let asked = match self.known {
                Some(_) => self.arbiter.holder_other_than(&self.side, self.known).await?,
                None => None,
            };
            let holder = match asked {
                Some(holder) => holder,
                None => match self.ask_in_turn().await? {
                    Campaign::Won(lease) => {
                        self.known = Some(lease.term());
                        self.inner.note(|sharing, _| sharing.held(index));
                        return Ok(Won { lease, was_held: self.was_held });
                    }
                    Campaign::Held(holder) => holder,
                },
            };
            self.was_held = true;
            self.known = Some(holder.term);
            self.inner.note(|sharing, _| sharing.elsewhere(index));
            if told.as_ref() != Some(&holder) {
                info!(side = %self.side, %holder, "side is held; waiting");
                told = Some(holder);
            }
        }
    }

    /// Asks for a side that is free when it is our turn, unless another process is faster.
    async fn ask_in_turn(&mut self) -> Result<Campaign> {
        self.known = None;
        let index = self.index;
        self.inner.note(|sharing, now| sharing.free(index, now));
        let taken = tokio::select! {
            biased;
            () = self.inner.ordered(index, Order::Ask) => None,
            taken = self.arbiter.holder_other_than(&self.side, None) => taken?,
        };
        match taken {
            Some(holder) => Ok(Campaign::Held(holder)),
            None => self.arbiter.try_campaign(&self.side).await,
        }
    }

    /// Takes no part in the pipeline until the next campaign: this process is not counted as one that
    /// runs it, or waits for it. A campaign must have been dropped, and its lease too.
    pub fn rest(&self) {
        let index = self.index;
        self.inner.note(|sharing, _| sharing.out(index));
    }

    /// Returns when the pipeline shall stop, and its lease be dropped, for a node that has joined.
    /// The next [`campaign`](Self::campaign) waits for its turn again.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn is_asked_back(&self) {
        self.inner.ordered(self.index, Order::GiveBack).await;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let index = self.index;
        self.inner.note(|sharing, _| sharing.out(index));
    }
}
