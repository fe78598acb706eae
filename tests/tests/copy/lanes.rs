//! Several tables are copied at once, and each behind those that its rows refer to.

use otter_server::sandbox::Flavor;
use otter_tests::comparison::assert_tables_equal;
use otter_tests::query::texts;
use otter_tests::scene::DEADLINE;
use otter_tests::testbed::execute;
use otter_tests::wait::wait_until;

use crate::shelf::{drain, is_finished, shelf, wait_for_copy};

const TABLES: &str = "
    CREATE TABLE store.number (i INT PRIMARY KEY);
    INSERT INTO store.number WITH RECURSIVE r (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM r
        WHERE i < 999) SELECT i FROM r;
    CREATE TABLE store.one (id INT PRIMARY KEY, v INT);
    CREATE TABLE store.two (id INT PRIMARY KEY, v INT);
    CREATE TABLE store.keyless (v INT);
    CREATE TABLE store.parent (id INT PRIMARY KEY, v INT);
    CREATE TABLE store.child (id INT PRIMARY KEY, parent INT,
        FOREIGN KEY (parent) REFERENCES store.parent (id));
    CREATE TABLE store.cascaded (id INT PRIMARY KEY, parent INT,
        FOREIGN KEY (parent) REFERENCES store.parent (id) ON DELETE CASCADE);
    CREATE TABLE store.sentinel (id INT PRIMARY KEY);
    INSERT INTO store.one SELECT a.i * 4 + b.i, a.i FROM store.number a JOIN store.number b ON b.i < 4;
    INSERT INTO store.two SELECT a.i * 4 + b.i, a.i FROM store.number a JOIN store.number b ON b.i < 4;
    INSERT INTO store.parent SELECT a.i * 3 + b.i, a.i FROM store.number a JOIN store.number b ON b.i < 3;
    INSERT INTO store.child SELECT id, id FROM store.parent;
    INSERT INTO store.cascaded SELECT id, id FROM store.parent;
    INSERT INTO store.keyless SELECT i FROM store.number";

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_copied_at_once_and_children_behind_their_parents() {
    for pairing in [(Flavor::MariaDb, Flavor::MySql), (Flavor::MySql, Flavor::MariaDb)] {
        let mut scene = shelf(pairing).await;
        execute(&scene.source, TABLES).await;
        // Slow enough to be seen at work.
        scene.replace("initial_copy = true", "initial_copy = true\nrows_per_second = 4000");
        let mut otter = scene.run().await;
        let mut most = 0;
        wait_until("all tables are copied", 2 * DEADLINE, async || {
            let log = otter.log();
            assert!(!log.contains("halted"), "{log}");
            let stages =
                texts(&scene.target, "SELECT `table`, state FROM otter.`copy` WHERE `table` <> ''")
                    .await;
            let stage = |table: &str| {
                let row = stages.iter().find(|row| row[0] == table);
                row.map_or("waiting", |row| row[1].as_str())
            };
            for child in ["child", "cascaded"] {
                assert!(
                    stage("parent") == "done" || stage(child) == "waiting",
                    "{child} is copied before its parent: {stages:?}"
                );
            }
            most = most.max(stages.iter().filter(|row| row[1] == "copying").count());
            is_finished(&scene).await
        })
        .await;
        assert!(most >= 3, "at most {most} tables were copied at once");
        wait_for_copy(&scene, &otter).await;
        drain(&scene, &otter, 1).await;
        otter.terminate_and_expect_success(DEADLINE).await;
        let tables = ["one", "two", "keyless", "parent", "child", "cascaded", "number", "sentinel"];
        let tables = tables.map(|table| format!("store.{table}"));
        let tables: Vec<&str> = tables.iter().map(String::as_str).collect();
        assert_tables_equal(&scene.source, &scene.target, &tables).await;
    }
}
