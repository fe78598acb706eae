//! Requests that come from the source, as rows of its table `otter.resync`.

use std::time::Duration;

use otter_tests::query::number;
use otter_tests::random::Random;
use otter_tests::scene::DEADLINE;
use otter_tests::testbed::{FLAVORS, execute};
use otter_tests::wait::wait_until;

use crate::stage::{assert_equal, stage, states};

/// As docs/operations.md says.
const GATE: &str = "
    CREATE SCHEMA IF NOT EXISTS otter;
    CREATE TABLE otter.resync (
        id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
        `table` VARCHAR(190) NOT NULL, `key` TEXT NULL, `where` TEXT NULL,
        operation VARCHAR(16) NOT NULL DEFAULT 'copy'
    ) DEFAULT CHARSET=utf8mb4;
    GRANT SELECT ON otter.resync TO otter@'%'";

/// How often the process is killed.
const KILLS: u64 = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_the_source_become_requests_and_each_of_them_once() {
    for flavor in FLAVORS {
        let scene = stage((flavor, flavor)).await;
        execute(&scene.source, GATE).await;
        let mut otter = scene.run().await;
        execute(
            &scene.target,
            "DELETE FROM shop.item WHERE id IN (3, 4, 5);
             INSERT INTO shop.item VALUES (100000, 'extra', 1);
             UPDATE shop.word SET v = 'wrong' WHERE b < 100",
        )
        .await;
        execute(
            &scene.source,
            "BEGIN; UPDATE shop.item SET price = 1 WHERE id = 50;
             INSERT INTO otter.resync (`table`, `key`) VALUES ('shop.item', '3');
             UPDATE shop.item SET price = 2 WHERE id = 50; COMMIT;
             INSERT INTO otter.resync (`table`, `key`, operation)
                VALUES ('shop.item', '4\\n5', 'I'), ('shop.item', '100000', 'D');
             INSERT INTO otter.resync (`table`, `where`) VALUES ('shop.word', 'b < 100');
             INSERT INTO otter.resync (`table`) VALUES ('other.item'), ('nonsense');
             INSERT INTO otter.resync (`table`, `where`) VALUES ('shop.item', 'no >');
             UPDATE otter.resync SET operation = 'U'; DELETE FROM otter.resync WHERE id < 3",
        )
        .await;
        let expected = ["done", "done", "done", "done", "refused"];
        wait_until("all are finished", DEADLINE, async || {
            otter.assert_runs();
            states(&scene).await == expected
        })
        .await;
        for text in ["does not carry", "cannot be read, and is not done", "insert the row again"] {
            assert!(otter.log().contains(text), "{text} in {}", otter.log());
        }

        let mut random = Random::new(5);
        for round in 0..KILLS {
            execute(
                &scene.source,
                &format!(
                    "BEGIN; UPDATE shop.item SET price = {round} WHERE id = 60; \
                     INSERT INTO otter.resync (`table`, `key`) VALUES ('shop.item', '7'); COMMIT"
                ),
            )
            .await;
            tokio::time::sleep(Duration::from_millis(random.below(300))).await;
            otter.kill9();
            otter = scene.run().await;
        }
        wait_until("all are done", DEADLINE, async || {
            otter.assert_runs();
            let open =
                "SELECT COUNT(*) FROM otter.resync_request WHERE state IN ('waiting', 'copying')";
            let all = "SELECT COUNT(*) FROM otter.resync_request";
            number(&scene.target, open).await == 0 && number(&scene.target, all).await == 5 + KILLS
        })
        .await;
        assert_equal(&scene, &mut otter, 200_000).await;
        let all = number(&scene.target, "SELECT COUNT(*) FROM otter.resync_request").await;
        assert_eq!(all, 5 + KILLS, "each request once");
        otter.terminate_and_expect_success(DEADLINE).await;
    }
}
