use super::*;
use crate::event::{Change, RowKind, RowsEvent};
use crate::rows::RowArenaBuilder;
use crate::table::{Column, ColumnType, Table, TableName};
use crate::temporal::{Date, DateTime, Time, Timestamp};
use crate::value::Value;

fn text_type(charset: &str) -> ColumnType {
    ColumnType::Text { max_bytes: 100, charset: charset.into(), fixed: false }
}

/// What the script says of a row with one column, `c`.
fn ask(script: &str, column_type: ColumnType, value: Option<Value<'_>>) -> Result<bool, String> {
    let filter = ScriptFilter::new(script).map_err(|error| error.to_string())?;
    let rows = one_row(column_type, value);
    let Some(Change::Insert { after }) = rows.changes().next() else { panic!("an insert") };
    let asked = vec![0; filter.columns().len()];
    filter.keeps(&AskedRow::of(after, &asked)).map_err(|error| error.to_string())
}

fn one_row(column_type: ColumnType, value: Option<Value<'_>>) -> RowsEvent {
    let column = Column { name: "c".into(), column_type, nullable: true };
    let table = Arc::new(Table {
        name: TableName::new("shop", "item"),
        columns: vec![column],
        primary_key: Vec::new(),
        dropped_key: Vec::new(),
    });
    let mut arena = RowArenaBuilder::new();
    arena.push(value).unwrap();
    let arena = Arc::new(arena.finish());
    RowsEvent::new(table, RowKind::Insert, arena, 0, 1).unwrap()
}

#[test]
fn a_picker_tells_a_whole_number_and_nothing_else() {
    let pick = |script: &str, value| {
        let picker = ScriptPicker::new(script).unwrap();
        let rows = one_row(INT, Some(value));
        let Some(Change::Insert { after }) = rows.changes().next() else { panic!("an insert") };
        let asked = vec![0; picker.columns().len()];
        picker.pick(&AskedRow::of(after, &asked)).map_err(|error| error.to_string())
    };
    assert_eq!(pick("row.c % 32", Value::Int(70)), Ok(6));
    assert_eq!(pick("if row.c == () { 5 } else { 1 }", Value::Null), Ok(5));
    for (script, value) in [
        ("row.c", Value::Null),
        ("row.c", Value::UInt(u64::MAX)),
        ("row.c > 5", Value::Int(70)),
        ("row.c / 2.0", Value::Int(70)),
    ] {
        let error = pick(script, value).unwrap_err();
        assert!(error.contains("no whole number") && !error.contains("70"), "{error}");
    }
    assert!(pick("row.c % 32", Value::Null).unwrap_err().contains("line 1"));
    assert!(ScriptPicker::new("row").is_err());
}

const INT: ColumnType = ColumnType::Integer { bytes: 8, unsigned: false };
const DECIMAL: ColumnType = ColumnType::Decimal { precision: 65, scale: 2, unsigned: false };

#[test]
fn every_kind_of_value_can_be_asked_about() {
    let labels: Arc<[Arc<str>]> = ["red", "blue"].map(Arc::from).into();
    let enumerated = ColumnType::Enum { labels: Some(Arc::clone(&labels)) };
    let set = ColumnType::Set { labels: Some(labels) };
    let date = Date { year: 2026, month: 11, day: 21 };
    let time = Time { negative: true, hours: 3, minutes: 4, seconds: 5, micros: 0, digits: 0 };
    let moment = DateTime { date, hour: 7, minute: 0, second: 0, micros: 500_000, digits: 1 };
    let stamp = Timestamp { seconds: 951_782_400, micros: 0, digits: 0 };
    for (script, column_type, value) in [
        ("row.c == ()", INT, Value::Null),
        ("row.c != 5 && !(row.c > 5) && !(row.c == 5)", INT, Value::Null),
        ("row.c == -5", INT, Value::Int(-5)),
        ("row.c > 9223372036854775807", INT, Value::UInt(u64::MAX)),
        ("row.c == 7 && row.c + 1 == 8", INT, Value::UInt(7)),
        ("row.c == 2.50 && row.c > 2 && row.c < 3", DECIMAL, Value::Decimal("2.50")),
        ("row.c > 9223372036854775807", DECIMAL, Value::Decimal("99999999999999999999.00")),
        ("row.c.to_float() * 2 == 5", DECIMAL, Value::Decimal("2.50")),
        ("row.c.to_string() == \"2.5\" && row.c != ()", DECIMAL, Value::Decimal("2.50")),
        ("row.c == 0.1", ColumnType::Float, Value::Float(0.1)),
        ("row.c == 0.1", ColumnType::Double, Value::Double(0.1)),
        ("row.c == 5", ColumnType::Bit { bits: 3 }, Value::Bit(5)),
        ("row.c >= 2026", ColumnType::Year, Value::Year(2026)),
        ("row.c > \"2026-11-20\"", ColumnType::Date, Value::Date(date)),
        ("row.c == \"-03:04:05\"", ColumnType::Time { digits: 0 }, Value::Time(time)),
        (
            "row.c == \"2026-11-21 07:00:00.5\"",
            ColumnType::DateTime { digits: 1 },
            Value::DateTime(moment),
        ),
        (
            "row.c.starts_with(\"2000-02-29\")",
            ColumnType::Timestamp { digits: 0 },
            Value::Timestamp(stamp),
        ),
        ("row.c in [\"de\", \"fr\"]", text_type("utf8mb4"), Value::Text(b"de")),
        ("row.c == \"Stra\u{df}e\"", text_type("latin1"), Value::Text(b"Stra\xdfe")),
        ("row.c == \"plain\"", text_type("gbk"), Value::Text(b"plain")),
        ("row.c.contains(\"\\\"a\\\"\")", ColumnType::Json, Value::Json("{\"a\": 1}")),
        ("row.c == \"blue\"", enumerated.clone(), Value::Enum(2)),
        ("row.c == \"\"", enumerated, Value::Enum(0)),
        ("row.c == \"red,blue\"", set, Value::Set(3)),
        ("row.c.len() == 2", ColumnType::Geometry, Value::Geometry(b"xy")),
        ("fn big(n) { n > 10 } big(row.c)", INT, Value::Int(11)),
    ] {
        let kind = value.kind();
        assert_eq!(ask(script, column_type, Some(value)), Ok(true), "{script} of {kind}");
    }
    assert_eq!(ask("row[\"c\"] == 1", INT, Some(Value::Int(2))), Ok(false));
}

