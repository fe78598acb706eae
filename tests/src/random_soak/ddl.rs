//! Random schema changes, from a session of their own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use otter_core::testkit::random::Random;

use super::kind::Kinds;
use super::session::{Answer, Catalog, Session};
use super::table::{Column, Key, Rank, Table, quote, quoted};

/// Tables at most: a change of each shall come now and then.
const MOST_TABLES: usize = 10;
/// Columns at most: rows shall stay small.
const MOST_COLUMNS: usize = 20;

/// Changes schemas one after another.
#[derive(Debug)]
pub(super) struct Changer {
    pub(super) session: Session,
    kinds: Kinds,
    /// Of the next name.
    number: u64,
    /// Schema changes that the source took.
    pub(super) changes: u64,
}

/// What becomes of the tables where the server takes the statement.
#[derive(Debug)]
enum Outcome {
    Nothing,
    Table(String, Box<Table>),
    New(Box<Table>),
    Gone(String),
    /// From the left to the right.
    Renamed(Vec<(String, String)>),
}

impl Changer {
    pub(super) fn new(session: Session, kinds: Kinds) -> Self {
        Self { session, kinds, number: 0, changes: 0 }
    }

    /// Changes schemas until it is to stop.
    pub(super) async fn work(mut self, catalog: Catalog, stop: Arc<AtomicBool>) -> Self {
        while !stop.load(Ordering::Relaxed) {
            self.change(&catalog).await;
            let pause = u64::try_from(self.session.random.below(150)).unwrap_or(0);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        self
    }

    async fn change(&mut self, catalog: &Catalog) {
        self.number += 1;
        let tables = catalog.tables();
        let Some((statement, outcome)) = self.any(&tables) else { return };
        if self.session.execute(&statement).await != Answer::Taken {
            return;
        }
        self.changes += 1;
        catalog.change(|tables| match outcome {
            Outcome::Nothing => {}
            Outcome::Table(name, table) => {
                if let Some(slot) = tables.iter_mut().find(|it| it.name == name) {
                    *slot = Arc::new(*table);
                }
            }
            Outcome::New(table) => tables.push(Arc::new(*table)),
            Outcome::Gone(name) => tables.retain(|table| table.name != name),
            Outcome::Renamed(pairs) => {
                for (from, to) in pairs {
                    for table in tables.iter_mut().filter(|table| table.name == from) {
                        *table = Arc::new(table.renamed(&to));
                    }
                }
            }
        });
    }

    fn any(&mut self, tables: &[Arc<Table>]) -> Option<(String, Outcome)> {
        let random = &mut self.session.random;
        let number = self.number;
        if tables.len() < 3 || (random.chance(8) && tables.len() < MOST_TABLES) {
            let others: Vec<Table> = tables.iter().map(|table| Table::clone(table)).collect();
            let table = Table::any(format!("n{number}"), &self.kinds, &others, random);
            return Some((table.create(), Outcome::New(Box::new(table))));
        }
        let table = Table::clone(random.choose::<Arc<Table>>(tables));
        let place = format!("shop.{}", quote(&table.name));
        match random.below(24) {
            20 | 21 => several(table, number, &self.kinds, random),
            22 => copy(&table, number, tables.len(), random),
            23 => Some(("FLUSH BINARY LOGS".to_owned(), Outcome::Nothing)),
            0..=4 => add_column(table, number, &self.kinds, random),
            5..=7 => drop_column(table, random),
            8 | 9 => rename_column(table, number, random),
            10..=12 => modify_column(table, &self.kinds, random),
            13 | 14 => add_key(table, number, random),
            15 => drop_key(table, random),
            16 => {
                let (from, to) = (table.name, format!("r{number}"));
                let statement = format!("RENAME TABLE {place} TO shop.{}", quote(&to));
                Some((statement, Outcome::Renamed(vec![(from, to)])))
            }
            17 => {
                let other = random.choose(tables).name.clone();
                if other == table.name {
                    return Some((format!("TRUNCATE TABLE {place}"), Outcome::Nothing));
                }
                let aside = format!("s{number}");
                let (one, two, three) = (quote(&table.name), quote(&other), quote(&aside));
                let statement = format!(
                    "RENAME TABLE shop.{one} TO shop.{three}, shop.{two} TO shop.{one}, \
                     shop.{three} TO shop.{two}"
                );
                let pairs = vec![
                    (table.name.clone(), aside.clone()),
                    (other.clone(), table.name),
                    (aside, other),
                ];
                Some((statement, Outcome::Renamed(pairs)))
            }
            18 if tables.len() > 4 => {
                Some((format!("DROP TABLE {place}"), Outcome::Gone(table.name)))
            }
            18 => Some((format!("TRUNCATE TABLE {place}"), Outcome::Nothing)),
            _ => {
                let more = ["COMMENT 'again'", "ENGINE=InnoDB", "FORCE", "ROW_FORMAT=COMPACT"];
                let more = random.choose(&more);
                Some((format!("ALTER TABLE {place} {more}"), Outcome::Nothing))
            }
        }
    }
}

/// Several clauses in one statement.
fn several(table: Table, number: u64, kinds: &Kinds, random: &mut Random) -> Change {
    let (before, mut table) = (table.name.clone(), table);
    let mut clauses = Vec::new();
    for part in 0..2 + random.below(2) {
        let number = number * 10 + u64::try_from(part).unwrap_or(0);
        let change = match random.below(4) {
            0 | 1 => add_column(table.clone(), number, kinds, random),
            2 => drop_column(table.clone(), random),
            _ => add_key(table.clone(), number, random),
        };
        let Some((statement, Outcome::Table(_, after))) = change else { continue };
        let prefix = format!("ALTER TABLE shop.{} ", quote(&before));
        // An index that stands alone is no clause; a column that has just come is not dropped.
        let Some(clause) = statement.strip_prefix(&prefix) else { continue };
        if clause.starts_with("DROP") && !clauses.is_empty() {
            continue;
        }
        clauses.push(clause.to_owned());
        table = *after;
    }
    if clauses.is_empty() {
        return None;
    }
    altered(&before, &clauses.join(", "), table)
}

/// A table like another one, with its rows or without.
fn copy(table: &Table, number: u64, count: usize, random: &mut Random) -> Change {
    if count >= MOST_TABLES {
        return None;
    }
    let mut made = table.renamed(&format!("m{number}"));
    made.foreign.clear();
    let (new, old) = (quote(&made.name), quote(&table.name));
    if random.chance(50) {
        let statement = format!("CREATE TABLE shop.{new} LIKE shop.{old}");
        return Some((statement, Outcome::New(Box::new(made))));
    }
    // The rows of SELECT have neither keys nor generated columns.
    made.keys.clear();
    for column in &mut made.columns {
        column.counts = false;
        column.generated = None;
    }
    made.columns.retain(|column| table.column(&column.name).is_some_and(Column::is_plain));
    let names: Vec<String> = made.columns.iter().map(|column| column.name.clone()).collect();
    let statement = format!("CREATE TABLE shop.{new} AS SELECT {} FROM shop.{old}", quoted(&names));
    Some((statement, Outcome::New(Box::new(made))))
}

type Change = Option<(String, Outcome)>;

fn altered(before: &str, clause: &str, table: Table) -> Change {
    let statement = format!("ALTER TABLE shop.{} {clause}", quote(before));
    Some((statement, Outcome::Table(before.to_owned(), Box::new(table))))
}

/// Where a column goes, in words and as an index.
fn somewhere(table: &Table, random: &mut Random) -> (String, usize) {
    match random.below(4) {
        0 => (" FIRST".to_owned(), 0),
        1 => {
            let at = random.below(table.columns.len());
            let name = table.columns.get(at).map_or("", |column| &column.name);
            (format!(" AFTER {}", quote(name)), at + 1)
        }
        _ => (String::new(), table.columns.len()),
    }
}

fn add_column(mut table: Table, number: u64, kinds: &Kinds, random: &mut Random) -> Change {
    if table.columns.len() >= MOST_COLUMNS {
        return drop_column(table, random);
    }
    let column = Column::any(format!("a{number}"), kinds, random);
    let (place, at) = somewhere(&table, random);
    let clause = format!("ADD COLUMN {}{place}", column.sql());
    table.columns.insert(at, column);
    altered(&table.name.clone(), &clause, table)
}

fn drop_column(mut table: Table, random: &mut Random) -> Change {
    let at = random.below(table.columns.len());
    let name = table.columns.get(at)?.name.clone();
    if table.needs(&name) || table.columns.len() < 3 {
        return None;
    }
    table.columns.remove(at);
    altered(&table.name.clone(), &format!("DROP COLUMN {}", quote(&name)), table)
}

fn rename_column(mut table: Table, number: u64, random: &mut Random) -> Change {
    let at = random.below(table.columns.len());
    let name = table.columns.get(at)?.name.clone();
    if table.needs(&name) {
        return None;
    }
    let new = format!("b{number}");
    table.columns.get_mut(at)?.name.clone_from(&new);
    let clause = format!("RENAME COLUMN {} TO {}", quote(&name), quote(&new));
    altered(&table.name.clone(), &clause, table)
}

/// Another type, another default of NULL, another place.
fn modify_column(mut table: Table, kinds: &Kinds, random: &mut Random) -> Change {
    let at = random.below(table.columns.len());
    let name = table.columns.get(at)?.name.clone();
    let is_fixed = table.needs(&name) || table.columns.get(at)?.generated.is_some();
    if is_fixed || table.columns.len() < 2 {
        return None;
    }
    let mut column = table.columns.remove(at);
    if !kinds.same_servers {
        // What becomes of values that change their type is each server's own affair.
        column.nullable = true;
    } else if random.chance(50) {
        column = Column::any(name, kinds, random);
    } else {
        column.nullable = !column.nullable;
    }
    let (place, at) = somewhere(&table, random);
    // Without a word it stays where it was, which is of no matter to the generator.
    let clause = format!("MODIFY COLUMN {}{place}", column.sql());
    table.columns.insert(at, column);
    altered(&table.name.clone(), &clause, table)
}

fn add_key(mut table: Table, number: u64, random: &mut Random) -> Change {
    let mut names = Vec::new();
    for _ in 0..1 + random.below(2) {
        let column = random.choose(&table.columns);
        // MariaDB: a BLOB as a whole is unique by a hash, which is a column of its rows in the
        // binlog that no definition tells of. MySQL has no such key.
        if !column.kind.is_key() {
            return None;
        }
        if !names.contains(&column.name) {
            names.push(column.name.clone());
        }
    }
    // MySQL: a column of a foreign key cannot become NOT NULL.
    let is_foreign =
        names.iter().any(|name| table.foreign.iter().any(|it| it.columns.contains(name)));
    let rank = match random.below(6) {
        0 if table.primary().is_none() && !is_foreign => Rank::Primary,
        0..=2 => Rank::Unique,
        _ => Rank::Plain,
    };
    let key = Key { name: format!("x{number}"), columns: names, rank };
    let clause = format!("ADD {}", key.sql());
    if rank == Rank::Plain && random.chance(30) {
        let statement = format!(
            "CREATE INDEX {} ON shop.{} ({})",
            quote(&key.name),
            quote(&table.name),
            quoted(&key.columns)
        );
        table.keys.push(key);
        return Some((statement, Outcome::Table(table.name.clone(), Box::new(table))));
    }
    table.keys.push(key);
    altered(&table.name.clone(), &clause, table)
}

fn drop_key(mut table: Table, random: &mut Random) -> Change {
    if table.keys.is_empty() {
        return None;
    }
    let key = table.keys.remove(random.below(table.keys.len()));
    let clause = match key.rank {
        Rank::Primary if table.columns.iter().any(|column| column.counts) => return None,
        Rank::Primary => "DROP PRIMARY KEY".to_owned(),
        Rank::Unique | Rank::Plain => format!("DROP KEY {}", quote(&key.name)),
    };
    altered(&table.name.clone(), &clause, table)
}
