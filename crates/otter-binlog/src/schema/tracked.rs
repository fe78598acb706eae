//! A tracked definition in the words of `information_schema`, which the row decoder is made from.

use std::sync::Arc;

use otter_core::TableName;

use super::information::{SchemaColumn, SchemaTable};
use crate::history::types::DataType;
use crate::history::{ColumnSchema, TableSchema, charset};

/// The columns that MariaDB's system versioning hides at the end of each row.
const ROW_TIMES: [&str; 2] = ["row_start", "row_end"];

/// The table as its rows hold it; `None` where not all its columns are known.
pub(crate) fn schema_table(name: &TableName, table: &TableSchema) -> Option<SchemaTable> {
    if !table.is_complete() {
        return None;
    }
    let mut columns: Vec<SchemaColumn> = table.columns().iter().map(schema_column).collect();
    if table.versioning() == crate::history::schema::Versioning::Implicit {
        columns.extend(ROW_TIMES.map(|name| SchemaColumn {
            name: name.into(),
            data_type: "timestamp".to_owned(),
            column_type: "timestamp(6)".to_owned(),
            nullable: false,
            charset: None,
            octets: None,
            precision: None,
            scale: None,
            digits: 6,
        }));
    }
    Some(SchemaTable { name: name.clone(), columns, primary_key: table.primary_key() })
}

fn schema_column(column: &ColumnSchema) -> SchemaColumn {
    let column_type = column.data_type.to_string();
    let word = column_type.split(['(', ' ']).next().unwrap_or_default();
    let shape = shape(&column.data_type, column.collation.as_deref());
    let set = column.collation.as_deref().map(charset::of_collation);
    SchemaColumn {
        name: Arc::clone(&column.name),
        data_type: word.to_owned(),
        nullable: column.nullable,
        // What CHARACTER SET binary makes of an ENUM has no character set.
        charset: set.filter(|name| *name != charset::BINARY).map(Arc::from),
        octets: shape.octets,
        precision: shape.precision,
        scale: shape.scale,
        digits: shape.digits,
        column_type,
    }
}

/// The numbers of a type.
#[derive(Default)]
struct Shape {
    octets: Option<u64>,
    precision: Option<u8>,
    scale: Option<u8>,
    digits: u8,
}

fn shape(data_type: &DataType, collation: Option<&str>) -> Shape {
    let letters = |chars: u32| {
        u64::from(chars) * u64::from(charset::max_bytes(collation.unwrap_or(charset::BINARY)))
    };
    let octets = |octets: u64| Shape { octets: Some(octets), ..Shape::default() };
    let digits = |digits: &u8| Shape { digits: *digits, ..Shape::default() };
    match data_type {
        DataType::Char { chars } | DataType::VarChar { chars } => octets(letters(*chars)),
        DataType::Binary { bytes } | DataType::VarBinary { bytes } => octets(u64::from(*bytes)),
        DataType::Text(size) | DataType::Blob(size) => octets(u64::from(size.max_bytes())),
        DataType::Decimal { precision, scale, .. } => {
            Shape { precision: Some(*precision), scale: Some(*scale), ..Shape::default() }
        }
        DataType::Bit { bits } => Shape { precision: Some(*bits), ..Shape::default() },
        DataType::Time { digits: count }
        | DataType::DateTime { digits: count }
        | DataType::Timestamp { digits: count } => digits(count),
        DataType::Integer { .. }
        | DataType::Float { .. }
        | DataType::Double { .. }
        | DataType::Year
        | DataType::Date
        | DataType::Enum(_)
        | DataType::Set(_)
        | DataType::Json
        | DataType::Geometry(_)
        | DataType::Vector { .. }
        | DataType::Uuid
        | DataType::Inet4
        | DataType::Inet6 => Shape::default(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::history::{Dialect, Flavor, Schema, SchemaOptions, Session, read};

    fn table(definition: &str, flavor: Flavor) -> SchemaTable {
        let dialect = match flavor {
            Flavor::MySql => Dialect::new(flavor, 8, 4, 0),
            Flavor::MariaDb => Dialect::new(flavor, 10, 11, 19),
        };
        let mut session = Session::new(dialect);
        session.database = "shop".into();
        let mut schema = Schema::new(SchemaOptions::default());
        let statement = read(definition.as_bytes(), &dialect).unwrap();
        schema.apply(&statement, &session).unwrap();
        let name = TableName::new("shop", "t");
        schema_table(&name, schema.table(&name).unwrap()).unwrap()
    }

    #[test]
    fn numbers_of_types_are_those_of_the_information_schema() {
        let text = "CREATE TABLE t (a VARCHAR(20) CHARACTER SET utf8mb4, b DECIMAL(12,4) UNSIGNED, \
                    c TIMESTAMP(3) NULL, d BIT(9), e TEXT CHARACTER SET latin1, f VARBINARY(7), \
                    g BIGINT UNSIGNED PRIMARY KEY)";
        let table = table(text, Flavor::MySql);
        let shown: Vec<String> = table
            .columns
            .iter()
            .map(|it| {
                let set = it.charset.as_deref().unwrap_or("-");
                format!("{} {set} {:?} {:?} {}", it.data_type, it.octets, it.precision, it.digits)
            })
            .collect();
        assert_eq!(
            shown,
            [
                "varchar utf8mb4 Some(80) None 0",
                "decimal - None Some(12) 0",
                "timestamp - None None 3",
                "bit - None Some(9) 0",
                "text latin1 Some(65535) None 0",
                "varbinary - Some(7) None 0",
                "bigint - None None 0",
            ]
        );
        assert!(table.columns[1].is_unsigned() && table.columns[6].is_unsigned());
        assert_eq!(table.primary_key, [6]);
    }

    #[test]
    fn rows_of_a_versioned_table_end_with_their_times() {
        let text = "CREATE TABLE t (a INT PRIMARY KEY) WITH SYSTEM VERSIONING";
        let names: Vec<String> = table(text, Flavor::MariaDb)
            .columns
            .iter()
            .map(|column| format!("{} {}", column.name, column.digits))
            .collect();
        assert_eq!(names, ["a 0", "row_start 6", "row_end 6"]);
    }

    proptest! {
        #[test]
        fn labels_survive(labels in prop::collection::vec("[a-z'\\\\\",() éß]{0,6}", 1..4)) {
            let labels: Vec<Arc<str>> = labels.into_iter().map(Arc::from).collect();
            let column = ColumnSchema {
                name: "a".into(),
                data_type: DataType::Enum(labels.clone().into()),
                collation: Some("utf8mb4_bin".into()),
                nullable: true,
                auto_increment: false,
                invisible: false,
                compressed: false,
                generated: None,
            };
            prop_assert_eq!(schema_column(&column).labels().unwrap().to_vec(), labels);
        }
    }
}
