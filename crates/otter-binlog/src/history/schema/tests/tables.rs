//! Tables that come, go, are swapped, and hide each other.

use super::Bench;
use crate::history::reader::read;
use crate::history::schema::ApplyError;

#[test]
fn tables_are_swapped_as_online_tools_do_it() {
    let mut bench = Bench::mysql();
    bench.run_all(
        "CREATE TABLE item (id INT PRIMARY KEY, a INT);
         CREATE TABLE _item_gho LIKE item;
         ALTER TABLE _item_gho ADD b INT AFTER id;
         RENAME TABLE item TO _item_del, _item_gho TO item;",
    );
    assert_eq!(
        (bench.names("item").as_str(), bench.names("_item_del").as_str()),
        ("id b a", "id a")
    );
    bench.run_all(
        "RENAME TABLE item TO x, _item_del TO item, x TO _item_del;
         DROP TABLE IF EXISTS _item_del",
    );
    assert_eq!(bench.names("item"), "id a");
    assert!(!bench.has("_item_del") && !bench.has("x") && !bench.has("_item_gho"));
}

/// Text for `count` things, each with its number.
fn numbered(count: usize, one: impl Fn(usize) -> String) -> String {
    (0..count).map(one).collect::<Vec<_>>().join(",")
}

#[test]
fn a_table_wider_than_any_server_allows_is_refused() {
    let mut bench = Bench::mysql();
    let columns = |count| numbered(count, |number| format!("c{number} INT"));
    bench.run(&format!("CREATE TABLE a ({})", columns(4096)));
    let is_too_large = |result| matches!(result, Err(ApplyError::TooLarge { .. }));
    assert!(is_too_large(bench.try_run(&format!("CREATE TABLE b ({})", columns(4097)))));
    assert!(is_too_large(bench.try_run("ALTER TABLE a ADD one_more INT")));
    let keys = numbered(1025, |_| "KEY (a)".to_owned());
    assert!(is_too_large(bench.try_run(&format!("CREATE TABLE b (a INT, {keys})"))));
    assert!(!bench.has("b"));
}

#[test]
fn a_statement_with_more_changes_than_a_table_has_parts_is_not_understood() {
    let dialect = Bench::mysql().session.dialect;
    let columns = numbered(8193, |number| format!("c{number} INT"));
    assert!(read(format!("CREATE TABLE a ({columns})").as_bytes(), &dialect).is_err());
    let changes = numbered(8193, |number| format!("DROP c{number}"));
    assert!(read(format!("ALTER TABLE a {changes}").as_bytes(), &dialect).is_err());
}

#[test]
fn what_changed_is_told() {
    let mut bench = Bench::mysql();
    let told = |bench: &mut Bench, text: &str| -> Vec<String> {
        bench.run(text).changed.iter().map(ToString::to_string).collect()
    };
    assert_eq!(told(&mut bench, "CREATE TABLE a (x INT)"), ["d.a"]);
    assert_eq!(told(&mut bench, "CREATE TABLE IF NOT EXISTS a (y INT)"), [""; 0]);
    assert_eq!(told(&mut bench, "ALTER TABLE a ADD z INT"), ["d.a"]);
    assert_eq!(told(&mut bench, "ALTER TABLE a ENGINE=InnoDB"), [""; 0]);
    assert_eq!(told(&mut bench, "ALTER TABLE a ADD w INT, RENAME b"), ["d.a", "d.a", "d.b"]);
    assert_eq!(told(&mut bench, "RENAME TABLE b TO e.c"), ["d.b", "e.c"]);
    assert_eq!(told(&mut bench, "TRUNCATE e.c"), [""; 0]);
    assert_eq!(told(&mut bench, "INSERT INTO a VALUES (1)"), [""; 0]);
    assert_eq!(told(&mut bench, "DROP TABLE e.c, e.nothing"), ["e.c"]);
    bench.run("CREATE TABLE a (x INT)");
    assert_eq!(told(&mut bench, "DROP DATABASE d"), ["d.a"]);
}

#[test]
fn a_table_that_is_known_is_created_anew_but_for_if_not_exists() {
    let mut bench = Bench::mysql();
    bench.run("CREATE TABLE t (a INT)");
    bench.run("CREATE TABLE IF NOT EXISTS t (b INT)");
    assert_eq!(bench.names("t"), "a");
    bench.run("CREATE TABLE t (c INT)");
    assert_eq!(bench.names("t"), "c");
    bench.run("CREATE DATABASE IF NOT EXISTS d");
    assert!(bench.has("t"));
    bench.run("CREATE DATABASE d");
    assert!(!bench.has("t"));
}

