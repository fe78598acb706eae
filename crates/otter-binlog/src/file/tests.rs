use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::frames::MAGIC;
use super::*;
use crate::event::format::Checksum;
use crate::test_bytes::{EventBytes, format_description, table_map};

/// A file of these events, with no checksums.
fn file(max_event: usize, events: &[Vec<u8>]) -> BinlogFile<std::io::Cursor<Vec<u8>>> {
    let format = format_description("9.7.4", Checksum::None);
    let bytes = [&MAGIC[..], &format, &events.concat()].concat();
    BinlogFile::new("b.000001", std::io::Cursor::new(bytes), max_event).unwrap()
}

fn map(columns: usize) -> Vec<u8> {
    let body =
        table_map(("d", "t"), &vec![(1, &[][..]); columns], &vec![0; columns.div_ceil(8)], &[]);
    EventBytes::new(EventKind::TABLE_MAP, &[&[1, 0, 0, 0, 0, 0][..], &body].concat()).plain()
}

/// Rows of 248 columns of which only the first is there: two bytes each.
fn narrow_rows(count: usize) -> Vec<u8> {
    let mut body = vec![1, 0, 0, 0, 0, 0, 1, 0, 2, 0, 248, 1];
    body.extend_from_slice(&[0; 30]);
    body.extend_from_slice(&[0, 7].repeat(count));
    EventBytes::new(EventKind::WRITE_ROWS, &body).plain()
}

#[test]
fn rows_that_grow_beyond_the_limit_are_refused_and_the_next_event_is_read() {
    let xid = EventBytes::new(EventKind::XID, &[0; 8]).plain();
    let mut file = file(1 << 20, &[map(248), narrow_rows(100), narrow_rows(1000), xid]);
    let rows = |event: FileEvent| event.rows.map_or(0, |rows| rows.row_count());
    assert_eq!(file.next_event().unwrap().map(rows), Some(0));
    assert_eq!(file.next_event().unwrap().map(rows), Some(0));
    assert_eq!(file.next_event().unwrap().map(rows), Some(100));
    let error = file.next_event().unwrap_err();
    let FileError::Event { source, .. } = error else { panic!("{error}") };
    assert_eq!(source, EventError::TooLarge { limit: 1 << 20 });
    assert_eq!(file.next_event().unwrap().map(|event| event.kind), Some(EventKind::XID));
    assert!(file.next_event().unwrap().is_none());
}

#[test]
fn a_compressed_value_that_unfolds_beyond_the_limit_is_refused() {
    let map = table_map(("d", "t"), &[(140, &[4])], &[0], &[]);
    let map = [&[1, 0, 0, 0, 0, 0][..], &map].concat();
    let mut zlib = ZlibEncoder::new(vec![0x84, 0, 0x20, 0, 0], Compression::default());
    zlib.write_all(&vec![0; 2 << 20]).unwrap();
    let value = zlib.finish().unwrap();
    let length = u32::try_from(value.len()).unwrap().to_le_bytes();
    let rows = [&[1, 0, 0, 0, 0, 0, 1, 0, 1, 1, 0][..], &length, &value].concat();
    let rows = EventBytes::new(EventKind::WRITE_ROWS_V1, &rows).plain();
    let map = EventBytes::new(EventKind::TABLE_MAP, &map).plain();
    let read = |max_event| {
        let mut file = file(max_event, &[map.clone(), rows.clone()]);
        file.next_event().unwrap();
        file.next_event().unwrap();
        file.next_event().map(|event| event.and_then(|event| event.rows).is_some())
    };
    assert!(matches!(read(1 << 20), Err(FileError::Image { .. })));
    assert!(read(4 << 20).unwrap());
}

#[test]
fn events_of_a_compressed_transaction_come_behind_it_one_by_one() {
    let inner = [map(248), narrow_rows(3), narrow_rows(1000), narrow_rows(2)].concat();
    let frame = zstd::encode_all(&inner[..], 3).unwrap();
    let body = [&[2, 1, 0, 0][..], &frame].concat();
    let payload = EventBytes::new(EventKind::TRANSACTION_PAYLOAD, &body).plain();
    let mut file = file(1 << 20, &[payload]);
    let mut found = Vec::new();
    loop {
        match file.next_event() {
            Ok(Some(event)) => found.push((event.kind.0, event.rows.map(|rows| rows.row_count()))),
            Ok(None) => break,
            Err(error) => found.push((0, Some(error.to_string().len().min(1)))),
        }
    }
    let rows = EventKind::WRITE_ROWS.0;
    assert_eq!(
        found,
        [(15, None), (40, None), (19, None), (rows, Some(3)), (0, Some(1)), (rows, Some(2))]
    );
}

#[test]
fn the_id_of_no_table_may_be_that_of_a_real_one() {
    let with_id = |mut event: Vec<u8>| {
        event[19..22].copy_from_slice(&[0xff; 3]);
        event
    };
    let dummy = [0xff, 0xff, 0xff, 0, 0, 0, 1, 0, 2, 0, 1, 1];
    let dummy = EventBytes::new(EventKind::WRITE_ROWS, &dummy).plain();
    let rows = with_id(narrow_rows(3));
    let mut file = file(1 << 20, &[dummy.clone(), rows.clone(), with_id(map(248)), rows, dummy]);
    let mut counts = Vec::new();
    loop {
        match file.next_event() {
            Ok(Some(event)) => counts.push(event.rows.map(|rows| rows.row_count())),
            Ok(None) => break,
            // Rows of a table that is not known.
            Err(_) => counts.push(Some(0)),
        }
    }
    assert_eq!(counts, [None, None, Some(0), None, Some(3), None]);
}
