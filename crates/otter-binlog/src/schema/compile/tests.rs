use otter_core::TableName;

use super::*;
use crate::test_bytes::table_map;

fn column(name: &str, data_type: &str, column_type: &str) -> SchemaColumn {
    SchemaColumn {
        name: name.into(),
        data_type: data_type.into(),
        column_type: column_type.into(),
        nullable: false,
        charset: None,
        octets: None,
        precision: None,
        scale: None,
        digits: 0,
    }
}

fn text(name: &str, data_type: &str, octets: u64, charset: &str) -> SchemaColumn {
    let charset = Some(charset.into());
    SchemaColumn { charset, octets: Some(octets), ..column(name, data_type, data_type) }
}

fn schema(columns: Vec<SchemaColumn>) -> SchemaTable {
    SchemaTable { name: TableName::new("d", "t"), columns, primary_key: vec![0] }
}

fn map(columns: &[(u8, &[u8])], optional: &[(u8, &[u8])]) -> TableMap {
    let rest = table_map(("d", "t"), columns, &vec![0; columns.len().div_ceil(8)], optional);
    TableMap::parse(1, &rest, false).unwrap()
}

#[test]
fn full_metadata_needs_no_schema() {
    let map = map(
        &[(3, &[]), (15, &[80, 0])],
        &[(1, &[0x80]), (2, &[45]), (4, b"\x02id\x01v"), (8, &[0])],
    );
    assert_eq!(outlook(&map, false), Outlook::Complete);
    let plan = compile(&map, None, Naming::Real, false).unwrap();
    assert_eq!(plan.table.primary_key, [0]);
    assert_eq!(plan.table.columns[0].column_type, ColumnType::Integer { bytes: 4, unsigned: true });
    assert_eq!(plan.codecs[..], [Codec::U32, Codec::Run { prefix: 1, content: Content::Text }]);
}

#[test]
fn without_names_the_schema_gives_names_signs_and_charsets() {
    let map = map(&[(3, &[]), (15, &[0, 1]), (254, &[254, 10])], &[]);
    assert_eq!(outlook(&map, true), Outlook::Needed);
    let schema = schema(vec![
        column("id", "int", "int(10) unsigned"),
        text("name", "varchar", 256, "latin1"),
        SchemaColumn { octets: Some(10), ..column("raw", "binary", "binary(10)") },
    ]);
    let plan = compile(&map, Some(&schema), Naming::Real, true).unwrap();
    assert_eq!(plan.table.columns[1].name.as_ref(), "name");
    assert_eq!(
        plan.codecs[..],
        [
            Codec::U32,
            Codec::Run { prefix: 2, content: Content::Text },
            Codec::Padded { prefix: 1, width: 10 }
        ]
    );
}

#[test]
fn a_schema_that_does_not_fit_is_refused_with_column_and_remedy() {
    let narrow = map(&[(3, &[]), (15, &[40, 0])], &[]);
    let wide = schema(vec![column("id", "int", "int"), text("name", "varchar", 80, "utf8mb4")]);
    let error = compile(&narrow, Some(&wide), Naming::Real, false).unwrap_err().to_string();
    assert!(error.starts_with("column 2 (`name`) of `d.t`: its rows were written as"), "{error}");
    assert!(error.contains("SET GLOBAL binlog_row_metadata = FULL"), "{error}");

    let fewer = schema(vec![column("id", "int", "int")]);
    let error = compile(&narrow, Some(&fewer), Naming::Real, false).unwrap_err();
    assert!(matches!(error, SchemaError::Width { logged: 2, now: 1, .. }));
    assert!(matches!(
        compile(&narrow, None, Naming::Real, false),
        Err(SchemaError::Missing { .. })
    ));

    let mut nullable = wide.clone();
    nullable.columns[0].nullable = true;
    let error = compile(&narrow, Some(&nullable), Naming::Real, false).unwrap_err().to_string();
    let words =
        "its rows were written as INT NOT NULL, but the table's definition now says int NULL";
    assert!(error.to_lowercase().contains(&words.to_lowercase()), "{error}");

    // MySQL 8 logs the sign by default: it is compared.
    let signed = map(&[(3, &[])], &[(1, &[0])]);
    let unsigned = schema(vec![column("id", "int", "int unsigned")]);
    assert!(compile(&signed, Some(&unsigned), Naming::Real, false).is_err());
}

