//! Rows of one source table in several tables of the target: an expression picks the table's number.
//!
//! An update that changes the number becomes a delete in the one table and an insert in the other.
//! Rows are not copied: what goes to a table are ranges of the event.

use std::error::Error as StdError;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::columns;
use super::error::MappingError;
use super::filter::AskedRow;
use super::glob::{Glob, NumberRange};
use super::{ColumnRulesError, Mapping, TablePattern};
use crate::batch::Transaction;
use crate::event::{Change, RowsEvent};
use crate::fault::{Classify, Fault, Result};
use crate::table::{Table, TableName};

/// The most tables that rows of one table are spread over.
const MOST_TABLES: usize = 10_000;

/// Picks the table of the target that a row goes to, by its number in the range of `to`. Pure: the
/// same row has the same answer each time, or its changes would go to different tables.
///
/// ```
/// use std::error::Error;
/// use std::sync::Arc;
///
/// use otter_core::mapping::{AskedRow, RowPicker};
/// use otter_core::Value;
///
/// #[derive(Debug)]
/// struct ByCustomer([Arc<str>; 1]);
///
/// impl RowPicker for ByCustomer {
///     fn columns(&self) -> &[Arc<str>] {
///         &self.0
///     }
///     fn pick(&self, row: &AskedRow<'_>) -> Result<i64, Box<dyn Error + Send + Sync>> {
///         match row.value(0) {
///             Some(Value::Int(customer)) => Ok(customer.rem_euclid(32)),
///             _ => Err("the row image does not hold the customer".into()),
///         }
///     }
/// }
///
/// let picker = ByCustomer([Arc::from("customer")]);
/// # let _ = picker;
/// ```
pub trait RowPicker: fmt::Debug + Send + Sync {
    /// The source's columns that are asked for; each table of the mapping must have them.
    fn columns(&self) -> &[Arc<str>];

    /// The number of the table that the row goes to.
    ///
    /// # Errors
    /// Why that cannot be told, without any value of the row: the pipeline halts with
    /// [`Fault::Poison`].
    fn pick(&self, row: &AskedRow<'_>) -> Result<i64, Box<dyn StdError + Send + Sync>>;
}

/// How rows are spread over tables.
#[derive(Debug, Clone)]
pub(super) struct Spread {
    picker: Arc<dyn RowPicker>,
    range: NumberRange,
    /// Whether the number stands in the database's name, and not in the table's.
    in_database: bool,
    /// Its place among the wildcards of that part.
    wildcard: usize,
}

impl Mapping {
    /// Reads a mapping whose rows are spread over the tables that a range in `to` names; a picker
    /// tells the number for each row: `shop.orders` to `shop.orders_[00-31]`. Of several ranges it
    /// is the last one of the table's name, or else of the database's.
    ///
    /// # Errors
    /// A [`MappingError`] that quotes the pattern at fault.
    pub fn spread(from: &str, to: &str, picker: Arc<dyn RowPicker>) -> Result<Self, MappingError> {
        let (from, to): (TablePattern, TablePattern) = (from.parse()?, to.parse()?);
        let unfit = || MappingError::Spread {
            from: from.to_string(),
            to: to.to_string(),
            most: MOST_TABLES,
        };
        let taken = |from: &Glob, to: &Glob| {
            let (range, wildcard, rest) = to.without_last_range()?;
            from.becomes(&rest).then_some((range, wildcard))
        };
        let in_table =
            taken(&from.table, &to.table).filter(|_| from.database.becomes(&to.database));
        let in_database =
            || taken(&from.database, &to.database).filter(|_| from.table.becomes(&to.table));
        let (range, wildcard, in_database) = match in_table {
            Some((range, wildcard)) => (range, wildcard, false),
            None => in_database().map(|(range, at)| (range, at, true)).ok_or_else(unfit)?,
        };
        if usize::try_from(range.count()).map_or(true, |count| count > MOST_TABLES) {
            return Err(unfit());
        }
        let spread = Some(Spread { picker, range, in_database, wildcard });
        Ok(Self { spread, ..Self::between(from, to) })
    }

