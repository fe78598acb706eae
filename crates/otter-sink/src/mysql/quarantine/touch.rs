//! What a changed row touches, as far as changes of other rows may depend on it.
//!
//! Pure. Changes that touch something in common must keep their order: they change the same row, or
//! one takes a unique value that the other gives away, or one refers to the other. What is not known
//! is taken for everything.

use std::hash::{DefaultHasher, Hash, Hasher};

use otter_core::{Change, Row, RowsEvent, Value};

use super::fold::push_folded;
use super::relations::{ForeignKey, Relations, TableKey};
use crate::mysql::fit::TablePlan;
use crate::mysql::net::is_same;

/// What one changed row touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Touch {
    pub(super) table: TableKey,
    /// Of which columns and types the unique values are: others cannot be compared with them.
    pub(super) shape: u64,
    /// Unique values before and after.
    pub(super) values: Vec<u64>,
    /// Whether it may be any row of its table.
    pub(super) whole: bool,
    /// What children may refer to, and comes, goes or changes.
    pub(super) provides: Vec<Link>,
    /// What it refers to, before and after.
    pub(super) refers: Vec<Link>,
    /// Tables whose rows the target may change along with it, at second hand.
    pub(super) reaches: Vec<TableKey>,
}

/// A value that a foreign key is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Link {
    /// The foreign key.
    pub(super) relation: u64,
    /// The value; `None` for any.
    pub(super) value: Option<u64>,
}

impl Touch {
    /// Any row of a table, with whatever foreign keys connect it with.
    pub(crate) fn any_of(table: TableKey, relations: &Relations) -> Self {
        let any = |key: &ForeignKey| Link { relation: hash_of(&key.identity()), value: None };
        Self {
            shape: 0,
            values: Vec::new(),
            whole: true,
            provides: relations.to(&table).map(any).collect(),
            refers: relations.from(&table).map(any).collect(),
            reaches: relations.grandchildren(&table).into_iter().collect(),
            table,
        }
    }

    /// What the one change of an event touches.
    pub(crate) fn of(
        rows: &RowsEvent,
        change: &Change<'_>,
        plan: &TablePlan,
        relations: &Relations,
    ) -> Self {
        let mut touch = Self {
            table: TableKey::from(&plan.target.name),
            shape: 0,
            values: Vec::new(),
            whole: false,
            provides: Vec::new(),
            refers: Vec::new(),
            reaches: Vec::new(),
        };
        touch.add_unique_values(change, plan);
        let sides = [change.before(), change.after()].into_iter().flatten();
        let images: Vec<Image<'_>> =
            sides.map(|row| Image { row, before: change.before() }).collect();
        for key in relations.from(&touch.table) {
            touch.refers.extend(links(key, &key.columns, &images, plan));
        }
        for key in relations.to(&touch.table) {
            if changes_any(change, &key.referenced, plan) {
                touch.provides.extend(links(key, &key.referenced, &images, plan));
            }
        }
        // Whoever logs what foreign keys do logs each row of it; a new row has nobody below it.
        let is_new = change.before().is_none();
        if !is_new && !rows.flags().no_foreign_key_checks && !touch.provides.is_empty() {
            touch.reaches = relations.grandchildren(&touch.table).into_iter().collect();
        }
        touch
    }

    /// Adds what another image of the same change touches.
    pub(crate) fn join(&mut self, other: Self) {
        if self.table != other.table || self.shape != other.shape {
            self.whole = true;
        }
        self.whole |= other.whole;
        self.values.extend(other.values);
        self.provides.extend(other.provides);
        self.refers.extend(other.refers);
        self.reaches.extend(other.reaches);
    }

    fn add_unique_values(&mut self, change: &Change<'_>, plan: &TablePlan) {
        self.whole = plan.identities.is_empty();
        let mut shape = DefaultHasher::new();
        let sides = [change.before(), change.after()];
        for unique in &plan.target.uniques {
            let indexes = unique.as_ref().and_then(|names| indexes_of(names, plan));
            // A part of a column, an expression, or a column that the target alone has.
            let Some(indexes) = indexes else {
                self.whole = true;
                continue;
            };
            for index in &indexes {
                if let Some(column) = plan.source.columns.get(*index) {
                    (&*column.name, &column.column_type).hash(&mut shape);
                }
            }
            for row in sides.into_iter().flatten() {
                let image = Image { row, before: change.before() };
                match image.folded(&indexes, plan) {
                    Folded::Value(bytes) => {
                        self.values.push(hash_of(&(&self.table, unique, bytes)));
                    }
                    // NULL is equal to nothing.
                    Folded::Null => {}
                    Folded::Unknown => self.whole = true,
                }
            }
        }
        self.shape = shape.finish();
    }
}

/// A row image, with the one before it for what it leaves out.
#[derive(Clone, Copy)]
struct Image<'a> {
    row: Row<'a>,
    before: Option<Row<'a>>,
}

/// The values of some columns.
enum Folded {
    Value(Vec<u8>),
    /// One of them is NULL.
    Null,
    Unknown,
}

impl<'a> Image<'a> {
    fn value(self, index: usize) -> Option<Value<'a>> {
        self.row.value(index).or_else(|| self.before?.value(index))
    }

    fn folded(self, indexes: &[usize], plan: &TablePlan) -> Folded {
        let mut bytes = Vec::new();
        let mut outcome = true;
        for index in indexes {
            let (Some(value), Some(column), Some(source)) =
                (self.value(*index), plan.columns.get(*index), plan.source.columns.get(*index))
            else {
                return Folded::Unknown;
            };
            let Some(target) = plan.target.column(&column.name) else { return Folded::Unknown };
            if value.is_null() && column.written {
                return Folded::Null;
            }
            let both = (column, target);
            outcome &= push_folded(&mut bytes, value, &source.column_type, both).is_some();
        }
        if outcome { Folded::Value(bytes) } else { Folded::Unknown }
    }
}

/// The source columns of these names; `None` where one is not known.
fn indexes_of(names: &[String], plan: &TablePlan) -> Option<Vec<usize>> {
    names.iter().map(|name| plan.source.column_index(name)).collect()
}

/// The values that a foreign key has on one of its sides.
fn links(key: &ForeignKey, names: &[String], images: &[Image<'_>], plan: &TablePlan) -> Vec<Link> {
    let relation = hash_of(&key.identity());
    let Some(indexes) = indexes_of(names, plan) else {
        return vec![Link { relation, value: None }];
    };
    let value_of = |image: &Image<'_>| match image.folded(&indexes, plan) {
        Folded::Value(bytes) => Some(Link { relation, value: Some(hash_of(&bytes)) }),
        Folded::Null => None,
        Folded::Unknown => Some(Link { relation, value: None }),
    };
    images.iter().filter_map(value_of).collect()
}

/// Whether one of these columns comes, goes or changes, as far as is known.
fn changes_any(change: &Change<'_>, names: &[String], plan: &TablePlan) -> bool {
    let Change::Update { before, after } = change else { return true };
    let Some(indexes) = indexes_of(names, plan) else { return true };
    indexes.into_iter().any(|index| match (before.value(index), after.value(index)) {
        (_, None) => false,
        (Some(old), Some(new)) => !is_same(old, new),
        (None, Some(_)) => true,
    })
}

fn hash_of(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
