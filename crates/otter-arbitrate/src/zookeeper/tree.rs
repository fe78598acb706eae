//! The nodes of an arbiter in ZooKeeper, and what is asked of them.
//!
//! ```text
//! ROOT/arbiter                 the arbiter's id and the layout, made once
//! ROOT/leases/NAME@target      ephemeral: a side is held; its lease in ms, its holder in words
//! ROOT/nodes/KEY               ephemeral: a process is present; its name in words
//! ROOT/paused/NAME             an operator wants this pipeline to rest
//! ROOT/reports/SESSION         ephemeral: what a process tells about the sides that it holds
//! ```
//!
//! A lease's node is written once, and tells all that people may ask: the ensemble adds the time.
//! The term of a lease is the transaction (czxid) that made its node: the ensemble counts those
//! for all nodes together and never goes back, so that whatever is deleted, no term is given
//! twice, and nobody competes for a counter.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use otter_core::ArbiterId;
use tokio::time::timeout;
use zookeeper_client::{Client, CreateMode, CreateOptions};
use zookeeper_client::{Error as ClientError, OneshotWatcher, Stat};

use super::error::ZooKeeperArbiterError;
use super::place::ZooKeeperPlace;

/// The layout of the nodes that this version knows.
const LAYOUT: &str = "1";
/// A server that is silent for this part of a session is given up for another one: when the machine
/// of ours dies, two more that are dead may be met before the lease is over.
const SILENCES_PER_SESSION: u32 = 6;
/// A busy machine answers within it; where it is too long for the session, the client has a rule of
/// its own.
const SHORTEST_SILENCE: Duration = Duration::from_secs(1);

/// Servers that are near have this part of a session to answer, before the others are asked: a small
/// part of what one question may take.
const NEAR_PER_SESSION: u32 = 12;

/// The nodes of one arbiter.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    pub(super) place: ZooKeeperPlace,
    /// The highest transaction that any node told of: no ensemble that counts lower is this one.
    seen: Arc<AtomicU64>,
}

