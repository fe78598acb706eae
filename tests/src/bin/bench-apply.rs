//! `scripts/bench apply`: how long a target that has fallen behind needs to catch up, through
//! `otter-server` and through the server's own replication.
//!
//! One source, one target for Otter and one for each setting of native replication, all alike. Each
//! workload is written at the source while nothing follows; then one side after the other catches up
//! alone. `--flavors mariadb,mysql`, `--scale PERCENT` of the rows and transactions (100),
//! `--durable yes` for servers that wait for their disk at each commit (no),
//! `--workloads bulk,oltp,…` (all), `--connections N` of Otter to its target (its default),
//! `--mode strict|fast` of Otter (strict).
#![allow(
    clippy::large_futures,
    clippy::wildcard_enum_match_arm,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "it fails by panicking and reports by printing"
)]

use std::time::{Duration, Instant};

use otter_server::sandbox::{Flavor, Server, ServerOptions};
use otter_tests::arguments::Arguments;
use otter_tests::exactly_once::plain_config;
use otter_tests::otter::OtterProcess;
use otter_tests::{query, replication, usage};
use sqlx::{AssertSqlSafe, Executor, raw_sql};
use tokio::process::Command;

const TABLES: u64 = 4;
const MANY_TABLES: u64 = 64;
const DEADLINE: Duration = Duration::from_secs(1_800);
/// Rows of one INSERT of the bulk workload, as many as sysbench takes.
const BULK: u64 = 2_500;
const DIGITS: &str = "REPEAT(CONCAT(LPAD(FLOOR(RAND() * 1e10), 10, '0'), '-')";

/// What is written at the source, and the ratio to native that it aims at.
struct Workload {
    name: &'static str,
    /// MariaDB, MySQL.
    goals: [Option<f64>; 2],
}

const WORKLOADS: [Workload; 7] = [
    Workload { name: "bulk", goals: [Some(1.0), Some(1.5)] },
    Workload { name: "oltp", goals: [Some(1.5), Some(3.0)] },
    Workload { name: "update-index", goals: [None, None] },
    Workload { name: "update-plain", goals: [None, None] },
    Workload { name: "hot-rows", goals: [None, None] },
    Workload { name: "rows-of-10k", goals: [None, None] },
    Workload { name: "64-tables", goals: [None, None] },
];

#[tokio::main]
async fn main() {
    let arguments = Arguments::from_environment();
    let scale = arguments.number("scale", 100);
    let is_durable = arguments.text("durable", "no") == "yes";
    let all = WORKLOADS.map(|workload| workload.name).join(",");
    let wanted: Vec<&str> = arguments.text("workloads", &all).split(',').collect();
    let mut goals = Vec::new();
    for name in arguments.text("flavors", "mariadb,mysql").split(',') {
        let flavor: Flavor = name.parse().expect("mariadb or mysql");
        let mut settings = format!("mode = \"{}\"", arguments.text("mode", "strict"));
        let connections = arguments.text("connections", "");
        if !connections.is_empty() {
            settings.push_str(&format!("\nconnections = {connections}"));
        }
        let bench = Bench::start(flavor, is_durable, scale, &settings).await;
        for workload in WORKLOADS.iter().filter(|workload| wanted.contains(&workload.name)) {
            goals.extend(bench.run(workload).await);
        }
        bench.compare().await;
    }
    for goal in goals {
        println!("{goal}");
    }
}

/// Native replication with so many workers.
struct Native {
    server: Server,
    workers: u32,
}

struct Bench {
    flavor: Flavor,
    source: Server,
    target: Server,
    natives: Vec<Native>,
    folder: tempfile::TempDir,
    scale: u64,
}

