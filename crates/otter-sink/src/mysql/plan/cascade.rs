//! Changes of rows that others refer to, where the server may give them up without an error.
//!
//! Seen on MySQL 9.7.4: an UPDATE or DELETE that cascades to a row which another session holds for
//! longer than `innodb_lock_wait_timeout` ends as if it had been made, with some of the children
//! changed and the row itself not. A statement behind it looks for the row.

use otter_core::{Row, Value};

use super::rows::{choose_identity, push_key, refuse};
use super::{Expect, Planner, Script};
use crate::mysql::fit::TablePlan;
use crate::mysql::literal::push_key_predicate;
use crate::mysql::refusal::Reason;

impl Planner<'_> {
    fn watches(&self, plan: &TablePlan) -> bool {
        plan.target.silent_cascades && self.checks_foreign_keys
    }

    /// Makes sure that a row which an UPDATE gives other unique values has them, or was not there.
    pub(super) fn watch_update<'v>(
        &mut self,
        plan: &TablePlan,
        before: Row<'_>,
        changed: impl Fn(usize) -> Option<Value<'v>>,
        script: &mut Script,
    ) -> Result<(), Reason> {
        let key = choose_identity(plan, before).and_then(|identity| plan.identities.get(identity));
        let (true, Some(key)) = (self.watches(plan), key) else { return Ok(()) };
        let names = plan.target.uniques.iter().flatten().flatten();
        let uniques = names.filter_map(|name| plan.source.column_index(name));
        // What is not changed may look otherwise in the target, and is not asked for but in the key.
        let mut columns: Vec<usize> = uniques.filter(|index| changed(*index).is_some()).collect();
        if columns.is_empty() {
            return Ok(());
        }
        columns.extend(key);
        columns.sort_unstable();
        columns.dedup();
        let mut condition = format!("(EXISTS (SELECT 1 FROM {} WHERE ", plan.quoted);
        for (place, index) in columns.into_iter().enumerate() {
            let value = changed(index).or_else(|| before.value(index));
            let (Some(column), Some(value)) = (plan.columns.get(index), value) else {
                return Err(Reason::NotIdentified);
            };
            condition.push_str(if place > 0 { " AND " } else { "" });
            push_key_predicate(&mut condition, value, column)
                .map_err(|error| refuse(column, error))?;
        }
        condition.push_str(&format!(") OR NOT EXISTS (SELECT 1 FROM {} WHERE ", plan.quoted));
        push_key(&mut condition, plan, before, key)?;
        condition.push_str("))");
        self.push_settled(&condition, script);
        Ok(())
    }

    /// Makes sure that a row is gone.
    pub(super) fn watch_delete(
        &mut self,
        identity: usize,
        plan: &TablePlan,
        before: Row<'_>,
        script: &mut Script,
    ) -> Result<(), Reason> {
        let (true, Some(key)) = (self.watches(plan), plan.identities.get(identity)) else {
            return Ok(());
        };
        self.close_run(script);
        let mut condition = format!("NOT EXISTS (SELECT 1 FROM {} WHERE ", plan.quoted);
        push_key(&mut condition, plan, before, key)?;
        condition.push(')');
        self.push_settled(&condition, script);
        Ok(())
    }

    fn push_settled(&self, condition: &str, script: &mut Script) {
        let text = script.push(Expect::Settled);
        self.planning.store.push_assertion(text, self.planning.mark, condition);
    }
}
