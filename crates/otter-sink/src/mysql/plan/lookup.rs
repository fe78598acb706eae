//! The plans of all tables that the loader has met, found by the source's definition.

use std::collections::HashMap;
use std::sync::Arc;

use otter_core::{Table, TableName};

use crate::mysql::fit::TablePlan;

/// Plans by definition. Definitions are shared, so the address is the usual way to find one; a
/// stage that makes equal definitions again and again is found by name and equality.
#[derive(Debug, Default)]
pub(crate) struct TablePlans {
    plans: Vec<TablePlan>,
    /// The address of a plan's definition, which the plan keeps alive.
    by_address: HashMap<usize, usize>,
    by_name: HashMap<TableName, Vec<usize>>,
}

impl TablePlans {
    pub(crate) fn plan(&self, index: usize) -> Option<&TablePlan> {
        self.plans.get(index)
    }

    /// The index of the plan for this definition.
    pub(crate) fn find(&self, table: &Arc<Table>) -> Option<usize> {
        if let Some(index) = self.by_address.get(&address(table)) {
            return Some(*index);
        }
        let candidates = self.by_name.get(&table.name)?;
        candidates
            .iter()
            .copied()
            .find(|index| self.plans.get(*index).is_some_and(|plan| *plan.source == **table))
    }

    pub(crate) fn insert(&mut self, plan: TablePlan) {
        let index = self.plans.len();
        self.by_address.insert(address(&plan.source), index);
        self.by_name.entry(plan.source.name.clone()).or_default().push(index);
        self.plans.push(plan);
    }

    /// Writes a table's rows by INSERT from now on.
    pub(crate) fn stop_loading(&mut self, index: usize) {
        if let Some(plan) = self.plans.get_mut(index) {
            plan.loads = false;
        }
    }

    /// Forgets everything, so that definitions are read again.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

fn address(table: &Arc<Table>) -> usize {
    Arc::as_ptr(table).addr()
}
