//! Case, quotes and letters of other alphabets in names.

use super::super::{Schema, SchemaOptions, TableNames};
use super::Bench;
use crate::history::SqlMode;

fn bench(table_names: TableNames) -> Bench {
    let mut bench = Bench::mysql();
    bench.schema = Schema::new(SchemaOptions { table_names });
    bench.session.database = "Shop".into();
    bench.run("CREATE DATABASE Shop");
    bench.run("CREATE TABLE Item (Id INT, id2 INT)");
    bench
}

#[test]
fn tables_are_compared_as_the_server_does() {
    let names = |bench: &Bench| -> Vec<String> {
        bench.schema.tables().map(|(name, _)| name.to_string()).collect()
    };
    let mut sensitive = bench(TableNames::CaseSensitive);
    sensitive.run("CREATE TABLE item (other INT)");
    assert_eq!(names(&sensitive), ["Shop.Item", "Shop.item"]);
    let mut lower = bench(TableNames::Lowercase);
    lower.run("ALTER TABLE SHOP.ITEM ADD x INT");
    assert_eq!(names(&lower), ["shop.item"]);
    let mut kept = bench(TableNames::CaseInsensitive);
    kept.run("ALTER TABLE shop.ITEM ADD x INT");
    assert_eq!(names(&kept), ["Shop.Item"]);
    kept.run("RENAME TABLE item TO ITEM");
    assert_eq!(names(&kept), ["Shop.ITEM"]);
    assert_eq!(kept.names("sHOP.iTEM"), "Id id2 x");
}

#[test]
fn columns_are_compared_without_case() {
    let mut bench = Bench::mysql();
    bench.run("CREATE TABLE t (Имя INT, B INT, KEY (имя))");
    bench.run("ALTER TABLE t CHANGE ИМЯ имя BIGINT, ADD c INT AFTER b");
    assert_eq!(bench.names("t"), "имя B c");
    assert_eq!(bench.keys("t"), "Имя(имя)");
    assert_eq!(bench.table("t").column_index("C"), Some(2));
}

#[test]
fn quotes_and_dots_are_part_of_a_quoted_name() {
    let mut bench = Bench::mysql();
    bench.run("CREATE TABLE `d`.`a.b``c` (`x y` INT, `key` INT, `t`.`select` INT)");
    let (name, table) = bench.schema.tables().next().unwrap();
    assert_eq!((name.to_string().as_str(), table.columns().len()), ("d.a.b`c", 3));
}

#[test]
fn double_quotes_are_names_under_ansi_quotes() {
    let mut bench = Bench::mysql();
    bench.session.dialect = bench.session.dialect.under(SqlMode::ANSI_QUOTES);
    bench.run(r#"CREATE TABLE "t" ("a""b" VARCHAR(3) DEFAULT 'x', c INT, KEY "k" ("a""b"))"#);
    assert_eq!(bench.names("t"), "a\"b c");
    assert_eq!(bench.keys("t"), "k(a\"b)");
}
