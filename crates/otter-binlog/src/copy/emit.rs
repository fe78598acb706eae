//! Putting what was read into the stream, between two of its transactions.

use std::sync::Arc;

use otter_core::{
    Batch, CopyRecord, CopyStage, CopyStep, CopyTable, Event, FilePlace, InCopy, Part, Permit,
    Position, Prepared, Result, RowFlags, RowKind, RowsEvent, TableName, Transaction,
};
use tokio::time::Instant;
use tracing::info;

use super::answers::PAUSE;
use super::definition::{Definition, Pick};
use super::error::CopyError;
use super::flight::{Flight, Job};
use super::lane::Lane;
use super::pieces::Piece;
use super::run::Run;
use crate::selector::BinlogSelector;

impl Run {
    /// Puts everything into the stream whose place it has reached.
    pub(super) async fn emit_what_is_due(&mut self, inner: &BinlogSelector) -> Result<()> {
        self.forget_absent(inner);
        self.tell_problems();
        for index in 0..self.lanes.len() {
            let Some(lane) = self.lanes.get(index) else { break };
            // Nothing comes between the fragments of a whole table.
            if self.holding().is_some() && !lane.holds() {
                continue;
            }
            match &lane.job {
                Job::Defined { definition, high, .. } if self.has_reached(high, inner) => {
                    let definition = Arc::clone(definition);
                    if self.is_read_whole(&definition) && !self.is_quiet() {
                        continue;
                    }
                    if !self.is_renamed_there(&definition.table.name).await?
                        || !self.is_changed_there(index).await?
                    {
                        continue;
                    }
                    let prepared = self.prepare(index, &definition).await?;
                    if let Some(open) = self.open.get_mut(&definition.table.name) {
                        open.made.clone_from(&prepared.made_from);
                    }
                    self.begin_table(index, definition, prepared);
                }
                Job::Reading(flight) => {
                    let snapshot = flight.snapshot.as_ref();
                    if snapshot.is_some_and(|it| self.has_reached(&it.high, inner)) {
                        self.emit_pieces(index)?;
                    }
                }
                Job::Idle | Job::Defining(_) | Job::Defined { .. } => {}
            }
        }
        Ok(())
    }

    /// Whether the target has nothing under the name of a table any more that was there before the stream
    /// gave it to this one: its record says so, which is written with the change.
    async fn is_renamed_there(&mut self, table: &TableName) -> Result<bool> {
        if !self.renamed.contains(table) {
            return Ok(true);
        }
        if !self.records.is_under_way() && Instant::now() < self.ask_at {
            return Ok(false);
        }
        self.ask_at = Instant::now() + PAUSE;
        let log = Arc::clone(&self.setting.log);
        let records = self.records.wait(|| async move { log.load().await }).await?;
        let is_waiting = |record: &CopyRecord| record.stage == CopyStage::Waiting;
        if records.iter().any(|record| record.table == *table && is_waiting(record)) {
            self.renamed.remove(table);
            return Ok(true);
        }
        Ok(false)
    }

    /// Whether the target has executed all schema changes that were handed out before the table's place:
    /// what is made ready by itself must not come before them.
    async fn is_changed_there(&mut self, index: usize) -> Result<bool> {
        let newest = self.changing.clone();
        let due = self.lanes.get_mut(index).and_then(|lane| lane.job.due());
        let changing = match due {
            Some(due) => due.changing.get_or_insert(newest).clone(),
            None => newest,
        };
        let Some(changing) = changing else { return Ok(true) };
        if !self.place.is_under_way() && Instant::now() < self.ask_at {
            return Ok(false);
        }
        self.ask_at = Instant::now() + PAUSE;
        let log = Arc::clone(&self.setting.log);
        let place = self.place.wait(|| async move { log.position().await }).await?;
        let Some(place) = place else { return Ok(false) };
        let has_come = |changing: &Position| place.covers(changing) == Some(true);
        self.changing.take_if(|newest| has_come(newest));
        Ok(has_come(&changing))
    }

