//! Scripts in the language [Rhai](https://rhai.rs) that decide about rows.
//!
//! A script sees the row as `row`, and of it the columns that it names: `row.country`, or
//! `row["order no"]`. It cannot reach anything else: no files, no network, no clock, no modules. Its
//! operations, depth of calls, sizes and time are limited, and no message shows a value.
//!
//! | column | in a script |
//! |---|---|
//! | NULL | `()` |
//! | integers, BIT, YEAR | a whole number; above 2⁶³-1 an exact number |
//! | DECIMAL | an exact number, which compares with numbers; `to_float()` to calculate with it |
//! | FLOAT, DOUBLE | a number with a fraction |
//! | CHAR, VARCHAR, TEXT | a text |
//! | DATE, DATETIME, TIMESTAMP (in UTC), TIME | a text as the server writes it, such as `2026-11-21 07:00:00` |
//! | ENUM, SET | the text of its labels |
//! | JSON | its text |
//! | BINARY, BLOB, spatial types, VECTOR | a blob of bytes |
//!
//! NULL is equal to nothing but `()`, unequal to all else, and neither greater nor less than
//! anything. Text and numbers are never compared: that is an error.

mod convert;
mod engine;
mod error;
mod exact;
mod scan;

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use rhai::{AST, Dynamic, Engine, Map, Scope};

pub use error::ScriptError;

use crate::mapping::{AskedRow, RowFilter, RowPicker};

/// A filter of rows that is written as a script.
///
/// ```
/// use otter_core::script::ScriptFilter;
///
/// let filter = ScriptFilter::new(r#"row.country == "de" && row.amount > 100"#).unwrap();
/// assert!(ScriptFilter::new("row.country ==").is_err());
/// ```
#[derive(Debug)]
pub struct ScriptFilter(Script);

/// A picker of tables that is written as a script.
///
/// ```
/// use otter_core::script::ScriptPicker;
///
/// let picker = ScriptPicker::new("row.customer % 32").unwrap();
/// assert!(ScriptPicker::new("row.customer %").is_err());
/// ```
#[derive(Debug)]
pub struct ScriptPicker(Script);

/// A script with the columns that it reads.
struct Script {
    text: Arc<str>,
    columns: Vec<Arc<str>>,
    engine: Engine,
    ast: AST,
}

impl ScriptFilter {
    /// Reads a script whose value, `true` or `false`, tells whether a row is carried.
    ///
    /// # Errors
    /// A [`ScriptError`] with the place in the script.
    pub fn new(text: &str) -> Result<Self, ScriptError> {
        Script::new(text).map(Self)
    }
}

impl RowFilter for ScriptFilter {
    fn columns(&self) -> &[Arc<str>] {
        &self.0.columns
    }

    fn keeps(&self, row: &AskedRow<'_>) -> Result<bool, Box<dyn StdError + Send + Sync>> {
        Ok(self.0.value(row)?.as_bool().map_err(|_| ScriptError::NoAnswer)?)
    }
}

impl ScriptPicker {
    /// Reads a script whose value, a whole number, tells which table a row goes to.
    ///
    /// # Errors
    /// A [`ScriptError`] with the place in the script.
    pub fn new(text: &str) -> Result<Self, ScriptError> {
        Script::new(text).map(Self)
    }
}

impl RowPicker for ScriptPicker {
    fn columns(&self) -> &[Arc<str>] {
        &self.0.columns
    }

    fn pick(&self, row: &AskedRow<'_>) -> Result<i64, Box<dyn StdError + Send + Sync>> {
        Ok(self.0.value(row)?.as_int().map_err(|_| ScriptError::NoNumber)?)
    }
}

impl Script {
    fn new(text: &str) -> Result<Self, ScriptError> {
        let columns = scan::columns(text)?;
        let engine = engine::engine();
        let ast = engine.compile(text).map_err(|error| ScriptError::syntax(&error))?;
        Ok(Self { text: Arc::from(text), columns, engine, ast })
    }

    /// What the script makes of a row.
    fn value(&self, row: &AskedRow<'_>) -> Result<Dynamic, ScriptError> {
        let mut map = Map::new();
        for (place, name) in self.columns.iter().enumerate() {
            map.insert(name.as_ref().into(), convert::to_dynamic(row, place, name)?);
        }
        let mut scope = Scope::new();
        scope.push_constant_dynamic("row", Dynamic::from_map(map));
        let outcome =
            engine::limited(|| self.engine.eval_ast_with_scope::<Dynamic>(&mut scope, &self.ast));
        outcome.map_err(|error| ScriptError::evaluation(&error))
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").field("text", &self.text).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
