//! Asking for a side: its node is made, or says who has it.

use std::sync::Arc;
use std::time::Duration;

use otter_core::{ArbiterId, Campaign, Holder, Side, Term};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use zookeeper_client::{Client, OneshotWatcher, SessionState};

use super::error::ZooKeeperArbiterError;
use super::tree::{Made, Tree};
use crate::holding::{Alive, Holding, Loss, Session, Stored};
use crate::machine::BootTime;

/// A node may come and go between two requests; whoever has met that so often is told.
const TRIES: u32 = 20;
/// Whoever meets another's grant looks again so soon.
const BETWEEN_TRIES: Duration = Duration::from_millis(10);

/// A session with the ensemble.
#[derive(Debug, Clone)]
pub(super) struct Connected {
    pub(super) client: Client,
    pub(super) session: Arc<Session>,
    /// True when it is over, for those that wait for a watch.
    pub(super) over: watch::Sender<bool>,
}

/// What all parts of one arbiter in one process share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) tree: Tree,
    pub(super) holding: Arc<Holding>,
    /// The session that there is now.
    connected: tokio::sync::Mutex<Option<Connected>>,
    /// Sides whose node may have been made by a request that was not answered.
    pub(super) leftovers: std::sync::Mutex<Vec<String>>,
    /// Held while a deleted subtree is made again, with whether it must not be: the ensemble was
    /// made anew. Those that wait then find it there.
    is_refuted: tokio::sync::Mutex<bool>,
    /// True when the keeper has given everything back.
    pub(super) ended: watch::Sender<bool>,
}

type Result<T> = std::result::Result<T, ZooKeeperArbiterError>;

impl Shared {
    pub(super) fn new(tree: Tree, holding: Arc<Holding>) -> Self {
        Self {
            tree,
            holding,
            connected: tokio::sync::Mutex::new(None),
            leftovers: std::sync::Mutex::default(),
            is_refuted: tokio::sync::Mutex::new(false),
            ended: watch::Sender::new(false),
        }
    }

    /// The session, begun where there is none.
    pub(super) async fn connect(&self) -> Result<Connected> {
        // Whoever asks while another connects wants the same session.
        let mut slot = self.connected.lock().await;
        if let Some(connected) = slot.as_ref()
            && connected.is_usable()
        {
            return Ok(connected.clone());
        }
        if let Some(over) = slot.take() {
            self.end(&over, &Loss::Late);
        }
        // Before it is asked for: the ensemble begins to count later.
        let asked = BootTime::now();
        let client = self.tree.connect(self.holding.lease).await;
        let client = client.map_err(|error| error.while_running(self.tree.servers()))?;
        let token = client.session_id().to_string();
        let session = Arc::new(Session::new(token, asked, self.holding.lease));
        let connected =
            Connected { client, session: Arc::clone(&session), over: watch::Sender::new(false) };
        *slot = Some(connected.clone());
        self.holding.begin_session(&session);
        Ok(connected)
    }

    /// The session that there is, without beginning one.
    pub(super) async fn current(&self) -> Option<Connected> {
        self.connected.lock().await.clone()
    }

    /// Ends a session with all its leases; the ensemble is told where it can be.
    pub(super) async fn drop_session(&self, connected: &Connected, loss: &Loss) {
        let mut slot = self.connected.lock().await;
        let is_current =
            slot.as_ref().is_some_and(|one| Arc::ptr_eq(&one.session, &connected.session));
        if is_current {
            *slot = None;
        }
        self.end(connected, loss);
    }

    fn end(&self, connected: &Connected, loss: &Loss) {
        self.holding.lose_session(&connected.session, loss);
        connected.over.send_replace(true);
    }

    /// The arbiter that answers must be the one that this process began with. Its nodes are made
    /// again where somebody has deleted them.
    pub(super) async fn require_ours(&self, client: &Client) -> Result<()> {
        let found = match self.tree.read_id(client).await? {
            Some(id) => id,
            None => self.make_again(client).await?,
        };
        if found == self.holding.arbiter { Ok(()) } else { Err(self.rebuilt(Some(found))) }
    }

    /// Makes the id again, unless somebody was faster; returns the one that is there.
    async fn make_again(&self, client: &Client) -> Result<ArbiterId> {
        let mut is_refuted = self.is_refuted.lock().await;
        if let Some(id) = self.tree.read_id(client).await? {
            return Ok(id);
        }
        if *is_refuted {
            return Err(self.rebuilt(None));
        }
        let made = self.tree.make_id_again(client, &self.holding.arbiter, self.tree.seen()).await?;
        *is_refuted = made.is_none();
        if *is_refuted {
            // Else the next start would find that it has counted further, by our own questions.
            self.tree.place.spot().refute(&self.holding.arbiter).await;
        }
        made.ok_or_else(|| self.rebuilt(None))
    }

    fn rebuilt(&self, found: Option<ArbiterId>) -> ZooKeeperArbiterError {
        let (place, ours) = (self.tree.place.to_string(), self.holding.arbiter.clone());
        ZooKeeperArbiterError::Rebuilt { place, ours, found }
    }

    fn note_leftover(&self, side: &str) {
        let leftovers = self.leftovers.lock();
        leftovers.unwrap_or_else(std::sync::PoisonError::into_inner).push(side.to_owned());
        self.holding.work.notify_one();
    }
}

