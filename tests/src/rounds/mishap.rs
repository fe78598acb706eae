//! What can happen to an installation.

use std::fmt;
use std::str::FromStr;

use super::arbiter_servers::ArbiterIn;

/// What happens in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// A process is killed (SIGKILL), and started again.
    Killed,
    /// A process is frozen for longer than its lease, and woken.
    Frozen,
    /// The server that decides is killed, and started again: the leader of the ensemble, or the
    /// arbiter's database.
    LeaderKilled,
    /// All of the arbiter's servers are gone for longer than a lease.
    ArbiterAway,
    /// All that the arbiter keeps is deleted under running processes.
    SubtreeDeleted,
    /// The session of a process is ended at the server.
    SessionEnded,
    /// A process is cut off from the arbiter and not from the databases.
    CutFromArbiter,
    /// A process is cut off from the databases and not from the arbiter.
    CutFromDatabases,
    /// A process is cut off from all of them.
    CutFromAll,
}

impl Mishap {
    /// All kinds.
    pub const ALL: [Self; 9] = [
        Self::Killed,
        Self::Frozen,
        Self::LeaderKilled,
        Self::ArbiterAway,
        Self::SubtreeDeleted,
        Self::SessionEnded,
        Self::CutFromArbiter,
        Self::CutFromDatabases,
        Self::CutFromAll,
    ];

    /// Its name on the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Killed => "kill",
            Self::Frozen => "freeze",
            Self::LeaderKilled => "leader",
            Self::ArbiterAway => "outage",
            Self::SubtreeDeleted => "subtree",
            Self::SessionEnded => "expiry",
            Self::CutFromArbiter => "cut-arbiter",
            Self::CutFromDatabases => "cut-databases",
            Self::CutFromAll => "cut-all",
        }
    }

    /// Whether it can happen with this arbiter.
    #[must_use]
    pub fn befalls(self, arbiter: ArbiterIn) -> bool {
        match arbiter {
            ArbiterIn::ZooKeeper => true,
            // A schema that was dropped needs the operator's word, by design.
            ArbiterIn::Database => self != Self::SubtreeDeleted,
        }
    }
}

impl fmt::Display for Mishap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Mishap {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|mishap| mishap.word() == text);
        known.ok_or_else(|| {
            let words = Self::ALL.map(Self::word).join(", ");
            format!("{text} is none of {words}")
        })
    }
}
