//! A target in memory: tables, checkpoints, and the transactions that change both.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::time::sleep;

use super::super::item::{self, Edit, Item};
use super::faults::{FaultPoint, Injected};
use super::load::{MemoryLoad, MemoryLoadError};
use super::rows::Tables;
use super::store::{Claimed, Commit, InDoubt, Poison, Rehearsal, Store, Weakness, Wish, Work};
use super::stored::{Stored, StoredRow};
use crate::arbiter::{Lease, PipelineId};
use crate::batch::Transaction;
use crate::position::Position;
use crate::table::{Table, TableName};

/// A database in memory. Clones are the same database.
#[derive(Clone)]
pub struct MemoryTarget {
    store: Arc<Mutex<Store>>,
    commits: watch::Sender<u64>,
}

impl MemoryTarget {
    /// An empty database.
    #[must_use]
    pub fn new() -> Self {
        Self::build(Store::default())
    }

    /// A database that breaks one promise.
    #[must_use]
    pub fn with_weakness(weakness: Weakness) -> Self {
        Self::build(Store { weakness: Some(weakness), ..Store::default() })
    }

    fn build(store: Store) -> Self {
        Self { store: Arc::new(Mutex::new(store)), commits: watch::Sender::new(0) }
    }

    /// A loader with a connection of its own, as another process would have it.
    #[must_use]
    pub fn loader(&self) -> MemoryLoad {
        MemoryLoad::new(self.clone(), Poison::Halts)
    }

    /// A loader that holds rows which do not fit, with the later changes of their keys, and goes on.
    #[must_use]
    pub fn holding_loader(&self) -> MemoryLoad {
        MemoryLoad::new(self.clone(), Poison::IsHeld)
    }

    /// How many rows a pipeline holds.
    #[must_use]
    pub fn held_count(&self, pipeline: &PipelineId) -> usize {
        self.lock().held.get(pipeline).map_or(0, Vec::len)
    }

    /// Wishes that all held rows be tried again, when the loader is pinged or loads next.
    pub fn retry_held(&self, pipeline: &PipelineId) {
        self.lock().wishes.insert(pipeline.clone(), Wish::Retry);
    }

    /// Wishes that the first held row be given up, and the others be tried again.
    pub fn drop_first_held(&self, pipeline: &PipelineId) {
        self.lock().wishes.insert(pipeline.clone(), Wish::DropFirst);
    }

    pub(super) fn has_wish(&self, pipeline: &PipelineId) -> bool {
        self.lock().wishes.contains_key(pipeline)
    }

    /// The committed rows of a table in key order.
    #[must_use]
    pub fn rows(&self, table: &TableName) -> Vec<StoredRow> {
        self.lock().tables.rows(table)
    }

    /// The committed rows of the suites' table in key order.
    ///
    /// # Panics
    /// Where a row is not as the table's definition says.
    #[must_use]
    pub fn items(&self) -> Vec<Item> {
        items_of(&self.lock().tables)
    }

    /// The committed position of a pipeline.
    #[must_use]
    pub fn position(&self, pipeline: &PipelineId) -> Option<Position> {
        self.lock().checkpoints.get(pipeline)?.position.clone()
    }

