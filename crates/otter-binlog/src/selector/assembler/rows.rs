//! Table maps and row events.

use std::sync::Arc;

use otter_core::{
    Column, ColumnType, Event, Origin, RowArenaBuilder, RowKind, RowsEvent, Table, TableName, Value,
};
use tracing::warn;

use super::{Assembler, Seal, WantedTable};
use crate::event::RawEvent;
use crate::event::compressed::inflate_event;
use crate::event::rows::{RowsHead, is_compressed, is_dummy, table_id};
use crate::event::table_map::{TableMap, split_id};
use crate::row::{RowPlan, RowReader};
use crate::schema::{Outlook, outlook};
use crate::selector::error::SelectError;
use crate::selector::tables::Use;
use crate::selector::tape::Tape;

/// The column of the mark that names the site.
const ORIGIN_COLUMN: &str = "origin";

/// The rest of a row event that waits for room.
pub(crate) struct Carry {
    plan: Arc<RowPlan>,
    kind: RowKind,
    flags: otter_core::RowFlags,
    present: Vec<u8>,
    present_after: Vec<u8>,
    rows: Vec<u8>,
    has_differences: bool,
    place: otter_core::FilePlace,
}

/// MariaDB: a SEQUENCE is logged as a table of these columns, without a key. The numbers themselves
/// may be of any integer type (MariaDB 11.5), the others are always of so many bytes.
pub(super) fn is_sequence(table: &Table) -> bool {
    const COLUMNS: [(&str, Option<u8>); 8] = [
        ("next_not_cached_value", None),
        ("minimum_value", None),
        ("maximum_value", None),
        ("start_value", None),
        ("increment", None),
        ("cache_size", Some(8)),
        ("cycle_option", Some(1)),
        ("cycle_count", Some(8)),
    ];
    let is_one = |(column, (name, width)): (&Column, (&str, Option<u8>))| {
        let ColumnType::Integer { bytes, .. } = column.column_type else { return false };
        *column.name == *name && !column.nullable && width.is_none_or(|width| width == bytes)
    };
    table.columns.len() == COLUMNS.len()
        && table.primary_key.is_empty()
        && table.columns.iter().zip(COLUMNS).all(is_one)
}

impl Assembler {
    /// Says once that what looks like a table is none.
    pub(super) fn tell_of_sequence(&mut self, name: &TableName) {
        // So many are told apart; with more, nobody reads them.
        const MOST_TOLD: usize = 1_000;
        if self.sequences.len() < MOST_TOLD && self.sequences.insert(name.clone()) {
            warn!(table = %name, "this is a SEQUENCE of MariaDB and no table: its state is passed by");
        }
    }

    pub(super) fn on_table_map(
        &mut self,
        event: &RawEvent<'_>,
        seal: &Seal,
    ) -> Result<(), SelectError> {
        // Its rows were applied, and its definition may have changed since.
        if self.draft.as_ref().is_some_and(|draft| draft.is_known || draft.is_lost()) {
            return Ok(());
        }
        let tape = &self.tape;
        let place = || tape.at(seal.start);
        let fail = |source| SelectError::Event { place: place(), kind: event.header.kind, source };
        let (id, rest) = split_id(event, &self.format).map_err(fail)?;
        if self.tables.knows(id, rest) {
            return Ok(());
        }
        let name = TableMap::parse_name(rest).map_err(fail)?;
        let is_own = self.options.is_own(&name.database);
        let is_mark = is_own && *name.table == *self.options.mark_table;
        let is_request = is_own && self.options.request_table.as_deref() == Some(&*name.table);
        if is_own && !is_mark && !is_request {
            self.tables.insert(id, rest.into(), Use::Own);
            return Ok(());
        }
        if !is_own && !(self.options.filter)(&name) {
            self.tables.insert(id, rest.into(), Use::Unwanted);
            return Ok(());
        }
        let map = TableMap::parse(id, rest, self.format.mariadb).map_err(fail)?;
        let is_complete = outlook(&map, self.format.mariadb) == Outlook::Complete;
        let wanted = WantedTable { map, raw: rest.into(), is_mark, place: place() };
        let numbered = self.facts.naming == crate::schema::compile::Naming::Numbered;
        if is_complete || numbered {
            return self.plan(&wanted, None);
        }
        if self.plan_as_tracked(&wanted) {
            return Ok(());
        }
        self.wanted = Some(wanted);
        Ok(())
    }

    pub(super) fn on_rows(&mut self, event: &RawEvent<'_>, seal: &Seal) -> Result<(), SelectError> {
        let kind = event.header.kind;
        let unreadable = |source| self.unreadable(seal, kind, source);
        let id = table_id(event, &self.format).map_err(unreadable)?;
        if is_dummy(event, id, &self.format).map_err(unreadable)? {
            return Ok(());
        }
        let out_of_place =
            |problem| SelectError::OutOfPlace { place: self.tape.at(seal.start), kind, problem };
        let Some(draft) = &mut self.draft else {
            return Err(out_of_place("no transaction has begun: the position is inside one"));
        };
        let is_first = !std::mem::replace(&mut draft.has_seen_rows, true);
        if draft.is_known || draft.is_lost() {
            return Ok(());
        }
        let what = self.tables.get(id).ok_or_else(|| out_of_place("its table map is missing"))?;
        match what {
            Use::Unwanted | Use::Own | Use::Sequence => Ok(()),
            Use::Mark(_) if !is_first => Ok(()),
            Use::Mark(plan) => {
                let plan = Arc::clone(plan);
                self.on_mark(event, seal, &plan)
            }
            Use::Wanted(plan) => {
                if self.lessons.abandoned.as_ref() == Some(&draft.start) {
                    return Ok(());
                }
                let plan = Arc::clone(plan);
                let decode =
                    |this: &mut Self, head: &RowsHead<'_>| this.decode(&plan, head, seal.start);
                let result = self.with_head(event, seal, decode);
                self.or_lose_rows(result)
            }
        }
    }

