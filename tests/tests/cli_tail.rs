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
use std::path::Path;
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
        let server = testbed::server(flavor).source().arg("--binlog-row-image=MINIMAL");
        let server = server.start().await;
        let statements = format!("{CHANGES}; UPDATE shop.item SET id = 5, price = 3");
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
async fn the_last_change_of_a_transaction_in_fragments_carries_its_end_too() {
    for flavor in FLAVORS {
        let server = testbed::server(flavor).source().arg("--binlog-row-metadata=FULL");
        let server = server.start().await;
        testbed::execute(
            &server,
            "CREATE DATABASE shop; CREATE TABLE shop.big (id INT PRIMARY KEY, b LONGBLOB);
             INSERT INTO shop.big VALUES (1, REPEAT('x', 5 << 20));
             BEGIN; INSERT INTO shop.big VALUES (2, REPEAT('y', 5 << 20));
             INSERT INTO shop.big VALUES (3, REPEAT('z', 5 << 20)); COMMIT;
             INSERT INTO shop.big VALUES (4, '')",
        )
        .await;
        let live = tail(&server, &["--table", "shop.big", "--until", "now"]).await;
        let files = tail_files(server.data_dir(), &["--table", "shop.big"]).await;
        for ended in [live, files] {
            assert_eq!(ended.code, Some(0), "{}", ended.stderr);
            let told: Vec<(Value, Value)> = ended
                .stdout
                .lines()
                .skip(2)
                .map(|line| serde_json::from_str::<Value>(line).unwrap())
                .inspect(|line| assert!(line["server_id"].as_u64() > Some(0), "{flavor}"))
                .map(|line| (line["data"]["id"].clone(), line["commit"].clone()))
                .collect();
            let expected = [(1, json!(true)), (2, Value::Null), (3, json!(true)), (4, json!(true))]
                .map(|(id, commit)| (json!(id), commit));
            assert_eq!(told, expected, "{flavor}");
        }
        let counted = tail(&server, &["--table", "shop.big", "--count", "4"]).await;
        assert_eq!(counted.stdout.lines().count(), 4, "{flavor}");
    }
}

#[tokio::test]
async fn a_server_that_may_log_statements_is_read_with_a_warning() {
    let server = testbed::server(Flavor::MariaDb).source().arg("--binlog-format=MIXED");
    let server = server.start().await;
    testbed::execute(&server, &format!("SET SESSION binlog_format = ROW; {CHANGES}")).await;
    testbed::execute(&server, "INSERT INTO shop.item (id) VALUES (1999888777)").await;
    let ended = tail(&server, &[]).await;
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert_eq!(ended.stdout.lines().filter(|line| line.contains("\"item\"")).count(), 4);
    let [warning, error] = &ended.stderr.lines().collect::<Vec<_>>()[..] else {
        panic!("{}", ended.stderr)
    };
    assert!(warning.contains("WARN") && warning.contains("MIXED"), "{warning}");
    assert!(error.contains("error: ") && error.contains("INSERT statement at"), "{error}");
    assert!(!ended.stderr.contains("1999888777"), "{}", ended.stderr);
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

/// A server whose binlog names its columns, with changes in two files.
async fn changed_in_files(flavor: Flavor) -> Server {
    let server = testbed::server(flavor).source().arg("--binlog-row-metadata=FULL").start().await;
    testbed::execute(&server, CHANGES).await;
    testbed::execute(&server, "FLUSH BINARY LOGS; INSERT INTO shop.item (id) VALUES (8)").await;
    server
}

async fn run(arguments: &[&str]) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    OtterProcess::run_to_end(folder.path(), arguments, DEADLINE).await
}

async fn tail_files(path: impl AsRef<Path>, arguments: &[&str]) -> Ended {
    let mut all = vec!["tail", "--files", path.as_ref().to_str().unwrap()];
    all.extend(arguments);
    run(&all).await
}

#[tokio::test]
async fn files_are_printed_as_their_server_is() {
    for flavor in FLAVORS {
        let server = changed_in_files(flavor).await;
        for arguments in [&["--table", "shop.*"][..], &["--pretty"], &["--count", "3"]] {
            let mut until_now = arguments.to_vec();
            until_now.extend(["--until", "now"]);
            let live = tail(&server, &until_now).await;
            assert_eq!(live.code, Some(0), "{}", live.stderr);
            let files = tail_files(server.data_dir(), arguments).await;
            assert_eq!((files.code, files.stderr.as_str()), (Some(0), ""), "{flavor}");
            assert!(!files.stdout.is_empty());
            assert_eq!(files.stdout, live.stdout, "{flavor} {arguments:?}");
        }
        // One file alone, and what the index lists.
        let first = server.data_dir().join("binlog.000001");
        let first = tail_files(&first, &["--table", "shop.item"]).await;
        assert!(!first.stdout.contains("\"id\":8"), "{}", first.stdout);
        let index = tail_files(&server.data_dir().join("binlog.index"), &[]).await;
        assert!(index.stdout.contains("\"id\":8"), "{}", index.stderr);
    }
}

