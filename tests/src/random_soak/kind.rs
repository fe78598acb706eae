//! What kinds of columns there are, and which values they take.

use otter_core::testkit::random::Random;
use otter_server::sandbox::Flavor;

use crate::types::{self, Case};

/// Words that collations tell apart differently: by case, accents, ligatures, trailing spaces.
const WORDS: [&str; 20] = [
    "a", "A", "b", "B ", "ä", "Ä", "ae", "straße", "STRASSE", "é", "e", "E", "ñ", "N", "o", "ø",
    "", " ", "a\\'b", "z\\\\",
];

/// A column's type with the values that it gets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    /// As it stands in a definition.
    pub(super) sql: &'static str,
    values: Values,
}

#[derive(Debug, Clone, Copy)]
enum Values {
    Listed(&'static [&'static str]),
    /// A few values that meet again and again, made from small numbers.
    Key(Form),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Int,
    Wide,
    Text,
    Bytes,
    Decimal,
    Date,
    DateTime,
    Time,
    Year,
    Enum,
    Fraction,
    SignedZero,
    Uuid,
    Address,
}

/// Types of key columns, of both servers.
const KEYS: &[(&str, Form)] = &[
    ("INT", Form::Int),
    ("INT", Form::Int),
    ("BIGINT", Form::Int),
    ("SMALLINT", Form::Int),
    ("BIGINT UNSIGNED", Form::Wide),
    ("VARCHAR(24)", Form::Text),
    ("VARCHAR(24)", Form::Text),
    ("VARCHAR(24) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", Form::Text),
    ("VARCHAR(24) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci", Form::Text),
    ("CHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci", Form::Text),
    ("CHAR(10) CHARACTER SET latin1", Form::Text),
    ("VARBINARY(16)", Form::Bytes),
    ("BINARY(4)", Form::Bytes),
    ("DECIMAL(10,2)", Form::Decimal),
    ("DATE", Form::Date),
    ("DATETIME(3)", Form::DateTime),
    ("TIME(3)", Form::Time),
    ("YEAR", Form::Year),
    ("ENUM('a','b','c','d','e','f','g')", Form::Enum),
    ("DOUBLE", Form::Fraction),
    ("BIT(13)", Form::Int),
];

const MARIADB_KEYS: &[(&str, Form)] = &[
    ("UUID", Form::Uuid),
    ("INET6", Form::Address),
    ("VARCHAR(24) CHARACTER SET utf8mb4 COLLATE utf8mb4_uca1400_ai_ci", Form::Text),
];

const MYSQL_KEYS: &[(&str, Form)] = &[
    ("VARCHAR(24) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci", Form::Text),
    // MariaDB: there is no negative zero.
    ("DOUBLE", Form::SignedZero),
];

/// The kinds that every server of a pairing has.
#[derive(Debug, Clone)]
pub(super) struct Kinds {
    /// Whether source and target are of one flavor.
    pub(super) same_servers: bool,
    /// Whether an UPDATE of a parent may change its children. MySQL 9.7 logs such changes of a
    /// statement that loses a deadlock, and takes them back.
    pub(super) moves_children: bool,
    keys: Vec<Kind>,
    others: Vec<Kind>,
}

impl Kinds {
    /// What both servers have: the flavor's own types only where source and target are of one.
    pub(super) fn of(source: Flavor, target: Flavor) -> Self {
        let cases = if source == target { types::cases(source) } else { types::COMMON.to_vec() };
        let listed = |(sql, _, values): Case| Kind { sql, values: Values::Listed(values) };
        let others = cases.into_iter().filter(|(sql, ..)| !sql.contains("GENERATED")).map(listed);
        let own = match (source, target) {
            (Flavor::MariaDb, Flavor::MariaDb) => MARIADB_KEYS,
            (Flavor::MySql, Flavor::MySql) => MYSQL_KEYS,
            (Flavor::MariaDb, Flavor::MySql) | (Flavor::MySql, Flavor::MariaDb) => &[],
        };
        let key = |(sql, form): &(&'static str, Form)| Kind { sql, values: Values::Key(*form) };
        let same_servers = source == target;
        Self {
            same_servers,
            moves_children: source == Flavor::MariaDb,
            keys: KEYS.iter().chain(own).map(key).collect(),
            others: others.collect(),
        }
    }

    /// A kind that a key can hold as a whole.
    pub(super) fn key(&self, random: &mut Random) -> Kind {
        *random.choose(&self.keys)
    }

    /// Any kind; large ones are rarer, since they cost most of the time.
    pub(super) fn any(&self, random: &mut Random) -> Kind {
        if random.chance(40) { self.key(random) } else { *random.choose(&self.others) }
    }
}

impl Kind {
    /// Whether every server has keys over such a column as a whole.
    pub(super) fn is_key(&self) -> bool {
        matches!(self.values, Values::Key(_))
    }

    /// Whether columns of this kind can be counted by the server.
    pub(super) fn counts(&self) -> bool {
        matches!(self.sql, "INT" | "BIGINT" | "SMALLINT")
    }

