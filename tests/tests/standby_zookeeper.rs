//! Several `otter-server` with one configuration and an arbiter in ZooKeeper: one runs, the others
//! stand by and take over.
#![allow(
    clippy::large_futures,
    clippy::print_stdout,
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::time::Duration;

use otter_server::sandbox::Flavor;
use otter_tests::exactly_once::Site;
use otter_tests::otter::OtterProcess;
use otter_tests::proxy::Proxy;
use otter_tests::scene::{DEADLINE, Scene, assert_found, assert_told};
use otter_tests::wait::wait_until;
use otter_tests::workload::{Workload, WorkloadOptions};
use otter_tests::zookeeper::{Ensemble, delete_subtree};
use tempfile::TempDir;
use tokio::time::Instant;

/// What a take-over may take beyond the lease.
const GRACE: Duration = Duration::from_secs(5);
const SEED: u64 = 20_261_121;

/// A machine of the installation: a folder with the configuration, and a process.
struct Machine {
    otter: OtterProcess,
    folder: TempDir,
}

impl Machine {
    fn start(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { otter: OtterProcess::run(folder.path(), config), folder }
    }

    /// The same machine, after its process has died.
    fn start_again(&mut self, config: &str) {
        self.otter = OtterProcess::run(self.folder.path(), config);
    }
}

fn arbiter_lines(ensemble: &Ensemble, lease: Duration) -> String {
    format!("[arbiter]\n{}lease_ms = {}\n", ensemble.config_lines(), lease.as_millis())
}

/// A site under load, whose arbiter is on a ZooKeeper server of its own.
async fn start(source: Flavor, target: Flavor, lease: Duration) -> (Site, Ensemble) {
    let (mut site, ensemble) = tokio::join!(Site::start(source, target), Ensemble::start(1));
    let local = "[arbiter]\nkind = \"local\"\nlease_ms = 2000\n";
    assert!(site.config.contains(local), "{}", site.config);
    site.config = site.config.replace(local, &arbiter_lines(&ensemble, lease));
    (site, ensemble)
}

