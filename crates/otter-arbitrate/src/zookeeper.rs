//! Arbitration among the processes of several machines, in a subtree of a ZooKeeper ensemble.
//!
//! Each process has a session, under which the nodes of its leases live. It asks for a sign of
//! life three times per lease and counts the time that it may go on by its own boot clock, from
//! before it asked; the session lasts a fifth longer. So a holder stops before anybody else can
//! begin, and an ensemble that is away for less than a lease, or restarted server by server,
//! interrupts nothing. Those that wait are told by watches.

mod check;
mod desk;
mod error;
mod identity;
mod keeper;
mod place;
mod presence;
mod reports;
mod tree;
mod version;
mod wanted;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use otter_core::{
    Arbiter, ArbiterId, Campaign, Finding, Holder, Join, Lease, PipelineId, Presence, Result, Side,
    Term,
};
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::info;

pub use error::ZooKeeperArbiterError;
pub use place::{ZooKeeperPlace, ZooKeeperTls};

use crate::holding::{Alive, Holding};
use crate::known::{Known, Record};
use crate::report::{Found, Reports};
use crate::status::{ArbiterStatus, HeldSide, PresentNode};
use crate::wanted::{Wanted, Wishes};
use desk::Shared;
use keeper::Keeper;
use tree::{Node, Tree};

/// Long enough for a busy network to be heard in time, short enough to take over soon.
const DEFAULT_LEASE: Duration = Duration::from_secs(10);
/// A session must outlast two ticks of the ensemble, usually of two seconds each.
const SHORTEST_LEASE: Duration = Duration::from_secs(1);
/// The lease of somebody who only looks: every ensemble grants the session for it.
const LOOK: Duration = Duration::from_secs(5);

/// Decides among the processes of several machines who runs a side, in a subtree of ZooKeeper.
///
/// Terms are transaction ids of the ensemble, which rise across all sides. Cloning is cheap; any
/// number of processes may use one subtree. Must be opened and used within one tokio runtime.
///
/// ```no_run
/// use std::time::Duration;
/// use otter_arbitrate::{ZooKeeperArbiter, ZooKeeperPlace};
/// use otter_core::{Arbiter, PipelineId, Side};
///
/// # async fn run() -> otter_core::Result<()> {
/// let servers = ["10.0.0.7:2181", "10.0.0.8:2181", "10.0.0.9:2181"];
/// let place = ZooKeeperPlace::new(servers, "/otter")?;
/// let arbiter = ZooKeeperArbiter::open(&place, Duration::from_secs(10)).await?;
/// let lease = arbiter.campaign(&Side::target(PipelineId::new("shop"))).await?;
/// assert!(lease.is_held());
/// drop(lease);
/// arbiter.close().await;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct ZooKeeperArbiter {
    shared: Arc<Shared>,
    alive: Arc<Alive>,
}

impl ZooKeeperArbiter {
    /// How long a lease lasts where nobody says otherwise: 10 s.
    pub const DEFAULT_LEASE: Duration = DEFAULT_LEASE;

    /// Opens the arbiter of a subtree, which is made where it is not there. A lease lasts `lease`
    /// after its last renewal, at least a second.
    ///
    /// Where the place [remembers](ZooKeeperPlace::with_state) an arbiter whose subtree was deleted,
    /// it is made again as that one, unless the ensemble was made anew.
    ///
    /// # Errors
    /// [`Fault::Transient`](otter_core::Fault::Transient) where no server answers,
    /// [`Fault::Fatal`](otter_core::Fault::Fatal) where the ensemble's sessions are too short for
    /// the lease, or rights are missing, naming the remedy.
    pub async fn open(
        place: &ZooKeeperPlace,
        lease: Duration,
    ) -> Result<Self, ZooKeeperArbiterError> {
        let lease = lease.max(SHORTEST_LEASE);
        let (tree, known) = (Tree::new(place), Known::of(&place.spot()).await);
        let open = async {
            let client = tree.connect(lease).await?;
            match tree.reopen_id(&client, known.as_ref()).await? {
                Some(id) => Ok(id),
                None => tree.make_id(&client, &identity::new_id()?).await,
            }
        };
        let id = within(place, lease, open).await?;
        Ok(Self::start(tree, id, lease).await)
    }

