use std::fs;
use std::path::PathBuf;

use otter_core::{Event, Part, Transaction, Value};
use tempfile::TempDir;

use super::*;
use crate::event::format::Checksum;
use crate::test_bytes::{EventBytes, format_description, table_map};

/// What the first file was begun at.
pub(super) const BEGIN: u32 = 1_800_000_000;

/// A binlog file as MySQL writes it.
pub(super) struct Written {
    pub(super) bytes: Vec<u8>,
    time: u32,
}

impl Written {
    /// A file begun at a time, behind the transactions `1..behind`.
    pub(super) fn begun(time: u32, behind: u64) -> Self {
        let mut bytes = format_description("9.7.4", Checksum::Crc32);
        bytes[..4].copy_from_slice(&time.to_le_bytes());
        let length = bytes.len() - 4;
        let checksum = crc32fast::hash(&bytes[..length]);
        bytes[length..].copy_from_slice(&checksum.to_le_bytes());
        let mut file = Self { bytes: [b"\xfebin", &bytes[..]].concat(), time };
        let mut previous = u64::from(behind > 1).to_le_bytes().to_vec();
        if behind > 1 {
            let one = 1_u64.to_le_bytes();
            previous.extend([&[7; 16][..], &one, &one, &behind.to_le_bytes()].concat());
        }
        file.event(EventKind::PREVIOUS_GTIDS, &previous);
        file
    }

    pub(super) fn event(&mut self, kind: EventKind, body: &[u8]) -> u64 {
        let offset = u64::try_from(self.bytes.len()).unwrap();
        let event = EventBytes::new(kind, body).timestamp(self.time);
        self.bytes.extend(event.at(offset).checked());
        offset
    }

    fn gtid(&mut self, number: u64) -> u64 {
        let body = [&[0][..], &[7; 16], &number.to_le_bytes()].concat();
        self.event(EventKind::GTID, &body)
    }

    pub(super) fn begin(&mut self, number: u64) -> u64 {
        let start = self.gtid(number);
        self.event(EventKind::QUERY, &[&[0; 13][..], &[0], b"BEGIN"].concat());
        start
    }

    pub(super) fn insert(&mut self, table: &str, named: bool, ids: &[i32]) {
        let names: &[(u8, &[u8])] =
            if named { &[(1, &[0]), (4, b"\x02id"), (8, &[0])] } else { &[] };
        let map = table_map(("shop", table), &[(3, &[])], &[0], names);
        self.event(EventKind::TABLE_MAP, &[&[5, 0, 0, 0, 0, 0][..], &map].concat());
        let mut body = vec![5, 0, 0, 0, 0, 0, 1, 0, 2, 0, 1, 1];
        for id in ids {
            body.push(0);
            body.extend(id.to_le_bytes());
        }
        self.event(EventKind(30), &body);
    }

    pub(super) fn commit(&mut self) {
        self.event(EventKind::XID, &[0; 8]);
    }

    /// A whole transaction with one row that holds its number.
    pub(super) fn transaction(&mut self, number: u64) -> u64 {
        let start = self.begin(number);
        self.insert("item", true, &[i32::try_from(number).unwrap()]);
        self.commit();
        start
    }
}

/// Three files of three transactions each, one per second from [`BEGIN`] + 10 on; the files are
/// begun in the second of the transaction before.
fn series() -> (TempDir, Vec<u64>) {
    let folder = tempfile::tempdir().unwrap();
    let mut starts = Vec::new();
    let mut number = 0;
    for file in 1..=3_u32 {
        let mut written = Written::begun(BEGIN + 10 + 3 * (file - 1), number + 1);
        for _ in 0..3 {
            number += 1;
            written.time = BEGIN + 10 + u32::try_from(number).unwrap();
            starts.push(written.transaction(number));
        }
        written.event(EventKind::ROTATE, &[&[4, 0, 0, 0, 0, 0, 0, 0][..], b"any.000009"].concat());
        save(&folder, file, &written);
    }
    (folder, starts)
}

