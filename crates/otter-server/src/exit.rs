//! How a command ends: the exit codes that scripts and service managers act on.
//!
//! A contract: documented in docs/operations.md and in `--help`; codes are added, never changed.

use std::process::ExitCode;

use otter_core::Fault;

/// How a command ended.
///
/// The order is that of importance: where several pipelines end differently, the last one of
/// these is the exit code of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// All is well.
    Done,
    /// `verify` found no difference, and could not compare everything; or what was to be waited for
    /// waits itself, since no process runs the pipeline.
    Unproven,
    /// A check failed, or differences were found.
    Failed,
    /// The command line or the configuration is wrong, or names what is not there.
    Usage,
    /// A side is held by another process, and `--no-wait` was given.
    Held,
    /// Another process has taken over.
    Fenced,
    /// A pipeline halted: an operator must act.
    Halted,
}

/// What `--help` says about exit codes.
pub(crate) const HELP: &str = "\
Exit codes:
  0  all is well
  1  a check failed, or differences were found
  2  the command line or the configuration is wrong, or names what is not there
  3  a pipeline halted, and an operator must act
  4  another process has taken over
  5  another process holds a pipeline, and --no-wait was given
  6  verify found no difference, and could not compare everything; or nobody runs the
     pipeline that is waited for
  130, 143  a second SIGINT or SIGTERM ended it at once";

impl Exit {
    /// The number.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Halted => 3,
            Self::Fenced => 4,
            Self::Held => 5,
            Self::Unproven => 6,
        }
    }

    /// How a pipeline ends that this fault has ended.
    #[must_use]
    pub fn of_fault(fault: Fault) -> Self {
        match fault {
            Fault::Fenced => Self::Fenced,
            // A transient fault ends a pipeline only while it starts.
            Fault::Transient | Fault::Poison | Fault::Fatal => Self::Halted,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_tells_every_code_and_the_gravest_outcome_wins() {
        let all = [
            Exit::Done,
            Exit::Unproven,
            Exit::Failed,
            Exit::Usage,
            Exit::Held,
            Exit::Fenced,
            Exit::Halted,
        ];
        for exit in all {
            assert!(HELP.contains(&format!("\n  {}  ", exit.code())), "{exit:?}");
        }
        assert_eq!(all.into_iter().max(), Some(Exit::Halted));
    }
}
