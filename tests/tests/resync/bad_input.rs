//! What cannot be copied again is told, and the pipeline goes on.

use otter_server::sandbox::Flavor;
use otter_tests::scene::{DEADLINE, assert_told};
use otter_tests::testbed::{FLAVORS, execute};
use otter_tests::wait::wait_until;

use crate::stage::{assert_done, assert_equal, resync, stage, states};

/// The exit code of a command that could not be done.
const FAILED: i32 = 1;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_makes_no_sense_is_told_when_it_is_asked() {
    for flavor in FLAVORS {
        let scene = stage((flavor, flavor)).await;
        execute(
            &scene.source,
            "CREATE TABLE shop.loose (n INT); CREATE VIEW shop.seen AS SELECT 1",
        )
        .await;
        let cases: &[(&[&str], &[&str])] = &[
            (&["shop.nothing"], &["no such table", "GRANT SELECT"]),
            (&["other.item"], &["carries no such table"]),
            (&["shop.loose"], &["no key", "ADD PRIMARY KEY"]),
            (&["shop.item", "--where", "price >"], &["cannot read the condition", "1064"]),
            (
                &["shop.item", "--where", "cost > 1"],
                &["cannot read the condition", "1054", "a column"],
            ),
            (&["shop.item", "--where", "1) OR (1"], &["a parenthesis too many"]),
            (&["shop.item", "--where", "1; DROP TABLE x"], &["more than one statement"]),
            (&["shop.item", "--key", "1,2"], &["a key has 2 values and needs 1: id"]),
            (&["shop.item", "--key", "one"], &["column id needs a whole number"]),
            (&["shop.word", "--key", "'open"], &["a quote is not closed"]),
            (&["shop.item", "--key-columns", "title", "--key", "x"], &["are no key of it"]),
        ];
        for (arguments, texts) in cases {
            let ended =
                scene.command(&[&["resync", "shop"], *arguments, &["--yes"]].concat()).await;
            assert_told(&ended, FAILED, texts);
        }
        let preview = scene.command(&["resync", "shop", "shop.item", "--where", "price > 5"]).await;
        assert_done(&preview);
        assert!(preview.stdout.contains("Nothing is done without --yes"), "{}", preview.stdout);
        let listed = scene.command(&["resync", "shop", "--list"]).await;
        assert!(listed.stdout.contains("nothing was asked for"), "{}", listed.stdout);
    }
}

/// What the target does not take ends the request and not the pipeline.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_the_target_refuses_ends_with_its_reason() {
    for flavor in FLAVORS {
        let scene = stage((flavor, flavor)).await;
        let mut otter = scene.run().await;
        execute(
            &scene.target,
            "UPDATE shop.uni SET u = 'away' WHERE id = 10; UPDATE shop.uni SET u = 'u 10' WHERE id = 11",
        )
        .await;
        let ended = resync(&scene, "shop.uni", &["--key", "10"]).await;
        assert_told(&ended, FAILED, &["request 1", "shop.uni", "row"]);
        assert!(
            !ended.stdout.contains("u 10") && !ended.stderr.contains("u 10"),
            "a value is told"
        );
        // Nothing of it was done, and the next one is.
        assert_done(&resync(&scene, "shop.uni", &["--key", "10", "--key", "11"]).await);
        assert_equal(&scene, &mut otter, 200_000).await;
        assert_eq!(states(&scene).await, ["refused", "done"]);
        otter.terminate_and_expect_success(DEADLINE).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_given_up() {
    let scene = stage((Flavor::MariaDb, Flavor::MariaDb)).await;
    let mut otter = scene.run().await;
    let slow = ["resync", "shop", "shop.item", "--where", "SLEEP(0.02) = 0", "--yes"];
    assert_done(&scene.command(&slow).await);
    wait_until("it has begun", DEADLINE, async || states(&scene).await == ["copying"]).await;
    assert_done(&scene.command(&["resync", "shop", "--cancel", "1"]).await);
    otter.wait_for_log("a request to copy rows again is gone", DEADLINE).await;
    let listed = scene.command(&["resync", "shop", "--list", "--json"]).await;
    let listed: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(
        (&listed[0]["state"], &listed[0]["reason"]),
        (&"refused".into(), &"cancelled".into())
    );
    let again = scene.command(&["resync", "shop", "--cancel", "1"]).await;
    assert_told(&again, FAILED, &["no open request 1"]);
    assert_equal(&scene, &mut otter, 200_000).await;
    otter.terminate_and_expect_success(DEADLINE).await;
}

/// A table of the source that goes while its rows are to be copied again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_vanishes_ends_its_request() {
    for flavor in FLAVORS {
        let mut scene = stage((flavor, flavor)).await;
        scene.replace("start = \"now\"\n", "start = \"now\"\nddl = \"skip\"\n");
        let mut otter = scene.run().await;
        let slow = ["resync", "shop", "shop.tag", "--where", "SLEEP(0.01) = 0", "--yes"];
        assert_done(&scene.command(&slow).await);
        wait_until("it has begun", DEADLINE, async || states(&scene).await == ["copying"]).await;
        execute(&scene.source, "RENAME TABLE shop.tag TO shop.gone").await;
        wait_until("it is refused", DEADLINE, async || {
            otter.assert_runs();
            states(&scene).await == ["refused"]
        })
        .await;
        execute(&scene.source, "RENAME TABLE shop.gone TO shop.tag").await;
        assert_equal(&scene, &mut otter, 200_000).await;
        otter.terminate_and_expect_success(DEADLINE).await;
    }
}
