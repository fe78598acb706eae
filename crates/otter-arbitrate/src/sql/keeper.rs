//! The task that keeps what a process holds: it renews the session for all leases at once, gives
//! leases back, and looks at the board for those that wait.
//!
//! It has a connection of its own, so that nobody who asks can keep it waiting. When the server
//! does not answer, the session goes on until its time is over by this machine's clock.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use otter_core::Causes;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{info, warn};

use super::conn::{Conn, TextRow};
use super::desk;
use super::error::SqlArbiterError;
use super::shared::{Board, Shared};
use crate::holding::{Loss, Session, Stored};
use crate::machine::BootTime;

/// A session is renewed so often in the time that a lease lasts.
const RENEWALS_PER_LEASE: u32 = 3;
/// After a failure the next try follows sooner.
const TRIES_PER_LEASE: u32 = 12;
/// Those that wait look so often in the time that a lease lasts, or each second.
const LOOKS_PER_LEASE: u32 = 10;
const LONGEST_LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Far away; a timer needs some time.
const NEVER: Duration = Duration::from_secs(3_600);

pub(super) struct Keeper {
    shared: Arc<Shared>,
    conn: Option<Conn>,
    /// The session that `renew_at` is about.
    known: Option<Arc<Session>>,
    renew_at: Instant,
    look_at: Instant,
    retry_at: Instant,
    is_failing: bool,
}

