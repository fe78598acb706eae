//! What goes wrong during a copy: tables that are not seen, that cannot be read, and a target that is
//! full.

use otter_server::sandbox::Flavor;
use otter_tests::comparison::assert_tables_equal;
use otter_tests::query::number;
use otter_tests::scene::{DEADLINE, Scene, assert_told};
use otter_tests::signals::{self, Signal};
use otter_tests::testbed::{self, FLAVORS, execute};
use otter_tests::wait::wait_until;

use crate::shelf::{drain, on, shelf, wait_for_copy};

const HALTED: i32 = 3;
/// Far less than the tables hold is read ahead.
const SLOW: &str = "\nmemory_mb = 8\nrows_per_second = 200";

/// Takes a table's file away, behind the stream's back.
const DISCARD: &str = "SET SESSION sql_log_bin = 0; SET SESSION foreign_key_checks = 0; \
    ALTER TABLE store.bad DISCARD TABLESPACE; SET SESSION sql_log_bin = 1";

/// Tables of so many rows.
async fn fill(scene: &Scene, tables: &[&str], rows: u32) {
    for table in tables {
        let values: Vec<String> = (1..=rows).map(|id| format!("({id})")).collect();
        execute(
            &scene.source,
            &format!(
                "CREATE TABLE store.{table} (id INT PRIMARY KEY, \
                 pad VARCHAR(3000) NOT NULL DEFAULT '{}'); \
                 INSERT INTO store.{table} (id) VALUES {}",
                "x".repeat(3_000),
                values.join(",")
            ),
        )
        .await;
    }
    execute(&scene.source, "CREATE TABLE store.sentinel (id INT PRIMARY KEY)").await;
}

