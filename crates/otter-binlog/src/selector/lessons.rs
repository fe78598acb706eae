//! What a reading that failed has taught for the next one, within one process.

use otter_core::FilePlace;

use super::error::SelectError;

/// Transactions that must be read in another way than before.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lessons {
    /// Where a transaction begins that the source never finished. It was handed out in part, so
    /// reading it again would stop at the same place for ever.
    pub(crate) abandoned: Option<FilePlace>,
    /// Where an XA transaction begins that is larger than may wait, and needs not, since it is
    /// committed in one phase.
    pub(crate) one_phase: Option<FilePlace>,
}

impl Lessons {
    #[allow(clippy::wildcard_enum_match_arm, reason = "all other errors teach nothing")]
    pub(crate) fn learn(&mut self, error: &SelectError) {
        match error {
            SelectError::Abandoned { place } => self.abandoned = Some(place.clone()),
            SelectError::XaOnePhase { place } => self.one_phase = Some(place.clone()),
            _ => {}
        }
    }
}
