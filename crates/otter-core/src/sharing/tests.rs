//! A model of several processes that share pipelines, under many seeds.

use std::time::Duration;

use super::{Order, Sharing, SharingOptions, quota};
use crate::presence::Node;
use crate::testkit::random::Random;

const LEASE: Duration = Duration::from_secs(10);
const STEP: Duration = Duration::from_millis(100);
const OPTIONS: SharingOptions =
    SharingOptions { grace: Duration::from_secs(20), between_moves: Duration::from_secs(1) };
const RUNS: u64 = 300;

fn node(number: usize) -> Node {
    Node { key: format!("n{number}").into(), name: "a process".into() }
}

/// One process.
struct Process {
    number: usize,
    sharing: Sharing,
    /// Pipelines that halt here.
    broken: Vec<bool>,
    /// What this process knows of each pipeline: whether somebody else holds it.
    is_elsewhere: Vec<bool>,
    /// Orders that are not carried out yet.
    orders: Vec<(Duration, usize, Order)>,
}

/// The truth: who holds what, and who is present.
struct World {
    random: Random,
    now: Duration,
    holders: Vec<Option<usize>>,
    processes: Vec<Process>,
    next_number: usize,
    moves: usize,
}

impl World {
    fn new(seed: u64, pipelines: usize) -> Self {
        Self {
            random: Random::new(seed),
            now: Duration::ZERO,
            holders: vec![None; pipelines],
            processes: Vec::new(),
            next_number: 0,
            moves: 0,
        }
    }

    fn join(&mut self) {
        let pipelines = self.holders.len();
        let mut sharing = Sharing::new(pipelines, OPTIONS);
        for pipeline in 0..pipelines {
            sharing.free(pipeline, self.now);
        }
        self.processes.push(Process {
            number: self.next_number,
            sharing,
            broken: vec![false; pipelines],
            is_elsewhere: vec![false; pipelines],
            orders: Vec::new(),
        });
        self.next_number += 1;
    }

    /// A process dies; its sides are free at once, as if its lease were over.
    fn leave(&mut self, index: usize) {
        let gone = self.processes.remove(index);
        for holder in &mut self.holders {
            if *holder == Some(gone.number) {
                *holder = None;
            }
        }
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.step();
        }
    }

    fn step(&mut self) {
        self.now += STEP;
        let nodes: Vec<Node> = self.processes.iter().map(|process| node(process.number)).collect();
        for process in &mut self.processes {
            // Some see what has changed later than others.
            if self.random.chance(50) {
                process.sharing.see(&nodes, &format!("n{}", process.number));
                for pipeline in 0..self.holders.len() {
                    process.look(pipeline, self.holders[pipeline], self.now);
                }
            }
            while let Some((pipeline, order)) = process.sharing.next(self.now) {
                let delay = self.random.duration(Duration::from_millis(800));
                process.orders.push((self.now + delay, pipeline, order));
                self.moves += usize::from(order == Order::GiveBack);
            }
            let due: Vec<_> = process.orders.extract_if(.., |(at, ..)| *at <= self.now).collect();
            for (_, pipeline, order) in due {
                process.carry_out(&mut self.holders, (pipeline, order));
            }
        }
    }

    fn counts(&self) -> Vec<usize> {
        let count = |process: &Process| {
            self.holders.iter().filter(|holder| **holder == Some(process.number)).count()
        };
        self.processes.iter().map(count).collect()
    }

    fn settle_and_expect_even(&mut self, what: &str) {
        self.run(20 * LEASE);
        assert!(self.holders.iter().all(Option::is_some), "{what}: {:?}", self.holders);
        let counts = self.counts();
        let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        assert!(most - least <= 1, "{what}: {counts:?}");
    }
}

