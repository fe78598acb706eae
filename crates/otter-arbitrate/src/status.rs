//! Who holds what, as an arbiter's records tell it, for people.
//!
//! Times are those of the arbiter's own clock, and decide nothing (CLOCK-1).

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

#[cfg(any(feature = "sql", feature = "zookeeper"))]
use otter_core::Finding;
use otter_core::{ArbiterId, Holder, PipelineId};

use crate::report::Report;

/// What an arbiter's records tell about some sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArbiterStatus {
    /// The arbiter's identity; `None` where nobody has opened it yet.
    pub id: Option<ArbiterId>,
    /// Who holds each side, in the order in which they were asked for; `None` where nobody does.
    pub sides: Vec<Option<HeldSide>>,
    /// What the holder of each side tells about it, in the same order; `None` where it has told
    /// nothing yet.
    pub reports: Vec<Option<Report>>,
    /// The processes that share pipelines, the oldest first; none where the arbiter does not know.
    pub nodes: Vec<PresentNode>,
    /// The pipelines that shall rest.
    pub paused: BTreeSet<PipelineId>,
}

/// A process that is present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentNode {
    /// The process in its own words, as in [`Holder::name`].
    pub name: String,
    /// How many of the sides that were asked for it holds.
    pub held: usize,
}

/// A side that somebody holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldSide {
    /// Who holds it, and under which term.
    pub holder: Holder,
    /// When it was granted; `None` where the arbiter does not record it.
    pub since: Option<SystemTime>,
    /// When it ends, unless it is renewed before; `None` where renewals are not recorded.
    pub until: Option<SystemTime>,
    /// How long it lasts after its last renewal; `None` where that is not recorded.
    pub lease: Option<Duration>,
}

/// Tells which processes there are: one that is missing, or that nobody knows, is noticed by people.
#[cfg(any(feature = "sql", feature = "zookeeper"))]
pub(crate) fn present(names: &[String]) -> Finding {
    let detail = match names.len() {
        0 => "no process shares pipelines now".to_owned(),
        1 => format!("one process shares pipelines: {}", names.join("")),
        count => format!("{count} processes share pipelines: {}", names.join("; ")),
    };
    Finding { detail, ..Finding::pass("the processes of this installation can be seen") }
}

#[cfg(all(test, any(feature = "sql", feature = "zookeeper")))]
mod tests {
    use super::*;

    #[test]
    fn processes_are_counted_and_named() {
        let names = ["a".to_owned(), "b".to_owned()];
        let told = |count: usize| present(&names[..count]).detail;
        assert_eq!(told(0), "no process shares pipelines now");
        assert_eq!(told(1), "one process shares pipelines: a");
        assert_eq!(told(2), "2 processes share pipelines: a; b");
    }
}
