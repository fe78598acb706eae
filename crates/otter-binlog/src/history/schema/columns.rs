//! The list of a table's columns while a statement changes it.

use std::sync::Arc;

use otter_core::TableName;

use super::ApplyError;
use super::names::same;
use super::table::ColumnSchema;
use crate::history::statement::Place;

/// Both servers' own limit. Each column is looked for among the others.
const MOST_COLUMNS: usize = 4096;

/// Columns in order, without two of one name.
#[derive(Default)]
pub(super) struct ColumnList {
    columns: Vec<Placed>,
}

struct Placed {
    column: ColumnSchema,
    /// The column of the old table that it was; `None` for a new one.
    origin: Option<Arc<str>>,
}

impl ColumnList {
    pub(super) fn into_columns(self) -> Vec<ColumnSchema> {
        self.columns.into_iter().map(|placed| placed.column).collect()
    }

    /// The column that a key over an old column goes on with: the first that was that column, or
    /// that is new and has its name.
    pub(super) fn heir(&self, old: &str) -> Option<&Arc<str>> {
        let heir = self.columns.iter().find(|placed| match &placed.origin {
            Some(origin) => same(origin, old),
            None => same(&placed.column.name, old),
        });
        heir.map(|placed| &placed.column.name)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.position(name).is_some()
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|placed| same(&placed.column.name, name))
    }

    /// Takes out what an old column has become.
    pub(super) fn take(&mut self, old: &str) -> Option<ColumnSchema> {
        let is_it = |placed: &Placed| placed.origin.as_deref().is_some_and(|name| same(name, old));
        let index = self.columns.iter().position(is_it)?;
        Some(self.columns.remove(index).column)
    }

    /// Takes out a new column; tells whether there was one.
    pub(super) fn take_new(&mut self, name: &str) -> bool {
        let count = self.columns.len();
        self.columns.retain(|placed| placed.origin.is_some() || !same(&placed.column.name, name));
        self.columns.len() < count
    }

    /// Puts a column in its place; `origin` is the old column that it was.
    pub(super) fn insert(
        &mut self,
        column: ColumnSchema,
        origin: Option<&Arc<str>>,
        place: &Place,
        table: &TableName,
    ) -> Result<(), ApplyError> {
        if self.has(&column.name) {
            return Err(ApplyError::DuplicateColumn { table: table.clone(), column: column.name });
        }
        if self.columns.len() >= MOST_COLUMNS {
            return Err(ApplyError::TooLarge { table: table.clone() });
        }
        let index = match place {
            Place::Last => self.columns.len(),
            Place::First => 0,
            Place::After(before) => match self.position(before) {
                Some(index) => index + 1,
                None => return Err(unknown_column(table, before)),
            },
        };
        self.columns.insert(index, Placed { column, origin: origin.cloned() });
        Ok(())
    }
}

pub(super) fn unknown_column(table: &TableName, column: &Arc<str>) -> ApplyError {
    ApplyError::UnknownColumn { table: table.clone(), column: Arc::clone(column) }
}