    /// Has the target made ready for a table.
    async fn prepare(&mut self, index: usize, definition: &Definition) -> Result<Prepared> {
        let mappings = &self.setting.mappings;
        let source = definition.table.name.clone();
        let targets = mappings.targets(&source);
        let begun = self.open.values().filter(|open| open.record.stage == CopyStage::Copying);
        let others = self.known.iter().chain(begun.map(|open| &open.record.table));
        let is_shared = others
            .filter(|other| **other != source)
            .any(|other| mappings.targets(other).iter().any(|one| targets.contains(one)));
        let table = CopyTable {
            source,
            targets,
            definition: definition.statement.clone(),
            database_collation: definition.database_collation.clone(),
            is_shared,
        };
        let log = Arc::clone(&self.setting.log);
        let ask = async move { log.prepare(&table).await };
        match self.lanes.get_mut(index).and_then(|lane| lane.job.due()) {
            Some(due) => due.preparing.wait(|| ask).await,
            None => ask.await,
        }
    }

    /// The table's changes in the stream go to the target from here on; but one that is read as a
    /// whole begins and ends at one place.
    fn begin_table(&mut self, index: usize, definition: Arc<Definition>, prepared: Prepared) {
        let name = definition.table.name.clone();
        let is_whole = self.is_read_whole(&definition);
        let Some(lane) = self.lanes.get_mut(index) else { return };
        if is_whole {
            self.begin_whole(index, definition, prepared);
            return;
        }
        lane.job = Job::Idle;
        let Some(open) = self.open.get_mut(&name) else { return };
        open.record.stage = CopyStage::Copying;
        open.record.problem = None;
        open.definition = Some(definition);
        let (record, emptied) = (open.record.clone(), prepared.emptied.into());
        self.emit_events(vec![Event::Copy(CopyStep::Table { record, emptied })]);
    }

    /// Begins to read a whole table.
    fn begin_whole(&mut self, index: usize, definition: Arc<Definition>, prepared: Prepared) {
        let mut flight = Flight::new(definition, u64::MAX);
        flight.whole = Some(prepared);
        flight.holds = true;
        self.begin_flight(index, flight, Pick::All);
    }

    fn flight(&mut self, index: usize) -> Option<&mut Flight> {
        self.lanes.get_mut(index)?.job.flight()
    }

    fn emit_pieces(&mut self, index: usize) -> Result<(), CopyError> {
        while let Some(piece) = self.flight(index).and_then(|flight| flight.pieces.pop_front()) {
            self.emit_piece(index, piece)?;
        }
        let Some(flight) = self.flight(index) else { return Ok(()) };
        let Some(end) = flight.end else { return Ok(()) };
        let name = flight.table().clone();
        let is_whole = flight.whole.is_some();
        if is_whole || end.rows < flight.limit {
            self.end_table(index, &name);
        }
        if let Some(open) = self.open.get_mut(&name) {
            (open.tries, open.vain, open.misses) = (0, 0, 0);
        }
        if let Some(lane) = self.lanes.get_mut(index) {
            lane.job = Job::Idle;
        }
        Ok(())
    }

    fn emit_piece(&mut self, index: usize, piece: Piece) -> Result<(), CopyError> {
        let Some(flight) = self.flight(index) else { return Ok(()) };
        let definition = Arc::clone(&flight.definition);
        let name = &definition.table.name;
        let count = u64::try_from(piece.rows).unwrap_or(u64::MAX);
        let flags = RowFlags { copy: InCopy::Copied, ..RowFlags::default() };
        let table = Arc::clone(&definition.table);
        let rows = RowsEvent::new(table, RowKind::Insert, piece.arena, 0, piece.rows);
        let rows = rows.map(|rows| rows.with_flags(flags)).ok_or_else(|| CopyError::BadRecord {
            table: name.clone(),
            problem: "its rows do not have its columns",
        })?;
        if flight.whole.is_some() {
            flight.bytes += piece.sent_bytes;
            let mut events = self.whole_begin(index, name);
            events.push(Event::Rows(rows));
            self.emit_fragment(index, events, (piece.permit, count, false));
            return Ok(());
        }
        let runs = match &definition.key {
            Some(key) => flight.window.untouched(rows, key),
            None => vec![rows],
        };
        let mut events: Vec<Event> = runs.into_iter().map(Event::Rows).collect();
        let Some(open) = self.open.get_mut(name) else { return Ok(()) };
        open.record.rows += count;
        open.record.bytes += piece.sent_bytes;
        open.record.after = piece.last;
        open.record.problem = None;
        let record = open.record.clone();
        events.push(Event::Copy(CopyStep::Table { record, emptied: Arc::default() }));
        let mut batch = self.batch(events, Some(self.position.clone()), piece.permit);
        // Pieces of one chunk may be written at once, since none of them has rows of another.
        batch.transactions.iter_mut().for_each(|transaction| transaction.part = Part::Copied);
        self.ready.push_back(batch);
        Ok(())
    }

