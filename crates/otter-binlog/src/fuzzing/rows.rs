//! A table map and the rows behind it.

use std::sync::Arc;

use otter_core::{RowArenaBuilder, RowsEvent};

use super::{MAX_EVENT, framed, look_at};
use crate::cursor::{Cursor, Short};
use crate::event::compressed::inflate_event;
use crate::event::rows::{RowsHead, classify, is_compressed};
use crate::event::table_map::TableMap;
use crate::event::{EventKind, Format, RawEvent};
use crate::row::{RowPlan, RowReader};
use crate::schema::compile::Naming;
use crate::schema::{compile, outlook};

/// An input, taken apart.
struct Input<'a> {
    mariadb: bool,
    naming: Naming,
    kind: EventKind,
    /// A table map behind its table's id.
    map: &'a [u8],
    /// A row event behind its table's id.
    rows: &'a [u8],
}

impl<'a> Input<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, Short> {
        let mut cursor = Cursor::new(bytes);
        let options = cursor.u8()?;
        let kind = EventKind(cursor.u8()?);
        let map = cursor.prefixed(2)?;
        let naming = if options & 2 != 0 { Naming::Real } else { Naming::Numbered };
        Ok(Self { mariadb: options & 1 != 0, naming, kind, map, rows: cursor.take_rest() })
    }
}

/// Options (one byte), the kind of row event, a table map behind its length (two bytes), and the
/// row event, both without the table's id.
pub fn rows(bytes: &[u8]) {
    let Ok(input) = Input::parse(bytes) else { return };
    if classify(input.kind).is_none() {
        return;
    }
    let Ok(map) = TableMap::parse(1, input.map, input.mariadb) else { return };
    outlook(&map, input.mariadb);
    let Ok(plan) = compile(&map, None, input.naming, input.mariadb) else { return };
    let plan = plan.within(MAX_EVENT);
    let body = [&[1, 0, 0, 0, 0, 0][..], input.rows].concat();
    let bytes = framed(input.kind, 0, 0, &body);
    let Ok(event) = RawEvent::parse_inner(&bytes) else { return };
    let Ok(mut head) = RowsHead::parse(&event, &Format::default()) else { return };
    let mut plain = Vec::new();
    if is_compressed(input.kind) {
        if inflate_event(head.rows, MAX_EVENT, &mut plain).is_err() {
            return;
        }
        head.rows = &plain;
    }
    decode(&plan, &head);
}

fn decode(plan: &RowPlan, head: &RowsHead<'_>) {
    let Ok(mut reader) = RowReader::new(plan, head) else { return };
    while !reader.is_done() {
        let mut arena = RowArenaBuilder::new();
        let left = reader.rest().len();
        let Ok(count) = reader.read(&mut arena, 4096) else { return };
        assert!(reader.rest().len() < left, "a row takes bytes");
        let arena = Arc::new(arena.finish());
        let rows = RowsEvent::new(Arc::clone(&plan.table), head.kind, arena, 0, count);
        assert!(rows.is_some(), "rows fill their arena");
        rows.iter().for_each(look_at);
    }
}
