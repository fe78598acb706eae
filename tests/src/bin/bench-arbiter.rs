//! `scripts/bench arbiter`: what many pipelines on several processes cost a ZooKeeper ensemble of three,
//! and how long they stand still when two of the processes die. Sources and targets are in memory.
//!
//! `--pipelines 200,2000` (each beside the one before), `--processes N` (8), `--lease-ms N` (10000),
//! `--seconds N` (60) of the steady state.
#![allow(
    clippy::large_futures,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "it fails by panicking and reports by printing"
)]

use std::time::Duration;

use otter_tests::arguments::Arguments;
use otter_tests::fleet::{Fleet, Member};
use otter_tests::usage::memory_kib;
use otter_tests::wait::wait_until;
use otter_tests::zookeeper::Ensemble;
use tokio::time::{Instant, sleep};

/// Far more than anything takes that is measured.
const PATIENCE: Duration = Duration::from_secs(300);
/// How many processes die.
const DEATHS: usize = 2;
/// What the goals are.
const MOST_REQUESTS: f64 = 1.0;
const GRACE: Duration = Duration::from_secs(10);

/// What was measured at one number of pipelines.
#[derive(Debug, Clone, Copy)]
struct Measured {
    pipelines: usize,
    requests_per_second: f64,
    /// Of the largest process.
    memory_kib: u64,
    running_again: Duration,
}

#[tokio::main]
async fn main() {
    let arguments = Arguments::from_environment();
    if let Some((fleet, number)) = Fleet::from_arguments(&arguments) {
        return fleet.live(number).await;
    }
    let processes = usize::try_from(arguments.number("processes", 8)).unwrap();
    let lease = Duration::from_millis(arguments.number("lease-ms", 10_000));
    let steady = Duration::from_secs(arguments.number("seconds", 60));
    assert!(processes > DEATHS, "somebody must survive");
    let mut all: Vec<Measured> = Vec::new();
    for count in arguments.text("pipelines", "200,2000").split(',') {
        let pipelines: usize = count.parse().expect("a number of pipelines");
        assert!(pipelines >= processes, "each process has one at least");
        all.push(measure(pipelines, processes, (lease, steady)).await);
    }
    for measured in &all {
        tell_goals(measured, lease);
    }
    for pair in all.windows(2) {
        let [fewer, more] = pair else { continue };
        tell_growth(fewer, more);
    }
}

async fn measure(
    pipelines: usize,
    processes: usize,
    (lease, steady): (Duration, Duration),
) -> Measured {
    let ensemble = Ensemble::start(3).await;
    let fleet = Fleet { servers: ensemble.addresses(), pipelines, lease };
    let mut members: Vec<Member> = (0..processes).map(|number| fleet.start(number)).collect();
    // All are present before the others are shared out, so that nothing moves afterwards.
    let is_present = async || members.iter().all(|member| member.running() > 0);
    wait_until("all processes are present", PATIENCE, is_present).await;
    let began = Instant::now();
    for member in &mut members {
        member.go().await;
    }
    wait_until_running(&members, pipelines).await;
    let first_start = began.elapsed();
    // What the start has left behind is over after a lease.
    sleep(lease).await;
    let (before, began) = (packets(&ensemble).await, Instant::now());
    sleep(steady).await;
    let (after, took) = (packets(&ensemble).await, began.elapsed());
    #[allow(clippy::cast_precision_loss, reason = "a figure for people")]
    let requests_per_second = (after - before) as f64 / took.as_secs_f64();
    let shares: Vec<usize> = members.iter().map(Member::running).collect();
    let memory: Vec<u64> = members.iter().map(|member| memory_kib(member.id())).collect();
    let servers = (0..3).map(|index| memory_kib(ensemble.process_id(index)) / 1_024);
    let servers: Vec<u64> = servers.collect();
    let died_at = Instant::now();
    for member in members.drain(..DEATHS) {
        member.kill9().await;
    }
    wait_until_running(&members, pipelines).await;
    let running_again = died_at.elapsed();
    let shares_after: Vec<usize> = members.iter().map(Member::running).collect();
    let memory_kib = memory.iter().copied().max().unwrap_or(0);
    println!(
        "{pipelines} pipelines on {processes} processes, lease {} s: all run {:.2} s after the \
         start, shares {shares:?}; {requests_per_second:.2} requests/s in {:.0} s; memory of the \
         processes {:.1} to {:.1} MiB, of ZooKeeper's servers {servers:?} MiB; {DEATHS} processes \
         killed, all run again after {:.2} s, shares {shares_after:?}",
        lease.as_secs_f64(),
        first_start.as_secs_f64(),
        took.as_secs_f64(),
        mib(memory.iter().copied().min().unwrap_or(0)),
        mib(memory_kib),
        running_again.as_secs_f64(),
    );
    Measured { pipelines, requests_per_second, memory_kib, running_again }
}

async fn wait_until_running(members: &[Member], pipelines: usize) {
    let running = || members.iter().map(Member::running).sum::<usize>();
    wait_until("all pipelines run", PATIENCE, async || running() == pipelines).await;
}

/// Requests that the ensemble has got from clients so far, pings among them.
async fn packets(ensemble: &Ensemble) -> u64 {
    let mut sum = 0;
    for index in 0..3 {
        let counters = ensemble.counters(index).await;
        let packets = counters.get("zk_packets_received").expect("ZooKeeper counts packets");
        sum += packets.parse::<u64>().expect("a number");
    }
    sum
}

#[allow(clippy::cast_precision_loss, reason = "a figure for people")]
fn mib(kib: u64) -> f64 {
    kib as f64 / 1_024.0
}

fn verdict(is_met: bool) -> &'static str {
    if is_met { "met" } else { "missed" }
}

#[allow(clippy::cast_precision_loss, reason = "a figure for people")]
fn tell_goals(measured: &Measured, lease: Duration) {
    let Measured { pipelines, requests_per_second, running_again, .. } = measured;
    let requests = requests_per_second * 10.0 / *pipelines as f64;
    println!(
        "goal: {pipelines} pipelines: {requests:.3} requests per pipeline in ten seconds (target \
         less than {MOST_REQUESTS}) {}",
        verdict(requests < MOST_REQUESTS)
    );
    println!(
        "goal: {pipelines} pipelines: all run again after {:.2} s (target {:.0} s) {}",
        running_again.as_secs_f64(),
        (lease + GRACE).as_secs_f64(),
        verdict(*running_again <= lease + GRACE)
    );
}

#[allow(clippy::cast_precision_loss, reason = "a figure for people")]
fn tell_growth(fewer: &Measured, more: &Measured) {
    let most = more.pipelines as f64 / fewer.pipelines as f64;
    let figures = [
        ("requests per second", fewer.requests_per_second, more.requests_per_second),
        ("memory of a process", mib(fewer.memory_kib), mib(more.memory_kib)),
        (
            "time until all run again",
            fewer.running_again.as_secs_f64(),
            more.running_again.as_secs_f64(),
        ),
    ];
    for (name, before, after) in figures {
        let times = after / before;
        println!(
            "goal: growth of {name} from {} to {} pipelines: {times:.2} times (target at most \
             {most:.0}) {}",
            fewer.pipelines,
            more.pipelines,
            verdict(times <= most)
        );
    }
}