#[test]
fn text_and_numbers_are_not_compared() {
    for script in ["row.c == 1", "row.c > 1", "1.5 <= row.c", "row.c != true", "row.c in [1, 2]"] {
        let error = ask(script, text_type("utf8mb4"), Some(Value::Text(b"s3cret"))).unwrap_err();
        assert!(error.starts_with("line 1, letter "), "{script}: {error}");
        assert!(error.contains("compares text with something else"), "{script}: {error}");
    }
    // Nothing else is compared with another type either: it would be unequal without an error.
    for (script, column_type, value) in [
        ("row.c == [\"warn\"]", text_type("utf8mb4"), Value::Text(b"warn")),
        ("row.c != #{a: 1}", text_type("utf8mb4"), Value::Text(b"warn")),
        ("row.c == \"1\"[0]", INT, Value::Int(1)),
        ("\"5\"[0] < row.c", DECIMAL, Value::Decimal("6.00")),
        ("row.c == [1.5]", ColumnType::Double, Value::Double(1.5)),
        ("row.c == 7", ColumnType::Bytes { max_bytes: 9, fixed: false }, Value::Bytes(b"7")),
    ] {
        let error = ask(script, column_type, Some(value)).unwrap_err();
        assert!(error.contains("something else"), "{script}: {error}");
    }
    let error = ask("row.c == \"2.5\"", DECIMAL, Some(Value::Decimal("2.5"))).unwrap_err();
    assert!(error.contains("compares text with something else"), "{error}");
}

#[test]
fn a_script_that_fails_tells_the_place_and_no_value() {
    let secret = || Some(Value::Int(i64::MAX));
    for (script, told) in [
        ("row.c + 1 > 0", "calculates what is too large"),
        ("row.c / 0 == 1", "divides by zero"),
        ("throw \"it is \" + row.c", "throws"),
        ("row.c.frobnicate()", "uses what there is not: frobnicate"),
        ("fn f() { row.c } f()", "functions do not see row"),
        ("if row.c { true } else { false }", "has a value of another type"),
        ("row.c", "neither true nor false"),
    ] {
        let error = ask(script, INT, secret()).unwrap_err();
        assert!(error.contains(told), "{script}: {error}");
        assert!(!error.contains("9223372036854775807"), "{script}: {error}");
    }
}

#[test]
fn a_script_has_bounds() {
    for (script, told) in [
        ("let n = 0; while true { n += 1; } true", "takes more than 100000 operations"),
        ("fn f(n) { f(n + 1) } f(0)", "calls functions too deeply"),
        ("let t = \"x\"; while true { t += t; } true", "too large"),
        ("let l = [1]; while true { l += l; } true", "too large"),
        ("let l = []; l.pad(9990, 1); while true { l.push(1); } true", "too large"),
        // Each of few operations takes long.
        (
            "let t = \"x\"; t.pad(900000, \"x\"); while true { t.to_upper(); } true",
            "ms of a processor",
        ),
        (
            "let l = []; l.pad(9000, 1); let n = 0; \
             while true { n += l.filter(|x| x > 0).len(); } true",
            "takes more than",
        ),
    ] {
        let error = ask(script, INT, Some(Value::Int(1))).unwrap_err();
        assert!(error.contains(told), "{script}: {error}");
    }
    for script in ["sleep(3600); true", "sleep(1e300); true"] {
        assert!(ask(script, INT, Some(Value::Int(1))).unwrap_err().contains("throws"));
    }
}

#[test]
fn what_is_no_script_is_refused_with_its_place() {
    let error = |text| ScriptFilter::new(text).unwrap_err().to_string();
    assert!(error("row.a ==").contains("line 1"), "{}", error("row.a =="));
    assert!(error("eval(\"1\")").contains("eval"), "{}", error("eval(\"1\")"));
    // These compare past the guard, or show a value where a function's name is expected.
    for word in ["switch row.a { 7 => true, _ => false }", "Fn(row.a).call()", "row.a.curry(1)"] {
        let told = error(word);
        assert!(told.contains("cannot be read") && told.contains("line 1"), "{word}: {told}");
    }
    assert!(error("import \"x\" as y; true").contains("cannot be read"));
    assert!(error("row").contains("use `row` with the name of a column"));
}

#[test]
fn text_that_cannot_be_read_and_columns_that_are_not_there_are_told() {
    let error =
        |charset, bytes| ask("row.c == \"x\"", text_type(charset), Some(Value::Text(bytes)));
    assert!(error("gbk", b"\xc4\xe3").unwrap_err().contains("column c holds text in gbk"));
    assert!(error("utf8mb4", b"\xff").unwrap_err().contains("holds text in utf8mb4"));
    assert!(error("utf16", b"\0x").unwrap_err().contains("holds text in utf16"));
    let absent = ask("row.c == 1", INT, None).unwrap_err();
    assert!(absent.contains("does not hold column c: set binlog_row_image = FULL"), "{absent}");
}
