use otter_core::{DateTime, Time};
use proptest::prelude::*;

use super::*;
use crate::mysql::fit::tests::target_column;

fn bytes_of(value: Value<'_>, equality: Equality) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    push_value(&mut bytes, value, equality)?;
    Some(bytes)
}

fn folded(text: &str) -> Option<Vec<u8>> {
    bytes_of(Value::Text(text.as_bytes()), Equality::AsciiText)
}

#[test]
fn texts_that_a_collation_may_hold_equal_are_equal() {
    assert_eq!(folded("Otter"), folded("oTTER  "));
    assert_eq!(folded("a\tb"), folded("AB"));
    assert_eq!(folded("a \u{1} "), folded("a"));
    assert_ne!(folded("a b"), folded("ab"));
    assert_eq!(folded("ä"), None);
    let binary = |text: &'static str| bytes_of(Value::Text(text.as_bytes()), Equality::BinaryText);
    assert_eq!(binary("ä "), binary("ä"));
    assert_ne!(binary("a"), binary("A"));
}

/// The equality of a column of the target, which stands where the source has the first.
fn equality(
    source: &ColumnType,
    data_type: &str,
    charset: Option<&str>,
    collation: Option<&str>,
) -> Option<Equality> {
    let target = TargetColumn {
        charset: charset.map(str::to_owned),
        collation: collation.map(str::to_owned),
        ..target_column("k", data_type)
    };
    Equality::of(source, &target)
}

fn labels(labels: &[&str]) -> Option<Arc<[Arc<str>]>> {
    Some(labels.iter().map(|label| Arc::from(*label)).collect())
}

#[test]
fn numbers_and_times_are_exact_in_columns_of_their_kind_alone() {
    let of = |source: &ColumnType, data_type: &str| equality(source, data_type, None, None);
    let exact = Some(Equality::Exact);
    let int = ColumnType::Integer { bytes: 4, unsigned: false };
    for number in [int, ColumnType::Year, ColumnType::Bit { bits: 3 }] {
        assert_eq!(of(&number, "bigint"), exact, "{number:?}");
        assert_eq!(of(&number, "double"), None, "{number:?}");
        assert_eq!(of(&number, "varchar"), None, "{number:?}");
    }
    let decimal = ColumnType::Decimal { precision: 8, scale: 2, unsigned: false };
    assert_eq!(of(&decimal, "decimal"), exact);
    assert_eq!(of(&decimal, "double"), None);
    let timestamp = ColumnType::Timestamp { digits: 0 };
    assert_eq!(of(&timestamp, "datetime"), exact);
    assert_eq!(of(&timestamp, "bigint"), None);
    let bytes = ColumnType::Bytes { max_bytes: 9, fixed: false };
    assert_eq!(of(&bytes, "varbinary"), exact);
    assert_eq!(of(&bytes, "varchar"), None);
    assert_eq!(of(&ColumnType::Double, "double"), None);
}

#[test]
fn labels_are_their_numbers_where_no_collation_holds_two_equal() {
    let kinds = [
        ("enum", (|labels| ColumnType::Enum { labels }) as fn(_) -> ColumnType),
        ("set", |labels| ColumnType::Set { labels }),
    ];
    for (data_type, column) in kinds {
        let of = |labels, data_type| equality(&column(labels), data_type, None, None);
        assert_eq!(of(labels(&["a", "b"]), data_type), Some(Equality::Exact));
        assert_eq!(of(labels(&["a", "b"]), "varchar"), None);
        assert_eq!(of(labels(&["a", "A "]), data_type), None);
        assert_eq!(of(labels(&["a", "ä"]), data_type), None);
        assert_eq!(of(None, data_type), None);
    }
}

#[test]
fn texts_are_equal_as_the_targets_collation_says() {
    let text = |charset: &str| {
        let charset = Arc::from(charset);
        ColumnType::Text { max_bytes: 9, charset, fixed: false }
    };
    let of = |source: &str, data_type: &str, charset, collation| {
        equality(&text(source), data_type, charset, collation)
    };
    let ascii = Some(Equality::AsciiText);
    let utf8 = Some("utf8mb4");
    assert_eq!(of("latin1", "varchar", utf8, Some("utf8mb4_0900_ai_ci")), ascii);
    assert_eq!(of("utf8mb4", "char", utf8, Some("utf8mb4_general_ci")), ascii);
    assert_eq!(of("utf8mb4", "char", utf8, Some("uca1400_ai_ci")), ascii);
    assert_eq!(of("utf8mb4", "varchar", utf8, Some("utf8mb4_bin")), Some(Equality::BinaryText));
    // Letters of two or three characters are equal to others.
    assert_eq!(of("utf8mb4", "varchar", utf8, Some("utf8mb4_da_0900_ai_ci")), None);
    assert_eq!(of("utf8mb4", "text", utf8, Some("utf8mb4_bin")), None);
    assert_eq!(of("utf8mb4", "varchar", Some("gbk"), Some("gbk_bin")), None);
    assert_eq!(of("sjis", "varchar", utf8, Some("utf8mb4_bin")), None);
    assert_eq!(of("utf8mb4", "varchar", utf8, None), None);
    assert_eq!(of("utf8mb4", "varbinary", None, None), None);
    let constant = ColumnType::Constant { text: "north".into() };
    assert_eq!(equality(&constant, "char", utf8, Some("utf8mb4_bin")), Some(Equality::BinaryText));
    assert_eq!(equality(&constant, "int", None, None), None);
}

