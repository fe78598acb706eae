//! `scripts/bench copy`: how long existing rows need to a new, empty target, through `otter-server` with
//! `initial_copy = true`, through `mydumper` and `myloader`, and through `mariadb-dump | mariadb`.
//!
//! One source and one target. The tools take turns, each into a target without the tables, while the
//! source is written at the same rate by sysbench; how fast that load is answered beside each tool is
//! told beside how fast it is without any. `--flavors mariadb,mysql` (mysql has no `mariadb-dump`), `--scale PERCENT` of
//! 1,000,000 rows (100), `--tables N` (4), `--rounds N` (3) of which the best counts, `--rate N`
//! transactions per second at the source (100), `--with "connections = 2"` for lines of the pipeline.
#![allow(
    clippy::large_futures,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "it fails by panicking and reports by printing"
)]

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use otter_server::sandbox::{Flavor, Server, ServerOptions};
use otter_tests::arguments::Arguments;
use otter_tests::exactly_once::plain_config;
use otter_tests::otter::OtterProcess;
use otter_tests::{query, usage};
use tokio::process::{Child, Command};

const DEADLINE: Duration = Duration::from_secs(900);
/// Rows of one INSERT at the source.
const BULK: u64 = 2_500;
/// How long the load runs alone.
const ALONE: Duration = Duration::from_secs(8);
const DIGITS: &str = "REPEAT(CONCAT(LPAD(FLOOR(RAND() * 1e10), 10, '0'), '-')";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    Otter,
    /// Two threads each, the target's binlog on.
    MyDumper,
    Dump,
}

/// One run of a tool.
struct Took {
    time: Duration,
    /// Seconds of processor: the tool, the source and the target.
    cpu: [f64; 3],
    load: Answered,
}

/// How the source answered its load.
#[derive(Clone, Copy)]
struct Answered {
    per_second: f64,
    /// 95 of 100 transactions took at most so many milliseconds.
    p95: f64,
}

#[tokio::main]
async fn main() {
    let arguments = Arguments::from_environment();
    let rounds = arguments.number("rounds", 3);
    let plan = Plan {
        tables: arguments.number("tables", 4),
        rows: 10_000 * arguments.number("scale", 100),
        rate: arguments.number("rate", 100),
        with: arguments.text("with", "").to_owned(),
    };
    let mut goals = Vec::new();
    for name in arguments.text("flavors", "mariadb,mysql").split(',') {
        let flavor: Flavor = name.parse().expect("mariadb or mysql");
        goals.push(measure(flavor, &plan, rounds).await);
    }
    for goal in goals {
        println!("{goal}");
    }
}

/// What is copied, and under which load.
struct Plan {
    tables: u64,
    rows: u64,
    rate: u64,
    /// Further lines of the pipeline.
    with: String,
}

async fn measure(flavor: Flavor, plan: &Plan, rounds: u64) -> String {
    let tools = match flavor {
        Flavor::MariaDb => vec![Tool::Otter, Tool::MyDumper, Tool::Dump],
        Flavor::MySql => vec![Tool::Otter, Tool::MyDumper],
    };
    let bench = Bench::start(flavor, plan).await;
    let alone = bench.load_alone().await;
    println!(
        "{flavor} {}, {} rows in {} tables; the load alone: {}",
        bench.source.version(),
        plan.rows,
        plan.tables,
        alone.text()
    );
    let mut best = [Duration::MAX; 3];
    for round in 0..rounds {
        for (tool, best) in tools.iter().zip(&mut best) {
            let took = bench.run(*tool).await;
            let [own, source, target] = took.cpu;
            println!(
                "round {}: {tool:?} {:.2} s (CPU {own:.2} s, source {source:.2} s, target {target:.2} \
                 s); the load beside it: {}",
                round + 1,
                took.time.as_secs_f64(),
                took.load.text()
            );
            *best = took.time.min(*best);
        }
    }
    let [otter, myloader, dump] = best;
    if dump < Duration::MAX {
        println!("{flavor}: {:.2} times as fast as mariadb-dump", ratio(dump, otter));
    }
    let ratio = ratio(myloader, otter);
    let verdict = if ratio >= 1.0 { "met" } else { "missed" };
    format!("goal: {flavor} copy beside mydumper and myloader {ratio:.2} (target 1.0) {verdict}")
}

