//! `otter-server verify --repair`: every planted difference is mended and nothing else is touched,
//! while the source is written and the pipeline runs.
#![allow(
    dead_code,
    clippy::large_futures,
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking; the stage has more than is needed here"
)]

#[path = "resync/stage.rs"]
mod stage;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use otter_server::sandbox::Flavor;
use otter_tests::otter::OtterProcess;
use otter_tests::query::{number, texts};
use otter_tests::random::Random;
use otter_tests::scene::{DEADLINE, Scene};
use otter_tests::testbed::execute;
use stage::{assert_done, stage};

/// Differences that are planted.
const PLANTS: usize = 200;

/// Makes rows of `shop.item` and others differ. Returns the items that were touched and are there.
fn plants() -> (String, BTreeSet<u64>) {
    let mut random = Random::new(11);
    let mut used = BTreeSet::new();
    let mut text = String::from("SET SESSION sql_mode = '', foreign_key_checks = 0;");
    let mut mended = BTreeSet::new();
    while used.len() < PLANTS - 40 {
        let id = random.below(stage::ROWS) + 1;
        if !used.insert(id) {
            continue;
        }
        let place = format!("WHERE id = {id}");
        text.push_str(&match used.len() % 7 {
            0 => format!("DELETE FROM shop.item {place};"),
            1 => format!("INSERT INTO shop.item (id, title) VALUES ({}, '');", 100_000 + id),
            2 => format!("UPDATE shop.item SET title = CONCAT(title, ' ') {place};"),
            3 => format!("UPDATE shop.item SET title = UPPER(title) {place};"),
            4 => format!("UPDATE shop.item SET price = price + 1 {place};"),
            5 => format!("UPDATE shop.item SET price = NULL, title = '' {place};"),
            _ => format!("UPDATE shop.item SET id = {} {place};", 200_000 + id),
        });
        if used.len() % 7 != 1 {
            mended.insert(id);
        }
    }
    for number in 1..=10 {
        text.push_str(&format!(
            "DELETE FROM shop.word WHERE b = {number};
             UPDATE shop.word SET v = 'other' WHERE b = 20 + {number};
             INSERT INTO shop.word VALUES ('Élan {number}', 5000 + {number}, 'extra');"
        ));
    }
    // Two rows that have each other's value, and rows too many that hold what another needs.
    text.push_str(
        "UPDATE shop.uni SET u = 'between' WHERE id = 10; UPDATE shop.uni SET u = 'u 10' WHERE id = 11;
         UPDATE shop.uni SET u = 'u 11' WHERE id = 10;
         DELETE FROM shop.uni WHERE id IN (20, 21);
         INSERT INTO shop.uni VALUES (9020, 'u 20', 0), (9021, 'u 21', 0);
         DELETE FROM shop.child WHERE id = 30; UPDATE shop.parent SET v = -1 WHERE id = 31",
    );
    (text, mended)
}

