//! A process among others: its row, which the keeper writes once per session, and what the keeper
//! reads of all of them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use otter_core::{Node, Nodes, Presence};
use tokio::sync::watch;

use super::error::SqlArbiterError;
use super::shared::Shared;
use crate::holding::{Alive, Session};
use crate::random::random_name;

/// What one process is present as, usually one node.
#[derive(Debug, Default)]
pub(super) struct Members {
    state: Mutex<State>,
    nodes: watch::Sender<Nodes>,
}

#[derive(Debug, Default)]
struct State {
    present: Vec<Member>,
    /// Keys whose rows are to be deleted.
    left: Vec<String>,
}

#[derive(Debug)]
struct Member {
    key: String,
    /// The session that the row was written under.
    under: Option<String>,
}

/// Ends the presence when it is dropped.
struct Guard {
    shared: Arc<Shared>,
    key: String,
    /// The keeper works as long as somebody is present.
    _alive: Arc<Alive>,
}

/// Begins a presence; the keeper makes it known.
pub(super) fn join(shared: &Arc<Shared>, alive: &Arc<Alive>) -> Result<Presence, SqlArbiterError> {
    let key = random_name().map_err(SqlArbiterError::NoRandomness)?;
    shared.members.state().present.push(Member { key: key.clone(), under: None });
    shared.holding.work.notify_one();
    let (shared, alive) = (Arc::clone(shared), Arc::clone(alive));
    let (presence_key, seen) = (key.as_str().into(), shared.members.nodes.subscribe());
    Ok(Presence::new(presence_key, seen, Box::new(Guard { shared, key, _alive: alive })))
}

impl Members {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this process is present as anything.
    pub(super) fn is_any(&self) -> bool {
        !self.state().present.is_empty()
    }

    /// Whether rows are to be written or deleted.
    pub(super) fn is_due(&self, session: Option<&Session>) -> bool {
        !self.state().left.is_empty() || !self.unwritten(session).is_empty()
    }

    /// The nodes that have no row under this session.
    pub(super) fn unwritten(&self, session: Option<&Session>) -> Vec<String> {
        let state = self.state();
        let is_unwritten = |one: &&Member| match session {
            Some(session) => one.under.as_deref() != Some(session.token.as_str()),
            // A session is to be begun for it.
            None => true,
        };
        state.present.iter().filter(is_unwritten).map(|one| one.key.clone()).collect()
    }

    /// A node's row was written under a session.
    pub(super) fn written(&self, key: &str, session: &Session) {
        for one in self.state().present.iter_mut().filter(|one| one.key == key) {
            one.under = Some(session.token.clone());
        }
    }

    /// The rows that are to be deleted.
    pub(super) fn left(&self) -> Vec<String> {
        self.state().left.clone()
    }

    /// These rows were deleted.
    pub(super) fn deleted(&self, keys: &[String]) {
        self.state().left.retain(|key| !keys.contains(key));
    }

    /// These nodes are present. One of ours whose row is gone, whoever deleted it, is written again.
    pub(super) fn see(&self, nodes: Vec<Node>) {
        for one in &mut self.state().present {
            if !nodes.iter().any(|node| *node.key == *one.key) {
                one.under = None;
            }
        }
        self.nodes.send_if_modified(|known| {
            let differs = **known != *nodes;
            *known = nodes.into();
            differs
        });
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut state = self.shared.members.state();
        state.present.retain(|one| one.key != self.key);
        state.left.push(std::mem::take(&mut self.key));
        drop(state);
        self.shared.holding.work.notify_one();
    }
}
