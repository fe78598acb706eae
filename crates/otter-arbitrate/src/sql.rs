//! Arbitration among the processes of several machines, in a schema of a MySQL or MariaDB server.
//!
//! Each process that holds something has a session, a row that says when its leases end, and
//! renews that one row for all of them. Time is the server's alone, and each holder counts the
//! time that it may go on by its own boot clock, from before it asked: it stops before anybody
//! else can begin. A server that is away for less than a lease interrupts nothing.
//!
//! Only the primary of a replicated set may be asked: a replica that lags behind would grant terms
//! again. The checkpoint in the target refuses them, but the pipeline stands still meanwhile.

mod check;
mod conn;
mod desk;
mod error;
mod identity;
mod keeper;
mod presence;
mod reports;
mod shared;
mod status;
mod text;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use otter_core::database_url::DatabaseUrl;
use otter_core::{
    Arbiter, ArbiterId, Campaign, Finding, Holder, Join, Lease, PipelineId, Presence, Result, Side,
    Term,
};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tracing::info;

pub use error::SqlArbiterError;

use crate::holding::{Alive, Holding};
use crate::known::{Known, Record, Spot};
use crate::report::Reports;
use crate::status::ArbiterStatus;
use crate::wanted::{Wanted, Wishes};
use conn::Conn;
use identity::{make_missing, open_id, peek_id};
use keeper::Keeper;
use shared::{Shared, World};
use text::Texts;

/// The schema where the URL names none: Otter's own, which no pipeline carries.
const DEFAULT_SCHEMA: &str = "otter";
/// Long enough for a busy network to renew in time, short enough to take over soon.
const DEFAULT_LEASE: Duration = Duration::from_secs(10);
/// Several round trips, and a login with TLS, must fit into a quarter of it.
const SHORTEST_LEASE: Duration = Duration::from_secs(1);
/// How long a server may keep the connection of somebody who only looks.
const LOOK: Duration = Duration::from_secs(30);

/// Decides among the processes of several machines who runs a side, in a schema of a MySQL or
/// MariaDB server.
///
/// The schema is the URL's database, else `otter`; its tables are made where they are missing.
/// Terms rise across all sides. Cloning is cheap; any number of processes may use one schema.
/// Must be opened and used within one tokio runtime.
///
/// ```no_run
/// use std::time::Duration;
/// use otter_arbitrate::SqlArbiter;
/// use otter_core::{Arbiter, PipelineId, Side};
///
/// # async fn run() -> otter_core::Result<()> {
/// let url = "mysql://otter:secret@10.0.0.9/otter".parse().expect("a URL");
/// let arbiter = SqlArbiter::open(&url, Duration::from_secs(10)).await?;
/// let lease = arbiter.campaign(&Side::target(PipelineId::new("shop"))).await?;
/// assert!(lease.is_held());
/// drop(lease);
/// arbiter.close().await;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct SqlArbiter {
    shared: Arc<Shared>,
    alive: Arc<Alive>,
}

impl SqlArbiter {
    /// How long a lease lasts where nobody says otherwise: 10 s.
    pub const DEFAULT_LEASE: Duration = DEFAULT_LEASE;

    /// Opens the arbiter of a schema, which is made with its tables where it is not there. A lease
    /// lasts `lease` after its last renewal, at least a second, and is renewed three times in that
    /// time; all users of a schema may differ.
    ///
    /// # Errors
    /// [`Fault::Transient`](otter_core::Fault::Transient) where the server cannot be reached,
    /// [`Fault::Fatal`](otter_core::Fault::Fatal) where it does not let the account in or the
    /// schema cannot be made, naming the remedy.
    pub async fn open(url: &DatabaseUrl, lease: Duration) -> Result<Self, SqlArbiterError> {
        Self::open_at(url, &spot(url, None), lease).await
    }

