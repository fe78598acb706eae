//! Why binlog files cannot be read, or not from there.

use std::io;
use std::path::PathBuf;

use otter_core::{Classify, Fault, FilePlace};

use crate::file::FileError;
use crate::selector::SelectError;

/// Why binlog files cannot be found, or not be read on.
///
/// Each message names the file, the place in it where there is one, and the remedy; none holds a
/// row's value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// There is nothing at the path.
    #[error("there is no {}: name a binlog file, its index, or their folder", path.display())]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// The disk says no.
    #[error("{} cannot be read", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A folder or an index without binlogs.
    #[error(
        "{} holds no binlogs: name the folder with the files NAME.000001, NAME.000002 and so on \
         (log_bin_basename on the server)", path.display()
    )]
    NoBinlogs {
        /// The folder or index.
        path: PathBuf,
    },
    /// A folder with binlogs of several series.
    #[error(
        "{} holds binlogs of several series ({series}): name the index of one of them (such as \
         binlog.index), or move each to a folder of its own", path.display()
    )]
    Several {
        /// The folder.
        path: PathBuf,
        /// The series' names.
        series: String,
    },
    /// A file of the series is not there.
    #[error(
        "between {before} and {after} a file is missing, and with it transactions: fetch it, or \
         read the files behind the gap by themselves"
    )]
    Gap {
        /// The file before the gap.
        before: String,
        /// The file behind it.
        after: String,
    },
    /// A file cannot be read.
    #[error("{} cannot be read", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// What is wrong, and where.
        #[source]
        source: FileError,
    },
    /// What a file holds cannot be understood.
    #[error(transparent)]
    Content(#[from] SelectError),
    /// The start names a file that is not there.
    #[error("{file} is not among the files, which go from {first} to {last}")]
    NoSuchFile {
        /// As named.
        file: String,
        /// The first file there is.
        first: String,
        /// The last one.
        last: String,
    },
    /// The start is behind the end of its file.
    #[error("{place} is behind the end of the file, which has {size} bytes")]
    BehindEnd {
        /// As given.
        place: FilePlace,
        /// The size of the file.
        size: u64,
    },
    /// No event begins at the start.
    #[error(
        "no event begins at {place}: give the offset at which a transaction begins, as `position` \
         in what was read, or `at` and `end_log_pos` in what the servers' own tools print"
    )]
    NoEvent {
        /// As given.
        place: FilePlace,
        /// What was found instead.
        #[source]
        source: Box<ReadError>,
    },
    /// Transactions between a GTID set and the first file are missing.
    #[error(
        "{first} begins behind transactions that the GTID set does not hold (before it were \
         {before}): fetch the earlier files, or begin at the earliest"
    )]
    Purged {
        /// The first file.
        first: String,
        /// What came before it.
        before: String,
    },
    /// A GTID set cannot be compared with what a file tells.
    #[error("whether a GTID set lies before {file} cannot be told: {problem}")]
    NoGtids {
        /// The file.
        file: String,
        /// Why.
        problem: &'static str,
    },
}

impl ReadError {
    /// Whether there is nothing that could be read at the path that was given: neither a binlog,
    /// nor an index, nor a folder of binlogs.
    #[must_use]
    pub fn is_of_path(&self) -> bool {
        match self {
            Self::Missing { .. }
            | Self::NoBinlogs { .. }
            | Self::Several { .. }
            | Self::Gap { .. }
            | Self::File { source: FileError::NoBinlog, .. } => true,
            Self::Io { .. }
            | Self::File { .. }
            | Self::Content(_)
            | Self::NoSuchFile { .. }
            | Self::BehindEnd { .. }
            | Self::NoEvent { .. }
            | Self::Purged { .. }
            | Self::NoGtids { .. } => false,
        }
    }
}

impl Classify for ReadError {
    fn fault(&self) -> Fault {
        match self {
            Self::Content(error) => error.fault(),
            Self::File { source: FileError::Event { .. } | FileError::Cut { .. }, .. } => {
                Fault::Poison
            }
            Self::Missing { .. }
            | Self::Io { .. }
            | Self::NoBinlogs { .. }
            | Self::Several { .. }
            | Self::Gap { .. }
            | Self::File { .. }
            | Self::NoSuchFile { .. }
            | Self::BehindEnd { .. }
            | Self::NoEvent { .. }
            | Self::Purged { .. }
            | Self::NoGtids { .. } => Fault::Fatal,
        }
    }

    fn doing(&self) -> &'static str {
        "read binlog files"
    }
}
