//! Signals to processes that a test has started itself.

pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};

/// Sends a signal to a child.
///
/// # Panics
/// Where there is no such process.
pub fn send(process: u32, signal: Signal) {
    let id = i32::try_from(process).ok().and_then(Pid::from_raw);
    kill_process(id.expect("the id of a process"), signal).expect("the process takes a signal");
}
