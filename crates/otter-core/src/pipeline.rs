//! One direction from a source to a target: runs the stages under a lease and acts on faults.
//!
//! This is the one place that acts on a [`Fault`]: transient ones are tried again from the
//! checkpoint, all others end the run. The reading half and the loading half run concurrently
//! with a bounded channel between them; the byte budget bounds what is in flight (MEM-1).

mod attempt;
mod error;
mod progress;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::time::{sleep, timeout};
use tracing::{error, info, warn};

pub use error::PipelineError;
pub use progress::{Progress, State};

use crate::arbiter::{Arbiter, Lease, PipelineId, Side};
use crate::fault::{Error, Fault, Result};
use crate::stage::{Extract, Load, Select, Start, Transform};
use crate::stop::Stop;

/// How long the target may take to say goodbye; it rolls back by itself when we are gone.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// What to do about transient faults before the pipeline has come up once: before the target has
/// told a position, of this run or of an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtStart {
    /// End the run, so that a wrong address is told at once.
    GiveUp,
    /// Try again, as after the pipeline has been up.
    KeepTrying,
}

/// Numbers that a pipeline works by.
#[derive(Debug, Clone)]
pub struct PipelineOptions {
    /// Where to begin where the target has no checkpoint; without it that is an error.
    pub start: Option<Start>,
    /// Bytes of row data in flight between source and target. 64 MiB by default.
    pub memory_bytes: usize,
    /// Batches that may wait between the two halves. They are small when the load is small, and
    /// the byte budget bounds them when it is not; 256 by default.
    pub queue_batches: NonZeroUsize,
    /// No further batch joins those that are loaded at once when they have this many rows. A loader
    /// may commit them in several transactions. 32,000 by default.
    pub group_rows: usize,
    /// No further batch joins those that are loaded at once when they hold this many bytes. 16 MiB
    /// by default.
    pub group_bytes: usize,
    /// The first wait after a transient fault; it doubles up to `longest_wait`. 100 ms by default.
    pub first_wait: Duration,
    /// The longest wait between two tries. 10 s by default.
    pub longest_wait: Duration,
    /// What to do about transient faults before the pipeline has come up once.
    pub at_start: AtStart,
}

impl Default for PipelineOptions {
    fn default() -> Self {
        Self {
            start: None,
            memory_bytes: 64 << 20,
            queue_batches: NonZeroUsize::new(256).unwrap_or(NonZeroUsize::MIN),
            group_rows: 32_000,
            group_bytes: 16 << 20,
            first_wait: Duration::from_millis(100),
            longest_wait: Duration::from_secs(10),
            at_start: AtStart::GiveUp,
        }
    }
}

/// One direction from a source to a target.
#[derive(Debug)]
#[must_use = "a pipeline does nothing until it is run"]
pub struct Pipeline {
    id: PipelineId,
    arbiter: Arc<dyn Arbiter>,
    // The lock is never waited for: the reading half holds it while it runs, and only one runs.
    select: Arc<Mutex<Box<dyn Select>>>,
    load: Arc<dyn Load>,
    extracts: Vec<Arc<dyn Extract>>,
    transforms: Vec<Arc<dyn Transform>>,
    options: PipelineOptions,
    progress: watch::Sender<Progress>,
}

impl Pipeline {
    /// Puts a pipeline together from its parts.
    pub fn new(
        id: PipelineId,
        arbiter: Arc<dyn Arbiter>,
        select: impl Select + 'static,
        load: impl Load + 'static,
    ) -> Self {
        Self {
            id,
            arbiter,
            select: Arc::new(Mutex::new(Box::new(select))),
            load: Arc::new(load),
            extracts: Vec::new(),
            transforms: Vec::new(),
            options: PipelineOptions::default(),
            progress: watch::Sender::new(Progress::default()),
        }
    }

    /// Adds an extract stage behind those added before.
    pub fn extract(mut self, extract: impl Extract + 'static) -> Self {
        self.extracts.push(Arc::new(extract));
        self
    }

    /// Adds a transform behind those added before.
    pub fn transform(mut self, transform: impl Transform + 'static) -> Self {
        self.transforms.push(Arc::new(transform));
        self
    }

    /// Sets where to begin where the target has no checkpoint.
    pub fn start(mut self, start: Start) -> Self {
        self.options.start = Some(start);
        self
    }

    /// Sets all options, the start included.
    pub fn options(mut self, options: PipelineOptions) -> Self {
        self.options = options;
        self
    }