impl Bench {
    async fn start(flavor: Flavor, is_durable: bool, scale: u64, settings: &str) -> Self {
        let start = |id| async move {
            let mut options = ServerOptions::new(flavor, id)
                .root_password("")
                .arg("--binlog-row-metadata=FULL")
                .arg("--innodb-buffer-pool-size=512M")
                .arg("--innodb-flush-method=O_DIRECT");
            if !is_durable {
                options = options.fast();
            }
            Server::start(options).await.expect("the server starts")
        };
        let workers_of = if flavor == Flavor::MySql { [1, 4] } else { [0, 4] };
        let (source, target) = tokio::join!(start(1), start(2));
        let mut natives = Vec::new();
        for (id, workers) in (3..).zip(workers_of) {
            natives.push(Native { server: start(id).await, workers });
        }
        println!("{flavor} {}, durable: {is_durable}, scale {scale} %", source.version());
        let bench = Self {
            flavor,
            source,
            target,
            natives,
            folder: tempfile::tempdir().expect("a temporary folder"),
            scale,
        };
        for native in &bench.natives {
            let settings = match flavor {
                Flavor::MySql => {
                    format!("SET GLOBAL replica_parallel_workers = {}", native.workers)
                }
                Flavor::MariaDb => format!(
                    "SET GLOBAL slave_parallel_threads = {}, GLOBAL slave_parallel_mode = \
                     'optimistic'",
                    native.workers
                ),
            };
            native.server.execute(&settings).await.expect("it takes the setting");
            replication::follow(&native.server, &bench.source).await;
            native.pause(flavor).await;
        }
        for server in [&bench.source, &bench.target] {
            server.execute(&tables()).await.expect("the tables are made");
        }
        println!("{settings}");
        let settings = format!("start = \"now\"\nddl = \"skip\"\n{settings}");
        let text = plain_config(&bench.source, &bench.target, 10_000)
            .replace("start = \"now\"", &settings);
        let mut otter = OtterProcess::run(bench.folder.path(), &text);
        otter.wait_for_log("pipeline running", Duration::from_secs(60)).await;
        otter.terminate_and_expect_success(Duration::from_secs(30)).await;
        let mark = bench.mark("begin").await;
        for native in &bench.natives {
            native.catch_up(flavor, &mark).await;
        }
        bench.catch_up(&mark).await;
        bench
    }

    /// Writes a row that tells when everything before it has arrived.
    async fn mark(&self, name: &str) -> String {
        let insert = format!("INSERT INTO shop.mark VALUES ('{name}')");
        self.source.execute(&insert).await.expect("the mark is written");
        name.to_owned()
    }

    async fn run(&self, workload: &Workload) -> Option<String> {
        self.provide_rows(workload.name).await;
        let begun = Instant::now();
        let changes = self.write(workload.name).await;
        let written = begun.elapsed();
        let mark = self.mark(workload.name).await;
        let mut best = Duration::MAX;
        let mut natives = Vec::new();
        for native in &self.natives {
            let (time, cpu) = native.catch_up(self.flavor, &mark).await;
            best = best.min(time);
            let seconds = time.as_secs_f64();
            natives.push(format!("native with {} {seconds:.2} s (CPU {cpu:.2} s)", native.workers));
        }
        let Caught { time, cpu, memory, target } = self.catch_up(&mark).await;
        let ratio = best.as_secs_f64() / time.as_secs_f64();
        println!(
            "{} {}: written in {:.1} s; otter {:.2} s ({} changes/s, its own CPU {cpu:.2} s, peak \
             {memory} MiB, the target's CPU {target:.2} s), {}; ratio {ratio:.2}",
            self.flavor,
            workload.name,
            written.as_secs_f64(),
            time.as_secs_f64(),
            per_second(changes, time),
            natives.join(", "),
        );
        let goal = workload.goals[usize::from(self.flavor == Flavor::MySql)]?;
        let verdict = if ratio >= goal { "met" } else { "missed" };
        let name = workload.name;
        Some(format!("goal: {} {name} {ratio:.2} (target {goal}) {verdict}", self.flavor))
    }

