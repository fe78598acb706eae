use std::sync::Arc;

use otter_core::{Date, DateTime, Time};

use super::*;
use crate::mysql::fit::fit;
use crate::mysql::fit::tests::{INT, source_table, target_column, target_table};

fn text_type(charset: &str) -> ColumnType {
    ColumnType::Text { max_bytes: 255, charset: Arc::from(charset), fixed: false }
}

fn varchar() -> TargetColumn {
    TargetColumn { charset: Some("utf8mb4".to_owned()), ..target_column("c", "varchar") }
}

fn plan(source: ColumnType, target: TargetColumn) -> TablePlan {
    fit(&source_table(&[("c", source)]), Some(target_table(vec![target], &[]))).unwrap()
}

fn field_of(
    value: Value<'_>,
    source: ColumnType,
    target: TargetColumn,
) -> Result<String, NotLoadable> {
    let plan = plan(source, target);
    let mut line = String::new();
    push_field(&mut line, value, &plan.columns[0]).map(|()| line)
}

fn number(value: Value<'_>) -> String {
    field_of(value, ColumnType::Double, target_column("c", "double")).unwrap()
}

#[test]
fn numbers_and_times_are_the_texts_of_their_literals() {
    assert_eq!(number(Value::Int(i64::MIN)), "-9223372036854775808");
    assert_eq!(number(Value::UInt(u64::MAX)), "18446744073709551615");
    assert_eq!(number(Value::Decimal("-12.50")), "-12.50");
    assert_eq!(number(Value::Double(0.1)), "1e-1");
    assert_eq!(number(Value::Double(-0.0)), "-0");
    assert_eq!(number(Value::Null), "\\N");
    let date = Date { year: 0, month: 1, day: 31 };
    assert_eq!(number(Value::Date(date)), "0000-01-31");
    let time = Time { negative: true, hours: 838, minutes: 0, seconds: 9, micros: 10, digits: 6 };
    assert_eq!(number(Value::Time(time)), "-838:00:09.000010");
    let at = DateTime { date, hour: 1, minute: 2, second: 3, micros: 0, digits: 0 };
    assert_eq!(number(Value::DateTime(at)), "0000-01-31 01:02:03");
}

#[test]
fn numbers_with_an_exponent_are_not_written_as_text() {
    for source in [ColumnType::Float, ColumnType::Double] {
        assert!(!plan(source.clone(), varchar()).loads, "the server writes 1e-1 as 0.1");
        assert!(plan(source, target_column("c", "double")).loads);
    }
}

#[test]
fn a_year_of_zero_is_not_2000() {
    let year =
        |data_type| field_of(Value::Year(0), ColumnType::Year, target_column("c", data_type));
    assert_eq!(year("year"), Ok("0000".to_owned()));
    let to_number = plan(ColumnType::Year, target_column("c", "int"));
    assert!(!to_number.loads, "a number and four digits are not the same in every column");
}

#[test]
fn what_ends_a_field_or_a_line_is_escaped() {
    let text = "a\tb\nc\\N\0 d'\"\r";
    let field = field_of(Value::Text(text.as_bytes()), text_type("utf8mb4"), varchar());
    assert_eq!(field.unwrap(), "a\\tb\\nc\\\\N\\0 d'\"\r");
    let empty = field_of(Value::Text(b""), text_type("utf8mb4"), varchar());
    assert_eq!(empty.unwrap(), "");
}

#[test]
fn text_that_is_not_unicode_is_left_to_insert() {
    for (charset, bytes) in
        [("utf8mb4", &b"\xff"[..]), ("latin1", b"\xe9"), ("gbk", b"a\\"), ("utf16", b"\0a")]
    {
        let field = field_of(Value::Text(bytes), text_type(charset), varchar());
        assert_eq!(field, Err(NotLoadable), "{charset}");
    }
    let plain = field_of(Value::Text(b"plain"), text_type("latin1"), varchar());
    assert_eq!(plain.unwrap(), "plain");
}

#[test]
fn spaces_that_a_char_drops_are_left_to_insert_which_refuses_them() {
    let char = TargetColumn { charset: Some("utf8mb4".to_owned()), ..target_column("c", "char") };
    let field = field_of(Value::Text(b"a "), text_type("utf8mb4"), char);
    assert_eq!(field, Err(NotLoadable));
}

#[test]
fn bytes_and_bits_take_a_way_of_their_own() {
    let source = ColumnType::Bytes { max_bytes: 255, fixed: false };
    let plan_of_bytes = plan(source.clone(), target_column("c", "varbinary"));
    let mut text = String::new();
    push_load(&mut text, &plan_of_bytes);
    assert_eq!(
        text,
        "LOAD DATA LOCAL INFILE 'otter' INTO TABLE `shop`.`item` CHARACTER SET utf8mb4 \
         FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' LINES TERMINATED BY '\\n' \
         (@otter_0) SET `c` = UNHEX(@otter_0)"
    );
    let field = field_of(Value::Bytes(b"\0\xff"), source, target_column("c", "varbinary"));
    assert_eq!(field.unwrap(), "00FF");
    let bit = plan(ColumnType::Bit { bits: 9 }, target_column("c", "bit"));
    text.clear();
    push_load(&mut text, &bit);
    assert!(text.ends_with("(@otter_0) SET `c` = CAST(@otter_0 AS UNSIGNED)"), "{text}");
}

#[test]
fn labels_are_written_by_name() {
    let labels: Arc<[Arc<str>]> = ["a", "b\tc", "3"].map(Arc::from).into();
    let target = |data_type| TargetColumn {
        column_type: format!("{data_type}('a','b\tc','3')"),
        ..target_column("c", data_type)
    };
    let field = |number| {
        field_of(
            Value::Enum(number),
            ColumnType::Enum { labels: Some(labels.clone()) },
            target("enum"),
        )
    };
    assert_eq!(field(2), Ok("b\\tc".to_owned()));
    // The error value, and a number without a label.
    assert_eq!((field(0), field(4)), (Err(NotLoadable), Err(NotLoadable)));
    let set = ColumnType::Set { labels: Some(labels.clone()) };
    assert_eq!(field_of(Value::Set(0b101), set.clone(), target("set")), Ok("a,3".to_owned()));
    assert_eq!(field_of(Value::Set(0), set.clone(), target("set")), Ok(String::new()));
    assert_eq!(field_of(Value::Set(2), set.clone(), target("set")), Err(NotLoadable));
    assert_eq!(field_of(Value::Set(8), set, target("set")), Err(NotLoadable));
    assert!(!plan(ColumnType::Enum { labels: None }, target("enum")).loads);
}

#[test]
fn documents_that_their_text_carries_are_loaded() {
    let json = |text| field_of(Value::Json(text), ColumnType::Json, target_column("c", "json"));
    assert_eq!(json("{\"a\": \"\\n\"}"), Ok("{\"a\": \"\\\\n\"}".to_owned()));
    // Its text would make a DOUBLE of the DECIMAL.
    assert_eq!(json("[1.10]"), Err(NotLoadable));
}

#[test]
fn columns_that_the_target_makes_itself_are_left_out() {
    let generated = TargetColumn { generated: true, ..target_column("g", "int") };
    let target = target_table(vec![target_column("id", "int"), generated], &["id"]);
    let plan = fit(&source_table(&[("id", INT), ("g", INT)]), Some(target)).unwrap();
    let mut text = String::new();
    push_load(&mut text, &plan);
    assert!(plan.loads && text.ends_with("(`id`)"), "{text}");
}
