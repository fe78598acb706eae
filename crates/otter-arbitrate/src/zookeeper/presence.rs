//! A process among others: its node below `nodes`, and a watch on all of them.
//!
//! Everything is done by one task for each presence, which ends with it. Nothing is written but
//! the node itself, once per session; changes are told by the watch.

use std::sync::Arc;

use otter_core::{Causes, Node, Nodes, Presence};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};
use zookeeper_client::{Client, Error as ClientError, OneshotWatcher};

use super::desk::{Connected, Shared};
use super::error::ZooKeeperArbiterError;
use super::tree::Tree;
use crate::holding::Alive;
use crate::random::random_name;

/// After a failure the next try follows after this part of a lease.
const TRIES_PER_LEASE: u32 = 12;

type Result<T> = std::result::Result<T, ZooKeeperArbiterError>;

/// Ends the presence when it is dropped.
struct Guard {
    _left: watch::Sender<()>,
    /// The keeper works as long as somebody is present.
    _alive: Arc<Alive>,
}

/// What the task of a presence knows.
struct Member {
    shared: Arc<Shared>,
    key: Arc<str>,
    nodes: watch::Sender<Nodes>,
    /// The session that the node was made under last.
    under: Option<i64>,
}

/// What stands in the node of a process.
struct Found {
    key: String,
    name: String,
    /// The transaction that made it.
    made: i64,
    /// The session that made it.
    session: i64,
}

/// Begins a presence.
pub(super) fn join(shared: &Arc<Shared>, alive: &Arc<Alive>) -> Result<Presence> {
    let key: Arc<str> = random_name().map_err(ZooKeeperArbiterError::NoRandomness)?.into();
    let (nodes, seen) = watch::channel(Nodes::default());
    let (left, mut is_left) = watch::channel(());
    let member = Member { shared: Arc::clone(shared), key: Arc::clone(&key), nodes, under: None };
    // Closing ends the session, and the node with it.
    alive.spawn(async move { member.stay(&mut is_left).await });
    let guard = Guard { _left: left, _alive: Arc::clone(alive) };
    Ok(Presence::new(key, seen, Box::new(guard)))
}

impl Member {
    async fn stay(mut self, is_left: &mut watch::Receiver<()>) {
        let mut is_failing = false;
        loop {
            let outcome = tokio::select! {
                biased;
                // Nothing is ever sent: it ends with the guard.
                _ = is_left.changed() => break,
                outcome = self.see() => outcome,
            };
            let Err(error) = outcome else {
                is_failing = false;
                continue;
            };
            if is_failing {
                debug!(error = %Causes(&error), "the other processes cannot be seen");
            } else {
                warn!(error = %Causes(&error), "the other processes cannot be seen; they are \
                     looked for again");
            }
            is_failing = true;
            tokio::select! {
                biased;
                _ = is_left.changed() => break,
                () = sleep(self.shared.holding.lease / TRIES_PER_LEASE) => {}
            }
        }
        self.leave().await;
    }

    /// Looks at all nodes, and waits until one comes or goes.
    async fn see(&mut self) -> Result<()> {
        let limit = self.shared.holding.answer_limit();
        let servers = self.shared.tree.servers();
        let looked = timeout(limit, Box::pin(self.look())).await;
        let late = |_| ZooKeeperArbiterError::Late { servers, limit };
        let (connected, watcher) = looked.map_err(late)??;
        let mut over = connected.over.subscribe();
        tokio::select! {
            biased;
            _ = over.wait_for(|over| *over) => {}
            _ = watcher.changed() => {}
        }
        Ok(())
    }

