//! `scripts/bench decode`: rows decoded per second from memory, one thread, beside other readers
//! of the same binlogs in the same run; and by two threads, and how much is allocated.
//!
//! A server writes four binlogs: sysbench rows, rows of twelve columns of mixed types, sysbench rows
//! with one in each event ("sparse"), and with one in each transaction ("single"). `--rows N` in
//! each of the first two, 2,000 in a transaction (500,000; the others have a fifth of it), `--rounds
//! N` (5). The readers are in `benches/decode`, a package with a lock file of its own; the servers'
//! own tools are started on the same files.
#![allow(
    clippy::large_futures,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "it fails by panicking and reports by printing"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use otter_server::sandbox::{self, Server};
use otter_tests::arguments::Arguments;
use otter_tests::{query, testbed};

const SYSBENCH: &str = "CREATE TABLE bench.rows (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, \
     k INT NOT NULL, c CHAR(120) NOT NULL, pad CHAR(60) NOT NULL)";
const SYSBENCH_ROW: &str = "NULL, FLOOR(RAND() * 1000000), \
     REPEAT(CONCAT(LPAD(FLOOR(RAND() * 1e10), 10, '0'), '-'), 10), \
     REPEAT(CONCAT(LPAD(FLOOR(RAND() * 1e10), 10, '0'), '-'), 5)";
const MIX: &str = "CREATE TABLE bench.rows (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY \
     KEY, a TINYINT, b SMALLINT UNSIGNED, c MEDIUMINT, d DECIMAL(14,2), e DOUBLE, f FLOAT, \
     g DATETIME(3), h TIMESTAMP NOT NULL, i VARCHAR(80), j ENUM('x', 'y', 'z'), k TIME(2))";
const MIX_ROW: &str = "NULL, FLOOR(RAND() * 200) - 100, FLOOR(RAND() * 60000), \
     FLOOR(RAND() * 1e6) - 5e5, RAND() * 1e9 - 5e8, RAND(), RAND(), \
     '2020-01-01' + INTERVAL FLOOR(RAND() * 1e9) SECOND, '2020-01-01', \
     REPEAT('ab', FLOOR(RAND() * 40)), 1 + FLOOR(RAND() * 3), SEC_TO_TIME(RAND() * 80000)";

/// Of the dense binlogs: as many as fit into the usual statement of a dump, more or less.
const ROWS_OF_TRANSACTION: u64 = 2_000;

/// How a table is filled.
#[derive(Clone, Copy)]
enum Filling {
    /// Many rows with each statement.
    Dense,
    /// One row with each statement, and so many statements in a transaction.
    OneByOne(u64),
}

/// The servers' tools, which print rows as text: name, environment variable of their folder, and
/// folder in the cache.
const TOOLS: [(&str, &str, &str); 2] = [
    ("mysqlbinlog", "OTTER_MYSQL_BIN", "mysql"),
    ("mariadb-binlog", "OTTER_MARIADB_BIN", "mariadb"),
];

/// A binlog that was written for this run.
struct Log {
    label: &'static str,
    path: PathBuf,
    rows: u64,
}

#[tokio::main]
async fn main() {
    let arguments = Arguments::from_environment();
    let rows = arguments.number("rows", 500_000);
    let rounds = arguments.number("rounds", 5);
    // Without metadata and GTIDs, which the connector cannot read.
    let mut server = testbed::mysql()
        .arg("--gtid-mode=OFF")
        .arg("--enforce-gtid-consistency=OFF")
        .arg("--max-binlog-size=1G")
        .start()
        .await;
    let logs = [
        log(&server, "sysbench", SYSBENCH, SYSBENCH_ROW, rows, Filling::Dense).await,
        log(&server, "mix", MIX, MIX_ROW, rows, Filling::Dense).await,
        log(&server, "sparse", SYSBENCH, SYSBENCH_ROW, rows / 5, Filling::OneByOne(100)).await,
        log(&server, "single", SYSBENCH, SYSBENCH_ROW, rows / 5, Filling::OneByOne(1)).await,
    ];
    server.stop().await.expect("the server stops");
    let tools = logs.each_ref().map(|log| TOOLS.map(|tool| printed(tool, log, rounds.min(2))));
    let measured = run(&logs, rounds);
    let mut goals = Vec::new();
    for (log, tools) in logs.iter().zip(&tools) {
        report(log, tools, &measured, &mut goals);
    }
    for goal in goals {
        println!("{goal}");
    }
}

