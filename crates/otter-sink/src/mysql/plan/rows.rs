//! One change as a statement, or as one more row of the statement before.

use otter_core::{Change, Row, Value};

use super::lenience::{begin_lenience, lenient_count};
use super::run::{Run, Shape};
use super::{Expect, Planner, RowsOf, Script};
use crate::mysql::fit::{ColumnPlan, TablePlan};
use crate::mysql::literal::{
    Unwritable, push_exact_predicate, push_insert, push_key_predicate, push_value,
};
use crate::mysql::net::{Image, is_same};
use crate::mysql::refusal::Reason;

/// A row's values, wherever they come from.
pub(super) trait Cells<'v>: Copy {
    fn value(self, index: usize) -> Option<Value<'v>>;
}

impl<'v> Cells<'v> for Row<'v> {
    fn value(self, index: usize) -> Option<Value<'v>> {
        Row::value(&self, index)
    }
}

impl<'v> Cells<'v> for &Image<'v> {
    fn value(self, index: usize) -> Option<Value<'v>> {
        Image::value(self, index)
    }
}

impl Planner<'_> {
    pub(super) fn write_change(
        &mut self,
        of: RowsOf,
        change: Change<'_>,
        script: &mut Script,
    ) -> Result<(), Reason> {
        let tables = self.planning.tables;
        let Some(plan) = tables.plan(of.table) else { return Err(Reason::UnknownEvent) };
        match change {
            Change::Insert { after } => self.write_insert(of, plan, after, script),
            Change::Update { before, after } => {
                let changed = changed_between(before, after);
                self.write_update(of, plan, before, changed, script)
            }
            Change::Delete { before } => self.write_delete(of, plan, before, script),
        }
    }

    pub(super) fn write_insert<'v>(
        &mut self,
        of: RowsOf,
        plan: &TablePlan,
        after: impl Cells<'v>,
        script: &mut Script,
    ) -> Result<(), Reason> {
        require_whole(plan, after)?;
        if self.try_many(of, plan, after, script) {
            return Ok(());
        }
        self.write_tuple(Expect::Rows(of), Shape::Insert, plan, after, script)
    }

    /// Adds a row to an INSERT of this shape.
    pub(super) fn write_tuple<'v>(
        &mut self,
        expect: Expect,
        shape: Shape,
        plan: &TablePlan,
        after: impl Cells<'v>,
        script: &mut Script,
    ) -> Result<(), Reason> {
        let Some(of) = expect.rows() else { return Err(Reason::UnknownEvent) };
        let lenient = lenient_count(plan, |index| after.value(index));
        if lenient == 0 && self.continues(of.table, self.planning.limits.insert_rows, shape) {
            script.text().push_str(",(");
            push_tuple(script.text(), plan, after)?;
            self.count_row(script);
            return Ok(());
        }
        self.close_run(script);
        begin_lenience(lenient, script);
        let text = script.push(expect);
        let start = text.len();
        push_insert(text, &plan.quoted, &plan.columns);
        push_tuple(text, plan, after)?;
        self.run = Some(Run { table: of.table, shape, rows: 1 });
        if lenient > 0 {
            self.close_run(script);
            self.end_lenience(of, lenient, start, script);
        }
        Ok(())
    }

    pub(super) fn write_delete(
        &mut self,
        of: RowsOf,
        plan: &TablePlan,
        before: Row<'_>,
        script: &mut Script,
    ) -> Result<(), Reason> {
        let expect = self.expect(of);
        let Some(identity) = choose_identity(plan, before) else {
            self.close_run(script);
            let text = script.push(expect);
            text.push_str("DELETE FROM ");
            text.push_str(&plan.quoted);
            return push_whole_row(text, plan, before);
        };
        self.write_key(expect, Shape::Delete { identity }, plan, before, script)?;
        self.watch_delete(identity, plan, before, script)
    }

    /// Adds a key to a statement that deletes rows by this identity.
    pub(super) fn write_key(
        &mut self,
        expect: Expect,
        shape: Shape,
        plan: &TablePlan,
        before: Row<'_>,
        script: &mut Script,
    ) -> Result<(), Reason> {
        let (Shape::Delete { identity } | Shape::Absent { identity }) = shape else {
            return Err(Reason::UnknownEvent);
        };
        let Some(RowsOf { table, .. }) = expect.rows() else { return Err(Reason::UnknownEvent) };
        let key = plan.identities.get(identity).map_or(&[][..], Vec::as_slice);
        let goes_on = self.continues(table, self.planning.limits.delete_keys, shape);
        if !goes_on {
            self.close_run(script);
            let text = script.push(expect);
            text.push_str("DELETE FROM ");
            text.push_str(&plan.quoted);
            text.push_str(" WHERE ");
        }
        if let [only] = key {
            let (column, value) = cell(plan, before, *only)?;
            let text = script.text();
            if goes_on {
                text.push(',');
            } else {
                text.push_str(&column.quoted);
                text.push_str(" IN (");
            }
            push_value(text, value, column).map_err(|error| refuse(column, error))?;
        } else {
            script.text().push_str(if goes_on { " OR (" } else { "(" });
            push_key(script.text(), plan, before, key)?;
            script.text().push(')');
        }
        if goes_on {
            self.count_row(script);
        } else {
            self.run = Some(Run { table, shape, rows: 1 });
        }
        Ok(())
    }

    /// Writes one row's new values; `changed` tells them, and `None` where a column keeps its value.
    pub(super) fn write_update<'v>(
        &mut self,
        of: RowsOf,
        plan: &TablePlan,
        before: Row<'_>,
        changed: impl Fn(usize) -> Option<Value<'v>>,
        script: &mut Script,
    ) -> Result<(), Reason> {
        self.close_run(script);
        let lenient = lenient_count(plan, &changed);
        begin_lenience(lenient, script);
        let text = script.push(self.expect(of));
        let start = text.len();
        text.push_str("UPDATE ");
        text.push_str(&plan.quoted);
        let mut separator = " SET ";
        for (index, column) in plan.columns.iter().enumerate() {
            let new = changed(index);
            // A column that stamps itself must be named to keep its value.
            if !column.written || (new.is_none() && !column.stamps) {
                continue;
            }
            text.push_str(separator);
            separator = ", ";
            text.push_str(&column.quoted);
            text.push_str(" = ");
            match new {
                Some(new) => {
                    push_value(text, new, column).map_err(|error| refuse(column, error))?;
                }
                None => text.push_str(&column.quoted),
            }
        }
        if separator == " SET " {
            // INVARIANT LOSS-1: what changed is not written here, but the row must be there.
            let column = plan.columns.iter().find(|column| column.written);
            let column = column.ok_or(Reason::NotIdentified)?;
            for piece in [separator, &column.quoted, " = ", &column.quoted] {
                text.push_str(piece);
            }
        }
        match choose_identity(plan, before).and_then(|identity| plan.identities.get(identity)) {
            Some(key) => {
                text.push_str(" WHERE ");
                push_key(text, plan, before, key)?;
            }
            None => push_whole_row(text, plan, before)?,
        }
        if lenient > 0 {
            self.end_lenience(of, lenient, start, script);
        }
        self.watch_update(plan, before, changed, script)
    }
}

