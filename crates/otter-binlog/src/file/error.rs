//! Why a binlog file cannot be read.

use std::io;

use otter_core::FilePlace;

use crate::event::{EventError, EventKind};
use crate::row::ImageError;
use crate::schema::SchemaError;

/// What is wrong with a file, and where.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The bytes cannot be read.
    #[error("the file cannot be read")]
    Read(#[source] io::Error),
    /// The file is something else.
    #[error("the file is no binlog")]
    NoBinlog,
    /// The server has encrypted the file.
    #[error("the file is encrypted: only its server can read it, and sends it in the clear")]
    Encrypted,
    /// The file ends inside an event.
    #[error("the file is cut off in the event at {place}")]
    Cut {
        /// Where the event begins.
        place: FilePlace,
    },
    /// An event is larger than we may hold.
    #[error("the event at {place} is larger than {limit} bytes")]
    TooLarge {
        /// Where it begins.
        place: FilePlace,
        /// The limit in bytes.
        limit: usize,
    },
    /// An event is damaged.
    #[error("the {kind} at {place} cannot be read")]
    Event {
        /// Where it begins.
        place: FilePlace,
        /// Its type.
        kind: EventKind,
        /// What is wrong.
        #[source]
        source: EventError,
    },
    /// A table's columns cannot be decoded.
    #[error("rows at {place} cannot be understood")]
    Schema {
        /// Where the table map begins.
        place: FilePlace,
        /// Why.
        #[source]
        source: SchemaError,
    },
    /// A row cannot be decoded.
    #[error("a row at {place} cannot be decoded")]
    Image {
        /// Where its event begins.
        place: FilePlace,
        /// Why.
        #[source]
        source: ImageError,
    },
}
