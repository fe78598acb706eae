use otter_core::{Change, Column, ColumnType, RowFlags, RowsEvent, Value};
use proptest::prelude::*;

use super::*;
use crate::row::codec::Content;

fn plan(codecs: &[Codec]) -> RowPlan {
    let column = |index: usize| Column {
        name: format!("c{index}").into(),
        column_type: ColumnType::Float,
        nullable: true,
    };
    let table = Table {
        name: TableName::new("d", "t"),
        columns: (0..codecs.len()).map(column).collect(),
        primary_key: vec![],
        dropped_key: vec![],
    };
    RowPlan { table: Arc::new(table), codecs: codecs.into(), takes_changes: false }
}

fn head<'a>(kind: RowKind, width: usize, bitmaps: [&'a [u8]; 2], rows: &'a [u8]) -> RowsHead<'a> {
    let [present, present_after] = bitmaps;
    let flags = RowFlags::default();
    RowsHead { kind, flags, width, present, present_after, rows, has_differences: false }
}

const TEXT: Codec = Codec::Run { prefix: 1, content: Content::Text };

#[test]
fn absent_null_and_present_values_are_told_apart() {
    let plan = plan(&[Codec::I8, TEXT, Codec::U8]);
    // Before: only the first column. After: the last two, of which the text is NULL.
    let rows = [0b0, 0xff, 0b01, 7];
    let head = head(RowKind::Update, 3, [&[0b001], &[0b110]], &rows);
    let mut arena = RowArenaBuilder::new();
    let mut reader = RowReader::new(&plan, &head).unwrap();
    assert_eq!(reader.read(&mut arena, usize::MAX), Ok(1));
    let event = RowsEvent::new(plan.table.clone(), RowKind::Update, Arc::new(arena.finish()), 0, 1)
        .unwrap();
    let Some(Change::Update { before, after }) = event.changes().next() else { unreachable!() };
    let values = |row: otter_core::Row<'_>| {
        row.values().map(|value| value.map(|value| value.is_null())).collect::<Vec<_>>()
    };
    assert_eq!(before.value(0), Some(Value::Int(-1)));
    assert_eq!(values(before), [Some(false), None, None]);
    assert_eq!(values(after), [None, Some(true), Some(false)]);
    assert_eq!(after.value(2), Some(Value::UInt(7)));
}

#[test]
fn reading_stops_at_the_limit_and_goes_on_from_the_rest() {
    let plan = plan(&[Codec::U8]);
    let rows = [0, 1, 0, 2, 0, 3];
    let mut arena = RowArenaBuilder::new();
    let first = head(RowKind::Insert, 1, [&[1], &[1]], &rows);
    let mut reader = RowReader::new(&plan, &first).unwrap();
    assert_eq!(reader.read(&mut arena, 1), Ok(1));
    assert_eq!((reader.is_done(), reader.rest()), (false, &rows[2..]));
    let second = head(RowKind::Insert, 1, [&[1], &[1]], reader.rest());
    assert_eq!(RowReader::new(&plan, &second).unwrap().read(&mut arena, usize::MAX), Ok(2));
    assert_eq!(arena.finish().value(2), Some(Value::UInt(3)));
}

#[test]
fn three_byte_numbers_carry_their_sign() {
    let plan = plan(&[Codec::I24, Codec::U24]);
    let rows = [0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0x80, 1, 0, 0];
    let mut arena = RowArenaBuilder::new();
    let head = head(RowKind::Delete, 2, [&[3], &[3]], &rows);
    RowReader::new(&plan, &head).unwrap().read(&mut arena, usize::MAX).unwrap();
    let arena = arena.finish();
    assert_eq!(arena.value(0), Some(Value::Int(-1)));
    assert_eq!(arena.value(1), Some(Value::UInt(16_777_215)));
    assert_eq!(arena.value(2), Some(Value::Int(-8_388_608)));
}

#[test]
fn a_cut_row_names_table_and_column_but_no_value() {
    let plan = plan(&[Codec::U8, TEXT]);
    let rows = [0, 1, 5, b's', b'e'];
    let head = head(RowKind::Insert, 2, [&[3], &[3]], &rows);
    let error =
        RowReader::new(&plan, &head).unwrap().read(&mut RowArenaBuilder::new(), 9).unwrap_err();
    assert_eq!(error.to_string(), "column `c1` of `d.t` cannot be read");
    let ImageError::Value { source, .. } = error else { panic!("it is about a value") };
    assert_eq!(source.to_string(), "the row ends in the middle of it");
}

#[test]
fn rows_without_any_column_and_of_another_width_are_refused() {
    let plan = plan(&[Codec::U8, TEXT]);
    let none = head(RowKind::Insert, 2, [&[0], &[0]], &[]);
    assert!(matches!(RowReader::new(&plan, &none), Err(ImageError::NoColumns { .. })));
    let wide = head(RowKind::Insert, 3, [&[7], &[7]], &[]);
    assert!(matches!(RowReader::new(&plan, &wide), Err(ImageError::Width { .. })));
}