    async fn look(&mut self) -> Result<(Connected, OneshotWatcher)> {
        let connected = self.shared.connect().await?;
        let client = &connected.client;
        let shared = Arc::clone(&self.shared);
        let tree = &shared.tree;
        loop {
            let Some((keys, watcher)) = tree.watch_nodes(client).await? else {
                // Somebody has deleted the subtree.
                shared.require_ours(client).await?;
                tree.make_folders(client).await?;
                continue;
            };
            // A session that is over has taken the node with it.
            if !keys.iter().any(|key| **key == *self.key) {
                if !tree.make_node(client, &self.key, &shared.holding.holder).await? {
                    continue;
                }
                let session = client.session_id().0;
                if self.under.replace(session) == Some(session) {
                    // Deleted by hand, and most likely not alone: the others come back as well.
                    // Whoever were counted without them would take too much.
                    sleep(shared.holding.lease / TRIES_PER_LEASE).await;
                }
                continue;
            }
            // All again each time: a node that went and came back has another place.
            let found = tree.look_at_nodes(client, keys).await?;
            let node = |found: Found| Node { key: found.key.into(), name: found.name.into() };
            let nodes: Nodes = found.into_iter().map(node).collect();
            self.nodes.send_if_modified(|known| {
                let differs = *known != nodes;
                *known = nodes;
                differs
            });
            return Ok((connected, watcher));
        }
    }

    async fn leave(&self) {
        let Some(connected) = self.shared.current().await else { return };
        let tree = &self.shared.tree;
        let goodbye = tree.remove(&connected.client, tree.node_path(&self.key));
        let limit = self.shared.holding.answer_limit();
        match timeout(limit, Box::pin(goodbye)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!(error = %Causes(&error), "presence ends with the session"),
            Err(_) => debug!("presence ends with the session"),
        }
    }
}

impl Tree {
    fn node_path(&self, key: &str) -> String {
        format!("{}/{key}", self.nodes_path())
    }

    /// The keys of all nodes, and a watch that tells when one comes or goes; `None` where the subtree
    /// is gone.
    async fn watch_nodes(&self, client: &Client) -> Result<Option<(Vec<String>, OneshotWatcher)>> {
        let path = self.nodes_path();
        match client.list_and_watch_children(&path).await {
            Ok(found) => Ok(Some(found)),
            Err(ClientError::NoNode) => Ok(None),
            Err(error) => Err(self.failed(&path)(error)),
        }
    }

    /// Makes the node of a process; false where the subtree is gone.
    async fn make_node(&self, client: &Client, key: &str, name: &str) -> Result<bool> {
        let path = self.node_path(key);
        match client.create(&path, name.as_bytes(), &self.ephemeral()).await {
            Ok(_) | Err(ClientError::NodeExists) => Ok(true),
            Err(ClientError::NoNode) => Ok(false),
            Err(error) => Err(self.failed(&path)(error)),
        }
    }

    /// What stands in these nodes, but in those that are gone; the oldest first. All are asked for before the
    /// first answer, so that a line's length counts once.
    async fn look_at_nodes(&self, client: &Client, keys: Vec<String>) -> Result<Vec<Found>> {
        let asked: Vec<_> = keys
            .into_iter()
            .map(|key| {
                let path = self.node_path(&key);
                // The client sends the request now; the future only waits for the answer.
                (client.get_data(&path), path, key)
            })
            .collect();
        let mut found = Vec::with_capacity(asked.len());
        for (answer, path, key) in asked {
            match answer.await {
                Ok((name, stat)) => found.push(Found {
                    key,
                    name: String::from_utf8_lossy(&name).into_owned(),
                    made: stat.czxid,
                    session: stat.ephemeral_owner,
                }),
                Err(ClientError::NoNode) => {}
                Err(error) => return Err(self.failed(&path)(error)),
            }
        }
        found.sort_by_key(|found| found.made);
        Ok(found)
    }

    /// All nodes that are present, for people: name and session, the oldest first.
    pub(super) async fn nodes(&self, client: &Client) -> Result<Vec<(String, i64)>> {
        let folder = self.nodes_path();
        let keys = match client.list_children(&folder).await {
            Ok(keys) => keys,
            Err(ClientError::NoNode) => return Ok(Vec::new()),
            Err(error) => return Err(self.failed(&folder)(error)),
        };
        let nodes = self.look_at_nodes(client, keys).await?;
        Ok(nodes.into_iter().map(|node| (node.name, node.session)).collect())
    }
}