#[test]
fn a_failed_statement_has_dropped_what_it_could() {
    let mut bench = Bench::mariadb();
    bench.run_all("CREATE TABLE a (x INT); CREATE TABLE b (x INT); CREATE TABLE c (x INT)");
    for text in [
        "CREATE OR REPLACE TABLE a (x TEXT, KEY (x(3), x))",
        "DROP TABLE b, nothing",
        "ALTER TABLE c ADD y INT",
        "CREATE TABLE c (z INT)",
    ] {
        let statement = super::read(text.as_bytes(), &bench.session.dialect).unwrap();
        bench.schema.apply_failed(&statement, &bench.session).unwrap();
    }
    assert!(!bench.has("a") && !bench.has("b"));
    assert_eq!(bench.names("c"), "x");
}

#[test]
fn views_are_renamed_and_dropped_without_harm() {
    let mut bench = Bench::mysql();
    bench.run("CREATE VIEW v AS SELECT 1");
    let applied = bench.run("RENAME TABLE v TO w");
    assert_eq!(applied.unknown.iter().map(ToString::to_string).collect::<Vec<_>>(), ["d.v"]);
    bench.run("DROP VIEW w");
    bench.run("DROP TABLE IF EXISTS w");
    bench.run("CREATE TABLE t (a INT)");
    bench.run("RENAME TABLE v TO t");
    assert!(!bench.has("t"), "what has the name now is not what had it before");
}

#[test]
fn a_temporary_table_hides_a_real_one_from_its_own_connection() {
    let mut bench = Bench::mysql();
    bench.run("CREATE TABLE t (a INT)");
    bench.run("CREATE TEMPORARY TABLE t (b INT)");
    bench.run("ALTER TABLE t ADD c INT");
    bench.run("CREATE TABLE u LIKE t");
    assert_eq!((bench.names("t").as_str(), bench.names("u").as_str()), ("a", "b c"));
    bench.session.thread = 7;
    bench.run("ALTER TABLE t ADD d INT");
    assert_eq!(bench.names("t"), "a d");
    bench.session.thread = 0;
    bench.run("DROP TABLE t");
    assert!(bench.has("t"), "the temporary one is dropped first");
    bench.run("DROP TEMPORARY TABLE IF EXISTS t");
    assert!(bench.has("t"));
    bench.run("CREATE TEMPORARY TABLE t (b INT)");
    bench.schema.forget_temporary();
    bench.run("DROP TABLE t");
    assert!(!bench.has("t"));
}

#[test]
fn a_table_from_a_select_says_that_it_is_not_complete() {
    let mut bench = Bench::mysql();
    for (name, text) in [
        ("a", "CREATE TABLE a SELECT 1 AS x"),
        ("b", "CREATE TABLE b (y INT, KEY (z)) ENGINE=InnoDB AS SELECT 1 AS z"),
        ("c", "CREATE TABLE c (SELECT 1)"),
        ("d", "CREATE TABLE d (y INT) PARTITION BY HASH (y) IGNORE AS (SELECT 1)"),
        ("e", "CREATE TABLE e WITH x AS (SELECT 1) SELECT * FROM x"),
    ] {
        bench.run(text);
        assert!(!bench.table(name).is_complete(), "{text}");
        bench.run(&format!("ALTER TABLE {name} ADD w INT, DROP x, ADD KEY (x)"));
    }
    bench.run("CREATE TABLE f (y INT) START TRANSACTION");
    assert!(bench.table("f").is_complete());
}

#[test]
fn partitions_become_tables_and_back() {
    let mut bench = Bench::mariadb();
    bench.run(
        "CREATE TABLE t (a INT) PARTITION BY RANGE (a) (PARTITION p VALUES LESS THAN (1), \
         PARTITION q VALUES LESS THAN MAXVALUE)",
    );
    bench.run("ALTER TABLE t CONVERT PARTITION p TO TABLE u WITH VALIDATION");
    assert_eq!(bench.names("u"), "a");
    bench.run("ALTER TABLE t CONVERT TABLE u TO PARTITION p VALUES LESS THAN (1)");
    assert!(!bench.has("u") && bench.has("t"));
}

#[test]
fn tables_are_shared_instead_of_copied() {
    let mut bench = Bench::mysql();
    bench.run("CREATE TABLE a (x INT)");
    bench.run("CREATE TABLE b LIKE a");
    bench.run("RENAME TABLE a TO c");
    assert!(std::ptr::eq(bench.table("b"), bench.table("c")));
    let copy = bench.schema.clone();
    bench.run("ALTER TABLE b ADD y INT");
    let name = otter_core::TableName::new("d", "b");
    assert_eq!(copy.table(&name).map(|table| table.columns().len()), Some(1));
}

#[test]
fn a_forgotten_table_is_unknown_until_it_is_put_back() {
    let mut bench = Bench::mysql();
    bench.run("CREATE TABLE t (a INT)");
    let name = otter_core::TableName::new("d", "t");
    let table = bench.table("t").clone();
    assert!(bench.schema.forget(&name));
    assert!(!bench.schema.forget(&name));
    assert!(bench.try_run("ALTER TABLE t ADD b INT").is_err());
    bench.schema.insert(&name, table);
    bench.run("ALTER TABLE t ADD b INT");
    assert_eq!(bench.names("t"), "a b");
}