impl Keeper {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let now = Instant::now();
        let (conn, known, is_failing) = (None, None, false);
        Self { shared, conn, known, renew_at: now, look_at: now, retry_at: now, is_failing }
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
        let mut wake_at = now + NEVER;
        let session = self.shared.holding.session();
        if session.as_ref().map(Arc::as_ptr) != self.known.as_ref().map(Arc::as_ptr) {
            self.known.clone_from(&session);
            self.renew_at = now + self.shared.holding.lease / RENEWALS_PER_LEASE;
        }
        if session.is_some() {
            wake_at = wake_at.min(self.renew_at);
        }
        if self.shared.is_awaited() {
            wake_at = wake_at.min(self.look_at);
        }
        if session.is_some() && !self.shared.holding.releases().is_empty() {
            wake_at = now;
        }
        // A server that fails is not asked in a hurry, but the end of a session is not missed.
        wake_at = wake_at.max(self.retry_at);
        match session {
            Some(session) => wake_at.min(now + session.expires().remaining()),
            None => wake_at,
        }
    }

    async fn work(&mut self) {
        let session = self.shared.holding.session();
        if let Some(session) = &session
            && !session.is_valid()
        {
            self.shared.holding.lose_session(session, &Loss::Late);
            return;
        }
        let is_idle = session.is_none() && !self.shared.is_awaited();
        if is_idle || Instant::now() < self.retry_at {
            return;
        }
        let limit = self.shared.holding.answer_limit();
        // The end of the session must be noticed in time.
        let left = session.as_ref().map_or(limit, |session| session.expires().remaining());
        let address = self.shared.world.url.address();
        let outcome = match timeout(left.min(limit), Box::pin(self.duties(session.as_ref()))).await
        {
            Ok(outcome) => outcome,
            Err(_) => Err(SqlArbiterError::Late { address, limit }),
        };
        match outcome {
            Ok(()) if self.is_failing => {
                self.is_failing = false;
                info!("the arbiter answers again");
            }
            Ok(()) => {}
            Err(error) => self.failed(&error, session.as_ref()),
        }
    }

    /// Everything that is due, over one connection; it is gone where that fails or is dropped.
    async fn duties(&mut self, session: Option<&Arc<Session>>) -> Result<(), SqlArbiterError> {
        let mut conn = match self.conn.take() {
            Some(conn) => conn,
            None => Conn::open(&self.shared.world.url, self.shared.holding.lease).await?,
        };
        if let Some(session) = session {
            if self.renew_at <= Instant::now() {
                self.renew(&mut conn, session).await?;
                self.renew_at = Instant::now() + self.shared.holding.lease / RENEWALS_PER_LEASE;
            }
            let releases = self.shared.holding.releases();
            if !releases.is_empty() {
                let text = self.shared.world.texts.release(&session.token, &releases);
                desk::query(&mut conn, &self.shared, text).await?;
                self.shared.holding.released(&releases);
                // Whoever waits in this process need not wait for the next look.
                self.look_at = Instant::now();
            }
        }
        if self.shared.is_awaited() && self.look_at <= Instant::now() {
            self.look(&mut conn).await?;
            let interval = self.shared.holding.lease / LOOKS_PER_LEASE;
            self.look_at = Instant::now() + interval.min(LONGEST_LOOK_INTERVAL);
        }
        self.conn = Some(conn);
        Ok(())
    }

    async fn renew(&self, conn: &mut Conn, session: &Arc<Session>) -> Result<(), SqlArbiterError> {
        let shared = &self.shared;
        let before = shared.holding.held();
        let text = shared.world.texts.renew(&session.token, shared.lasts());
        // INVARIANT FENCE-1: counted from before the question, while the server counts from after
        // it and longer, so that the lease is over here before anybody else can have the side.
        let asked = BootTime::now();
        let old = session.expires();
        let rows = desk::query(conn, shared, text).await?;
        let Some(([id, lives], leases)) = split(&rows) else {
            return Err(desk::bad_answer(shared, "a renewal without an answer"));
        };
        desk::require_ours(shared, id.as_deref())?;
        // An answer after the end comes too late, whatever it says: we were frozen in between.
        if BootTime::now() >= old {
            shared.holding.lose_session(session, &Loss::Late);
            return Ok(());
        }
        if lives.as_deref() != Some("1") {
            shared.holding.lose_session(session, &Loss::Ended);
            return Ok(());
        }
        let found: Option<HashSet<Stored>> = leases.iter().map(read_stored).collect();
        let found = found.ok_or_else(|| desk::bad_answer(shared, "a lease without a term"))?;
        shared.holding.compare(&before, &found);
        session.extend(asked.after(shared.holding.lease));
        Ok(())
    }

    async fn look(&self, conn: &mut Conn) -> Result<(), SqlArbiterError> {
        let rows = desk::query(conn, &self.shared, self.shared.world.texts.look_at_all()).await?;
        let mut rows = rows.into_iter();
        let id = rows.next().and_then(|row| row.into_iter().next().flatten());
        desk::require_ours(&self.shared, id.as_deref())?;
        let held = rows.filter_map(|row| row.into_iter().next().flatten()).collect();
        self.shared.board.send_replace(Board { held });
        Ok(())
    }

    fn failed(&mut self, error: &SqlArbiterError, session: Option<&Arc<Session>>) {
        self.retry_at = Instant::now() + self.shared.holding.lease / TRIES_PER_LEASE;
        if let SqlArbiterError::Rebuilt { .. } = error {
            if let Some(session) = session {
                self.shared.holding.lose_session(session, &Loss::Rebuilt);
            }
            // Those that wait find out for themselves, and are told.
            self.shared.board.send_replace(Board::default());
        }
        if !self.is_failing {
            let remaining = session.map_or(Duration::ZERO, |session| session.expires().remaining());
            let remaining_ms = u64::try_from(remaining.as_millis()).unwrap_or(u64::MAX);
            warn!(
                remaining_ms, error = %Causes(error),
                "the arbiter does not answer; it is asked again, and leases go on while they last"
            );
        }
        self.is_failing = true;
    }

    async fn give_everything_back(&mut self) {
        let Some(session) = self.shared.holding.session() else { return };
        self.shared.holding.lose_session(&session, &Loss::Closed);
        let world = &self.shared.world;
        let conn = self.conn.take();
        let goodbye = async {
            let mut conn = match conn {
                Some(conn) => conn,
                None => Conn::open(&world.url, self.shared.holding.lease).await?,
            };
            desk::query(&mut conn, &self.shared, world.texts.end_session(&session.token)).await?;
            conn.goodbye().await;
            Ok::<(), SqlArbiterError>(())
        };
        // Where it fails, the leases end by time.
        match timeout(self.shared.holding.answer_limit(), Box::pin(goodbye)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                info!(error = %Causes(&error), "leases were not given back; they end by time");
            }
            Err(_) => info!("leases were not given back in time; they end by time"),
        }
    }
}

/// The row about the session, and those about its leases.
fn split(rows: &[TextRow]) -> Option<(&[Option<String>; 2], &[TextRow])> {
    let (first, rest) = rows.split_first()?;
    Some((first.first_chunk()?, rest))
}

fn read_stored(row: &TextRow) -> Option<Stored> {
    let [Some(side), Some(term)] = row.as_slice() else { return None };
    Some(Stored { side: side.clone(), term: term.parse().ok()? })
}
