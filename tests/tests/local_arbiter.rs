//! `LocalArbiter` with real processes that are killed, frozen and woken up.
#![allow(
    clippy::large_futures,
    clippy::wildcard_enum_match_arm,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::panic,
    clippy::expect_used,
    missing_docs,
    reason = "tests describe themselves by their names"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use otter_arbitrate::LocalArbiter;
use otter_core::testkit::random::Random;
use otter_core::{Arbiter, Lease, PipelineId, Side, Term};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{sleep, timeout};

/// So long that a test that waits for its end has failed.
const LONG: Duration = Duration::from_secs(60);
/// Short enough to wait for its end.
const SHORT: Duration = Duration::from_millis(1_500);
/// How soon something happens that happens at once, on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(15);

struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start(state: &Path, lease: Duration, journal: Option<&Path>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hold-lease"));
        command.arg(state).arg("shop").arg(lease.as_millis().to_string()).args(journal);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    async fn says(&mut self) -> String {
        let line = timeout(AT_ONCE, self.lines.next_line()).await;
        line.expect("it says something in time").unwrap().unwrap_or_default()
    }

    async fn holds(&mut self) -> Term {
        let line = self.says().await;
        Term(line.strip_prefix("held ").unwrap_or_else(|| panic!("{line}")).parse().unwrap())
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id().unwrap()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
    }
}

async fn win(state: &Path, lease: Duration) -> Lease {
    let arbiter = LocalArbiter::open(state).unwrap().with_lease(lease);
    arbiter.campaign(&Side::target(PipelineId::new("shop"))).await.unwrap()
}

#[tokio::test]
async fn a_killed_holder_is_followed_at_once() {
    let state = tempfile::tempdir().unwrap();
    let mut holder = Process::start(state.path(), LONG, None);
    let term = holder.holds().await;
    holder.signal(Signal::KILL);
    let lease = timeout(AT_ONCE, win(state.path(), LONG)).await.expect("it is followed at once");
    assert!(lease.term() > term);
}

#[tokio::test]
async fn a_holder_that_ends_in_order_is_followed_at_once() {
    let state = tempfile::tempdir().unwrap();
    let mut holder = Process::start(state.path(), LONG, None);
    let term = holder.holds().await;
    drop(holder.child.stdin.take());
    assert_eq!(holder.says().await, "gone");
    let lease = timeout(AT_ONCE, win(state.path(), LONG)).await.expect("it is followed at once");
    assert!(lease.term() > term);
}

#[tokio::test]
async fn a_frozen_holder_is_followed_after_its_lease_and_sees_it_on_waking() {
    let state = tempfile::tempdir().unwrap();
    let mut holder = Process::start(state.path(), SHORT, None);
    let term = holder.holds().await;
    holder.signal(Signal::STOP);
    let lease = timeout(AT_ONCE, win(state.path(), SHORT)).await.expect("it is followed");
    assert!(lease.term() > term);
    holder.signal(Signal::CONT);
    assert_eq!(holder.says().await, "lost");
    // Its end must not take the side from its successor.
    drop(holder.child.stdin.take());
    assert_eq!(holder.says().await, "gone");
    assert!(timeout(2 * SHORT, lease.lost()).await.is_err());
    assert!(lease.is_held());
}

#[tokio::test]
async fn a_living_holder_keeps_the_side_from_other_processes() {
    let state = tempfile::tempdir().unwrap();
    let mut holder = Process::start(state.path(), SHORT, None);
    let term = holder.holds().await;
    assert!(timeout(3 * SHORT, win(state.path(), SHORT)).await.is_err());
    holder.signal(Signal::KILL);
    let lease = timeout(AT_ONCE, win(state.path(), SHORT)).await.expect("it is followed at once");
    assert_eq!(lease.term(), Term(term.0 + 1));
}

#[tokio::test]
async fn no_term_is_granted_twice_whatever_is_killed_and_frozen() {
    const PROCESSES: usize = 4;
    const ROUNDS: usize = 60;
    const LEASE: Duration = Duration::from_millis(150);
    let seed = otter_tests::random::Random::seed_from_environment();
    println!("OTTER_SEED={seed}");
    let mut random = Random::new(seed);
    let state = tempfile::tempdir().unwrap();
    let journal = state.path().join("journal");
    let start = || Process::start(state.path(), LEASE, Some(&journal));
    let mut processes: Vec<Process> = (0..PROCESSES).map(|_| start()).collect();
    for process in &mut processes {
        assert_eq!(process.says().await, "ready");
    }
    for _ in 0..ROUNDS {
        // A moment for the processes to meet each other; no result depends on its length.
        sleep(random.duration(Duration::from_millis(20))).await;
        let process = &mut processes[random.below(PROCESSES)];
        if random.chance(40) {
            process.signal(Signal::KILL);
            process.child.wait().await.unwrap();
            *process = start();
        } else {
            process.signal(Signal::STOP);
            sleep(random.duration(2 * LEASE)).await;
            process.signal(Signal::CONT);
        }
    }
    // All that wait go on: each process, or its successor, wins once more.
    let lines = || std::fs::read_to_string(&journal).unwrap();
    let before = lines().lines().count();
    let deadline = Instant::now() + AT_ONCE;
    while lines().lines().count() < before + PROCESSES {
        assert!(Instant::now() < deadline, "nobody wins any more");
        sleep(Duration::from_millis(5)).await;
    }
    for process in &mut processes {
        process.child.kill().await.unwrap();
    }
    let mut terms = BTreeSet::new();
    let mut last_of = BTreeMap::new();
    for line in lines().lines() {
        let (term, process) = line.split_once(' ').unwrap();
        let term: u64 = term.parse().unwrap();
        assert!(terms.insert(term), "term {term} was granted twice");
        assert!(last_of.insert(process.to_owned(), term) < Some(term));
    }
    assert!(terms.len() > PROCESSES);
}
