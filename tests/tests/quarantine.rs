//! `on_poison = "quarantine"` as an operator meets it: rows wait, other tables go on, and the
//! commands settle them, whatever is killed.
#![allow(
    clippy::large_futures,
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use otter_server::sandbox::Flavor;
use otter_tests::comparison::assert_tables_equal;
use otter_tests::otter::OtterProcess;
use otter_tests::query::{number, texts};
use otter_tests::scene::{DEADLINE, Scene};
use otter_tests::testbed::{FLAVORS, execute};
use otter_tests::types;
use otter_tests::wait::wait_until;
use serde_json::Value;

async fn scene(flavor: Flavor) -> Scene {
    let mut scene = Scene::start(flavor).await;
    scene
        .replace("start = \"now\"", "start = \"now\"\non_poison = \"quarantine\"\nddl = \"apply\"");
    let rights = "GRANT PROCESS ON *.* TO otter@'%';
                  GRANT CREATE, ALTER, DROP, INDEX, REFERENCES ON shop.* TO otter@'%'";
    execute(&scene.target, rights).await;
    scene
}

/// Reason and kind of each held row, as `list --json` tells.
async fn listed(scene: &Scene) -> Vec<Value> {
    let ended = scene.command(&["quarantine", "list", "--json"]).await;
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    let all: Value = serde_json::from_str(&ended.stdout).unwrap();
    all.as_array().unwrap().clone()
}

async fn codes(scene: &Scene) -> Vec<String> {
    listed(scene).await.iter().map(|row| row["code"].as_str().unwrap().to_owned()).collect()
}

async fn command(scene: &Scene, arguments: &[&str]) -> String {
    let ended = scene.command(&[&["quarantine"], arguments].concat()).await;
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    ended.stdout
}

async fn held(scene: &Scene) -> i64 {
    let count = number(&scene.target, "SELECT COUNT(*) FROM otter.quarantine").await;
    i64::try_from(count).unwrap()
}

async fn wait_for_held(scene: &Scene, count: i64) {
    wait_until("so many rows are held", DEADLINE, async || held(scene).await == count).await;
}

async fn titles(scene: &Scene) -> String {
    let rows = "SELECT CONCAT(id, '=', title) FROM shop.item ORDER BY id";
    texts(&scene.target, rows).await.concat().join(" ")
}

