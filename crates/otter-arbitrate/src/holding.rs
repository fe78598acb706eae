//! What one process holds under its session, for arbiters that ask a server.
//!
//! A session is renewed for all leases at once, and over for all of them at once, by this
//! machine's boot clock. Nothing here talks to a server. The lock is never held across an await.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use otter_core::arbiter::LeaseParts;
use otter_core::{ArbiterId, Holder, Lease, Side, Term};
use tokio::sync::{Notify, watch};
use tracing::warn;

use crate::machine::BootTime;

/// A try to renew gives up after this part of a lease, so that another fits in.
const TRIES_PER_LEASE: u32 = 4;
/// Seconds are enough for any server that answers at all.
const LONGEST_ANSWER: Duration = Duration::from_secs(10);

/// A lease as the server has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Stored {
    pub(crate) side: String,
    pub(crate) term: u64,
}

/// The right of this process to hold leases, renewed for all of them at once.
#[derive(Debug)]
pub(crate) struct Session {
    #[cfg_attr(
        not(feature = "sql"),
        allow(dead_code, reason = "a client of ZooKeeper keeps it itself")
    )]
    pub(crate) token: String,
    /// Milliseconds of the boot clock. Never later than what the server counts.
    expires: AtomicU64,
}

/// Why a lease is lost.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Loss {
    #[error("its time was over before it was renewed")]
    Late,
    #[error("the server has ended the session, or somebody deleted it")]
    Ended,
    #[error("its record is gone, or a higher term was granted")]
    Vanished,
    #[error("the arbiter's records are gone or were made anew")]
    Rebuilt,
    #[error("the arbiter was closed")]
    Closed,
}

#[derive(Debug)]
struct Held {
    term: Term,
    lost: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct State {
    session: Option<Arc<Session>>,
    held: HashMap<String, Held>,
    /// Sides whose grant is under way, so that nobody takes what it wrote for a leftover.
    granting: HashSet<String>,
    releases: Vec<Stored>,
}

/// The leases of one arbiter in one process.
#[derive(Debug)]
pub(crate) struct Holding {
    pub(crate) arbiter: ArbiterId,
    /// This process for people.
    pub(crate) holder: String,
    /// How long a lease lasts after its last renewal.
    pub(crate) lease: Duration,
    state: Mutex<State>,
    /// Wakes the keeper: a release, a new session, somebody who waits.
    pub(crate) work: Notify,
}

/// Tells the keeper to end, also by being dropped: it lives in the arbiter and in each lease.
#[derive(Debug)]
pub(crate) struct Alive(pub(crate) watch::Sender<bool>);

impl Alive {
    /// Works in a task of its own, which ends with the work, and when the arbiter is closed.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut is_closed = self.0.subscribe();
        tokio::spawn(async move {
            tokio::select! {
                biased;
                _ = is_closed.wait_for(|is_closed| *is_closed) => {}
                () = work => {}
            }
        });
    }
}

impl Session {
    /// A session that was asked for at a time.
    pub(crate) fn new(token: String, asked: BootTime, lease: Duration) -> Self {
        Self { token, expires: AtomicU64::new(asked.after(lease).0) }
    }

    pub(crate) fn expires(&self) -> BootTime {
        BootTime(self.expires.load(Ordering::Acquire))
    }

    pub(crate) fn extend(&self, to: BootTime) {
        self.expires.store(to.0, Ordering::Release);
    }

    /// Whether its time is not over.
    pub(crate) fn is_valid(&self) -> bool {
        BootTime::now() < self.expires()
    }
}

impl Holding {
    pub(crate) fn new(arbiter: ArbiterId, lease: Duration) -> Self {
        let holder = crate::machine::holder_name();
        Self { arbiter, holder, lease, state: Mutex::default(), work: Notify::new() }
    }

