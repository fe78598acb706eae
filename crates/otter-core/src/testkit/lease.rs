//! Leases for suites of things that only look at leases.

use tokio::sync::watch;

use crate::arbiter::{ArbiterId, Lease, LeaseParts, PipelineId, Side, Term};

/// The pipeline that the suites run.
#[must_use]
pub fn pipeline() -> PipelineId {
    PipelineId::new("suite")
}

/// A lease of the suites' pipeline under this term, never lost.
#[must_use]
pub fn lease(term: u64) -> Lease {
    lease_from("suite", term)
}

/// A lease of the suites' pipeline granted by another arbiter.
#[must_use]
pub fn lease_from(arbiter: &str, term: u64) -> Lease {
    Lease::for_ever(ArbiterId::new(arbiter), Side::target(pipeline()), Term(term))
}

/// A lease that can be ended.
#[must_use]
pub fn ending_lease(term: u64) -> (Lease, EndLease) {
    let (sender, lost) = watch::channel(false);
    let valid = sender.subscribe();
    let parts = LeaseParts {
        arbiter: ArbiterId::new("suite"),
        side: Side::target(pipeline()),
        term: Term(term),
        duration: std::time::Duration::from_secs(10),
        lost,
        still_valid: Box::new(move || !*valid.borrow()),
        guard: Box::new(()),
    };
    (Lease::new(parts), EndLease(sender))
}

/// Ends a lease, also by being dropped.
#[derive(Debug)]
pub struct EndLease(watch::Sender<bool>);

impl EndLease {
    /// Ends the lease, as an arbiter does that granted a higher term.
    pub fn end(&self) {
        self.0.send_replace(true);
    }
}
