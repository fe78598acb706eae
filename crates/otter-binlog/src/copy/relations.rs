//! Which tables refer to which, and what foreign keys do to rows of which the binlog says nothing.

use std::borrow::Cow;
use std::collections::BTreeSet;

use otter_core::mapping::Mappings;
use otter_core::{RowKind, RowsEvent, TableName};

use super::error::CopyError;
use super::tables::Source;
use crate::connection::{Flavor, ServerInfo};
use crate::statement::tokens::{Token, Tokens};
use crate::statement::{Dialect, named_tables};

/// A foreign key, as far as the copy depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parent {
    pub(super) table: TableName,
    /// Whether rows change or go with those that they refer to, and the binlog does not tell.
    pub(super) is_silent: bool,
    /// Whether their own values change so, and the binlog does not tell.
    pub(super) moves: bool,
    /// The columns of the parent that it refers to.
    pub(super) columns: Vec<Box<str>>,
}

/// Whether the binlog holds what foreign keys do to rows.
pub(super) fn logs_cascades(info: &ServerInfo) -> bool {
    info.flavor() == Flavor::MySql && info.variable("innodb_native_foreign_keys") == Some("OFF")
}

/// The tables that a definition refers to, of those that count.
pub(super) fn parents_of(
    (table, definition): (&TableName, &str),
    logs_cascades: bool,
    counts: impl Fn(&TableName) -> bool,
) -> Vec<Parent> {
    let parents = parents_in(definition, &table.database).into_iter();
    let parents = parents.filter(|parent| counts(&parent.table));
    let told = |parent: Parent| Parent {
        is_silent: parent.is_silent && !logs_cascades,
        moves: parent.moves && !logs_cascades,
        ..parent
    };
    parents.map(told).collect()
}

/// The tables that a definition refers to, where the binlog tells nothing.
pub(super) fn parents_in(definition: &str, database: &str) -> Vec<Parent> {
    let named = named_tables(definition, Dialect::default()).into_iter();
    let parents = named.filter(|named| named.is_parent).map(|named| {
        let behind = definition.get(named.at.end..).unwrap_or_default();
        let Referenced { columns, is_silent, moves } = referenced(behind);
        let database = named.name.database.unwrap_or_else(|| database.to_owned());
        let table = TableName::new(database, named.name.table);
        Parent { table, is_silent, moves, columns }
    });
    parents.collect()
}

/// What stands behind the name of a table that is referred to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Referenced {
    columns: Vec<Box<str>>,
    is_silent: bool,
    moves: bool,
}

