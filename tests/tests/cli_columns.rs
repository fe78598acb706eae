//! Mappings that merge shards and change columns, through the real program.
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
use otter_tests::query::{number, text, texts};
use otter_tests::random::Random;
use otter_tests::scene::{DEADLINE, Scene, assert_clean, assert_found, assert_told};
use otter_tests::testbed::{FLAVORS, PAIRINGS, execute, start_pair};
use otter_tests::wait::wait_until;

const HALTED: i32 = 3;

/// The shards at the source; the key of each begins at 1.
const SHARDS: [&str; 3] = ["00", "07", "31"];

const MERGE: &str = "{ from = \"legacy.item_[00-31]\", to = \"shop.merged\", columns = { \
    rename = { no = \"id\", ttl = \"title\" }, drop = [\"tmp\"], constant = { shard = \"{1}\" } } }";

/// Three shards at the source, and one table for them at the target.
async fn scene(pairing: (Flavor, Flavor), merged: &str) -> Scene {
    let (source, target) = start_pair(pairing).await;
    let mut scene = Scene::on(source, target).await;
    execute(
        &scene.source,
        "CREATE DATABASE legacy CHARACTER SET utf8mb4; GRANT SELECT ON legacy.* TO otter@'%'",
    )
    .await;
    for shard in SHARDS {
        execute(
            &scene.source,
            &format!(
                "CREATE TABLE legacy.item_{shard} (tmp BLOB, no INT PRIMARY KEY, ttl VARCHAR(40), \
                 price DECIMAL(8,2))"
            ),
        )
        .await;
    }
    execute(&scene.target, merged).await;
    scene.replace("{ from = \"shop.*\" }", MERGE);
    scene
}

const WITH_SHARD_IN_KEY: &str = "CREATE TABLE shop.merged (shard CHAR(2) NOT NULL, \
    price DECIMAL(8,2), title VARCHAR(40), id INT NOT NULL, PRIMARY KEY (id, shard))";
const WITH_NUMERIC_SHARD: &str = "CREATE TABLE shop.merged (id INT NOT NULL, title VARCHAR(40), \
    price DECIMAL(8,2), shard SMALLINT UNSIGNED NOT NULL, PRIMARY KEY (shard, id))";
const WITHOUT_KEY: &str = "CREATE TABLE shop.merged (id INT, title VARCHAR(40), \
    price DECIMAL(8,2), shard VARCHAR(9))";

/// A random change of one shard's row; the same keys are used in every shard.
fn change(random: &mut Random) -> String {
    let mut below = |end: u64| random.below(end);
    let shard = SHARDS[usize::try_from(below(3)).unwrap()];
    let (no, other, n) = (below(20), 100 + below(1_000_000), below(1000));
    match below(6) {
        0 => format!("DELETE FROM legacy.item_{shard} WHERE no = {no}"),
        1 => format!("UPDATE legacy.item_{shard} SET tmp = 'only this' WHERE no = {no}"),
        2 => format!("UPDATE IGNORE legacy.item_{shard} SET no = {other} WHERE no = {no}"),
        3 => format!("UPDATE legacy.item_{shard} SET price = {n} WHERE no <= {no}"),
        _ => format!(
            "INSERT INTO legacy.item_{shard} VALUES ('x', {no}, 'title {n}', NULL) \
             ON DUPLICATE KEY UPDATE ttl = 'again {n}'"
        ),
    }
}

/// What the target must hold.
async fn expected(scene: &Scene) -> Vec<Vec<String>> {
    let shards = SHARDS.map(|shard| {
        format!("SELECT '{shard}' + 0 AS shard, no AS id, ttl, price FROM legacy.item_{shard}")
    });
    texts(&scene.source, &format!("{} ORDER BY shard, id", shards.join(" UNION ALL "))).await
}

async fn merged(scene: &Scene) -> Vec<Vec<String>> {
    let query = "SELECT shard + 0, id, title, price FROM shop.merged ORDER BY shard + 0, id";
    texts(&scene.target, query).await
}

