use otter_core::TableName;

use super::*;
use crate::mysql::target::TargetKey;

pub(crate) fn target_column(name: &str, data_type: &str) -> TargetColumn {
    TargetColumn {
        name: Arc::from(name),
        nullable: true,
        has_default: true,
        generated: false,
        stamps_updates: false,
        counts: false,
        data_type: data_type.to_owned(),
        column_type: data_type.to_owned(),
        charset: None,
        collation: None,
        max_letters: None,
        max_bytes: None,
        scale: None,
        fraction_digits: None,
    }
}

pub(crate) fn target_table(columns: Vec<TargetColumn>, key: &[&str]) -> TargetTable {
    TargetTable {
        name: TableName::new("shop", "item"),
        kind: "BASE TABLE".to_owned(),
        engine: Some("InnoDB".to_owned()),
        transactional: true,
        columns,
        identities: match key {
            [] => Vec::new(),
            key => vec![TargetKey {
                name: "PRIMARY".to_owned(),
                columns: key.iter().map(|name| (*name).to_owned()).collect(),
            }],
        },
        uniques: match key {
            [] => Vec::new(),
            key => vec![Some(key.iter().map(|name| (*name).to_owned()).collect())],
        },
        related: false,
        silent_cascades: false,
        key_names: Vec::new(),
        triggers: Vec::new(),
    }
}

pub(crate) fn source_table(columns: &[(&str, ColumnType)]) -> Arc<Table> {
    Arc::new(Table {
        name: TableName::new("shop", "item"),
        columns: columns
            .iter()
            .map(|(name, column_type)| Column {
                name: Arc::from(*name),
                column_type: column_type.clone(),
                nullable: true,
            })
            .collect(),
        primary_key: vec![0],
        dropped_key: Vec::new(),
    })
}

pub(crate) const INT: ColumnType = ColumnType::Integer { bytes: 4, unsigned: false };

