//! The statements of net changes.

use otter_core::{Row, RowKind};

use super::rows::choose_identity;
use super::run::Shape;
use super::{Expect, Filled, PlanError, Planner, RowsOf, Script};
use crate::mysql::fit::{Compaction, TablePlan};
use crate::mysql::literal::needs_lenience;
use crate::mysql::net::{Effect, Image, NetRow, is_same};
use crate::mysql::refusal::Reason;

impl<'a> Planner<'a> {
    /// Appends statements of net changes until the text is large enough or all are planned.
    pub(super) fn fill_net(&mut self, script: &mut Script) -> Result<Filled, PlanError> {
        while let Some(row) = self.net.pop() {
            let fits =
                self.append(row.of, script, |planner, script| planner.write_net(&row, script))?;
            if !fits {
                self.net.push(row);
                return Ok(Filled::More);
            }
            if script.size() >= self.planning.limits.text_bytes {
                self.close_run(script);
                return Ok(Filled::More);
            }
        }
        self.close_run(script);
        Ok(Filled::All)
    }

    fn write_net(&mut self, row: &NetRow<'a>, script: &mut Script) -> Result<(), Reason> {
        let of = row.of;
        let tables = self.planning.tables;
        let plan = tables.plan(of.table).ok_or(Reason::UnknownEvent)?;
        match &row.effect {
            Effect::Delete { key } => {
                let identity = choose_identity(plan, *key).ok_or(Reason::NotIdentified)?;
                self.write_key(Expect::Rows(of), Shape::Delete { identity }, plan, *key, script)
            }
            Effect::Absent { key } => {
                let identity = choose_identity(plan, *key).ok_or(Reason::NotIdentified)?;
                self.write_key(Expect::Absent(of), Shape::Absent { identity }, plan, *key, script)
            }
            Effect::Insert { after } => self.write_insert(of, plan, after, script),
            Effect::Update { key, after, .. } if may_upsert(plan, *key, after) => {
                self.write_tuple(Expect::Upserted(of), Shape::Upsert, plan, after, script)
            }
            Effect::Update { key, after, changed } => {
                let of = RowsOf { kind: RowKind::Update, ..of };
                let value_of =
                    |index| changed.contains(index).then(|| after.value(index)).flatten();
                self.write_update(of, plan, *key, value_of, script)
            }
        }
    }
}

/// Whether the change can be told by the count of an INSERT that updates: nothing but the row's own
/// key can meet another row, and the row is known, as a whole, to be another one afterwards.
fn may_upsert(plan: &TablePlan, before: Row<'_>, after: &Image<'_>) -> bool {
    if !matches!(plan.compaction, Compaction::ByKey { upserts: true, .. }) {
        return false;
    }
    let mut differs = false;
    for (index, column) in plan.columns.iter().enumerate() {
        if !column.written {
            continue;
        }
        let (Some(old), Some(new)) = (before.value(index), after.value(index)) else {
            return false;
        };
        if needs_lenience(new, column) {
            return false;
        }
        differs |= !is_same(old, new);
    }
    differs
}
