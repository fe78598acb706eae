//! `otter-server run` and XA transactions: killed between prepare and decision.
#![allow(
    clippy::large_futures,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use otter_server::sandbox::Flavor;
use otter_tests::comparison::assert_tables_equal;
use otter_tests::query::{number, text};
use otter_tests::scene::{DEADLINE, Scene, assert_told};
use otter_tests::testbed::{FLAVORS, execute};
use otter_tests::wait::wait_until;

/// INVARIANT EXACT-1, LOSS-1: the rows of an XA transaction arrive once, at its commit.
#[tokio::test]
async fn rows_of_xa_transactions_arrive_once_whenever_the_program_is_killed() {
    for flavor in FLAVORS {
        let scene = Scene::start(flavor).await;
        let mut otter = scene.run().await;
        for id in 1..=2 {
            let statements = format!(
                "XA START 'x{id}'; INSERT INTO shop.item VALUES ({id}, 'xa', {id}); \
                 INSERT INTO shop.tag VALUES ({id}, 'xa'); XA END 'x{id}'; XA PREPARE 'x{id}'"
            );
            execute(&scene.source, &statements).await;
        }
        execute(&scene.source, "INSERT INTO shop.item VALUES (3, 'plain', 3)").await;
        scene.wait_for_items(1).await;
        otter.kill9();
        let halves = "SELECT resume_from = applied_through FROM otter.checkpoint";
        assert_eq!(text(&scene.target, halves).await, "0");

        execute(&scene.source, "FLUSH BINARY LOGS; UPDATE shop.item SET price = 4 WHERE id = 3")
            .await;
        let mut otter = scene.run().await;
        wait_until("the update arrives", DEADLINE, async || {
            number(&scene.target, "SELECT COUNT(*) FROM shop.item WHERE price = 4").await == 1
        })
        .await;
        execute(&scene.source, "XA COMMIT 'x2'").await;
        scene.wait_for_items(2).await;
        otter.kill9();

        execute(&scene.source, "XA COMMIT 'x1'; INSERT INTO shop.item VALUES (5, 'plain', 5)")
            .await;
        let mut otter = scene.run().await;
        scene.wait_for_items(4).await;
        wait_until("the checkpoint is settled", DEADLINE, async || {
            text(&scene.target, halves).await == "1"
        })
        .await;
        otter.kill9();
        let mut otter = scene.run().await;
        execute(&scene.source, "DELETE FROM shop.item WHERE id = 1").await;
        scene.wait_for_items(3).await;
        assert_eq!(
            assert_tables_equal(&scene.source, &scene.target, &["shop.item", "shop.tag"]).await,
            5
        );
        otter.terminate_and_expect_success(DEADLINE).await;
    }
}

#[tokio::test]
async fn a_start_now_warns_of_xa_transactions_that_are_prepared_already() {
    let scene = Scene::start(Flavor::MariaDb).await;
    execute(
        &scene.source,
        "XA START 'old'; INSERT INTO shop.item VALUES (1, 'xa', 1); XA END 'old'; XA PREPARE 'old'",
    )
    .await;
    let mut otter = scene.run().await;
    let log = otter.log();
    assert!(log.contains("XA transactions are prepared at the source"), "{log}");
    execute(&scene.source, "XA COMMIT 'old'").await;
    assert_eq!(otter.wait_for_exit(DEADLINE).await, Some(3));
    let told = scene.command(&["run"]).await;
    assert_told(&told, 3, &["before its XA PREPARE"]);
}
