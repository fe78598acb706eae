//! A child process: signals to it, and its certain end.
//!
//! It is killed and reaped when its handle is dropped, and on Linux dies with this
//! process. It is only ever reached through its own handle, never by a name or a
//! stored number.

use std::io;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{self, Instant, MissedTickBehavior};

use super::keeper;

/// How often a process is asked whether it has ended.
const POLL: Duration = Duration::from_millis(10);

/// A child that does not outlive its handle, nor this process.
#[derive(Debug)]
pub struct ChildProcess {
    child: Child,
    /// Set once the process has been reaped: its number may be another's from then on.
    status: Option<ExitStatus>,
}

impl ChildProcess {
    /// Starts a program; `configure` adds its arguments, folder and streams.
    ///
    /// # Errors
    /// What the system says where the program cannot be started.
    pub fn spawn(program: &Path, configure: impl FnOnce(&mut Command)) -> io::Result<Self> {
        let mut command = keeper::dying_with_parent(program);
        configure(&mut command);
        Ok(Self { child: keeper::spawn(command)?, status: None })
    }

    /// Returns the number of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Tells how the process ended, if it has.
    ///
    /// # Errors
    /// What the system says.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        if self.status.is_none() {
            self.status = self.child.try_wait()?;
        }
        Ok(self.status)
    }

    /// Asks the process to end (SIGTERM).
    ///
    /// # Errors
    /// What the system says; a process that has ended is no error.
    pub fn terminate(&self) -> io::Result<()> {
        self.signal(Signal::TERM)
    }

    /// Freezes the process (SIGSTOP).
    ///
    /// # Errors
    /// What the system says; a process that has ended is no error.
    pub fn pause(&self) -> io::Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets a frozen process go on (SIGCONT).
    ///
    /// # Errors
    /// What the system says; a process that has ended is no error.
    pub fn resume(&self) -> io::Result<()> {
        self.signal(Signal::CONT)
    }

    /// Kills the process (SIGKILL) and waits until it is gone.
    ///
    /// # Errors
    /// What the system says; a process that has ended is no error.
    pub fn kill9(&mut self) -> io::Result<()> {
        if self.status.is_none() {
            self.child.kill()?;
            self.status = Some(self.child.wait()?);
        }
        Ok(())
    }

    /// Waits until the process has ended and tells how; `None` if it has not in time.
    ///
    /// # Errors
    /// What the system says.
    ///
    /// # Cancel safety
    /// A dropped call changes nothing.
    pub async fn wait_until(&mut self, deadline: Instant) -> io::Result<Option<ExitStatus>> {
        let mut poll = time::interval(POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let ended = self.ended()?;
            if ended.is_some() || Instant::now() >= deadline {
                return Ok(ended);
            }
            poll.tick().await;
        }
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        if self.status.is_some() {
            return Ok(());
        }
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        // Fails only where the system has lost the process.
        let _ = self.kill9();
    }
}
