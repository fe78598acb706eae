//! What happens to the world: the application writes, and everything else breaks.

use std::sync::{Arc, PoisonError};

use tokio::time::sleep;

use super::super::history::History;
use super::super::item::table;
use super::super::memory::{FaultPoint, Injected, Stored};
use super::super::random::Random;
use super::node::Process;
use super::{World, secs, writer};

/// What can happen, and how often in a hundred; what is left is quiet.
const WRITES: usize = 45;
const CRASHES: usize = 8;
const RESTARTS: usize = 10;
const FREEZES: usize = 6;
const THAWS: usize = 6;
const EXPIRES: usize = 4;
const FORGETS: usize = 4;
const CUTS: usize = 4;
const OUTAGES: usize = 2;
const WEATHER: usize = 4;
const REFUSALS: usize = 3;

/// The world's fate.
pub(super) struct Chaos {
    world: Arc<World>,
    nodes: Vec<Node>,
}

struct Node {
    name: String,
    process: Option<Process>,
}

impl Chaos {
    pub(super) fn new(world: &Arc<World>, random: &mut Random) -> Self {
        let count = 1 + random.below(4);
        let nodes = (0..count).map(|index| {
            let name = format!("node {index}");
            let process = Process::start(world, &name, random);
            Node { name, process: Some(process) }
        });
        let nodes = nodes.collect();
        Self { world: Arc::clone(world), nodes }
    }

    /// Lets things happen for a while.
    pub(super) async fn run(&mut self, random: &mut Random) {
        for _ in 0..30 + random.below(90) {
            if self.world.judge.has_failed() {
                return;
            }
            self.happen(random).await;
            let pause = *random.choose(&[0, 0, 1, 1, 5, 20]);
            sleep(random.duration(secs(pause))).await;
        }
    }

    async fn happen(&mut self, random: &mut Random) {
        let mut at = random.below(100);
        let mut is = |weight: usize| {
            let happens = at < weight;
            at = at.wrapping_sub(weight);
            happens
        };
        if is(WRITES) {
            self.write(random);
        } else if is(CRASHES) {
            self.crash(random).await;
        } else if is(RESTARTS) {
            self.restart_all(random);
        } else if is(FREEZES) {
            self.freeze(random);
        } else if is(THAWS) {
            self.thaw_all();
        } else if is(EXPIRES) {
            self.world.arbiter.expire(&self.world.side);
            self.world.totals().expired += 1;
        } else if is(FORGETS) {
            self.world.arbiter.forget(&self.world.side);
            self.world.totals().doubled += 1;
        } else if is(CUTS) {
            self.world.source.cut();
            self.world.totals().cuts += 1;
        } else if is(OUTAGES) {
            self.world.source.set_reachable(false);
            sleep(random.duration(secs(20))).await;
            self.world.source.set_reachable(true);
            self.world.totals().outages += 1;
        } else if is(WEATHER) {
            self.change_weather(random);
        } else if is(REFUSALS) {
            let key = i64::try_from(random.below(8)).unwrap_or(0);
            self.world.target.refuse(&table().name, &[Stored::from(key)]);
        }
    }

    fn write(&self, random: &mut Random) {
        for _ in 0..=random.below(8) {
            if random.chance(15) {
                self.world.source.write(History::progress);
                continue;
            }
            let is_huge = random.chance(5);
            let count = if is_huge { 100 + random.below(400) } else { random.below(5) };
            self.world.source.write(|history| {
                let edits = writer::edits(random, history.table_after(history.len()), count);
                history.commit(edits)
            });
            self.world.totals().huge += u64::from(is_huge);
        }
    }

    async fn crash(&mut self, random: &mut Random) {
        let at = random.below(self.nodes.len());
        let process = self.nodes.get_mut(at).and_then(|node| node.process.take());
        let Some(process) = process else { return };
        self.world.totals().crashes += 1;
        if let Err(what) = process.kill().await {
            self.world.judge.fail(what);
        }
    }

    fn restart_all(&mut self, random: &mut Random) {
        for node in &mut self.nodes {
            let world = &self.world;
            node.process.get_or_insert_with(|| Process::start(world, &node.name, random));
        }
    }

    fn freeze(&self, random: &mut Random) {
        let at = random.below(self.nodes.len());
        if let Some(process) = self.nodes.get(at).and_then(|node| node.process.as_ref()) {
            process.freeze();
            self.world.totals().freezes += 1;
        }
    }

    fn thaw_all(&self) {
        for process in self.nodes.iter().filter_map(|node| node.process.as_ref()) {
            process.thaw();
        }
    }

    /// How often the way to the target fails from now on.
    fn change_weather(&self, random: &mut Random) {
        let percent = *random.choose(&[0, 2, 10, 40]);
        let mut random = random.split();
        let totals = Arc::clone(&self.world.totals);
        self.world.target.fail_by(move |_: FaultPoint| {
            if !random.chance(percent) {
                return None;
            }
            let mut totals = totals.lock().unwrap_or_else(PoisonError::into_inner);
            Some(match random.below(6) {
                0 => {
                    totals.lost_before += 1;
                    Injected::LostBefore
                }
                1 => {
                    totals.lost_after += 1;
                    Injected::LostAfter
                }
                2 => {
                    totals.in_doubt += 1;
                    Injected::InDoubt { commits: random.chance(50) }
                }
                3 => {
                    totals.hung += 1;
                    Injected::Hang(random.duration(secs(30)))
                }
                _ => {
                    totals.slow += 1;
                    Injected::Slow(random.duration(secs(10)))
                }
            })
        });
    }

    /// Ends all trouble.
    pub(super) fn calm(&mut self, random: &mut Random) {
        self.world.target.fail_never();
        self.world.target.accept_all();
        self.thaw_all();
        self.restart_all(random);
    }

    /// Ends all nodes.
    pub(super) async fn end(&mut self) {
        for node in &mut self.nodes {
            let Some(process) = node.process.take() else { continue };
            if let Err(what) = process.kill().await {
                self.world.judge.fail(what);
            }
        }
    }
}
