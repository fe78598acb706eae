//! What can go wrong in a pipeline itself, beside its stages.

use crate::arbiter::Term;
use crate::fault::{Classify, Fault};

/// A failure of the pipeline itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// The lease ran out or another holder has taken over.
    #[error("the lease of term {term} is lost: another holder may have taken over")]
    LeaseLost {
        /// The lease's number.
        term: Term,
    },
    /// There is nothing to resume from, and no start was given.
    #[error(
        "the target has no checkpoint of this pipeline and no start is given: set `start` to \"now\", \"earliest\" or a position"
    )]
    NoStart,
    /// A stage broke the chain of batches.
    #[error("a batch begins at {found} where {expected} was due: a stage lost or repeated changes")]
    Gap {
        /// Where the batch should have begun.
        expected: String,
        /// Where it begins.
        found: String,
    },
    /// The reading half ended without a word.
    #[error("the reading half ended unexpectedly")]
    ReaderEnded(#[source] tokio::task::JoinError),
}

impl Classify for PipelineError {
    fn fault(&self) -> Fault {
        match self {
            Self::LeaseLost { .. } => Fault::Fenced,
            Self::NoStart | Self::Gap { .. } | Self::ReaderEnded(_) => Fault::Fatal,
        }
    }

    fn doing(&self) -> &'static str {
        "run the pipeline"
    }
}
