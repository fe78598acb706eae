//! `scripts/bench statements`: by which statements a server takes many row changes fastest.
//!
//! One server with a binlog, one connection, rows as sysbench makes them, a transaction for each
//! 2,500 changes, as the loader cuts them. `--flavors mariadb,mysql`, `--rows N` (100,000),
//! `--rounds N` (3; the best one counts; the ways take turns).
#![allow(
    clippy::large_futures,
    clippy::wildcard_enum_match_arm,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "it fails by panicking and reports by printing"
)]

use std::fmt::Write;
use std::ops::Range;
use std::time::{Duration, Instant};

use otter_binlog::connection::{Connection, LOCAL_DATA, ParameterRows, ParameterType, Session};
use otter_server::sandbox::{Flavor, Server};
use otter_tests::arguments::Arguments;
use otter_tests::{binlog_text, query, testbed, usage};

/// Changes of one transaction.
const GROUP: u64 = 2_500;
const SET: &str = "k = VALUES(k), c = VALUES(c), pad = VALUES(pad)";

/// How many rows one statement takes.
#[derive(Clone, Copy)]
enum Way {
    /// A statement for each row, many of them in one text.
    Each,
    /// A statement for so many rows.
    Many(u64),
    /// `UPDATE … JOIN` with a derived table of so many rows.
    Joined(u64),
    /// A prepared statement with rows of parameters (MariaDB).
    Bulk,
    /// `LOAD DATA LOCAL`, a whole transaction at once.
    Load,
    /// Row events by `BINLOG`, a whole transaction at once.
    Binlog,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Insert,
    Update,
    Delete,
}

const WAYS: [(Kind, &[Way]); 3] = [
    (
        Kind::Insert,
        &[
            Way::Each,
            Way::Many(50),
            Way::Many(500),
            Way::Many(2_500),
            Way::Bulk,
            Way::Load,
            Way::Binlog,
        ],
    ),
    (Kind::Update, &[Way::Each, Way::Many(500), Way::Joined(500), Way::Bulk, Way::Binlog]),
    (Kind::Delete, &[Way::Each, Way::Many(500), Way::Bulk, Way::Binlog]),
];

#[tokio::main]
async fn main() {
    let arguments = Arguments::from_environment();
    let rows = arguments.number("rows", 100_000).next_multiple_of(GROUP);
    let rounds = arguments.number("rounds", 3);
    for name in arguments.text("flavors", "mariadb,mysql").split(',') {
        let flavor: Flavor = name.parse().expect("mariadb or mysql");
        Bench::start(flavor, rows).await.run(rounds).await;
    }
}

struct Bench {
    flavor: Flavor,
    server: Server,
    rows: u64,
    /// The row events of inserts, updates and deletes, a text for each transaction.
    events: [Vec<String>; 3],
}

impl Bench {
    async fn start(flavor: Flavor, rows: u64) -> Self {
        let server = testbed::server(flavor)
            .source()
            .with(|options| options.arg("--local-infile=ON").arg("--innodb-buffer-pool-size=512M"))
            .start()
            .await;
        testbed::execute(&server, TABLE).await;
        let mut bench = Self { flavor, server, rows, events: Default::default() };
        let mut connection = bench.connect().await;
        for kind in [Kind::Insert, Kind::Update, Kind::Delete] {
            // The log of this work alone.
            testbed::execute(&bench.server, "FLUSH BINARY LOGS").await;
            bench.change(&mut connection, kind, Way::Many(500)).await;
            testbed::execute(&bench.server, "FLUSH BINARY LOGS").await;
            bench.events[kind as usize] = binlog_text::last_but_one(&bench.server).await;
        }
        bench
    }

    async fn connect(&self) -> Connection {
        let url = self.server.url().parse().expect("the server's URL");
        let mut connection =
            Connection::connect_for(&url, Session::Writing).await.expect("the server is reached");
        // A row event's text needs it (error 1782).
        if self.flavor == Flavor::MySql {
            connection.execute("SET gtid_next = 'AUTOMATIC'").await.expect("the default");
        }
        connection
    }

    async fn run(&self, rounds: u64) {
        println!("{} {}, {} rows, best of {rounds}", self.flavor, self.server.version(), self.rows);
        for (kind, ways) in WAYS {
            let mut best = vec![(Duration::MAX, 0.0); ways.len()];
            for _ in 0..rounds {
                for (way, best) in ways.iter().zip(&mut best) {
                    *best = self
                        .measure(kind, *way)
                        .await
                        .into_iter()
                        .fold(*best, |best, now| if now.0 < best.0 { now } else { best });
                }
            }
            for (way, (time, cpu)) in ways.iter().zip(best) {
                if time < Duration::MAX {
                    let seconds = time.as_secs_f64();
                    println!(
                        "{} {}: {seconds:.2} s, the server's CPU {cpu:.2} s",
                        self.flavor,
                        name(kind, *way)
                    );
                }
            }
        }
    }

