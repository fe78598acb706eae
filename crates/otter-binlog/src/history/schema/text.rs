//! The schema as text, to be stored beside a position.
//!
//! Lines of fields between tabs; in a field `\\`, `\t`, `\n` and `\r` are escaped and an empty one
//! is `\-`. The first letter tells what a line is, and each belongs to the last one of the kind
//! above it:
//!
//! ```text
//! otter-schema 1 NAMES                        lower_case_table_names: 0, 1 or 2
//! D NAME COLLATION                            a database
//! T NAME COLLATION FLAGS                      a table: i incomplete, q sequence,
//!                                             v versioned, h versioned with hidden columns
//! X THREAD DATABASE NAME COLLATION FLAGS      a temporary table
//! C NAME TYPE COLLATION FLAGS [LABEL…]        a column: n nullable, a auto-increment,
//!                                             i invisible, c compressed, and generated:
//!                                             g virtual, s stored, r row time
//! K NAME KIND FLAGS [PART…]                   a key: primary, unique, index, special;
//!                                             f made for a foreign key;
//!                                             a part is PREFIX:COLUMN, 0 for none, or =
//! ```
//!
//! Types are words with their numbers: `int4`, `int4u`, `decimal10.2`, `varchar80`, `text1`.
//! A reader of this format refuses what it does not know; a change of meaning takes a new number
//! in the first line.

mod read;
mod type_name;
mod write;

/// A stored schema that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the stored schema is not understood")]
pub struct SchemaTextError {
    /// Counted from 1.
    pub line: usize,
}

impl otter_core::Classify for SchemaTextError {
    fn fault(&self) -> otter_core::Fault {
        otter_core::Fault::Fatal
    }

    fn doing(&self) -> &'static str {
        "read the stored schema"
    }
}

/// The first words of the format.
const HEADER: &str = "otter-schema 1";
