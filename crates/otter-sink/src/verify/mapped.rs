//! What is to be compared with what: a source table, and its place in the target.

use std::sync::Arc;

use otter_core::mapping::TableRoute;
use otter_core::{ColumnType, Table, TableName};

/// A source table and what a mapping makes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedTable {
    pub(super) source: TableName,
    pub(super) target: TableName,
    pub(super) columns: Vec<MappedColumn>,
    /// Why servers cannot compute what the target should hold.
    pub(super) refusal: Option<String>,
}

/// A column of the target, and where its values come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MappedColumn {
    pub(super) name: Arc<str>,
    pub(super) shows: Shows,
}

/// Where a column's values come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shows {
    /// The source's column of this name.
    Column(Arc<str>),
    /// The same text in every row.
    Constant(Arc<str>),
}

impl MappedTable {
    /// A source table as its mapping carries it. One with a filter, or whose rows are spread over
    /// tables, will be reported as not verified: servers do not know these expressions.
    #[must_use]
    pub fn new(source: &Table, route: &TableRoute) -> Self {
        let first = route.tables().first();
        let target = first.map_or(&source.name, |table| &table.name).clone();
        if route.is_spread() {
            let why = "a script spreads its rows over several tables, which no server can compute";
            return Self::refused(&source.name, target, why);
        }
        if route.is_filtered() {
            let why = "a script filters its rows, which no server can compute";
            return Self::refused(&source.name, target, why);
        }
        let columns = first.map_or(&[][..], |table| &table.columns).iter().enumerate();
        let columns = columns.filter_map(|(place, column)| {
            let shows = match (&column.column_type, route.shown(place)) {
                (ColumnType::Constant { text }, _) => Shows::Constant(Arc::clone(text)),
                (_, Some(index)) => Shows::Column(Arc::clone(&source.columns.get(index)?.name)),
                (_, None) => return None,
            };
            Some(MappedColumn { name: Arc::clone(&column.name), shows })
        });
        let columns = columns.collect();
        Self { source: source.name.clone(), target, columns, refusal: None }
    }

    /// A source table that will be reported as not verified, with the reason.
    #[must_use]
    pub fn refused(source: &TableName, target: TableName, why: impl Into<String>) -> Self {
        Self { source: source.clone(), target, columns: Vec::new(), refusal: Some(why.into()) }
    }

    /// The source's table.
    #[must_use]
    pub fn source(&self) -> &TableName {
        &self.source
    }

    /// The target's table.
    #[must_use]
    pub fn target(&self) -> &TableName {
        &self.target
    }
}
