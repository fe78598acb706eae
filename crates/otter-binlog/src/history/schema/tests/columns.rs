//! Types by all their names, and the attributes that change a column.

use super::Bench;
use crate::connection::Flavor;
use crate::history::dialect::{Dialect, SqlMode};

fn mysql_column(definition: &str) -> String {
    let mut bench = Bench::mysql();
    bench.run(&format!("CREATE TABLE t (c {definition})"));
    bench.show("t").remove(0).trim_start_matches("c ").to_owned()
}

fn mariadb_column(definition: &str) -> String {
    let mut bench = Bench::mariadb();
    bench.run(&format!("CREATE TABLE t (c {definition})"));
    bench.show("t").remove(0).trim_start_matches("c ").to_owned()
}

#[test]
fn numbers_have_many_names() {
    for (definition, column) in [
        ("BOOL", "tinyint"),
        ("BOOLEAN NOT NULL DEFAULT TRUE", "tinyint NOT NULL"),
        ("INT1", "tinyint"),
        ("INT2 UNSIGNED", "smallint unsigned"),
        ("INT3", "mediumint"),
        ("MIDDLEINT(4) SIGNED", "mediumint"),
        ("INT4", "int"),
        ("INTEGER(3) ZEROFILL", "int unsigned"),
        ("INT8 SIGNED ZEROFILL", "bigint unsigned"),
        ("SERIAL", "bigint unsigned NOT NULL PRI AUTO"),
        ("INT SERIAL DEFAULT VALUE", "int NOT NULL PRI AUTO"),
        ("DEC", "decimal(10,0)"),
        ("NUMERIC(0)", "decimal(10,0)"),
        ("FIXED(5,2) UNSIGNED", "decimal(5,2) unsigned"),
        ("DECIMAL(65,30)", "decimal(65,30)"),
        ("FLOAT(24)", "float"),
        ("FLOAT(25)", "double"),
        ("FLOAT(30,2)", "float"),
        ("FLOAT4", "float"),
        ("FLOAT8", "double"),
        ("REAL", "double"),
        ("DOUBLE PRECISION(10,2) UNSIGNED", "double unsigned"),
        ("BIT", "bit(1)"),
        ("BIT(64)", "bit(64)"),
    ] {
        assert_eq!(mysql_column(definition), column, "{definition}");
        assert_eq!(mariadb_column(definition), column, "{definition}");
    }
}

#[test]
fn texts_and_bytes_have_many_names() {
    for (definition, column) in [
        ("CHAR", "char(1) latin1_swedish_ci"),
        ("CHARACTER(3)", "char(3) latin1_swedish_ci"),
        ("CHAR VARYING(9)", "varchar(9) latin1_swedish_ci"),
        ("NATIONAL CHAR(10)", "char(10) utf8mb3_general_ci"),
        ("NATIONAL CHARACTER VARYING(10)", "varchar(10) utf8mb3_general_ci"),
        ("NATIONAL VARCHAR(10)", "varchar(10) utf8mb3_general_ci"),
        ("NCHAR VARCHAR(10)", "varchar(10) utf8mb3_general_ci"),
        ("NCHAR VARYING(10)", "varchar(10) utf8mb3_general_ci"),
        ("NVARCHAR(10)", "varchar(10) utf8mb3_general_ci"),
        ("NCHAR BINARY", "char(1) utf8mb3_bin"),
        ("VARCHARACTER(4)", "varchar(4) latin1_swedish_ci"),
        ("CHAR BYTE", "binary(1)"),
        ("VARCHAR(4) BYTE", "varbinary(4)"),
        ("CHAR(32) ASCII", "char(32) latin1_swedish_ci"),
        ("CHAR(32) UNICODE", "char(32) ucs2_general_ci"),
        ("CHAR(3) BINARY ASCII", "char(3) latin1_bin"),
        ("BINARY", "binary(1)"),
        ("VARBINARY(300)", "varbinary(300)"),
        ("LONG", "mediumtext latin1_swedish_ci"),
        ("LONG VARCHAR", "mediumtext latin1_swedish_ci"),
        ("LONG CHAR VARYING", "mediumtext latin1_swedish_ci"),
        ("LONG BYTE", "mediumblob"),
        ("LONG VARBINARY", "mediumblob"),
        ("TEXT(60) CHARACTER SET utf8mb4 BINARY", "tinytext utf8mb4_bin"),
        ("TEXT(64) CHARSET utf8mb4 COLLATE utf8mb4_bin", "text utf8mb4_bin"),
        ("TEXT(70000)", "mediumtext latin1_swedish_ci"),
        ("TINYTEXT CHARACTER SET binary", "tinyblob"),
        ("BLOB(0)", "blob"),
        ("BLOB(16777216)", "longblob"),
        ("VARCHAR(70000)", "mediumtext latin1_swedish_ci"),
        ("VARBINARY(65536)", "mediumblob"),
        ("ENUM('b ', 'it''s', x'61')", "enum('b','it''s','a') latin1_swedish_ci"),
        ("SET('a ') CHARACTER SET binary", "set('a ') binary"),
    ] {
        assert_eq!(mysql_column(definition), column, "{definition}");
        assert_eq!(mariadb_column(definition), column, "{definition}");
    }
}

