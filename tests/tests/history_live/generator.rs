//! Random statements on few names, so that they meet: most are refused or accepted for a reason.

use otter_binlog::history::Schema;
use otter_core::TableName;
use otter_server::sandbox::Flavor;
use otter_tests::random::Random;

use crate::definition::{TABLE_CHARSETS, column_name, column_type, key, once_in, parts, pick};

const TABLES: [&str; 8] = ["t1", "t2", "h1.t3", "h2.t1", "h2.t2", "`T 4`", "h2.`имя`", "h3.t1"];

/// Options that change nothing for a row.
const OPTIONS: [&str; 8] = [
    "ENGINE=InnoDB",
    "COMMENT='x, y'",
    "ROW_FORMAT=DYNAMIC",
    "AUTO_INCREMENT 7",
    "FORCE",
    "ALGORITHM=COPY",
    "STATS_PERSISTENT=0 MAX_ROWS=10",
    "LOCK=DEFAULT",
];

pub(crate) struct Generator {
    flavor: Flavor,
    random: Random,
    begun: bool,
}

impl Generator {
    pub(crate) fn new(flavor: Flavor, random: Random) -> Self {
        Self { flavor, random, begun: false }
    }

    /// The next statement; `schema` tells which columns and keys there are.
    pub(crate) fn next(&mut self, schema: &Schema) -> String {
        if !std::mem::replace(&mut self.begun, true) {
            // What foreign keys refer to.
            return "CREATE TABLE h1.p (id INT PRIMARY KEY)".to_owned();
        }
        match self.random.below(100) {
            0..20 => self.create(),
            20..25 => format!("CREATE TABLE {} LIKE {}", self.table(), self.table()),
            25..28 => format!("CREATE TABLE {} AS SELECT * FROM {}", self.table(), self.table()),
            28..36 => self.rename(),
            36..41 => format!("DROP TABLE IF EXISTS {}, {}", self.table(), self.table()),
            41..45 => self.create_index(schema),
            45..48 => self.drop_index(schema),
            48..51 => self.database(),
            51..54 => self.other(),
            _ => self.alter(schema),
        }
    }

