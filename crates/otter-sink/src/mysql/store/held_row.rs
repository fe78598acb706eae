//! A held row as `quarantine` has it, apart from what it holds.

use otter_core::TableName;

use crate::mysql::conn::TextRow;

/// The columns of a [`HeldRow`], in order.
pub(super) const COLUMNS: &str = "`id`, `database`, `table`, `kind`, `key_columns`, `gtid`, `place`, \
                       `ordinal`, `origin`, `code`, `reason`, `remedy`, `cause`, `tries`, \
                       `held_time`, `tried_time`, `wanted`, `edited`";

/// A held row without what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeldRow {
    pub(crate) id: u64,
    /// The target's table.
    pub(crate) table: TableName,
    /// `insert`, `update` or `delete`.
    pub(crate) kind: String,
    /// The names of the columns that identify the row.
    pub(crate) key: String,
    pub(crate) gtid: Option<String>,
    /// Where its transaction begins in the source's binlog.
    pub(crate) place: String,
    /// The row's number in its transaction, from 1.
    pub(crate) ordinal: u64,
    /// The site that wrote it first, where a mark told.
    pub(crate) origin: Option<String>,
    pub(crate) verdict: Verdict,
    /// The held row that it waits behind.
    pub(crate) cause: Option<u64>,
    pub(crate) tries: u32,
    /// When it was held, by the target's clock in UTC.
    pub(crate) held_time: String,
    pub(crate) tried_time: Option<String>,
    pub(crate) wanted: Option<Wanted>,
    /// Whether an operator has replaced values.
    pub(crate) is_edited: bool,
}

/// Why a row is held, without values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// One word for programs.
    pub(crate) code: String,
    pub(crate) reason: String,
    pub(crate) remedy: String,
}

/// What an operator wants done with a held row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    Retry,
    Drop,
}

/// Which held rows are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HeldFilter {
    All,
    Ids(Vec<u64>),
    Table(TableName),
}

impl Wanted {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Drop => "drop",
        }
    }
}

impl HeldRow {
    /// Reads a row of [`COLUMNS`]; `None` where it is none.
    pub(super) fn parse(row: &TextRow) -> Option<Self> {
        let mut cells = row.iter().cloned();
        let mut next = || cells.next();
        Some(Self {
            id: next()??.parse().ok()?,
            table: TableName::new(next()??, next()??),
            kind: next()??,
            key: next()??,
            gtid: next()?,
            place: next()??,
            ordinal: next()??.parse().ok()?,
            origin: next()?,
            verdict: Verdict { code: next()??, reason: next()??, remedy: next()?? },
            cause: match next()? {
                Some(cause) => Some(cause.parse().ok()?),
                None => None,
            },
            tries: next()??.parse().ok()?,
            held_time: next()??,
            tried_time: next()?,
            wanted: match next()?.as_deref() {
                None => None,
                Some("retry") => Some(Wanted::Retry),
                Some("drop") => Some(Wanted::Drop),
                Some(_) => return None,
            },
            is_edited: next()?? == "1",
        })
    }
}
