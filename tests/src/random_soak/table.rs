//! Random tables: columns of all types, keys of all sorts, foreign keys.

use otter_core::testkit::random::Random;

use super::kind::{Kind, Kinds};

/// Names that need their backquotes, besides plain ones.
const RARE_NAMES: [&str; 5] = ["order", "Größe", "key", "a b", "sel`ect"];

/// A table as its maker knows it.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
    pub(super) keys: Vec<Key>,
    pub(super) foreign: Vec<Foreign>,
    /// How many different values its key columns get.
    pub(super) domain: usize,
    collation: &'static str,
}

/// A column of a table.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) nullable: bool,
    pub(super) counts: bool,
    /// The expression, and whether it is stored; its type is not that of `kind`.
    pub(super) generated: Option<(&'static str, String, bool)>,
    /// What stands behind the type: a default.
    pub(super) more: &'static str,
}

/// A key of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) columns: Vec<String>,
    pub(super) rank: Rank,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rank {
    Primary,
    Unique,
    Plain,
}

/// A foreign key to another table's primary key.
#[derive(Debug, Clone)]
pub(super) struct Foreign {
    pub(super) name: String,
    pub(super) columns: Vec<String>,
    pub(super) parent: String,
    parent_columns: Vec<String>,
    actions: String,
}

/// Names in backquotes, with commas.
pub(super) fn quoted(names: &[String]) -> String {
    let quote = |name: &String| format!("`{}`", name.replace('`', "``"));
    names.iter().map(quote).collect::<Vec<_>>().join(", ")
}

