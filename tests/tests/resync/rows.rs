//! Rows that differ are as the source's afterwards, whatever is written meanwhile.

use otter_server::sandbox::Flavor;
use otter_tests::query::{number, texts};
use otter_tests::scene::DEADLINE;
use otter_tests::testbed::{FLAVORS, execute};
use otter_tests::wait::wait_until;

use crate::stage::{Traffic, assert_done, assert_equal, on_both, resync, stage, states};

/// Keys of every kind: rows that are missing, other ones, and too many.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_given_keys_are_replaced_and_those_that_the_source_lacks_go() {
    for flavor in FLAVORS {
        let scene = stage((flavor, flavor)).await;
        let mut otter = scene.run().await;
        execute(
            &scene.target,
            "SET SESSION foreign_key_checks = 0;
             DELETE FROM shop.item WHERE id IN (3, 5);
             UPDATE shop.item SET title = 'wrong', price = NULL WHERE id = 4;
             INSERT INTO shop.item VALUES (100000, 'extra', 1);
             DELETE FROM shop.word WHERE b = 7;
             UPDATE shop.word SET v = 'wrong' WHERE b = 8;
             INSERT INTO shop.word VALUES ('a, ''b''', 9000, 'extra');
             UPDATE shop.uni SET u = 'taken' WHERE id = 10;
             UPDATE shop.uni SET u = 'u 10' WHERE id = 11;
             UPDATE shop.parent SET v = -1 WHERE id = 20;
             DELETE FROM shop.child WHERE id = 30",
        )
        .await;
        assert_done(
            &resync(
                &scene,
                "shop.item",
                &["--key", "3", "--key", "4", "--key", "5", "--key", "100000"],
            )
            .await,
        );
        // As the source compares it, and in the other order of the columns.
        assert_done(
            &resync(&scene, "shop.word", &["--key", "'wörd 2',7", "--key", "Wörd 3, 8"]).await,
        );
        let other = ["--key-columns", "b,a", "--key", "9000,'a, ''b'''"];
        assert_done(&resync(&scene, "shop.word", &other).await);
        // The one has a value that the other needs.
        assert_done(&resync(&scene, "shop.uni", &["--key", "10", "--key", "11"]).await);
        // What refers to it stays.
        assert_done(&resync(&scene, "shop.parent", &["--key", "20"]).await);
        assert_done(&resync(&scene, "shop.child", &["--key", "30"]).await);
        assert_equal(&scene, &mut otter, 200_000).await;
        assert!(states(&scene).await.iter().all(|state| state == "done"));
        otter.terminate_and_expect_success(DEADLINE).await;
    }
}

