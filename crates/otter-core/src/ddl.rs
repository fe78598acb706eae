//! Schema changes: the statement with everything that its meaning depends on.

use std::ops::Range;
use std::sync::Arc;

use crate::table::TableName;

/// A schema change, as the source logged it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ddl {
    /// The session's default database, or the database that the statement is about; empty where
    /// there is none.
    pub database: Arc<str>,
    /// The statement's text.
    pub statement: Arc<str>,
    /// What it does, in the statement's own first words: `ALTER TABLE`.
    pub kind: Arc<str>,
    /// The tables that it changes; empty where it concerns a whole database.
    pub tables: Vec<TableName>,
    /// Every table that the text names, also those that it only refers to, in the text's order.
    pub names: Vec<DdlName>,
    /// The session in which it ran.
    pub session: DdlSession,
    /// How much of it concerns the pipeline.
    pub reach: DdlReach,
}

/// The name of a table in a statement's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DdlName {
    /// Its bytes in the text, quotes and database included.
    pub at: Range<usize>,
    /// The table that it means.
    pub table: TableName,
}

/// The session in which a statement ran, as far as its effect depends on it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct DdlSession {
    /// Whether MariaDB wrote the binlog: it counts some modes otherwise than MySQL.
    pub is_mariadb: bool,
    /// The bits of `sql_mode`, as the binlog has them.
    pub sql_mode: u64,
    /// When it began, in microseconds since 1970: what CURRENT_TIMESTAMP means.
    pub begun_micros: u64,
    /// `time_zone`, where the statement depends on it.
    pub time_zone: Option<Arc<str>>,
    /// `system_time_zone`, which a `time_zone` of `SYSTEM` means, where it is known.
    pub system_time_zone: Option<Arc<str>>,
    /// `collation_server`, the default of new databases, where it is known.
    pub server_collation: Option<Arc<str>>,
    /// MySQL: what `CHARACTER SET utf8mb4` means, where it is known.
    pub utf8mb4_collation: Option<Arc<str>>,
    /// MySQL: `explicit_defaults_for_timestamp`, where it is known.
    pub explicit_timestamp_defaults: Option<bool>,
    /// Whether the session did not check foreign keys.
    pub no_foreign_key_checks: bool,
    /// Whether the session did not check unique keys.
    pub no_unique_checks: bool,
    /// Whether the statement failed, and was logged because a part of it had its effect.
    pub failed: bool,
}

/// How much of a schema change concerns a pipeline, and so whether the target may execute it as it
/// is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum DdlReach {
    /// All that it names is carried, and named as in the target.
    #[default]
    Whole,
    /// It names something that is not carried, or a database of which a part is carried.
    Partly,
    /// Its table is one of several that flow into one of the target.
    Merged,
}
