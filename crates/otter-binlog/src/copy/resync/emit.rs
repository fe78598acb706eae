//! Putting what was read into the stream, between two of its transactions.

use std::sync::Arc;
use std::time::Duration;

use otter_core::{
    Batch, Event, FilePlace, InCopy, Part, Permit, Result, ResyncRecord, ResyncStep,
    RowArenaBuilder, RowFlags, RowKind, RowsEvent, Transaction,
};

use super::Inner;
use super::active::Job;
use super::prepare::What;
use super::run::{ROWS_AT_ONCE, ROWS_LOOKED_AT, Run, found_in};
use super::touched::Verdict;
use super::wanted::WantedKey;
use crate::copy::definition::Definition;
use crate::copy::error::CopyError;
use crate::copy::key::Key;
use crate::copy::pieces::Piece;

/// What takes longer does not grow.
const LONG: Duration = Duration::from_secs(1);

/// Rows that go, and rows that come.
#[derive(Default)]
struct Exchange {
    gone: Vec<RowsEvent>,
    come: Vec<RowsEvent>,
    permit: Option<Permit>,
}

impl Run {
    /// Puts everything into the stream whose place it has reached.
    pub(super) fn emit_what_is_due(&mut self, inner: &Inner) -> Result<()> {
        let flight = self.active.as_mut().and_then(|active| active.flight());
        let Some(snapshot) = flight.and_then(|flight| flight.snapshot.clone()) else {
            return Ok(());
        };
        if !self.has_reached(&snapshot.high, inner) {
            return Ok(());
        }
        let is_of_keys =
            self.active.as_mut().and_then(|it| it.flight()).is_some_and(|it| it.keys.is_some());
        if is_of_keys {
            self.emit_keys()?;
        } else {
            self.emit_pieces()?;
        }
        Ok(())
    }

    /// Emits pieces of a part of the table in the order of its key.
    fn emit_pieces(&mut self) -> Result<(), CopyError> {
        loop {
            let Some(active) = &mut self.active else { return Ok(()) };
            let Some(prepared) = &active.prepared else { return Ok(()) };
            let definition = Arc::clone(&prepared.definition);
            let Some(flight) = active.flight() else { return Ok(()) };
            let Some(piece) = flight.pieces.pop_front() else { break };
            let Some(key) = &definition.key else { return Ok(()) };
            let mut exchange = Exchange::default();
            let (rows, bytes, last) = (piece.rows, piece.sent_bytes, piece.last.clone());
            exchange.add(&definition, piece, |rows| flight.touched.window.runs(rows, key))?;
            active.record.rows += u64::try_from(rows).unwrap_or(u64::MAX);
            active.record.bytes += bytes;
            active.record.after = last;
            active.move_on();
            let record = active.record.clone();
            self.emit_exchange(exchange, record);
        }
        let Some(active) = &mut self.active else { return Ok(()) };
        let limit = active.rows_at_once;
        let Some(flight) = active.flight() else { return Ok(()) };
        let (asked, Some(end)) = (flight.limit, flight.end) else { return Ok(()) };
        let until = flight.until.take();
        active.job = Job::Idle;
        active.has_looked_at(asked);
        let has_condition =
            active.prepared.as_ref().is_some_and(|it| matches!(it.what, What::Where(_)));
        let most = if has_condition { ROWS_LOOKED_AT } else { ROWS_AT_ONCE };
        if end.took < LONG {
            active.rows_at_once = (limit * 2).min(most);
        }
        if let Some(place) = until {
            active.record.after = Some(place);
            active.move_on();
            let record = active.record.clone();
            self.emit_record(record);
        } else if has_condition || end.rows < asked {
            self.finish();
        }
        Ok(())
    }

    /// Emits the rows of some keys, and what becomes of those that the source does not have.
    fn emit_keys(&mut self) -> Result<(), CopyError> {
        let Some(active) = &mut self.active else { return Ok(()) };
        let Some(prepared) = active.prepared.take() else { return Ok(()) };
        let outcome = self.emit_keys_of(&prepared.definition, &prepared.what);
        if let Some(active) = &mut self.active {
            active.prepared = Some(prepared);
        }
        outcome
    }

