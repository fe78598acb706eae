//! Nodes, crashes, lost answers and frozen processes under one seed, judged by a model.
//!
//! A run puts a few nodes around one source, one target and one arbiter, all in memory and under
//! tokio's paused clock, so that hours pass in milliseconds and a seed always tells the same
//! story. Each node runs the real [`Pipeline`](crate::Pipeline). While the source is written to,
//! nodes crash, freeze and wake up late; leases are lost, and granted twice at once; connections
//! break before, after and in the middle of a commit. A judge looks at every commit: the target
//! must be exactly as the source was at the committed position, each transaction must be there
//! once and in order (EXACT-1, TXN-1, ORD-1, FENCE-1). In the end all must have arrived.
//!
//! ```
//! use otter_core::testkit::simulation::simulate;
//!
//! let totals = simulate(7).expect("seed 7 keeps all promises");
//! assert!(totals.transactions > 0);
//! ```

mod chaos;
mod judge;
mod node;
mod totals;
mod writer;

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::timeout;

use chaos::Chaos;
use judge::Judge;
pub use totals::Totals;

use super::memory::{MemoryArbiter, MemorySource, MemoryTarget, Weakness};
use super::random::Random;
use crate::arbiter::{PipelineId, Side};
use crate::pipeline::{AtStart, PipelineOptions};
use crate::stage::Start;

/// Time enough for every wait of a pipeline and every lease to end, many times over.
const TIME_TO_DRAIN: Duration = Duration::from_secs(3_600);

/// A promise that was broken, and the seed that shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The seed to run again.
    pub seed: u64,
    /// What was broken.
    pub what: String,
}

/// Runs the story of one seed. The same seed tells the same story, as long as the code is the
/// same.
///
/// # Errors
/// The first promise that was broken.
///
/// # Panics
/// Where no runtime can be made.
pub fn simulate(seed: u64) -> Result<Totals, Failure> {
    run(seed, None)
}

/// Runs the story of one seed with a target that breaks a promise, to show that it is noticed.
///
/// # Errors
/// The first promise that was broken.
///
/// # Panics
/// Where no runtime can be made.
pub fn simulate_weak(seed: u64, weakness: Weakness) -> Result<Totals, Failure> {
    run(seed, Some(weakness))
}

fn run(seed: u64, weakness: Option<Weakness>) -> Result<Totals, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("the system has room for one more runtime");
    runtime.block_on(async {
        let mut random = Random::new(seed);
        let world = Arc::new(World::new(&mut random, weakness));
        let mut chaos = Chaos::new(&world, &mut random);
        chaos.run(&mut random).await;
        chaos.calm(&mut random);
        world.drain().await;
        chaos.end().await;
        world.judge.verdict().map_err(|what| Failure { seed, what })?;
        let mut totals = world.totals().clone();
        totals.transactions = world.judge.transactions();
        totals.commits = *world.target.commits().borrow();
        Ok(totals)
    })
}

/// What all nodes share.
struct World {
    source: MemorySource,
    target: MemoryTarget,
    arbiter: MemoryArbiter,
    side: Side,
    judge: Arc<Judge>,
    options: PipelineOptions,
    totals: Arc<Mutex<Totals>>,
}

impl World {
    fn new(random: &mut Random, weakness: Option<Weakness>) -> Self {
        let source = MemorySource::new();
        let target = weakness.map_or_else(MemoryTarget::new, MemoryTarget::with_weakness);
        let judge = Arc::new(Judge::new(source.clone()));
        let look = Arc::clone(&judge);
        target.on_commit(move |commit, tables| look.look(commit, tables));
        Self {
            source,
            target,
            arbiter: MemoryArbiter::new(Duration::from_secs(2) + random.duration(secs(13))),
            side: Side::target(PipelineId::new("simulated")),
            judge,
            options: options(random),
            totals: Arc::new(Mutex::new(Totals { seeds: 1, ..Totals::default() })),
        }
    }

    fn totals(&self) -> MutexGuard<'_, Totals> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until everything has arrived.
    async fn drain(&self) {
        let mut commits = self.target.commits();
        let drained = async {
            while !self.judge.is_drained() {
                // The sender is in `self`, so that it cannot be gone.
                let _ = commits.changed().await;
            }
        };
        if timeout(TIME_TO_DRAIN, drained).await.is_err() {
            self.judge.fail_undrained();
        }
    }
}

/// Numbers small enough that every bound is met often.
fn options(random: &mut Random) -> PipelineOptions {
    PipelineOptions {
        start: Some(Start::Earliest),
        memory_bytes: 8_192 << random.below(4),
        queue_batches: NonZeroUsize::MIN.saturating_add(random.below(16)),
        group_rows: 1 + random.below(50),
        group_bytes: 1_024 << random.below(5),
        first_wait: Duration::from_millis(1) + random.duration(secs(1)),
        longest_wait: secs(1) + random.duration(secs(9)),
        at_start: if random.chance(50) { AtStart::GiveUp } else { AtStart::KeepTrying },
    }
}

fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}: {}", self.seed, self.what)
    }
}

impl std::error::Error for Failure {}
