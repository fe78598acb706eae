use std::num::NonZeroUsize;
use std::path::Path;

use otter_core::{FilePlace, Position, Start};
use tempfile::TempDir;

use super::super::tests::{BEGIN, UUID, Written, chain, ids, options, save};
use super::super::{BinlogFiles, BinlogReader, ParallelOptions, ReadOptions};
use crate::event::EventKind;

/// What a reading gives, the pieces of large transactions put together.
#[derive(Debug, PartialEq)]
struct Seen {
    /// Where each begins, whether it has ended, and its rows.
    transactions: Vec<(FilePlace, bool, Vec<String>)>,
    /// Behind each transaction that has a batch of its own.
    positions: Vec<Position>,
    reached: Option<Position>,
    errors: Vec<String>,
    unfinished: Option<FilePlace>,
}

/// Reads the files; also tells how many batches threads gave.
fn see(mut reader: BinlogReader) -> (Seen, usize) {
    let mut seen = Seen {
        transactions: Vec::new(),
        positions: Vec::new(),
        reached: None,
        errors: Vec::new(),
        unfinished: None,
    };
    let (mut by_threads, mut after) = (0, None);
    loop {
        match reader.next_batch() {
            Ok(None) => break,
            Ok(Some(batch)) => {
                by_threads += usize::from(reader.lanes.iter().any(super::Lanes::are_reading));
                assert!(after.is_none() || after.as_ref() == Some(&batch.after), "a gap");
                after = Some(batch.through.clone().unwrap_or(batch.after));
                for transaction in &batch.transactions {
                    let rows = ids(std::slice::from_ref(transaction));
                    let is_ended = transaction.end.is_some();
                    match seen.transactions.last_mut() {
                        Some((start, ended, known)) if *start == transaction.start && !*ended => {
                            (*ended, _) = (is_ended, known.extend(rows));
                        }
                        _ => seen.transactions.push((transaction.start.clone(), is_ended, rows)),
                    }
                }
                if !batch.transactions.is_empty() {
                    seen.positions.extend(batch.through);
                }
            }
            Err(error) => seen.errors.push(chain(&error)),
        }
    }
    seen.reached = after;
    seen.unfinished = reader.unfinished().cloned();
    (seen, by_threads)
}

fn open(folder: &Path, start: &Start, options: ReadOptions) -> BinlogReader {
    BinlogReader::open(BinlogFiles::find(folder).unwrap(), start, options).unwrap()
}

/// Each transaction in a batch of its own, and large ones in fragments of 4 KiB.
fn one_by_one() -> ReadOptions {
    let mut options = options();
    options.batch_rows = 1;
    options.fragment_bytes = 4 * 1024;
    options
}

/// Asserts that threads give what the caller's own thread gives, however the files are cut; returns
/// what that is, and how many batches came from threads.
fn check(folder: &Path, start: &str) -> (Seen, usize) {
    let start: Start = start.parse().unwrap();
    let (expected, _) = see(open(folder, &start, one_by_one()));
    let mut most = 0;
    for (threads, piece_bytes) in [(2, 1), (2, 300), (3, 1_000), (2, 5_000)] {
        let threads = NonZeroUsize::new(threads).unwrap();
        let parallel = ParallelOptions { threads, piece_bytes };
        let (seen, count) = see(open(folder, &start, one_by_one()).in_parallel(parallel));
        assert_eq!(seen, expected, "in pieces of {piece_bytes}");
        most = most.max(count);
    }
    (expected, most)
}

/// Two files of 150 transactions each.
fn files() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..2 {
        let mut file = Written::begun(BEGIN, 150 * number + 1);
        for behind in 1..=150 {
            file.transaction(150 * number + behind);
        }
        save(&folder, u32::try_from(number + 1).unwrap(), &file);
    }
    folder
}

#[test]
fn threads_give_the_same_in_the_same_order() {
    let folder = files();
    let (seen, by_threads) = check(folder.path(), "earliest");
    let rows: Vec<&str> = seen.transactions.iter().map(|(.., rows)| rows[0].as_str()).collect();
    assert_eq!(rows, (1..=300).map(|number| number.to_string()).collect::<Vec<_>>());
    let gtids = seen.reached.unwrap().resume_from.gtids.unwrap().to_string();
    assert_eq!(gtids, format!("{UUID}:1-300"));
    assert!(by_threads > 200, "only {by_threads} batches came from threads");
}

