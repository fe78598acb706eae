//! How far `verify` is, on stderr: one line that is written again and again where a person looks, else
//! a line each second.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use otter_sink::verify::Progress;

const A_LINE: Duration = Duration::from_secs(1);
const A_PICTURE: Duration = Duration::from_millis(100);

/// What is told while tables are compared.
#[derive(Debug)]
pub(super) struct Pulse {
    is_terminal: bool,
    last: Instant,
    is_written: bool,
}

impl Pulse {
    pub(super) fn new() -> Self {
        let is_terminal = io::stderr().is_terminal();
        Self { is_terminal, last: Instant::now(), is_written: false }
    }

    pub(super) fn beat(&mut self, progress: &Progress) {
        let pause = if self.is_terminal { A_PICTURE } else { A_LINE };
        if self.last.elapsed() < pause {
            return;
        }
        self.last = Instant::now();
        self.is_written = true;
        let Progress { target, rows, chunks, differences, .. } = progress;
        let text = format!("{target}: {rows} rows, {chunks} chunks, {differences} differences");
        let mut err = io::stderr().lock();
        let _ = match self.is_terminal {
            // To the line's beginning, and what stood there is gone.
            true => write!(err, "\r\x1b[K{text}").and_then(|()| err.flush()),
            false => writeln!(err, "{text}"),
        };
    }

    /// Clears the line.
    pub(super) fn end(&mut self) {
        if self.is_terminal && self.is_written {
            let mut err = io::stderr().lock();
            let _ = write!(err, "\r\x1b[K").and_then(|()| err.flush());
        }
    }
}