/// What stands in the node of a side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) holder: String,
    pub(super) term: u64,
    /// How long it lasts after its holder's last sign of life; `None` where somebody has written
    /// into the node.
    pub(super) lease: Option<Duration>,
    /// When it was made, by the ensemble's clock.
    pub(super) since: SystemTime,
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
    pub(super) fn new(place: &ZooKeeperPlace) -> Self {
        Self { place: place.clone(), seen: Arc::default() }
    }

    /// The highest transaction of the ensemble that is known.
    pub(super) fn seen(&self) -> u64 {
        self.seen.load(Ordering::Acquire)
    }

    /// The ensemble has counted so far.
    pub(super) fn note_seen(&self, transaction: u64) {
        self.seen.fetch_max(transaction, Ordering::AcqRel);
    }

    /// The addresses of all servers.
    pub(super) fn servers(&self) -> String {
        self.place.cluster()
    }

    pub(super) fn id_path(&self) -> String {
        format!("{}/arbiter", self.place.root())
    }

    /// The node that all leases are below.
    pub(super) fn leases_path(&self) -> String {
        format!("{}/leases", self.place.root())
    }

    /// The node that the nodes of all processes are below.
    pub(super) fn nodes_path(&self) -> String {
        format!("{}/nodes", self.place.root())
    }

    /// The node that those of paused pipelines are below.
    pub(super) fn paused_path(&self) -> String {
        format!("{}/paused", self.place.root())
    }

    /// The node that what processes tell is below.
    pub(super) fn reports_path(&self) -> String {
        format!("{}/reports", self.place.root())
    }

    /// The node of a side, whose name may hold anything.
    pub(super) fn side_path(&self, side: &str) -> String {
        let mut path = self.leases_path();
        path.push('/');
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
        let session = session_for(lease);
        let near = match self.place.near_tries() {
            // Whoever is near answers soon; the others must still have time to.
            Some(near) => {
                timeout(session / NEAR_PER_SESSION, self.connect_to(&near, session)).await.ok()
            }
            None => None,
        };
        let client = match near {
            Some(Ok(client)) => client,
            Some(Err(_)) | None => self.connect_to(&self.place.tries(), session).await?,
        };
        let granted = client.session_timeout();
        if granted < session {
            let (servers, needed) = (self.servers(), session);
            return Err(ZooKeeperArbiterError::ShortSession { servers, granted, needed });
        }
        Ok(client)
    }

    async fn connect_to(&self, tries: &str, session: Duration) -> Result<Client> {
        let connector = Client::connector()
            .with_session_timeout(session)
            .with_connection_timeout((session / SILENCES_PER_SESSION).max(SHORTEST_SILENCE))
            .with_fail_eagerly();
        let connector = self.place.secure(connector)?;
        let connected = if self.place.has_tls() {
            connector.secure_connect(tries).await
        } else {
            connector.connect(tries).await
        };
        connected.map_err(|error| ZooKeeperArbiterError::connecting(&self.place, &error))
    }

    /// Makes the nodes that all others are below, where they are missing.
    pub(super) async fn make_folders(&self, client: &Client) -> Result<()> {
        let others = [self.paused_path(), self.reports_path()];
        for folder in [self.leases_path(), self.nodes_path()].into_iter().chain(others) {
            let made = client.mkdir(&folder, &self.persistent()).await;
            made.map_err(self.failed(&folder))?;
        }
        Ok(())
    }

    /// Gives the subtree this id, unless it has one; returns the one that it has.
    pub(super) async fn make_id(&self, client: &Client, id: &ArbiterId) -> Result<ArbiterId> {
        self.make_folders(client).await?;
        let (path, content) = (self.id_path(), format!("{id} {LAYOUT}"));
        match client.create(&path, content.as_bytes(), &self.persistent()).await {
            // Another process may have been first: its id is the one.
            Ok(_) | Err(ClientError::NodeExists) => {}
            // Somebody is still deleting.
            Err(ClientError::NoNode) => return Err(self.contention()),
            Err(error) => return Err(self.failed(&path)(error)),
        }
        self.read_id(client).await?.ok_or_else(|| self.contention())
    }

    /// Waits for an answer of the ensemble's leader, over whichever server the client is connected to.
    pub(super) async fn ask_leader(&self, client: &Client) -> Result<()> {
        let path = self.id_path();
        client.sync(&path).await.map_err(self.failed(&path))
    }

    /// The arbiter's id; `None` where it has none.
    pub(super) async fn read_id(&self, client: &Client) -> Result<Option<ArbiterId>> {
        let path = self.id_path();
        let (content, stat) = match client.get_data(&path).await {
            Ok(answer) => answer,
            Err(ClientError::NoNode) => return Ok(None),
            Err(error) => return Err(self.failed(&path)(error)),
        };
        self.term(&stat, &path)?;
        let text = String::from_utf8(content).map_err(|_| self.bad_layout(&path))?;
        match text.split_once(' ') {
            Some((id, LAYOUT)) if !id.is_empty() => Ok(Some(ArbiterId::new(id))),
            Some(_) | None => Err(self.bad_layout(&path)),
        }
    }

    /// Makes the node of a side; `None` where the subtree is gone.
    pub(super) async fn make(
        &self,
        client: &Client,
        side: &str,
        (holder, lease): (&str, Duration),
    ) -> Result<Option<Made>> {
        let path = self.side_path(side);
        let content = format!("{} {holder}", lease.as_millis());
        match client.create(&path, content.as_bytes(), &self.ephemeral()).await {
            Ok((stat, _)) => Ok(Some(Made::Ours(self.term(&stat, &path)?))),
            Err(ClientError::NodeExists) => Ok(Some(Made::Exists)),
            Err(ClientError::NoNode) => Ok(None),
            Err(error) => Err(self.failed(&path)(error)),
        }
    }

    /// Who holds a side.
    pub(super) async fn look(&self, client: &Client, side: &str) -> Result<Option<Node>> {
        let path = self.side_path(side);
        self.node(client.get_data(&path).await, &path)
    }

    /// Who holds these sides: all are asked for before the first answer.
    pub(super) async fn look_at_all(
        &self,
        client: &Client,
        sides: &[String],
    ) -> Result<Vec<Option<Node>>> {
        let asked: Vec<_> = sides
            .iter()
            .map(|side| {
                let path = self.side_path(side);
                // The client sends the request now; the future only waits for the answer.
                (client.get_data(&path), path)
            })
            .collect();
        let mut nodes = Vec::with_capacity(sides.len());
        for (answer, path) in asked {
            nodes.push(self.node(answer.await, &path)?);
        }
        Ok(nodes)
    }

    fn node(
        &self,
        answer: std::result::Result<(Vec<u8>, Stat), ClientError>,
        path: &str,
    ) -> Result<Option<Node>> {
        let (content, stat) = match answer {
            Ok(answer) => answer,
            Err(ClientError::NoNode) => return Ok(None),
            Err(error) => return Err(self.failed(path)(error)),
        };
        let text = String::from_utf8_lossy(&content);
        let told = text
            .split_once(' ')
            .and_then(|(lease, holder)| Some((Duration::from_millis(lease.parse().ok()?), holder)));
        // Only people read it: whatever stands there, the node says that the side is held.
        let (lease, holder) = match told {
            Some((lease, holder)) => (Some(lease), holder),
            None => (None, text.as_ref()),
        };
        let since = Duration::from_millis(u64::try_from(stat.ctime).unwrap_or(0));
        Ok(Some(Node {
            holder: holder.to_owned(),
            term: self.term(&stat, path)?,
            lease,
            since: UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH),
            session: stat.ephemeral_owner,
        }))
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

    /// The term of a side's node, if there is one, and a watch that tells when it comes or goes.
    pub(super) async fn watch_hands(
        &self,
        client: &Client,
        side: &str,
    ) -> Result<(Option<u64>, OneshotWatcher)> {
        let path = self.side_path(side);
        let watched = client.check_and_watch_stat(&path).await;
        let (stat, watcher) = watched.map_err(self.failed(&path))?;
        let term = stat.map(|stat| self.term(&stat, &path)).transpose()?;
        Ok((term, watcher))
    }

    /// Deletes the node of a side.
    pub(super) async fn delete(&self, client: &Client, side: &str) -> Result<()> {
        self.remove(client, self.side_path(side)).await
    }

    /// Deletes a node, where it is there.
    pub(super) async fn remove(&self, client: &Client, path: String) -> Result<()> {
        match client.delete(&path, None).await {
            Ok(()) | Err(ClientError::NoNode) => Ok(()),
            Err(error) => Err(self.failed(&path)(error)),
        }
    }

    pub(super) fn ephemeral(&self) -> CreateOptions<'static> {
        CreateMode::Ephemeral.with_acls(self.place.acls())
    }

    pub(super) fn persistent(&self) -> CreateOptions<'static> {
        CreateMode::Persistent.with_acls(self.place.acls())
    }

    /// The transaction that made a node.
    pub(super) fn term(&self, stat: &Stat, path: &str) -> Result<u64> {
        let term = u64::try_from(stat.czxid).map_err(|_| self.bad_layout(path))?;
        self.note_seen(term);
        Ok(term)
    }

    pub(super) fn contention(&self) -> ZooKeeperArbiterError {
        ZooKeeperArbiterError::Contention { servers: self.servers() }
    }

    pub(super) fn failed(&self, path: &str) -> impl Fn(ClientError) -> ZooKeeperArbiterError {
        move |error| ZooKeeperArbiterError::asking(&self.place, path, &error)
    }

    fn bad_layout(&self, path: &str) -> ZooKeeperArbiterError {
        ZooKeeperArbiterError::Layout { servers: self.servers(), path: path.to_owned() }
    }
}