    /// Opens the arbiter of a subtree where it is there or remembered; `None` where a new one would
    /// have to be made, whose terms cannot be compared with those of a former one.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn reopen(
        place: &ZooKeeperPlace,
        lease: Duration,
    ) -> Result<Option<Self>, ZooKeeperArbiterError> {
        let lease = lease.max(SHORTEST_LEASE);
        let (tree, known) = (Tree::new(place), Known::of(&place.spot()).await);
        let open = async {
            let client = tree.connect(lease).await?;
            tree.reopen_id(&client, known.as_ref()).await
        };
        match within(place, lease, open).await? {
            Some(id) => Ok(Some(Self::start(tree, id, lease).await)),
            None => Ok(None),
        }
    }

    async fn start(tree: Tree, id: ArbiterId, lease: Duration) -> Self {
        let mut record = Record::new(&tree.place.spot(), id.clone());
        record.keep(tree.seen()).await;
        let shared = Arc::new(Shared::new(tree.clone(), Arc::new(Holding::new(id, lease))));
        let (stop, stopped) = watch::channel(false);
        // Apart from the keeper, which must not wait for a disk.
        tokio::spawn(record.follow(move || tree.seen(), lease, stopped.clone()));
        tokio::spawn(Keeper::new(Arc::clone(&shared)).run(stopped));
        Self { shared, alive: Arc::new(Alive(stop)) }
    }

    /// The id of the arbiter of a subtree, which is only looked at, or as this machine remembers it
    /// where the subtree is gone; `None` where nobody has opened it yet.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn peek(place: &ZooKeeperPlace) -> Result<Option<ArbiterId>, ZooKeeperArbiterError> {
        Ok(Self::status(place, &[]).await?.id)
    }

    /// Who holds these sides, in their order. Changes nothing.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn status(
        place: &ZooKeeperPlace,
        sides: &[Side],
    ) -> Result<ArbiterStatus, ZooKeeperArbiterError> {
        let tree = Tree::new(place);
        let keys: Vec<String> = sides.iter().map(ToString::to_string).collect();
        let look = async {
            let client = tree.connect(LOOK).await?;
            let id = match tree.read_id(&client).await? {
                Some(id) => Some(id),
                None => Known::of(&place.spot()).await.map(|known| known.id),
            };
            let held = tree.look_at_all(&client, &keys).await?;
            let present = tree.nodes(&client).await?.into_iter().map(|(name, session)| {
                let is_theirs = |node: &&Node| node.session == session;
                PresentNode { name, held: held.iter().flatten().filter(is_theirs).count() }
            });
            let nodes = present.collect();
            let is_any_held = held.iter().any(Option::is_some);
            let texts = if is_any_held { tree.reports(&client).await? } else { Vec::new() };
            let told = Found::read(texts.iter().map(String::as_str));
            let of =
                |(side, node): (&Side, &Option<Node>)| told.of(side, Term(node.as_ref()?.term));
            let reports = sides.iter().zip(&held).map(of).collect();
            let sides = held.into_iter().map(|node| node.map(held_side)).collect();
            let paused = tree.paused(&client).await?;
            Ok(ArbiterStatus { id, sides, reports, nodes, paused })
        };
        within(place, LOOK, look).await
    }

    /// Writes what is wanted of a pipeline into a subtree, for all processes that use it.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn want(
        place: &ZooKeeperPlace,
        pipeline: &PipelineId,
        wanted: Wanted,
    ) -> Result<(), ZooKeeperArbiterError> {
        let tree = Tree::new(place);
        let write = async {
            let client = tree.connect(LOOK).await?;
            tree.want(&client, pipeline, wanted).await
        };
        within(place, LOOK, write).await
    }

    /// Follows what is wanted of pipelines: a change is told by a watch.
    #[must_use]
    pub fn wishes(&self) -> Wishes {
        wanted::follow(&self.shared, &self.alive)
    }

    /// Publishes what this process tells about the sides that it holds, at most once in the time
    /// `every`, whatever number of sides: one small node, which goes with the session.
    pub fn reports(&self, every: Duration) -> Reports {
        reports::publish(&self.shared, &self.alive, every)
    }

    /// What keeps a subtree from arbitrating a side, or may: the servers and their versions, the
    /// length of sessions, rights, and who holds the side now. What it makes is gone when it
    /// returns.
    pub async fn check(place: &ZooKeeperPlace, lease: Duration, side: &Side) -> Vec<Finding> {
        check::check(&Tree::new(place), lease.max(SHORTEST_LEASE), side).await
    }

    /// Gives all leases back, those that are held too, and waits until the ensemble knows; at most
    /// some seconds. Whoever is asked afterwards refuses.
    pub async fn close(&self) {
        let mut ended = self.shared.ended.subscribe();
        self.alive.0.send_replace(true);
        // The keeper bounds itself; an error means that it is gone, too.
        let limit = 3 * self.shared.holding.answer_limit();
        let _ = timeout(limit, ended.wait_for(|ended| *ended)).await;
    }

    /// The session that this process has now, for tests that end it.
    #[doc(hidden)]
    pub async fn session_info(&self) -> Option<zookeeper_client::SessionInfo> {
        Some(self.shared.current().await?.client.session().clone())
    }

    /// Waits until somebody may have given the side up.
    async fn wait_for(&self, side: &Side) -> Result<()> {
        let connected = self.shared.connect().await?;
        let mut over = connected.over.subscribe();
        let Some((_, watcher)) =
            self.shared.tree.watch(&connected.client, &side.to_string()).await?
        else {
            return Ok(());
        };
        tokio::select! {
            biased;
            _ = over.wait_for(|over| *over) => {}
            _ = watcher.changed() => {}
        }
        Ok(())
    }
}

