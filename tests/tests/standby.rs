//! Several `otter-server` with one configuration and an arbiter in a database: one runs, the others
//! stand by and take over.
#![allow(
    clippy::large_futures,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::time::Duration;

use otter_server::sandbox::{Flavor, Server};
use otter_tests::comparison::assert_tables_equal;
use otter_tests::otter::OtterProcess;
use otter_tests::proxy::Proxy;
use otter_tests::scene::{DEADLINE, PASSWORD, Scene, assert_clean, assert_found, assert_told};
use otter_tests::testbed::{self, FLAVORS, execute};
use otter_tests::wait::wait_until;
use tempfile::TempDir;
use tokio::time::Instant;

/// The lease of all configurations here.
const LEASE: Duration = Duration::from_secs(4);
/// What a take-over may take beyond the lease.
const GRACE: Duration = Duration::from_secs(5);

/// A scene with an arbiter on a server of its own.
struct Installation {
    scene: Scene,
    arbiter: Server,
    last_item: u32,
}

/// A machine of the installation: a folder with the configuration, and a process.
struct Machine {
    otter: OtterProcess,
    folder: TempDir,
}

impl Installation {
    async fn start(flavor: Flavor) -> Self {
        let (mut scene, arbiter) =
            tokio::join!(Scene::start(flavor), testbed::server(flavor).start());
        let account = format!(
            "CREATE USER otter@'%' IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON otter.* TO otter@'%'"
        );
        execute(&arbiter, &account).await;
        let url = arbiter.url_as("otter", PASSWORD);
        let lines = arbiter_lines(&url);
        scene.replace("[arbiter]\nlease_ms = 8000\n", &lines);
        Self { scene, arbiter, last_item: 0 }
    }

    fn machine(&self) -> Machine {
        let folder = tempfile::tempdir().unwrap();
        let otter = OtterProcess::run(folder.path(), &self.scene.config);
        Machine { otter, folder }
    }

    /// Writes a row at the source; returns when the target has it.
    async fn item_arrives_within(&mut self, deadline: Duration) {
        self.last_item += 1;
        let id = self.last_item;
        execute(&self.scene.source, &format!("INSERT INTO shop.item VALUES ({id}, 'x', {id})"))
            .await;
        let all = usize::try_from(id).unwrap();
        wait_until("the item arrives", deadline, async || self.scene.items().await.len() == all)
            .await;
    }

    async fn assert_equal(&self) {
        let Scene { source, target, .. } = &self.scene;
        assert_tables_equal(source, target, &["shop.item", "shop.tag"]).await;
    }
}

impl Machine {
    /// The same machine, after its process has died.
    fn start_again(&mut self, installation: &Installation) {
        self.otter = OtterProcess::run(self.folder.path(), &installation.scene.config);
    }
}

fn arbiter_lines(url: &str) -> String {
    format!("[arbiter]\nkind = \"mysql\"\nurl = \"{url}\"\nlease_ms = {}\n", LEASE.as_millis())
}

