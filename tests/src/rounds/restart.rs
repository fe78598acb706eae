//! The ensemble is restarted server by server under load, and nobody notices.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Setup;
use super::arbiter_servers::ArbiterServers;
use super::installation::Installation;
use super::takeover::terms;
use crate::wait::wait_for;

/// Long enough for an election.
const ELECTION: Duration = Duration::from_secs(60);
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
/// What no process may say meanwhile.
const NEVER: [&str; 4] =
    ["lease lost", "pipeline halted", "pipeline was fenced", "pipeline will try again"];

/// What a rolling restart did.
#[derive(Debug)]
pub struct RestartReport {
    /// The longest time that a row took to all targets while a server was away or coming back.
    pub longest_drain: Duration,
    /// Transactions that the source acknowledged.
    pub transactions: u64,
}

/// Restarts each server of the ensemble once, the leader last, and asserts that no pipeline
/// stopped and no lease changed hands.
///
/// # Panics
/// Where one did, or the arbiter is no ensemble.
pub async fn rolling_restart(setup: &Setup) -> RestartReport {
    println!("rolling restart: {setup:?}");
    let mut here = Box::pin(Installation::start(setup)).await;
    let holders = here.settle().await;
    let before = terms(&here.target).await;
    let runs = |here: &Installation| -> Vec<usize> {
        here.machines.iter().map(|machine| machine.count("pipeline running")).collect()
    };
    let marks: Vec<usize> = here.machines.iter().map(super::machine::Machine::mark).collect();
    let running = runs(&here);
    let mut longest_drain = Duration::ZERO;
    let ArbiterServers::ZooKeeper(ensemble) = &here.arbiter else {
        panic!("one database server cannot be restarted without being away")
    };
    let servers = ensemble.ports().len();
    let leader = wait_for("a leader", ELECTION, async || ensemble.leader().await).await;
    for index in (0..servers).filter(|index| *index != leader).chain([leader]) {
        let ArbiterServers::ZooKeeper(ensemble) = &mut here.arbiter else {
            panic!("it was one before")
        };
        ensemble.restart(index).await;
        let took = here.drain().await;
        println!("server {index} restarted; a row arrives everywhere in {took:?}");
        longest_drain = longest_drain.max(took);
    }
    // A lease that was not renewed in all this would end within its time.
    let over = Instant::now() + here.lease + Duration::from_secs(1);
    while Instant::now() < over {
        assert_eq!(terms(&here.target).await, before, "a lease has changed hands");
        sleep(BETWEEN_LOOKS).await;
    }
    for (machine, mark) in here.machines.iter().zip(marks) {
        let log = machine.otter.log();
        let said = log.get(mark..).unwrap_or_default();
        for never in NEVER {
            assert!(!said.contains(never), "{never:?} in:\n{said}");
        }
    }
    assert_eq!(runs(&here), running, "a pipeline has begun anew");
    assert_eq!(here.settle().await, holders, "a pipeline is elsewhere");
    here.drain_and_compare().await;
    let transactions = here.end().await;
    println!("{transactions} transactions, longest drain {longest_drain:?}");
    RestartReport { longest_drain, transactions }
}