fn ratio(theirs: Duration, ours: Duration) -> f64 {
    theirs.as_secs_f64() / ours.as_secs_f64()
}

struct Bench<'p> {
    source: Server,
    target: Server,
    plan: &'p Plan,
}

impl<'p> Bench<'p> {
    async fn start(flavor: Flavor, plan: &'p Plan) -> Self {
        let start = |id| {
            let options = ServerOptions::new(flavor, id)
                // The clients log in without a password.
                .root_password("")
                .fast()
                .arg("--binlog-row-metadata=FULL")
                .arg("--innodb-buffer-pool-size=512M")
                .arg("--innodb-flush-method=O_DIRECT");
            Server::start(options)
        };
        let (source, target) = tokio::join!(start(1), start(2));
        let bench = Self { source: source.unwrap(), target: target.unwrap(), plan };
        bench.source.execute(&tables(plan.tables)).await.expect("the tables are made");
        for table in 1..=plan.tables {
            for _ in 0..plan.rows / plan.tables / BULK {
                let insert = format!(
                    "INSERT INTO shop.sbtest{table} (k, c, pad) SELECT FLOOR(RAND() * {}), {DIGITS}, \
                     10), {DIGITS}, 5) FROM number.number",
                    plan.rows
                );
                bench.source.execute(&insert).await.expect("the source takes the rows");
            }
        }
        bench
    }

    async fn load_alone(&self) -> Answered {
        let load = self.load();
        tokio::time::sleep(ALONE).await;
        answered(load).await
    }

    /// sysbench at the source, until it is ended.
    fn load(&self) -> Child {
        let plan = self.plan;
        Command::new("sysbench")
            .arg("oltp_write_only")
            .args(["--db-driver=mysql", "--mysql-host=127.0.0.1", "--mysql-user=root"])
            .args(["--mysql-db=shop", "--threads=2", "--time=0", "--report-interval=1"])
            .arg(format!("--mysql-port={}", self.source.port()))
            .arg(format!("--tables={}", plan.tables))
            .arg(format!("--table-size={}", plan.rows / plan.tables))
            .arg(format!("--rate={}", plan.rate))
            .arg("run")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("sysbench is installed")
    }

