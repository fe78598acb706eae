//! The loader itself: one claimed session at a time, and the trait's calls on it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use otter_core::{
    Batch, DatabaseUrl, Lease, Load, Loaded, Part, PipelineId, Position, Result, Term, Transaction,
};
use tokio::sync::Mutex;

use super::connect::{self, SessionTimes};
use super::error::MySqlLoadError;
use super::group::{Group, has_copy_steps};
use super::lanes::Standing;
use super::line::{Line, require_held};
use super::options::{LoaderOptions, OnPoison};
use super::plan::TablePlans;
use super::quarantine::Quarantine;
use super::random::random_name;
use super::segment::{Segment, cut};
use super::session::{Advance, Session};
use super::store::{MAX_NAME, Store};
use super::takeover::TakeOver;
use super::usual::Usual;

/// Writes batches to MySQL or MariaDB exactly once, in strict or in fast mode.
///
/// Every target transaction begins with the pipeline's mark, holds whole source transactions of
/// one origin, and ends with the checkpoint, moved by a compare-and-set that lets exactly one
/// loader through. In fast mode ([`Mode::Fast`](super::Mode::Fast)) it may hold the rows of one
/// lane alone, and moves that lane's checkpoint. The loader connects in [`resume`](Load::resume)
/// only; after an error of any kind the next call must be `resume`.
///
/// ```no_run
/// use otter_core::PipelineId;
/// use otter_sink::{LoaderOptions, MySqlLoader};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let url = "mysql://otter:secret@db.example:3306".parse()?;
/// let loader = MySqlLoader::new(PipelineId::new("shop"), url, LoaderOptions::default());
/// # let _ = loader;
/// # Ok(())
/// # }
/// ```
pub struct MySqlLoader {
    pipeline: PipelineId,
    url: DatabaseUrl,
    options: LoaderOptions,
    /// Tells this loader from every other one that is given the same term.
    holder: String,
    session: Mutex<Slot>,
}

/// What lasts from call to call.
#[derive(Default)]
struct Slot {
    session: Option<Session>,
    /// The term that was claimed last.
    claimed: Option<Term>,
}

impl MySqlLoader {
    /// Makes a loader; it connects when it resumes.
    #[must_use]
    pub fn new(pipeline: PipelineId, url: DatabaseUrl, options: LoaderOptions) -> Self {
        Self { pipeline, url, options, holder: random_name(), session: Mutex::default() }
    }

    async fn take_over(
        &self,
        lease: &Lease,
        claimed: &mut Option<Term>,
    ) -> Result<Session, MySqlLoadError> {
        self.check_names(lease)?;
        require_held(lease)?;
        let times = SessionTimes::below(
            lease.duration(),
            self.options.row_lock_wait,
            self.options.answer_timeout,
        );
        let (mut conn, facts) = connect::open(&self.url, times).await?;
        let store = Store::new(&self.options.schema, self.pipeline.as_str());
        let mut take_over = TakeOver {
            store: &store,
            facts: &facts,
            lease,
            holder: &self.holder,
            // A schema change runs on a connection of its own.
            slots: self.options.connections.max(if self.options.ddl.applies_any() { 2 } else { 1 }),
            claimed,
            patience: self.options.takeover_timeout,
        };
        let claimed = take_over.run(&mut *conn).await?;
        if self.options.on_poison == OnPoison::Quarantine {
            store.ensure_quarantine(&mut *conn, &facts).await?;
        }
        store.settle_copy(&mut *conn, &facts, (&self.options, claimed.standing.is_some())).await?;
        tracing::info!(
            pipeline = %self.pipeline,
            term = %lease.term(),
            sequence = claimed.held.newest(),
            server = facts.version,
            "took the target over"
        );
        let site = self.options.source_site.clone();
        let standing = claimed.standing;
        let position = standing.as_ref().and_then(Standing::least).cloned();
        let apart = standing.as_ref().filter(|it| it.differ());
        if let Some(furthest) = apart.and_then(Standing::furthest) {
            tracing::warn!(
                pipeline = %self.pipeline,
                lanes = claimed.held.count(),
                "lanes were interrupted at different places, the furthest at {furthest}: they are \
                 brought to one place first"
            );
        }
        Ok(Session {
            line: Line::new(0, conn, facts),
            helpers: Vec::new(),
            no_helper_before: None,
            rows_per_group: self.options.group_rows,
            usual_time: Usual::default(),
            target: (self.url.clone(), times),
            store,
            options: self.options.clone(),
            source_site: site.unwrap_or_else(|| Arc::from(self.pipeline.as_str())),
            claim: claimed.claim,
            held: claimed.held,
            position,
            standing: standing.filter(Standing::differ),
            is_apart: false,
            rules: None,
            tables: TablePlans::default(),
            quarantine: Quarantine::default(),
            fragment: None,
            refused_request: None,
        })
    }

