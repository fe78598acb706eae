//! Mappings that carry some rows only, through the real program.
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

const ORDERS: &str = "CREATE TABLE shop.orders (id INT PRIMARY KEY, country CHAR(2), \
    amount DECIMAL(20,2), big BIGINT UNSIGNED, at DATETIME, secret VARCHAR(40))";

const FILTER: &str = "{ from = \"shop.orders\", columns = { drop = [\"secret\"] }, filter = '''\n\
    row.country == \"de\" && row.amount > 100.5 // NULL is not\n\
    || row.big > 9223372036854775807 && row.at >= \"2026-01-01\"''' }";

/// What the filter means, in the source's words.
const MEANS: &str = "(country = 'de' AND amount > 100.5) \
    OR (big > 9223372036854775807 AND at >= '2026-01-01')";

async fn scene(pairing: (Flavor, Flavor), mapping: &str) -> Scene {
    let (source, target) = start_pair(pairing).await;
    let mut scene = Scene::on(source, target).await;
    execute(&scene.source, ORDERS).await;
    execute(&scene.target, ORDERS).await;
    scene.replace("{ from = \"shop.*\" }", mapping);
    scene
}

fn change(random: &mut Random) -> String {
    let mut one_of = |values: &[&str]| {
        let index = random.below(u64::try_from(values.len()).unwrap());
        values[usize::try_from(index).unwrap()].to_owned()
    };
    let country = one_of(&["'de'", "'fr'", "NULL"]);
    let amount = one_of(&["100.50", "100.51", "99999999999999999", "-3", "NULL"]);
    let big = one_of(&["9223372036854775807", "9223372036854775808", "7", "NULL"]);
    let at = one_of(&["'2025-12-31 23:59:59'", "'2026-01-01 00:00:00'", "NULL"]);
    let (id, other) = (random.below(40), 100 + random.below(1_000_000));
    match random.below(6) {
        0 => format!("DELETE FROM shop.orders WHERE id = {id}"),
        1 => format!("UPDATE IGNORE shop.orders SET id = {other} WHERE id = {id}"),
        2 => {
            format!("UPDATE shop.orders SET country = {country} WHERE id BETWEEN {id} AND {id} + 9")
        }
        3 => format!("UPDATE shop.orders SET secret = '{other}', at = {at} WHERE id = {id}"),
        _ => format!(
            "REPLACE INTO shop.orders VALUES ({id}, {country}, {amount}, {big}, {at}, 's3cret')"
        ),
    }
}

/// EXACT-1, ORD-1: rows enter by updates, leave by updates, and move in between.
#[tokio::test(flavor = "multi_thread")]
async fn the_target_holds_the_rows_that_the_filter_keeps() {
    for pairing in PAIRINGS {
        let scene = scene(pairing, FILTER).await;
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
            let columns = "SELECT id, country, amount, big, at FROM shop.orders";
            let kept = texts(&scene.source, &format!("{columns} WHERE {MEANS} ORDER BY id")).await;
            wait_until("what the filter keeps arrives", DEADLINE, async || {
                let log = otter.log();
                assert!(!log.contains("halted"), "{log}");
                texts(&scene.target, &format!("{columns} ORDER BY id")).await == kept
            })
            .await;
            assert!(!kept.is_empty());
        }
        let secrets = "SELECT COUNT(secret) FROM shop.orders";
        assert_eq!(text(&scene.target, secrets).await, "0");
        otter.terminate_and_expect_success(DEADLINE).await;
    }
}

#[tokio::test]
async fn a_filter_that_does_not_fit_is_told_before_and_at_the_start() {
    for flavor in FLAVORS {
        let mapping = "{ from = \"shop.orders\", filter = 'row.contry == \"de\"' }";
        let scene = scene((flavor, flavor), mapping).await;
        let told = ["shop.orders", "contry", "did you mean `country`?"];
        assert_found(&scene.command(&["check"]).await, &told);
        assert_told(&scene.command(&["run"]).await, HALTED, &told);
    }
}

/// LOSS-1, SECRET-1.
#[tokio::test]
async fn a_filter_that_fails_at_a_row_halts_in_front_of_it_and_shows_no_value() {
    for (flavor, filter, statement, told) in [
        (
            Flavor::MariaDb,
            "row.amount > 1 || row.secret > 5",
            "INSERT INTO shop.orders VALUES (2, 'de', 1, 1, NULL, 'hush')",
            ["line 1, letter", "compares text with something else"],
        ),
        (
            Flavor::MySql,
            "let n = row.big; while n > 1 { n -= 0; } true",
            "INSERT INTO shop.orders VALUES (2, 'de', 1, 7777777, NULL, 'hush')",
            ["takes more than 100000 operations", "row 1 of the transaction"],
        ),
        (
            Flavor::MySql,
            "row.amount > 1",
            "SET SESSION binlog_row_image = MINIMAL; UPDATE shop.orders SET big = 2",
            ["does not hold column amount", "binlog_row_image = FULL"],
        ),
    ] {
        let mapping = format!("{{ from = \"shop.orders\", filter = '{filter}' }}");
        let scene = scene((flavor, flavor), &mapping).await;
        let mut otter = scene.run().await;
        execute(&scene.source, "INSERT INTO shop.orders VALUES (1, 'de', 2, 1, NULL, 'x')").await;
        let count = "SELECT COUNT(*) FROM shop.orders";
        wait_until("the row arrives", DEADLINE, async || text(&scene.target, count).await == "1")
            .await;
        execute(&scene.source, statement).await;
        assert_eq!(otter.wait_for_exit(DEADLINE).await, Some(HALTED));
        let log = otter.log();
        for text in told.into_iter().chain(["shop.orders", "filter"]) {
            assert!(log.contains(text), "{text:?} in:\n{log}");
        }
        assert!(!log.contains("hush") && !log.contains("7777777"), "{log}");
        assert_told(&scene.command(&["run"]).await, HALTED, &told);
        assert_eq!(text(&scene.target, "SELECT GROUP_CONCAT(id) FROM shop.orders").await, "1");
    }
}
