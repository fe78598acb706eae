//! An open source: the waiting part of the selector.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use otter_core::{Batch, Budget, FilePlace, Position};
use tokio::time::{Instant, timeout_at};

use super::assembler::Assembler;
use super::error::SelectError;
use super::lessons::Lessons;
use super::opening::{Opening, open_at};
use super::options::{RowsNeeded, SelectorOptions};
use super::survey::{self, Told};
use super::tracker::Tracker;
use crate::connection::{Connection, ConnectionError, DumpError, DumpRequest, DumpStream, Flavor};
use crate::errand::Errand;
use crate::event::EventKind;
use crate::history::Dialect;
use crate::schema::SchemaError;
use crate::schema::tracked::schema_table;

/// How long the source may take for the next event of the one transaction by which it is
/// recognised. A server may have to read a whole file for the first.
const RECOGNITION_LIMIT: Duration = Duration::from_secs(120);

/// A dump with everything that is read from it and not handed out.
#[derive(Debug)]
pub(super) struct Session {
    options: SelectorOptions,
    dialect: Dialect,
    stream: DumpStream,
    assembler: Assembler,
    ready: VecDeque<Batch>,
    /// Why reading has ended, once everything read before it is handed out.
    failed: Option<SelectError>,
    progress_interval: Duration,
    /// When the position is reported again, if it has moved.
    next_report: Instant,
    /// Schema changes are being stored.
    storing: Errand<()>,
    /// The source's schema is being read and stored.
    tracking: Errand<Box<Tracker>, SelectError>,
    /// The source is asked for one table.
    asking: Errand<Told, SelectError>,
}

impl Session {
    pub(super) async fn open(
        options: &SelectorOptions,
        from: &Position,
        budget: &Budget,
        lessons: Lessons,
    ) -> Result<Self, SelectError> {
        let mut connection = Connection::connect(&options.url).await?;
        let info = connection.server_info().await?;
        super::checks::check(&info, options.rows_needed)?;
        super::checks::warn_of(&info, options.rows_needed);
        let Opening { start, ahead, expected, facts, is_lost_when_idle } =
            open_at(&mut connection, &info, from).await?;
        let mut request = DumpRequest::new(start);
        request.heartbeat = options.heartbeat;
        request.max_event = options.max_event;
        // MariaDB: without offsets in the headers only complete files give the right place.
        request.annotate_rows = info.variable("binlog_legacy_event_pos") == Some("OFF");
        let stream = DumpStream::start(connection, &info, &request).await?;
        let mut assembler =
            Assembler::new(options.clone(), facts, from.clone(), expected, budget.clone());
        assembler.heed(lessons);
        assembler.takes_changes = options.rows_needed == RowsNeeded::AsLogged;
        assembler.system_time_zone = info.variable("system_time_zone").map(Into::into);
        assembler.pass_over(ahead);
        let logs_names =
            info.binlog_row_metadata.as_deref().is_some_and(|it| it.eq_ignore_ascii_case("FULL"));
        let mut session = Self {
            options: options.clone(),
            dialect: Dialect::of(&info.version),
            stream,
            assembler,
            ready: VecDeque::new(),
            failed: None,
            progress_interval: options.progress_interval,
            next_report: Instant::now() + options.progress_interval,
            storing: Errand::default(),
            tracking: Errand::default(),
            asking: Errand::default(),
        };
        session.recall(from).await?;
        session.recognise(is_lost_when_idle).await.map_err(other_history)?;
        // MariaDB: no metadata tells a UUID from a BINARY(16), so that a pipeline follows the schema
        // from its beginning on. A reader asks once such rows come: it keeps no log, and would
        // have to look through all binlogs first.
        let needs_more =
            info.flavor() == Flavor::MariaDb && options.rows_needed == RowsNeeded::Whole;
        if !logs_names || needs_more {
            session.begin_tracking().await?;
        }
        Ok(session)
    }

