//! Keys: their names, what SHOW COLUMNS prints, and what foreign keys bring along and take away.

use super::Bench;

fn flags(bench: &Bench, name: &str) -> String {
    let table = bench.table(name);
    let columns = table.columns().iter().enumerate();
    let flags: Vec<String> = columns
        .map(|(index, column)| {
            format!("{}:{}", column.name, table.column_key(index, &bench.session.dialect).as_str())
        })
        .collect();
    flags.join(" ")
}

/// Makes a table of these elements; tells its keys and flags.
fn made(elements: &str) -> (String, String) {
    let mut bench = Bench::mysql();
    bench.run(&format!("CREATE TABLE t ({elements})"));
    (bench.keys("t"), flags(&bench, "t"))
}

#[test]
fn flags_are_those_of_show_columns() {
    for (elements, expected) in [
        ("a INT NOT NULL UNIQUE, b INT UNIQUE, c INT NOT NULL, UNIQUE (c)", "a:PRI b:UNI c:UNI"),
        (
            "a VARCHAR(10) NOT NULL, b INT NOT NULL, UNIQUE k (a(5)), UNIQUE k2 (b, a(10))",
            "a:PRI b:PRI",
        ),
        ("a VARCHAR(10) NOT NULL, b INT NOT NULL, UNIQUE k (a(5), b), KEY (b)", "a:MUL b:MUL"),
        ("a INT, b INT, c INT, PRIMARY KEY (b, a), UNIQUE (a, c), UNIQUE (c)", "a:PRI b:PRI c:UNI"),
        ("a INT, FULLTEXT KEY (b), b TEXT, KEY (b(10))", "a: b:MUL"),
        ("a BLOB NOT NULL, UNIQUE (a(10))", "a:UNI"),
        ("a INT NOT NULL, b INT AS (a + 1) VIRTUAL NOT NULL, UNIQUE (b)", "a: b:UNI"),
        (
            "a INT NOT NULL, b INT AS (a + 1) STORED NOT NULL, c INT NOT NULL UNIQUE, UNIQUE (b)",
            "a: b: c:PRI",
        ),
        ("a INT NOT NULL, b INT, KEY ((a + 1), b), UNIQUE ((a + 2))", "a: b:"),
        ("a INT, KEY (a), UNIQUE (a)", "a:UNI"),
        ("a INT, b INT, KEY (a, b), UNIQUE (a)", "a:UNI b:"),
        ("a INT, b INT, UNIQUE (a, b), UNIQUE (a)", "a:MUL b:"),
        ("a INT KEY, b INT UNIQUE KEY COMMENT 'x'", "a:PRI b:UNI"),
    ] {
        let expected = expected.replace("b: c:PRI", "b:UNI c:PRI");
        assert_eq!(made(elements).1, expected, "{elements}");
    }
}

#[test]
fn the_strongest_key_decided_before_mysql_8() {
    for mut bench in [
        Bench::mariadb(),
        Bench::new(crate::history::Dialect::new(crate::history::Flavor::MySql, 5, 7, 44)),
    ] {
        bench.run("CREATE TABLE t (a INT, b INT, UNIQUE (a, b), UNIQUE (a))");
        assert_eq!(flags(&bench, "t"), "a:UNI b:");
    }
}

#[test]
fn mariadb_has_unique_keys_that_cannot_stand_for_the_primary() {
    for (definition, expected) in [
        ("a TEXT NOT NULL, UNIQUE (a)", "a:UNI"),
        ("a VARCHAR(3073) NOT NULL, UNIQUE (a)", "a:UNI"),
        ("a VARCHAR(3072) NOT NULL, UNIQUE (a)", "a:PRI"),
    ] {
        let mut bench = Bench::mariadb();
        bench.run(&format!("CREATE TABLE t ({definition})"));
        assert_eq!(flags(&bench, "t"), expected, "{definition}");
    }
    let mut bench = Bench::mariadb();
    bench.run("CREATE TABLE t (a SERIAL PRIMARY KEY, b INT, UNIQUE (a))");
    assert_eq!(bench.keys("t"), "PRIMARY*(a) a*(a)");
    bench.run("CREATE TABLE t (a INT UNIQUE, b INT NOT NULL UNIQUE) WITH SYSTEM VERSIONING");
    assert_eq!(flags(&bench, "t"), "a:MUL b:PRI");
}