impl Process {
    /// As one that waits does: told when a side changes hands.
    fn look(&mut self, pipeline: usize, holder: Option<usize>, now: Duration) {
        if holder == Some(self.number) || self.sharing.order(pipeline).is_some() {
            return;
        }
        if self.broken[pipeline] {
            return;
        }
        match holder {
            Some(_) => {
                self.is_elsewhere[pipeline] = true;
                self.sharing.elsewhere(pipeline);
            }
            None => {
                self.is_elsewhere[pipeline] = false;
                self.sharing.free(pipeline, now);
            }
        }
    }

    fn carry_out(&mut self, holders: &mut [Option<usize>], (pipeline, order): (usize, Order)) {
        match order {
            Order::Ask if holders[pipeline].is_some() => self.sharing.elsewhere(pipeline),
            Order::Ask if self.broken[pipeline] => self.sharing.out(pipeline),
            Order::Ask => {
                holders[pipeline] = Some(self.number);
                self.sharing.held(pipeline);
            }
            Order::GiveBack => {
                assert_eq!(holders[pipeline], Some(self.number), "it gives back what it holds");
                holders[pipeline] = None;
                self.sharing.given_back(pipeline);
            }
        }
    }
}

#[test]
fn quotas_add_up_and_never_grow_for_those_that_stay_when_one_joins() {
    for pipelines in 0..40 {
        for nodes in 1..12 {
            let quotas: Vec<usize> = (0..nodes).map(|rank| quota(pipelines, nodes, rank)).collect();
            assert_eq!(quotas.iter().sum::<usize>(), pipelines);
            assert!(quotas.iter().max().unwrap() - quotas.iter().min().unwrap() <= 1);
            for (rank, before) in quotas.iter().enumerate() {
                assert!(quota(pipelines, nodes + 1, rank) <= *before);
            }
            // Whoever is left when one goes has as much or more, wherever that one stood.
            for gone in 0..nodes {
                for rank in (0..nodes).filter(|rank| *rank != gone && nodes > 1) {
                    let later = if rank > gone { rank - 1 } else { rank };
                    assert!(quota(pipelines, nodes - 1, later) >= quotas[rank]);
                }
            }
        }
    }
}

#[test]
fn pipelines_are_even_after_any_joins_and_leaves() {
    for seed in 0..RUNS {
        let mut world = World::new(seed, 0);
        let pipelines = 1 + world.random.below(30);
        world.holders = vec![None; pipelines];
        world.join();
        for _ in 0..world.random.below(8) {
            let time = world.random.duration(3 * LEASE);
            world.run(time);
            if world.processes.len() > 1 && world.random.chance(40) {
                let index = world.random.below(world.processes.len());
                world.leave(index);
            } else {
                world.join();
            }
        }
        world.settle_and_expect_even(&format!("seed {seed}"));
        let moves = world.moves;
        world.run(20 * LEASE);
        assert_eq!(world.moves, moves, "seed {seed}: nothing moves when nothing happens");
    }
}

#[test]
fn a_node_that_joins_costs_the_fewest_moves() {
    for seed in 0..RUNS {
        let mut world = World::new(seed, 0);
        let pipelines = 1 + world.random.below(40);
        world.holders = vec![None; pipelines];
        for nodes in 0..world.random.below(5) {
            let _ = nodes;
            world.join();
        }
        world.join();
        world.settle_and_expect_even(&format!("seed {seed}"));
        let (before, moves) = (world.holders.clone(), world.moves);
        world.join();
        world.settle_and_expect_even(&format!("seed {seed}"));
        let fewest = pipelines / world.processes.len();
        assert_eq!(world.moves - moves, fewest, "seed {seed}");
        let changed = before.iter().zip(&world.holders).filter(|(one, other)| one != other);
        assert_eq!(changed.count(), fewest, "seed {seed}");
    }
}

