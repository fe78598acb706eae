use otter_core::mapping::{ColumnRules, Mapping, Mappings};
use otter_core::{Column, ColumnType, Table, TableName};

use super::*;
use crate::mysql::target::{TargetColumn, TargetKey};

fn table(name: &str, columns: &[(&str, &str, bool)], keys: &[&[&str]]) -> TargetTable {
    let columns = columns.iter().map(|(name, kind, nullable)| TargetColumn {
        name: Arc::from(*name),
        nullable: *nullable,
        has_default: false,
        generated: false,
        stamps_updates: false,
        counts: false,
        data_type: kind.split(['(', ' ']).next().unwrap_or_default().to_owned(),
        column_type: (*kind).to_owned(),
        charset: kind.starts_with("varchar").then(|| "utf8mb4".to_owned()),
        collation: None,
        max_letters: None,
        max_bytes: None,
        scale: None,
        fraction_digits: None,
    });
    let key = |columns: &&[&str]| TargetKey {
        name: columns.join("_"),
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
    };
    TargetTable {
        name: TableName::new("shop", name),
        kind: "BASE TABLE".to_owned(),
        engine: None,
        transactional: true,
        columns: columns.collect(),
        identities: keys.iter().map(key).collect(),
        uniques: Vec::new(),
        related: false,
        silent_cascades: false,
        key_names: Vec::new(),
        triggers: Vec::new(),
    }
}

/// The table as a mapping with these rules shows it.
fn mapped(table: &TargetTable, to: &str, rules: ColumnRules) -> MappedTable {
    let column = |column: &TargetColumn| Column {
        name: Arc::clone(&column.name),
        column_type: ColumnType::Geometry,
        nullable: column.nullable,
    };
    let source = Arc::new(Table {
        name: table.name.clone(),
        columns: table.columns.iter().map(column).collect(),
        primary_key: Vec::new(),
        dropped_key: Vec::new(),
    });
    let from = if to.contains('*') { "shop.*".to_owned() } else { source.name.to_string() };
    let mapping = Mapping::parse(&from, Some(to)).unwrap().with_columns(rules).unwrap();
    let route = Mappings::new(vec![mapping]).unwrap().table(&source).unwrap().unwrap();
    MappedTable::new(&source, &route)
}

fn key_of(found: &Plan) -> Option<(Vec<&str>, usize, bool)> {
    let key = found.key.as_ref()?;
    Some((key.names.iter().map(AsRef::as_ref).collect(), key.ranged, key.is_number))
}

#[test]
fn ranges_are_made_of_a_key_that_both_sides_have() {
    let columns = [("id", "int", false), ("name", "varchar(9)", false), ("v", "int", true)];
    let source = table("a", &columns, &[&["id"]]);
    let target = table("a", &columns, &[&["name"], &["id"]]);
    let same = mapped(&source, "shop.*", ColumnRules::default());
    let found = plan(&[(&same, &source)], &target, false).unwrap();
    assert_eq!(key_of(&found), Some((vec!["id"], 1, true)));
    let target = table("a", &columns, &[&["name", "id"]]);
    let found = plan(&[(&same, &source)], &target, false).unwrap();
    assert_eq!(key_of(&found), Some((vec!["name", "id"], 2, false)));
    let target = table("a", &columns, &[]);
    assert_eq!(key_of(&plan(&[(&same, &source)], &target, false).unwrap()), None);
}

#[test]
fn a_key_that_may_be_null_at_the_source_tells_no_rows_apart() {
    let source = table("a", &[("id", "int", true)], &[]);
    let target = table("a", &[("id", "int", false)], &[&["id"]]);
    let same = mapped(&source, "shop.*", ColumnRules::default());
    assert_eq!(key_of(&plan(&[(&same, &source)], &target, false).unwrap()), None);
}

#[test]
fn names_constants_and_left_out_columns_follow_the_mapping() {
    let source =
        table("p1", &[("id", "int", false), ("ttl", "int", true), ("x", "int", true)], &[&["id"]]);
    let columns = [("origin", "varchar(9)", false), ("title", "int", true), ("id", "int", false)];
    let target = table("whole", &columns, &[&["id", "origin"]]);
    let rules = ColumnRules::default().rename("ttl", "title").unwrap();
    let rules = rules.drop_column("x").unwrap().constant("origin", "it's").unwrap();
    let one = mapped(&source, "shop.whole", rules);
    let found = plan(&[(&one, &source)], &target, false).unwrap();
    assert_eq!(key_of(&found), Some((vec!["id", "origin"], 1, true)));
    let names: Vec<&str> = found.columns.iter().map(|column| &*column.name).collect();
    assert_eq!(names, ["origin", "title", "id"]);
    let sums = |side: &Side| side.sums(&super::super::side::Range::default()).unwrap();
    assert!(sums(&found.sources[0]).contains("'it''s',`ttl`,`id`"), "{:?}", found.sources);
    assert!(sums(&found.target).contains("`origin`,`title`,`id`"), "{:?}", found.target);
}

#[test]
fn what_servers_cannot_compare_is_refused_with_the_reason() {
    let source = table("a", &[("id", "int", false), ("v", "double", true)], &[&["id"]]);
    let same = mapped(&source, "shop.*", ColumnRules::default());
    let refused = |target: &TargetTable| plan(&[(&same, &source)], target, false).unwrap_err();
    let other = table("a", &[("id", "int", false), ("v", "int", true)], &[&["id"]]);
    assert!(refused(&other).contains("column v is double"));
    let fewer = table("a", &[("id", "int", false)], &[&["id"]]);
    assert_eq!(refused(&fewer), "the target has no column v");
    let documents = table("d", &[("j", "json", true)], &[]);
    let same = mapped(&documents, "shop.*", ColumnRules::default());
    let refused = plan(&[(&same, &documents)], &documents, false).unwrap_err();
    assert!(refused.contains("no key"), "{refused}");
}
