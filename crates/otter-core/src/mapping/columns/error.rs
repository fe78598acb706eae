//! What can be wrong with column rules once a table is known.

use crate::fault::{Classify, Fault};
use crate::table::TableName;

/// Column rules that a table does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ColumnRulesError {
    /// The table has no such column.
    #[error(
        "the mapping of {table} would {rule} column `{column}`, which the table does not have: {}",
        meant(.nearest)
    )]
    Unknown {
        /// The source's table.
        table: TableName,
        /// `rename`, `drop` or `filter by`.
        rule: &'static str,
        /// As it was written.
        column: String,
        /// The column that resembles it.
        nearest: Option<String>,
    },
    /// Two columns would have one name.
    #[error(
        "the mapping of {table} would make two columns `{column}`: rename or drop the one that the \
         table has, or choose another name"
    )]
    Taken {
        /// The source's table.
        table: TableName,
        /// The name.
        column: String,
    },
    /// All columns are dropped.
    #[error("the mapping of {table} would drop all its columns: keep one, or do not map the table")]
    NothingLeft {
        /// The source's table.
        table: TableName,
    },
    /// Constants too long to hold.
    #[error("the constants in the mapping of {table} are too long: shorten them")]
    TooLong {
        /// The source's table.
        table: TableName,
    },
}

impl Classify for ColumnRulesError {
    fn fault(&self) -> Fault {
        Fault::Fatal
    }
    fn doing(&self) -> &'static str {
        "map the columns of a table"
    }
}

impl ColumnRulesError {
    /// The source's table.
    #[must_use]
    pub fn table(&self) -> &TableName {
        match self {
            Self::Unknown { table, .. }
            | Self::Taken { table, .. }
            | Self::NothingLeft { table }
            | Self::TooLong { table } => table,
        }
    }
}

fn meant(nearest: &Option<String>) -> String {
    match nearest {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => "remove the rule, or give such tables a mapping of their own".to_owned(),
    }
}
