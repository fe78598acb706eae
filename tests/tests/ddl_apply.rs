//! Schema changes of the source arrive at the target by `ddl = "apply"`: definitions and rows are
//! the same on both sides, whatever is killed meanwhile.
#![allow(
    clippy::print_stdout,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test prints its seed and fails by panicking"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use otter_server::sandbox::{Flavor, Server};
use otter_tests::comparison::assert_tables_equal;
use otter_tests::query::{number, texts};
use otter_tests::random::Random;
use otter_tests::scene::{DEADLINE, Scene};
use otter_tests::testbed::{self, PAIRINGS, execute};
use otter_tests::wait::wait_until;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::{ConnectOptions, raw_sql};

const RIGHTS: &str = "GRANT CREATE, ALTER, DROP, INDEX, REFERENCES ON shop.* TO otter@'%'; \
                      GRANT PROCESS ON *.* TO otter@'%'";

/// One application's life; `{n}` makes its tables its own. Both servers take all of it.
const STORY: [&str; 27] = [
    "USE shop; CREATE TABLE t{n} (id INT UNSIGNED PRIMARY KEY, a INT, b INT) COMMENT 'first'",
    "INSERT INTO shop.t{n} VALUES (1, 10, 20), (2, 20, 30)",
    "ALTER TABLE shop.t{n} ADD COLUMN c VARCHAR(5) NOT NULL DEFAULT 'x' FIRST",
    "INSERT INTO shop.t{n} VALUES ('y', 3, 11, 21)",
    "ALTER TABLE shop.t{n} MODIFY b BIGINT AFTER id, ADD KEY (b)",
    "UPDATE shop.t{n} SET b = 1099511627776 WHERE id = 1",
    "ALTER TABLE shop.t{n} RENAME COLUMN b TO y, ADD e ENUM('p','q')",
    "CREATE TABLE shop.u{n} LIKE shop.t{n}",
    "ALTER TABLE shop.u{n} COMMENT 'second', DROP c",
    "INSERT INTO shop.u{n} (id, a, y, e) VALUES (7, 1, 2, 'q')",
    "RENAME TABLE shop.t{n} TO shop.s{n}, shop.u{n} TO shop.t{n}, shop.s{n} TO shop.u{n}",
    "INSERT INTO shop.t{n} (id, a, y, e) VALUES (8, 1, 2, 'p')",
    "INSERT INTO shop.u{n} (id, a, y, e) VALUES (9, 1, 2, 'p')",
    "ALTER TABLE shop.t{n} PARTITION BY HASH (id) PARTITIONS 3",
    "INSERT INTO shop.t{n} (id, a) VALUES (10, 1), (11, 2), (12, 3)",
    "ALTER TABLE shop.t{n} COALESCE PARTITION 1",
    "USE shop; SET SESSION sql_mode = 'ANSI_QUOTES'; ALTER TABLE \"t{n}\" ADD \"i\" INT DEFAULT 7",
    // As gh-ost does it, at the table that was the second.
    "CREATE TABLE shop._u{n}_gho LIKE shop.u{n}",
    "ALTER TABLE shop._u{n}_gho ADD w DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP",
    "INSERT INTO shop._u{n}_gho SELECT *, NOW() FROM shop.u{n}",
    "RENAME TABLE shop.u{n} TO shop._u{n}_del, shop._u{n}_gho TO shop.u{n}",
    "DROP TABLE shop._u{n}_del",
    "CREATE TABLE shop.v{n} (p INT PRIMARY KEY) AS SELECT id AS p, a FROM shop.u{n}",
    "TRUNCATE TABLE shop.v{n}",
    "INSERT INTO shop.v{n} VALUES (5, 6)",
    "CREATE TABLE shop.gone{n} (id INT PRIMARY KEY); DROP TABLE IF EXISTS shop.gone{n}, shop.never{n}",
    "CREATE INDEX more ON shop.v{n} (a)",
];

async fn tell(source: &Server, number: usize) {
    for statement in STORY {
        execute(source, &statement.replace("{n}", &number.to_string())).await;
    }
}

