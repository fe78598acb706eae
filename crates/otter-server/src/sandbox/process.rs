//! The process of one server: signals to it, and its certain end.
//!
//! A process is killed and reaped when its handle is dropped. It is only ever
//! reached through its own handle, never by a name or a stored number.

use std::io;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{self, Instant, MissedTickBehavior};

use super::keeper;

/// How often a process is asked whether it has ended.
const POLL: Duration = Duration::from_millis(10);

/// A running or ended child that does not outlive its handle.
#[derive(Debug)]
pub(super) struct ServerProcess {
    child: Child,
}

impl ServerProcess {
    pub(super) fn spawn(command: Command) -> io::Result<Self> {
        Ok(Self { child: keeper::spawn(command)? })
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Tells how the process ended, if it has.
    pub(super) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Sends a signal. The process has not been reaped, so its number is still its own.
    pub(super) fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }

    /// Kills the process and waits until it is gone.
    pub(super) fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    /// Waits until the process has ended by itself; `false` if it has not in time.
    pub(super) async fn wait_until(&mut self, deadline: Instant) -> io::Result<bool> {
        let mut poll = time::interval(POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if self.ended()?.is_some() {
                return Ok(true);
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
            poll.tick().await;
        }
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // Fails only where the process has already been reaped.
        let _ = self.kill();
    }
}
