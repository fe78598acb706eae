//! A schema from `information_schema` is the schema that the statements made.

use super::super::snapshot::{ColumnRow, KeyRow, SnapshotBuilder};
use super::super::{SchemaOptions, TableKind, Versioning};
use super::Bench;
use crate::connection::Flavor;
use crate::history::{Dialect, Schema};

fn key<'a>(table: &'a str, name: &'a str, unique: bool, column: Option<&'a str>) -> KeyRow<'a> {
    let non_unique = if unique { "0" } else { "1" };
    KeyRow { database: "d", table, name, non_unique, column, prefix: None, index_type: "BTREE" }
}

fn column<'a>(table: &'a str, name: &'a str, column_type: &'a str) -> ColumnRow<'a> {
    ColumnRow {
        database: "d",
        table,
        name,
        column_type,
        is_nullable: "YES",
        ..ColumnRow::default()
    }
}

#[test]
fn rows_of_the_server_give_the_tracked_schema() {
    let dialect = Dialect::new(Flavor::MySql, 9, 7, 4);
    let mut builder = SnapshotBuilder::new(SchemaOptions::default(), dialect);
    builder.database("d", "latin1_swedish_ci");
    builder.table("d", "t", "BASE TABLE", Some("utf8_general_ci"));
    builder.table("d", "v", "VIEW", None);
    for row in [
        ColumnRow { is_nullable: "NO", key: "PRI", ..column("t", "a", "int unsigned") },
        ColumnRow { collation: Some("utf8mb3_bin"), ..column("t", "b", "varchar(20)") },
        ColumnRow { extra: "VIRTUAL GENERATED INVISIBLE", ..column("t", "c", "int") },
        column("t", "e", "enum('x')"),
        column("v", "x", "int"),
    ] {
        builder.column(&row).unwrap();
    }
    // In the order of names, which is not that of the definition.
    builder.key(&KeyRow { prefix: Some("5"), ..key("t", "a", true, Some("b")) });
    builder.key(&key("t", "a", true, Some("a")));
    builder.key(&key("t", "f", false, None));
    builder.key(&key("t", "z", true, Some("a")));
    let schema: Schema = builder.finish();

    let mut bench = Bench::mysql();
    bench.run(
        "CREATE TABLE t (a INT UNSIGNED NOT NULL, b VARCHAR(20) BINARY, \
         c INT AS (a + 1) VIRTUAL INVISIBLE, e ENUM('x') CHARACTER SET binary, \
         UNIQUE z (a), UNIQUE a (b(5), a), KEY f ((a + 1))) CHARACTER SET utf8",
    );
    assert_eq!(schema.to_text(), bench.schema.to_text());
}

#[test]
fn mariadbs_sequences_and_versioned_tables_are_told_apart() {
    let dialect = Dialect::new(Flavor::MariaDb, 10, 11, 19);
    let mut builder = SnapshotBuilder::new(SchemaOptions::default(), dialect);
    builder.table("d", "s", "SEQUENCE", None);
    builder.table("d", "h", "SYSTEM VERSIONED", Some("latin1_bin"));
    builder.table("d", "v", "SYSTEM VERSIONED", Some("latin1_bin"));
    builder.column(&column("h", "a", "varchar(10) /*M!100301 COMPRESSED*/")).unwrap();
    let start = ColumnRow {
        extra: "STORED GENERATED",
        expression: Some("ROW START"),
        ..column("v", "a", "timestamp(6)")
    };
    builder.column(&start).unwrap();
    assert!(builder.column(&column("v", "b", "widget")).is_err());
    let schema = builder.finish();
    let table = |name| schema.table(&otter_core::TableName::new("d", name)).unwrap();
    assert_eq!(table("s").kind(), TableKind::Sequence);
    assert_eq!(table("h").versioning(), Versioning::Implicit);
    assert!(table("h").columns()[0].compressed);
    assert_eq!(table("v").versioning(), Versioning::Explicit);
}
