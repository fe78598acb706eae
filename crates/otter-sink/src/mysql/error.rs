//! What can go wrong in the loader, and the fault of each.

use std::sync::Arc;

use otter_core::{ArbiterId, Causes, Classify, Fault, FilePlace, TableName, Term};

use otter_mysql::ConnectionError;

use super::conn::ConnError;
use super::ddl::DdlRefusal;
use super::refusal::Reason;
use super::row_place::RowPlace;

/// Why a loader stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MySqlLoadError {
    /// A call came before `resume`, or after an error without a new `resume`.
    #[error("the loader must resume first")]
    NotResumed,
    /// A batch came though there is no position yet.
    #[error("there is no position yet: begin must come first")]
    NotBegun,
    /// `begin` came though there is a position.
    #[error("there is a position already: {position}")]
    AlreadyBegun {
        /// The committed position.
        position: String,
    },
    /// The lease is for another pipeline than the loader.
    #[error("the lease is for pipeline {lease}, the loader writes for {loader}")]
    WrongPipeline {
        /// The lease's pipeline.
        lease: String,
        /// The loader's pipeline.
        loader: String,
    },
    /// The pipeline's name cannot be stored.
    #[error(
        "the pipeline's name {name:?} cannot be stored: use 1 to 190 letters that do not end with \
         a space"
    )]
    BadName {
        /// The name.
        name: String,
    },
    /// A batch does not begin where the committed position ends.
    #[error("the batch begins at {found}, but the target stands at {committed}")]
    OutOfOrder {
        /// Where the batch begins.
        found: String,
        /// The committed position.
        committed: String,
    },
    /// A batch breaks the rules for batches.
    #[error("the batch is malformed: {what}")]
    Malformed {
        /// What is wrong.
        what: &'static str,
    },
    /// The lease is over.
    #[error("the lease of term {term} is over")]
    LeaseOver {
        /// The lease's term.
        term: Term,
    },
    /// A higher term has taken over.
    #[error("term {found} has taken over from term {ours}")]
    Superseded {
        /// The lease's term.
        ours: Term,
        /// The term in the checkpoint.
        found: Term,
    },
    /// Another loader claimed the same term: the arbiter granted it twice.
    #[error("another loader writes under the same term {term}")]
    TakenTwice {
        /// The term.
        term: Term,
    },
    /// The checkpoint is not as this loader left it.
    #[error("the checkpoint is no longer ours: another loader has written")]
    CheckpointMoved,
    /// The checkpoint belongs to another arbiter.
    #[error(
        "the checkpoint of pipeline {pipeline} belongs to arbiter {found}, not to {ours}: when no \
         process works under the other one any more, run `otter-server position adopt -c \
         FILE {pipeline}` with this installation's configuration"
    )]
    ForeignArbiter {
        /// The pipeline.
        pipeline: String,
        /// The arbiter in the checkpoint.
        found: ArbiterId,
        /// The lease's arbiter.
        ours: ArbiterId,
    },
    /// The checkpoint cannot be read by this version.
    #[error("the checkpoint of pipeline {pipeline} cannot be used: {what}")]
    BadCheckpoint {
        /// The pipeline.
        pipeline: String,
        /// What is wrong with it.
        what: String,
    },
    /// An initial copy cannot begin or go on.
    #[error("the initial copy {what}")]
    Copy {
        /// What is wrong, with the remedy.
        what: String,
    },
    /// A row of one of Otter's own tables cannot be read by this version.
    #[error("a row of {table} cannot be read: {remedy}")]
    BadRow {
        /// The table.
        table: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// A held row cannot be written or read.
    #[error("the quarantine cannot be used: {what}")]
    BadQuarantine {
        /// What is wrong.
        what: String,
    },
    /// As many rows are held as may be.
    #[error(
        "{limit} rows are held in quarantine, and no more may be: retry or drop them with \
         `otter-server quarantine`, or raise quarantine_rows"
    )]
    QuarantineFull {
        /// How many may be.
        limit: usize,
    },
    /// A pipeline is to begin, and an earlier one of its name has left held rows behind.
    #[error(
        "{rows} rows are held in quarantine that an earlier pipeline named {pipeline} left behind: give \
         them up with `otter-server quarantine drop {pipeline} --all` and start again, or give the new \
         pipeline another name"
    )]
    HeldBefore {
        /// The pipeline.
        pipeline: String,
        /// How many are not given up.
        rows: u64,
    },
    /// Lanes differ in a way that no interruption leaves behind.
    #[error(
        "the lanes of the checkpoint differ, and cannot be brought to one place: {what}; the keys of \
         the target's tables, or what the pipeline maps, were changed since it was interrupted: \
         change that back and start it again, or copy the tables anew"
    )]
    LanesDiverged {
        /// What does not go together.
        what: &'static str,
    },
    /// The schema log cannot be read.
    #[error(
        "the schema log of pipeline {pipeline} cannot be used: {what}; delete the pipeline's rows \
         of schema_log, and the schema is asked of the source again"
    )]
    BadSchemaLog {
        /// The pipeline.
        pipeline: String,
        /// What is wrong with it.
        what: String,
    },
    /// There is no connection to the target.
    #[error("{}", Causes(.0))]
    Connect(ConnectionError),
    /// The connection to the target broke, or the server is in trouble.
    #[error("{cause}")]
    Lost {
        /// What happened.
        cause: String,
    },
    /// A statement without row values failed.
    #[error("the server answered error {number}: {message}")]
    Server {
        /// The server's error number.
        number: u16,
        /// The server's words.
        message: String,
    },
    /// A right is missing.
    #[error("a right is missing (error {number}); an administrator may run: {remedy}")]
    MissingRight {
        /// The server's error number.
        number: u16,
        /// The statements that mend it.
        remedy: String,
    },
    /// A predecessor did not disappear in time.
    #[error("the predecessor's connection was killed but is not gone after {seconds} s")]
    PredecessorStays {
        /// How long was waited.
        seconds: u64,
    },
    /// Other work in the target holds locks.
    #[error("other work in the target holds the locks; tried {tries} times")]
    Contention {
        /// How often was tried.
        tries: u32,
    },
    /// Other work in the target holds locks that a schema change needs.
    #[error(
        "other work in the target holds locks that the schema change needs (error {number}): it is \
         tried again; SHOW FULL PROCESSLIST at the target tells whose transactions are open"
    )]
    DdlContention {
        /// The server's error.
        number: u16,
    },
    /// The target takes no writes.
    #[error(
        "the target takes no writes (error {number}); SET GLOBAL read_only = OFF, or point the URL \
         to the primary"
    )]
    ReadOnly {
        /// The server's error number.
        number: u16,
    },
    /// A table's definition changed while the loader worked.
    #[error("a definition in the target changed (error {number}); it will be read again")]
    TargetChanged {
        /// The server's error number.
        number: u16,
    },
    /// A row does not fit or was not as expected.
    #[error("{place}: {reason}; {}", .reason.remedy())]
    Refused {
        /// Which row.
        place: Box<RowPlace>,
        /// Why.
        reason: Reason,
    },
    /// A target table cannot take the source's rows.
    #[error("table {table} in the target does not fit: {what}; {remedy}")]
    Unfit {
        /// The target's table.
        table: TableName,
        /// What is wrong.
        what: String,
        /// What mends it.
        remedy: String,
    },
    /// A schema change of the source stops the loader.
    #[error(
        "the source ran {kind} on {tables} at {start}, and the pipeline halts there: {why}; {}",
        .why.remedy()
    )]
    Ddl {
        /// The statement's kind: `ALTER TABLE`.
        kind: Arc<str>,
        /// The tables it names.
        tables: String,
        /// Where its transaction begins.
        start: FilePlace,
        /// Why it is not executed.
        why: DdlRefusal,
    },
}