/// The others go on, and so does this one when it is seen again.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_hidden_meanwhile_is_waited_for() {
    for flavor in FLAVORS {
        let mut scene = shelf((flavor, flavor)).await;
        let tables = ["a", "b", "c", "d", "z"];
        fill(&scene, &tables, 2_500).await;
        let grants = |tables: &[&str]| {
            let grant = |table: &&str| format!("GRANT SELECT ON store.{table} TO otter@'%'");
            tables.iter().map(grant).collect::<Vec<_>>().join("; ")
        };
        scene.config = format!("{}{SLOW}\n", scene.config.trim_end());
        let mut otter = scene.run().await;
        let begun = "SELECT COUNT(*) FROM otter.`copy` WHERE `state` = 'copying' AND `rows` > 0";
        wait_until("a part is copied", DEADLINE, async || number(&scene.target, begun).await > 0)
            .await;
        execute(
            &scene.source,
            &format!(
                "{}; REVOKE SELECT ON store.* FROM otter@'%'",
                grants(&["a", "b", "c", "d", "sentinel"])
            ),
        )
        .await;
        scene.replace(SLOW, "\nmemory_mb = 8");
        scene.write_config();
        signals::send(otter.id(), Signal::HUP);
        otter.wait_for_log("is not seen", DEADLINE).await;
        let done = "SELECT COUNT(*) FROM otter.`copy` WHERE `state` = 'done' AND `table` <> ''";
        wait_until("the others are copied", DEADLINE, async || {
            otter.assert_runs();
            number(&scene.target, done).await == 5
        })
        .await;
        execute(&scene.source, &grants(&["z"])).await;
        wait_for_copy(&scene, &otter).await;
        drain(&scene, &otter, 1).await;
        let tables = tables.map(|table| format!("store.{table}"));
        let tables: Vec<&str> = tables.iter().map(String::as_str).collect();
        assert_tables_equal(&scene.source, &scene.target, &tables).await;
        otter.terminate_and_expect_success(DEADLINE).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_cannot_be_read_is_named() {
    for flavor in FLAVORS {
        let mut scene = shelf((flavor, flavor)).await;
        fill(&scene, &["good", "bad"], 10).await;
        execute(&scene.source, DISCARD).await;
        let halting = "initial_copy = { on_unreadable = \"halt\" }\n";
        scene.replace("initial_copy = true\n", halting);
        scene.write_config();
        let halted = scene.command(&["run"]).await;
        let words = ["store.bad cannot be read", "1814", "the copy goes on where it was"];
        assert_told(&halted, HALTED, &words);
    }
}

/// So does the stream; what refers to such a table waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn others_go_on_beside_tables_that_cannot_be_read() {
    for flavor in FLAVORS {
        let scene = shelf((flavor, flavor)).await;
        fill(&scene, &["good", "bad", "partly"], 10).await;
        let grants = ["bad", "child", "good", "sentinel"]
            .map(|table| format!("GRANT SELECT ON store.{table} TO otter@'%'"));
        execute(
            &scene.source,
            &format!(
                "CREATE TABLE store.child (id INT PRIMARY KEY, bad INT, \
                 FOREIGN KEY (bad) REFERENCES store.bad (id)); \
                 INSERT INTO store.child VALUES (1, 1), (2, 10); {DISCARD}; \
                 REVOKE SELECT ON store.* FROM otter@'%'; {}; \
                 GRANT SELECT (id) ON store.partly TO otter@'%'",
                grants.join("; ")
            ),
        )
        .await;
        let mut otter = scene.run().await;
        let hindered = "SELECT COUNT(*) FROM otter.`copy` WHERE `problem` IS NOT NULL";
        wait_until("both are put aside", DEADLINE, async || {
            number(&scene.target, hindered).await == 2
        })
        .await;
        drain(&scene, &otter, 1).await;
        execute(&scene.source, "INSERT INTO store.good (id) VALUES (11)").await;
        let arrived = "SELECT COUNT(*) FROM store.good WHERE id = 11";
        wait_until("it is copied", DEADLINE, async || number(&scene.target, arrived).await == 1)
            .await;
        let waits =
            "SELECT COUNT(*) FROM otter.`copy` WHERE `table` = 'child' AND `state` = 'waiting'";
        assert_eq!(number(&scene.target, waits).await, 1);
        let shown = scene.command(&["copy"]).await;
        for words in [
            "store.bad cannot be read: the source answers error 1814",
            "store.partly cannot be read: the source answers error 1142",
            "2 cannot be copied as they are",
        ] {
            assert!(shown.stdout.contains(words), "{words:?} in:\n{}", shown.stdout);
        }
        let shown = scene.command(&["status"]).await;
        let words = "2 tables cannot be copied as they are";
        assert!(shown.stdout.contains(words), "{}", shown.stdout);

        execute(
            &scene.source,
            "GRANT SELECT ON store.partly TO otter@'%'; INSERT INTO store.partly (id) VALUES (11); \
             SET SESSION sql_log_bin = 0; SET SESSION foreign_key_checks = 0; DROP TABLE store.bad; \
             CREATE TABLE store.bad LIKE store.good; INSERT INTO store.bad SELECT * FROM store.good",
        )
        .await;
        wait_for_copy(&scene, &otter).await;
        drain(&scene, &otter, 2).await;
        assert_eq!(number(&scene.target, hindered).await, 0);
        let tables = ["store.good", "store.bad", "store.partly", "store.child"];
        assert_tables_equal(&scene.source, &scene.target, &tables).await;
        otter.terminate_and_expect_success(DEADLINE).await;
    }
}