    async fn run(&self, tool: Tool) -> Took {
        self.target.execute("DROP DATABASE IF EXISTS shop").await.expect("the target is emptied");
        let load = self.load();
        let servers = [&self.source, &self.target];
        let before = servers.map(|server| usage::processor_seconds(server.pid().unwrap()));
        let folder = tempfile::tempdir().expect("a temporary folder");
        let begun = Instant::now();
        let (time, own, otter) = match tool {
            Tool::Otter => {
                let lines = format!("start = \"now\"\ninitial_copy = true\n{}", self.plan.with);
                let text = plain_config(&self.source, &self.target, 10_000)
                    .replace("start = \"now\"", &lines);
                let mut otter = OtterProcess::run(folder.path(), &text);
                otter.wait_for_log("all tables are copied", DEADLINE).await;
                // The last rows are on their way when it says so.
                while query::number(&self.target, LEFT).await != 0 {
                    otter.assert_runs();
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                (begun.elapsed(), usage::processor_seconds(otter.id()), Some(otter))
            }
            Tool::MyDumper => {
                self.dump_and_load(folder.path()).await;
                (begun.elapsed(), 0.0, None)
            }
            Tool::Dump => {
                self.pipe().await;
                (begun.elapsed(), 0.0, None)
            }
        };
        let after = servers.map(|server| usage::processor_seconds(server.pid().unwrap()));
        let load = answered(load).await;
        if let Some(otter) = otter {
            self.compare(otter).await;
        }
        let [source, target] = [after[0] - before[0], after[1] - before[1]];
        Took { time, cpu: [own, source, target], load }
    }

    async fn dump_and_load(&self, folder: &Path) {
        let dump = folder.join("dump");
        let dump = dump.to_str().expect("a plain path");
        let dumped = client("mydumper", &self.source)
            .args(["--database", "shop", "--threads", "2", "--outputdir", dump])
            .status();
        assert!(dumped.await.expect("mydumper is installed").success(), "mydumper ends well");
        let loaded = client("myloader", &self.target)
            .args(["--database", "shop", "--threads", "2", "--enable-binlog"])
            .args(["--directory", dump])
            .status();
        assert!(loaded.await.expect("myloader is installed").success(), "myloader ends well");
    }

    async fn pipe(&self) {
        let line = format!(
            "set -o pipefail; mariadb-dump --host 127.0.0.1 --user root --port {} --single-transaction \
             --databases shop | mariadb --host 127.0.0.1 --user root --port {}",
            self.source.port(),
            self.target.port()
        );
        let status = Command::new("bash").args(["-c", &line]).status();
        assert!(status.await.expect("bash runs").success(), "mariadb-dump and mariadb end well");
    }

    /// What was copied under load must be equal to the source in the end.
    async fn compare(&self, mut otter: OtterProcess) {
        let last = "INSERT INTO shop.mark VALUES (NULL)";
        self.source.execute(last).await.expect("the mark is written");
        let marks = "SELECT COUNT(*) FROM shop.mark";
        let wanted = query::number(&self.source, marks).await;
        let begun = Instant::now();
        while query::number(&self.target, marks).await != wanted {
            otter.assert_runs();
            assert!(begun.elapsed() < DEADLINE, "the pipeline drains");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for table in 1..=self.plan.tables {
            let query = format!("CHECKSUM TABLE shop.sbtest{table}");
            let (ours, theirs) = tokio::join!(
                query::last_column(&self.source, &query),
                query::last_column(&self.target, &query)
            );
            assert_eq!(ours, theirs, "{query} agrees");
        }
        otter.terminate_and_expect_success(Duration::from_secs(30)).await;
        self.target.execute("DROP DATABASE otter").await.expect("the checkpoint is forgotten");
    }
}

/// Tables that the target does not hold as a whole yet.
const LEFT: &str = "SELECT COUNT(*) FROM otter.copy WHERE state <> 'done'";

fn client(name: &str, server: &Server) -> Command {
    let mut command = Command::new(name);
    command
        .args(["--host", "127.0.0.1", "--user", "root", "--port", &server.port().to_string()])
        .kill_on_drop(true);
    command
}

/// Ends the load, and reads what it told each second.
async fn answered(mut load: Child) -> Answered {
    load.start_kill().expect("sysbench runs");
    let output = load.wait_with_output().await.expect("its output is read");
    let text = String::from_utf8_lossy(&output.stdout);
    let mut seconds: Vec<(f64, f64)> = text.lines().filter_map(second).collect();
    assert!(!seconds.is_empty(), "sysbench told of its load: {text}");
    let count = u32::try_from(seconds.len()).map_or(1.0, f64::from);
    let per_second = seconds.iter().map(|(tps, _)| tps).sum::<f64>() / count;
    seconds.sort_by(|one, other| one.1.total_cmp(&other.1));
    Answered { per_second, p95: seconds[seconds.len() / 2].1 }
}

/// `[ 3s ] thds: 2 tps: 99.98 qps: … lat (ms,95%): 2.30 err/s: …`
fn second(line: &str) -> Option<(f64, f64)> {
    let value = |name: &str| {
        let (_, rest) = line.split_once(name)?;
        rest.split_whitespace().next()?.parse::<f64>().ok()
    };
    Some((value(" tps: ")?, value("(ms,95%): ")?))
}

impl Answered {
    fn text(&self) -> String {
        format!("{:.0} transactions per second, 95 % within {:.1} ms", self.per_second, self.p95)
    }
}

fn tables(count: u64) -> String {
    let mut text = "CREATE DATABASE number; CREATE TABLE number.number (n INT PRIMARY KEY); \
                    CREATE DATABASE shop CHARACTER SET utf8mb4 COLLATE utf8mb4_bin; USE shop; \
                    CREATE TABLE mark (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY); "
        .to_owned();
    let numbers: Vec<_> = (1..=BULK).map(|number| format!("({number})")).collect();
    text.push_str(&format!("INSERT INTO number.number VALUES {};", numbers.join(",")));
    for table in 1..=count {
        text.push_str(&format!(
            "CREATE TABLE sbtest{table} (id INT NOT NULL AUTO_INCREMENT, \
             k INT NOT NULL DEFAULT 0, c CHAR(120) NOT NULL DEFAULT '', \
             pad CHAR(60) NOT NULL DEFAULT '', PRIMARY KEY (id), KEY k_{table} (k));"
        ));
    }
    text
}
