//! The nodes of an arbiter in ZooKeeper, and what is asked of them.
//!
//! ```text
//! ROOT/arbiter                 the arbiter's id and the layout, made once
//! ROOT/leases/NAME@target      ephemeral: a side is held; its holder in words
//! ```
//!
//! The term of a lease is the transaction (czxid) that made its node: the ensemble counts those
//! for all nodes together and never goes back, so that whatever is deleted, no term is given
//! twice, and nobody competes for a counter.

use std::fmt::Write;
use std::time::Duration;

use otter_core::ArbiterId;
use zookeeper_client::{Acls, Client, CreateMode, Error as ClientError, OneshotWatcher, Stat};

use super::error::ZooKeeperArbiterError;
use crate::random::random_name;

/// The layout of the nodes that this version knows.
const LAYOUT: &str = "1";

/// Where an arbiter is.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    /// Addresses, separated by commas.
    pub(super) servers: String,
    root: String,
}

/// What stands in the node of a side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) holder: String,
    pub(super) term: u64,
    /// The session that made it.
    pub(super) session: i64,
}

/// The outcome of asking for a node.
pub(super) enum Made {
    /// Under this term.
    Ours(u64),
    /// Somebody was faster.
    Exists,
}

type Result<T> = std::result::Result<T, ZooKeeperArbiterError>;

impl Tree {
    /// A subtree, such as `/otter`.
    pub(super) fn new(servers: &str, root: &str) -> Result<Self> {
        let is_path = root.strip_prefix('/').is_some_and(|rest| {
            rest.split('/').all(|name| !matches!(name, "" | "." | "..") && !name.contains('\0'))
        });
        if !is_path || root.starts_with("/zookeeper") {
            return Err(ZooKeeperArbiterError::BadPath { path: root.to_owned() });
        }
        Ok(Self { servers: servers.to_owned(), root: root.to_owned() })
    }

    /// Addresses and path.
    pub(super) fn place(&self) -> String {
        format!("{}{}", self.servers, self.root)
    }

    pub(super) fn id_path(&self) -> String {
        format!("{}/arbiter", self.root)
    }

