//! What holds for any schema: it survives its text, and the SQL that would make it.

use std::fmt::Write;
use std::sync::Arc;

use otter_core::TableName;
use proptest::prelude::*;

use super::super::{ColumnSchema, Key, Schema, SchemaOptions, TableKind, TableSchema, Versioning};
use super::Bench;
use crate::history::statement::{Generated, KeyKind, KeyPart};
use crate::history::types::{DataType, LobSize, Shape};

fn sizes() -> impl Strategy<Value = LobSize> {
    prop::sample::select(&[LobSize::Tiny, LobSize::Normal, LobSize::Medium, LobSize::Long][..])
}

fn labels() -> impl Strategy<Value = Arc<[Arc<str>]>> {
    let label = "[a-z'\\\\\"é\t\n]{0,4}".prop_map(|label: String| Arc::from(label));
    prop::collection::vec(label, 1..4).prop_map(Arc::from)
}

fn types() -> impl Strategy<Value = DataType> {
    let integer = (prop::sample::select(&[1_u8, 2, 3, 4, 8][..]), any::<bool>())
        .prop_map(|(bytes, unsigned)| DataType::Integer { bytes, unsigned });
    let decimal = (1_u8..=65, 0_u8..=30, any::<bool>()).prop_map(|(precision, scale, unsigned)| {
        DataType::Decimal { precision: precision.max(scale), scale, unsigned }
    });
    let digits = 0_u8..=6;
    prop_oneof![
        integer,
        decimal,
        any::<bool>().prop_map(|unsigned| DataType::Float { unsigned }),
        any::<bool>().prop_map(|unsigned| DataType::Double { unsigned }),
        (1_u8..=64).prop_map(|bits| DataType::Bit { bits }),
        Just(DataType::Year),
        Just(DataType::Date),
        digits.clone().prop_map(|digits| DataType::Time { digits }),
        digits.clone().prop_map(|digits| DataType::DateTime { digits }),
        digits.prop_map(|digits| DataType::Timestamp { digits }),
        (0_u32..=255).prop_map(|chars| DataType::Char { chars }),
        (0_u32..=1000).prop_map(|chars| DataType::VarChar { chars }),
        sizes().prop_map(DataType::Text),
        (0_u32..=255).prop_map(|bytes| DataType::Binary { bytes }),
        (0_u32..=1000).prop_map(|bytes| DataType::VarBinary { bytes }),
        sizes().prop_map(DataType::Blob),
        labels().prop_map(DataType::Enum),
        labels().prop_map(DataType::Set),
        Just(DataType::Json),
        prop::sample::select(&Shape::ALL[..]).prop_map(DataType::Geometry),
        (1_u32..=16383).prop_map(|dimensions| DataType::Vector { dimensions }),
        prop::sample::select(&[DataType::Uuid, DataType::Inet4, DataType::Inet6][..]),
    ]
}

const COLLATIONS: [&str; 5] =
    ["latin1_swedish_ci", "utf8mb4_bin", "utf8mb4_0900_ai_ci", "gbk_chinese_ci", "ucs2_general_ci"];

fn columns() -> impl Strategy<Value = Vec<ColumnSchema>> {
    let column = (
        types(),
        prop::sample::select(&COLLATIONS[..]),
        any::<[bool; 4]>(),
        prop::sample::select(&[None, Some(Generated::Virtual), Some(Generated::Stored)][..]),
        "[a-zA-Z `\"é.\t#-]{0,6}",
    );
    prop::collection::vec(column, 1..8).prop_map(|columns| {
        let columns = columns.into_iter().enumerate();
        columns
            .map(|(index, (data_type, collation, flags, generated, name))| ColumnSchema {
                name: format!("{name}{index}").into(),
                collation: data_type.is_text().then(|| collation.into()),
                data_type,
                nullable: flags[0],
                auto_increment: flags[1] && !flags[0],
                invisible: flags[2],
                compressed: flags[3],
                generated,
            })
            .collect()
    })
}

