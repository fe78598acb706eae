//! Every type, from the source's binlog into the target: after inserts, updates and deletes under
//! every row image both sides hold the same bytes.

use std::fmt::Write as _;

use otter_server::sandbox::Flavor;
use otter_tests::comparison::assert_tables_equal;
use otter_tests::scene::{DEADLINE, Scene};
use otter_tests::testbed::{self, execute};
use otter_tests::types::{self, Case, SQL_MODE};
use otter_tests::wait::wait_until;

/// What sessions set for themselves; a source whose global setting is not FULL is refused.
const IMAGES: [&str; 3] = ["FULL", "MINIMAL", "NOBLOB"];
/// Rows of one image have ids from here on, times the image's number.
const IDS: usize = 100;

struct Variant {
    source: Flavor,
    target: Flavor,
    arguments: &'static [&'static str],
}

fn cases(variant: &Variant) -> Vec<Case> {
    if variant.source == variant.target {
        types::cases(variant.source)
    } else {
        types::COMMON.to_vec()
    }
}

fn create(cases: &[Case]) -> String {
    let mut text = String::new();
    for (index, (column_type, _, _)) in cases.iter().enumerate() {
        let _ = write!(
            text,
            "{SQL_MODE}; CREATE TABLE shop.v{index} (id INT PRIMARY KEY, w INT, v {column_type}) \
             CHARACTER SET utf8mb4;"
        );
    }
    text
}

/// What is done to one table in a session with this image.
fn story(table: &str, values: &[&str], image: usize) -> String {
    let first = image * IDS;
    let is_generated = values == ["DEFAULT"];
    let mut text = format!("SET SESSION binlog_row_image = {};", IMAGES[image]);
    for (index, value) in values.iter().enumerate() {
        let _ = write!(
            text,
            "INSERT INTO {table} (id, w, v) VALUES ({0}, 1, {value}), ({1}, 1, {value});",
            first + 2 * index,
            first + 2 * index + 1
        );
    }
    if !is_generated {
        let _ =
            write!(text, "INSERT INTO {table} (id, w, v) VALUES ({}, 1, NULL);", first + IDS / 2);
        // Each value becomes the next one; NULL becomes a value, and a value NULL.
        for index in 0..values.len() {
            let next = values[(index + 1) % values.len()];
            let _ = write!(text, "UPDATE {table} SET v = {next} WHERE id = {};", first + 2 * index);
        }
        let (null, value) = (first + IDS / 2, first);
        let _ = write!(
            text,
            "UPDATE {table} SET v = {} WHERE id = {null}; \
             UPDATE {table} SET v = NULL WHERE id = {value};",
            values[0]
        );
    }
    // The value stays, and is not in smaller images; the key moves; a row goes.
    let _ = write!(
        text,
        "UPDATE {table} SET w = 2 WHERE id >= {first} AND id < {last}; \
         UPDATE {table} SET id = id + 1000 WHERE id = {moved}; \
         INSERT INTO {table} (id, w, v) VALUES ({gone}, 1, {value}); \
         DELETE FROM {table} WHERE id = {gone};",
        last = first + IDS,
        moved = first + 1,
        gone = first + IDS - 1,
        value = values[0],
    );
    text
}

async fn arrives_byte_for_byte(variant: &Variant) {
    let cases = cases(variant);
    let source = testbed::server(variant.source).source();
    let source = variant.arguments.iter().fold(source, |it, argument| it.arg(*argument));
    let target = testbed::server(variant.target).target();
    let scene = Scene::on(source.start().await, target.start().await).await;
    for server in [&scene.source, &scene.target] {
        execute(server, &create(&cases)).await;
    }
    let mut otter = scene.run().await;
    for image in 0..IMAGES.len() {
        for (index, (_, _, values)) in cases.iter().enumerate() {
            let story = story(&format!("shop.v{index}"), values, image);
            execute(&scene.source, &format!("{SQL_MODE}; SET NAMES utf8mb4; {story}")).await;
        }
    }
    let partial = variant.arguments.iter().any(|argument| argument.contains("PARTIAL_JSON"));
    if partial {
        let index = cases.iter().position(|(name, _, _)| *name == "JSON").expect("it is a type");
        execute(
            &scene.source,
            &format!(
                "UPDATE shop.v{index} SET v = JSON_SET(v, '$.b', 'changed', '$.new', 1.5) \
                 WHERE JSON_TYPE(v) = 'OBJECT'; \
                 UPDATE shop.v{index} SET v = JSON_REMOVE(v, '$[0]'), w = 3 \
                 WHERE JSON_TYPE(v) = 'ARRAY'"
            ),
        )
        .await;
    }
    execute(&scene.source, "INSERT INTO shop.item VALUES (1, 'the end', 1)").await;
    wait_until("the end arrives", 2 * DEADLINE, async || {
        let log = otter.log();
        assert!(!log.contains("halted"), "{log}");
        !scene.items().await.is_empty()
    })
    .await;
    otter.terminate_and_expect_success(DEADLINE).await;
    let tables: Vec<String> = (0..cases.len()).map(|index| format!("shop.v{index}")).collect();
    let tables: Vec<&str> = tables.iter().map(String::as_str).collect();
    let rows = assert_tables_equal(&scene.source, &scene.target, &tables).await;
    println!("{} types, {rows} rows are equal", cases.len());
    assert!(rows > 500, "only {rows} rows");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_of_mysql_arrives_byte_for_byte() {
    arrives_byte_for_byte(&Variant {
        source: Flavor::MySql,
        target: Flavor::MySql,
        arguments: &["--binlog-row-metadata=FULL"],
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_of_mysql_arrives_without_gtids_from_compressed_transactions() {
    arrives_byte_for_byte(&Variant {
        source: Flavor::MySql,
        target: Flavor::MySql,
        arguments: &[
            "--binlog-row-metadata=MINIMAL",
            "--gtid-mode=OFF",
            "--enforce-gtid-consistency=OFF",
            "--binlog-transaction-compression=ON",
            "--binlog-row-value-options=PARTIAL_JSON",
        ],
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_of_mariadb_arrives_byte_for_byte() {
    arrives_byte_for_byte(&Variant {
        source: Flavor::MariaDb,
        target: Flavor::MariaDb,
        arguments: &["--binlog-row-metadata=FULL"],
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_of_mariadb_arrives_without_metadata_from_compressed_events() {
    arrives_byte_for_byte(&Variant {
        source: Flavor::MariaDb,
        target: Flavor::MariaDb,
        arguments: &[
            "--binlog-row-metadata=NO_LOG",
            "--log-bin-compress=ON",
            "--log-bin-compress-min-len=10",
            "--binlog-annotate-row-events=ON",
        ],
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_common_type_arrives_from_one_server_at_the_other() {
    for (source, target) in [(Flavor::MySql, Flavor::MariaDb), (Flavor::MariaDb, Flavor::MySql)] {
        let arguments = &["--binlog-row-metadata=MINIMAL"];
        arrives_byte_for_byte(&Variant { source, target, arguments }).await;
    }
}
