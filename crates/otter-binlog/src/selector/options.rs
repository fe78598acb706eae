//! What a selector reads, and how much of it at a time.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use otter_core::{DatabaseUrl, MemorySchemaLog, SchemaLog, TableName};

/// Which tables are wanted.
pub type TableFilter = Arc<dyn Fn(&TableName) -> bool + Send + Sync>;
/// Which databases may hold wanted tables.
pub type DatabaseFilter = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// The schema that holds the own tables of a pipeline unless another is named.
pub const OWN_SCHEMA: &str = "otter";

const MARK_TABLE: &str = "mark";
/// Large enough that the cost per batch vanishes, small enough that many are in flight.
const BATCH_BYTES: usize = 1 << 20;
const BATCH_ROWS: usize = 16 * 1024;
const FRAGMENT_BYTES: usize = 4 << 20;
/// A row of the default max_allowed_packet of 64 MiB just fits.
const MAX_EVENT: usize = 64 << 20;

/// What the source's global settings must make its binlog tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowsNeeded {
    /// Whole rows, for whoever writes them to a target. A source whose `binlog_format` is not ROW
    /// or whose `binlog_row_image` is not FULL is refused at once.
    Whole,
    /// What there is, for whoever only reads. Rows lack what `binlog_row_image` MINIMAL or NOBLOB
    /// leaves out. With `binlog_format` STATEMENT or MIXED a warning is logged, and a statement
    /// that was not logged as rows still ends the reading. FULL_NODUP is refused.
    AsLogged,
}

/// The options of a [`BinlogSelector`](super::BinlogSelector). Start from
/// [`SelectorOptions::new`] and change what differs.
#[derive(Clone)]
pub struct SelectorOptions {
    /// The source.
    pub url: DatabaseUrl,
    /// Which tables are wanted. Rows of others are skipped unread. Asked once per table map.
    pub filter: TableFilter,
    /// Which databases may hold wanted tables: DDL on a whole database is reported only for
    /// these. All but the server's own until set.
    pub databases: DatabaseFilter,
    /// The schema of Otter's own tables, whose rows are never forwarded; `None` for a reader, from
    /// which nothing is hidden.
    pub own_schema: Option<String>,
    /// The table in `own_schema` whose column `origin` signs a transaction.
    pub mark_table: String,
    /// The table in `own_schema` into which requests to copy rows again are inserted, and whose rows are
    /// therefore given. `None` until set.
    pub request_table: Option<String>,
    /// Whether the source must log whole rows.
    pub rows_needed: RowsNeeded,
    /// Where the source's schema is remembered between runs. One per pipeline; in memory until
    /// set, so that a new process knows only the schema of its start.
    pub schema_log: Arc<dyn SchemaLog>,
    /// A batch ends with the transaction that brings it to this many bytes.
    pub batch_bytes: usize,
    /// A batch ends with the transaction that brings it to this many rows.
    pub batch_rows: usize,
    /// A transaction with more bytes than this is handed out in fragments.
    pub fragment_bytes: usize,
    /// A larger event stops the pipeline.
    pub max_event: usize,
    /// How often an idle source says that it lives.
    pub heartbeat: Duration,
    /// Progress over transactions without wanted rows is reported at most this often.
    pub progress_interval: Duration,
}

impl SelectorOptions {
    /// The usual options of a pipeline for these tables of this source.
    #[must_use]
    pub fn new(url: DatabaseUrl, filter: TableFilter) -> Self {
        Self {
            own_schema: Some(OWN_SCHEMA.to_owned()),
            rows_needed: RowsNeeded::Whole,
            ..Self::for_reader(url, filter)
        }
    }

