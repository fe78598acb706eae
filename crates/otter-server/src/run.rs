//! `otter-server run`: all pipelines of a configuration in one process, until it is stopped.
//!
//! A pipeline that halts does not stop the others; the exit code tells when all have ended.

mod board;
mod former;
mod moves;
mod pace;
mod standby;
mod waits;
mod walk;

use std::convert::Infallible;
use std::sync::Arc;

use otter_arbitrate::{Wanted, Wishes};
use otter_core::{
    Arbiter, AtStart, Campaign, Fault, Join, Lease, PipelineId, Share, Shares, Side, Stop,
    StopHandle,
};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{error, info, warn};

use crate::assemble::OpenArbiter;
use crate::config::Config;
use crate::exit::Exit;
use crate::retention::{Moves, guard};
use crate::signals::{EndSignals, Hangups};
use board::Board;
use pace::Paces;
use standby::Standby;
use waits::Waits;

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
/// lease back. The second ends the process at once; nothing is committed that is not whole. SIGHUP
/// reads the configuration again and takes limits of speed and brakes from it.
pub async fn run(config: &Config, options: RunOptions) -> Exit {
    let listening = EndSignals::listen().and_then(|ends| Ok((ends, Hangups::listen()?)));
    let (mut signals, hangups) = match listening {
        Ok(signals) => signals,
        Err(error) => {
            error!(%error, "cannot listen for signals");
            return Exit::Halted;
        }
    };
    let open = match open_arbiter(config, options.at_start, &mut signals).await {
        Ok(open) => open,
        Err(exit) => return exit,
    };
    let exit = run_under(&open, config, options, (signals, hangups)).await;
    open.close().await;
    exit
}

/// Opens the arbiter; one that does not answer is waited for where the operator wants it so.
async fn open_arbiter(
    config: &Config,
    at_start: AtStart,
    signals: &mut EndSignals,
) -> Result<OpenArbiter, Exit> {
    let mut waits = Waits::new();
    loop {
        let opened = tokio::select! {
            biased;
            signal = signals.next() => {
                info!(signal = signal.name(), "stopping");
                return Err(Exit::Done);
            }
            opened = former::open(config) => opened,
        };
        let error = match opened {
            Ok(open) => return Ok(open),
            Err(error) => error,
        };
        if error.fault() != Fault::Transient || at_start == AtStart::GiveUp {
            error!(fault = %error.fault(), %error, "cannot start");
            return Err(Exit::of_fault(error.fault()));
        }
        warn!(%error, "the arbiter does not answer; it is asked again");
        tokio::select! {
            biased;
            signal = signals.next() => {
                info!(signal = signal.name(), "stopping");
                return Err(Exit::Done);
            }
            () = waits.next() => {}
        }
    }
}

async fn run_under(
    open: &OpenArbiter,
    config: &Config,
    options: RunOptions,
    (mut signals, mut hangups): (EndSignals, Hangups),
) -> Exit {
    let arbiter = &open.arbiter;
    let wishes = open.wishes();
    let leases = match leases(config, (arbiter.as_ref(), &wishes), options.when_held).await {
        Ok(leases) => leases,
        Err(exit) => return exit,
    };
    let installation = Arc::new(config.clone());
    let (stop, asked) = StopHandle::new();
    let paces = Paces::new(config);
    let (shares, handles) = share_out(open.shared(), config, options.when_held);
    let board = Arc::new(Board::default());
    let mut running = JoinSet::new();
    for ((pipeline, lease), share) in config.pipelines.iter().zip(leases).zip(handles) {
        let one = Standby {
            installation: Arc::clone(&installation),
            config: pipeline.clone(),
            arbiter: Arc::clone(arbiter),
            at_start: options.at_start,
            stop: asked.clone(),
            pace: paces.of(pipeline),
            wishes: wishes.clone(),
            share,
            board: Arc::clone(&board),
        };
        let own = Box::new(pipeline.clone());
        running.spawn(async move { (own, one.run(lease).await) });
    }
    let mut sharing = std::pin::pin!(keep(shares, &asked));
    let reports = open.reports(board::BETWEEN_WRITES);
    let mut publishing = std::pin::pin!(board::publish(&board, reports));
    let mut exit = Exit::Done;
    // Pipelines that have halted while others go on.
    let mut halted = JoinSet::new();
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
            () = hangups.next() => paces.read_again(config),
            never = &mut sharing => match never {},
            never = &mut publishing => match never {},
            ended = running.join_next() => match ended {
                Some(Ok((pipeline, one))) => {
                    exit = exit.max(one);
                    if one == Exit::Halted {
                        halted.spawn(async move { guard(&pipeline, Moves::No).await });
                    }
                }
                Some(Err(_)) => {
                    error!("a pipeline ended by a fault of otter-server");
                    exit = Exit::Halted;
                }
                None => return exit,
            },
        }
    }
}

/// The shares of this process, and one for each pipeline. None where the processes are not known to
/// each other, or where this one shall have all pipelines or none.
fn share_out(
    arbiter: Option<Arc<dyn Join>>,
    config: &Config,
    when_held: WhenHeld,
) -> (Option<Shares>, Vec<Option<Share>>) {
    let none = || (None, config.pipelines.iter().map(|_| None).collect());
    let arbiter = match when_held {
        WhenHeld::Wait => arbiter,
        WhenHeld::Exit => None,
    };
    let Some(arbiter) = arbiter else { return none() };
    let side = |name: &str| Side::target(PipelineId::new(name));
    let sides = config.pipelines.iter().map(|pipeline| side(&pipeline.name)).collect();
    let (shares, handles) = Shares::new(arbiter, sides, config.arbiter.lease);
    (Some(shares), handles.into_iter().map(Some).collect())
}

/// Shares pipelines with the other processes until this one shall end. It is not counted from then
/// on, so that the others take each pipeline as soon as it has stopped here.
async fn keep(shares: Option<Shares>, stop: &Stop) -> Infallible {
    if let Some(shares) = shares {
        let mut waits = Waits::new();
        while !stop.is_asked() {
            tokio::select! {
                biased;
                () = stop.asked() => {}
                failed = shares.keep() => match failed {
                    Ok(never) => match never {},
                    Err(error) => {
                        error!(%error, "this process cannot share pipelines; it tries again");
                        waits.next().await;
                    }
                },
            }
        }
    }
    std::future::pending().await
}

/// The leases of all pipelines where nobody shall be waited for, but of those that are paused; else
/// none yet.
async fn leases(
    config: &Config,
    (arbiter, wishes): (&dyn Arbiter, &Wishes),
    when_held: WhenHeld,
) -> Result<Vec<Option<Lease>>, Exit> {
    let mut leases = Vec::with_capacity(config.pipelines.len());
    if when_held == WhenHeld::Exit {
        // Where it takes longer, the arbiter says why when it is asked for a lease.
        let _ = timeout(config.arbiter.lease, wishes.known()).await;
    }
    for pipeline in &config.pipelines {
        if when_held == WhenHeld::Wait {
            leases.push(None);
            continue;
        }
        let id = PipelineId::new(pipeline.name.as_str());
        // One that is paused is nobody's.
        if wishes.of(&id) == Some(Wanted::Paused) {
            leases.push(None);
            continue;
        }
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
