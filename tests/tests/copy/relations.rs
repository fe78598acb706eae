//! Foreign keys: rows that change or go with others, of which the binlog may say nothing.

use otter_server::sandbox::Flavor;
use otter_tests::comparison::assert_tables_equal;
use otter_tests::otter::OtterProcess;
use otter_tests::query::number;
use otter_tests::scene::{DEADLINE, Scene};
use otter_tests::signals::{self, Signal};
use otter_tests::testbed::{FLAVORS, execute};
use otter_tests::wait::wait_until;

use crate::shelf::{drain, shelf, wait_for_copy};

/// Far less than the tables hold is read ahead.
const SLOW: &str = "\nmemory_mb = 8\nrows_per_second = 200";

/// Rows of a table that takes several parts to be read.
fn rows(count: u32, row: impl Fn(u32) -> String) -> String {
    (1..=count).map(row).collect::<Vec<_>>().join(",")
}

async fn slow(scene: &mut Scene) -> OtterProcess {
    scene.config = format!("{}{SLOW}\n", scene.config.trim_end());
    scene.run().await
}

fn hurry(scene: &mut Scene, otter: &OtterProcess) {
    scene.replace(SLOW, "\nmemory_mb = 8");
    scene.write_config();
    signals::send(otter.id(), Signal::HUP);
}

async fn wait_for_part(scene: &Scene, table: &str) {
    let begun = format!(
        "SELECT COUNT(*) FROM otter.`copy` WHERE `table` = '{table}' AND `state` = 'copying' AND `rows` > 0"
    );
    wait_until("a part is copied", DEADLINE, async || number(&scene.target, &begun).await == 1)
        .await;
}

/// The parents are known to the loader from a time when no table referred to them.
#[tokio::test(flavor = "multi_thread")]
async fn rows_go_with_those_of_a_table_that_was_copied_before() {
    for flavor in FLAVORS {
        let scene = shelf((flavor, flavor)).await;
        let parents = rows(2_500, |id| format!("({id})"));
        let children = rows(2_500, |id| format!("({id}, {id})"));
        execute(
            &scene.source,
            &format!(
                "CREATE TABLE store.parent (id INT PRIMARY KEY, \
                 pad VARCHAR(3000) NOT NULL DEFAULT '{}'); \
                 CREATE TABLE store.child (id INT PRIMARY KEY, p INT, \
                 FOREIGN KEY (p) REFERENCES store.parent (id) ON DELETE CASCADE ON UPDATE CASCADE); \
                 CREATE TABLE store.sentinel (id INT PRIMARY KEY); \
                 INSERT INTO store.parent (id) VALUES {parents}; \
                 INSERT INTO store.child VALUES {children}",
                "x".repeat(3_000)
            ),
        )
        .await;
        let mut otter = scene.run().await;
        wait_for_copy(&scene, &otter).await;
        execute(
            &scene.source,
            "DELETE FROM store.parent WHERE id < 100; \
             UPDATE store.parent SET id = id + 10000 WHERE id BETWEEN 200 AND 299; \
             UPDATE store.parent SET id = id - 9980 WHERE id BETWEEN 10200 AND 10220",
        )
        .await;
        drain(&scene, &otter, 1).await;
        let tables = ["store.parent", "store.child"];
        assert_tables_equal(&scene.source, &scene.target, &tables).await;
        otter.terminate_and_expect_success(DEADLINE).await;
    }
}

/// Without a word in the binlog, rows come to stand where the copy has been already.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_move_with_others_to_where_the_copy_has_been_are_copied() {
    for flavor in FLAVORS {
        let mut scene = shelf((flavor, flavor)).await;
        let items = rows(2_500, |id| format!("({}, {id})", 1_000 + id / 10));
        execute(
            &scene.source,
            &format!(
                "CREATE TABLE store.a_order (id INT PRIMARY KEY); \
                 CREATE TABLE store.item (o INT, line INT, pad VARCHAR(3000) NOT NULL DEFAULT '{}', \
                 PRIMARY KEY (o, line), \
                 FOREIGN KEY (o) REFERENCES store.a_order (id) ON UPDATE CASCADE); \
                 CREATE TABLE store.sentinel (id INT PRIMARY KEY); \
                 INSERT INTO store.a_order VALUES {}; \
                 INSERT INTO store.item (o, line) VALUES {items}",
                "x".repeat(3_000),
                rows(260, |id| format!("({})", 999 + id)),
            ),
        )
        .await;
        let mut otter = slow(&mut scene).await;
        wait_for_part(&scene, "item").await;
        execute(
            &scene.source,
            "UPDATE store.a_order SET id = id - 1200 WHERE id BETWEEN 1240 AND 1245",
        )
        .await;
        hurry(&mut scene, &otter);
        wait_for_copy(&scene, &otter).await;
        drain(&scene, &otter, 1).await;
        let tables = ["store.a_order", "store.item"];
        assert_tables_equal(&scene.source, &scene.target, &tables).await;
        otter.terminate_and_expect_success(DEADLINE).await;
    }
}

