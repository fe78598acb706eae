//! Tables that a pipeline leaves alone: those of `except`, and the ghost tables of gh-ost and
//! pt-online-schema-change.
#![allow(
    clippy::large_futures,
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use otter_server::sandbox::Flavor;
use otter_tests::query::{number, texts};
use otter_tests::scene::{DEADLINE, Scene};
use otter_tests::testbed::execute;

const FLAVORS: [Flavor; 2] = [Flavor::MariaDb, Flavor::MySql];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_excepted_is_neither_carried_nor_looked_at() {
    for flavor in FLAVORS {
        let mut scene = Scene::start(flavor).await;
        scene.replace("start = \"now\"", "start = \"now\"\nexcept = [\"shop.tmp_*\"]");
        // It would fail for a table that the target lacks.
        execute(&scene.source, "CREATE TABLE shop.tmp_1 (id INT)").await;
        let found = scene.command(&["check"]).await;
        assert_eq!(found.code, Some(0), "{}{}", found.stdout, found.stderr);
        let mut otter = scene.run().await;
        execute(
            &scene.source,
            "INSERT INTO shop.tmp_1 VALUES (1), (2);
             CREATE TABLE shop.tmp_2 (id INT PRIMARY KEY);
             INSERT INTO shop.tmp_2 VALUES (1);
             INSERT INTO shop.item VALUES (1, 'one', 1);
             ALTER TABLE shop.tmp_2 ADD COLUMN x INT;
             DROP TABLE shop.tmp_1, shop.tmp_2;
             INSERT INTO shop.item VALUES (2, 'two', 2)",
        )
        .await;
        scene.wait_for_items(2).await;
        otter.terminate_and_expect_success(DEADLINE).await;
        let tables = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema='shop'";
        assert_eq!(number(&scene.target, tables).await, 2);
    }
}

/// The operator makes the change at the target beforehand; the tool makes it at the source, as
/// gh-ost does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_by_gh_ost_needs_no_word_but_that_at_the_cut_over() {
    for flavor in FLAVORS {
        let mut scene = Scene::start(flavor).await;
        scene.replace(
            "start = \"now\"",
            "start = \"now\"\nddl = { default = \"halt\", rename = \"skip\" }\n\
             ghost_tables = \"leave\"",
        );
        let mut otter = scene.run().await;
        execute(&scene.source, "INSERT INTO shop.item VALUES (1, 'one', 1), (2, 'two', 2)").await;
        scene.wait_for_items(2).await;
        execute(&scene.target, "ALTER TABLE shop.item ADD COLUMN note VARCHAR(20)").await;
        execute(
            &scene.source,
            "CREATE TABLE shop._item_ghc (id BIGINT AUTO_INCREMENT PRIMARY KEY, hint VARCHAR(64));
             CREATE TABLE shop._item_gho LIKE shop.item;
             ALTER TABLE shop._item_gho ADD COLUMN note VARCHAR(20);
             INSERT INTO shop._item_ghc (hint) VALUES ('state');
             INSERT INTO shop._item_gho (id, title, price) SELECT * FROM shop.item;
             INSERT INTO shop.item VALUES (3, 'three', 3);
             REPLACE INTO shop._item_gho (id, title, price) VALUES (3, 'three', 3);
             CREATE TABLE shop._item_del (id INT PRIMARY KEY) COMMENT='ghost-cut-over-sentry';
             DROP TABLE shop._item_del;
             RENAME TABLE shop.item TO shop._item_del, shop._item_gho TO shop.item;
             DROP TABLE shop._item_ghc, shop._item_del;
             INSERT INTO shop.item VALUES (4, 'four', 4, 'new');
             UPDATE shop.item SET note = 'changed' WHERE id = 1",
        )
        .await;
        otter.wait_for_log("passing by a schema change", DEADLINE).await;
        scene.wait_for_items(4).await;
        otter.terminate_and_expect_success(DEADLINE).await;
        let rows = "SELECT id, title, IFNULL(note, '-') FROM shop.item ORDER BY id";
        assert_eq!(texts(&scene.source, rows).await, texts(&scene.target, rows).await);
        assert_eq!(otter.log().matches("passing by a schema change").count(), 1);
        let ghosts =
            "SELECT COUNT(*) FROM information_schema.tables WHERE table_name LIKE '\\_item%'";
        assert_eq!(number(&scene.target, ghosts).await, 0);
    }
}
