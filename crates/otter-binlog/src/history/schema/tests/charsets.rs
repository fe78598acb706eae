//! Where a column's collation comes from, and what a conversion does to it.

use super::Bench;
use crate::connection::Flavor;
use crate::history::Dialect;

#[test]
fn a_column_takes_the_nearest_charset() {
    let mut bench = Bench::mysql();
    bench.run(
        "CREATE TABLE t (a CHAR(1), b CHAR(1) CHARACTER SET utf8, c CHAR(1) COLLATE utf8mb4_bin)",
    );
    assert_eq!(
        bench.show("t"),
        ["a char(1) latin1_swedish_ci", "b char(1) utf8mb3_general_ci", "c char(1) utf8mb4_bin"]
    );
    bench.run("CREATE TABLE u (a CHAR(1)) DEFAULT CHARSET=utf8mb4");
    assert_eq!(bench.show("u"), ["a char(1) utf8mb4_0900_ai_ci"]);
    bench.run(
        "CREATE TABLE v (a CHAR(1), b CHAR(1) BINARY) COLLATE 'utf8_unicode_ci' ENGINE InnoDB",
    );
    assert_eq!(bench.show("v"), ["a char(1) utf8mb3_unicode_ci", "b char(1) utf8mb3_bin"]);
    bench.session.utf8mb4_collation = "utf8mb4_general_ci".into();
    bench.run("CREATE TABLE w (a CHAR(1)) CHARACTER SET utf8mb4");
    assert_eq!(bench.show("w"), ["a char(1) utf8mb4_general_ci"]);
    bench.run("CREATE TABLE x (a CHAR(1), b TEXT, c ENUM('x ')) CHARACTER SET = binary");
    assert_eq!(bench.show("x"), ["a binary(1)", "b blob", "c enum('x ') binary"]);
}

#[test]
fn a_database_gives_its_charset_to_new_tables_only() {
    let mut bench = Bench::mysql();
    bench.run("CREATE TABLE t (a CHAR(1))");
    bench.run("ALTER DATABASE d COLLATE utf8mb4_bin");
    bench.run("ALTER TABLE t ADD b CHAR(1)");
    bench.run("CREATE TABLE u (a CHAR(1))");
    bench.run("CREATE TABLE v LIKE t");
    assert_eq!(bench.show("t"), ["a char(1) latin1_swedish_ci", "b char(1) latin1_swedish_ci"]);
    assert_eq!(bench.show("u"), ["a char(1) utf8mb4_bin"]);
    assert_eq!(bench.show("v"), bench.show("t"));
    bench.run("ALTER DATABASE CHARACTER SET DEFAULT READ ONLY = 1");
    bench.run("ALTER SCHEMA ENCRYPTION = 'N'");
    bench.session.server_collation = "latin2_general_ci".into();
    bench.run("CREATE SCHEMA IF NOT EXISTS e");
    bench.run("CREATE TABLE e.t (a CHAR(1))");
    assert_eq!(bench.show("e.t"), ["a char(1) latin2_general_ci"]);
    bench.run("CREATE TABLE not_created.t (a CHAR(1))");
    assert_eq!(bench.show("not_created.t"), ["a char(1) latin2_general_ci"]);
}

#[test]
fn a_table_gives_its_charset_to_new_columns_only() {
    let mut bench = Bench::mysql();
    bench.run("CREATE TABLE t (a CHAR(1), b CHAR(1))");
    bench.run("ALTER TABLE t ADD c CHAR(1), CHARSET utf8mb4, MODIFY b CHAR(2)");
    assert_eq!(
        bench.show("t"),
        [
            "a char(1) latin1_swedish_ci",
            "b char(2) utf8mb4_0900_ai_ci",
            "c char(1) utf8mb4_0900_ai_ci"
        ]
    );
    assert_eq!(bench.table("t").collation(), "utf8mb4_0900_ai_ci");
    bench.run("ALTER TABLE t COLLATE = utf8mb4_bin COMMENT 'x', DEFAULT CHARACTER SET DEFAULT");
    assert_eq!(bench.table("t").collation(), "utf8mb4_bin");
}

