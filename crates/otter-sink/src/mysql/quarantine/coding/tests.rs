use std::sync::Arc;

use otter_core::{
    Column, ColumnType, Date, DateTime, RowArenaBuilder, RowKind, RowsEvent, Table, TableName,
    Time, Timestamp, Value,
};
use proptest::prelude::*;

use super::{decode, encode, encode_edited, encode_value};

/// A column of each type, with a value that only an exact copy keeps.
fn cells() -> Vec<(ColumnType, Value<'static>)> {
    let labels = || Some(Arc::from([Arc::from("a"), Arc::from("b,c é")]));
    let text = |charset: &str, fixed| ColumnType::Text {
        max_bytes: 400,
        charset: Arc::from(charset),
        fixed,
    };
    let date = Date { year: 2024, month: 0, day: 31 };
    let time =
        Time { negative: true, hours: 838, minutes: 59, seconds: 59, micros: 999_999, digits: 6 };
    let moment = DateTime { date, hour: 23, minute: 59, second: 58, micros: 120_000, digits: 2 };
    let stamp = Timestamp { seconds: u32::MAX, micros: 1, digits: 6 };
    vec![
        (ColumnType::Integer { bytes: 8, unsigned: false }, Value::Int(i64::MIN)),
        (ColumnType::Integer { bytes: 8, unsigned: true }, Value::UInt(u64::MAX)),
        (
            ColumnType::Decimal { precision: 65, scale: 30, unsigned: false },
            Value::Decimal("-0.10"),
        ),
        (ColumnType::Float, Value::Float(-0.0)),
        (ColumnType::Double, Value::Double(f64::MIN_POSITIVE)),
        (ColumnType::Bit { bits: 64 }, Value::Bit(u64::MAX)),
        (ColumnType::Year, Value::Year(2155)),
        (ColumnType::Date, Value::Date(date)),
        (ColumnType::Time { digits: 6 }, Value::Time(time)),
        (ColumnType::DateTime { digits: 2 }, Value::DateTime(moment)),
        (ColumnType::Timestamp { digits: 6 }, Value::Timestamp(stamp)),
        (text("utf8mb4", false), Value::Text("é\0 🦦 ".as_bytes())),
        (text("gbk", true), Value::Text(b"\xd6\xd0")),
        (ColumnType::Bytes { max_bytes: 4, fixed: true }, Value::Bytes(b"\0\xff\0\0")),
        (ColumnType::Enum { labels: labels() }, Value::Enum(2)),
        (ColumnType::Set { labels: None }, Value::Set(1 << 63)),
        (ColumnType::Set { labels: labels() }, Value::Set(3)),
        (ColumnType::Json, Value::Json("{\"a\": 1.0}")),
        (ColumnType::Json, Value::JsonChanges("[]")),
        (ColumnType::Geometry, Value::Geometry(b"\0\0\0\0\x01\x01\0\0\0")),
        (ColumnType::Vector, Value::Vector(b"\0\0\x80\x3f")),
        (ColumnType::Constant { text: Arc::from("hz") }, Value::Text(b"hz")),
        (ColumnType::Year, Value::Null),
    ]
}

fn event(kind: RowKind) -> RowsEvent {
    let cells = cells();
    let columns = cells.iter().enumerate().map(|(index, (column_type, _))| Column {
        name: Arc::from(format!("c{index}")),
        column_type: column_type.clone(),
        nullable: index % 2 == 1,
    });
    let table = Arc::new(Table {
        name: TableName::new("shop", "every`thing"),
        columns: columns.collect(),
        primary_key: vec![1, 0],
        dropped_key: vec![Arc::from("gone")],
    });
    let mut arena = RowArenaBuilder::new();
    for (index, (_, value)) in cells.iter().enumerate() {
        // An image may leave columns out.
        arena.push((index != 7).then_some(*value)).unwrap();
    }
    for (_, value) in cells.iter().rev() {
        arena.push(Some(*value)).unwrap();
    }
    RowsEvent::new(table, kind, Arc::new(arena.finish()), 0, 1).unwrap()
}

