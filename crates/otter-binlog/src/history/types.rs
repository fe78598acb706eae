//! Column types as a server knows them, before they are reduced to what a row needs.
//!
//! Richer than [`ColumnType`]: lengths are in characters, so that a change of character set can be
//! followed, and MariaDB's own types keep their names. It knows no charset: that is the column's.

use std::fmt;
use std::sync::Arc;

use otter_core::ColumnType;

use super::charset;
use super::escape;

/// The four sizes of TEXT and BLOB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LobSize {
    /// TINYTEXT and TINYBLOB.
    Tiny,
    /// TEXT and BLOB.
    Normal,
    /// MEDIUMTEXT and MEDIUMBLOB.
    Medium,
    /// LONGTEXT and LONGBLOB.
    Long,
}

impl LobSize {
    /// The smallest size that holds this many bytes.
    #[must_use]
    pub fn holding(bytes: u64) -> Self {
        match bytes {
            0..=0xff => Self::Tiny,
            0x100..=0xffff => Self::Normal,
            0x1_0000..=0xff_ffff => Self::Medium,
            _ => Self::Long,
        }
    }

    /// The greatest length in bytes.
    #[must_use]
    pub fn max_bytes(self) -> u32 {
        match self {
            Self::Tiny => 0xff,
            Self::Normal => 0xffff,
            Self::Medium => 0xff_ffff,
            Self::Long => u32::MAX,
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Tiny => "tiny",
            Self::Normal => "",
            Self::Medium => "medium",
            Self::Long => "long",
        }
    }
}

/// The kinds of geometry that a column can be restricted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shape {
    /// Any of them.
    Geometry,
    /// POINT.
    Point,
    /// LINESTRING.
    LineString,
    /// POLYGON.
    Polygon,
    /// MULTIPOINT.
    MultiPoint,
    /// MULTILINESTRING.
    MultiLineString,
    /// MULTIPOLYGON.
    MultiPolygon,
    /// GEOMETRYCOLLECTION, which MySQL 8 calls `geomcollection`.
    Collection,
}

impl Shape {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Geometry,
        Self::Point,
        Self::LineString,
        Self::Polygon,
        Self::MultiPoint,
        Self::MultiLineString,
        Self::MultiPolygon,
        Self::Collection,
    ];

    /// The name in SQL that both families read.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Geometry => "geometry",
            Self::Point => "point",
            Self::LineString => "linestring",
            Self::Polygon => "polygon",
            Self::MultiPoint => "multipoint",
            Self::MultiLineString => "multilinestring",
            Self::MultiPolygon => "multipolygon",
            Self::Collection => "geometrycollection",
        }
    }
}

/// The labels of an ENUM or SET; none where they are not known.
pub type Labels = Arc<[Arc<str>]>;

/// A column's type as the server knows it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum DataType {
    /// TINYINT to BIGINT by their bytes of storage: 1, 2, 3, 4 or 8.
    Integer {
        /// Bytes of storage.
        bytes: u8,
        /// Declared UNSIGNED or ZEROFILL.
        unsigned: bool,
    },
    /// DECIMAL.
    Decimal {
        /// All digits.
        precision: u8,
        /// Digits after the point.
        scale: u8,
        /// Declared UNSIGNED or ZEROFILL.
        unsigned: bool,
    },
    /// FLOAT.
    Float {
        /// Declared UNSIGNED or ZEROFILL.
        unsigned: bool,
    },
    /// DOUBLE.
    Double {
        /// Declared UNSIGNED or ZEROFILL.
        unsigned: bool,
    },
    /// BIT.
    Bit {
        /// 1 to 64.
        bits: u8,
    },
    /// YEAR.
    Year,
    /// DATE.
    Date,
    /// TIME.
    Time {
        /// Fraction digits.
        digits: u8,
    },
    /// DATETIME.
    DateTime {
        /// Fraction digits.
        digits: u8,
    },
    /// TIMESTAMP.
    Timestamp {
        /// Fraction digits.
        digits: u8,
    },
    /// CHAR.
    Char {
        /// The declared length in characters.
        chars: u32,
    },
    /// VARCHAR.
    VarChar {
        /// The declared length in characters.
        chars: u32,
    },
    /// The TEXT family.
    Text(LobSize),
    /// BINARY.
    Binary {
        /// The declared length.
        bytes: u32,
    },
    /// VARBINARY.
    VarBinary {
        /// The declared length.
        bytes: u32,
    },
    /// The BLOB family.
    Blob(LobSize),
    /// ENUM.
    Enum(Labels),
    /// SET.
    Set(Labels),
    /// MySQL's JSON; MariaDB's is a LONGTEXT.
    Json,
    /// The spatial types.
    Geometry(Shape),
    /// VECTOR.
    Vector {
        /// The declared dimensions.
        dimensions: u32,
    },
    /// MariaDB's UUID, in a row 16 bytes without trailing zero bytes.
    Uuid,
    /// MariaDB's INET4, in a row 4 bytes without trailing zero bytes.
    Inet4,
    /// MariaDB's INET6, in a row 16 bytes without trailing zero bytes.
    Inet6,
}

impl DataType {
    /// Whether values are text, and the column so has a collation.
    #[must_use]
    pub fn is_text(&self) -> bool {
        matches!(
            self,
            Self::Char { .. } | Self::VarChar { .. } | Self::Text(_) | Self::Enum(_) | Self::Set(_)
        )
    }

    /// Whether the type is a number declared UNSIGNED or ZEROFILL.
    #[must_use]
    pub fn is_unsigned(&self) -> bool {
        matches!(
            self,
            Self::Integer { unsigned: true, .. }
                | Self::Decimal { unsigned: true, .. }
                | Self::Float { unsigned: true }
                | Self::Double { unsigned: true }
        )
    }

