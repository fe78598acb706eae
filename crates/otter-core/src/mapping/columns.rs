//! What a mapping does to the columns of its tables: rename, drop, add constants.
//!
//! Rows are not touched: a [`ColumnView`] shows them without what is dropped and with what is
//! added.

mod error;
mod template;

use std::collections::HashSet;
use std::sync::Arc;

pub use error::ColumnRulesError;
pub(super) use template::Names;
pub use template::Template;

use super::error::MappingError;
use crate::event::ColumnView;
use crate::nearest::nearest;
use crate::table::{Column, ColumnType, Table, TableName};
use crate::value::Value;

/// Which columns of a mapping's tables are renamed, dropped or added.
///
/// They apply to every table that the mapping matches: a column that one of them does not have is
/// an error. Names are compared without case, as servers do.
///
/// ```
/// use otter_core::mapping::{ColumnRules, Mapping};
///
/// let columns = ColumnRules::default()
///     .rename("ttl", "title")?
///     .drop_column("tmp")?
///     .constant("shard", "{1}")?;
/// let mapping = Mapping::parse("legacy.item_[00-31]", Some("shop.item"))?.with_columns(columns)?;
/// # Ok::<(), otter_core::mapping::MappingError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnRules {
    renames: Vec<(Arc<str>, Arc<str>)>,
    drops: Vec<Arc<str>>,
    constants: Vec<(Arc<str>, Template)>,
}

impl ColumnRules {
    /// Gives a column another name in the target.
    ///
    /// # Errors
    /// [`MappingError::Column`] where another rule is about the column or has the new name.
    pub fn rename(mut self, from: &str, to: &str) -> Result<Self, MappingError> {
        self.refuse_source(from)?;
        self.refuse_target(to)?;
        self.renames.push((Arc::from(from), Arc::from(to)));
        Ok(self)
    }

    /// Leaves a column out.
    ///
    /// # Errors
    /// [`MappingError::Column`] where another rule is about the column.
    pub fn drop_column(mut self, name: &str) -> Result<Self, MappingError> {
        self.refuse_source(name)?;
        self.drops.push(Arc::from(name));
        Ok(self)
    }

    /// Adds a column that has the same text in every row of a table. `{1}` stands for the text of
    /// the first wildcard of `from`, `{database}` and `{table}` for the source's names; `{{` and
    /// `}}` are braces.
    ///
    /// # Errors
    /// [`MappingError::Column`] where another rule has the name, [`MappingError::Template`] where
    /// the text has a brace that means nothing.
    pub fn constant(mut self, name: &str, text: &str) -> Result<Self, MappingError> {
        self.refuse_target(name)?;
        self.constants.push((Arc::from(name), text.parse()?));
        Ok(self)
    }

