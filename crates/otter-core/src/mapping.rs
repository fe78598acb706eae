//! Which tables go where: patterns of source tables, and the names they have in the target.
//!
//! Pure: mappings are asked by name and never look at a database. Where several patterns match a
//! table, the most specific one decides: an exact part counts more than a glob, then more
//! literal characters, then more and narrower ranges, then more `?`, then regular expressions in
//! their order, then fewer `*`.

mod columns;
mod ddl;
mod error;
mod filter;
mod ghost;
mod glob;
mod pattern;
mod route;
mod spread;
#[cfg(test)]
mod tests;
mod unmatched;

use std::collections::HashMap;
use std::sync::Arc;

use columns::Names;
pub use columns::{ColumnRules, ColumnRulesError, Template};
pub use error::MappingError;
use filter::BoundFilter;
pub use filter::{AskedRow, RowFilter};
pub use pattern::TablePattern;
pub use route::{Route, TableRoute};
pub use spread::RowPicker;
pub use unmatched::Unmatched;

use spread::Spread;

use crate::table::{Table, TableName};

/// A test of a table's name.
pub type TableFilter = Arc<dyn Fn(&TableName) -> bool + Send + Sync>;

/// Which source tables, which target table each becomes, and what becomes of their columns and rows.
#[derive(Debug, Clone)]
pub struct Mapping {
    from: TablePattern,
    to: TablePattern,
    columns: ColumnRules,
    filter: Option<Arc<dyn RowFilter>>,
    /// Which table of several each row goes to.
    spread: Option<Spread>,
}

/// A source table's mapping, and what the wildcards stand for.
struct Match<'m, 'n> {
    mapping: &'m Mapping,
    name: &'n TableName,
    database: Vec<&'n str>,
    table: Vec<&'n str>,
}

/// All mappings of a pipeline, ready to be asked.
///
/// ```
/// use otter_core::mapping::{Mapping, Mappings};
/// use otter_core::TableName;
///
/// let mappings = Mappings::new(vec![
///     Mapping::parse("shop.*", Some("copy.*")).unwrap(),
///     Mapping::parse("shop.orders", Some("sales.orders")).unwrap(),
/// ])
/// .unwrap();
/// let route = |table| mappings.route(&TableName::new("shop", table)).unwrap().to_string();
/// assert_eq!(route("customers"), "copy.customers");
/// assert_eq!(route("orders"), "sales.orders");
/// assert_eq!(mappings.route(&TableName::new("mysql", "user")), None);
/// ```
#[derive(Debug, Clone)]
pub struct Mappings(Arc<Ordered>);

#[derive(Debug, Clone)]
struct Ordered {
    exact: HashMap<TableName, Mapping>,
    /// The most specific first.
    globs: Vec<Mapping>,
    /// Tables that no mapping takes.
    except: Vec<TablePattern>,
    ghosts: GhostTables,
}

/// What becomes of the tables by which gh-ost and pt-online-schema-change change other tables, as
/// far as patterns match them: a mapping that names such a table carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GhostTables {
    /// They are tables like others.
    #[default]
    Carry,
    /// They are left alone, by their names: `_orders_gho`, `_orders_ghc`, `_orders_del`,
    /// `_orders_new` and `_orders_old` where `orders` is mapped.
    Leave,
}

impl Mapping {
    /// Reads a mapping; without `to` the tables keep their names.
    ///
    /// # Errors
    /// A [`MappingError`] that quotes the pattern at fault.
    pub fn parse(from: &str, to: Option<&str>) -> Result<Self, MappingError> {
        let from: TablePattern = from.parse()?;
        let to = match to {
            Some(to) => to.parse()?,
            None => from.clone(),
        };
        if from.database.becomes(&to.database) && from.table.becomes(&to.table) {
            return Ok(Self::between(from, to));
        }
        Err(MappingError::Shape { from: from.to_string(), to: to.to_string() })
    }

    fn between(from: TablePattern, to: TablePattern) -> Self {
        Self { from, to, columns: ColumnRules::default(), filter: None, spread: None }
    }

    /// The pattern of the source's tables.
    #[must_use]
    pub fn from(&self) -> &TablePattern {
        &self.from
    }

    /// The pattern of the target's tables.
    #[must_use]
    pub fn to(&self) -> &TablePattern {
        &self.to
    }

    /// The same mapping with rules for the columns of its tables.
    ///
    /// # Errors
    /// [`MappingError::Wildcard`] where a constant asks for a wildcard that `from` does not have.
    pub fn with_columns(self, columns: ColumnRules) -> Result<Self, MappingError> {
        let count = self.from.database.wildcard_count() + self.from.table.wildcard_count();
        columns.check_wildcards(&self.from.to_string(), count)?;
        Ok(Self { columns, ..self })
    }