    fn check_names(&self, lease: &Lease) -> Result<(), MySqlLoadError> {
        let name = self.pipeline.as_str();
        if lease.side().pipeline != self.pipeline {
            return Err(MySqlLoadError::WrongPipeline {
                lease: lease.side().pipeline.to_string(),
                loader: name.to_owned(),
            });
        }
        // MySQL: trailing spaces do not count in the checkpoint's key.
        if name.is_empty() || name.ends_with(' ') || name.chars().count() > MAX_NAME {
            return Err(MySqlLoadError::BadName { name: name.to_owned() });
        }
        Ok(())
    }
}

/// Ends a call: the session survives only one that returns without an error. A dropped call takes
/// it along, since the session is out of its slot until here.
async fn settle<T>(
    slot: &mut Slot,
    session: Session,
    outcome: Result<T, MySqlLoadError>,
) -> Result<T> {
    match outcome {
        Ok(done) => {
            slot.session = Some(session);
            Ok(done)
        }
        Err(error) => {
            // The server rolls back when it sees the end of the connection.
            session.goodbye().await;
            Err(error.into())
        }
    }
}

#[async_trait]
impl Load for MySqlLoader {
    async fn resume(&self, lease: &Lease) -> Result<Option<Position>> {
        let mut slot = self.session.lock().await;
        if let Some(old) = slot.session.take() {
            old.goodbye().await;
        }
        let mut session = Box::pin(self.take_over(lease, &mut slot.claimed)).await?;
        let outcome = Box::pin(session.look_into_quarantine(lease)).await;
        let position = session.position.clone();
        settle(&mut slot, session, outcome).await?;
        Ok(position)
    }

    async fn begin(&self, at: &Position, lease: &Lease) -> Result<()> {
        let mut slot = self.session.lock().await;
        let mut session = slot.session.take().ok_or(MySqlLoadError::NotResumed)?;
        let outcome = Box::pin(session.begin(at, lease)).await;
        settle(&mut slot, session, outcome).await
    }

    async fn load(&self, batch: Batch, lease: &Lease) -> Result<Loaded> {
        let mut slot = self.session.lock().await;
        let mut session = slot.session.take().ok_or(MySqlLoadError::NotResumed)?;
        let outcome = Box::pin(session.load(&batch, lease)).await;
        settle(&mut slot, session, outcome).await
    }

    async fn ping(&self, lease: &Lease) -> Result<()> {
        let mut slot = self.session.lock().await;
        let mut session = slot.session.take().ok_or(MySqlLoadError::NotResumed)?;
        let outcome = Box::pin(session.ping(lease)).await;
        settle(&mut slot, session, outcome).await
    }

    async fn close(&self) {
        if let Some(session) = self.session.lock().await.session.take() {
            session.goodbye().await;
        }
    }
}

impl Session {
    async fn begin(&mut self, at: &Position, lease: &Lease) -> Result<(), MySqlLoadError> {
        if let Some(position) = &self.position {
            return Err(MySqlLoadError::AlreadyBegun { position: position.to_string() });
        }
        self.forget_given_up().await?;
        // Whatever was known of the source's schema belongs to an earlier pipeline of this name.
        self.store.forget_schema(&mut *self.line.conn).await?;
        self.store.forget_requests(&mut *self.line.conn).await?;
        self.store.begin_copy(&mut *self.line.conn, self.options.initial_copy).await?;
        self.move_position(Advance { through: at, source_time: None }, lease).await
    }

    async fn ping(&mut self, lease: &Lease) -> Result<(), MySqlLoadError> {
        require_held(lease)?;
        self.ping_rested(Duration::ZERO).await?;
        Box::pin(self.settle(lease)).await
    }

    /// Reads which rows are held, and does what was wished meanwhile.
    async fn look_into_quarantine(&mut self, lease: &Lease) -> Result<(), MySqlLoadError> {
        self.read_quarantine().await?;
        self.settle(lease).await
    }