    /// The spread for a source table.
    pub(super) fn bind_spread(
        &self,
        source: &Table,
    ) -> Result<Option<BoundSpread>, ColumnRulesError> {
        let Some(spread) = &self.spread else { return Ok(None) };
        let index = |name: &Arc<str>| {
            let unknown = || columns::unknown(source, "spread by", name);
            source.column_index(name).ok_or_else(unknown)
        };
        let asked = spread.picker.columns().iter().map(index).collect::<Result<_, _>>()?;
        let picker = Arc::clone(&spread.picker);
        Ok(Some(BoundSpread { picker, range: spread.range, asked }))
    }
}

impl Spread {
    /// What the wildcards of `to` stand for, for each table.
    pub(super) fn captures<'n>(
        &self,
        database: &[&'n str],
        table: &[&'n str],
    ) -> impl Iterator<Item = (Vec<String>, Vec<String>)> {
        let owned = |captures: &[&str]| captures.iter().map(|it| (*it).to_owned()).collect();
        let (database, table): (Vec<String>, Vec<String>) = (owned(database), owned(table));
        let (in_database, wildcard) = (self.in_database, self.wildcard);
        self.range.names().map(move |number| {
            let (mut database, mut table) = (database.clone(), table.clone());
            let part = if in_database { &mut database } else { &mut table };
            // A plain name beside the number takes nothing of the source's wildcards.
            part.insert(wildcard.min(part.len()), number);
            (database, table)
        })
    }
}

/// A spread for one version of a table.
#[derive(Debug, Clone)]
pub(super) struct BoundSpread {
    picker: Arc<dyn RowPicker>,
    range: NumberRange,
    asked: Arc<[usize]>,
}

/// A row whose table cannot be told.
#[derive(Debug, thiserror::Error)]
#[error("row {ordinal} of the transaction at {place}, in table {table}, has no table to go to")]
struct NoTable {
    table: TableName,
    place: String,
    ordinal: u64,
    source: Box<dyn StdError + Send + Sync>,
}

impl Classify for NoTable {
    fn fault(&self) -> Fault {
        Fault::Poison
    }
    fn doing(&self) -> &'static str {
        "spread rows over tables"
    }
}

/// A number without a table.
#[derive(Debug, thiserror::Error)]
#[error("the number is not in {0}, the range of `to`: mend the expression, or extend the range")]
struct NotInRange(NumberRange);

impl BoundSpread {
    /// The rows of an event, in order, each part with the place of its table. `before` rows of the
    /// transaction came before them.
    pub(super) fn apply(
        &self,
        rows: &RowsEvent,
        transaction: &Transaction,
        before: u64,
    ) -> Result<Vec<(RowsEvent, usize)>> {
        let mut parts = Vec::new();
        let mut run: (Range<usize>, usize) = (0..0, 0);
        for (row, change) in rows.changes().enumerate() {
            let (old, new) = self.tables(change).map_err(|source| NoTable {
                table: rows.table().name.clone(),
                place: transaction.start.to_string(),
                ordinal: before.saturating_add(u64::try_from(row).unwrap_or(u64::MAX)) + 1,
                source,
            })?;
            if old == new && (new == run.1 || run.0.is_empty()) {
                run = (run.0.start..row + 1, new);
                continue;
            }
            parts.extend(rows.part(run.0).map(|part| (part, run.1)));
            if old == new {
                run = (row..row + 1, new);
                continue;
            }
            run = (row + 1..row + 1, new);
            parts.extend(rows.only_before(row).map(|part| (part, old)));
            parts.extend(rows.only_after(row).map(|part| (part, new)));
        }
        parts.extend(rows.part(run.0).map(|part| (part, run.1)));
        Ok(parts)
    }

    /// The places of the tables that the row is in before and after.
    fn tables(
        &self,
        change: Change<'_>,
    ) -> Result<(usize, usize), Box<dyn StdError + Send + Sync>> {
        let place = |newest, older| {
            let number = self.picker.pick(&AskedRow { newest, older, asked: &self.asked })?;
            let place = self.range.place(number).ok_or(NotInRange(self.range))?;
            Ok::<_, Box<dyn StdError + Send + Sync>>(place)
        };
        Ok(match change {
            Change::Insert { after: row } | Change::Delete { before: row } => {
                let place = place(row, None)?;
                (place, place)
            }
            Change::Update { before, after } => (place(before, None)?, place(after, Some(before))?),
        })
    }
}

#[cfg(test)]
mod tests;
