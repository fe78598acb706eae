//! Two servers with tables of every kind of key, and sessions that write to them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use otter_server::sandbox::{Flavor, Server};
use otter_tests::comparison::assert_tables_equal;
use otter_tests::otter::{Ended, OtterProcess};
use otter_tests::query::{number, texts};
use otter_tests::random::Random;
use otter_tests::scene::{DEADLINE, Scene};
use otter_tests::testbed::{execute, start_pair};
use otter_tests::wait::wait_until;

pub(crate) const TABLES: &[&str] =
    &["shop.item", "shop.tag", "shop.word", "shop.uni", "shop.parent", "shop.child"];

/// Rows of each table.
pub(crate) const ROWS: u64 = 900;

pub(crate) async fn stage(pairing: (Flavor, Flavor)) -> Scene {
    let (source, target) = start_pair(pairing).await;
    let scene = Scene::on(source, target).await;
    on_both(
        &scene,
        "CREATE TABLE shop.word (a VARCHAR(20), b INT, v VARCHAR(40), PRIMARY KEY (a, b))
            CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
         CREATE TABLE shop.uni (id INT PRIMARY KEY, u VARCHAR(20) UNIQUE, v INT);
         CREATE TABLE shop.parent (id INT PRIMARY KEY, v INT);
         CREATE TABLE shop.child (id INT PRIMARY KEY, parent INT, v INT,
            FOREIGN KEY (parent) REFERENCES shop.parent (id) ON DELETE CASCADE);",
    )
    .await;
    on_both(&scene, &fill()).await;
    scene
}

fn fill() -> String {
    let rows = |row: &dyn Fn(u64) -> String| {
        let rows: Vec<String> = (1..=ROWS).map(row).collect();
        rows.join(",")
    };
    [
        format!(
            "INSERT INTO shop.item VALUES {};",
            rows(&|n| format!("({n}, 'title {n}', {n}.25)"))
        ),
        format!("INSERT INTO shop.tag VALUES {};", rows(&|n| format!("({}, 'tag é {n}')", n % 7))),
        format!(
            "INSERT INTO shop.word VALUES {};",
            rows(&|n| format!("('Wörd {}', {n}, 'v {n}')", n % 5))
        ),
        format!("INSERT INTO shop.uni VALUES {};", rows(&|n| format!("({n}, 'u {n}', {n})"))),
        format!("INSERT INTO shop.parent VALUES {};", rows(&|n| format!("({n}, {n})"))),
        format!(
            "INSERT INTO shop.child VALUES {};",
            rows(&|n| format!("({n}, {}, {n})", n % 300 + 1))
        ),
    ]
    .concat()
}

pub(crate) async fn on_both(scene: &Scene, statements: &str) {
    tokio::join!(execute(&scene.source, statements), execute(&scene.target, statements));
}

/// Asks for rows to be copied again, and waits until they are.
pub(crate) async fn resync(scene: &Scene, table: &str, arguments: &[&str]) -> Ended {
    let first = ["resync", "shop", table, "--yes", "--wait"];
    scene.command(&[&first, arguments].concat()).await
}

#[track_caller]
pub(crate) fn assert_done(ended: &Ended) {
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
}

/// Waits until everything that was written is at the target, and compares both.
pub(crate) async fn assert_equal(scene: &Scene, otter: &mut OtterProcess, id: u32) {
    execute(&scene.source, &format!("INSERT INTO shop.item VALUES ({id}, 'drained', 0)")).await;
    let query = format!("SELECT COUNT(*) FROM shop.item WHERE id = {id}");
    wait_until("the target is drained", DEADLINE, async || {
        otter.assert_runs();
        number(&scene.target, &query).await == 1
    })
    .await;
    assert_tables_equal(&scene.source, &scene.target, TABLES).await;
}

/// The states of all requests, oldest first.
pub(crate) async fn states(scene: &Scene) -> Vec<String> {
    let known = "SELECT COUNT(*) FROM information_schema.tables \
         WHERE table_schema = 'otter' AND table_name = 'resync_request'";
    if number(&scene.target, known).await == 0 {
        return Vec::new();
    }
    let query = "SELECT state FROM otter.resync_request ORDER BY id";
    texts(&scene.target, query).await.into_iter().map(|mut row| row.remove(0)).collect()
}

/// Sessions that insert, update and delete all over the tables, and move keys.
pub(crate) struct Traffic {
    stop: Arc<AtomicBool>,
    workers: Vec<tokio::task::JoinHandle<u64>>,
}

impl Traffic {
    pub(crate) fn start(server: &Server, sessions: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let workers = (0..sessions)
            .map(|session| {
                tokio::spawn(write(server.connect_options(), Arc::clone(&stop), session))
            })
            .collect();
        Self { stop, workers }
    }

    /// Ends it, and tells how many transactions there were.
    pub(crate) async fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        let mut count = 0;
        for worker in self.workers {
            count += worker.await.unwrap();
        }
        count
    }
}

async fn write(
    options: sqlx::mysql::MySqlConnectOptions,
    stop: Arc<AtomicBool>,
    session: u64,
) -> u64 {
    use sqlx::{AssertSqlSafe, ConnectOptions, raw_sql};
    let mut connection = options.connect().await.unwrap();
    let mut random = Random::new(100 + session);
    let mut count = 0;
    let mut pace = tokio::time::interval(Duration::from_millis(4));
    while !stop.load(Ordering::Relaxed) {
        pace.tick().await;
        let n = random.below(ROWS) + 1;
        let text = match random.below(11) {
            0 => format!("DELETE FROM shop.item WHERE id = {n}"),
            1 => format!("INSERT IGNORE INTO shop.item VALUES ({n}, 'again {count}', NULL)"),
            2 => format!("UPDATE shop.item SET title = 'new {count}' WHERE id = {n}"),
            3 => format!("UPDATE IGNORE shop.item SET id = {} WHERE id = {n}", n % ROWS + 1),
            4 => format!(
                "UPDATE IGNORE shop.tag SET tag = 'tag {count}' WHERE item = {} LIMIT 1",
                n % 7
            ),
            5 => format!("UPDATE shop.word SET a = UPPER(a), v = 'w {count}' WHERE b = {n}"),
            6 => format!("DELETE FROM shop.word WHERE b = {n}"),
            7 => format!("INSERT IGNORE INTO shop.word VALUES ('word {}', {n}, 'x')", n % 5),
            8 => format!("UPDATE IGNORE shop.uni SET u = 'u {}', v = v + 1 WHERE id = {n}", n + 1),
            9 => format!("UPDATE shop.child SET v = v + 1 WHERE parent = {}", n % 300),
            _ => format!("DELETE FROM shop.parent WHERE id = {n}"),
        };
        match raw_sql(AssertSqlSafe(text)).execute(&mut connection).await {
            Ok(_) => count += 1,
            // Sessions that meet are taken back by the server.
            Err(sqlx::Error::Database(error)) if error.message().contains("try restarting") => {}
            Err(error) => panic!("{error}"),
        }
    }
    count
}
