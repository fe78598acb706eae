//! `otter-server run`: several pipelines in one process, signals, logs and exit codes.
#![allow(
    clippy::large_futures,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::process::Command;
use std::time::{Duration, Instant};

use otter_server::sandbox::Flavor;
use otter_tests::otter::{OtterProcess, program};
use otter_tests::query::text;
use otter_tests::scene::{DEADLINE, PASSWORD, Scene, assert_told};
use otter_tests::signals::{self, Signal};
use otter_tests::testbed::execute;
use serde_json::Value;

#[tokio::test]
async fn sigterm_lets_the_pipeline_load_what_it_has_read_and_ends_with_success() {
    let scene = Scene::start(Flavor::MariaDb).await;
    let mut otter = scene.run().await;
    execute(&scene.source, "INSERT INTO shop.item VALUES (1, 'one', 1), (2, 'two', 2)").await;
    scene.wait_for_items(2).await;
    otter.terminate_and_expect_success(DEADLINE).await;
    let log = otter.log();
    for message in ["lease won", "pipeline running", "stopping", "SIGTERM", "pipeline stopped"] {
        assert!(log.contains(message), "{message:?} in:\n{log}");
    }
    assert!(!log.contains(PASSWORD), "{log}");
}

#[tokio::test]
async fn a_pipeline_that_halts_does_not_stop_the_others_and_the_exit_code_tells() {
    let mut scene = Scene::start(Flavor::MariaDb).await;
    execute(&scene.source, "CREATE TABLE shop.extra (id INT PRIMARY KEY)").await;
    scene.replace("{ from = \"shop.*\" }", "{ from = \"shop.item\" }");
    scene.config.push_str(
        "[[channels.pipelines]]\nname = \"extra\"\nfrom = \"source\"\nto = \"target\"\n\
         start = \"now\"\ntables = [ { from = \"shop.extra\" } ]\n",
    );
    let mut otter = OtterProcess::run(scene.folder(), &scene.config);
    let halted = otter.wait_for_log("pipeline halted", DEADLINE).await;
    assert!(halted.contains("pipeline=extra") && halted.contains("shop.extra"), "{halted}");
    otter.wait_for_log("pipeline running", DEADLINE).await;
    execute(&scene.source, "INSERT INTO shop.item VALUES (1, 'one', 1)").await;
    scene.wait_for_items(1).await;
    assert_eq!(otter.terminate(DEADLINE).await, 3, "{}", otter.log());
}

#[tokio::test]
async fn a_schema_change_halts_the_pipeline_and_is_passed_by_with_skip() {
    for flavor in [Flavor::MariaDb, Flavor::MySql] {
        let mut scene = Scene::start(flavor).await;
        let mut otter = scene.run().await;
        execute(&scene.source, "INSERT INTO shop.item VALUES (1, 'one', 1)").await;
        scene.wait_for_items(1).await;
        execute(&scene.source, "ALTER TABLE shop.item ADD COLUMN colour INT").await;
        assert_eq!(otter.wait_for_exit(DEADLINE).await, Some(3));
        let told = scene.command(&["run"]).await;
        assert_told(&told, 3, &["ALTER TABLE", "shop.item", "ddl"]);

        scene.replace("start = \"now\"", "start = \"now\"\nddl = \"skip\"");
        execute(&scene.target, "ALTER TABLE shop.item ADD COLUMN colour INT").await;
        let mut otter = scene.run().await;
        execute(&scene.source, "INSERT INTO shop.item VALUES (2, 'two', 2, 7)").await;
        scene.wait_for_items(2).await;
        otter.terminate_and_expect_success(DEADLINE).await;
        assert_eq!(text(&scene.target, "SELECT colour FROM shop.item WHERE id = 2").await, "7");
    }
}