    async fn load(&mut self, batch: &Batch, lease: &Lease) -> Result<Loaded, MySqlLoadError> {
        self.check_order(batch)?;
        self.keep_alive(lease).await?;
        if !self.quarantine.is_empty() {
            Box::pin(self.settle_now_and_then(lease)).await?;
        }
        let is_behind = self.standing.is_some();
        self.is_apart = is_behind;
        if batch.is_fragment() {
            let caught_up = Box::pin(self.catch_up_fragment(batch, lease)).await?;
            self.is_apart = false;
            if let Some(loaded) = caught_up {
                return Ok(loaded);
            }
            return Box::pin(self.load_fragment(batch, lease)).await;
        }
        if self.fragment.is_some() {
            return Err(MySqlLoadError::Malformed { what: "it stands between two fragments" });
        }
        let Some(through) = &batch.through else {
            return Err(MySqlLoadError::Malformed { what: "it has no position" });
        };
        super::resync::require_no_steps(&batch.transactions)?;
        self.rows_per_group = self.rows_per_group_of(batch);
        let (done, rows) = Box::pin(self.catch_up(batch, through, lease)).await?;
        self.is_apart = false;
        let mut loaded = Loaded {
            through: Some(through.clone()),
            rows,
            transactions: u64::try_from(done).unwrap_or(u64::MAX),
            held: self.held_rows(),
        };
        let rest = batch.transactions.split_at(done).1;
        if is_behind && rest.is_empty() {
            return Ok(loaded);
        }
        self.reshape(lease).await?;
        let segments = cut(rest);
        for (index, segment) in segments.iter().enumerate() {
            let transactions = segment.transactions();
            let is_last = index + 1 == segments.len();
            let between =
                if is_last { None } else { Some(self.position_behind(transactions, through)?) };
            let through = between.as_ref().unwrap_or(through);
            loaded.rows += match segment {
                Segment::Ddl(transaction, ddl) => {
                    let at = Advance { through, source_time: Some(transaction.committed_at) };
                    Box::pin(self.load_ddl((transaction, ddl), at, lease)).await?
                }
                Segment::Rows(_) => self.load_segment(transactions, through, lease).await?,
            };
            loaded.transactions += u64::try_from(transactions.len()).unwrap_or(u64::MAX);
        }
        if segments.is_empty() {
            self.move_position(Advance { through, source_time: None }, lease).await?;
        }
        loaded.held = self.held_rows();
        Ok(loaded)
    }

    /// So many rows of this batch's average size make a group.
    fn rows_per_group_of(&self, batch: &Batch) -> usize {
        let bytes = batch.permit.bytes().max(1);
        let by_bytes = self.options.group_bytes.saturating_mul(batch.row_count()) / bytes;
        self.options.group_rows.min(by_bytes).max(1)
    }

    pub(super) async fn load_segment(
        &mut self,
        transactions: &[Transaction],
        through: &Position,
        lease: &Lease,
    ) -> Result<u64, MySqlLoadError> {
        let is_empty = |one: &Transaction| {
            one.row_count() == 0 && one.part != Part::Copied && !has_copy_steps(one)
        };
        if transactions.iter().all(is_empty) {
            let source_time = transactions.last().map(|transaction| transaction.committed_at);
            self.move_position(Advance { through, source_time }, lease).await?;
            return Ok(0);
        }
        self.learn_tables(transactions).await?;
        self.ensure_relations().await?;
        let group = Group { transactions, through };
        // What waits behind held rows is told by the source's order.
        if self.held.count() > 1 && self.quarantine.is_empty() {
            return Box::pin(self.load_pieces(group, lease)).await;
        }
        Box::pin(self.load_groups(group, lease)).await
    }

    /// A batch must begin where the target stands, or changes would be lost or repeated (EXACT-1).
    fn check_order(&self, batch: &Batch) -> Result<(), MySqlLoadError> {
        let position = self.position.as_ref().ok_or(MySqlLoadError::NotBegun)?;
        if position.applied_through == batch.after.applied_through {
            return Ok(());
        }
        Err(MySqlLoadError::OutOfOrder {
            found: batch.after.to_string(),
            committed: position.to_string(),
        })
    }
}

impl fmt::Debug for MySqlLoader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MySqlLoader")
            .field("pipeline", &self.pipeline)
            .field("url", &format_args!("{}", self.url))
            .finish_non_exhaustive()
    }
}
