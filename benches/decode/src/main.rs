//! Decodes binlog files from memory, one thread, with every reader in turn, round after round, and
//! prints the best time of each.
//!
//!     otter-bench-decode ROUNDS LABEL=FILE...
//!
//! Every reader makes typed values of every cell. Otter verifies the checksums; `mysql_common` as
//! well; the connector does not.

use std::hint::black_box;
use std::io::Cursor;
use std::time::{Duration, Instant};

use mysql_binlog_connector_rust::binlog_parser::BinlogParser;
use mysql_binlog_connector_rust::event::event_data::EventData as ConnectorEvent;
use mysql_common::binlog::BinlogFile as CommonFile;
use mysql_common::binlog::consts::BinlogVersion;
use mysql_common::binlog::events::EventData as CommonEvent;
use otter_binlog::file::BinlogFile;

/// Reads all rows of a file and tells how many there were.
type Reader = fn(&[u8]) -> u64;

const READERS: [(&str, Reader); 3] =
    [("otter", otter), ("mysql_common", common), ("connector", connector)];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let rounds: u32 = arguments.next().and_then(|text| text.parse().ok()).expect("ROUNDS");
    for argument in arguments {
        let (label, file) = argument.split_once('=').expect("LABEL=FILE");
        let bytes = std::fs::read(file).expect("the file can be read");
        measure(label, &bytes, rounds);
    }
}

fn measure(label: &str, bytes: &[u8], rounds: u32) {
    let mut best = [Duration::MAX; READERS.len()];
    let mut rows = [0; READERS.len()];
    for _ in 0..rounds {
        for (index, (_, read)) in READERS.iter().enumerate() {
            let begin = Instant::now();
            rows[index] = read(bytes);
            best[index] = best[index].min(begin.elapsed());
        }
    }
    assert!(rows.iter().all(|count| *count == rows[0]), "{label}: rows differ: {rows:?}");
    let allocations = allocation_counter::measure(|| {
        otter(bytes);
    });
    for ((name, _), time) in READERS.iter().zip(best) {
        let seconds = time.as_secs_f64();
        // Machine readable: label, reader, rows, rows per second, megabytes per second.
        println!(
            "{label}\t{name}\t{}\t{:.0}\t{:.0}",
            rows[0],
            rows[0] as f64 / seconds,
            bytes.len() as f64 / 1e6 / seconds
        );
    }
    println!("{label}\tallocations\t{}\t{}", rows[0], allocations.count_total);
}

fn otter(bytes: &[u8]) -> u64 {
    let mut file = BinlogFile::new("bench", bytes, 1 << 30).expect("it is a binlog");
    let mut rows = 0;
    while let Some(event) = file.next_event().expect("it is whole") {
        if let Some(event) = black_box(event.rows) {
            rows += event.row_count() as u64;
        }
    }
    rows
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
            black_box(row.expect("it is readable"));
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
        rows += match black_box(event) {
            ConnectorEvent::WriteRows(event) => event.rows.len() as u64,
            ConnectorEvent::UpdateRows(event) => event.rows.len() as u64,
            ConnectorEvent::DeleteRows(event) => event.rows.len() as u64,
            _ => 0,
        };
    }
    rows
}
