//! A copy under way: what is left to copy, what is being read, and where the stream stands.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use otter_core::{
    Batch, Budget, CopyRecord, CopyStage, CopyStep, DatabaseUrl, Event, FilePlace, Position,
    Result, Select, SourceTime, TableName,
};
use tokio::time::{Instant, sleep};
use tracing::info;

use super::Setting;
use super::definition::{Definition, Pick};
use super::error::CopyError;
use super::flight::{Flight, Job};
use super::tables::{self, Source};
use super::worker::{Read, Request, Worker};
use crate::connection::{Connection, Flavor};
use crate::selector::{BinlogSelector, has_mysql_gtids};

/// How often it is looked whether the stream has reached a place, where nothing else tells.
const TICK: Duration = Duration::from_millis(20);
/// Pieces that wait for the stream; the rest waits in the server.
const MOST_PIECES: usize = 4;
/// So many rows are asked for first; how long they take tells how many come next.
const FIRST_ROWS: u64 = 1_000;
/// A target transaction for each: large enough for the fastest ways of writing.
const PIECE_BYTES: usize = 1 << 20;
/// How often the log tells how far the copy is.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// A copy under way.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) setting: Setting,
    url: DatabaseUrl,
    budget: Budget,
    /// Behind everything that is in `ready`.
    pub(super) position: Position,
    pub(super) source: Source,
    /// Tables that are not copied as a whole yet.
    pub(super) open: BTreeMap<TableName, OpenTable>,
    /// Tables that are.
    pub(super) known: BTreeSet<TableName>,
    pub(super) worker: Option<Worker>,
    pub(super) job: Job,
    pub(super) ready: VecDeque<Batch>,
    /// Transactions behind the place at which the stream waits.
    pub(super) stash: Option<Batch>,
    /// A transaction was handed out in part.
    pub(super) is_in_fragment: bool,
    /// When the source committed the newest transaction that was passed on.
    pub(super) newest: SourceTime,
    pub(super) rows_at_once: u64,
    /// How often in a row something was read in vain.
    pub(super) tries: u32,
    pub(super) not_before: Instant,
    tell_at: Instant,
}

/// A table that is not copied as a whole yet.
#[derive(Debug)]
pub(super) struct OpenTable {
    pub(super) record: CopyRecord,
    pub(super) definition: Option<Arc<Definition>>,
    /// The source does not have it any more: the stream will tell what became of it.
    pub(super) is_gone: bool,
}

impl OpenTable {
    fn new(record: CopyRecord, is_gone: bool) -> Self {
        Self { record, definition: None, is_gone }
    }
}

impl Run {
    /// Takes up a copy where its log says that it is.
    pub(super) async fn begin(
        inner: &BinlogSelector,
        setting: &Setting,
        from: &Position,
        budget: Budget,
    ) -> Result<Self> {
        let url = inner.options().url.clone();
        let mut connection = Connection::connect(&url).await.map_err(CopyError::from)?;
        let info = connection.server_info().await.map_err(CopyError::from)?;
        let filter = &inner.options().filter;
        let mut source = tables::read(&mut connection, filter).await?;
        // Shown until the stream tells a time.
        let clock = connection.query("SELECT UNIX_TIMESTAMP() AS now").await;
        let clock = clock.map_err(CopyError::from)?;
        let seconds = clock.first("now").and_then(|now| now.parse().ok()).unwrap_or(0);
        let records = setting.log.load().await?;
        let is_done = |name: &TableName| {
            let mut records = records.iter();
            records.any(|record| record.table == *name && record.stage == CopyStage::Done)
        };
        if !source.tables.keys().all(is_done) {
            tables::read_parents(&mut connection, &info, &mut source).await?;
        }
        connection.close().await;
        let now = Instant::now();
        let mut run = Self {
            setting: setting.clone(),
            url,
            budget,
            position: from.clone(),
            source,
            open: BTreeMap::new(),
            known: BTreeSet::new(),
            worker: None,
            job: Job::Idle,
            ready: VecDeque::new(),
            stash: None,
            is_in_fragment: false,
            newest: SourceTime::from_seconds(seconds),
            rows_at_once: FIRST_ROWS,
            tries: 0,
            not_before: now,
            tell_at: now + TELL_EVERY,
        };
        run.take_up(records).await?;
        if run.is_over() {
            return Ok(run);
        }
        if info.flavor() == Flavor::MySql && !has_mysql_gtids(&info) {
            let mode = info.gtid_mode.clone().unwrap_or_else(|| "OFF".to_owned());
            return Err(CopyError::NoGtids { mode }.into());
        }
        if let Some(table) = run.source.silent_ring() {
            let problem = "its rows change or go with rows of other tables that change or go with \
                 its own, and the binlog does not tell: copy it by hand, and leave it out of the \
                 mapping until then";
            let (table, problem) = (table.clone(), problem.to_owned());
            return Err(CopyError::Table { table, problem }.into());
        }
        info!(tables = run.open.len(), done = run.known.len(), "tables are to be copied");
        Ok(run)
    }