    /// Whether all columns stay as they are.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.renames.is_empty() && self.drops.is_empty() && self.constants.is_empty()
    }

    /// Refuses a constant that asks for more wildcards than there are.
    pub(super) fn check_wildcards(&self, from: &str, count: usize) -> Result<(), MappingError> {
        for (name, template) in &self.constants {
            let asked = template.most_wildcards();
            if asked > count {
                let (column, from) = (name.to_string(), from.to_owned());
                return Err(MappingError::Wildcard { column, asked, from, count });
            }
        }
        Ok(())
    }

    fn refuse_source(&self, name: &str) -> Result<(), MappingError> {
        let renamed = self.renames.iter().any(|(from, _)| from.eq_ignore_ascii_case(name));
        let dropped = self.drops.iter().any(|drop| drop.eq_ignore_ascii_case(name));
        let problem = match (renamed, dropped) {
            (true, _) => "is renamed by another rule",
            (false, true) => "is dropped by another rule",
            (false, false) => return Ok(()),
        };
        Err(MappingError::Column { column: name.to_owned(), problem })
    }

    fn refuse_target(&self, name: &str) -> Result<(), MappingError> {
        let renamed = self.renames.iter().any(|(_, to)| to.eq_ignore_ascii_case(name));
        let constant = self.constants.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
        let problem = match (name.is_empty(), renamed, constant) {
            (true, ..) => "has no name",
            (_, true, _) => "is the new name of another column",
            (_, _, true) => "is added as a constant",
            (false, false, false) => return Ok(()),
        };
        Err(MappingError::Column { column: name.to_owned(), problem })
    }

    /// The definition of a source table's rows in the target, and how they are shown where columns
    /// are dropped or added.
    pub(super) fn apply(
        &self,
        source: &Table,
        name: TableName,
        names: &Names<'_>,
    ) -> Result<(Table, Option<ColumnView>), ColumnRulesError> {
        self.refuse_unknown(source)?;
        let mut kept = Vec::with_capacity(source.columns.len());
        let mut columns = Vec::with_capacity(source.columns.len());
        let mut places = vec![None; source.columns.len()];
        for (index, column) in source.columns.iter().enumerate() {
            if self.drops.iter().any(|drop| drop.eq_ignore_ascii_case(&column.name)) {
                continue;
            }
            if let Some(place) = places.get_mut(index) {
                *place = Some(columns.len());
            }
            kept.push(index);
            let renamed =
                self.renames.iter().find(|(from, _)| from.eq_ignore_ascii_case(&column.name));
            let name = renamed.map_or(&column.name, |(_, to)| to);
            columns.push(Column { name: Arc::clone(name), ..column.clone() });
        }
        if columns.is_empty() {
            return Err(ColumnRulesError::NothingLeft { table: source.name.clone() });
        }
        let mut texts = Vec::with_capacity(self.constants.len());
        for (name, template) in &self.constants {
            let text: Arc<str> = Arc::from(template.fill(names));
            texts.push(Arc::clone(&text));
            let column_type = ColumnType::Constant { text };
            columns.push(Column { name: Arc::clone(name), column_type, nullable: false });
        }
        refuse_twice(source, &columns)?;
        let key: Option<Vec<usize>> =
            source.primary_key.iter().map(|index| places.get(*index).copied().flatten()).collect();
        let dropped_key = self.dropped_key(source);
        let table = Table { name, columns, primary_key: key.unwrap_or_default(), dropped_key };
        if self.drops.is_empty() && self.constants.is_empty() {
            return Ok((table, None));
        }
        let values: Vec<Value<'_>> =
            texts.iter().map(|text| Value::Text(text.as_bytes())).collect();
        let view = ColumnView::new(source.columns.len(), &kept, &values);
        let view = view.ok_or_else(|| ColumnRulesError::TooLong { table: source.name.clone() })?;
        Ok((table, Some(view)))
    }

    /// The columns of the primary key that are left out.
    fn dropped_key(&self, source: &Table) -> Vec<Arc<str>> {
        let names = source.primary_key.iter().filter_map(|index| source.columns.get(*index));
        names
            .map(|column| &column.name)
            .filter(|name| self.drops.iter().any(|drop| drop.eq_ignore_ascii_case(name)))
            .chain(&source.dropped_key)
            .cloned()
            .collect()
    }

    fn refuse_unknown(&self, source: &Table) -> Result<(), ColumnRulesError> {
        let renames = self.renames.iter().map(|(from, _)| ("rename", from));
        let drops = self.drops.iter().map(|name| ("drop", name));
        for (rule, column) in renames.chain(drops) {
            if source.column_index(column).is_none() {
                return Err(unknown(source, rule, column));
            }
        }
        Ok(())
    }
}

/// A rule about a column that the table does not have.
pub(super) fn unknown(source: &Table, rule: &'static str, column: &str) -> ColumnRulesError {
    let known = source.columns.iter().map(|column| &*column.name);
    ColumnRulesError::Unknown {
        table: source.name.clone(),
        rule,
        column: column.to_owned(),
        nearest: nearest(column, known).map(str::to_owned),
    }
}

fn refuse_twice(source: &Table, columns: &[Column]) -> Result<(), ColumnRulesError> {
    let mut seen = HashSet::new();
    let twice = columns.iter().find(|column| !seen.insert(column.name.to_lowercase()));
    twice.map_or(Ok(()), |column| {
        Err(ColumnRulesError::Taken { table: source.name.clone(), column: column.name.to_string() })
    })
}

#[cfg(test)]
mod tests;