    /// As [`open`](Self::open), and remembers the arbiter in a folder of this machine, which is made
    /// where it is not there: after the schema was deleted, while no process ran, it is made again as
    /// the same arbiter, and where it was restored from a backup, terms go on above those that this
    /// machine has seen. Several processes may use one folder.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_remembering(
        url: &DatabaseUrl,
        state: &Path,
        lease: Duration,
    ) -> Result<Self, SqlArbiterError> {
        Self::open_at(url, &spot(url, Some(state)), lease).await
    }

    async fn open_at(
        url: &DatabaseUrl,
        spot: &Spot,
        lease: Duration,
    ) -> Result<Self, SqlArbiterError> {
        let lease = lease.max(SHORTEST_LEASE);
        let (texts, known) = (texts_of(url), Known::of(spot).await);
        let open = async |conn: &mut Conn| open_id(conn, url, &texts, known.as_ref()).await;
        let found = look_in(url, open).await?;
        let mut record = Record::new(spot, found.id.clone());
        record.keep(found.last_term).await;
        let world = World { url: url.clone(), texts };
        let shared = Arc::new(Shared::new(world, Arc::new(Holding::new(found.id, lease))));
        shared.note_seen(found.last_term);
        let (stop, stopped) = watch::channel(false);
        // Apart from the keeper, which must not wait for a disk.
        let counted = Arc::clone(&shared);
        tokio::spawn(record.follow(move || counted.seen(), lease, stopped.clone()));
        tokio::spawn(Keeper::new(Arc::clone(&shared)).run(stopped));
        Ok(Self { shared, alive: Arc::new(Alive(stop)) })
    }

    /// The id of the arbiter of a schema, as a folder of this machine remembers it; `None` where it
    /// does not.
    pub async fn remembered(url: &DatabaseUrl, state: &Path) -> Option<ArbiterId> {
        Known::of(&spot(url, Some(state))).await.map(|known| known.id)
    }

    /// The id of the arbiter of a schema, which is only looked at; `None` where nobody has opened
    /// it yet.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn peek(url: &DatabaseUrl) -> Result<Option<ArbiterId>, SqlArbiterError> {
        let texts = texts_of(url);
        look_in(url, async |conn| peek_id(conn, url, &texts).await).await
    }

    /// Who holds these sides, in their order. Changes nothing.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn status(
        url: &DatabaseUrl,
        sides: &[Side],
    ) -> Result<ArbiterStatus, SqlArbiterError> {
        let texts = texts_of(url);
        look_in(url, async |conn| status::status(conn, url, &texts, sides).await).await
    }

    /// Writes what is wanted of a pipeline into a schema, for all processes that use it; makes the
    /// arbiter's tables where they are not there.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn want(
        url: &DatabaseUrl,
        pipeline: &PipelineId,
        wanted: Wanted,
    ) -> Result<(), SqlArbiterError> {
        let texts = texts_of(url);
        look_in(url, async |conn| {
            let failed = |error: sqlx::Error| SqlArbiterError::asking(url, texts.schema(), &error);
            // Without an id: that is for those who know it.
            make_missing(conn, &texts).await.map_err(failed)?;
            conn.query(texts.want(pipeline.as_str(), wanted)).await.map_err(failed)?;
            Ok(())
        })
        .await
    }

    /// Follows what is wanted of pipelines. A change is seen within a third of a lease, and within a
    /// second while this process waits for a side.
    #[must_use]
    pub fn wishes(&self) -> Wishes {
        let wishes = Wishes::new(self.shared.paused.subscribe());
        self.shared.holding.work.notify_one();
        wishes
    }

    /// Publishes what this process tells about the sides that it holds, at most once in the time
    /// `every`, whatever number of sides: one row, which is void with the session. While this process
    /// holds nothing it tells nothing.
    pub fn reports(&self, every: Duration) -> Reports {
        reports::publish(&self.shared, &self.alive, every)
    }

    /// What keeps a schema from arbitrating a side, or may: the server, the account's rights, the
    /// clock, and who holds the side now. Changes nothing.
    pub async fn check(url: &DatabaseUrl, side: &Side) -> Vec<Finding> {
        check::check(url, side).await
    }

    /// Gives all leases back, those that are held too, and waits until the server knows; at most
    /// some seconds. Whoever is asked afterwards refuses.
    pub async fn close(&self) {
        let mut ended = self.shared.ended.subscribe();
        self.alive.0.send_replace(true);
        // The keeper bounds itself; an error means that it is gone, too.
        let limit = 3 * self.shared.holding.answer_limit();
        let _ = timeout(limit, ended.wait_for(|ended| *ended)).await;
    }
}

