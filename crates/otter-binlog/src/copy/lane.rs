//! One of the tables that are copied at once: its reader, and what that is doing.

use std::time::Duration;

use otter_core::{Budget, DatabaseUrl, TableName};
use tokio::time::Instant;

use super::flight::{Flight, Job};
use super::worker::{Answer, Request, Worker};

/// Pieces that wait for the stream; the rest waits in the server.
const MOST_PIECES: usize = 4;
/// So many rows are asked for first; how long they take tells how many come next.
const FIRST_ROWS: u64 = 1_000;

/// Reads one table after the other.
#[derive(Debug)]
pub(super) struct Lane {
    worker: Option<Worker>,
    pub(super) job: Job,
    pub(super) rows_at_once: u64,
    not_before: Instant,
}

impl Lane {
    pub(super) fn new() -> Self {
        Self { worker: None, job: Job::Idle, rows_at_once: FIRST_ROWS, not_before: Instant::now() }
    }

    /// Whether it may begin with something.
    pub(super) fn is_ready(&self) -> bool {
        matches!(self.job, Job::Idle) && Instant::now() >= self.not_before
    }

    /// Whether its reader has something to answer.
    pub(super) fn is_asking(&self) -> bool {
        matches!(self.job, Job::Defining(_) | Job::Reading(_))
    }

    /// Whether the stream waits for what it reads.
    pub(super) fn holds(&self) -> bool {
        self.holding().is_some()
    }

    /// What it reads, where the stream waits for it.
    pub(super) fn holding(&self) -> Option<&Flight> {
        match &self.job {
            Job::Reading(flight) => Some(flight.as_ref()).filter(|flight| flight.holds),
            Job::Idle | Job::Defining(_) | Job::Defined { .. } => None,
        }
    }

    /// Whether it is about this table.
    pub(super) fn is_about(&self, table: &TableName) -> bool {
        self.job.table() == Some(table)
    }

    fn wants_answer(&self) -> bool {
        match &self.job {
            Job::Idle | Job::Defined { .. } => false,
            Job::Defining(_) => true,
            Job::Reading(flight) => flight.end.is_none() && flight.pieces.len() < MOST_PIECES,
        }
    }

    pub(super) fn ask(&mut self, request: Request, (url, budget): (&DatabaseUrl, &Budget)) {
        let worker = self.worker.get_or_insert_with(|| Worker::start(url, budget));
        worker.ask(request);
    }

    /// Drops what is being read, so that it is read again.
    pub(super) fn drop_job(&mut self, pause: Duration) {
        if self.is_asking() {
            self.worker = None;
        }
        self.job = Job::Idle;
        self.not_before = Instant::now() + pause;
    }

    /// Ends the reader.
    pub(super) fn close(&mut self) {
        self.worker = None;
    }
}

/// What one of the readers answers, and which; never, where none has anything to. Cancel safe.
pub(super) async fn next_answer(lanes: &mut [Lane]) -> (usize, Answer) {
    std::future::poll_fn(|context| {
        for (index, lane) in lanes.iter_mut().enumerate() {
            if !lane.wants_answer() {
                continue;
            }
            let Some(worker) = &mut lane.worker else { continue };
            if let std::task::Poll::Ready(answer) = worker.poll_next(context) {
                return std::task::Poll::Ready((index, answer));
            }
        }
        std::task::Poll::Pending
    })
    .await
}
