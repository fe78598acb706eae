//! Schema changes whose effect depends on what the target has of their tables so far.

use std::time::{Duration, Instant};

use otter_server::sandbox::Flavor;
use otter_tests::comparison::assert_tables_equal;
use otter_tests::otter::OtterProcess;
use otter_tests::proxy::Proxy;
use otter_tests::query::number;
use otter_tests::scene::{DEADLINE, Scene};
use otter_tests::signals::{self, Signal};
use otter_tests::testbed::{FLAVORS, execute};
use otter_tests::wait::wait_until;

use crate::shelf::{drain, shelf, wait_for_copy};

/// Far less than the tables hold is read ahead.
const SLOW: &str = "\nmemory_mb = 8\nrows_per_second = 300";

/// A pipeline that follows schema changes and copies `parent` slowly, for which `child` waits.
async fn scene(flavor: Flavor) -> Scene {
    let mut scene = shelf((flavor, flavor)).await;
    let rows = |count: u32, row: &dyn Fn(u32) -> String| {
        (1..=count).map(row).collect::<Vec<_>>().join(",")
    };
    execute(
        &scene.source,
        &format!(
            "CREATE TABLE store.parent (id INT PRIMARY KEY, \
             pad VARCHAR(3000) NOT NULL DEFAULT '{}'); \
             CREATE TABLE store.child (id INT PRIMARY KEY, p INT, \
             FOREIGN KEY (p) REFERENCES store.parent (id)); \
             CREATE TABLE store.sentinel (id INT PRIMARY KEY); \
             INSERT INTO store.parent (id) VALUES {}; INSERT INTO store.child VALUES {}",
            "x".repeat(3_000),
            rows(2_500, &|id| format!("({id})")),
            rows(20, &|id| format!("({id}, {id})")),
        ),
    )
    .await;
    execute(&scene.target, "GRANT ALL ON *.* TO otter@'%'").await;
    execute(&scene.source, "GRANT SELECT ON *.* TO otter@'%'").await;
    scene.config.push_str("ddl = \"apply\"\n");
    scene.config = format!("{}{SLOW}\n", scene.config.trim_end());
    scene
}

async fn wait_for_part(scene: &Scene) {
    let query = "SELECT COUNT(*) FROM otter.`copy` \
         WHERE `table` = 'parent' AND `state` = 'copying' AND `rows` > 0";
    wait_until("a part is copied", DEADLINE, async || number(&scene.target, query).await == 1)
        .await;
}

fn hurry(scene: &mut Scene, otter: &OtterProcess) {
    scene.replace(SLOW, "\nmemory_mb = 8");
    scene.write_config();
    signals::send(otter.id(), Signal::HUP);
}

/// A table may be made like one that the target does not have yet, and a database may go whose tables it
/// does not have.
#[tokio::test(flavor = "multi_thread")]
async fn statements_may_name_what_the_target_does_not_have_yet() {
    for flavor in FLAVORS {
        let mut scene = scene(flavor).await;
        let wider = "{ from = \"store.*\" }, { from = \"attic.*\" }, { from = \"loft.*\" }, \
                     { from = \"void.*\" }";
        scene.replace("{ from = \"store.*\" }", wider);
        execute(
            &scene.source,
            "CREATE DATABASE attic; CREATE TABLE attic.old (id INT PRIMARY KEY, p INT, \
             FOREIGN KEY (p) REFERENCES store.parent (id)); INSERT INTO attic.old VALUES (1, 1); \
             CREATE DATABASE loft; CREATE TABLE loft.old LIKE attic.old; \
             ALTER TABLE loft.old ADD FOREIGN KEY (p) REFERENCES store.parent (id); \
             CREATE DATABASE void; CREATE TABLE store.report (id INT PRIMARY KEY)",
        )
        .await;
        let mut otter = scene.run().await;
        wait_for_part(&scene).await;
        let report =
            "SELECT COUNT(*) FROM otter.`copy` WHERE `table` = 'report' AND `state` = 'done'";
        wait_until("the report is copied", DEADLINE, async || {
            number(&scene.target, report).await == 1
        })
        .await;
        execute(
            &scene.source,
            "CREATE TABLE store.like_child LIKE store.child; \
             INSERT INTO store.like_child VALUES (1, 1), (2, 2); \
             CREATE TABLE store.scratch LIKE store.child; DROP TABLE store.scratch; \
             DROP TABLE IF EXISTS store.report; CREATE TABLE store.report LIKE store.child; \
             INSERT INTO store.report VALUES (1, 1); \
             DROP DATABASE attic; DROP TABLE loft.old; DROP DATABASE loft; DROP DATABASE void",
        )
        .await;
        drain(&scene, &otter, 1).await;
        hurry(&mut scene, &otter);
        wait_for_copy(&scene, &otter).await;
        execute(&scene.source, "DELETE FROM store.like_child WHERE id = 2").await;
        drain(&scene, &otter, 2).await;
        let tables = ["store.parent", "store.child", "store.like_child", "store.report"];
        assert_tables_equal(&scene.source, &scene.target, &tables).await;
        let left = "SELECT COUNT(*) FROM information_schema.tables \
             WHERE table_schema IN ('attic', 'loft') OR table_name = 'scratch'";
        assert_eq!(number(&scene.target, left).await, 0);
        otter.terminate_and_expect_success(DEADLINE).await;
    }
}