    fn emit_keys_of(&mut self, definition: &Definition, what: &What) -> Result<(), CopyError> {
        let (What::Keys(all), Some(key)) = (what, &definition.key) else { return Ok(()) };
        let Some(active) = &mut self.active else { return Ok(()) };
        let Some(flight) = active.flight().filter(|flight| flight.end.is_some()) else {
            return Ok(());
        };
        let range = flight.keys.clone().unwrap_or_default();
        let found = found_in(&flight.pieces);
        let wanted = all.get(range.clone()).unwrap_or_default();
        let mut absent: Vec<&WantedKey> = Vec::new();
        for (_, one) in wanted.iter().enumerate().filter(|(place, _)| !found.contains(place)) {
            let value_of = |index: usize| one.values.value(one.first + index);
            match flight.touched.judge(key, value_of) {
                Verdict::Untouched => absent.push(one),
                Verdict::Touched => {}
                Verdict::Unknown => {
                    self.read_again();
                    return Ok(());
                }
            }
        }
        let mut exchange = Exchange::default();
        let (mut rows, mut bytes) = (0, 0);
        exchange.gone.extend(rows_of_keys(definition, key, &absent)?);
        let gone = wanted.len() - found.len();
        while let Some(piece) = flight.pieces.pop_front() {
            rows += piece.rows;
            bytes += piece.sent_bytes;
            exchange.add(definition, piece, |rows| flight.touched.window.runs(rows, key))?;
        }
        active.record.rows += u64::try_from(rows).unwrap_or(u64::MAX);
        active.record.bytes += bytes;
        active.record.gone += u64::try_from(gone).unwrap_or(u64::MAX);
        active.record.after = Some(range.end.to_string().into());
        active.move_on();
        active.job = Job::Idle;
        let record = active.record.clone();
        self.emit_exchange(exchange, record);
        Ok(())
    }

    fn emit_exchange(&mut self, exchange: Exchange, record: ResyncRecord) {
        let Exchange { gone, come, permit } = exchange;
        // What goes first: a value of another unique key may go from one row to another.
        let mut events: Vec<Event> = gone.into_iter().chain(come).map(Event::Rows).collect();
        events.push(Event::Resync(ResyncStep::Moved(record)));
        let batch = self.batch(events, permit.unwrap_or_else(Permit::none));
        self.ready.push_back(batch);
    }

    /// Puts how far a request is into the stream.
    pub(super) fn emit_record(&mut self, record: ResyncRecord) {
        let batch = self.batch(vec![Event::Resync(ResyncStep::Moved(record))], Permit::none());
        self.ready.push_back(batch);
    }

    /// A transaction of the resync. It is never joined with others, since it ends at no place in the
    /// source's history: a loader commits it by itself.
    fn batch(&self, events: Vec<Event>, permit: Permit) -> Batch {
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
        let (after, through) = (self.position.clone(), Some(self.position.clone()));
        Batch { after, through, transactions: vec![transaction], permit }
    }
}

impl Exchange {
    /// Adds the rows of a piece that the stream has not touched.
    fn add(
        &mut self,
        definition: &Definition,
        piece: Piece,
        runs: impl Fn(&RowsEvent) -> Vec<std::ops::Range<usize>>,
    ) -> Result<(), CopyError> {
        let event = |kind| {
            let table = Arc::clone(&definition.table);
            let rows = RowsEvent::new(table, kind, Arc::clone(&piece.arena), 0, piece.rows);
            rows.map(resynced).ok_or_else(|| bad(definition))
        };
        let (gone, come) = (event(RowKind::Delete)?, event(RowKind::Insert)?);
        for run in runs(&come) {
            self.gone.extend(gone.part(run.clone()));
            self.come.extend(come.part(run));
        }
        match &mut self.permit {
            Some(permit) => permit.merge(piece.permit),
            None => self.permit = Some(piece.permit),
        }
        Ok(())
    }
}

fn resynced(rows: RowsEvent) -> RowsEvent {
    rows.with_flags(RowFlags { copy: InCopy::Resynced, ..RowFlags::default() })
}

fn bad(definition: &Definition) -> CopyError {
    let problem = "its rows do not have its columns";
    CopyError::BadRecord { table: definition.table.name.clone(), problem }
}

/// Rows of which only the key is known, to be deleted.
fn rows_of_keys(
    definition: &Definition,
    key: &Key,
    wanted: &[&WantedKey],
) -> Result<Option<RowsEvent>, CopyError> {
    if wanted.is_empty() {
        return Ok(None);
    }
    let mut arena = RowArenaBuilder::new();
    for one in wanted {
        for index in 0..definition.columns.len() {
            let place = key.columns.iter().position(|column| column.index == index);
            let value = place.and_then(|place| one.values.value(one.first + place));
            arena.push(value).map_err(|_| bad(definition))?;
        }
    }
    let (table, arena) = (Arc::clone(&definition.table), Arc::new(arena.finish()));
    let rows = RowsEvent::new(table, RowKind::Delete, arena, 0, wanted.len());
    rows.map(resynced).map(Some).ok_or_else(|| bad(definition))
}
