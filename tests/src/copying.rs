//! A large copy under load: many tables of every kind of key, changed all over while `otter-server`
//! is killed, then one more database; and `verify` over all of it while the changes go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use otter_server::sandbox::{Flavor, Server};
use sqlx::AssertSqlSafe;
use sqlx::mysql::MySqlConnection;
use tokio::task::JoinHandle;

use crate::exactly_once::config;
use crate::otter::OtterProcess;
use crate::query::{number, texts};
use crate::random::Random;
use crate::testbed::{self, execute};
use crate::wait::wait_until;

/// What is copied, and what happens meanwhile.
#[derive(Debug, Clone)]
pub struct Plan {
    /// From which kind of server to which.
    pub pairing: (Flavor, Flavor),
    /// Rows in all tables; a fifth of them is in the first one.
    pub rows: u64,
    /// Tables.
    pub tables: u64,
    /// Transactions per second at the source.
    pub rate: u64,
    /// How often `otter-server` is killed while it copies.
    pub kills: u32,
    /// At most so long it lives between two kills.
    pub kill_after: Duration,
    /// What repeats the run.
    pub seed: u64,
}

/// How it went.
#[derive(Debug)]
pub struct Report {
    /// From the first start until all was copied.
    pub copied_in: Duration,
    /// Kills that met a copy at work.
    pub kills: u32,
    /// Transactions at the source meanwhile.
    pub transactions: u64,
    /// How long `verify` took over all tables, under the same load.
    pub verified_in: Duration,
    /// Rows that were equal in the end.
    pub rows: u64,
}

const DEADLINE: Duration = Duration::from_secs(60);
/// The whole copy may take so long.
const COPY_DEADLINE: Duration = Duration::from_secs(3_600);
const SESSIONS: u64 = 4;

/// A kind of key: its columns and the values of the row with a number.
struct Kind {
    columns: &'static str,
    names: &'static [&'static str],
    values: &'static [&'static str],
}

const KINDS: [Kind; 5] = [
    Kind { columns: "a INT", names: &["a"], values: &["{}"] },
    Kind { columns: "a BIGINT UNSIGNED", names: &["a"], values: &["18446744073709551615 - {}"] },
    Kind {
        columns: "a SMALLINT, b INT",
        names: &["a", "b"],
        values: &["{} MOD 100 - 50", "{} DIV 3"],
    },
    Kind {
        columns: "a CHAR(40) CHARACTER SET ascii",
        names: &["a"],
        values: &["LEFT(SHA2({}, 256), 40)"],
    },
    Kind { columns: "a BINARY(16)", names: &["a"], values: &["UNHEX(LEFT(SHA2({}, 256), 32))"] },
];

/// A table of the source.
struct Table {
    name: String,
    kind: &'static Kind,
    rows: u64,
}

impl Table {
    fn all(plan: &Plan) -> Vec<Self> {
        let rest = (plan.rows - plan.rows / 5) / (plan.tables - 1).max(1);
        let rows = |index| if index == 0 { plan.rows / 5 } else { rest };
        (0..plan.tables).map(|index| Self::new("shop", index, rows(index))).collect()
    }

    fn new(database: &str, index: u64, rows: u64) -> Self {
        let kinds = u64::try_from(KINDS.len()).unwrap_or(1);
        let kind = usize::try_from(index % kinds).ok().and_then(|index| KINDS.get(index));
        let kind = kind.expect("one of the kinds");
        Self { name: format!("{database}.t{index}"), kind, rows }
    }

    fn create(&self) -> String {
        let Kind { columns, names, .. } = self.kind;
        format!(
            "CREATE TABLE {} ({columns}, k INT, c CHAR(100), pad VARCHAR(60), PRIMARY KEY ({}), \
             KEY k (k))",
            self.name,
            names.join(", ")
        )
    }

    fn fill(&self) -> String {
        let values: Vec<_> =
            self.kind.values.iter().map(|value| value.replace("{}", "n")).collect();
        format!(
            "INSERT IGNORE INTO {} ({}, k, c, pad) SELECT {}, n MOD 1000, \
             CONCAT(SHA2(n, 256), LEFT(SHA2(n + 1, 256), 30)), CONCAT('first ', n) FROM numbers.number \
             WHERE n < {} ORDER BY n",
            self.name,
            self.kind.names.join(", "),
            values.join(", "),
            self.rows
        )
    }

    fn values(&self, number: u64) -> Vec<String> {
        let values = self.kind.values.iter();
        values.map(|value| value.replace("{}", &number.to_string())).collect()
    }