pub(super) fn save(folder: &TempDir, number: u32, file: &Written) -> PathBuf {
    let path = folder.path().join(format!("b.{number:06}"));
    fs::write(&path, &file.bytes).unwrap();
    path
}

pub(super) fn options() -> ReadOptions {
    ReadOptions::new(|table| &*table.table == "item")
}

fn open(folder: &TempDir, start: &str) -> Result<BinlogReader, ReadError> {
    let files = BinlogFiles::find(folder.path()).unwrap();
    BinlogReader::open(files, &start.parse().unwrap(), options())
}

fn read(reader: BinlogReader) -> (Vec<Transaction>, Option<ReadError>) {
    let (mut read, mut error) = (Vec::new(), None);
    for transaction in reader {
        match transaction {
            Ok(transaction) => read.push(transaction),
            Err(failure) => error = Some(failure),
        }
    }
    (read, error)
}

pub(super) fn ids(transactions: &[Transaction]) -> Vec<String> {
    let events = transactions.iter().flat_map(|transaction| &transaction.events);
    let rows = events.filter_map(|event| match event {
        Event::Rows(rows) => Some(rows),
        _ => None,
    });
    let changes = rows.flat_map(otter_core::RowsEvent::changes);
    let id = |change: otter_core::Change<'_>| match change.after().unwrap().value(0) {
        Some(Value::Int(id)) => id.to_string(),
        other => panic!("{other:?}"),
    };
    changes.map(id).collect()
}

/// The rows of the transactions from a start on, of which there must be no error.
fn ids_from(folder: &TempDir, start: &str) -> Vec<String> {
    let (read, error) = read(open(folder, start).unwrap());
    assert!(error.is_none(), "{error:?}");
    ids(&read)
}

