//! One pipeline of this process: waits for its lease, runs, and with an arbiter that machines
//! share, waits again when the lease is lost.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use otter_arbitrate::{Wanted, Wishes};
use otter_binlog::connection::Connection;
use otter_core::{
    Arbiter, AtStart, Campaign, Fault, Lease, PipelineId, Share, Side, Stop, StopHandle,
};
use otter_sink::checkpoint;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{error, info, warn};

use super::board::Board;
use super::moves;
use super::pace::{self, Pace};
use super::waits::Waits;
use super::walk;
use crate::assemble::{self, SCHEMA};
use crate::config::{Config, PipelineConfig};
use crate::exit::Exit;
use crate::preflight;
use crate::retention::{self, Moves};

/// One pipeline of this process.
pub(super) struct Standby {
    pub(super) installation: Arc<Config>,
    pub(super) config: PipelineConfig,
    pub(super) arbiter: Arc<dyn Arbiter>,
    pub(super) at_start: AtStart,
    pub(super) stop: Stop,
    pub(super) pace: watch::Receiver<Pace>,
    /// What operators want.
    pub(super) wishes: Wishes,
    /// Its share, where processes share pipelines out.
    pub(super) share: Option<Share>,
    /// What is published.
    pub(super) board: Arc<Board>,
}

/// How a run ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stopped {
    /// The process shall end.
    WithAll,
    /// Another process shall have the pipeline, or none.
    Here,
}

/// Whether the pipeline has run before, here or elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    First,
    Later,
}

/// Whoever was fenced is in no hurry, and a fault of two arbiters makes no busy loop.
const BEFORE_STANDING_BY: Duration = Duration::from_secs(1);

impl Standby {
    pub(super) async fn run(mut self, lease: Option<Lease>) -> Exit {
        if lease.is_none() {
            // A pipeline may rest since its databases are away: they are looked at when it runs.
            let (id, stop) = (self.id(), self.stop.clone());
            tokio::select! {
                biased;
                () = stop.asked() => return Exit::Done,
                () = self.rest_while_paused(&id) => {}
            }
        }
        if !self.is_ready().await {
            return Exit::Halted;
        }
        let mut won = match lease {
            Some(lease) => Ok(Some((lease, Turn::First))),
            None => self.campaign().await,
        };
        loop {
            let (lease, turn) = match won {
                Ok(Some(won)) => won,
                Ok(None) => return Exit::Done,
                Err(exit) => return exit,
            };
            let fault = match self.run_pipeline(lease, turn).await {
                Ok(Stopped::WithAll) => return Exit::Done,
                Ok(Stopped::Here) => None,
                Err(fault) => Some(fault),
            };
            if let Some(fault) = fault {
                if fault != Fault::Fenced || !self.installation.arbiter.kind.is_shared() {
                    return Exit::of_fault(fault);
                }
                // An outage of the arbiter ends the leases of all processes at once: were each to
                // end, nobody would be left to go on.
                warn!(pipeline = %self.config.name, "pipeline was fenced; it stands by");
                tokio::select! {
                    biased;
                    () = self.stop.asked() => return Exit::Done,
                    () = sleep(BEFORE_STANDING_BY) => {}
                }
            }
            let again = |won: Option<(Lease, Turn)>| won.map(|(lease, _)| (lease, Turn::Later));
            won = self.campaign().await.map(again);
        }
    }

    /// The pipeline tells its own end; this adds how it moves meanwhile, and keeps it to its pace.
    async fn run_pipeline(&self, lease: Lease, turn: Turn) -> Result<Stopped, Fault> {
        // Where it ran before, the set-up is right, and a database that is away comes back.
        let at_start = match turn {
            Turn::First => self.at_start,
            Turn::Later => AtStart::KeepTrying,
        };
        let arbiter = Arc::clone(&self.arbiter);
        let (pipeline, handle) = assemble::pipeline(&self.config, arbiter, at_start);
        let progress = pipeline.progress();
        let _listed = self.board.list(self.id(), progress.clone());
        // In a task of its own, since it computes; it ends when this set is dropped.
        let mut walking = JoinSet::new();
        walking.spawn(walk::keep(self.config.clone(), self.pace.clone()));
        let (end, stop) = StopHandle::new();
        tokio::select! {
            biased;
            outcome = pipeline.run_with(lease, &stop) => {
                outcome.map_err(|error| error.fault())?;
                let is_all = self.stop.is_asked();
                Ok(if is_all { Stopped::WithAll } else { Stopped::Here })
            }
            never = self.pass_stops_on(&end) => match never {},
            never = moves::tell(&self.config.name, progress) => match never {},
            never = retention::guard(&self.config, Moves::Yes) => match never {},
            never = pace::keep(&self.config, self.pace.clone(), handle, &stop) => match never {},
        }
    }

