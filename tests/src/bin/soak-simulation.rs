//! Runs the simulation with many seeds on all cores and prints what has happened.
//!
//!     soak-simulation [--seeds 10000] [--first 1]
#![allow(
    clippy::large_futures,
    clippy::wildcard_enum_match_arm,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a soak run reports by printing"
)]

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use otter_core::testkit::simulation::{Failure, Totals, simulate};
use otter_tests::arguments::Arguments;

fn main() -> ExitCode {
    let arguments = Arguments::from_environment();
    let first = arguments.number("first", 1);
    let end = first.saturating_add(arguments.number("seeds", 10_000));
    let next = AtomicU64::new(first);
    let outcome: Mutex<(Totals, Option<Failure>)> = Mutex::default();
    let began = Instant::now();
    let work = || loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            return;
        }
        let story = simulate(seed);
        let (totals, failure) = &mut *outcome.lock().expect("no story panics");
        match story {
            Ok(story) => *totals += &story,
            Err(failed) => {
                // The rest is not begun: one failure is enough to look into.
                next.store(end, Ordering::Relaxed);
                failure.get_or_insert(failed);
            }
        }
    };
    std::thread::scope(|scope| {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        for _ in 0..cores {
            scope.spawn(work);
        }
    });
    let (totals, failure) = &*outcome.lock().expect("no story panics");
    println!("{totals}");
    println!("{:.1} s", began.elapsed().as_secs_f64());
    match failure {
        None => ExitCode::SUCCESS,
        Some(failure) => {
            println!("broken: {failure}");
            println!(
                "again: OTTER_SEED={} cargo test -p otter-core --test simulation",
                failure.seed
            );
            ExitCode::FAILURE
        }
    }
}