fn numbers(range: std::ops::RangeInclusive<u64>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

pub(super) fn chain(error: &ReadError) -> String {
    otter_core::Causes(error).to_string()
}

pub(super) const UUID: &str = "07070707-0707-0707-0707-070707070707";

#[test]
fn transactions_come_in_order_across_files() {
    let (folder, starts) = series();
    let (read, error) = read(open(&folder, "earliest").unwrap());
    assert!(error.is_none(), "{error:?}");
    assert_eq!(ids(&read), numbers(1..=9));
    let found: Vec<u64> = read.iter().map(|transaction| transaction.start.offset).collect();
    assert_eq!(found, starts);
    assert_eq!(&*read[3].start.file, "b.000002");
    assert_eq!(read[8].gtid.as_ref().unwrap().to_string(), format!("{UUID}:9"));
    assert!(ids_from(&folder, "now").is_empty());
}

#[test]
fn batches_tell_how_far_reading_has_come() {
    let (folder, _) = series();
    let mut reader = open(&folder, "earliest").unwrap();
    let (mut after, mut last) = (None, None);
    while let Some(batch) = reader.next_batch().unwrap() {
        assert!(after.is_none() || after == Some(batch.after.clone()), "a gap between batches");
        after = batch.through.clone();
        last = batch.through;
    }
    assert_eq!(last.unwrap().resume_from.gtids.unwrap().to_string(), format!("{UUID}:1-9"));
    assert_eq!(reader.unfinished(), None);
}

#[test]
fn a_file_and_offset_is_a_start() {
    let (folder, starts) = series();
    assert_eq!(ids_from(&folder, &format!("b.000002:{}", starts[4])), numbers(5..=9));
    assert_eq!(ids_from(&folder, "b.000002:4"), numbers(4..=9));
    let end = fs::metadata(folder.path().join("b.000002")).unwrap().len();
    assert_eq!(ids_from(&folder, &format!("b.000002:{end}")), numbers(7..=9));

    let (read, error) = read(open(&folder, &format!("b.000002:{}", starts[4] + 1)).unwrap());
    let error = error.unwrap().to_string();
    assert!(read.is_empty() && error.starts_with("no event begins at b.000002:"), "{error}");
    let error = open(&folder, "b.000002:999999").unwrap_err().to_string();
    assert!(error.starts_with("b.000002:999999 is behind the end of the file"), "{error}");
    let error = open(&folder, "b.000007:4").unwrap_err().to_string();
    assert!(error.contains("which go from b.000001 to b.000003"), "{error}");
}

#[test]
fn transactions_of_a_gtid_set_are_passed_by() {
    let (folder, _) = series();
    assert_eq!(ids_from(&folder, &format!("{UUID}:1-5")), numbers(6..=9));
    assert!(ids_from(&folder, &format!("{UUID}:1-9")).is_empty());
    let holes = ids_from(&folder, &format!("{UUID}:1-4:6:8"));
    assert_eq!(holes, ["5", "7", "9"]);

    fs::remove_file(folder.path().join("b.000001")).unwrap();
    let error = open(&folder, &format!("{UUID}:1-2")).unwrap_err().to_string();
    assert!(error.starts_with("b.000002 begins behind transactions"), "{error}");
    assert!(error.contains(&format!("{UUID}:1-3")), "{error}");
    let error = open(&folder, "0-1-7").unwrap_err().to_string();
    assert!(error.contains("one is of MySQL and the other of MariaDB"), "{error}");
}

#[test]
fn a_time_is_found_at_its_first_transaction() {
    let (folder, _) = series();
    for (second, first) in [(0, 1), (11, 1), (12, 2), (13, 3), (14, 4), (16, 6), (19, 9), (20, 10)]
    {
        let time = SourceTime::from_seconds(u64::from(BEGIN) + second);
        assert_eq!(ids_from(&folder, &time.to_string()), numbers(first..=9), "{second}");
        // The place that was found is the same start.
        let files = BinlogFiles::find(folder.path()).unwrap();
        let place = files.locate(time).unwrap().resume_from;
        let reader = BinlogReader::open(files, &Start::At(place), options()).unwrap();
        assert_eq!(ids(&read(reader).0), numbers(first..=9), "{second}");
    }
}

#[test]
fn a_file_may_end_inside_a_transaction() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = Written::begun(BEGIN, 1);
    file.transaction(1);
    let start = file.begin(2);
    file.insert("item", true, &[2]);
    let path = save(&folder, 1, &file);
    let mut all = open(&folder, "earliest").unwrap().into_iter();
    assert_eq!(all.by_ref().map(Result::unwrap).count(), 1);
    assert_eq!(all.reader().unfinished(), Some(&FilePlace::new("b.000001", start)));

    // Its server has rolled it back when it began the next file.
    let mut next = Written::begun(BEGIN, 2);
    next.transaction(3);
    save(&folder, 2, &next);
    assert_eq!(ids_from(&folder, "earliest"), ["1", "3"]);
    assert_eq!(BinlogFiles::find(path).unwrap().paths().len(), 1);
}

#[test]
fn damage_is_told_with_its_place_behind_what_came_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = Written::begun(BEGIN, 1);
    file.transaction(1);
    let start = file.transaction(2);
    let path = save(&folder, 1, &file);
    let whole = file.bytes.clone();
    let at = usize::try_from(start).unwrap();

    for (bytes, words) in [
        (whole[..at + 25].to_vec(), "is cut off in the event at"),
        (whole[..at + 5].to_vec(), "is cut off in the event at"),
        ([&whole[..at + 30], b"x", &whole[at + 31..]].concat(), "its checksum is"),
    ] {
        fs::write(&path, bytes).unwrap();
        let (read, error) = read(open(&folder, "earliest").unwrap());
        assert_eq!(ids(&read), ["1"]);
        let text = chain(&error.unwrap());
        assert!(text.contains(words) && text.contains(&format!("b.000001:{start}")), "{text}");
    }
}

