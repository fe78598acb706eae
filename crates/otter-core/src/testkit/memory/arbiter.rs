//! An arbiter in memory, with the powers of fate: to expire, freeze and forget.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Notify, watch};
use tokio::time::sleep;

use crate::arbiter::{Arbiter, ArbiterId, Campaign, Holder, Lease, LeaseParts, Side, Term};
use crate::fault::Result;
use crate::presence::{self, Join, Nodes, Presence};

/// An arbiter in memory. Clones are one node; [`node`](Self::node) makes others.
///
/// Leases end by tokio's clock, so that it works with a paused one too.
#[derive(Clone)]
pub struct MemoryArbiter {
    shared: Arc<Shared>,
    node: Arc<Node>,
}

struct Shared {
    id: ArbiterId,
    lease: Duration,
    sides: Mutex<BTreeMap<Side, SideState>>,
    /// Who is present, the oldest first.
    present: watch::Sender<Nodes>,
    /// Wakes in the order of waiting, unlike a watch: a simulation must be repeatable.
    changed: Notify,
}

struct Node {
    name: String,
    /// What this node has joined as.
    joined: Mutex<Vec<presence::Node>>,
    /// Counts freezes and thaws: odd while frozen.
    freezes: AtomicU64,
}

#[derive(Default)]
struct SideState {
    last_term: u64,
    holder: Option<HolderState>,
    /// Holders that were not told; as long as their senders live, they notice nothing.
    forgotten: Vec<HolderState>,
}

struct HolderState {
    node: Arc<Node>,
    term: Term,
    lost: watch::Sender<bool>,
}

/// Terms of two arbiters cannot be compared, so each has an id of its own.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

impl MemoryArbiter {
    /// A new arbitration history whose leases last this long.
    #[must_use]
    pub fn new(lease: Duration) -> Self {
        let id = ArbiterId::new(format!("memory-{}", NEXT_ID.fetch_add(1, Ordering::Relaxed)));
        let shared = Shared {
            id,
            lease,
            sides: Mutex::new(BTreeMap::new()),
            present: watch::Sender::new(Nodes::default()),
            changed: Notify::new(),
        };
        let node = Node::new("the first node");
        Self { shared: Arc::new(shared), node: Arc::new(node) }
    }

    /// Another node with the same history.
    #[must_use]
    pub fn node(&self, name: &str) -> Self {
        let node = Node::new(name);
        Self { shared: Arc::clone(&self.shared), node: Arc::new(node) }
    }

    /// Ends the lease of whoever holds the side, and tells the holder.
    pub fn expire(&self, side: &Side) {
        self.end_where(side, |_| true);
    }

    /// Forgets who holds the side without telling the holder: the next campaign grants a second
    /// lease while the first is still believed in. No arbiter should; correctness must not care.
    pub fn forget(&self, side: &Side) {
        if let Some(state) = self.sides().get_mut(side) {
            state.forgotten.extend(state.holder.take());
        }
        self.shared.changed.notify_waiters();
    }

    /// Stops renewing this node's leases: they end by time unless it thaws before. Must be called
    /// within a runtime.
    pub fn freeze(&self) {
        if self.node.is_frozen() {
            return;
        }
        let freezes = self.node.freezes.load(Ordering::SeqCst);
        self.node.freezes.store(freezes + 1, Ordering::SeqCst);
        let this = self.clone();
        tokio::spawn(async move {
            sleep(this.shared.lease).await;
            if this.node.freezes.load(Ordering::SeqCst) == freezes + 1 {
                this.end_all();
            }
        });
    }

    /// Renews this node's leases again, those that are not lost.
    pub fn thaw(&self) {
        let freezes = self.node.freezes.load(Ordering::SeqCst);
        self.node.freezes.store(freezes + freezes % 2, Ordering::SeqCst);
        for node in self.node.joined().iter() {
            self.shared.appear(node);
        }
    }

    /// The term and node of whoever holds the side.
    #[must_use]
    pub fn holder(&self, side: &Side) -> Option<Holder> {
        self.sides().get(side)?.holder.as_ref().map(HolderState::to_holder)
    }

    fn sides(&self) -> MutexGuard<'_, BTreeMap<Side, SideState>> {
        self.shared.sides.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the side's lease where its holder is the one meant.
    fn end_where(&self, side: &Side, is_meant: impl Fn(&HolderState) -> bool) {
        if let Some(state) = self.sides().get_mut(side)
            && let Some(holder) = state.holder.take_if(|holder| is_meant(holder))
        {
            // Under the lock: nobody may win before the loser can know.
            holder.lost.send_replace(true);
        }
        self.shared.changed.notify_waiters();
    }