#[test]
fn keys_without_a_name_are_named_by_their_first_column() {
    for (elements, keys) in [
        ("a INT, KEY (a), KEY (a, b), KEY a_3 (b), KEY (a), b INT", "a(a) a_2(a,b) a_3(b) a_4(a)"),
        ("`primary` INT, KEY (`primary`)", "primary_2(primary)"),
        ("a INT, KEY ((a + 1)), KEY ((a + 2))", "functional_index(()) functional_index_2(())"),
        ("a INT, KEY (a, (a + 1))", "functional_index(a,())"),
        (
            "a INT, CONSTRAINT c UNIQUE (a), CONSTRAINT d UNIQUE KEY k (a), CONSTRAINT UNIQUE (A)",
            "c*(a) k*(a) a*(a)",
        ),
        ("a INT, CONSTRAINT x PRIMARY KEY USING BTREE (a ASC)", "PRIMARY*(a)"),
        (
            "a INT, INDEX `using` (a), INDEX USING HASH (a), KEY k USING BTREE (a) COMMENT 'x, y'",
            "using(a) a(a) k(a)",
        ),
        ("a VARCHAR(10), KEY (a(5)), KEY (a(10))", "a(a:5) a_2(a)"),
    ] {
        assert_eq!(made(elements).0, keys, "{elements}");
    }
}

#[test]
fn a_foreign_key_brings_an_index_unless_another_serves() {
    for (elements, keys) in [
        (
            "a INT, b INT, CONSTRAINT c FOREIGN KEY k (a) REFERENCES p (id), FOREIGN KEY k2 (b) REFERENCES p (id)",
            "c~(a) k2~(b)",
        ),
        (
            "a INT, b INT, FOREIGN KEY (a) REFERENCES p (id) ON DELETE CASCADE, KEY x (b, a), \
          CONSTRAINT FOREIGN KEY (b) REFERENCES p (id)",
            "a~(a) x(b,a)",
        ),
        ("a INT, FOREIGN KEY (a) REFERENCES p (id), PRIMARY KEY (a)", "PRIMARY*(a)"),
        (
            "a INT, b INT, FOREIGN KEY (a) REFERENCES p (x), FOREIGN KEY (a, b) REFERENCES p (x, y)",
            "a~(a,b)",
        ),
        ("a INT, b INT REFERENCES p (id)", "b~(b)"),
    ] {
        assert_eq!(made(elements).0, keys, "{elements}");
    }
    let mut bench = Bench::mysql();
    bench.run("CREATE TABLE t (a INT, b INT, FOREIGN KEY (a) REFERENCES p (id))");
    bench.run("CREATE INDEX i ON t (a, b)");
    assert_eq!(bench.keys("t"), "i(a,b)");
    let mut old = Bench::new(crate::history::Dialect::new(crate::history::Flavor::MySql, 8, 4, 0));
    old.run("CREATE TABLE t (a INT REFERENCES p (id))");
    assert_eq!(old.keys("t"), "");
}

