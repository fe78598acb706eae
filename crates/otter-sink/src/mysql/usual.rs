//! How long groups take to execute.

use std::time::Duration;

use otter_core::{Part, Transaction};

/// What a group may be believed to take before any has ended.
const FIRST_GUESS: Duration = Duration::from_millis(50);

/// How long groups took of late: pieces of an initial copy are large and alike, and groups of the
/// stream are what the source makes of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usual {
    streamed: Duration,
    copied: Duration,
}

impl Default for Usual {
    fn default() -> Self {
        Self { streamed: FIRST_GUESS, copied: FIRST_GUESS }
    }
}

impl Usual {
    /// How long a group of this kind takes.
    pub(super) fn of(mut self, group: &[Transaction]) -> Duration {
        *self.slot(group)
    }

    /// Takes in how long a group took.
    pub(super) fn learn(&mut self, group: &[Transaction], took: Duration) {
        let usual = self.slot(group);
        *usual = (*usual * 7 + took) / 8;
    }

    fn slot(&mut self, group: &[Transaction]) -> &mut Duration {
        match group.first().map(|first| first.part) {
            Some(Part::Copied) => &mut self.copied,
            _ => &mut self.streamed,
        }
    }
}
