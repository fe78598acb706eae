//! A statement that takes further rows, until another one begins.

use super::{Detail, Planner, Script};
use crate::mysql::literal::push_upsert_end;

/// What stands between and around the names of an updated column.
const UPSERT_WORDS: usize = "=VALUES(),".len();

/// A statement that takes further rows.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) table: usize,
    pub(super) shape: Shape,
    pub(super) rows: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Insert,
    /// New rows beside the text: in the data of a `LOAD DATA`, or as parameters.
    Load,
    /// Rows that may be there, as parameters.
    SameParameters,
    /// Rows that are there, as an INSERT that updates them.
    Upsert,
    /// Rows that may be there, as an INSERT that makes them as they shall be.
    Same,
    /// By which identity the rows are found.
    Delete {
        identity: usize,
    },
    /// As `Delete`, for rows that must not be there.
    Absent {
        identity: usize,
    },
}

/// What the last statement lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OpenEnd {
    Nothing,
    /// The parenthesis of a list of keys.
    List,
    /// What happens to rows that are there.
    Upsert {
        table: usize,
        /// Whether the columns of the key are written as well.
        whole: bool,
    },
}

impl Planner<'_> {
    /// Ends the statement that takes further rows.
    pub(super) fn close_run(&mut self, script: &mut Script) {
        let end = self.open_end();
        self.forget_run(end, script);
    }

    /// Whether the last statement is a list of keys that lacks its parenthesis, or lacks what it
    /// does to rows that are there.
    pub(super) fn open_end(&self) -> OpenEnd {
        let Some(Run { table, shape, .. }) = &self.run else { return OpenEnd::Nothing };
        let Some(plan) = self.planning.tables.plan(*table) else { return OpenEnd::Nothing };
        match shape {
            Shape::Insert | Shape::Load | Shape::SameParameters => OpenEnd::Nothing,
            Shape::Upsert => OpenEnd::Upsert { table: *table, whole: false },
            Shape::Same => OpenEnd::Upsert { table: *table, whole: true },
            Shape::Delete { identity } | Shape::Absent { identity } => {
                let is_list = plan.identities.get(*identity).is_some_and(|key| key.len() == 1);
                if is_list { OpenEnd::List } else { OpenEnd::Nothing }
            }
        }
    }

    /// How long that is at most, apart from a parenthesis.
    pub(super) fn bytes_to_end(&self) -> usize {
        let OpenEnd::Upsert { table, .. } = self.open_end() else { return 0 };
        let columns = self.planning.tables.plan(table).map_or(&[][..], |plan| &plan.columns);
        columns.iter().map(|column| 2 * column.quoted.len() + UPSERT_WORDS).sum()
    }

    /// Ends the last statement as it stands in the script.
    pub(super) fn forget_run(&mut self, end: OpenEnd, script: &mut Script) {
        match end {
            OpenEnd::Nothing => {}
            OpenEnd::List => script.text().push(')'),
            OpenEnd::Upsert { table, whole } => {
                if let Some(plan) = self.planning.tables.plan(table) {
                    let key = plan.identities.first().filter(|_| !whole);
                    push_upsert_end(
                        script.text(),
                        &plan.columns,
                        key.map_or(&[][..], Vec::as_slice),
                    );
                }
            }
        }
        self.run = None;
    }

    /// Whether the run goes on with one more row of this shape.
    pub(super) fn continues(&self, table: usize, most: usize, shape: Shape) -> bool {
        self.planning.detail != Detail::SingleRows
            && self
                .run
                .as_ref()
                .is_some_and(|run| run.table == table && run.rows < most && run.shape == shape)
    }

    pub(super) fn count_row(&mut self, script: &mut Script) {
        if let Some(run) = &mut self.run {
            run.rows += 1;
        }
        script.count_row();
    }
}
