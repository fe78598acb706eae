//! What a row's columns are: names, types, keys. Shared by all rows of a table version.

use std::fmt;
use std::sync::Arc;

/// A table's name with its database.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableName {
    /// The database (schema) that holds the table.
    pub database: Arc<str>,
    /// The table's own name.
    pub table: Arc<str>,
}

impl TableName {
    /// Makes a name from its two parts.
    pub fn new(database: impl Into<Arc<str>>, table: impl Into<Arc<str>>) -> Self {
        Self { database: database.into(), table: table.into() }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.database, self.table)
    }
}

/// One version of a table's definition, as the source's history knew it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The name under which the rows travel; a mapping may change it.
    pub name: TableName,
    /// The columns in row order.
    pub columns: Vec<Column>,
    /// The primary key's columns as indexes into `columns`, in key order; empty without one.
    pub primary_key: Vec<usize>,
    /// Columns of the source's primary key that a mapping has left out: then the rows need another
    /// key. Empty as the source knows the table.
    pub dropped_key: Vec<Arc<str>>,
}

impl Table {
    /// The index of the column with this name, compared without case as servers do.
    #[must_use]
    pub fn column_index(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name))
    }
}

/// One column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The column's name.
    pub name: Arc<str>,
    /// The declared type.
    pub column_type: ColumnType,
    /// Whether NULL is allowed.
    pub nullable: bool,
}

/// A column's declared type, as far as it changes how values are read or written.
///
/// Character sets carry the server's own name: `utf8mb4`, `latin1`, `gbk`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ColumnType {
    /// TINYINT to BIGINT.
    Integer {
        /// Bytes of storage: 1, 2, 3, 4 or 8.
        bytes: u8,
        /// Declared UNSIGNED.
        unsigned: bool,
    },
    /// DECIMAL.
    Decimal {
        /// All digits, 1 to 65.
        precision: u8,
        /// Digits after the point, 0 to 38.
        scale: u8,
        /// Declared UNSIGNED.
        unsigned: bool,
    },
    /// FLOAT.
    Float,
    /// DOUBLE.
    Double,
    /// BIT.
    Bit {
        /// 1 to 64.
        bits: u8,
    },
    /// YEAR.
    Year,
    /// DATE.
    Date,
    /// TIME with its fraction digits.
    Time {
        /// 0 to 6.
        digits: u8,
    },
    /// DATETIME with its fraction digits.
    DateTime {
        /// 0 to 6.
        digits: u8,
    },
    /// TIMESTAMP with its fraction digits.
    Timestamp {
        /// 0 to 6.
        digits: u8,
    },
    /// CHAR, VARCHAR and the TEXT family.
    Text {
        /// The greatest length in bytes.
        max_bytes: u32,
        /// The character set's name.
        charset: Arc<str>,
        /// Declared CHAR: trailing spaces do not count.
        fixed: bool,
    },
    /// BINARY, VARBINARY and the BLOB family.
    Bytes {
        /// The greatest length in bytes.
        max_bytes: u32,
        /// Declared BINARY: padded with zero bytes to `max_bytes`.
        fixed: bool,
    },
    /// ENUM.
    Enum {
        /// The labels in UTF-8, where they are known.
        labels: Option<Arc<[Arc<str>]>>,
    },
    /// SET.
    Set {
        /// The labels in UTF-8, where they are known.
        labels: Option<Arc<[Arc<str>]>>,
    },
    /// JSON (MySQL's own type; MariaDB's JSON is text).
    Json,
    /// Any spatial type.
    Geometry,
    /// VECTOR.
    Vector,
    /// A text that a mapping adds, the same in every row.
    Constant {
        /// The text.
        text: Arc<str>,
    },
}

impl ColumnType {
    /// The type in the words of SQL, without labels.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Integer { bytes, unsigned } => {
                let name = match bytes {
                    1 => "tinyint",
                    2 => "smallint",
                    3 => "mediumint",
                    4 => "int",
                    _ => "bigint",
                };
                if *unsigned { format!("{name} unsigned") } else { name.into() }
            }
            Self::Decimal { precision, scale, .. } => format!("decimal({precision},{scale})"),
            Self::Float => "float".into(),
            Self::Double => "double".into(),
            Self::Bit { bits } => format!("bit({bits})"),
            Self::Year => "year".into(),
            Self::Date => "date".into(),
            Self::Time { digits } => format!("time({digits})"),
            Self::DateTime { digits } => format!("datetime({digits})"),
            Self::Timestamp { digits } => format!("timestamp({digits})"),
            Self::Text { max_bytes, charset, fixed } => {
                format!("{}({max_bytes} bytes) {charset}", if *fixed { "char" } else { "text" })
            }
            Self::Bytes { max_bytes, fixed } => {
                format!("{}({max_bytes})", if *fixed { "binary" } else { "varbinary" })
            }
            Self::Enum { .. } => "enum".into(),
            Self::Set { .. } => "set".into(),
            Self::Json => "json".into(),
            Self::Geometry => "geometry".into(),
            Self::Vector => "vector".into(),
            Self::Constant { .. } => "constant".into(),
        }
    }
}
