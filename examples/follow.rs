//! A live server's transactions as a stream.
//!
//! `follow SOURCE_URL [START] [COUNT]` prints COUNT transactions (all that come, without it) from a
//! start on: `now`, `earliest`, `FILE:OFFSET`, a GTID set, or a time such as
//! `2026-11-21T07:00:00Z`.
#![allow(clippy::print_stdout, reason = "a program tells its user what it found")]

use std::sync::Arc;

use futures::StreamExt;
use otter_binlog::reader::LiveReader;
use otter_binlog::selector::SelectorOptions;
use otter_core::Event;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let Some(source) = arguments.next() else {
        return Err("usage: follow SOURCE_URL [START] [COUNT]".into());
    };
    let start = arguments.next().unwrap_or_else(|| "now".to_owned()).parse()?;
    let count = arguments.next().map_or(Ok(usize::MAX), |count| count.parse())?;

    let options = SelectorOptions::for_reader(source.parse()?, Arc::new(|_| true));
    let mut transactions = LiveReader::open(options, &start).await?.into_stream().take(count);
    while let Some(transaction) = transactions.next().await {
        let transaction = transaction?;
        println!("{} at {}", transaction.committed_at, transaction.start);
        for event in &transaction.events {
            match event {
                Event::Rows(rows) => {
                    println!("  {} rows of {}", rows.row_count(), rows.table().name);
                }
                Event::Ddl(ddl) => println!("  {}", ddl.statement),
                _ => {}
            }
        }
    }
    Ok(())
}
