//! Otter's part, as a program does it that embeds the reader.

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::path::Path;

use otter_binlog::reader::{BinlogFiles, BinlogReader, ParallelOptions, ReadOptions};
use otter_core::{Event, RowsEvent, Start};

/// Opens the file, looks at each value of each row, and tells how many rows there were.
pub fn rows(path: &Path, threads: usize) -> u64 {
    let files = BinlogFiles::find(path).expect("it is a binlog");
    let options = ReadOptions::new(|_| true);
    let reader = BinlogReader::open(files, &Start::Earliest, options).expect("it is readable");
    let threads = NonZeroUsize::new(threads).expect("at least one");
    let mut reader = reader.in_parallel(ParallelOptions::new(threads));
    let mut rows = 0;
    while let Some(batch) = reader.next_batch().expect("it is whole") {
        for transaction in &batch.transactions {
            for event in &transaction.events {
                if let Event::Rows(event) = event {
                    look_at(event);
                    rows += event.row_count() as u64;
                }
            }
        }
    }
    rows
}

fn look_at(event: &RowsEvent) {
    for change in event.changes() {
        for row in [change.before(), change.after()].into_iter().flatten() {
            for value in row.values() {
                black_box(value);
            }
        }
    }
}
