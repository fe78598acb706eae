//! `database.table` with wildcards in either part, as an operator writes it.
//!
//! Names that hold a point or a wildcard character stand in backticks.

use std::fmt;
use std::str::FromStr;

use super::error::MappingError;
use super::glob::{Glob, NumberRange, Piece, Specificity};
use crate::table::TableName;

/// The schemas that every server has for itself.
const SERVER_SCHEMAS: [&str; 4] = ["mysql", "sys", "information_schema", "performance_schema"];

/// Which tables: `shop.orders`, `shop.*`, `tenant_??.orders`, `legacy.item_[00-31]`,
/// `` `my.shop`.* ``.
///
/// ```
/// use otter_core::mapping::TablePattern;
/// use otter_core::TableName;
///
/// let pattern: TablePattern = "shop.order_*".parse().unwrap();
/// assert!(pattern.matches(&TableName::new("shop", "order_items")));
/// assert!(!pattern.matches(&TableName::new("shop", "customers")));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TablePattern {
    pub(super) database: Glob,
    pub(super) table: Glob,
}

impl TablePattern {
    /// Whether the table is one of these.
    #[must_use]
    pub fn matches(&self, name: &TableName) -> bool {
        self.matches_database(&name.database) && self.table.captures(&name.table).is_some()
    }

    /// Whether tables of this database can be among these.
    #[must_use]
    pub fn matches_database(&self, database: &str) -> bool {
        self.database_captures(database).is_some()
    }

    /// What the wildcards of the database's name stand for. A wildcard never means a schema that
    /// belongs to the server itself: `*.*` is what applications wrote.
    pub(super) fn database_captures<'n>(&self, database: &'n str) -> Option<Vec<&'n str>> {
        let captures = self.database.captures(database)?;
        let is_own = SERVER_SCHEMAS.iter().any(|own| own.eq_ignore_ascii_case(database));
        (captures.is_empty() || !is_own).then_some(captures)
    }

    /// Whether some table can be among both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.database.overlaps(&other.database) && self.table.overlaps(&other.table)
    }

    /// Whether all tables of the other are among these.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.database.covers(&other.database) && self.table.covers(&other.table)
    }

    /// The one table that is meant, where there is no wildcard.
    #[must_use]
    pub fn exact(&self) -> Option<TableName> {
        Some(TableName::new(self.database.exact()?, self.table.exact()?))
    }

    /// Whether any name of a table is among these.
    pub(super) fn takes_all_tables(&self) -> bool {
        self.table.is_any()
    }

    pub(super) fn specificity(&self) -> Specificity {
        self.database.specificity().and(self.table.specificity())
    }
}

impl FromStr for TablePattern {
    type Err = MappingError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > 1 && text.starts_with('/') && text.ends_with('/') {
            return Err(MappingError::Regex(text.to_owned()));
        }
        let invalid = || MappingError::Pattern(text.to_owned());
        let mut parts: Vec<Vec<Piece>> = vec![Vec::new()];
        let mut letters = text.chars().peekable();
        let mut quoted = false;
        while let Some(letter) = letters.next() {
            let piece = match letter {
                '`' if quoted && letters.next_if_eq(&'`').is_some() => Piece::Literal('`'),
                '`' => {
                    quoted = !quoted;
                    continue;
                }
                '.' if !quoted => {
                    parts.push(Vec::new());
                    continue;
                }
                '[' if !quoted => {
                    let rest: String = letters.clone().collect();
                    let inside = rest.split_once(']').map(|(inside, _)| inside.to_owned());
                    let range = inside.as_deref().and_then(NumberRange::parse);
                    let range = range.ok_or_else(|| MappingError::Range(text.to_owned()))?;
                    letters.by_ref().find(|letter| *letter == ']');
                    Piece::Range(range)
                }
                ']' if !quoted => return Err(MappingError::Range(text.to_owned())),
                '*' if !quoted => Piece::Any,
                '?' if !quoted => Piece::One,
                letter if !quoted && letter.is_whitespace() => return Err(invalid()),
                letter => Piece::Literal(letter),
            };
            parts.last_mut().ok_or_else(invalid)?.push(piece);
        }
        match <[_; 2]>::try_from(parts) {
            Ok([database, table]) if !quoted && !database.is_empty() && !table.is_empty() => {
                Ok(Self { database: Glob::new(database), table: Glob::new(table) })
            }
            Ok(_) | Err(_) => Err(invalid()),
        }
    }
}

impl fmt::Display for TablePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.database, self.table)
    }
}
