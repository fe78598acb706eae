//! What mappings ask for that a source does not show.
//!
//! Servers hide tables from accounts that may not read them: that nothing is seen is no proof that
//! there is nothing to carry.

use std::collections::BTreeSet;

use super::{Mapping, Mappings};
use crate::table::TableName;

/// What mappings ask for that is not among the tables of a source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unmatched {
    /// Tables that mappings name without a wildcard, sorted.
    pub names: Vec<TableName>,
    /// Patterns with wildcards, sorted.
    pub patterns: Vec<String>,
}

impl Mappings {
    /// What is asked for and is not among these tables.
    #[must_use]
    pub fn unmatched<'t>(&self, tables: impl IntoIterator<Item = &'t TableName>) -> Unmatched {
        let tables: BTreeSet<&TableName> = tables.into_iter().collect();
        let named = self.0.exact.keys().filter(|name| !tables.contains(*name));
        let mut names: Vec<TableName> = named.cloned().collect();
        names.sort();
        let is_met = |mapping: &Mapping| tables.iter().any(|table| mapping.from.matches(table));
        let unmet = self.0.globs.iter().filter(|mapping| !is_met(mapping));
        let mut patterns: Vec<String> = unmet.map(|mapping| mapping.from.to_string()).collect();
        patterns.sort();
        Unmatched { names, patterns }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_patterns_that_no_table_meets_are_told() {
        let patterns = ["shop.orders", "shop.countries", "shop.*", "crm.p*", "a.b"];
        let all = patterns.iter().map(|from| Mapping::parse(from, None).unwrap()).collect();
        let mappings = Mappings::new(all).unwrap();
        let tables = [TableName::new("shop", "orders"), TableName::new("crm", "queries")];
        let unmatched = mappings.unmatched(&tables);
        assert_eq!(
            unmatched.names,
            [TableName::new("a", "b"), TableName::new("shop", "countries")]
        );
        assert_eq!(unmatched.patterns, ["crm.p*"]);
        let all = ["shop.orders", "shop.countries", "crm.people", "a.b"];
        let all = all.map(|name| {
            let (database, table) = name.split_once('.').unwrap();
            TableName::new(database, table)
        });
        assert_eq!(mappings.unmatched(&all), Unmatched::default());
    }
}