    /// Rows for a workload that changes such as are there, where none came before it.
    async fn provide_rows(&self, workload: &str) {
        let is_empty = "SELECT COUNT(*) FROM (SELECT 1 FROM shop.sbtest1 LIMIT 1) AS one";
        if ["bulk", "rows-of-10k"].contains(&workload)
            || query::number(&self.source, is_empty).await > 0
        {
            return;
        }
        self.write("bulk").await;
        let mark = self.mark(&format!("rows for {workload}")).await;
        for native in &self.natives {
            native.catch_up(self.flavor, &mark).await;
        }
        self.catch_up(&mark).await;
    }

    /// Lets Otter catch up, from the start of its process.
    async fn catch_up(&self, mark: &str) -> Caught {
        let target = self.target.pid().expect("it runs");
        let before = usage::processor_seconds(target);
        let begun = Instant::now();
        let mut otter = OtterProcess::start(self.folder.path(), &["run"]);
        wait_for(&self.target, mark, || otter.assert_runs()).await;
        let time = begun.elapsed();
        let (cpu, memory) = (usage::processor_seconds(otter.id()), otter.peak_memory_kib() / 1_024);
        let after = usage::processor_seconds(target);
        otter.terminate_and_expect_success(Duration::from_secs(30)).await;
        Caught { time, cpu, memory, target: after - before }
    }

    /// Writes a workload; returns the number of row changes.
    async fn write(&self, name: &str) -> u64 {
        let scaled = |count: u64| (count * self.scale / 100).max(BULK);
        let rows = (scaled(1_000_000) / TABLES).next_multiple_of(BULK);
        match name {
            "bulk" => {
                for table in 1..=TABLES {
                    self.fill(&format!("shop.sbtest{table}"), rows).await;
                }
                rows * TABLES
            }
            "oltp" => {
                let events = scaled(100_000);
                self.sysbench("oltp_write_only", TABLES, rows, events).await;
                events * 4
            }
            "update-index" => {
                let events = scaled(100_000);
                self.sysbench("oltp_update_index", TABLES, rows, events).await;
                events
            }
            "update-plain" => {
                let events = scaled(100_000);
                self.sysbench("oltp_update_non_index", TABLES, rows, events).await;
                events
            }
            "hot-rows" => {
                let events = scaled(100_000);
                self.sysbench("oltp_update_non_index", 1, 10, events).await;
                events
            }
            "rows-of-10k" => {
                let count = scaled(20_000).next_multiple_of(100);
                for _ in 0..count / 100 {
                    let insert = format!(
                        "INSERT INTO shop.big (v) SELECT {DIGITS}, 930) FROM shop.number WHERE n <= 100"
                    );
                    self.source.execute(&insert).await.expect("the source takes the rows");
                }
                count
            }
            "64-tables" => {
                for table in TABLES + 1..=MANY_TABLES {
                    self.fill(&format!("shop.sbtest{table}"), BULK).await;
                }
                let events = scaled(50_000);
                self.sysbench("oltp_write_only", MANY_TABLES, BULK, events).await;
                events * 4 + (MANY_TABLES - TABLES) * BULK
            }
            other => panic!("there is no workload {other}"),
        }
    }

    /// Rows as sysbench makes them, in INSERTs of its size.
    async fn fill(&self, table: &str, rows: u64) {
        for _ in 0..rows / BULK {
            let insert = format!(
                "INSERT INTO {table} (k, c, pad) SELECT FLOOR(RAND() * {rows}), {DIGITS}, 10), \
                 {DIGITS}, 5) FROM shop.number"
            );
            self.source.execute(&insert).await.expect("the source takes the rows");
        }
    }

