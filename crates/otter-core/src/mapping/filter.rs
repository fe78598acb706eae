//! Which rows of a table are carried: a filter of a mapping.
//!
//! An update whose row comes into what is carried becomes an insert, and one whose row leaves it a
//! delete. Rows are not copied: what is left of an event are ranges of it.

use std::error::Error as StdError;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::batch::Transaction;
use crate::event::{Change, Row, RowsEvent};
use crate::fault::{Classify, Fault, Result};
use crate::table::{Column, Table, TableName};
use crate::value::Value;

/// Decides which rows are carried, by some of their columns. Pure: the same row has the same answer
/// each time.
///
/// ```
/// use std::error::Error;
/// use std::sync::Arc;
///
/// use otter_core::mapping::{AskedRow, RowFilter};
/// use otter_core::Value;
///
/// #[derive(Debug)]
/// struct Priced([Arc<str>; 1]);
///
/// impl RowFilter for Priced {
///     fn columns(&self) -> &[Arc<str>] {
///         &self.0
///     }
///     fn keeps(&self, row: &AskedRow<'_>) -> Result<bool, Box<dyn Error + Send + Sync>> {
///         let price = row.value(0).ok_or("the row image does not hold the price")?;
///         Ok(!price.is_null())
///     }
/// }
///
/// let filter = Priced([Arc::from("price")]);
/// # let _ = filter;
/// ```
pub trait RowFilter: fmt::Debug + Send + Sync {
    /// The source's columns that are asked for; each table of the mapping must have them.
    fn columns(&self) -> &[Arc<str>];

    /// Whether the row is carried.
    ///
    /// # Errors
    /// Why that cannot be told, without any value of the row: the pipeline halts with
    /// [`Fault::Poison`].
    fn keeps(&self, row: &AskedRow<'_>) -> Result<bool, Box<dyn StdError + Send + Sync>>;
}

/// The columns of a row that a filter or a picker asks for.
#[derive(Debug, Clone, Copy)]
pub struct AskedRow<'a> {
    pub(super) newest: Row<'a>,
    /// The image before, for what the newest image leaves out.
    pub(super) older: Option<Row<'a>>,
    pub(super) asked: &'a [usize],
}

impl<'a> AskedRow<'a> {
    /// A row whose columns at these places are asked for.
    #[cfg(all(test, feature = "script"))]
    pub(crate) fn of(newest: Row<'a>, asked: &'a [usize]) -> Self {
        Self { newest, older: None, asked }
    }

    /// The source's table.
    #[must_use]
    pub fn table(&self) -> &'a Table {
        self.newest.table()
    }

    /// The definition of the column that was asked for at this place.
    #[must_use]
    pub fn column(&self, place: usize) -> Option<&'a Column> {
        self.table().columns.get(*self.asked.get(place)?)
    }

    /// The value of the column that was asked for at this place; `None` where the row's images do
    /// not hold it.
    #[must_use]
    pub fn value(&self, place: usize) -> Option<Value<'a>> {
        let index = *self.asked.get(place)?;
        self.newest.value(index).or_else(|| self.older?.value(index))
    }
}

/// A filter for one version of a table.
#[derive(Debug, Clone)]
pub(super) struct BoundFilter {
    filter: Arc<dyn RowFilter>,
    asked: Arc<[usize]>,
}

/// A row of which a filter cannot tell.
#[derive(Debug, thiserror::Error)]
#[error("the filter fails at row {ordinal} of the transaction at {place}, in table {table}")]
struct FilterFailed {
    table: TableName,
    place: String,
    ordinal: u64,
    source: Box<dyn StdError + Send + Sync>,
}

impl Classify for FilterFailed {
    fn fault(&self) -> Fault {
        Fault::Poison
    }
    fn doing(&self) -> &'static str {
        "filter rows"
    }
}

/// What becomes of a change.
enum Fate {
    Stays,
    Goes,
    Enters,
    Leaves,
}

impl BoundFilter {
    /// The filter for tables with these columns.
    ///
    /// # Errors
    /// The column that the table does not have.
    pub(super) fn new(filter: &Arc<dyn RowFilter>, table: &Table) -> Result<Self, String> {
        let index = |name: &Arc<str>| table.column_index(name).ok_or_else(|| name.to_string());
        let asked = filter.columns().iter().map(index).collect::<Result<_, _>>()?;
        Ok(Self { filter: Arc::clone(filter), asked })
    }

    /// What is left of an event, each part with the number of rows of the transaction before it.
    /// `before` rows came before the event.
    pub(super) fn apply(
        &self,
        rows: &RowsEvent,
        transaction: &Transaction,
        before: u64,
    ) -> Result<Vec<(RowsEvent, u64)>> {
        let before_row = |row| before.saturating_add(u64::try_from(row).unwrap_or(u64::MAX));
        let mut left = Vec::new();
        let mut run: Range<usize> = 0..0;
        for (row, change) in rows.changes().enumerate() {
            let fate = self.fate(change).map_err(|source| FilterFailed {
                table: rows.table().name.clone(),
                place: transaction.start.to_string(),
                ordinal: before_row(row) + 1,
                source,
            })?;
            if matches!(fate, Fate::Stays) {
                run.end = row + 1;
                continue;
            }
            left.extend(rows.part(run.clone()).map(|part| (part, before_row(run.start))));
            run = row + 1..row + 1;
            let changed = match fate {
                Fate::Enters => rows.only_after(row),
                Fate::Leaves => rows.only_before(row),
                Fate::Stays | Fate::Goes => None,
            };
            left.extend(changed.map(|part| (part, before_row(row))));
        }
        left.extend(rows.part(run.clone()).map(|part| (part, before_row(run.start))));
        Ok(left)
    }

    fn fate(&self, change: Change<'_>) -> Result<Fate, Box<dyn StdError + Send + Sync>> {
        let keeps =
            |newest, older| self.filter.keeps(&AskedRow { newest, older, asked: &self.asked });
        let (was, is) = match change {
            Change::Insert { after: row } | Change::Delete { before: row } => {
                let is_kept = keeps(row, None)?;
                (is_kept, is_kept)
            }
            Change::Update { before, after } => (keeps(before, None)?, keeps(after, Some(before))?),
        };
        Ok(match (was, is) {
            (true, true) => Fate::Stays,
            (false, false) => Fate::Goes,
            (false, true) => Fate::Enters,
            (true, false) => Fate::Leaves,
        })
    }
}

#[cfg(test)]
mod tests;