async fn scene((source, target): (Flavor, Flavor)) -> Scene {
    let (source, target) = testbed::start_pair((source, target)).await;
    let mut scene = Scene::on(source, target).await;
    execute(&scene.target, RIGHTS).await;
    scene.replace("start = \"now\"", "start = \"now\"\nddl = \"apply\"");
    scene
}

/// Waits until everything that the source has is there.
async fn drain(scene: &Scene, id: u32) {
    execute(&scene.source, &format!("INSERT INTO shop.item VALUES ({id}, 'last', 0)")).await;
    let query = format!("SELECT COUNT(*) FROM shop.item WHERE id = {id}");
    wait_until("the last item arrives", DEADLINE, async || {
        number(&scene.target, &query).await == 1
    })
    .await;
}

async fn tables(server: &Server) -> Vec<String> {
    let query = "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'shop' \
                 ORDER BY TABLE_NAME";
    texts(server, query).await.concat()
}

async fn assert_same(scene: &Scene, same_servers: bool) {
    let names = tables(&scene.source).await;
    assert_eq!(tables(&scene.target).await, names);
    for name in &names {
        let query = format!("SHOW CREATE TABLE shop.{name}");
        let (here, there) =
            tokio::join!(texts(&scene.source, &query), texts(&scene.target, &query));
        if same_servers {
            assert_eq!(without_counters(&here), without_counters(&there));
        }
    }
    let full: Vec<String> = names.iter().map(|name| format!("shop.{name}")).collect();
    let full: Vec<&str> = full.iter().map(String::as_str).collect();
    let _ = assert_tables_equal(&scene.source, &scene.target, &full).await;
}

/// The next number of a table says how many were tried, not how many rows there are.
fn without_counters(shown: &[Vec<String>]) -> String {
    let text = shown.concat().concat();
    let words = text.split(' ').filter(|word| !word.starts_with("AUTO_INCREMENT="));
    words.collect::<Vec<_>>().join(" ")
}