#[test]
fn other_types_are_those_of_the_family() {
    for (definition, column) in [
        ("YEAR(4)", "year"),
        ("TIME(3)", "time(3)"),
        ("DATETIME(0)", "datetime"),
        ("TIMESTAMP(6) NOT NULL DEFAULT NOW(6) ON UPDATE NOW(6)", "timestamp(6) NOT NULL"),
        ("GEOMCOLLECTION", "geometrycollection"),
        ("POINT NOT NULL", "point NOT NULL"),
    ] {
        assert_eq!(mysql_column(definition), column, "{definition}");
    }
    assert_eq!(mysql_column("JSON"), "json");
    assert_eq!(mysql_column("VECTOR"), "vector(2048)");
    assert_eq!(mysql_column("VECTOR(3)"), "vector(3)");
    assert_eq!(mysql_column("POINT SRID 4326 /*!80003 SRID 4326 */ NOT NULL"), "point NOT NULL");
    assert_eq!(mariadb_column("JSON"), "longtext utf8mb4_bin");
    assert_eq!(mariadb_column("UUID NOT NULL"), "uuid NOT NULL");
    assert_eq!(mariadb_column("INET6"), "inet6");
    assert_eq!(mariadb_column("INET4"), "inet4");
    assert_eq!(mariadb_column("POINT REF_SYSTEM_ID = 101"), "point");
}

#[test]
fn modes_change_what_types_mean() {
    let show = |dialect: Dialect, definition: &str| {
        let mut bench = Bench::new(dialect);
        bench.run(&format!("CREATE TABLE t (c {definition})"));
        bench.show("t").remove(0)
    };
    let mariadb = Dialect::new(Flavor::MariaDb, 10, 11, 19);
    let oracle = mariadb.under(SqlMode::ORACLE);
    assert_eq!(show(oracle, "DATE"), "c datetime");
    assert_eq!(show(oracle, "mariadb_schema.date"), "c date");
    assert_eq!(show(mariadb, "oracle_schema.date"), "c datetime");
    assert_eq!(show(oracle, "NUMBER"), "c double");
    assert_eq!(show(oracle, "NUMBER(10,2)"), "c decimal(10,2)");
    assert_eq!(show(oracle, "VARCHAR2(10)"), "c varchar(10) latin1_swedish_ci");
    assert_eq!(show(oracle, "RAW(10)"), "c varbinary(10)");
    assert_eq!(show(oracle, "CLOB"), "c longtext latin1_swedish_ci");
    assert_eq!(show(oracle, "BLOB"), "c longblob");
    let mysql = Dialect::new(Flavor::MySql, 5, 7, 40);
    assert_eq!(show(mysql.under(SqlMode::REAL_AS_FLOAT), "REAL"), "c float");
    assert_eq!(show(mysql.under(SqlMode::MAXDB), "TIMESTAMP(3)"), "c datetime(3)");
    assert_eq!(show(Dialect::new(Flavor::MySql, 5, 5, 60), "DATETIME"), "c datetime");
}