/// EXACT-1, ORD-1: deletes and updates of one shard never touch another one's row.
async fn merges(pairing: (Flavor, Flavor), table: &str) {
    let scene = scene(pairing, table).await;
    let checked = scene.command(&["check"]).await;
    assert_eq!(checked.code, Some(0), "{}", checked.stdout);
    let mut random = Random::new(Random::seed_from_environment());
    let mut otter = scene.run().await;
    for _ in 0..4 {
        for image in ["FULL", "MINIMAL", "NOBLOB"] {
            // Whole images are needed where nothing but all columns tells rows apart.
            let image = if table == WITHOUT_KEY { "FULL" } else { image };
            let mut story = format!("SET SESSION binlog_row_image = {image};");
            for _ in 0..10 {
                story.push_str("BEGIN;");
                for _ in 0..5 {
                    story.push_str(&change(&mut random));
                    story.push(';');
                }
                story.push_str("COMMIT;");
            }
            execute(&scene.source, &story).await;
        }
        let expected = expected(&scene).await;
        wait_until("all shards have arrived", DEADLINE, async || {
            let log = otter.log();
            assert!(!log.contains("halted"), "{log}");
            merged(&scene).await == expected
        })
        .await;
        assert!(expected.len() > 10, "only {} rows", expected.len());
    }
    otter.terminate_and_expect_success(DEADLINE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shards_merge_under_a_constant_that_is_part_of_the_key() {
    for pairing in PAIRINGS {
        merges(pairing, WITH_SHARD_IN_KEY).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn shards_merge_under_a_constant_that_is_a_number_in_the_target() {
    for flavor in FLAVORS {
        merges((flavor, flavor), WITH_NUMERIC_SHARD).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn shards_merge_into_a_table_without_a_key() {
    for flavor in FLAVORS {
        merges((flavor, flavor), WITHOUT_KEY).await;
    }
}

#[tokio::test]
async fn shards_whose_keys_could_meet_are_told() {
    let table = "CREATE TABLE shop.merged (id INT PRIMARY KEY, title VARCHAR(40), \
                 price DECIMAL(8,2), shard CHAR(2) NOT NULL)";
    let scene = scene((Flavor::MariaDb, Flavor::MariaDb), table).await;
    let checked = scene.command(&["check"]).await;
    let told = "shop.merged keeps the rows of 3 source tables apart";
    assert!(checked.stdout.contains(told), "{}", checked.stdout);
    let mut otter = scene.run().await;
    execute(&scene.source, "INSERT INTO legacy.item_00 VALUES (NULL, 1, 'one', 1)").await;
    wait_until("the row arrives", DEADLINE, async || merged(&scene).await.len() == 1).await;
    // The other shard's row is at the target; this one's was never there.
    execute(
        &scene.source,
        "SET sql_log_bin = 0; INSERT INTO legacy.item_07 VALUES \
        (NULL, 1, 'other', 1); SET sql_log_bin = 1; DELETE FROM legacy.item_07",
    )
    .await;
    assert_eq!(otter.wait_for_exit(DEADLINE).await, Some(HALTED));
    assert!(otter.log().contains("the target has no such row"), "{}", otter.log());
    assert_eq!(merged(&scene).await, [["0", "1", "one", "1.00"]]);
}

/// `check` and `run` both name these, `run` halts, and nothing was begun.
async fn assert_refused(scene: &Scene, texts: &[&str]) {
    assert_found(&scene.command(&["check"]).await, texts);
    let told = scene.command(&["run"]).await;
    assert_clean(&told);
    assert_told(&told, HALTED, texts);
    let schemas = "SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = 'otter'";
    assert_eq!(number(&scene.target, schemas).await, 0, "nothing was begun");
}

#[tokio::test]
async fn column_rules_that_do_not_fit_are_told_before_and_at_the_start() {
    for flavor in FLAVORS {
        let mut scene = Scene::start(flavor).await;
        let mut rules = "{ from = \"shop.*\" }".to_owned();
        for (columns, told) in [
            ("drop = [\"titel\"]", &["shop.item", "titel", "did you mean `title`?"][..]),
            ("rename = { title = \"price\" }", &["shop.item", "two columns `price`"]),
            ("rename = { title = \"pryce\" }", &["shop.item", "column pryce is missing"]),
            ("constant = { price = \"1\" }", &["shop.item", "two columns `price`"]),
            ("constant = { shard = \"x\" }", &["ADD COLUMN `shard` varchar(1) NOT NULL"]),
            ("drop = [\"id\"]", &["id", "dropped", "ADD UNIQUE KEY"]),
            ("drop = [\"title\"]", &["column title", "has no default"]),
        ] {
            let next = format!("{{ from = \"shop.item\", columns = {{ {columns} }} }}");
            scene.replace(&rules, &next);
            rules = next;
            assert_refused(&scene, told).await;
        }
    }
}

#[tokio::test]
async fn a_dropped_key_is_no_loss_where_another_key_tells_rows_apart() {
    for flavor in FLAVORS {
        let mut scene = Scene::start(flavor).await;
        execute(&scene.source, "ALTER TABLE shop.item ADD UNIQUE KEY (title)").await;
        execute(
            &scene.target,
            "DROP TABLE shop.item; CREATE TABLE shop.item (row_id BIGINT AUTO_INCREMENT PRIMARY KEY, \
             title VARCHAR(40) NOT NULL UNIQUE, price DECIMAL(8,2), source VARCHAR(20) NOT NULL)",
        )
        .await;
        scene.replace(
            "{ from = \"shop.*\" }",
            "{ from = \"shop.item\", columns = { drop = [\"id\"], constant = { source = \
             \"{database}.{table}\" } } }",
        );
        let mut otter = scene.run().await;
        execute(
            &scene.source,
            "INSERT INTO shop.item VALUES (1, 'one', 1), (2, 'two', 2), (3, 'three', 3); \
             UPDATE shop.item SET id = 10 WHERE id = 1; \
             UPDATE shop.item SET title = 'TWO!', price = 22 WHERE id = 2; \
             DELETE FROM shop.item WHERE id = 3; INSERT INTO shop.item VALUES (4, 'four', 4)",
        )
        .await;
        let query =
            "SELECT GROUP_CONCAT(title, ' ', price, ' ', source ORDER BY price) FROM shop.item";
        let expected = "one 1.00 shop.item,four 4.00 shop.item,TWO! 22.00 shop.item";
        wait_until("the rows arrive", DEADLINE, async || {
            text(&scene.target, query).await == expected
        })
        .await;
        otter.terminate_and_expect_success(DEADLINE).await;
    }
}

#[tokio::test]
async fn a_mapping_that_can_lose_data_is_told_by_check() {
    for flavor in FLAVORS {
        let mut scene = Scene::start(flavor).await;
        execute(
            &scene.source,
            "ALTER TABLE shop.item ADD COLUMN size ENUM('s', 'm', 'l') NOT NULL, \
             ADD COLUMN sold DATETIME NULL, ADD COLUMN words TEXT CHARACTER SET utf8mb4",
        )
        .await;
        execute(
            &scene.target,
            "ALTER TABLE shop.item CHANGE title name VARCHAR(10) NOT NULL, \
             ADD COLUMN size ENUM('s', 'm') NOT NULL, ADD COLUMN sold TIMESTAMP NULL, \
             ADD COLUMN words TEXT CHARACTER SET latin1, ADD COLUMN shard CHAR(3) NOT NULL",
        )
        .await;
        let mapping = |shard: &str| {
            format!(
                "{{ from = \"shop.item\", columns = {{ rename = {{ title = \"name\" }}, constant = \
                 {{ shard = \"{shard}\" }} }} }}"
            )
        };
        scene.replace("{ from = \"shop.*\" }", &mapping("{table}"));
        let told = ["shop.item", "shard gets a constant of 4 letters that char(3) does not take"];
        assert_found(&scene.command(&["check"]).await, &told);
        assert_told(&scene.command(&["run"]).await, HALTED, &told);
        scene.replace(&mapping("{table}"), &mapping("it"));
        let checked = scene.command(&["check"]).await;
        assert_eq!(checked.code, Some(0), "{}", checked.stdout);
        for told in [
            "name is varchar(10)",
            "size has no label 'l', and in the source it does",
            "sold is timestamp and in the source datetime(0)",
            "words is text latin1 and in the source",
        ] {
            assert!(checked.stdout.contains(told), "{told:?} in:\n{}", checked.stdout);
        }
    }
}