pub(super) fn quote(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

impl Column {
    pub(super) fn any(name: String, kinds: &Kinds, random: &mut Random) -> Self {
        let kind = kinds.any(random);
        Self {
            name,
            kind,
            nullable: random.chance(70),
            counts: false,
            generated: None,
            more: if kind.sql.starts_with("TIMESTAMP NULL") || kind.sql.starts_with("DATETIME(6)") {
                match random.below(3) {
                    0 if kind.sql.contains('6') => "DEFAULT CURRENT_TIMESTAMP(6)",
                    1 if kind.sql.contains('6') => {
                        "DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)"
                    }
                    0 => "DEFAULT CURRENT_TIMESTAMP",
                    1 => "DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP",
                    _ => "",
                }
            } else {
                ""
            },
        }
    }

    /// Its definition.
    pub(super) fn sql(&self) -> String {
        let name = quote(&self.name);
        if let Some((kind, expression, is_stored)) = &self.generated {
            let stored = if *is_stored { "STORED" } else { "VIRTUAL" };
            return format!("{name} {kind} GENERATED ALWAYS AS ({expression}) {stored}");
        }
        let null = match (self.nullable, self.kind.sql.ends_with(" NULL")) {
            (_, true) => "",
            (true, false) => "NULL",
            (false, false) => "NOT NULL",
        };
        let counts = if self.counts { "AUTO_INCREMENT" } else { self.more };
        // INVISIBLE stands behind NULL.
        let (kind, invisible) = match self.kind.sql.strip_suffix(" INVISIBLE") {
            Some(kind) => (kind, "DEFAULT 0 INVISIBLE"),
            None => (self.kind.sql, ""),
        };
        format!("{name} {kind} {null} {counts} {invisible}").trim_end().to_owned()
    }

    /// A value to write.
    pub(super) fn literal(&self, random: &mut Random, domain: usize) -> String {
        if self.nullable && random.chance(15) {
            return "NULL".to_owned();
        }
        if self.counts && random.chance(50) {
            return "NULL".to_owned();
        }
        self.kind.literal(random, domain)
    }
}

impl Table {
    /// A new table, with foreign keys to some of the others.
    pub(super) fn any(name: String, kinds: &Kinds, others: &[Self], random: &mut Random) -> Self {
        let collations = ["utf8mb4_general_ci", "utf8mb4_unicode_ci", "utf8mb4_bin"];
        let mut table = Self {
            name,
            columns: Vec::new(),
            keys: Vec::new(),
            foreign: Vec::new(),
            domain: *random.choose(&[8, 30, 60, 60, 200]),
            collation: *random.choose(&collations),
        };
        table.add_identity(kinds, random);
        for number in 0..1 + random.below(7) {
            let name = match random.below(10) {
                0 => format!("{}{number}", random.choose(&RARE_NAMES)),
                _ => format!("c{number}"),
            };
            let mut column = Column::any(name, kinds, random);
            if others.is_empty() && random.chance(20) {
                column.kind = kinds.key(random);
            }
            table.columns.push(column);
        }
        for number in 0..random.below(4) {
            table.add_unique(number, kinds, random);
        }
        for number in 0..random.below(3) {
            table.add_generated(number, random);
        }
        if random.chance(45) {
            for number in 0..1 + random.below(2) {
                table.add_foreign(number, kinds, others, random);
            }
        }
        table
    }

    /// No key, one column, several columns, or a unique key without NULL.
    fn add_identity(&mut self, kinds: &Kinds, random: &mut Random) {
        let (columns, rank) = match random.below(10) {
            0..=4 => (1, Rank::Primary),
            5..=7 => (2 + random.below(2), Rank::Primary),
            8 => (1 + random.below(2), Rank::Unique),
            _ => return,
        };
        let mut names = Vec::new();
        for number in 0..columns {
            let kind = kinds.key(random);
            let counts = columns == 1 && rank == Rank::Primary && kind.counts();
            let counts = counts && random.chance(50);
            let name = format!("k{number}");
            names.push(name.clone());
            let (generated, more) = (None, "");
            self.columns.push(Column { name, kind, nullable: false, counts, generated, more });
        }
        // The order of a key need not be that of the columns.
        if random.chance(30) {
            names.reverse();
        }
        self.keys.push(Key { name: "id".to_owned(), columns: names, rank });
    }

    fn add_unique(&mut self, number: usize, kinds: &Kinds, random: &mut Random) {
        let mut columns = Vec::new();
        for part in 0..1 + random.below(2) {
            let (name, kind) = (format!("u{number}_{part}"), kinds.key(random));
            columns.push(name.clone());
            let (nullable, counts, generated, more) = (random.chance(60), false, None, "");
            self.columns.push(Column { name, kind, nullable, counts, generated, more });
        }
        let rank = if random.chance(75) { Rank::Unique } else { Rank::Plain };
        self.keys.push(Key { name: format!("u{number}"), columns, rank });
    }

    fn add_generated(&mut self, number: usize, random: &mut Random) {
        let bases: Vec<_> = self.columns.iter().filter(|it| it.is_plain() && !it.counts).collect();
        if bases.is_empty() {
            return;
        }
        let base = random.choose(&bases);
        let Some((kind, expression)) = base.kind.derived(&quote(&base.name)) else { return };
        let name = format!("g{number}");
        let generated = Some((kind, expression, random.chance(50)));
        let (base_kind, more) = (base.kind, "");
        let (nullable, counts) = (true, false);
        let column =
            Column { name: name.clone(), kind: base_kind, nullable, counts, generated, more };
        let at = random.below(self.columns.len() + 1);
        self.columns.insert(at, column);
        if random.chance(40) {
            let rank = if random.chance(30) { Rank::Unique } else { Rank::Plain };
            self.keys.push(Key { name: format!("g{number}"), columns: vec![name], rank });
        }
    }

    fn add_foreign(&mut self, number: usize, kinds: &Kinds, others: &[Self], random: &mut Random) {
        let parents: Vec<_> = others.iter().filter(|it| it.primary().is_some()).collect();
        if parents.is_empty() {
            return;
        }
        let parent = random.choose(&parents);
        let Some(key) = parent.primary() else { return };
        let mut columns = Vec::new();
        for (part, name) in key.columns.iter().enumerate() {
            let Some(there) = parent.column(name) else { return };
            let name = format!("f{number}_{part}");
            columns.push(name.clone());
            // Of the parent's values most shall be there.
            self.domain = self.domain.min(parent.domain);
            let column = Column { name, nullable: true, counts: false, more: "", ..there.clone() };
            self.columns.push(column);
        }
        let action = ["", "CASCADE", "CASCADE", "SET NULL", "RESTRICT"];
        let mut actions = String::new();
        for event in ["ON DELETE", "ON UPDATE"] {
            let action = random.choose(&action);
            let moves = event == "ON UPDATE" && ["CASCADE", "SET NULL"].contains(action);
            if !action.is_empty() && (kinds.moves_children || !moves) {
                actions.push_str(&format!(" {event} {action}"));
            }
        }
        self.foreign.push(Foreign {
            name: format!("{}_f{number}", self.name),
            columns,
            parent: parent.name.clone(),
            parent_columns: key.columns.clone(),
            actions,
        });
    }

    /// The same under another name.
    pub(super) fn renamed(&self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self.clone() }
    }

    pub(super) fn primary(&self) -> Option<&Key> {
        self.keys.iter().find(|key| key.rank == Rank::Primary)
    }

    pub(super) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Whether a key, a foreign key or a generated column needs this one.
    pub(super) fn needs(&self, name: &str) -> bool {
        let is_here = |columns: &[String]| columns.iter().any(|column| column == name);
        self.keys.iter().any(|key| is_here(&key.columns))
            || self.foreign.iter().any(|foreign| is_here(&foreign.columns))
            || self.columns.iter().any(|column| {
                column.generated.as_ref().is_some_and(|(_, text, _)| text.contains(&quote(name)))
            })
    }

    /// The statement that makes it.
    pub(super) fn create(&self) -> String {
        let mut parts: Vec<String> = self.columns.iter().map(Column::sql).collect();
        parts.extend(self.keys.iter().map(Key::sql));
        parts.extend(self.foreign.iter().map(Foreign::sql));
        let (name, collation) = (quote(&self.name), self.collation);
        format!(
            "CREATE TABLE shop.{name} ({}) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE {collation}",
            parts.join(", ")
        )
    }
}

impl Column {
    /// Whether it is written, and not generated.
    pub(super) fn is_plain(&self) -> bool {
        self.generated.is_none()
    }
}

impl Key {
    pub(super) fn sql(&self) -> String {
        let (name, columns) = (quote(&self.name), quoted(&self.columns));
        match self.rank {
            Rank::Primary => format!("PRIMARY KEY ({columns})"),
            Rank::Unique => format!("UNIQUE KEY {name} ({columns})"),
            Rank::Plain => format!("KEY {name} ({columns})"),
        }
    }
}

impl Foreign {
    pub(super) fn sql(&self) -> String {
        format!(
            "CONSTRAINT {} FOREIGN KEY ({}) REFERENCES {} ({}){}",
            quote(&self.name),
            quoted(&self.columns),
            quote(&self.parent),
            quoted(&self.parent_columns),
            self.actions
        )
    }
}
