//! A node: a process that runs the pipeline again and again, and that can be killed and frozen.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::super::memory::MemoryArbiter;
use super::super::random::Random;
use super::{World, secs};
use crate::fault::Fault;
use crate::pipeline::Pipeline;
use crate::stop::StopHandle;

/// A node that runs.
pub(super) struct Process {
    task: JoinHandle<()>,
    ice: Arc<Ice>,
    arbiter: MemoryArbiter,
}

impl Process {
    /// Starts a process.
    pub(super) fn start(world: &Arc<World>, name: &str, random: &mut Random) -> Self {
        let arbiter = world.arbiter.node(name);
        let ice = Arc::new(Ice::default());
        let life = live(Arc::clone(world), arbiter.clone(), random.split());
        let task = tokio::spawn(Freezable { ice: Arc::clone(&ice), life: Box::pin(life) });
        Self { task, ice, arbiter }
    }

    /// Kills it, and waits until it is gone. Whether it was in order until then.
    pub(super) async fn kill(self) -> Result<(), String> {
        self.task.abort();
        match self.task.await {
            Err(error) if error.is_panic() => Err("a node panicked".to_owned()),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Stops it in whatever it does; its lease is not renewed any more.
    pub(super) fn freeze(&self) {
        self.ice.is_frozen.store(true, Ordering::SeqCst);
        self.arbiter.freeze();
    }

    /// Lets it go on where it was.
    pub(super) fn thaw(&self) {
        self.arbiter.thaw();
        self.ice.is_frozen.store(false, Ordering::SeqCst);
        let waker = self.ice.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Holds a future still, as SIGSTOP does with a process.
#[derive(Default)]
struct Ice {
    is_frozen: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

struct Freezable {
    ice: Arc<Ice>,
    life: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Future for Freezable {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.ice.is_frozen.load(Ordering::SeqCst) {
            let mut waker = self.ice.waker.lock().unwrap_or_else(PoisonError::into_inner);
            *waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        self.life.as_mut().poll(context)
    }
}

/// Runs the pipeline until it ends, acts as an operator or a supervisor would, and runs it again.
async fn live(world: Arc<World>, arbiter: MemoryArbiter, mut random: Random) {
    loop {
        run_once(&world, &arbiter, &mut random).await;
        sleep(Duration::from_millis(1) + random.duration(secs(2))).await;
    }
}

async fn run_once(world: &World, arbiter: &MemoryArbiter, random: &mut Random) {
    let pipeline = Pipeline::new(
        world.side.pipeline.clone(),
        Arc::new(arbiter.clone()),
        world.source.selector(),
        world.target.loader(),
    )
    .options(world.options.clone());
    let (handle, stop) = StopHandle::new();
    // Sometimes it is asked to stop, as for an update of the program.
    let time = if random.chance(20) { random.duration(secs(60)) } else { Duration::MAX };
    let mut run = Box::pin(pipeline.run(stop));
    let outcome = tokio::select! {
        biased;
        outcome = &mut run => outcome,
        () = sleep(time) => {
            handle.stop();
            run.await
        }
    };
    let Err(error) = outcome else {
        world.totals().stopped += 1;
        return;
    };
    match error.fault() {
        Fault::Transient => world.totals().gave_up += 1,
        Fault::Fenced => world.totals().fenced += 1,
        Fault::Poison => {
            world.totals().poisoned += 1;
            // The operator comes and mends the target.
            sleep(random.duration(secs(10))).await;
            world.target.accept_all();
        }
        Fault::Fatal => world.judge.fail(format!("a node ended: {error}")),
    }
}