    /// Watches how far the pipeline is. Old values may be missed, the newest never.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Waits for the lease, then runs until it is asked to stop or a fault ends it. When asked to
    /// stop it loads what was read already, and gives the lease back.
    ///
    /// # Errors
    /// [`Fault::Fenced`] where the lease was lost or a higher term took over, [`Fault::Poison`]
    /// and [`Fault::Fatal`] from any stage, and [`Fault::Transient`] only before the pipeline has
    /// come up once, with [`AtStart::GiveUp`].
    ///
    /// # Cancel safety
    /// Dropping the future ends both halves at once; nothing is committed that is not whole.
    pub async fn run(self, stop: Stop) -> Result<Progress> {
        self.progress.send_modify(|progress| progress.state = State::Campaigning);
        match self.campaign(&stop).await {
            Ok(Some(lease)) => self.run_with(lease, &stop).await,
            Ok(None) => Ok(self.ended()),
            Err(error) => Err(self.halted(error)),
        }
    }

    /// Waits for the lease; `None` where the stop is asked for first.
    async fn campaign(&self, stop: &Stop) -> Result<Option<Lease>> {
        let side = Side::target(self.id.clone());
        let mut wait = self.options.first_wait;
        loop {
            let campaign = tokio::select! {
                biased;
                () = stop.asked() => return Ok(None),
                campaign = self.arbiter.campaign(&side) => campaign,
            };
            let error = match campaign {
                Ok(lease) => return Ok(Some(lease)),
                Err(error) => error,
            };
            if error.fault() != Fault::Transient || self.options.at_start == AtStart::GiveUp {
                return Err(error);
            }
            self.tell_retry(&error, wait, State::Campaigning);
            tokio::select! {
                biased;
                () = stop.asked() => return Ok(None),
                () = sleep(wait) => {}
            }
            wait = (wait * 2).min(self.options.longest_wait);
        }
    }

    /// Runs under a lease that was won elsewhere, as [`run`](Self::run) does.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn run_with(self, lease: Lease, stop: &Stop) -> Result<Progress> {
        info!(pipeline = %self.id, term = %lease.term(), "lease won");
        self.progress.send_modify(|progress| progress.term = Some(lease.term()));
        let outcome = self.try_until_it_ends(&lease, stop).await;
        if timeout(CLOSE_LIMIT, self.load.close()).await.is_err() {
            warn!(pipeline = %self.id, "the target did not take its leave in time");
        }
        drop(lease);
        match outcome {
            Ok(()) => {
                let progress = self.ended();
                info!(pipeline = %self.id, position = %progress.position_text(), "pipeline stopped");
                Ok(progress)
            }
            Err(error) => Err(self.halted(error)),
        }
    }

    fn ended(&self) -> Progress {
        self.progress.send_modify(|progress| progress.state = State::Ended);
        self.progress.borrow().clone()
    }

    fn halted(&self, error: Error) -> Error {
        self.progress.send_modify(|progress| {
            progress.state = State::Ended;
            progress.error = Some(error.to_string());
        });
        error!(pipeline = %self.id, fault = %error.fault(), %error, "pipeline halted");
        error
    }

    async fn try_until_it_ends(&self, lease: &Lease, stop: &Stop) -> Result<()> {
        let mut wait = self.options.first_wait;
        let mut has_been_up = false;
        loop {
            let loaded_before = self.progress.borrow().groups;
            let Err(error) = self.attempt(lease, stop).await else { return Ok(()) };
            // A position in the target proves the set-up: it is known, or it has just been begun.
            has_been_up |= self.progress.borrow().position.is_some();
            match error.fault() {
                Fault::Poison | Fault::Fenced | Fault::Fatal => return Err(error),
                Fault::Transient if !lease.is_held() => {
                    return Err(PipelineError::LeaseLost { term: lease.term() }.into());
                }
                Fault::Transient if stop.is_asked() => return Ok(()),
                Fault::Transient if !has_been_up && self.options.at_start == AtStart::GiveUp => {
                    return Err(error);
                }
                Fault::Transient => {}
            }
            if self.progress.borrow().groups > loaded_before {
                wait = self.options.first_wait;
            }
            self.wait_for_next_try(&error, wait, lease, stop).await?;
            if stop.is_asked() {
                return Ok(());
            }
            wait = (wait * 2).min(self.options.longest_wait);
        }
    }

    async fn wait_for_next_try(
        &self,
        error: &Error,
        wait: Duration,
        lease: &Lease,
        stop: &Stop,
    ) -> Result<()> {
        self.tell_retry(error, wait, State::Retrying);
        tokio::select! {
            biased;
            () = lease.lost() => Err(PipelineError::LeaseLost { term: lease.term() }.into()),
            () = stop.asked() => Ok(()),
            () = sleep(wait) => Ok(()),
        }
    }

    fn tell_retry(&self, error: &Error, wait: Duration, state: State) {
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        warn!(pipeline = %self.id, wait_ms, %error, "pipeline will try again");
        self.progress.send_modify(|progress| {
            progress.state = state;
            progress.retries += 1;
            progress.error = Some(error.to_string());
        });
    }
}

#[cfg(test)]
mod tests;
