//! A process that holds a lease of a `LocalArbiter`, for tests that kill and freeze it.
//!
//!     hold-lease STATE PIPELINE LEASE_MS            holds one lease until its input ends
//!     hold-lease STATE PIPELINE LEASE_MS JOURNAL    wins and drops leases, noting each term
//!
//! It says `held TERM` when it has won, and `lost` when it sees that it has lost.
#![allow(
    clippy::large_futures,
    clippy::wildcard_enum_match_arm,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "the test reads what this says"
)]

use std::fs::OpenOptions;
use std::io::Write;
use std::time::Duration;

use otter_arbitrate::LocalArbiter;
use otter_core::{Arbiter, PipelineId, Side};
use tokio::io::AsyncReadExt;

/// Often enough to see at once that the lease is over after waking up.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [state, pipeline, lease_ms, journal @ ..] = arguments.as_slice() else {
        return Err("usage: hold-lease STATE PIPELINE LEASE_MS [JOURNAL]".into());
    };
    let lease = Duration::from_millis(lease_ms.parse()?);
    let arbiter = LocalArbiter::open(state.as_str())?.with_lease(lease);
    let side = Side::target(PipelineId::new(pipeline.as_str()));
    match journal.first() {
        Some(journal) => churn(&arbiter, &side, journal).await,
        None => hold(&arbiter, &side).await,
    }
}

async fn hold(arbiter: &LocalArbiter, side: &Side) -> Result<(), Box<dyn std::error::Error>> {
    let lease = arbiter.campaign(side).await?;
    println!("held {}", lease.term());
    let mut input = tokio::io::stdin();
    let mut rest = Vec::new();
    let mut look = tokio::time::interval(LOOK_INTERVAL);
    let mut end = std::pin::pin!(input.read_to_end(&mut rest));
    let mut is_lost = false;
    loop {
        tokio::select! {
            biased;
            _ = &mut end => break,
            _ = look.tick(), if !is_lost => {
                if !lease.is_held() {
                    println!("lost");
                    is_lost = true;
                }
            }
        }
    }
    drop(lease);
    println!("gone");
    // The reader of the input is a thread that nothing else ends.
    std::process::exit(0);
}

async fn churn(
    arbiter: &LocalArbiter,
    side: &Side,
    journal: &str,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut journal = OpenOptions::new().append(true).create(true).open(journal)?;
    println!("ready");
    loop {
        let lease = arbiter.campaign(side).await?;
        // One write, so that lines of several processes do not mix.
        journal.write_all(format!("{} {}\n", lease.term(), std::process::id()).as_bytes())?;
    }
}
