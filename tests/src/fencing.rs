//! A stale process cannot write: frozen in the middle of a target transaction while another takes
//! over, then woken, it ends with a fencing error and the target is right.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use otter_server::sandbox::{Flavor, Server};
use sqlx::{Executor, raw_sql};

use crate::exactly_once::Site;
use crate::otter::OtterProcess;
use crate::query;
use crate::workload::{Workload, WorkloadOptions};

/// The exit code of a process that was fenced.
const FENCED: i32 = 4;
/// The lease of the site's configuration.
const LEASE: Duration = Duration::from_secs(2);
/// What a take-over may take beyond the lease.
const GRACE: Duration = Duration::from_secs(5);

/// How the second process comes to believe that it may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arbiters {
    /// Both ask one arbiter, which hands over when the lease has lapsed.
    One,
    /// Each asks an arbiter of its own, and both say yes at once.
    TwoThatBothSayYes,
}

/// What a run did.
#[derive(Debug)]
pub struct FencingReport {
    /// Rounds carried out.
    pub rounds: u64,
    /// The longest time from the freeze until the successor had committed something.
    pub longest_take_over: Duration,
    /// Rows compared at the end.
    pub rows: u64,
}

/// Freezes and wakes `rounds` times, then compares both sides.
///
/// # Panics
/// Where a stale process does not end with the fencing code, a take-over takes longer than the
/// lease and five seconds, or the sides differ.
pub async fn freeze_and_wake(
    flavor: Flavor,
    arbiters: Arbiters,
    rounds: u64,
    seed: u64,
) -> FencingReport {
    println!("{rounds} rounds on {flavor}, {arbiters:?}, seed {seed}");
    let site = Site::start(flavor, flavor).await;
    let mut otter = site.run_otter();
    otter.wait_for_log("pipeline running", Duration::from_secs(60)).await;
    let workload = Workload::start(
        &site.source.connect_options(),
        &WorkloadOptions { connections: 3, seed, rate_per_connection: Some(150) },
    );
    let mut longest_take_over = Duration::ZERO;
    for round in 0..rounds {
        freeze_in_a_transaction(&otter, &site.target).await;
        let frozen_at = Instant::now();
        let before = sequence(&site.target).await;
        let mut successor = match arbiters {
            Arbiters::One => site.run_otter(),
            Arbiters::TwoThatBothSayYes => {
                OtterProcess::run(&copy_of_the_leases(&site, round), &site.config)
            }
        };
        while sequence(&site.target).await <= before {
            assert!(
                frozen_at.elapsed() <= LEASE + GRACE,
                "round {round}: the successor commits within the lease and five seconds; its log:\n{}",
                successor.log()
            );
            successor.assert_runs();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let took = frozen_at.elapsed();
        longest_take_over = longest_take_over.max(took);
        otter.resume();
        let code = otter.wait_for_exit(Duration::from_secs(20)).await;
        assert_eq!(
            code,
            Some(FENCED),
            "round {round}: the stale process is fenced; its log:\n{}",
            otter.log()
        );
        println!(
            "round {round}: taken over after {:.2} s, the stale process ended with {FENCED}",
            took.as_secs_f64()
        );
        successor.assert_runs();
        otter = successor;
    }
    workload.stop().await;
    site.drain(1, Duration::from_secs(120)).await;
    let rows = site.assert_equal().await;
    otter.terminate_and_expect_success(Duration::from_secs(30)).await;
    println!(
        "equal: {rounds} rounds, longest take-over {:.2} s, {rows} rows, seed {seed}",
        longest_take_over.as_secs_f64()
    );
    FencingReport { rounds, longest_take_over, rows }
}

/// Stops the process while its target transaction is open: it is woken and stopped again until
/// the server says that a transaction of another connection has changed rows.
async fn freeze_in_a_transaction(otter: &OtterProcess, target: &Server) {
    let mut watcher = target.connect().await.expect("the target is reached");
    let open = match target.flavor() {
        Flavor::MariaDb => {
            "SELECT trx_id FROM information_schema.innodb_trx WHERE trx_rows_modified > 0"
        }
        // Its innodb_trx holds statements as utf8mb3 and fails where they have other letters.
        Flavor::MySql => {
            "SELECT 1 FROM performance_schema.data_locks WHERE lock_mode = 'IX' LIMIT 1"
        }
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        otter.pause();
        // The servers show a copy of their list of transactions, and make it anew only when it
        // has not been read for a tenth of a second.
        tokio::time::sleep(Duration::from_millis(110)).await;
        if !watcher.fetch_all(raw_sql(open)).await.expect("the target answers").is_empty() {
            return;
        }
        otter.resume();
        assert!(Instant::now() < deadline, "a target transaction is caught in the middle");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn sequence(target: &Server) -> u64 {
    query::number(target, "SELECT sequence FROM otter.checkpoint WHERE pipeline = 'shop'").await
}

/// A folder with a copy of the leases in which nobody holds anything: an arbiter with the same
/// identity that grants what the first one has granted already.
fn copy_of_the_leases(site: &Site, round: u64) -> PathBuf {
    let folder = site.folder().join(format!("twin-{round}"));
    copy_tree(&site.folder().join("otter-state"), &folder.join("otter-state"));
    folder
}

fn copy_tree(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).expect("the folder is made");
    for entry in std::fs::read_dir(from).expect("the leases are there") {
        let entry = entry.expect("the leases are readable");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("the lease is copied");
        }
    }
}
