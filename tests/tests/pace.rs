//! How fast `otter-server run` writes, and what changes that while it runs: the operator, and the
//! target's health.
#![allow(
    clippy::large_futures,
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::time::{Duration, Instant};

use otter_binlog::connection::Connection;
use otter_server::sandbox::{Flavor, Server};
use otter_tests::query::{number, texts};
use otter_tests::replication::follow;
use otter_tests::scene::{DEADLINE, PASSWORD, Scene, assert_found};
use otter_tests::signals::{self, Signal};
use otter_tests::testbed::{self, execute};
use otter_tests::wait::{wait_for, wait_until};
use tokio::task::JoinHandle;

const FLAVORS: [Flavor; 2] = [Flavor::MariaDb, Flavor::MySql];

async fn insert_items(server: &Server, ids: std::ops::RangeInclusive<u32>) {
    for id in ids {
        execute(server, &format!("INSERT INTO shop.item VALUES ({id}, 'x', 1)")).await;
    }
}

/// Sessions that work until they are ended.
struct Busy {
    ids: Vec<u32>,
    working: Vec<JoinHandle<()>>,
}

impl Busy {
    async fn start(server: &Server, count: usize) -> Self {
        let url = server.url().parse().unwrap();
        let (mut ids, mut working) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let mut connection = Connection::connect(&url).await.unwrap();
            ids.push(connection.connection_id());
            working.push(tokio::spawn(async move {
                // It is killed, so that there is no answer.
                let _ = connection.query("SELECT SLEEP(600)").await;
            }));
        }
        Self { ids, working }
    }

    async fn end(self, server: &Server) {
        for id in self.ids {
            execute(server, &format!("KILL {id}")).await;
        }
        for working in self.working {
            working.await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sighup_changes_how_fast_a_running_pipeline_writes() {
    let mut scene = Scene::start(Flavor::MariaDb).await;
    let mut otter = scene.run().await;
    insert_items(&scene.source, 1..=5).await;
    scene.wait_for_items(5).await;

    // One row in a second, from now on: thirty would take half a minute.
    scene.replace("start = \"now\"", "start = \"now\"\nrows_per_second = 1");
    scene.write_config();
    signals::send(otter.id(), Signal::HUP);
    otter.wait_for_log("limits changed", DEADLINE).await;
    insert_items(&scene.source, 6..=35).await;
    scene.wait_for_items(8).await;
    let arrived = number(&scene.target, "SELECT COUNT(*) FROM shop.item").await;
    assert!(arrived < 35, "{arrived} rows");

    // A file that cannot be read, and one that changes more than the speed, are told.
    let sound = scene.config.clone();
    scene.replace("rows_per_second = 1", "rows_per_second = \"few\"");
    scene.write_config();
    signals::send(otter.id(), Signal::HUP);
    let told = otter.wait_for_log("cannot be read again", DEADLINE).await;
    assert!(told.contains("rows_per_second") && told.contains("whole number"), "{told}");
    scene.config = sound.replace("rows_per_second = 1", "connections = 2");
    scene.write_config();
    let begun = Instant::now();
    signals::send(otter.id(), Signal::HUP);
    otter.wait_for_log("from the next start on", DEADLINE).await;
    scene.wait_for_items(35).await;
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    otter.assert_runs();
    otter.terminate_and_expect_success(DEADLINE).await;
    assert!(!otter.log().contains(PASSWORD));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_does_not_wait_for_what_is_held_back() {
    let mut scene = Scene::start(Flavor::MySql).await;
    scene.replace("start = \"now\"", "start = \"now\"\nrows_per_second = 1");
    let mut otter = scene.run().await;
    insert_items(&scene.source, 1..=200).await;
    wait_until("the first rows arrive", DEADLINE, async || {
        number(&scene.target, "SELECT COUNT(*) FROM shop.item").await > 2
    })
    .await;
    let begun = Instant::now();
    otter.terminate_and_expect_success(DEADLINE).await;
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    let arrived = number(&scene.target, "SELECT COUNT(*) FROM shop.item").await;
    assert!(arrived < 200, "{arrived} rows");
    // Nothing is lost.
    scene.replace("\nrows_per_second = 1", "");
    let mut otter = scene.run().await;
    scene.wait_for_items(200).await;
    otter.terminate_and_expect_success(DEADLINE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_whose_sessions_work_too_hard_is_left_alone_until_they_rest() {
    for flavor in FLAVORS {
        let mut scene = Scene::start(flavor).await;
        // Threads of the server's own count on MySQL, and the pipeline's.
        scene.replace("start = \"now\"", "start = \"now\"\nbrake = { threads_running = 20 }");
        let found = scene.command(&["check"]).await;
        assert_eq!(found.code, Some(0), "{}{}", found.stdout, found.stderr);
        assert!(found.stdout.contains("the brake reads how many"), "{}", found.stdout);
        let mut otter = scene.run().await;
        insert_items(&scene.source, 1..=5).await;
        scene.wait_for_items(5).await;

        let busy = Busy::start(&scene.target, 30).await;
        let held = otter.wait_for_log("loading is held back", DEADLINE).await;
        assert!(held.contains("sessions work at the target, more than 20"), "{held}");
        insert_items(&scene.source, 6..=10).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(number(&scene.target, "SELECT COUNT(*) FROM shop.item").await, 5);
        busy.end(&scene.target).await;
        otter.wait_for_log("bears load again", DEADLINE).await;
        scene.wait_for_items(10).await;
        otter.terminate_and_expect_success(DEADLINE).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_of_the_target_that_is_behind_holds_loading_back() {
    for flavor in FLAVORS {
        let mut scene = Scene::start(flavor).await;
        let replica = testbed::server(flavor).start().await;
        follow(&replica, &scene.target).await;
        wait_until("the replica has the account", DEADLINE, async || {
            number(&replica, "SELECT COUNT(*) FROM mysql.user WHERE user='otter'").await == 1
        })
        .await;
        let url = replica.url_as("otter", PASSWORD);
        scene.replace(
            "start = \"now\"",
            &format!("start = \"now\"\nbrake = {{ replica_lag_s = 30, replicas = [\"{url}\"] }}"),
        );
        let found = scene.command(&["check"]).await;
        assert_found(&found, &["the brake reads how far 127.0.0.1:", "it lacks", "GRANT"]);
        let (right, stop, start) = match flavor {
            Flavor::MariaDb => ("SLAVE MONITOR", "STOP SLAVE SQL_THREAD", "START SLAVE SQL_THREAD"),
            Flavor::MySql => {
                let stop = "STOP REPLICA SQL_THREAD";
                ("REPLICATION CLIENT", stop, "START REPLICA SQL_THREAD")
            }
        };
        execute(&scene.target, &format!("GRANT {right} ON *.* TO otter@'%'")).await;
        wait_until("the replica has the right", DEADLINE, async || {
            scene.command(&["check"]).await.code == Some(0)
        })
        .await;

        let mut otter = scene.run().await;
        insert_items(&scene.source, 1..=5).await;
        scene.wait_for_items(5).await;
        execute(&replica, stop).await;
        let held = otter.wait_for_log("loading is held back", DEADLINE).await;
        assert!(held.contains("replication has stopped"), "{held}");
        insert_items(&scene.source, 6..=10).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(number(&scene.target, "SELECT COUNT(*) FROM shop.item").await, 5);
        execute(&replica, start).await;
        otter.wait_for_log("bears load again", DEADLINE).await;
        scene.wait_for_items(10).await;
        otter.terminate_and_expect_success(DEADLINE).await;
        assert!(!otter.log().contains(PASSWORD));
    }
}

#[tokio::test]
async fn a_pipeline_that_falls_behind_what_the_source_keeps_is_warned_of() {
    for flavor in FLAVORS {
        let mut scene = Scene::start(flavor).await;
        let mut otter = scene.run().await;
        otter.terminate_and_expect_success(DEADLINE).await;
        let shown = async |scene: &Scene| scene.command(&["position", "show"]).await.stdout;
        execute(&scene.source, "SET GLOBAL binlog_expire_logs_seconds = 3600").await;
        let text = shown(&scene).await;
        assert!(text.contains("is the newest file; one is kept for 60 min"), "{text}");

        for id in 1..=60 {
            execute(&scene.source, &format!("INSERT INTO shop.item VALUES ({id}, 'item', 1)"))
                .await;
        }
        execute(&scene.source, "FLUSH BINARY LOGS").await;
        let text = shown(&scene).await;
        assert!(text.contains("is kept for another "), "{text}");
        // A file is purged when another one is begun, which nobody does here.
        execute(&scene.source, "SET GLOBAL binlog_expire_logs_seconds = 1").await;
        let check = wait_for("the file is old", DEADLINE, async || {
            let check = scene.command(&["check"]).await;
            check.stdout.contains("may be purged whenever").then_some(check)
        })
        .await;
        assert!(check.stdout.contains("  warn  start"), "{}", check.stdout);

        scene.replace("start = \"now\"", "start = \"now\"\nrows_per_second = 1");
        let mut otter = scene.run().await;
        let line = otter.wait_for_log("the source will purge what the pipeline", DEADLINE).await;
        assert!(line.contains("WARN") && line.contains("may be purged"), "{line}");
        otter.terminate_and_expect_success(DEADLINE).await;
    }
}

#[tokio::test]
async fn a_paused_pipeline_is_warned_of_what_the_source_purges() {
    for flavor in FLAVORS {
        let scene = Scene::start(flavor).await;
        let mut otter = scene.run().await;
        insert_items(&scene.source, 1..=1).await;
        scene.wait_for_items(1).await;
        execute(&scene.source, "SET GLOBAL binlog_expire_logs_seconds = 1").await;
        assert_eq!(scene.command(&["pause", "shop"]).await.code, Some(0));
        otter.wait_for_log("pipeline is paused", DEADLINE).await;
        insert_items(&scene.source, 2..=3).await;
        execute(&scene.source, "FLUSH BINARY LOGS").await;
        // A server keeps what a dump reads, and takes a while to notice that its reader has gone.
        wait_until("the source has purged its old binlogs", DEADLINE, async || {
            let files = texts(&scene.source, "SHOW BINARY LOGS").await;
            let newest = files.last().unwrap().first().unwrap().clone();
            execute(&scene.source, &format!("PURGE BINARY LOGS TO '{newest}'")).await;
            files.len() == 1
        })
        .await;
        let told = "the source does not have the file any more";
        let line = otter.wait_for_log(told, DEADLINE).await;
        assert!(line.contains("WARN") && line.contains("copied again"), "{line}");
        let shown = scene.command(&["position", "show"]).await.stdout;
        assert!(shown.contains("at the source        lost: "), "{shown}");
        assert!(shown.to_lowercase().contains("copy the tables again"), "{shown}");
        otter.terminate_and_expect_success(DEADLINE).await;
    }
}
