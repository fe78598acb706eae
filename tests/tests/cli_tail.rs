//! `otter-server tail`: what a server writes, as lines, through the real program.
#![allow(
    clippy::large_futures,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use otter_server::sandbox::{Flavor, Server};
use otter_tests::otter::{Ended, OtterProcess, program};
use otter_tests::scene::{DEADLINE, PASSWORD, Scene, assert_told};
use otter_tests::signals::{self, Signal};
use otter_tests::testbed::{self, FLAVORS};
use serde_json::{Value, json};

const CHANGES: &str = "
    CREATE DATABASE shop CHARACTER SET utf8mb4;
    CREATE TABLE shop.item (id INT PRIMARY KEY, title VARCHAR(40), price DECIMAL(8,2),
        kind ENUM('new', 'old'), made DATETIME(3), data BLOB);
    CREATE TABLE shop.other (id INT PRIMARY KEY);
    INSERT INTO shop.other VALUES (1);
    INSERT INTO shop.item VALUES (1, 'Käse \"x\"', 1.50, 'new', '2026-01-02 03:04:05.678', X'00ff'),
        (2, NULL, NULL, NULL, NULL, NULL);
    UPDATE shop.item SET price = 2.25 WHERE id = 1;
    DELETE FROM shop.item WHERE id = 2";

async fn changed(flavor: Flavor) -> Server {
    let server = testbed::server(flavor).source().start().await;
    testbed::execute(&server, CHANGES).await;
    server
}

async fn tail(server: &Server, arguments: &[&str]) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    let url = server.url();
    let mut all = vec!["tail", "--url", url.as_str(), "--from", "earliest"];
    all.extend(arguments);
    OtterProcess::run_to_end(folder.path(), &all, DEADLINE).await
}

#[tokio::test]
async fn changes_are_printed_as_lines_of_json() {
    for flavor in FLAVORS {
        let server = changed(flavor).await;
        let ended = tail(&server, &["--table", "shop.item", "--count", "6"]).await;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let lines: Vec<Value> =
            ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let [database, table, first, second, update, delete] = &lines[..] else {
            panic!("{flavor}: {}", ended.stdout);
        };
        assert_eq!(database["kind"], "CREATE DATABASE");
        assert_eq!(table["type"], "ddl");
        assert!(table["sql"].as_str().unwrap().starts_with("CREATE TABLE shop.item"), "{table}");
        let data = json!({
            "id": 1, "title": "Käse \"x\"", "price": 1.5, "kind": "new",
            "made": "2026-01-02 03:04:05.678", "data": "AP8=",
        });
        assert_eq!((&first["type"], &first["data"]), (&json!("insert"), &data));
        assert!(ended.stdout.contains("\"price\":1.50,"), "with all digits: {}", ended.stdout);
        assert_eq!(first.get("commit"), None, "it is not the last of its transaction");
        assert_eq!(second["commit"], true);
        assert_eq!(second["data"]["title"], Value::Null);
        assert_eq!(first["position"], second["position"]);
        assert_eq!((&update["type"], &update["old"]), (&json!("update"), &json!({"price": 1.5})));
        assert_eq!(update["data"]["price"], 2.25);
        assert_eq!((&delete["type"], &delete["data"]["id"]), (&json!("delete"), &json!(2)));
        for line in &lines {
            assert!(line["ts"].as_u64().unwrap() > 1_700_000_000, "{line}");
            assert!(line["gtid"].is_string() && line["server_id"].is_u64(), "{line}");
        }
        assert_eq!(table["tables"], json!(["shop.item"]));
        assert!(
            lines[2..].iter().all(|line| line["database"] == "shop" && line["table"] == "item")
        );
    }
}