/// The whole table and conditions, again and again, while sessions write to all rows: no change may be
/// lost or come twice.
async fn whole_tables_under_fire(pairing: (Flavor, Flavor)) {
    let scene = stage(pairing).await;
    let mut otter = scene.run().await;
    let traffic = Traffic::start(&scene.source, 2);
    for table in crate::stage::TABLES {
        let all = async { assert_done(&resync(&scene, table, &[]).await) };
        all.await;
    }
    for round in 0..3 {
        let condition = format!("b % 3 = {round} -- a comment");
        assert_done(&resync(&scene, "shop.word", &["--where", &condition]).await);
        let keys: Vec<String> = (0..150).map(|n| (n * 6 + round + 1).to_string()).collect();
        let keys: Vec<&str> = keys.iter().flat_map(|key| ["--key", key]).collect();
        assert_done(&resync(&scene, "shop.item", &keys).await);
        assert_done(&resync(&scene, "shop.uni", &keys).await);
        assert_done(&resync(&scene, "shop.child", &keys).await);
    }
    assert!(traffic.stop().await > 200, "there was no traffic");
    assert_equal(&scene, &mut otter, 200_000).await;
    otter.terminate_and_expect_success(DEADLINE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_keeps_in_step_while_rows_are_copied_again() {
    whole_tables_under_fire((Flavor::MariaDb, Flavor::MariaDb)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mysql_keeps_in_step_while_rows_are_copied_again() {
    whole_tables_under_fire((Flavor::MySql, Flavor::MySql)).await;
}

/// Rows that differ are changed by sessions while they are copied again, and the process is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_request_survives_kills_and_changes_of_rows_that_differ() {
    for flavor in FLAVORS {
        let scene = stage((flavor, flavor)).await;
        let mut otter = scene.run().await;
        execute(
            &scene.target,
            "DELETE FROM shop.item WHERE id % 3 = 0;
             UPDATE shop.item SET title = 'wrong' WHERE id % 3 = 1;
             UPDATE shop.uni SET u = CONCAT('wrong ', id)",
        )
        .await;
        // Reading the rows takes a while.
        let slow = "SLEEP(0.003) = 0";
        for table in ["shop.item", "shop.uni"] {
            let asked = scene.command(&["resync", "shop", table, "--where", slow, "--yes"]).await;
            assert_done(&asked);
        }
        wait_until("it has begun", DEADLINE, async || {
            states(&scene).await.first().is_some_and(|state| state == "copying")
        })
        .await;
        // All over the rows that differ: nothing of it is a finding.
        let changes = "UPDATE shop.item SET price = 9 WHERE id IN (300, 301, 302);
             DELETE FROM shop.item WHERE id IN (600, 601);
             UPDATE shop.item SET id = 5000 WHERE id = 603;
             INSERT INTO shop.item VALUES (600, 'anew', 1)";
        execute(&scene.source, changes).await;
        let arrived = "SELECT COUNT(*) FROM shop.item WHERE (id IN (300, 301, 302) AND price = 9) \
             OR id = 5000 OR title = 'anew'";
        wait_until("the changes arrive", DEADLINE, async || {
            otter.assert_runs();
            number(&scene.target, arrived).await == 5
        })
        .await;
        otter.kill9();
        let mut otter = scene.run().await;
        wait_until("both are done", DEADLINE, async || {
            otter.assert_runs();
            states(&scene).await == ["done", "done"]
        })
        .await;
        assert_equal(&scene, &mut otter, 200_000).await;
        otter.terminate_and_expect_success(DEADLINE).await;
    }
}

/// A pipeline that halted at a row which is not as it should be goes on when that is asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_halted_pipeline_is_mended_and_goes_on() {
    for flavor in FLAVORS {
        let scene = stage((flavor, flavor)).await;
        let mut otter = scene.run().await;
        execute(&scene.target, "DELETE FROM shop.item WHERE id = 3").await;
        execute(&scene.source, "UPDATE shop.item SET title = 'later' WHERE id = 3").await;
        otter.wait_for_log("pipeline halted", DEADLINE).await;
        drop(otter);
        let asked = scene.command(&["resync", "shop", "shop.item", "--key", "3", "--yes"]).await;
        assert_done(&asked);
        let mut otter = scene.run().await;
        assert_equal(&scene, &mut otter, 200_000).await;
        otter.terminate_and_expect_success(DEADLINE).await;
    }
}

/// A mapping renames, drops and adds; the rows are found by their names in the target.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_copied_again_through_their_mapping() {
    for flavor in FLAVORS {
        let mut scene = stage((flavor, flavor)).await;
        scene.replace(
            "tables = [ { from = \"shop.*\" } ]",
            "tables = [ { from = \"shop.item\", to = \"shop.thing\", filter = 'row.title != \"hidden\"', \
             columns = { rename = { id = \"number\" }, drop = [\"price\"], constant = { site = \"here\" } } } ]",
        );
        execute(
            &scene.target,
            "CREATE TABLE shop.thing (number INT, title VARCHAR(40), site VARCHAR(9), \
             PRIMARY KEY (number, site)); \
             INSERT INTO shop.thing VALUES (1, 'wrong', 'here'), (5000, 'extra', 'here'), \
             (2, 'kept', 'there'), (2, 'wrong', 'here')",
        )
        .await;
        execute(&scene.source, "UPDATE shop.item SET title = 'hidden' WHERE id = 2").await;
        let mut otter = scene.run().await;
        let keys = ["--key", "1", "--key", "2", "--key", "5000"];
        let ended = resync(&scene, "shop.item", &keys).await;
        otter.assert_runs();
        assert_done(&ended);
        let found =
            texts(&scene.target, "SELECT number, title, site FROM shop.thing ORDER BY 1").await;
        assert_eq!(found, [["1", "title 1", "here"], ["2", "kept", "there"]]);
        otter.terminate_and_expect_success(DEADLINE).await;
    }
}

/// A table that is altered while its rows are copied again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_is_altered_meanwhile() {
    for flavor in FLAVORS {
        let mut scene = stage((flavor, flavor)).await;
        scene.replace("start = \"now\"\n", "start = \"now\"\nddl = \"apply\"\n");
        execute(
            &scene.target,
            "GRANT CREATE, ALTER, DROP, INDEX, REFERENCES ON shop.* TO otter@'%'; \
             GRANT PROCESS ON *.* TO otter@'%'",
        )
        .await;
        let mut otter = scene.run().await;
        execute(&scene.target, "UPDATE shop.item SET title = 'wrong'").await;
        let slow = ["resync", "shop", "shop.item", "--where", "SLEEP(0.002) = 0", "--yes"];
        assert_done(&scene.command(&slow).await);
        wait_until("it has begun", DEADLINE, async || states(&scene).await == ["copying"]).await;
        execute(
            &scene.source,
            "ALTER TABLE shop.item ADD COLUMN more INT NOT NULL DEFAULT 7 FIRST",
        )
        .await;
        wait_until("it is done", DEADLINE, async || {
            otter.assert_runs();
            states(&scene).await == ["done"]
        })
        .await;
        on_both(&scene, "SELECT COUNT(*) FROM shop.item").await;
        execute(&scene.source, "INSERT INTO shop.item VALUES (8, 200000, 'drained', 0)").await;
        wait_until("the target is drained", DEADLINE, async || {
            number(&scene.target, "SELECT COUNT(*) FROM shop.item WHERE id = 200000").await == 1
        })
        .await;
        otter_tests::comparison::assert_tables_equal(&scene.source, &scene.target, &["shop.item"])
            .await;
        otter.terminate_and_expect_success(DEADLINE).await;
    }
}