    /// The same mapping for the rows alone that the filter keeps. It sees the source's columns.
    #[must_use]
    pub fn with_filter(self, filter: Arc<dyn RowFilter>) -> Self {
        Self { filter: Some(filter), ..self }
    }

    /// The rules for the columns of its tables.
    #[must_use]
    pub fn columns(&self) -> &ColumnRules {
        &self.columns
    }

    /// Whether tables have other columns in the target than in the source, or not all rows.
    fn is_reshaped(&self) -> bool {
        !self.columns.is_empty() || self.filter.is_some() || self.spread.is_some()
    }

    /// The filter for a source table.
    fn bind(&self, source: &Table) -> Result<Option<BoundFilter>, ColumnRulesError> {
        let Some(filter) = &self.filter else { return Ok(None) };
        let bound = BoundFilter::new(filter, source);
        bound.map(Some).map_err(|column| columns::unknown(source, "filter by", &column))
    }

    fn matching<'m, 'n>(&'m self, name: &'n TableName) -> Option<Match<'m, 'n>> {
        let database = self.from.database_captures(&name.database)?;
        let table = self.from.table.captures(&name.table)?;
        Some(Match { mapping: self, name, database, table })
    }
}

impl Match<'_, '_> {
    /// The names in the target: one, or those that rows are spread over.
    fn targets(&self) -> Vec<TableName> {
        match &self.mapping.spread {
            None => vec![self.target(&self.database, &self.table)],
            Some(spread) => spread
                .captures(&self.database, &self.table)
                .map(|(database, table)| {
                    let database: Vec<&str> = database.iter().map(AsRef::as_ref).collect();
                    let table: Vec<&str> = table.iter().map(AsRef::as_ref).collect();
                    self.target(&database, &table)
                })
                .collect(),
        }
    }

    fn target(&self, database: &[&str], table: &[&str]) -> TableName {
        let to = &self.mapping.to;
        // An expression in `to` is that of `from`: names are kept.
        let part = |to: &glob::Glob, captures: &[&str], own: &str| match to.is_expression() {
            true => own.to_owned(),
            false => to.fill(captures),
        };
        TableName::new(
            part(&to.database, database, &self.name.database),
            part(&to.table, table, &self.name.table),
        )
    }
}

impl Mappings {
    /// Orders the mappings by how specific they are.
    ///
    /// # Errors
    /// [`MappingError::Empty`], [`MappingError::Twice`] or [`MappingError::Ambiguous`].
    pub fn new(mappings: Vec<Mapping>) -> Result<Self, MappingError> {
        if mappings.is_empty() {
            return Err(MappingError::Empty);
        }
        let mut exact = HashMap::new();
        let mut globs: Vec<Mapping> = Vec::new();
        for mapping in mappings {
            if let Some(name) = mapping.from.exact() {
                if exact.insert(name, mapping.clone()).is_some() {
                    return Err(MappingError::Twice(mapping.from.to_string()));
                }
                continue;
            }
            for other in &globs {
                other.refuse_ambiguity(&mapping)?;
            }
            globs.push(mapping);
        }
        globs.sort_by_key(|mapping| std::cmp::Reverse(mapping.from.specificity()));
        let (except, ghosts) = (Vec::new(), GhostTables::Carry);
        Ok(Self(Arc::new(Ordered { exact, globs, except, ghosts })))
    }

    /// The same mappings without the tables of these patterns, whatever else matches them.
    ///
    /// # Errors
    /// [`MappingError::Nothing`] where nothing is left of a mapping.
    pub fn except(self, patterns: Vec<TablePattern>) -> Result<Self, MappingError> {
        for pattern in &patterns {
            if let Some(mapping) = self.iter().find(|mapping| pattern.covers(&mapping.from)) {
                let (from, except) = (mapping.from.to_string(), pattern.to_string());
                return Err(MappingError::Nothing { from, except });
            }
        }
        let mut ordered = Arc::unwrap_or_clone(self.0);
        ordered.except.extend(patterns);
        Ok(Self(Arc::new(ordered)))
    }

    /// The same mappings with another word about ghost tables.
    #[must_use]
    pub fn ghost_tables(self, ghosts: GhostTables) -> Self {
        Self(Arc::new(Ordered { ghosts, ..Arc::unwrap_or_clone(self.0) }))
    }

    /// Whether a source table is mapped.
    #[must_use]
    pub fn is_mapped(&self, name: &TableName) -> bool {
        self.matching(name).is_some()
    }

    /// The target's name for a source table; `None` where the table is not mapped, or its rows are
    /// spread over several tables.
    #[must_use]
    pub fn route(&self, name: &TableName) -> Option<TableName> {
        let found = self.matching(name).filter(|found| found.mapping.spread.is_none())?;
        Some(found.target(&found.database, &found.table))
    }

