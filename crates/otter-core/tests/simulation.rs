//! Many seeds keep all promises, and a broken promise does not stay unseen.
//!
//! `OTTER_SEEDS=10000` runs more seeds, `OTTER_SEED=42` one.

#![allow(
    clippy::large_futures,
    clippy::wildcard_enum_match_arm,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's way to fail"
)]

use otter_core::testkit::memory::Weakness;
use otter_core::testkit::simulation::{Totals, simulate, simulate_weak};

/// A few seconds' worth in a debug build.
const SEEDS: u64 = 300;

fn number_from(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is a number, not {text}")))
}

#[test]
fn all_seeds_keep_all_promises() {
    let seeds = match number_from("OTTER_SEED") {
        Some(seed) => seed..=seed,
        None => 1..=number_from("OTTER_SEEDS").unwrap_or(SEEDS),
    };
    let mut all = Totals::default();
    for seed in seeds.clone() {
        match simulate(seed) {
            Ok(totals) => all += &totals,
            Err(failure) => panic!("{failure}; run it again with OTTER_SEED={seed}"),
        }
    }
    println!("{all}");
    if seeds.end() - seeds.start() + 1 < SEEDS {
        return;
    }
    for (what, count) in all.list() {
        assert!(count > 0, "{what}: never happened");
    }
}

#[test]
fn a_seed_tells_the_same_story_again() {
    for seed in 1..=20 {
        assert_eq!(simulate(seed), simulate(seed));
    }
}

/// How many seeds it may take to notice.
const SEEDS_TO_NOTICE: u64 = 100;

fn assert_noticed(weakness: Weakness) {
    let is_noticed = (1..=SEEDS_TO_NOTICE).any(|seed| simulate_weak(seed, weakness).is_err());
    assert!(is_noticed, "{SEEDS_TO_NOTICE} seeds do not notice {weakness:?}");
}

#[test]
fn a_missing_fence_is_noticed() {
    assert_noticed(Weakness::NoFence);
}

#[test]
fn a_position_of_its_own_is_noticed() {
    assert_noticed(Weakness::PositionApart);
}

#[test]
fn a_fragment_by_itself_is_noticed() {
    assert_noticed(Weakness::FragmentsAlone);
}

#[test]
fn skipped_poison_is_noticed() {
    assert_noticed(Weakness::SkipsPoison);
}
