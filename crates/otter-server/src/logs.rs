//! Where log lines go and what they look like: text for people, JSON for machines, on stderr.

use std::io::{self, IsTerminal};

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// What log lines look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One line for people.
    Text,
    /// One JSON object in a line.
    Json,
}

/// Which log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// An operator must act.
    Error,
    /// It heals by itself.
    Warn,
    /// A state changed.
    Info,
    /// Every group that is loaded.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }

    /// Otter's own lines from this level on. Drivers may only warn: what they log about
    /// statements could show row values (SECRET-1).
    fn filter(self) -> EnvFilter {
        let own = ["otter_core", "otter_binlog", "otter_arbitrate", "otter_sink", "otter_server"];
        let level = self.word();
        let others = if self == Self::Error { "error" } else { "warn" };
        // It warns at each try to reach a server; our own lines tell what that means.
        let tries = if matches!(self, Self::Debug | Self::Trace) { "warn" } else { "error" };
        let mut directives = format!("{others},sqlx::query=off,zookeeper_client={tries}");
        for name in own {
            directives.push_str(&format!(",{name}={level}"));
        }
        EnvFilter::new(directives)
    }
}

/// Sends log lines to stderr from now on. A second call changes nothing.
pub fn start(format: LogFormat, level: LogLevel) {
    start_with(format, level, io::stderr, io::stderr().is_terminal() && !no_color());
}

/// Sends log lines elsewhere: the demo keeps its screen clean of them.
pub(crate) fn start_with<W>(format: LogFormat, level: LogLevel, writer: W, ansi: bool)
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let builder = tracing_subscriber::fmt()
        .with_env_filter(level.filter())
        .with_writer(writer)
        .with_ansi(ansi)
        .with_target(false);
    // An error means that an embedding program logs already.
    let _ = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
}

/// Whether the user asked for output without colours (<https://no-color.org>).
pub(crate) fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}