/// The source's rows carry no definition: what its tables looked like when the pipeline was away is
/// known from the target alone.
#[tokio::test]
async fn a_pipeline_that_was_away_during_a_schema_change_reads_rows_by_their_own_definition() {
    for flavor in [Flavor::MariaDb, Flavor::MySql] {
        let mut scene = Scene::start(flavor).await;
        execute(&scene.source, "SET GLOBAL binlog_row_metadata = MINIMAL").await;
        execute(&scene.source, "ALTER TABLE shop.item ADD COLUMN a INT, ADD COLUMN b INT").await;
        execute(&scene.target, "ALTER TABLE shop.item ADD COLUMN a INT, ADD COLUMN b INT").await;
        scene.replace("start = \"now\"", "start = \"now\"\nddl = \"skip\"");
        let mut otter = scene.run().await;
        execute(&scene.source, "INSERT INTO shop.item VALUES (1, 'one', 1, 10, 20)").await;
        scene.wait_for_items(1).await;
        otter.kill9();
        execute(
            &scene.source,
            "INSERT INTO shop.item VALUES (2, 'two', 2, 11, 21);
             ALTER TABLE shop.item MODIFY b INT FIRST;
             INSERT INTO shop.item VALUES (22, 3, 'three', 3, 12);
             RENAME TABLE shop.item TO shop.away; ALTER TABLE shop.away MODIFY a INT FIRST;
             RENAME TABLE shop.away TO shop.item;
             INSERT INTO shop.item VALUES (13, 23, 4, 'four', 4)",
        )
        .await;
        let mut otter = scene.run().await;
        scene.wait_for_items(4).await;
        otter.terminate_and_expect_success(DEADLINE).await;
        let query = "SELECT GROUP_CONCAT(id, ' ', a, ' ', b ORDER BY id) FROM shop.item";
        let expected = "1 10 20,2 11 21,3 12 22,4 13 23";
        assert_eq!(text(&scene.source, query).await, expected);
        assert_eq!(text(&scene.target, query).await, expected, "{flavor}");
    }
}

#[tokio::test]
async fn tables_arrive_under_the_names_that_the_mapping_gives_them() {
    let mut scene = Scene::start(Flavor::MariaDb).await;
    execute(
        &scene.target,
        "CREATE DATABASE copy; CREATE TABLE copy.my_item LIKE shop.item;
         GRANT SELECT, INSERT, UPDATE, DELETE, TRIGGER ON copy.* TO otter@'%'",
    )
    .await;
    scene.replace("{ from = \"shop.*\" }", "{ from = \"shop.i*\", to = \"copy.my_i*\" }");
    let mut otter = scene.run().await;
    execute(&scene.source, "INSERT INTO shop.tag VALUES (1, 'left out')").await;
    execute(&scene.source, "INSERT INTO shop.item VALUES (1, 'one', 1)").await;
    let arrived = "SELECT COUNT(*) FROM copy.my_item";
    otter_tests::wait::wait_until("the row arrives", DEADLINE, async || {
        text(&scene.target, arrived).await == "1"
    })
    .await;
    assert_eq!(text(&scene.target, "SELECT COUNT(*) FROM shop.tag").await, "0");
    otter.terminate_and_expect_success(DEADLINE).await;
}

#[tokio::test]
async fn json_logs_are_one_object_in_each_line_and_tell_how_the_pipeline_moves() {
    let scene = Scene::start(Flavor::MySql).await;
    scene.write_config();
    let arguments = ["run", "-c", "otter.toml", "--log", "json"];
    let mut otter = OtterProcess::start(scene.folder(), &arguments);
    otter.wait_for_log("pipeline running", DEADLINE).await;
    execute(&scene.source, "INSERT INTO shop.item VALUES (1, 'one', 1)").await;
    otter.wait_for_log("pipeline moved", DEADLINE).await;
    otter.terminate_and_expect_success(DEADLINE).await;
    let log = otter.log();
    let lines: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let moved = lines.iter().find(|line| line["message"] == "pipeline moved").unwrap();
    assert_eq!(moved["pipeline"], "shop");
    assert_eq!(moved["level"], "INFO");
    assert_eq!((&moved["rows"], &moved["transactions"]), (&Value::from(1), &Value::from(1)));
    for field in ["term", "position", "lag_ms", "rows_per_second", "timestamp"] {
        assert!(!moved[field].is_null(), "{field} in {moved}");
    }
}

