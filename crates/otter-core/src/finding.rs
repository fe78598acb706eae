//! What a precondition check found.
//!
//! Checks never change anything; they say what is right, what is doubtful and what is wrong,
//! with the remedy.

use std::fmt;

/// How a precondition stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// As it must be.
    Pass,
    /// Works, with a drawback that the operator should know.
    Warn,
    /// The pipeline would not start or would stop.
    Fail,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
        })
    }
}

/// One precondition, how it stands, and what mends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How the precondition stands.
    pub verdict: Verdict,
    /// The precondition in a few words: `row image is FULL`.
    pub what: String,
    /// What was seen; empty where the verdict says it all.
    pub detail: String,
    /// The exact statement or act that mends it, where it is not right.
    pub remedy: Option<String>,
}

impl Finding {
    /// A precondition that holds.
    pub fn pass(what: impl Into<String>) -> Self {
        Self { verdict: Verdict::Pass, what: what.into(), detail: String::new(), remedy: None }
    }

    /// A precondition that holds with a drawback.
    pub fn warn(
        what: impl Into<String>,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            verdict: Verdict::Warn,
            what: what.into(),
            detail: detail.into(),
            remedy: Some(remedy.into()),
        }
    }

    /// A precondition that does not hold.
    pub fn fail(
        what: impl Into<String>,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            verdict: Verdict::Fail,
            what: what.into(),
            detail: detail.into(),
            remedy: Some(remedy.into()),
        }
    }
}
