use proptest::prelude::*;

use super::*;

fn dates() -> impl Strategy<Value = Date> {
    (0_u16..=9999, 0_u8..=12, 0_u8..=31).prop_map(|(year, month, day)| Date { year, month, day })
}

proptest! {
    #[test]
    fn temporals_come_back_as_they_went_in(
        date in dates(), hours in 0_u16..=838, hour in 0_u8..24, minute in 0_u8..60,
        second in 0_u8..60, micros in 0_u32..1_000_000, digits in 0_u8..=6, negative: bool,
        seconds: u32,
    ) {
        let values = [
            Value::Date(date),
            Value::Time(Time { negative, hours, minutes: minute, seconds: second, micros, digits }),
            Value::DateTime(DateTime { date, hour, minute, second, micros, digits }),
            Value::Timestamp(Timestamp { seconds, micros, digits }),
        ];
        let mut builder = RowArenaBuilder::new();
        for value in values {
            builder.push(Some(value)).unwrap();
        }
        let arena = builder.finish();
        for (index, value) in values.into_iter().enumerate() {
            prop_assert!(arena.value(index) == Some(value));
        }
    }

    #[test]
    fn numbers_and_bytes_come_back_as_they_went_in(
        int: i64, uint: u64, float: f32, double: f64, bytes: Vec<u8>, text in "\\PC*",
    ) {
        let mut builder = RowArenaBuilder::new();
        let values = [
            Value::Int(int), Value::UInt(uint), Value::Float(float), Value::Double(double),
            Value::Bytes(&bytes), Value::Text(&bytes), Value::Json(&text), Value::Decimal("-1.50"),
            Value::Bit(uint), Value::Set(uint), Value::Enum(65_535), Value::Year(2155),
            Value::Geometry(&bytes), Value::Vector(&bytes), Value::Null,
        ];
        for value in values {
            builder.push(Some(value)).unwrap();
        }
        builder.push(None).unwrap();
        let arena = builder.finish();
        for (index, value) in values.into_iter().enumerate() {
            prop_assert!(arena.value(index) == Some(value));
        }
        prop_assert!(arena.value(values.len()).is_none());
    }
}

#[test]
fn a_failed_write_leaves_nothing_behind() {
    #[derive(Debug, PartialEq)]
    struct Broken;
    impl From<ArenaFull> for Broken {
        fn from(_: ArenaFull) -> Self {
            Self
        }
    }
    let mut builder = RowArenaBuilder::new();
    let result = builder.push_with(BytesKind::Json, |bytes| {
        bytes.extend_from_slice(b"half");
        Err(Broken)
    });
    assert_eq!(result, Err(Broken));
    assert_eq!(builder.byte_size(), 0);
}

#[test]
fn debug_output_shows_no_value() {
    let mut builder = RowArenaBuilder::new();
    builder.push(Some(Value::Text(b"secret"))).unwrap();
    let arena = builder.finish();
    assert!(!format!("{arena:?} {:?}", arena.value(0)).contains("secret"));
}