    /// Reads until the last known transaction has come again.
    async fn recognise(&mut self, is_lost_when_idle: bool) -> Result<(), SelectError> {
        let mut deadline = Instant::now() + RECOGNITION_LIMIT;
        while !self.assembler.is_recognised() {
            if self.assembler.wanted().is_some() {
                self.look_up().await?;
                continue;
            }
            if self.assembler.has_payload() {
                self.assembler.feed_payload()?;
                continue;
            }
            let Ok(bytes) = timeout_at(deadline, next_event(&mut self.stream)).await else {
                return Err(SelectError::Unrecognised { after: RECOGNITION_LIMIT });
            };
            let bytes = bytes?;
            let kind = EventKind(bytes.get(4).copied().unwrap_or(0));
            let is_idle = matches!(kind, EventKind::HEARTBEAT | EventKind::HEARTBEAT_V2);
            if is_idle && is_lost_when_idle {
                let what = "the last transaction read is not there any more".to_owned();
                return Err(SelectError::OtherHistory { what });
            }
            // A heartbeat is no progress.
            if !is_idle {
                deadline = Instant::now() + RECOGNITION_LIMIT;
            }
            self.assembler.feed(bytes)?;
        }
        Ok(())
    }

    /// The next batch. Cancel safe: every wait leaves everything in its place, and goes on in the next
    /// call.
    pub(super) async fn next(&mut self) -> Result<Batch, SelectError> {
        loop {
            // Whoever has a batch may resume behind it, and then needs its schema changes.
            self.store_schema().await?;
            if let Some(batch) = self.ready.pop_front() {
                self.next_report = Instant::now() + self.progress_interval;
                return Ok(batch);
            }
            if let Some(error) = self.failed.take() {
                return Err(error);
            }
            if let Err(error) = self.advance().await {
                // What was read before it is whole, and need not be read again.
                if self.assembler.has_finished() {
                    self.cut()?;
                }
                self.failed = Some(error);
            }
        }
    }

    /// How far the source has sent, where nothing of it waits here.
    pub(super) fn idle_place(&self) -> Option<FilePlace> {
        if !self.ready.is_empty() || self.failed.is_some() {
            return None;
        }
        self.assembler.idle_place()
    }

    /// Does one step, waiting for one thing at most.
    async fn advance(&mut self) -> Result<(), SelectError> {
        if self.assembler.wanted().is_some() {
            return self.look_up().await;
        }
        if self.assembler.is_fragment_due() {
            return self.cut_all();
        }
        if self.assembler.has_carry() {
            return self.go_on().await;
        }
        if self.assembler.is_full() {
            return self.cut();
        }
        if self.assembler.has_payload() {
            let batch = self.assembler.feed_payload()?;
            self.ready.extend(batch.map(|batch| *batch));
            return Ok(());
        }
        let is_waiting = !self.stream.has_buffered_event();
        if is_waiting && self.assembler.has_finished() {
            return self.cut();
        }
        if self.assembler.has_moved() && !self.assembler.has_finished() {
            return self.read_or_report(is_waiting).await;
        }
        let bytes = next_event(&mut self.stream).await?;
        let batch = self.assembler.feed(bytes)?;
        self.ready.extend(batch.map(|batch| *batch));
        Ok(())
    }

    /// Reads an event, but reports the position in time if only unwanted transactions come.
    async fn read_or_report(&mut self, is_waiting: bool) -> Result<(), SelectError> {
        let is_due = Instant::now() >= self.next_report;
        if is_due {
            return self.cut();
        }
        let bytes = if is_waiting {
            match timeout_at(self.next_report, next_event(&mut self.stream)).await {
                Ok(bytes) => bytes?,
                Err(_) => return self.cut(),
            }
        } else {
            next_event(&mut self.stream).await?
        };
        let batch = self.assembler.feed(bytes)?;
        self.ready.extend(batch.map(|batch| *batch));
        Ok(())
    }

    /// Goes on with rows for which there was no room.
    async fn go_on(&mut self) -> Result<(), SelectError> {
        if self.assembler.find_room() {
            return self.assembler.feed_carry();
        }
        // INVARIANT MEM-1: whoever waits for room holds none that others could be waiting for.
        if self.assembler.holds_rows() {
            return self.cut_all();
        }
        let (budget, step) = self.assembler.wanted_room();
        let permit = budget.acquire(step).await;
        self.assembler.add_room(permit);
        Ok(())
    }

    fn cut(&mut self) -> Result<(), SelectError> {
        let batch = self.assembler.cut()?;
        self.ready.push_back(batch);
        Ok(())
    }

    /// Hands out everything that is here, the transaction in progress as a fragment.
    fn cut_all(&mut self) -> Result<(), SelectError> {
        if self.assembler.has_finished() {
            self.cut()?;
        }
        let fragment = self.assembler.cut_fragment()?;
        self.ready.extend(fragment.map(|batch| *batch));
        Ok(())
    }

