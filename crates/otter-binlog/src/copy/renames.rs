//! What becomes of tables that the stream renames while some are not copied yet.
//!
//! A table takes with it how far it is. What comes from outside the mapping has rows that the stream
//! never brought: it waits to be copied. Where the target has only some of the tables, only those are
//! renamed there.

use std::collections::{BTreeMap, BTreeSet};

use otter_core::{CopyRecord, CopyStage, CopyStep, Ddl, DdlName, Event, TableName};

use super::answers::PAUSE;
use super::passing::{Notes, Passed, record, step, step_of, tell_left_out};
use super::run::{OpenTable, Run};
use super::value::quoted;

/// A table's new name behind its old one, in the order of the statement; empty where it renames
/// nothing.
pub(super) fn renames(ddl: &Ddl) -> Vec<(TableName, TableName)> {
    let pairs = match &*ddl.kind {
        "RENAME TABLE" => ddl.tables.as_slice(),
        // The second is its new name.
        "ALTER TABLE" if ddl.tables.len() == 2 => ddl.tables.as_slice(),
        _ => return Vec::new(),
    };
    let (pairs, _) = pairs.as_chunks::<2>();
    pairs.iter().map(|[from, to]| (from.clone(), to.clone())).collect()
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
            Self::Open(open) => open.record.stage == CopyStage::Copying,
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
        let mut fates: BTreeMap<TableName, Fate> = BTreeMap::new();
        // Names of which the target had no table.
        let mut hollow: BTreeSet<TableName> = BTreeSet::new();
        let mut left = Vec::new();
        for (from, to) in pairs {
            for lane in &mut self.lanes {
                if lane.job.table().is_some_and(|table| table == from || table == to) {
                    lane.drop_job(PAUSE);
                }
            }
            if let Some(table) = self.swapped(from, to) {
                // It stays what it is, in another shape.
                if let Some(open) = self.open.get_mut(table) {
                    open.definition = None;
                }
                left.push((from.clone(), to.clone()));
                continue;
            }
            let fate = fates.remove(from).unwrap_or_else(|| {
                let fate = self.take_fate(from, notes);
                if !fate.is_there() {
                    hollow.insert(from.clone());
                }
                fate
            });
            if fate.is_there() {
                left.push((from.clone(), to.clone()));
            }
            fates.insert(from.clone(), Fate::Absent);
            // What stood there is gone, or the source would have refused.
            if !fates.contains_key(to) {
                self.take_fate(to, notes);
            }
            fates.insert(to.clone(), fate);
        }
        for (name, fate) in fates {
            // Where the process ends between what is written and the statement, it meets the
            // statement again. A name of which the target had nothing must be known as such until
            // then; what is written too late is copied once more, or found to be there.
            let is_late = fate.is_there() && hollow.contains(&name);
            if let Some(step) = self.settle(name, fate) {
                let is_late = is_late || is_forgotten(&step);
                if is_late { notes.after.push(step) } else { notes.before.push(step) }
            }
        }
        part_of(ddl, pairs, &left)
    }

    /// The mapped table of which the other is a ghost that is left alone: the two are swapped.
    fn swapped<'n>(&self, from: &'n TableName, to: &'n TableName) -> Option<&'n TableName> {
        let mappings = &self.setting.mappings;
        if mappings.is_ghost_of(to, from) {
            return Some(from);
        }
        mappings.is_ghost_of(from, to).then_some(to)
    }

    /// How far a table is, which is forgotten under this name.
    fn take_fate(&mut self, name: &TableName, notes: &mut Notes) -> Fate {
        notes.made.retain(|made| made != name);
        let was_known = self.known.remove(name);
        match self.open.remove(name) {
            Some(open) => Fate::Open(Box::new(open)),
            None if was_known || self.setting.mappings.is_mapped(name) => Fate::Settled,
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
            Fate::Outside => record(name.clone(), CopyStage::Waiting),
            Fate::Open(open) => CopyRecord { table: name.clone(), ..open.record },
        };
        self.open.insert(name, OpenTable::new(record.clone(), false));
        Some(step_of(record))
    }
}

fn is_forgotten(step: &Event) -> bool {
    let Event::Copy(CopyStep::Table { record, .. }) = step else { return false };
    record.stage == CopyStage::Forgotten
}

/// A statement that drops tables, with those that the target has.
pub(super) fn drop_of(ddl: Ddl, tables: &[TableName]) -> Ddl {
    let mut part = Text::new("DROP TABLE ");
    for (number, table) in tables.iter().enumerate() {
        part.push(if number > 0 { ", " } else { "" }, table);
    }
    part.into_ddl(ddl)
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
fn part_of(ddl: Ddl, pairs: &[(TableName, TableName)], left: &[(TableName, TableName)]) -> Passed {
    if left.len() == pairs.len() {
        return Passed::Event(Event::Ddl(ddl));
    }
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
        assert_eq!(renames(&ddl("ALTER TABLE", &["a", "b"])), [(name("a"), name("b"))]);
        assert!(renames(&ddl("ALTER TABLE", &["a"])).is_empty());
        assert!(renames(&ddl("DROP TABLE", &["a", "b"])).is_empty());
    }

    #[test]
    fn the_target_renames_what_it_has() {
        let whole = ddl("RENAME TABLE", &["a", "b", "it`s", "a"]);
        let pairs = renames(&whole);
        let Passed::Event(Event::Ddl(part)) = part_of(whole.clone(), &pairs, &pairs[1..]) else {
            panic!("a part is left")
        };
        assert_eq!(&*part.statement, "RENAME TABLE `d`.`it``s` TO `d`.`a`");
        assert_eq!(part.tables, [name("it`s"), name("a")]);
        let places: Vec<_> = part.names.iter().map(|one| &part.statement[one.at.clone()]).collect();
        assert_eq!(places, ["`d`.`it``s`", "`d`.`a`"]);
        assert!(matches!(part_of(whole, &pairs, &[]), Passed::Nothing));
    }
}
