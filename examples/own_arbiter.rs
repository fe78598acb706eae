//! An application that decides by itself which of its workers runs a pipeline.
//!
//! Its desk is one task, asked over a channel; a worker is heard of as long as it lives. In a real
//! application the channel would be the line to whatever it has already. The conformance suite at
//! the end tells whether that is an arbiter.
#![allow(clippy::print_stdout, reason = "a program tells its user what happens")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use otter_core::arbiter::LeaseParts;
use otter_core::{
    Arbiter, ArbiterId, Campaign, Classify, Fault, Holder, Lease, PipelineId, Result, Side, Term,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, interval, sleep_until};

/// How long a worker keeps its sides after it was heard of last.
const LEASE: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> Result<()> {
    let desk = Desk::start();
    let (one, other) = (desk.worker("one"), desk.worker("other"));
    let side = Side::target(PipelineId::new("shop"));
    // As `Pipeline::run` does; it takes the arbiter as an `Arc<dyn Arbiter>`.
    let lease = one.campaign(&side).await?;
    if let Campaign::Held(holder) = other.try_campaign(&side).await? {
        println!("shop is run by {holder}");
    }
    drop(lease);
    let lease = other.campaign(&side).await?;
    println!("then by other under term {}", lease.term());
    Ok(())
}

/// A worker asks for a side.
struct Ask {
    side: Side,
    name: String,
    heard: watch::Receiver<Instant>,
    reply: oneshot::Sender<Answer>,
}

/// The side is the worker's until the watch says otherwise, or somebody else's.
enum Answer {
    Granted(Term, watch::Receiver<bool>),
    Held(Holder),
}

/// Where workers ask. The task ends with the last of those that can ask.
#[derive(Clone)]
struct Desk {
    id: ArbiterId,
    asks: mpsc::Sender<Ask>,
    /// Tells that a side was given up.
    freed: watch::Receiver<()>,
}

impl Desk {
    fn start() -> Self {
        let (asks, asked) = mpsc::channel(16);
        let (free, freed) = watch::channel(());
        tokio::spawn(answer(asked, free));
        // Terms begin at 1 again with each desk, so each is an arbiter of its own. One that keeps
        // the last term in a file or database keeps its id there as well.
        let id = ArbiterId::new(format!("desk-of-process-{}", std::process::id()));
        Self { id, asks, freed }
    }

    fn worker(&self, name: &str) -> Worker {
        Worker { desk: self.clone(), name: name.to_owned(), alive: Arc::new(Alive::new()) }
    }
}

/// Grants each side to one worker at a time.
async fn answer(mut asked: mpsc::Receiver<Ask>, free: watch::Sender<()>) {
    let mut held: HashMap<Side, Holder> = HashMap::new();
    let (mut given, mut last_term) = (JoinSet::new(), 0);
    loop {
        tokio::select! {
            Some(Ok(side)) = given.join_next() => {
                held.remove(&side);
                free.send_replace(());
            }
            ask = asked.recv() => {
                let Some(Ask { side, name, heard, reply }) = ask else { return };
                let answer = if let Some(holder) = held.get(&side) {
                    Answer::Held(holder.clone())
                } else {
                    last_term += 1;
                    let (lost, watched) = watch::channel(false);
                    held.insert(side.clone(), Holder { name, term: Term(last_term) });
                    given.spawn(until_given_up(side, heard, lost));
                    Answer::Granted(Term(last_term), watched)
                };
                // Whoever does not wait for the answer has dropped the watch with it.
                let _ = reply.send(answer);
            }
        }
    }
}

/// Waits until nobody watches the lease any more, or its worker was not heard of for too long.
async fn until_given_up(
    side: Side,
    mut heard: watch::Receiver<Instant>,
    lost: watch::Sender<bool>,
) -> Side {
    loop {
        let end = *heard.borrow_and_update() + LEASE;
        tokio::select! {
            () = lost.closed() => break,
            Ok(()) = heard.changed() => {}
            () = sleep_until(end) => break,
        }
    }
    // Before the side is free: nobody may win it before the loser can know.
    lost.send_replace(true);
    side
}

