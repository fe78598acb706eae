//! Why reading a source stops, with the place and the remedy.

use std::time::Duration;

use otter_core::{Classify, Fault, FilePlace};

use crate::connection::{ConnectionError, DumpError};
use crate::event::{EventError, EventKind};
use crate::row::ImageError;
use crate::schema::SchemaError;

/// Why the selector cannot begin or go on.
///
/// Each message names the place in the source's binlog, the table where there is one, and the
/// remedy; none holds a row's value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SelectError {
    /// The dump failed.
    #[error(transparent)]
    Dump(#[from] DumpError),
    /// A question to the source failed.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// `next` was called without a successful `open`, or after an error.
    #[error("the source is not open")]
    NotOpen,
    /// A setting of the source that makes reading impossible or unsafe.
    #[error("the source has {variable} = {value}: {remedy}")]
    Setting {
        /// The system variable.
        variable: &'static str,
        /// As it is.
        value: String,
        /// What mends it.
        remedy: &'static str,
    },
    /// The source is another server than before.
    #[error(
        "the source is server {found}, but this pipeline was reading server {expected}: it was \
         replaced, or the URL leads elsewhere. Point the URL at the old one, or compare both sides \
         and start the pipeline afresh"
    )]
    OtherServer {
        /// `server_uuid` of the position.
        expected: String,
        /// `server_uuid` now.
        found: String,
    },
    /// The source does not have what was read from it before.
    #[error(
        "the source's history does not contain what this pipeline has read from it ({what}): it \
         was reset, restored from a backup, or replaced. Compare both sides and start the pipeline \
         afresh"
    )]
    OtherHistory {
        /// What differs.
        what: String,
    },
    /// Part of what must be read is gone.
    #[error(
        "the source has purged binlogs that were not read yet: {what}; the oldest that it still \
         has is {oldest}. Copy the tables again and start the pipeline afresh, and keep binlogs \
         longer there (binlog_expire_logs_seconds)"
    )]
    Purged {
        /// What is missing.
        what: String,
        /// The oldest place there is.
        oldest: String,
    },
    /// An operator's position is not one.
    #[error("the position {place} cannot be used: {problem}")]
    BadPlace {
        /// As given.
        place: String,
        /// What is wrong.
        problem: String,
    },
    /// The bytes of an event are wrong.
    #[error("the {kind} at {place} cannot be read")]
    Event {
        /// Where it begins.
        place: FilePlace,
        /// Its kind.
        kind: EventKind,
        /// What is wrong.
        #[source]
        source: EventError,
    },
    /// An event that is not known and may not be skipped.
    #[error(
        "the event at {place} has type {}, which this version does not know and may not skip: \
         update Otter, or compare both sides and start the pipeline afresh behind it", kind.0
    )]
    UnknownEvent {
        /// Where it begins.
        place: FilePlace,
        /// Its type.
        kind: EventKind,
    },
    /// An event that has no business where it is.
    #[error(
        "the {kind} at {place} is out of place: {problem}. The binlog is damaged or was written by \
         another program: compare both sides and start the pipeline afresh behind it"
    )]
    OutOfPlace {
        /// Where it begins.
        place: FilePlace,
        /// Its kind.
        kind: EventKind,
        /// Why.
        problem: &'static str,
    },
    /// A row cannot be decoded.
    #[error("a row at {place} cannot be decoded")]
    Image {
        /// Where its event begins.
        place: FilePlace,
        /// Table, column and reason.
        #[source]
        source: ImageError,
    },
    /// A table's definition is not known.
    #[error("rows at {place} cannot be understood")]
    Schema {
        /// Where the table map begins.
        place: FilePlace,
        /// Table, column and reason.
        #[source]
        source: SchemaError,
    },
    /// A change that was not logged as rows.
    #[error(
        "the {kind} statement at {place} was logged as a statement, not as rows: run SET GLOBAL \
         binlog_format = ROW on the source, and reconnect the applications that set it for their \
         own session; then compare both sides and start the pipeline afresh behind it"
    )]
    Statement {
        /// Where it begins.
        place: FilePlace,
        /// Its verb.
        kind: String,
    },
    /// A statement's text cannot be carried.
    #[error(
        "the {kind} statement at {place} is written in character set {charset}, which cannot be \
         carried: run it on the target by hand and start the pipeline behind it"
    )]
    StatementText {
        /// Where it begins.
        place: FilePlace,
        /// Its first words.
        kind: String,
        /// The client's character set.
        charset: String,
    },
    /// An XA transaction is committed whose rows were never read.
    #[error(
        "the XA transaction that is committed at {place} was prepared before this pipeline began to \
         read, or without a binlog, so its rows are not known: start the pipeline afresh at a \
         position before its XA PREPARE, or compare both sides and start behind it"
    )]
    Xa {
        /// Where the decision begins.
        place: FilePlace,
    },
    /// An XA transaction is committed whose rows could not be held until then.
    #[error(
        "the XA transaction prepared at {place} does not fit into the {limit} bytes in which \
         undecided ones may wait, half of the memory budget: raise the budget and start again, \
         which reads it again; XA RECOVER at the source lists those that are undecided"
    )]
    XaTooLarge {
        /// Where it begins.
        place: FilePlace,
        /// The limit.
        limit: usize,
    },
    /// An XA transaction that needs no decision is larger than may wait for one.
    #[error(
        "the XA transaction at {place} is committed in one phase and too large to be held: it is \
         read again in fragments"
    )]
    XaOnePhase {
        /// Where it begins.
        place: FilePlace,
    },
    /// The source says that it lost changes.
    #[error(
        "the source reports at {place} that changes may be missing from its binlog (incident \
         {number}): compare both sides and start the pipeline afresh behind it"
    )]
    Incident {
        /// Where the event begins.
        place: FilePlace,
        /// The server's number.
        number: u16,
    },
    /// A transaction that was handed out in part was never finished.
    #[error(
        "the source stopped in the middle of the transaction at {place}, which was read in part: \
         the part is taken back"
    )]
    Abandoned {
        /// Where the transaction begins.
        place: FilePlace,
    },
    /// A savepoint was rolled back to behind whose rows were handed out already.
    #[error(
        "the transaction at {place} rolls back to a savepoint behind which rows were handed out \
         already: make such transactions smaller than the fragment size, or leave tables without \
         transactions out of them; compare both sides and start the pipeline afresh behind it"
    )]
    RolledBack {
        /// Where the transaction begins.
        place: FilePlace,
    },
    /// A savepoint is rolled back to that was not seen.
    #[error(
        "the transaction at {place} rolls back to a savepoint that its binlog does not hold, so \
         that which of its rows count is not known: compare both sides and start the pipeline \
         afresh behind it"
    )]
    UnknownSavepoint {
        /// Where the transaction begins.
        place: FilePlace,
    },
    /// The transaction by which the source was to be recognised does not come.
    #[error("the source sent nothing for {after:?} while its last known transaction was awaited")]
    Unrecognised {
        /// The limit.
        after: Duration,
    },
    /// A record of the schema log cannot be read.
    #[error(
        "record {number} of the schema log cannot be read ({problem}): it was changed by hand or \
         written by a newer version. Delete the pipeline's records there; the schema is then asked \
         of the source again"
    )]
    SchemaLog {
        /// Its number.
        number: u64,
        /// What is wrong.
        problem: String,
    },
    /// The schema log does not work.
    #[error("the schema log cannot be used: {0}")]
    SchemaStore(otter_core::Error),
    /// A bug of ours.
    #[error("the reader has a fault of its own: {0}")]
    Bug(&'static str),
}

