//! Several processes under one seed: what they hold under their sessions, how they share sides, and
//! whether every row arrives once, while the server that decides and the lines to it break.
//!
//! The server is a model of the tables of [`sql`](crate::sql); `holding.rs`, the shares and the
//! pipelines are the real ones. Requests and answers are late or lost, so that nobody knows whether
//! a grant was applied; processes are frozen and die; the server goes away, its clock jumps, its
//! records are deleted. All is in memory under tokio's paused clock.
//!
//! After each request that the server has carried out a judge looks: no side may be held by two
//! processes at once by their own clocks, unless the server was made to forget (FENCE-1), and every
//! commit must leave a target as its source was (EXACT-1). In the end all must have arrived, and each
//! side must be in one hand.
//!
//! `scripts/soak leases` runs 20,000 seeds, `OTTER_SEED=42` one.

mod arbiter;
mod chaos;
mod judge;
mod node;
mod server;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use otter_core::testkit::history::History;
use otter_core::testkit::item::Item;
use otter_core::testkit::memory::{MemorySource, MemoryTarget};
use otter_core::testkit::random::Random;
use otter_core::{PipelineId, Side};
use tokio::time::{sleep, timeout};

use crate::machine::simulated;
use chaos::Chaos;
use judge::Judge;
use server::{Server, Weakness};

/// Time enough for every wait and every lease to end, many times over.
const TIME_TO_CALM_DOWN: Duration = Duration::from_secs(3_600);
/// How often it is looked whether all is well.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// What has happened, so that nobody believes quiet seeds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Totals {
    transactions: u64,
    grants: u64,
    lost_before: u64,
    lost_after: u64,
    deaths: u64,
    freezes: u64,
    outages: u64,
    ended_sessions: u64,
    deleted_leases: u64,
    jumps_ahead: u64,
    jumps_back: u64,
    fenced: u64,
    given_back: u64,
}

/// What all processes share.
struct World {
    server: Arc<Server>,
    judge: Arc<Judge>,
    lease: Duration,
    pipelines: Vec<Piped>,
}

/// One pipeline's databases.
struct Piped {
    side: Side,
    source: MemorySource,
    target: MemoryTarget,
}

impl World {
    fn new(random: &mut Random, weakness: Option<Weakness>) -> Self {
        let lease = Duration::from_secs(2) + random.duration(Duration::from_secs(13));
        let judge = Arc::new(Judge::new(lease));
        let pipelines = (0..=random.below(6)).map(|number| {
            let piped = Piped {
                side: Side::target(PipelineId::new(format!("p{number}"))),
                source: MemorySource::new(),
                target: MemoryTarget::new(),
            };
            judge.watch(&piped.source, &piped.target);
            piped
        });
        let pipelines = pipelines.collect();
        let server = Arc::new(Server::new(Arc::clone(&judge), weakness));
        Self { server, judge, lease, pipelines }
    }

    fn is_drained(&self) -> bool {
        self.pipelines.iter().all(|piped| {
            let through = piped.target.position(&piped.side.pipeline);
            through.is_some_and(|through| through == piped.source.end())
        })
    }

    /// Whether each target holds the rows of its source.
    fn is_equal(&self) -> bool {
        self.pipelines.iter().all(|piped| {
            let newest = |history: &History| {
                history.table_after(history.len()).values().cloned().collect::<Vec<Item>>()
            };
            piped.target.items() == piped.source.read(newest)
        })
    }

    /// Waits until all has arrived and each side is held by one process.
    async fn calm_down(&self) {
        let is_well = async {
            while !self.judge.has_failed() {
                let sides = self.pipelines.iter().map(|piped| piped.side.to_string());
                if self.is_drained() && sides.into_iter().all(|side| self.judge.holders(&side) == 1)
                {
                    return;
                }
                sleep(BETWEEN_LOOKS).await;
            }
        };
        if timeout(TIME_TO_CALM_DOWN, is_well).await.is_err() {
            let arrived = if self.is_drained() { "all has arrived" } else { "not all has arrived" };
            self.judge.fail(format!("it does not calm down: {arrived}"));
        } else if !self.is_equal() {
            self.judge.fail("a target is not as its source is".to_owned());
        }
    }
}