/// It has a word in the record, and rows of the others can be copied again meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_locked_table_keeps_nothing_else() {
    let scene = shelf((Flavor::MariaDb, Flavor::MariaDb)).await;
    fill(&scene, &["good", "kept"], 10).await;
    let mut blocker = scene.source.connect().await.unwrap();
    sqlx::raw_sql("LOCK TABLES store.kept WRITE").execute(&mut blocker).await.unwrap();
    let mut otter = scene.run().await;
    let told = "SELECT COUNT(*) FROM otter.`copy` WHERE `problem` LIKE '%asked for in vain%'";
    wait_until("it is told", 2 * DEADLINE, async || number(&scene.target, told).await == 1).await;
    drain(&scene, &otter, 1).await;
    execute(&scene.target, "DELETE FROM store.good WHERE id = 3").await;
    let good = ["resync", "shop", "store.good", "--yes", "--wait", "--key", "3"];
    let shown = scene.command(&good).await;
    assert_eq!(shown.code, Some(0), "{}{}", shown.stdout, shown.stderr);
    assert_eq!(number(&scene.target, "SELECT COUNT(*) FROM store.good").await, 10);
    let refused = scene.command(&["resync", "shop", "store.kept", "--yes", "--wait"]).await;
    let words = "its initial copy is not finished";
    assert!(refused.code != Some(0) && refused.stderr.contains(words), "{}", refused.stderr);
    sqlx::raw_sql("UNLOCK TABLES").execute(&mut blocker).await.unwrap();
    wait_for_copy(&scene, &otter).await;
    drain(&scene, &otter, 2).await;
    assert_tables_equal(&scene.source, &scene.target, &["store.good", "store.kept"]).await;
    otter.terminate_and_expect_success(DEADLINE).await;
}

/// Its rows were there before, so that it is copied when it is seen, and not taken for a new one.
#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_table_that_is_changed_is_copied_when_it_is_seen() {
    for flavor in FLAVORS {
        let scene = shelf((flavor, flavor)).await;
        fill(&scene, &["good", "hidden"], 10).await;
        execute(
            &scene.source,
            "REVOKE SELECT ON store.* FROM otter@'%'; GRANT SELECT ON store.good TO otter@'%'; \
             GRANT SELECT ON store.sentinel TO otter@'%'",
        )
        .await;
        let mut otter = scene.run().await;
        wait_for_copy(&scene, &otter).await;
        execute(
            &scene.source,
            "ALTER TABLE store.hidden ADD n INT NULL; INSERT INTO store.hidden (id, n) VALUES (11, 1)",
        )
        .await;
        drain(&scene, &otter, 1).await;
        let shown = scene.command(&["copy"]).await;
        assert!(shown.stdout.contains("GRANT SELECT ON it"), "{}", shown.stdout);
        execute(&scene.source, "GRANT SELECT ON store.hidden TO otter@'%'").await;
        wait_for_copy(&scene, &otter).await;
        drain(&scene, &otter, 2).await;
        let tables = ["store.good", "store.hidden"];
        assert_tables_equal(&scene.source, &scene.target, &tables).await;
        otter.terminate_and_expect_success(DEADLINE).await;
    }
}

/// Nothing is lost, and it goes on when there is room.
#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_full_is_waited_for() {
    const FILE: &str = "--innodb-data-file-path=ibdata1:12M:autoextend";
    let source = testbed::server(Flavor::MariaDb).source().start().await;
    let target = testbed::server(Flavor::MariaDb)
        .target()
        .arg("--innodb-file-per-table=0")
        .arg(format!("{FILE}:max:24M"))
        .start()
        .await;
    let mut scene = on(Scene::on(source, target).await).await;
    fill(&scene, &["large", "small"], 6_000).await;
    let mut otter = scene.run().await;
    otter.wait_for_log("pipeline will try again", DEADLINE).await;
    let log = otter.log();
    assert!(log.contains("1114") || log.contains("full"), "{log}");
    otter.assert_runs();
    scene.target.set_options(|options| options.arg(FILE));
    scene.target.restart().await.unwrap();
    wait_for_copy(&scene, &otter).await;
    drain(&scene, &otter, 1).await;
    assert_tables_equal(&scene.source, &scene.target, &["store.large", "store.small"]).await;
    otter.terminate_and_expect_success(DEADLINE).await;
}
