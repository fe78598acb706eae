//! sysbench through the pipeline: tables made on both sides, then prepare's rows and the
//! `oltp_write_only` run flow through it, and `CHECKSUM TABLE` must agree.

use std::time::{Duration, Instant};

use otter_server::sandbox::{Flavor, Server, ServerOptions};
use tokio::process::Command;

use crate::exactly_once::config;
use crate::otter::OtterProcess;
use crate::query;

/// How much sysbench does.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Tables.
    pub tables: u64,
    /// Rows per table.
    pub rows: u64,
    /// Transactions of `oltp_write_only`.
    pub transactions: u64,
}

/// Runs sysbench at the source and compares the checksums.
///
/// # Panics
/// Where sysbench fails, the pipeline does not drain, or a checksum differs.
pub async fn carry_out(source: Flavor, target: Flavor, load: &Load) {
    println!("sysbench {source} to {target}: {load:?}");
    let options = |flavor, id| {
        ServerOptions::new(flavor, id)
            // sysbench's client library logs in without a password, or not at all without TLS.
            .root_password("")
            .fast()
            .arg("--binlog-row-metadata=FULL")
            .arg("--innodb-buffer-pool-size=256M")
    };
    let (source, target) =
        tokio::join!(Server::start(options(source, 1)), Server::start(options(target, 2)));
    let (source, target) = (source.expect("the source starts"), target.expect("the target starts"));
    for server in [&source, &target] {
        server
            .execute("CREATE DATABASE shop CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
            .await
            .expect("the database is made");
        server
            .execute("CREATE TABLE shop.sentinel (id BIGINT PRIMARY KEY)")
            .await
            .expect("the sentinel is made");
    }
    // sysbench makes its tables together with their rows; its DDL is skipped, so the target needs
    // them beforehand.
    for table in 1..=load.tables {
        target
            .execute(&format!(
                "CREATE TABLE shop.sbtest{table} (id INT NOT NULL AUTO_INCREMENT, \
                 k INT NOT NULL DEFAULT 0, c CHAR(120) NOT NULL DEFAULT '', \
                 pad CHAR(60) NOT NULL DEFAULT '', PRIMARY KEY (id), KEY k_{table} (k))"
            ))
            .await
            .expect("the table is made");
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let text = config(&source, &target, 10_000)
        .replace("start = \"now\"", "start = \"now\"\nddl = \"skip\"");
    let mut otter = OtterProcess::run(folder.path(), &text);
    otter.wait_for_log("pipeline running", Duration::from_secs(60)).await;

    let began = Instant::now();
    sysbench(&source, load, &["prepare"]).await;
    let events = format!("--events={}", load.transactions);
    sysbench(&source, load, &["--time=0", &events, "run"]).await;
    let loaded = began.elapsed();
    source.execute("INSERT INTO shop.sentinel VALUES (1)").await.expect("the sentinel is written");
    while query::number(&target, "SELECT COUNT(*) FROM shop.sentinel").await != 1 {
        otter.assert_runs();
        assert!(began.elapsed() < loaded + Duration::from_secs(600), "the pipeline drains");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!(
        "the source took {:.1} s, the target was done {:.1} s later",
        loaded.as_secs_f64(),
        (began.elapsed() - loaded).as_secs_f64()
    );
    for table in 1..=load.tables {
        let query = format!("CHECKSUM TABLE shop.sbtest{table}");
        let (ours, theirs) =
            tokio::join!(query::last_column(&source, &query), query::last_column(&target, &query));
        assert_eq!(ours, theirs, "{query} agrees");
        println!("{query}: {ours} on both sides");
    }
    otter.terminate_and_expect_success(Duration::from_secs(30)).await;
}

async fn sysbench(source: &Server, load: &Load, arguments: &[&str]) {
    let output = Command::new("sysbench")
        .arg("oltp_write_only")
        .args([
            "--db-driver=mysql",
            "--mysql-host=127.0.0.1",
            "--mysql-user=root",
            "--mysql-db=shop",
        ])
        .arg(format!("--mysql-port={}", source.port()))
        .arg(format!("--tables={}", load.tables))
        .arg(format!("--table-size={}", load.rows))
        .arg("--threads=4")
        .args(arguments)
        .kill_on_drop(true)
        .output()
        .await
        .expect("sysbench is installed");
    assert!(
        output.status.success(),
        "sysbench ends well: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
