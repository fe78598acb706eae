//! Random columns and keys, as odd as servers take them.

use otter_server::sandbox::Flavor;
use otter_tests::random::Random;

/// Names of columns: few, so that they meet again; and some that need care.
const COLUMNS: [&str; 12] =
    ["a", "b", "c", "d", "e", "f", "`Größe`", "`key`", "`x``y`", "`first`", "comment", "`a b`"];

/// Types of both families; `{cs}` takes a charset.
const TYPES: [&str; 66] = [
    "TINYINT",
    "BOOL",
    "INT1 UNSIGNED",
    "SMALLINT(5) ZEROFILL",
    "INT2",
    "MEDIUMINT UNSIGNED",
    "MIDDLEINT",
    "INT",
    "INTEGER(10) SIGNED",
    "INT UNSIGNED ZEROFILL",
    "BIGINT",
    "INT8 UNSIGNED",
    "SERIAL",
    "BIT",
    "BIT(33)",
    "DECIMAL",
    "DEC(20)",
    "NUMERIC(12,4) UNSIGNED",
    "FIXED(0)",
    "FLOAT",
    "FLOAT(20)",
    "FLOAT(30) UNSIGNED",
    "FLOAT(7,3)",
    "DOUBLE PRECISION",
    "REAL",
    "DOUBLE(20,8) ZEROFILL",
    "DATE",
    "TIME",
    "TIME(3)",
    "DATETIME",
    "DATETIME(6)",
    "TIMESTAMP",
    "TIMESTAMP(2)",
    "YEAR",
    "CHAR{cs}",
    "CHAR(20){cs}",
    "CHARACTER(3) BINARY",
    "VARCHAR(20){cs}",
    "VARCHAR(20){cs}",
    "VARCHAR(300){cs}",
    "VARCHAR(30000){cs}",
    "VARCHAR(70000){cs}",
    "CHAR VARYING(7)",
    "NATIONAL CHAR(9)",
    "NCHAR VARCHAR(9)",
    "NVARCHAR(33)",
    "CHAR(5) BYTE",
    "CHAR(4) ASCII",
    "VARCHAR(4) UNICODE BINARY",
    "BINARY(16)",
    "VARBINARY(100)",
    "VARBINARY(66000)",
    "TINYTEXT{cs}",
    "TEXT{cs}",
    "TEXT(50){cs}",
    "TEXT(5000){cs}",
    "MEDIUMTEXT{cs}",
    "LONGTEXT{cs}",
    "LONG VARCHAR",
    "LONG VARBINARY",
    "TINYBLOB",
    "BLOB(40)",
    "LONGBLOB",
    "ENUM('a', 'b ', 'it''s', 'é\\\\\\n'){cs}",
    "SET('x', 'y  ', '\"'){cs}",
    "JSON",
];
const MYSQL_TYPES: [&str; 2] = ["VECTOR(7)", "VECTOR"];
const MARIADB_TYPES: [&str; 5] =
    ["UUID", "INET6", "INET4", "VARCHAR(50){cs} COMPRESSED", "TEXT COMPRESSED{cs}"];
const SHAPES: [&str; 4] = ["GEOMETRY", "POINT", "MULTIPOLYGON", "GEOMETRYCOLLECTION"];

/// Charset clauses; an empty one is the most frequent.
const CHARSETS: [&str; 12] = [
    "",
    "",
    "",
    " CHARACTER SET latin1",
    " CHARSET utf8mb4",
    " CHARACTER SET utf8",
    " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    " COLLATE gbk_chinese_ci",
    " CHARACTER SET ucs2",
    " CHARACTER SET binary",
    " CHARACTER SET latin1 BINARY",
    " CHARACTER SET utf16 COLLATE utf16_unicode_ci",
];

/// Table-level charset options.
pub(crate) const TABLE_CHARSETS: [&str; 7] = [
    "CHARSET=utf8mb4",
    "DEFAULT CHARACTER SET latin1",
    "CHARACTER SET = utf8 COLLATE = utf8_unicode_ci",
    "COLLATE utf8mb4_bin",
    "DEFAULT CHARSET gbk",
    "CHARACTER SET DEFAULT",
    "CHARSET=binary",
];

/// One of these.
pub(crate) fn pick<'a>(random: &mut Random, choices: &[&'a str]) -> &'a str {
    let count = u64::try_from(choices.len()).unwrap_or(1);
    let index = usize::try_from(random.below(count)).unwrap_or(0);
    choices.get(index).copied().unwrap_or_default()
}