/// What `CONVERT TO` makes of the four TEXT types.
fn converted(from: &str, to: &str) -> String {
    let mut bench = Bench::mysql();
    bench.run(&format!(
        "CREATE TABLE t (a TINYTEXT, b TEXT, c MEDIUMTEXT, d LONGTEXT, e VARCHAR(20)) CHARSET {from}"
    ));
    bench.run(&format!("ALTER TABLE t CONVERT TO CHARACTER SET {to}"));
    let types = bench.table("t").columns().iter().map(|column| column.data_type.to_string());
    types.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_conversion_keeps_room_for_as_many_characters() {
    let same = "tinytext text mediumtext longtext varchar(20)";
    let wider = "text mediumtext longtext longtext varchar(20)";
    let bytes = "tinyblob blob mediumblob longblob varbinary(20)";
    for (from, to, types) in [
        ("latin1", "utf8mb4", wider),
        ("latin1", "gbk", wider),
        ("gbk", "utf8", wider),
        ("utf8", "utf8mb4", wider),
        ("utf16", "utf8", same),
        ("utf8mb4", "latin1", same),
        ("utf8mb4", "utf8mb4 COLLATE utf8mb4_bin", same),
        ("utf8mb4", "binary", bytes),
    ] {
        assert_eq!(converted(from, to), types, "{from} to {to}");
    }
}

#[test]
fn a_conversion_touches_all_text_but_no_bytes() {
    let mut bench = Bench::mysql();
    bench.run(
        "CREATE TABLE t (a ENUM('x') CHARACTER SET binary, b ENUM('x'), c BLOB, d JSON, \
         e VARCHAR(20000), f CHAR(3) BINARY)",
    );
    bench.run("ALTER TABLE t CONVERT TO CHARSET utf8mb4, ADD g CHAR(1) CHARACTER SET gbk, ADD h CHAR(1) BYTE");
    assert_eq!(
        bench.show("t"),
        [
            "a enum('x') binary",
            "b enum('x') utf8mb4_0900_ai_ci",
            "c blob",
            "d json",
            "e mediumtext utf8mb4_0900_ai_ci",
            "f char(3) utf8mb4_0900_ai_ci",
            "g char(1) utf8mb4_0900_ai_ci",
            "h binary(1)"
        ]
    );
    bench.run("ALTER TABLE t CONVERT TO CHARACTER SET DEFAULT");
    assert_eq!(bench.table("t").collation(), "latin1_swedish_ci");
    bench.run("CREATE TABLE u (a CHAR(1))");
    bench.run(
        "ALTER TABLE u ADD b CHAR(1) BINARY, ADD c CHAR(1) CHARSET gbk BINARY, \
         CONVERT TO CHARSET utf8",
    );
    assert_eq!(
        bench.show("u"),
        ["a char(1) utf8mb3_general_ci", "b char(1) utf8mb3_bin", "c char(1) utf8mb3_general_ci"]
    );
}

#[test]
fn labels_that_a_conversion_garbles_are_not_known_any_more() {
    let labels = |from: &str, label: &str, to: &str| {
        let mut bench = Bench::mysql();
        bench.run(&format!("CREATE TABLE t (a ENUM('{label}')) CHARSET {from}"));
        bench.run(&format!("ALTER TABLE t CONVERT TO CHARACTER SET {to}"));
        bench.table("t").columns()[0].data_type.to_string()
    };
    assert_eq!(labels("latin1", "x", "utf8mb4"), "enum('x')");
    assert_eq!(labels("utf8", "é", "utf8mb4"), "enum('é')");
    assert_eq!(labels("gbk", "é", "gbk"), "enum('é')");
    assert_eq!(labels("latin1", "é", "utf8mb4"), "enum()");
    assert_eq!(labels("ucs2", "x", "utf8mb4"), "enum()");
    let unknown = crate::history::DataType::Enum([].into()).to_column_type(Some("utf8mb4_bin"));
    assert_eq!(unknown, otter_core::ColumnType::Enum { labels: None });
}

#[test]
fn default_means_another_database_in_each_family() {
    let run = |bench: &mut Bench| {
        bench.run("CREATE DATABASE e CHARACTER SET gbk COLLATE gbk_bin");
        bench.run("CREATE TABLE e.t (a CHAR(1)) CHARSET utf8");
        bench.run("ALTER TABLE e.t CONVERT TO CHARACTER SET DEFAULT");
        bench.table("e.t").collation().to_owned()
    };
    assert_eq!(run(&mut Bench::mysql()), "latin1_swedish_ci");
    assert_eq!(run(&mut Bench::mariadb()), "gbk_chinese_ci");
}

#[test]
fn a_default_beside_a_conversion_counts_by_its_place_or_always() {
    for (actions, mysql, mariadb) in [
        ("CONVERT TO CHARSET utf8, COLLATE utf8_bin", "utf8mb3_bin", "utf8mb3_bin"),
        ("COLLATE utf8_bin, CONVERT TO CHARSET utf8", "utf8mb3_general_ci", "utf8mb3_bin"),
        (
            "CONVERT TO CHARSET utf8 COLLATE utf8_bin, CHARSET utf8",
            "utf8mb3_bin",
            "utf8mb3_general_ci",
        ),
    ] {
        for (mut bench, collation) in [(Bench::mysql(), mysql), (Bench::mariadb(), mariadb)] {
            bench.run("CREATE TABLE t (a INT)");
            bench.run(&format!("ALTER TABLE t {actions}"));
            assert_eq!(bench.table("t").collation(), collation, "{actions}");
        }
    }
}

#[test]
fn mariadb_takes_a_collations_set_from_around_it() {
    let mut bench = Bench::new(Dialect::new(Flavor::MariaDb, 11, 8, 3));
    bench.run("CREATE TABLE t (a CHAR(1) CHARACTER SET utf8mb4 COLLATE uca1400_as_ci, b CHAR(1)) CHARSET utf8mb3");
    assert_eq!(
        bench.show("t"),
        ["a char(1) utf8mb4_uca1400_as_ci", "b char(1) utf8mb3_uca1400_ai_ci"]
    );
}