/// What the source says of its foreign keys when the copy goes on is of a time behind the stream's place:
/// the key by which rows have moved is gone, or its parent has another name.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_have_moved_by_what_is_otherwise_now_are_copied() {
    for change in [
        "ALTER TABLE store.item DROP FOREIGN KEY moves",
        "RENAME TABLE store.a_order TO store.an_order",
    ] {
        let mut scene = shelf((Flavor::MariaDb, Flavor::MariaDb)).await;
        let rights = "GRANT ALL ON store.* TO otter@'%'; GRANT PROCESS ON *.* TO otter@'%'";
        execute(&scene.target, rights).await;
        scene.replace("initial_copy = true\n", "initial_copy = true\nddl = \"apply\"\n");
        let items = rows(2_500, |id| format!("({}, {id})", 1_000 + id / 10));
        execute(
            &scene.source,
            &format!(
                "CREATE TABLE store.a_order (id INT PRIMARY KEY); \
                 CREATE TABLE store.item (o INT, line INT, pad VARCHAR(3000) NOT NULL DEFAULT '{}', \
                 PRIMARY KEY (o, line), CONSTRAINT moves \
                 FOREIGN KEY (o) REFERENCES store.a_order (id) ON UPDATE CASCADE); \
                 CREATE TABLE store.sentinel (id INT PRIMARY KEY); \
                 INSERT INTO store.a_order VALUES {}; \
                 INSERT INTO store.item (o, line) VALUES {items}",
                "x".repeat(3_000),
                rows(260, |id| format!("({})", 999 + id)),
            ),
        )
        .await;
        let mut otter = slow(&mut scene).await;
        wait_for_part(&scene, "item").await;
        otter.kill9();
        execute(
            &scene.source,
            "UPDATE store.a_order SET id = id - 1200 WHERE id BETWEEN 1240 AND 1245",
        )
        .await;
        execute(&scene.source, change).await;
        scene.replace(SLOW, "\nmemory_mb = 8");
        let mut otter = scene.run().await;
        wait_for_copy(&scene, &otter).await;
        drain(&scene, &otter, 1).await;
        assert_tables_equal(&scene.source, &scene.target, &["store.item"]).await;
        otter.terminate_and_expect_success(DEADLINE).await;
    }
}

/// A table that comes after all others were copied follows tables that nobody had asked for any more.
#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_table_that_comes_later_follow_those_of_its_parents_parents() {
    let mut scene = shelf((Flavor::MariaDb, Flavor::MariaDb)).await;
    execute(&scene.target, "GRANT ALL ON *.* TO otter@'%'").await;
    scene.replace("initial_copy = true\n", "initial_copy = true\nddl = \"apply\"\n");
    let parents = rows(260, |id| format!("({}, 1)", 999 + id));
    let lines = rows(2_500, |id| format!("({}, 1, {id})", 1_000 + id / 10));
    execute(
        &scene.source,
        &format!(
            "CREATE DATABASE attic; CREATE TABLE store.grand (id INT PRIMARY KEY); \
             CREATE TABLE store.parent (g INT, n INT, PRIMARY KEY (g, n), \
             FOREIGN KEY (g) REFERENCES store.grand (id) ON UPDATE CASCADE); \
             CREATE TABLE attic.line (g INT, n INT, line INT, \
             pad VARCHAR(3000) NOT NULL DEFAULT '{}', PRIMARY KEY (g, n, line), \
             FOREIGN KEY (g, n) REFERENCES store.parent (g, n) ON UPDATE CASCADE); \
             CREATE TABLE store.sentinel (id INT PRIMARY KEY); \
             INSERT INTO store.grand VALUES {}; INSERT INTO store.parent VALUES {parents}; \
             INSERT INTO attic.line (g, n, line) VALUES {lines}",
            "x".repeat(3_000),
            rows(260, |id| format!("({})", 999 + id)),
        ),
    )
    .await;
    let mut otter = scene.run().await;
    wait_for_copy(&scene, &otter).await;
    drain(&scene, &otter, 1).await;
    otter.terminate_and_expect_success(DEADLINE).await;
    let mut otter = slow(&mut scene).await;
    execute(&scene.source, "RENAME TABLE attic.line TO store.line").await;
    wait_for_part(&scene, "line").await;
    execute(&scene.source, "UPDATE store.grand SET id = id - 1200 WHERE id BETWEEN 1240 AND 1245")
        .await;
    hurry(&mut scene, &otter);
    wait_for_copy(&scene, &otter).await;
    drain(&scene, &otter, 2).await;
    assert_tables_equal(&scene.source, &scene.target, &["store.parent", "store.line"]).await;
    otter.terminate_and_expect_success(DEADLINE).await;
}