    /// The node of a side, whose name may hold anything.
    pub(super) fn side_path(&self, side: &str) -> String {
        let mut path = format!("{}/leases/", self.root);
        for byte in side.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => path.push(byte.into()),
                b'/' => path.push('@'),
                // Writing to a string cannot fail.
                _ => drop(write!(path, "%{byte:02x}")),
            }
        }
        path
    }

    /// Opens a session that outlasts a lease by a fifth.
    ///
    /// A server of the ensemble may die before it has told the leader that we live, half a tick
    /// late; and clocks run at different rates.
    pub(super) async fn connect(&self, lease: Duration) -> Result<Client> {
        let session = lease * 6 / 5;
        let connector = Client::connector().with_session_timeout(session).with_fail_eagerly();
        let client = connector
            .connect(&self.servers)
            .await
            .map_err(|error| ZooKeeperArbiterError::connecting(&self.servers, &error))?;
        let granted = client.session_timeout();
        if granted < session {
            let servers = self.servers.clone();
            return Err(ZooKeeperArbiterError::ShortSession { servers, granted, needed: session });
        }
        Ok(client)
    }

    /// The arbiter's id, made where it is missing.
    pub(super) async fn open_id(&self, client: &Client) -> Result<ArbiterId> {
        let persistent = CreateMode::Persistent.with_acls(Acls::anyone_all());
        let leases = format!("{}/leases", self.root);
        client.mkdir(&leases, &persistent).await.map_err(self.failed(&leases))?;
        let path = self.id_path();
        let random = random_name().map_err(ZooKeeperArbiterError::NoRandomness)?;
        let content = format!("zookeeper-{random} {LAYOUT}");
        match client.create(&path, content.as_bytes(), &persistent).await {
            // Another process may have been first: its id is the one.
            Ok(_) | Err(ClientError::NodeExists) => {}
            Err(error) => return Err(self.failed(&path)(error)),
        }
        self.read_id(client).await?.ok_or_else(|| self.bad_layout())
    }

    /// The arbiter's id; `None` where it has none.
    pub(super) async fn read_id(&self, client: &Client) -> Result<Option<ArbiterId>> {
        let path = self.id_path();
        let content = match client.get_data(&path).await {
            Ok((content, _)) => content,
            Err(ClientError::NoNode) => return Ok(None),
            Err(error) => return Err(self.failed(&path)(error)),
        };
        let text = String::from_utf8(content).map_err(|_| self.bad_layout())?;
        match text.split_once(' ') {
            Some((id, LAYOUT)) if !id.is_empty() => Ok(Some(ArbiterId::new(id))),
            Some(_) | None => Err(self.bad_layout()),
        }
    }

    /// Makes the node of a side; `None` where the subtree is gone.
    pub(super) async fn make(
        &self,
        client: &Client,
        side: &str,
        holder: &str,
    ) -> Result<Option<Made>> {
        let path = self.side_path(side);
        let ephemeral = CreateMode::Ephemeral.with_acls(Acls::anyone_all());
        match client.create(&path, holder.as_bytes(), &ephemeral).await {
            Ok((stat, _)) => Ok(Some(Made::Ours(self.term(&stat, &path)?))),
            Err(ClientError::NodeExists) => Ok(Some(Made::Exists)),
            Err(ClientError::NoNode) => Ok(None),
            Err(error) => Err(self.failed(&path)(error)),
        }
    }

    /// Who holds a side.
    pub(super) async fn look(&self, client: &Client, side: &str) -> Result<Option<Node>> {
        let path = self.side_path(side);
        match client.get_data(&path).await {
            Ok((holder, stat)) => Ok(Some(Node {
                holder: String::from_utf8_lossy(&holder).into_owned(),
                term: self.term(&stat, &path)?,
                session: stat.ephemeral_owner,
            })),
            Err(ClientError::NoNode) => Ok(None),
            Err(error) => Err(self.failed(&path)(error)),
        }
    }

    /// The term of a side's node, and a watch that tells when it goes away; `None` where there is
    /// no node.
    pub(super) async fn watch(
        &self,
        client: &Client,
        side: &str,
    ) -> Result<Option<(u64, OneshotWatcher)>> {
        let path = self.side_path(side);
        let watched = client.check_and_watch_stat(&path).await;
        let (stat, watcher) = watched.map_err(self.failed(&path))?;
        match stat {
            Some(stat) => Ok(Some((self.term(&stat, &path)?, watcher))),
            None => Ok(None),
        }
    }

    /// Deletes the node of a side.
    pub(super) async fn delete(&self, client: &Client, side: &str) -> Result<()> {
        let path = self.side_path(side);
        match client.delete(&path, None).await {
            Ok(()) | Err(ClientError::NoNode) => Ok(()),
            Err(error) => Err(self.failed(&path)(error)),
        }
    }

    fn term(&self, stat: &Stat, path: &str) -> Result<u64> {
        u64::try_from(stat.czxid).map_err(|_| ZooKeeperArbiterError::Refused {
            servers: self.servers.clone(),
            path: path.to_owned(),
            cause: ClientError::Unimplemented,
        })
    }

    fn failed(&self, path: &str) -> impl Fn(ClientError) -> ZooKeeperArbiterError {
        move |error| ZooKeeperArbiterError::asking(&self.servers, path, &error)
    }

    fn bad_layout(&self) -> ZooKeeperArbiterError {
        let (servers, path) = (self.servers.clone(), self.id_path());
        ZooKeeperArbiterError::Layout { servers, path }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_side_has_a_node_of_its_own_right_below_the_leases() {
        let tree = Tree::new("a:1", "/otter").unwrap();
        let sides = ["a/target", "A/target", "a@target", "a/b/target", "../a/target", "日/source"];
        let paths: std::collections::BTreeSet<String> =
            sides.iter().map(|side| tree.side_path(side)).collect();
        assert_eq!(paths.len(), sides.len());
        for path in paths {
            let name = path.strip_prefix("/otter/leases/").unwrap();
            assert!(!name.contains('/') && name.is_ascii(), "{path}");
        }
    }

    #[test]
    fn what_is_no_subtree_is_refused() {
        for path in ["", "/", "otter", "/otter/", "/a//b", "/a/../b", "/zookeeper/otter"] {
            assert!(Tree::new("a:1", path).is_err(), "{path}");
        }
    }
}