/// Reads `(a, b) MATCH FULL ON DELETE CASCADE ON UPDATE SET NULL`, up to whatever stands behind it.
fn referenced(text: &str) -> Referenced {
    let mut tokens = Tokens::new(text.as_bytes(), Dialect::default()).peekable();
    let mut found = Referenced::default();
    if tokens.next_if_eq(&Token::Symbol(b'(')).is_some() {
        for token in tokens.by_ref().take_while(|token| *token != Token::Symbol(b')')) {
            if let Token::Word(name) | Token::Name(Cow::Borrowed(name)) = &token {
                found.columns.push(String::from_utf8_lossy(name).into());
            } else if let Token::Name(Cow::Owned(name)) = &token {
                found.columns.push(String::from_utf8_lossy(name).into());
            }
        }
    }
    loop {
        if tokens.next_if(|token| token.is("MATCH")).is_some() {
            tokens.next();
            continue;
        }
        if tokens.next_if(|token| token.is("ON")).is_none() {
            return found;
        }
        let is_update = tokens.next().is_some_and(|token| token.is("UPDATE"));
        let does = tokens.next_if(|token| token.is("CASCADE")).is_some()
            || (tokens.next_if(|token| token.is("SET")).is_some()
                && tokens.next().is_some_and(|token| token.is("NULL") || token.is("DEFAULT")));
        if !does {
            // RESTRICT, or NO ACTION.
            tokens.next_if(|token| token.is("NO"));
            tokens.next();
        }
        found.is_silent |= does;
        found.moves |= does && is_update;
    }
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

    /// Takes in what a table refers to beside what is known, as a statement says; whether it refers to
    /// such a table, and whether silently.
    pub(super) fn learn_more(
        &mut self,
        (table, statement): (&TableName, &str),
        is_one: impl Fn(&TableName) -> bool,
    ) -> (bool, bool) {
        let parents = parents_of((table, statement), self.logs_cascades, |_| true);
        let such = || parents.iter().filter(|it| it.table != *table && is_one(&it.table));
        let found = (such().next().is_some(), such().any(|parent| parent.is_silent));
        if !parents.is_empty() {
            self.parents.entry(table.clone()).or_default().extend(parents);
        }
        found
    }

    /// Refuses tables whose rows follow, over others, rows of their own, of which the binlog says nothing.
    pub(super) fn check_rings(&self) -> Result<(), CopyError> {
        let Some(table) = self.silent_ring() else { return Ok(()) };
        let problem = "its rows change or go with rows of other tables that change or go with its \
             own, and the binlog does not tell: copy it by hand, and leave it out of the mapping \
             until then";
        Err(CopyError::Table { table: table.clone(), problem: problem.to_owned() })
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

    /// Whether a table in a ring may be copied before those that it refers to: they refer to it too, and
    /// its rows do not change with theirs without a word in the binlog.
    pub(super) fn may_come_first(
        &self,
        table: &TableName,
        is_open: impl Fn(&TableName) -> bool,
    ) -> bool {
        let parents = self.parents.get(table).map_or(&[][..], Vec::as_slice);
        let mut others =
            parents.iter().filter(|parent| parent.table != *table && is_open(&parent.table));
        others
            .all(|parent| !parent.is_silent && self.depends_on(&parent.table, |name| name == table))
    }

    /// Whether changes of rows change values that rows of other tables refer to; with `silently`, such as
    /// change with them without a word in the binlog.
    pub(super) fn moves_others(&self, rows: &RowsEvent, silently: bool) -> bool {
        if rows.kind() != RowKind::Update {
            return false;
        }
        let (table, name) = (rows.table(), &rows.table().name);
        let mut keys = self
            .parents
            .values()
            .flatten()
            .filter(|parent| parent.table == *name && (parent.moves || !silently));
        keys.any(|key| {
            let columns = key.columns.iter().map(|column| table.column_index(column));
            let Some(columns) = columns.collect::<Option<Vec<usize>>>() else { return true };
            rows.changes().any(|change| {
                let (Some(before), Some(after)) = (change.before(), change.after()) else {
                    return true;
                };
                columns.iter().any(|column| before.value(*column) != after.value(*column))
            })
        })
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
            let table = TableName::new("d", *parent);
            let parent = Parent { table, is_silent: *is_silent, moves: false, columns: Vec::new() };
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
    fn a_ring_is_broken_within_it_and_not_at_what_follows_silently() {
        let source = source(&[
            ("audit", "worker", true),
            ("part", "worker", false),
            ("worker", "part", true),
            ("worker", "done", true),
        ]);
        let may = |table: &str| {
            source.may_come_first(&TableName::new("d", table), |name| &*name.table != "done")
        };
        assert!(may("part") && !may("worker") && !may("audit"));
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
             CONSTRAINT `two` FOREIGN KEY (`q`) REFERENCES `e`.`q` (`id`),\n  \
             CONSTRAINT `three` FOREIGN KEY (`r`, `s`) REFERENCES `r` (`a``)`, `b, c`) ON UPDATE CASCADE\n) \
             ENGINE=InnoDB";
        let parent =
            |(database, table): (&str, &str), (is_silent, moves), columns: &[&str]| Parent {
                table: TableName::new(database, table),
                is_silent,
                moves,
                columns: columns.iter().map(|column| (*column).into()).collect(),
            };
        let expected = [
            parent(("d", "p"), (true, false), &["id"]),
            parent(("e", "q"), (false, false), &["id"]),
            parent(("d", "r"), (true, true), &["a`)", "b, c"]),
        ];
        assert_eq!(parents_in(text, "d"), expected);
    }

    #[test]
    fn rules_are_read_however_a_statement_is_written() {
        let of = |text: &str| {
            let all = parents_in(text, "d");
            all.iter().map(|it| (it.is_silent, it.moves)).collect::<Vec<_>>()
        };
        assert_eq!(
            of("ALTER TABLE c ADD FOREIGN KEY (p) REFERENCES p (id)\n  on  delete\tCascade"),
            [(true, false)]
        );
        // Each has the rules of its own.
        let two = "ALTER TABLE c ADD FOREIGN KEY (p) REFERENCES p (id) ON DELETE RESTRICT ON UPDATE NO ACTION, \
             ADD FOREIGN KEY (q) REFERENCES q (a, `b`) MATCH SIMPLE ON DELETE NO ACTION ON UPDATE /* x */ SET NULL";
        assert_eq!(of(two), [(false, false), (true, true)]);
        let timed = "CREATE TABLE c (p INT REFERENCES p (id), t TIMESTAMP ON UPDATE CURRENT_TIMESTAMP) \
             COMMENT = 'ON DELETE CASCADE'";
        assert_eq!(of(timed), [(false, false)]);
        assert_eq!(
            of("ALTER TABLE c ADD FOREIGN KEY (p) REFERENCES p ON DELETE SET DEFAULT"),
            [(true, false)]
        );
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
