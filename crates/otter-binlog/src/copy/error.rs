//! Why an initial copy stops, with the table and the remedy.

use otter_core::{Causes, Classify, Fault, TableName};

use crate::connection::ConnectionError;
use crate::selector::SelectError;

/// Why tables cannot be copied. No message holds a row's value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// A question to the source failed.
    #[error("{}", Causes(.0))]
    Connection(#[from] ConnectionError),
    /// The source does not tell where it is.
    #[error(transparent)]
    Select(#[from] SelectError),
    /// The source has no GTIDs, by which a snapshot's place would be known, and takes no row that
    /// would tell instead.
    #[error(
        "the source has gtid_mode = {mode}, and without GTIDs a row that is written there tells which \
         changes a snapshot holds, but {problem}. Set gtid_mode=ON and enforce_gtid_consistency=ON \
         at the source; or let the account write the row: {remedy}"
    )]
    NoGtids {
        /// As it is.
        mode: String,
        /// Why the row cannot be written.
        problem: String,
        /// The statements that let it be written.
        remedy: String,
    },
    /// The table cannot be copied.
    #[error("{table} cannot be copied: {problem}")]
    Table {
        /// The source's table.
        table: TableName,
        /// What is wrong, with the remedy.
        problem: String,
    },
    /// The source refuses to read the table.
    #[error(
        "{table} cannot be read: the source answers error {code}{meaning}. Look there with SELECT \
         COUNT(*) FROM {table} and mend what it says: the copy goes on where it was (where the pipeline \
         has stopped, start it again); or leave the table out of the mapping (`except`)"
    )]
    Unreadable {
        /// The source's table.
        table: TableName,
        /// The server's error, whose own words may hold values of rows.
        code: u16,
        /// What it means, where that is known.
        meaning: &'static str,
    },
    /// Rows of the table cannot be copied again as it was asked for.
    #[error("rows of {table} cannot be copied again: {problem}")]
    Request {
        /// The source's table.
        table: TableName,
        /// What is wrong, with the remedy.
        problem: String,
    },
    /// The table is changed faster than it can be read.
    #[error(
        "{table} was changed each of the {tries} times that it, or the same part of it, was read: \
         stop writing to it for as long as reading it takes; a table without a key is read as a \
         whole, and a primary key lets it be read in parts"
    )]
    Busy {
        /// The source's table.
        table: TableName,
        /// How often it was read.
        tries: u32,
    },
    /// The source is not ready to read the table.
    #[error(
        "{table} was asked for in vain: {reason}. SHOW PROCESSLIST at the source tells \
         which statement keeps it; it is asked for again"
    )]
    Unready {
        /// The source's table.
        table: TableName,
        /// What the source is not ready for.
        reason: &'static str,
    },
    /// Reading a table was interrupted after some of its rows were handed out.
    #[error("reading {table} was interrupted: {reason}")]
    Interrupted {
        /// The source's table.
        table: TableName,
        /// Why.
        reason: &'static str,
    },
    /// A row came that does not hold all columns.
    #[error(
        "a change of {table} does not hold all columns, and the row may not be in the target yet: \
         a session has binlog_row_image = MINIMAL or NOBLOB. Set it to FULL until the initial copy \
         is finished, and start the copy afresh: empty the target's tables and give the pipeline \
         another name"
    )]
    PartialRow {
        /// The source's table.
        table: TableName,
    },
    /// A schema change that the copy cannot follow.
    #[error(
        "{kind} of {tables} came while the initial copy was under way, and not all of these are \
         copied: start the copy afresh: empty the target's tables and give the pipeline another name"
    )]
    Ddl {
        /// What it does.
        kind: String,
        /// The tables that it names.
        tables: String,
    },
    /// How far the copy is, as the target has it, does not fit the table.
    #[error(
        "the copy of {table} cannot go on where it was: {problem}. Start the copy of this table \
         afresh: take it out of the mapping, start and stop the pipeline, empty the target's table, \
         and put it into the mapping again"
    )]
    BadRecord {
        /// The source's table.
        table: TableName,
        /// What is wrong.
        problem: &'static str,
    },
}

impl Classify for CopyError {
    fn fault(&self) -> Fault {
        match self {
            Self::Connection(error) => error.fault(),
            Self::Select(error) => error.fault(),
            Self::Interrupted { .. } | Self::Unready { .. } => Fault::Transient,
            Self::NoGtids { .. }
            | Self::Table { .. }
            | Self::Unreadable { .. }
            | Self::Request { .. }
            | Self::Busy { .. }
            | Self::BadRecord { .. } => Fault::Fatal,
            Self::PartialRow { .. } | Self::Ddl { .. } => Fault::Poison,
        }
    }

    fn doing(&self) -> &'static str {
        "copy tables from the source"
    }
}
