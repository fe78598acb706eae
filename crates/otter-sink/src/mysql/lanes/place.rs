//! Which lane a row belongs to, and which unique values it gives and takes.
//!
//! Pure, and a function of the row, of its table's definitions on both sides and of the number of
//! lanes: never of what comes with the row, so that a row finds the same lane when it is read again
//! in another batch.

use otter_core::{Change, ColumnType, Row};

use super::hash::{Hasher, lane_of};
use super::value::{Equality, push_value};
use crate::mysql::fit::{Compaction, TablePlan};

/// Stands for all tables with foreign keys: which rows depend on each other is the server's secret.
const RELATED: &str = "foreign keys";

/// How the rows of a table find their lanes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rule {
    /// All in one: the lane of this hash.
    Whole(u64),
    /// By the value of the first key; the rows of one value of another unique key may be in several
    /// lanes.
    ByKey {
        /// The hash of the table's name.
        table: u64,
        key: Vec<KeyColumn>,
        others: Vec<Vec<KeyColumn>>,
    },
}

/// A column of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyColumn {
    /// Its number at the source.
    index: usize,
    equality: Equality,
    source: ColumnType,
}

/// Where a row belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spot {
    Lane(u16),
    /// Several lanes have to do with it, or it cannot be told which: it is applied when all others
    /// rest.
    All,
}

impl Rule {
    pub(super) fn of(plan: &TablePlan) -> Self {
        let hash = |name: &str| Hasher::default().add(name.as_bytes()).finish();
        if plan.target.related {
            return Self::Whole(hash(RELATED));
        }
        let table = hash(&plan.quoted);
        by_key(table, plan).unwrap_or(Self::Whole(table))
    }

    /// Everything that decides about lanes, and the names of the columns, in 16 digits.
    pub(super) fn digest(&self, plan: &TablePlan) -> String {
        let mut hasher = Hasher::default();
        match self {
            Self::Whole(hash) => hasher = hasher.add(b"whole").add(&hash.to_le_bytes()),
            Self::ByKey { table, key, others } => {
                hasher = hasher.add(&table.to_le_bytes());
                for columns in std::iter::once(key).chain(others) {
                    hasher = hasher.add(b";");
                    for KeyColumn { index, equality, source } in columns {
                        let name = plan.columns.get(*index).map_or("", |column| &*column.name);
                        let text = format!("{name} {} {};", equality.name(), source.describe());
                        hasher = hasher.add(text.as_bytes());
                    }
                }
            }
        }
        format!("{:016x}", hasher.finish())
    }

    /// Whether rows of two source tables that flow into one table find the same lane, and touch the
    /// same hash, for the same value.
    pub(super) fn agrees_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Whole(ours), Self::Whole(theirs)) => ours == theirs,
            (
                Self::ByKey { table, key, others },
                Self::ByKey { table: its_table, key: its_key, others: its_others },
            ) => {
                let alike = |ours: &[KeyColumn], theirs: &[KeyColumn]| {
                    ours.len() == theirs.len()
                        && ours.iter().zip(theirs).all(|(ours, theirs)| ours.is_like(theirs))
                };
                table == its_table
                    && alike(key, its_key)
                    && others.len() == its_others.len()
                    && others.iter().zip(its_others).all(|(ours, theirs)| alike(ours, theirs))
            }
            (Self::Whole(_), Self::ByKey { .. }) | (Self::ByKey { .. }, Self::Whole(_)) => false,
        }
    }

    /// The lane of a row, and in `touched` the hashes of the unique values that it gives away or
    /// takes, apart from those of the first key: one value of that is always in one lane.
    pub(super) fn place(&self, change: &Change<'_>, lanes: u16, room: &mut Room) -> Spot {
        room.touched.clear();
        match self {
            Self::Whole(hash) => Spot::Lane(lane_of(*hash, lanes)),
            Self::ByKey { table, key, others } => {
                place(*table, key, others, (change, lanes), room).unwrap_or(Spot::All)
            }
        }
    }
}

impl KeyColumn {
    /// Whether equal values of both have equal bytes.
    fn is_like(&self, other: &Self) -> bool {
        let are_constant = |one: &ColumnType, other: &ColumnType| {
            matches!((one, other), (ColumnType::Constant { .. }, ColumnType::Constant { .. }))
        };
        self.equality == other.equality
            && (self.source == other.source || are_constant(&self.source, &other.source))
    }
}

/// Room for the work on one row, used again for the next.
#[derive(Debug, Default)]
pub(super) struct Room {
    pub(super) touched: Vec<u64>,
    bytes: Vec<u8>,
}

fn by_key(table: u64, plan: &TablePlan) -> Option<Rule> {
    let Compaction::ByKey { others, .. } = &plan.compaction else { return None };
    let known =
        |columns: &Vec<usize>| columns.iter().map(|index| key_column(plan, *index)).collect();
    let key = known(plan.identities.first()?)?;
    let others = others.iter().map(known).collect::<Option<_>>()?;
    Some(Rule::ByKey { table, key, others })
}

fn key_column(plan: &TablePlan, index: usize) -> Option<KeyColumn> {
    let source = plan.source.columns.get(index)?;
    let column = plan.columns.get(index)?;
    let target = plan.target.column(&column.name)?;
    let equality = Equality::of(&source.column_type, target)?;
    Some(KeyColumn { index, equality, source: source.column_type.clone() })
}

