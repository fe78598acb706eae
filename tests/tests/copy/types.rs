//! Every type: copied rows and streamed rows are the same.

use std::fmt::Write as _;

use otter_server::sandbox::Flavor;
use otter_tests::comparison::assert_tables_equal;
use otter_tests::scene::DEADLINE;
use otter_tests::testbed::{PAIRINGS, execute};
use otter_tests::types::{self, SQL_MODE};

use crate::shelf::{drain, shelf, wait_for_copy};

async fn copies_every_type(pairing: (Flavor, Flavor)) {
    let (source, target) = pairing;
    let cases = if source == target { types::cases(source) } else { types::COMMON.to_vec() };
    let scene = shelf(pairing).await;
    let mut tables = String::new();
    let mut rows = String::new();
    let mut later = String::new();
    for (index, (column_type, _, values)) in cases.iter().enumerate() {
        let _ = write!(
            tables,
            "CREATE TABLE store.v{index} (id INT PRIMARY KEY, w INT, v {column_type});"
        );
        for (number, value) in values.iter().enumerate() {
            let (first, second) = (number, 1_000 + number);
            let _ = write!(rows, "INSERT INTO store.v{index} (id, v) VALUES ({first}, {value});");
            let _ = write!(later, "INSERT INTO store.v{index} (id, v) VALUES ({second}, {value});");
        }
        if *values != ["DEFAULT"] {
            let _ = write!(rows, "INSERT INTO store.v{index} (id, v) VALUES (500, NULL);");
        }
        let _ = write!(later, "UPDATE store.v{index} SET w = 7 WHERE id = 0;");
    }
    let sentinel = "CREATE TABLE store.sentinel (id INT PRIMARY KEY)";
    execute(&scene.source, &format!("{SQL_MODE}; SET NAMES utf8mb4; {tables}{rows}{sentinel}"))
        .await;
    if source != target {
        // The definitions of one kind of server are not always those of the other.
        let mode = format!("{SQL_MODE}; CREATE DATABASE store CHARACTER SET utf8mb4;");
        let tables = tables.replace("v VARCHAR(1000) COMPRESSED", "v VARCHAR(1000)");
        execute(&scene.target, &format!("{mode}{tables}{sentinel}")).await;
    }
    let mut otter = scene.run().await;
    wait_for_copy(&scene, &otter).await;
    let names: Vec<String> = (0..cases.len()).map(|index| format!("store.v{index}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let copied = assert_tables_equal(&scene.source, &scene.target, &names).await;
    assert!(copied > 100, "only {copied} rows");
    // What is streamed meets what was copied.
    execute(&scene.source, &format!("{SQL_MODE}; SET NAMES utf8mb4; {later}")).await;
    drain(&scene, &otter, 1).await;
    assert_tables_equal(&scene.source, &scene.target, &names).await;
    otter.terminate_and_expect_success(DEADLINE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_is_copied_as_it_is_streamed() {
    for pairing in PAIRINGS {
        copies_every_type(pairing).await;
    }
}