async fn planted_differences_are_mended(pairing: (Flavor, Flavor)) {
    let scene = stage(pairing).await;
    // What only the target has tells which rows were written.
    execute(
        &scene.target,
        "ALTER TABLE shop.item ADD COLUMN own INT NOT NULL DEFAULT 0; UPDATE shop.item SET own = id",
    )
    .await;
    let mut otter = scene.run().await;
    let traffic = Traffic::start(&scene);
    let (text, mended) = plants();
    execute(&scene.target, &text).await;

    let preview = scene.command(&["verify", "--repair", "--rows", "1000"]).await;
    assert_eq!(preview.code, Some(1), "{}{}", preview.stdout, preview.stderr);
    let expected = [
        "DELETE FROM `shop`.`uni` WHERE `id` = '9020';",
        "UPDATE `shop`.`uni` SET `u` = 'u 10' WHERE `id` = '10';",
        "INSERT INTO `shop`.`child` (`id`, `parent`, `v`) VALUES ('30', '31', '30');",
        "-- shop.item: the source has no `own`: rows that are copied again get the defaults there",
        "Nothing is done without --yes",
    ];
    for line in expected {
        assert!(preview.stdout.contains(line), "{line} in {}", preview.stdout);
    }
    let untouched = "SELECT COUNT(*) FROM shop.uni WHERE id = 9020";
    assert_eq!(number(&scene.target, untouched).await, 1, "a preview changes nothing");

    let ended = scene.command(&["verify", "--repair", "--yes"]).await;
    assert_done(&ended);
    traffic.stop().await;
    assert_done(&scene.command(&["verify"]).await);
    let written = "SELECT id FROM shop.item WHERE own <> id AND id < 50000 ORDER BY id";
    let written = texts(&scene.target, written).await;
    let written: BTreeSet<u64> = written.iter().map(|row| row[0].parse().unwrap()).collect();
    assert_eq!(written, mended, "the rows that were written");
    otter.assert_runs();
    // Neither values nor keys are in the log.
    for secret in ["title 4", "Élan", "u 10", "'9020'"] {
        assert!(!otter.log().contains(secret), "{secret} is in the log");
    }
    otter.terminate_and_expect_success(DEADLINE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn planted_differences_are_mended_on_mariadb() {
    planted_differences_are_mended((Flavor::MariaDb, Flavor::MariaDb)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn planted_differences_are_mended_on_mysql() {
    planted_differences_are_mended((Flavor::MySql, Flavor::MySql)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn planted_differences_are_mended_from_mysql_to_mariadb() {
    planted_differences_are_mended((Flavor::MySql, Flavor::MariaDb)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn planted_differences_are_mended_from_mariadb_to_mysql() {
    planted_differences_are_mended((Flavor::MariaDb, Flavor::MySql)).await;
}

/// Without a running pipeline the rows are mended at its next start; tables without a key are told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_pipeline_mends_at_its_next_start() {
    let scene = stage((Flavor::MariaDb, Flavor::MariaDb)).await;
    stage::on_both(&scene, "CREATE TABLE shop.loose (n INT)").await;
    let otter = scene.run().await;
    drop(otter);
    execute(&scene.target, "DELETE FROM shop.item WHERE id < 5; INSERT INTO shop.loose VALUES (1)")
        .await;
    let table = ["--table", "shop.item"];
    let asked = scene.command(&[&["verify", "--repair", "--yes"], &table[..]].concat()).await;
    assert_eq!(asked.code, Some(6), "{}{}", asked.stdout, asked.stderr);
    assert!(asked.stderr.contains("wait for its next start"), "{}", asked.stderr);
    let mut otter = scene.run().await;
    otter.wait_for_log("rows are copied again", DEADLINE).await;
    assert_done(&scene.command(&[&["verify"], &table[..]].concat()).await);
    let loose = scene.command(&["verify", "--repair", "--table", "shop.loose"]).await;
    assert!(loose.stdout.contains("cannot be copied again by a key"), "{}", loose.stdout);
    assert_eq!(loose.code, Some(1));
    otter.terminate_and_expect_success(DEADLINE).await;
}

/// More rows than are mended between two looks, beside a table that cannot be asked for by a key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_differences_are_mended_and_what_is_left_is_told_truly() {
    let scene = stage((Flavor::MariaDb, Flavor::MariaDb)).await;
    stage::on_both(&scene, "CREATE TABLE shop.loose (n INT)").await;
    execute(&scene.target, "INSERT INTO shop.loose VALUES (1), (2)").await;
    // The pipeline begins behind these rows.
    let rows: Vec<String> = (1..=12_000).map(|n| format!("({n}, 'many')")).collect();
    execute(&scene.source, &format!("INSERT INTO shop.tag VALUES {}", rows.join(","))).await;
    let mut otter = scene.run().await;
    let all = ["verify", "--repair", "--yes", "-c", "otter.toml"];
    let ended = OtterProcess::run_to_end(scene.folder(), &all, 4 * DEADLINE).await;
    let told = format!("{}{}", ended.stdout, ended.stderr);
    assert_eq!(ended.code, Some(1), "{told}");
    assert!(told.contains("2002 rows differ still; the next ones"), "{told}");
    assert!(told.contains("2 rows of shop.loose differ still: the source has no key"), "{told}");
    assert!(!told.contains("--list"), "nothing was refused: {told}");
    assert_done(&scene.command(&["verify", "--table", "shop.tag"]).await);
    otter.terminate_and_expect_success(DEADLINE).await;
}

/// A row that the target does not take keeps no other from being mended, nor do rows that hold each
/// other's unique values far apart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_are_refused_hold_no_others_up() {
    let scene = stage((Flavor::MySql, Flavor::MariaDb)).await;
    // The pipeline begins behind what the source alone has.
    execute(&scene.source, "UPDATE shop.uni SET v = -7 WHERE id = 400").await;
    execute(
        &scene.target,
        "ALTER TABLE shop.uni ADD CONSTRAINT positive CHECK (v <> -7);
         DELETE FROM shop.uni WHERE id > 50 AND id < 350;
         UPDATE shop.uni SET u = 'between' WHERE id = 10; UPDATE shop.uni SET u = 'u 10' WHERE id = 800;
         UPDATE shop.uni SET u = 'u 800' WHERE id = 10",
    )
    .await;
    let mut otter = scene.run().await;
    let table = ["--table", "shop.uni"];
    let preview =
        scene.command(&[&["verify", "--repair", "--rows", "3"], &table[..]].concat()).await;
    assert!(preview.stdout.contains("and 299 more; --rows"), "{}", preview.stdout);
    let ended = scene.command(&[&["verify", "--repair", "--yes"], &table[..]].concat()).await;
    let told = format!("{}{}", ended.stdout, ended.stderr);
    assert_eq!(ended.code, Some(1), "{told}");
    assert!(told.contains("1 rows of shop.uni differ still: requests were refused"), "{told}");
    assert!(told.contains("a check does not allow it"), "{told}");
    assert!(!told.contains("same key"), "what was done at last is not told: {told}");
    execute(&scene.target, "ALTER TABLE shop.uni DROP CONSTRAINT positive").await;
    assert_done(&scene.command(&[&["verify", "--repair", "--yes"], &table[..]].concat()).await);
    otter.terminate_and_expect_success(DEADLINE).await;
}

/// Traffic on the tables in which differences are planted, but not on those rows.
struct Traffic {
    stop: Arc<AtomicBool>,
    worker: tokio::task::JoinHandle<u64>,
}

impl Traffic {
    fn start(scene: &Scene) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (ended, options) = (Arc::clone(&stop), scene.source.connect_options());
        let worker = tokio::spawn(async move {
            use sqlx::{AssertSqlSafe, ConnectOptions, raw_sql};
            let mut connection = options.connect().await.unwrap();
            let mut n = 0_u64;
            let mut pace = tokio::time::interval(Duration::from_millis(3));
            while !ended.load(Ordering::Relaxed) {
                pace.tick().await;
                n += 1;
                let (id, gone) = (50_000 + n % 700, 50_000 + (n * 7) % 700);
                let text = format!(
                    "BEGIN; INSERT INTO shop.item VALUES ({id}, 'busy {n}', 1) \
                     ON DUPLICATE KEY UPDATE title = VALUES(title); \
                     DELETE FROM shop.item WHERE id = {gone}; \
                     REPLACE INTO shop.word VALUES ('busy', {id}, '{n}'); \
                     UPDATE shop.uni SET v = v + 1 WHERE id = {}; COMMIT",
                    n % 100 + 500,
                );
                raw_sql(AssertSqlSafe(text)).execute(&mut connection).await.unwrap();
            }
            n
        });
        Self { stop, worker }
    }

    async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        assert!(self.worker.await.unwrap() > 50, "there was no traffic");
    }
}
