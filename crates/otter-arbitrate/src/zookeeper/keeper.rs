//! The task that keeps what a process holds: it asks for a sign of life for all leases at once,
//! gives leases back, and deletes nodes that nobody knows of.
//!
//! When the ensemble does not answer, the session goes on until its time is over by this machine's
//! clock; the client's own idea of expiry comes seconds too late.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use otter_core::Causes;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{info, warn};

use super::desk::{Connected, Shared, is_terminal};
use super::error::ZooKeeperArbiterError;
use crate::holding::{Loss, Session, Stored};
use crate::machine::BootTime;

/// A session is renewed so often in the time that a lease lasts.
const RENEWALS_PER_LEASE: u32 = 3;
/// After a failure the next try follows sooner.
const TRIES_PER_LEASE: u32 = 12;
/// Far away; a timer needs some time.
const NEVER: Duration = Duration::from_secs(3_600);

type Result<T> = std::result::Result<T, ZooKeeperArbiterError>;

pub(super) struct Keeper {
    shared: Arc<Shared>,
    /// The session that `renew_at` is about.
    known: Option<Arc<Session>>,
    renew_at: Instant,
    retry_at: Instant,
    is_failing: bool,
}

impl Keeper {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let now = Instant::now();
        Self { shared, known: None, renew_at: now, retry_at: now, is_failing: false }
    }

    /// Works until everybody who held the sender has gone, or one says that it is enough.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            let wake_at = self.wake_at();
            tokio::select! {
                biased;
                // An error means that nobody is left.
                _ = stop.wait_for(|stop| *stop) => break,
                () = self.shared.holding.work.notified() => {}
                () = sleep_until(wake_at) => {}
            }
            self.work().await;
        }
        self.give_everything_back().await;
        self.shared.ended.send_replace(true);
    }

    /// When there is something to do next.
    fn wake_at(&mut self) -> Instant {
        let now = Instant::now();
        let session = self.shared.holding.session();
        if session.as_ref().map(Arc::as_ptr) != self.known.as_ref().map(Arc::as_ptr) {
            self.known.clone_from(&session);
            self.renew_at = now + self.shared.holding.lease / RENEWALS_PER_LEASE;
        }
        let Some(session) = session else { return now + NEVER };
        let is_due = !self.shared.holding.releases().is_empty() || !self.leftovers().is_empty();
        let wake_at = if is_due { now } else { self.renew_at };
        // An ensemble that fails is not asked in a hurry, but the end is not missed.
        wake_at.max(self.retry_at).min(now + session.expires().remaining())
    }

    async fn work(&mut self) {
        let Some(connected) = self.shared.current().await else { return };
        if !connected.session.is_valid() {
            self.shared.drop_session(&connected, &Loss::Late).await;
            return;
        }
        if is_terminal(connected.client.state()) {
            self.shared.drop_session(&connected, &Loss::Ended).await;
            return;
        }
        if Instant::now() < self.retry_at {
            return;
        }
        let limit = self.shared.holding.answer_limit();
        // The end of the session must be noticed in time.
        let left = connected.session.expires().remaining().min(limit);
        let outcome = match timeout(left, Box::pin(self.duties(&connected))).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let servers = self.shared.tree.servers();
                Err(ZooKeeperArbiterError::Late { servers, limit })
            }
        };
        match outcome {
            Ok(()) if self.is_failing => {
                self.is_failing = false;
                info!("the arbiter answers again");
            }
            Ok(()) => {}
            Err(error) => self.failed(&error, &connected).await,
        }
    }

    async fn duties(&mut self, connected: &Connected) -> Result<()> {
        if self.renew_at <= Instant::now() {
            self.renew(connected).await?;
            self.renew_at = Instant::now() + self.shared.holding.lease / RENEWALS_PER_LEASE;
        }
        for lease in self.shared.holding.releases() {
            self.delete_if(connected, &lease.side, |term| term == lease.term).await?;
            self.shared.holding.released(&[lease]);
        }
        for side in self.leftovers() {
            self.look_after(connected, &side).await?;
            let leftovers = self.shared.leftovers.lock();
            let mut leftovers = leftovers.unwrap_or_else(PoisonError::into_inner);
            if let Some(index) = leftovers.iter().position(|other| *other == side) {
                leftovers.swap_remove(index);
            }
        }
        Ok(())
    }

    /// An answer of the ensemble's leader is a sign that it knows of our life. Its servers answer reads by
    /// themselves, for a while also where they have lost the leader, which ends our session meanwhile.
    async fn renew(&self, connected: &Connected) -> Result<()> {
        let session = &connected.session;
        // INVARIANT FENCE-1: counted from before the question, while the ensemble counts from
        // after it and longer, so that the lease is over here before anybody else can have it.
        let asked = BootTime::now();
        let old = session.expires();
        self.shared.tree.ask_leader(&connected.client).await?;
        self.shared.require_ours(&connected.client).await?;
        // An answer after the end comes too late, whatever it says: we were frozen in between.
        if BootTime::now() >= old {
            self.shared.drop_session(connected, &Loss::Late).await;
            return Ok(());
        }
        session.extend(asked.after(self.shared.holding.lease));
        Ok(())
    }

    /// A side that something is not known about: a lease that is held must have its node, and a
    /// node under our session must have its lease.
    async fn look_after(&self, connected: &Connected, side: &str) -> Result<()> {
        let held = self.shared.holding.held().into_iter().find(|held| held.side == side);
        let node = self.shared.tree.look(&connected.client, side).await?;
        if let Some(held) = held {
            if node.is_none_or(|node| node.term != held.term) {
                self.shared.holding.lose(&held, &Loss::Vanished);
            }
            return Ok(());
        }
        if self.shared.holding.is_known(side) {
            return Ok(());
        }
        self.delete_if(connected, side, |_| true).await
    }

    /// Deletes a side's node, where it is our session's.
    async fn delete_if(
        &self,
        connected: &Connected,
        side: &str,
        is_meant: impl Fn(u64) -> bool,
    ) -> Result<()> {
        let client = &connected.client;
        match self.shared.tree.look(client, side).await? {
            Some(node) if node.session == client.session_id().0 && is_meant(node.term) => {
                self.shared.tree.delete(client, side).await
            }
            Some(_) | None => Ok(()),
        }
    }

    async fn failed(&mut self, error: &ZooKeeperArbiterError, connected: &Connected) {
        self.retry_at = Instant::now() + self.shared.holding.lease / TRIES_PER_LEASE;
        if let ZooKeeperArbiterError::Rebuilt { .. } = error {
            self.shared.drop_session(connected, &Loss::Rebuilt).await;
        }
        if !self.is_failing {
            let remaining = connected.session.expires().remaining();
            let remaining_ms = u64::try_from(remaining.as_millis()).unwrap_or(u64::MAX);
            warn!(
                remaining_ms, error = %Causes(error),
                "the arbiter does not answer; it is asked again, and leases go on while they last"
            );
        }
        self.is_failing = true;
    }

    fn leftovers(&self) -> Vec<String> {
        self.shared.leftovers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn give_everything_back(&self) {
        let Some(connected) = self.shared.current().await else { return };
        let held: Vec<Stored> = self.shared.holding.held();
        let released = self.shared.holding.releases();
        self.shared.drop_session(&connected, &Loss::Closed).await;
        let client = connected.client;
        let goodbye = async {
            for lease in held.iter().chain(&released) {
                self.shared.tree.delete(&client, &lease.side).await?;
            }
            Ok::<(), ZooKeeperArbiterError>(())
        };
        // Where it fails, the leases end by time. Dropping the client ends its session.
        match timeout(self.shared.holding.answer_limit(), Box::pin(goodbye)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                info!(error = %Causes(&error), "leases were not given back; they end by time");
            }
            Err(_) => info!("leases were not given back in time; they end by time"),
        }
    }
}
