//! A model of the server that decides: the tables of [`sql`](crate::sql) and what its statements do,
//! and the lines to it, on which requests and answers are late or lost.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use otter_core::testkit::random::Random;
use otter_core::{Classify, Fault};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::judge::Judge;
use crate::holding::Stored;

/// Where the server's clock begins, so that it can jump back.
const LONG_AGO: Duration = Duration::from_secs(1_000_000);
/// How long a request or an answer may be under way.
const LONGEST_WAY: Duration = Duration::from_millis(150);
/// How long a connection that is lost takes to notice it.
const TO_NOTICE: Duration = Duration::from_secs(1);

/// A mistake that the server makes on purpose, to show that it is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weakness {
    /// A side is granted whoever holds it.
    GrantsWhatIsHeld,
    /// A session lasts half as long as it was asked for.
    EndsSessionsEarly,
}

/// What is stored.
pub(super) struct Tables {
    now: Duration,
    weakness: Option<Weakness>,
    last_term: u64,
    last_node: u64,
    sessions: BTreeMap<String, SessionRow>,
    leases: BTreeMap<String, (u64, String)>,
    /// When it joined, and under which session.
    nodes: BTreeMap<String, (u64, String)>,
    /// The side that the request just carried out has granted, and under which session.
    granted: Option<(String, String)>,
}

struct SessionRow {
    holder: String,
    expires: Duration,
}

/// The answer to a grant.
pub(super) enum Grant {
    Granted(u64),
    Held,
    SessionIsOver,
}

/// The server.
pub(super) struct Server {
    judge: Arc<Judge>,
    state: Mutex<State>,
}

struct State {
    tables: Tables,
    began: Instant,
    /// What its clock shows when it began.
    clock: Duration,
    is_up: bool,
}

/// A process's way to the server.
pub(super) struct Line {
    pub(super) server: Arc<Server>,
    random: Mutex<Random>,
    /// How many requests and answers of a hundred are lost.
    loss: Arc<Mutex<u64>>,
}

/// The server did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server did not answer")]
pub(super) struct Lost;

impl Classify for Lost {
    fn fault(&self) -> Fault {
        Fault::Transient
    }

    fn doing(&self) -> &'static str {
        "ask a server in memory"
    }
}

impl Server {
    pub(super) fn new(judge: Arc<Judge>, weakness: Option<Weakness>) -> Self {
        let tables = Tables {
            now: LONG_AGO,
            weakness,
            last_term: 0,
            last_node: 0,
            sessions: BTreeMap::new(),
            leases: BTreeMap::new(),
            nodes: BTreeMap::new(),
            granted: None,
        };
        let state = State { tables, began: Instant::now(), clock: LONG_AGO, is_up: true };
        Self { judge, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_up(&self, is_up: bool) {
        self.state().is_up = is_up;
    }

    /// Lets its clock jump; leases that end early by it are excused.
    pub(super) fn jump(&self, by: Duration, is_ahead: bool) {
        let mut state = self.state();
        state.clock = if is_ahead { state.clock + by } else { state.clock - by };
        drop(state);
        if is_ahead {
            self.judge.excuse();
        }
    }

    /// Ends a session, as an administrator could; none of them is told.
    pub(super) fn end_a_session(&self, random: &mut Random) -> bool {
        let mut state = self.state();
        let tokens: Vec<String> = state.tables.sessions.keys().cloned().collect();
        if tokens.is_empty() {
            return false;
        }
        state.tables.sessions.remove(random.choose(&tokens));
        drop(state);
        self.judge.excuse();
        true
    }

    /// Deletes the record of who holds a side.
    pub(super) fn delete_a_lease(&self, random: &mut Random) -> bool {
        let mut state = self.state();
        let sides: Vec<String> = state.tables.leases.keys().cloned().collect();
        if sides.is_empty() {
            return false;
        }
        state.tables.leases.remove(random.choose(&sides));
        drop(state);
        self.judge.excuse();
        true
    }

    /// Carries a request out, unless it is down.
    fn carry_out<T>(&self, request: impl FnOnce(&mut Tables) -> T) -> Result<T, Lost> {
        let mut state = self.state();
        if !state.is_up {
            return Err(Lost);
        }
        state.tables.now = state.clock + state.began.elapsed();
        let answer = request(&mut state.tables);
        let granted = state.tables.granted.take();
        drop(state);
        if let Some((side, token)) = granted {
            self.judge.count(|totals| totals.grants += 1);
            self.judge.look(&side, &token);
        }
        Ok(answer)
    }
}

impl Line {
    pub(super) fn new(server: &Arc<Server>, loss: &Arc<Mutex<u64>>, random: Random) -> Self {
        Self { server: Arc::clone(server), random: Mutex::new(random), loss: Arc::clone(loss) }
    }

    /// Sends a request and waits for the answer. What is sent arrives, or not, whether somebody
    /// waits for the answer or not.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        request: impl FnOnce(&mut Tables) -> T + Send + 'static,
    ) -> Result<T, Lost> {
        let (way_there, way_back, is_lost, is_lost_back) = {
            let loss = *self.loss.lock().unwrap_or_else(PoisonError::into_inner);
            let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
            let way_there = random.duration(LONGEST_WAY);
            let way_back = random.duration(LONGEST_WAY);
            (way_there, way_back, random.chance(loss), random.chance(loss))
        };
        let server = Arc::clone(&self.server);
        let (sender, answer) = oneshot::channel();
        tokio::spawn(async move {
            sleep(way_there).await;
            if is_lost {
                server.judge.count(|totals| totals.lost_before += 1);
                return;
            }
            let answer = server.carry_out(request);
            if is_lost_back {
                server.judge.count(|totals| totals.lost_after += 1);
                return;
            }
            sleep(way_back).await;
            // Whoever asked may be gone.
            let _ = sender.send(answer);
        });
        match answer.await {
            Ok(answer) => answer,
            Err(_) => {
                sleep(TO_NOTICE).await;
                Err(Lost)
            }
        }
    }
}

impl Tables {
    fn lives(&self, token: &str) -> bool {
        self.sessions.get(token).is_some_and(|session| session.expires > self.now)
    }