/// Says again and again that the worker lives, which it does as long as it can ask or holds a
/// lease.
struct Alive {
    heard: Arc<watch::Sender<Instant>>,
    telling: Mutex<JoinHandle<()>>,
}

impl Alive {
    fn new() -> Self {
        let heard = Arc::new(watch::Sender::new(Instant::now()));
        let telling = Mutex::new(tokio::spawn(tell(Arc::clone(&heard))));
        Self { heard, telling }
    }

    fn fall_silent(&self) {
        self.telling.lock().unwrap_or_else(PoisonError::into_inner).abort();
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.fall_silent();
    }
}

async fn tell(heard: Arc<watch::Sender<Instant>>) {
    let mut beats = interval(LEASE / 4);
    loop {
        beats.tick().await;
        heard.send_replace(Instant::now());
    }
}

/// One worker: the arbiter that its pipelines get.
struct Worker {
    desk: Desk,
    name: String,
    alive: Arc<Alive>,
}

#[async_trait]
impl Arbiter for Worker {
    fn id(&self) -> &ArbiterId {
        &self.desk.id
    }

    async fn try_campaign(&self, side: &Side) -> Result<Campaign> {
        let (reply, answer) = oneshot::channel();
        let (name, heard) = (self.name.clone(), self.alive.heard.subscribe());
        let ask = Ask { side: side.clone(), name, heard: heard.clone(), reply };
        self.desk.asks.send(ask).await.map_err(|_| DeskGone)?;
        Ok(match answer.await.map_err(|_| DeskGone)? {
            Answer::Held(holder) => Campaign::Held(holder),
            Answer::Granted(term, lost) => Campaign::Won(Lease::new(LeaseParts {
                arbiter: self.desk.id.clone(),
                side: side.clone(),
                term,
                duration: LEASE,
                lost,
                still_valid: Box::new(move || Instant::now() < *heard.borrow() + LEASE),
                // The desk sees the lease's watch go; only the worker must live as long.
                guard: Box::new(Arc::clone(&self.alive)),
            })),
        })
    }

    async fn campaign(&self, side: &Side) -> Result<Lease> {
        // Before asking, so that nothing is given up unnoticed between asking and waiting.
        let mut freed = self.desk.freed.clone();
        loop {
            freed.borrow_and_update();
            if let Campaign::Won(lease) = self.try_campaign(side).await? {
                return Ok(lease);
            }
            freed.changed().await.map_err(|_| DeskGone)?;
        }
    }
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").field("name", &self.name).finish_non_exhaustive()
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the application's desk has ended")]
struct DeskGone;

impl Classify for DeskGone {
    fn fault(&self) -> Fault {
        Fault::Fatal
    }

    fn doing(&self) -> &'static str {
        "ask who runs a pipeline"
    }
}

#[cfg(test)]
mod tests {
    use otter_core::testkit::arbiter::{ArbiterFixture, Node};
    use otter_core::testkit::suite::{Clock, Fixture};

    use super::*;

    struct Application(Desk);

    #[async_trait]
    impl Fixture for Application {
        const CLOCK: Clock = Clock::Paused;

        async fn start() -> Self {
            Self(Desk::start())
        }
    }

    #[async_trait]
    impl ArbiterFixture for Application {
        async fn node(&self) -> Box<dyn Node> {
            Box::new(Process(Arc::new(self.0.worker("a worker"))))
        }
    }

    struct Process(Arc<Worker>);

    #[async_trait]
    impl Node for Process {
        fn arbiter(&self) -> Arc<dyn Arbiter> {
            Arc::<Worker>::clone(&self.0)
        }

        async fn freeze(&self) {
            self.0.alive.fall_silent();
        }

        async fn thaw(&self) {
            let again = tokio::spawn(tell(Arc::clone(&self.0.alive.heard)));
            *self.0.alive.telling.lock().unwrap() = again;
        }
    }

    otter_core::arbiter_suite!(Application);
}