    /// One way once; `None` where the server has it not.
    async fn measure(&self, kind: Kind, way: Way) -> Option<(Duration, f64)> {
        let mut connection = self.connect().await;
        if matches!(way, Way::Bulk) && !connection.takes_rows() {
            return None;
        }
        testbed::execute(&self.server, "TRUNCATE TABLE shop.sbtest1").await;
        if kind != Kind::Insert {
            self.change(&mut connection, Kind::Insert, Way::Many(500)).await;
        }
        let pid = self.server.pid().expect("it runs");
        let before = usage::processor_seconds(pid);
        let begun = Instant::now();
        self.change(&mut connection, kind, way).await;
        let spent = (begun.elapsed(), usage::processor_seconds(pid) - before);
        let sum = "SELECT COUNT(*), COALESCE(SUM(k), 0) FROM shop.sbtest1";
        let expected = match kind {
            Kind::Insert => (1..=self.rows).map(|id| k(id, 1)).sum::<u64>(),
            Kind::Update => (1..=self.rows).map(|id| k(id, 2)).sum(),
            Kind::Delete => 0,
        };
        let count = if kind == Kind::Delete { 0 } else { self.rows };
        assert_eq!(
            query::texts(&self.server, sum).await,
            [[count.to_string(), expected.to_string()]],
            "{}",
            name(kind, way)
        );
        Some(spent)
    }

    async fn change(&self, connection: &mut Connection, kind: Kind, way: Way) {
        if matches!(way, Way::Binlog) {
            self.replay(connection, kind).await;
            return;
        }
        let prepared = match way {
            Way::Bulk => Some(connection.prepare(prepared_text(kind)).await.expect("a statement")),
            _ => None,
        };
        for group in 0..self.rows / GROUP {
            let ids = group * GROUP + 1..(group + 1) * GROUP + 1;
            connection.execute("BEGIN").await.expect("a transaction");
            match prepared {
                Some(statement) => {
                    let (types, rows) = parameters(kind, ids);
                    connection.execute_rows(statement, types, &rows).await.expect("the rows");
                }
                None => {
                    let (text, data) = texts(kind, way, ids);
                    connection.run(&text, &data, drop).await.expect("the statements");
                }
            }
            connection.execute("COMMIT").await.expect("the end");
        }
    }

    async fn replay(&self, connection: &mut Connection, kind: Kind) {
        let [description, groups @ ..] = self.events[kind as usize].as_slice() else {
            panic!("the log is empty");
        };
        connection.execute(description).await.expect("the format of events");
        if self.flavor == Flavor::MySql {
            connection.execute("SET gtid_next = 'AUTOMATIC'").await.expect("the default");
        }
        for group in groups {
            for text in ["BEGIN", group.as_str(), "COMMIT"] {
                connection.execute(text).await.expect("the events");
            }
        }
    }
}

fn name(kind: Kind, way: Way) -> String {
    let verb = match kind {
        Kind::Insert => "INSERT",
        Kind::Update => "UPDATE",
        Kind::Delete => "DELETE",
    };
    match way {
        Way::Each => format!("{verb} for each row"),
        Way::Many(count) if kind == Kind::Update => {
            format!("INSERT … ON DUPLICATE KEY UPDATE of {count} rows")
        }
        Way::Many(count) => format!("{verb} of {count} rows"),
        Way::Joined(count) => format!("{verb} joined with {count} rows"),
        Way::Bulk => format!("{verb} by bulk execution"),
        Way::Load => "LOAD DATA LOCAL".to_owned(),
        Way::Binlog => format!("{verb} by BINLOG"),
    }
}

/// The indexed column of a row in its first or second version.
fn k(id: u64, version: u64) -> u64 {
    id * 7_919 * version % 1_000_003
}

/// One of the columns of text, as long as sysbench's.
fn digits(id: u64, version: u64, groups: u64) -> String {
    (0..groups).fold(String::new(), |mut text, group| {
        write!(text, "{:010}-", k(id + group, version) * 7_919).expect("into a String");
        text
    })
}