    /// Ends all leases of this node.
    fn end_all(&self) {
        let sides: Vec<Side> = self.sides().keys().cloned().collect();
        for side in sides {
            self.end_where(&side, |holder| Arc::ptr_eq(&holder.node, &self.node));
        }
        for node in self.node.joined().iter() {
            self.shared.vanish(&node.key);
        }
    }

    fn grant(&self, side: &Side, state: &mut SideState) -> Lease {
        state.last_term += 1;
        let term = Term(state.last_term);
        let (sender, lost) = watch::channel(false);
        let valid = lost.clone();
        state.holder = Some(HolderState { node: Arc::clone(&self.node), term, lost: sender });
        // Whoever waits for a change sees it when the lock is free again.
        self.shared.changed.notify_waiters();
        Lease::new(LeaseParts {
            arbiter: self.shared.id.clone(),
            side: side.clone(),
            term,
            duration: self.shared.lease,
            lost,
            still_valid: Box::new(move || !*valid.borrow()),
            guard: Box::new(Guard { arbiter: self.clone(), side: side.clone(), term }),
        })
    }
}

impl Shared {
    /// Adds a node as the youngest, where it is not present.
    fn appear(&self, node: &presence::Node) {
        self.present.send_if_modified(|nodes| {
            if nodes.contains(node) {
                return false;
            }
            *nodes = nodes.iter().chain([node]).cloned().collect();
            true
        });
    }

    fn vanish(&self, key: &str) {
        self.present.send_if_modified(|nodes| {
            let before = nodes.len();
            *nodes = nodes.iter().filter(|node| *node.key != *key).cloned().collect();
            nodes.len() != before
        });
    }
}

impl Node {
    fn new(name: &str) -> Self {
        Self { name: name.to_owned(), joined: Mutex::default(), freezes: AtomicU64::new(0) }
    }

    fn joined(&self) -> MutexGuard<'_, Vec<presence::Node>> {
        self.joined.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_frozen(&self) -> bool {
        self.freezes.load(Ordering::SeqCst) % 2 == 1
    }
}

impl HolderState {
    fn to_holder(&self) -> Holder {
        Holder { name: self.node.name.clone(), term: self.term }
    }
}

/// Gives the side up when the lease is dropped.
struct Guard {
    arbiter: MemoryArbiter,
    side: Side,
    term: Term,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.arbiter.end_where(&self.side, |holder| holder.term == self.term);
    }
}

#[async_trait]
impl Arbiter for MemoryArbiter {
    fn id(&self) -> &ArbiterId {
        &self.shared.id
    }

    async fn try_campaign(&self, side: &Side) -> Result<Campaign> {
        let mut sides = self.sides();
        let state = sides.entry(side.clone()).or_default();
        Ok(match &state.holder {
            Some(holder) => Campaign::Held(holder.to_holder()),
            None => Campaign::Won(self.grant(side, state)),
        })
    }

    async fn campaign(&self, side: &Side) -> Result<Lease> {
        loop {
            // Before asking, so that nothing changes unnoticed between asking and waiting.
            let mut changed = std::pin::pin!(self.shared.changed.notified());
            changed.as_mut().enable();
            if let Campaign::Won(lease) = self.try_campaign(side).await? {
                return Ok(lease);
            }
            changed.await;
        }
    }
}

#[async_trait]
impl Join for MemoryArbiter {
    async fn join(&self) -> Result<Presence> {
        let key: Arc<str> = format!("node-{}", NEXT_ID.fetch_add(1, Ordering::Relaxed)).into();
        let node = presence::Node { key: Arc::clone(&key), name: self.node.name.as_str().into() };
        self.node.joined().push(node.clone());
        if !self.node.is_frozen() {
            self.shared.appear(&node);
        }
        let left = Left { arbiter: self.clone(), key: Arc::clone(&key) };
        Ok(Presence::new(key, self.shared.present.subscribe(), Box::new(left)))
    }

    async fn holder_other_than(&self, side: &Side, known: Option<Term>) -> Result<Option<Holder>> {
        loop {
            let mut changed = std::pin::pin!(self.shared.changed.notified());
            changed.as_mut().enable();
            let holder = self.holder(side);
            if holder.as_ref().map(|holder| holder.term) != known {
                return Ok(holder);
            }
            changed.await;
        }
    }
}

/// Ends a presence when it is dropped.
struct Left {
    arbiter: MemoryArbiter,
    key: Arc<str>,
}

impl Drop for Left {
    fn drop(&mut self) {
        self.arbiter.node.joined().retain(|node| node.key != self.key);
        self.arbiter.shared.vanish(&self.key);
    }
}

impl fmt::Debug for MemoryArbiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryArbiter")
            .field("id", &self.shared.id)
            .field("node", &self.node.name)
            .finish_non_exhaustive()
    }
}