fn any_codec() -> impl Strategy<Value = Codec> {
    prop::sample::select(vec![
        Codec::I8,
        Codec::I24,
        Codec::U64,
        Codec::Double,
        Codec::Bit(8),
        Codec::Year,
        Codec::Date,
        Codec::Time { digits: 3, width: 2 },
        Codec::DateTime { digits: 6, width: 3 },
        Codec::Timestamp { digits: 1, width: 1 },
        Codec::OldTime,
        Codec::OldDateTime,
        TEXT,
        Codec::Padded { prefix: 1, width: 16 },
        Codec::Json { prefix: 4 },
        Codec::Json { prefix: 1 },
        Codec::Enum { width: 2 },
        Codec::Set { width: 8 },
        Codec::Address(crate::row::address::Address::Uuid),
        Codec::Compressed { prefix: 1, content: Content::Bytes, limit: 100 },
        Codec::Decimal(crate::row::decimal::DecimalLayout::new(20, 5).unwrap()),
    ])
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic_and_every_row_is_whole(
        codecs in prop::collection::vec(any_codec(), 1..12), kind in 0..3,
        before in any::<[u8; 2]>(), after in any::<[u8; 2]>(),
        rows in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let plan = plan(&codecs);
        let kind = [RowKind::Insert, RowKind::Update, RowKind::Delete][usize::try_from(kind).unwrap()];
        let head = head(kind, codecs.len(), [&before, &after], &rows);
        let mut arena = RowArenaBuilder::new();
        if let Ok(mut reader) = RowReader::new(&plan, &head)
            && let Ok(count) = reader.read(&mut arena, 5000)
        {
            let images = if kind == RowKind::Update { 2 } else { 1 };
            prop_assert_eq!(arena.len(), count * images * codecs.len());
        }
    }
}

/// One column of JSON before, and differences after.
fn read_partial_update(present: u8, rows: &[u8]) -> Result<Vec<Option<String>>, ImageError> {
    read_partial_update_as(false, present, rows)
}

fn read_partial_update_as(
    takes_changes: bool,
    present: u8,
    rows: &[u8],
) -> Result<Vec<Option<String>>, ImageError> {
    let plan = plan(&[Codec::U8, Codec::Json { prefix: 4 }, Codec::Json { prefix: 4 }])
        .taking_changes(takes_changes);
    let mut head = head(RowKind::Update, 3, [&[0b111], &[0b111]], rows);
    let before = [present];
    head.present = &before;
    head.has_differences = true;
    let mut arena = RowArenaBuilder::new();
    assert_eq!(RowReader::new(&plan, &head)?.read(&mut arena, usize::MAX)?, 1);
    let arena = arena.finish();
    let json = |index| match arena.value(index) {
        Some(Value::Json(text) | Value::JsonChanges(text)) => Some(text.to_owned()),
        other => other.map(|_| "?".to_owned()),
    };
    Ok((0..6).map(json).collect())
}

/// `[1]` as it is stored, and the removal of its first element.
const LIST: &[u8] = &[8, 0, 0, 0, 2, 1, 0, 7, 0, 5, 1, 0];
const REMOVAL: &[u8] = &[6, 0, 0, 0, 2, 4, b'$', b'[', b'0', b']'];

#[test]
fn differences_are_applied_to_the_document_before_and_others_are_read_whole() {
    // Before: 7, [1], NULL. After: 7, a removal, [1]; bits per JSON column.
    let rows = [&[0b100, 7], LIST, &[1, 0b01, 0b000, 7], REMOVAL, LIST].concat();
    let read = read_partial_update(0b111, &rows).unwrap();
    let read: Vec<_> = read.iter().map(|text| text.as_deref().unwrap()).collect();
    assert_eq!(read, ["?", "[1]", "?", "?", "[]", "[1]"]);
}

#[test]
fn differences_without_the_document_before_name_the_remedy() {
    let absent = [&[0b00, 7], LIST, &[1, 0b01, 0b100, 7], REMOVAL].concat();
    let null = [&[0b010, 7], LIST, &[1, 0b01, 0b100, 7], REMOVAL].concat();
    for (present, rows) in [(0b101, absent), (0b111, null)] {
        let error = read_partial_update(present, &rows).unwrap_err();
        assert!(matches!(error, ImageError::NoDocument { .. }), "{error}");
        assert!(error.to_string().contains("SET GLOBAL binlog_row_value_options = ''"), "{error}");
    }
}

#[test]
fn differences_without_the_document_before_are_told_to_whoever_takes_them() {
    let absent = [&[0b00, 7], LIST, &[1, 0b01, 0b100, 7], REMOVAL].concat();
    let read = read_partial_update_as(true, 0b101, &absent).unwrap();
    let changes: Vec<_> = read.iter().flatten().filter(|text| text.contains("op")).collect();
    assert_eq!(changes, [r#"[{"op": "remove", "path": "$[0]"}]"#]);
}

#[test]
fn unknown_options_of_an_update_are_refused() {
    let rows = [&[0b110, 7][..], &[2, 0b110, 7]].concat();
    let error = read_partial_update(0b111, &rows).unwrap_err();
    assert!(matches!(error, ImageError::UnknownOptions { options: 2, .. }), "{error}");
}