    /// The usual options of whoever only reads these tables of this source, and writes them to no
    /// target: nothing is hidden, the tables of a schema named `otter` neither, and rows need not be
    /// whole.
    #[must_use]
    pub fn for_reader(url: DatabaseUrl, filter: TableFilter) -> Self {
        Self {
            url,
            filter,
            databases: Arc::new(is_of_users),
            own_schema: None,
            mark_table: MARK_TABLE.to_owned(),
            request_table: None,
            rows_needed: RowsNeeded::AsLogged,
            schema_log: Arc::new(MemorySchemaLog::new()),
            batch_bytes: BATCH_BYTES,
            batch_rows: BATCH_ROWS,
            fragment_bytes: FRAGMENT_BYTES,
            max_event: MAX_EVENT,
            heartbeat: Duration::from_secs(2),
            progress_interval: Duration::from_secs(1),
        }
    }
}

/// What is read of a binlog, and how much of it at a time: what a server's stream and files have
/// in common. Start from [`ReadOptions::new`] and change what differs.
///
/// ```
/// use otter_binlog::reader::ReadOptions;
///
/// let mut options = ReadOptions::new(|table| &*table.database == "shop");
/// options.max_event = 1 << 20;
/// ```
#[derive(Clone)]
pub struct ReadOptions {
    /// Which tables are wanted. Rows of others are skipped unread. Asked once per table map.
    pub filter: TableFilter,
    /// Which databases may hold wanted tables: DDL on a whole database is reported only for
    /// these. All but the server's own until set.
    pub databases: DatabaseFilter,
    /// The schema of Otter's own tables, whose rows are then never given. `None` until set:
    /// nothing is hidden, and no transaction tells its [`origin`](otter_core::Transaction::origin).
    pub own_schema: Option<String>,
    /// The table in `own_schema` whose column `origin` signs a transaction.
    pub mark_table: String,
    /// The table in `own_schema` into which requests to copy rows again are inserted, and whose rows are
    /// therefore given. `None` until set.
    pub request_table: Option<String>,
    /// A batch ends with the transaction that brings it to this many bytes.
    pub batch_bytes: usize,
    /// A batch ends with the transaction that brings it to this many rows.
    pub batch_rows: usize,
    /// A transaction with more bytes than this is handed out in fragments.
    pub fragment_bytes: usize,
    /// A larger event is an error.
    pub max_event: usize,
}

impl ReadOptions {
    /// The usual options for these tables.
    #[must_use]
    pub fn new(filter: impl Fn(&TableName) -> bool + Send + Sync + 'static) -> Self {
        Self {
            filter: Arc::new(filter),
            databases: Arc::new(is_of_users),
            own_schema: None,
            mark_table: MARK_TABLE.to_owned(),
            request_table: None,
            batch_bytes: BATCH_BYTES,
            batch_rows: BATCH_ROWS,
            fragment_bytes: FRAGMENT_BYTES,
            max_event: MAX_EVENT,
        }
    }

    /// Whether a database is the one of Otter's own tables.
    pub(crate) fn is_own(&self, database: &str) -> bool {
        self.own_schema.as_deref() == Some(database)
    }
}

impl From<SelectorOptions> for ReadOptions {
    fn from(options: SelectorOptions) -> Self {
        Self {
            filter: options.filter,
            databases: options.databases,
            own_schema: options.own_schema,
            mark_table: options.mark_table,
            request_table: options.request_table,
            batch_bytes: options.batch_bytes,
            batch_rows: options.batch_rows,
            fragment_bytes: options.fragment_bytes,
            max_event: options.max_event,
        }
    }
}

fn is_of_users(database: &str) -> bool {
    !crate::schema::reader::SYSTEM_SCHEMAS.contains(&database)
}

impl fmt::Debug for ReadOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadOptions")
            .field("batch_bytes", &self.batch_bytes)
            .field("fragment_bytes", &self.fragment_bytes)
            .field("max_event", &self.max_event)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SelectorOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SelectorOptions")
            .field("url", &self.url)
            .field("batch_bytes", &self.batch_bytes)
            .field("fragment_bytes", &self.fragment_bytes)
            .field("max_event", &self.max_event)
            .finish_non_exhaustive()
    }
}
