//! A live server's transactions one by one, and going on where one has stopped.
//!
//! `follow SOURCE_URL [START] [COUNT] [STATE_FILE]` prints COUNT transactions (all that come, without
//! it) from a start on: `now`, `earliest`, `FILE:OFFSET`, a GTID set, or a time such as
//! `2026-11-21T07:00:00Z`. With a STATE_FILE it stores the position behind each transaction there, and
//! where the file exists it goes on at that position instead of START.
#![allow(clippy::print_stdout, reason = "a program tells its user what it found")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::{fs, io};

use otter_binlog::reader::LiveReader;
use otter_binlog::selector::SelectorOptions;
use otter_core::{Event, Position, Transaction};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let Some(source) = arguments.next() else {
        return Err("usage: follow SOURCE_URL [START] [COUNT] [STATE_FILE]".into());
    };
    let start = arguments.next().unwrap_or_else(|| "now".to_owned()).parse()?;
    let count = arguments.next().map_or(Ok(usize::MAX), |count| count.parse())?;
    let state = arguments.next();
    let state = state.as_deref().map(Path::new);

    let options = SelectorOptions::for_reader(source.parse()?, Arc::new(|_| true));
    let mut reader = match state.filter(|path| path.exists()) {
        Some(path) => LiveReader::open_at(options, &load(path)?).await?,
        None => LiveReader::open(options, &start).await?,
    };
    for _ in 0..count {
        let transaction = reader.next_transaction().await?;
        print(&transaction);
        if let Some(path) = state {
            store(path, reader.position())?;
        }
    }
    Ok(())
}

fn print(transaction: &Transaction) {
    println!("{} at {}", transaction.committed_at, transaction.start);
    for event in &transaction.events {
        match event {
            Event::Rows(rows) => println!("  {} rows of {}", rows.row_count(), rows.table().name),
            Event::Ddl(ddl) => println!("  {}", ddl.statement),
            Event::Copy(_) | _ => {}
        }
    }
}

/// A position as three lines: the server, where reading begins again, and what was read already.
fn store(path: &Path, position: &Position) -> io::Result<()> {
    let source = position.source.as_deref().unwrap_or_default();
    let text = format!("{source}\n{}\n{}\n", position.resume_from, position.applied_through);
    // A file that is replaced as a whole is never half written.
    let new = path.with_extension("new");
    fs::write(&new, text)?;
    fs::rename(&new, path)
}

fn load(path: &Path) -> Result<Position, Box<dyn Error>> {
    let text = fs::read_to_string(path)?;
    let [source, resume_from, applied_through] = text.lines().collect::<Vec<_>>()[..] else {
        return Err(format!("{}: three lines were expected", path.display()).into());
    };
    Ok(Position {
        source: (!source.is_empty()).then(|| source.into()),
        resume_from: resume_from.parse()?,
        applied_through: applied_through.parse()?,
    })
}
