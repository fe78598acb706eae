//! Tables that are renamed, dropped and given other keys before, during and after their copy.

use otter_server::sandbox::Flavor;
use otter_tests::comparison::assert_tables_equal;
use otter_tests::otter::OtterProcess;
use otter_tests::query::{number, texts};
use otter_tests::scene::{DEADLINE, Scene};
use otter_tests::signals::{self, Signal};
use otter_tests::testbed::{FLAVORS, execute};
use otter_tests::wait::wait_until;

use crate::shelf::{drain, shelf, wait_for_copy};

/// Far less than the tables hold is read ahead.
const SLOW: &str = "\nmemory_mb = 8\nrows_per_second = 300";

/// A pipeline that follows schema changes, with a table of some rows.
async fn scene(flavor: Flavor) -> Scene {
    let mut scene = shelf((flavor, flavor)).await;
    execute(
        &scene.source,
        "CREATE TABLE store.one (id INT PRIMARY KEY, v INT); \
         INSERT INTO store.one VALUES (1, 10), (2, 20); \
         CREATE TABLE store.sentinel (id INT PRIMARY KEY)",
    )
    .await;
    execute(&scene.target, "GRANT ALL ON store.* TO otter@'%'; GRANT PROCESS ON *.* TO otter@'%'")
        .await;
    scene.config.push_str("ddl = \"apply\"\n");
    scene
}

/// Makes tables of so many rows, whose second column counts down.
async fn fill(scene: &Scene, tables: &[&str], rows: u32) {
    for table in tables {
        let values: Vec<String> = (1..=rows).map(|id| format!("({id}, {})", rows - id)).collect();
        execute(
            &scene.source,
            &format!(
                "CREATE TABLE store.{table} (id BIGINT PRIMARY KEY, v BIGINT NOT NULL UNIQUE, \
                 pad VARCHAR(3000) NOT NULL DEFAULT '{}'); \
                 INSERT INTO store.{table} (id, v) VALUES {}",
                "x".repeat(3_000),
                values.join(",")
            ),
        )
        .await;
    }
}

/// How the copy's tables stand, by the record in the target.
async fn stages(scene: &Scene) -> Vec<Vec<String>> {
    let query = "SELECT `table`, `state` FROM otter.`copy` \
         WHERE `table` NOT IN ('', 'sentinel') ORDER BY 1";
    texts(&scene.target, query).await
}

async fn wait_for_part(scene: &Scene, table: &str) {
    let query = format!(
        "SELECT COUNT(*) FROM otter.`copy` \
         WHERE `table` = '{table}' AND `state` = 'copying' AND `rows` > 0"
    );
    wait_until("a part is copied", DEADLINE, async || number(&scene.target, &query).await == 1)
        .await;
}