#[test]
fn rows_of_other_tables_are_not_decoded() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = Written::begun(BEGIN, 1);
    file.begin(1);
    file.insert("other", true, &[1]);
    // No row could be read from this.
    file.event(EventKind(30), &[5, 0, 0, 0, 0, 0, 1, 0, 2, 0, 1, 1, 0, 9]);
    file.insert("item", true, &[2]);
    file.commit();
    save(&folder, 1, &file);
    assert_eq!(ids_from(&folder, "earliest"), ["2"]);
    let files = BinlogFiles::find(folder.path()).unwrap();
    let everything = ReadOptions::new(|_| true);
    let reader = BinlogReader::open(files, &Start::Earliest, everything).unwrap();
    assert!(read(reader).1.is_some());
}

#[test]
fn columns_without_names_are_numbered() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = Written::begun(BEGIN, 1);
    file.begin(1);
    file.insert("item", false, &[7]);
    file.commit();
    file.transaction(2);
    save(&folder, 1, &file);
    let (read, _) = read(open(&folder, "earliest").unwrap());
    let has_name = |transaction: &Transaction| match &transaction.events[0] {
        Event::Rows(rows) => has_names(rows.table()),
        other => panic!("{other:?}"),
    };
    assert_eq!(read.iter().map(has_name).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn a_large_transaction_comes_in_fragments_and_may_be_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = Written::begun(BEGIN, 1);
    let many: Vec<i32> = (0..2_000).collect();
    file.begin(1);
    for _ in 0..3 {
        file.insert("item", true, &many);
    }
    file.commit();
    let start = file.begin(2);
    for _ in 0..3 {
        file.insert("item", true, &many);
    }
    save(&folder, 1, &file);
    let mut next = Written::begun(BEGIN, 2);
    next.transaction(3);
    save(&folder, 2, &next);

    let mut options = options();
    options.fragment_bytes = 32 * 1024;
    let files = BinlogFiles::find(folder.path()).unwrap();
    let mut reader = BinlogReader::open(files, &Start::Earliest, options).unwrap();
    let (mut whole, mut given_up, mut rows, mut places) = (0, 0, 0, Vec::new());
    loop {
        match reader.next_batch() {
            Ok(Some(batch)) => {
                for transaction in batch.transactions {
                    rows += transaction.row_count();
                    whole += usize::from(transaction.end.is_some());
                    if let Part::Fragment { index, .. } = transaction.part {
                        assert!(index > 0 || transaction.rows_before == 0);
                        given_up += usize::from(transaction.end.is_none());
                    }
                }
            }
            Ok(None) => break,
            Err(ReadError::Content(SelectError::Abandoned { place })) => places.push(place),
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(places, [FilePlace::new("b.000001", start)]);
    assert_eq!(whole, 2, "the first and the third");
    assert!(given_up > 2 && rows > 6_000, "{given_up} fragments, {rows} rows");
}

#[test]
fn what_is_no_readable_binlog_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("b.000001");
    let open = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        BinlogReader::open(BinlogFiles::find(&path).unwrap(), &Start::Earliest, options())
    };
    let error = open(b"a text").unwrap_err();
    assert!(error.is_of_path() && chain(&error).ends_with("the file is no binlog"), "{error:?}");
    assert!(chain(&open(b"\xfdbin and more").unwrap_err()).contains("is encrypted"));
    let mut file = Written::begun(BEGIN, 1);
    file.event(EventKind::START_ENCRYPTION, &[0; 17]);
    assert!(chain(&open(&file.bytes).unwrap_err()).contains("is encrypted"));
}

#[test]
fn a_transaction_without_gtid_is_not_guessed_to_be_in_a_set() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = Written::begun(BEGIN, 1);
    file.event(EventKind::ANONYMOUS_GTID, &[0; 25]);
    file.event(EventKind::QUERY, &[&[0; 13][..], &[0], b"BEGIN"].concat());
    file.commit();
    save(&folder, 1, &file);
    let (_, error) = read(open(&folder, &format!("{UUID}:1")).unwrap());
    assert!(error.unwrap().to_string().contains("has no GTID"));
}
