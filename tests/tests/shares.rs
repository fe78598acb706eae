//! Several `otter-server` with one configuration and several pipelines: they share them evenly, and
//! every row arrives once, whoever joins, dies, or cannot run one.
#![allow(
    clippy::large_futures,
    clippy::print_stdout,
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::fmt::Write;
use std::time::Duration;

use otter_server::sandbox::Flavor;
use otter_tests::otter::OtterProcess;
use otter_tests::query::number;
use otter_tests::scene::{DEADLINE, PASSWORD, SOURCE_RIGHTS, Scene, TARGET_RIGHTS};
use otter_tests::testbed::execute;
use otter_tests::wait::{wait_for, wait_until};
use otter_tests::zookeeper::Ensemble;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

const PIPELINES: usize = 7;
/// The lease of all configurations here.
const LEASE: Duration = Duration::from_secs(8);
/// What a take-over may take beyond the lease.
const GRACE: Duration = Duration::from_secs(5);

/// One pair of servers with a database for each pipeline.
struct Installation {
    scene: Scene,
    // Where the arbiter is in ZooKeeper, it lives as long as this.
    _ensemble: Option<Ensemble>,
    written: usize,
}

/// A machine of the installation: a folder with the configuration, and a process.
struct Machine {
    otter: OtterProcess,
    _folder: TempDir,
}

impl Machine {
    fn start(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { otter: OtterProcess::run(folder.path(), config), _folder: folder }
    }

    /// Waits until it has begun so many pipelines: rows written before `start = "now"` stay out.
    async fn wait_until_running(&self, count: usize) {
        let running = || self.otter.log().matches("pipeline running").count();
        wait_until("pipelines run", DEADLINE, async || running() == count).await;
    }

    fn holder(&self) -> String {
        format!("process {}", self.otter.id())
    }
}

impl Installation {
    async fn in_zookeeper() -> Self {
        let (scene, ensemble) = tokio::join!(Scene::start(Flavor::MariaDb), Ensemble::start(1));
        let lines = ensemble.config_lines();
        Self::with(scene, Some(ensemble), &lines).await
    }

    async fn in_sql() -> Self {
        let scene = Scene::start(Flavor::MySql).await;
        let lines = format!(
            "kind = \"mysql\"\nurl = \"{}/arbiter\"\n",
            scene.target.url_as("otter", PASSWORD)
        );
        execute(&scene.target, "GRANT ALL ON arbiter.* TO otter@'%'").await;
        Self::with(scene, None, &lines).await
    }

    async fn with(mut scene: Scene, ensemble: Option<Ensemble>, arbiter: &str) -> Self {
        let mut pipelines = String::new();
        for number in 0..PIPELINES {
            let make = format!(
                "CREATE DATABASE d{number}; CREATE TABLE d{number}.t (id INT PRIMARY KEY);"
            );
            for (server, rights) in [(&scene.source, SOURCE_RIGHTS), (&scene.target, TARGET_RIGHTS)]
            {
                let rights = rights.replace("shop.*", &format!("d{number}.*"));
                execute(server, &format!("{make}{rights}")).await;
            }
            // Writing to a string cannot fail.
            let _ = write!(
                pipelines,
                "[[channels.pipelines]]\nname = \"p{number}\"\nfrom = \"source\"\n\
                 to = \"target\"\nstart = \"now\"\ntables = [ {{ from = \"d{number}.*\" }} ]\n"
            );
        }
        let at = scene.config.find("[[channels.pipelines]]").unwrap();
        scene.config.truncate(at);
        scene.config.push_str(&pipelines);
        let lines = format!("[arbiter]\n{arbiter}lease_ms = {}\n", LEASE.as_millis());
        scene.replace("[arbiter]\nlease_ms = 8000\n", &lines);
        scene.write_config();
        Self { scene, _ensemble: ensemble, written: 0 }
    }

    fn machine(&self) -> Machine {
        Machine::start(&self.scene.config)
    }

    /// Writes a row for each pipeline at the source.
    async fn write(&mut self) {
        let mut rows = String::new();
        for number in 0..PIPELINES {
            let _ = write!(rows, "INSERT INTO d{number}.t VALUES ({});", self.written);
        }
        execute(&self.scene.source, &rows).await;
        self.written += 1;
    }