/// Deletes all that the arbiter knows.
const DROP_ALL: &str = "DROP TABLE otter.arbiter, otter.arbiter_session, otter.arbiter_lease, \
                        otter.arbiter_node, otter.arbiter_paused";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_is_followed_within_the_lease_and_five_seconds() {
    for flavor in FLAVORS {
        let mut here = Installation::start(flavor).await;
        let (mut one, mut other) = (here.machine(), here.machine());
        // Whoever is first; the names are right from here on.
        let has_won = wait_until("one of them runs", DEADLINE, async || {
            [&one, &other].iter().any(|machine| machine.otter.log().contains("pipeline running"))
        });
        has_won.await;
        if other.otter.log().contains("pipeline running") {
            std::mem::swap(&mut one, &mut other);
        }
        for round in 0..3 {
            other.otter.wait_for_log("side is held; waiting", DEADLINE).await;
            here.item_arrives_within(DEADLINE).await;
            one.otter.kill9();
            let killed_at = Instant::now();
            here.item_arrives_within(LEASE + GRACE).await;
            println!("{flavor}, round {round}: {:?} after the kill", killed_at.elapsed());
            assert!(other.otter.log().contains("took the target over"), "{}", other.otter.log());
            one.start_again(&here);
            std::mem::swap(&mut one, &mut other);
        }
        one.otter.terminate_and_expect_success(DEADLINE).await;
        // Whoever ends in order is followed at once: long before its lease would have ended.
        let ended_at = Instant::now();
        here.item_arrives_within(DEADLINE).await;
        assert!(ended_at.elapsed() < LEASE, "{:?} after an end in order", ended_at.elapsed());
        other.otter.terminate_and_expect_success(DEADLINE).await;
        here.assert_equal().await;
        for machine in [&one, &other] {
            assert!(!machine.otter.log().contains(PASSWORD), "{}", machine.otter.log());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_process_is_followed_and_stands_by_when_it_wakes() {
    for flavor in FLAVORS {
        let mut here = Installation::start(flavor).await;
        let mut frozen = here.machine();
        frozen.otter.wait_for_log("pipeline running", DEADLINE).await;
        let mut other = here.machine();
        other.otter.wait_for_log("side is held; waiting", DEADLINE).await;
        here.item_arrives_within(DEADLINE).await;
        frozen.otter.pause();
        here.item_arrives_within(LEASE + GRACE).await;
        frozen.otter.resume();
        frozen.otter.wait_for_log("lease lost", DEADLINE).await;
        frozen.otter.wait_for_log("it stands by", DEADLINE).await;
        frozen.otter.wait_for_log("side is held; waiting", DEADLINE).await;
        here.item_arrives_within(DEADLINE).await;
        other.otter.kill9();
        here.item_arrives_within(LEASE + GRACE).await;
        frozen.otter.terminate_and_expect_success(DEADLINE).await;
        here.assert_equal().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_arbiter_that_is_away_for_less_than_a_lease_interrupts_nothing() {
    for flavor in FLAVORS {
        let mut here = Installation::start(flavor).await;
        let line = Proxy::start(here.arbiter.port()).await;
        let url = here.arbiter.url_as("otter", PASSWORD);
        here.scene.replace(&url, &line.url(&url));
        let mut one = here.machine();
        one.otter.wait_for_log("pipeline running", DEADLINE).await;
        for _ in 0..3 {
            line.cut();
            one.otter.wait_for_log("the arbiter does not answer", DEADLINE).await;
            here.item_arrives_within(LEASE / 2).await;
            line.mend();
            one.otter.wait_for_log("the arbiter answers again", DEADLINE).await;
            here.item_arrives_within(DEADLINE).await;
        }
        assert!(!one.otter.log().contains("lease lost"), "{}", one.otter.log());
        assert_eq!(one.otter.log().matches("pipeline running").count(), 1);
        one.otter.terminate_and_expect_success(DEADLINE).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_arbiter_that_is_away_for_long_pauses_pipelines_which_go_on_when_it_is_back() {
    for flavor in FLAVORS {
        let mut here = Installation::start(flavor).await;
        let mut one = here.machine();
        one.otter.wait_for_log("pipeline running", DEADLINE).await;
        let mut other = here.machine();
        other.otter.wait_for_log("side is held; waiting", DEADLINE).await;
        here.item_arrives_within(DEADLINE).await;
        here.arbiter.kill9().unwrap();
        one.otter.wait_for_log("lease lost", DEADLINE).await;
        one.otter.wait_for_log("it stands by", DEADLINE).await;
        here.arbiter.start_again().await.unwrap();
        here.item_arrives_within(DEADLINE).await;
        for machine in [&mut one, &mut other] {
            machine.otter.assert_runs();
            machine.otter.terminate_and_expect_success(DEADLINE).await;
        }
        here.assert_equal().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moving_from_local_to_a_shared_arbiter_needs_the_operators_word() {
    for flavor in FLAVORS {
        let mut here = Installation::start(flavor).await;
        let url = here.arbiter.url_as("otter", PASSWORD);
        let (shared, local) = (arbiter_lines(&url), "[arbiter]\nlease_ms = 8000\n");
        here.scene.replace(&shared, local);
        let mut otter = here.scene.run().await;
        here.item_arrives_within(DEADLINE).await;
        otter.terminate_and_expect_success(DEADLINE).await;

        here.scene.replace(local, &shared);
        let told = here.scene.command(&["run"]).await;
        assert_told(&told, 3, &["belongs to arbiter local-", "not to mysql-", "position adopt"]);
        let found = here.scene.command(&["check"]).await;
        assert_found(&found, &["this installation's", "position adopt -c"]);
        let shown = here.scene.command(&["position", "show"]).await;
        assert!(shown.stdout.contains("another installation's"), "{}", shown.stdout);
        let adopted = here.scene.command(&["position", "adopt"]).await;
        assert_eq!(adopted.code, Some(0), "{}{}", adopted.stdout, adopted.stderr);
        assert!(adopted.stdout.contains("adopted at"), "{}", adopted.stdout);
        assert_eq!(here.scene.command(&["check"]).await.code, Some(0));

        let mut otter = here.scene.run().await;
        here.item_arrives_within(DEADLINE).await;
        let second = here.scene.command(&["run", "--no-wait"]).await;
        assert_told(&second, 5, &["held by another process"]);
        let refused = here.scene.command(&["position", "adopt"]).await;
        assert_eq!(refused.code, Some(5), "{}{}", refused.stdout, refused.stderr);

        // Everything of the arbiter is deleted: this machine remembers it.
        otter.terminate_and_expect_success(DEADLINE).await;
        execute(&here.arbiter, DROP_ALL).await;
        let sound = here.scene.command(&["check"]).await;
        assert_eq!(sound.code, Some(0), "{}{}", sound.stdout, sound.stderr);
        let mut otter = here.scene.run().await;
        assert!(otter.log().contains("made again as the same arbiter"), "{}", otter.log());
        here.item_arrives_within(DEADLINE).await;
        otter.terminate_and_expect_success(DEADLINE).await;

        // And so is what this machine remembers, as on a new one.
        execute(&here.arbiter, DROP_ALL).await;
        std::fs::remove_dir_all(here.scene.folder().join("otter-state")).unwrap();
        let told = here.scene.command(&["run"]).await;
        assert_told(&told, 3, &["belongs to arbiter mysql-", "position adopt"]);
        assert_eq!(here.scene.command(&["position", "adopt"]).await.code, Some(0));
        let mut otter = here.scene.run().await;
        here.item_arrives_within(DEADLINE).await;
        otter.terminate_and_expect_success(DEADLINE).await;
        here.assert_equal().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_arbiter_that_does_not_answer_at_start_is_told_or_waited_for() {
    for flavor in FLAVORS {
        let mut here = Installation::start(flavor).await;
        assert_eq!(here.scene.command(&["check"]).await.code, Some(0));
        here.arbiter.stop().await.unwrap();
        let told = here.scene.command(&["run"]).await;
        assert_told(&told, 3, &["cannot be reached", "the arbiter's URL"]);
        let found = here.scene.command(&["check"]).await;
        assert_found(&found, &["the arbiter's server answers", "cannot be reached"]);
        assert_clean(&found);

        let arguments = ["run", "-c", "otter.toml", "--keep-trying"];
        let mut otter = OtterProcess::start(here.scene.folder(), &arguments);
        otter.wait_for_log("the arbiter does not answer", DEADLINE).await;
        here.arbiter.start_again().await.unwrap();
        otter.wait_for_log("pipeline running", DEADLINE).await;
        here.item_arrives_within(DEADLINE).await;
        otter.terminate_and_expect_success(DEADLINE).await;
    }
}