impl From<ConnectionError> for MySqlLoadError {
    fn from(error: ConnectionError) -> Self {
        Self::Connect(error)
    }
}

impl MySqlLoadError {
    /// The error of a statement that holds no row values, so that the server may be quoted.
    pub(crate) fn plain(error: ConnError) -> Self {
        match error {
            ConnError::Server(server) => match server.number {
                1290 | 1792 | 1836 => Self::ReadOnly { number: server.number },
                1205 | 1213 | 1020 => Self::Contention { tries: 1 },
                number if server.ends_session() || matches!(number, 1317 | 1047) => {
                    Self::Lost { cause: format!("{server}: {}", server.message()) }
                }
                number => Self::Server { number, message: server.message().to_owned() },
            },
            ConnError::Broken(_) => Self::Lost { cause: error.to_string() },
        }
    }
}

impl Classify for MySqlLoadError {
    fn fault(&self) -> Fault {
        match self {
            Self::LeaseOver { .. }
            | Self::Superseded { .. }
            | Self::TakenTwice { .. }
            | Self::CheckpointMoved => Fault::Fenced,
            Self::Connect(error) => error.fault(),
            Self::Lost { .. }
            | Self::PredecessorStays { .. }
            | Self::Contention { .. }
            | Self::DdlContention { .. }
            // A failover makes a target read-only for a while, and heals without an operator.
            | Self::ReadOnly { .. }
            | Self::TargetChanged { .. } => Fault::Transient,
            Self::Refused { .. } | Self::Ddl { .. } | Self::QuarantineFull { .. } => Fault::Poison,
            Self::NotResumed
            | Self::NotBegun
            | Self::AlreadyBegun { .. }
            | Self::WrongPipeline { .. }
            | Self::BadName { .. }
            | Self::OutOfOrder { .. }
            | Self::Malformed { .. }
            | Self::ForeignArbiter { .. }
            | Self::BadCheckpoint { .. }
            | Self::BadSchemaLog { .. }
            | Self::BadQuarantine { .. }
            | Self::Copy { .. }
            | Self::BadRow { .. }
            | Self::HeldBefore { .. }
            | Self::LanesDiverged { .. }
            | Self::Server { .. }
            | Self::MissingRight { .. }
            | Self::Unfit { .. } => Fault::Fatal,
        }
    }

    fn doing(&self) -> &'static str {
        match self {
            Self::Connect(_) => "connect to the target",
            Self::Superseded { .. }
            | Self::TakenTwice { .. }
            | Self::ForeignArbiter { .. }
            | Self::BadCheckpoint { .. }
            | Self::BadSchemaLog { .. }
            | Self::BadName { .. }
            | Self::WrongPipeline { .. }
            | Self::PredecessorStays { .. } => "take the target over",
            Self::NotResumed
            | Self::NotBegun
            | Self::AlreadyBegun { .. }
            | Self::OutOfOrder { .. }
            | Self::Malformed { .. }
            | Self::LeaseOver { .. }
            | Self::CheckpointMoved
            | Self::LanesDiverged { .. }
            | Self::Lost { .. }
            | Self::Server { .. }
            | Self::MissingRight { .. }
            | Self::Contention { .. }
            | Self::DdlContention { .. }
            | Self::ReadOnly { .. }
            | Self::TargetChanged { .. }
            | Self::Refused { .. }
            | Self::BadQuarantine { .. }
            | Self::Copy { .. }
            | Self::BadRow { .. }
            | Self::HeldBefore { .. }
            | Self::QuarantineFull { .. }
            | Self::Unfit { .. }
            | Self::Ddl { .. } => "load into the target",
        }
    }
}