    async fn sysbench(&self, script: &str, tables: u64, rows: u64, events: u64) {
        let output = Command::new("sysbench")
            .arg(script)
            .args(["--db-driver=mysql", "--mysql-host=127.0.0.1", "--mysql-user=root"])
            .args(["--mysql-db=shop", "--threads=4", "--time=0"])
            .arg(format!("--mysql-port={}", self.source.port()))
            .arg(format!("--tables={tables}"))
            .arg(format!("--table-size={rows}"))
            .arg(format!("--events={events}"))
            .arg("run")
            .kill_on_drop(true)
            .output()
            .await
            .expect("sysbench is installed");
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "sysbench ends well: {told}");
    }

    /// Both sides must be equal, or the times mean nothing.
    async fn compare(&self) {
        let names = (1..=MANY_TABLES).map(|table| format!("sbtest{table}"));
        for table in names.chain(["big".to_owned()]) {
            let query = format!("CHECKSUM TABLE shop.{table}");
            let (ours, theirs) = tokio::join!(
                query::last_column(&self.source, &query),
                query::last_column(&self.target, &query)
            );
            assert_eq!(ours, theirs, "{query} agrees");
        }
        println!("{}: CHECKSUM TABLE agrees for all tables", self.flavor);
    }
}

impl Native {
    async fn pause(&self, flavor: Flavor) {
        let stop = if flavor == Flavor::MySql { "STOP REPLICA" } else { "STOP SLAVE" };
        self.server.execute(stop).await.expect("the replica stops");
    }

    /// The time, and the seconds of the server's processor.
    async fn catch_up(&self, flavor: Flavor, mark: &str) -> (Duration, f64) {
        let server = self.server.pid().expect("it runs");
        let before = usage::processor_seconds(server);
        let begun = Instant::now();
        let start = if flavor == Flavor::MySql { "START REPLICA" } else { "START SLAVE" };
        self.server.execute(start).await.expect("the replica starts");
        wait_for(&self.server, mark, || ()).await;
        let time = begun.elapsed();
        let after = usage::processor_seconds(server);
        self.pause(flavor).await;
        (time, after - before)
    }
}

struct Caught {
    time: Duration,
    /// Seconds of the process.
    cpu: f64,
    /// MiB at most.
    memory: u64,
    /// Seconds of the target's processor meanwhile.
    target: f64,
}

async fn wait_for(server: &Server, mark: &str, mut check: impl FnMut()) {
    let begun = Instant::now();
    let mut connection = server.connect().await.expect("the target is reached");
    let query = format!("SELECT name FROM shop.mark WHERE name = '{mark}'");
    loop {
        // At the beginning the table itself may not have arrived.
        let rows = connection.fetch_all(raw_sql(AssertSqlSafe(query.clone()))).await;
        if rows.is_ok_and(|rows| !rows.is_empty()) {
            return;
        }
        check();
        assert!(begun.elapsed() < DEADLINE, "{mark} arrives");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn tables() -> String {
    let mut text = "CREATE DATABASE shop CHARACTER SET utf8mb4 COLLATE utf8mb4_bin; USE shop; \
                    CREATE TABLE mark (name VARCHAR(40) PRIMARY KEY); \
                    CREATE TABLE big (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, v TEXT); \
                    CREATE TABLE number (n INT PRIMARY KEY); "
        .to_owned();
    let numbers: Vec<_> = (1..=BULK).map(|number| format!("({number})")).collect();
    text.push_str(&format!("INSERT INTO number VALUES {};", numbers.join(",")));
    for table in 1..=MANY_TABLES {
        text.push_str(&format!(
            "CREATE TABLE sbtest{table} (id INT NOT NULL AUTO_INCREMENT, \
             k INT NOT NULL DEFAULT 0, c CHAR(120) NOT NULL DEFAULT '', \
             pad CHAR(60) NOT NULL DEFAULT '', PRIMARY KEY (id), KEY k_{table} (k));"
        ));
    }
    text
}

fn per_second(count: u64, time: Duration) -> u64 {
    u128::from(count)
        .saturating_mul(1_000)
        .checked_div(time.as_millis())
        .and_then(|rate| u64::try_from(rate).ok())
        .unwrap_or_default()
}
