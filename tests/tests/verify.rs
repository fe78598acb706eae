//! `otter-server verify`: every planted difference is found, and nothing else, while the source is
//! written and the pipeline runs.
#![allow(
    clippy::large_futures,
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use otter_server::sandbox::{Flavor, Server};
use otter_tests::otter::{Ended, OtterProcess};
use otter_tests::proxy::Proxy;
use otter_tests::query::number;
use otter_tests::scene::{DEADLINE, PASSWORD, Scene};
use otter_tests::testbed::{FLAVORS, execute, start_pair};
use otter_tests::types::{self, Case};
use otter_tests::wait::wait_until;
use serde_json::Value;

const FILTERED: &str = "tables = [ { from = \"shop.*\" } ]";

async fn scene(pairing: (Flavor, Flavor)) -> Scene {
    let (source, target) = start_pair(pairing).await;
    Scene::on(source, target).await
}

async fn same(flavor: Flavor) -> Scene {
    scene((flavor, flavor)).await
}

async fn on_both(scene: &Scene, statements: &str) {
    tokio::join!(execute(&scene.source, statements), execute(&scene.target, statements));
}

/// Writes a row at the source and waits for it: all that was written before is at the target then.
async fn drain(scene: &Scene, id: u32) {
    execute(&scene.source, &format!("INSERT INTO shop.item VALUES ({id}, 'drained', 0)")).await;
    let query = format!("SELECT COUNT(*) FROM shop.item WHERE id = {id}");
    wait_until("the target is drained", DEADLINE, async || {
        number(&scene.target, &query).await == 1
    })
    .await;
}

/// What `verify --json` says of the one pipeline, with its exit code.
async fn verify(scene: &Scene, arguments: &[&str]) -> (Option<i32>, Value) {
    let ended = scene.command(&[&["verify", "--json", "--rows", "1000"], arguments].concat()).await;
    let report: Value = serde_json::from_str(&ended.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{}", ended.stdout, ended.stderr));
    (ended.code, report[0].clone())
}

fn table<'r>(report: &'r Value, name: &str) -> &'r Value {
    let tables = report["tables"].as_array().unwrap();
    let found = tables.iter().find(|table| table["target"] == name);
    found.unwrap_or_else(|| panic!("no table {name} in {report:#}"))
}

/// Every difference of a table as `type key column,column`.
fn found(report: &Value, name: &str) -> BTreeSet<String> {
    let table = table(report, name);
    let all = table["differences"].as_array().unwrap();
    let shown = all.iter().map(|difference| {
        let key: Vec<&str> = difference["key"]
            .as_object()
            .unwrap()
            .values()
            .map(|value| value.as_str().unwrap_or("?"))
            .collect();
        let columns: Vec<&str> =
            difference["columns"].as_object().unwrap().keys().map(String::as_str).collect();
        let kind = difference["type"].as_str().unwrap();
        format!("{kind} {} {}", key.join("/"), columns.join(",")).trim_end().to_owned()
    });
    shown.collect()
}

fn set(items: &[&str]) -> BTreeSet<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

fn assert_equal((code, report): &(Option<i32>, Value)) {
    assert_eq!(*code, Some(0), "{report:#}");
    assert_eq!(report["state"], "equal", "{report:#}");
}

/// Text that both the source's and the target's column take.
fn column_types(pairing: (Flavor, Flavor)) -> Vec<(Case, String)> {
    let (source, target) = pairing;
    let mut all: Vec<(Case, String)> = Vec::new();
    let cases = if source == target { types::cases(source) } else { types::COMMON.to_vec() };
    all.extend(cases.into_iter().map(|case| (case, case.0.to_owned())));
    if source != target {
        // MariaDB prints fewer digits of a DOUBLE whose text is longer than 22 letters.
        all.retain(|(case, _)| case.0 != "DOUBLE");
        all.push((("DOUBLE", types::As::Float, &["1.1", "-2.5e-9", "1e308"]), "DOUBLE".to_owned()));
    }
    let cross: &[(Case, &str)] = match (source, target) {
        (Flavor::MySql, Flavor::MariaDb) => &[
            (
                (
                    "JSON",
                    types::As::Plain,
                    &["'{\"b\": [1, 2.5, true], \"a\": \"x\"}'", "JSON_ARRAY(1.50, 1e20, null)"],
                ),
                "JSON",
            ),
            (("VARCHAR(9) CHARACTER SET latin1", types::As::Text, &["'é€'"]), "VARCHAR(9)"),
        ],
        (Flavor::MariaDb, Flavor::MySql) => &[
            (
                (
                    "JSON",
                    types::As::Text,
                    &["'{\"b\": 1,  \"a\": [1,2.50]}'", "'[ 1e2, \"\\\\u00e9\" ]'"],
                ),
                "JSON",
            ),
            (("UUID", types::As::Plain, &["'550e8400-e29b-41d4-a716-446655440000'"]), "CHAR(36)"),
            (("INET6", types::As::Plain, &["'fe80::1'"]), "VARCHAR(45)"),
            (("DATETIME", types::As::Plain, &["'2024-02-29 23:59:59'"]), "DATETIME(3)"),
        ],
        _ => &[],
    };
    all.extend(cross.iter().map(|(case, there)| (*case, (*there).to_owned())));
    all
}

