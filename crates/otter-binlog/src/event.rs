//! One binlog event: its kind, its header, and the readers of its body.
//!
//! The readers turn verified bytes into plain structs and know nothing of transactions.

pub(crate) mod compressed;
pub(crate) mod control;
pub(crate) mod format;
pub(crate) mod frame;
pub(crate) mod gtid;
pub(crate) mod gtid_tagged;
pub(crate) mod head;
pub(crate) mod kind;
pub(crate) mod metadata;
pub(crate) mod payload;
pub(crate) mod pieces;
pub(crate) mod query;
pub(crate) mod rows;
pub(crate) mod table_map;

pub(crate) use format::Format;
pub use frame::EventError;
pub(crate) use frame::RawEvent;
pub use kind::EventKind;
