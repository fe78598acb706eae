//! What happens to the world: applications write, and everything else breaks.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use otter_core::testkit::item::{Edit, Item};
use otter_core::testkit::memory::{FaultPoint, Injected};
use otter_core::testkit::random::Random;
use tokio::time::sleep;

use super::World;
use super::node::Process;

/// What can happen, and how often in a hundred; what is left is quiet.
const WRITES: usize = 40;
const DEATHS: usize = 7;
const BIRTHS: usize = 9;
const FREEZES: usize = 7;
const THAWS: usize = 7;
const LOSSES: usize = 8;
const OUTAGES: usize = 3;
const ENDED_SESSIONS: usize = 3;
const DELETED_LEASES: usize = 3;
const JUMPS: usize = 4;
const WEATHER: usize = 3;
/// Few keys, so that changes of one key follow each other closely.
const KEYS: usize = 8;
const MOST_PROCESSES: usize = 5;

/// The world's fate.
pub(super) struct Chaos {
    world: Arc<World>,
    processes: Vec<Process>,
    born: usize,
}

impl Chaos {
    pub(super) fn new(world: &Arc<World>, random: &mut Random) -> Self {
        let mut chaos = Self { world: Arc::clone(world), processes: Vec::new(), born: 0 };
        for _ in 0..=random.below(4) {
            chaos.give_birth(random);
        }
        chaos
    }

    /// Lets things happen for a while.
    pub(super) async fn run(&mut self, random: &mut Random) {
        for _ in 0..20 + random.below(60) {
            if self.world.judge.has_failed() {
                return;
            }
            self.happen(random).await;
            let pause = *random.choose(&[0, 0, 1, 1, 5, 20]);
            sleep(random.duration(Duration::from_secs(pause))).await;
        }
    }

    async fn happen(&mut self, random: &mut Random) {
        let mut at = random.below(100);
        let mut is = |weight: usize| {
            let happens = at < weight;
            at = at.wrapping_sub(weight);
            happens
        };
        let judge = Arc::clone(&self.world.judge);
        let server = Arc::clone(&self.world.server);
        if is(WRITES) {
            self.write(random);
        } else if is(DEATHS) {
            self.die(random).await;
        } else if is(BIRTHS) {
            self.give_birth(random);
        } else if is(FREEZES) {
            if !self.processes.is_empty() {
                random.choose(&self.processes).freeze();
                judge.count(|totals| totals.freezes += 1);
            }
        } else if is(THAWS) {
            self.processes.iter().for_each(Process::thaw);
        } else if is(LOSSES) {
            // A hundred of a hundred: it is cut off.
            let loss = *random.choose(&[0, 0, 5, 30, 100]);
            if !self.processes.is_empty() {
                let process = random.choose(&self.processes);
                *process.loss.lock().unwrap_or_else(PoisonError::into_inner) = loss;
            }
        } else if is(OUTAGES) {
            server.set_up(false);
            sleep(random.duration(3 * self.world.lease)).await;
            server.set_up(true);
            judge.count(|totals| totals.outages += 1);
        } else if is(ENDED_SESSIONS) {
            let is_ended = server.end_a_session(random);
            judge.count(|totals| totals.ended_sessions += u64::from(is_ended));
        } else if is(DELETED_LEASES) {
            let is_deleted = server.delete_a_lease(random);
            judge.count(|totals| totals.deleted_leases += u64::from(is_deleted));
        } else if is(JUMPS) {
            let is_ahead = random.chance(50);
            server.jump(random.duration(2 * self.world.lease), is_ahead);
            judge.count(
                |totals| {
                    if is_ahead { totals.jumps_ahead += 1 } else { totals.jumps_back += 1 }
                },
            );
        } else if is(WEATHER) {
            self.change_weather(random);
        }
    }

    /// A transaction at one source.
    fn write(&self, random: &mut Random) {
        let piped = random.choose(&self.world.pipelines);
        let mut edits = Vec::new();
        piped.source.write(|history| {
            let mut table = history.table_after(history.len()).clone();
            for _ in 0..=random.below(4) {
                let id = i64::try_from(random.below(KEYS)).unwrap_or(0);
                let after = Item::new(id, &format!("{:x}", random.number()));
                let edit = match table.get(&id).cloned() {
                    None => Edit::Insert(after),
                    Some(before) if random.chance(30) => Edit::Delete(before),
                    Some(before) => Edit::Update { before, after },
                };
                edit.apply(&mut table);
                edits.push(edit);
            }
            history.commit(edits);
        });
    }

    fn give_birth(&mut self, random: &mut Random) {
        if self.processes.len() < MOST_PROCESSES {
            self.born += 1;
            self.processes.push(Process::start(&self.world, self.born, random));
        }
    }

    async fn die(&mut self, random: &mut Random) {
        if self.processes.is_empty() {
            return;
        }
        let at = random.below(self.processes.len());
        self.processes.swap_remove(at).kill().await;
        self.world.judge.count(|totals| totals.deaths += 1);
    }

    /// How slow the ways to the targets are from now on, and how often they break.
    fn change_weather(&self, random: &mut Random) {
        let percent = *random.choose(&[0, 5, 30]);
        for piped in &self.world.pipelines {
            let mut random = random.split();
            piped.target.fail_by(move |_: FaultPoint| {
                if !random.chance(percent) {
                    return None;
                }
                Some(match random.below(4) {
                    0 => Injected::LostBefore,
                    1 => Injected::LostAfter,
                    2 => Injected::InDoubt { commits: random.chance(50) },
                    _ => Injected::Slow(random.duration(Duration::from_secs(20))),
                })
            });
        }
    }

    /// Ends all trouble; somebody lives.
    pub(super) fn calm(&mut self) {
        self.world.server.set_up(true);
        for piped in &self.world.pipelines {
            piped.target.fail_never();
        }
        for process in &self.processes {
            *process.loss.lock().unwrap_or_else(PoisonError::into_inner) = 0;
            process.thaw();
        }
        if self.processes.is_empty() {
            self.give_birth(&mut Random::new(0));
        }
    }

    /// Ends all processes.
    pub(super) async fn end(&mut self) {
        for process in self.processes.drain(..) {
            process.kill().await;
        }
    }
}
