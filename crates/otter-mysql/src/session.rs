//! What a session may do beyond one statement at a time.

use mysql_common::constants::CapabilityFlags;

/// What a session is for; the default is one that asks questions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Session {
    /// One statement at a time, with a small answer.
    #[default]
    Asking,
    /// Texts of several statements, and data for `LOAD DATA LOCAL` where the server takes it. An
    /// UPDATE counts the rows that it matched, whether or not it changed them.
    Writing,
}

impl Session {
    /// What is asked for beyond what every session needs. A file of this machine is never read,
    /// whatever a server asks for.
    pub(crate) fn capabilities(self) -> CapabilityFlags {
        match self {
            Self::Asking => CapabilityFlags::empty(),
            Self::Writing => {
                CapabilityFlags::CLIENT_MULTI_STATEMENTS
                    | CapabilityFlags::CLIENT_MULTI_RESULTS
                    | CapabilityFlags::CLIENT_FOUND_ROWS
                    | CapabilityFlags::CLIENT_LOCAL_FILES
            }
        }
    }
}