    fn table(&mut self) -> &'static str {
        pick(&mut self.random, &TABLES)
    }

    fn is_mariadb(&self) -> bool {
        self.flavor == Flavor::MariaDb
    }

    fn create(&mut self) -> String {
        let table = self.table();
        let mut names: Vec<String> = Vec::new();
        let mut elements: Vec<String> = Vec::new();
        for _ in 0..=self.random.below(6) {
            let name = column_name(&mut self.random);
            if !names.contains(&name) {
                elements.push(format!("{name} {}", column_type(self.flavor, &mut self.random)));
                names.push(name);
            }
        }
        for _ in 0..self.random.below(4) {
            elements.push(key(&mut self.random, &names));
        }
        let options = self.table_options();
        let begin = match (self.is_mariadb(), self.random.below(6)) {
            (true, 0) => "CREATE OR REPLACE TABLE",
            (_, 1) => "CREATE TABLE IF NOT EXISTS",
            _ => "CREATE TABLE",
        };
        format!("{begin} {table} ({}) {options}", elements.join(", "))
    }

    fn table_options(&mut self) -> String {
        let mut options = String::new();
        if once_in(&mut self.random, 2) {
            options.push_str(pick(&mut self.random, &TABLE_CHARSETS));
        }
        if self.is_mariadb() && once_in(&mut self.random, 12) {
            options.push_str(" WITH SYSTEM VERSIONING");
        }
        if once_in(&mut self.random, 15) {
            options.push_str(" PARTITION BY KEY () PARTITIONS 2");
        } else if once_in(&mut self.random, 15) {
            options.push_str(" AS SELECT 1 AS z, 'x' AS y");
        }
        options
    }

    fn rename(&mut self) -> String {
        let (a, b) = (self.table(), self.table());
        match self.random.below(3) {
            0 => format!("RENAME TABLE {a} TO h2.swap, {b} TO {a}, h2.swap TO {b}"),
            1 => format!("RENAME TABLE {a} TO {b}"),
            _ => format!("ALTER TABLE {a} RENAME {b}"),
        }
    }

    /// A tracked table with its columns and keys, all quoted.
    fn known(&mut self, schema: &Schema) -> Known {
        let name = self.table();
        let (database, table) = name.split_once('.').unwrap_or(("h1", name));
        let full = TableName::new(database, table.trim_matches('`'));
        let found = schema.table(&full);
        let quoted = |name: &str| format!("`{}`", name.replace('`', "``"));
        let columns = found.map(|table| table.columns()).unwrap_or_default();
        let keys = found.map(|table| table.keys()).unwrap_or_default();
        let mut known = Known {
            name,
            columns: columns.iter().map(|column| quoted(&column.name)).collect(),
            keys: keys.iter().map(|key| quoted(&key.name)).collect(),
        };
        // A table that is not there is altered now and then, and so is a column.
        if known.columns.is_empty() || once_in(&mut self.random, 30) {
            known.columns.push(column_name(&mut self.random));
        }
        known
    }

    fn create_index(&mut self, schema: &Schema) -> String {
        let known = self.known(schema);
        let kind = pick(&mut self.random, &["", "UNIQUE", "FULLTEXT"]);
        let count = 1 + usize::from(once_in(&mut self.random, 2));
        let parts = parts(&mut self.random, &known.columns, count, kind != "FULLTEXT");
        let name = pick(&mut self.random, &["k1", "k2", "`Ключ`"]);
        let replace =
            if self.is_mariadb() && once_in(&mut self.random, 3) { "OR REPLACE" } else { "" };
        format!("CREATE {replace} {kind} INDEX {name} ON {} ({parts})", known.name)
    }

    fn drop_index(&mut self, schema: &Schema) -> String {
        let known = self.known(schema);
        format!("DROP INDEX {} ON {}", known.key(&mut self.random), known.name)
    }

    fn database(&mut self) -> String {
        match self.random.below(4) {
            0 => "ALTER DATABASE COLLATE utf8mb4_bin".to_owned(),
            1 => "ALTER DATABASE h2 CHARACTER SET latin1".to_owned(),
            2 => {
                "ALTER SCHEMA h2 DEFAULT CHARACTER SET = utf8 COLLATE = utf8_unicode_ci".to_owned()
            }
            _ => "ALTER DATABASE h1 CHARACTER SET utf8mb4".to_owned(),
        }
    }

    fn other(&mut self) -> String {
        let table = self.table();
        match self.random.below(6) {
            0 => format!("TRUNCATE TABLE {table}"),
            1 => format!("ANALYZE TABLE {table}"),
            2 => format!("CREATE OR REPLACE VIEW h2.v AS SELECT * FROM {table}"),
            3 => "DROP VIEW IF EXISTS h2.v".to_owned(),
            4 if self.is_mariadb() => "CREATE OR REPLACE SEQUENCE h3.s".to_owned(),
            _ => "DROP DATABASE IF EXISTS h9".to_owned(),
        }
    }

    fn alter(&mut self, schema: &Schema) -> String {
        let known = self.known(schema);
        let count = 1 + self.random.below(3);
        let mut actions: Vec<String> = (0..count).map(|_| self.action(&known)).collect();
        let has = |actions: &[String], word| actions.iter().any(|action| action.starts_with(word));
        // MySQL: a TEXT that is changed and converted by one statement gets the size that its old
        // type asks for (MODIFY an INT to MEDIUMTEXT gives a TINYTEXT). That is not followed.
        if self.flavor == Flavor::MySql && has(&actions, "CONVERT") {
            actions.retain(|action| !action.starts_with("MODIFY") && !action.starts_with("CHANGE"));
        }
        // A key over a column that is dropped and added anew keeps the old length as a prefix.
        if has(&actions, "ADD") {
            actions.retain(|action| !action.starts_with("DROP COLUMN"));
        }
        format!("ALTER TABLE {} {}", known.name, actions.join(", "))
    }

    fn action(&mut self, known: &Known) -> String {
        let flavor = self.flavor;
        let random = &mut self.random;
        let (if_exists, if_not_exists) = if flavor == Flavor::MariaDb && once_in(random, 5) {
            (" IF EXISTS", " IF NOT EXISTS")
        } else {
            ("", "")
        };
        let column = known.column(random);
        match random.below(24) {
            0..5 => {
                let (name, data_type) = (column_name(random), column_type(flavor, random));
                format!("ADD COLUMN{if_not_exists} {name} {data_type}{}", known.place(random))
            }
            5 => {
                let (one, two) = (column_name(random), column_name(random));
                let types = [column_type(flavor, random), column_type(flavor, random)];
                format!("ADD ({one} {}, {two} {}, KEY ({one}))", types[0], types[1])
            }
            6..9 => format!("DROP COLUMN{if_exists} {column}"),
            9..12 => {
                let data_type = column_type(flavor, random);
                format!("MODIFY{if_exists} {column} {data_type}{}", known.place(random))
            }
            12 | 13 => {
                let (name, data_type) = (column_name(random), column_type(flavor, random));
                format!("CHANGE{if_exists} {column} {name} {data_type}{}", known.place(random))
            }
            14 => format!("RENAME COLUMN {column} TO {}", column_name(random)),
            15 | 16 => format!("ADD {}", key(random, &known.columns)),
            17 => format!("DROP KEY{if_exists} {}", known.key(random)),
            18 => format!("RENAME KEY {} TO {}", known.key(random), pick(random, &["k1", "k9"])),
            19 => pick(
                random,
                &[
                    "DROP PRIMARY KEY",
                    "REMOVE PARTITIONING",
                    "DROP FOREIGN KEY fk1",
                    "ADD CHECK (1 > 0)",
                ],
            )
            .to_owned(),
            20 => format!(
                "CONVERT TO CHARACTER SET {}",
                pick(
                    random,
                    &[
                        "utf8mb4",
                        "latin1",
                        "utf8 COLLATE utf8_bin",
                        "gbk",
                        "binary",
                        "DEFAULT",
                        "utf16",
                    ]
                )
            ),
            21 => pick(random, &TABLE_CHARSETS).to_owned(),
            22 if flavor == Flavor::MariaDb => {
                pick(random, &["ADD SYSTEM VERSIONING", "DROP SYSTEM VERSIONING", "FORCE"])
                    .to_owned()
            }
            22 => format!(
                "ALTER COLUMN {column} SET {}",
                pick(random, &["INVISIBLE", "VISIBLE", "DEFAULT NULL"])
            ),
            _ => pick(random, &OPTIONS).to_owned(),
        }
    }
}

/// A table as it is tracked.
struct Known {
    name: &'static str,
    columns: Vec<String>,
    keys: Vec<String>,
}

impl Known {
    fn column(&self, random: &mut Random) -> String {
        let choices: Vec<&str> = self.columns.iter().map(String::as_str).collect();
        pick(random, &choices).to_owned()
    }

    fn key(&self, random: &mut Random) -> String {
        let choices: Vec<&str> = self.keys.iter().map(String::as_str).collect();
        if choices.is_empty() { "k1".to_owned() } else { pick(random, &choices).to_owned() }
    }

    fn place(&self, random: &mut Random) -> String {
        match random.below(5) {
            0 => " FIRST".to_owned(),
            1 | 2 => format!(" AFTER {}", self.column(random)),
            _ => String::new(),
        }
    }
}