#[tokio::test]
async fn keep_trying_waits_for_a_database_that_comes_up_later() {
    let mut scene = Scene::start(Flavor::MariaDb).await;
    scene.target.stop().await.unwrap();
    assert_told(&scene.command(&["run"]).await, 3, &["nothing listens at", "check host and port"]);

    let arguments = ["run", "-c", "otter.toml", "--keep-trying"];
    let mut otter = OtterProcess::start(scene.folder(), &arguments);
    otter.wait_for_log("pipeline will try again", DEADLINE).await;
    scene.target.start_again().await.unwrap();
    otter.wait_for_log("pipeline running", DEADLINE).await;
    execute(&scene.source, "INSERT INTO shop.item VALUES (1, 'one', 1)").await;
    scene.wait_for_items(1).await;
    otter.terminate_and_expect_success(DEADLINE).await;
}

#[tokio::test]
async fn a_second_signal_quits_at_once_and_nothing_is_half_done() {
    let scene = Scene::start(Flavor::MariaDb).await;
    let mut otter = scene.run().await;
    // A lock at the target keeps the pipeline from ending in order.
    let mut blocker = scene.target.connect().await.unwrap();
    sqlx::raw_sql("LOCK TABLES shop.item WRITE").execute(&mut blocker).await.unwrap();
    execute(&scene.source, "INSERT INTO shop.item VALUES (1, 'one', 1)").await;
    let waiting = "SELECT COUNT(*) FROM information_schema.processlist \
                   WHERE state LIKE 'Waiting for table%' AND user = 'otter'";
    otter_tests::wait::wait_until("the pipeline waits for the lock", DEADLINE, async || {
        text(&scene.target, waiting).await == "1"
    })
    .await;
    signals::send(otter.id(), Signal::TERM);
    otter.wait_for_log("stopping", DEADLINE).await;
    signals::send(otter.id(), Signal::INT);
    assert_eq!(otter.wait_for_exit(Duration::from_secs(5)).await, Some(130), "{}", otter.log());
    drop(blocker);
    let mut otter = scene.run().await;
    scene.wait_for_items(1).await;
    otter.terminate_and_expect_success(DEADLINE).await;
}

#[tokio::test]
async fn a_password_comes_from_the_environment() {
    let mut scene = Scene::start(Flavor::MariaDb).await;
    scene.replace(&format!("otter:{PASSWORD}@"), "otter:${OTTER_TEST_PASSWORD}@");
    scene.write_config();
    let check = |password: Option<&str>| {
        let mut command = Command::new(program());
        command.args(["check", "-c", "otter.toml"]).current_dir(scene.folder());
        command.env_remove("OTTER_TEST_PASSWORD");
        command.envs(password.map(|password| ("OTTER_TEST_PASSWORD", password)));
        command.output().unwrap()
    };
    assert_eq!(check(Some(PASSWORD)).status.code(), Some(0));
    assert_eq!(check(Some("wr/ng@")).status.code(), Some(1));
    assert_eq!(check(None).status.code(), Some(2));
}

#[tokio::test]
async fn a_pipeline_writes_no_faster_than_its_limit() {
    let mut scene = Scene::start(Flavor::MariaDb).await;
    scene.replace("start = \"now\"", "start = \"now\"\nrows_per_second = 40");
    let mut otter = scene.run().await;
    otter.terminate_and_expect_success(DEADLINE).await;
    for id in 1..=100 {
        execute(&scene.source, &format!("INSERT INTO shop.item VALUES ({id}, 'x', 1)")).await;
    }
    let begun = Instant::now();
    let mut otter = scene.run().await;
    scene.wait_for_items(100).await;
    // What comes at once is paid for before the next.
    execute(&scene.source, "INSERT INTO shop.item VALUES (101, 'x', 1)").await;
    scene.wait_for_items(101).await;
    assert!(begun.elapsed() > Duration::from_secs(2), "{:?}", begun.elapsed());
    otter.terminate_and_expect_success(DEADLINE).await;
}