/// Tells the story of one seed.
fn simulate(seed: u64, weakness: Option<Weakness>) -> Result<Totals, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("the system has room for one more runtime");
    runtime.block_on(async {
        let _clock = simulated::begin();
        let mut random = Random::new(seed);
        let world = Arc::new(World::new(&mut random, weakness));
        let mut chaos = Chaos::new(&world, &mut random);
        chaos.run(&mut random).await;
        chaos.calm();
        world.calm_down().await;
        chaos.end().await;
        world.judge.verdict()
    })
}

/// Some seconds' worth in a debug build.
const SEEDS: u64 = 300;

fn number_from(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is a number, not {text}")))
}

#[test]
fn all_seeds_keep_all_promises() {
    let (first, count) = match number_from("OTTER_SEED") {
        Some(seed) => (seed, 1),
        None => (1, number_from("OTTER_SEEDS").unwrap_or(SEEDS)),
    };
    let (next, all) = (AtomicU64::new(first), Mutex::new(Totals::default()));
    let began = std::time::Instant::now();
    let work = || loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= first + count {
            return;
        }
        match simulate(seed, None) {
            Ok(totals) => all.lock().expect("nobody panics with it").add(&totals),
            Err(what) => panic!("seed {seed}: {what}; run it again with OTTER_SEED={seed}"),
        }
    };
    std::thread::scope(|scope| {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        for _ in 0..cores {
            scope.spawn(work);
        }
    });
    let all = *all.lock().expect("nobody panics with it");
    println!("{count} seeds in {:?}: {all:#?}", began.elapsed());
    if count >= SEEDS {
        for (name, count) in all.list() {
            assert!(count > 0, "{name}: never happened");
        }
    }
}

/// How many seeds it may take to notice.
const SEEDS_TO_NOTICE: u64 = 100;

fn assert_noticed(weakness: Weakness, expected: &str) {
    let is_noticed = (1..=SEEDS_TO_NOTICE).any(|seed| {
        let story = simulate(seed, Some(weakness));
        story.is_err_and(|what| what.contains(expected))
    });
    assert!(is_noticed, "{SEEDS_TO_NOTICE} seeds do not notice {weakness:?}");
}

#[test]
fn a_server_that_grants_twice_is_noticed() {
    assert_noticed(Weakness::GrantsWhatIsHeld, "while another process holds it");
}

#[test]
fn sessions_that_end_before_their_leases_are_noticed() {
    assert_noticed(Weakness::EndsSessionsEarly, "while another process holds it");
}

impl Totals {
    fn list(&self) -> [(&'static str, u64); 13] {
        [
            ("transactions", self.transactions),
            ("grants", self.grants),
            ("requests lost", self.lost_before),
            ("answers lost", self.lost_after),
            ("deaths", self.deaths),
            ("freezes", self.freezes),
            ("outages", self.outages),
            ("sessions ended", self.ended_sessions),
            ("leases deleted", self.deleted_leases),
            ("jumps ahead", self.jumps_ahead),
            ("jumps back", self.jumps_back),
            ("runs fenced", self.fenced),
            ("sides given back", self.given_back),
        ]
    }

    fn add(&mut self, other: &Self) {
        self.transactions += other.transactions;
        self.grants += other.grants;
        self.lost_before += other.lost_before;
        self.lost_after += other.lost_after;
        self.deaths += other.deaths;
        self.freezes += other.freezes;
        self.outages += other.outages;
        self.ended_sessions += other.ended_sessions;
        self.deleted_leases += other.deleted_leases;
        self.jumps_ahead += other.jumps_ahead;
        self.jumps_back += other.jumps_back;
        self.fenced += other.fenced;
        self.given_back += other.given_back;
    }
}
