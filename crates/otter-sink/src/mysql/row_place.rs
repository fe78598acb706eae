//! How a row is named, without its values (SECRET-1).

use std::fmt;
use std::sync::Arc;

use otter_core::{FilePlace, Gtid, RowKind, TableName};

/// Which row is meant, without its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowPlace {
    /// The target's table.
    pub table: TableName,
    /// The names of the columns that identify the row; empty for a table without a key.
    pub key: Vec<Arc<str>>,
    /// What was to be done.
    pub kind: RowKind,
    /// The row's number in its transaction, from 1.
    pub ordinal: u64,
    /// Where the transaction begins in the source's binlog.
    pub start: FilePlace,
    /// The transaction's GTID, where it has one.
    pub gtid: Option<Gtid>,
}

/// What stands behind the number of a row.
pub(crate) const OF_ROW: &str = " of the transaction at ";

impl fmt::Display for RowPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            RowKind::Insert => "insert into",
            RowKind::Update => "update of",
            RowKind::Delete => "delete from",
        };
        write!(f, "{kind} {} (", self.table)?;
        if self.key.is_empty() {
            f.write_str("no key")?;
        }
        for (index, column) in self.key.iter().enumerate() {
            write!(f, "{}{column}", if index == 0 { "key " } else { ", " })?;
        }
        write!(f, "), row {}{OF_ROW}{}", self.ordinal, self.start)?;
        match &self.gtid {
            Some(gtid) => write!(f, " (GTID {gtid})"),
            None => Ok(()),
        }
    }
}
