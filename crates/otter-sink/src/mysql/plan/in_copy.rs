//! Changes of tables that are being copied: rows may be missing, or be there already.
//!
//! At every place the target holds some of the source's rows of such a table, each as it is there.
//! So what the stream inserts is new, what it deletes may be missing, and what it updates is written
//! as a whole. What the copy has read may be there already, but then as it was read.

use otter_core::{Change, InCopy, Row};

use super::lenience::lenient_count;
use super::rows::{Cells, changed_between, choose_identity, require_whole};
use super::run::Shape;
use super::{Detail, Expect, Planner, RowsOf, Script};
use crate::mysql::fit::TablePlan;
use crate::mysql::refusal::Reason;

impl Planner<'_> {
    /// What a statement about rows of the present event must answer.
    pub(super) fn expect(&self, of: RowsOf) -> Expect {
        match self.copy {
            InCopy::Streamed | InCopy::Mended | InCopy::Resynced => Expect::Some(of),
            InCopy::Copied if self.planning.keeps_rows => Expect::Some(of),
            InCopy::No | InCopy::Copied => Expect::Rows(of),
        }
    }

    /// Writes a change of a table that is being copied. `checks` tells whether the source checked
    /// foreign keys.
    pub(super) fn write_in_copy(
        &mut self,
        of: RowsOf,
        change: Change<'_>,
        checks: bool,
        script: &mut Script,
    ) -> Result<(), Reason> {
        let tables = self.planning.tables;
        let Some(plan) = tables.plan(of.table) else { return Err(Reason::UnknownEvent) };
        let has_key = !plan.identities.is_empty();
        let keeps_rows = self.planning.keeps_rows;
        match (change, self.copy) {
            (Change::Insert { after }, InCopy::Copied | InCopy::Streamed)
                if has_key && keeps_rows && has_several_keys(plan) =>
            {
                require_whole(plan, after)?;
                if self.planning.detail == Detail::Compacted {
                    // Most rows are new, and what is refused is tried again.
                    return self.write_tuple(Expect::Rows(of), Shape::Insert, plan, after, script);
                }
                self.write_over(of, plan, after, script)
            }
            (Change::Insert { after }, InCopy::Copied) if has_key => {
                // One row for each that is new, and for each that is there and the same; with two,
                // another one is in its place.
                let expect = if keeps_rows { Expect::Some(of) } else { Expect::Rows(of) };
                require_whole(plan, after)?;
                let is_first_try = self.planning.detail == Detail::Compacted;
                if is_first_try && lenient_count(plan, |index| after.value(index)) > 0 {
                    // MySQL warns of VALUES() in an INSERT that updates, and warnings are counted.
                    return self.write_insert(of, plan, after, script);
                }
                if self.try_same(expect, plan, after, script) {
                    return Ok(());
                }
                self.write_same(expect, plan, after, script)
            }
            (Change::Insert { after }, InCopy::Streamed) if has_key && keeps_rows => {
                self.write_same(Expect::Some(of), plan, after, script)
            }
            // The copy would bring the row once more, and nothing would tell.
            (Change::Insert { .. }, InCopy::Streamed) if !has_key => Err(Reason::NotIdentified),
            (Change::Insert { after }, _) => self.write_insert(of, plan, after, script),
            (Change::Delete { before }, _) => self.write_delete(of, plan, before, script),
            (Change::Update { before, after }, _) => {
                self.update_in_copy(of, plan, (before, after), script)?;
                self.switch_checks(checks, script);
                Ok(())
            }
        }
    }

    /// Writes a row as it is after an update, whether or not the row before is there.
    fn update_in_copy(
        &mut self,
        of: RowsOf,
        plan: &TablePlan,
        (before, after): (Row<'_>, Row<'_>),
        script: &mut Script,
    ) -> Result<(), Reason> {
        require_whole(plan, after)?;
        let changed = changed_between(before, after);
        let identity = choose_identity(plan, before).ok_or(Reason::NotIdentified)?;
        let key = plan.identities.get(identity).map_or(&[][..], Vec::as_slice);
        let uniques = plan.target.uniques.iter();
        let is_referred = uniques.flatten().flatten().any(|name| {
            plan.source.column_index(name).is_some_and(|index| changed(index).is_some())
        });
        if plan.target.related && is_referred {
            // Rows that refer to it follow, as the source's did.
            self.write_update(of, plan, before, changed, script)?;
        } else if !plan.target.related && !self.planning.keeps_rows {
            // The row goes first, so that another one in its place is noticed.
            let shape = Shape::Delete { identity };
            self.write_key(Expect::Some(of), shape, plan, before, script)?;
            return self.write_insert(of, plan, after, script);
        } else if key.iter().any(|index| changed(*index).is_some()) {
            let shape = Shape::Delete { identity };
            self.write_key(Expect::Some(of), shape, plan, before, script)?;
        }
        self.switch_checks(false, script);
        if self.planning.keeps_rows && has_several_keys(plan) {
            return self.write_over(of, plan, after, script);
        }
        self.write_same(Expect::Some(of), plan, after, script)
    }

    /// Writes a row over the one of the same key, where there is one, but over no other.
    ///
    /// INVARIANT LOSS-1: an INSERT that updates takes whatever row has one of its unique values, and
    /// a row of the target's own may have it. So the row of the same key is updated first, where the
    /// server refuses values that another row has; behind that it is new or the same, which counts
    /// one, and with two another one is in its place.
    fn write_over(
        &mut self,
        of: RowsOf,
        plan: &TablePlan,
        after: Row<'_>,
        script: &mut Script,
    ) -> Result<(), Reason> {
        let identity = choose_identity(plan, after).ok_or(Reason::NotIdentified)?;
        if lenient_count(plan, |index| after.value(index)) > 0 {
            // Warnings are counted, and a row that is not there gives none.
            let shape = Shape::Delete { identity };
            self.write_key(Expect::Some(of), shape, plan, after, script)?;
            return self.write_tuple(Expect::Rows(of), Shape::Insert, plan, after, script);
        }
        self.write_update(of, plan, after, |index| after.value(index), script)?;
        self.write_same(Expect::Rows(of), plan, after, script)
    }

    /// Writes a row so that it is there as it shall be, whether or not it was.
    fn write_same<'v>(
        &mut self,
        expect: Expect,
        plan: &TablePlan,
        after: impl Cells<'v>,
        script: &mut Script,
    ) -> Result<(), Reason> {
        require_whole(plan, after)?;
        self.write_tuple(expect, Shape::Same, plan, after, script)
    }
}

/// Whether rows may meet by another unique key than the one that tells them apart.
fn has_several_keys(plan: &TablePlan) -> bool {
    plan.target.uniques.len() > 1
}
