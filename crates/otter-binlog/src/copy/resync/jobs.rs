//! What is next to be done about a request.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::time::Instant;

use super::Inner;
use super::active::{Flight, Job};
use super::prepare::{Preparing, What};
use super::run::Run;
use super::touched::{Touched, is_inexact};
use crate::copy::definition::Pick;
use crate::copy::worker::{Read, Request};

/// A target transaction for each.
const PIECE_BYTES: usize = 1 << 20;

impl Run {
    /// Begins what is next to be done about the request.
    pub(super) fn begin_job(&mut self, inner: &Inner) {
        // What waits lies behind the place of the job before, and not of the next one. Inside a
        // transaction in fragments the window would miss what came before.
        let is_busy = self.stash.is_some() || self.is_in_fragment;
        if is_busy || Instant::now() < self.not_before {
            return;
        }
        let Some(active) = self.active.as_mut().filter(|it| matches!(it.job, Job::Idle)) else {
            return;
        };
        let Some(prepared) = &active.prepared else {
            active.job = Job::Preparing;
            let filter = Arc::clone(&inner.options().filter);
            let request = active.request.clone();
            self.ask(Request::Prepare(Box::new(Preparing { request, filter })));
            return;
        };
        let definition = Arc::clone(&prepared.definition);
        let after = active.record.after.clone();
        let (pick, keys) = match &prepared.what {
            What::All => (Pick::Part { after, rows: active.rows_at_once }, None),
            What::Where(condition) => {
                let (condition, rows) = (Arc::clone(condition), active.rows_at_once);
                (Pick::Where { after, rows, condition, until: None }, None)
            }
            What::Keys(all) => {
                let done = after.and_then(|after| after.parse().ok()).unwrap_or(0);
                let end = all.len().min(done + active.keys_at_once);
                let places = all.get(done..end).unwrap_or_default();
                if places.is_empty() {
                    self.finish();
                    return;
                }
                let places = places.iter().map(|key| Arc::clone(&key.place)).collect();
                (Pick::Keys(places), Some(done..end))
            }
        };
        let Some(key) = &definition.key else { return };
        let flight = Flight {
            // Of keys that the snapshot does not have it must be known what it may lack.
            holds: keys.is_some() || !prepared.leaders.is_empty(),
            limit: active.rows_at_once,
            is_inexact: keys.is_some() && is_inexact(&definition, key),
            keys,
            touched: Touched::default(),
            snapshot: None,
            pieces: VecDeque::new(),
            end: None,
            until: None,
        };
        active.job = Job::Reading(Box::new(flight));
        let read = Read {
            definition,
            pick,
            position: self.position.clone(),
            piece_bytes: PIECE_BYTES.min(self.budget.total_bytes() / 8).max(1),
        };
        self.ask(Request::Read(Box::new(read)));
    }
}