    fn pairs(&self, number: u64, between: &str) -> String {
        let pairs = self.kind.names.iter().zip(self.values(number));
        let pairs: Vec<_> = pairs.map(|(name, value)| format!("{name} = {value}")).collect();
        pairs.join(between)
    }

    /// A random change of one row, which may be there or not.
    fn change(&self, random: &mut Random) -> String {
        let most = self.rows + self.rows / 5 + 1;
        let (number, other, k) = (random.below(most), random.below(most), random.below(1_000));
        let Self { name, kind, .. } = self;
        let place = self.pairs(number, " AND ");
        match random.below(20) {
            0..5 => format!("DELETE FROM {name} WHERE {place}"),
            5..8 => {
                let moved = self.pairs(other, ", ");
                format!("UPDATE IGNORE {name} SET {moved}, k = {k} WHERE {place}")
            }
            8..14 => format!("UPDATE {name} SET k = {k}, pad = 'changed {other}' WHERE {place}"),
            _ => format!(
                "INSERT IGNORE INTO {name} ({}, k, c, pad) VALUES ({}, {k}, 'new', '{other}')",
                kind.names.join(", "),
                self.values(number).join(", ")
            ),
        }
    }

    /// How many rows there are, and a sum over all values.
    async fn sum(&self, server: &Server) -> Vec<Vec<String>> {
        let names: Vec<_> = self.kind.names.iter().map(|name| format!("HEX({name})")).collect();
        let query = format!(
            "SELECT COUNT(*), SUM(CRC32(CONCAT_WS('#', {}, k, c, pad))) FROM {}",
            names.join(", "),
            self.name
        );
        texts(server, &query).await
    }
}

/// Sessions that change the source until they are stopped.
struct Load {
    stop: Arc<AtomicBool>,
    sessions: Vec<JoinHandle<u64>>,
}

impl Load {
    async fn start(source: &Server, tables: &Arc<Vec<Table>>, plan: &Plan) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let each = Duration::from_micros(1_000_000 * SESSIONS / plan.rate.max(1));
        let mut sessions = Vec::new();
        for session in 0..SESSIONS {
            let connection = source.connect().await.expect("the source takes a session");
            let random = Random::new(plan.seed ^ (session + 1));
            let (tables, stop) = (Arc::clone(tables), Arc::clone(&stop));
            sessions.push(tokio::spawn(write(connection, (random, tables), (each, stop))));
        }
        Self { stop, sessions }
    }

    async fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        let mut transactions = 0;
        for session in self.sessions {
            transactions += session.await.expect("a session writes to its end");
        }
        transactions
    }
}

async fn write(
    mut connection: MySqlConnection,
    (mut random, tables): (Random, Arc<Vec<Table>>),
    (each, stop): (Duration, Arc<AtomicBool>),
) -> u64 {
    let count = u64::try_from(tables.len()).expect("a number of tables");
    let mut transactions = 0;
    let mut turns = tokio::time::interval(each);
    while !stop.load(Ordering::Relaxed) {
        turns.tick().await;
        let mut text = "BEGIN;".to_owned();
        for _ in 0..=random.below(2) {
            let index = usize::try_from(random.below(count)).expect("an index");
            text.push_str(&tables[index].change(&mut random));
            text.push(';');
        }
        text.push_str("COMMIT");
        // Sessions meet deadlocks; what is not done is not done.
        if sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut connection).await.is_err() {
            let undone = sqlx::raw_sql("ROLLBACK").execute(&mut connection).await;
            undone.expect("the source is there");
        }
        transactions += 1;
    }
    transactions
}