/// Bit by bit, where `==` is not enough: the kinds and what they hold.
fn shown(rows: &RowsEvent) -> Vec<Option<Vec<u8>>> {
    let change = rows.changes().next().unwrap();
    let images = [change.before(), change.after()];
    let values = images.into_iter().flatten().flat_map(|image| image.values());
    values.map(|value| value.map(|value| encode_value(value).unwrap())).collect()
}

#[test]
fn every_type_and_value_comes_back_as_it_was() {
    for kind in [RowKind::Insert, RowKind::Update, RowKind::Delete] {
        let flags = otter_core::RowFlags {
            no_foreign_key_checks: true,
            no_unique_checks: false,
            ..otter_core::RowFlags::default()
        };
        let rows = event(kind).with_flags(flags).with_server_id(77);
        let bytes = encode(&rows, &rows.changes().next().unwrap()).unwrap();
        let read = decode(&bytes).unwrap();
        assert_eq!((read.kind(), read.flags(), read.server_id()), (kind, flags, 77));
        assert_eq!(**read.table(), **rows.table());
        assert_eq!(shown(&read), shown(&rows));
        let (old, new) = (rows.changes().next().unwrap(), read.changes().next().unwrap());
        for (old, new) in [(old.before(), new.before()), (old.after(), new.after())] {
            let values = |row: Option<otter_core::Row<'_>>| {
                row.map(|row| row.values().map(|it| it.map(|it| it.kind())).collect::<Vec<_>>())
            };
            assert_eq!(values(old), values(new));
        }
    }
}

#[test]
fn an_edit_replaces_the_named_values_of_the_new_row_alone() {
    let rows = event(RowKind::Update);
    let three = |index: usize| (index == 1).then(|| encode_value(Value::UInt(3)).unwrap());
    let edited = decode(&encode_edited(&rows, three).unwrap().unwrap()).unwrap();
    let (old, new) = (rows.changes().next().unwrap(), edited.changes().next().unwrap());
    assert_eq!(new.after().unwrap().value(1), Some(Value::UInt(3)));
    for index in (0..cells().len()).filter(|index| *index != 1) {
        assert_eq!(new.after().unwrap().value(index), old.after().unwrap().value(index));
    }
    for index in 0..cells().len() {
        assert_eq!(new.before().unwrap().value(index), old.before().unwrap().value(index));
    }
    assert_eq!(encode_edited(&event(RowKind::Delete), three).unwrap(), None);
}

#[test]
fn bytes_that_end_early_or_go_on_are_refused() {
    let rows = event(RowKind::Update);
    let bytes = encode(&rows, &rows.changes().next().unwrap()).unwrap();
    for length in 0..bytes.len() {
        assert!(decode(&bytes[..length]).is_none(), "{length}");
    }
    assert!(decode(&[&bytes[..], b"x"].concat()).is_none());
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(at in 0_usize..600, byte: u8, tail in proptest::collection::vec(any::<u8>(), 0..40)) {
        let rows = event(RowKind::Insert);
        let mut bytes = encode(&rows, &rows.changes().next().unwrap()).unwrap();
        if let Some(slot) = bytes.get_mut(at) {
            *slot = byte;
        }
        bytes.extend(tail);
        // Whatever it is, it is read or refused.
        let _ = decode(&bytes);
    }

    #[test]
    fn numbers_and_texts_come_back(int: i64, uint: u64, bits: u64, text in proptest::collection::vec(any::<u8>(), 0..300)) {
        for value in [Value::Int(int), Value::UInt(uint), Value::Double(f64::from_bits(bits)), Value::Text(&text)] {
            let bytes = encode_value(value).unwrap();
            let mut reader = super::reader::Reader::new(&bytes);
            let read = super::cell::read_cell(&mut reader).unwrap().unwrap();
            prop_assert_eq!(encode_value(read).unwrap(), bytes.clone());
            prop_assert_eq!(read.kind(), value.kind());
        }
    }
}