#[test]
fn keys_follow_their_columns() {
    let table = "CREATE TABLE t (a INT, b INT, KEY (a), KEY (b, a))";
    for (actions, keys) in [
        ("DROP a", "b(b)"),
        ("DROP a, DROP b, ADD c INT", ""),
        ("CHANGE a x INT", "a(x) b(b,x)"),
        ("CHANGE a b INT, CHANGE b a BIGINT", "a(b) b(a,b)"),
        ("RENAME COLUMN a TO x, ADD KEY k (x)", "a(x) b(b,x) k(x)"),
        // What servers really do: a new column of the old name is the key's.
        ("DROP a, ADD a INT", "a(a) b(b,a)"),
        ("CHANGE a x INT, ADD a INT", "a(x) b(b,x)"),
        ("CHANGE a x INT, ADD a INT FIRST", "a(a) b(b,a)"),
        ("DROP a, CHANGE b a INT", "b(a)"),
        ("DROP KEY A, RENAME INDEX b TO c", "c(b,a)"),
        ("ADD KEY c (b), RENAME KEY a TO c2, RENAME KEY c TO d", "c2(a) b(b,a) c(b)"),
        ("DROP INDEX a, ADD UNIQUE a (b)", "b(b,a) a*(b)"),
    ] {
        let mut bench = Bench::mysql();
        bench.run(table);
        bench.run(&format!("ALTER TABLE t {actions}"));
        assert_eq!(bench.keys("t"), keys, "{actions}");
    }
}

#[test]
fn a_primary_key_forbids_null_and_leaves_that_behind() {
    let mut bench = Bench::mysql();
    bench.run("CREATE TABLE t (a INT, b INT, PRIMARY KEY (a))");
    bench.run("ALTER TABLE t MODIFY a BIGINT");
    assert_eq!(bench.show("t"), ["a bigint NOT NULL PRI", "b int"]);
    bench.run("ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (b, a)");
    assert_eq!(bench.table("t").primary_key(), [1, 0]);
    bench.run("DROP INDEX `PRIMARY` ON t");
    assert_eq!(bench.show("t"), ["a bigint NOT NULL", "b int NOT NULL"]);
    bench.run("ALTER TABLE t MODIFY a INT, ADD CONSTRAINT u UNIQUE (b)");
    assert_eq!(bench.show("t"), ["a int", "b int NOT NULL PRI"]);
    assert_eq!(bench.table("t").primary_key(), [1]);
    bench.run("ALTER TABLE t DROP CONSTRAINT u");
    assert_eq!(bench.show("t"), ["a int", "b int NOT NULL"]);
}

#[test]
fn prefixes_go_when_they_are_whole_columns() {
    for (column, keys) in [
        ("VARCHAR(50) NOT NULL", "b*(b)"),
        ("VARCHAR(40) NOT NULL", "b*(b)"),
        ("VARCHAR(60) NOT NULL", "b*(b:50)"),
        ("TEXT NOT NULL", "b*(b:50)"),
        ("INT", "b*(b)"),
    ] {
        let mut bench = Bench::mysql();
        bench.run("CREATE TABLE t (b VARCHAR(100) NOT NULL, UNIQUE (b(50)))");
        bench.run(&format!("ALTER TABLE t MODIFY b {column}"));
        assert_eq!(bench.keys("t"), keys, "{column}");
    }
}

#[test]
fn mariadb_adds_a_key_only_if_there_is_none() {
    let mut bench = Bench::mariadb();
    bench.run("CREATE TABLE t (a INT, b INT, KEY (a))");
    bench.run("ALTER TABLE t ADD KEY IF NOT EXISTS (a), ADD KEY IF NOT EXISTS k (a, b)");
    bench.run("ALTER TABLE t ADD COLUMN IF NOT EXISTS a INT UNIQUE, DROP KEY IF EXISTS x");
    assert_eq!(bench.keys("t"), "a(a) k(a,b)");
    bench.run("CREATE INDEX IF NOT EXISTS k ON t (b)");
    bench.run("CREATE OR REPLACE INDEX a ON t (b)");
    assert_eq!(bench.keys("t"), "k(a,b) a(b)");
    bench.run("ALTER TABLE t ADD COLUMN IF NOT EXISTS b INT UNIQUE");
    assert_eq!(bench.keys("t"), "k(a,b) a(b) b*(b)");
}