#[test]
fn a_node_that_leaves_moves_nothing_but_its_own() {
    for seed in 0..RUNS {
        let mut world = World::new(seed, 0);
        let pipelines = 1 + world.random.below(40);
        world.holders = vec![None; pipelines];
        for _ in 0..2 + world.random.below(4) {
            world.join();
        }
        world.settle_and_expect_even(&format!("seed {seed}"));
        let (before, moves) = (world.holders.clone(), world.moves);
        let index = world.random.below(world.processes.len());
        let gone = world.processes[index].number;
        world.leave(index);
        world.settle_and_expect_even(&format!("seed {seed}"));
        assert_eq!(world.moves, moves, "seed {seed}");
        for (one, other) in before.iter().zip(&world.holders) {
            assert!(one == other || *one == Some(gone), "seed {seed}");
        }
    }
}

#[test]
fn what_one_process_cannot_run_is_run_by_another() {
    for seed in 0..RUNS {
        let mut world = World::new(seed, 0);
        let pipelines = 2 + world.random.below(20);
        world.holders = vec![None; pipelines];
        for _ in 0..2 + world.random.below(3) {
            world.join();
        }
        for pipeline in 0..pipelines {
            // The first can run everything.
            let others = world.processes.len() - 1;
            let unlucky = 1 + world.random.below(others);
            if world.random.chance(30) {
                world.processes[unlucky].broken[pipeline] = true;
            }
        }
        world.run(20 * LEASE);
        assert!(world.holders.iter().all(Option::is_some), "seed {seed}: {:?}", world.holders);
        let moves = world.moves;
        world.run(40 * LEASE);
        assert_eq!(world.moves, moves, "seed {seed}: nothing flaps");
    }
}

/// A machine that joins and can run nothing costs one pause, not one for each pipeline.
#[test]
fn what_nobody_takes_is_taken_back_and_no_more_is_given() {
    for seed in 0..RUNS {
        let mut world = World::new(seed, 12);
        world.join();
        world.run(2 * LEASE);
        assert_eq!(world.counts(), [12], "seed {seed}");
        world.join();
        world.processes[1].broken = vec![true; 12];
        world.run(40 * LEASE);
        assert_eq!(world.counts(), [12, 0], "seed {seed}");
        assert_eq!(world.moves, 1, "seed {seed}");
    }
}

#[test]
fn nothing_is_asked_before_the_arbiter_knows_of_us_but_what_nobody_serves() {
    let mut sharing = Sharing::new(1, OPTIONS);
    assert!(!sharing.takes_part());
    sharing.free(0, Duration::ZERO);
    assert!(sharing.takes_part());
    assert_eq!(sharing.next(LEASE), None);
    assert_eq!(sharing.wake_at(), Some(OPTIONS.grace));
    assert_eq!(sharing.next(OPTIONS.grace), Some((0, Order::Ask)));
    assert_eq!(sharing.order(0), Some(Order::Ask));
    assert_eq!(sharing.next(OPTIONS.grace), None, "it is said once");
}

/// One process that has asked for all of so many pipelines, and holds the first `held` of them.
fn alone(pipelines: usize, held: usize) -> Sharing {
    let mut sharing = Sharing::new(pipelines, OPTIONS);
    for pipeline in 0..pipelines {
        sharing.free(pipeline, Duration::ZERO);
    }
    sharing.see(&[node(0)], "n0");
    for _ in 0..pipelines {
        let (pipeline, order) = sharing.next(Duration::ZERO).unwrap();
        assert_eq!(order, Order::Ask);
        if pipeline < held {
            sharing.held(pipeline);
        }
    }
    sharing
}

#[test]
fn nothing_is_to_be_done_before_the_time_that_is_told() {
    // Too much is asked for, and nothing is held that could be given back.
    let mut sharing = alone(7, 0);
    sharing.see(&[node(0), node(1)], "n0");
    let now = Duration::from_secs(5);
    assert_eq!(sharing.next(now), None);
    assert_eq!(sharing.wake_at(), None);
    sharing.held(3);
    assert_eq!(sharing.next(now), Some((3, Order::GiveBack)));
}