fn values(id: u64, version: u64) -> String {
    format!("{id}, {}, '{}', '{}'", k(id, version), digits(id, version, 10), digits(id, version, 5))
}

fn texts(kind: Kind, way: Way, ids: Range<u64>) -> (String, Vec<String>) {
    let (count, is_joined) = match way {
        Way::Each => (1, false),
        Way::Many(count) => (count, false),
        Way::Joined(count) => (count, true),
        Way::Load => return load(ids),
        Way::Bulk | Way::Binlog => unreachable!("not by text"),
    };
    let mut statements = Vec::new();
    let mut first = ids.start;
    while first < ids.end {
        let some = first..(first + count).min(ids.end);
        first = some.end;
        statements.push(match kind {
            Kind::Insert => {
                format!("INSERT INTO shop.sbtest1 (id, k, c, pad) VALUES {}", list(some, 1))
            }
            Kind::Update if is_joined => joined(some),
            Kind::Update if count == 1 => {
                let id = some.start;
                let (k, c, pad) = (k(id, 2), digits(id, 2, 10), digits(id, 2, 5));
                format!("UPDATE shop.sbtest1 SET k = {k}, c = '{c}', pad = '{pad}' WHERE id = {id}")
            }
            Kind::Update => format!(
                "INSERT INTO shop.sbtest1 (id, k, c, pad) VALUES {} ON DUPLICATE KEY UPDATE {SET}",
                list(some, 2)
            ),
            Kind::Delete => {
                let ids: Vec<_> = some.map(|id| id.to_string()).collect();
                format!("DELETE FROM shop.sbtest1 WHERE id IN ({})", ids.join(", "))
            }
        });
    }
    (statements.join("; "), Vec::new())
}

fn list(ids: Range<u64>, version: u64) -> String {
    ids.map(|id| format!("({})", values(id, version))).collect::<Vec<_>>().join(", ")
}

fn joined(ids: Range<u64>) -> String {
    let rows: Vec<_> = ids
        .map(|id| {
            let (k, c, pad) = (k(id, 2), digits(id, 2, 10), digits(id, 2, 5));
            format!("SELECT {id} AS id, {k} AS k, '{c}' AS c, '{pad}' AS pad")
        })
        .collect();
    format!(
        "UPDATE shop.sbtest1 AS t JOIN ({}) AS v ON t.id = v.id \
         SET t.k = v.k, t.c = v.c, t.pad = v.pad",
        rows.join(" UNION ALL ")
    )
}

fn load(ids: Range<u64>) -> (String, Vec<String>) {
    let lines = ids.fold(String::new(), |mut text, id| {
        let (k, c, pad) = (k(id, 1), digits(id, 1, 10), digits(id, 1, 5));
        writeln!(text, "{id}\t{k}\t{c}\t{pad}").expect("into a String");
        text
    });
    let text =
        format!("LOAD DATA LOCAL INFILE '{LOCAL_DATA}' INTO TABLE shop.sbtest1 (id, k, c, pad)");
    (text, vec![lines])
}

fn prepared_text(kind: Kind) -> &'static str {
    match kind {
        Kind::Insert => "INSERT INTO shop.sbtest1 (k, c, pad, id) VALUES (?, ?, ?, ?)",
        Kind::Update => "UPDATE shop.sbtest1 SET k = ?, c = ?, pad = ? WHERE id = ?",
        Kind::Delete => "DELETE FROM shop.sbtest1 WHERE id = ?",
    }
}

fn parameters(kind: Kind, ids: Range<u64>) -> (&'static [ParameterType], ParameterRows) {
    use ParameterType::{Int, Text};
    let mut rows = ParameterRows::default();
    let version = if kind == Kind::Update { 2 } else { 1 };
    for id in ids {
        if kind != Kind::Delete {
            rows.push_bits(k(id, version));
            rows.push_bytes(digits(id, version, 10).as_bytes());
            rows.push_bytes(digits(id, version, 5).as_bytes());
        }
        rows.push_bits(id);
    }
    (if kind == Kind::Delete { &[Int] } else { &[Int, Text, Text, Int] }, rows)
}

const TABLE: &str = "CREATE DATABASE shop CHARACTER SET utf8mb4 COLLATE utf8mb4_bin; \
    CREATE TABLE shop.sbtest1 (id INT NOT NULL AUTO_INCREMENT, k INT NOT NULL DEFAULT 0, \
    c CHAR(120) NOT NULL DEFAULT '', pad CHAR(60) NOT NULL DEFAULT '', PRIMARY KEY (id), \
    KEY k_1 (k))";
