//! `otter-server tail`: prints what a server writes to its binlog, as it comes, or what is in
//! binlog files.
//!
//! Row values on stdout are what the command is for; messages on stderr hold none (SECRET-1).

mod end;
mod files;
mod line;
mod pretty;
mod printer;
mod shown;
mod value;
mod wkt;

use std::path::PathBuf;
use std::sync::Arc;

use otter_binlog::reader::ReadError;
use otter_binlog::selector::{BinlogSelector, DatabaseFilter, SelectorOptions, TableFilter};
use otter_core::mapping::TablePattern;
use otter_core::{Batch, Budget, DatabaseUrl, Error, Select, Start};

use crate::exit::Exit;
use crate::signals::EndSignals;
use crate::terminal::complain;
pub(crate) use end::parse_until;
use end::{End, Incomparable, Judgement};
pub(crate) use line::row_as_json;
use printer::Printer;

/// How many bytes of rows may wait to be printed.
const ROOM: usize = 64 << 20;

/// Where changes are read.
#[derive(Debug)]
pub(crate) enum TailSource {
    /// A live server.
    Server(DatabaseUrl),
    /// A binlog file, an index, or a folder of files.
    Files(PathBuf),
}

/// What to print, and from where.
#[derive(Debug)]
pub(crate) struct TailOptions {
    /// A server or files.
    pub(crate) source: TailSource,
    /// Which part of it.
    pub(crate) extent: Extent,
    /// End after so many changes.
    pub(crate) count: Option<u64>,
    /// For people instead of programs.
    pub(crate) pretty: bool,
}

/// Which changes are wanted.
#[derive(Debug)]
pub(crate) struct Extent {
    /// Where to begin; without it at the end of a server, and at the beginning of files.
    pub(crate) from: Option<Start>,
    /// Where to end; without it never, and at the end of files.
    pub(crate) until: Option<Start>,
    /// Which tables; all without one.
    pub(crate) tables: Vec<TablePattern>,
}

/// Why nothing more is printed.
#[derive(Debug)]
enum Failure {
    Live(Error),
    Files(ReadError),
    Until(Incomparable),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Live(error)
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        Self::Files(error)
    }
}

impl From<Incomparable> for Failure {
    fn from(error: Incomparable) -> Self {
        Self::Until(error)
    }
}

impl Failure {
    /// Tells it, and how the command ends.
    fn complain(self) -> Exit {
        match self {
            Self::Live(error) => {
                complain(&error);
                Exit::of_fault(error.fault())
            }
            Self::Files(error) => {
                let is_usage = error.is_of_path();
                let error = Error::from(error);
                complain(&error);
                if is_usage { Exit::Usage } else { Exit::of_fault(error.fault()) }
            }
            Self::Until(error) => {
                complain(error);
                Exit::Usage
            }
        }
    }
}

/// Prints changes until there were enough, until a signal, or until the reader has gone away.
pub(crate) async fn tail(options: TailOptions) -> Exit {
    let mut signals = match EndSignals::listen() {
        Ok(signals) => signals,
        Err(error) => {
            complain(format_args!("cannot listen for signals: {error}"));
            return Exit::Halted;
        }
    };
    let printer = Printer::new(options.count, options.pretty);
    if printer.is_done() {
        return Exit::Done;
    }
    let TailOptions { source, extent, .. } = options;
    let print = async {
        match source {
            TailSource::Server(url) => follow(url, extent, printer).await,
            TailSource::Files(path) => files::print(&path, extent, printer).await,
        }
    };
    tokio::select! {
        biased;
        _ = signals.next() => Exit::Done,
        printed = Box::pin(print) => printed.map_or_else(Failure::complain, |()| Exit::Done),
    }
}

/// Prints what a server writes, as it comes.
async fn follow(url: DatabaseUrl, extent: Extent, mut printer: Printer) -> Result<(), Failure> {
    let Extent { from, until, tables } = extent;
    let wanted = Wanted::of(tables);
    let mut options = SelectorOptions::for_reader(url, wanted.tables);
    options.databases = wanted.databases.unwrap_or(options.databases);
    let mut selector = BinlogSelector::new(options.clone());
    let mut reached = selector.locate(&from.unwrap_or(Start::Now)).await?;
    let mut end = End::of(until.as_ref());
    if until == Some(Start::Now) {
        end.settle(selector.locate(&Start::Now).await?.applied_through);
    }
    end.check(&reached)?;
    selector.open(&reached, &Budget::new(ROOM)).await?;
    while !end.is_reached(&reached) {
        let batch = tokio::select! {
            biased;
            () = end.time_comes() => {
                // What is committed by now lies before the end, or its time tells it apart.
                let now = BinlogSelector::new(options.clone()).locate(&Start::Now).await?;
                end.settle(now.applied_through);
                continue;
            }
            batch = selector.next() => batch?,
        };
        if print(&batch, &end, &mut printer) {
            break;
        }
        reached = batch.through.unwrap_or(reached);
    }
    Ok(())
}

/// Prints a batch as far as it lies before the end; true where nothing more is to be printed.
fn print(batch: &Batch, end: &End, printer: &mut Printer) -> bool {
    for transaction in &batch.transactions {
        match end.judge(transaction) {
            Judgement::Print if printer.print(transaction) => return true,
            Judgement::Print | Judgement::Skip => {}
            Judgement::Stop => return true,
        }
    }
    // Lines are shown as soon as nothing more is at hand.
    printer.flush()
}

/// These tables; all of them where none are named.
struct Wanted {
    tables: TableFilter,
    databases: Option<DatabaseFilter>,
}

impl Wanted {
    fn of(patterns: Vec<TablePattern>) -> Self {
        if patterns.is_empty() {
            return Self { tables: Arc::new(|_| true), databases: None };
        }
        let patterns = Arc::new(patterns);
        let databases = Arc::clone(&patterns);
        Self {
            tables: Arc::new(move |name| patterns.iter().any(|one| one.matches(name))),
            databases: Some(Arc::new(move |name| {
                databases.iter().any(|one| one.matches_database(name))
            })),
        }
    }
}