impl Connected {
    /// Whether its time is not over, and the ensemble has not ended it.
    pub(super) fn is_usable(&self) -> bool {
        self.session.is_valid() && !is_terminal(self.client.state())
    }
}

/// Whether a session never comes back from this state.
pub(super) fn is_terminal(state: SessionState) -> bool {
    match state {
        SessionState::AuthFailed | SessionState::Expired | SessionState::Closed => true,
        SessionState::Disconnected
        | SessionState::SyncConnected
        | SessionState::ConnectedReadOnly => false,
    }
}

/// Asks once for a side. It must run to its end: in a task of its own.
pub(super) async fn ask(shared: Arc<Shared>, side: Side, alive: Arc<Alive>) -> Result<Campaign> {
    let key = side.to_string();
    let limit = shared.holding.answer_limit();
    let servers = shared.tree.servers();
    match timeout(limit, Box::pin(ask_within(&shared, (&side, &key), &alive))).await {
        Ok(outcome) => outcome,
        Err(_) => Err(ZooKeeperArbiterError::Late { servers, limit }),
    }
}

async fn ask_within(
    shared: &Arc<Shared>,
    (side, key): (&Side, &str),
    alive: &Arc<Alive>,
) -> Result<Campaign> {
    for tried in 0..TRIES {
        if tried > 0 {
            sleep(BETWEEN_TRIES).await;
        }
        if *alive.0.borrow() {
            return Err(ZooKeeperArbiterError::Closed);
        }
        if let Some(holder) = shared.holding.own_holder(key) {
            return Ok(Campaign::Held(holder));
        }
        let connected = shared.connect().await?;
        let client = &connected.client;
        shared.require_ours(client).await?;
        // Until the lease is held or not, a node under our session is no leftover.
        let granting = shared.holding.granting(key);
        let unanswered = Unanswered { shared, side: Some(key) };
        let (holding, seen) = (&shared.holding, shared.tree.seen());
        let made = shared.tree.make(client, key, (&holding.holder, holding.lease)).await?;
        let term = match made {
            // Somebody is deleting the subtree.
            None => {
                unanswered.answered();
                shared.tree.make_folders(client).await?;
                continue;
            }
            // INVARIANT FENCE-1: terms rise; an ensemble that was set back grants none.
            Some(Made::Ours(term)) if term <= seen => {
                unanswered.answered();
                shared.drop_session(&connected, &Loss::Rebuilt).await;
                return Err(shared.rebuilt(Some(holding.arbiter.clone())));
            }
            Some(Made::Ours(term)) => term,
            Some(Made::Exists) => match shared.tree.look(client, key).await? {
                Some(node) if node.session == client.session_id().0 => {
                    let mut going = shared.holding.releases().into_iter();
                    if going.any(|lease| lease.side == key && lease.term == node.term) {
                        // It was given back just now, and goes: nobody is granted its term again.
                        unanswered.answered();
                        continue;
                    }
                    // A request of ours whose answer was lost has made it, for nobody.
                    node.term
                }
                Some(node) => {
                    unanswered.answered();
                    let holder = Holder { name: node.holder, term: Term(node.term) };
                    return Ok(Campaign::Held(holder));
                }
                None => continue,
            },
        };
        let stored = Stored { side: key.to_owned(), term };
        let Some((found, watcher)) = shared.tree.watch(client, key).await? else { continue };
        let under = (&connected.session, alive);
        if found == term
            && let Some(lease) = shared.holding.hold((side, key), Term(term), under)
        {
            unanswered.answered();
            drop(granting);
            tokio::spawn(watch_own(Arc::clone(shared), connected, stored, watcher));
            return Ok(Campaign::Won(lease));
        }
    }
    Err(shared.tree.contention())
}

/// Ends a lease when its node goes away, whoever deleted it; ends itself with the lease.
async fn watch_own(
    shared: Arc<Shared>,
    connected: Connected,
    lease: Stored,
    watcher: OneshotWatcher,
) {
    let (client, mut over) = (connected.client.clone(), connected.over.subscribe());
    let mut watcher = Some(watcher);
    while let Some(watching) = watcher.take() {
        let event = tokio::select! {
            biased;
            _ = over.wait_for(|over| *over) => return,
            event = watching.changed() => event,
        };
        if is_terminal(event.session_state) && event.path.is_empty() {
            shared.drop_session(&connected, &Loss::Ended).await;
            return;
        }
        // A node that was only written to is watched again.
        match shared.tree.watch(&client, &lease.side).await {
            Ok(Some((term, next))) if term == lease.term => watcher = Some(next),
            Ok(Some(_) | None) => shared.holding.lose(&lease, &Loss::Vanished),
            // Without a watch nothing is known any more but that the session may go on: the node
            // is looked at with the next renewal.
            Err(_) => shared.note_leftover(&lease.side),
        }
    }
}

/// A request that may have made a node, unless it is said to be answered.
struct Unanswered<'a> {
    shared: &'a Shared,
    side: Option<&'a str>,
}

impl Unanswered<'_> {
    fn answered(mut self) {
        self.side = None;
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if let Some(side) = self.side {
            self.shared.note_leftover(side);
        }
    }
}
