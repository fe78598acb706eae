//! Columns that come, go, move and change their names.

use super::{ApplyError, Bench};

/// Runs changes on a table with the columns a to d.
fn after(actions: &str) -> String {
    let mut bench = Bench::mariadb();
    bench.run("CREATE TABLE t (a INT, b INT, c INT, d INT)");
    bench.run(&format!("ALTER TABLE t {actions}"));
    bench.names("t")
}

#[test]
fn columns_go_where_they_are_put() {
    for (actions, names) in [
        ("ADD x INT", "a b c d x"),
        ("ADD COLUMN x INT FIRST", "x a b c d"),
        ("ADD x INT AFTER b", "a b x c d"),
        ("ADD x INT FIRST, ADD y INT FIRST", "y x a b c d"),
        ("ADD x INT AFTER b, ADD y INT AFTER x", "a b x y c d"),
        ("ADD (x INT, y INT, KEY (x))", "a b c d x y"),
        ("DROP b", "a c d"),
        ("DROP COLUMN b CASCADE, DROP c", "a d"),
        ("DROP b, ADD b VARCHAR(3)", "a c d b"),
        ("MODIFY c BIGINT", "a b c d"),
        ("MODIFY c BIGINT FIRST", "c a b d"),
        ("MODIFY COLUMN a BIGINT AFTER c", "b c a d"),
        ("MODIFY c INT FIRST, MODIFY b INT AFTER c, ADD x INT FIRST", "x c b a d"),
        // As servers do it: a moved column is where it was until its turn comes.
        ("ADD x INT AFTER d, MODIFY d INT AFTER a", "a d b c x"),
        ("MODIFY b INT AFTER d, MODIFY d INT FIRST", "d a c b"),
        ("MODIFY a INT AFTER b, MODIFY b INT AFTER c, MODIFY c INT AFTER d", "a b d c"),
        ("ADD x INT AFTER y, CHANGE d y INT AFTER a", "a y b c x"),
        ("CHANGE a x INT", "x b c d"),
        ("CHANGE COLUMN a x INT AFTER d", "b c d x"),
        ("CHANGE a b INT, CHANGE b a INT", "b a c d"),
        ("CHANGE a x INT, ADD y INT AFTER x", "x y b c d"),
        ("RENAME COLUMN a TO x", "x b c d"),
        ("RENAME COLUMN a TO b, RENAME COLUMN b TO a, ADD x INT AFTER a", "b a x c d"),
        ("ADD x INT; ", "a b c d x"),
        (
            "ALTER a SET DEFAULT 5, ALTER COLUMN b DROP DEFAULT, ALTER c SET DEFAULT (1 + 1)",
            "a b c d",
        ),
        ("ORDER BY a, b DESC, ADD x INT", "a b c d x"),
        (
            "ENGINE=InnoDB, FORCE, LOCK=NONE, ALGORITHM=INSTANT, AUTO_INCREMENT=5 COMMENT='x'",
            "a b c d",
        ),
        ("ADD x INT, ALGORITHM=INSTANT, LOCK DEFAULT", "a b c d x"),
        ("ENABLE KEYS, DISCARD TABLESPACE", "a b c d"),
        ("ADD x INT PARTITION BY HASH (a) PARTITIONS 4", "a b c d x"),
        ("DROP PARTITION p0, p1", "a b c d"),
        ("REORGANIZE PARTITION p0 INTO (PARTITION n0 VALUES LESS THAN (5))", "a b c d"),
        ("TRUNCATE PARTITION ALL", "a b c d"),
        ("ADD x INT, REMOVE PARTITIONING", "a b c d x"),
        ("ADD COLUMN IF NOT EXISTS a INT, ADD COLUMN IF NOT EXISTS x INT", "a b c d x"),
        ("DROP COLUMN IF EXISTS x, MODIFY COLUMN IF EXISTS y INT FIRST", "a b c d"),
        ("CHANGE COLUMN IF EXISTS x y INT, RENAME COLUMN IF EXISTS x TO y", "a b c d"),
        (
            "ADD CONSTRAINT x CHECK (a > 0), DROP CONSTRAINT y, DROP FOREIGN KEY IF EXISTS z",
            "a b c d",
        ),
        ("ADD x INT, MODIFY x BIGINT FIRST", "x a b c d"),
        ("ADD a INT, CHANGE a x INT AFTER b", "b x c d a"),
        ("ADD a INT, DROP a, MODIFY a BIGINT AFTER b", "b a c d"),
        ("ADD `key` INT, ADD `first` INT FIRST", "first a b c d key"),
        ("ADD comment INT COMMENT 'x' AFTER t.a", "a comment b c d"),
    ] {
        assert_eq!(after(actions), names, "{actions}");
    }
}

#[test]
fn a_changed_column_is_as_the_change_says() {
    let mut bench = Bench::mysql();
    bench.run("CREATE TABLE t (a INT UNSIGNED NOT NULL, b VARCHAR(10) CHARACTER SET utf8mb4)");
    bench.run("ALTER TABLE t MODIFY a BIGINT, CHANGE b b VARCHAR(20)");
    assert_eq!(bench.show("t"), ["a bigint", "b varchar(20) latin1_swedish_ci"]);
    bench.run("ALTER TABLE t ALTER a SET INVISIBLE");
    assert_eq!(bench.show("t")[0], "a bigint INVISIBLE");
    bench.run("ALTER TABLE t ALTER COLUMN a SET VISIBLE, RENAME COLUMN b TO c");
    assert_eq!(bench.show("t"), ["a bigint", "c varchar(20) latin1_swedish_ci"]);
}

#[test]
fn what_does_not_fit_the_tracked_table_changes_nothing() {
    let mut bench = Bench::mysql();
    bench.run("CREATE TABLE t (a INT, b INT)");
    let before = bench.schema.to_text();
    for (text, message) in [
        ("ALTER TABLE t DROP x", "column x is not in the tracked definition of d.t"),
        (
            "ALTER TABLE t ADD c INT, CHANGE x y INT",
            "column x is not in the tracked definition of d.t",
        ),
        ("ALTER TABLE t ADD c INT AFTER x", "column x is not in the tracked definition of d.t"),
        ("ALTER TABLE t ADD KEY (x)", "column x is not in the tracked definition of d.t"),
        ("ALTER TABLE t ADD A INT", "column A is already in the tracked definition of d.t"),
        (
            "ALTER TABLE t RENAME COLUMN a TO b",
            "column b is already in the tracked definition of d.t",
        ),
        ("ALTER TABLE x ADD a INT", "table d.x is not in the tracked schema"),
        ("CREATE TABLE y LIKE x", "table d.x is not in the tracked schema"),
    ] {
        let error = bench.try_run(text).expect_err(text);
        assert_eq!(error.to_string(), message);
        assert!(error.table().is_some());
        assert_eq!(bench.schema.to_text(), before, "{text}");
    }
    bench.session.database = "".into();
    let error = bench.try_run("ALTER TABLE t ADD c INT").unwrap_err();
    assert_eq!(error, ApplyError::NoDatabase { table: "t".into() });
    bench.run("ALTER TABLE d.t ADD c INT");
    assert_eq!(bench.names("d.t"), "a b c");
}

#[test]
fn a_change_that_is_none_for_rows_may_be_of_a_table_that_is_not_known() {
    let mut bench = Bench::mysql();
    let applied = bench.run("ALTER TABLE x ENGINE=InnoDB, FORCE");
    assert_eq!(applied.unknown.len(), 1);
    let mut bench = Bench::mariadb();
    bench.run("ALTER TABLE IF EXISTS x ADD a INT");
    assert!(!bench.has("x"));
}
