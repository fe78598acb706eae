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
use super::definition::Definition;
use super::error::CopyError;
use super::flight::Flight;
use super::lane::{Lane, next_answer};
use super::relations;
use super::tables::{self, Source};
use super::watermark;

use crate::connection::{Connection, Flavor};
use crate::errand::Errand;
use crate::selector::{BinlogSelector, has_mysql_gtids};

/// How often it is looked whether the stream has reached a place, where nothing else tells.
const TICK: Duration = Duration::from_millis(20);
/// So many tables are copied at once, where they do not depend on each other: as many as a loader has
/// connections, of which each then writes into a table of its own.
pub(super) const TABLES_AT_ONCE: usize = 4;
/// A target transaction for each: large enough for the fastest ways of writing.
pub(super) const PIECE_BYTES: usize = 1 << 20;
/// How often the log tells how far the copy is.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// A copy under way.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) setting: Setting,
    pub(super) url: DatabaseUrl,
    pub(super) budget: Budget,
    /// Behind everything that is in `ready`.
    pub(super) position: Position,
    pub(super) source: Source,
    /// Which tables refer to which was asked for: where all are copied, nobody needs to know.
    has_relations: bool,
    /// Tables that are not copied as a whole yet.
    pub(super) open: BTreeMap<TableName, OpenTable>,
    /// Tables that are.
    pub(super) known: BTreeSet<TableName>,
    pub(super) lanes: Vec<Lane>,
    pub(super) ready: VecDeque<Batch>,
    /// Transactions behind the place at which the stream waits.
    pub(super) stash: Option<Batch>,
    /// A transaction was handed out in part.
    pub(super) is_in_fragment: bool,
    /// When the source committed the newest transaction that was passed on.
    pub(super) newest: SourceTime,
    tell_at: Instant,
    /// When tables are looked for again that were away.
    pub(super) look_at: Option<Instant>,
    /// Tables that are not there, at these places.
    pub(super) absent: Vec<(TableName, FilePlace)>,
    /// Tables whose problems are not written down yet.
    pub(super) untold: BTreeSet<TableName>,
    /// Tables that took names under which the target may still have others, and when it is asked next.
    pub(super) renamed: BTreeSet<TableName>,
    pub(super) ask_at: Instant,
    /// The log's records, which are being asked for.
    pub(super) records: Errand<Vec<CopyRecord>>,
    /// How far the target is, which is being asked.
    pub(super) place: Errand<Option<Position>>,
    /// Which tables there are, and which refer to which: it is being asked.
    relations: Errand<Source>,
    /// Behind the newest schema change that was handed out, where the target may not have executed it.
    pub(super) changing: Option<Position>,
}

/// A table that is not copied as a whole yet.
#[derive(Debug)]
pub(super) struct OpenTable {
    pub(super) record: CopyRecord,
    pub(super) definition: Option<Arc<Definition>>,
    /// The source does not have it any more, and the stream will tell what became of it; or does not
    /// show it; or it cannot be read.
    pub(super) is_away: bool,
    /// When it is looked for again that was away.
    pub(super) again_at: Option<Instant>,
    /// How often in a row it was read in vain.
    pub(super) tries: u32,
    /// How often in a row the source was not ready for it.
    pub(super) vain: u32,
    /// How often in a row it was put aside.
    pub(super) misses: u32,
    /// Of one that waits: the target has a table of it all the same, made by the copy or found empty by it, of
    /// which this is noted.
    pub(super) made: Option<Arc<str>>,
}

impl OpenTable {
    pub(super) fn new(mut record: CopyRecord) -> Self {
        let (tries, vain, misses) = (0, 0, 0);
        let made = match record.stage {
            CopyStage::Waiting => record.after.take().filter(|noted| !noted.is_empty()),
            CopyStage::Copying | CopyStage::Done | CopyStage::Forgotten => None,
        };
        let (definition, is_away, again_at) = (None, false, None);
        Self { record, definition, is_away, again_at, tries, vain, misses, made }
    }