    /// Reads the head, unfolds the rows where they are compressed, and goes on with them.
    fn with_head(
        &mut self,
        event: &RawEvent<'_>,
        seal: &Seal,
        go_on: impl FnOnce(&mut Self, &RowsHead<'_>) -> Result<(), SelectError>,
    ) -> Result<(), SelectError> {
        let kind = event.header.kind;
        let mut head = RowsHead::parse(event, &self.format)
            .map_err(|source| self.unreadable(seal, kind, source))?;
        if !is_compressed(kind) {
            return go_on(self, &head);
        }
        let mut plain = std::mem::take(&mut self.scratch);
        plain.clear();
        inflate_event(head.rows, self.options.max_event, &mut plain)
            .map_err(|source| self.unreadable(seal, kind, source))?;
        head.rows = &plain;
        let result = go_on(self, &head);
        // One buffer serves all compressed events, but a huge one is not kept.
        if plain.capacity() <= self.options.batch_bytes {
            self.scratch = plain;
        }
        result
    }

    /// Decodes rows as far as there is room; the rest is carried over.
    fn decode(
        &mut self,
        plan: &Arc<RowPlan>,
        head: &RowsHead<'_>,
        start: u64,
    ) -> Result<(), SelectError> {
        let fail = |tape: &Tape, source| SelectError::Image { place: tape.at(start), source };
        let mut reader = RowReader::new(plan, head).map_err(|source| fail(&self.tape, source))?;
        while !reader.is_done() {
            if self.is_too_large_to_wait() {
                let error = self.too_large_to_wait();
                self.lose_rows(error);
                return Ok(());
            }
            if !self.find_room() || self.is_fragment_due() {
                self.carry = Some(Carry {
                    plan: Arc::clone(plan),
                    kind: head.kind,
                    flags: head.flags,
                    present: head.present.to_vec(),
                    present_after: head.present_after.to_vec(),
                    rows: reader.rest().to_vec(),
                    has_differences: head.has_differences,
                    place: self.tape.at(start),
                });
                return Ok(());
            }
            let room = self.room.bytes().saturating_sub(self.sealed_bytes);
            let limit = room.min(self.arena.byte_size().saturating_add(self.until_fragment()));
            let first_cell = self.arena.len();
            let row_count =
                reader.read(&mut self.arena, limit).map_err(|source| fail(&self.tape, source))?;
            let draft =
                self.draft.as_mut().ok_or(SelectError::Bug("rows without a transaction"))?;
            draft.push_rows(&plan.table, (head.kind, head.flags), first_cell, row_count);
        }
        Ok(())
    }

    /// Goes on with rows that waited for room.
    pub(crate) fn feed_carry(&mut self) -> Result<(), SelectError> {
        let Some(carry) = self.carry.take() else { return Ok(()) };
        let head = RowsHead {
            kind: carry.kind,
            flags: carry.flags,
            width: carry.plan.codecs.len(),
            present: &carry.present,
            present_after: &carry.present_after,
            rows: &carry.rows,
            has_differences: carry.has_differences,
        };
        let result = self.decode(&carry.plan, &head, carry.place.offset);
        self.or_lose_rows(result)
    }

    /// How many bytes may still be read before a fragment is due.
    fn until_fragment(&self) -> usize {
        if self.draft.as_ref().is_some_and(|draft| draft.is_xa) {
            return usize::MAX;
        }
        self.options.fragment_bytes.saturating_sub(self.draft_bytes())
    }

    /// Reads the site that wrote the transaction from the mark's row.
    fn on_mark(
        &mut self,
        event: &RawEvent<'_>,
        seal: &Seal,
        plan: &Arc<RowPlan>,
    ) -> Result<(), SelectError> {
        self.with_head(event, seal, |this, head| {
            let place = this.place(seal);
            let fail = |source| SelectError::Image { place: place.clone(), source };
            let mut arena = RowArenaBuilder::new();
            // One row is enough, and a hostile event gives no more.
            RowReader::new(plan, head).and_then(|mut it| it.read(&mut arena, 1)).map_err(fail)?;
            let origin = read_origin(plan, head.kind, arena);
            if let Some(draft) = &mut this.draft {
                draft.origin = origin;
            }
            Ok(())
        })
    }
}

#[allow(clippy::wildcard_enum_match_arm, reason = "an origin is text")]
fn read_origin(plan: &RowPlan, kind: RowKind, arena: RowArenaBuilder) -> Option<Origin> {
    let rows = RowsEvent::new(Arc::clone(&plan.table), kind, Arc::new(arena.finish()), 0, 1)?;
    let event = Event::Rows(rows);
    let Event::Rows(rows) = &event else { return None };
    let change = rows.changes().next()?;
    // An update of the mark names the site in both images, or in the first one alone.
    let value = [change.after(), change.before()]
        .into_iter()
        .flatten()
        .find_map(|row| row.by_name(ORIGIN_COLUMN));
    match value? {
        Value::Text(bytes) | Value::Bytes(bytes) => {
            std::str::from_utf8(bytes).ok().map(|text| Origin(text.into()))
        }
        _ => None,
    }
}
