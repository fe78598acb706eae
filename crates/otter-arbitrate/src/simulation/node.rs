//! A process of the simulation: it shares pipelines and runs those that it wins, and can be killed
//! and frozen.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use otter_core::testkit::random::Random;
use otter_core::{
    Arbiter, AtStart, Fault, Join, Pipeline, PipelineOptions, Share, Shares, Start, StopHandle,
};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::World;
use super::arbiter::SimulatedArbiter;
use super::server::Line;

/// Whoever was fenced, or met a server that is away, is in no hurry.
const BEFORE_THE_NEXT_TRY: Duration = Duration::from_secs(1);

/// A process that runs.
pub(super) struct Process {
    number: usize,
    world: Arc<World>,
    task: JoinHandle<()>,
    ice: Arc<Ice>,
    /// How many requests of a hundred are lost on its way.
    pub(super) loss: Arc<Mutex<u64>>,
}

/// Something that goes on for ever.
type Life = Pin<Box<dyn Future<Output = Infallible> + Send>>;

impl Process {
    /// Starts a process with a number that no other has.
    pub(super) fn start(world: &Arc<World>, number: usize, random: &mut Random) -> Self {
        let loss = Arc::new(Mutex::new(0));
        let line = Line::new(&world.server, &loss, random.split());
        let name = format!("process {number}");
        let arbiter = Arc::new(SimulatedArbiter::new(&name, world.lease, line));
        world.judge.appears(number, &arbiter.holding);
        let mut lives = lives(world, &arbiter);
        let ice = Arc::new(Ice::default());
        let cold = Arc::clone(&ice);
        let task = tokio::spawn(poll_fn(move |context| {
            if cold.holds(context) {
                return Poll::Pending;
            }
            for life in &mut lives {
                // None of them ends.
                let _ = life.as_mut().poll(context);
            }
            Poll::Pending
        }));
        Self { number, world: Arc::clone(world), task, ice, loss }
    }

    /// Kills it, and waits until it is gone.
    pub(super) async fn kill(self) {
        self.task.abort();
        if let Err(error) = self.task.await
            && error.is_panic()
        {
            self.world.judge.fail("a process panicked".to_owned());
        }
        self.world.judge.vanishes(self.number);
    }

    /// Stops it in whatever it does.
    pub(super) fn freeze(&self) {
        self.ice.is_frozen.store(true, Ordering::SeqCst);
    }

    /// Lets it go on where it was.
    pub(super) fn thaw(&self) {
        self.ice.is_frozen.store(false, Ordering::SeqCst);
        let waker = self.ice.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Holds a process still, as SIGSTOP does.
#[derive(Default)]
struct Ice {
    is_frozen: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Ice {
    fn holds(&self, context: &Context<'_>) -> bool {
        let is_frozen = self.is_frozen.load(Ordering::SeqCst);
        if is_frozen {
            let mut waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
            *waker = Some(context.waker().clone());
        }
        is_frozen
    }
}

/// All that a process does at once.
fn lives(world: &Arc<World>, arbiter: &Arc<SimulatedArbiter>) -> Vec<Life> {
    let sides = world.pipelines.iter().map(|piped| piped.side.clone()).collect();
    let join: Arc<dyn Join> = Arc::clone(arbiter) as Arc<dyn Join>;
    let (shares, handles) = Shares::new(join, sides, world.lease);
    let keeper = Arc::clone(arbiter);
    let mut lives: Vec<Life> = vec![
        Box::pin(async move { keeper.keep().await }),
        Box::pin(async move {
            loop {
                if shares.keep().await.is_err() {
                    sleep(BEFORE_THE_NEXT_TRY).await;
                }
            }
        }),
    ];
    for (number, share) in handles.into_iter().enumerate() {
        lives.push(Box::pin(live(Arc::clone(world), Arc::clone(arbiter), (number, share))));
    }
    lives
}

/// Runs one pipeline whenever it is its process's turn.
async fn live(
    world: Arc<World>,
    arbiter: Arc<SimulatedArbiter>,
    (number, mut share): (usize, Share),
) -> Infallible {
    loop {
        let Some(piped) = world.pipelines.get(number) else {
            match std::future::pending::<Infallible>().await {}
        };
        let Ok(won) = share.campaign().await else {
            sleep(BEFORE_THE_NEXT_TRY).await;
            continue;
        };
        let pipeline = Pipeline::new(
            piped.side.pipeline.clone(),
            Arc::clone(&arbiter) as Arc<dyn Arbiter>,
            piped.source.selector(),
            piped.target.loader(),
        )
        .options(PipelineOptions {
            start: Some(Start::Earliest),
            at_start: AtStart::KeepTrying,
            longest_wait: Duration::from_secs(2),
            ..PipelineOptions::default()
        });
        let (end, stop) = StopHandle::new();
        let mut run = Box::pin(pipeline.run_with(won.lease, &stop));
        let outcome = tokio::select! {
            biased;
            outcome = &mut run => outcome,
            () = share.is_asked_back() => {
                end.stop();
                run.await
            }
        };
        match outcome.map_err(|error| (error.fault(), error)) {
            Ok(_) => world.judge.count(|totals| totals.given_back += 1),
            Err((Fault::Fenced, _)) => {
                world.judge.count(|totals| totals.fenced += 1);
                sleep(BEFORE_THE_NEXT_TRY).await;
            }
            Err((Fault::Transient | Fault::Poison | Fault::Fatal, error)) => {
                world.judge.fail(format!("{} ended: {error}", piped.side));
                std::future::pending::<()>().await;
            }
        }
    }
}
