//! The task that keeps what a process holds: it renews the session for all leases at once, gives
//! leases back, makes this process present, and looks at the board for those that wait.
//!
//! It has a connection of its own, so that nobody who asks can keep it waiting. When the server
//! does not answer, the session goes on until its time is over by this machine's clock.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use otter_core::{Causes, Holder, Node, PipelineId, Term};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{info, warn};

use super::conn::{Conn, TextRow};
use super::desk;
use super::error::SqlArbiterError;
use super::shared::{Board, Shared};
use crate::holding::{Loss, Session, Stored};
use crate::machine::BootTime;
use crate::wanted;

/// A session is renewed so often in the time that a lease lasts.
const RENEWALS_PER_LEASE: u32 = 3;
/// After a failure the next try follows sooner.
const TRIES_PER_LEASE: u32 = 12;
/// Those that wait look so often in the time that a lease lasts, or each second.
const LOOKS_PER_LEASE: u32 = 10;
const LONGEST_LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Whoever begins a session meanwhile takes a few round trips.
const BETWEEN_TRIES: Duration = Duration::from_millis(20);
/// Far away; a timer needs some time.
const NEVER: Duration = Duration::from_secs(3_600);

pub(super) struct Keeper {
    shared: Arc<Shared>,
    conn: Option<Conn>,
    /// The session that `renew_at` is about.
    known: Option<Arc<Session>>,
    renew_at: Instant,
    /// When the board was looked at last; `None` where it is to be looked at now.
    looked_at: Option<Instant>,
    retry_at: Instant,
    is_failing: bool,
}

impl Keeper {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let now = Instant::now();
        let (conn, known, is_failing) = (None, None, false);
        Self { shared, conn, known, renew_at: now, looked_at: None, retry_at: now, is_failing }
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
        // Whoever waits for a side looks once more, and finds that it is over.
        self.shared.board.send_replace(Board::empty());
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
        if self.looks() {
            wake_at = wake_at.min(self.look_at());
        }
        let has_releases = session.is_some() && !self.shared.holding.releases().is_empty();
        if has_releases || self.shared.members.is_due(session.as_deref()) {
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
        let is_idle =
            session.is_none() && !self.looks() && !self.shared.members.is_due(session.as_deref());
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
                self.looked_at = None;
            }
        }
        // First of all who holds what: those that wait must not depend on being counted.
        if self.looks() && self.look_at() <= Instant::now() {
            self.look(&mut conn).await?;
            self.looked_at = Some(Instant::now());
        }
        self.make_present(&mut conn, session).await?;
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

    /// Writes and deletes the rows of what this process is present as.
    async fn make_present(
        &mut self,
        conn: &mut Conn,
        session: Option<&Arc<Session>>,
    ) -> Result<(), SqlArbiterError> {
        let (shared, members) = (&self.shared, &self.shared.members);
        let left = members.left();
        for key in &left {
            desk::query(conn, shared, shared.world.texts.leave(key)).await?;
        }
        members.deleted(&left);
        let unwritten = members.unwritten(session.map(Arc::as_ref));
        if unwritten.is_empty() {
            if !left.is_empty() {
                self.looked_at = None;
            }
            return Ok(());
        }
        let session = match session {
            Some(session) => Arc::clone(session),
            // Whoever is asking for a side now begins a session, or has begun one.
            None => match shared.desk.try_lock() {
                Ok(_desk) if shared.holding.session().is_none() => {
                    desk::begin_session(conn, shared).await?
                }
                Ok(_) | Err(_) => {
                    self.retry_at = Instant::now() + BETWEEN_TRIES;
                    return Ok(());
                }
            },
        };
        for key in unwritten {
            desk::query(conn, shared, shared.world.texts.join(&key, &session.token)).await?;
            members.written(&key, &session);
        }
        self.looked_at = None;
        Ok(())
    }

    /// Whether anybody wants to know how things are.
    fn looks(&self) -> bool {
        let is_followed = self.shared.paused.receiver_count() > 0;
        is_followed || self.shared.is_awaited() || self.shared.members.is_any()
    }

    /// When the board is looked at next.
    fn look_at(&self) -> Instant {
        let lease = self.shared.holding.lease;
        // Who waits for nothing need not see the others sooner than they see its signs of life.
        let interval = if self.shared.is_awaited() {
            (lease / LOOKS_PER_LEASE).min(LONGEST_LOOK_INTERVAL)
        } else {
            lease / RENEWALS_PER_LEASE
        };
        self.looked_at.map_or_else(Instant::now, |looked_at| looked_at + interval)
    }

    async fn look(&self, conn: &mut Conn) -> Result<(), SqlArbiterError> {
        let asked = Instant::now();
        let rows = desk::query(conn, &self.shared, self.shared.world.texts.look_at_all()).await?;
        let Some((first, rows)) = rows.split_first() else {
            return desk::require_ours(&self.shared, None);
        };
        desk::require_ours(&self.shared, first.first().and_then(Option::as_deref))?;
        let (mut held, mut nodes, mut paused) = (HashMap::new(), Vec::new(), BTreeSet::new());
        for row in rows {
            match row.as_slice() {
                [Some(side), Some(term), Some(name)] => {
                    let term = desk::read_term(&self.shared, term)?;
                    held.insert(side.clone(), Holder { name: name.clone(), term: Term(term) });
                }
                [Some(key), Some(name)] => {
                    nodes.push(Node { key: key.as_str().into(), name: name.as_str().into() });
                }
                [Some(pipeline)] => {
                    paused.insert(PipelineId::new(pipeline.as_str()));
                }
                _ => return Err(desk::bad_answer(&self.shared, "a lease without a term")),
            }
        }
        self.shared.members.see(nodes);
        wanted::tell(&self.shared.paused, paused);
        self.shared.board.send_replace(Board { asked, held });
        Ok(())
    }

    fn failed(&mut self, error: &SqlArbiterError, session: Option<&Arc<Session>>) {
        self.retry_at = Instant::now() + self.shared.holding.lease / TRIES_PER_LEASE;
        if let SqlArbiterError::Rebuilt { .. } = error {
            if let Some(session) = session {
                self.shared.holding.lose_session(session, &Loss::Rebuilt);
            }
            // Those that wait find out for themselves, and are told; nothing is wanted of them any
            // more that could keep them from it.
            wanted::tell(&self.shared.paused, BTreeSet::new());
            self.shared.board.send_replace(Board::empty());
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
