//! Mappings that spread the rows of one table over several, through the real program.
#![allow(
    clippy::large_futures,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use otter_server::sandbox::Flavor;
use otter_tests::query::{text, texts};
use otter_tests::random::Random;
use otter_tests::scene::{DEADLINE, Scene, assert_found, assert_told};
use otter_tests::testbed::{FLAVORS, PAIRINGS, execute, start_pair};
use otter_tests::wait::wait_until;

const HALTED: i32 = 3;

const COLUMNS: &str = "(id INT PRIMARY KEY, customer BIGINT UNSIGNED, note VARCHAR(40))";

const SPREAD: &str = "{ from = \"shop.orders\", to = \"shop.orders_[08-10]\", \
    spread = 'if row.customer == () { 8 } else { 8 + row.customer % 3 }' }";

async fn scene(pairing: (Flavor, Flavor), mapping: &str) -> Scene {
    let (source, target) = start_pair(pairing).await;
    let mut scene = Scene::on(source, target).await;
    execute(&scene.source, &format!("CREATE TABLE shop.orders {COLUMNS}")).await;
    for number in ["08", "09", "10"] {
        execute(&scene.target, &format!("CREATE TABLE shop.orders_{number} {COLUMNS}")).await;
    }
    scene.replace("{ from = \"shop.*\" }", mapping);
    scene
}

fn change(random: &mut Random) -> String {
    let (id, other) = (random.below(40), 100 + random.below(1_000_000));
    let customer = match random.below(5) {
        0 => "NULL".to_owned(),
        customer => (customer * 1_000_003).to_string(),
    };
    match random.below(6) {
        0 => format!("DELETE FROM shop.orders WHERE id = {id}"),
        1 => format!("UPDATE IGNORE shop.orders SET id = {other} WHERE id = {id}"),
        2 => format!(
            "UPDATE shop.orders SET customer = customer + 1 WHERE id BETWEEN {id} AND {id} + 9"
        ),
        3 => format!("UPDATE shop.orders SET note = '{other}' WHERE id > {id}"),
        _ => format!("REPLACE INTO shop.orders VALUES ({id}, {customer}, 'n')"),
    }
}

/// EXACT-1, ORD-1: rows stay, move between tables, and leave.
#[tokio::test(flavor = "multi_thread")]
async fn each_row_is_in_the_table_that_the_expression_tells() {
    for pairing in PAIRINGS {
        let scene = scene(pairing, SPREAD).await;
        let checked = scene.command(&["check"]).await;
        assert_eq!(checked.code, Some(0), "{}", checked.stdout);
        let mut random = Random::new(Random::seed_from_environment());
        let mut otter = scene.run().await;
        for _ in 0..5 {
            let mut story = String::new();
            for _ in 0..30 {
                story.push_str("BEGIN;");
                for _ in 0..5 {
                    story.push_str(&change(&mut random));
                    story.push(';');
                }
                story.push_str("COMMIT;");
            }
            execute(&scene.source, &story).await;
            let columns = "SELECT id, customer, note";
            for (rest, number) in [(0, "08"), (1, "09"), (2, "10")] {
                let here = format!("WHERE COALESCE(customer, 0) % 3 = {rest} ORDER BY id");
                let query = format!("{columns} FROM shop.orders {here}");
                let wanted = texts(&scene.source, &query).await;
                assert!(!wanted.is_empty());
                let query = format!("{columns} FROM shop.orders_{number} ORDER BY id");
                wait_until("the rows of a table arrive", DEADLINE, async || {
                    let log = otter.log();
                    assert!(!log.contains("halted"), "{log}");
                    texts(&scene.target, &query).await == wanted
                })
                .await;
            }
        }
        otter.terminate_and_expect_success(DEADLINE).await;
    }
}

#[tokio::test]
async fn a_table_that_is_missing_is_found_by_check() {
    for flavor in FLAVORS {
        let scene = scene((flavor, flavor), SPREAD).await;
        execute(&scene.target, "DROP TABLE shop.orders_09").await;
        assert_found(&scene.command(&["check"]).await, &["shop.orders_09"]);
    }
}

/// LOSS-1, SECRET-1; and a schema change, which no table of several can take alone.
#[tokio::test]
async fn what_has_no_table_halts_in_front_of_it_and_shows_no_value() {
    for (flavor, statement, told) in [
        (
            Flavor::MariaDb,
            "INSERT INTO shop.orders VALUES (2, 7777777, 'hush')",
            ["row 1 of the transaction", "not in [08-10]"],
        ),
        (
            Flavor::MySql,
            "INSERT INTO shop.orders VALUES (2, NULL, 'hush')",
            ["row 1 of the transaction", "is no whole number"],
        ),
        (
            Flavor::MySql,
            "ALTER TABLE shop.orders ADD COLUMN more INT",
            ["shop.orders", "ALTER TABLE"],
        ),
    ] {
        let mapping = "{ from = \"shop.orders\", to = \"shop.orders_[08-10]\", \
            spread = \"row.customer\" }";
        let mut scene = scene((flavor, flavor), mapping).await;
        scene.replace("[[channels.pipelines]]\n", "[[channels.pipelines]]\nddl = \"apply\"\n");
        execute(&scene.target, "GRANT PROCESS ON *.* TO otter@'%'").await;
        let mut otter = scene.run().await;
        execute(&scene.source, "INSERT INTO shop.orders VALUES (1, 9, 'x')").await;
        let count = "SELECT COUNT(*) FROM shop.orders_09";
        wait_until("the row arrives", DEADLINE, async || text(&scene.target, count).await == "1")
            .await;
        execute(&scene.source, statement).await;
        assert_eq!(otter.wait_for_exit(DEADLINE).await, Some(HALTED));
        let log = otter.log();
        for text in told.into_iter().chain(["shop.orders"]) {
            assert!(log.contains(text), "{text:?} in:\n{log}");
        }
        assert!(!log.contains("hush") && !log.contains("7777777"), "{log}");
        assert_told(&scene.command(&["run"]).await, HALTED, &told);
    }
}