/// Carries out a plan, and compares both sides.
///
/// # Panics
/// Where a side differs, a process ends by itself, or the copy does not end.
pub async fn carry_out(plan: &Plan) -> Report {
    println!("plan: {plan:?}");
    let (from, to) = plan.pairing;
    let start =
        |flavor| testbed::server(flavor).source().arg("--innodb-buffer-pool-size=1G").start();
    let (source, target) = tokio::join!(start(from), start(to));
    let mut tables = Table::all(plan);
    let numbers = plan.rows / 5;
    assert!(numbers <= 1_000_000, "the first table has at most 1,000,000 rows");
    execute(&source, &numbers_text(numbers.max(1))).await;
    execute(
        &source,
        "CREATE DATABASE shop CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci; \
         CREATE TABLE shop.last (id INT PRIMARY KEY)",
    )
    .await;
    for table in &tables {
        execute(&source, &format!("{}; {}", table.create(), table.fill())).await;
    }
    println!("{} tables are filled", tables.len());

    let folder = tempfile::tempdir().expect("a temporary folder");
    let text = config(&source, &target, 10_000)
        .replace("start = \"now\"", "initial_copy = true")
        .replace("shop.*\"", "shop.*\" }, { from = \"depot.*\"");
    let shop_only = text.replace(", { from = \"depot.*\" }", "");
    let shared = Arc::new(std::mem::take(&mut tables));
    let load = Load::start(&source, &shared, plan).await;
    let began = Instant::now();
    let mut random = Random::new(plan.seed);
    let mut otter = OtterProcess::run(folder.path(), &shop_only);
    otter.wait_for_log("tables are to be copied", DEADLINE).await;
    let mut kills = 0;
    for _ in 0..plan.kills {
        let below = u64::try_from(plan.kill_after.as_millis()).expect("a time").max(1);
        tokio::time::sleep(Duration::from_millis(200 + random.below(below))).await;
        assert_runs(&mut otter);
        otter.kill9();
        kills += u32::from(!is_finished(&target).await);
        otter = OtterProcess::run(folder.path(), &shop_only);
        otter.wait_for_log("pipeline running", DEADLINE).await;
    }
    wait_until("all tables are copied", COPY_DEADLINE, async || {
        assert_runs(&mut otter);
        is_finished(&target).await
    })
    .await;
    let copied_in = began.elapsed();

    // A database that is mapped later is copied alone, beside the others' changes.
    let added: Vec<Table> = (0..2).map(|index| Table::new("depot", index, numbers / 4)).collect();
    execute(&source, "CREATE DATABASE depot CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci")
        .await;
    for table in &added {
        execute(&source, &format!("{}; {}", table.create(), table.fill())).await;
    }
    assert_eq!(otter.terminate(DEADLINE).await, 0, "{}", otter.log());
    let mut otter = OtterProcess::run(folder.path(), &text);
    let done = "SELECT COUNT(*) FROM otter.`copy` WHERE `database` = 'depot' AND `state` = 'done'";
    wait_until("the added tables are copied", COPY_DEADLINE, async || {
        assert_runs(&mut otter);
        number(&target, done).await == 2
    })
    .await;

    let began = Instant::now();
    let verify = ["verify", "-c", "otter.toml"];
    let ended = OtterProcess::run_to_end(folder.path(), &verify, COPY_DEADLINE).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let verified_in = began.elapsed();

    let transactions = load.stop().await;
    execute(&source, "INSERT INTO shop.last VALUES (1)").await;
    wait_until("the pipeline drains", COPY_DEADLINE, async || {
        assert_runs(&mut otter);
        number(&target, "SELECT COUNT(*) FROM shop.last").await == 1
    })
    .await;
    let mut rows = 0;
    for table in shared.iter().chain(&added) {
        let (ours, theirs) = tokio::join!(table.sum(&source), table.sum(&target));
        assert_eq!(ours, theirs, "{} differs", table.name);
        rows += ours[0][0].parse::<u64>().expect("a number of rows");
    }
    otter.terminate_and_expect_success(DEADLINE).await;
    Report { copied_in, kills, transactions, verified_in, rows }
}

fn assert_runs(otter: &mut OtterProcess) {
    otter.assert_runs();
    let log = otter.log();
    assert!(!log.contains("halted"), "{log}");
}

async fn is_finished(target: &Server) -> bool {
    let there = "SELECT COUNT(*) FROM information_schema.TABLES \
                 WHERE TABLE_SCHEMA = 'otter' AND TABLE_NAME = 'copy'";
    let finished = "SELECT COUNT(*) > 1 AND COUNT(*) = SUM(`state` = 'done') FROM otter.`copy`";
    number(target, there).await == 1 && number(target, finished).await == 1
}

/// The numbers from 0 on.
fn numbers_text(count: u64) -> String {
    let digits: Vec<_> = (0..10).map(|digit| format!("({digit})")).collect();
    format!(
        "CREATE DATABASE numbers; CREATE TABLE numbers.digit (d INT PRIMARY KEY); \
         INSERT INTO numbers.digit VALUES {}; CREATE TABLE numbers.number (n INT PRIMARY KEY); \
         INSERT INTO numbers.number SELECT n FROM (SELECT a.d + b.d * 10 + c.d * 100 + d.d * 1000 + \
         e.d * 10000 + f.d * 100000 AS n FROM numbers.digit a, numbers.digit b, numbers.digit c, \
         numbers.digit d, numbers.digit e, numbers.digit f) every WHERE n < {count} ORDER BY n",
        digits.join(",")
    )
}