/// Every type and value is equal when it has come; NULL against each type's first value is found.
async fn types_agree(pairing: (Flavor, Flavor)) {
    let scene = scene(pairing).await;
    let cases = column_types(pairing);
    let (mut here, mut there) = (format!("{};", types::SQL_MODE), format!("{};", types::SQL_MODE));
    let (mut rows, mut plants) = (here.clone(), here.clone());
    let mut expected = Vec::new();
    for (number, ((column, _, values), other)) in cases.iter().enumerate() {
        let name = format!("shop.t{number}");
        for (text, column) in [(&mut here, *column), (&mut there, other.as_str())] {
            text.push_str(&format!(
                "CREATE TABLE {name} (id INT PRIMARY KEY, v {column}) CHARACTER SET utf8mb4;"
            ));
        }
        for (id, value) in values.iter().enumerate() {
            rows.push_str(&format!("INSERT INTO {name} (id, v) VALUES ({id}, {value});"));
        }
        let first = values.first().unwrap();
        if *first == "DEFAULT" {
            plants.push_str(&format!("DELETE FROM {name} WHERE id = 0;"));
            expected.push((name, "missing 0"));
            continue;
        }
        rows.push_str(&format!("INSERT INTO {name} (id, v) VALUES (100, NULL);"));
        plants.push_str(&format!("UPDATE {name} SET v = {first} WHERE id = 100;"));
        expected.push((name, "different 100 v"));
    }
    tokio::join!(execute(&scene.source, &here), execute(&scene.target, &there));
    let mut otter = scene.run().await;
    execute(&scene.source, &rows).await;
    drain(&scene, 1).await;
    assert_equal(&verify(&scene, &[]).await);

    execute(&scene.target, &plants).await;
    let (code, report) = verify(&scene, &[]).await;
    assert_eq!(code, Some(1), "{report:#}");
    for (name, difference) in &expected {
        assert_eq!(found(&report, name), set(&[difference]), "{name}: {:#}", table(&report, name));
    }
    assert_eq!(table(&report, "shop.item")["state"], "equal");
    otter.terminate_and_expect_success(DEADLINE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_agrees_on_mariadb() {
    types_agree((Flavor::MariaDb, Flavor::MariaDb)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_agrees_on_mysql() {
    types_agree((Flavor::MySql, Flavor::MySql)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_agrees_from_mariadb_to_mysql() {
    types_agree((Flavor::MariaDb, Flavor::MySql)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_agrees_from_mysql_to_mariadb() {
    types_agree((Flavor::MySql, Flavor::MariaDb)).await;
}

/// Traffic on the tables in which differences are planted, but not on those rows.
struct Traffic {
    stop: Arc<AtomicBool>,
    worker: tokio::task::JoinHandle<u64>,
}

impl Traffic {
    fn start(server: &Server) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (ended, options) = (Arc::clone(&stop), server.connect_options());
        let worker = tokio::spawn(async move {
            use sqlx::{AssertSqlSafe, ConnectOptions, raw_sql};
            let mut connection = options.connect().await.unwrap();
            let mut n = 0_u64;
            let mut pace = tokio::time::interval(std::time::Duration::from_millis(3));
            while !ended.load(Ordering::Relaxed) {
                pace.tick().await;
                n += 1;
                let id = 50_000 + n % 700;
                let text = format!(
                    "BEGIN; INSERT INTO shop.item VALUES ({id}, 'busy {n}', 1) \
                     ON DUPLICATE KEY UPDATE title = VALUES(title); \
                     DELETE FROM shop.item WHERE id = 50000 + {gone}; \
                     INSERT INTO shop.loose VALUES ({n}, 'busy'); \
                     UPDATE shop.loose SET note = 'later' WHERE n = {n} - 3; COMMIT",
                    gone = (n * 7) % 700,
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

/// 200 differences at random rows of a table that is written to all the while.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn planted_differences_are_found_under_traffic_and_nothing_else() {
    for flavor in FLAVORS {
        let scene = same(flavor).await;
        on_both(&scene, "CREATE TABLE shop.loose (n BIGINT, note VARCHAR(9), KEY (n))").await;
        let rows: Vec<String> =
            (1..=20_000).map(|id| format!("({id}, 'title {id}', {id}.25)")).collect();
        for some in rows.chunks(2_000) {
            on_both(&scene, &format!("INSERT INTO shop.item VALUES {}", some.join(","))).await;
        }
        let tags: Vec<String> = (1..=300).map(|id| format!("({}, 'tag é {id}')", id % 7)).collect();
        on_both(&scene, &format!("INSERT INTO shop.tag VALUES {}", tags.join(","))).await;
        let mut otter = scene.run().await;
        let traffic = Traffic::start(&scene.source);
        assert_equal(&verify(&scene, &[]).await);

        let mut random = otter_tests::random::Random::new(7);
        let mut plants = String::from("SET SESSION sql_mode = '';");
        let (mut expected, mut used) = (BTreeSet::new(), BTreeSet::new());
        while expected.len() < 200 {
            let id = random.below(20_000) + 1;
            if !used.insert(id) {
                continue;
            }
            let (text, what) = match expected.len() % 6 {
                0 => (format!("DELETE FROM shop.item WHERE id = {id}"), format!("missing {id}")),
                1 => {
                    let id = 100_000 + id;
                    (format!("INSERT INTO shop.item VALUES ({id}, '', 0)"), format!("extra {id}"))
                }
                2 => (
                    format!("UPDATE shop.item SET title = CONCAT(title, ' ') WHERE id = {id}"),
                    format!("different {id} title"),
                ),
                3 => (
                    format!("UPDATE shop.item SET title = UPPER(title) WHERE id = {id}"),
                    format!("different {id} title"),
                ),
                // The same change in many rows.
                4 => (
                    format!("UPDATE shop.item SET price = price + 1 WHERE id = {id}"),
                    format!("different {id} price"),
                ),
                _ => (
                    format!("UPDATE shop.item SET price = NULL, title = '' WHERE id = {id}"),
                    format!("different {id} price,title"),
                ),
            };
            plants.push_str(&format!("{text};"));
            expected.insert(what);
        }
        plants.push_str("UPDATE shop.tag SET tag = UPPER(tag) WHERE item = 3 LIMIT 1;");
        plants.push_str("INSERT INTO shop.loose VALUES (-1, NULL), (-1, NULL), (-2, '');");
        execute(&scene.target, &plants).await;
        let (code, report) = verify(&scene, &[]).await;
        traffic.stop().await;
        assert_eq!(code, Some(1), "{report:#}");
        assert_eq!(found(&report, "shop.item"), expected);
        // The key itself differs, so that it is one row too few and one too many.
        let tag = table(&report, "shop.tag");
        assert_eq!((&tag["missing"], &tag["extra"]), (&1.into(), &1.into()), "{tag:#}");
        let loose = table(&report, "shop.loose");
        assert_eq!((&loose["missing"], &loose["extra"]), (&0.into(), &3.into()), "{loose:#}");
        assert_eq!(loose["unsettled"], 0, "{loose:#}");
        otter.terminate_and_expect_success(DEADLINE).await;
    }
}

/// What only exact comparing finds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_differences_are_found() {
    for flavor in FLAVORS {
        let scene = same(flavor).await;
        on_both(
            &scene,
            "CREATE TABLE shop.fine (id INT PRIMARY KEY, a VARCHAR(20), b VARCHAR(20), d DOUBLE,
             j JSON, e ENUM('x', 'y'), f FLOAT) CHARACTER SET utf8mb4",
        )
        .await;
        let mut otter = scene.run().await;
        let row = "'text', 'other', 0.0, '{\"a\": [1, 2], \"b\": 1.5}', 'x', 1.5";
        let rows: Vec<String> = (1..=20).map(|id| format!("({id}, {row})")).collect();
        execute(&scene.source, &format!("INSERT INTO shop.fine VALUES {}", rows.join(","))).await;
        execute(&scene.source, "INSERT INTO shop.fine (id, a) VALUES (30, NULL), (31, '')").await;
        drain(&scene, 1).await;
        assert_equal(&verify(&scene, &[]).await);
        execute(
            &scene.target,
            "SET SESSION sql_mode = '';
             UPDATE shop.fine SET a = 'text ' WHERE id = 1;
             UPDATE shop.fine SET a = 'Text' WHERE id = 2;
             UPDATE shop.fine SET d = -0e0 WHERE id = 3;
             UPDATE shop.fine SET j = '{\"a\": [2, 1], \"b\": 1.5}' WHERE id = 4;
             UPDATE shop.fine SET a = 'textother', b = '' WHERE id = 5;
             UPDATE shop.fine SET a = 'b', b = 'b' WHERE id IN (6, 7);
             UPDATE shop.fine SET e = 0 WHERE id = 8;
             UPDATE shop.fine SET f = 1.5000001 WHERE id = 9;
             UPDATE shop.fine SET d = 4.9406564584124654e-324 WHERE id = 10;
             UPDATE shop.fine SET a = '' WHERE id = 30;
             UPDATE shop.fine SET a = NULL WHERE id = 31",
        )
        .await;
        let (code, report) = verify(&scene, &["--table", "shop.fine"]).await;
        assert_eq!(code, Some(1), "{report:#}");
        let expected = set(&[
            "different 1 a",
            "different 2 a",
            "different 3 d",
            "different 4 j",
            "different 5 a,b",
            "different 6 a,b",
            "different 7 a,b",
            "different 8 e",
            "different 9 f",
            "different 10 d",
            "different 30 a",
            "different 31 a",
        ]);
        assert_eq!(found(&report, "shop.fine"), expected);
        assert_eq!(report["tables"].as_array().unwrap().len(), 1);
        otter.terminate_and_expect_success(DEADLINE).await;
    }
}

/// Mappings: other names, fewer columns, constants, several tables in one; and what is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_are_compared_as_they_are_mapped() {
    for flavor in FLAVORS {
        let mut scene = same(flavor).await;
        scene.replace(
            FILTERED,
            "tables = [
               { from = \"shop.item\" },
               { from = \"shop.wide\", to = \"shop.slim\", columns = { rename = { ttl = \"title\" }, drop = [\"tmp\"] } },
               { from = \"shop.part_*\", to = \"shop.whole\", columns = { constant = { origin = \"{1}\" } } },
               { from = \"shop.odd\", filter = \"row.id % 2 == 1\" },
             ]",
        );
        execute(
            &scene.source,
            "CREATE TABLE shop.wide (id VARCHAR(9) COLLATE utf8mb4_bin PRIMARY KEY, ttl VARCHAR(9), tmp INT);
             CREATE TABLE shop.part_a (id INT PRIMARY KEY, v INT);
             CREATE TABLE shop.part_b LIKE shop.part_a;
             CREATE TABLE shop.odd (id INT PRIMARY KEY)",
        )
        .await;
        execute(
            &scene.target,
            "CREATE TABLE shop.slim (title VARCHAR(9), id VARCHAR(9) COLLATE utf8mb4_bin PRIMARY KEY);
             CREATE TABLE shop.whole (origin VARCHAR(9), id INT, v INT, PRIMARY KEY (origin, id));
             CREATE TABLE shop.odd (id INT PRIMARY KEY)",
        )
        .await;
        let mut otter = scene.run().await;
        execute(
            &scene.source,
            "INSERT INTO shop.wide VALUES ('a', 'one', 1), ('A', 'two', 2), ('é', 'three', 3);
             INSERT INTO shop.part_a VALUES (1, 1), (2, 2);
             INSERT INTO shop.part_b VALUES (1, 7), (2, 2);
             INSERT INTO shop.odd VALUES (1), (2)",
        )
        .await;
        drain(&scene, 1).await;
        let (code, report) = verify(&scene, &[]).await;
        assert_eq!(code, Some(6), "{report:#}");
        for (name, state) in [
            ("shop.item", "equal"),
            ("shop.slim", "equal"),
            ("shop.whole", "equal"),
            ("shop.odd", "not verified"),
        ] {
            assert_eq!(table(&report, name)["state"], state, "{:#}", table(&report, name));
        }
        assert!(table(&report, "shop.odd")["reason"].as_str().unwrap().contains("filter"));
        assert_equal(&verify(&scene, &["shop", "--table", "shop.part_b"]).await);

        execute(
            &scene.target,
            "UPDATE shop.slim SET title = 'TWO' WHERE id = 'A';
             UPDATE shop.whole SET v = 8 WHERE origin = 'b' AND id = 1;
             DELETE FROM shop.whole WHERE origin = 'a' AND id = 2;
             INSERT INTO shop.whole VALUES ('c', 1, 1)",
        )
        .await;
        let (code, report) = verify(&scene, &[]).await;
        assert_eq!(code, Some(1), "{report:#}");
        assert_eq!(found(&report, "shop.slim"), set(&["different A title"]));
        assert_eq!(
            found(&report, "shop.whole"),
            // The key's columns are sorted by name here: id, origin.
            set(&["different 1/b v", "missing 2/a", "extra 1/c"])
        );
        let hidden: Ended = scene.command(&["verify", "--no-values"]).await;
        assert_eq!(hidden.code, Some(1), "{}{}", hidden.stdout, hidden.stderr);
        assert!(
            !hidden.stdout.contains("TWO") && !hidden.stdout.contains("id="),
            "{}",
            hidden.stdout
        );
        assert!(hidden.stdout.contains("title"), "{}", hidden.stdout);
        let shown = scene.command(&["verify"]).await;
        assert!(shown.stdout.contains("title \"two\" → \"TWO\""), "{}", shown.stdout);
        let unknown = scene.command(&["verify", "--table", "shop.nothing"]).await;
        assert_eq!(unknown.code, Some(2), "{}{}", unknown.stdout, unknown.stderr);
        otter.terminate_and_expect_success(DEADLINE).await;
    }
}

/// What a stopped pipeline has not brought yet is no difference, and is not equal either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_pipeline_is_told() {
    for flavor in FLAVORS {
        let scene = same(flavor).await;
        let mut otter: OtterProcess = scene.run().await;
        drain(&scene, 1).await;
        otter.terminate_and_expect_success(DEADLINE).await;
        assert_equal(&verify(&scene, &[]).await);
        execute(&scene.target, "UPDATE shop.item SET price = 5 WHERE id = 1").await;
        let (code, report) = verify(&scene, &[]).await;
        assert_eq!(code, Some(1), "it is where the source is: {report:#}");
        execute(&scene.target, "UPDATE shop.item SET price = 0 WHERE id = 1").await;
        execute(&scene.source, "INSERT INTO shop.item VALUES (2, 'late', 1)").await;
        let (code, report) = verify(&scene, &[]).await;
        assert_eq!(code, Some(6), "{report:#}");
        let item = table(&report, "shop.item");
        assert_eq!((&item["state"], &item["unsettled"]), (&"unsettled".into(), &1.into()));
        assert!(item["reason"].as_str().unwrap().contains("does not move"), "{item:#}");
        let mut again = scene.run().await;
        assert_equal(&verify(&scene, &[]).await);
        again.terminate_and_expect_success(DEADLINE).await;
    }
}

/// Each look at rows is noted at the target before they are shown; where it cannot be, they are not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_looks_at_rows_is_noted() {
    let scene = same(Flavor::MariaDb).await;
    let mut otter: OtterProcess = scene.run().await;
    drain(&scene, 1).await;
    otter.terminate_and_expect_success(DEADLINE).await;
    execute(&scene.target, "UPDATE shop.item SET title = 'secret' WHERE id = 1").await;
    let ended = scene.command(&["verify", "--no-values"]).await;
    assert_eq!((ended.code, ended.stdout.contains("secret")), (Some(1), false), "{ended:?}");
    let lists = "SELECT COUNT(*) FROM information_schema.tables \
                 WHERE table_schema = 'otter' AND table_name = 'audit'";
    assert_eq!(number(&scene.target, lists).await, 0);

    let looks = "SELECT COUNT(*) FROM otter.audit WHERE pipeline = 'shop' AND action = 'verify' \
                 AND subject = '1 rows of shop.item' AND operator LIKE '% at %'";
    for (count, command) in [(1, &["verify"][..]), (2, &["verify", "--repair"])] {
        let ended = scene.command(command).await;
        assert_eq!((ended.code, ended.stdout.contains("secret")), (Some(1), true), "{ended:?}");
        assert_eq!(number(&scene.target, looks).await, count);
    }

    let revoke = "REVOKE ALL ON otter.* FROM otter@'%'; GRANT SELECT ON otter.* TO otter@'%'";
    execute(&scene.target, revoke).await;
    for command in [&["verify"][..], &["verify", "--json"], &["verify", "--repair"]] {
        let ended = scene.command(command).await;
        assert_eq!((ended.code, ended.stdout.contains("secret")), (Some(1), false), "{ended:?}");
        assert!(ended.stderr.contains("values are left out"), "{ended:?}");
        assert!(ended.stdout.contains("title"), "{ended:?}");
    }
    assert_eq!(number(&scene.target, looks).await, 2);
}

/// A server hides what the account may not read, and hidden tables are not equal.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_that_the_account_cannot_see_are_not_called_equal() {
    for flavor in FLAVORS {
        let mut scene = same(flavor).await;
        on_both(&scene, "CREATE DATABASE depot; CREATE TABLE depot.part (id INT PRIMARY KEY)")
            .await;
        let tables = "{ from = \"shop.*\" }, { from = \"shop.next\" }, { from = \"depot.part\" }, \
             { from = \"void.*\" }";
        scene.replace("{ from = \"shop.*\" }", tables);
        let checked = scene.command(&["check"]).await;
        assert_eq!(checked.code, Some(1), "{}", checked.stdout);
        let expected = [
            "fail  source: the account may read the tables that the mapping names",
            "GRANT SELECT ON `depot`.`part` TO 'otter'@'%'",
            "warn  source: the source has the tables that the mapping names: it has no shop.next",
            "warn  source: each pattern of the mapping meets a table: no table is seen for void.*",
        ];
        for line in expected {
            assert!(checked.stdout.contains(line), "{line} in {}", checked.stdout);
        }
        let (code, report) = verify(&scene, &[]).await;
        assert_eq!(code, Some(6), "{report:#}");
        for name in ["depot.part", "shop.next"] {
            let table = table(&report, name);
            assert_eq!(table["state"], "not verified", "{report:#}");
            assert!(table["reason"].as_str().unwrap().contains("GRANT SELECT"), "{report:#}");
        }
        assert_eq!(table(&report, "shop.item")["state"], "equal", "{report:#}");
        execute(&scene.source, "GRANT SELECT ON depot.* TO otter@'%'").await;
        execute(&scene.target, "GRANT SELECT, INSERT, UPDATE, DELETE ON depot.* TO otter@'%'")
            .await;
        let checked = scene.command(&["check"]).await;
        assert!(!checked.stdout.contains("the account may read the tables that"), "{checked:?}");
        let (_, report) = verify(&scene, &[]).await;
        assert_eq!(table(&report, "depot.part")["state"], "equal", "{report:#}");
    }
}

/// What was found of other tables is told, and what was not looked at is not equal.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_found_stands_when_a_server_goes_away() {
    let mut scene = same(Flavor::MariaDb).await;
    let make = "CREATE TABLE shop.a (id INT PRIMARY KEY); INSERT INTO shop.a VALUES (1); \
        CREATE TABLE shop.z (id INT PRIMARY KEY); INSERT INTO shop.z SELECT seq FROM shop.seq_1_to_20000";
    on_both(&scene, make).await;
    let log = "SET GLOBAL log_output = 'TABLE'; SET GLOBAL general_log = ON";
    execute(&scene.target, log).await;
    let line = Proxy::start(scene.target.port()).await;
    let direct = scene.target.url_as("otter", PASSWORD);
    scene.replace(&direct, &line.url(&direct));
    scene.write_config();
    let read = "SELECT COUNT(*) FROM mysql.general_log \
        WHERE user_host LIKE '%otter%' AND argument LIKE 'SELECT%FROM `shop`.`z`%'";
    let cut = async {
        wait_until("the last table is read", DEADLINE, async || {
            number(&scene.target, read).await > 0
        })
        .await;
        line.cut();
    };
    let slowly = ["--rows-per-second", "100"];
    let ((code, report), ()) = tokio::join!(verify(&scene, &slowly), cut);
    assert_eq!(code, Some(6), "{report:#}");
    assert_eq!(table(&report, "shop.a")["state"], "equal", "{report:#}");
    let last = table(&report, "shop.z");
    assert_eq!(last["state"], "not verified", "{report:#}");
    assert!(last["reason"].as_str().unwrap().contains("does not answer"), "{report:#}");
}