/// How long a session must last that leases are held under: a fifth longer.
pub(super) fn session_for(lease: Duration) -> Duration {
    lease * 6 / 5
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Processes of other versions use the same.
    #[test]
    fn nodes_have_the_names_that_they_have_had() {
        let tree = Tree::new(&ZooKeeperPlace::new(["a:1"], "/otter").unwrap());
        let paths = [
            tree.id_path(),
            tree.nodes_path(),
            tree.paused_path(),
            tree.reports_path(),
            tree.side_path("Shop-1 é/target"),
        ];
        let names = ["arbiter", "nodes", "paused", "reports", "leases/Shop-1%20%c3%a9@target"];
        assert_eq!(paths, names.map(|name| format!("/otter/{name}")));
        assert_eq!(session_for(Duration::from_secs(10)), Duration::from_secs(12));
    }

    #[test]
    fn every_side_has_a_node_of_its_own_right_below_the_leases() {
        let tree = Tree::new(&ZooKeeperPlace::new(["a:1"], "/otter").unwrap());
        let sides = ["a/target", "A/target", "a@target", "a/b/target", "../a/target", "日/source"];
        let paths: std::collections::BTreeSet<String> =
            sides.iter().map(|side| tree.side_path(side)).collect();
        assert_eq!(paths.len(), sides.len());
        for path in paths {
            let name = path.strip_prefix("/otter/leases/").unwrap();
            assert!(!name.contains('/') && name.is_ascii(), "{path}");
        }
    }
}