#[tokio::test]
async fn a_schema_named_as_otters_own_is_printed_like_any_other() {
    for flavor in FLAVORS {
        let server = testbed::server(flavor).source().arg("--binlog-row-metadata=FULL");
        let server = server.start().await;
        testbed::execute(
            &server,
            "CREATE DATABASE otter; CREATE TABLE otter.mark (origin VARCHAR(9) PRIMARY KEY);
             CREATE TABLE otter.animal (id INT PRIMARY KEY); INSERT INTO otter.mark VALUES ('a');
             INSERT INTO otter.animal VALUES (7)",
        )
        .await;
        let live = tail(&server, &["--until", "now"]).await;
        let files = tail_files(server.data_dir(), &[]).await;
        for ended in [live, files] {
            assert_eq!(ended.code, Some(0), "{}", ended.stderr);
            let lines: Vec<Value> =
                ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            let [.., mark, animal] = &lines[..] else { panic!("{}", ended.stdout) };
            assert_eq!((lines.len(), &mark["data"]["origin"]), (5, &json!("a")), "{flavor}");
            assert_eq!(animal["data"], json!({"id": 7}), "{flavor}");
        }
    }
}

#[tokio::test]
async fn printing_ends_at_a_place_a_set_or_a_time() {
    for flavor in FLAVORS {
        let server = changed_in_files(flavor).await;
        let table = ["--table", "shop.item"];
        let all = tail_files(server.data_dir(), &table).await.stdout;
        let lines: Vec<Value> =
            all.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let update = lines.iter().position(|line| line["type"] == "update").unwrap();
        let printed: String = all.lines().take(update).map(|line| format!("{line}\n")).collect();
        // Up to the transaction before the update: its place, and all GTIDs before it.
        let place = lines[update]["position"].as_str().unwrap();
        let before = lines[update - 1]["gtid"].as_str().unwrap();
        let set = match flavor {
            Flavor::MariaDb => before.to_owned(),
            Flavor::MySql => before.replacen(':', ":1-", 1),
        };
        for until in [place, set.as_str()] {
            let mut arguments = table.to_vec();
            arguments.extend(["--until", until]);
            let files = tail_files(server.data_dir(), &arguments).await;
            assert_eq!(files.stdout, printed, "{flavor} files until {until}: {}", files.stderr);
            let live = tail(&server, &arguments).await;
            assert_eq!(live.stdout, printed, "{flavor} live until {until}: {}", live.stderr);
            // From there on comes the rest.
            let from = [&table[..], &["--from", until]].concat();
            let rest = tail_files(server.data_dir(), &from).await.stdout;
            assert_eq!(format!("{printed}{rest}"), all, "{flavor} from {until}");
        }
        for (until, expected) in
            [("2020-01-01T00:00:00Z", ""), ("2100-01-01T00:00:00Z", all.as_str())]
        {
            let until = [&table[..], &["--until", until]].concat();
            assert_eq!(tail_files(server.data_dir(), &until).await.stdout, expected, "{flavor}");
        }
        let live =
            tail(&server, &["--table", "shop.item", "--until", "2020-01-01T00:00:00Z"]).await;
        assert_eq!((live.code, live.stdout.as_str()), (Some(0), ""));
        let since = [&table[..], &["--from", "2020-01-01T00:00:00Z"]].concat();
        assert_eq!(tail_files(server.data_dir(), &since).await.stdout, all);
        let url = server.url();
        let live = ["tail", "--url", &url, "--from", "2020-01-01T00:00:00Z", "--until", "now"];
        let live = run(&[&live[..], &table].concat()).await;
        assert_eq!(live.stdout, all, "{}", live.stderr);
    }
}

#[tokio::test]
async fn an_end_in_the_future_is_waited_for() {
    let server = changed_in_files(Flavor::MariaDb).await;
    let soon = otter_tests::query::number(&server, "SELECT UNIX_TIMESTAMP()").await + 3;
    let until = otter_core::SourceTime::from_seconds(soon).to_string();
    let live = tail(&server, &["--table", "shop.item", "--until", &until]).await;
    assert_eq!(live.code, Some(0), "{}", live.stderr);
    assert!(live.stdout.contains("\"id\":8"), "{}", live.stdout);
    assert!(otter_tests::query::number(&server, "SELECT UNIX_TIMESTAMP()").await >= soon);
}