    /// Stops the pipeline when the process shall end, when another one shall have it, and when it
    /// shall rest.
    async fn pass_stops_on(&self, end: &StopHandle) -> Infallible {
        let id = self.id();
        let asked_back = async {
            match &self.share {
                Some(share) => share.is_asked_back().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.stop.asked() => {}
            () = self.wishes.wait_for(&id, Wanted::Paused) => {
                info!(pipeline = %self.config.name, "pipeline shall rest; it stops");
            }
            () = asked_back => {
                info!(pipeline = %self.config.name, "pipeline is given to a process that has joined");
            }
        }
        end.stop();
        std::future::pending().await
    }

    /// Waits for the lease; `None` where a stop was asked for first.
    async fn campaign(&mut self) -> Result<Option<(Lease, Turn)>, Exit> {
        let mut waits = Waits::new();
        let stop = self.stop.clone();
        loop {
            let outcome = tokio::select! {
                biased;
                () = stop.asked() => return Ok(None),
                outcome = self.ask_and_wait() => outcome,
            };
            let error = match outcome {
                Ok(won) => return Ok(Some(won)),
                Err(error) => error,
            };
            let pipeline = &self.config.name;
            // It answered when it was opened, so that it will again.
            let may_heal =
                error.fault() == Fault::Transient && self.installation.arbiter.kind.is_shared();
            if !may_heal {
                error!(%pipeline, fault = %error.fault(), %error, "pipeline halted");
                return Err(Exit::of_fault(error.fault()));
            }
            warn!(%pipeline, %error, "the arbiter does not answer; it is asked again");
            tokio::select! {
                biased;
                () = stop.asked() => return Ok(None),
                () = waits.next() => {}
            }
        }
    }

    fn id(&self) -> PipelineId {
        PipelineId::new(self.config.name.as_str())
    }

    /// Campaigns while the pipeline shall run.
    async fn ask_and_wait(&mut self) -> otter_core::Result<(Lease, Turn)> {
        let (id, wishes) = (self.id(), self.wishes.clone());
        loop {
            self.rest_while_paused(&id).await;
            tokio::select! {
                biased;
                () = wishes.wait_for(&id, Wanted::Paused) => {}
                won = self.ask() => {
                    let won = won?;
                    // Where it did not tell before what is wanted, it does now that it has granted.
                    let lease = self.installation.arbiter.lease;
                    let _ = timeout(lease, self.wishes.known()).await;
                    if self.wishes.of(&id) != Some(Wanted::Paused) {
                        return Ok(won);
                    }
                }
            }
        }
    }

    /// A pipeline that is paused is nobody's: its lease is given back, so that an operator can set its
    /// position meanwhile, and a process that holds nothing need not live for it to stay paused.
    async fn rest_while_paused(&self, id: &PipelineId) {
        // Where the arbiter does not tell, it says why when it is asked for the lease.
        let _ = timeout(self.installation.arbiter.lease, self.wishes.known()).await;
        if self.wishes.of(id) != Some(Wanted::Paused) {
            return;
        }
        if let Some(share) = &self.share {
            share.rest();
        }
        info!(pipeline = %id, "pipeline is paused; `otter-server resume` lets it run again");
        tokio::select! {
            biased;
            () = self.wishes.wait_for(id, Wanted::Running) => {}
            // Time runs out soonest for one that does not move.
            never = retention::guard(&self.config, Moves::No) => match never {},
        }
        info!(pipeline = %id, "pipeline is resumed");
    }

    async fn ask(&mut self) -> otter_core::Result<(Lease, Turn)> {
        if let Some(share) = &mut self.share {
            let won = share.campaign().await?;
            return Ok((won.lease, if won.was_held { Turn::Later } else { Turn::First }));
        }
        let side = Side::target(self.id());
        match self.arbiter.try_campaign(&side).await? {
            Campaign::Won(lease) => Ok((lease, Turn::First)),
            Campaign::Held(_) => Ok((self.arbiter.campaign(&side).await?, Turn::Later)),
        }
    }

    /// Whether the source answers, for a process that is given pipelines which run elsewhere: it must
    /// not take what it cannot run.
    async fn reaches_the_source(&self) -> bool {
        if self.share.is_none() {
            return true;
        }
        match Connection::connect(&self.config.from.url).await {
            Ok(connection) => {
                connection.close().await;
                true
            }
            Err(error) => {
                let error = otter_core::Error::from(error);
                let pipeline = &self.config.name;
                error!(%pipeline, fault = %error.fault(), %error, "pipeline halted");
                false
            }
        }
    }

    /// Whether nothing is known that would keep the pipeline from beginning. One that has begun
    /// already is not looked at: its stages find out for themselves, and thousands of tables
    /// would take their time at every start (REST-1).
    async fn is_ready(&self) -> bool {
        // Whoever wants to wait for a database cannot have it looked at.
        if self.at_start == AtStart::KeepTrying {
            return true;
        }
        let pipeline = &self.config.name;
        match checkpoint::read(&self.config.to.url, SCHEMA, &self.id()).await {
            Ok(Some(_)) => return self.reaches_the_source().await,
            Ok(None) => {}
            Err(error) => {
                error!(%pipeline, fault = %error.fault(), %error, "pipeline halted");
                return false;
            }
        }
        let report = preflight::look_beside_arbiter(&self.installation, &self.config).await;
        let mut failures = report.failures();
        let Some(first) = failures.next() else { return true };
        // They come in the order in which they should be mended, and mending one often mends
        // those behind it.
        let error = match failures.count() {
            0 => first.to_string(),
            more => format!("{first} (otter-server check tells {more} more)"),
        };
        error!(%pipeline, fault = %Fault::Fatal, %error, "pipeline halted");
        false
    }
}