impl Classify for SelectError {
    fn fault(&self) -> Fault {
        match self {
            Self::Dump(error) => error.fault(),
            Self::Connection(error) => error.fault(),
            Self::Schema { source, .. } => source.fault(),
            Self::SchemaStore(error) => error.fault(),
            Self::Abandoned { .. } | Self::XaOnePhase { .. } | Self::Unrecognised { .. } => {
                Fault::Transient
            }
            Self::Event { source: EventError::TooLarge { .. }, .. }
            | Self::Image { source: ImageError::NoDocument { .. }, .. }
            | Self::NotOpen
            | Self::Setting { .. }
            | Self::OtherServer { .. }
            | Self::OtherHistory { .. }
            | Self::Purged { .. }
            | Self::BadPlace { .. }
            | Self::UnknownEvent { .. }
            | Self::OutOfPlace { .. }
            | Self::Statement { .. }
            | Self::StatementText { .. }
            | Self::Xa { .. }
            | Self::XaTooLarge { .. }
            | Self::Incident { .. }
            | Self::RolledBack { .. }
            | Self::UnknownSavepoint { .. }
            | Self::SchemaLog { .. }
            | Self::Bug(_) => Fault::Fatal,
            Self::Event { .. } | Self::Image { .. } => Fault::Poison,
        }
    }

    fn doing(&self) -> &'static str {
        match self {
            Self::Dump(error) => error.doing(),
            Self::Connection(error) => error.doing(),
            Self::Schema { source, .. } => source.doing(),
            Self::SchemaLog { .. } | Self::SchemaStore(_) => "remember the source's schema",
            Self::Setting { .. }
            | Self::OtherServer { .. }
            | Self::OtherHistory { .. }
            | Self::Purged { .. }
            | Self::BadPlace { .. }
            | Self::Unrecognised { .. } => "take up the source's binlog",
            Self::NotOpen
            | Self::Event { .. }
            | Self::UnknownEvent { .. }
            | Self::OutOfPlace { .. }
            | Self::Image { .. }
            | Self::Statement { .. }
            | Self::StatementText { .. }
            | Self::Xa { .. }
            | Self::XaTooLarge { .. }
            | Self::XaOnePhase { .. }
            | Self::Incident { .. }
            | Self::Abandoned { .. }
            | Self::RolledBack { .. }
            | Self::UnknownSavepoint { .. }
            | Self::Bug(_) => "read the source's binlog",
        }
    }
}
