//! An arbiter of one process that asks the model of a server: what [`sql`](crate::sql) does, in
//! fewer words, over the real [`Holding`].

use std::collections::HashSet;
use std::convert::Infallible;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use otter_core::{
    Arbiter, ArbiterId, Campaign, Holder, Join, Lease, Node, Nodes, Presence, Result, Side, Term,
};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::server::{Grant, Line, Lost};
use crate::holding::{Alive, Holding, Loss, Session, Stored};
use crate::machine::BootTime;

/// As the arbiters of this crate have them.
const RENEWALS_PER_LEASE: u32 = 3;
const TRIES_PER_LEASE: u32 = 12;
const LOOKS_PER_LEASE: u32 = 10;
const TRIES: u32 = 20;
const BETWEEN_TRIES: Duration = Duration::from_millis(10);

/// The arbiter of one process.
pub(super) struct SimulatedArbiter {
    pub(super) holding: Arc<Holding>,
    line: Line,
    alive: Arc<Alive>,
    /// One question about a grant at a time.
    desk: tokio::sync::Mutex<()>,
    member: Arc<Mutex<Option<Member>>>,
    last_token: AtomicU64,
}

struct Member {
    key: String,
    /// The session under which its row was written.
    under: Option<String>,
    nodes: watch::Sender<Nodes>,
}

struct Left(Arc<Mutex<Option<Member>>>);

impl Drop for Left {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl SimulatedArbiter {
    pub(super) fn new(name: &str, lease: Duration, line: Line) -> Self {
        let mut holding = Holding::new(ArbiterId::new("simulated"), lease);
        holding.holder = name.to_owned();
        Self {
            holding: Arc::new(holding),
            line,
            alive: Arc::new(Alive(watch::Sender::new(false))),
            desk: tokio::sync::Mutex::new(()),
            member: Arc::default(),
            last_token: AtomicU64::new(0),
        }
    }

    /// The server lets a session live a fifth longer than its leases.
    fn lasts(&self) -> Duration {
        self.holding.lease * 6 / 5
    }

    async fn ask(&self, side: &Side) -> std::result::Result<Campaign, Lost> {
        let _turn = self.desk.lock().await;
        let key = side.to_string();
        for tried in 0..TRIES {
            if tried > 0 {
                sleep(BETWEEN_TRIES).await;
            }
            if let Some(holder) = self.holding.own_holder(&key) {
                return Ok(Campaign::Held(holder));
            }
            let session = self.holding.session();
            let (asked, own) = (key.clone(), session.as_ref().map(|one| one.token.clone()));
            let found = self.line.ask(move |tables| tables.look(&asked, own.as_deref())).await?;
            if let Some((term, name)) = found {
                return Ok(Campaign::Held(Holder { name, term: Term(term) }));
            }
            let session = match session.filter(|session| session.is_valid()) {
                Some(session) => session,
                None => self.begin_session().await?,
            };
            // Until the lease is held or not, what is found under our token is no leftover.
            let _granting = self.holding.granting(&key);
            let (asked, token) = (key.clone(), session.token.clone());
            match self.line.ask(move |tables| tables.grant(&asked, &token)).await? {
                Grant::Granted(term) => {
                    let under = (&session, &self.alive);
                    if let Some(lease) = self.holding.hold((side, &key), Term(term), under) {
                        return Ok(Campaign::Won(lease));
                    }
                }
                Grant::Held => {}
                Grant::SessionIsOver => self.holding.lose_session(&session, &Loss::Ended),
            }
        }
        Err(Lost)
    }

    async fn begin_session(&self) -> std::result::Result<Arc<Session>, Lost> {
        if let Some(over) = self.holding.session() {
            self.holding.lose_session(&over, &Loss::Late);
        }
        let number = self.last_token.fetch_add(1, Ordering::SeqCst);
        let token = format!("{}, session {number}", self.holding.holder);
        let (named, holder, lasts) = (token.clone(), self.holding.holder.clone(), self.lasts());
        // Before it is sent: the server begins to count later.
        let asked = BootTime::now();
        self.line.ask(move |tables| tables.begin_session(&named, &holder, lasts)).await?;
        let session = Arc::new(Session::new(token, asked, self.holding.lease));
        self.holding.begin_session(&session);
        Ok(session)
    }

    /// Renews, gives back and is present, as the keepers do.
    pub(super) async fn keep(&self) -> Infallible {
        let (mut known, mut renew_at) = (None::<String>, Instant::now());
        let (mut look_at, mut retry_at) = (Instant::now(), Instant::now());
        loop {
            let session = self.holding.session();
            let token = session.as_ref().map(|session| session.token.clone());
            if token != known {
                renew_at = Instant::now() + self.holding.lease / RENEWALS_PER_LEASE;
                known = token;
            }
            let has_releases = session.is_some() && !self.holding.releases().is_empty();
            let due = if has_releases { Instant::now() } else { look_at.min(renew_at) };
            let mut wake_at = due.max(retry_at);
            if let Some(session) = &session {
                wake_at = wake_at.min(Instant::now() + session.expires().remaining());
            }
            tokio::select! {
                biased;
                () = self.holding.work.notified() => {}
                () = sleep_until(wake_at) => {}
            }
            let session = self.holding.session();
            if let Some(session) = &session
                && !session.is_valid()
            {
                self.holding.lose_session(session, &Loss::Late);
                continue;
            }
            if Instant::now() < retry_at {
                continue;
            }
            let limit = self.holding.answer_limit();
            let left = session.as_ref().map_or(limit, |session| session.expires().remaining());
            let duties = self.duties(session.as_ref(), (&mut renew_at, &mut look_at));
            match timeout(left.min(limit), duties).await {
                Ok(Ok(())) => {}
                Ok(Err(Lost)) | Err(_) => {
                    retry_at = Instant::now() + self.holding.lease / TRIES_PER_LEASE;
                }
            }
        }
    }