fn complaint(source: &[(&str, ColumnType)], target: Option<TargetTable>) -> String {
    fit(&source_table(source), target).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn a_table_that_is_missing_or_cannot_roll_back_is_unfit() {
    let source = [("id", INT)];
    let target = || target_table(vec![target_column("id", "int")], &["id"]);
    assert!(complaint(&source, None).contains("does not exist"));
    let aria = TargetTable { transactional: false, engine: Some("Aria".into()), ..target() };
    assert!(complaint(&source, Some(aria)).contains("ALTER TABLE `shop`.`item` ENGINE=InnoDB"));
    let view = TargetTable { kind: "VIEW".into(), ..target() };
    assert!(complaint(&source, Some(view)).contains("it is a view"));
    let trigger = TargetTable { triggers: vec!["audit".into()], ..target() };
    assert!(complaint(&source, Some(trigger)).contains("DROP TRIGGER `shop`.`audit`"));
}

#[test]
fn a_missing_column_and_one_without_default_are_named() {
    let source = [("id", INT), ("title", INT)];
    let target = target_table(vec![target_column("id", "int")], &["id"]);
    assert!(complaint(&source, Some(target)).contains("column title is missing"));
    let mut extra = target_column("shelf", "int");
    extra.has_default = false;
    let columns = vec![target_column("id", "int"), target_column("title", "int"), extra];
    assert!(complaint(&source, Some(target_table(columns, &["id"]))).contains("shelf"));
}

#[test]
fn a_column_that_would_round_in_silence_is_unfit() {
    let check = |source: ColumnType, target: TargetColumn| {
        fit(&source_table(&[("c", source)]), Some(target_table(vec![target], &[])))
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    let datetime =
        |digits| TargetColumn { fraction_digits: Some(digits), ..target_column("c", "datetime") };
    assert!(check(ColumnType::DateTime { digits: 3 }, datetime(3)).is_ok());
    let error = check(ColumnType::DateTime { digits: 6 }, datetime(0)).unwrap_err();
    assert!(error.contains("MODIFY COLUMN `c` datetime(6) NULL"), "{error}");
    let decimal = |scale| TargetColumn { scale: Some(scale), ..target_column("c", "decimal") };
    let source = ColumnType::Decimal { precision: 10, scale: 2, unsigned: false };
    assert!(check(source.clone(), decimal(2)).is_ok());
    assert!(check(source, decimal(1)).is_err());
    assert!(check(ColumnType::Double, target_column("c", "float")).is_err());
    assert!(check(INT, target_column("c", "year")).is_err());
    assert!(check(INT, target_column("c", "bigint")).is_ok());
}

#[test]
fn null_that_would_become_the_present_time_is_unfit() {
    let target = TargetColumn { nullable: false, ..target_column("t", "timestamp") };
    let error = complaint(
        &[("t", ColumnType::Timestamp { digits: 0 })],
        Some(target_table(vec![target], &[])),
    );
    assert!(error.contains("present time"), "{error}");
}

#[test]
fn identities_are_the_targets_keys_that_the_source_has() {
    let columns = vec![target_column("id", "int"), target_column("shelf", "int")];
    let plan = fit(&source_table(&[("ID", INT)]), Some(target_table(columns.clone(), &["id"])));
    assert_eq!(plan.unwrap().identities, [vec![0]]);
    let plan = fit(&source_table(&[("id", INT)]), Some(target_table(columns, &["shelf"])));
    assert!(plan.unwrap().identities.is_empty());
}

fn constant(text: &str) -> ColumnType {
    ColumnType::Constant { text: text.into() }
}

#[test]
fn a_missing_column_names_the_one_that_was_meant() {
    let source = [("id", INT), ("titel", INT)];
    let target = target_table(vec![target_column("id", "int"), target_column("title", "int")], &[]);
    let error = complaint(&source, Some(target));
    assert!(error.contains("column titel is missing; did you mean title?"), "{error}");
    let source = [("id", INT), ("shard", constant("03"))];
    let error = complaint(&source, Some(target_table(vec![target_column("id", "int")], &["id"])));
    assert!(error.contains("ADD COLUMN `shard` varchar(2) NOT NULL"), "{error}");
}

#[test]
fn constants_belong_to_every_identity() {
    let columns = ["id", "shard", "code"].map(|name| target_column(name, "int")).to_vec();
    let source = source_table(&[("shard", constant("03")), ("id", INT), ("code", INT)]);
    let identities =
        |key: &[&str]| fit(&source, Some(target_table(columns.clone(), key))).unwrap().identities;
    assert_eq!(identities(&["shard", "id"]), [vec![0, 1]]);
    assert_eq!(identities(&["id"]), [vec![1, 0]]);
    assert_eq!(identities(&["shard"]), Vec::<Vec<usize>>::new(), "rows are not told apart by it");
    let plan = fit(&source, Some(target_table(columns.clone(), &["id", "shard"]))).unwrap();
    let compaction = Compaction::ByKey { others: vec![], upserts: true, keeps_rows: false };
    assert_eq!(plan.compaction, compaction);
}

#[test]
fn the_hidden_hash_of_a_long_unique_key_is_not_written() {
    let hash = ColumnType::Integer { bytes: 8, unsigned: true };
    let target = || Some(target_table(vec![target_column("id", "int")], &["id"]));
    let source = source_table(&[("id", INT), ("DB_ROW_HASH_1", hash.clone())]);
    let plan = fit(&source, target()).unwrap();
    assert!(plan.columns[0].written && !plan.columns[1].written);
    for (name, column_type) in [("DB_ROW_HASH_", hash), ("DB_ROW_HASH_1", text_of_latin1())] {
        assert!(fit(&source_table(&[("id", INT), (name, column_type)]), target()).is_err());
    }
}

#[test]
fn a_dropped_key_needs_another_one() {
    let mut source = Table::clone(&source_table(&[("code", INT), ("shard", constant("03"))]));
    source.primary_key = Vec::new();
    source.dropped_key = vec!["id".into()];
    let source = Arc::new(source);
    let target = |key: &[&str]| {
        let columns = ["id", "code", "shard"].map(|name| target_column(name, "int")).to_vec();
        Some(target_table(columns, key))
    };
    let error = fit(&source, target(&["id"])).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("column id of the source's primary key is dropped"), "{error}");
    assert!(error.contains("ALTER TABLE `shop`.`item` ADD UNIQUE KEY"), "{error}");
    assert!(fit(&source, target(&["shard"])).is_err());
    assert_eq!(fit(&source, target(&["code"])).unwrap().identities, [vec![0, 1]]);
}

#[test]
fn a_constant_that_a_column_would_change_or_refuse_is_unfit() {
    let text = |data_type: &str, letters: u64| TargetColumn {
        max_letters: Some(letters),
        max_bytes: Some(4 * letters),
        ..target_column("c", data_type)
    };
    let typed = |data_type: &str, column_type: &str| TargetColumn {
        column_type: column_type.to_owned(),
        ..target_column("c", data_type)
    };
    for (constant_text, target, expected) in [
        ("03", text("char", 2), true),
        ("äöü", text("varchar", 3), true),
        ("003", text("char", 2), false),
        ("3 ", text("char", 2), false),
        ("3 ", text("varchar", 2), true),
        ("12345", text("text", 1), false),
        ("03", typed("tinyint", "tinyint(4)"), true),
        ("-128", typed("tinyint", "tinyint(4)"), true),
        ("128", typed("tinyint", "tinyint(4)"), false),
        ("255", typed("tinyint", "tinyint(3) unsigned"), true),
        ("-1", typed("tinyint", "tinyint(3) unsigned"), false),
        ("18446744073709551615", typed("bigint", "bigint unsigned"), true),
        ("a3", typed("int", "int(11)"), false),
        ("", typed("int", "int(11)"), false),
        ("b", typed("enum", "enum('a','b')"), true),
        ("1", typed("enum", "enum('a','b')"), false),
        ("a','b", typed("enum", "enum('a','b')"), false),
        ("it's", typed("set", "set('it''s','x')"), true),
        ("it's,x", typed("set", "set('it''s','x')"), false),
        ("2026-01-01", target_column("c", "date"), false),
        ("x", TargetColumn { generated: true, ..text("char", 9) }, false),
    ] {
        let table = target_table(vec![target_column("id", "int"), target.clone()], &["id"]);
        let source = source_table(&[("id", INT), ("c", constant(constant_text))]);
        let fits = fit(&source, Some(table)).is_ok();
        assert_eq!(fits, expected, "{constant_text} {}", target.column_type);
    }
}

fn text_of_latin1() -> ColumnType {
    ColumnType::Text { max_bytes: 9, charset: Arc::from("latin1"), fixed: false }
}
