//! Rows that are copied again, and changes of the stream to their table meanwhile: of what the target
//! has in their place nothing is known.
//!
//! Whatever has the key of a row goes, and the row comes. What has another key stays: where it holds
//! a value that the row needs, that is refused.

use otter_core::{Change, InCopy, Row, Value};

use super::rows::{changed_between, choose_identity, refuse, require_whole};
use super::run::Shape;
use super::{Expect, Planner, RowsOf, Script};
use crate::mysql::fit::TablePlan;
use crate::mysql::literal::push_exact_predicate;
use crate::mysql::refusal::Reason;

impl Planner<'_> {
    /// Writes a change so that the row is as it shall be. `checks` tells whether the source checked
    /// foreign keys.
    pub(super) fn write_again(
        &mut self,
        of: RowsOf,
        change: Change<'_>,
        checks: bool,
        script: &mut Script,
    ) -> Result<(), Reason> {
        let tables = self.planning.tables;
        let Some(plan) = tables.plan(of.table) else { return Err(Reason::UnknownEvent) };
        if plan.identities.is_empty() {
            if self.copy == InCopy::Resynced {
                return Err(Reason::NotIdentified);
            }
            // Rows that cannot be told apart are never copied again.
            self.copy = InCopy::No;
            return self.write_change(of, change, script);
        }
        match (change, self.copy) {
            (Change::Insert { after }, InCopy::Resynced) => {
                self.write_insert(of, plan, after, script)
            }
            (Change::Delete { before }, InCopy::Resynced) => self.clear(of, plan, before, script),
            (Change::Insert { after }, _) => {
                require_whole(plan, after)?;
                self.clear(of, plan, after, script)?;
                self.write_insert(of, plan, after, script)
            }
            (Change::Delete { before }, _) => self.write_delete(of, plan, before, script),
            (Change::Update { before, after }, _) => {
                self.mend(of, plan, (before, after), script)?;
                self.switch_checks(checks, script);
                Ok(())
            }
        }
    }

    /// Writes a row as it is after an update.
    fn mend(
        &mut self,
        of: RowsOf,
        plan: &TablePlan,
        (before, after): (Row<'_>, Row<'_>),
        script: &mut Script,
    ) -> Result<(), Reason> {
        require_whole(plan, after)?;
        let changed = changed_between(before, after);
        let uniques = plan.target.uniques.iter();
        let is_referred = uniques.flatten().flatten().any(|name| {
            plan.source.column_index(name).is_some_and(|index| changed(index).is_some())
        });
        if plan.target.related && is_referred {
            // Rows that refer to it follow, as the source's did.
            self.write_update(of, plan, before, changed, script)?;
            self.switch_checks(false, script);
        } else {
            self.switch_checks(false, script);
            self.clear(of, plan, before, script)?;
        }
        self.clear(of, plan, after, script)?;
        self.write_insert(of, plan, after, script)
    }

    /// Removes what has the key of a row, if anything has.
    fn clear(
        &mut self,
        of: RowsOf,
        plan: &TablePlan,
        row: Row<'_>,
        script: &mut Script,
    ) -> Result<(), Reason> {
        let identity = choose_identity(plan, row).ok_or(Reason::NotIdentified)?;
        let key = plan.identities.get(identity).map_or(&[][..], Vec::as_slice);
        if self.copy == InCopy::Resynced && is_alone(plan, key, row) {
            return self.clear_exactly(of, plan, (key, row), script);
        }
        self.write_key(Expect::Some(of), Shape::Delete { identity }, plan, row, script)
    }
    /// Removes the row whose key holds the very bytes: the target's collation may find another one as
    /// equal, which the source did not speak of.
    fn clear_exactly(
        &mut self,
        of: RowsOf,
        plan: &TablePlan,
        (key, row): (&[usize], Row<'_>),
        script: &mut Script,
    ) -> Result<(), Reason> {
        self.close_run(script);
        let text = script.push(Expect::Some(of));
        text.push_str("DELETE FROM ");
        text.push_str(&plan.quoted);
        let mut separator = " WHERE ";
        for index in key {
            let cell = plan.columns.get(*index).zip(row.value(*index));
            let (column, value) = cell.ok_or(Reason::NotIdentified)?;
            text.push_str(separator);
            separator = " AND ";
            push_exact_predicate(text, value, column).map_err(|error| refuse(column, error))?;
        }
        Ok(())
    }
}

/// Whether nothing is known of a row but a key with a text in it.
fn is_alone(plan: &TablePlan, key: &[usize], row: Row<'_>) -> bool {
    let has_text = key.iter().any(|index| matches!(row.value(*index), Some(Value::Text(_))));
    let written = || plan.columns.iter().enumerate().filter(|(_, column)| column.written);
    let is_whole = written().all(|(index, _)| row.value(index).is_some());
    has_text && (!is_whole || written().all(|(index, _)| key.contains(&index)))
}
