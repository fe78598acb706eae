//! What is written for the person at the terminal: results on stdout, complaints on stderr.
//!
//! A reader that has gone away (`otter-server check | head`) is no failure.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use otter_core::Verdict;

use crate::logs::no_color;

/// Writes a result to stdout as it is.
pub(crate) fn write(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Tells on stderr why the command cannot do what it was asked.
pub(crate) fn complain(problem: impl Display) {
    let mut err = io::stderr().lock();
    let _ = writeln!(err, "{} {problem}", paint(Colour::Red, "error:", err.is_terminal()));
}

/// Tells on stderr what a person should know about a result.
pub(crate) fn note(what: impl Display) {
    let mut err = io::stderr().lock();
    let _ = writeln!(err, "{} {what}", paint(Colour::Yellow, "note:", err.is_terminal()));
}

/// A colour that terminals have had for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colour {
    Red,
    Green,
    Yellow,
    Cyan,
    Dim,
    Bold,
}

impl Colour {
    /// The colour of a verdict.
    pub(crate) fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Pass => Self::Green,
            Verdict::Warn => Self::Yellow,
            Verdict::Fail => Self::Red,
        }
    }
}

/// The text in this colour, where the reader is a terminal.
pub(crate) fn paint(colour: Colour, text: &str, is_terminal: bool) -> String {
    if !is_terminal || no_color() {
        return text.to_owned();
    }
    let code = match colour {
        Colour::Red => "31",
        Colour::Green => "32",
        Colour::Yellow => "33",
        Colour::Cyan => "36",
        Colour::Dim => "2",
        Colour::Bold => "1",
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

/// Whether stdout is a terminal.
pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}
