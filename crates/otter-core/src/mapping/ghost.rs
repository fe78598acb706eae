//! The tables by which gh-ost and pt-online-schema-change change a table: `_orders_gho` beside
//! `orders`.
//!
//! Known by their names alone, as the tools' manuals give them: gh-ost makes `_T_gho` (the new
//! table), `_T_ghc` (its log) and `_T_del` (the old one, perhaps with a time in front of the last
//! part); pt-online-schema-change makes `_T_new` and `_T_old`, with more underscores in front where
//! the name is taken.

use super::{GhostTables, Mappings};
use crate::table::TableName;

/// The most underscores that pt-online-schema-change tries.
const MOST_UNDERSCORES: usize = 10;
/// `--timestamp-old-table` of gh-ost: `20261121070000`.
const DIGITS_OF_TIME: usize = 14;

impl Mappings {
    /// Whether a table is taken by no mapping, whatever pattern it matches.
    pub(super) fn leaves(&self, name: &TableName) -> bool {
        if self.0.except.iter().any(|pattern| pattern.matches(name)) {
            return true;
        }
        if self.0.ghosts == GhostTables::Carry || self.0.exact.contains_key(name) {
            return false;
        }
        subjects(&name.table).into_iter().any(|subject| {
            let subject = TableName::new(&*name.database, subject);
            self.iter().any(|mapping| mapping.from.matches(&subject))
        })
    }

    /// Whether a table is left alone because it is named like a ghost table of this one, which is
    /// mapped.
    #[must_use]
    pub fn is_ghost_of(&self, ghost: &TableName, table: &TableName) -> bool {
        self.0.ghosts == GhostTables::Leave
            && ghost.database == table.database
            && subjects(&ghost.table).into_iter().any(|subject| *subject == *table.table)
            && !self.is_mapped(ghost)
            && self.is_mapped(table)
    }
}

/// The names of the tables that this one may have been made for; none where it was made for none.
pub(super) fn subjects(table: &str) -> Vec<&str> {
    let Some((rest, last)) = table.rsplit_once('_') else { return Vec::new() };
    match last {
        "gho" | "ghc" | "del" => {
            let Some(name) = rest.strip_prefix('_') else { return Vec::new() };
            let untimed = if last == "gho" { None } else { without_time(name) };
            [Some(name), untimed].into_iter().flatten().filter(|name| !name.is_empty()).collect()
        }
        "new" | "old" => {
            let underscores = rest.bytes().take_while(|byte| *byte == b'_').count();
            let names = (1..=underscores.min(MOST_UNDERSCORES)).filter_map(|cut| rest.get(cut..));
            names.filter(|name| !name.is_empty()).collect()
        }
        _ => Vec::new(),
    }
}

fn without_time(name: &str) -> Option<&str> {
    let (name, time) = name.rsplit_once('_')?;
    let is_time = time.len() == DIGITS_OF_TIME && time.bytes().all(|byte| byte.is_ascii_digit());
    is_time.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ghost_tables_are_known_by_their_names() {
        assert_eq!(subjects("_orders_gho"), ["orders"]);
        assert_eq!(subjects("_orders_ghc"), ["orders"]);
        assert_eq!(subjects("_order_items_del"), ["order_items"]);
        let timed = ["orders_20261121070000", "orders"];
        assert_eq!(subjects("_orders_20261121070000_del"), timed);
        assert_eq!(subjects("_orders_2026_del"), ["orders_2026"]);
        assert_eq!(subjects("_orders_new"), ["orders"]);
        assert_eq!(subjects("___orders_old"), ["__orders", "_orders", "orders"]);
    }

    #[test]
    fn other_tables_are_none() {
        for table in ["orders", "orders_gho", "orders_new", "_gho", "__gho", "_new", "_orders", ""]
        {
            assert!(subjects(table).is_empty(), "{table}");
        }
    }
}