/// The new values of what an update changes.
pub(super) fn changed_between<'v>(
    before: Row<'v>,
    after: Row<'v>,
) -> impl Fn(usize) -> Option<Value<'v>> + Copy {
    move |index| match (before.value(index), after.value(index)) {
        (_, None) => None,
        (Some(old), Some(new)) if is_same(old, new) => None,
        (_, Some(new)) => Some(new),
    }
}

/// INVARIANT LOSS-1: the target's default need not be the source's.
pub(super) fn require_whole<'v>(plan: &TablePlan, row: impl Cells<'v>) -> Result<(), Reason> {
    let mut columns = plan.columns.iter().enumerate();
    let Some((index, _)) =
        columns.find(|(index, column)| column.written && row.value(*index).is_none())
    else {
        return Ok(());
    };
    let column = plan.source.columns.get(index);
    let column = column.map_or_else(String::new, |column| column.name.to_string());
    Err(Reason::NotWhole { column })
}

/// Appends the written values of a row and the closing parenthesis.
pub(super) fn push_tuple<'v>(
    text: &mut String,
    plan: &TablePlan,
    row: impl Cells<'v>,
) -> Result<(), Reason> {
    let mut separator = "";
    for (index, column) in plan.columns.iter().enumerate() {
        if !column.written {
            continue;
        }
        let Some(value) = row.value(index) else { return Err(Reason::UnknownEvent) };
        text.push_str(separator);
        separator = ",";
        push_value(text, value, column).map_err(|error| refuse(column, error))?;
    }
    text.push(')');
    Ok(())
}

/// The first identity whose columns are all in the image.
pub(super) fn choose_identity(plan: &TablePlan, row: Row<'_>) -> Option<usize> {
    plan.identities.iter().position(|key| key.iter().all(|index| row.value(*index).is_some()))
}

pub(super) fn push_key(
    text: &mut String,
    plan: &TablePlan,
    row: Row<'_>,
    key: &[usize],
) -> Result<(), Reason> {
    for (place, index) in key.iter().enumerate() {
        text.push_str(if place > 0 { " AND " } else { "" });
        let (column, value) = cell(plan, row, *index)?;
        push_key_predicate(text, value, column).map_err(|error| refuse(column, error))?;
    }
    Ok(())
}

/// Appends the condition for one of the rows that are equal to this one in every column.
fn push_whole_row(text: &mut String, plan: &TablePlan, row: Row<'_>) -> Result<(), Reason> {
    let mut separator = " WHERE ";
    for (index, column) in plan.columns.iter().enumerate() {
        if !column.written {
            continue;
        }
        let value = row.value(index).ok_or(Reason::NotIdentified)?;
        text.push_str(separator);
        separator = " AND ";
        push_exact_predicate(text, value, column).map_err(|error| refuse(column, error))?;
    }
    text.push_str(" LIMIT 1");
    Ok(())
}

fn cell<'p, 'r>(
    plan: &'p TablePlan,
    row: Row<'r>,
    index: usize,
) -> Result<(&'p ColumnPlan, Value<'r>), Reason> {
    plan.columns.get(index).zip(row.value(index)).ok_or(Reason::NotIdentified)
}

pub(super) fn refuse(column: &ColumnPlan, error: Unwritable) -> Reason {
    Reason::DoesNotFit { column: Some(column.name.to_string()), what: error.0 }
}