    async fn duties(
        &self,
        session: Option<&Arc<Session>>,
        (renew_at, look_at): (&mut Instant, &mut Instant),
    ) -> std::result::Result<(), Lost> {
        if let Some(session) = session {
            if *renew_at <= Instant::now() {
                self.renew(session).await?;
                *renew_at = Instant::now() + self.holding.lease / RENEWALS_PER_LEASE;
            }
            let releases = self.holding.releases();
            if !releases.is_empty() {
                let (token, leases) = (session.token.clone(), releases.clone());
                self.line.ask(move |tables| tables.release(&token, &leases)).await?;
                self.holding.released(&releases);
            }
        } else {
            *renew_at = Instant::now() + self.holding.lease / RENEWALS_PER_LEASE;
        }
        self.be_present(session).await?;
        *look_at = Instant::now() + self.holding.lease / LOOKS_PER_LEASE;
        Ok(())
    }

    async fn renew(&self, session: &Arc<Session>) -> std::result::Result<(), Lost> {
        let before = self.holding.held();
        let (token, lasts) = (session.token.clone(), self.lasts());
        // INVARIANT FENCE-1: as the keepers have it.
        let asked = BootTime::now();
        let old = session.expires();
        let found = self.line.ask(move |tables| tables.renew(&token, lasts)).await?;
        if BootTime::now() >= old {
            self.holding.lose_session(session, &Loss::Late);
            return Ok(());
        }
        let Some(found) = found else {
            self.holding.lose_session(session, &Loss::Ended);
            return Ok(());
        };
        let found: HashSet<Stored> = found.into_iter().collect();
        self.holding.compare(&before, &found);
        session.extend(asked.after(self.holding.lease));
        Ok(())
    }

    async fn be_present(&self, session: Option<&Arc<Session>>) -> std::result::Result<(), Lost> {
        let wanted = {
            let member = self.member.lock().unwrap_or_else(PoisonError::into_inner);
            member.as_ref().map(|member| (member.key.clone(), member.under.clone()))
        };
        let Some((key, under)) = wanted else { return Ok(()) };
        let session = match session {
            Some(session) => Arc::clone(session),
            None => {
                let _turn = self.desk.lock().await;
                match self.holding.session().filter(|session| session.is_valid()) {
                    Some(session) => session,
                    None => self.begin_session().await?,
                }
            }
        };
        if under.as_ref() != Some(&session.token) {
            let (joined, token) = (key.clone(), session.token.clone());
            self.line.ask(move |tables| tables.join(&joined, &token)).await?;
            self.with_member(&key, |member| member.under = Some(session.token.clone()));
        }
        let nodes = self.line.ask(|tables| tables.nodes()).await?;
        if !nodes.contains(&key) {
            self.with_member(&key, |member| member.under = None);
        }
        let named = |key: String| Node { name: key.as_str().into(), key: key.into() };
        let nodes: Nodes = nodes.into_iter().map(named).collect();
        self.with_member(&key, |member| {
            member.nodes.send_if_modified(|known| {
                let differs = *known != nodes;
                *known = nodes;
                differs
            });
        });
        Ok(())
    }

    fn with_member(&self, key: &str, change: impl FnOnce(&mut Member)) {
        let mut member = self.member.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(member) = member.as_mut().filter(|member| member.key == key) {
            change(member);
        }
    }
}

#[async_trait]
impl Arbiter for SimulatedArbiter {
    fn id(&self) -> &ArbiterId {
        &self.holding.arbiter
    }

    async fn try_campaign(&self, side: &Side) -> Result<Campaign> {
        match timeout(self.holding.answer_limit(), self.ask(side)).await {
            Ok(outcome) => Ok(outcome?),
            Err(_) => Err(Lost.into()),
        }
    }

    async fn campaign(&self, side: &Side) -> Result<Lease> {
        loop {
            match self.try_campaign(side).await? {
                Campaign::Won(lease) => return Ok(lease),
                Campaign::Held(_) => sleep(self.holding.lease / LOOKS_PER_LEASE).await,
            }
        }
    }
}

#[async_trait]
impl Join for SimulatedArbiter {
    async fn join(&self) -> Result<Presence> {
        let number = self.last_token.fetch_add(1, Ordering::SeqCst);
        let key = format!("{}, presence {number}", self.holding.holder);
        let (nodes, seen) = watch::channel(Nodes::default());
        let member = Member { key: key.clone(), under: None, nodes };
        *self.member.lock().unwrap_or_else(PoisonError::into_inner) = Some(member);
        self.holding.work.notify_one();
        Ok(Presence::new(key.into(), seen, Box::new(Left(Arc::clone(&self.member)))))
    }

    async fn holder_other_than(&self, side: &Side, known: Option<Term>) -> Result<Option<Holder>> {
        loop {
            let key = side.to_string();
            let limit = self.holding.answer_limit();
            let asking = self.line.ask(move |tables| tables.look(&key, None));
            let found = timeout(limit, asking).await.map_err(|_| Lost)??;
            let holder = found.map(|(term, name)| Holder { name, term: Term(term) });
            if holder.as_ref().map(|holder| holder.term) != known {
                return Ok(holder);
            }
            sleep(self.holding.lease / LOOKS_PER_LEASE).await;
        }
    }
}

impl fmt::Debug for SimulatedArbiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedArbiter").field("holding", &self.holding).finish_non_exhaustive()
    }
}
