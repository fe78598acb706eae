//! One attempt of a pipeline: from the checkpoint until a stop or a fault.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{debug, info};

use super::{Pipeline, PipelineError, State};
use crate::arbiter::Lease;
use crate::batch::{Batch, SourceTime};
use crate::budget::Budget;
use crate::fault::Result;
use crate::position::Position;
use crate::stop::Stop;

impl Pipeline {
    /// Resumes, opens, and runs both halves until the stop is asked for (`Ok`) or a fault.
    pub(super) async fn attempt(&self, lease: &Lease, stop: &Stop) -> Result<()> {
        self.progress.send_modify(|progress| progress.state = State::Starting);
        // A server that says nothing must not keep a stop or a lost lease from being noticed.
        let position = tokio::select! {
            biased;
            () = stop.asked() => return Ok(()),
            position = self.while_held(lease, self.begin_reading(lease)) => position?,
        };
        info!(pipeline = %self.id, term = %lease.term(), %position, "pipeline running");
        self.progress.send_modify(|progress| progress.state = State::Running);

        let (sender, receiver) = mpsc::channel(self.options.queue_batches.get());
        let mut reader = AbortOnDrop(self.spawn_reader(sender, stop.clone()));
        self.load_until_the_end(receiver, position, lease).await?;
        // The channel is closed, so the reader has ended or is about to.
        match (&mut reader.0).await {
            Ok(outcome) => outcome,
            Err(error) => Err(PipelineError::ReaderEnded(error).into()),
        }
    }

    /// Takes the target over and opens the source where the target is.
    async fn begin_reading(&self, lease: &Lease) -> Result<Position> {
        let position = self.resume(lease).await?;
        self.progress.send_modify(|progress| progress.position = Some(position.clone()));
        let budget = Budget::new(self.options.memory_bytes);
        let opening = async { self.select.lock().await.open(&position, &budget).await };
        self.while_pinged(lease, opening).await?;
        Ok(position)
    }

