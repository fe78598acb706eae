//! What becomes of tables that the stream renames while some are not copied yet.
//!
//! A table takes with it how far it is. What comes from outside the mapping has rows that the stream
//! never brought: it waits to be copied. Where the target has only some of the tables, only those are
//! renamed there.

use std::collections::BTreeMap;
use std::sync::Arc;

use otter_core::{CopyRecord, CopyStage, Ddl, DdlName, Event, TableName};

use super::answers::PAUSE;
use super::passing::{Notes, Passed, step, step_of, tell_left_out};
use super::run::{OpenTable, Run};
use super::value::quoted;
use crate::errand::Errand;
use crate::history::{Dialect, Flavor, SchemaChange, SqlMode, Statement, read};

/// A table's new name behind its old one, in the order of the statement; empty where it renames
/// nothing.
pub(super) fn renames(ddl: &Ddl) -> Vec<(TableName, TableName)> {
    let pairs = match (&*ddl.kind, ddl.tables.as_slice()) {
        ("RENAME TABLE", tables) => tables,
        // The second is its new name; or a table with which a partition is exchanged.
        ("ALTER TABLE", tables @ [_, _]) if alters_name(ddl) => tables,
        _ => return Vec::new(),
    };
    let (pairs, _) = pairs.as_chunks::<2>();
    pairs.iter().map(|[from, to]| (from.clone(), to.clone())).collect()
}

/// Whether an ALTER TABLE gives the table another name.
fn alters_name(ddl: &Ddl) -> bool {
    let renames = |change: &SchemaChange| matches!(change, SchemaChange::AlterTable(alter) if alter.rename.is_some());
    changes_of(ddl).iter().any(renames)
}

/// What a schema change does, as far as it is understood.
pub(super) fn changes_of(ddl: &Ddl) -> Vec<SchemaChange> {
    let flavor = if ddl.session.is_mariadb { Flavor::MariaDb } else { Flavor::MySql };
    let mut dialect = Dialect::new(flavor, 99, 0, 0);
    dialect.sql_mode = SqlMode::from_bits(ddl.session.sql_mode);
    match read(ddl.statement.as_bytes(), &dialect) {
        Ok(Statement::Ddl(read)) => read.changes,
        Ok(_) | Err(_) => Vec::new(),
    }
}

/// Whether a statement may have done nothing where a table is missing (MariaDB).
fn has_if_exists(ddl: &Ddl) -> bool {
    let words = ddl.statement.split_ascii_whitespace();
    let words: Vec<String> = words.take(6).map(str::to_ascii_uppercase).collect();
    words.windows(2).any(|pair| pair == ["IF", "EXISTS"])
}

/// How far a table is that is renamed.
#[derive(Debug)]
enum Fate {
    /// There is none of this name any more.
    Absent,
    /// It is not mapped: the target has nothing of it.
    Outside,
    /// The target has all that the stream has passed.
    Settled,
    /// The target has nothing, or a part.
    Open(Box<OpenTable>),
}

impl Fate {
    /// Whether the target has the table.
    fn is_there(&self) -> bool {
        match self {
            Self::Absent | Self::Outside => false,
            Self::Settled => true,
            Self::Open(open) => open.record.stage == CopyStage::Copying || open.made.is_some(),
        }
    }
}

impl Run {
    /// Renames what the copy knows, and tells what is left of the statement for the target.
    pub(super) fn pass_renames(
        &mut self,
        ddl: Ddl,
        pairs: &[(TableName, TableName)],
        notes: &mut Notes,
    ) -> Passed {
        // Which rows follow which others is read again, with the new names.
        for lane in &mut self.lanes {
            lane.drop_job(PAUSE);
        }
        for open in self.open.values_mut() {
            open.definition = None;
        }
        let mut fates: BTreeMap<TableName, Fate> = BTreeMap::new();
        let (mut left, mut idle) = (Vec::new(), 0);
        for (from, to) in pairs {
            if self.is_swap(from, to) {
                // The table stays what it is, in another shape.
                left.push((from.clone(), to.clone()));
                continue;
            }
            let fate = match fates.remove(from) {
                Some(fate) => fate,
                None if self.did_nothing(&ddl, (from, to), &fates) => {
                    idle += 1;
                    continue;
                }
                None => self.take_fate(from),
            };
            if fate.is_there() {
                left.push((from.clone(), to.clone()));
            }
            fates.insert(from.clone(), Fate::Absent);
            // What stood there is gone, or the source would have refused.
            if !fates.contains_key(to) {
                self.take_fate(to);
            }
            fates.insert(to.clone(), fate);
        }
        for (name, fate) in fates {
            notes.steps.extend(self.settle(name, fate));
        }
        notes.moved.extend(self.rename_parents(pairs));
        if left.len() + idle == pairs.len() {
            return Passed::Event(Event::Ddl(ddl));
        }
        part_of(ddl, &left)
    }

