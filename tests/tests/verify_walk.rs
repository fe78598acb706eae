//! Tables that are compared all the while: `verify_rows_per_second`, and `verify --last`.
#![allow(
    clippy::large_futures,
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::time::{Duration, Instant};

use otter_server::sandbox::Flavor;
use otter_tests::query::number;
use otter_tests::scene::{DEADLINE, Scene};
use otter_tests::signals::{self, Signal};
use otter_tests::testbed::{FLAVORS, execute};
use otter_tests::wait::wait_until;
use serde_json::Value;

/// What `verify --last --json` says of the one pipeline, with its exit code.
async fn last(scene: &Scene) -> (Option<i32>, Value) {
    let ended = scene.command(&["verify", "--last", "--json"]).await;
    let report: Value = serde_json::from_str(&ended.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{}", ended.stdout, ended.stderr));
    (ended.code, report[0].clone())
}

fn table(report: &Value, name: &str) -> Option<Value> {
    let tables = report["tables"].as_array().unwrap();
    tables.iter().find(|table| table["target"] == name).cloned()
}

/// Waits until a table stands so, and returns what is told of it.
async fn wait_for(scene: &Scene, name: &str, state: &str) -> Value {
    let what = format!("{name} is {state}");
    wait_until(&what, DEADLINE, async || {
        table(&last(scene).await.1, name).is_some_and(|table| table["state"] == state)
    })
    .await;
    table(&last(scene).await.1, name).unwrap()
}

async fn wait_for_item(scene: &Scene, id: u32) {
    let query = format!("SELECT COUNT(*) FROM shop.item WHERE id = {id}");
    wait_until("the item arrives", DEADLINE, async || number(&scene.target, &query).await == 1)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_pipeline_tells_when_each_table_was_last_equal() {
    for flavor in FLAVORS {
        let mut scene = Scene::start(flavor).await;
        scene.replace("start = \"now\"", "start = \"now\"\nddl = \"skip\"");
        let mut otter = scene.run().await;
        execute(&scene.source, "INSERT INTO shop.item VALUES (1, 'one', 1), (2, 'two', 2)").await;
        wait_for_item(&scene, 2).await;

        // Nobody has looked, and one look is kept only where a record is.
        let (code, report) = last(&scene).await;
        assert_eq!(code, Some(6), "{report:#}");
        assert_eq!(table(&report, "shop.item").unwrap()["state"], "never looked at");
        assert_eq!(scene.command(&["verify"]).await.code, Some(0));
        assert_eq!(last(&scene).await.0, Some(6));

        // The walk begins in the running process.
        scene.replace("start = \"now\"", "start = \"now\"\nverify_rows_per_second = 50_000");
        scene.write_config();
        signals::send(otter.id(), Signal::HUP);
        otter.wait_for_log("all tables compared", DEADLINE).await;
        let (code, report) = last(&scene).await;
        assert_eq!(code, Some(0), "{report:#}");
        let item = table(&report, "shop.item").unwrap();
        assert_eq!((&item["state"], &item["source_rows"]), (&"equal".into(), &2.into()), "{item}");
        assert!(item["equal_position"].is_string(), "{item}");
        assert_eq!(item["looked_time"], item["equal_time"], "{item}");

        // A difference is found; when it was last equal stays.
        execute(&scene.target, "DELETE FROM shop.item WHERE id = 1").await;
        let item = wait_for(&scene, "shop.item", "different").await;
        assert_eq!((&item["missing"], &item["different"]), (&1.into(), &0.into()), "{item}");
        assert!(item["equal_time"].as_str().unwrap() < item["looked_time"].as_str().unwrap());
        assert_eq!(last(&scene).await.0, Some(1));
        let log = otter.wait_for_log("table differs from the source", DEADLINE).await;
        assert!(log.contains("verify shop --table shop.item"), "{log}");
        let text = scene.command(&["verify", "--last", "shop", "--table", "shop.item"]).await;
        assert!(text.stdout.contains("shop.item  different: 1 missing  looked at "), "{text:?}");
        assert!(text.stdout.contains("  last equal ") && text.stdout.lines().count() == 2);

        // Mending tells the record too, at once.
        let repaired = scene.command(&["verify", "--repair", "--yes"]).await;
        assert_eq!(repaired.code, Some(0), "{repaired:?}");
        assert_eq!(last(&scene).await.0, Some(0));

        // Tables come and go.
        for server in [&scene.source, &scene.target] {
            execute(server, "CREATE TABLE shop.later (id INT PRIMARY KEY)").await;
        }
        wait_for(&scene, "shop.later", "equal").await;
        for server in [&scene.source, &scene.target] {
            execute(server, "DROP TABLE shop.tag").await;
        }
        let gone = "SELECT COUNT(*) FROM otter.verified WHERE `table` = 'tag'";
        wait_until("it is forgotten", DEADLINE, async || number(&scene.target, gone).await == 0)
            .await;
        assert!(table(&last(&scene).await.1, "shop.tag").is_none());
        otter.terminate_and_expect_success(DEADLINE).await;

        // With another position nobody knows what the tables hold; when they were equal stays.
        let set = scene.command(&["position", "set", "shop", "--to", "earliest", "--yes"]).await;
        assert_eq!(set.code, Some(0), "{set:?}");
        let (code, report) = last(&scene).await;
        assert_eq!(code, Some(6), "{report:#}");
        let item = table(&report, "shop.item").unwrap();
        assert_eq!(item["state"], "not verified", "{item}");
        assert!(item["reason"].as_str().unwrap().contains("position was set"), "{item}");
        assert!(item["equal_time"].is_string(), "{item}");
        assert_eq!(scene.command(&["verify"]).await.code, Some(0));
        assert_eq!(last(&scene).await.0, Some(0));

        // For a monitor: what nobody has proven of late is not proven.
        let aged = async |age| {
            let arguments = ["verify", "--last", "--table", "shop.item", "--max-age", age];
            scene.command(&arguments).await.code
        };
        assert_eq!(aged("600").await, Some(0));
        wait_until("the proof is old", DEADLINE, async || aged("1").await == Some(6)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_rows_are_read_than_the_bound_says() {
    for flavor in FLAVORS {
        let scene = Scene::start(flavor).await;
        let rows: Vec<String> = (1..=3_000).map(|id| format!("({id}, 'x', 1)")).collect();
        let fill = format!("INSERT INTO shop.item VALUES {}", rows.join(","));
        tokio::join!(execute(&scene.source, &fill), execute(&scene.target, &fill));
        let began = Instant::now();
        let ended = scene.command(&["verify", "--rows-per-second", "1000"]).await;
        let took = began.elapsed();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.stdout.contains("3000 rows"), "{ended:?}");
        assert!(took >= Duration::from_secs(3), "it took {took:?}");
    }
}

/// What is not in the record of copies yet, in a target that has the table already.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_is_to_be_copied_is_not_called_different() {
    let mut scene = Scene::start(Flavor::MySql).await;
    scene.replace("start = \"now\"", "initial_copy = true");
    let mut otter = scene.run().await;
    otter.wait_for_log("all tables are copied", DEADLINE).await;
    for server in [&scene.source, &scene.target] {
        execute(server, "CREATE DATABASE depot; CREATE TABLE depot.part (id INT PRIMARY KEY)")
            .await;
        execute(server, "GRANT SELECT, INSERT, UPDATE, DELETE ON depot.* TO otter@'%'").await;
    }
    execute(&scene.source, "INSERT INTO depot.part VALUES (1)").await;
    // The process that runs does not know of it; the command does.
    scene.replace("{ from = \"shop.*\" }", "{ from = \"shop.*\" }, { from = \"depot.*\" }");
    let ended = scene.command(&["verify", "--table", "depot.part"]).await;
    assert_eq!(ended.code, Some(6), "{ended:?}");
    assert!(ended.stdout.contains("its initial copy is not finished"), "{ended:?}");
    otter.terminate_and_expect_success(DEADLINE).await;
}

/// Rows that an initial copy is still to bring are not missing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_in_copy_is_not_called_different() {
    let mut scene = Scene::start(Flavor::MariaDb).await;
    let rows: Vec<String> = (1..=3_000).map(|id| format!("({id}, 'x', 1)")).collect();
    execute(&scene.source, &format!("INSERT INTO shop.item VALUES {}", rows.join(","))).await;
    let keys = "initial_copy = true\nverify_rows_per_second = 50_000\nrows_per_second = 100";
    scene.replace("start = \"now\"", keys);
    let mut otter = scene.run().await;
    wait_for(&scene, "shop.item", "not verified").await;
    let ended = scene.command(&["verify"]).await;
    assert_eq!(ended.code, Some(6), "{ended:?}");
    assert!(ended.stdout.contains("its initial copy is not finished"), "{ended:?}");
    scene.replace("\nrows_per_second = 100", "");
    scene.write_config();
    signals::send(otter.id(), Signal::HUP);
    let item = wait_for(&scene, "shop.item", "equal").await;
    assert_eq!(item["target_rows"], 3_000, "{item}");
    assert!(!otter.log().contains("table differs"), "{}", otter.log());
    otter.terminate_and_expect_success(DEADLINE).await;
}