/// Fills a table and returns the binlog that this wrote.
async fn log(
    server: &Server,
    label: &'static str,
    table: &str,
    row: &str,
    rows: u64,
    filling: Filling,
) -> Log {
    let setup =
        format!("CREATE DATABASE IF NOT EXISTS bench; DROP TABLE IF EXISTS bench.rows; {table}");
    testbed::execute(server, &setup).await;
    testbed::execute(server, "FLUSH BINARY LOGS").await;
    let logs = query::texts(server, "SHOW BINARY LOGS").await;
    let name = logs.last().and_then(|line| line.first()).expect("a binlog").clone();
    if let Filling::OneByOne(size) = filling {
        testbed::execute(server, "DROP PROCEDURE IF EXISTS bench.fill").await;
        testbed::execute(
            server,
            &format!(
                "CREATE PROCEDURE bench.fill() BEGIN DECLARE n INT DEFAULT 0; START TRANSACTION; \
                 WHILE n < {rows} DO INSERT INTO bench.rows VALUES ({row}); SET n = n + 1; \
                 IF n MOD {size} = 0 THEN COMMIT; START TRANSACTION; END IF; END WHILE; COMMIT; END"
            ),
        )
        .await;
        testbed::execute(server, "CALL bench.fill()").await;
    } else {
        let mut filled = 0;
        while filled < rows {
            let count = ROWS_OF_TRANSACTION.min(rows - filled);
            testbed::execute(
                server,
                &format!(
                    "SET SESSION cte_max_recursion_depth = {count}; INSERT INTO bench.rows \
                 WITH RECURSIVE n AS (SELECT 1 i UNION ALL SELECT i + 1 FROM n WHERE i < {count}) \
                 SELECT {row} FROM n"
                ),
            )
            .await;
            filled += count;
        }
    }
    testbed::execute(server, "FLUSH BINARY LOGS").await;
    Log { label, path: server.data_dir().join(name), rows }
}

/// The best time of a tool; `None` where it is not there or fails.
fn printed(
    (name, variable, cache): (&str, &str, &str),
    log: &Log,
    rounds: u64,
) -> Option<Duration> {
    let folder = std::env::var_os(variable)
        .map_or_else(|| sandbox::cache_folder().join(cache).join("bin"), PathBuf::from);
    let here = folder.join(name);
    let program = if here.is_file() { here } else { PathBuf::from(name) };
    let time = |_| {
        let begin = Instant::now();
        let status = Command::new(&program)
            .args(["-v", "--base64-output=decode-rows"])
            .arg(&log.path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .ok()?;
        status.success().then(|| begin.elapsed())
    };
    (0..rounds).filter_map(time).min()
}

/// Runs the package with the other readers, and counts allocations; the lines are told in its own
/// documentation.
fn run(logs: &[Log], rounds: u64) -> String {
    let rounds = rounds.to_string();
    let measured = run_program("otter-bench-decode", &[&rounds], logs);
    measured + run_program("allocations", &[], logs).as_str()
}

fn run_program(program: &str, arguments: &[&str], logs: &[Log]) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let mut command = Command::new("cargo");
    command.args(["run", "--quiet", "--release", "--locked", "--bin", program, "--manifest-path"]);
    command.arg(root.join("benches/decode/Cargo.toml")).arg("--").args(arguments);
    // Its own folder, so that the workspace's is not built anew.
    command.env("CARGO_TARGET_DIR", root.join("target/bench-decode"));
    command.args(logs.iter().map(|log| format!("{}={}", log.label, log.path.display())));
    let output = command.stderr(Stdio::inherit()).output().expect("cargo is there");
    assert!(output.status.success(), "the readers failed");
    String::from_utf8(output.stdout).expect("text")
}

fn report(log: &Log, tools: &[Option<Duration>], measured: &str, goals: &mut Vec<String>) {
    let fields = |reader: &str| -> Vec<f64> {
        let prefix = format!("{}\t{reader}\t", log.label);
        let line = measured.lines().find_map(|line| line.strip_prefix(prefix.as_str()));
        line.expect("a line").split('\t').map(|field| field.parse().expect("a number")).collect()
    };
    let mut text = format!("{}: {} rows, million rows/s:", log.label, log.rows);
    let rate = |reader: &str| fields(reader)[1];
    for reader in ["otter", "otter-2", "connector", "mysql_common"] {
        let (rate, bytes) = (rate(reader) / 1e6, fields(reader)[2]);
        write!(text, " {reader} {rate:.2} ({bytes:.0} MB/s),").expect("text");
    }
    #[allow(clippy::cast_precision_loss, reason = "it is printed with two digits")]
    let (rows, allocations) = (log.rows as f64, fields("allocations")[1]);
    for ((name, ..), time) in TOOLS.iter().zip(tools) {
        if let Some(time) = time {
            write!(text, " {name} {:.2},", rows / time.as_secs_f64() / 1e6).expect("text");
        }
    }
    println!("{text} {:.3} allocations a row", allocations / rows);
    let ratio = rate("otter") / rate("connector");
    let verdict = |met: bool| if met { "met" } else { "missed" };
    let label = log.label;
    goals.push(format!(
        "goal: decode {label} to the connector {ratio:.2} (target at least 2) {}",
        verdict(ratio >= 2.0)
    ));
    // A transaction has a list of its events; a row has nothing of its own.
    let most = match label {
        "single" => 1.01,
        "sparse" => 0.02,
        _ => 0.01,
    };
    goals.push(format!(
        "goal: decode {label} allocations per row {:.4} (target at most {most}) {}",
        allocations / rows,
        verdict(allocations / rows <= most)
    ));
    let scaled = rate("otter-2") / rate("otter");
    goals.push(format!(
        "goal: decode {label} two threads to one {scaled:.2} (target at least 1.5) {}",
        verdict(scaled >= 1.5)
    ));
}