    /// Gives the tables that others refer to their new names. Returns those that are being copied and
    /// refer to one of them: what is known of them may be of a time when it had this name already, so
    /// that they may have moved with its rows unseen.
    fn rename_parents(&mut self, pairs: &[(TableName, TableName)]) -> Vec<TableName> {
        let parents = &mut self.source.parents;
        let is_named = |name: &TableName| pairs.iter().any(|(from, to)| name == from || name == to);
        let moved = parents.iter().filter(|(_, parents)| {
            parents.iter().any(|parent| parent.is_silent && is_named(&parent.table))
        });
        let moved: Vec<TableName> = moved.map(|(name, _)| renamed(name, pairs)).collect();
        *parents = std::mem::take(parents)
            .into_iter()
            .map(|(name, mut parents)| {
                for parent in &mut parents {
                    parent.table = renamed(&parent.table, pairs);
                }
                (renamed(&name, pairs), parents)
            })
            .collect();
        moved
    }

    /// Whether a pair of names was none at the source: a table that the copy would know is not there.
    fn did_nothing(
        &self,
        ddl: &Ddl,
        (from, to): (&TableName, &TableName),
        fates: &BTreeMap<TableName, Fate>,
    ) -> bool {
        let is_known = |name| self.known.contains(name) || self.open.contains_key(name);
        let may_do_nothing = has_if_exists(ddl);
        if self.setting.mappings.is_mapped(from) {
            // It may be a view; unless its new name is that of a table, which it has become before anybody
            // listed it.
            let is_table = is_known(to) || fates.contains_key(to);
            return !is_known(from) && (may_do_nothing || !is_table);
        }
        is_known(to) && may_do_nothing
    }

    /// Whether one of the two is a ghost of the other that is left alone.
    fn is_swap(&self, from: &TableName, to: &TableName) -> bool {
        let mappings = &self.setting.mappings;
        mappings.is_ghost_of(to, from) || mappings.is_ghost_of(from, to)
    }

    /// How far a table is, which is forgotten under this name.
    fn take_fate(&mut self, name: &TableName) -> Fate {
        let was_known = self.known.remove(name);
        match self.open.remove(name) {
            Some(open) => Fate::Open(Box::new(open)),
            None if was_known => Fate::Settled,
            None => Fate::Outside,
        }
    }

    /// Takes up a table under its new name; what is to be written down of it.
    fn settle(&mut self, name: TableName, fate: Fate) -> Option<Event> {
        let record = match fate {
            _ if !self.setting.mappings.is_mapped(&name) => return None,
            Fate::Absent => return Some(step(name, CopyStage::Forgotten)),
            Fate::Settled => {
                self.known.insert(name.clone());
                return Some(step(name, CopyStage::Done));
            }
            Fate::Outside => noted(CopyRecord::new(name.clone(), CopyStage::Waiting), None),
            Fate::Open(open) => noted(CopyRecord { table: name.clone(), ..open.record }, open.made),
        };
        if record.stage == CopyStage::Waiting {
            self.renamed.insert(name.clone());
            // An answer that is on its way may be of the time before.
            self.records = Errand::default();
        }
        self.open.insert(name, OpenTable::new(record.clone()));
        Some(step_of(record))
    }
}

/// A record under a new name: what was noted of the table that had it before does not hold for this one.
fn noted(record: CopyRecord, made: Option<Arc<str>>) -> CopyRecord {
    match record.stage {
        CopyStage::Waiting => {
            CopyRecord { after: Some(made.unwrap_or_else(|| "".into())), ..record }
        }
        CopyStage::Copying | CopyStage::Done | CopyStage::Forgotten => record,
    }
}

/// A table's name after a statement.
fn renamed(name: &TableName, pairs: &[(TableName, TableName)]) -> TableName {
    let mut name = name;
    // In the order of the statement: a name may go on to another one.
    for (from, to) in pairs {
        if name == from {
            name = to;
        }
    }
    name.clone()
}