    /// Counts committed target transactions, so that a test can wait for the next one.
    #[must_use]
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.commits.subscribe()
    }

    /// Puts a row behind the loaders' backs, replacing one with its key.
    pub fn put(&self, table: &Table, row: StoredRow) {
        self.lock().tables.put(table, row);
    }

    /// Takes a row out behind the loaders' backs and returns it.
    pub fn take(&self, table: &TableName, key: &[Stored]) -> Option<StoredRow> {
        self.lock().tables.take(table, key)
    }

    /// Changes the suites' table behind the loaders' backs.
    pub fn meddle(&self, edit: &Edit) {
        let table = item::table();
        let (gone, new) = match edit {
            Edit::Insert(item) => (None, Some(item)),
            Edit::Update { before, after } => (Some(before), Some(after)),
            Edit::Delete(item) => (Some(item), None),
        };
        if let Some(item) = gone {
            self.take(&table.name, &[Stored::Int(item.id)]);
        }
        if let Some(item) = new {
            let name = item.name.as_deref().map_or(Stored::Null, Stored::from);
            self.put(&table, vec![Stored::Int(item.id), name]);
        }
    }

    /// Refuses every change of this key from now on, as a value that does not fit would be.
    pub fn refuse(&self, table: &TableName, key: &[Stored]) {
        self.lock().refused.insert((table.clone(), key.to_vec()));
    }

    /// Refuses nothing any more.
    pub fn accept_all(&self) {
        self.lock().refused.clear();
    }

    /// Makes this go wrong when the point is passed next, after what was asked for before.
    pub fn fail_next(&self, point: FaultPoint, fault: Injected) {
        self.lock().script.push_back((point, fault));
    }

    /// Asks `plan` each time a point is passed what goes wrong there.
    pub fn fail_by(&self, plan: impl FnMut(FaultPoint) -> Option<Injected> + Send + 'static) {
        self.lock().plan = Some(Box::new(plan));
    }

    /// Lets nothing go wrong any more.
    pub fn fail_never(&self) {
        let mut state = self.lock();
        state.plan = None;
        state.script.clear();
    }

    /// Shows `look` every commit with the tables as they are behind it, before anybody can see
    /// them. It must not use the target.
    pub fn on_commit(&self, look: impl FnMut(&Commit, &Tables) + Send + 'static) {
        self.lock().on_commit = Some(Box::new(look));
    }

    pub(super) fn weakness(&self) -> Option<Weakness> {
        self.lock().weakness
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        // A look that panicked has failed its test; the next one may go on.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes a point where something may go wrong. What is left to the caller is returned.
    pub(super) async fn pass(
        &self,
        point: FaultPoint,
    ) -> Result<Option<Injected>, MemoryLoadError> {
        let fault = self.lock().fault_at(point);
        match fault {
            None => Ok(None),
            Some(Injected::LostBefore) => Err(MemoryLoadError::Disconnected),
            Some(Injected::Hang(time)) => {
                sleep(time).await;
                Err(MemoryLoadError::Disconnected)
            }
            Some(Injected::Slow(time)) => {
                sleep(time).await;
                Ok(None)
            }
            Some(left @ (Injected::LostAfter | Injected::InDoubt { .. })) => Ok(Some(left)),
        }
    }

    /// Takes the pipeline over.
    pub(super) fn claim(&self, lease: &Lease) -> Result<Claimed, MemoryLoadError> {
        let (claimed, decided) = self.lock().claim(lease)?;
        self.count(decided);
        Ok(claimed)
    }

    /// Commits and returns the new sequence.
    pub(super) fn commit(&self, work: Work) -> Result<u64, MemoryLoadError> {
        let sequence = self.lock().commit(work)?;
        self.count(1);
        Ok(sequence)
    }

    /// Leaves it open whether this is committed.
    pub(super) fn doubt(&self, work: Work, commits: bool) {
        self.lock().in_doubt.push(InDoubt { work, commits });
    }

    /// Applies transactions to a copy of the tables: how many can be, and why the next cannot.
    pub(super) fn rehearse(
        &self,
        rehearsal: &mut Rehearsal,
        transactions: &[Transaction],
        rules: (&PipelineId, Poison),
    ) {
        self.lock().rehearse(rehearsal, transactions, rules);
    }

    /// Whether this session may still write.
    pub(super) fn check_session(
        &self,
        pipeline: &PipelineId,
        session: u64,
    ) -> Result<(), MemoryLoadError> {
        let state = self.lock();
        if state.weakness == Some(Weakness::NoFence) || state.is_current(pipeline, session) {
            return Ok(());
        }
        Err(MemoryLoadError::Superseded)
    }

    /// Ends a session; what it had not committed is gone.
    pub(super) fn end_session(&self, pipeline: &PipelineId, session: u64) {
        let mut state = self.lock();
        if state.is_current(pipeline, session) {
            state.sessions.remove(pipeline);
        }
    }

    fn count(&self, commits: u64) {
        self.commits.send_modify(|count| *count += commits);
    }
}

/// The rows of the suites' table.
pub(in super::super) fn items_of(tables: &Tables) -> Vec<Item> {
    let item = |row: StoredRow| match row.as_slice() {
        [Stored::Int(id), Stored::Text(name)] => Item::new(*id, name),
        [Stored::Int(id), Stored::Null] => Item { id: *id, name: None },
        other => panic!("a row of the suites' table holds {other:?}"),
    };
    tables.rows(&item::table().name).into_iter().map(item).collect()
}

impl Default for MemoryTarget {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryTarget").field("commits", &*self.commits.borrow()).finish()
    }
}