    fn lasts(&self, lasts: Duration) -> Duration {
        if self.weakness == Some(Weakness::EndsSessionsEarly) { lasts / 2 } else { lasts }
    }

    pub(super) fn begin_session(&mut self, token: &str, holder: &str, lasts: Duration) {
        let expires = self.now + self.lasts(lasts);
        self.sessions.insert(token.to_owned(), SessionRow { holder: holder.to_owned(), expires });
    }

    /// Who else holds a side.
    pub(super) fn look(&self, side: &str, own: Option<&str>) -> Option<(u64, String)> {
        let (term, token) = self.leases.get(side)?;
        if own == Some(token) || !self.lives(token) {
            return None;
        }
        let holder = self.sessions.get(token)?.holder.clone();
        Some((*term, holder))
    }

    pub(super) fn grant(&mut self, side: &str, token: &str) -> Grant {
        let holds = |(_, other): &&(u64, String)| other != token && self.lives(other);
        let is_held = self.leases.get(side).filter(holds).is_some();
        if is_held && self.weakness != Some(Weakness::GrantsWhatIsHeld) {
            return Grant::Held;
        }
        if !self.lives(token) {
            return Grant::SessionIsOver;
        }
        self.last_term += 1;
        self.leases.insert(side.to_owned(), (self.last_term, token.to_owned()));
        self.granted = Some((side.to_owned(), token.to_owned()));
        Grant::Granted(self.last_term)
    }

    /// Renews a session that is not over, and tells its leases; `None` where it is over.
    pub(super) fn renew(&mut self, token: &str, lasts: Duration) -> Option<Vec<Stored>> {
        if !self.lives(token) {
            return None;
        }
        let expires = self.now + self.lasts(lasts);
        self.sessions.get_mut(token)?.expires = expires;
        let theirs = self.leases.iter().filter(|(_, (_, other))| other == token);
        Some(theirs.map(|(side, (term, _))| Stored { side: side.clone(), term: *term }).collect())
    }

    pub(super) fn release(&mut self, token: &str, leases: &[Stored]) {
        for lease in leases {
            let is_meant = |(term, other): &(u64, String)| *term == lease.term && other == token;
            if self.leases.get(&lease.side).is_some_and(is_meant) {
                self.leases.remove(&lease.side);
            }
        }
    }

    pub(super) fn join(&mut self, key: &str, token: &str) {
        self.last_node += 1;
        self.nodes.insert(key.to_owned(), (self.last_node, token.to_owned()));
    }

    /// All nodes that are present, the oldest first.
    pub(super) fn nodes(&self) -> Vec<String> {
        let mut nodes: Vec<(u64, &String)> = self
            .nodes
            .iter()
            .filter(|(_, (_, token))| self.lives(token))
            .map(|(key, (joined, _))| (*joined, key))
            .collect();
        nodes.sort_unstable();
        nodes.into_iter().map(|(_, key)| key.clone()).collect()
    }
}
