//! One change as a statement, or as one more row of the statement before.

use otter_core::{Change, Row, RowKind, Value};

use super::{Detail, Expect, Planner, Script};
use crate::mysql::connect::{LENIENT_SQL_MODE, SQL_MODE};
use crate::mysql::fit::{ColumnPlan, TablePlan};
use crate::mysql::literal::{
    Unwritable, needs_lenience, push_exact_predicate, push_key_predicate, push_value,
};
use crate::mysql::refusal::Reason;

/// A statement that takes further rows.
#[derive(Debug)]
pub(super) struct Run {
    table: usize,
    shape: Shape,
    rows: usize,
}

#[derive(Debug, PartialEq, Eq)]
enum Shape {
    /// Which source columns the rows have.
    Insert { present: Vec<bool> },
    /// By which identity the rows are found.
    Delete { identity: usize },
}

impl Planner<'_> {
    pub(super) fn write_change(
        &mut self,
        table: usize,
        change: Change<'_>,
        script: &mut Script,
    ) -> Result<(), Reason> {
        let tables = self.planning.tables;
        let Some(plan) = tables.plan(table) else { return Err(Reason::UnknownEvent) };
        match change {
            Change::Insert { after } => self.write_insert(table, plan, after, script),
            Change::Update { before, after } => {
                self.close_run(script);
                self.write_update(table, plan, (before, after), script)
            }
            Change::Delete { before } => self.write_delete(table, plan, before, script),
        }
    }

    /// Ends the statement that takes further rows.
    pub(super) fn close_run(&mut self, script: &mut Script) {
        let is_list_open = self.has_open_list();
        self.forget_run(is_list_open, script);
    }

    /// Whether the last statement is a list of keys that lacks its parenthesis.
    pub(super) fn has_open_list(&self) -> bool {
        let Some(Run { table, shape: Shape::Delete { identity }, .. }) = &self.run else {
            return false;
        };
        let plan = self.planning.tables.plan(*table);
        plan.and_then(|plan| plan.identities.get(*identity)).is_some_and(|key| key.len() == 1)
    }

    /// Ends the last statement as it stands in the script.
    pub(super) fn forget_run(&mut self, is_list_open: bool, script: &mut Script) {
        if is_list_open {
            script.text().push(')');
        }
        self.run = None;
    }

    fn expect(&self, table: usize, kind: RowKind) -> Expect {
        Expect::Rows(self.here(table, Some(kind)))
    }

    /// Whether the run goes on with one more row of this shape.
    fn continues(&self, table: usize, most: usize, fits: impl Fn(&Shape) -> bool) -> bool {
        self.planning.detail == Detail::Joined
            && self
                .run
                .as_ref()
                .is_some_and(|run| run.table == table && run.rows < most && fits(&run.shape))
    }

    fn count_row(&mut self, script: &mut Script) {
        if let Some(run) = &mut self.run {
            run.rows += 1;
        }
        script.count_row();
    }

    fn write_insert(
        &mut self,
        table: usize,
        plan: &TablePlan,
        after: Row<'_>,
        script: &mut Script,
    ) -> Result<(), Reason> {
        // INVARIANT LOSS-1: the target's default need not be the source's.
        let mut columns = plan.columns.iter().zip(after.values()).enumerate();
        if let Some((index, _)) =
            columns.find(|(_, (column, value))| column.written && value.is_none())
        {
            let column = after.table().columns.get(index);
            let column = column.map_or_else(String::new, |column| column.name.to_string());
            return Err(Reason::NotWhole { column });
        }
        let lenient = lenient_count(plan, after.values());
        let goes_on = lenient == 0
            && self.continues(table, self.planning.limits.insert_rows, |shape| {
                matches!(shape, Shape::Insert { present }
                    if present.iter().copied().eq(after.values().map(|value| value.is_some())))
            });
        if goes_on {
            script.text().push_str(",(");
            push_tuple(script.text(), plan, after)?;
            self.count_row(script);
            return Ok(());
        }
        self.close_run(script);
        begin_lenience(lenient, script);
        let text = script.push(self.expect(table, RowKind::Insert));
        text.push_str("INSERT INTO ");
        text.push_str(&plan.quoted);
        text.push_str(" (");
        let present = plan.columns.iter().zip(after.values());
        let names = present.filter(|(column, value)| column.written && value.is_some());
        for (index, (column, _)) in names.enumerate() {
            text.push_str(if index > 0 { "," } else { "" });
            text.push_str(&column.quoted);
        }
        text.push_str(") VALUES (");
        push_tuple(text, plan, after)?;
        if lenient > 0 {
            self.end_lenience(table, RowKind::Insert, lenient, script);
            return Ok(());
        }
        let present = after.values().map(|value| value.is_some()).collect();
        self.run = Some(Run { table, shape: Shape::Insert { present }, rows: 1 });
        Ok(())
    }

    fn write_delete(
        &mut self,
        table: usize,
        plan: &TablePlan,
        before: Row<'_>,
        script: &mut Script,
    ) -> Result<(), Reason> {
        let Some(identity) = choose_identity(plan, before) else {
            self.close_run(script);
            let text = script.push(self.expect(table, RowKind::Delete));
            text.push_str("DELETE FROM ");
            text.push_str(&plan.quoted);
            return push_whole_row(text, plan, before);
        };
        let key = plan.identities.get(identity).map_or(&[][..], Vec::as_slice);
        let goes_on = self.continues(
            table,
            self.planning.limits.delete_keys,
            |shape| matches!(shape, Shape::Delete { identity: same } if *same == identity),
        );
        if !goes_on {
            self.close_run(script);
            let text = script.push(self.expect(table, RowKind::Delete));
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
            self.run = Some(Run { table, shape: Shape::Delete { identity }, rows: 1 });
        }
        Ok(())
    }

    fn write_update(
        &mut self,
        table: usize,
        plan: &TablePlan,
        (before, after): (Row<'_>, Row<'_>),
        script: &mut Script,
    ) -> Result<(), Reason> {
        let is_changed = |index: usize| match (before.value(index), after.value(index)) {
            (_, None) => None,
            (Some(old), Some(new)) if is_same(old, new) => None,
            (_, Some(new)) => Some(new),
        };
        let changed = (0..plan.columns.len()).map(is_changed);
        let lenient = lenient_count(plan, changed);
        begin_lenience(lenient, script);
        let text = script.push(self.expect(table, RowKind::Update));
        text.push_str("UPDATE ");
        text.push_str(&plan.quoted);
        let mut separator = " SET ";
        for (index, column) in plan.columns.iter().enumerate() {
            let new = is_changed(index);
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
            self.end_lenience(table, RowKind::Update, lenient, script);
        }
        Ok(())
    }

    /// Makes the session strict again, and makes sure that nothing but the ENUMs' error values was
    /// written differently: each of those gives one warning.
    fn end_lenience(&self, table: usize, kind: RowKind, warnings: usize, script: &mut Script) {
        script.push(Expect::Nothing).push_str("GET DIAGNOSTICS @otter_warnings = NUMBER");
        script.push(Expect::Nothing).push_str(&format!("SET SESSION sql_mode='{SQL_MODE}'"));
        let text = script.push(Expect::Unchanged(self.here(table, Some(kind))));
        let condition = format!("@otter_warnings = {warnings}");
        self.planning.store.push_assertion(text, &condition);
    }
}