    /// The target's names for a source table: several where its rows are spread over tables, none
    /// where it is not mapped.
    #[must_use]
    pub fn targets(&self, name: &TableName) -> Vec<TableName> {
        self.matching(name).map_or_else(Vec::new, |found| found.targets())
    }

    /// What becomes of a source table and its rows; `None` where the table is not mapped.
    ///
    /// # Errors
    /// A [`ColumnRulesError`] where the rules of its mapping do not fit its columns.
    pub fn table(&self, source: &Arc<Table>) -> Result<Option<TableRoute>, ColumnRulesError> {
        let Some(found) = self.matching(&source.name) else { return Ok(None) };
        let (filter, spread) = (found.mapping.bind(source)?, found.mapping.bind_spread(source)?);
        let rules = &found.mapping.columns;
        let (shape, view) = if rules.is_empty() {
            (Table::clone(source), None)
        } else {
            let captures: Vec<&str> = found.database.iter().chain(&found.table).copied().collect();
            let names = Names { source: &source.name, captures: &captures };
            rules.apply(source, source.name.clone(), &names)?
        };
        let named = |name: TableName| {
            if rules.is_empty() && name == source.name {
                return Arc::clone(source);
            }
            Arc::new(Table { name, ..shape.clone() })
        };
        let tables = found.targets().into_iter().map(named).collect();
        Ok(Some(TableRoute { tables, view: view.map(Arc::new), filter, spread }))
    }

    fn matching<'m, 'n>(&'m self, name: &'n TableName) -> Option<Match<'m, 'n>> {
        let found = match self.0.exact.get(name) {
            Some(mapping) => mapping.matching(name),
            None => self.0.globs.iter().find_map(|mapping| mapping.matching(name)),
        };
        found.filter(|_| !self.leaves(name))
    }

    /// Whether the table is mapped, as a function that a selector can keep.
    #[must_use]
    pub fn filter(&self) -> TableFilter {
        let mappings = self.clone();
        Arc::new(move |name| {
            let is_matched = mappings.0.exact.contains_key(name)
                || mappings.0.globs.iter().any(|mapping| mapping.from.matches(name));
            is_matched && !mappings.leaves(name)
        })
    }

    /// Whether tables of this source database can be mapped.
    #[must_use]
    pub fn touches_database(&self, database: &str) -> bool {
        let leaves_all =
            |except: &TablePattern| except.takes_all_tables() && except.matches_database(database);
        if self.0.except.iter().any(leaves_all) {
            return false;
        }
        self.iter().any(|mapping| mapping.from.matches_database(database))
    }

    /// All mappings, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Mapping> {
        self.0.exact.values().chain(&self.0.globs)
    }

    /// A mapping of each, where both can take the same source table.
    #[must_use]
    pub fn shares_source<'a>(&'a self, other: &'a Self) -> Option<(&'a Mapping, &'a Mapping)> {
        self.pair(other, |ours, theirs| {
            ours.from.overlaps(&theirs.from)
                && !self.leaves_all(&theirs.from)
                && !other.leaves_all(&ours.from)
        })
    }

    /// A mapping of each, where the first can write a table that the second takes.
    #[must_use]
    pub fn feeds<'a>(&'a self, next: &'a Self) -> Option<(&'a Mapping, &'a Mapping)> {
        self.pair(next, |ours, theirs| ours.to.overlaps(&theirs.from) && !next.leaves_all(&ours.to))
    }

    /// Whether the exceptions take all tables of a pattern.
    fn leaves_all(&self, pattern: &TablePattern) -> bool {
        self.0.except.iter().any(|except| except.covers(pattern))
    }

    fn pair<'a>(
        &'a self,
        other: &'a Self,
        meet: impl Fn(&Mapping, &Mapping) -> bool,
    ) -> Option<(&'a Mapping, &'a Mapping)> {
        self.iter().find_map(|ours| {
            let theirs = other.iter().find(|theirs| meet(ours, theirs))?;
            Some((ours, theirs))
        })
    }
}

impl Mapping {
    fn refuse_ambiguity(&self, later: &Self) -> Result<(), MappingError> {
        if self.from == later.from {
            return Err(MappingError::Twice(self.from.to_string()));
        }
        // The first of two expressions decides.
        let by_order = self.from.has_expression() && later.from.has_expression();
        let equally = !by_order && self.from.specificity() == later.from.specificity();
        if equally && self.from.overlaps(&later.from) {
            return Err(MappingError::Ambiguous {
                first: self.from.to_string(),
                second: later.from.to_string(),
            });
        }
        Ok(())
    }
}