/// A statement that drops tables, with those that the target has.
pub(super) fn drop_of(ddl: Ddl, tables: &[TableName]) -> Ddl {
    // What the source dropped IF EXISTS may never have been there.
    let mut part = Text::new("DROP TABLE IF EXISTS ");
    for (number, table) in tables.iter().enumerate() {
        part.push(if number > 0 { ", " } else { "" }, table);
    }
    part.into_ddl(ddl)
}

/// A statement that drops a database, where it is there.
pub(super) fn drop_of_database(ddl: Ddl) -> Ddl {
    let statement = format!("DROP DATABASE IF EXISTS {}", quoted(&ddl.database));
    Ddl { statement: statement.into(), names: Vec::new(), ..ddl }
}

/// A statement that is written anew.
struct Text {
    statement: String,
    names: Vec<DdlName>,
}

impl Text {
    fn new(beginning: &str) -> Self {
        Self { statement: beginning.to_owned(), names: Vec::new() }
    }

    fn push(&mut self, between: &str, table: &TableName) {
        self.statement.push_str(between);
        let start = self.statement.len();
        let name = format!("{}.{}", quoted(&table.database), quoted(&table.table));
        self.statement.push_str(&name);
        self.names.push(DdlName { at: start..self.statement.len(), table: table.clone() });
    }

    fn into_ddl(self, ddl: Ddl) -> Ddl {
        let Self { statement, names } = self;
        let tables = names.iter().map(|name| name.table.clone()).collect();
        Ddl { statement: statement.into(), tables, names, ..ddl }
    }
}

/// The statement with those of its pairs that concern tables of the target.
fn part_of(ddl: Ddl, left: &[(TableName, TableName)]) -> Passed {
    if left.is_empty() {
        tell_left_out(&ddl);
        return Passed::Nothing;
    }
    let mut part = Text::new("RENAME TABLE ");
    for (number, (from, to)) in left.iter().enumerate() {
        part.push(if number > 0 { ", " } else { "" }, from);
        part.push(" TO ", to);
    }
    Passed::Event(Event::Ddl(part.into_ddl(ddl)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(table: &str) -> TableName {
        TableName::new("d", table)
    }

    fn ddl(kind: &str, tables: &[&str]) -> Ddl {
        let tables = tables.iter().map(|table| name(table)).collect();
        Ddl { kind: kind.into(), tables, ..Ddl::default() }
    }

    #[test]
    fn new_names_stand_behind_old_ones() {
        let pairs = renames(&ddl("RENAME TABLE", &["a", "b", "c", "a"]));
        assert_eq!(pairs, [(name("a"), name("b")), (name("c"), name("a"))]);
        let altered = |statement: &str| {
            let ddl = Ddl { statement: statement.into(), ..ddl("ALTER TABLE", &["a", "b"]) };
            renames(&ddl)
        };
        for statement in ["ALTER TABLE a RENAME b", "ALTER TABLE a ADD c INT, RENAME TO b"] {
            assert_eq!(altered(statement), [(name("a"), name("b"))], "{statement}");
        }
        for statement in [
            "ALTER TABLE a EXCHANGE PARTITION p WITH TABLE b",
            "ALTER TABLE a CONVERT PARTITION p TO TABLE b",
            "ALTER TABLE a ADD c INT REFERENCES b",
        ] {
            assert!(altered(statement).is_empty(), "{statement}");
        }
        assert!(renames(&ddl("ALTER TABLE", &["a"])).is_empty());
        assert!(renames(&ddl("DROP TABLE", &["a", "b"])).is_empty());
    }

    #[test]
    fn what_may_have_done_nothing_is_told() {
        let of =
            |statement: &str| has_if_exists(&Ddl { statement: statement.into(), ..Ddl::default() });
        assert!(of("RENAME TABLE if  exists a TO b") && of("alter table\nIF EXISTS a RENAME b"));
        assert!(!of("RENAME TABLE a TO b"));
    }

    #[test]
    fn the_target_renames_what_it_has() {
        let whole = ddl("RENAME TABLE", &["a", "b", "it`s", "a"]);
        let pairs = renames(&whole);
        let Passed::Event(Event::Ddl(part)) = part_of(whole.clone(), &pairs[1..]) else {
            panic!("a part is left")
        };
        assert_eq!(&*part.statement, "RENAME TABLE `d`.`it``s` TO `d`.`a`");
        assert_eq!(part.tables, [name("it`s"), name("a")]);
        let places: Vec<_> = part.names.iter().map(|one| &part.statement[one.at.clone()]).collect();
        assert_eq!(places, ["`d`.`it``s`", "`d`.`a`"]);
        assert!(matches!(part_of(whole, &[]), Passed::Nothing));
    }
}
