//! A resync under way: which request is at hand, what is being read, and where the stream stands.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use otter_core::{
    Batch, Budget, DatabaseUrl, FilePlace, Position, Result, ResyncStage, SourceTime,
};
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::active::{Active, Job};
use super::refusal::{NOT_CARRIED, NOT_COPIED, Refusal};
use super::watch::{First, Watch};
use super::{Inner, Setting};
use crate::copy::pieces::Piece;
use crate::copy::worker::{Answer, Request, Worker};

/// How often it is looked whether the stream has reached a place, where nothing else tells.
const TICK: Duration = Duration::from_millis(20);
/// Pieces that wait for the stream; the rest waits in the server.
pub(super) const MOST_PIECES: usize = 4;
/// The most rows that are read at once; at first there are fewer.
pub(super) const ROWS_AT_ONCE: u64 = 5_000;
/// With a condition, so many rows are looked at; most conditions want few of them.
pub(super) const ROWS_LOOKED_AT: u64 = 40_000;
const LEAST_ROWS: u64 = 16;
/// So often it is looked soon for a request behind one that has ended.
const MOST_LOOKS: u32 = 10;
/// How often in a row the same is read in vain before the request is given up.
const MOST_TRIES: u32 = 40;
/// Before something is read again that was not ready.
pub(super) const PAUSE: Duration = Duration::from_millis(500);

/// A resync under way.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) setting: Setting,
    url: DatabaseUrl,
    pub(super) budget: Budget,
    watch: Watch,
    worker: Option<Worker>,
    /// The request that comes next.
    found: First,
    /// Requests that are finished, as soon as the loader has what was sent. Numbers are given in another
    /// order than requests are committed, so that a lower one may still come.
    finished: BTreeSet<u64>,
    /// How often it was looked in vain for the one behind it.
    looks: u32,
    pub(super) active: Option<Active>,
    /// Behind everything that is in `ready`.
    pub(super) position: Position,
    /// When the source committed the newest transaction that was passed on.
    pub(super) newest: SourceTime,
    pub(super) ready: VecDeque<Batch>,
    /// Transactions behind the place at which the stream waits.
    pub(super) stash: Option<Batch>,
    /// What was parted from batches, and comes before all else that the stream brings.
    pub(super) rest: VecDeque<Batch>,
    /// A batch with requests, for which the list is made first.
    pub(super) unready: Option<Batch>,
    /// Whether the target has the list for sure.
    pub(super) has_list: bool,
    /// A transaction was handed out in part.
    pub(super) is_in_fragment: bool,
    pub(super) not_before: Instant,
}

impl Run {
    /// Begins behind a position, with what the list holds first.
    pub(super) fn begin(
        (url, setting): (DatabaseUrl, &Setting),
        from: &Position,
        budget: Budget,
        found: First,
    ) -> Self {
        Self {
            setting: setting.clone(),
            url,
            budget,
            watch: Watch::start(Arc::clone(&setting.log)),
            worker: None,
            found,
            finished: BTreeSet::new(),
            looks: 0,
            active: None,
            position: from.clone(),
            newest: SourceTime::from_seconds(0),
            ready: VecDeque::new(),
            stash: None,
            rest: VecDeque::new(),
            unready: None,
            has_list: false,
            is_in_fragment: false,
            not_before: Instant::now(),
        }
    }