/// Lets the copy go on as fast as it can.
fn hurry(scene: &mut Scene, otter: &OtterProcess) {
    scene.replace(SLOW, "\nmemory_mb = 8");
    scene.write_config();
    signals::send(otter.id(), Signal::HUP);
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_were_renamed_while_nobody_looked_are_not_new() {
    for flavor in FLAVORS {
        let scene = scene(flavor).await;
        let mut otter = scene.run().await;
        wait_for_copy(&scene, &otter).await;
        otter.terminate_and_expect_success(DEADLINE).await;
        execute(
            &scene.source,
            "INSERT INTO store.one VALUES (3, 30); CREATE TABLE store.next LIKE store.one; \
             RENAME TABLE store.one TO store.one_2026, store.next TO store.one; \
             INSERT INTO store.one VALUES (4, 40); UPDATE store.one_2026 SET v = 11 WHERE id = 1",
        )
        .await;
        let mut otter = scene.run().await;
        drain(&scene, &otter, 1).await;
        let tables = ["store.one", "store.one_2026"];
        assert_tables_equal(&scene.source, &scene.target, &tables).await;
        wait_for_copy(&scene, &otter).await;
        assert_eq!(stages(&scene).await, [["one", "done"], ["one_2026", "done"]]);
        otter.terminate_and_expect_success(DEADLINE).await;

        // What the record says now holds at the next start too.
        let mut otter = scene.run().await;
        execute(&scene.source, "ALTER TABLE store.one_2026 RENAME TO store.old").await;
        execute(&scene.source, "INSERT INTO store.old VALUES (9, 90)").await;
        drain(&scene, &otter, 2).await;
        assert_tables_equal(&scene.source, &scene.target, &["store.one", "store.old"]).await;
        assert_eq!(stages(&scene).await, [["old", "done"], ["one", "done"]]);
        otter.terminate_and_expect_success(DEADLINE).await;
    }
}

/// Several statements wait for the process, and what is written down of them holds at the next start.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_while_nobody_looked_is_followed_statement_by_statement() {
    for flavor in FLAVORS {
        let scene = scene(flavor).await;
        execute(
            &scene.source,
            "CREATE TABLE store.two LIKE store.one; INSERT INTO store.two VALUES (7, 70); \
             CREATE TABLE store.parts (id INT PRIMARY KEY, v INT) PARTITION BY RANGE (id) \
             (PARTITION p0 VALUES LESS THAN (100), PARTITION p1 VALUES LESS THAN MAXVALUE); \
             INSERT INTO store.parts VALUES (1, 1), (200, 2); \
             CREATE TABLE store.part (id INT PRIMARY KEY, v INT); \
             INSERT INTO store.part VALUES (5, 5)",
        )
        .await;
        let mut otter = scene.run().await;
        wait_for_copy(&scene, &otter).await;
        otter.terminate_and_expect_success(DEADLINE).await;
        execute(
            &scene.source,
            "RENAME TABLE store.one TO store.old; CREATE TABLE store.one LIKE store.old; \
             INSERT INTO store.one VALUES (4, 40); DROP TABLE store.two; \
             RENAME TABLE store.old TO store.two; RENAME TABLE store.one TO store.one_b; \
             RENAME TABLE store.one_b TO store.one; INSERT INTO store.two VALUES (5, 50); \
             ALTER TABLE store.parts EXCHANGE PARTITION p0 WITH TABLE store.part; \
             INSERT INTO store.parts VALUES (6, 6)",
        )
        .await;
        if flavor == Flavor::MariaDb {
            let idle = "RENAME TABLE IF EXISTS store.nothing TO store.one";
            execute(&scene.source, idle).await;
        }
        let tables = ["store.one", "store.two", "store.part", "store.parts"];
        let done = [["one", "done"], ["part", "done"], ["parts", "done"], ["two", "done"]];
        for id in [1, 2] {
            let mut otter = scene.run().await;
            drain(&scene, &otter, id).await;
            assert_tables_equal(&scene.source, &scene.target, &tables).await;
            wait_for_copy(&scene, &otter).await;
            assert_eq!(stages(&scene).await, done);
            assert!(!otter.log().contains("tables are to be copied tables=1"), "{}", otter.log());
            execute(
                &scene.source,
                "UPDATE store.two SET v = v + 1; DELETE FROM store.parts LIMIT 1",
            )
            .await;
            drain(&scene, &otter, id + 10).await;
            assert_tables_equal(&scene.source, &scene.target, &tables).await;
            otter.terminate_and_expect_success(DEADLINE).await;
        }
    }
}

/// The statement comes again to whoever takes the pipeline up, with what was written down of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_swap_in_the_midst_of_a_copy_halts_and_is_followed_afterwards() {
    for flavor in FLAVORS {
        let mut scene = scene(flavor).await;
        fill(&scene, &["t"], 6_000).await;
        scene.replace("ddl = \"apply\"", "ddl = { create = \"apply\", rename = \"halt\" }");
        scene.config = format!("{}{SLOW}\n", scene.config.trim_end());
        let mut otter = scene.run().await;
        wait_for_part(&scene, "t").await;
        execute(
            &scene.source,
            "CREATE TABLE store.t_new LIKE store.t; \
             INSERT INTO store.t_new SELECT * FROM store.t WHERE id < 50; \
             RENAME TABLE store.t TO store.t_old, store.t_new TO store.t; \
             INSERT INTO store.t VALUES (9000, 9000, 'new'); DELETE FROM store.t_old WHERE id = 5",
        )
        .await;
        scene.replace(SLOW, "\nmemory_mb = 8");
        scene.write_config();
        signals::send(otter.id(), Signal::HUP);
        otter.wait_for_log("halted", 2 * DEADLINE).await;
        otter.kill9();
        scene.replace("rename = \"halt\"", "rename = \"apply\"");
        let mut otter = scene.run().await;
        wait_for_copy(&scene, &otter).await;
        drain(&scene, &otter, 1).await;
        let tables = ["store.one", "store.t", "store.t_old"];
        assert_tables_equal(&scene.source, &scene.target, &tables).await;
        wait_for_copy(&scene, &otter).await;
        assert_eq!(stages(&scene).await, [["one", "done"], ["t", "done"], ["t_old", "done"]]);
        otter.terminate_and_expect_success(DEADLINE).await;
    }
}

