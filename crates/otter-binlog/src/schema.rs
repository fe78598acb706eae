//! Table definitions: from a table map's own metadata, or from `information_schema`, checked
//! against the table map.
//!
//! The table map is the truth for the number, the types and the metadata of columns. A schema that
//! does not fit it is refused with the column and the remedy, never bent until it fits.

pub(crate) mod charset;
pub(crate) mod column_type;
pub(crate) mod compile;
pub(crate) mod error;
pub(crate) mod fit;
pub(crate) mod information;
pub(crate) mod reader;
pub(crate) mod tracked;

pub(crate) use compile::{Outlook, compile, outlook};
pub use error::SchemaError;
pub(crate) use information::SchemaTable;
pub(crate) use reader::SchemaReader;
