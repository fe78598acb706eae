//! `otter-server run`: all pipelines of a configuration in one process, until it is stopped.
//!
//! A pipeline that halts does not stop the others; the exit code tells when all have ended.

mod moves;

use std::sync::Arc;

use otter_core::{
    Arbiter, AtStart, Campaign, Fault, Lease, Pipeline, PipelineId, Side, Stop, StopHandle,
};
use otter_sink::checkpoint;
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use crate::assemble::{self, SCHEMA};
use crate::config::{Config, PipelineConfig};
use crate::exit::Exit;
use crate::preflight;
use crate::signals::EndSignals;

/// What to do where another process holds a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenHeld {
    /// Wait until it is gone, and take over.
    Wait,
    /// End with [`Exit::Held`], having started nothing.
    Exit,
}

/// How to run.
#[derive(Debug, Clone, Copy)]
pub struct RunOptions {
    /// What to do where another process holds a pipeline.
    pub when_held: WhenHeld,
    /// What to do where a database does not answer at start.
    pub at_start: AtStart,
}

/// Runs all pipelines until each has ended or been stopped, and tells the gravest outcome.
///
/// The first SIGTERM or SIGINT stops them: each loads what it has read, commits, and gives its
/// lease back. The second ends the process at once; nothing is committed that is not whole.
pub async fn run(config: &Config, options: RunOptions) -> Exit {
    let mut signals = match EndSignals::listen() {
        Ok(signals) => signals,
        Err(error) => {
            error!(%error, "cannot listen for signals");
            return Exit::Halted;
        }
    };
    let arbiter = match assemble::arbiter(config) {
        Ok(arbiter) => arbiter,
        Err(error) => {
            error!(fault = %error.fault(), %error, "cannot start");
            return Exit::of_fault(error.fault());
        }
    };
    let leases = match leases(config, arbiter.as_ref(), options.when_held).await {
        Ok(leases) => leases,
        Err(exit) => return exit,
    };
    let installation = Arc::new(config.clone());
    let (stop, asked) = StopHandle::new();
    let mut running = JoinSet::new();
    for (pipeline, lease) in config.pipelines.iter().zip(leases) {
        let one = One {
            installation: Arc::clone(&installation),
            config: pipeline.clone(),
            arbiter: Arc::clone(&arbiter),
            at_start: options.at_start,
            stop: asked.clone(),
        };
        running.spawn(async move { one.run(lease).await });
    }
    let mut exit = Exit::Done;
    loop {
        tokio::select! {
            biased;
            signal = signals.next() => {
                if asked.is_asked() {
                    warn!(signal = signal.name(), "quitting at once");
                    std::process::exit(signal.exit_code());
                }
                info!(signal = signal.name(), "stopping; the same signal again quits at once");
                stop.stop();
            }
            ended = running.join_next() => match ended {
                Some(Ok(one)) => exit = exit.max(one),
                Some(Err(_)) => {
                    error!("a pipeline ended by a fault of otter-server");
                    exit = Exit::Halted;
                }
                None => return exit,
            },
        }
    }
}

/// The leases of all pipelines where nobody shall be waited for; else none yet.
async fn leases(
    config: &Config,
    arbiter: &dyn Arbiter,
    when_held: WhenHeld,
) -> Result<Vec<Option<Lease>>, Exit> {
    let mut leases = Vec::with_capacity(config.pipelines.len());
    for pipeline in &config.pipelines {
        if when_held == WhenHeld::Wait {
            leases.push(None);
            continue;
        }
        let id = PipelineId::new(pipeline.name.as_str());
        match arbiter.try_campaign(&Side::target(id)).await {
            Ok(Campaign::Won(lease)) => leases.push(Some(lease)),
            Ok(Campaign::Held(holder)) => {
                error!(
                    pipeline = %pipeline.name, %holder,
                    "pipeline is held by another process; stop that one, or leave --no-wait out \
                     to wait for it"
                );
                return Err(Exit::Held);
            }
            Err(error) => {
                error!(pipeline = %pipeline.name, fault = %error.fault(), %error, "cannot start");
                return Err(Exit::of_fault(error.fault()));
            }
        }
    }
    Ok(leases)
}

/// One pipeline of this process.
struct One {
    installation: Arc<Config>,
    config: PipelineConfig,
    arbiter: Arc<dyn Arbiter>,
    at_start: AtStart,
    stop: Stop,
}

impl One {
    async fn run(self, lease: Option<Lease>) -> Exit {
        if !self.is_ready().await {
            return Exit::Halted;
        }
        let lease = match lease {
            Some(lease) => lease,
            None => match self.campaign().await {
                Ok(Some(lease)) => lease,
                Ok(None) => return Exit::Done,
                Err(exit) => return exit,
            },
        };
        let pipeline = assemble::pipeline(&self.config, Arc::clone(&self.arbiter), self.at_start);
        match self.run_pipeline(pipeline, lease).await {
            Ok(()) => Exit::Done,
            Err(fault) => Exit::of_fault(fault),
        }
    }

    /// The pipeline tells its own end; this only adds how it moves meanwhile.
    async fn run_pipeline(&self, pipeline: Pipeline, lease: Lease) -> Result<(), Fault> {
        let progress = pipeline.progress();
        tokio::select! {
            biased;
            outcome = pipeline.run_with(lease, &self.stop) => {
                outcome.map(|_| ()).map_err(|error| error.fault())
            }
            never = moves::tell(&self.config.name, progress) => match never {},
        }
    }

    /// Waits for the lease; `None` where a stop was asked for first.
    async fn campaign(&self) -> Result<Option<Lease>, Exit> {
        let side = Side::target(PipelineId::new(self.config.name.as_str()));
        tokio::select! {
            biased;
            () = self.stop.asked() => Ok(None),
            lease = self.arbiter.campaign(&side) => lease.map(Some).map_err(|error| {
                let pipeline = &self.config.name;
                error!(%pipeline, fault = %error.fault(), %error, "pipeline halted");
                Exit::of_fault(error.fault())
            }),
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
        let id = PipelineId::new(pipeline.as_str());
        match checkpoint::read(&self.config.to.url, SCHEMA, &id).await {
            Ok(Some(_)) => return true,
            Ok(None) => {}
            Err(error) => {
                error!(%pipeline, fault = %error.fault(), %error, "pipeline halted");
                return false;
            }
        }
        let report = preflight::look(&self.installation, &self.config).await;
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