    /// An expression of a generated column over one of this kind, and its type.
    pub(super) fn derived(&self, column: &str) -> Option<(&'static str, String)> {
        match self.values {
            Values::Key(Form::Int) => Some(("BIGINT", format!("{column} % 7 + 1"))),
            // MariaDB: what a CHAR is without its spaces depends on the session.
            Values::Key(Form::Text) if self.sql.starts_with("CHAR") => None,
            Values::Key(Form::Text) => Some(("VARCHAR(60)", format!("CONCAT({column}, '-')"))),
            Values::Key(Form::Decimal) => Some(("DECIMAL(14,3)", format!("{column} * 2"))),
            Values::Key(_) | Values::Listed(_) => None,
        }
    }

    /// A value as a literal; those of keys are of so many.
    pub(super) fn literal(&self, random: &mut Random, domain: usize) -> String {
        match self.values {
            Values::Key(form) => {
                let number = random.below(domain);
                form.literal(random, number)
            }
            Values::Listed(values) => {
                let made = if random.chance(40) { made(self.sql, random) } else { None };
                made.unwrap_or_else(|| (*random.choose(values)).to_owned())
            }
        }
    }
}

impl Form {
    fn literal(self, random: &mut Random, n: usize) -> String {
        match self {
            Self::Int => n.to_string(),
            Self::Wide => (u64::MAX - u64::try_from(n).unwrap_or(0)).to_string(),
            Self::Text => {
                let word = WORDS.get(n % WORDS.len()).unwrap_or(&"");
                format!("'{word}{}'", n / WORDS.len())
            }
            Self::Bytes => {
                let tail = ["", "00", "20", "FF"].get(n % 4).unwrap_or(&"");
                format!("X'{:02X}{tail}'", n / 4 % 256)
            }
            Self::Decimal => format!("{}.{:02}", n / 3, n % 3 * 25),
            Self::Date => format!("'2024-{:02}-{:02}'", 1 + n / 28 % 12, 1 + n % 28),
            Self::DateTime => {
                format!("'2024-03-31 {:02}:{:02}:00.{:03}'", n / 60 % 24, n % 60, n * 7 % 1000)
            }
            Self::Time => {
                let sign = if n.is_multiple_of(2) { "" } else { "-" };
                format!("'{sign}{}:{:02}:00.5'", n / 2 % 60, n / 2 % 60)
            }
            Self::Year => (1970 + n % 100).to_string(),
            Self::Enum => (1 + n % 7).to_string(),
            Self::SignedZero if n == 0 && random.chance(50) => "-0e0".to_owned(),
            Self::Fraction | Self::SignedZero => format!("{}e-1", n * 3),
            Self::Uuid => format!("'{n:08x}-29ac-11ee-8fff-0242ac{n:06x}'"),
            Self::Address => format!("'2001:db8::{n:x}'"),
        }
    }
}

/// A value of a type that is not in the list of its values at the borders.
fn made(sql: &str, random: &mut Random) -> Option<String> {
    let small = i64::try_from(random.below(120)).unwrap_or(0);
    let kind = sql.split(['(', ' ']).next().unwrap_or(sql);
    let length = |most: usize| {
        let inside = sql.split(['(', ')', ',']).nth(1);
        inside.and_then(|text| text.parse::<usize>().ok()).map_or(most, |length| length.min(most))
    };
    Some(match kind {
        "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "BIGINT" | "YEAR" | "DECIMAL"
            if sql != "DECIMAL(9,9)" =>
        {
            if sql.contains("UNSIGNED") || kind == "YEAR" || small % 2 == 0 {
                // A YEAR of two digits is one of 1970 to 2069.
                (small % 100).to_string()
            } else {
                (-small).to_string()
            }
        }
        "FLOAT" | "DOUBLE" => format!("{}.{:03}e{}", small, random.below(1000), random.below(20)),
        "DATE" => format!("'20{:02}-{:02}-{:02}'", small % 100, 1 + small % 12, 1 + small % 28),
        "DATETIME" | "TIMESTAMP" => format!(
            "'20{:02}-{:02}-{:02} {:02}:{:02}:{:02}.{:06}'",
            small % 37,
            1 + small % 12,
            1 + small % 28,
            random.below(24),
            random.below(60),
            random.below(60),
            random.below(1_000_000)
        ),
        "TIME" => format!(
            "'{}{:02}:{:02}:{:02}.{:06}'",
            if random.chance(30) { "-" } else { "" },
            small,
            random.below(60),
            random.below(60),
            random.below(1_000_000)
        ),
        "CHAR" | "VARCHAR" | "TINYTEXT" | "TEXT" | "MEDIUMTEXT" | "LONGTEXT" => {
            let letters = ["x", "Y", "0", " ", "q"];
            let length = random.below(length(40) + 1);
            let text: String = (0..length).map(|_| *random.choose(&letters)).collect();
            format!("'{text}'")
        }
        "BINARY" | "VARBINARY" | "TINYBLOB" | "BLOB" | "MEDIUMBLOB" | "LONGBLOB" => {
            let length = random.below(length(40) + 1);
            let text: String = (0..length).map(|_| format!("{:02X}", random.below(256))).collect();
            format!("X'{text}'")
        }
        _ => return None,
    })
}