async fn wait_for_titles(scene: &Scene, expected: &str) {
    wait_until(expected, DEADLINE, async || titles(scene).await == expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_wait_over_restarts_and_follow_when_the_operator_says_so() {
    for flavor in FLAVORS {
        let scene = scene(flavor).await;
        execute(&scene.target, "INSERT INTO shop.item VALUES (1, 's3cret-there', 0)").await;
        let mut otter = scene.run().await;
        execute(
            &scene.source,
            "INSERT INTO shop.item VALUES (1, 's3cret-here', 1);
             INSERT INTO shop.item VALUES (2, 'two', 2);
             INSERT INTO shop.tag VALUES (1, 'a');
             UPDATE shop.item SET title = 's3cret-later' WHERE id = 1",
        )
        .await;
        wait_for_held(&scene, 2).await;
        otter.wait_for_log("a row is held in quarantine", DEADLINE).await;
        wait_for_titles(&scene, "1=s3cret-there 2=two").await;
        assert_eq!(number(&scene.target, "SELECT COUNT(*) FROM shop.tag").await, 1);
        assert_eq!(codes(&scene).await, ["duplicate", "waits"]);

        otter.kill9();
        execute(&scene.source, "UPDATE shop.item SET title = 's3cret-last' WHERE id = 1").await;
        let mut second = scene.run().await;
        wait_for_held(&scene, 3).await;
        let status = scene.command(&["status", "--json"]).await;
        let status: Value = serde_json::from_str(&status.stdout).unwrap();
        assert_eq!(status["pipelines"][0]["quarantine_rows"], 3);

        // A retry in vain is noted, and kills nothing.
        let first = listed(&scene).await[0]["id"].to_string();
        assert!(command(&scene, &["retry", "shop", &first]).await.contains("in a moment"));
        wait_until("it was tried", DEADLINE, async || listed(&scene).await[0]["tries"] == 1).await;
        second.kill9();
        execute(&scene.target, "DELETE FROM shop.item WHERE id = 1").await;
        assert!(command(&scene, &["retry", "shop", "--all"]).await.contains("when it runs"));
        let mut third = scene.run().await;
        wait_for_titles(&scene, "1=s3cret-last 2=two").await;
        wait_for_held(&scene, 0).await;
        third.terminate_and_expect_success(DEADLINE).await;
        for log in [otter.log(), second.log(), third.log()] {
            assert!(!log.contains("s3cret"), "{log}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_shown_edited_and_dropped_and_each_look_is_noted() {
    for flavor in FLAVORS {
        let scene = scene(flavor).await;
        execute(&scene.target, "ALTER TABLE shop.item MODIFY title VARCHAR(5) NOT NULL").await;
        let mut otter = scene.run().await;
        execute(
            &scene.source,
            "INSERT INTO shop.item VALUES (1, 'much too long', 1), (2, 'also too long', 2);
             UPDATE shop.item SET price = 7 WHERE id = 2;
             DELETE FROM shop.item WHERE id = 2;
             INSERT INTO shop.item VALUES (3, 'three', 3)",
        )
        .await;
        wait_for_titles(&scene, "3=three").await;
        assert_eq!(codes(&scene).await, ["does-not-fit", "does-not-fit", "waits", "waits"]);
        let list = command(&scene, &["list"]).await;
        assert!(list.contains("column title is too long") && !list.contains("much"), "{list}");
        let rows = listed(&scene).await;
        let id = |index: usize| rows[index]["id"].to_string();

        let shown = command(&scene, &["show", "shop", &id(0)]).await;
        let shown: Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(
            (&shown["data"]["title"], &shown["type"]),
            (&"much too long".into(), &"insert".into())
        );
        command(&scene, &["edit", "shop", &id(0), "--set", "title=short", "--null", "price"]).await;
        wait_for_titles(&scene, "1=short 3=three").await;

        // Without its insert the update is refused; without that the delete is.
        command(&scene, &["drop", "shop", &id(1)]).await;
        wait_until("the next is refused", DEADLINE, async || {
            codes(&scene).await == ["missing", "waits"]
        })
        .await;
        command(&scene, &["drop", "shop", "--table", "shop.item"]).await;
        wait_for_held(&scene, 0).await;
        let nothing = scene.command(&["quarantine", "drop", "shop", &id(1)]).await;
        assert_eq!(nothing.code, Some(1), "{}", nothing.stderr);
        otter.terminate_and_expect_success(DEADLINE).await;
        let audit = texts(
            &scene.target,
            "SELECT action, account LIKE 'otter@%', pipeline FROM otter.audit ORDER BY id LIMIT 4",
        )
        .await;
        assert_eq!(
            audit,
            ["show", "edit", "drop", "drop"].map(|action| [action, "1", "shop"].map(str::to_owned))
        );
        let subjects = texts(&scene.target, "SELECT subject FROM otter.audit").await.concat();
        assert!(!subjects.concat().contains("short"), "{subjects:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_change_of_a_table_with_held_rows_halts_and_others_pass() {
    for flavor in FLAVORS {
        let scene = scene(flavor).await;
        execute(&scene.target, "INSERT INTO shop.item VALUES (1, 'there', 0)").await;
        let mut otter = scene.run().await;
        execute(
            &scene.source,
            "INSERT INTO shop.item VALUES (1, 'here', 1);
             ALTER TABLE shop.tag ADD COLUMN note VARCHAR(9);
             INSERT INTO shop.tag VALUES (1, 'a', 'new')",
        )
        .await;
        wait_until("the tag comes", DEADLINE, async || {
            number(&scene.target, "SELECT COUNT(*) FROM shop.tag").await == 1
        })
        .await;
        wait_for_held(&scene, 1).await;
        execute(
            &scene.source,
            "ALTER TABLE shop.item ADD COLUMN note VARCHAR(9);
             INSERT INTO shop.item VALUES (2, 'two', 2, 'new')",
        )
        .await;
        assert_eq!(otter.wait_for_exit(DEADLINE).await, Some(3));
        assert!(otter.log().contains("retry or drop them first"), "{}", otter.log());
        execute(&scene.target, "DELETE FROM shop.item WHERE id = 1").await;
        command(&scene, &["retry", "shop", "--all"]).await;
        let mut second: OtterProcess = scene.run().await;
        wait_for_titles(&scene, "1=here 2=two").await;
        second.terminate_and_expect_success(DEADLINE).await;
    }
}

/// Every type and value of the matrix goes through the quarantine and arrives as it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_value_comes_out_of_the_quarantine_as_it_went_in() {
    for flavor in FLAVORS {
        let scene = scene(flavor).await;
        let cases = types::cases(flavor);
        let names: Vec<String> = (0..cases.len()).map(|case| format!("shop.t{case}")).collect();
        let mut tables = format!("{};", types::SQL_MODE);
        let (mut there, mut new, mut gone) = (String::new(), String::new(), String::new());
        let mut count = 0_u64;
        for (name, (column, _, values)) in names.iter().zip(&cases) {
            tables.push_str(&format!(
                "CREATE TABLE {name} (id INT PRIMARY KEY, v {column}) CHARACTER SET utf8mb4;"
            ));
            for (id, value) in values.iter().enumerate() {
                there.push_str(&format!("INSERT INTO {name} (id) VALUES ({id});"));
                new.push_str(&format!("INSERT INTO {name} (id, v) VALUES ({id}, {value});"));
                count += 1;
            }
            gone.push_str(&format!("DELETE FROM {name};"));
        }
        for server in [&scene.source, &scene.target] {
            execute(server, &tables).await;
        }
        execute(&scene.target, &format!("{}; {there}", types::SQL_MODE)).await;
        let mut otter = scene.run().await;
        execute(&scene.source, &format!("{}; SET NAMES utf8mb4; {new}", types::SQL_MODE)).await;
        wait_for_held(&scene, i64::try_from(count).unwrap()).await;
        execute(&scene.target, &gone).await;
        command(&scene, &["retry", "shop", "--all"]).await;
        wait_for_held(&scene, 0).await;
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(assert_tables_equal(&scene.source, &scene.target, &names).await, count);
        otter.terminate_and_expect_success(DEADLINE).await;
    }
}
