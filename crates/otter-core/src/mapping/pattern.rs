//! `database.table` with wildcards in either part, as an operator writes it.
//!
//! Names that hold a point or a wildcard character stand in backticks, and a regular expression
//! between slashes.

use std::fmt;
use std::str::FromStr;

use super::error::MappingError;
use super::glob::{Expression, Glob, NumberRange, Piece, Specificity};
use crate::table::TableName;

/// The schemas that every server has for itself.
const SERVER_SCHEMAS: [&str; 4] = ["mysql", "sys", "information_schema", "performance_schema"];

/// Which tables: `shop.orders`, `shop.*`, `tenant_??.orders`, `legacy.item_[00-31]`,
/// `` `my.shop`.* ``, `shop./order_(\d+)/`.
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
        // A wildcard never means a schema of the server's own, which its name does.
        let named = other.database.exact();
        named.is_none_or(|database| self.matches_database(&database))
            && self.database.covers(&other.database)
            && self.table.covers(&other.table)
    }

    /// The one table that is meant, where there is no wildcard.
    #[must_use]
    pub fn exact(&self) -> Option<TableName> {
        Some(TableName::new(self.database.exact()?, self.table.exact()?))
    }

    pub(super) fn has_expression(&self) -> bool {
        self.database.is_expression() || self.table.is_expression()
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
        let invalid = || MappingError::Pattern(text.to_owned());
        let mut rest = text;
        let database = read_part(text, &mut rest)?;
        rest = rest.strip_prefix('.').ok_or_else(invalid)?;
        let table = read_part(text, &mut rest)?;
        if !rest.is_empty() {
            return Err(invalid());
        }
        Ok(Self { database, table })
    }
}

/// Reads a part of a pattern up to a point or the end; `text` is the whole of it, for messages.
fn read_part(text: &str, rest: &mut &str) -> Result<Glob, MappingError> {
    if let Some(behind) = rest.strip_prefix('/') {
        return read_expression(text, behind, rest);
    }
    let invalid = || MappingError::Pattern(text.to_owned());
    let mut pieces = Vec::new();
    let mut letters = rest.char_indices().peekable();
    let mut quoted = false;
    let mut end = rest.len();
    while let Some((at, letter)) = letters.next() {
        let piece = match letter {
            '`' if quoted && letters.next_if(|(_, next)| *next == '`').is_some() => {
                Piece::Literal('`')
            }
            '`' => {
                quoted = !quoted;
                continue;
            }
            '.' if !quoted => {
                end = at;
                break;
            }
            '[' if !quoted => {
                let inside = rest.get(at + 1..).and_then(|behind| behind.split_once(']'));
                let range = inside.and_then(|(inside, _)| NumberRange::parse(inside));
                let range = range.ok_or_else(|| MappingError::Range(text.to_owned()))?;
                letters.by_ref().find(|(_, letter)| *letter == ']');
                Piece::Range(range)
            }
            ']' if !quoted => return Err(MappingError::Range(text.to_owned())),
            '*' if !quoted => Piece::Any,
            '?' if !quoted => Piece::One,
            letter if !quoted && letter.is_whitespace() => return Err(invalid()),
            letter => Piece::Literal(letter),
        };
        pieces.push(piece);
    }
    if quoted || pieces.is_empty() {
        return Err(invalid());
    }
    *rest = rest.get(end..).unwrap_or_default();
    Ok(Glob::new(pieces))
}

/// Reads an expression up to the slash that ends its part. `\/` is a slash of its own.
fn read_expression<'t>(
    text: &str,
    behind: &'t str,
    rest: &mut &'t str,
) -> Result<Glob, MappingError> {
    let mut written = String::new();
    let mut letters = behind.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '/' => {
                *rest = behind.get(at + 1..).unwrap_or_default();
                let expression = written.parse::<Expression>().map_err(|problem| {
                    MappingError::Expression { expression: written.clone(), problem }
                })?;
                return Ok(Glob::from_expression(expression));
            }
            '\\' => match letters.next() {
                Some((_, '/')) => written.push('/'),
                Some((_, escaped)) => written.extend(['\\', escaped]),
                None => break,
            },
            letter => written.push(letter),
        }
    }
    Err(MappingError::Pattern(text.to_owned()))
}

impl fmt::Display for TablePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.database, self.table)
    }
}
