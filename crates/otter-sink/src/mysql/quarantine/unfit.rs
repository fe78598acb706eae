//! Tables that do not fit, whose rows are all held until somebody has mended them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use otter_core::{Table, TableName};
use tokio::time::Instant;

use crate::mysql::error::MySqlLoadError;
use crate::mysql::store::Verdict;

/// How long a table that did not fit is not looked at again: each look asks the target a few times.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Source tables that do not fit, by definition: others of the same name may.
#[derive(Debug, Default)]
pub(super) struct UnfitTables(HashMap<TableName, Vec<UnfitTable>>);

#[derive(Debug)]
struct UnfitTable {
    definition: Arc<Table>,
    verdict: Verdict,
    looked_at: Instant,
}

impl UnfitTables {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Why a table does not fit; `None` where that is not known.
    pub(super) fn verdict(&self, table: &Arc<Table>) -> Option<&Verdict> {
        self.find(table).map(|unfit| &unfit.verdict)
    }

    /// Whether the table did not fit a moment ago.
    pub(super) fn is_fresh(&self, table: &Arc<Table>) -> bool {
        self.find(table).is_some_and(|unfit| unfit.looked_at.elapsed() < LOOK_EVERY)
    }

    /// Notes that a table does not fit; tells whether that is news.
    pub(super) fn add(&mut self, table: &Arc<Table>, verdict: Verdict) -> bool {
        let is_news = self.find(table).is_none();
        self.remove(table);
        let definition = Arc::clone(table);
        let unfit = UnfitTable { definition, verdict, looked_at: Instant::now() };
        self.0.entry(table.name.clone()).or_default().push(unfit);
        is_news
    }

    pub(super) fn remove(&mut self, table: &Arc<Table>) {
        let Some(known) = self.0.get_mut(&table.name) else { return };
        known.retain(|unfit| !is_same(&unfit.definition, table));
        if known.is_empty() {
            self.0.remove(&table.name);
        }
    }

    fn find(&self, table: &Arc<Table>) -> Option<&UnfitTable> {
        let known = self.0.get(&table.name)?;
        known.iter().find(|unfit| is_same(&unfit.definition, table))
    }
}

fn is_same(one: &Arc<Table>, other: &Arc<Table>) -> bool {
    Arc::ptr_eq(one, other) || one == other
}

/// Why a row of a table that does not fit is held.
pub(super) fn unfit(error: MySqlLoadError) -> Verdict {
    let MySqlLoadError::Unfit { table, what, remedy } = error else {
        let (reason, remedy) = (error.to_string(), String::new());
        return Verdict { code: "unfit".to_owned(), reason, remedy };
    };
    let reason = format!("table {table} in the target does not fit: {what}");
    Verdict { code: "unfit".to_owned(), reason, remedy }
}

#[cfg(test)]
mod tests {
    use otter_core::testkit::item::table;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_table_is_looked_at_again_after_a_while_and_by_its_definition() {
        let verdict = || Verdict {
            code: "unfit".to_owned(),
            reason: "why".to_owned(),
            remedy: "what".to_owned(),
        };
        let mut unfit = UnfitTables::default();
        let first = table();
        let mut other = Table::clone(&first);
        other.columns.pop();
        let other = Arc::new(other);
        assert!(unfit.add(&first, verdict()));
        assert!(unfit.is_fresh(&Arc::new(Table::clone(&first))) && !unfit.is_fresh(&other));
        assert!(unfit.verdict(&other).is_none());
        tokio::time::advance(LOOK_EVERY).await;
        assert!(!unfit.is_fresh(&first) && unfit.verdict(&first).is_some());
        assert!(!unfit.add(&first, verdict()) && unfit.is_fresh(&first));
        unfit.remove(&other);
        assert!(!unfit.is_empty());
        unfit.remove(&first);
        assert!(unfit.is_empty());
    }
}
