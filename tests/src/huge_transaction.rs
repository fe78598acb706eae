//! One transaction of many rows: it passes in bounded memory, and a reader of the target sees
//! none of it or all of it.

use std::time::{Duration, Instant};

use otter_server::sandbox::{Flavor, Server, ServerOptions};

use crate::comparison;
use crate::exactly_once::config;
use crate::otter::OtterProcess;
use crate::query;

/// What a run saw.
#[derive(Debug)]
pub struct HugeReport {
    /// The greatest resident memory of the process, in KiB.
    pub peak_kib: u64,
    /// Looks at the target while the transaction was on its way.
    pub looks: u64,
}

/// Sends one transaction of `rows` rows (about 200 bytes each) through the pipeline.
///
/// # Panics
/// Where a reader sees a part of the transaction, or it does not arrive.
pub async fn carry_out(flavor: Flavor, rows: u64) -> HugeReport {
    let options = |id| {
        ServerOptions::new(flavor, id)
            .fast()
            .arg("--binlog-row-metadata=FULL")
            .arg("--max-binlog-cache-size=4294967296")
            .arg("--innodb-buffer-pool-size=256M")
    };
    let (source, target) = tokio::join!(Server::start(options(1)), Server::start(options(2)));
    let (source, target) = (source.expect("the source starts"), target.expect("the target starts"));
    for server in [&source, &target] {
        server
            .execute(
                "CREATE DATABASE shop; \
                 CREATE TABLE shop.huge (id BIGINT PRIMARY KEY, note CHAR(180) NOT NULL)",
            )
            .await
            .expect("the table is made");
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut otter = OtterProcess::run(folder.path(), &config(&source, &target, 10_000));
    otter.wait_for_log("pipeline running", Duration::from_secs(60)).await;
    source.execute(&fill_text(rows)).await.expect("the source takes the transaction");

    let began = Instant::now();
    let mut looks = 0;
    loop {
        // READ COMMITTED and REPEATABLE READ alike see committed rows only.
        let seen = query::number(&target, "SELECT COUNT(*) FROM shop.huge").await;
        looks += 1;
        if seen == rows {
            break;
        }
        assert_eq!(seen, 0, "a reader sees all of the transaction or nothing");
        otter.assert_runs();
        assert!(began.elapsed() < Duration::from_secs(600), "the transaction arrives");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let peak_kib = otter.peak_memory_kib();
    println!(
        "{flavor}: {rows} rows in one transaction, {:.1} s, {looks} looks, peak memory {} MiB",
        began.elapsed().as_secs_f64(),
        peak_kib / 1024
    );
    comparison::assert_tables_equal(&source, &target, &["shop.huge"]).await;
    otter.terminate_and_expect_success(Duration::from_secs(30)).await;
    HugeReport { peak_kib, looks }
}

/// One INSERT … SELECT that makes the rows at the server.
fn fill_text(rows: u64) -> String {
    let digit = "(SELECT 0 d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL \
                 SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL \
                 SELECT 8 UNION ALL SELECT 9)";
    format!(
        "INSERT INTO shop.huge SELECT n, RPAD(CONCAT('row ', n, ' '), 180, 'otter') FROM \
         (SELECT a.d + 10*b.d + 100*c.d + 1000*e.d + 10000*f.d + 100000*g.d AS n \
          FROM {digit} a, {digit} b, {digit} c, {digit} e, {digit} f, {digit} g) numbers \
         WHERE n < {rows}"
    )
}