    /// Finds the definition that the assembler wants.
    async fn look_up(&mut self) -> Result<(), SelectError> {
        let Some(wanted) = self.assembler.wanted() else { return Ok(()) };
        let (name, place) = (wanted.map.name.clone(), wanted.place.clone());
        if self.assembler.tracker().is_none() {
            self.begin_tracking().await?;
            self.assembler.define_as_tracked();
            return Ok(());
        }
        // The tracked schema does not know the table, or not as its rows are.
        let at = self.assembler.position().clone();
        let fail = |source: SchemaError| SelectError::Schema { place: place.clone(), source };
        let options = self.options.clone();
        let (asked, of) = (name.clone(), at);
        let ask = || async move { survey::table_at(&options, &asked, &of).await };
        let table = match self.asking.wait(ask).await? {
            Told::Table(table) => table,
            Told::ChangedSince => return Err(fail(SchemaError::ChangedSince { table: name })),
        };
        let known = table.as_ref().and_then(|table| schema_table(&name, table));
        self.assembler.define(known.as_ref())?;
        let place = self.assembler.read_place().clone();
        if let (Some(table), Some(tracker)) = (table, self.assembler.tracker()) {
            tracker.heal(&name, table, &place);
        }
        Ok(())
    }

    /// Takes up the tracked schema where the log knows it at this position.
    async fn recall(&mut self, from: &Position) -> Result<(), SelectError> {
        let log = &self.options.schema_log;
        let records = log.load().await.map_err(SelectError::SchemaStore)?;
        let at = &from.resume_from;
        let Some(remembered) = Tracker::recall(&records, at, self.dialect)? else {
            return Ok(());
        };
        if records.last().is_some_and(|last| last.number > remembered.last_number) {
            log.cut(remembered.last_number).await.map_err(SelectError::SchemaStore)?;
        }
        if remembered.is_long {
            let snapshot = remembered.tracker.snapshot(at);
            log.restart(&snapshot).await.map_err(SelectError::SchemaStore)?;
        }
        self.assembler.track(remembered.tracker);
        Ok(())
    }

    /// Begins with the schema of the source, where nothing is tracked yet.
    async fn begin_tracking(&mut self) -> Result<(), SelectError> {
        if self.assembler.tracker().is_some() {
            return Ok(());
        }
        let at = self.assembler.position().clone();
        let (options, dialect) = (self.options.clone(), self.dialect);
        let ask = || async move {
            let schema = survey::schema_at(&options, &at).await?;
            let tracker = Tracker::begin(schema, dialect, 1);
            let snapshot = tracker.snapshot(&at.resume_from);
            let stored = options.schema_log.restart(&snapshot).await;
            stored.map_err(SelectError::SchemaStore)?;
            Ok(Box::new(tracker))
        };
        let tracker = self.tracking.wait(ask).await?;
        self.assembler.track(*tracker);
        Ok(())
    }

    /// Stores what was learnt of the schema.
    async fn store_schema(&mut self) -> Result<(), SelectError> {
        let Some(tracker) = self.assembler.tracker() else { return Ok(()) };
        if tracker.pending().is_empty() {
            return Ok(());
        }
        let (log, pending) = (Arc::clone(&self.options.schema_log), tracker.pending().to_vec());
        let store = || async move { log.append(&pending).await };
        self.storing.wait(store).await.map_err(SelectError::SchemaStore)?;
        if let Some(tracker) = self.assembler.tracker() {
            tracker.set_stored();
        }
        Ok(())
    }
}

/// Where the last known transaction should be there is something that is none: it is the place in
/// another history.
#[allow(clippy::wildcard_enum_match_arm, reason = "every other error stays what it is")]
fn other_history(error: SelectError) -> SelectError {
    match error {
        SelectError::Dump(
            DumpError::Damaged(_)
            | DumpError::NoSuchPlace(_)
            | DumpError::UnknownFile(_)
            | DumpError::Diverged(_),
        )
        | SelectError::Event { .. }
        | SelectError::UnknownEvent { .. }
        | SelectError::OutOfPlace { .. } => SelectError::OtherHistory {
            what: format!("the last transaction read is not in its place: {error}"),
        },
        other => other,
    }
}

/// The next event of a stream that never ends in order.
async fn next_event(stream: &mut DumpStream) -> Result<&[u8], SelectError> {
    match stream.next_event().await? {
        Some(bytes) => Ok(bytes),
        None => {
            let address = "the source".to_owned();
            Err(ConnectionError::Broken { address, source: None }.into())
        }
    }
}