    /// One of which the stream tells, and nothing else is known: it may be gone by now.
    pub(super) fn unknown(table: TableName) -> Self {
        let open = Self::new(CopyRecord::new(table, CopyStage::Waiting));
        Self { is_away: true, again_at: Some(Instant::now()), ..open }
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
        source.logs_cascades = relations::logs_cascades(&info);
        // Shown until the stream tells a time.
        let clock = connection.query("SELECT UNIX_TIMESTAMP() AS now").await;
        let clock = clock.map_err(CopyError::from)?;
        let seconds = clock.first("now").and_then(|now| now.parse().ok()).unwrap_or(0);
        let records = setting.log.load().await?;
        let is_done = |record: &&CopyRecord| record.stage == CopyStage::Done;
        let done: BTreeSet<&TableName> =
            records.iter().filter(is_done).map(|record| &record.table).collect();
        let are_done = source.tables.keys().all(|name| done.contains(name));
        if records.is_empty() || !are_done {
            source.tell_unmatched(&setting.mappings);
        }
        // One that the source does not show now may be open as well.
        let has_relations = !are_done || done.len() < records.len();
        if has_relations {
            tables::read_parents(&mut connection, (&info, filter), &mut source).await?;
        }
        connection.close().await;
        let mut run = Self {
            setting: setting.clone(),
            url,
            budget,
            position: from.clone(),
            source,
            has_relations,
            open: BTreeMap::new(),
            known: BTreeSet::new(),
            lanes: (0..TABLES_AT_ONCE).map(|_| Lane::new()).collect(),
            ready: VecDeque::new(),
            stash: None,
            is_in_fragment: false,
            newest: SourceTime::from_seconds(seconds),
            tell_at: Instant::now() + TELL_EVERY,
            look_at: None,
            absent: Vec::new(),
            untold: BTreeSet::new(),
            renamed: BTreeSet::new(),
            ask_at: Instant::now(),
            records: Errand::default(),
            place: Errand::default(),
            relations: Errand::default(),
            changing: None,
        };
        run.take_up(records).await?;
        if run.is_over() {
            return Ok(run);
        }
        if info.flavor() == Flavor::MySql && !has_mysql_gtids(&info) {
            let mut connection = Connection::connect(&run.url).await.map_err(CopyError::from)?;
            watermark::write(&mut connection, &info).await?;
            connection.close().await;
        }
        run.source.check_rings()?;
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
                    let mut open = OpenTable::new(record);
                    if !self.source.tables.contains_key(&name) {
                        // The stream may tell what became of it, or has told before.
                        (open.is_away, open.again_at) = (true, Some(Instant::now()));
                        self.look_at = open.again_at;
                    }
                    self.open.insert(name, open);
                }
                CopyStage::Forgotten => {}
            }
        }
        let mut noted = Vec::new();
        for (name, guess) in &self.source.tables {
            if self.known.contains(name) || self.open.contains_key(name) {
                continue;
            }
            let record = CopyRecord::new(name.clone(), CopyStage::Waiting);
            let record = CopyRecord { estimated: *guess, ..record };
            noted.push(record.clone());
            self.open.insert(name.clone(), OpenTable::new(record));
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

    /// Asks which tables refer to which, since one is to be copied after all others were.
    async fn read_relations(&mut self, inner: &BinlogSelector) -> Result<()> {
        let (url, filter) = (self.url.clone(), Arc::clone(&inner.options().filter));
        let ask = || async move {
            let mut connection = Connection::connect(&url).await.map_err(CopyError::from)?;
            let info = connection.server_info().await.map_err(CopyError::from)?;
            let mut source = tables::read(&mut connection, &filter).await?;
            tables::read_parents(&mut connection, (&info, &filter), &mut source).await?;
            connection.close().await;
            Ok(source)
        };
        let source = self.relations.wait(ask).await?;
        for (table, parents) in source.parents {
            // What the stream has told of it meanwhile stays.
            self.source.parents.entry(table).or_default().extend(parents);
        }
        self.has_relations = true;
        self.source.check_rings()?;
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
            if !self.has_relations && !self.is_over() {
                self.read_relations(inner).await?;
            }
            self.look_again();
            self.begin_jobs();
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
            tokio::select! {
                biased;
                (lane, answer) = next_answer(&mut self.lanes) => self.take_answer(lane, answer)?,
                batch = inner.next(), if !holds => self.pass(batch?)?,
                () = sleep(TICK), if !is_over => {}
            }
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
        let Some(flight) = self.holding().filter(|_| !self.is_in_fragment) else { return false };
        match &flight.snapshot {
            None => true,
            Some(snapshot) => self.stash.is_some() || self.has_reached(&snapshot.high, inner),
        }
    }

    /// What the stream waits for.
    pub(super) fn holding(&self) -> Option<&Flight> {
        self.lanes.iter().find_map(Lane::holding)
    }

    fn tell(&mut self) {
        if self.is_over() || Instant::now() < self.tell_at || self.only_waits() {
            return;
        }
        self.tell_at = Instant::now() + TELL_EVERY;
        let begun = || self.open.values().filter(|open| open.record.stage == CopyStage::Copying);
        let tables: Vec<String> = begun().map(|open| open.record.table.to_string()).collect();
        info!(
            tables = tables.join(", "),
            rows = begun().map(|open| open.record.rows).sum::<u64>(),
            bytes = begun().map(|open| open.record.bytes).sum::<u64>(),
            estimated_rows = begun().map(|open| open.record.estimated).sum::<u64>(),
            open = self.open.len(),
            done = self.known.len(),
            "tables are being copied"
        );
    }
}
