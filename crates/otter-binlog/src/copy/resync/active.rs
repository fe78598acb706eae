//! The request at hand, and what is being read for it.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use otter_core::{ResyncRecord, ResyncRequest, ResyncStage, Transaction};
use tokio::time::Instant;
use tracing::info;

use super::prepare::Prepared;
use super::touched::Touched;
use crate::copy::pieces::{End, Piece};
use crate::copy::snapshot::Snapshot;

/// How often it is told how far a request is.
const TELL_EVERY: Duration = Duration::from_secs(10);
/// So many rows are read first, and then twice as many each time, up to so many.
const FIRST_ROWS: u64 = 250;
/// Of so many keys rows are read at once.
const KEYS_AT_ONCE: usize = 100;

/// The request at hand.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) request: ResyncRequest,
    pub(super) record: ResyncRecord,
    pub(super) prepared: Option<Box<Prepared>>,
    pub(super) job: Job,
    pub(super) rows_at_once: u64,
    pub(super) keys_at_once: usize,
    /// How often in a row something was read in vain.
    pub(super) tries: u32,
    /// How often in a row the source could not be asked.
    pub(super) vain: u32,
    /// Rows that were looked at in the order of the key.
    looked: u64,
    /// How many the table may have, as the source guesses; 0 where it is not known yet.
    pub(super) table_rows: u64,
    /// When it is told next how far the request is.
    tell_at: Instant,
}

/// What is done about it now.
#[derive(Debug)]
pub(super) enum Job {
    Idle,
    Preparing,
    Reading(Box<Flight>),
}

/// Rows that are being read.
#[derive(Debug)]
pub(super) struct Flight {
    /// Which of the request's keys are read; none where rows are read in the order of the key.
    pub(super) keys: Option<Range<usize>>,
    /// The stream waits at the snapshot's end until everything is here.
    pub(super) holds: bool,
    /// So many rows were asked for.
    pub(super) limit: u64,
    pub(super) is_inexact: bool,
    pub(super) touched: Touched,
    pub(super) snapshot: Option<Snapshot>,
    pub(super) pieces: VecDeque<Piece>,
    pub(super) end: Option<End>,
    /// The place up to which rows were looked at for a condition; none at the table's end.
    pub(super) until: Option<Arc<str>>,
}

impl Active {
    /// A request of which nothing is done yet.
    pub(super) fn new(request: ResyncRequest, record: ResyncRecord) -> Self {
        Self {
            request,
            record,
            prepared: None,
            job: Job::Idle,
            rows_at_once: FIRST_ROWS,
            keys_at_once: KEYS_AT_ONCE,
            tries: 0,
            vain: 0,
            looked: 0,
            table_rows: 0,
            tell_at: Instant::now() + TELL_EVERY,
        }
    }

    /// Notes that so many rows were looked at in the order of the key, and tells now and then how far
    /// the request is, which may want few of them.
    pub(super) fn has_looked_at(&mut self, rows: u64) {
        self.looked = self.looked.saturating_add(rows);
        if Instant::now() < self.tell_at {
            return;
        }
        self.tell_at = Instant::now() + TELL_EVERY;
        info!(
            request = self.record.id,
            table = %self.request.table,
            rows = self.record.rows,
            bytes = self.record.bytes,
            looked_at_rows = self.looked,
            estimated_table_rows = self.table_rows,
            "rows are being copied again"
        );
    }

    /// Whether changes of its table are tolerated already.
    pub(super) fn has_begun(&self) -> bool {
        self.record.stage == ResyncStage::Copying
    }

    /// Notes that something was read.
    pub(super) fn move_on(&mut self) {
        self.tries = 0;
        self.vain = 0;
    }

    pub(super) fn flight(&mut self) -> Option<&mut Flight> {
        match &mut self.job {
            Job::Reading(flight) => Some(flight),
            Job::Idle | Job::Preparing => None,
        }
    }
}

impl Flight {
    /// Whether a transaction that comes before the snapshot's end may be missing from it.
    pub(super) fn may_lack(&self, transaction: &Transaction) -> bool {
        let Some(snapshot) = &self.snapshot else { return true };
        snapshot.may_lack(transaction).unwrap_or(false)
    }
}