    /// The next batch: of the stream, or of rows that are copied again. Cancel safe.
    pub(super) async fn next(&mut self, inner: &mut Inner) -> Result<Batch> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(batch);
            }
            self.take_up(inner);
            self.begin_job(inner);
            self.emit_what_is_due(inner)?;
            if !self.ready.is_empty() {
                continue;
            }
            if inner.is_copying() && self.waits_for_nothing() {
                // Nothing is done about requests yet, and what the copy has begun is not broken off.
                let batch = inner.next().await?;
                self.pass(batch, inner);
                continue;
            }
            if self.unready.is_some() && !self.has_list {
                self.setting.log.ensure().await?;
                self.has_list = true;
            }
            let holds = self.holds_stream(inner);
            if !holds && let Some(batch) = self.waiting_batch() {
                self.pass(batch, inner);
                continue;
            }
            let wants_answer = self.wants_answer();
            let waits = self.active.is_some();
            let (worker, watch) = (self.worker.as_mut(), &mut self.watch);
            tokio::select! {
                biased;
                answer = next_answer(worker), if wants_answer => self.take_answer(answer),
                first = watch.next() => self.take_first(first),
                batch = inner.next(), if !holds => {
                    let batch = batch?;
                    self.pass(batch, inner);
                }
                () = sleep(TICK), if waits => {}
            }
        }
    }

    /// Whether the stream's next batch is all that there is to do.
    fn waits_for_nothing(&self) -> bool {
        let holds_back = self.stash.is_some() || self.unready.is_some() || !self.rest.is_empty();
        self.active.is_none() && !holds_back
    }

    /// What was read before and not passed on yet.
    fn waiting_batch(&mut self) -> Option<Batch> {
        let unready = || self.unready.take();
        self.stash.take().or_else(unready).or_else(|| self.rest.pop_front())
    }

    /// Takes what a look into the list has found.
    fn take_first(&mut self, first: First) {
        let id = first.as_ref().map_or(u64::MAX, |(_, record)| record.id);
        if let Some(active) = &self.active {
            if id > active.record.id {
                // The loader has refused it, or nobody wants it any more.
                info!(request = active.record.id, "a request to copy rows again is gone");
                self.leave();
            }
            return;
        }
        // Whatever comes before the first that is open is closed.
        self.finished = self.finished.split_off(&id);
        if self.finished.contains(&id) {
            // Its end is on the way to the target, which may be slow.
            self.looks += 1;
            if self.looks <= MOST_LOOKS {
                self.watch.hurry();
            }
        } else {
            self.found = first;
        }
    }

    /// Takes up the request that comes next.
    fn take_up(&mut self, inner: &Inner) {
        let is_busy = self.active.is_some() || self.stash.is_some() || self.is_in_fragment;
        if is_busy || inner.is_copying() {
            return;
        }
        let Some((request, record)) = self.found.take() else { return };
        let table = request.table.clone();
        info!(request = record.id, %table, "rows are to be copied again");
        self.active = Some(Active::new(request, record));
        if let Some(why) = self.setting.refusal.clone() {
            self.refuse(Refusal::new(why));
        } else if !self.setting.mappings.is_mapped(&table) {
            self.refuse(Refusal::new(NOT_CARRIED));
        } else if inner.is_open(&table) {
            self.refuse(Refusal::new(NOT_COPIED));
        }
    }

    /// Gives the request up.
    pub(super) fn refuse(&mut self, Refusal(why): Refusal) {
        let Some(active) = &mut self.active else { return };
        active.record.stage = ResyncStage::Refused;
        active.record.reason = Some(why);
        let record = active.record.clone();
        warn!(
            request = record.id,
            table = %active.request.table,
            "a request to copy rows again is refused; `otter-server resync --list` tells why"
        );
        self.emit_record(record);
        self.leave();
    }

    /// Leaves the request at hand.
    pub(super) fn leave(&mut self) {
        if let Some(active) = self.active.take() {
            self.finished.insert(active.record.id);
            self.watch.hurry();
            self.looks = 0;
        }
        self.worker = None;
    }

    /// Drops what is being read, so that it is read again.
    pub(super) fn drop_job(&mut self, pause: Duration) {
        let Some(active) = &mut self.active else { return };
        active.job = Job::Idle;
        self.worker = None;
        self.not_before = Instant::now() + pause;
    }

    /// What was read is of no use any more.
    pub(super) fn read_again(&mut self) {
        let Some(active) = &mut self.active else { return };
        active.tries += 1;
        active.rows_at_once = (active.rows_at_once / 2).max(LEAST_ROWS);
        active.keys_at_once = (active.keys_at_once / 2).max(1);
        if active.tries >= MOST_TRIES {
            let why = "its rows were changed each time that they were read: ask again when less is \
                 written to it, or for fewer rows";
            self.refuse(Refusal::new(why));
            return;
        }
        self.drop_job(Duration::ZERO);
    }

    pub(super) fn ask(&mut self, request: Request) {
        let worker = self.worker.get_or_insert_with(|| Worker::start(&self.url, &self.budget));
        worker.ask(request);
    }

    fn wants_answer(&self) -> bool {
        match self.active.as_ref().map(|active| &active.job) {
            None | Some(Job::Idle) => false,
            Some(Job::Preparing) => true,
            Some(Job::Reading(flight)) => flight.end.is_none() && flight.pieces.len() < MOST_PIECES,
        }
    }

    /// Whether the stream has brought everything before a place.
    pub(super) fn has_reached(&self, place: &FilePlace, inner: &Inner) -> bool {
        if self.is_in_fragment {
            return false;
        }
        // The next transaction begins behind it.
        if self.stash.is_some() {
            return true;
        }
        let here = self.position.applied_through.file.as_ref();
        if here.is_some_and(|here| here.covers(place) == Some(true)) {
            return true;
        }
        let idle = inner.idle_place().filter(|_| self.rest.is_empty() && self.unready.is_none());
        idle.is_some_and(|idle| idle.covers(place) == Some(true))
    }

    /// Whether the stream must wait: for a request to be taken up, for a snapshot, or at its end for
    /// what is read in it.
    fn holds_stream(&self, inner: &Inner) -> bool {
        if self.is_in_fragment {
            return false;
        }
        match self.active.as_ref().map(|active| &active.job) {
            None | Some(Job::Idle) => false,
            Some(Job::Preparing) => true,
            Some(Job::Reading(flight)) if flight.holds => match &flight.snapshot {
                None => true,
                Some(snapshot) => self.stash.is_some() || self.has_reached(&snapshot.high, inner),
            },
            Some(Job::Reading(_)) => false,
        }
    }

    /// Notes that all rows of the request are in the stream.
    pub(super) fn finish(&mut self) {
        let Some(active) = &mut self.active else { return };
        active.record.stage = ResyncStage::Done;
        active.record.after = None;
        let record = active.record.clone();
        info!(
            request = record.id,
            table = %active.request.table,
            rows = record.rows,
            bytes = record.bytes,
            gone = record.gone,
            "rows are copied again"
        );
        self.emit_record(record);
        self.leave();
    }
}

/// What the worker answers; never, where there is none.
async fn next_answer(worker: Option<&mut Worker>) -> Answer {
    match worker {
        Some(worker) => worker.next().await,
        None => std::future::pending().await,
    }
}

/// The keys that rows were found for.
pub(super) fn found_in(pieces: &VecDeque<Piece>) -> BTreeSet<usize> {
    pieces.iter().flat_map(|piece| piece.found.iter().copied()).collect()
}