/// Whether something happens once in `times`.
pub(crate) fn once_in(random: &mut Random, times: u64) -> bool {
    random.below(times) == 0
}

pub(crate) fn column_name(random: &mut Random) -> String {
    pick(random, &COLUMNS).to_owned()
}

/// A type with attributes, as it follows a column's name.
pub(crate) fn column_type(flavor: Flavor, random: &mut Random) -> String {
    if once_in(random, 14) {
        // Without a default: MariaDB takes some that are no geometry, and then fails half-way.
        return format!("{}{}", pick(random, &SHAPES), pick(random, &["", " NULL", " NOT NULL"]));
    }
    let mut text = match (flavor, random.below(14)) {
        (Flavor::MySql, 0) => pick(random, &MYSQL_TYPES),
        (Flavor::MariaDb, 0 | 1) => pick(random, &MARIADB_TYPES),
        _ => pick(random, &TYPES),
    }
    .replace("{cs}", pick(random, &CHARSETS));
    if once_in(random, 14) {
        let kind = pick(random, &["VIRTUAL", "STORED", ""]);
        text.push_str(&format!(" GENERATED ALWAYS AS (NULL) {kind}"));
        return text;
    }
    match random.below(6) {
        0 | 1 => text.push_str(" NOT NULL"),
        2 => text.push_str(" NULL"),
        _ => {}
    }
    if once_in(random, 5) {
        text.push_str(pick(
            random,
            &[
                " DEFAULT NULL",
                " DEFAULT '1'",
                " DEFAULT 0",
                " DEFAULT (1 + (2))",
                " DEFAULT CURRENT_TIMESTAMP",
                " COMMENT 'a, b) c'",
                " CHECK (1 > 0)",
                " INVISIBLE",
                " DEFAULT 1 INVISIBLE",
                " UNIQUE",
                " UNIQUE KEY",
                " PRIMARY KEY",
                " KEY",
                " AUTO_INCREMENT UNIQUE",
                " REFERENCES h1.p (id)",
                " COMMENT 'x' UNIQUE NOT NULL",
                " SERIAL DEFAULT VALUE",
                " ON UPDATE CURRENT_TIMESTAMP",
            ],
        ));
    }
    text
}

/// A key over some of these columns; quoted names.
pub(crate) fn key(random: &mut Random, columns: &[String]) -> String {
    let kind = pick(
        random,
        &[
            "KEY",
            "KEY",
            "INDEX",
            "UNIQUE",
            "UNIQUE KEY",
            "UNIQUE INDEX",
            "PRIMARY KEY",
            "CONSTRAINT cc UNIQUE",
            "CONSTRAINT UNIQUE",
            "FULLTEXT KEY",
            "SPATIAL INDEX",
        ],
    );
    if once_in(random, 10) {
        let column = parts(random, columns, 1, false);
        let name = pick(random, &["", "CONSTRAINT fk1", "CONSTRAINT"]);
        return format!(
            "{name} FOREIGN KEY {} ({column}) REFERENCES h1.p (id)",
            pick(random, &["", "fk2"])
        );
    }
    let name = pick(random, &["", "", "", "k1", "k2", "`K 3`"]);
    let using = pick(random, &["", "", " USING BTREE"]);
    let may_be_cut = !matches!(kind, "FULLTEXT KEY" | "SPATIAL INDEX");
    let count = 1 + usize::from(may_be_cut && once_in(random, 2));
    let parts = parts(random, columns, count, may_be_cut);
    let comment = pick(random, &["", "", " COMMENT 'x, y'", " KEY_BLOCK_SIZE=0"]);
    let using = if may_be_cut { using } else { "" };
    format!("{kind} {name}{using} ({parts}){comment}")
}

/// The parts of a key, without parentheses.
pub(crate) fn parts(
    random: &mut Random,
    columns: &[String],
    count: usize,
    may_be_cut: bool,
) -> String {
    let choices: Vec<&str> = columns.iter().map(String::as_str).collect();
    let parts = (0..count).map(|_| {
        if may_be_cut && once_in(random, 25) {
            return "((1 + 1))".to_owned();
        }
        let column = pick(random, &choices);
        let length = if may_be_cut { pick(random, &["", "", "", "(5)", "(20)"]) } else { "" };
        format!("{column}{length}{}", pick(random, &["", "", " ASC"]))
    });
    parts.collect::<Vec<_>>().join(", ")
}
