//! Every type of both servers, compared with what a SELECT on the source says.

use otter_core::{Change, Event};
use otter_server::sandbox::{Flavor, Server};
use otter_tests::{query, testbed};

use super::support::{open_now, options, text, transactions};

/// How a value is selected so that it looks as [`text`] shows it.
#[derive(Clone, Copy)]
enum As {
    /// As it is.
    Plain,
    /// As a number: ENUM, SET, BIT.
    Number,
    /// The stored bytes in hexadecimal.
    Hex,
    /// Texts: plain where the bytes are ASCII, else in hexadecimal.
    Text,
    /// FLOAT and DOUBLE: compared as numbers.
    Float,
}

/// A column's type, how it is selected, and values to insert.
type Case = (&'static str, As, &'static [&'static str]);

const COMMON: &[Case] = &[
    ("TINYINT", As::Plain, &["-128", "-1", "0", "127"]),
    ("TINYINT UNSIGNED", As::Plain, &["0", "128", "255"]),
    ("SMALLINT", As::Plain, &["-32768", "32767"]),
    ("SMALLINT UNSIGNED", As::Plain, &["65535"]),
    ("MEDIUMINT", As::Plain, &["-8388608", "-1", "8388607"]),
    ("MEDIUMINT UNSIGNED", As::Plain, &["16777215"]),
    ("INT", As::Plain, &["-2147483648", "2147483647"]),
    ("INT UNSIGNED ZEROFILL", As::Number, &["7", "4294967295"]),
    ("BIGINT", As::Plain, &["-9223372036854775808", "9223372036854775807"]),
    ("BIGINT UNSIGNED", As::Plain, &["18446744073709551615"]),
    ("FLOAT", As::Float, &["1.5", "-0.25", "3.4e38", "1e-38", "0"]),
    ("DOUBLE", As::Float, &["1.1", "-2.2250738585072014e-308", "1.7976931348623157e308"]),
    ("DECIMAL(10,2)", As::Plain, &["0", "-0.01", "99999999.99", "-12345678.90"]),
    (
        "DECIMAL(65,30)",
        As::Plain,
        &[
            "-12345678901234567890123456789012345.123456789012345678901234567890",
            "0.000000000000000000000000000001",
        ],
    ),
    ("DECIMAL(9,9)", As::Plain, &["0.123456789", "-0.999999999"]),
    ("DECIMAL(18,0) UNSIGNED", As::Plain, &["999999999999999999"]),
    ("BIT(1)", As::Number, &["b'0'", "b'1'"]),
    ("BIT(13)", As::Number, &["b'1010101010101'"]),
    ("BIT(64)", As::Number, &["18446744073709551615"]),
    ("YEAR", As::Plain, &["0000", "1901", "2155"]),
    ("DATE", As::Plain, &["'0000-00-00'", "'2024-00-00'", "'1000-01-01'", "'9999-12-31'"]),
    ("TIME", As::Plain, &["'-838:59:59'", "'838:59:59'", "'00:00:00'", "'-00:00:01'"]),
    ("TIME(1)", As::Plain, &["'-00:00:01.5'", "'12:34:56.7'"]),
    ("TIME(2)", As::Plain, &["'-00:00:00.01'", "'-12:34:56.78'"]),
    ("TIME(3)", As::Plain, &["'-00:00:00.001'", "'-838:59:58.999'"]),
    ("TIME(4)", As::Plain, &["'-00:00:00.0001'", "'12:34:56.7891'"]),
    ("TIME(6)", As::Plain, &["'-00:00:00.000001'", "'-12:34:56.789012'"]),
    ("DATETIME", As::Plain, &["'0000-00-00 00:00:00'", "'2024-02-29 23:59:59'"]),
    ("DATETIME(1)", As::Plain, &["'2024-02-29 23:59:59.9'"]),
    ("DATETIME(3)", As::Plain, &["'2024-00-00 00:00:00.001'", "'9999-12-31 23:59:59.999'"]),
    ("DATETIME(6)", As::Plain, &["'1000-01-01 00:00:00.000001'"]),
    ("TIMESTAMP NULL", As::Plain, &["'0000-00-00 00:00:00'", "'2038-01-19 03:14:07'"]),
    ("TIMESTAMP(2) NULL", As::Plain, &["'1970-01-01 00:00:01.01'"]),
    ("TIMESTAMP(6) NULL", As::Plain, &["'2024-06-01 12:00:00.123456'"]),
    ("CHAR(10)", As::Text, &["''", "'abc'", "'中文é'"]),
    ("CHAR(255)", As::Text, &["'abc'", "REPEAT('中', 255)"]),
    ("VARCHAR(10)", As::Text, &["''", "'a b '", "'中文'"]),
    ("VARCHAR(63)", As::Text, &["REPEAT('é', 63)"]),
    ("VARCHAR(64)", As::Text, &["REPEAT('é', 64)"]),
    ("VARCHAR(2000)", As::Text, &["REPEAT('x', 2000)", "'short'"]),
    ("VARCHAR(10) CHARACTER SET latin1", As::Text, &["'é€'", "'plain'"]),
    ("CHAR(10) CHARACTER SET gbk", As::Text, &["'中文'"]),
    ("VARCHAR(10) CHARACTER SET ucs2", As::Hex, &["'aé中'"]),
    ("VARCHAR(10) CHARACTER SET utf16", As::Hex, &["'😀'"]),
    ("VARCHAR(10) CHARACTER SET utf32", As::Hex, &["'😀'"]),
    ("VARCHAR(10) CHARACTER SET sjis", As::Text, &["'表'"]),
    ("VARCHAR(255) CHARACTER SET utf8mb3", As::Text, &["''", "REPEAT('中', 255)", "'é '"]),
    ("TEXT CHARACTER SET utf8mb3", As::Text, &["'中'"]),
    ("VARCHAR(255) CHARACTER SET latin1", As::Text, &["REPEAT('€', 255)", "X'818D8F909D'"]),
    ("VARCHAR(256) CHARACTER SET latin1", As::Text, &["REPEAT('ÿ', 256)"]),
    ("CHAR(255) CHARACTER SET latin1", As::Text, &["REPEAT('é', 255)", "''"]),
    ("VARCHAR(127) CHARACTER SET gbk", As::Text, &["''", "REPEAT('中', 127)", "X'815C'"]),
    ("VARCHAR(128) CHARACTER SET gbk", As::Text, &["REPEAT('中', 128)"]),
    ("ENUM('中','文') CHARACTER SET gbk", As::Number, &["'文'"]),
    ("CHAR(10) CHARACTER SET big5", As::Text, &["'中文'", "'功'", "''"]),
    ("TEXT CHARACTER SET big5", As::Text, &["'許功蓋'"]),
    ("CHAR(10) CHARACTER SET sjis", As::Text, &["'ｱ表'", "''"]),
    ("CHAR(10) CHARACTER SET ujis", As::Text, &["'日本'", "''"]),
    ("VARCHAR(85) CHARACTER SET ujis", As::Text, &["REPEAT('本', 85)"]),
    ("VARCHAR(86) CHARACTER SET ujis", As::Text, &["REPEAT('本', 86)"]),
    ("CHAR(10) CHARACTER SET euckr", As::Text, &["'한국'", "''"]),
    ("TEXT CHARACTER SET euckr", As::Text, &["REPEAT('한', 300)"]),
    ("CHAR(127) CHARACTER SET ucs2", As::Hex, &["''", "REPEAT('中', 127)", "'a'"]),
    ("CHAR(128) CHARACTER SET ucs2", As::Hex, &["REPEAT('中', 128)"]),
    ("CHAR(63) CHARACTER SET utf16", As::Hex, &["''", "REPEAT('😀', 63)", "'a'"]),
    ("TEXT CHARACTER SET utf16", As::Hex, &["'é😀'"]),
    ("CHAR(64) CHARACTER SET utf32", As::Hex, &["''", "REPEAT('😀', 64)", "'a'"]),
    ("TEXT CHARACTER SET utf32", As::Hex, &["'é😀'"]),
    ("VARBINARY(255)", As::Hex, &["REPEAT(X'00', 255)", "X'20'"]),
    ("VARBINARY(256)", As::Hex, &["REPEAT(X'FF', 256)"]),
    ("TINYBLOB", As::Hex, &["REPEAT(X'FF', 255)"]),
    ("BLOB", As::Hex, &["REPEAT(X'00', 65535)"]),
    ("CHAR(5) CHARACTER SET binary", As::Hex, &["'ab'"]),
    ("BINARY(10)", As::Hex, &["X'00FF'", "X'610000'", "''"]),
    ("BINARY(255)", As::Hex, &["X'01'"]),
    ("VARBINARY(300)", As::Hex, &["X'00FF00'", "''"]),
    ("TINYBLOB", As::Hex, &["X'0001'", "''"]),
    ("BLOB", As::Hex, &["REPEAT(X'AB', 300)"]),
    ("MEDIUMBLOB", As::Hex, &["REPEAT(X'AB', 70000)"]),
    ("LONGBLOB", As::Hex, &["X'FF'"]),
    ("TINYTEXT", As::Text, &["'tiny'"]),
    ("TEXT", As::Text, &["REPEAT('é', 3000)"]),
    ("MEDIUMTEXT", As::Text, &["'medium'"]),
    ("LONGTEXT CHARACTER SET latin1", As::Text, &["'é'"]),
    ("ENUM('a','b','c')", As::Number, &["'a'", "'c'", "''"]),
    ("ENUM('é','b') CHARACTER SET latin1", As::Number, &["'é'"]),
    ("SET('a','b','c')", As::Number, &["''", "'a,c'", "'a,b,c'"]),
    (
        "GEOMETRY",
        As::Hex,
        &["ST_GeomFromText('POINT(1 2)')", "ST_GeomFromText('LINESTRING(0 0,1 1)')"],
    ),
];

const MYSQL: &[Case] = &[
    ("CHAR(10) CHARACTER SET gb18030", As::Text, &["'中文'", "'😀é'", "''"]),
    ("VARCHAR(63) CHARACTER SET gb18030", As::Text, &["REPEAT('😀', 63)"]),
    ("VARCHAR(64) CHARACTER SET gb18030", As::Text, &["REPEAT('😀', 64)"]),
    (
        "JSON",
        As::Plain,
        &[
            "'{\"b\":1,\"aa\":[1,2.5,1e20,-0.0,true,null,\"x\\\\\"y\"],\"a\":{}}'",
            "'[]'",
            "'\"text\"'",
            "'null'",
            "JSON_ARRAY(1.50, 18446744073709551615, -9223372036854775808, 65536, -32769)",
            "JSON_ARRAY(CAST('2024-01-02 03:04:05.6' AS DATETIME(3)), CAST('-12:34:56.5' AS TIME(1)))",
            "JSON_ARRAY(CAST('2024-01-02' AS DATE), CAST(X'00FF' AS BINARY), b'101')",
            "JSON_ARRAY(1e15, 1e14, 1e-14, 1e-15, 1e-16, 1.5e300, 0.1e0, 123456789012345680000e0)",
            "JSON_OBJECT('k', REPEAT('é', 40000), 'z', JSON_ARRAY(1, 2))",
            "JSON_ARRAY('a\\nb\\tc', CHAR(1 USING utf8mb4))",
        ],
    ),
    ("VECTOR(3)", As::Hex, &["STRING_TO_VECTOR('[1,2,3.5]')"]),
    ("INT GENERATED ALWAYS AS (id * 2) VIRTUAL", As::Plain, &["DEFAULT"]),
    ("INT GENERATED ALWAYS AS (id * 3) STORED", As::Plain, &["DEFAULT"]),
];

const MARIADB: &[Case] = &[
    (
        "UUID",
        As::Plain,
        &[
            "'550e8400-e29b-41d4-a716-446655440000'",
            "'00000000-0000-0000-0000-000000000000'",
            "'ffffffff-ffff-1fff-8fff-ffffffffffff'",
        ],
    ),
    (
        "INET6",
        As::Plain,
        &["'::'", "'fe80::1'", "'2001:db8::ff00:42:8329'", "'::ffff:192.168.1.1'"],
    ),
    ("INET4", As::Plain, &["'0.0.0.0'", "'192.168.1.0'", "'255.255.255.255'"]),
    ("JSON", As::Text, &["'{\"b\": 1,  \"a\": 2}'"]),
    ("BINARY(16)", As::Hex, &["X'0102'"]),
    ("VARCHAR(1000) COMPRESSED", As::Text, &["''", "'short'", "REPEAT('é', 900)"]),
    ("BLOB COMPRESSED", As::Hex, &["''", "REPEAT(X'AB', 3000)"]),
    ("LONGTEXT COMPRESSED", As::Text, &["REPEAT('long ', 3000)"]),
    ("INT INVISIBLE", As::Plain, &["7"]),
    ("INT GENERATED ALWAYS AS (id * 2) VIRTUAL", As::Plain, &["DEFAULT"]),
    ("INT GENERATED ALWAYS AS (id * 3) STORED", As::Plain, &["DEFAULT"]),
];

/// Zero dates and out of range values are wanted as they are.
const SQL_MODE: &str = "SET SESSION sql_mode = '', time_zone = '+00:00'";

fn cases(flavor: Flavor) -> Vec<Case> {
    let own = match flavor {
        Flavor::MySql => MYSQL,
        Flavor::MariaDb => MARIADB,
    };
    COMMON.iter().chain(own).copied().collect()
}

fn expression(column: &str, how: As) -> String {
    match how {
        As::Plain | As::Float => column.to_owned(),
        As::Number => format!("{column} + 0"),
        As::Hex => format!("HEX({column})"),
        As::Text => format!("CONCAT(HEX({column}), '')"),
    }
}

/// What was read, in the form in which the SELECT gives it.
fn shown(how: As, value: otter_core::Value<'_>) -> String {
    match (how, value) {
        (As::Text | As::Hex, otter_core::Value::Text(bytes)) => super::support::hex(bytes),
        (_, value) => text(value),
    }
}

fn same(how: As, read: &str, selected: &str) -> bool {
    match how {
        As::Float if read != "NULL" => {
            let number = |text: &str| text.parse::<f64>().unwrap();
            let (read, selected) = (number(read), number(selected));
            // The server prints six digits of a FLOAT.
            (read - selected).abs() <= read.abs() * 1e-5
        }
        _ => read == selected,
    }
}

/// Inserts, updates and deletes every value in a table per type, and compares all images.
async fn every_value_is_read_as_selected(server: &Server, flavor: Flavor) {
    let mut connection_sql = vec!["CREATE DATABASE shop".to_owned()];
    for (index, (column_type, _, _)) in cases(flavor).iter().enumerate() {
        connection_sql.push(format!(
            "{SQL_MODE}; CREATE TABLE shop.t{index} (id INT PRIMARY KEY, v {column_type}) \
             CHARACTER SET utf8mb4"
        ));
    }
    testbed::execute(server, &connection_sql.join("; ")).await;
    let mut selector = open_now(options(server)).await;
    for (index, (column_type, how, values)) in cases(flavor).into_iter().enumerate() {
        let table = format!("shop.t{index}");
        let is_generated = values == ["DEFAULT"];
        let mut rows: Vec<String> = values
            .iter()
            .enumerate()
            .map(|(id, value)| format!("INSERT INTO {table} (id, v) VALUES ({id}, {value})"))
            .collect();
        if !is_generated {
            rows.push(format!("INSERT INTO {table} (id, v) VALUES (1000, NULL)"));
        }
        let insert = rows.join("; ");
        testbed::execute(
            server,
            &format!("{SQL_MODE}; SET NAMES utf8mb4; BEGIN; {insert}; COMMIT"),
        )
        .await;
        let select = format!(
            "SET SESSION time_zone = '+00:00'; SELECT {} FROM {table} ORDER BY id",
            expression("v", how)
        );
        let selected = query::texts(server, &select).await;
        testbed::execute(
            server,
            &format!(
                "{SQL_MODE}; BEGIN; UPDATE {table} SET id = id + 5000; DELETE FROM {table}; COMMIT"
            ),
        )
        .await;
        let read = transactions(&mut selector, 2).await;
        let mut inserted = Vec::new();
        for event in &read[0].events {
            let Event::Rows(rows) = event else { panic!("{column_type}: no rows") };
            for change in rows.changes() {
                let Change::Insert { after } = change else { panic!("{column_type}: no insert") };
                inserted.push(shown(how, after.by_name("v").unwrap()));
            }
        }
        assert_eq!(inserted.len(), selected.len(), "{column_type}");
        for (read, selected) in inserted.iter().zip(&selected) {
            assert!(same(how, read, &selected[0]), "{column_type}: {read} is not {}", selected[0]);
        }
        let (mut updated, mut deleted) = (Vec::new(), Vec::new());
        for event in &read[1].events {
            let Event::Rows(rows) = event else { panic!("{column_type}: no rows") };
            for change in rows.changes() {
                match change {
                    Change::Update { before, .. } => {
                        updated.extend(before.by_name("v").map(|value| shown(how, value)));
                    }
                    Change::Delete { before } => {
                        deleted.extend(before.by_name("v").map(|value| shown(how, value)));
                    }
                    Change::Insert { .. } => panic!("{column_type}: an insert"),
                }
            }
        }
        // MariaDB 11.8 leaves generated columns out of the images before a change.
        if !(is_generated && updated.is_empty()) {
            assert_eq!(updated, inserted, "{column_type}: before images");
        }
        if !is_generated {
            assert_eq!(deleted, inserted, "{column_type}: deleted images");
        }
    }
}

/// Signs and character sets are logged per kind of column: one that is counted wrongly shifts all
/// that follow.
async fn signs_and_charsets_stay_with_their_columns(server: &Server, flavor: Flavor) {
    let own = match flavor {
        Flavor::MySql => "j JSON, v VECTOR(2),",
        Flavor::MariaDb => "j UUID, v VARCHAR(9) COMPRESSED CHARACTER SET latin7,",
    };
    testbed::execute(
        server,
        &format!(
            "{SQL_MODE}; CREATE TABLE shop.mixed (y YEAR, i1 INT, b BIT(3), i2 INT UNSIGNED, \
             e ENUM('x','é') CHARACTER SET latin1, i3 INT, d DECIMAL(3,1) UNSIGNED, i4 INT, \
             f FLOAT UNSIGNED, i5 INT, ts TIMESTAMP NULL, i6 INT UNSIGNED, g GEOMETRY, \
             c1 CHAR(3) CHARACTER SET latin1, {own} c2 VARCHAR(3) CHARACTER SET ucs2, \
             s SET('y','ö') CHARACTER SET latin2, bb BLOB, c3 TEXT CHARACTER SET gbk, i7 BIGINT, \
             i8 BIGINT UNSIGNED)"
        ),
    )
    .await;
    let mut selector = open_now(options(server)).await;
    testbed::execute(
        server,
        &format!(
            "{SQL_MODE}; INSERT INTO shop.mixed (i1, i2, i3, i4, i5, i6, c1, c2, c3, i7, i8) VALUES \
             (-1, 4294967295, -3, -4, -5, 4294967295, 'a', 'b', 'c', -7, 18446744073709551615)"
        ),
    )
    .await;
    let read = transactions(&mut selector, 1).await;
    let Event::Rows(rows) = &read[0].events[0] else { panic!("no rows") };
    let Some(Change::Insert { after }) = rows.changes().next() else { panic!("no insert") };
    let value = |name: &str| text(after.by_name(name).unwrap());
    let numbers = ["i1", "i2", "i3", "i4", "i5", "i6", "i7", "i8"].map(value).join(" ");
    assert_eq!(numbers, "-1 4294967295 -3 -4 -5 4294967295 -7 18446744073709551615");
    let url = server.url().parse().unwrap();
    let listed = otter_binlog::preflight::source_tables(&url, &options(server).filter).await;
    let listed = listed.unwrap().into_iter().find(|it| &*it.name.table == "mixed").unwrap();
    assert_eq!(**rows.table(), listed);
}

async fn read_with(flavor: Flavor, metadata: &str) {
    let arg = format!("--binlog-row-metadata={metadata}");
    read_from(flavor, &[&arg]).await;
}

async fn read_from(flavor: Flavor, args: &[&str]) {
    let source = testbed::server(flavor).source();
    let server = args.iter().fold(source, |source, arg| source.arg(*arg)).start().await;
    every_value_is_read_as_selected(&server, flavor).await;
    signs_and_charsets_stay_with_their_columns(&server, flavor).await;
}

#[tokio::test]
async fn every_value_of_mysql_is_read_as_selected_with_full_metadata() {
    read_with(Flavor::MySql, "FULL").await;
}

#[tokio::test]
async fn every_value_of_mysql_is_read_as_selected_with_minimal_metadata() {
    read_with(Flavor::MySql, "MINIMAL").await;
}

#[tokio::test]
async fn every_value_of_mariadb_is_read_as_selected_with_full_metadata() {
    read_with(Flavor::MariaDb, "FULL").await;
}

#[tokio::test]
async fn every_value_of_mariadb_is_read_as_selected_with_minimal_metadata() {
    read_with(Flavor::MariaDb, "MINIMAL").await;
}

#[tokio::test]
async fn every_value_of_mariadb_is_read_as_selected_without_metadata() {
    read_with(Flavor::MariaDb, "NO_LOG").await;
}

#[tokio::test]
async fn every_value_of_mysql_is_read_as_selected_from_compressed_transactions() {
    read_from(Flavor::MySql, &["--binlog-transaction-compression=ON"]).await;
}

#[tokio::test]
async fn every_value_of_mariadb_is_read_as_selected_from_compressed_and_annotated_events() {
    let args = [
        "--log-bin-compress=ON",
        "--log-bin-compress-min-len=10",
        "--binlog-annotate-row-events=ON",
    ];
    read_from(Flavor::MariaDb, &args).await;
}