    /// Every row that was written arrives, and, since they have keys, once.
    async fn all_arrives_within(&self, deadline: Duration) {
        for database in 0..PIPELINES {
            let count = format!("SELECT COUNT(*) FROM d{database}.t");
            let all = u64::try_from(self.written).unwrap();
            wait_until(&format!("the rows of d{database}"), deadline, async || {
                number(&self.scene.target, &count).await == all
            })
            .await;
        }
    }

    async fn status(&self) -> Value {
        let ended = self.scene.command(&["status", "--json"]).await;
        assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
        serde_json::from_str(&ended.stdout).unwrap()
    }

    /// Who holds each pipeline, once they are shared by these machines in these numbers (sorted)
    /// and status counts the same.
    async fn wait_for_shares(
        &self,
        machines: &[&Machine],
        shares: &[usize],
        deadline: Duration,
    ) -> Vec<String> {
        let what = format!("shares of {shares:?}");
        wait_for(&what, deadline, async || {
            let told = self.status().await;
            let pipelines = told["pipelines"].as_array().unwrap();
            let holders: Option<Vec<String>> =
                pipelines.iter().map(|one| Some(one["holder"].as_str()?.to_owned())).collect();
            if holders.is_none() {
                for machine in machines {
                    let log = machine.otter.log();
                    assert!(!log.contains("halted"), "{log}");
                }
            }
            let holders = holders?;
            let holds = |machine: &&Machine| {
                holders.iter().filter(|holder| holder.ends_with(&machine.holder())).count()
            };
            let mut counts: Vec<usize> = machines.iter().map(holds).collect();
            counts.sort_unstable();
            let processes = told["processes"].as_array().unwrap().iter();
            let mut told: Vec<usize> = processes
                .map(|one| usize::try_from(one["pipelines"].as_u64().unwrap()).unwrap())
                .collect();
            told.sort_unstable();
            (counts == shares && told == shares).then_some(holders)
        })
        .await
    }
}

fn moved(before: &[String], after: &[String]) -> usize {
    before.iter().zip(after).filter(|(one, other)| one != other).count()
}

