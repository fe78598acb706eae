//! Types as far as their texts differ.

use crate::mysql::target::TargetColumn;

/// What kind of values a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Integer,
    Decimal,
    Float,
    Double,
    Bit,
    Year,
    Date,
    Time,
    /// DATETIME and TIMESTAMP: the session's time zone is UTC.
    DateTime,
    Text,
    /// MariaDB's UUID, INET4 and INET6.
    Address,
    Bytes,
    Enum,
    Set,
    /// MySQL's own JSON; MariaDB's is text.
    Json,
    Geometry,
    Vector,
}

impl Class {
    /// The class of a column; `None` for a type that this version does not know.
    pub(super) fn of(column: &TargetColumn) -> Option<Self> {
        Some(match column.data_type.as_str() {
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" => Self::Integer,
            "decimal" => Self::Decimal,
            "float" => Self::Float,
            "double" => Self::Double,
            "bit" => Self::Bit,
            "year" => Self::Year,
            "date" => Self::Date,
            "time" => Self::Time,
            "datetime" | "timestamp" => Self::DateTime,
            "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" => Self::Text,
            "uuid" | "inet4" | "inet6" => Self::Address,
            "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => Self::Bytes,
            "enum" => Self::Enum,
            "set" => Self::Set,
            "json" => Self::Json,
            "vector" => Self::Vector,
            "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring"
            | "multipolygon" | "geometrycollection" | "geomcollection" => Self::Geometry,
            _ => return None,
        })
    }
}