#[test]
fn what_nobody_takes_does_not_stand_still_for_long_however_much_is_held() {
    let mut sharing = alone(2_000, 2_000);
    sharing.see(&[node(0), node(1)], "n0");
    let now = Duration::from_secs(5);
    let (given, order) = sharing.next(now).unwrap();
    assert_eq!(order, Order::GiveBack);
    sharing.given_back(given);
    sharing.free(given, now);
    let taken = sharing.wake_at().unwrap();
    assert!(taken <= now + OPTIONS.grace, "{taken:?}");
    assert_eq!(sharing.next(taken), Some((given, Order::Ask)));
    sharing.held(given);
    // Another process dies, and its share with it: bounded as well.
    let mut sharing = alone(2_000, 1_900);
    for pipeline in 1_900..2_000 {
        sharing.elsewhere(pipeline);
    }
    sharing.see(&[node(0), node(1)], "n0");
    sharing.free(1_950, now);
    let taken = sharing.wake_at().unwrap();
    assert!(taken <= now + 2 * OPTIONS.grace, "{taken:?}");
}

#[test]
fn sides_are_given_back_one_after_the_other_until_none_is_too_many() {
    let mut sharing = alone(4, 4);
    sharing.see(&[node(0), node(1)], "n0");
    assert_eq!((sharing.quota(), sharing.node_count()), (Some(2), 2));
    let now = Duration::from_secs(5);
    assert_eq!(sharing.wake_at(), Some(Duration::ZERO));
    assert_eq!(sharing.next(now), Some((3, Order::GiveBack)));
    sharing.given_back(3);
    assert_eq!((sharing.next(now + LEASE), sharing.wake_at()), (None, None), "nobody has it yet");
    sharing.elsewhere(3);
    assert_eq!(sharing.wake_at(), Some(now + OPTIONS.between_moves));
    assert_eq!(sharing.next(now + OPTIONS.between_moves - STEP), None);
    assert_eq!(sharing.next(now + OPTIONS.between_moves), Some((2, Order::GiveBack)));
    sharing.elsewhere(2);
    assert_eq!((sharing.next(now + LEASE), sharing.wake_at()), (None, None));
}

#[test]
fn what_ends_here_is_asked_for_no_more_and_holds_nothing_up() {
    let mut sharing = alone(4, 4);
    sharing.see(&[node(0), node(1)], "n0");
    let now = Duration::from_secs(5);
    assert_eq!(sharing.next(now), Some((3, Order::GiveBack)));
    sharing.out(3);
    let later = now + OPTIONS.between_moves;
    assert_eq!(sharing.next(later), Some((2, Order::GiveBack)));
    for pipeline in 0..3 {
        assert!(sharing.takes_part());
        sharing.out(pipeline);
    }
    assert!(!sharing.takes_part());
    assert_eq!((sharing.next(later + 9 * LEASE), sharing.wake_at()), (None, None));
}

#[test]
fn patience_grows_with_what_is_held_beyond_the_quota_but_for_what_was_given_back() {
    let mut sharing = alone(5, 4);
    sharing.elsewhere(4);
    sharing.see(&[node(0), node(1)], "n0");
    let (now, grace) = (Duration::from_secs(5), OPTIONS.grace);
    assert_eq!(sharing.next(now), Some((3, Order::GiveBack)));
    sharing.given_back(3);
    sharing.free(4, now);
    assert_eq!(sharing.next(now + grace), Some((4, Order::Ask)), "the quota is full, and no more");
    sharing.held(4);
    let now = now + grace;
    sharing.free(3, now);
    assert_eq!(sharing.wake_at(), Some(now + grace), "what nobody has taken is taken back soon");
    sharing.elsewhere(3);
    sharing.free(3, now);
    assert_eq!(sharing.wake_at(), Some(now + grace + grace / 4));
}