fn tables() -> impl Strategy<Value = TableSchema> {
    let keys = prop::collection::vec((any::<u16>(), 0_u8..4, 0_u32..9, any::<bool>()), 0..5);
    (columns(), keys, prop::sample::select(&COLLATIONS[..]), any::<[bool; 3]>()).prop_map(
        |(columns, keys, collation, flags)| {
            let mut table = TableSchema {
                columns,
                keys: Vec::new(),
                collation: collation.into(),
                kind: if flags[0] { TableKind::Sequence } else { TableKind::Base },
                versioning: if flags[1] { Versioning::Implicit } else { Versioning::None },
                is_complete: true,
            };
            for (index, key) in keys.into_iter().enumerate() {
                let key = make_key(index, key, &mut table.columns);
                table.keys.push(key);
            }
            table
        },
    )
}

fn make_key(
    index: usize,
    (seed, kind, prefix, two): (u16, u8, u32, bool),
    columns: &mut [ColumnSchema],
) -> Key {
    let kind = match kind {
        0 if index == 0 => KeyKind::Primary,
        0 | 1 => KeyKind::Unique,
        2 => KeyKind::Index,
        _ => KeyKind::Special,
    };
    let count = columns.len();
    let mut parts = Vec::new();
    for place in 0..=usize::from(two) {
        let column = &mut columns[(usize::from(seed) + place) % count];
        if kind == KeyKind::Primary {
            column.nullable = false;
        }
        let can_be_cut = kind != KeyKind::Special
            && matches!(column.data_type, DataType::Text(_) | DataType::Blob(_));
        let prefix = Some(prefix).filter(|prefix| can_be_cut && *prefix > 0);
        parts.push(KeyPart { column: Some(Arc::clone(&column.name)), prefix });
    }
    let name = if kind == KeyKind::Primary { "PRIMARY".into() } else { format!("k`{index}") };
    Key { name: name.into(), kind, generated: false, parts }
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// The SQL that makes a table like this one, but for expressions, which are not tracked.
fn create(table: &TableSchema) -> String {
    let mut sql = "CREATE TABLE t (".to_owned();
    for column in &table.columns {
        write!(sql, "{} {}", quoted(&column.name), column.data_type).unwrap();
        if let Some(collation) = &column.collation {
            write!(sql, " COLLATE {collation}").unwrap();
        }
        let marks = [
            (column.generated.is_some(), " AS (1 + (2))"),
            (column.generated == Some(Generated::Stored), " STORED"),
            (column.nullable, " NULL"),
            (!column.nullable, " NOT NULL"),
            (column.auto_increment, " AUTO_INCREMENT"),
            (column.invisible, " INVISIBLE"),
            (column.compressed, " /* as MariaDB says it */ COMPRESSED"),
        ];
        sql.extend(marks.iter().filter(|(is_set, _)| *is_set).map(|(_, words)| *words));
        sql.push_str(", ");
    }
    for key in &table.keys {
        let kind = match key.kind {
            KeyKind::Primary => "PRIMARY KEY",
            KeyKind::Unique => "UNIQUE KEY",
            KeyKind::Index | KeyKind::Foreign => "KEY",
            KeyKind::Special => "SPATIAL KEY",
        };
        let name = if key.kind == KeyKind::Primary { String::new() } else { quoted(&key.name) };
        let parts = key.parts.iter().map(|part| {
            let length = part.prefix.map(|prefix| format!("({prefix})"));
            format!("{}{}", quoted(part.column.as_deref().unwrap()), length.unwrap_or_default())
        });
        write!(sql, "{kind} {name} ({}), ", parts.collect::<Vec<_>>().join(", ")).unwrap();
    }
    sql.truncate(sql.len() - 2);
    write!(sql, ") COLLATE={}", table.collation).unwrap();
    if table.kind == TableKind::Sequence {
        sql.push_str(" SEQUENCE=1");
    }
    if table.versioning == Versioning::Implicit {
        sql.push_str(" WITH SYSTEM VERSIONING");
    }
    sql
}

proptest! {
    #[test]
    fn the_sql_of_a_table_makes_the_table(table in tables()) {
        let mut bench = Bench::mysql();
        let sql = create(&table);
        bench.run(&sql);
        prop_assert_eq!(bench.table("t"), &table, "{}", sql);
    }

    #[test]
    fn a_schema_survives_its_text(tables in prop::collection::vec(tables(), 0..5), thread in 0_u32..9) {
        let mut bench = Bench::mysql();
        for (index, table) in tables.into_iter().enumerate() {
            let name = TableName::new(format!("d\t{}", index % 2), format!("t\n\\{index}"));
            bench.schema.insert(&name, table);
        }
        bench.session.thread = thread;
        bench.run("CREATE TEMPORARY TABLE x (a INT, FOREIGN KEY (a) REFERENCES p (b), KEY ((a + 1)))");
        bench.run("CREATE TABLE y AS SELECT 1");
        let text = bench.schema.to_text();
        let again = Schema::from_text(&text).unwrap();
        prop_assert_eq!(again.to_text(), text);
        for ((name, table), (other_name, other)) in bench.schema.tables().zip(again.tables()) {
            prop_assert_eq!((name, table), (other_name, other));
        }
        prop_assert_eq!(again.temporary.len(), 1);
    }

    #[test]
    fn damaged_text_is_refused_or_read(table in tables(), place in any::<prop::sample::Index>(), with in "\\PC{0,2}") {
        let mut bench = Bench::mysql();
        bench.run(&create(&table));
        let text = bench.schema.to_text();
        let mut letters: Vec<char> = text.chars().collect();
        let place = place.index(letters.len());
        letters.splice(place..=place, with.chars());
        let _ = Schema::from_text(&letters.into_iter().collect::<String>());
    }
}

#[test]
fn text_of_another_version_is_refused_by_its_line() {
    let refused = |text: &str| Schema::from_text(text).unwrap_err().line;
    assert_eq!(refused(""), 1);
    assert_eq!(refused("otter-schema 2\t0\n"), 1);
    assert_eq!(refused("otter-schema 1\t0\nC\ta\tint4\t\\-\tn\n"), 2);
    assert_eq!(
        refused("otter-schema 1\t0\nD\td\tbinary\nT\tt\tbinary\t\\-\nC\ta\tint5\t\\-\tn\n"),
        4
    );
    assert_eq!(
        refused("otter-schema 1\t0\nD\td\tbinary\nT\tt\tbinary\t\\-\nK\tk\tunique\t\\-\t0:a\n"),
        4
    );
    assert_eq!(
        Schema::from_text("otter-schema 1\t1\n").unwrap().options(),
        SchemaOptions { table_names: super::super::TableNames::Lowercase }
    );
}

#[test]
fn ten_thousand_tables_are_read_quickly_and_share_their_names() {
    let mut bench = Bench::mysql();
    bench.run("CREATE TABLE t (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, name VARCHAR(80), note TEXT, \
               price DECIMAL(10,2), made DATETIME(3), state ENUM('a','b'), KEY (name), KEY (made, state))");
    let table = bench.table("t").clone();
    for index in 0..10_000 {
        bench.schema.insert(&TableName::new("d", format!("t{index}")), table.clone());
    }
    let text = bench.schema.to_text();
    let started = std::time::Instant::now();
    let again = Schema::from_text(&text).unwrap();
    let took = started.elapsed();
    assert_eq!(again.table_count(), 10_001);
    assert!(took.as_secs() < 5, "10,000 tables took {took:?}, even in a debug build under load");
    let mut names = again.tables().map(|(_, table)| Arc::as_ptr(&table.columns()[0].name));
    let first = names.next().unwrap();
    assert!(names.all(|name| std::ptr::addr_eq(name, first)));
}