#[async_trait]
impl Arbiter for SqlArbiter {
    fn id(&self) -> &ArbiterId {
        &self.shared.holding.arbiter
    }

    async fn try_campaign(&self, side: &Side) -> Result<Campaign> {
        let (shared, alive) = (Arc::clone(&self.shared), Arc::clone(&self.alive));
        // Where this future is dropped, the task goes on to its end, and its outcome is dropped
        // and gives the side up.
        let asking = tokio::spawn(desk::ask(shared, side.clone(), alive));
        Ok(asking.await.map_err(SqlArbiterError::RuntimeGone)??)
    }

    async fn campaign(&self, side: &Side) -> Result<Lease> {
        let key = side.to_string();
        let mut told: Option<Holder> = None;
        let mut waiting = None;
        loop {
            // Before asking, so that nothing changes unnoticed between asking and waiting.
            let mut board = self.shared.board.subscribe();
            match self.try_campaign(side).await? {
                Campaign::Won(lease) => return Ok(lease),
                Campaign::Held(holder) if told.as_ref() == Some(&holder) => {}
                Campaign::Held(holder) => {
                    info!(%side, %holder, "side is held; waiting");
                    told = Some(holder);
                }
            }
            waiting.get_or_insert_with(|| self.shared.wait());
            loop {
                // The sender lives as long as we do.
                let _ = board.changed().await;
                if *self.alive.0.borrow() {
                    return Err(SqlArbiterError::Closed.into());
                }
                if !board.borrow_and_update().held.contains_key(&key) {
                    break;
                }
            }
        }
    }
}

#[async_trait]
impl Join for SqlArbiter {
    async fn join(&self) -> Result<Presence> {
        Ok(presence::join(&self.shared, &self.alive)?)
    }

    async fn holder_other_than(&self, side: &Side, known: Option<Term>) -> Result<Option<Holder>> {
        let (key, asked) = (side.to_string(), Instant::now());
        let mut board = self.shared.board.subscribe();
        let _waiting = self.shared.wait();
        loop {
            // The sender lives as long as we do.
            let _ = board.changed().await;
            if *self.alive.0.borrow() {
                return Err(SqlArbiterError::Closed.into());
            }
            let now = board.borrow_and_update();
            let holder = now.held.get(&key);
            // What was asked before may be older than what is known.
            if now.asked >= asked && holder.map(|holder| holder.term) != known {
                return Ok(holder.cloned());
            }
        }
    }
}

impl fmt::Debug for SqlArbiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlArbiter")
            .field("id", &self.shared.holding.arbiter)
            .field("place", &self.shared.world.place())
            .finish_non_exhaustive()
    }
}

/// What is remembered, and where.
fn spot(url: &DatabaseUrl, state: Option<&Path>) -> Spot {
    let root = url.database().unwrap_or(DEFAULT_SCHEMA).to_owned();
    let (folder, servers) = (state.map(Path::to_owned), vec![url.address()]);
    Spot { folder, file: "mysql-arbiter", root, servers }
}

fn texts_of(url: &DatabaseUrl) -> Texts {
    Texts::new(url.database().unwrap_or(DEFAULT_SCHEMA))
}

/// Does something over a connection of its own, within the time that connecting may take twice.
async fn look_in<T>(
    url: &DatabaseUrl,
    work: impl AsyncFnOnce(&mut Conn) -> Result<T, SqlArbiterError>,
) -> Result<T, SqlArbiterError> {
    let mut conn = Conn::open(url, LOOK).await?;
    let limit = url.connect_timeout();
    let Ok(outcome) = timeout(limit, Box::pin(work(&mut conn))).await else {
        return Err(SqlArbiterError::Late { address: url.address(), limit });
    };
    if outcome.is_ok() {
        conn.goodbye().await;
    }
    outcome
}
