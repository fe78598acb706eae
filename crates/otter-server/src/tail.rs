//! `otter-server tail`: prints what a server writes to its binlog, as it comes.
//!
//! Row values on stdout are what the command is for; messages on stderr hold none (SECRET-1).

mod line;
mod pretty;
mod value;
mod wkt;

use std::io::{self, Write};
use std::sync::Arc;

use otter_binlog::selector::{BinlogSelector, SelectorOptions};
use otter_core::mapping::TablePattern;
use otter_core::{Budget, DatabaseUrl, Result, Select, Start, TableName, Transaction};

use crate::exit::Exit;
use crate::logs::no_color;
use crate::signals::EndSignals;
use crate::terminal::{complain, is_terminal};

/// How many bytes of rows may wait to be printed.
const ROOM: usize = 64 << 20;

/// What to print, and from where.
#[derive(Debug)]
pub(crate) struct TailOptions {
    /// The server.
    pub(crate) url: DatabaseUrl,
    /// Where to begin.
    pub(crate) from: Start,
    /// Which tables; all without one.
    pub(crate) tables: Vec<TablePattern>,
    /// End after so many changes.
    pub(crate) count: Option<u64>,
    /// For people instead of programs.
    pub(crate) pretty: bool,
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
    tokio::select! {
        biased;
        _ = signals.next() => Exit::Done,
        followed = follow(options) => match followed {
            Ok(()) => Exit::Done,
            Err(error) => {
                complain(&error);
                Exit::of_fault(error.fault())
            }
        },
    }
}

async fn follow(options: TailOptions) -> Result<()> {
    let mut printer = Printer::new(&options);
    if printer.is_done() {
        return Ok(());
    }
    let mut selector = BinlogSelector::new(selected(options.url, options.tables));
    let position = selector.locate(&options.from).await?;
    selector.open(&position, &Budget::new(ROOM)).await?;
    loop {
        let batch = selector.next().await?;
        for transaction in &batch.transactions {
            if printer.print(transaction) {
                return Ok(());
            }
        }
        // Lines are shown as soon as nothing more is at hand.
        if printer.flush() {
            return Ok(());
        }
    }
}

/// These tables of this server; all of them where none are named.
fn selected(url: DatabaseUrl, tables: Vec<TablePattern>) -> SelectorOptions {
    let (all, tables) = (tables.is_empty(), Arc::new(tables));
    let databases = Arc::clone(&tables);
    let is_wanted = move |name: &TableName| all || tables.iter().any(|one| one.matches(name));
    let mut options = SelectorOptions::new(url, Arc::new(is_wanted));
    if !all {
        options.databases =
            Arc::new(move |name| databases.iter().any(|one| one.matches_database(name)));
    }
    options
}

/// Stdout, and how many changes may still be printed.
struct Printer {
    out: io::BufWriter<io::Stdout>,
    left: Option<u64>,
    pretty: bool,
    in_colour: bool,
}

impl Printer {
    fn new(options: &TailOptions) -> Self {
        Self {
            out: io::BufWriter::with_capacity(64 * 1024, io::stdout()),
            left: options.count,
            pretty: options.pretty,
            in_colour: is_terminal() && !no_color(),
        }
    }

    fn is_done(&self) -> bool {
        self.left == Some(0)
    }

    /// Prints a transaction; true where that was the last thing to print.
    fn print(&mut self, transaction: &Transaction) -> bool {
        let (pretty, in_colour) = (self.pretty, self.in_colour);
        let enough = if pretty {
            pretty::texts(transaction, in_colour, |text| self.write(text))
        } else {
            line::lines(transaction, |line| self.write(line))
        };
        enough && {
            self.flush();
            true
        }
    }

    /// A reader that has gone away has had enough.
    fn write(&mut self, text: &str) -> bool {
        if self.out.write_all(text.as_bytes()).is_err() {
            return true;
        }
        self.left = self.left.map(|left| left.saturating_sub(1));
        self.is_done()
    }

    fn flush(&mut self) -> bool {
        self.out.flush().is_err()
    }
}