    /// The same type for bytes: what CHARACTER SET binary makes of CHAR, VARCHAR and TEXT.
    #[must_use]
    pub fn as_bytes(&self) -> Self {
        if let Self::Char { chars } = self {
            return Self::Binary { bytes: *chars };
        }
        if let Self::VarChar { chars } = self {
            return Self::VarBinary { bytes: *chars };
        }
        if let Self::Text(size) = self {
            return Self::Blob(*size);
        }
        self.clone()
    }

    /// What a row needs to know; `collation` is the column's, where it has one.
    #[must_use]
    pub fn to_column_type(&self, collation: Option<&str>) -> ColumnType {
        let collation = collation.unwrap_or(charset::BINARY);
        let text = |max_bytes: u32, fixed: bool| ColumnType::Text {
            max_bytes,
            charset: charset::of_collation(collation).into(),
            fixed,
        };
        let wide = |chars: u32| chars.saturating_mul(u32::from(charset::max_bytes(collation)));
        match self {
            Self::Integer { bytes, unsigned } => {
                ColumnType::Integer { bytes: *bytes, unsigned: *unsigned }
            }
            Self::Decimal { precision, scale, unsigned } => {
                ColumnType::Decimal { precision: *precision, scale: *scale, unsigned: *unsigned }
            }
            Self::Float { .. } => ColumnType::Float,
            Self::Double { .. } => ColumnType::Double,
            Self::Bit { bits } => ColumnType::Bit { bits: *bits },
            Self::Year => ColumnType::Year,
            Self::Date => ColumnType::Date,
            Self::Time { digits } => ColumnType::Time { digits: *digits },
            Self::DateTime { digits } => ColumnType::DateTime { digits: *digits },
            Self::Timestamp { digits } => ColumnType::Timestamp { digits: *digits },
            Self::Char { chars } => text(wide(*chars), true),
            Self::VarChar { chars } => text(wide(*chars), false),
            Self::Text(size) => text(size.max_bytes(), false),
            Self::Binary { bytes } => ColumnType::Bytes { max_bytes: *bytes, fixed: true },
            Self::VarBinary { bytes } => ColumnType::Bytes { max_bytes: *bytes, fixed: false },
            Self::Blob(size) => ColumnType::Bytes { max_bytes: size.max_bytes(), fixed: false },
            Self::Enum(labels) => ColumnType::Enum { labels: known(labels) },
            Self::Set(labels) => ColumnType::Set { labels: known(labels) },
            Self::Json => ColumnType::Json,
            Self::Geometry(_) => ColumnType::Geometry,
            Self::Vector { .. } => ColumnType::Vector,
            Self::Uuid | Self::Inet6 => ColumnType::Bytes { max_bytes: 16, fixed: true },
            Self::Inet4 => ColumnType::Bytes { max_bytes: 4, fixed: true },
        }
    }
}

fn known(labels: &Labels) -> Option<Labels> {
    (!labels.is_empty()).then(|| Arc::clone(labels))
}

impl fmt::Display for DataType {
    /// Writes the type as SQL that both families read, without charset and display widths.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.is_unsigned() { " unsigned" } else { "" };
        match self {
            Self::Integer { bytes, .. } => {
                let name = match bytes {
                    1 => "tinyint",
                    2 => "smallint",
                    3 => "mediumint",
                    4 => "int",
                    _ => "bigint",
                };
                write!(f, "{name}{sign}")
            }
            Self::Decimal { precision, scale, .. } => {
                write!(f, "decimal({precision},{scale}){sign}")
            }
            Self::Float { .. } => write!(f, "float{sign}"),
            Self::Double { .. } => write!(f, "double{sign}"),
            Self::Bit { bits } => write!(f, "bit({bits})"),
            Self::Year => f.write_str("year"),
            Self::Date => f.write_str("date"),
            Self::Time { digits } => write_digits(f, "time", *digits),
            Self::DateTime { digits } => write_digits(f, "datetime", *digits),
            Self::Timestamp { digits } => write_digits(f, "timestamp", *digits),
            Self::Char { chars } => write!(f, "char({chars})"),
            Self::VarChar { chars } => write!(f, "varchar({chars})"),
            Self::Text(size) => write!(f, "{}text", size.prefix()),
            Self::Binary { bytes } => write!(f, "binary({bytes})"),
            Self::VarBinary { bytes } => write!(f, "varbinary({bytes})"),
            Self::Blob(size) => write!(f, "{}blob", size.prefix()),
            Self::Enum(labels) => write_labels(f, "enum", labels),
            Self::Set(labels) => write_labels(f, "set", labels),
            Self::Json => f.write_str("json"),
            Self::Geometry(shape) => f.write_str(shape.name()),
            Self::Vector { dimensions } => write!(f, "vector({dimensions})"),
            Self::Uuid => f.write_str("uuid"),
            Self::Inet4 => f.write_str("inet4"),
            Self::Inet6 => f.write_str("inet6"),
        }
    }
}

fn write_digits(f: &mut fmt::Formatter<'_>, name: &str, digits: u8) -> fmt::Result {
    match digits {
        0 => f.write_str(name),
        digits => write!(f, "{name}({digits})"),
    }
}

fn write_labels(f: &mut fmt::Formatter<'_>, name: &str, labels: &Labels) -> fmt::Result {
    write!(f, "{name}(")?;
    for (index, label) in labels.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        write!(f, "{comma}'{}'", escape::sql_text(label))?;
    }
    f.write_str(")")
}