/// The target would give other numbers to the rows that it has.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_numbered_anew_in_the_midst_of_a_copy_halt_it() {
    let scene = scene(Flavor::MariaDb).await;
    let mut otter = scene.run().await;
    wait_for_part(&scene).await;
    execute(
        &scene.source,
        "ALTER TABLE store.parent ADD n INT NOT NULL AUTO_INCREMENT, ADD UNIQUE (n)",
    )
    .await;
    let log = otter.wait_for_log("pipeline halted", 2 * DEADLINE).await;
    assert!(log.contains("ALTER TABLE of store.parent came while the initial copy"), "{log}");
    assert_eq!(otter.wait_for_exit(DEADLINE).await, Some(3));
}

/// Changes of a table that was mapped, and was dropped before anybody asked the source for its tables.
#[tokio::test(flavor = "multi_thread")]
async fn tables_that_went_before_they_were_listed_hold_nothing_up() {
    for flavor in FLAVORS {
        let mut scene = scene(flavor).await;
        scene.replace(SLOW, "");
        execute(
            &scene.source,
            "CREATE DATABASE attic; CREATE TABLE attic.gone (id INT PRIMARY KEY); \
             CREATE TABLE attic.left_over (id INT PRIMARY KEY); INSERT INTO attic.left_over VALUES (1); \
             CREATE TABLE attic.a (id INT PRIMARY KEY); INSERT INTO attic.a VALUES (1); \
             CREATE TABLE attic.t (id INT PRIMARY KEY); CREATE TABLE attic.t_new (id INT PRIMARY KEY); \
             INSERT INTO attic.t VALUES (1); INSERT INTO attic.t_new VALUES (1), (2)",
        )
        .await;
        let mut otter = scene.run().await;
        wait_for_copy(&scene, &otter).await;
        drain(&scene, &otter, 1).await;
        otter.terminate_and_expect_success(DEADLINE).await;
        execute(
            &scene.source,
            "INSERT INTO attic.gone VALUES (1); INSERT INTO attic.left_over VALUES (2); \
             CREATE TABLE attic.twin LIKE attic.gone; INSERT INTO attic.twin VALUES (1); \
             DROP TABLE attic.gone; RENAME TABLE attic.a TO attic.b; \
             RENAME TABLE attic.t TO attic.t_old, attic.t_new TO attic.t; DROP TABLE attic.twin",
        )
        .await;
        scene.replace("{ from = \"store.*\" }", "{ from = \"store.*\" }, { from = \"attic.*\" }");
        let mut otter = scene.run().await;
        drain(&scene, &otter, 2).await;
        wait_for_copy(&scene, &otter).await;
        let tables = ["store.child", "attic.left_over", "attic.b", "attic.t", "attic.t_old"];
        assert_tables_equal(&scene.source, &scene.target, &tables).await;
        otter.terminate_and_expect_success(DEADLINE).await;
    }
}

/// What an earlier try has made is made anew, as the source has it now.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_an_earlier_try_has_made_is_made_anew() {
    for flavor in FLAVORS {
        let mut scene = scene(flavor).await;
        execute(
            &scene.source,
            "CREATE TABLE store.kid (id INT PRIMARY KEY, p INT, \
             FOREIGN KEY (p) REFERENCES store.parent (id)); INSERT INTO store.kid VALUES (1, 1)",
        )
        .await;
        let mut otter = scene.run().await;
        wait_for_part(&scene).await;
        // As if it was killed when it had made the tables that wait.
        otter.kill9();
        execute(
            &scene.target,
            "CREATE TABLE store.child (id INT PRIMARY KEY, p INT); \
             CREATE TABLE store.kid (id INT PRIMARY KEY, p INT); \
             UPDATE otter.`copy` SET resume_key = 'another' WHERE `table` IN ('child', 'kid')",
        )
        .await;
        execute(
            &scene.source,
            "ALTER TABLE store.child ADD COLUMN more INT DEFAULT 7; \
             RENAME TABLE store.kid TO store.old_kid; \
             CREATE TABLE store.kid (id INT PRIMARY KEY); INSERT INTO store.kid VALUES (7)",
        )
        .await;
        hurry_before(&mut scene);
        let mut otter = scene.run().await;
        wait_for_copy(&scene, &otter).await;
        drain(&scene, &otter, 1).await;
        let tables = ["store.child", "store.kid", "store.old_kid"];
        assert_tables_equal(&scene.source, &scene.target, &tables).await;
        let keys = "SELECT COUNT(*) FROM information_schema.referential_constraints \
             WHERE constraint_schema = 'store' AND table_name = 'child'";
        assert_eq!(number(&scene.target, keys).await, 1);
        otter.terminate_and_expect_success(DEADLINE).await;
    }
}

