//! Values as bytes that are equal exactly where the values are.

use otter_core::{Date, DateTime, Value};

/// Appends the values of some columns; `None` where one of them is not known.
pub(crate) fn push_columns<'v>(
    bytes: &mut Vec<u8>,
    columns: &[usize],
    value_of: impl Fn(usize) -> Option<Value<'v>>,
) -> Option<()> {
    for index in columns {
        push_value(bytes, value_of(*index)?)?;
    }
    Some(())
}

/// Appends one value; all values of a column are of one kind or NULL, and those without a fixed
/// length begin with it. `None` for a kind that is not known here.
fn push_value(bytes: &mut Vec<u8>, value: Value<'_>) -> Option<()> {
    bytes.push(u8::from(!value.is_null()));
    match value {
        Value::Null => {}
        Value::Int(value) => bytes.extend_from_slice(&value.to_le_bytes()),
        Value::UInt(value) | Value::Bit(value) | Value::Set(value) => {
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        Value::Float(value) => bytes.extend_from_slice(&value.to_bits().to_le_bytes()),
        Value::Double(value) => bytes.extend_from_slice(&value.to_bits().to_le_bytes()),
        Value::Decimal(text) | Value::Json(text) => push_long(bytes, text.as_bytes()),
        Value::Year(value) | Value::Enum(value) => bytes.extend_from_slice(&value.to_le_bytes()),
        Value::Date(date) => push_date(bytes, date),
        Value::Time(time) => {
            bytes.push(u8::from(time.negative));
            bytes.extend_from_slice(&time.hours.to_le_bytes());
            bytes.extend_from_slice(&[time.minutes, time.seconds]);
            bytes.extend_from_slice(&time.micros.to_le_bytes());
        }
        Value::DateTime(value) => push_datetime(bytes, value),
        Value::Timestamp(value) => {
            bytes.extend_from_slice(&value.seconds.to_le_bytes());
            bytes.extend_from_slice(&value.micros.to_le_bytes());
        }
        Value::Text(long) | Value::Bytes(long) | Value::Geometry(long) | Value::Vector(long) => {
            push_long(bytes, long);
        }
        Value::JsonChanges(_) | _ => return None,
    }
    Some(())
}

fn push_long(bytes: &mut Vec<u8>, long: &[u8]) {
    bytes.extend_from_slice(&long.len().to_le_bytes());
    bytes.extend_from_slice(long);
}

fn push_date(bytes: &mut Vec<u8>, date: Date) {
    bytes.extend_from_slice(&date.year.to_le_bytes());
    bytes.extend_from_slice(&[date.month, date.day]);
}

fn push_datetime(bytes: &mut Vec<u8>, value: DateTime) {
    push_date(bytes, value.date);
    bytes.extend_from_slice(&[value.hour, value.minute, value.second]);
    bytes.extend_from_slice(&value.micros.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use otter_core::{Time, Timestamp};

    use super::*;

    fn bytes_of(values: &[Value<'_>]) -> Vec<u8> {
        let columns: Vec<usize> = (0..values.len()).collect();
        let mut bytes = Vec::new();
        push_columns(&mut bytes, &columns, |index| values.get(index).copied())
            .expect("it is known");
        bytes
    }

    /// Values of a kind differ from each other and from NULL, and are equal to themselves.
    fn assert_distinct(values: &[Value<'_>]) {
        let all: Vec<Value<'_>> = values.iter().copied().chain([Value::Null]).collect();
        for (index, one) in all.iter().enumerate() {
            for (other_index, other) in all.iter().enumerate() {
                let is_equal = bytes_of(&[*one]) == bytes_of(&[*other]);
                assert_eq!(is_equal, index == other_index, "{index} and {other_index}");
            }
        }
    }

    #[test]
    fn values_of_each_kind_are_told_apart() {
        assert_distinct(&[Value::Int(0), Value::Int(-1), Value::Int(256)]);
        assert_distinct(&[Value::UInt(0), Value::UInt(u64::MAX), Value::UInt(256)]);
        assert_distinct(&[Value::Float(0.0), Value::Float(-0.0), Value::Float(1.5)]);
        assert_distinct(&[Value::Double(0.0), Value::Double(-0.0), Value::Double(1.5)]);
        assert_distinct(&[Value::Decimal("0.1"), Value::Decimal("0.10"), Value::Decimal("")]);
        assert_distinct(&[Value::Year(0), Value::Year(2026), Value::Year(1970)]);
        assert_distinct(&[Value::Text(b""), Value::Text(b"a"), Value::Text(b"a ")]);
    }

    #[test]
    fn each_part_of_a_time_counts() {
        let date = Date { year: 2026, month: 11, day: 23 };
        let dates = [
            date,
            Date { year: 2025, ..date },
            Date { month: 12, ..date },
            Date { day: 24, ..date },
        ];
        assert_distinct(&dates.map(Value::Date));
        let at = DateTime { date, hour: 1, minute: 2, second: 3, micros: 4, digits: 6 };
        let times = [
            at,
            DateTime { date: Date { day: 24, ..date }, ..at },
            DateTime { hour: 2, ..at },
            DateTime { minute: 3, ..at },
            DateTime { second: 4, ..at },
            DateTime { micros: 5, ..at },
        ];
        assert_distinct(&times.map(Value::DateTime));
        let long = Time { negative: false, hours: 1, minutes: 2, seconds: 3, micros: 4, digits: 6 };
        let times = [
            long,
            Time { negative: true, ..long },
            Time { hours: 2, ..long },
            Time { minutes: 3, ..long },
            Time { seconds: 4, ..long },
            Time { micros: 5, ..long },
        ];
        assert_distinct(&times.map(Value::Time));
        let stamp = Timestamp { seconds: 1, micros: 2, digits: 6 };
        let stamps = [stamp, Timestamp { seconds: 2, ..stamp }, Timestamp { micros: 3, ..stamp }];
        assert_distinct(&stamps.map(Value::Timestamp));
    }

    #[test]
    fn columns_do_not_run_into_each_other() {
        let pairs: [[&[u8]; 2]; 4] = [[b"a", b"bc"], [b"ab", b"c"], [b"", b"abc"], [b"abc", b""]];
        let bytes = pairs.map(|pair| bytes_of(&pair.map(Value::Text)));
        for (index, one) in bytes.iter().enumerate() {
            assert!(bytes.iter().skip(index + 1).all(|other| one != other));
        }
        assert_ne!(
            bytes_of(&[Value::Null, Value::Text(b"a")]),
            bytes_of(&[Value::Text(b"a"), Value::Null])
        );
        assert_eq!(push_columns(&mut Vec::new(), &[0], |_| None), None);
    }
}
