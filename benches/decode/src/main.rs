//! Decodes binlog files with every reader in turn, round after round, and prints the best time of
//! each.
//!
//!     otter-bench-decode ROUNDS LABEL=FILE...
//!
//! Every reader makes typed values of every cell, and each value is looked at. Otter is used as a program uses it that embeds
//! it: it opens the file, puts transactions together and is asked for each value; the other two
//! decode events that are in memory already. Otter and `mysql_common` verify the checksums, the
//! connector does not.

mod otter;

use std::hint::black_box;
use std::io::Cursor;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mysql_binlog_connector_rust::binlog_parser::BinlogParser;
use mysql_binlog_connector_rust::event::event_data::EventData as ConnectorEvent;
use mysql_common::binlog::BinlogFile as CommonFile;
use mysql_common::binlog::consts::BinlogVersion;
use mysql_common::binlog::events::EventData as CommonEvent;

/// A binlog file and its bytes, so that it is in memory either way.
struct Log {
    path: PathBuf,
    bytes: Vec<u8>,
}

/// Reads all rows of a file and tells how many there were.
type Reader = fn(&Log) -> u64;

const READERS: [(&str, Reader); 4] = [
    ("otter", |log| otter::rows(&log.path, 1)),
    ("otter-2", |log| otter::rows(&log.path, 2)),
    ("mysql_common", |log| common(&log.bytes)),
    ("connector", |log| connector(&log.bytes)),
];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let rounds: u32 = arguments.next().and_then(|text| text.parse().ok()).expect("ROUNDS");
    for argument in arguments {
        let (label, path) = argument.split_once('=').expect("LABEL=FILE");
        let bytes = std::fs::read(path).expect("the file can be read");
        measure(label, &Log { path: path.into(), bytes }, rounds);
    }
}

fn measure(label: &str, log: &Log, rounds: u32) {
    let mut best = [Duration::MAX; READERS.len()];
    let mut rows = [0; READERS.len()];
    for _ in 0..rounds {
        for (index, (_, read)) in READERS.iter().enumerate() {
            let begin = Instant::now();
            rows[index] = read(log);
            best[index] = best[index].min(begin.elapsed());
        }
    }
    assert!(rows.iter().all(|count| *count == rows[0]), "{label}: rows differ: {rows:?}");
    for ((name, _), time) in READERS.iter().zip(best) {
        let seconds = time.as_secs_f64();
        // Machine readable: label, reader, rows, rows per second, megabytes per second.
        println!(
            "{label}\t{name}\t{}\t{:.0}\t{:.0}",
            rows[0],
            rows[0] as f64 / seconds,
            log.bytes.len() as f64 / 1e6 / seconds
        );
    }
}

fn common(bytes: &[u8]) -> u64 {
    let mut file = CommonFile::new(BinlogVersion::Version4, bytes).expect("it is a binlog");
    let mut rows = 0;
    while let Some(event) = file.next() {
        let event = event.expect("it is whole");
        let Some(CommonEvent::RowsEvent(event)) = event.read_data().expect("it is readable") else {
            continue;
        };
        let map = file.reader().get_tme(event.table_id()).expect("its table map came");
        for row in event.rows(map) {
            let (before, after) = row.expect("it is readable");
            for row in [before, after].into_iter().flatten() {
                for value in 0..row.len() {
                    black_box(row.as_ref(value));
                }
            }
            rows += 1;
        }
    }
    rows
}

fn connector(bytes: &[u8]) -> u64 {
    let mut parser =
        BinlogParser { checksum_length: 0, table_map_event_by_table_id: Default::default() };
    let mut stream = Cursor::new(bytes);
    parser.check_magic(&mut stream).expect("it is a binlog");
    let mut rows = 0;
    while stream.position() < bytes.len() as u64 {
        let (_, event) = parser.next(&mut stream).expect("it is readable");
        let (images, count) = match event {
            ConnectorEvent::WriteRows(event) => {
                let count = event.rows.len();
                (event.rows, count)
            }
            ConnectorEvent::UpdateRows(event) => {
                let count = event.rows.len();
                (
                    event.rows.into_iter().flat_map(|(before, after)| [before, after]).collect(),
                    count,
                )
            }
            ConnectorEvent::DeleteRows(event) => {
                let count = event.rows.len();
                (event.rows, count)
            }
            _ => continue,
        };
        for value in images.iter().flat_map(|row| &row.column_values) {
            black_box(value);
        }
        rows += count as u64;
    }
    rows
}