    /// How long one question may take.
    pub(crate) fn answer_limit(&self) -> Duration {
        (self.lease / TRIES_PER_LEASE).min(LONGEST_ANSWER)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn session(&self) -> Option<Arc<Session>> {
        self.state().session.clone()
    }

    /// Makes a session the one that all new leases are under.
    pub(crate) fn begin_session(&self, session: &Arc<Session>) {
        self.state().session = Some(Arc::clone(session));
        self.work.notify_one();
    }

    /// Ends a session with all its leases, if it is still the one.
    pub(crate) fn lose_session(&self, session: &Arc<Session>, loss: &Loss) {
        let mut state = self.state();
        if !state.session.as_ref().is_some_and(|current| Arc::ptr_eq(current, session)) {
            return;
        }
        state.session = None;
        state.releases.clear();
        session.extend(BootTime(0));
        for (side, held) in state.held.drain() {
            warn!(%side, term = %held.term, reason = %loss, "lease lost");
            held.lost.send_replace(true);
        }
    }

    /// This process as the holder of a side, where it is.
    pub(crate) fn own_holder(&self, side: &str) -> Option<Holder> {
        let state = self.state();
        let held = state.held.get(side)?;
        let session = state.session.as_ref()?;
        let holder = || Holder { name: self.holder.clone(), term: held.term };
        session.is_valid().then(holder)
    }

    /// Notes that a grant is under way, until the answer is dropped.
    pub(crate) fn granting(self: &Arc<Self>, side: &str) -> Granting {
        self.state().granting.insert(side.to_owned());
        Granting { holding: Arc::clone(self), side: side.to_owned() }
    }

    /// Makes the lease that was granted; `None` where its session is over meanwhile.
    pub(crate) fn hold(
        self: &Arc<Self>,
        (side, key): (&Side, &str),
        term: Term,
        (session, alive): (&Arc<Session>, &Arc<Alive>),
    ) -> Option<Lease> {
        let mut state = self.state();
        let is_current =
            state.session.as_ref().is_some_and(|current| Arc::ptr_eq(current, session));
        if !is_current || !session.is_valid() {
            return None;
        }
        let (sender, lost) = watch::channel(false);
        state.held.insert(key.to_owned(), Held { term, lost: sender });
        drop(state);
        let valid = Arc::clone(session);
        Some(Lease::new(LeaseParts {
            arbiter: self.arbiter.clone(),
            side: side.clone(),
            term,
            duration: self.lease,
            lost,
            still_valid: Box::new(move || valid.is_valid()),
            guard: Box::new(Guard {
                holding: Arc::clone(self),
                side: key.to_owned(),
                term,
                _alive: Arc::clone(alive),
            }),
        }))
    }

    /// Ends one lease, where it is still held.
    #[cfg(feature = "zookeeper")]
    pub(crate) fn lose(&self, lease: &Stored, loss: &Loss) {
        let mut state = self.state();
        let is_meant = state.held.get(&lease.side).is_some_and(|held| held.term.0 == lease.term);
        if is_meant && let Some(held) = state.held.remove(&lease.side) {
            warn!(side = %lease.side, term = %held.term, reason = %loss, "lease lost");
            held.lost.send_replace(true);
        }
    }

    /// Whether a side's lease is held here, or its grant is under way.
    #[cfg(feature = "zookeeper")]
    pub(crate) fn is_known(&self, side: &str) -> bool {
        let state = self.state();
        state.held.contains_key(side) || state.granting.contains(side)
    }

    /// The leases that this process believes to hold.
    pub(crate) fn held(&self) -> Vec<Stored> {
        let state = self.state();
        let stored =
            |(side, held): (&String, &Held)| Stored { side: side.clone(), term: held.term.0 };
        state.held.iter().map(stored).collect()
    }

    /// Compares with what the server has: `before` was held before it was asked.
    #[cfg(feature = "sql")]
    pub(crate) fn compare(&self, before: &[Stored], found: &HashSet<Stored>) {
        let mut state = self.state();
        for lease in before.iter().filter(|lease| !found.contains(lease)) {
            let is_meant =
                state.held.get(&lease.side).is_some_and(|held| held.term.0 == lease.term);
            if is_meant && let Some(held) = state.held.remove(&lease.side) {
                warn!(side = %lease.side, term = %held.term, reason = %Loss::Vanished, "lease lost");
                held.lost.send_replace(true);
            }
        }
        // Grants whose answer was lost: nobody here knows that the side is ours.
        for lease in found {
            let is_known =
                state.held.get(&lease.side).is_some_and(|held| held.term.0 == lease.term)
                    || state.granting.contains(&lease.side)
                    || state.releases.contains(lease);
            if !is_known {
                state.releases.push(lease.clone());
            }
        }
    }

    /// What is to be given back.
    pub(crate) fn releases(&self) -> Vec<Stored> {
        self.state().releases.clone()
    }

    /// These were given back.
    pub(crate) fn released(&self, done: &[Stored]) {
        self.state().releases.retain(|lease| !done.contains(lease));
    }
}

/// A grant is under way.
#[derive(Debug)]
pub(crate) struct Granting {
    holding: Arc<Holding>,
    side: String,
}

impl Drop for Granting {
    fn drop(&mut self) {
        self.holding.state().granting.remove(&self.side);
    }
}

/// Gives the side up when the lease is dropped.
#[derive(Debug)]
struct Guard {
    holding: Arc<Holding>,
    side: String,
    term: Term,
    /// The keeper works as long as there is a lease.
    _alive: Arc<Alive>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut state = self.holding.state();
        if state.held.get(&self.side).is_some_and(|held| held.term == self.term) {
            state.held.remove(&self.side);
            state.releases.push(Stored { side: self.side.clone(), term: self.term.0 });
            // The holder may see the end of its time before the keeper does.
            if state.session.as_ref().is_some_and(|session| !session.is_valid()) {
                warn!(side = %self.side, term = %self.term, reason = %Loss::Late, "lease lost");
            }
        }
        drop(state);
        self.holding.work.notify_one();
    }
}

#[cfg(all(test, feature = "zookeeper"))]
mod tests;