#[test]
fn equalities_have_names_of_their_own() {
    let names = [Equality::Exact, Equality::BinaryText, Equality::AsciiText].map(Equality::name);
    assert_eq!(names, ["exact", "binary text", "ASCII text"]);
}

#[test]
fn what_an_equality_is_not_about_cannot_be_told() {
    let int = |equality| bytes_of(Value::Int(1), equality);
    assert!(int(Equality::Exact).is_some());
    assert_eq!(int(Equality::BinaryText), None);
    assert_eq!(int(Equality::AsciiText), None);
    assert_eq!(bytes_of(Value::Text(b"a"), Equality::Exact), None);
    assert!(bytes_of(Value::Null, Equality::AsciiText).is_some());
}

#[test]
fn times_and_bytes_are_equal_as_the_target_holds_them() {
    let exact = |value| bytes_of(value, Equality::Exact).unwrap();
    let time = |negative, [hours, minutes, seconds, micros]: [u32; 4]| {
        let byte = |number| u8::try_from(number).unwrap();
        exact(Value::Time(Time {
            negative,
            hours: u16::try_from(hours).unwrap(),
            minutes: byte(minutes),
            seconds: byte(seconds),
            micros,
            digits: 0,
        }))
    };
    assert_eq!(time(true, [0, 0, 0, 0]), time(false, [0, 0, 0, 0]));
    for parts in [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]] {
        assert_ne!(time(true, parts), time(false, parts), "{parts:?}");
        assert_ne!(time(false, parts), time(false, [0, 0, 0, 0]), "{parts:?}");
    }
    assert_eq!(exact(Value::Bytes(b"a\0\0")), exact(Value::Bytes(b"a")));
    assert_eq!(exact(Value::Bytes(b"\0")), exact(Value::Bytes(b"")));
    assert_ne!(exact(Value::Bytes(b"\0a")), exact(Value::Bytes(b"a")));
    let date = |day| Date { year: 2026, month: 11, day };
    let noon =
        |day| DateTime { date: date(day), hour: 12, minute: 0, second: 0, micros: 0, digits: 0 };
    assert_ne!(exact(Value::Date(date(1))), exact(Value::Date(date(2))));
    assert_ne!(exact(Value::DateTime(noon(1))), exact(Value::DateTime(noon(2))));
    assert_ne!(exact(Value::DateTime(noon(1))), exact(Value::Date(date(1))));
}

#[test]
fn numbers_are_equal_whatever_their_sign_can_be() {
    let exact = |value| bytes_of(value, Equality::Exact);
    assert_eq!(exact(Value::Int(5)), exact(Value::UInt(5)));
    assert_ne!(exact(Value::Int(-1)), exact(Value::UInt(u64::MAX)));
    assert_eq!(exact(Value::Decimal("-0.00")), exact(Value::Decimal("0.00")));
    assert_ne!(exact(Value::Decimal("-0.10")), exact(Value::Decimal("0.10")));
    assert_ne!(exact(Value::Null), exact(Value::Bytes(b"")));
    assert_eq!(exact(Value::Json("{}")), None);
}

proptest! {
    /// Whatever is appended, the end of a value is where the next begins.
    #[test]
    fn neighbours_do_not_run_together(a in "[ -~]{0,5}", b in "[ -~]{0,5}", c in "[ -~]{0,5}", d in "[ -~]{0,5}") {
        for equality in [Equality::AsciiText, Equality::BinaryText] {
            let pair = |one: &str, other: &str| {
                let mut bytes = Vec::new();
                push_value(&mut bytes, Value::Text(one.as_bytes()), equality).unwrap();
                push_value(&mut bytes, Value::Text(other.as_bytes()), equality).unwrap();
                bytes
            };
            let alone = |text: &str| bytes_of(Value::Text(text.as_bytes()), equality);
            let is_same = alone(&a) == alone(&c) && alone(&b) == alone(&d);
            prop_assert_eq!(pair(&a, &b) == pair(&c, &d), is_same);
        }
    }
}
