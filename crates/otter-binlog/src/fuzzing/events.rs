//! A stream of events through the assembler, driven as a session drives it.

use std::sync::Arc;

use otter_core::{Batch, Budget, Event, FilePlace, Place, Position};

use super::{MAX_EVENT, framed, look_at};
use crate::cursor::{Cursor, Short};
use crate::event::EventKind;
use crate::schema::compile::Naming;
use crate::selector::fuzzing::{Assembler, SourceFacts};
use crate::selector::{SelectError, SelectorOptions};

/// Bits of the first byte.
mod option {
    pub(super) const FOLDS_NAMES: u8 = 1;
    pub(super) const NO_GTIDS: u8 = 2;
    pub(super) const REAL_NAMES: u8 = 4;
    pub(super) const SMALL_BUDGET: u8 = 8;
    pub(super) const SMALL_FRAGMENTS: u8 = 16;
}

/// Bits of an event's flags that the header does not know.
const WITHOUT_OFFSET: u8 = 0x02;

/// Options (one byte), then events: kind, flags (one byte), the body behind its length (two
/// bytes). Header and offsets are put around each, and no checksum behind it.
pub fn events(bytes: &[u8]) {
    let mut input = Cursor::new(bytes);
    let Ok(options) = input.u8() else { return };
    let Some(mut driver) = Driver::new(options) else { return };
    while let Ok((kind, flags, body)) = next_record(&mut input) {
        if driver.send(kind, flags, body).is_err() {
            return;
        }
    }
    // A source that stops here leaves what is complete.
    let _ = driver.cut();
}

fn next_record<'a>(input: &mut Cursor<'a>) -> Result<(EventKind, u8, &'a [u8]), Short> {
    Ok((EventKind(input.u8()?), input.u8()?, input.prefixed(2)?))
}

struct Driver {
    assembler: Assembler,
    /// Where the next event begins.
    offset: u64,
    /// Behind the last batch.
    handed_out: Position,
}

impl Driver {
    fn new(bits: u8) -> Option<Self> {
        let has = |bit| bits & bit != 0;
        let url = "mysql://otter@127.0.0.1".parse().ok()?;
        let filter = Arc::new(|table: &otter_core::TableName| &*table.database != "unwanted");
        let mut options = SelectorOptions::new(url, filter);
        options.max_event = MAX_EVENT;
        if has(option::SMALL_FRAGMENTS) {
            options.fragment_bytes = 256;
        }
        let facts = SourceFacts {
            folds_names: has(option::FOLDS_NAMES),
            tracks_gtids: !has(option::NO_GTIDS),
            naming: if has(option::REAL_NAMES) { Naming::Real } else { Naming::Numbered },
        };
        let budget = if has(option::SMALL_BUDGET) { 64 << 10 } else { 8 << 20 };
        let place = Place::from_file(FilePlace::new("b.000001", 4));
        let handed_out = Position::at(None, place);
        let assembler =
            Assembler::new(options, facts, handed_out.clone(), None, Budget::new(budget));
        Some(Self { assembler, offset: 4, handed_out })
    }

    fn send(&mut self, kind: EventKind, flags: u8, body: &[u8]) -> Result<(), SelectError> {
        let begin = self.offset;
        self.offset += u64::try_from(19 + body.len()).unwrap_or(0);
        let low = u32::try_from(self.offset & 0xffff_ffff).unwrap_or(0);
        let log_pos = if flags & WITHOUT_OFFSET != 0 { 0 } else { low };
        let bytes = framed(kind, u16::from(flags & !WITHOUT_OFFSET), log_pos, body);
        let batch = self.assembler.feed(&bytes)?;
        if kind == EventKind::ROTATE {
            self.offset = 4;
        } else if kind == EventKind::HEARTBEAT || kind == EventKind::HEARTBEAT_V2 {
            self.offset = begin;
        }
        self.take(batch);
        self.settle()
    }

    /// Goes on until the assembler wants the next event.
    fn settle(&mut self) -> Result<(), SelectError> {
        loop {
            if self.assembler.wanted().is_some() {
                drop(self.assembler.take_stale());
                self.assembler.define(None)?;
            } else if self.assembler.is_fragment_due() {
                self.cut_all()?;
            } else if self.assembler.has_carry() {
                self.go_on()?;
            } else if self.assembler.is_full() {
                self.cut()?;
            } else if self.assembler.has_payload() {
                let batch = self.assembler.feed_payload()?;
                self.take(batch);
            } else {
                return Ok(());
            }
        }
    }

    fn go_on(&mut self) -> Result<(), SelectError> {
        if self.assembler.find_room() {
            return self.assembler.feed_carry();
        }
        if self.assembler.holds_rows() {
            return self.cut_all();
        }
        // Every batch has been dropped, so that all of the budget is free or our own.
        let (budget, step) = self.assembler.wanted_room();
        let permit = budget.try_acquire(step);
        assert!(permit.is_some(), "the assembler waits for room that it holds itself");
        permit.into_iter().for_each(|permit| self.assembler.add_room(permit));
        Ok(())
    }

    fn cut(&mut self) -> Result<(), SelectError> {
        let batch = self.assembler.cut()?;
        self.take(Some(Box::new(batch)));
        Ok(())
    }

    fn cut_all(&mut self) -> Result<(), SelectError> {
        if self.assembler.has_finished() {
            self.cut()?;
        }
        let fragment = self.assembler.cut_fragment()?;
        self.take(fragment);
        Ok(())
    }

    fn take(&mut self, batch: Option<Box<Batch>>) {
        let Some(batch) = batch else { return };
        assert!(batch.after == self.handed_out, "a batch begins where the last one ended");
        for event in batch.transactions.iter().flat_map(|transaction| &transaction.events) {
            if let Event::Rows(rows) = event {
                look_at(rows);
            }
        }
        if let Some(through) = batch.through {
            self.handed_out = through;
        }
    }
}