#[tokio::test]
async fn files_and_a_server_at_once_are_refused() {
    let both = ["tail", "--files", "here", "--url", "mysql://otter@127.0.0.1:1"];
    let ended = run(&both).await;
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("--url has no meaning"), "{}", ended.stderr);
}

#[tokio::test]
async fn control_characters_of_statements_and_values_do_not_reach_the_terminal() {
    let server = testbed::mariadb().source().arg("--binlog-row-metadata=FULL").start().await;
    testbed::execute(
        &server,
        "CREATE DATABASE shop CHARACTER SET utf8mb4; \
         CREATE TABLE shop.t (`a\u{1b}[2J` VARCHAR(9)) COMMENT '\u{1b}[31m'; \
         INSERT INTO shop.t VALUES ('\u{1b}\u{9b}')",
    )
    .await;
    let ended = tail_files(server.data_dir(), &["--pretty"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let is_harmless = |letter: char| letter == '\n' || !letter.is_control();
    assert!(ended.stdout.chars().all(is_harmless), "{:?}", ended.stdout);
    assert!(ended.stdout.contains(r"    a\u{1b}[2J: "), "{}", ended.stdout);
}

#[tokio::test]
async fn without_names_files_show_numbers_and_tell_the_remedy() {
    let minimal = testbed::mariadb().source().arg("--binlog-row-metadata=MINIMAL");
    let server = minimal.start().await;
    testbed::execute(&server, CHANGES).await;
    let files = tail_files(server.data_dir(), &["--table", "shop.other"]).await;
    assert_eq!(files.code, Some(0), "{}", files.stderr);
    assert!(files.stdout.contains("\"data\":{\"@1\":1}"), "{}", files.stdout);
    assert!(files.stderr.contains("SET GLOBAL binlog_row_metadata = FULL"), "{}", files.stderr);
}

#[tokio::test]
async fn text_of_files_that_tell_no_character_set_is_still_text() {
    let server = testbed::mariadb().source().arg("--binlog-row-metadata=NO_LOG").start().await;
    testbed::execute(&server, CHANGES).await;
    let files = tail_files(server.data_dir(), &["--table", "shop.item"]).await;
    assert_eq!(files.code, Some(0), "{}", files.stderr);
    for text in [r#""@2":"Käse \"x\"""#, r#""@6":{"base64":"AP8=","charset":"unknown"}"#] {
        assert!(files.stdout.contains(text), "{text} in:\n{}", files.stdout);
    }
    assert!(files.stderr.contains("text and bytes alike"), "{}", files.stderr);
}

#[tokio::test]
async fn what_is_wrong_with_files_is_told() {
    let server = changed_in_files(Flavor::MySql).await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let told = async |name: &str, arguments: &[&str], code: i32, words: &[&str]| {
        assert_told(&tail_files(&path(name), arguments).await, code, words);
    };
    told("nowhere", &[], 2, &["there is no", "nowhere"]).await;
    told("", &[], 2, &["holds no binlogs", "NAME.000001"]).await;
    std::fs::write(path("notes.txt"), "a text").unwrap();
    told("notes.txt", &[], 2, &["notes.txt", "the file is no binlog"]).await;
    std::fs::write(path("secret.000001"), b"\xfdbin0123456789").unwrap();
    told("secret.000001", &[], 3, &["secret.000001", "is encrypted"]).await;

    let whole = std::fs::read(server.data_dir().join("binlog.000001")).unwrap();
    std::fs::write(path("cut.000001"), &whole[..whole.len() - 10]).unwrap();
    told("cut.000001", &[], 3, &["is cut off in the event at cut.000001:"]).await;
    let mut damaged = whole.clone();
    let text = b"CREATE TABLE shop.item";
    let at = damaged.windows(text.len()).position(|bytes| bytes == text).unwrap();
    damaged[at] ^= 4;
    std::fs::write(path("damaged.000001"), damaged).unwrap();
    told("damaged.000001", &[], 3, &["damaged.000001:", "checksum"]).await;
    told("damaged.000001", &["--from", "binlog.000009:4"], 3, &["is not among the files"]).await;
    std::fs::write(path("damaged.000003"), &whole).unwrap();
    std::fs::remove_file(path("cut.000001")).unwrap();
    std::fs::remove_file(path("secret.000001")).unwrap();
    told("", &[], 2, &["between damaged.000001 and damaged.000003 a file is missing"]).await;
    for bad in [&["--until", "earliest"][..], &["--from", "2026-11-21T25:00:00Z"], &["shop"]] {
        assert_eq!(tail_files(server.data_dir(), bad).await.code, Some(2), "{bad:?}");
    }
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