/// MySQL: an ENUM's error value is refused in strict mode even where the source has it.
fn begin_lenience(values: usize, script: &mut Script) {
    if values > 0 {
        let text = script.push(Expect::Nothing);
        text.push_str(&format!("SET SESSION sql_mode='{LENIENT_SQL_MODE}'"));
    }
}

fn lenient_count<'a>(plan: &TablePlan, values: impl Iterator<Item = Option<Value<'a>>>) -> usize {
    plan.columns
        .iter()
        .zip(values)
        .filter(|(column, value)| {
            column.written && value.is_some_and(|value| needs_lenience(value, column))
        })
        .count()
}

/// Appends the written values of a row and the closing parenthesis.
fn push_tuple(text: &mut String, plan: &TablePlan, row: Row<'_>) -> Result<(), Reason> {
    let mut separator = "";
    for (column, value) in plan.columns.iter().zip(row.values()) {
        let (true, Some(value)) = (column.written, value) else { continue };
        text.push_str(separator);
        separator = ",";
        push_value(text, value, column).map_err(|error| refuse(column, error))?;
    }
    text.push(')');
    Ok(())
}

/// The first identity whose columns are all in the image.
fn choose_identity(plan: &TablePlan, row: Row<'_>) -> Option<usize> {
    plan.identities.iter().position(|key| key.iter().all(|index| row.value(*index).is_some()))
}

fn push_key(
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

/// Equal to the bit: a zero that changes its sign is a change.
fn is_same(old: Value<'_>, new: Value<'_>) -> bool {
    match (old, new) {
        (Value::Float(old), Value::Float(new)) => old.to_bits() == new.to_bits(),
        (Value::Double(old), Value::Double(new)) => old.to_bits() == new.to_bits(),
        _ => old == new,
    }
}

fn refuse(column: &ColumnPlan, error: Unwritable) -> Reason {
    Reason::DoesNotFit { column: Some(column.name.to_string()), what: error.0 }
}
