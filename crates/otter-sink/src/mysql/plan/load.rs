//! Many new rows of a table at once, by the fastest way that the server has.

use std::sync::Arc;

use otter_core::{Event, RowKind};
use otter_mysql::ParameterRows;

use super::rows::Cells;
use super::run::{Run, Shape};
use super::{Detail, Expect, NewRows, Planner, RowsOf, Script};
use crate::mysql::fit::TablePlan;
use crate::mysql::literal::{NotLoadable, RowsStatement, push_field, push_load, push_parameter};
use crate::mysql::net::Effect;

/// Percona XtraDB Cluster cuts a `LOAD DATA` of 10,000 rows into transactions
/// (`wsrep_load_data_splitting`).
const MOST_ROWS: usize = 9_999;

/// How a statement for many rows begins.
#[derive(Clone, Copy)]
enum Begin<'s> {
    Lines(Expect),
    Parameters(Expect, &'s Arc<RowsStatement>),
}

impl Planner<'_> {
    /// Writes a new row among many where that pays and is exact; `false` where an INSERT must.
    pub(super) fn try_many<'v>(
        &mut self,
        of: RowsOf,
        plan: &TablePlan,
        after: impl Cells<'v>,
        script: &mut Script,
    ) -> bool {
        let begin = match self.planning.limits.new_rows {
            NewRows::Inserts => return false,
            NewRows::Lines => Begin::Lines(Expect::Loaded(of)),
            NewRows::Parameters => Begin::Parameters(Expect::Rows(of), &plan.rows_statement),
        };
        self.write_many((of.table, Shape::Load, Shape::Insert), begin, plan, after, script)
    }

    /// Writes a row that may be there already, but then as it is, among many as parameters; `false`
    /// where an INSERT must.
    pub(super) fn try_same<'v>(
        &mut self,
        expect: Expect,
        plan: &TablePlan,
        after: impl Cells<'v>,
        script: &mut Script,
    ) -> bool {
        let Some(of) = expect.rows() else { return false };
        let shapes = (of.table, Shape::SameParameters, Shape::Same);
        self.planning.limits.new_rows == NewRows::Parameters && {
            let begin = Begin::Parameters(expect, &plan.same_statement);
            self.write_many(shapes, begin, plan, after, script)
        }
    }

    /// Writes a row of a table beside the text, by the first shape, unless the second one goes on.
    fn write_many<'v>(
        &mut self,
        (table, shape, other): (usize, Shape, Shape),
        begin: Begin<'_>,
        plan: &TablePlan,
        after: impl Cells<'v>,
        script: &mut Script,
    ) -> bool {
        let goes_on = self.continues(table, MOST_ROWS, shape);
        if !goes_on {
            if !self.begins_many(table, plan, other) {
                return false;
            }
            self.close_run(script);
        }
        let start = script.mark();
        let written = match begin {
            Begin::Lines(expect) => {
                if !goes_on {
                    push_load(script.push_with_data(expect), plan);
                }
                script.data().ok_or(NotLoadable).and_then(|data| push_line(data, plan, after))
            }
            Begin::Parameters(expect, statement) => {
                if !goes_on {
                    script.push_rows(expect, Arc::clone(statement));
                }
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
            self.run = Some(Run { table, shape, rows: 1 });
        }
        true
    }

    /// Whether such a statement begins with the present row: where another one has begun it goes on.
    fn begins_many(&self, table: usize, plan: &TablePlan, other: Shape) -> bool {
        let least = self.planning.limits.load_rows;
        least > 0
            && self.planning.detail == Detail::Compacted
            && plan.loads
            && !self.continues(table, self.planning.limits.insert_rows, other)
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
