//! Which tables the source has, how many rows they may hold, and which refer to which.

use std::collections::{BTreeMap, BTreeSet};

use otter_core::mapping::Mappings;
use otter_core::{Classify, Fault, TableName};
use tracing::warn;

use super::error::CopyError;
use super::value::quoted;
use crate::connection::{Connection, Flavor, ServerInfo};
use crate::schema::reader::{SYSTEM_SCHEMAS, quote};
use crate::selector::{OWN_SCHEMA, TableFilter};
use crate::statement::{Dialect, named_tables};

/// Names in one line of the log.
const MOST_NAMES: usize = 10;

/// A foreign key, as far as the order of copies depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parent {
    pub(super) table: TableName,
    /// Whether rows change or go with those that they refer to, and the binlog does not tell.
    pub(super) is_silent: bool,
}

/// The tables of the source that are mapped.
#[derive(Debug, Default)]
pub(super) struct Source {
    /// With the number of rows that each may have.
    pub(super) tables: BTreeMap<TableName, u64>,
    /// The mapped tables that a table refers to.
    pub(super) parents: BTreeMap<TableName, Vec<Parent>>,
    /// Whether the binlog holds what foreign keys do to rows.
    pub(super) logs_cascades: bool,
}

/// Reads the mapped tables.
pub(super) async fn read(
    connection: &mut Connection,
    filter: &TableFilter,
) -> Result<Source, CopyError> {
    let system: Vec<String> = SYSTEM_SCHEMAS.iter().map(|name| quote(name)).collect();
    let result = connection
        .query(&format!(
            "SELECT table_schema, table_name, table_rows FROM information_schema.tables \
             WHERE table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') \
             AND table_schema NOT IN ({})",
            system.join(", ")
        ))
        .await?;
    let mut source = Source::default();
    for row in result.rows() {
        let (Some(database), Some(table)) = (row.text(0), row.text(1)) else { continue };
        let name = TableName::new(database, table);
        if database != OWN_SCHEMA && filter(&name) {
            let guess = row.text(2).and_then(|guess| guess.parse().ok()).unwrap_or(0);
            source.tables.insert(name, guess);
        }
    }
    Ok(source)
}

