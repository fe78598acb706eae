//! Signals that ask for an end: the first asks to drain, the second quits at once. And the one that
//! asks to read the configuration again.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens for SIGTERM and SIGINT.
#[derive(Debug)]
pub(crate) struct EndSignals {
    terminate: Signal,
    interrupt: Signal,
}

/// A signal that asked for an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndSignal {
    Terminate,
    Interrupt,
}

impl EndSignals {
    /// Takes the signals over from their default, which is to kill the process.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next signal. Cancel safe.
    pub(crate) async fn next(&mut self) -> EndSignal {
        tokio::select! {
            biased;
            Some(()) = self.terminate.recv() => EndSignal::Terminate,
            Some(()) = self.interrupt.recv() => EndSignal::Interrupt,
            // Both streams end only with the runtime.
            else => std::future::pending().await,
        }
    }
}

impl EndSignal {
    /// The signal's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
        }
    }

    /// The exit code of a process that this signal ended, as shells count: 128 and its number.
    pub(crate) fn exit_code(self) -> i32 {
        match self {
            Self::Terminate => 143,
            Self::Interrupt => 130,
        }
    }
}

/// Listens for SIGHUP.
#[derive(Debug)]
pub(crate) struct Hangups(Signal);

impl Hangups {
    /// Takes the signal over from its default, which is to kill the process.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self(signal(SignalKind::hangup())?))
    }

    /// Waits for the next signal. Cancel safe.
    pub(crate) async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            // The stream ends only with the runtime.
            std::future::pending::<()>().await;
        }
    }
}
