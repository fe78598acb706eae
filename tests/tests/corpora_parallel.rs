//! Binlogs that nobody on this project wrote, read by several threads: they give exactly what one
//! thread gives, value by value, with the same positions and the same errors.
//!
//! The corpora are kept beside the project; `OTTER_CORPORA` is their folder.
#![allow(
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::error::Error;
use std::num::NonZeroUsize;
use std::path::Path;

use otter_binlog::reader::{BinlogFiles, BinlogReader, ParallelOptions, ReadOptions};
use otter_core::{Change, Event, Position, Start, Transaction, TransactionEnd};
use otter_tests::corpora::{folder, paths};

fn chain(error: &dyn Error) -> String {
    let cause = error.source().map(chain);
    format!("{error}{}", cause.map_or(String::new(), |cause| format!(": {cause}")))
}

/// What a reading gives.
#[derive(Default)]
struct Read {
    /// Each with the position behind it; fragments are put together.
    transactions: Vec<(Transaction, Option<Position>)>,
    reached: Option<Position>,
    errors: Vec<String>,
    unfinished: String,
}

fn read(path: &Path, parallel: Option<ParallelOptions>) -> Read {
    let mut read = Read::default();
    let mut options = ReadOptions::new(|_| true);
    // Each transaction in a batch of its own, so that the position behind each is told.
    options.batch_bytes = 0;
    let opened = BinlogFiles::find(path)
        .and_then(|files| BinlogReader::open(files, &Start::Earliest, options));
    let mut reader = match opened {
        Ok(reader) => reader,
        Err(error) => return Read { errors: vec![chain(&error)], ..read },
    };
    if let Some(parallel) = parallel {
        reader = reader.in_parallel(parallel);
    }
    loop {
        match reader.next_batch() {
            Ok(None) => break,
            Ok(Some(batch)) => {
                assert!(
                    read.reached.as_ref().is_none_or(|reached| *reached == batch.after),
                    "a gap between batches"
                );
                read.reached = Some(batch.through.clone().unwrap_or(batch.after));
                for transaction in batch.transactions {
                    add(&mut read.transactions, transaction, batch.through.clone());
                }
            }
            Err(error) => read.errors.push(chain(&error)),
        }
    }
    read.unfinished = format!("{:?}", reader.unfinished());
    read
}

fn add(
    transactions: &mut Vec<(Transaction, Option<Position>)>,
    transaction: Transaction,
    behind: Option<Position>,
) {
    match transactions.last_mut() {
        Some((known, position)) if known.end.is_none() && known.start == transaction.start => {
            known.events.extend(transaction.events);
            known.end = transaction.end;
            *position = behind;
        }
        _ => transactions.push((transaction, behind)),
    }
}

/// The changes of a transaction, however many events they are in.
fn changes(transaction: &Transaction) -> impl Iterator<Item = (&Event, Option<Change<'_>>)> {
    transaction.events.iter().flat_map(|event| {
        let changes: Vec<_> = match event {
            Event::Rows(rows) => rows.changes().map(Some).collect(),
            _ => vec![None],
        };
        changes.into_iter().map(move |change| (event, change))
    })
}

/// Batches begin at other places, and so tell in other ways what was passed by.
fn end(transaction: &Transaction) -> Option<TransactionEnd> {
    transaction.end.clone().map(|end| TransactionEnd { passed: None, ..end })
}

fn are_equal(one: &Transaction, other: &Transaction) -> bool {
    let heads = one.gtid == other.gtid
        && one.start == other.start
        && one.committed_at == other.committed_at
        && one.origin == other.origin
        && end(one) == end(other)
        && changes(one).count() == changes(other).count();
    heads
        && changes(one).zip(changes(other)).all(|pair| match pair {
            ((Event::Rows(one), Some(a)), (Event::Rows(other), Some(b))) => {
                let values = |change: Change<'_>| -> Vec<_> {
                    let rows = [change.before(), change.after()];
                    rows.iter().flatten().flat_map(otter_core::Row::values).map(debug).collect()
                };
                let is_same_kind = one.kind() == other.kind() && one.flags() == other.flags();
                is_same_kind && one.table() == other.table() && values(a) == values(b)
            }
            ((Event::Ddl(one), None), (Event::Ddl(other), None)) => one == other,
            _ => false,
        })
}

/// A value with all its bits, so that numbers that are none are equal too.
fn debug(value: Option<otter_core::Value<'_>>) -> String {
    use otter_core::Value;
    match value {
        Some(Value::Int(value)) => value.to_string(),
        Some(Value::UInt(value) | Value::Bit(value) | Value::Set(value)) => value.to_string(),
        Some(Value::Float(value)) => value.to_bits().to_string(),
        Some(Value::Double(value)) => value.to_bits().to_string(),
        Some(Value::Decimal(text) | Value::Json(text)) => text.to_owned(),
        Some(Value::Year(value) | Value::Enum(value)) => value.to_string(),
        Some(Value::Date(value)) => value.to_string(),
        Some(Value::Time(value)) => value.to_string(),
        Some(Value::DateTime(value)) => value.to_string(),
        Some(Value::Timestamp(value)) => value.to_string(),
        Some(
            Value::Text(bytes)
            | Value::Bytes(bytes)
            | Value::Geometry(bytes)
            | Value::Vector(bytes),
        ) => bytes.escape_ascii().to_string(),
        other => format!("{other:?}"),
    }
}

#[test]
fn threads_give_what_one_thread_gives() {
    let (mut transactions, mut refused) = (0, 0);
    for path in paths() {
        let full = folder().join(&path);
        let expected = read(&full, None);
        for piece_bytes in [1, 4_000] {
            let threads = NonZeroUsize::new(3).unwrap();
            let found = read(&full, Some(ParallelOptions { threads, piece_bytes }));
            let name = format!("{path} in pieces of {piece_bytes}");
            assert_eq!(found.errors, expected.errors, "{name}");
            assert_eq!(found.transactions.len(), expected.transactions.len(), "{name}");
            for ((one, behind), (other, expected)) in
                found.transactions.iter().zip(&expected.transactions)
            {
                assert!(are_equal(one, other), "{name}: {} differs", other.start);
                assert_eq!(behind, expected, "{name}: behind {}", other.start);
            }
            // Before an error, threads tell at more places how far reading has come.
            if expected.errors.is_empty() {
                assert_eq!(found.reached, expected.reached, "{name}");
            }
            assert_eq!(found.unfinished, expected.unfinished, "{name}");
        }
        transactions += expected.transactions.len();
        refused += usize::from(!expected.errors.is_empty());
    }
    println!("{transactions} transactions are the same; {refused} files are refused the same way");
    assert!(transactions > 1_000, "only {transactions} transactions");
}
