//! Binlogs that nobody on this project wrote, as transactions: they hold the rows that the events
//! hold.
//!
//! The corpora are kept beside the project; `OTTER_CORPORA` is their folder.
#![allow(
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;

use otter_binlog::file::BinlogFile;
use otter_binlog::reader::{BinlogFiles, BinlogReader, ReadOptions};
use otter_core::Start;
use otter_tests::corpora::{assert_listed, folder, paths};

const MAX_EVENT: usize = 64 << 20;

/// The rows of each event with its offset, up to the first error.
fn events(bytes: &[u8]) -> Vec<(u64, usize)> {
    let Ok(mut file) = BinlogFile::new("file", bytes, MAX_EVENT) else { return Vec::new() };
    let mut found = Vec::new();
    while let Ok(Some(event)) = file.next_event() {
        found.push((event.place.offset, event.rows.map_or(0, |rows| rows.row_count())));
    }
    found
}

/// What the transactions of a file hold.
#[derive(Debug, Default)]
struct Read {
    rows: usize,
    transactions: usize,
    /// Behind the last transaction that was read to its end, where anything followed it.
    end: Option<u64>,
    /// The first words of what ended it.
    error: Option<String>,
}

fn transactions(path: &Path, options: ReadOptions) -> Read {
    let mut read = Read::default();
    let opened = BinlogFiles::find(path)
        .and_then(|files| BinlogReader::open(files, &Start::Earliest, options));
    let reader = match opened {
        Ok(reader) => reader,
        Err(error) => return Read { error: Some(chain(&error)), end: Some(0), ..read },
    };
    let (mut all, mut end) = (reader.into_iter(), 0);
    loop {
        match all.next_transaction() {
            Ok(Some(transaction)) => {
                read.rows += transaction.row_count();
                if let Some(last) = transaction.end {
                    read.transactions += 1;
                    end = last.end.offset;
                }
            }
            Ok(None) => break,
            Err(error) => {
                read.error = Some(chain(&error));
                read.end = Some(end);
            }
        }
    }
    if let Some(place) = all.reader().unfinished() {
        read.end = Some(place.offset);
    }
    read
}

fn chain(error: &dyn Error) -> String {
    let cause = error.source().map(chain);
    format!("{error}{}", cause.map_or(String::new(), |cause| format!(": {cause}")))
}

/// Files of which not all is read: how many rows and transactions, and why no more. All others are
/// read to their end.
const REFUSED: &str = include_str!("corpora_reader/refused.tsv");

#[test]
fn transactions_hold_the_rows_that_the_events_hold() {
    let (mut wrong, mut whole, mut rows, mut refused) = (Vec::new(), 0, 0, BTreeMap::new());
    let below = format!("{}/", folder().display());
    for path in paths() {
        let full = folder().join(&path);
        let events = events(&fs::read(&full).unwrap());
        let read = transactions(&full, ReadOptions::new(|_| true));
        let until = read.end.unwrap_or(u64::MAX);
        let expected: usize =
            events.iter().filter(|(offset, _)| *offset < until).map(|(_, rows)| rows).sum();
        if read.rows != expected {
            wrong.push(format!("{path}: {expected} rows in events, but {read:?}"));
        }
        rows += read.rows;
        // A file that ends inside a transaction is not whole either.
        let reason = match (&read.error, read.end) {
            (Some(error), _) => error.replace(&below, ""),
            (None, Some(place)) => format!("unfinished at FILE:{place}"),
            (None, None) => {
                whole += 1;
                continue;
            }
        };
        let name = Path::new(&path).file_name().unwrap().to_string_lossy().into_owned();
        let reason = reason.replace(&path, "FILE").replace(&name, "FILE");
        // The remedies behind the place are tested elsewhere.
        let reason: String = reason.chars().take(90).collect::<String>().trim_end().to_owned();
        assert!(reason.contains("FILE:") || reason.contains("encrypted"), "no place: {reason}");
        refused.insert(path, format!("{}\t{}\t{reason}", read.rows, read.transactions));
    }
    println!("{whole} files are whole; all give {rows} rows; {} are not read whole", refused.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_listed(REFUSED, &refused);
}

/// A small generator of damage, the same on every run.
struct Damage(u64);

impl Damage {
    fn below(&mut self, bound: usize) -> usize {
        // Knuth's MMIX constants.
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

#[test]
fn no_damage_makes_the_reader_panic_or_read_for_ever() {
    const MOST_BYTES: usize = 32 * 1024;
    let (folder_of_damage, mut damage) = (tempfile::tempdir().unwrap(), Damage(20_261_121));
    let file = folder_of_damage.path().join("damaged.000001");
    for path in paths() {
        let whole = fs::read(folder().join(&path)).unwrap();
        if whole.len() < 8 {
            continue;
        }
        for round in 0..20 {
            let mut bytes = whole[..whole.len().min(MOST_BYTES)].to_vec();
            for _ in 0..=round % 3 {
                let at = 4 + damage.below(bytes.len() - 4);
                bytes[at] ^= 1 << damage.below(8);
            }
            if round % 4 == 0 {
                bytes.truncate(4 + damage.below(bytes.len() - 4));
            }
            if round % 2 == 0 {
                disable_checksums(&mut bytes);
            }
            fs::write(&file, bytes).unwrap();
            let mut options = ReadOptions::new(|_| true);
            options.fragment_bytes = 4 * 1024;
            transactions(&file, options);
        }
    }
}

/// Declares in the format description that there are none.
fn disable_checksums(bytes: &mut [u8]) {
    let Some(size) = bytes.get(13..17).and_then(|size| size.first_chunk::<4>()) else { return };
    let end = 4 + usize::try_from(u32::from_le_bytes(*size)).unwrap();
    if let Some(algorithm) = end.checked_sub(5).and_then(|at| bytes.get_mut(at)) {
        *algorithm = 0;
    }
}