#[test]
fn mariadb_s_uuid_is_told_from_binary_by_the_schema() {
    let map = map(&[(254, &[254, 16])], &[(2, &[63]), (4, b"\x01u")]);
    assert_eq!(outlook(&map, true), Outlook::Better);
    assert_eq!(outlook(&map, false), Outlook::Complete);
    let uuid = schema(vec![column("u", "uuid", "uuid")]);
    let plan = compile(&map, Some(&uuid), Naming::Real, true).unwrap();
    assert_eq!(plan.codecs[..], [Codec::Address(Address::Uuid)]);
    let binary = SchemaColumn { octets: Some(16), ..column("u", "binary", "binary(16)") };
    let plan = compile(&map, Some(&schema(vec![binary])), Naming::Real, true).unwrap();
    assert_eq!(plan.codecs[..], [Codec::Padded { prefix: 1, width: 16 }]);

    // Nothing is guessed where the schema is about something else.
    let error = compile(&map, None, Naming::Real, true).unwrap_err();
    assert!(matches!(error, SchemaError::Missing { .. }), "{error}");
    for other in [column("u", "int", "int"), column("v", "uuid", "uuid")] {
        let error = compile(&map, Some(&schema(vec![other])), Naming::Real, true).unwrap_err();
        assert!(matches!(error, SchemaError::Mismatch { .. }), "{error}");
    }
    let plan = compile(&map, None, Naming::Numbered, true).unwrap();
    assert_eq!(plan.codecs[..], [Codec::Padded { prefix: 1, width: 16 }]);
}

#[test]
fn a_character_set_that_nobody_tells_is_not_taken_for_bytes() {
    let columns: [(u8, &[u8]); 3] = [(254, &[254, 10]), (15, &[40, 0]), (252, &[2])];
    let plan = compile(&map(&columns, &[]), None, Naming::Numbered, true).unwrap();
    for column in &plan.table.columns {
        let ColumnType::Text { charset, .. } = &column.column_type else { panic!("{column:?}") };
        assert_eq!(**charset, *UNKNOWN);
    }
    let binary = map(&columns, &[(2, &[63])]);
    let plan = compile(&binary, None, Naming::Numbered, true).unwrap();
    let is_bytes = |column: &Column| matches!(column.column_type, ColumnType::Bytes { .. });
    assert!(plan.table.columns.iter().all(is_bytes));
}

#[test]
fn old_temporals_of_mariadb_are_decoded_only_where_they_have_no_fraction() {
    let map = map(&[(12, &[])], &[]);
    let whole = schema(vec![column("at", "datetime", "datetime")]);
    assert!(compile(&map, Some(&whole), Naming::Real, true).is_ok());
    let fraction =
        schema(vec![SchemaColumn { digits: 3, ..column("at", "datetime", "datetime(3)") }]);
    let error = compile(&map, Some(&fraction), Naming::Real, true).unwrap_err();
    assert!(matches!(error, SchemaError::Unsupported { .. }), "{error}");
}

#[test]
fn unknown_types_name_the_column() {
    let map = map(&[(3, &[]), (99, &[])], &[(1, &[0]), (4, b"\x01a\x01b")]);
    let error = compile(&map, None, Naming::Real, false).unwrap_err().to_string();
    assert_eq!(error, "column `b` of `d.t` has a type that cannot be decoded: type 99 is unknown");
    let map = self::map(&[(0, &[])], &[]);
    let error = compile(&map, None, Naming::Numbered, false).unwrap_err().to_string();
    assert!(error.contains("`@1`"), "{error}");
}

#[test]
fn labels_of_the_map_are_converted_to_utf8() {
    let map = map(
        &[(254, &[247, 1]), (254, &[248, 1])],
        &[(4, b"\x01e\x01s"), (6, &[1, 1, 0xe9]), (5, &[1, 1, b'x']), (10, &[8])],
    );
    let plan = compile(&map, None, Naming::Real, false).unwrap();
    let ColumnType::Enum { labels: Some(labels) } = &plan.table.columns[0].column_type else {
        panic!("labels are known")
    };
    assert_eq!(labels[0].as_ref(), "é");
}