fn load(site: &Site) -> Workload {
    let options = WorkloadOptions { connections: 2, seed: SEED, rate_per_connection: Some(100) };
    Workload::start(&site.source.connect_options(), &options)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_is_followed_within_the_lease_and_five_seconds() {
    const LEASE: Duration = Duration::from_secs(4);
    let (site, _ensemble) = start(Flavor::MariaDb, Flavor::MySql, LEASE).await;
    let (mut one, mut other) = (Machine::start(&site.config), Machine::start(&site.config));
    wait_until("one of them runs", DEADLINE, async || {
        [&one, &other].iter().any(|machine| machine.otter.log().contains("pipeline running"))
    })
    .await;
    // Whoever is first; the names are right from here on.
    if other.otter.log().contains("pipeline running") {
        std::mem::swap(&mut one, &mut other);
    }
    let workload = load(&site);
    for round in 0..2 {
        other.otter.wait_for_log("side is held; waiting", DEADLINE).await;
        site.drain(2 * round, DEADLINE).await;
        one.otter.kill9();
        let killed_at = Instant::now();
        site.drain(2 * round + 1, LEASE + GRACE).await;
        println!("round {round}: {:?} after the kill", killed_at.elapsed());
        assert!(other.otter.log().contains("took the target over"), "{}", other.otter.log());
        one.start_again(&site.config);
        std::mem::swap(&mut one, &mut other);
    }
    let totals = workload.stop().await;
    one.otter.terminate_and_expect_success(DEADLINE).await;
    // Whoever ends in order is followed at once: long before its lease would have ended.
    let ended_at = Instant::now();
    site.drain(100, DEADLINE).await;
    assert!(ended_at.elapsed() < LEASE, "{:?} after an end in order", ended_at.elapsed());
    other.otter.terminate_and_expect_success(DEADLINE).await;
    let rows = site.assert_equal().await;
    println!("{} transactions, {rows} rows compared", totals.transactions);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_stops_before_the_lease_is_over_and_all_goes_on_when_zookeeper_is_back() {
    const LEASE: Duration = Duration::from_secs(10);
    let (site, mut ensemble) = start(Flavor::MySql, Flavor::MariaDb, LEASE).await;
    let mut one = Machine::start(&site.config);
    one.otter.wait_for_log("pipeline running", DEADLINE).await;
    let mut other = Machine::start(&site.config);
    other.otter.wait_for_log("side is held; waiting", DEADLINE).await;
    let workload = load(&site);

    // Away and back within the lease: frozen, as the start of a server may take its time.
    ensemble.pause(0);
    one.otter.wait_for_log("the arbiter does not answer", LEASE).await;
    ensemble.resume(0);
    one.otter.wait_for_log("the arbiter answers again", LEASE).await;
    site.drain(2, DEADLINE).await;
    assert!(!one.otter.log().contains("lease lost"), "{}", one.otter.log());

    // Away for longer.
    ensemble.kill9(0);
    let killed_at = Instant::now();
    site.drain(3, LEASE / 2).await;
    assert!(!one.otter.log().contains("lease lost"), "{}", one.otter.log());
    one.otter.wait_for_log("lease lost", LEASE + GRACE).await;
    // It was renewed at most a third of the lease before.
    assert!(killed_at.elapsed() > LEASE / 2, "{:?} after the kill", killed_at.elapsed());
    one.otter.wait_for_log("it stands by", DEADLINE).await;
    ensemble.start_again(0).await;
    site.drain(4, DEADLINE).await;
    let totals = workload.stop().await;
    site.drain(5, DEADLINE).await;
    for machine in [&mut one, &mut other] {
        machine.otter.assert_runs();
        machine.otter.terminate_and_expect_success(DEADLINE).await;
    }
    let rows = site.assert_equal().await;
    println!("{} transactions, {rows} rows compared", totals.transactions);
}

/// Cut off from ZooKeeper but not from the databases: it stops by its own clock, another goes on,
/// and it stands by when the line is mended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_cut_off_is_followed_and_stands_by_when_the_line_is_back() {
    const LEASE: Duration = Duration::from_secs(4);
    let (site, ensemble) = start(Flavor::MariaDb, Flavor::MariaDb, LEASE).await;
    let line = Proxy::start(ensemble.port(0)).await;
    let address = |port: u16| format!("\"127.0.0.1:{port}\"");
    let cut_off = site.config.replace(&address(ensemble.port(0)), &address(line.port()));
    assert_ne!(cut_off, site.config);
    let mut one = Machine::start(&cut_off);
    one.otter.wait_for_log("pipeline running", DEADLINE).await;
    let mut other = Machine::start(&site.config);
    other.otter.wait_for_log("side is held; waiting", DEADLINE).await;
    let workload = load(&site);
    line.silence();
    other.otter.wait_for_log("pipeline running", LEASE + GRACE).await;
    site.drain(1, GRACE).await;
    one.otter.wait_for_log("lease lost", DEADLINE).await;
    line.mend();
    one.otter.wait_for_log("side is held; waiting", DEADLINE).await;
    other.otter.kill9();
    site.drain(2, LEASE + GRACE).await;
    let totals = workload.stop().await;
    site.drain(3, DEADLINE).await;
    one.otter.terminate_and_expect_success(DEADLINE).await;
    let rows = site.assert_equal().await;
    println!("{} transactions, {rows} rows compared", totals.transactions);
}

/// The subtree is deleted while processes run, and while none does: nobody has to act. A machine that
/// does not know the arbiter leaves it to those that do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_subtree_needs_no_operator() {
    const LEASE: Duration = Duration::from_secs(4);
    const MADE_AGAIN: &str = "made again as the same arbiter";
    let (site, ensemble) = start(Flavor::MySql, Flavor::MariaDb, LEASE).await;
    let servers = ensemble.addresses();
    let mut one = Machine::start(&site.config);
    one.otter.wait_for_log("pipeline running", DEADLINE).await;
    let mut other = Machine::start(&site.config);
    other.otter.wait_for_log("side is held; waiting", DEADLINE).await;
    let workload = load(&site);
    for round in 0..3 {
        site.drain(10 + 2 * round, DEADLINE).await;
        delete_subtree(&servers, "/otter").await;
        site.drain(11 + 2 * round, DEADLINE).await;
    }
    assert!([&one, &other].iter().any(|machine| machine.otter.log().contains(MADE_AGAIN)));
    for machine in [&mut one, &mut other] {
        assert!(!machine.otter.log().contains("position adopt"), "{}", machine.otter.log());
        machine.otter.terminate_and_expect_success(DEADLINE).await;
    }

    delete_subtree(&servers, "/otter").await;
    let mut stranger = Machine::start(&site.config);
    assert_eq!(stranger.otter.wait_for_exit(DEADLINE).await, Some(3));
    let told = stranger.otter.log();
    assert!(told.contains("whose state folder knows it"), "{told}");
    for machine in [&mut one, &mut other] {
        machine.start_again(&site.config);
    }
    site.drain(20, DEADLINE).await;
    stranger.start_again(&site.config);
    stranger.otter.wait_for_log("side is held; waiting", DEADLINE).await;
    let totals = workload.stop().await;
    site.drain(21, DEADLINE).await;
    for machine in [&mut one, &mut other, &mut stranger] {
        machine.otter.assert_runs();
        machine.otter.terminate_and_expect_success(DEADLINE).await;
    }
    let rows = site.assert_equal().await;
    println!("{} transactions, {rows} rows compared", totals.transactions);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_operator_meets_is_told() {
    const LEASE: Duration = Duration::from_secs(4);
    let (mut scene, mut ensemble) = tokio::join!(Scene::start(Flavor::MySql), Ensemble::start(1));
    let local = "[arbiter]\nlease_ms = 8000\n";
    let mut otter = scene.run().await;
    otter.terminate_and_expect_success(DEADLINE).await;

    // Moving from one arbiter to another needs the operator's word.
    scene.replace(local, &arbiter_lines(&ensemble, LEASE));
    let told = scene.command(&["run"]).await;
    assert_told(&told, 3, &["belongs to arbiter local-", "not to zookeeper-", "position adopt"]);
    let adopted = scene.command(&["position", "adopt"]).await;
    assert!(adopted.stdout.contains("adopted at"), "{}{}", adopted.stdout, adopted.stderr);
    let sound = scene.command(&["check"]).await;
    assert_eq!(sound.code, Some(0), "{}{}", sound.stdout, sound.stderr);
    assert!(sound.stdout.contains("arbiter: the servers are of version"), "{}", sound.stdout);
    let mut otter = scene.run().await;
    let second = scene.command(&["run", "--no-wait"]).await;
    assert_told(&second, 5, &["held by another process"]);
    otter.terminate_and_expect_success(DEADLINE).await;

    ensemble.kill9(0);
    let told = scene.command(&["run"]).await;
    assert_told(&told, 3, &["cannot be reached", "a majority of the ensemble"]);
    let found = scene.command(&["check"]).await;
    assert_found(&found, &["ZooKeeper begins a session", "cannot be reached"]);
    let arguments = ["run", "-c", "otter.toml", "--keep-trying"];
    let mut otter = OtterProcess::start(scene.folder(), &arguments);
    otter.wait_for_log("the arbiter does not answer", DEADLINE).await;
    ensemble.start_again(0).await;
    otter.wait_for_log("pipeline running", DEADLINE).await;
    otter.terminate_and_expect_success(DEADLINE).await;
}
