//! What one process knows of its session and leases, shared by those that ask, those that hold,
//! and the task that keeps.
//!
//! Nothing here talks to the server. The lock is never held across an await.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use otter_core::arbiter::LeaseParts;
use otter_core::database_url::DatabaseUrl;
use otter_core::{ArbiterId, Holder, Lease, Side, Term};
use tokio::sync::{Notify, watch};
use tracing::warn;

use super::conn::Conn;
use super::text::{Stored, Texts};
use crate::machine::BootTime;

/// A server counts a session as over a twentieth of the lease later than its holder does, for
/// clocks that run at different rates.
const SERVER_PATIENCE: u32 = 20;
/// A try to renew gives up after this part of a lease, so that another fits in.
const TRIES_PER_LEASE: u32 = 4;
/// Seconds are enough for any server that answers at all.
const LONGEST_ANSWER: Duration = Duration::from_secs(10);

/// What does not change while an arbiter lives.
#[derive(Debug)]
pub(super) struct World {
    pub(super) url: DatabaseUrl,
    pub(super) texts: Texts,
    pub(super) arbiter: ArbiterId,
    pub(super) holder: String,
    pub(super) lease: Duration,
}

/// The right of this process to hold leases, renewed for all of them at once.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) token: String,
    /// Milliseconds of the boot clock. Never later than what the server counts.
    expires: AtomicU64,
}

/// Which sides were held when the server was asked last.
#[derive(Debug, Default, Clone)]
pub(super) struct Board {
    pub(super) held: HashSet<String>,
}

/// Why a lease is lost.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Loss {
    #[error("its time was over before it was renewed")]
    Late,
    #[error("the server has ended the session, or somebody deleted it")]
    Ended,
    #[error("its record is gone, or a higher term was granted")]
    Vanished,
    #[error("the arbiter's tables are gone or were made anew")]
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

/// What all parts of one arbiter in one process share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) world: World,
    state: Mutex<State>,
    /// Wakes the keeper: a release, a new session, somebody who waits.
    pub(super) work: Notify,
    pub(super) board: watch::Sender<Board>,
    waiting: AtomicUsize,
    /// One connection for all that ask, in turn; none where the last one broke.
    pub(super) desk: tokio::sync::Mutex<Option<Conn>>,
    /// True when the keeper has given everything back.
    pub(super) ended: watch::Sender<bool>,
}

/// Tells the keeper to end, also by being dropped: it lives in the arbiter and in each lease.
#[derive(Debug)]
pub(super) struct Alive(pub(super) watch::Sender<bool>);

impl World {
    /// How long one question may take.
    pub(super) fn answer_limit(&self) -> Duration {
        (self.lease / TRIES_PER_LEASE).min(LONGEST_ANSWER)
    }

    /// How long the server shall count a renewal.
    pub(super) fn lasts(&self) -> Duration {
        self.lease + self.lease / SERVER_PATIENCE
    }

    /// Address and schema.
    pub(super) fn place(&self) -> String {
        format!("{}/{}", self.url.address(), self.texts.schema())
    }
}

impl Session {
    /// A session that was asked for at a time.
    pub(super) fn new(token: String, asked: BootTime, lease: Duration) -> Self {
        Self { token, expires: AtomicU64::new(asked.after(lease).0) }
    }

    pub(super) fn expires(&self) -> BootTime {
        BootTime(self.expires.load(Ordering::Acquire))
    }

    pub(super) fn extend(&self, to: BootTime) {
        self.expires.store(to.0, Ordering::Release);
    }

    /// Whether its time is not over.
    pub(super) fn is_valid(&self) -> bool {
        BootTime::now() < self.expires()
    }
}

impl Shared {
    pub(super) fn new(world: World) -> Self {
        Self {
            world,
            state: Mutex::default(),
            work: Notify::new(),
            board: watch::Sender::new(Board::default()),
            waiting: AtomicUsize::new(0),
            desk: tokio::sync::Mutex::new(None),
            ended: watch::Sender::new(false),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn session(&self) -> Option<Arc<Session>> {
        self.state().session.clone()
    }

    /// Makes a session the one that all new leases are under.
    pub(super) fn begin_session(&self, session: &Arc<Session>) {
        self.state().session = Some(Arc::clone(session));
        self.work.notify_one();
    }

    /// Ends a session with all its leases, if it is still the one.
    pub(super) fn lose_session(&self, session: &Arc<Session>, loss: &Loss) {
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
    pub(super) fn own_holder(&self, side: &str) -> Option<Holder> {
        let state = self.state();
        let held = state.held.get(side)?;
        let session = state.session.as_ref()?;
        let holder = || Holder { name: self.world.holder.clone(), term: held.term };
        session.is_valid().then(holder)
    }

    /// Notes that a grant is under way, until the answer is dropped.
    pub(super) fn granting(self: &Arc<Self>, side: &str) -> Granting {
        self.state().granting.insert(side.to_owned());
        Granting { shared: Arc::clone(self), side: side.to_owned() }
    }

    /// Makes the lease that was granted; `None` where its session is over meanwhile.
    pub(super) fn hold(
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
            arbiter: self.world.arbiter.clone(),
            side: side.clone(),
            term,
            duration: self.world.lease,
            lost,
            still_valid: Box::new(move || valid.is_valid()),
            guard: Box::new(Guard {
                shared: Arc::clone(self),
                side: key.to_owned(),
                term,
                _alive: Arc::clone(alive),
            }),
        }))
    }

    /// The leases that this process believes to hold.
    pub(super) fn held(&self) -> Vec<Stored> {
        let state = self.state();
        let stored =
            |(side, held): (&String, &Held)| Stored { side: side.clone(), term: held.term.0 };
        state.held.iter().map(stored).collect()
    }

    /// Compares with what the server has: `before` was held before it was asked.
    pub(super) fn compare(&self, before: &[Stored], found: &HashSet<Stored>) {
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
    pub(super) fn releases(&self) -> Vec<Stored> {
        self.state().releases.clone()
    }

    /// These were given back.
    pub(super) fn released(&self, done: &[Stored]) {
        self.state().releases.retain(|lease| !done.contains(lease));
    }

    /// Whether somebody waits for a side.
    pub(super) fn is_awaited(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }

    /// Has the keeper look at the board until the answer is dropped.
    pub(super) fn wait(self: &Arc<Self>) -> Waiting {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        self.work.notify_one();
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

/// A grant is under way.
#[derive(Debug)]
pub(super) struct Granting {
    shared: Arc<Shared>,
    side: String,
}

impl Drop for Granting {
    fn drop(&mut self) {
        self.shared.state().granting.remove(&self.side);
    }
}

/// Gives the side up when the lease is dropped.
#[derive(Debug)]
struct Guard {
    shared: Arc<Shared>,
    side: String,
    term: Term,
    /// The keeper works as long as there is a lease.
    _alive: Arc<Alive>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        if state.held.get(&self.side).is_some_and(|held| held.term == self.term) {
            state.held.remove(&self.side);
            state.releases.push(Stored { side: self.side.clone(), term: self.term.0 });
        }
        drop(state);
        self.shared.work.notify_one();
    }
}