    /// Takes up what the log knows, and notes what it does not.
    async fn take_up(&mut self, records: Vec<CopyRecord>) -> Result<()> {
        let is_new = records.is_empty();
        let mut steps = Vec::new();
        for record in records {
            let name = record.table.clone();
            if !self.setting.mappings.is_mapped(&name) {
                let record = CopyRecord { stage: CopyStage::Forgotten, ..record };
                steps.push(Event::Copy(CopyStep::Table { record, emptied: Arc::default() }));
                continue;
            }
            match record.stage {
                CopyStage::Done => {
                    self.known.insert(name);
                }
                CopyStage::Waiting | CopyStage::Copying => {
                    let is_gone = !self.source.tables.contains_key(&name);
                    self.open.insert(name, OpenTable::new(record, is_gone));
                }
                CopyStage::Forgotten => {}
            }
        }
        let mut noted = Vec::new();
        for (name, guess) in &self.source.tables {
            if self.known.contains(name) || self.open.contains_key(name) {
                continue;
            }
            let record = CopyRecord {
                table: name.clone(),
                stage: CopyStage::Waiting,
                after: None,
                rows: 0,
                estimated: *guess,
            };
            noted.push(record.clone());
            self.open.insert(name.clone(), OpenTable::new(record, false));
        }
        self.setting.log.note(&noted).await?;
        if self.open.is_empty() && (is_new || !steps.is_empty()) {
            steps.push(Event::Copy(CopyStep::Finished));
        }
        if !steps.is_empty() {
            self.emit_events(steps);
        }
        Ok(())
    }

    /// Whether nothing is left to copy.
    pub(super) fn is_over(&self) -> bool {
        self.open.is_empty()
    }

    /// Whether everything that was read is handed out.
    pub(super) fn is_drained(&self) -> bool {
        self.ready.is_empty() && self.stash.is_none()
    }

