use std::sync::Arc;

use otter_core::{ColumnType, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::mysql::fit::TablePlan;
use crate::mysql::fit::tests::{source_table, target_column, target_table};
use crate::mysql::target::TargetColumn;

fn plan(source: ColumnType, target: TargetColumn) -> TablePlan {
    crate::mysql::fit::fit(&source_table(&[("c", source)]), Some(target_table(vec![target], &[])))
        .unwrap()
}

fn literal_of(value: Value<'_>, source: ColumnType, target: TargetColumn) -> String {
    let plan = plan(source, target);
    let mut text = String::new();
    push_value(&mut text, value, &plan.columns[0]).unwrap();
    text
}

fn text_type(charset: &str) -> ColumnType {
    ColumnType::Text { max_bytes: 255, charset: Arc::from(charset), fixed: false }
}

fn varchar() -> TargetColumn {
    TargetColumn { charset: Some("utf8mb4".to_owned()), ..target_column("c", "varchar") }
}

fn number(value: Value<'_>) -> String {
    literal_of(value, ColumnType::Double, target_column("c", "double"))
}

#[test]
fn numbers_keep_every_digit() {
    assert_eq!(number(Value::Int(i64::MIN)), "-9223372036854775808");
    assert_eq!(number(Value::UInt(u64::MAX)), "18446744073709551615");
    assert_eq!(number(Value::Int(0)), "0");
    assert_eq!(number(Value::Decimal("-12.50")), "-12.50");
    assert_eq!(number(Value::Double(0.1)), "1e-1");
    assert_eq!(number(Value::Float(0.1)), "1.0000000149011612e-1");
    assert_eq!(number(Value::Double(-0.0)), "'-0'");
    assert_eq!(number(Value::Year(0)), "0");
}

#[test]
fn what_is_no_number_is_refused() {
    let plan = plan(ColumnType::Double, target_column("c", "double"));
    for value in [Value::Double(f64::NAN), Value::Float(f32::INFINITY), Value::Decimal("1); DROP")]
    {
        assert!(push_value(&mut String::new(), value, &plan.columns[0]).is_err());
    }
}

#[test]
fn times_keep_zero_parts_and_fractions() {
    let date = Date { year: 0, month: 1, day: 31 };
    assert_eq!(number(Value::Date(date)), "'0000-01-31'");
    let time = Time { negative: true, hours: 838, minutes: 0, seconds: 9, micros: 10, digits: 6 };
    assert_eq!(number(Value::Time(time)), "'-838:00:09.000010'");
    let value = DateTime { date, hour: 1, minute: 2, second: 3, micros: 0, digits: 6 };
    assert_eq!(number(Value::DateTime(value)), "'0000-01-31 01:02:03'");
    let zero = Timestamp { seconds: 0, micros: 0, digits: 3 };
    assert_eq!(number(Value::Timestamp(zero)), "'0000-00-00 00:00:00'");
}

#[test]
fn text_is_quoted_where_that_is_exact_and_else_written_as_bytes() {
    let text = |bytes, charset| literal_of(Value::Text(bytes), text_type(charset), varchar());
    assert_eq!(text("it's 你".as_bytes(), "utf8mb4"), "'it''s 你'");
    assert_eq!(text(b"\xff", "utf8mb4"), "_utf8mb4 X'FF'");
    assert_eq!(text(b"plain", "latin1"), "'plain'");
    assert_eq!(text(b"\xe9", "latin1"), "_latin1 X'E9'");
    assert_eq!(text(b"a\\", "gbk"), "_gbk X'615C'");
    assert_eq!(text(b"\0a", "ucs2"), "_ucs2 X'0061'");
    assert_eq!(text(b"", "utf8mb4"), "''");
}

#[test]
fn a_character_set_is_never_taken_for_sql() {
    let plan = plan(text_type("x X'00'); DROP"), varchar());
    let error = push_value(&mut String::new(), Value::Text(b"a"), &plan.columns[0]).unwrap_err();
    assert!(error.0.contains("character set"));
}

#[test]
fn labels_are_written_by_name_where_they_are_known() {
    let labels: Option<Arc<[Arc<str>]>> = Some([Arc::from("a'b"), Arc::from("c")].into());
    let of_enum = |number, labels| {
        literal_of(Value::Enum(number), ColumnType::Enum { labels }, target_column("c", "enum"))
    };
    let of_set = |bits, labels| {
        literal_of(Value::Set(bits), ColumnType::Set { labels }, target_column("c", "set"))
    };
    assert_eq!(of_enum(1, labels.clone()), "'a''b'");
    assert_eq!(of_enum(0, labels.clone()), "0");
    assert_eq!(of_enum(2, None), "2");
    assert_eq!(of_set(3, labels.clone()), "'a''b,c'");
    assert_eq!(of_set(2, labels.clone()), "'c'");
    assert_eq!(of_set(0, labels), "''");
    assert_eq!(of_set(3, None), "3");
}

#[test]
fn trailing_spaces_that_the_target_would_drop_are_refused() {
    let refused = |bytes: &[u8], target: TargetColumn| {
        let plan = plan(text_type("utf8mb4"), target);
        push_value(&mut String::new(), Value::Text(bytes), &plan.columns[0]).is_err()
    };
    let char_column = TargetColumn { data_type: "char".to_owned(), ..varchar() };
    assert!(refused(b"a ", char_column.clone()));
    assert!(!refused(b"a", char_column));
    let short = TargetColumn { max_letters: Some(2), ..varchar() };
    assert!(refused(b"ab ", short.clone()));
    assert!(!refused("你 ".as_bytes(), short));
}

#[test]
fn a_value_that_fits_may_end_with_spaces_in_every_character_set() {
    let written = |charset: &str, bytes: &[u8], letters| {
        let target = TargetColumn { max_letters: Some(letters), ..varchar() };
        let plan = plan(text_type(charset), target);
        push_value(&mut String::new(), Value::Text(bytes), &plan.columns[0])
    };
    for (charset, bytes) in [
        ("utf32", &b"\0\0\0x\0\0\0 "[..]),
        ("utf16", b"\0x\0 "),
        ("gbk", b"\xd6\xd0 "),
        ("latin1", b"\xe9 "),
        ("utf8mb4", "中 ".as_bytes()),
    ] {
        assert_eq!(written(charset, bytes, 2), Ok(()), "{charset}");
        assert_eq!(written(charset, bytes, 1), Err(Unwritable("is too long")), "{charset}");
    }
    // Letters that end with the byte of a space.
    assert_eq!(written("ucs2", b"\x01 \x01 ", 1), Ok(()));
}

#[test]
fn exact_predicates_compare_bytes_and_null() {
    let exact = |value, source, target| {
        let plan = plan(source, target);
        let mut text = String::new();
        push_exact_predicate(&mut text, value, &plan.columns[0]).unwrap();
        text
    };
    assert_eq!(exact(Value::Null, text_type("utf8mb4"), varchar()), "`c` IS NULL");
    assert_eq!(
        exact(Value::Text(b"a"), text_type("utf8mb4"), varchar()),
        "`c` <=> 'a' AND CAST(`c` AS BINARY) <=> CAST(CONVERT('a' USING utf8mb4) AS BINARY)"
    );
    assert_eq!(
        exact(Value::Json("[1]"), ColumnType::Json, target_column("c", "json")),
        "`c` = CAST('[1]' AS JSON) AND HEX(`c`) = HEX(CAST('[1]' AS JSON))"
    );
}

proptest! {
    #[test]
    fn a_float_literal_gives_the_same_bits_again(bits: u64) {
        let value = f64::from_bits(bits);
        prop_assume!(value.is_finite() && bits != (-0.0_f64).to_bits());
        prop_assert_eq!(number(Value::Double(value)).parse::<f64>().unwrap().to_bits(), bits);
    }

    #[test]
    fn an_integer_literal_gives_the_same_number_again(signed: i64, unsigned: u64) {
        prop_assert_eq!(number(Value::Int(signed)).parse::<i64>().unwrap(), signed);
        prop_assert_eq!(number(Value::UInt(unsigned)).parse::<u64>().unwrap(), unsigned);
    }

    #[test]
    fn a_quoted_text_ends_at_its_last_quote_only(value in "\\PC{0,20}['\\\\\0]{0,4}\\PC{0,5}") {
        let literal = literal_of(Value::Text(value.as_bytes()), text_type("utf8mb4"), varchar());
        let inner = literal.strip_prefix('\'').unwrap().strip_suffix('\'').unwrap();
        let mut plain = String::new();
        let mut letters = inner.chars();
        while let Some(letter) = letters.next() {
            plain.push(match letter {
                '\'' => { assert_eq!(letters.next(), Some('\'')); '\'' }
                '\\' => match letters.next() { Some('0') => '\0', other => other.unwrap() },
                other => other,
            });
        }
        prop_assert_eq!(plain, value);
    }
}
