//! Where a dump begins, and how it behaves.

use std::time::Duration;

/// The place from which events are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DumpStart {
    /// MySQL: everything that is not in this GTID set, tags included; empty for everything that
    /// there is.
    MySqlGtid(String),
    /// MariaDB: everything after this position, such as `0-1-5,1-2-7`; empty for everything that
    /// there is.
    MariaDbGtid(String),
    /// Either: everything from a place in a file. The protocol reaches only the first 4 GiB of it.
    File {
        /// The file's name, without a path; empty for the oldest one.
        name: String,
        /// The place in bytes; 4 for the file's beginning.
        offset: u64,
    },
}

/// What happens when everything that was written has been sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtEnd {
    /// The server waits for more and sends heartbeats meanwhile.
    Wait,
    /// The stream ends.
    Stop,
}

/// A request for events. Start from [`DumpRequest::new`] and change what differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpRequest {
    /// Where to begin.
    pub start: DumpStart,
    /// How often a server with nothing to send says that it lives, from 10 ms to an hour. A
    /// silence of two and a half times this is taken for a dead line.
    pub heartbeat: Duration,
    /// The largest event in bytes that is received; a larger one ends the stream with an error.
    pub max_event: usize,
    /// Whether to wait at the end.
    pub at_end: AtEnd,
    /// MariaDB: whether to send the statements' texts (ANNOTATE_ROWS) before their rows. MySQL
    /// sends its own (ROWS_QUERY) whenever they were written.
    pub annotate_rows: bool,
}

/// Long enough for a busy server and a lost packet across an ocean, short enough that a dead line
/// is left within five seconds.
const DEFAULT_HEARTBEAT: Duration = Duration::from_secs(2);
/// MySQL's largest event is 1 GiB of rows and a little around them.
const DEFAULT_MAX_EVENT: usize = (1 << 30) + (1 << 20);

impl DumpRequest {
    /// Events from `start`, with a heartbeat of 2 s, of at most 1 GiB and 1 MiB each, waiting at
    /// the end, without annotations.
    #[must_use]
    pub fn new(start: DumpStart) -> Self {
        Self {
            start,
            heartbeat: DEFAULT_HEARTBEAT,
            max_event: DEFAULT_MAX_EVENT,
            at_end: AtEnd::Wait,
            annotate_rows: false,
        }
    }
}
