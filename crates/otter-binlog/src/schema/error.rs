//! Why a table's definition cannot be told.

use std::sync::Arc;

use otter_core::{Classify, Fault, TableName};

/// Why the rows of a table cannot be understood.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// The schema of now is not the one of then.
    #[error(
        "column {ordinal} of `{table}`: its rows were written as {logged}, but the table's \
         definition now says {now}; the table was altered since. Run SET GLOBAL \
         binlog_row_metadata = FULL on the source, so that rows carry their definition, and start \
         behind the ALTER, copying the table again"
    )]
    Mismatch {
        /// The table.
        table: TableName,
        /// The column's number from 1, with its name where it is known.
        ordinal: String,
        /// What the table map says.
        logged: String,
        /// What `information_schema` says.
        now: String,
    },
    /// The number of columns differs.
    #[error(
        "`{table}`: its rows were written with {logged} columns, but the table has {now} now; the \
         table was altered since, or a UNIQUE key of MariaDB's over a BLOB or TEXT adds hidden \
         columns. Run SET GLOBAL binlog_row_metadata = FULL on the source, so that rows carry \
         their definition, and start behind these rows, copying the table again"
    )]
    Width {
        /// The table.
        table: TableName,
        /// Columns of the table map.
        logged: usize,
        /// Columns now.
        now: usize,
    },
    /// The table is gone, or hidden from the account.
    #[error(
        "`{table}` is not in the source's information_schema: it was dropped or renamed since, or \
         the account may not see it. Run SET GLOBAL binlog_row_metadata = FULL on the source, so \
         that rows carry their definition, or GRANT SELECT on the table to the account"
    )]
    Missing {
        /// The table.
        table: TableName,
    },
    /// The table was altered behind these rows, and what it was before is not known.
    #[error(
        "`{table}` was altered, renamed or dropped later in the binlog than these rows, which do \
         not carry their whole definition, and what it looked like before is not known. Start \
         behind the change, copying the table again; with SET GLOBAL binlog_row_metadata = FULL on \
         the source rows carry it from then on, all but MariaDB's UUID, INET4 and INET6"
    )]
    ChangedSince {
        /// The table.
        table: TableName,
    },
    /// A column's type cannot be decoded.
    #[error("column `{column}` of `{table}` has a type that cannot be decoded: {problem}")]
    Unsupported {
        /// The table.
        table: TableName,
        /// The column.
        column: Arc<str>,
        /// What is wrong with the type.
        problem: String,
    },
}

impl Classify for SchemaError {
    fn fault(&self) -> Fault {
        match self {
            Self::Mismatch { .. }
            | Self::Width { .. }
            | Self::Missing { .. }
            | Self::ChangedSince { .. }
            | Self::Unsupported { .. } => Fault::Poison,
        }
    }

    fn doing(&self) -> &'static str {
        "understand the rows of a table"
    }
}
