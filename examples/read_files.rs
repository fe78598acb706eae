//! Counts the changes in binlog files, table by table: no server is needed.
//!
//! `read_files [PATH] [START]` reads a binlog file, a folder of them or an index, by default two
//! files that were recorded for this example. START is `earliest`, `FILE:OFFSET`, a GTID set, or a
//! time such as `2026-11-21T07:00:00Z`.
#![allow(clippy::print_stdout, reason = "a program tells its user what it found")]

use std::collections::BTreeMap;

use otter_binlog::reader::{BinlogFiles, BinlogReader, ReadOptions, has_names};
use otter_core::{Change, Event};

/// Recorded from MariaDB with `binlog_row_metadata = FULL`.
const RECORDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/binlogs");

/// What happened to a table.
#[derive(Debug, Default)]
struct Count {
    inserts: u64,
    updates: u64,
    deletes: u64,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_else(|| RECORDED.to_owned());
    let start = arguments.next().unwrap_or_else(|| "earliest".to_owned()).parse()?;

    // The filter is asked once per table: rows of unwanted tables are not even decoded.
    let options = ReadOptions::new(|table| &*table.database != "mysql");
    let mut tables: BTreeMap<String, Count> = BTreeMap::new();
    let mut transactions = 0;
    for transaction in BinlogReader::open(BinlogFiles::find(&path)?, &start, options)? {
        let transaction = transaction?;
        // A large transaction comes in fragments, of which only the last has an end.
        transactions += u64::from(transaction.end.is_some());
        for event in &transaction.events {
            let Event::Rows(rows) = event else { continue };
            let table = rows.table();
            let unnamed = if has_names(table) { "" } else { " (columns without names)" };
            let count = tables.entry(format!("{}{unnamed}", table.name)).or_default();
            for change in rows.changes() {
                match change {
                    Change::Insert { .. } => count.inserts += 1,
                    Change::Update { .. } => count.updates += 1,
                    Change::Delete { .. } => count.deletes += 1,
                }
            }
        }
    }
    println!("{transactions} transactions");
    for (table, Count { inserts, updates, deletes }) in tables {
        println!("{table}: {inserts} inserted, {updates} updated, {deletes} deleted");
    }
    Ok(())
}
