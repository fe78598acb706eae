//! What verifying found.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use otter_core::TableName;

use super::MappedTable;
use super::digest::digest;

/// What verifying a pipeline found, table by table in the order of the target's names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Report {
    /// One for each table of the target.
    pub tables: Vec<TableReport>,
}

/// What verifying a table of the target found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableReport {
    /// The source's tables whose rows it holds, at least one.
    pub sources: Vec<TableName>,
    /// The target's table.
    pub target: TableName,
    /// Rows at the source.
    pub source_rows: u64,
    /// Rows at the target.
    pub target_rows: u64,
    /// How many ranges of rows were compared.
    pub chunks: u64,
    /// How long it took.
    pub took: Duration,
    /// Rows that the target lacks.
    pub missing: u64,
    /// Rows that only the target has.
    pub extra: u64,
    /// Rows that differ.
    pub different: u64,
    /// Rows of which nothing could be said, since they changed all the while or the pipeline did not
    /// come so far.
    pub unsettled: u64,
    /// Why nothing, or not all, could be said.
    pub reason: Option<String>,
    /// The place in the source's history that the target must have reached where it is equal: all that
    /// was committed before it was looked at.
    pub position: Option<String>,
    /// The first of the differences, as many as were asked for.
    pub differences: Vec<Difference>,
    /// Columns that the target alone has: a row that is copied again gets their defaults.
    pub only_at_target: Vec<Arc<str>>,
}

/// How a table stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// All rows are equal.
    Equal,
    /// Rows differ.
    Different,
    /// No row is known to differ, and of some nothing could be said.
    Unsettled,
    /// It was not compared.
    Unverified,
}

/// How a row differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DifferenceKind {
    /// The target lacks it.
    Missing,
    /// Only the target has it.
    Extra,
    /// Both have it, and not with the same values.
    Different,
    /// It could not be told whether it differs.
    Unsettled,
}

/// A row that differs.
///
/// `Debug` shows its values: keep it out of logs (SECRET-1).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// How it differs.
    pub kind: DifferenceKind,
    /// The key's columns with their values; empty for a table without a key.
    pub key: Vec<(Arc<str>, Shown)>,
    /// The columns that differ; of a missing or extra row of a table without a key, all columns, and of
    /// a missing row where [whole rows](super::VerifyOptions::whole_rows) are wanted. None behind the
    /// [rows with values](super::VerifyOptions::rows_with_values).
    pub columns: Vec<ColumnDifference>,
    /// In how many equal rows; more than 1 only in tables without a key.
    pub times: u64,
    /// The same key at the source; `None` where that has no such key, or several of its tables flow
    /// into the target's.
    pub at_source: Option<SourceKey>,
}

/// The key of a row at the source, to ask for it.
///
/// `Debug` leaves its values out.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceKey {
    /// The source's table.
    pub table: TableName,
    /// The key's columns there.
    pub columns: Arc<[Arc<str>]>,
    /// Their values as SQL literals with commas between them, as
    /// [`ResyncWish::Keys`](otter_core::ResyncWish::Keys) takes them.
    pub values: String,
}

impl fmt::Debug for SourceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceKey").field("table", &self.table).finish_non_exhaustive()
    }
}

/// A column that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ColumnDifference {
    /// The target's column.
    pub name: Arc<str>,
    /// The value at the source.
    pub source: Shown,
    /// The value at the target.
    pub target: Shown,
}

/// A value as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// There is no such row on this side.
    Absent,
    /// NULL.
    Null,
    /// A value in UTF-8.
    Text(String),
    /// Bytes that are no UTF-8.
    Bytes(Vec<u8>),
}

impl Report {
    /// The gravest state of all tables.
    #[must_use]
    pub fn state(&self) -> State {
        // Nothing was looked at.
        if self.tables.is_empty() {
            return State::Unverified;
        }
        let has = |state| self.tables.iter().any(|table| table.state() == state);
        let gravest = [State::Different, State::Unsettled, State::Unverified];
        gravest.into_iter().find(|state| has(*state)).unwrap_or(State::Equal)
    }
}

impl TableReport {
    pub(super) fn new(sources: Vec<TableName>, target: TableName) -> Self {
        Self {
            sources,
            target,
            source_rows: 0,
            target_rows: 0,
            chunks: 0,
            took: Duration::ZERO,
            missing: 0,
            extra: 0,
            different: 0,
            unsettled: 0,
            reason: None,
            position: None,
            differences: Vec::new(),
            only_at_target: Vec::new(),
        }
    }

    /// A table of which nothing is known, for this reason; these flow into it, at least one.
    #[must_use]
    pub fn unverified(tables: &[MappedTable], reason: impl Into<String>) -> Self {
        let sources = tables.iter().map(|table| table.source.clone()).collect();
        let target = tables.first().map_or_else(|| TableName::new("", ""), |it| it.target.clone());
        Self { reason: Some(reason.into()), ..Self::new(sources, target) }
    }

    /// How the table stands.
    #[must_use]
    pub fn state(&self) -> State {
        if self.missing + self.extra + self.different > 0 {
            return State::Different;
        }
        match (self.unsettled, &self.reason) {
            (0, None) => State::Equal,
            (0, Some(_)) => State::Unverified,
            (_, _) => State::Unsettled,
        }
    }
}

impl Difference {
    /// Stands for the key where values are not to be shown: the same key has the same digest.
    #[must_use]
    pub fn key_digest(&self) -> String {
        let text = |shown: &Shown| match shown {
            Shown::Absent | Shown::Null => Vec::new(),
            Shown::Text(text) => text.clone().into_bytes(),
            Shown::Bytes(bytes) => bytes.clone(),
        };
        digest(self.key.iter().map(|(_, value)| text(value)))
    }
}

impl State {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Different => "different",
            Self::Unsettled => "unsettled",
            Self::Unverified => "not verified",
        }
    }

    /// The state of a word.
    pub(super) fn of_word(word: &str) -> Option<Self> {
        let all = [Self::Equal, Self::Different, Self::Unsettled, Self::Unverified];
        all.into_iter().find(|state| state.word() == word)
    }
}

impl DifferenceKind {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::Different => "different",
            Self::Unsettled => "unsettled",
        }
    }
}

impl Shown {
    /// A value that a server gave in hexadecimal.
    pub(super) fn of_hex(hex: Option<&str>) -> Self {
        let Some(hex) = hex else { return Self::Null };
        let digit =
            |at: usize| hex.get(at..at + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
        let bytes: Vec<u8> = (0..hex.len()).step_by(2).filter_map(digit).collect();
        match String::from_utf8(bytes) {
            Ok(text) => Self::Text(text),
            Err(error) => Self::Bytes(error.into_bytes()),
        }
    }
}