    /// What stands before the first rows of a table that is read as a whole.
    fn whole_begin(&mut self, index: usize, name: &TableName) -> Vec<Event> {
        let Some(flight) = self.flight(index).filter(|flight| flight.emitted == 0) else {
            return Vec::new();
        };
        let emptied = flight.whole.take().unwrap_or_default().emptied;
        flight.whole = Some(Prepared::default());
        let Some(open) = self.open.get(name) else { return Vec::new() };
        let stage = CopyStage::Copying;
        let record = CopyRecord { stage, problem: None, ..open.record.clone() };
        vec![Event::Copy(CopyStep::Table { record, emptied: emptied.into() })]
    }

    /// Adds a fragment of the one transaction in which a whole table goes, with so many rows, and
    /// whether it is the last.
    fn emit_fragment(
        &mut self,
        index: usize,
        events: Vec<Event>,
        (permit, rows, last): (Permit, u64, bool),
    ) {
        let through = last.then(|| self.position.clone());
        let mut batch = self.batch(events, through, permit);
        let Some(flight) = self.flight(index) else { return };
        for transaction in &mut batch.transactions {
            transaction.part = Part::Fragment { index: flight.emitted, last };
            transaction.rows_before = flight.rows;
        }
        flight.emitted += 1;
        flight.rows += rows;
        self.ready.push_back(batch);
    }

    /// Notes that all rows of a table are in the stream.
    fn end_table(&mut self, index: usize, name: &TableName) {
        let whole = self.flight(index).filter(|flight| flight.whole.is_some());
        let whole = whole.map(|flight| (flight.rows, flight.bytes));
        let mut events = if whole.is_some() { self.whole_begin(index, name) } else { Vec::new() };
        let Some(mut open) = self.open.remove(name) else { return };
        self.known.insert(name.clone());
        open.record.stage = CopyStage::Done;
        (open.record.after, open.record.problem) = (None, None);
        let record = &mut open.record;
        (record.rows, record.bytes) = whole.unwrap_or((record.rows, record.bytes));
        info!(
            table = %name, rows = record.rows, bytes = record.bytes, open = self.open.len(),
            "a table is copied"
        );
        let record = open.record;
        events.push(Event::Copy(CopyStep::Table { record, emptied: Arc::default() }));
        if self.open.is_empty() {
            info!(tables = self.known.len(), "all tables are copied");
            self.lanes.iter_mut().for_each(Lane::close);
            events.push(Event::Copy(CopyStep::Finished));
        }
        if whole.is_some() {
            self.emit_fragment(index, events, (Permit::none(), 0, true));
        } else {
            self.emit_events(events);
        }
    }

    /// Puts a transaction without rows into the stream.
    pub(super) fn emit_events(&mut self, events: Vec<Event>) {
        let batch = self.batch(events, Some(self.position.clone()), Permit::none());
        self.ready.push_back(batch);
    }

    /// A transaction of the copy: a fragment, which a loader commits before anything that follows.
    fn batch(&self, events: Vec<Event>, through: Option<Position>, permit: Permit) -> Batch {
        let place = &self.position.applied_through;
        let transaction = Transaction {
            gtid: None,
            start: place.file.clone().unwrap_or_else(|| FilePlace::new("", 0)),
            committed_at: self.newest,
            origin: None,
            part: Part::Fragment { index: 0, last: true },
            rows_before: 0,
            events,
            end: None,
        };
        let (after, transactions) = (self.position.clone(), vec![transaction]);
        Batch { after, through, transactions, permit }
    }
}
