//! Many new rows of a table at once, by the fastest way that the server has.

use std::sync::Arc;

use otter_core::{Event, RowKind};
use otter_mysql::ParameterRows;

use super::rows::Cells;
use super::run::{Run, Shape};
use super::{Detail, Expect, NewRows, Planner, RowsOf, Script};
use crate::mysql::fit::TablePlan;
use crate::mysql::literal::{NotLoadable, push_field, push_load, push_parameter};
use crate::mysql::net::Effect;

/// Percona XtraDB Cluster cuts a `LOAD DATA` of 10,000 rows into transactions
/// (`wsrep_load_data_splitting`).
const MOST_ROWS: usize = 9_999;

impl Planner<'_> {
    /// Writes a new row among many where that pays and is exact; `false` where an INSERT must.
    pub(super) fn try_many<'v>(
        &mut self,
        of: RowsOf,
        plan: &TablePlan,
        after: impl Cells<'v>,
        script: &mut Script,
    ) -> bool {
        let goes_on = self.continues(of.table, MOST_ROWS, Shape::Load);
        if !goes_on {
            if !self.begins_load(of.table, plan) {
                return false;
            }
            self.close_run(script);
        }
        let start = script.mark();
        let way = self.planning.limits.new_rows;
        if !goes_on {
            match way {
                NewRows::Inserts => return false,
                NewRows::Lines => push_load(script.push_with_data(Expect::Loaded(of)), plan),
                NewRows::Parameters => {
                    script.push_rows(Expect::Rows(of), Arc::clone(&plan.rows_statement));
                }
            }
        }
        let written = match way {
            NewRows::Inserts => Err(NotLoadable),
            NewRows::Lines => {
                script.data().ok_or(NotLoadable).and_then(|data| push_line(data, plan, after))
            }
            NewRows::Parameters => {
                let rows = script.rows().ok_or(NotLoadable);
                rows.and_then(|rows| push_parameters(rows, plan, after, &mut self.scratch))
            }
        };
        if written.is_err() {
            script.return_to(start);
            self.close_run(script);
            return false;
        }
        if goes_on {
            self.count_row(script);
        } else {
            self.run = Some(Run { table: of.table, shape: Shape::Load, rows: 1 });
        }
        true
    }

    /// Whether such a statement begins with the present row: where an INSERT has begun it goes on.
    fn begins_load(&self, table: usize, plan: &TablePlan) -> bool {
        let least = self.planning.limits.load_rows;
        least > 0
            && self.planning.limits.new_rows != NewRows::Inserts
            && self.planning.detail == Detail::Compacted
            && plan.loads
            && !self.continues(table, self.planning.limits.insert_rows, Shape::Insert)
            && self.has_new_rows(table, least)
    }

    /// Whether so many new rows of the table follow one another, with the present one.
    fn has_new_rows(&self, table: usize, count: usize) -> bool {
        if self.compacted.contains(&table) {
            let mut behind = self.net.iter().rev();
            return (1..count).all(|_| {
                behind.next().is_some_and(|row| {
                    row.of.table == table && matches!(row.effect, Effect::Insert { .. })
                })
            });
        }
        let Some(transaction) = self.transactions.get(self.transaction) else { return false };
        let mut rows = 0;
        for event in transaction.events.iter().skip(self.event) {
            let Event::Rows(event) = event else { break };
            let is_same = event.kind() == RowKind::Insert
                && self.planning.tables.find(event.table()) == Some(table);
            if !is_same {
                break;
            }
            rows += event.row_count();
            if rows >= count + self.row {
                return true;
            }
        }
        false
    }
}

fn push_line<'v>(
    data: &mut String,
    plan: &TablePlan,
    row: impl Cells<'v>,
) -> Result<(), NotLoadable> {
    let mut separator = "";
    for (index, column) in plan.columns.iter().enumerate() {
        if !column.written {
            continue;
        }
        data.push_str(separator);
        separator = "\t";
        push_field(data, row.value(index).ok_or(NotLoadable)?, column)?;
    }
    data.push('\n');
    Ok(())
}

fn push_parameters<'v>(
    rows: &mut ParameterRows,
    plan: &TablePlan,
    row: impl Cells<'v>,
    scratch: &mut String,
) -> Result<(), NotLoadable> {
    for (index, column) in plan.columns.iter().enumerate() {
        if column.written {
            push_parameter(rows, row.value(index).ok_or(NotLoadable)?, column, scratch)?;
        }
    }
    Ok(())
}
