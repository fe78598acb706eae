//! One huge transaction: it passes in bounded memory, and a reader of the target sees none of it or
//! all of it, also where the process is killed while it is written.

use std::time::{Duration, Instant};

use otter_server::sandbox::{Flavor, Server, ServerOptions};

use crate::comparison;
use crate::exactly_once::config;
use crate::otter::OtterProcess;
use crate::query;
use crate::wait::wait_until;

/// Rows that the one-row updates go round.
const COUNTERS: u64 = 100_000;
/// Long enough for gigabytes on a slow disk.
const DEADLINE: Duration = Duration::from_secs(3_600);

/// What a transaction does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Huge {
    /// So many new rows of about 200 bytes, by one statement.
    Rows(u64),
    /// So many new rows of 10 KB.
    Wide(u64),
    /// So many statements that update one row each.
    Updates(u64),
}

/// What a run saw.
#[derive(Debug)]
pub struct HugeReport {
    /// The greatest resident memory of the processes, in KiB.
    pub peak_kib: u64,
    /// Looks at the target while the transaction was on its way.
    pub looks: u64,
    /// How long it took to arrive, all starts together.
    pub elapsed: Duration,
}

/// Sends one transaction through the pipeline. With `kill`, the process is killed once the target
/// has half of it in an open transaction, and started again.
///
/// # Panics
/// Where a reader sees a part of the transaction, or it does not arrive.
pub async fn carry_out(flavor: Flavor, huge: Huge, kill: bool) -> HugeReport {
    let (source, target) = start(flavor).await;
    for server in [&source, &target] {
        server.execute(huge.tables()).await.expect("the tables are made");
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = config(&source, &target, 10_000);
    let mut otter = OtterProcess::run(folder.path(), &config);
    otter.wait_for_log("pipeline running", Duration::from_secs(60)).await;
    source.execute(&huge.prepare()).await.expect("the source takes what is needed");
    let rows = "SELECT COUNT(*) FROM shop.huge";
    let prepared = query::number(&source, rows).await;
    wait_until("the target is prepared", DEADLINE, async || {
        query::number(&target, rows).await == prepared
    })
    .await;
    let writing = Instant::now();
    source.execute(&huge.write()).await.expect("the source takes the transaction");
    println!("{flavor}: {huge:?} written in {:.1} s", writing.elapsed().as_secs_f64());

    let began = Instant::now();
    let (mut looks, mut peak_kib, mut is_to_be_killed) = (0, 0, kill);
    loop {
        // READ COMMITTED and REPEATABLE READ alike see committed rows only.
        let seen = query::number(&target, huge.look()).await;
        looks += 1;
        otter.assert_runs();
        peak_kib = peak_kib.max(otter.peak_memory_kib());
        if seen == huge.count() {
            break;
        }
        assert_eq!(seen, 0, "a reader sees all of the transaction or nothing");
        assert!(began.elapsed() < DEADLINE, "the transaction arrives");
        if is_to_be_killed && query::number(&target, MODIFIED).await > huge.middle() {
            otter.kill9();
            println!("{flavor}: killed after {:.1} s", began.elapsed().as_secs_f64());
            otter = OtterProcess::run(folder.path(), &config);
            is_to_be_killed = false;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(!is_to_be_killed, "the process was to be killed in the midst, and was not");
    let elapsed = began.elapsed();
    println!(
        "{flavor}: {huge:?} in one transaction, {:.1} s, {looks} looks, peak memory {} MiB",
        elapsed.as_secs_f64(),
        peak_kib / 1024
    );
    comparison::assert_tables_equal(&source, &target, &["shop.huge"]).await;
    otter.terminate_and_expect_success(Duration::from_secs(60)).await;
    HugeReport { peak_kib, looks, elapsed }
}

/// How many rows the largest open transaction has changed.
const MODIFIED: &str = "SELECT CAST(COALESCE(MAX(trx_rows_modified), 0) AS UNSIGNED) FROM information_schema.innodb_trx";

async fn start(flavor: Flavor) -> (Server, Server) {
    let options = |id| {
        ServerOptions::new(flavor, id)
            .fast()
            .arg("--binlog-row-metadata=FULL")
            .arg("--max-binlog-cache-size=8589934592")
            .arg("--innodb-buffer-pool-size=256M")
    };
    let (source, target) = tokio::join!(Server::start(options(1)), Server::start(options(2)));
    (source.expect("the source starts"), target.expect("the target starts"))
}

impl Huge {
    fn count(self) -> u64 {
        match self {
            Self::Rows(count) | Self::Wide(count) | Self::Updates(count) => count,
        }
    }

    /// So many changed rows are in the midst of it; changes to one row may become one.
    fn middle(self) -> u64 {
        match self {
            Self::Rows(count) | Self::Wide(count) => count / 3,
            Self::Updates(count) => count.min(COUNTERS * 10) / 2,
        }
    }

    fn tables(self) -> &'static str {
        match self {
            Self::Rows(_) => {
                "CREATE DATABASE shop; \
                 CREATE TABLE shop.huge (id BIGINT PRIMARY KEY, note CHAR(180) NOT NULL)"
            }
            Self::Wide(_) => {
                "CREATE DATABASE shop; \
                 CREATE TABLE shop.huge (id BIGINT PRIMARY KEY, note MEDIUMTEXT NOT NULL)"
            }
            Self::Updates(_) => {
                "CREATE DATABASE shop; \
                 CREATE TABLE shop.huge (id BIGINT PRIMARY KEY, n BIGINT NOT NULL)"
            }
        }
    }

    /// What must be there before.
    fn prepare(self) -> String {
        match self {
            Self::Rows(_) | Self::Wide(_) => "SELECT 1".to_owned(),
            Self::Updates(_) => {
                let rows = numbers(COUNTERS);
                format!(
                    "INSERT INTO shop.huge SELECT n, 0 FROM {rows}; \
                     CREATE PROCEDURE shop.work(wanted BIGINT) BEGIN \
                     DECLARE i BIGINT DEFAULT 0; START TRANSACTION; WHILE i < wanted DO \
                     UPDATE shop.huge SET n = n + 1 WHERE id = i % {COUNTERS}; \
                     SET i = i + 1; END WHILE; COMMIT; END"
                )
            }
        }
    }

    fn write(self) -> String {
        match self {
            Self::Rows(count) => format!(
                "INSERT INTO shop.huge SELECT n, RPAD(CONCAT('row ', n, ' '), 180, 'otter') \
                 FROM {}",
                numbers(count)
            ),
            Self::Wide(count) => format!(
                "INSERT INTO shop.huge SELECT n, RPAD(CONCAT('row ', n, ' '), 10000, HEX(n)) \
                 FROM {}",
                numbers(count)
            ),
            Self::Updates(count) => format!("CALL shop.work({count})"),
        }
    }

    /// How much of the transaction is there.
    fn look(self) -> &'static str {
        match self {
            Self::Rows(_) | Self::Wide(_) => "SELECT COUNT(*) FROM shop.huge",
            Self::Updates(_) => "SELECT CAST(COALESCE(SUM(n), 0) AS UNSIGNED) FROM shop.huge",
        }
    }
}

/// The numbers from 0, as a table `numbers` with a column `n` that the server makes.
fn numbers(count: u64) -> String {
    assert!(count <= 1_000_000, "{count} rows: a million at most");
    let digit = "(SELECT 0 d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL \
                 SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL \
                 SELECT 8 UNION ALL SELECT 9)";
    format!(
        "(SELECT a.d + 10*b.d + 100*c.d + 1000*e.d + 10000*f.d + 100000*g.d AS n \
          FROM {digit} a, {digit} b, {digit} c, {digit} e, {digit} f, {digit} g) numbers \
         WHERE n < {count}"
    )
}