fn hurry_before(scene: &mut Scene) {
    scene.replace(SLOW, "\nmemory_mb = 8");
}

/// What is asked of distant servers takes longer than the stream rests beside a resync.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_comes_while_rows_are_copied_again_is_copied() {
    let mut scene = scene(Flavor::MariaDb).await;
    scene.replace(SLOW, "");
    let mut otter = scene.run().await;
    wait_for_copy(&scene, &otter).await;
    otter.terminate_and_expect_success(DEADLINE).await;
    let (to_source, to_target) =
        tokio::join!(Proxy::start(scene.source.port()), Proxy::start(scene.target.port()));
    for (line, server) in [(&to_source, &scene.source), (&to_target, &scene.target)] {
        line.delay(Duration::from_millis(15));
        let (here, there) = (format!(":{}", server.port()), format!(":{}", line.port()));
        scene.config = scene.config.replace(&here, &there);
    }
    scene.write_config();
    let mut otter = scene.run().await;
    let asked = ["resync", "shop", "store.parent", "--where", "SLEEP(0.005) = 0", "--yes"];
    let asked = scene.command(&asked).await;
    assert_eq!(asked.code, Some(0), "{}{}", asked.stdout, asked.stderr);
    let state = "SELECT COUNT(*) FROM otter.resync_request WHERE state = 'copying'";
    wait_until("the request is taken up", DEADLINE, async || {
        number(&scene.target, state).await == 1
    })
    .await;
    execute(
        &scene.source,
        "CREATE TABLE IF NOT EXISTS store.late (id INT PRIMARY KEY); \
         INSERT INTO store.late VALUES (1), (2)",
    )
    .await;
    drain(&scene, &otter, 1).await;
    wait_for_copy(&scene, &otter).await;
    assert_tables_equal(&scene.source, &scene.target, &["store.late", "store.parent"]).await;
    assert_eq!(number(&scene.target, state).await, 1, "the request has ended too soon");
    otter.terminate_and_expect_success(DEADLINE).await;
}

/// A table without a key is read in one snapshot, for which the stream waits; not while it is locked.
#[tokio::test(flavor = "multi_thread")]
async fn the_stream_does_not_wait_for_a_locked_table() {
    let scene = shelf((Flavor::MariaDb, Flavor::MariaDb)).await;
    execute(
        &scene.source,
        "CREATE TABLE store.sentinel (id INT PRIMARY KEY); CREATE TABLE store.loose (n INT); \
         CREATE TABLE store.other (n INT); INSERT INTO store.loose VALUES (1), (1), (2); \
         INSERT INTO store.other VALUES (3)",
    )
    .await;
    let mut blocker = scene.source.connect().await.unwrap();
    sqlx::raw_sql("LOCK TABLES store.loose WRITE, store.other WRITE")
        .execute(&mut blocker)
        .await
        .unwrap();
    let mut otter = scene.run().await;
    let there = "SELECT COUNT(*) FROM otter.`copy` WHERE `table` = 'sentinel' AND `state` = 'done'";
    wait_until("a table is copied", DEADLINE, async || number(&scene.target, there).await == 1)
        .await;
    let told = "SELECT COUNT(*) FROM otter.`copy` WHERE `problem` LIKE '%asked for in vain%'";
    let mut longest = Duration::ZERO;
    let mut id = 0;
    while number(&scene.target, told).await < 2 {
        id += 1;
        let began = Instant::now();
        drain(&scene, &otter, id).await;
        longest = longest.max(began.elapsed());
    }
    // A snapshot would be waited for as long as the server lets the reader wait: ten seconds.
    assert!(longest < Duration::from_secs(9), "a row took {longest:?}");
    sqlx::raw_sql("UNLOCK TABLES").execute(&mut blocker).await.unwrap();
    wait_for_copy(&scene, &otter).await;
    assert_tables_equal(&scene.source, &scene.target, &["store.loose", "store.other"]).await;
    otter.terminate_and_expect_success(DEADLINE).await;
}
