//! A table as `information_schema` describes it now.

use std::collections::BTreeMap;
use std::sync::Arc;

use otter_core::{Column, ColumnType, Table, TableName};

use super::charset::canonical;
use super::column_type::{is_unsigned, labels};
use crate::connection::ResultSet;
use crate::row::address::Address;

/// One column of `information_schema.columns`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SchemaColumn {
    pub(crate) name: Arc<str>,
    /// `int`, `varchar`, `uuid`, in lower case.
    pub(crate) data_type: String,
    /// `int(10) unsigned`.
    pub(crate) column_type: String,
    pub(crate) nullable: bool,
    pub(crate) charset: Option<Arc<str>>,
    /// The greatest length in bytes of texts and bytes.
    pub(crate) octets: Option<u64>,
    pub(crate) precision: Option<u8>,
    pub(crate) scale: Option<u8>,
    /// Fraction digits of temporals.
    pub(crate) digits: u8,
}

/// A table with its columns in ordinal order, generated and invisible ones included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SchemaTable {
    pub(crate) name: TableName,
    pub(crate) columns: Vec<SchemaColumn>,
    /// Indexes into `columns` in key order.
    pub(crate) primary_key: Vec<usize>,
}

/// The columns that [`read_tables`] expects, in this order.
pub(crate) const COLUMNS: &str = "table_schema, table_name, column_name, data_type, column_type, \
     is_nullable, character_set_name, character_octet_length, numeric_precision, numeric_scale, \
     datetime_precision";

/// Makes tables of rows that are sorted by ordinal, and of keys sorted by place in the key.
pub(crate) fn read_tables(columns: &ResultSet, keys: &ResultSet) -> Vec<SchemaTable> {
    let mut tables: BTreeMap<TableName, SchemaTable> = BTreeMap::new();
    for row in columns.rows() {
        let text = |place: usize| row.text(place).unwrap_or_default();
        let number = |place: usize| row.text(place).and_then(|text| text.parse::<u64>().ok());
        let small = |place: usize| number(place).and_then(|number| u8::try_from(number).ok());
        let name = TableName::new(text(0), text(1));
        let column = SchemaColumn {
            name: text(2).into(),
            data_type: text(3).to_ascii_lowercase(),
            column_type: text(4).to_owned(),
            nullable: text(5).eq_ignore_ascii_case("YES"),
            charset: row.text(6).map(|charset| canonical(charset).into()),
            octets: number(7),
            precision: small(8),
            scale: small(9),
            digits: small(10).unwrap_or(0),
        };
        let table = tables.entry(name).or_insert_with_key(|name| SchemaTable {
            name: name.clone(),
            columns: Vec::new(),
            primary_key: Vec::new(),
        });
        table.columns.push(column);
    }
    read_keys(&mut tables, keys);
    tables.into_values().collect()
}

/// Rows of schema, table and column.
fn read_keys(tables: &mut BTreeMap<TableName, SchemaTable>, keys: &ResultSet) {
    for row in keys.rows() {
        let (Some(schema), Some(table), Some(column)) = (row.text(0), row.text(1), row.text(2))
        else {
            continue;
        };
        let Some(table) = tables.get_mut(&TableName::new(schema, table)) else { continue };
        let found = table.columns.iter().position(|known| known.name.eq_ignore_ascii_case(column));
        table.primary_key.extend(found);
    }
}

impl SchemaColumn {
    pub(crate) fn is_unsigned(&self) -> bool {
        is_unsigned(&self.column_type)
    }

    pub(crate) fn labels(&self) -> Option<Arc<[Arc<str>]>> {
        labels(&self.column_type)
    }

    /// The type in our words; `None` where it is unknown.
    pub(crate) fn column_type(&self) -> Option<ColumnType> {
        let integer = |bytes| ColumnType::Integer { bytes, unsigned: self.is_unsigned() };
        if let Some(address) = Address::of(&self.data_type) {
            return Some(address_type(address));
        }
        Some(match self.data_type.as_str() {
            "tinyint" => integer(1),
            "smallint" => integer(2),
            "mediumint" => integer(3),
            "int" => integer(4),
            "bigint" => integer(8),
            "decimal" => ColumnType::Decimal {
                precision: self.precision?,
                scale: self.scale.unwrap_or(0),
                unsigned: self.is_unsigned(),
            },
            "float" => ColumnType::Float,
            "double" => ColumnType::Double,
            "bit" => ColumnType::Bit { bits: self.precision? },
            "year" => ColumnType::Year,
            "date" => ColumnType::Date,
            "time" => ColumnType::Time { digits: self.digits },
            "datetime" => ColumnType::DateTime { digits: self.digits },
            "timestamp" => ColumnType::Timestamp { digits: self.digits },
            "char" => self.text(true)?,
            "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" => self.text(false)?,
            "binary" => self.bytes(true)?,
            "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => self.bytes(false)?,
            "enum" => ColumnType::Enum { labels: self.labels() },
            "set" => ColumnType::Set { labels: self.labels() },
            "json" => ColumnType::Json,
            "vector" => ColumnType::Vector,
            "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring"
            | "multipolygon" | "geomcollection" | "geometrycollection" => ColumnType::Geometry,
            _ => return None,
        })
    }

    fn max_bytes(&self) -> Option<u32> {
        Some(u32::try_from(self.octets?).unwrap_or(u32::MAX))
    }

    fn text(&self, fixed: bool) -> Option<ColumnType> {
        let charset = self.charset.clone()?;
        Some(ColumnType::Text { max_bytes: self.max_bytes()?, charset, fixed })
    }

    fn bytes(&self, fixed: bool) -> Option<ColumnType> {
        Some(ColumnType::Bytes { max_bytes: self.max_bytes()?, fixed })
    }
}

/// MariaDB's addresses travel as the text that the server prints for them.
pub(crate) fn address_type(address: Address) -> ColumnType {
    ColumnType::Text { max_bytes: address.text_width(), charset: "ascii".into(), fixed: false }
}

impl SchemaTable {
    /// The table in our words; the name of the first column with an unknown type otherwise.
    pub(crate) fn to_table(&self) -> Result<Table, Arc<str>> {
        let column = |column: &SchemaColumn| match column.column_type() {
            Some(column_type) => {
                Ok(Column { name: column.name.clone(), column_type, nullable: column.nullable })
            }
            None => Err(column.name.clone()),
        };
        Ok(Table {
            name: self.name.clone(),
            columns: self.columns.iter().map(column).collect::<Result<_, _>>()?,
            primary_key: self.primary_key.clone(),
            dropped_key: Vec::new(),
        })
    }

    /// The column with this name.
    pub(crate) fn column(&self, name: &str) -> Option<&SchemaColumn> {
        self.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))
    }
}
