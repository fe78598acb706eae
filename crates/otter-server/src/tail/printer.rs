//! Stdout, and how many changes may still be printed.

use std::io::{self, Write};

use otter_binlog::reader::has_names;
use otter_core::{Event, Transaction};

use super::line::Lines;
use super::pretty;
use crate::logs::no_color;
use crate::terminal::{is_terminal, note};

/// Prints transactions, and counts their changes.
pub(super) struct Printer {
    out: io::BufWriter<io::Stdout>,
    left: Option<u64>,
    pretty: bool,
    in_colour: bool,
    lines: Lines,
    /// It was told why columns have no names.
    has_noted: bool,
}

impl Printer {
    /// Prints so many changes at most, for people or for programs.
    pub(super) fn new(count: Option<u64>, pretty: bool) -> Self {
        Self {
            out: io::BufWriter::with_capacity(64 * 1024, io::stdout()),
            left: count,
            pretty,
            in_colour: is_terminal() && !no_color(),
            lines: Lines::default(),
            has_noted: false,
        }
    }

    /// Whether there were enough.
    pub(super) fn is_done(&self) -> bool {
        self.left == Some(0)
    }

    /// Prints a transaction; true where that was the last thing to print.
    pub(super) fn print(&mut self, transaction: &Transaction) -> bool {
        self.note_unnamed(transaction);
        let (pretty, in_colour) = (self.pretty, self.in_colour);
        let enough = if pretty {
            pretty::texts(transaction, in_colour, |text| self.write(text))
        } else {
            let mut lines = std::mem::take(&mut self.lines);
            let enough = lines.write(transaction, |line| self.write(line));
            self.lines = lines;
            enough
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

    /// Shows what was printed; true where the reader has gone away.
    pub(super) fn flush(&mut self) -> bool {
        self.out.flush().is_err()
    }

    /// Tells once why columns are `@1`, `@2`.
    fn note_unnamed(&mut self, transaction: &Transaction) {
        if self.has_noted {
            return;
        }
        let unnamed = transaction.events.iter().find_map(|event| {
            let Event::Rows(rows) = event else { return None };
            (!has_names(rows.table())).then(|| rows.table())
        });
        if let Some(table) = unnamed {
            self.has_noted = true;
            note(format_args!(
                "the columns of {} are shown as @1, @2 and so on, because the binlog does not tell \
                 their names; where it tells no signs and character sets either, numbers are shown \
                 as signed, and text and bytes alike as a string if they are UTF-8. Run SET GLOBAL \
                 binlog_row_metadata = FULL on the server: binlogs written from then on tell all of \
                 it",
                table.name
            ));
        }
    }
}

impl Drop for Printer {
    /// What is held back is shown, however printing ends.
    fn drop(&mut self) {
        if let Some(line) = self.lines.release() {
            self.write(&line);
            self.flush();
        }
    }
}
