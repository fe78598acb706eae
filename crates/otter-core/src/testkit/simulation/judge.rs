//! Looks at every commit and compares the target with the model of the source.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::super::history::{History, Step, step_of};
use super::super::item::Item;
use super::super::memory::{Commit, MemorySource, Tables, items_of};
use crate::arbiter::Term;

/// Knows the source's history and how much of it has arrived.
pub(super) struct Judge {
    source: MemorySource,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Steps of the history that the committed position covers.
    arrived: usize,
    transactions: u64,
    term: Option<Term>,
    failure: Option<String>,
}

impl Judge {
    pub(super) fn new(source: MemorySource) -> Self {
        Self { source, state: Mutex::new(State::default()) }
    }

    /// Judges one commit and the tables behind it.
    pub(super) fn look(&self, commit: &Commit, tables: &Tables) {
        let mut state = self.state();
        let judged = self.source.read(|history| state.judge(history, commit, tables));
        if let Err(what) = judged {
            state.fail(what);
        }
    }

    pub(super) fn fail(&self, what: String) {
        self.state().fail(what);
    }

    pub(super) fn fail_undrained(&self) {
        let steps = self.source.read(History::len);
        let arrived = self.state().arrived;
        self.fail(format!("only {arrived} of {steps} steps have arrived"));
    }

    /// Whether everything has arrived.
    pub(super) fn is_drained(&self) -> bool {
        self.state().arrived == self.source.read(History::len)
    }

    pub(super) fn has_failed(&self) -> bool {
        self.state().failure.is_some()
    }

    pub(super) fn verdict(&self) -> Result<(), String> {
        self.state().failure.clone().map_or(Ok(()), Err)
    }

    /// Source transactions that have arrived.
    pub(super) fn transactions(&self) -> u64 {
        self.state().transactions
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The first failure is the one to tell; others may follow from it.
    fn fail(&mut self, what: String) {
        self.failure.get_or_insert(what);
    }

    fn judge(&mut self, history: &History, commit: &Commit, tables: &Tables) -> Result<(), String> {
        let through = history
            .steps_before(&commit.position.resume_from)
            .ok_or("the committed position is not a place of the source")?;
        if commit.position != history.position(through) {
            return Err(format!("the position behind {through} steps is not as the source's"));
        }
        if self.term > Some(commit.term) {
            return Err(format!("term {} wrote after a higher one", commit.term));
        }
        self.term = Some(commit.term);
        // INVARIANT EXACT-1, ORD-1: what is between the last position and this one, each once and
        // in order, and nothing else.
        let is_transaction =
            |step: &usize| matches!(history.step(*step), Some(Step::Transaction(_)));
        let expected: Vec<usize> = (self.arrived..through).filter(is_transaction).collect();
        let ends = commit.transactions.iter();
        let found: Vec<usize> = ends.filter_map(|end| step_of(end.gtid.as_ref())).collect();
        if found != expected {
            return Err(format!(
                "behind step {} steps {expected:?} were due, but {found:?} were committed",
                self.arrived
            ));
        }
        // INVARIANT TXN-1: the target shows a state that the source has had.
        let items: Vec<Item> = history.table_after(through).values().cloned().collect();
        if items_of(tables) != items {
            return Err(format!("the table is not as the source's behind {through} steps"));
        }
        self.arrived = through;
        self.transactions += u64::try_from(found.len()).unwrap_or(u64::MAX);
        Ok(())
    }
}
