//! Every example runs.
#![allow(
    clippy::large_futures,
    clippy::wildcard_enum_match_arm,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking and reports by printing"
)]

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use otter_server::sandbox::Flavor;
use otter_tests::signals::{self, Signal};
use otter_tests::{query, testbed, wait};
use tokio::process::Command;

/// Where cargo puts an example: beside the folder of the test programs.
fn example(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("this program has a path");
    let folder = own.ancestors().nth(2).expect("tests are built in target/PROFILE/deps");
    let program = folder.join("examples").join(name);
    assert!(
        program.is_file(),
        "{} is built: cargo build --workspace --all-targets",
        program.display()
    );
    program
}

#[tokio::test(flavor = "multi_thread")]
async fn embedded_copies_a_database_until_it_is_interrupted() {
    let (source, target) = testbed::start_pair((Flavor::MariaDb, Flavor::MySql)).await;
    for server in [&source, &target] {
        let tables = "CREATE DATABASE shop; CREATE TABLE shop.item (id INT PRIMARY KEY, name TEXT); \
                      CREATE TABLE shop.tmp_scratch (id INT PRIMARY KEY)";
        testbed::execute(server, tables).await;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let embedded = Command::new(example("embedded"))
        .args([source.url(), target.url(), "shop".to_owned()])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the example starts");
    // It starts "now", which is when its checkpoint is there.
    wait::wait_until("the checkpoint is there", Duration::from_secs(30), async || {
        let tables = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'otter' AND table_name = 'checkpoint'";
        query::number(&target, tables).await == 1
            && query::number(&target, "SELECT COUNT(*) FROM otter.checkpoint WHERE resume_from IS NOT NULL").await == 1
    })
    .await;
    testbed::execute(
        &source,
        "INSERT INTO shop.tmp_scratch VALUES (1); INSERT INTO shop.item VALUES (1, 'otter')",
    )
    .await;
    wait::wait_until("the row arrives", Duration::from_secs(30), async || {
        query::number(&target, "SELECT COUNT(*) FROM shop.item").await == 1
    })
    .await;
    assert_eq!(query::number(&target, "SELECT COUNT(*) FROM shop.tmp_scratch").await, 0);

    signals::send(embedded.id().expect("it runs"), Signal::INT);
    let output = tokio::time::timeout(Duration::from_secs(20), embedded.wait_with_output())
        .await
        .expect("it ends when it is interrupted")
        .expect("it can be waited for");
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("1 rows, now at "));
}

/// That it is an arbiter is what the suite at its end tests.
#[tokio::test]
async fn own_arbiter_lets_one_worker_run_and_then_another() {
    let output = Command::new(example("own_arbiter")).output().await.expect("the example runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "shop is run by one (term 1)\nthen by other under term 2\n"
    );
}

#[tokio::test]
async fn read_files_counts_the_changes_of_its_recorded_files() {
    let output = Command::new(example("read_files")).output().await.expect("the example runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "8 transactions\n\
         shop.customer: 4 inserted, 0 updated, 0 deleted\n\
         shop.item: 3 inserted, 1 updated, 1 deleted\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn follow_prints_transactions_of_a_live_server() {
    let server = testbed::mysql().source().start().await;
    testbed::execute(&server, "CREATE DATABASE shop; CREATE TABLE shop.item (id INT PRIMARY KEY)")
        .await;
    testbed::execute(&server, "INSERT INTO shop.item VALUES (1), (2)").await;
    let follow = Command::new(example("follow"))
        .args([&server.url(), "earliest", "3"])
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_secs(30), follow)
        .await
        .expect("it ends after three transactions")
        .expect("the example runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.ends_with("  2 rows of shop.item\n"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn follow_goes_on_where_it_has_stopped() {
    let server = testbed::mariadb().source().start().await;
    testbed::execute(&server, "CREATE DATABASE shop; CREATE TABLE shop.item (id INT PRIMARY KEY)")
        .await;
    for id in 1..5 {
        testbed::execute(&server, &format!("INSERT INTO shop.item VALUES ({id})")).await;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let state = folder.path().join("state");
    let mut told = String::new();
    for count in ["3", "1", "2"] {
        let follow = Command::new(example("follow"))
            .args([&server.url(), "earliest", count])
            .arg(&state)
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(Duration::from_secs(30), follow)
            .await
            .expect("it ends")
            .expect("the example runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        told.push_str(&String::from_utf8_lossy(&output.stdout));
    }
    assert_eq!(told.matches("  1 rows of shop.item").count(), 4, "{told}");
    assert_eq!(told.matches("CREATE").count(), 2, "{told}");
}