async fn a_life_arrives(pairing: (Flavor, Flavor)) {
    let scene = scene(pairing).await;
    let checked = scene.command(&["check"]).await;
    assert_eq!(checked.code, Some(0), "{}{}", checked.stdout, checked.stderr);
    assert!(checked.stdout.contains("schema changes can be executed"), "{}", checked.stdout);
    let mut otter = scene.run().await;
    tell(&scene.source, 1).await;
    drain(&scene, 1).await;
    assert_same(&scene, pairing.0 == pairing.1).await;
    otter.terminate_and_expect_success(DEADLINE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_to_mariadb_has_the_same_schema_and_rows() {
    a_life_arrives(PAIRINGS[0]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mysql_to_mysql_has_the_same_schema_and_rows() {
    a_life_arrives(PAIRINGS[1]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_to_mysql_has_the_same_tables_and_rows() {
    a_life_arrives(PAIRINGS[2]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mysql_to_mariadb_has_the_same_tables_and_rows() {
    a_life_arrives(PAIRINGS[3]).await;
}

/// `otter-server` is killed again and again while one life after the other is told.
async fn lives_survive_kills(flavor: Flavor) {
    let seed = Random::seed_from_environment();
    println!("OTTER_SEED={seed}");
    let mut random = Random::new(seed);
    let scene = scene((flavor, flavor)).await;
    let otter = scene.run().await;
    let kills = async {
        let mut otter = otter;
        for _ in 0..12 {
            tokio::time::sleep(Duration::from_millis(50 + random.below(400))).await;
            otter.kill9();
            otter = scene.run().await;
        }
        otter
    };
    let lives = async {
        for number in 1..=6 {
            tell(&scene.source, number).await;
        }
    };
    let (mut otter, ()) = tokio::join!(kills, lives);
    drain(&scene, 1).await;
    assert_same(&scene, true).await;
    otter.terminate_and_expect_success(DEADLINE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_executes_each_change_once_through_kills() {
    lives_survive_kills(Flavor::MariaDb).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mysql_executes_each_change_once_through_kills() {
    lives_survive_kills(Flavor::MySql).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_change_goes_where_its_table_goes() {
    for flavor in [Flavor::MariaDb, Flavor::MySql] {
        let mut scene = scene((flavor, flavor)).await;
        execute(
            &scene.target,
            "CREATE DATABASE copy; RENAME TABLE shop.item TO copy.item, shop.tag TO copy.tag; \
             GRANT ALL ON copy.* TO otter@'%'; DROP DATABASE shop",
        )
        .await;
        scene.replace("from = \"shop.*\"", "from = \"shop.*\", to = \"copy.*\"");
        let mut otter = scene.run().await;
        execute(
            &scene.source,
            "USE shop; CREATE TABLE a (id INT PRIMARY KEY); \
             CREATE TABLE shop.b (a INT, id INT PRIMARY KEY, FOREIGN KEY (a) REFERENCES a (id)); \
             ALTER TABLE a ADD COLUMN a INT; INSERT INTO a VALUES (1, 2); INSERT INTO b VALUES (1, 3); \
             RENAME TABLE `b` TO `c`; CREATE TABLE d (LIKE c); \
             INSERT INTO shop.item VALUES (1, 'last', 0)",
        )
        .await;
        wait_until("the item arrives", DEADLINE, async || {
            number(&scene.target, "SELECT COUNT(*) FROM copy.item").await == 1
        })
        .await;
        let shown = texts(
            &scene.target,
            "SELECT a.id, a.a, c.id FROM copy.a JOIN copy.c ON c.a = a.id LEFT JOIN copy.d ON d.id = 0",
        )
        .await;
        assert_eq!(shown, [["1", "2", "3"]]);
        otter.terminate_and_expect_success(DEADLINE).await;
    }
}

/// In MariaDB a connection that has given way a hundred times wins every deadlock against a schema
/// change: then only another try helps.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_change_that_loses_deadlocks_is_tried_again_at_once() {
    const SWAP: &str =
        "RENAME TABLE shop.red TO shop.aside, shop.blue TO shop.red, shop.aside TO shop.blue";
    let scene = scene((Flavor::MariaDb, Flavor::MariaDb)).await;
    for server in [&scene.source, &scene.target] {
        let made = "CREATE TABLE shop.red (id INT); CREATE TABLE shop.blue (id INT)";
        execute(server, made).await;
    }
    let mut otter = scene.run().await;
    let is_over = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..3)
        .map(|_| (scene.target.connect_options(), Arc::clone(&is_over)))
        .map(|(address, is_over)| tokio::spawn(read_both(address, is_over)))
        .collect();
    // Until the readers have given way often enough.
    let mut swapper = scene.target.connect().await.unwrap();
    let mut swaps = 0;
    wait_until("a swap loses", DEADLINE, async || {
        match raw_sql(SWAP).execute(&mut swapper).await {
            Ok(_) => {
                swaps += 1;
                false
            }
            Err(sqlx::Error::Database(error)) => error.message().contains("Deadlock"),
            Err(error) => panic!("{error}"),
        }
    })
    .await;
    if swaps % 2 == 1 {
        wait_until("the names are as they were", DEADLINE, async || {
            raw_sql(SWAP).execute(&mut swapper).await.is_ok()
        })
        .await;
    }
    // Sooner or later one of the source's loses as well.
    wait_until("a schema change is tried again", DEADLINE, async || {
        execute(&scene.source, SWAP).await;
        otter.assert_runs();
        otter.log().contains("lost a deadlock and is tried again")
    })
    .await;
    is_over.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.await.unwrap();
    }
    drain(&scene, 1).await;
    assert_same(&scene, true).await;
    otter.terminate_and_expect_success(DEADLINE).await;
}

/// Looks at two tables, one after the other in one transaction, again and again.
async fn read_both(address: MySqlConnectOptions, is_over: Arc<AtomicBool>) {
    let mut connection = address.connect().await.unwrap();
    while !is_over.load(Ordering::Relaxed) {
        for text in ["BEGIN", "SELECT * FROM shop.red", "SELECT * FROM shop.blue", "COMMIT"] {
            match raw_sql(text).execute(&mut connection).await {
                Ok(_) => {}
                Err(sqlx::Error::Database(_)) => break,
                Err(error) => panic!("{error}"),
            }
        }
    }
}