    /// The next batch: of the stream, or of a table. Cancel safe.
    pub(super) async fn next(&mut self, inner: &mut BinlogSelector) -> Result<Batch> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(batch);
            }
            self.begin_job()?;
            self.emit_what_is_due(inner).await?;
            if !self.ready.is_empty() {
                continue;
            }
            let holds = self.holds_stream(inner);
            if !holds && let Some(batch) = self.stash.take() {
                self.pass(batch)?;
                continue;
            }
            self.tell();
            let is_over = self.is_over();
            let wants_answer = self.wants_answer();
            let worker = self.worker.as_mut();
            tokio::select! {
                biased;
                answer = next_answer(worker), if wants_answer => self.take_answer(answer)?,
                batch = inner.next(), if !holds => self.pass(batch?)?,
                () = sleep(TICK), if !is_over => {}
            }
        }
    }

    fn wants_answer(&self) -> bool {
        match &self.job {
            Job::Idle | Job::Defined { .. } => false,
            Job::Defining(_) => true,
            Job::Reading(flight) => flight.end.is_none() && flight.pieces.len() < MOST_PIECES,
        }
    }

    /// Whether the stream has brought everything before a place.
    pub(super) fn has_reached(&self, place: &FilePlace, inner: &BinlogSelector) -> bool {
        if self.is_in_fragment {
            return false;
        }
        // The next transaction begins behind it.
        if self.stash.is_some() {
            return true;
        }
        let here = self.position.applied_through.file.as_ref();
        if here.is_some_and(|here| here.covers(place) == Some(true)) {
            return true;
        }
        let idle = inner.idle_place();
        idle.is_some_and(|idle| idle.covers(place) == Some(true))
    }

    /// Whether the stream must wait: for a snapshot, or at its end for what is read in it.
    fn holds_stream(&self, inner: &BinlogSelector) -> bool {
        let Job::Reading(flight) = &self.job else { return false };
        if !flight.holds || self.is_in_fragment {
            return false;
        }
        match &flight.snapshot {
            None => true,
            Some(snapshot) => self.stash.is_some() || self.has_reached(&snapshot.high, inner),
        }
    }

    /// Begins the next job where there is none.
    fn begin_job(&mut self) -> Result<(), CopyError> {
        // What waits lies behind the place of the job before, and not of the next one. Inside a
        // transaction in fragments the window would miss what came before.
        let is_busy = !matches!(self.job, Job::Idle) || self.stash.is_some() || self.is_in_fragment;
        if is_busy || Instant::now() < self.not_before {
            return Ok(());
        }
        let Some(name) = self.next_table() else { return Ok(()) };
        let Some(open) = self.open.get(&name) else { return Ok(()) };
        let request = match &open.definition {
            None => {
                self.job = Job::Defining(name.clone());
                Request::Define(name)
            }
            Some(definition) => {
                let mut flight = Flight::new(Arc::clone(definition), self.rows_at_once);
                flight.holds = self.source.follows_others(&name);
                let pick = Pick::Part {
                    after: open.record.after.clone(),
                    rows: self.rows_at_once,
                    condition: None,
                };
                self.begin_flight(flight, pick)
            }
        };
        self.ask(request);
        Ok(())
    }

    /// Begins to read; the stream has just passed the position.
    pub(super) fn begin_flight(&mut self, flight: Flight, pick: Pick) -> Request {
        let read = Read {
            definition: Arc::clone(&flight.definition),
            pick,
            position: self.position.clone(),
            piece_bytes: PIECE_BYTES.min(self.budget.total_bytes() / 8).max(1),
        };
        self.job = Job::Reading(Box::new(flight));
        Request::Read(Box::new(read))
    }

    pub(super) fn ask(&mut self, request: Request) {
        let worker = self.worker.get_or_insert_with(|| Worker::start(&self.url, &self.budget));
        worker.ask(request);
    }

    /// One that is being copied, or the first of those that wait.
    fn next_table(&self) -> Option<TableName> {
        let here = || self.open.iter().filter(|(_, open)| !open.is_gone);
        let is_begun = |open: &OpenTable| open.record.stage == CopyStage::Copying;
        if let Some((name, _)) = here().find(|(_, open)| is_begun(open)) {
            return Some(name.clone());
        }
        let waiting: BTreeSet<&TableName> = here().map(|(name, _)| name).collect();
        self.source.next(&waiting).cloned()
    }

    /// Drops what is being read, so that it is read again.
    pub(super) fn drop_job(&mut self, pause: Duration) {
        if matches!(self.job, Job::Defining(_) | Job::Reading(_)) {
            self.worker = None;
        }
        self.job = Job::Idle;
        self.not_before = Instant::now() + pause;
    }

    fn tell(&mut self) {
        if self.is_over() || Instant::now() < self.tell_at {
            return;
        }
        self.tell_at = Instant::now() + TELL_EVERY;
        let begun = self.open.values().find(|open| open.record.stage == CopyStage::Copying);
        let (rows, estimated) =
            begun.map_or((0, 0), |open| (open.record.rows, open.record.estimated));
        let table = self.job.table().map_or_else(|| "none".to_owned(), ToString::to_string);
        info!(
            table,
            rows,
            estimated_rows = estimated,
            open = self.open.len(),
            done = self.known.len(),
            "tables are being copied"
        );
    }
}

/// What the worker answers; never, where there is none.
async fn next_answer(worker: Option<&mut Worker>) -> super::worker::Answer {
    match worker {
        Some(worker) => worker.next().await,
        None => std::future::pending().await,
    }
}
