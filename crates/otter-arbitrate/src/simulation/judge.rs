//! Looks at who believes to hold what, and at every commit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use otter_core::Term;
use otter_core::testkit::history::History;
use otter_core::testkit::item::table;
use otter_core::testkit::memory::{Commit, MemorySource, MemoryTarget};
use tokio::time::Instant;

use super::Totals;
use crate::holding::Holding;

/// Knows all processes that live.
pub(super) struct Judge {
    lease: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    totals: Totals,
    failure: Option<String>,
    /// What the living processes hold, by their numbers.
    holdings: HashMap<usize, Arc<Holding>>,
    /// Until then two may believe to hold one side: the server was made to forget.
    excused_until: Option<Instant>,
}

impl Judge {
    pub(super) fn new(lease: Duration) -> Self {
        Self { lease, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what has happened.
    pub(super) fn count(&self, happened: impl FnOnce(&mut Totals)) {
        happened(&mut self.state().totals);
    }

    /// The first failure is the one to tell; others may follow from it.
    pub(super) fn fail(&self, what: String) {
        self.state().failure.get_or_insert(what);
    }

    pub(super) fn has_failed(&self) -> bool {
        self.state().failure.is_some()
    }

    pub(super) fn verdict(&self) -> Result<Totals, String> {
        let state = self.state();
        state.failure.clone().map_or(Ok(state.totals), Err)
    }

    /// A process lives from now on.
    pub(super) fn appears(&self, number: usize, holding: &Arc<Holding>) {
        self.state().holdings.insert(number, Arc::clone(holding));
    }

    /// A process is dead.
    pub(super) fn vanishes(&self, number: usize) {
        self.state().holdings.remove(&number);
    }

    /// The server was made to forget something: whoever was granted it goes on until its lease is
    /// over, or until it is told.
    pub(super) fn excuse(&self) {
        self.state().excused_until = Some(Instant::now() + self.lease);
    }

    /// How many processes believe to hold a side.
    pub(super) fn holders(&self, side: &str) -> usize {
        let state = self.state();
        state.holdings.values().filter(|holding| holding.own_holder(side).is_some()).count()
    }

    /// Looks at a side that was just granted under a session.
    ///
    /// INVARIANT FENCE-1: a lease is over for its holder before anybody else can have the side.
    pub(super) fn look(&self, side: &str, token: &str) {
        let mut state = self.state();
        if state.excused_until.is_some_and(|until| Instant::now() <= until) {
            return;
        }
        let is_theirs = |holding: &&Arc<Holding>| {
            holding.session().is_none_or(|session| session.token == token)
        };
        let mut others = state.holdings.values().filter(|holding| !is_theirs(holding));
        if others.any(|holding| holding.own_holder(side).is_some()) {
            let what = format!("{side} is granted while another process holds it");
            state.failure.get_or_insert(what);
        }
    }

    /// Looks at every commit of a target from now on.
    pub(super) fn watch(self: &Arc<Self>, source: &MemorySource, target: &MemoryTarget) {
        let (judge, source) = (Arc::clone(self), source.clone());
        let (mut arrived, mut last_term) = (0, Term(0));
        target.on_commit(move |commit, tables| {
            let judged = source.read(|history| {
                let items = tables.rows(&table().name).len();
                judged(history, commit, (arrived, items), last_term)
            });
            match judged {
                Ok(through) => {
                    let more = commit.transactions.len();
                    let more = u64::try_from(more).unwrap_or(u64::MAX);
                    judge.count(|totals| totals.transactions += more);
                    (arrived, last_term) = (through, commit.term);
                }
                Err(what) => judge.fail(what),
            }
        });
    }
}

/// Judges one commit; returns how many steps have arrived with it.
fn judged(
    history: &History,
    commit: &Commit,
    (arrived, items): (usize, usize),
    last_term: Term,
) -> Result<usize, String> {
    let through = history.steps_before(&commit.position.resume_from);
    let through = through.ok_or("the committed position is not a place of the source")?;
    if commit.term < last_term {
        return Err(format!("term {} wrote after term {last_term}", commit.term));
    }
    // INVARIANT EXACT-1: each step is a transaction here.
    if through < arrived || commit.transactions.len() != through - arrived {
        let count = commit.transactions.len();
        return Err(format!("{count} transactions moved the position from {arrived} to {through}"));
    }
    let expected = history.table_after(through).len();
    if items != expected {
        return Err(format!("{items} rows after {through} steps, not {expected}"));
    }
    Ok(through)
}
