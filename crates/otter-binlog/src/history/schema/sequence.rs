//! The table that a MariaDB sequence is underneath.

use std::sync::Arc;

use super::table::{ColumnSchema, TableKind, TableSchema, Versioning};
use crate::history::types::DataType;

/// Its columns: name, bytes, unsigned.
const COLUMNS: [(&str, u8, bool); 8] = [
    ("next_not_cached_value", 8, false),
    ("minimum_value", 8, false),
    ("maximum_value", 8, false),
    ("start_value", 8, false),
    ("increment", 8, false),
    ("cache_size", 8, true),
    ("cycle_option", 1, true),
    ("cycle_count", 8, false),
];

pub(super) fn table(collation: &Arc<str>) -> TableSchema {
    let columns = COLUMNS.map(|(name, bytes, unsigned)| ColumnSchema {
        name: name.into(),
        data_type: DataType::Integer { bytes, unsigned },
        collation: None,
        nullable: false,
        auto_increment: false,
        invisible: false,
        compressed: false,
        generated: None,
    });
    TableSchema {
        columns: columns.into(),
        keys: Vec::new(),
        collation: Arc::clone(collation),
        kind: TableKind::Sequence,
        versioning: Versioning::None,
        is_complete: true,
    }
}