#[test]
fn threads_begin_behind_any_start() {
    let folder = files();
    let (seen, by_threads) = check(folder.path(), &format!("{UUID}:1-20:40:200-210"));
    assert_eq!(seen.transactions.len(), 300 - 32);
    assert!(by_threads > 150, "only {by_threads} batches came from threads");
    let middle = seen.transactions[70].0.clone();
    let (seen, _) = check(folder.path(), &middle.to_string());
    assert_eq!(seen.transactions[0].0, middle);
    let (seen, _) = check(folder.path(), "2100-01-01T00:00:00Z");
    assert!(seen.transactions.is_empty());
    let (seen, _) = check(folder.path(), &format!("{}:{}", middle.file, middle.offset + 1));
    assert_eq!(seen.errors.len(), 1);
}

#[test]
fn tables_that_nobody_wants_move_the_position_only() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = Written::begun(BEGIN, 1);
    for number in 1..=100 {
        file.begin(number);
        file.insert(if number % 7 == 0 { "item" } else { "other" }, true, &[1]);
        file.commit();
    }
    save(&folder, 1, &file);
    let (seen, _) = check(folder.path(), "earliest");
    assert_eq!(seen.transactions.len(), 14);
    let gtids = seen.reached.unwrap().resume_from.gtids.unwrap().to_string();
    assert_eq!(gtids, format!("{UUID}:1-100"));
}

#[test]
fn large_transactions_come_in_fragments_between_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = Written::begun(BEGIN, 1);
    for number in 1..=60 {
        file.begin(number);
        let count = if number % 20 == 0 { 3_000 } else { 3 };
        file.insert("item", true, &(0..count).collect::<Vec<_>>());
        file.commit();
    }
    let start = file.begin(61);
    file.insert("item", true, &(0..3_000).collect::<Vec<_>>());
    save(&folder, 1, &file);
    let mut next = Written::begun(BEGIN, 61);
    for number in 61..=90 {
        next.transaction(number);
    }
    save(&folder, 2, &next);
    let (seen, by_threads) = check(folder.path(), "earliest");
    assert_eq!(seen.transactions.len(), 91);
    assert_eq!(seen.errors.len(), 1, "the one that was never finished: {:?}", seen.errors);
    assert!(seen.transactions.iter().any(|(place, ended, _)| place.offset == start && !ended));
    assert!(by_threads > 10, "only {by_threads} batches came from threads");
}

#[test]
fn xa_transactions_wait_for_their_decision() {
    let statement = |file: &mut Written, text: &[u8]| {
        file.event(EventKind::QUERY, &[&[0; 13][..], &[0], text].concat());
    };
    let folder = tempfile::tempdir().unwrap();
    let mut file = Written::begun(BEGIN, 1);
    for number in 1..=120 {
        if number % 30 != 0 {
            file.transaction(number);
            continue;
        }
        file.event(EventKind::GTID, &gtid(number));
        statement(&mut file, b"XA START X'61',X'',1");
        file.insert("item", true, &[i32::try_from(number).unwrap()]);
        statement(&mut file, b"XA END X'61',X'',1");
        let xid = [&[0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0][..], b"a"].concat();
        file.event(EventKind::XA_PREPARE, &xid);
        for more in 1..=5 {
            file.transaction(1_000 + number * 10 + more);
        }
        file.event(EventKind::GTID, &gtid(5_000 + number));
        statement(&mut file, b"XA COMMIT X'61',X'',1");
    }
    save(&folder, 1, &file);
    let (seen, _) = check(folder.path(), "earliest");
    assert_eq!((seen.transactions.len(), seen.errors.len()), (116 + 4 + 20, 0));
    assert!(seen.positions.iter().any(|it| it.resume_from != it.applied_through));
}

fn gtid(number: u64) -> Vec<u8> {
    [&[0][..], &[7; 16], &number.to_le_bytes()].concat()
}

#[test]
fn damage_and_ends_are_told_as_without_threads() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = Written::begun(BEGIN, 1);
    file.transaction(1);
    let second = usize::try_from(file.transaction(2)).unwrap();
    for number in 3..=30 {
        file.transaction(number);
    }
    let whole = file.bytes.clone();
    let mut told = 0;
    for at in (second..whole.len()).step_by(37) {
        file.bytes = whole[..at].to_vec();
        save(&folder, 1, &file);
        check(folder.path(), "earliest");
        file.bytes = whole.clone();
        file.bytes[at] ^= 0x41;
        save(&folder, 1, &file);
        told += check(folder.path(), "earliest").0.errors.len();
    }
    assert!(told > 50, "{told} damages were told");
}

#[test]
fn dropping_a_reader_ends_its_threads() {
    let folder = files();
    let parallel = ParallelOptions { threads: NonZeroUsize::new(4).unwrap(), piece_bytes: 500 };
    let mut reader = open(folder.path(), &Start::Earliest, one_by_one()).in_parallel(parallel);
    while !reader.lanes.iter().any(super::Lanes::are_reading) {
        assert!(reader.next_batch().unwrap().is_some());
    }
    // It waits for them.
    drop(reader);
}
