//! Which transactions are a group.

use otter_core::{Part, Position, Transaction};

use super::Cut;
use crate::mysql::group::row_count;
use crate::mysql::plan::TablePlans;
use crate::mysql::writeset::{WriteSet, Written};

/// What one target transaction is to apply.
#[derive(Debug)]
pub(super) struct Unit<'a> {
    pub(super) transactions: &'a [Transaction],
    pub(super) through: &'a Position,
    pub(super) writes: WriteSet,
    /// How many cuts it is, which tells about how long it takes.
    pub(super) width: u32,
    /// How many cuts end with it, from the first one.
    cuts: usize,
}

/// All groups of a run, found one after the other.
#[derive(Debug)]
pub(super) struct Units<'a> {
    cuts: &'a [Cut<'a>],
    /// What is in no group yet; begins with the transactions of the next cut.
    rest: &'a [Transaction],
    most_rows: u64,
    found: Vec<Unit<'a>>,
}

impl<'a> Units<'a> {
    /// The transactions begin with those of the cuts.
    pub(super) fn new(
        cuts: &'a [Cut<'a>],
        transactions: &'a [Transaction],
        most_rows: u64,
    ) -> Self {
        Self { cuts, rest: transactions, most_rows, found: Vec::new() }
    }

    /// A group that was found.
    pub(super) fn get(&self, index: usize) -> Option<&Unit<'a>> {
        self.found.get(index)
    }

    /// How many groups were found.
    pub(super) fn len(&self) -> usize {
        self.found.len()
    }

    /// How many cuts the first groups are.
    pub(super) fn cuts_of(&self, groups: usize) -> usize {
        groups.checked_sub(1).and_then(|last| self.get(last)).map_or(0, |unit| unit.cuts)
    }

    /// Finds the next group: the next cut, and as many behind it as may be where it has to wait for
    /// what is written. False where none is left.
    pub(super) fn find(&mut self, tables: &TablePlans, written: &Written) -> bool {
        let first = self.cuts_of(self.len());
        let Some((transactions, through)) = self.cuts.get(first) else { return false };
        let writes = WriteSet::of(transactions, tables);
        let mut unit = Unit { transactions, through, writes, width: 1, cuts: first + 1 };
        if !written.is_independent(&unit.writes)
            && let Some((transactions, through, cuts)) = self.joined(first)
        {
            let writes = WriteSet::of(transactions, tables);
            let width = u32::try_from(cuts - first).unwrap_or(u32::MAX);
            unit = Unit { transactions, through, writes, width, cuts };
        }
        self.rest = self.rest.get(unit.transactions.len()..).unwrap_or_default();
        self.found.push(unit);
        true
    }

    /// A cut with those behind it, as far as the rows may be many; `None` where it stays alone.
    fn joined(&self, first: usize) -> Option<(&'a [Transaction], &'a Position, usize)> {
        let cuts = self.cuts.get(first..)?;
        let mut rows = 0_u64;
        let fits = |(transactions, _): &&Cut<'_>| {
            rows = rows.saturating_add(row_count(transactions));
            // Each copied one has a record of its own.
            rows <= self.most_rows && !is_copied(transactions)
        };
        let cuts = cuts.get(..cuts.iter().take_while(fits).count())?;
        let (_, through) = cuts.last().filter(|_| cuts.len() > 1)?;
        let count = cuts.iter().map(|(transactions, _)| transactions.len()).sum();
        Some((self.rest.get(..count)?, through, first + cuts.len()))
    }
}

fn is_copied(transactions: &[Transaction]) -> bool {
    transactions.first().is_some_and(|one| one.part == Part::Copied)
}

#[cfg(test)]
mod tests {
    use otter_core::{FilePlace, Place, RowKind};

    use super::*;
    use crate::mysql::writeset::tests::{table, transaction};

    fn position(number: u64) -> Position {
        Position::at(None, Place::from_file(FilePlace::new("b.000001", number)))
    }

    /// Inserts of these keys, each in a cut of its own; those below 0 are copied.
    fn found(keys: &[i64], taken: i64, most_rows: u64) -> (Vec<usize>, Vec<Position>) {
        let (table, plans) = table(|_| ());
        let insert = |key: i64| {
            let mut one = transaction(&table, RowKind::Insert, &[[Some(key), Some(key), Some(0)]]);
            one.part = if key < 0 { Part::Copied } else { Part::Whole };
            one
        };
        let transactions: Vec<Transaction> = keys.iter().map(|key| insert(*key)).collect();
        let places: Vec<Position> = (1..).map(position).take(keys.len()).collect();
        let cuts: Vec<Cut<'_>> = transactions.chunks(1).zip(places.iter().cloned()).collect();
        let mut written = Written::default();
        written.add(&WriteSet::of(&[insert(taken)], &plans));
        let mut units = Units::new(&cuts, &transactions, most_rows);
        let mut groups = 0;
        while units.find(&plans, &written) {
            groups += 1;
            assert!(groups <= keys.len(), "it finds groups without end");
        }
        let all = (0..units.len()).filter_map(|index| units.get(index));
        let applied: Vec<_> = all.clone().flat_map(|unit| unit.transactions).collect();
        assert!(applied.iter().zip(&transactions).all(|(one, other)| std::ptr::eq(*one, other)));
        assert_eq!(applied.len(), transactions.len());
        for unit in all.clone() {
            assert_eq!(unit.writes, WriteSet::of(unit.transactions, &plans));
        }
        assert_eq!((units.len(), units.cuts_of(groups)), (groups, keys.len()));
        assert!(all.clone().map(|unit| unit.width).sum::<u32>() as usize == keys.len());
        assert_eq!(units.cuts_of(0), 0);
        (all.clone().map(|unit| unit.transactions.len()).collect(), {
            all.map(|unit| unit.through.clone()).collect()
        })
    }

    #[test]
    fn a_group_that_has_to_wait_takes_in_others() {
        assert_eq!(found(&[1, 2, 3], 9, 2).0, [1, 1, 1]);
        let (sizes, through) = found(&[1, 2, 9, 9, 4, 5], 9, 3);
        assert_eq!(sizes, [1, 1, 3, 1]);
        assert_eq!(through, [1, 2, 5, 6].map(position));
        assert_eq!(found(&[9, 1], 9, 1).0, [1, 1]);
        assert_eq!(found(&[9, 9, 9, 9, 9], 9, 2).0, [2, 2, 1]);
    }

    #[test]
    fn copied_rows_stay_alone() {
        assert_eq!(found(&[-9, 1, 2], -9, 10).0, [1, 1, 1]);
        assert_eq!(found(&[9, 1, -5, 2], 9, 10).0, [2, 1, 1]);
    }
}