/// A column's type, a value in SQL, and the JSON text that is printed for it.
type Form = (&'static str, &'static str, &'static str);

/// Every kind of column.
const VALUES: &[Form] = &[
    ("TINYINT", "-128", "-128"),
    ("BIGINT UNSIGNED", "18446744073709551615", "18446744073709551615"),
    ("DECIMAL(30,5)", "-1.5", "-1.50000"),
    ("FLOAT", "0.1", "0.1"),
    ("DOUBLE", "1e21", "1000000000000000000000"),
    ("BIT(9)", "b'101'", "5"),
    ("BIT(64)", "18446744073709551615", "18446744073709551615"),
    ("YEAR", "2026", "2026"),
    ("YEAR", "0", "0"),
    ("DATE", "'0000-00-00'", "\"0000-00-00\""),
    ("DATE", "'2026-02-00'", "\"2026-02-00\""),
    ("TIME(2)", "'-1:02:03.4'", "\"-01:02:03.40\""),
    ("DATETIME", "'0003-00-00 00:00:01'", "\"0003-00-00 00:00:01\""),
    ("DATETIME(3)", "0", "\"0000-00-00 00:00:00.000\""),
    ("TIMESTAMP(6) NULL", "'2026-01-02 03:04:05.678'", "\"2026-01-02 03:04:05.678000\""),
    ("TIMESTAMP NULL", "0", "\"0000-00-00 00:00:00\""),
    ("CHAR(5)", "'a\\n'", "\"a\\n\""),
    ("VARCHAR(9) CHARACTER SET gbk", "'中文\"'", "\"中文\\\"\""),
    ("TEXT CHARACTER SET sjis", "'表'", "\"表\""),
    ("TEXT CHARACTER SET koi8r", "'да'", "\"да\""),
    ("TEXT CHARACTER SET ucs2", "'中'", "\"中\""),
    ("BINARY(4)", "X'00ff'", "\"AP8=\""),
    ("VARBINARY(4)", "X'00ff0000'", "\"AP8AAA==\""),
    ("BLOB", "''", "\"\""),
    ("ENUM('x','y')", "'y'", "\"y\""),
    ("ENUM('x','ж') CHARACTER SET cp1251", "'ж'", "\"ж\""),
    ("SET('a','b','c')", "'c,a'", "[\"a\",\"c\"]"),
    ("SET('a','b')", "''", "[]"),
    ("SET('a','b')", "NULL", "null"),
    ("POINT", "ST_GeomFromText('POINT(3 -0.25)')", "\"POINT (3 -0.25)\""),
    ("LINESTRING", "ST_GeomFromText('LINESTRING(0 0,1 1)')", "\"LINESTRING (0 0, 1 1)\""),
    (
        "POLYGON",
        "ST_GeomFromText('POLYGON((0 0,9 0,9 9,0 0),(5 1,6 1,6 2,5 1))')",
        "\"POLYGON ((0 0, 9 0, 9 9, 0 0), (5 1, 6 1, 6 2, 5 1))\"",
    ),
    ("MULTIPOINT", "ST_GeomFromText('MULTIPOINT(1 2,3 4)')", "\"MULTIPOINT ((1 2), (3 4))\""),
    (
        "MULTILINESTRING",
        "ST_GeomFromText('MULTILINESTRING((0 0,1 1),(2 2,3 3))')",
        "\"MULTILINESTRING ((0 0, 1 1), (2 2, 3 3))\"",
    ),
    (
        "MULTIPOLYGON",
        "ST_GeomFromText('MULTIPOLYGON(((0 0,1 0,1 1,0 0)),((5 5,6 5,6 6,5 5)))')",
        "\"MULTIPOLYGON (((0 0, 1 0, 1 1, 0 0)), ((5 5, 6 5, 6 6, 5 5)))\"",
    ),
    (
        "GEOMETRYCOLLECTION",
        "ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 1,1 2))')",
        "\"GEOMETRYCOLLECTION (POINT (1 1), LINESTRING (0 1, 1 2))\"",
    ),
    ("GEOMETRY", "ST_GeomFromText('GEOMETRYCOLLECTION EMPTY')", "\"GEOMETRYCOLLECTION EMPTY\""),
];

#[tokio::test]
async fn every_kind_of_value_has_its_form_with_and_without_metadata() {
    for flavor in FLAVORS {
        // MariaDB's JSON is a text with a constraint.
        let document = match flavor {
            Flavor::MySql => r#"{"a": [1, 2.5, "x"]}"#,
            Flavor::MariaDb => r#""{\"a\": [1, 2.5, \"x\"]}""#,
        };
        let json = ("JSON", r#"'{"a": [1, 2.5, "x"]}'"#, document);
        let values: Vec<_> = VALUES.iter().copied().chain([json]).collect();
        let part = |text: &dyn Fn(usize, &Form) -> String| {
            values
                .iter()
                .enumerate()
                .map(|(index, one)| text(index, one))
                .collect::<Vec<_>>()
                .join(",")
        };
        let columns = part(&|index, (kind, _, _)| format!("c{index} {kind}"));
        let literals = part(&|_, (_, literal, _)| (*literal).to_owned());
        let expected = part(&|index, (_, _, json)| format!("\"c{index}\":{json}"));
        for metadata in ["FULL", "MINIMAL"] {
            let metadata = format!("--binlog-row-metadata={metadata}");
            let server = testbed::server(flavor).source().arg(&*metadata).start().await;
            let statements = format!(
                "SET sql_mode = '', time_zone = '+00:00'; CREATE DATABASE shop;
                CREATE TABLE shop.item ({columns}); INSERT INTO shop.item VALUES ({literals})"
            );
            testbed::execute(&server, &statements).await;
            let ended = tail(&server, &["--table", "shop.item", "--count", "3"]).await;
            assert_eq!(ended.code, Some(0), "{}", ended.stderr);
            let line = ended.stdout.lines().last().unwrap();
            serde_json::from_str::<Value>(line).unwrap();
            let (_, data) = line.split_once("\"data\":{").unwrap();
            let (data, _) = data.split_once("},\"ts\":").unwrap();
            assert_eq!(data, expected, "{flavor} {metadata}");
        }
    }
}

#[tokio::test]
async fn an_image_that_leaves_columns_out_still_tells_the_key() {
    for flavor in FLAVORS {
        let server = testbed::server(flavor).source().start().await;
        let statements = format!(
            "SET SESSION binlog_row_image = MINIMAL; {CHANGES};
            UPDATE shop.item SET id = 5, price = 3"
        );
        testbed::execute(&server, &statements).await;
        let ended = tail(&server, &["--table", "shop.item", "--count", "7"]).await;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let lines: Vec<Value> =
            ended.stdout.lines().skip(4).map(|line| serde_json::from_str(line).unwrap()).collect();
        let [update, delete, moved] = &lines[..] else { panic!("{flavor}: {}", ended.stdout) };
        assert_eq!(update["data"], json!({"id": 1, "price": 2.25}), "{flavor}");
        assert_eq!(update.get("old"), None, "{flavor}: the old price is not in the binlog");
        assert_eq!(delete["data"], json!({"id": 2}), "{flavor}");
        assert_eq!(moved["data"], json!({"id": 5, "price": 3.0}), "{flavor}");
        assert_eq!(moved["old"], json!({"id": 1}), "{flavor}");
    }
}

#[tokio::test]
async fn people_see_keys_and_what_changed() {
    let server = changed(Flavor::MariaDb).await;
    let ended = tail(&server, &["--table", "shop.i*", "--count", "6", "--pretty"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for text in [
        "insert shop.item  id=1\n    title: \"Käse \\\"x\\\"\"\n    price: 1.50\n",
        "update shop.item  id=1\n    price: 1.50 → 2.25\n",
        "delete shop.item  id=2\n    title: null\n",
    ] {
        assert!(ended.stdout.contains(text), "{text:?} in:\n{}", ended.stdout);
    }
}

#[tokio::test]
async fn it_follows_until_it_is_interrupted_or_its_reader_goes_away() {
    let server = changed(Flavor::MySql).await;
    let start = |server: &Server| {
        let mut command = Command::new(program());
        command.args(["tail", "--from", "earliest", "--table", "shop.item"]);
        command.env("OTTER_TAIL_URL", server.url()).stdout(Stdio::piped());
        command.spawn().unwrap()
    };
    let (mut interrupted, mut abandoned) = (start(&server), start(&server));
    let mut lines = BufReader::new(interrupted.stdout.take().unwrap()).lines();
    for _ in 0..6 {
        lines.next().unwrap().unwrap();
    }
    testbed::execute(&server, "INSERT INTO shop.item (id) VALUES (7)").await;
    assert!(lines.next().unwrap().unwrap().contains("\"id\":7"));
    signals::send(interrupted.id(), Signal::INT);
    assert!(interrupted.wait().unwrap().success());

    drop(abandoned.stdout.take());
    testbed::execute(&server, "INSERT INTO shop.item (id) VALUES (8)").await;
    assert!(abandoned.wait().unwrap().success());
}

#[tokio::test]
async fn what_is_wrong_is_told() {
    let scene = Scene::start(Flavor::MariaDb).await;
    let wrong = format!("mysql://otter:not-{PASSWORD}@127.0.0.1:{}", scene.source.port());
    let refused = scene.command(&["tail", "--url", &wrong]).await;
    assert_told(&refused, 3, &["otter", &scene.source.port().to_string()]);
    let missing = scene.command(&["tail", "somewhere"]).await;
    assert_told(&missing, 2, &["no database `somewhere`", "there are"]);
    for bad in [&["--from", "yesterday"][..], &["--table", "shop"], &["--count", "many"]] {
        let mut arguments = vec!["tail", "source"];
        arguments.extend(bad);
        assert_eq!(scene.command(&arguments).await.code, Some(2), "{bad:?}");
    }
    let old = scene.command(&["tail", "source", "--from", "binlog.000099:4"]).await;
    assert_told(&old, 3, &["binlog.000099"]);
}
