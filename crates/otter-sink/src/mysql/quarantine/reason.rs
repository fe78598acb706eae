//! Which findings are about a row alone, and their names for programs.

use crate::mysql::refusal::Reason;
use crate::mysql::store::Verdict;

impl Reason {
    /// Whether it is about the row itself, so that the rows behind it need not wait.
    pub(super) fn is_about_the_row(&self) -> bool {
        match self {
            Self::Missing
            | Self::Several { .. }
            | Self::Duplicate { .. }
            | Self::ForeignKey { .. }
            | Self::Check { .. }
            | Self::NotNull { .. }
            | Self::DoesNotFit { .. }
            | Self::TooLarge { .. }
            | Self::NotIdentified
            | Self::NotWhole { .. } => true,
            // A statement that the server does not understand is a fault of ours.
            Self::Other { number } => *number != 1064,
            Self::UnknownEvent => false,
        }
    }

    /// The reason in one word, for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Several { .. } => "several",
            Self::Duplicate { .. } => "duplicate",
            Self::ForeignKey { .. } => "foreign-key",
            Self::Check { .. } => "check",
            Self::NotNull { .. } => "not-null",
            Self::DoesNotFit { .. } => "does-not-fit",
            Self::TooLarge { .. } => "too-large",
            Self::NotIdentified => "not-identified",
            Self::NotWhole { .. } => "not-whole",
            Self::UnknownEvent => "unknown-event",
            Self::Other { .. } => "other",
        }
    }
}

impl From<&Reason> for Verdict {
    fn from(reason: &Reason) -> Self {
        Self {
            code: reason.code().to_owned(),
            reason: reason.to_string(),
            remedy: reason.remedy().to_owned(),
        }
    }
}