async fn processes_share_evenly(mut here: Installation) {
    // The first has all, and gives the fewest away that make it even.
    let one = here.machine();
    let before = here.wait_for_shares(&[&one], &[7], DEADLINE).await;
    one.wait_until_running(7).await;
    here.write().await;
    let two = here.machine();
    let now = here.wait_for_shares(&[&one, &two], &[3, 4], DEADLINE).await;
    assert_eq!(moved(&before, &now), 3, "{before:?}, then {now:?}");
    here.write().await;
    let mut three = here.machine();
    let before = now;
    let now = here.wait_for_shares(&[&one, &two, &three], &[2, 2, 3], DEADLINE).await;
    assert_eq!(moved(&before, &now), 2, "{before:?}, then {now:?}");
    here.write().await;
    here.all_arrives_within(DEADLINE).await;

    // One dies: what it held goes to the others, and nothing else moves.
    three.otter.kill9();
    let killed_at = Instant::now();
    here.write().await;
    here.all_arrives_within(LEASE + GRACE).await;
    println!("all rows {:?} after the kill", killed_at.elapsed());
    let before = now;
    let now = here.wait_for_shares(&[&one, &two], &[3, 4], DEADLINE).await;
    let held = before.iter().filter(|holder| holder.ends_with(&three.holder())).count();
    assert_eq!(moved(&before, &now), held, "{before:?}, then {now:?}");

    // One joins while rows are written all the time.
    let three = here.machine();
    let before = now;
    let deadline = Instant::now() + DEADLINE;
    loop {
        here.write().await;
        let log = three.otter.log();
        if log.matches("pipeline running").count() == 2 {
            break;
        }
        assert!(Instant::now() < deadline, "{log}");
        // Pace, not waiting: rows are written on both sides of every move.
        sleep(Duration::from_millis(20)).await;
    }
    let now = here.wait_for_shares(&[&one, &two, &three], &[2, 2, 3], DEADLINE).await;
    assert_eq!(moved(&before, &now), 2, "{before:?}, then {now:?}");
    here.all_arrives_within(DEADLINE).await;

    // One ends in order: the others have what it had before its lease would have ended.
    let mut one = one;
    let before = now;
    one.otter.terminate_and_expect_success(DEADLINE).await;
    let now = here.wait_for_shares(&[&two, &three], &[3, 4], LEASE).await;
    let held = before.iter().filter(|holder| holder.ends_with(&one.holder())).count();
    assert_eq!(moved(&before, &now), held, "{before:?}, then {now:?}");
    here.write().await;
    here.all_arrives_within(DEADLINE).await;
    for mut machine in [two, three] {
        machine.otter.terminate_and_expect_success(DEADLINE).await;
        let log = machine.otter.log();
        for never in [PASSWORD, "panicked", "it stands by", "pipeline halted"] {
            assert!(!log.contains(never), "{never:?} in:\n{log}");
        }
    }
    here.all_arrives_within(DEADLINE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_share_evenly_with_an_arbiter_in_zookeeper() {
    processes_share_evenly(Installation::in_zookeeper().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_share_evenly_with_an_arbiter_in_a_database() {
    processes_share_evenly(Installation::in_sql().await).await;
}

/// What one process cannot run, since it may not pass a schema change by, runs in another, which
/// has room by its quota or not; and one that can run nothing takes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipeline_that_halts_in_one_process_runs_in_another() {
    let mut here = Installation::in_zookeeper().await;
    let halts = here.scene.config.replace("start = ", "ddl = \"halt\"\nstart = ");
    let goes_on = here.scene.config.replace("start = ", "ddl = \"skip\"\nstart = ");
    let mut one = Machine::start(&halts);
    here.wait_for_shares(&[&one], &[7], DEADLINE).await;
    one.wait_until_running(7).await;
    here.write().await;
    here.all_arrives_within(DEADLINE).await;

    let wrong = here.scene.config.replace(PASSWORD, "s3same-wr0ng");
    let mut stranger = Machine::start(&wrong);
    assert_eq!(stranger.otter.wait_for_exit(DEADLINE).await, Some(3));
    assert!(!one.otter.log().contains("is given to"), "{}", one.otter.log());

    let two = Machine::start(&goes_on);
    let holders = here.wait_for_shares(&[&one, &two], &[3, 4], DEADLINE).await;
    assert!(holders[0].ends_with(&one.holder()), "{holders:?}");
    execute(&here.scene.source, "CREATE TABLE d0.more (id INT PRIMARY KEY)").await;
    here.write().await;
    one.otter.wait_for_log("pipeline halted", DEADLINE).await;
    // Twice the lease, in which a process with room would have taken it.
    here.all_arrives_within(2 * LEASE + GRACE).await;
    let now = here.wait_for_shares(&[&one, &two], &[3, 4], DEADLINE).await;
    assert!(now[0].ends_with(&two.holder()), "{now:?}");
    assert_eq!(moved(&holders, &now), 1, "{holders:?}, then {now:?}");
}

/// Those that rest are nobody's, whoever joins meanwhile, and are shared evenly when they run again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelines_that_rested_are_shared_like_the_others() {
    let mut here = Installation::in_sql().await;
    let mut machines = vec![here.machine()];
    machines[0].wait_until_running(PIPELINES).await;
    machines.push(here.machine());
    here.wait_for_shares(&machines.iter().collect::<Vec<_>>(), &[3, 4], DEADLINE).await;
    let paused = ["p0", "p2", "p4", "p6"];
    let order = async |what: &str| {
        for pipeline in paused {
            let ended = here.scene.command(&[what, pipeline]).await;
            assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
        }
    };
    order("pause").await;
    let held = async || {
        let told = here.status().await;
        let pipelines = told["pipelines"].as_array().unwrap().iter();
        pipelines.filter(|one| !one["holder"].is_null()).count()
    };
    wait_until("those that are paused are nobody's", DEADLINE, async || held().await == 3).await;
    machines.push(here.machine());
    machines[2].otter.wait_for_log("is paused", DEADLINE).await;
    order("resume").await;
    let all: Vec<&Machine> = machines.iter().collect();
    here.wait_for_shares(&all, &[2, 2, 3], DEADLINE).await;
    here.write().await;
    here.all_arrives_within(DEADLINE).await;
    for machine in &mut machines {
        machine.otter.terminate_and_expect_success(DEADLINE).await;
    }
}