/// New tables and tables of a ring refer to rows that the target does not have yet.
#[tokio::test(flavor = "multi_thread")]
async fn tables_may_refer_to_rows_that_are_not_copied_yet() {
    for flavor in FLAVORS {
        let mut scene = shelf((flavor, flavor)).await;
        let rights = "GRANT ALL ON store.* TO otter@'%'; GRANT PROCESS ON *.* TO otter@'%'";
        execute(&scene.target, rights).await;
        scene.replace("initial_copy = true\n", "initial_copy = true\nddl = \"apply\"\n");
        let many = rows(2_500, |id| format!("({id}, NULL)"));
        execute(
            &scene.source,
            &format!(
                "CREATE TABLE store.chief (id INT PRIMARY KEY, w INT); \
                 CREATE TABLE store.worker (id INT PRIMARY KEY, c INT, \
                 pad VARCHAR(3000) NOT NULL DEFAULT '{}', \
                 FOREIGN KEY (c) REFERENCES store.chief (id)); \
                 ALTER TABLE store.chief ADD FOREIGN KEY (w) REFERENCES store.worker (id); \
                 CREATE TABLE store.sentinel (id INT PRIMARY KEY); \
                 INSERT INTO store.chief VALUES (1, NULL), (2, NULL); \
                 INSERT INTO store.worker (id, c) VALUES {many}",
                "x".repeat(3_000)
            ),
        )
        .await;
        let mut otter = slow(&mut scene).await;
        wait_for_part(&scene, "worker").await;
        execute(
            &scene.source,
            "UPDATE store.chief SET w = 2500 WHERE id = 1; INSERT INTO store.chief VALUES (3, 2499); \
             CREATE TABLE store.note (id INT PRIMARY KEY, w INT, \
             FOREIGN KEY (w) REFERENCES store.worker (id) ON DELETE CASCADE); \
             INSERT INTO store.note VALUES (1, 2498), (2, 2490), (3, 1); \
             CREATE TABLE store.plain (id INT PRIMARY KEY, w INT); \
             INSERT INTO store.plain VALUES (1, 2497); \
             ALTER TABLE store.plain ADD FOREIGN KEY (w) REFERENCES store.worker (id); \
             DELETE FROM store.worker WHERE id = 2490",
        )
        .await;
        hurry(&mut scene, &otter);
        wait_for_copy(&scene, &otter).await;
        drain(&scene, &otter, 1).await;
        wait_for_copy(&scene, &otter).await;
        let tables = ["store.chief", "store.worker", "store.note", "store.plain"];
        assert_tables_equal(&scene.source, &scene.target, &tables).await;
        otter.terminate_and_expect_success(DEADLINE).await;
    }
}

/// Its rows would go with such as the target does not have, and stay there.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_cascades_from_a_table_in_copy_halts() {
    let mut scene = shelf((Flavor::MariaDb, Flavor::MariaDb)).await;
    execute(
        &scene.source,
        &format!(
            "CREATE TABLE store.a_plain (id INT PRIMARY KEY, p INT); \
             INSERT INTO store.a_plain VALUES (1, 2500); \
             CREATE TABLE store.parent (id INT PRIMARY KEY, \
             pad VARCHAR(3000) NOT NULL DEFAULT '{}'); \
             INSERT INTO store.parent (id) VALUES {}",
            "x".repeat(3_000),
            rows(2_500, |id| format!("({id})"))
        ),
    )
    .await;
    let mut otter = slow(&mut scene).await;
    wait_for_part(&scene, "parent").await;
    execute(
        &scene.source,
        "ALTER TABLE store.a_plain ADD FOREIGN KEY (p) REFERENCES store.parent (id) ON DELETE CASCADE",
    )
    .await;
    hurry(&mut scene, &otter);
    otter.wait_for_log("came while the initial copy was under way", DEADLINE).await;
    otter.kill9();
}