#[test]
fn attributes_may_come_in_any_order() {
    for definition in [
        "INT NOT NULL DEFAULT +7 COMMENT 'a, b' COLUMN_FORMAT FIXED STORAGE DISK INVISIBLE",
        "INT COMMENT 'INVISIBLE' INVISIBLE DEFAULT (1 + (2)) CHECK (c > 0) NOT ENFORCED NOT NULL",
        "INT DEFAULT 1 CONSTRAINT x CHECK (c <> ')') ENFORCED INVISIBLE NOT NULL ENGINE_ATTRIBUTE '{}'",
    ] {
        assert_eq!(mysql_column(definition), "int NOT NULL INVISIBLE", "{definition}");
    }
    for (definition, column) in [
        ("INT GENERATED ALWAYS AS (a + 1) STORED NOT NULL", "int NOT NULL Stored"),
        ("INT AS (CONCAT('a)', \"b\")) VIRTUAL", "int Virtual"),
        ("INT NULL AUTO_INCREMENT KEY", "int NOT NULL PRI AUTO"),
        ("VARCHAR(3) DEFAULT _utf8mb4'a' 'b' COLLATE utf8mb4_bin", "varchar(3) utf8mb4_bin"),
        ("DATE DEFAULT DATE '2001-01-01' NOT NULL", "date NOT NULL"),
        (
            "TIMESTAMP DEFAULT CURRENT_TIMESTAMP() ON UPDATE CURRENT_TIMESTAMP UNIQUE",
            "timestamp UNI",
        ),
        (
            "INT REFERENCES p (id) MATCH FULL ON DELETE SET NULL ON UPDATE NO ACTION UNIQUE",
            "int UNI",
        ),
    ] {
        assert_eq!(mysql_column(definition), column, "{definition}");
    }
    for (definition, column) in [
        ("VARCHAR(10) COMPRESSED", "varchar(10) latin1_swedish_ci COMPRESSED"),
        ("TEXT COMPRESSED=zlib DEFAULT ''", "text latin1_swedish_ci COMPRESSED"),
        ("INT PERSISTENT AS (1)", "int Virtual"),
        ("INT AS (1) PERSISTENT", "int Stored"),
        ("INT DEFAULT NEXT VALUE FOR d.s NOT NULL", "int NOT NULL"),
        ("INT DEFAULT nextval(`d`.`s`) NOT NULL", "int NOT NULL"),
        ("CHAR(36) DEFAULT uuid() NOT NULL", "char(36) latin1_swedish_ci NOT NULL"),
        ("INT WITHOUT SYSTEM VERSIONING", "int"),
        ("INT `ENCRYPTED`=YES NOT NULL", "int NOT NULL"),
    ] {
        assert_eq!(mariadb_column(definition), column, "{definition}");
    }
}

#[test]
fn timestamps_were_not_null_by_themselves() {
    let mut bench = Bench::mysql();
    bench.session.explicit_timestamp_defaults = false;
    bench.run("CREATE TABLE t (a TIMESTAMP, b TIMESTAMP NULL, c TIMESTAMP DEFAULT 0)");
    bench.run("ALTER TABLE t ADD d TIMESTAMP, MODIFY b TIMESTAMP");
    assert_eq!(
        bench.show("t"),
        [
            "a timestamp NOT NULL",
            "b timestamp NOT NULL",
            "c timestamp NOT NULL",
            "d timestamp NOT NULL"
        ]
    );
    bench.session.explicit_timestamp_defaults = true;
    bench.run("ALTER TABLE t MODIFY a TIMESTAMP");
    assert_eq!(bench.show("t")[0], "a timestamp");
}

#[test]
fn versioned_tables_have_hidden_columns_unless_they_name_them() {
    let mut bench = Bench::mariadb();
    bench.run("CREATE TABLE t (a INT PRIMARY KEY) WITH SYSTEM VERSIONING");
    bench.run("ALTER TABLE t ADD b INT");
    let names = |bench: &Bench, name: &str| -> Vec<String> {
        let table = bench.table(name).to_table(otter_core::TableName::new("d", name));
        table.columns.iter().map(|column| column.name.to_string()).collect()
    };
    assert_eq!(bench.names("t"), "a b");
    assert_eq!(names(&bench, "t"), ["a", "b", "row_start", "row_end"]);
    bench.run("ALTER TABLE t DROP SYSTEM VERSIONING");
    assert_eq!(names(&bench, "t"), ["a", "b"]);
    bench.run(
        "CREATE TABLE u (s TIMESTAMP(6) GENERATED ALWAYS AS ROW START, e TIMESTAMP(6) AS ROW END, \
         a INT, PERIOD FOR SYSTEM_TIME (s, e)) WITH SYSTEM VERSIONING",
    );
    assert_eq!(names(&bench, "u"), ["s", "e", "a"]);
    bench.run("CREATE TABLE v (a INT WITHOUT SYSTEM VERSIONING, b INT WITH SYSTEM VERSIONING)");
    assert_eq!(names(&bench, "v"), ["a", "b", "row_start", "row_end"]);
    bench.run("CREATE TABLE w (a INT, b DATE, c DATE, PERIOD FOR p (b, c))");
    assert_eq!(bench.show("w"), ["a int", "b date NOT NULL", "c date NOT NULL"]);
}

#[test]
fn a_sequence_is_a_table_that_says_so() {
    let mut bench = Bench::mariadb();
    bench.run("CREATE SEQUENCE s");
    bench.run("CREATE TABLE u (next_not_cached_value BIGINT(21) NOT NULL) SEQUENCE=1");
    for name in ["s", "u"] {
        assert_eq!(bench.table(name).kind(), super::super::TableKind::Sequence);
    }
    assert_eq!(bench.table("s").columns().len(), 8);
    bench.run("DROP SEQUENCE s");
    assert!(!bench.has("s"));
}
