//! The head of a row event: which table, which columns, and where the rows begin.

use otter_core::{RowFlags, RowKind};

use super::format::Format;
use super::frame::{EventError, RawEvent};
use super::kind::EventKind;
use crate::cursor::Cursor;

/// A row event without its rows decoded.
#[derive(Clone, Copy)]
pub(crate) struct RowsHead<'a> {
    pub(crate) kind: RowKind,
    pub(crate) flags: RowFlags,
    /// The number of columns that the images are about.
    pub(crate) width: usize,
    /// One bit per column, lowest first: whether the only or the first image holds it.
    pub(crate) present: &'a [u8],
    /// The same for the second image of an update.
    pub(crate) present_after: &'a [u8],
    /// The rows; still compressed in MariaDB's compressed events.
    pub(crate) rows: &'a [u8],
    /// Whether JSON documents may be differences from the image before.
    pub(crate) has_differences: bool,
}

/// The table of an event that only ends a statement and has no rows. Servers count tables up, so
/// that a real table may have this id too.
const NO_TABLE: u64 = 0x00ff_ffff;

/// The kind of change, and whether the event has a block of extra data, for the row events.
pub(crate) fn classify(kind: EventKind) -> Option<(RowKind, bool)> {
    Some(match kind {
        EventKind::WRITE_ROWS_V1 | EventKind::WRITE_ROWS_COMPRESSED_V1 => (RowKind::Insert, false),
        EventKind::UPDATE_ROWS_V1 | EventKind::UPDATE_ROWS_COMPRESSED_V1 => {
            (RowKind::Update, false)
        }
        EventKind::DELETE_ROWS_V1 | EventKind::DELETE_ROWS_COMPRESSED_V1 => {
            (RowKind::Delete, false)
        }
        EventKind::WRITE_ROWS | EventKind::WRITE_ROWS_COMPRESSED => (RowKind::Insert, true),
        EventKind::UPDATE_ROWS
        | EventKind::UPDATE_ROWS_COMPRESSED
        | EventKind::PARTIAL_UPDATE_ROWS => (RowKind::Update, true),
        EventKind::DELETE_ROWS | EventKind::DELETE_ROWS_COMPRESSED => (RowKind::Delete, true),
        _ => return None,
    })
}

/// Compressed row events of MariaDB: everything behind their head is one zlib stream.
pub(crate) fn is_compressed(kind: EventKind) -> bool {
    (EventKind::WRITE_ROWS_COMPRESSED_V1.0..=EventKind::DELETE_ROWS_COMPRESSED.0).contains(&kind.0)
}

/// The id of the table, without reading anything else: rows of other tables are skipped here.
#[inline]
pub(crate) fn table_id(event: &RawEvent<'_>, format: &Format) -> Result<u64, EventError> {
    read_table_id(&mut Cursor::new(event.body), event.header.kind, format)
}

/// MySQL 5.1.4 and older wrote four bytes and a shorter fixed part.
#[inline]
pub(crate) fn read_table_id(
    cursor: &mut Cursor<'_>,
    kind: EventKind,
    format: &Format,
) -> Result<u64, EventError> {
    const SHORT: u8 = 6;
    Ok(match format.post_header_length(kind) {
        Some(SHORT) => u64::from(cursor.u32()?),
        _ => cursor.u48()?,
    })
}

/// Whether it only ends a statement: of no table, and without rows.
pub(crate) fn is_dummy(event: &RawEvent<'_>, id: u64, format: &Format) -> Result<bool, EventError> {
    // INVARIANT LOSS-1: what has rows is some table's, whatever its id.
    Ok(id == NO_TABLE && RowsHead::parse(event, format)?.rows.is_empty())
}

impl<'a> RowsHead<'a> {
    #[inline]
    pub(crate) fn parse(event: &RawEvent<'a>, format: &Format) -> Result<Self, EventError> {
        const NO_FOREIGN_KEY_CHECKS: u16 = 0x02;
        const RELAXED_UNIQUE_CHECKS: u16 = 0x04;
        // MySQL, since 9.6: foreign keys are the business of SQL there, not of the engine. They were
        // checked, all that they cascade to is in the log, and what is not in it has not happened:
        // a REPLACE of a parent's row is logged as DELETE and INSERT, and leaves its children alone.
        const USE_SQL_FOREIGN_KEY: u16 = 0x10;
        let (kind, has_extra) =
            classify(event.header.kind).ok_or(EventError::Malformed("it is no row event"))?;
        let mut cursor = Cursor::new(event.body);
        read_table_id(&mut cursor, event.header.kind, format)?;
        let flags = cursor.u16()?;
        if has_extra {
            // The length counts itself.
            let length = usize::from(cursor.u16()?);
            cursor.bytes(length.checked_sub(2).ok_or(EventError::Short)?)?;
        }
        let width = cursor.packed_length()?;
        let bitmap = width.div_ceil(8);
        let present = cursor.bytes(bitmap)?;
        let present_after = if kind == RowKind::Update { cursor.bytes(bitmap)? } else { present };
        Ok(Self {
            kind,
            flags: RowFlags {
                no_foreign_key_checks: flags & (NO_FOREIGN_KEY_CHECKS | USE_SQL_FOREIGN_KEY) != 0,
                no_unique_checks: flags & RELAXED_UNIQUE_CHECKS != 0,
                ..RowFlags::default()
            },
            width,
            present,
            present_after,
            rows: cursor.take_rest(),
            has_differences: event.header.kind == EventKind::PARTIAL_UPDATE_ROWS,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::test_bytes::EventBytes;

    fn parse(kind: EventKind, body: &[u8]) -> Result<(RowKind, usize, Vec<u8>), EventError> {
        let bytes = EventBytes::new(kind, body).plain();
        let event = RawEvent::parse(&bytes, &Format::default()).unwrap();
        let head = RowsHead::parse(&event, &Format::default())?;
        Ok((head.kind, head.width, head.rows.to_vec()))
    }

    #[test]
    fn the_second_version_skips_its_extra_data() {
        let body = [5, 0, 0, 0, 0, 0, 1, 0, 4, 0, 9, 9, 2, 3, 3, 42];
        assert_eq!(parse(EventKind::UPDATE_ROWS, &body).unwrap(), (RowKind::Update, 2, vec![42]));
        let cut = [5, 0, 0, 0, 0, 0, 1, 0, 1, 0];
        assert_eq!(parse(EventKind::UPDATE_ROWS, &cut), Err(EventError::Short));
    }

    #[test]
    fn the_first_version_has_none() {
        let body = [5, 0, 0, 0, 0, 0, 1, 0, 2, 3, 42];
        assert_eq!(parse(EventKind::WRITE_ROWS_V1, &body).unwrap(), (RowKind::Insert, 2, vec![42]));
    }

    #[test]
    fn rows_are_not_checked_again_where_the_source_logs_what_foreign_keys_do() {
        let flags = |bits: u8| {
            let body = [5, 0, 0, 0, 0, 0, bits, 0, 2, 0, 2, 3, 42];
            let bytes = EventBytes::new(EventKind::WRITE_ROWS, &body).plain();
            let event = RawEvent::parse(&bytes, &Format::default()).unwrap();
            RowsHead::parse(&event, &Format::default()).unwrap().flags
        };
        assert!(!flags(0x01).no_foreign_key_checks && !flags(0x04).no_foreign_key_checks);
        assert!(flags(0x02).no_foreign_key_checks && flags(0x11).no_foreign_key_checks);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(
            kind in 23_u8..33, body in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let _ = parse(EventKind(kind), &body);
        }
    }
}