/// Reads which of the tables refer to which.
///
/// MariaDB tells of foreign keys in `information_schema` only to accounts that may write the table, so
/// that they are read from the definitions.
pub(super) async fn read_parents(
    connection: &mut Connection,
    info: &ServerInfo,
    source: &mut Source,
) -> Result<(), CopyError> {
    let logs_cascades = logs_cascades(info);
    connection.execute("SET SESSION sql_mode = ''").await?;
    for name in source.tables.keys() {
        let sql = format!("SHOW CREATE TABLE {}.{}", quoted(&name.database), quoted(&name.table));
        let made = match connection.query(&sql).await {
            Ok(made) => made,
            // It is gone by now, and the stream will tell; or is told when it is to be copied.
            Err(error) if error.server_error().is_some() && error.fault() != Fault::Transient => {
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let text = made.rows().first().and_then(|row| row.text(1)).unwrap_or_default();
        let is_there = |parent: &TableName| source.tables.contains_key(parent);
        let parents = parents_of((name, text), logs_cascades, is_there);
        if !parents.is_empty() {
            source.parents.insert(name.clone(), parents);
        }
    }
    Ok(())
}

/// The tables whose changes change rows of a table without a word in the binlog; the table itself
/// among them where its own do.
pub(super) async fn leaders(
    connection: &mut Connection,
    info: &ServerInfo,
    (filter, table): (&TableFilter, &TableName),
) -> Result<BTreeSet<TableName>, CopyError> {
    let mut found = BTreeSet::new();
    if logs_cascades(info) {
        return Ok(found);
    }
    let mut open = vec![table.clone()];
    while let Some(name) = open.pop() {
        let sql = format!("SHOW CREATE TABLE {}.{}", quoted(&name.database), quoted(&name.table));
        let made = match connection.query(&sql).await {
            Ok(made) => made,
            // It is gone by now: the stream will tell.
            Err(error) if error.server_error().is_some_and(|it| it.code == 1146) => continue,
            Err(error) => return Err(error.into()),
        };
        let text = made.rows().first().and_then(|row| row.text(1)).unwrap_or_default();
        for (parent, changes) in parents_in(text, &name.database) {
            if changes && filter(&parent) && found.insert(parent.clone()) {
                open.push(parent);
            }
        }
    }
    Ok(found)
}

/// Whether the binlog holds what foreign keys do to rows.
pub(super) fn logs_cascades(info: &ServerInfo) -> bool {
    info.flavor() == Flavor::MySql && info.variable("innodb_native_foreign_keys") == Some("OFF")
}

/// The tables that a definition refers to, of those that count.
fn parents_of(
    (table, definition): (&TableName, &str),
    logs_cascades: bool,
    counts: impl Fn(&TableName) -> bool,
) -> Vec<Parent> {
    let parents = parents_in(definition, &table.database).into_iter();
    let parents = parents.filter(|(parent, _)| counts(parent));
    parents.map(|(table, changes)| Parent { table, is_silent: changes && !logs_cascades }).collect()
}

/// The tables that a definition refers to, and whether its rows change or go with theirs.
fn parents_in(definition: &str, database: &str) -> Vec<(TableName, bool)> {
    let named = named_tables(definition, Dialect::default()).into_iter();
    let parents = named.filter(|named| named.is_parent).map(|named| {
        let behind = definition.get(named.at.end..).unwrap_or_default();
        // A server writes each foreign key into a line of its own.
        let rules = behind.lines().next().unwrap_or_default();
        let changes = ["CASCADE", "SET NULL", "SET DEFAULT"].iter().any(|it| rules.contains(it));
        let database = named.name.database.unwrap_or_else(|| database.to_owned());
        (TableName::new(database, named.name.table), changes)
    });
    parents.collect()
}

impl Source {
    /// Takes in which tables one refers to, as its definition says now; whether that is news.
    pub(super) fn learn(
        &mut self,
        table: &TableName,
        definition: &str,
        mappings: &Mappings,
    ) -> bool {
        let is_mapped = |parent: &TableName| mappings.is_mapped(parent);
        let parents = parents_of((table, definition), self.logs_cascades, is_mapped);
        if self.parents.get(table).map_or(&[][..], Vec::as_slice) == parents {
            return false;
        }
        self.parents.insert(table.clone(), parents);
        true
    }

    /// Refuses tables whose rows follow, over others, rows of their own, of which the binlog says nothing.
    pub(super) fn check_rings(&self) -> Result<(), CopyError> {
        let Some(table) = self.silent_ring() else { return Ok(()) };
        let problem = "its rows change or go with rows of other tables that change or go with its \
             own, and the binlog does not tell: copy it by hand, and leave it out of the mapping \
             until then";
        Err(CopyError::Table { table: table.clone(), problem: problem.to_owned() })
    }

    /// Warns of what mappings ask for and the source does not show: it is not copied now.
    pub(super) fn tell_unmatched(&self, mappings: &Mappings) {
        let unmatched = mappings.unmatched(self.tables.keys());
        let names = unmatched.names.iter().map(ToString::to_string);
        let all: Vec<String> = names.chain(unmatched.patterns).collect();
        if all.is_empty() {
            return;
        }
        let more = all.len().saturating_sub(MOST_NAMES);
        warn!(
            tables = all.get(..MOST_NAMES).unwrap_or(&all).join(", "),
            more,
            "the source has no such tables, or the account may not see them, and they are not copied; \
             where they are there, GRANT SELECT ON them to the account and start again"
        );
    }

    /// Whether a table refers to none that waits, but to itself: rows come behind those that they
    /// refer to.
    pub(super) fn is_free(&self, table: &TableName, waits: impl Fn(&TableName) -> bool) -> bool {
        let parents = self.parents.get(table).map_or(&[][..], Vec::as_slice);
        parents.iter().all(|parent| parent.table == *table || !waits(&parent.table))
    }

    /// Whether rows of the table change or go without a word in the binlog, with rows of another.
    pub(super) fn follows_others(&self, table: &TableName) -> bool {
        self.silent_parents(table).any(|parent| parent != table)
    }

    /// Whether they do so with rows of the same table.
    pub(super) fn follows_itself(&self, table: &TableName) -> bool {
        self.silent_parents(table).any(|parent| parent == table)
    }

    /// Whether rows of a table change or go without a word in the binlog with rows of this one, which
    /// is its parent or a parent's parent.
    pub(super) fn follows(&self, table: &TableName, other: &TableName) -> bool {
        let mut seen = BTreeSet::new();
        let mut open: Vec<&TableName> = self.silent_parents(table).collect();
        while let Some(parent) = open.pop() {
            if parent == other {
                return true;
            }
            if seen.insert(parent) {
                open.extend(self.silent_parents(parent));
            }
        }
        false
    }

    /// Whether a table refers to such a one, over others too.
    pub(super) fn depends_on(
        &self,
        table: &TableName,
        is_one: impl Fn(&TableName) -> bool,
    ) -> bool {
        let mut seen = BTreeSet::new();
        let mut open = vec![table];
        while let Some(table) = open.pop() {
            let parents = self.parents.get(table).map_or(&[][..], Vec::as_slice);
            for parent in parents.iter().map(|parent| &parent.table) {
                if is_one(parent) {
                    return true;
                }
                if seen.insert(parent) {
                    open.push(parent);
                }
            }
        }
        false
    }

    fn silent_parents(&self, table: &TableName) -> impl Iterator<Item = &TableName> {
        let parents = self.parents.get(table).map_or(&[][..], Vec::as_slice);
        parents.iter().filter(|parent| parent.is_silent).map(|parent| &parent.table)
    }

    /// A table whose rows follow, over others, rows of its own, without a word in the binlog.
    pub(super) fn silent_ring(&self) -> Option<&TableName> {
        self.parents.keys().find(|start| {
            let mut seen = BTreeSet::new();
            let mut open: Vec<&TableName> =
                self.silent_parents(start).filter(|parent| parent != start).collect();
            while let Some(table) = open.pop() {
                if table == *start {
                    return true;
                }
                if seen.insert(table) {
                    open.extend(self.silent_parents(table).filter(|parent| *parent != table));
                }
            }
            false
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(keys: &[(&str, &str, bool)]) -> Source {
        let mut source = Source::default();
        for (child, parent, is_silent) in keys {
            let parent = Parent { table: TableName::new("d", *parent), is_silent: *is_silent };
            source.parents.entry(TableName::new("d", *child)).or_default().push(parent);
        }
        source
    }

    #[test]
    fn a_table_waits_for_those_that_it_refers_to() {
        let source = source(&[("a", "b", false), ("b", "c", false), ("c", "c", true)]);
        let names = ["a", "b", "c"].map(|name| TableName::new("d", name));
        let mut waiting: BTreeSet<&TableName> = names.iter().collect();
        let mut order = Vec::new();
        let is_free = |waiting: &BTreeSet<&TableName>, name: &TableName| {
            source.is_free(name, |parent| waiting.contains(parent))
        };
        while let Some(next) = waiting.iter().copied().find(|name| is_free(&waiting, name)) {
            waiting.remove(next);
            order.push(&*next.table);
        }
        assert_eq!(order, ["c", "b", "a"]);
        assert!(source.follows_itself(&names[2]) && !source.follows_others(&names[2]));
        assert_eq!(source.silent_ring(), None);
    }

    #[test]
    fn a_table_depends_on_what_its_parents_refer_to() {
        let source = source(&[("a", "b", false), ("b", "c", false), ("c", "b", true)]);
        let depends = |table: &str, other: &str| {
            source.depends_on(&TableName::new("d", table), |name| &*name.table == other)
        };
        assert!(depends("a", "c") && depends("a", "b") && depends("b", "b"));
        assert!(!depends("a", "a") && !depends("c", "x"));
    }

    #[test]
    fn rows_follow_over_several_tables() {
        let source =
            source(&[("c", "b", true), ("b", "a", true), ("b", "x", false), ("a", "a", true)]);
        let [a, b, c, x] = ["a", "b", "c", "x"].map(|name| TableName::new("d", name));
        assert!(source.follows(&c, &b) && source.follows(&c, &a) && source.follows(&a, &a));
        assert!(!source.follows(&c, &x) && !source.follows(&c, &c) && !source.follows(&a, &c));
    }

    #[test]
    fn foreign_keys_are_read_from_definitions() {
        let text = "CREATE TABLE `c` (\n  `id` int NOT NULL COMMENT 'REFERENCES x ON DELETE CASCADE',\n  \
             CONSTRAINT `one` FOREIGN KEY (`p`) REFERENCES `p` (`id`) ON DELETE CASCADE,\n  \
             CONSTRAINT `two` FOREIGN KEY (`q`) REFERENCES `e`.`q` (`id`)\n) ENGINE=InnoDB";
        let expected = vec![(TableName::new("d", "p"), true), (TableName::new("e", "q"), false)];
        assert_eq!(parents_in(text, "d"), expected);
    }

    #[test]
    fn rings_are_found_where_the_binlog_is_silent() {
        let quiet = source(&[("a", "b", false), ("b", "a", true)]);
        assert_eq!(quiet.silent_ring(), None);
        let ring = source(&[("a", "b", true), ("b", "c", true), ("c", "a", true)]);
        assert!(ring.silent_ring().is_some());
        let names = ["a", "b", "c"].map(|name| TableName::new("d", name));
        assert!(!names.iter().any(|name| ring.is_free(name, |parent| names.contains(parent))));
    }
}