#[async_trait]
impl Arbiter for ZooKeeperArbiter {
    fn id(&self) -> &ArbiterId {
        &self.shared.holding.arbiter
    }

    async fn try_campaign(&self, side: &Side) -> Result<Campaign> {
        let (shared, alive) = (Arc::clone(&self.shared), Arc::clone(&self.alive));
        // Where this future is dropped, the task goes on to its end, and its outcome is dropped
        // and gives the side up.
        let asking = tokio::spawn(desk::ask(shared, side.clone(), alive));
        Ok(asking.await.map_err(ZooKeeperArbiterError::RuntimeGone)??)
    }

    async fn campaign(&self, side: &Side) -> Result<Lease> {
        let mut told: Option<Holder> = None;
        loop {
            match self.try_campaign(side).await? {
                Campaign::Won(lease) => return Ok(lease),
                Campaign::Held(holder) if told.as_ref() == Some(&holder) => {}
                Campaign::Held(holder) => {
                    info!(%side, %holder, "side is held; waiting");
                    told = Some(holder);
                }
            }
            self.wait_for(side).await?;
        }
    }
}

#[async_trait]
impl Join for ZooKeeperArbiter {
    async fn join(&self) -> Result<Presence> {
        Ok(presence::join(&self.shared, &self.alive)?)
    }

    async fn holder_other_than(&self, side: &Side, known: Option<Term>) -> Result<Option<Holder>> {
        let key = side.to_string();
        loop {
            let connected = self.shared.connect().await?;
            let mut over = connected.over.subscribe();
            let tree = &self.shared.tree;
            let (term, watcher) = tree.watch_hands(&connected.client, &key).await?;
            if term.map(Term) != known {
                match tree.look(&connected.client, &key).await? {
                    Some(node) if Some(Term(node.term)) != known => {
                        return Ok(Some(Holder { name: node.holder, term: Term(node.term) }));
                    }
                    None if known.is_some() => return Ok(None),
                    // It has changed again between the two questions.
                    Some(_) | None => continue,
                }
            }
            tokio::select! {
                biased;
                _ = over.wait_for(|over| *over) => {}
                _ = watcher.changed() => {}
            }
        }
    }
}

impl fmt::Debug for ZooKeeperArbiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ZooKeeperArbiter")
            .field("id", &self.shared.holding.arbiter)
            .field("place", &self.shared.tree.place)
            .finish_non_exhaustive()
    }
}

fn held_side(node: Node) -> HeldSide {
    HeldSide {
        holder: Holder { name: node.holder, term: Term(node.term) },
        since: Some(node.since),
        // Signs of life are not written anywhere.
        until: None,
        lease: node.lease,
    }
}

/// Bounds what is done while nothing is held yet.
async fn within<T>(
    place: &ZooKeeperPlace,
    limit: Duration,
    work: impl Future<Output = Result<T, ZooKeeperArbiterError>>,
) -> Result<T, ZooKeeperArbiterError> {
    match timeout(limit, Box::pin(work)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(ZooKeeperArbiterError::Late { servers: place.cluster(), limit }),
    }
}