/// What is left of the statement for the target is the same, however often it comes.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_takes_the_place_of_another_halts_and_is_followed_afterwards() {
    for flavor in FLAVORS {
        let mut scene = scene(flavor).await;
        execute(
            &scene.source,
            "CREATE DATABASE staging; CREATE TABLE staging.one (id INT PRIMARY KEY, v INT); \
             INSERT INTO staging.one VALUES (7, 70)",
        )
        .await;
        scene.replace("ddl = \"apply\"", "ddl = { create = \"apply\", rename = \"halt\" }");
        let mut otter = scene.run().await;
        wait_for_copy(&scene, &otter).await;
        execute(
            &scene.source,
            "RENAME TABLE store.one TO store.one_old, staging.one TO store.one; \
             INSERT INTO store.one VALUES (8, 80); UPDATE store.one_old SET v = 11 WHERE id = 1",
        )
        .await;
        otter.wait_for_log("halted", DEADLINE).await;
        otter.kill9();
        scene.replace("rename = \"halt\"", "rename = \"apply\"");
        let mut otter = scene.run().await;
        drain(&scene, &otter, 1).await;
        wait_for_copy(&scene, &otter).await;
        let tables = ["store.one", "store.one_old"];
        assert_tables_equal(&scene.source, &scene.target, &tables).await;
        assert_eq!(stages(&scene).await, [["one", "done"], ["one_old", "done"]]);
        otter.terminate_and_expect_success(DEADLINE).await;
    }
}

/// Its rows have never been in the stream.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_renamed_into_the_mapping_is_copied() {
    for flavor in FLAVORS {
        let scene = scene(flavor).await;
        execute(
            &scene.source,
            "CREATE DATABASE staging; CREATE TABLE staging.load_1 (id INT PRIMARY KEY, v INT); \
             INSERT INTO staging.load_1 VALUES (1, 1), (2, 2), (3, 3)",
        )
        .await;
        let mut otter = scene.run().await;
        wait_for_copy(&scene, &otter).await;
        execute(
            &scene.source,
            "RENAME TABLE staging.load_1 TO store.load_1; DELETE FROM store.load_1 WHERE id = 2; \
             INSERT INTO store.load_1 VALUES (4, 4)",
        )
        .await;
        drain(&scene, &otter, 1).await;
        wait_for_copy(&scene, &otter).await;
        execute(&scene.source, "UPDATE store.load_1 SET v = 7 WHERE id = 3").await;
        drain(&scene, &otter, 2).await;
        assert_tables_equal(&scene.source, &scene.target, &["store.one", "store.load_1"]).await;
        assert_eq!(stages(&scene).await, [["load_1", "done"], ["one", "done"]]);
        otter.terminate_and_expect_success(DEADLINE).await;
    }
}

/// Up to four tables are copied at once; the others wait.
#[tokio::test(flavor = "multi_thread")]
async fn tables_are_renamed_and_dropped_while_they_are_copied_and_while_they_wait() {
    for flavor in FLAVORS {
        let mut scene = scene(flavor).await;
        fill(&scene, &["a", "b", "c", "d", "x", "y", "z"], 2_000).await;
        scene.config = format!("{}{SLOW}\n", scene.config.trim_end());
        let mut otter = scene.run().await;
        wait_for_part(&scene, "a").await;
        wait_for_part(&scene, "b").await;
        execute(
            &scene.source,
            "RENAME TABLE store.a TO store.a2, store.x TO store.x2, store.one TO store.one2; \
             INSERT INTO store.a2 VALUES (5000, 5000, 'a'); DELETE FROM store.a2 WHERE id IN (3, 1900); \
             INSERT INTO store.x2 VALUES (5000, 5000, 'b'); UPDATE store.x2 SET id = 6000 WHERE id = 7; \
             DROP TABLE store.b, store.y",
        )
        .await;
        // The same again, for whoever takes it up.
        otter.kill9();
        let mut otter = scene.run().await;
        hurry(&mut scene, &otter);
        wait_for_copy(&scene, &otter).await;
        drain(&scene, &otter, 1).await;
        let tables = ["store.a2", "store.c", "store.d", "store.one2", "store.x2", "store.z"];
        assert_tables_equal(&scene.source, &scene.target, &tables).await;
        wait_for_copy(&scene, &otter).await;
        let names: Vec<String> =
            stages(&scene).await.into_iter().map(|mut row| row.remove(0)).collect();
        assert_eq!(names, ["a2", "c", "d", "one2", "x2", "z"]);
        otter.terminate_and_expect_success(DEADLINE).await;
    }
}

/// Behind a place of the old key lie other rows than behind the same place of the new one.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_given_another_key_is_copied_from_its_beginning() {
    for flavor in FLAVORS {
        let mut scene = scene(flavor).await;
        fill(&scene, &["turned"], 8_000).await;
        scene.config = format!("{}{SLOW}\n", scene.config.trim_end());
        let mut otter = scene.run().await;
        wait_for_part(&scene, "turned").await;
        execute(&scene.source, "ALTER TABLE store.turned DROP PRIMARY KEY, ADD PRIMARY KEY (v)")
            .await;
        otter.wait_for_log("copied from its beginning", DEADLINE).await;
        hurry(&mut scene, &otter);
        wait_for_copy(&scene, &otter).await;
        drain(&scene, &otter, 1).await;
        assert_tables_equal(&scene.source, &scene.target, &["store.turned"]).await;
        otter.terminate_and_expect_success(DEADLINE).await;
    }
}