    /// Keeps the loader's connections alive while the source takes its time: to look at thousands of
    /// tables takes longer than a target keeps connections that say nothing.
    async fn while_pinged<T>(
        &self,
        lease: &Lease,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                outcome = &mut work => return outcome,
                () = sleep(lease.duration() / 3) => self.load.ping(lease).await?,
            }
        }
    }

    /// The committed position; where there is none, commits the start first.
    async fn resume(&self, lease: &Lease) -> Result<Position> {
        if let Some(position) = self.load.resume(lease).await? {
            return Ok(position);
        }
        let start = self.options.start.as_ref().ok_or(PipelineError::NoStart)?;
        let position = self.select.lock().await.locate(start).await?;
        self.load.begin(&position, lease).await?;
        info!(pipeline = %self.id, %position, "pipeline begins without a checkpoint");
        Ok(position)
    }

    /// Reads and extracts in a task of its own, so that decoding and loading use two cores.
    fn spawn_reader(&self, sender: mpsc::Sender<Batch>, stop: Stop) -> JoinHandle<Result<()>> {
        let select = Arc::clone(&self.select);
        let extracts = self.extracts.clone();
        tokio::spawn(async move {
            let mut select = select.lock().await;
            loop {
                let mut batch = tokio::select! {
                    biased;
                    () = stop.asked() => return Ok(()),
                    batch = select.next() => batch?,
                };
                for extract in &extracts {
                    batch = extract.extract(batch).await?;
                }
                // The loading half is gone when it met a fault; it tells, not we.
                if sender.send(batch).await.is_err() {
                    return Ok(());
                }
            }
        })
    }

    /// Loads until the reading half ends.
    async fn load_until_the_end(
        &self,
        mut receiver: mpsc::Receiver<Batch>,
        mut expected: Position,
        lease: &Lease,
    ) -> Result<()> {
        let ping_after = lease.duration() / 3;
        let mut waiting: VecDeque<Batch> = VecDeque::new();
        let mut ping_at = Instant::now() + ping_after;
        loop {
            let first = match waiting.pop_front() {
                Some(batch) => batch,
                None => tokio::select! {
                    biased;
                    () = lease.lost() => return Err(lost(lease)),
                    received = receiver.recv() => match received {
                        Some(batch) => batch,
                        None => return Ok(()),
                    },
                    () = sleep_until(ping_at) => {
                        self.while_held(lease, self.load.ping(lease)).await?;
                        ping_at = Instant::now() + ping_after;
                        continue;
                    }
                },
            };
            let batch = self.group(first, &mut waiting, &mut receiver);
            check_chain(&batch, &expected)?;
            if let Some(through) = &batch.through {
                expected.clone_from(through);
            }
            let is_drained = waiting.is_empty() && receiver.is_empty();
            self.load_group(batch, is_drained, lease).await?;
            ping_at = Instant::now() + ping_after;
        }
    }

    /// Joins what is already waiting: an idle queue flushes at once, a full one makes large
    /// target transactions. What is more than the loader wants at once waits.
    fn group(
        &self,
        first: Batch,
        waiting: &mut VecDeque<Batch>,
        receiver: &mut mpsc::Receiver<Batch>,
    ) -> Batch {
        let appetite = self.load.appetite();
        let rows = self.options.group_rows.min(appetite.rows);
        let bytes = self.options.group_bytes.min(appetite.bytes);
        let mut group = first;
        // The room of a rest ends with it: joined to the next, it would pile up.
        let is_rest = group.permit.has_shared();
        while !is_rest && group.row_count() < rows && group.permit.bytes() < bytes {
            let next = waiting.pop_front().or_else(|| receiver.try_recv().ok());
            let Some(next) = next else { break };
            match group.join(next) {
                Ok(joined) => group = joined,
                Err(unjoined) => {
                    waiting.push_front(unjoined.second);
                    group = unjoined.first;
                    break;
                }
            }
        }
        let Some(front) = appetite.rows_of(&group).and_then(|rows| group.split_front(rows)) else {
            return group;
        };
        waiting.push_front(group);
        front
    }

    async fn load_group(&self, mut batch: Batch, is_drained: bool, lease: &Lease) -> Result<()> {
        for transform in &self.transforms {
            batch = transform.transform(batch)?;
        }
        let committed_at = newest_commit(&batch);
        let loaded = self.while_held(lease, self.load.load(batch, lease)).await?;
        debug!(
            pipeline = %self.id, rows = loaded.rows, transactions = loaded.transactions,
            "group loaded"
        );
        self.progress.send_modify(|progress| {
            progress.rows += loaded.rows;
            progress.transactions += loaded.transactions;
            progress.is_drained = is_drained;
            progress.held = loaded.held;
            progress.error = None;
            if let Some(through) = loaded.through {
                progress.position = Some(through);
                progress.groups += 1;
                progress.committed_at = committed_at.or(progress.committed_at);
            }
        });
        Ok(())
    }

    /// INVARIANT FENCE-1: nothing is begun, and nothing goes on, after the lease's time. The
    /// target's checkpoint fences what was already on its way.
    async fn while_held<T>(
        &self,
        lease: &Lease,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        if !lease.is_held() {
            return Err(lost(lease));
        }
        tokio::select! {
            biased;
            outcome = work => outcome,
            () = lease.lost() => Err(lost(lease)),
        }
    }
}

fn lost(lease: &Lease) -> crate::fault::Error {
    PipelineError::LeaseLost { term: lease.term() }.into()
}

/// Progress is a chain: a gap or an overlap is an error, not a warning.
fn check_chain(batch: &Batch, expected: &Position) -> Result<()> {
    if batch.after == *expected {
        return Ok(());
    }
    Err(PipelineError::Gap { expected: expected.to_string(), found: batch.after.to_string() }
        .into())
}

fn newest_commit(batch: &Batch) -> Option<SourceTime> {
    batch.transactions.iter().map(|transaction| transaction.committed_at).max()
}

/// Ends the reading half when the attempt is over, however it ends.
struct AbortOnDrop(JoinHandle<Result<()>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
