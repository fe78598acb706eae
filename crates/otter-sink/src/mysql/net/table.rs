//! The net effect on one table, change by change.

use std::collections::{HashMap, HashSet};

use otter_core::{Change, Row, Value};

use super::{ColumnSet, Effect, Image, NetRow, push_columns};
use crate::mysql::fit::{ColumnPlan, TablePlan};
use crate::mysql::literal::needs_lenience;
use crate::mysql::plan::RowsOf;

/// What has happened to one row so far.
#[derive(Debug)]
struct Entry<'a> {
    of: RowsOf,
    fate: Fate<'a>,
}

/// A row before the group, and now.
#[derive(Debug)]
enum Fate<'a> {
    /// There was none, and there is one.
    Inserted(Image<'a>),
    /// There was one, which has changed.
    Updated { before: Row<'a>, after: Image<'a>, changed: ColumnSet },
    /// There was one, which is gone.
    Deleted(Row<'a>),
    /// There was none, and there is none.
    Absent(Row<'a>),
}

/// All changes to one table of the target.
pub(super) struct TableNet<'a> {
    table: usize,
    plan: &'a TablePlan,
    key: &'a [usize],
    others: &'a [Vec<usize>],
    keeps_rows: bool,
    by_key: HashMap<Vec<u8>, usize>,
    entries: Vec<Entry<'a>>,
    scratch: Vec<u8>,
}

impl<'a> TableNet<'a> {
    /// `others` are the unique keys besides the first identity; with `keeps_rows` a row that stays is
    /// never made anew.
    pub(super) fn new(
        table: usize,
        plan: &'a TablePlan,
        others: &'a [Vec<usize>],
        keeps_rows: bool,
    ) -> Option<Self> {
        Some(Self {
            table,
            plan,
            key: plan.identities.first()?,
            others,
            keeps_rows,
            by_key: HashMap::new(),
            entries: Vec::new(),
            scratch: Vec::new(),
        })
    }

    /// The index of the table's plan.
    pub(super) fn table(&self) -> usize {
        self.table
    }

    /// Adds a change; `None` where the table must stay in source order.
    pub(super) fn take(&mut self, change: Change<'a>, of: RowsOf) -> Option<()> {
        match change {
            Change::Insert { after } => {
                self.check_whole(after)?;
                self.put(after, of, Fate::Inserted(Image::new(after)))
            }
            Change::Delete { before } => self.put(before, of, Fate::Deleted(before)),
            Change::Update { before, after } => self.update(before, after, of),
        }
    }

    fn update(&mut self, before: Row<'a>, after: Row<'a>, of: RowsOf) -> Option<()> {
        let mut changed = ColumnSet::default();
        for (index, column) in self.plan.columns.iter().enumerate() {
            let Some(new) = after.value(index) else { continue };
            if before.value(index).is_some_and(|old| is_same(old, new)) {
                continue;
            }
            if needs_lenience(new, column) {
                return None;
            }
            changed.insert(index);
        }
        if self.key.iter().any(|index| changed.contains(*index)) {
            // The key moves: one row goes and another comes, which must be known as a whole.
            if self.keeps_rows {
                return None;
            }
            self.check_whole(after)?;
            self.put(before, of, Fate::Deleted(before))?;
            return self.put(after, of, Fate::Inserted(Image::new(after)));
        }
        let mut image = Image::new(before);
        image.lay(after);
        self.put(before, of, Fate::Updated { before, after: image, changed })
    }

    /// An inserted row must have all that is written, in a form that a strict session takes.
    fn check_whole(&self, row: Row<'a>) -> Option<()> {
        let is_fine = |(column, value): (&ColumnPlan, Option<Value<'_>>)| {
            !column.written || value.is_some_and(|value| !needs_lenience(value, column))
        };
        self.plan.columns.iter().zip(row.values()).all(is_fine).then_some(())
    }

    /// What is known of the row, and what happens to it next.
    fn put(&mut self, key_of: Row<'a>, of: RowsOf, next: Fate<'a>) -> Option<()> {
        self.scratch.clear();
        push_columns(&mut self.scratch, self.key, |index| key_of.value(index))?;
        let Some(index) = self.by_key.get(&self.scratch) else {
            self.by_key.insert(self.scratch.clone(), self.entries.len());
            self.entries.push(Entry { of, fate: next });
            return Some(());
        };
        let entry = self.entries.get_mut(*index)?;
        // The row is made anew, and with it what the target alone knows of it.
        if self.keeps_rows && matches!(entry.fate, Fate::Deleted(_)) {
            return None;
        }
        entry.of = of;
        entry.fate.meet(next, self.plan.columns.len())
    }

    /// The rows of this table and its plan; `None` where they must stay in source order.
    pub(super) fn finish(self) -> Option<(usize, impl Iterator<Item = NetRow<'a>>)> {
        if self.hands_values_over()? {
            return None;
        }
        let [mut deletes, mut absent, mut updates, mut inserts] = [const { Vec::new() }; 4];
        for Entry { of, fate } in self.entries {
            let (list, effect) = match fate {
                Fate::Deleted(key) => (&mut deletes, Effect::Delete { key }),
                Fate::Absent(key) => (&mut absent, Effect::Absent { key }),
                Fate::Updated { before, after, changed } => {
                    (&mut updates, Effect::Update { key: before, after, changed })
                }
                Fate::Inserted(after) => (&mut inserts, Effect::Insert { after }),
            };
            let of = RowsOf { kind: effect.kind(), ..of };
            list.push(NetRow { of, effect });
        }
        let rows = deletes.into_iter().chain(absent).chain(updates).chain(inserts);
        Some((self.table, rows))
    }

    /// Whether an update takes a unique value that another one gives away; `None` where that is not
    /// known.
    fn hands_values_over(&self) -> Option<bool> {
        for unique in self.others {
            let mut given = HashSet::new();
            let mut taken = Vec::new();
            for entry in &self.entries {
                let Fate::Updated { before, after, changed } = &entry.fate else { continue };
                if !unique.iter().any(|index| changed.contains(*index)) {
                    continue;
                }
                let (mut old, mut new) = (Vec::new(), Vec::new());
                push_columns(&mut old, unique, |index| before.value(index))?;
                push_columns(&mut new, unique, |index| after.value(index))?;
                if old != new {
                    given.insert(old);
                    taken.push(new);
                }
            }
            if taken.iter().any(|value| given.contains(value)) {
                return Some(true);
            }
        }
        Some(false)
    }
}

impl<'a> Fate<'a> {
    /// What comes of it next; `None` where that cannot follow.
    fn meet(&mut self, next: Self, columns: usize) -> Option<()> {
        match (&mut *self, next) {
            (Self::Inserted(image), Self::Updated { after, .. }) => image.lay(after.newest()),
            (Self::Inserted(_), Self::Deleted(row)) => *self = Self::Absent(row),
            (
                Self::Updated { after, changed, .. },
                Self::Updated { after: newer, changed: more, .. },
            ) => {
                after.lay(newer.newest());
                changed.join(more);
            }
            (Self::Updated { before, .. }, Self::Deleted(_)) => *self = Self::Deleted(*before),
            (Self::Deleted(before), Self::Inserted(after)) => {
                let mut changed = ColumnSet::default();
                (0..columns).for_each(|index| changed.insert(index));
                *self = Self::Updated { before: *before, after, changed };
            }
            (Self::Absent(_), inserted @ Self::Inserted(_)) => *self = inserted,
            _ => return None,
        }
        Some(())
    }
}

/// Equal to the bit: a zero that changes its sign is a change.
pub(crate) fn is_same(old: Value<'_>, new: Value<'_>) -> bool {
    match (old, new) {
        (Value::Float(old), Value::Float(new)) => old.to_bits() == new.to_bits(),
        (Value::Double(old), Value::Double(new)) => old.to_bits() == new.to_bits(),
        _ => old == new,
    }
}
