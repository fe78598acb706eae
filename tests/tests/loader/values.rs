//! Every type of value arrives byte for byte, is found again by its value, and goes.

use std::sync::Arc;

use otter_core::testkit::lease::lease;
use otter_core::{ColumnType, Date, DateTime, Load, RowKind, Table, Time, Timestamp, Value};
use otter_server::sandbox::Flavor;

use crate::place::Place;
use crate::source::{INT, Image, Source, delete, insert, rows, text, update};

/// Values of one type, and how they look in the target.
pub(crate) struct Kind {
    /// The column's type in SQL.
    pub(crate) sql: &'static str,
    column: ColumnType,
    /// Shows the column `v` exactly.
    show: &'static str,
    values: Vec<(Value<'static>, String)>,
}

fn kind(
    sql: &'static str,
    column: ColumnType,
    show: &'static str,
    values: Vec<(Value<'static>, &str)>,
) -> Kind {
    let values = values.into_iter().map(|(value, shown)| (value, shown.to_owned())).collect();
    Kind { sql, column, show, values }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// Text in its own bytes, shown in the target's bytes.
fn text_kind(sql: &'static str, charset: &str, values: Vec<&'static [u8]>) -> Kind {
    let values = values.into_iter().map(|bytes| (Value::Text(bytes), hex(bytes))).collect();
    Kind { sql, column: text(charset), show: "HEX(CAST(v AS BINARY))", values }
}

fn numbers() -> Vec<Kind> {
    let integer = |bytes, unsigned| ColumnType::Integer { bytes, unsigned };
    let float_values = [
        0.1_f32,
        -1.5,
        f32::MIN_POSITIVE,
        1.401_298_5e-45,
        f32::MAX,
        -f32::MAX,
        16_777_217.0,
        0.0,
        3.402_823e38,
        1.0e-10,
        8_388_609.0,
    ];
    let double_values = [
        0.1_f64,
        -1.5,
        f64::MIN_POSITIVE,
        5e-324,
        f64::MAX,
        -f64::MAX,
        9_007_199_254_740_993.0,
        0.0,
        1.0 / 3.0,
        1e22,
        1e23,
        123_456_789.123_456_79,
    ];
    vec![
        kind(
            "TINYINT",
            integer(1, false),
            "v",
            vec![(Value::Int(-128), "-128"), (Value::Int(127), "127"), (Value::Null, "NULL")],
        ),
        kind(
            "MEDIUMINT UNSIGNED",
            integer(3, true),
            "v",
            vec![(Value::UInt(16_777_215), "16777215")],
        ),
        kind(
            "BIGINT",
            integer(8, false),
            "v",
            vec![
                (Value::Int(i64::MIN), "-9223372036854775808"),
                (Value::Int(i64::MAX), "9223372036854775807"),
            ],
        ),
        kind(
            "BIGINT UNSIGNED",
            integer(8, true),
            "v",
            vec![(Value::UInt(u64::MAX), "18446744073709551615"), (Value::UInt(0), "0")],
        ),
        kind(
            "DECIMAL(65,30)",
            ColumnType::Decimal { precision: 65, scale: 30, unsigned: false },
            "v",
            vec![
                (
                    Value::Decimal(
                        "-99999999999999999999999999999999999.999999999999999999999999999999",
                    ),
                    "-99999999999999999999999999999999999.999999999999999999999999999999",
                ),
                (
                    Value::Decimal("0.000000000000000000000000000001"),
                    "0.000000000000000000000000000001",
                ),
            ],
        ),
        Kind {
            sql: "FLOAT",
            column: ColumnType::Float,
            // The bits of the value, as no server prints them.
            show: "v",
            values: float_values.map(|value| (Value::Float(value), String::new())).into(),
        },
        Kind {
            sql: "DOUBLE",
            column: ColumnType::Double,
            show: "v",
            values: double_values.map(|value| (Value::Double(value), String::new())).into(),
        },
        kind(
            "BIT(64)",
            ColumnType::Bit { bits: 64 },
            "HEX(v)",
            vec![
                (Value::Bit(u64::MAX), "FFFFFFFFFFFFFFFF"),
                (Value::Bit(0), "0"),
                (Value::Bit(5), "5"),
            ],
        ),
        kind("BIT(3)", ColumnType::Bit { bits: 3 }, "HEX(v)", vec![(Value::Bit(6), "6")]),
    ]
}

fn times() -> Vec<Kind> {
    let date = |year, month, day| Date { year, month, day };
    let datetime = |date, hour, minute, second, micros| DateTime {
        date,
        hour,
        minute,
        second,
        micros,
        digits: 6,
    };
    let time = |negative, hours, minutes, seconds, micros| {
        Value::Time(Time { negative, hours, minutes, seconds, micros, digits: 6 })
    };
    let stamp = |seconds, micros| Value::Timestamp(Timestamp { seconds, micros, digits: 6 });
    vec![
        kind(
            "YEAR",
            ColumnType::Year,
            "v",
            vec![
                (Value::Year(0), "0000"),
                (Value::Year(1901), "1901"),
                (Value::Year(2000), "2000"),
                (Value::Year(2155), "2155"),
            ],
        ),
        kind(
            "DATE",
            ColumnType::Date,
            "v",
            vec![
                (Value::Date(date(0, 0, 0)), "0000-00-00"),
                (Value::Date(date(2024, 0, 0)), "2024-00-00"),
                (Value::Date(date(2023, 2, 31)), "2023-02-31"),
                (Value::Date(date(0, 1, 1)), "0000-01-01"),
                (Value::Date(date(9999, 12, 31)), "9999-12-31"),
            ],
        ),
        kind(
            "DATETIME(6)",
            ColumnType::DateTime { digits: 6 },
            "v",
            vec![
                (
                    Value::DateTime(datetime(date(0, 0, 0), 0, 0, 0, 0)),
                    "0000-00-00 00:00:00.000000",
                ),
                (
                    Value::DateTime(datetime(date(2024, 2, 0), 1, 2, 3, 4)),
                    "2024-02-00 01:02:03.000004",
                ),
                (
                    Value::DateTime(datetime(date(9999, 12, 31), 23, 59, 59, 999_999)),
                    "9999-12-31 23:59:59.999999",
                ),
            ],
        ),
        kind(
            "TIME(6)",
            ColumnType::Time { digits: 6 },
            "v",
            vec![
                (time(true, 838, 59, 59, 0), "-838:59:59.000000"),
                (time(false, 838, 59, 58, 999_999), "838:59:58.999999"),
                (time(true, 0, 0, 0, 1), "-00:00:00.000001"),
                (time(false, 0, 0, 0, 0), "00:00:00.000000"),
            ],
        ),
        kind(
            "TIMESTAMP(6) NULL",
            ColumnType::Timestamp { digits: 6 },
            // Shown for a reader anywhere else than the loader.
            "CONVERT_TZ(v, @@session.time_zone, '+00:00')",
            vec![
                (stamp(1, 0), "1970-01-01 00:00:01.000000"),
                (stamp(2_147_483_647, 999_999), "2038-01-19 03:14:07.999999"),
                (Value::Null, "NULL"),
            ],
        ),
        kind(
            "TIMESTAMP NULL",
            ColumnType::Timestamp { digits: 0 },
            "CAST(v AS CHAR)",
            vec![(Value::Timestamp(Timestamp::default()), "0000-00-00 00:00:00")],
        ),
    ]
}

fn texts() -> Vec<Kind> {
    let bytes = |max_bytes, fixed| ColumnType::Bytes { max_bytes, fixed };
    let labels: Arc<[Arc<str>]> =
        [Arc::from("it's"), Arc::from("b\\c"), Arc::from(""), Arc::from("日")].into();
    vec![
        text_kind(
            "VARCHAR(100) CHARACTER SET utf8mb4",
            "utf8mb4",
            vec![
                "it's 🦦 \\ \" % _ \n\r\t\x1a\0 end ".as_bytes(),
                b"",
                b" ",
                b"'",
                b"\\'",
                b"; DROP TABLE v; --",
            ],
        ),
        text_kind(
            "VARCHAR(20) CHARACTER SET latin1",
            "latin1",
            vec![b"\xe9t\xe9 \x80\xff", b"plain \\ ~", b"a "],
        ),
        text_kind("VARCHAR(20) CHARACTER SET gbk", "gbk", vec![b"\xc4\xe3\xba\xc3", b"\x81\x5c x"]),
        text_kind("VARCHAR(20) CHARACTER SET sjis", "sjis", vec![b"\x83\x5c\x95\x5c", b"plain"]),
        text_kind("VARCHAR(20) CHARACTER SET ucs2", "ucs2", vec![b"\0a\0'", b"\x4f\x60"]),
        text_kind("VARCHAR(20) CHARACTER SET utf16le", "utf16le", vec![b"a\0'\0"]),
        text_kind("CHAR(10) CHARACTER SET utf8mb3", "utf8mb3", vec!["日本".as_bytes()]),
        text_kind("LONGTEXT CHARACTER SET utf8mb4", "utf8mb4", vec!["täglich".as_bytes()]),
        kind(
            "BINARY(4)",
            bytes(4, true),
            "HEX(v)",
            vec![(Value::Bytes(b"\0\xff\0\0"), "00FF0000"), (Value::Bytes(b"abcd"), "61626364")],
        ),
        kind(
            "LONGBLOB",
            bytes(u32::MAX, false),
            "HEX(v)",
            vec![(Value::Bytes(b""), ""), (Value::Bytes(b"\xff'\\\0"), "FF275C00")],
        ),
        kind(
            "ENUM('it''s', 'b\\\\c', '', '日') CHARACTER SET utf8mb4",
            ColumnType::Enum { labels: Some(Arc::clone(&labels)) },
            "v + 0",
            vec![
                (Value::Enum(1), "1"),
                (Value::Enum(2), "2"),
                (Value::Enum(3), "3"),
                (Value::Enum(4), "4"),
                (Value::Enum(0), "0"),
                (Value::Null, "NULL"),
            ],
        ),
        kind(
            "ENUM('a', 'b')",
            ColumnType::Enum { labels: None },
            "v + 0",
            vec![(Value::Enum(2), "2"), (Value::Enum(0), "0")],
        ),
        kind(
            "SET('it''s', 'b\\\\c', 'c', '日') CHARACTER SET utf8mb4",
            ColumnType::Set {
                labels: Some(
                    [Arc::from("it's"), Arc::from("b\\c"), Arc::from("c"), Arc::from("日")].into(),
                ),
            },
            "v + 0",
            vec![(Value::Set(0), "0"), (Value::Set(0b1011), "11"), (Value::Set(15), "15")],
        ),
        kind(
            "SET('a', 'b')",
            ColumnType::Set { labels: None },
            "v + 0",
            vec![(Value::Set(3), "3"), (Value::Set(0), "0")],
        ),
        kind(
            "GEOMETRY",
            ColumnType::Geometry,
            "HEX(v)",
            vec![(
                Value::Geometry(
                    b"\xe6\x10\0\0\x01\x01\0\0\0\0\0\0\0\0\0\0\x40\0\0\0\0\0\0\x08\x40",
                ),
                "E6100000010100000000000000000000400000000000000840",
            )],
        ),
    ]
}

fn only_mysql() -> Vec<Kind> {
    vec![
        kind(
            "JSON",
            ColumnType::Json,
            "CAST(v AS CHAR)",
            vec![
                (
                    Value::Json("{\"a\": [1, \"it's \\\\ \\n 日\", null, true]}"),
                    "{\"a\": [1, \"it's \\\\ \\n 日\", null, true]}",
                ),
                (Value::Json("null"), "null"),
                (Value::Json("\"\""), "\"\""),
                (Value::Null, "NULL"),
            ],
        ),
        kind(
            "VECTOR(2)",
            ColumnType::Vector,
            "HEX(v)",
            vec![(Value::Vector(b"\0\0\x80\x3f\0\0\0\x40"), "0000803F00000040")],
        ),
    ]
}

pub(crate) fn kinds(flavor: Flavor) -> Vec<Kind> {
    let mut kinds = numbers();
    kinds.extend(times());
    kinds.extend(texts());
    if flavor == Flavor::MySql {
        kinds.extend(only_mysql());
    } else {
        // MySQL's JSON becomes MariaDB's, which is text.
        kinds.push(kind(
            "JSON",
            ColumnType::Json,
            "v",
            vec![(Value::Json("{\"a\": [1, \"it's 日\"]}"), "{\"a\": [1, \"it's 日\"]}")],
        ));
    }
    kinds
}

pub(crate) fn in_table(place: &Place, name: &str, kind: &Kind) -> Arc<Table> {
    crate::source::table(&place.database, name, &[("id", INT), ("v", kind.column.clone())])
}

pub(crate) fn numbered<'a>(kind: &Kind) -> Vec<Vec<Option<Value<'a>>>> {
    let rows = kind.values.iter().zip(1..);
    rows.map(|((value, _), id)| vec![Some(Value::Int(id)), Some(*value)]).collect()
}

/// Asserts that the table holds the values under their numbers.
pub(crate) async fn assert_shown(place: &Place, table: &str, kind: &Kind) {
    let show = kind.show;
    let query = format!("SET NAMES utf8mb4; SELECT {show} FROM {{db}}.{table} ORDER BY id");
    let found = place.texts(&query).await.concat();
    assert_eq!(found.len(), kind.values.len(), "{}", kind.sql);
    for ((value, expected), found) in kind.values.iter().zip(found) {
        match value {
            // The text of a FLOAT has too few digits, so the server compares.
            Value::Float(value) => {
                let exact = format!(
                    "SELECT COUNT(*) FROM {{db}}.{table} WHERE v = {:e}",
                    f64::from(*value)
                );
                assert_eq!(place.texts(&exact).await, [["1"]], "{}", kind.sql);
            }
            Value::Double(value) => {
                assert_eq!(found.parse::<f64>().unwrap().to_bits(), value.to_bits(), "{found}");
            }
            _ => assert_eq!(found, *expected, "{}", kind.sql),
        }
    }
}

on_both! {
    async fn values_of_every_type_are_inserted_byte_for_byte(place: Place) {
        let mut source = Source::new();
        let loader = place.begun(&source).await;
        for (number, kind) in kinds(place.flavor).iter().enumerate() {
            let name = format!("v{number}");
            place.execute(&format!("CREATE TABLE {name} (id INT PRIMARY KEY, v {})", kind.sql)).await;
            let table = in_table(&place, &name, kind);
            let batch = source.batch(vec![vec![insert(&table, &numbered(kind))]]);
            loader.load(batch, &lease(1)).await.map(|_| ()).unwrap_or_else(|error| panic!("{}: {error}", kind.sql));
            assert_shown(&place, &name, kind).await;
        }
        loader.close().await;
    }

    async fn values_of_every_type_are_updated_and_found_in_tables_without_a_key(place: Place) {
        let mut source = Source::new();
        let loader = place.begun(&source).await;
        for (number, kind) in kinds(place.flavor).iter().enumerate() {
            let name = format!("v{number}");
            place.execute(&format!("CREATE TABLE {name} (id INT, v {})", kind.sql)).await;
            let table = in_table(&place, &name, kind);
            let values: Vec<Value<'static>> = kind.values.iter().map(|(value, _)| *value).collect();
            let first = *values.first().unwrap();
            let base = |id: i64| vec![Some(Value::Int(id)), Some(first)];
            // All begin with the first value, then each gets its own, then all are removed by it.
            let ids = || (1_i64..).take(values.len());
            let images: Vec<_> = ids().map(base).collect();
            let mut events = vec![insert(&table, &images)];
            for (id, value) in ids().zip(&values) {
                events.push(update(&table, base(id), vec![Some(Value::Int(id)), Some(*value)]));
            }
            let outcome = loader.load(source.batch(vec![events]), &lease(1)).await;
            outcome.map(|_| ()).unwrap_or_else(|error| panic!("{}: {error}", kind.sql));
            assert_shown(&place, &name, kind).await;
            let removal = source.batch(vec![vec![delete(&table, &numbered(kind))]]);
            let outcome = loader.load(removal, &lease(1)).await;
            let removed = outcome.unwrap_or_else(|error| panic!("{}: {error}", kind.sql)).rows;
            assert_eq!(removed, u64::try_from(values.len()).unwrap(), "{}", kind.sql);
        }
        loader.close().await;
    }

    async fn values_of_many_types_serve_as_keys(place: Place) {
        let mut source = Source::new();
        let loader = place.begun(&source).await;
        for (number, kind) in kinds(place.flavor).iter().enumerate() {
            let no_key = ["LONG", "GEOMETRY", "JSON", "VECTOR"];
            if no_key.iter().any(|start| kind.sql.starts_with(start)) {
                continue;
            }
            let name = format!("v{number}");
            let sql = kind.sql.trim_end_matches(" NULL");
            let default = if sql.starts_with("TIMESTAMP") { "DEFAULT '2000-01-01'" } else { "" };
            place
                .execute(&format!("CREATE TABLE {name} (v {sql} NOT NULL {default}, id INT, PRIMARY KEY (v))"))
                .await;
            let columns = [("v", kind.column.clone()), ("id", INT)];
            let mut table = Arc::unwrap_or_clone(crate::source::table(&place.database, &name, &columns));
            table.columns[0].nullable = false;
            let table = Arc::new(table);
            let values = kind.values.iter().map(|(value, _)| *value).filter(|value| !value.is_null());
            let image = |value, id| vec![Some(value), Some(Value::Int(id))];
            let mut seen = Vec::new();
            for value in values {
                // Equal for the key's collation, which is no business of this test.
                if !matches!(value, Value::Text(b"" | b" ")) {
                    seen.push(value);
                }
            }
            let all: Vec<_> = seen.iter().map(|value| image(*value, 1)).collect();
            let updates: Vec<_> =
                seen.iter().flat_map(|value| [image(*value, 1), image(*value, 2)]).collect();
            let gone: Vec<_> = seen.iter().map(|value| image(*value, 2)).collect();
            let events = vec![
                insert(&table, &all),
                rows(&table, RowKind::Update, &updates),
                delete(&table, &gone),
            ];
            let loaded = loader.load(source.batch(vec![events]), &lease(1)).await;
            let rows = loaded.unwrap_or_else(|error| panic!("{}: {error}", kind.sql)).rows;
            assert_eq!(rows, 3 * u64::try_from(seen.len()).unwrap(), "{}", kind.sql);
        }
        loader.close().await;
    }

    /// MySQL warns of the names of character sets that it means to drop, as it does of the error
    /// value.
    async fn an_enums_error_value_stands_beside_text_of_an_old_character_set(place: Place) {
        place
            .execute(
                "CREATE TABLE old (id INT PRIMARY KEY, e ENUM('a'), t CHAR(4) CHARACTER SET ucs2, \
                 u VARCHAR(9) CHARACTER SET utf8mb3); \
                 CREATE TABLE keyless (id INT, e ENUM('a'), t CHAR(4) CHARACTER SET ucs2, \
                 u VARCHAR(9) CHARACTER SET utf8mb3)",
            )
            .await;
        let wrong = ColumnType::Enum { labels: None };
        let columns = [("id", INT), ("e", wrong), ("t", text("ucs2")), ("u", text("utf8mb3"))];
        let image = |number, letter: &'static [u8]| -> Image<'static> {
            let texts = [Value::Text(letter), Value::Text("é".as_bytes())];
            let numbers = [Value::Int(1), Value::Enum(number)];
            numbers.into_iter().chain(texts).map(Some).collect()
        };
        let mut source = Source::new();
        let loader = place.begun(&source).await;
        for name in ["old", "keyless"] {
            let table = crate::source::table(&place.database, name, &columns);
            let events = vec![
                insert(&table, &[image(0, b"\0a")]),
                update(&table, image(0, b"\0a"), image(1, b"\0b")),
                update(&table, image(1, b"\0b"), image(0, b"\x4e\x2d")),
            ];
            assert_eq!(loader.load(source.batch(vec![events]), &lease(1)).await.unwrap().rows, 3);
            let shown = place.texts(&format!("SELECT e + 0, HEX(t), u FROM {{db}}.{name}")).await;
            assert_eq!(shown, [["0", "4E2D", "é"]], "{name}");
        }
        loader.close().await;
    }
}