fn place(
    table: u64,
    key: &[KeyColumn],
    others: &[Vec<KeyColumn>],
    (change, lanes): (&Change<'_>, u16),
    room: &mut Room,
) -> Option<Spot> {
    let (before, after) = (change.before(), change.after());
    let mut spot = None;
    for image in [before, after].into_iter().flatten() {
        // An image after the change may leave out what has not changed.
        let hash = hash_of((table, 0), key, (image, before), &mut room.bytes)?;
        let lane = lane_of(hash?, lanes);
        match spot {
            Some(other) if other != lane => return None,
            _ => spot = Some(lane),
        }
    }
    for (number, columns) in (1..).zip(others) {
        let mut value_of = |image| match image {
            Some(image) => hash_of((table, number), columns, (image, before), &mut room.bytes),
            None => Some(None),
        };
        let (old, new) = (value_of(before)?, value_of(after)?);
        // A value that stays with its row is nobody else's meanwhile. One that changes within what
        // the hash takes as equal is another one to a server that looks closer.
        let changes = match (before, after) {
            (Some(before), Some(after)) => columns.iter().any(|column| {
                let value = after.value(column.index);
                value.is_some() && value != before.value(column.index)
            }),
            _ => true,
        };
        if changes {
            room.touched.extend([old, new].into_iter().flatten());
        }
    }
    spot.map(Spot::Lane)
}

/// The hash of a key's value: the inner `None` for one with a NULL, of which there may be many;
/// the outer one where it cannot be told.
fn hash_of(
    (table, number): (u64, u64),
    columns: &[KeyColumn],
    (image, before): (Row<'_>, Option<Row<'_>>),
    bytes: &mut Vec<u8>,
) -> Option<Option<u64>> {
    bytes.clear();
    for KeyColumn { index, equality, .. } in columns {
        let value = image.value(*index).or_else(|| before?.value(*index))?;
        if value.is_null() {
            return Some(None);
        }
        push_value(bytes, value, *equality)?;
    }
    let hash = Hasher::default().add(&table.to_le_bytes()).add(&number.to_le_bytes()).add(bytes);
    Some(Some(hash.finish()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use otter_core::{RowArenaBuilder, RowKind, RowsEvent, Value};

    use super::*;
    use crate::mysql::fit::tests::{INT, source_table};

    fn column(index: usize, equality: Equality, bytes: u8) -> KeyColumn {
        KeyColumn { index, equality, source: ColumnType::Integer { bytes, unsigned: false } }
    }

    #[test]
    fn rules_agree_where_all_keys_of_one_table_are_told_apart_alike() {
        use Equality::{AsciiText, Exact};
        let (key, other) = (column(0, Exact, 4), column(1, AsciiText, 4));
        let rule = |table, key: &KeyColumn, others: &[&KeyColumn]| Rule::ByKey {
            table,
            key: vec![key.clone()],
            others: others.iter().map(|&other| vec![other.clone()]).collect(),
        };
        let ours = rule(1, &key, &[&other]);
        assert!(ours.agrees_with(&ours));
        // Where the column stands at the source does not matter.
        assert!(ours.agrees_with(&rule(1, &column(7, Exact, 4), &[&other])));
        for theirs in [
            rule(2, &key, &[&other]),
            rule(1, &column(0, AsciiText, 4), &[&other]),
            rule(1, &column(0, Exact, 8), &[&other]),
            rule(1, &key, &[]),
            rule(1, &key, &[&key]),
            rule(1, &key, &[&other, &other]),
            Rule::ByKey { table: 1, key: vec![key.clone(); 2], others: vec![vec![other.clone()]] },
            Rule::Whole(1),
        ] {
            assert!(!ours.agrees_with(&theirs) && !theirs.agrees_with(&ours), "{theirs:?}");
        }
        assert!(Rule::Whole(1).agrees_with(&Rule::Whole(1)));
        assert!(!Rule::Whole(1).agrees_with(&Rule::Whole(2)));
    }

    /// The hashes of unique values that an update of one row touches; `None` in it is one that the image
    /// leaves out.
    fn touched(before: [Option<i64>; 2], after: [Option<i64>; 2]) -> Vec<u64> {
        let table = source_table(&[("id", INT), ("u", INT)]);
        let mut arena = RowArenaBuilder::new();
        for value in before.into_iter().chain(after) {
            match value {
                Some(value) => arena.push(Some(Value::Int(value))).unwrap(),
                None => arena.push(None).unwrap(),
            }
        }
        let arena = Arc::new(arena.finish());
        let rows = RowsEvent::new(table, RowKind::Update, arena, 0, 1).unwrap();
        let change = rows.changes().next().unwrap();
        let (key, others) =
            ([column(0, Equality::Exact, 4)], [vec![column(1, Equality::Exact, 4)]]);
        let mut room = Room { touched: Vec::new(), bytes: Vec::new() };
        assert!(place(1, &key, &others, (&change, 4), &mut room).is_some());
        room.touched
    }

    #[test]
    fn unique_values_are_touched_where_they_change_hands() {
        assert!(touched([Some(1), Some(5)], [Some(1), Some(5)]).is_empty());
        assert!(touched([Some(1), Some(5)], [Some(1), None]).is_empty());
        let [old, new] = touched([Some(1), Some(5)], [Some(1), Some(6)])[..] else {
            panic!("the value before, and the one after")
        };
        assert_ne!(old, new);
        assert_eq!(touched([Some(2), Some(6)], [Some(2), Some(5)]), [new, old]);
    }
}
