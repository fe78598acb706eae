//! TXN-1 in a storm: whatever is written, killed, locked and altered, every snapshot that a reader
//! of the target takes holds what every transaction of the source keeps.

mod changer;
mod facts;
mod intruder;
mod reader;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use otter_core::testkit::random::Random;
use otter_server::sandbox::{Flavor, Server};

use crate::comparison::assert_tables_equal;
use crate::exactly_once::{Mode, config};
use crate::otter::OtterProcess;
use crate::query;
use crate::testbed;
use changer::Changer;
use intruder::Intruder;
use reader::Reader;
use writer::Writer;

/// Far more than a drain takes, even on a loaded machine: schema changes wait for the readers.
const DEADLINE: Duration = Duration::from_secs(480);

/// What a storm shall be.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The servers.
    pub pairing: (Flavor, Flavor),
    /// `fast`: readers of the target may see what the source never had, so that only the end
    /// counts.
    pub mode: Mode,
    /// The seed.
    pub seed: u64,
    /// How long it blows.
    pub duration: Duration,
    /// The pause of each session between two transactions, so that the target keeps up.
    pub pause: Duration,
    /// The usual pause between schema changes; `None`: there are none.
    pub schema_changes: Option<Duration>,
    /// Sessions of the target that lock what Otter writes.
    pub intruders: usize,
    /// The usual pause between kills: of `otter-server`, and each fourth time of the target;
    /// `None`: nothing is killed.
    pub kills: Option<Duration>,
}

/// What a storm has seen.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Transactions of the source.
    pub transactions: u64,
    /// Snapshots of the target, in strict mode all of them right.
    pub snapshots: u64,
    /// What snapshots in fast mode showed that the source never had.
    pub violations: u64,
    /// Snapshots unlike the one before.
    pub moved: u64,
    /// Snapshots that a schema change or a restart ended.
    pub broken: u64,
    /// Schema changes.
    pub schema_changes: u64,
    /// Transactions of intruders that met locks.
    pub clashes: u64,
    /// `kill -9` of `otter-server`.
    pub otter_kills: u64,
    /// `kill -9` of the target.
    pub target_kills: u64,
}

/// Lets a storm blow.
///
/// # Panics
/// Where a snapshot is wrong, `otter-server` ends, or the sides differ at the end.
pub async fn carry_out(plan: &Plan) -> Report {
    println!("storm: {plan:?}");
    let mut random = Random::new(plan.seed);
    let (source, mut target) = testbed::start_pair(plan.pairing).await;
    for server in [&source, &target] {
        testbed::execute(server, facts::SCHEMA).await;
        testbed::execute(server, &facts::first_rows()).await;
    }
    testbed::execute(&target, intruder::SCHEMA).await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mode = if plan.mode == Mode::Strict { "" } else { "mode = \"fast\"\n" };
    let config = config(&source, &target, 10_000)
        + "ddl = \"apply\"\nconnections = 4\ngroup_rows = 40\n"
        + mode;
    let mut otter = OtterProcess::run(folder.path(), &config);
    otter.wait_for_log("pipeline running", DEADLINE).await;

    let (writing, reading) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let committed = Arc::new(AtomicU64::new(0));
    let mut writers = Vec::new();
    for session in 0..facts::SESSIONS {
        let count = Arc::clone(&committed);
        let writer = Writer::open(&source, random.split(), session, count).await;
        writers.push(tokio::spawn(writer.work(plan.pause, Arc::clone(&writing))));
    }
    let address = target.connect_options();
    let readers: Vec<_> = (0..3)
        .map(|_| Reader::new(address.clone(), random.split()))
        .map(|reader| tokio::spawn(reader.work(Arc::clone(&reading))))
        .collect();
    let intruders: Vec<_> = (0..plan.intruders)
        .map(|_| Intruder { target: address.clone(), random: random.split() })
        .map(|intruder| tokio::spawn(intruder.work(Arc::clone(&writing))))
        .collect();
    let changer = match plan.schema_changes {
        None => None,
        Some(pause) => {
            let changer = Changer::open(&source, random.split()).await;
            Some(tokio::spawn(changer.work(pause, Arc::clone(&writing))))
        }
    };

    let mut report = Report::default();
    let began = Instant::now();
    while began.elapsed() < plan.duration {
        let left = plan.duration.saturating_sub(began.elapsed());
        let pause = plan.kills.map_or(left, |usual| random.duration(usual * 2));
        tokio::time::sleep(pause.min(left)).await;
        // Like a service manager: a process that could not reach the target at its start ends.
        if otter.exit_code().is_some() {
            assert!(otter.log().contains("fault=transient"), "otter ended:\n{}", otter.log());
            otter = OtterProcess::run(folder.path(), &config);
        }
        if pause >= left {
            continue;
        }
        if random.chance(75) {
            otter.kill9();
            otter = OtterProcess::run(folder.path(), &config);
            report.otter_kills += 1;
        } else {
            target.kill9().expect("the target is killed");
            target.start_again().await.expect("the target starts again");
            report.target_kills += 1;
        }
    }
    writing.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.expect("a writer does not panic");
    }
    for intruder in intruders {
        report.clashes += intruder.await.expect("an intruder does not panic");
    }
    if let Some(changer) = changer {
        report.schema_changes = changer.await.expect("schema changes do not panic");
    }
    if otter.exit_code().is_some() {
        assert!(otter.log().contains("fault=transient"), "otter ended:\n{}", otter.log());
        otter = OtterProcess::run(folder.path(), &config);
    }
    drain(&source, &target, &mut otter).await;
    reading.store(true, Ordering::Relaxed);
    report.transactions = committed.load(Ordering::Relaxed);
    for reader in readers {
        let seen = reader.await.expect("a reader does not panic");
        if plan.mode == Mode::Strict {
            assert!(seen.violations.is_empty(), "seed {}: {:#?}", plan.seed, seen.violations);
        }
        report.violations += u64::try_from(seen.violations.len()).unwrap_or(u64::MAX);
        report.snapshots += seen.snapshots;
        report.moved += seen.moved;
        report.broken += seen.broken;
    }
    assert_tables_equal(&source, &target, &facts::TABLES).await;
    otter.terminate_and_expect_success(DEADLINE).await;
    println!("calm again: {report:?}");
    report
}

async fn drain(source: &Server, target: &Server, otter: &mut OtterProcess) {
    testbed::execute(source, "INSERT INTO shop.sentinel VALUES (1)").await;
    let began = Instant::now();
    while query::number(target, "SELECT COUNT(*) FROM shop.sentinel").await != 1 {
        otter.assert_runs();
        assert!(began.elapsed() < DEADLINE, "the pipeline drains:\n{}", otter.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
