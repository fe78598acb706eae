//! Rows that are copied again.

use otter_core::InCopy;

use super::*;
use crate::mysql::target::TargetColumn;

fn word() -> (Arc<Table>, TargetTable) {
    let text = ColumnType::Text { max_bytes: 80, charset: Arc::from("utf8mb4"), fixed: false };
    let name =
        TargetColumn { charset: Some("utf8mb4".to_owned()), ..target_column("id", "varchar") };
    let columns = vec![name, target_column("n", "int")];
    (source_table(&[("id", text), ("n", INT)]), target_table(columns, &["id"]))
}

fn gone(table: &Arc<Table>, images: &[Values]) -> Event {
    let Event::Rows(rows) = rows(table, RowKind::Delete, images) else { unreachable!() };
    Event::Rows(rows.with_flags(RowFlags { copy: InCopy::Resynced, ..RowFlags::default() }))
}

fn text(bytes: &'static [u8]) -> Option<Value<'static>> {
    Some(Value::Text(bytes))
}

/// The target's collation may hold other texts equal.
#[test]
fn a_key_of_text_that_is_gone_goes_by_its_bytes() {
    let (source, target) = word();
    let events = vec![gone(&source, &[vec![text(b"A"), None], vec![text(b"b"), None]])];
    let planned = one_text((source, target), events);
    assert_eq!(
        planned.matches("DELETE FROM `shop`.`item` WHERE `id` <=> ").count(),
        2,
        "{planned}"
    );
    assert_eq!(planned.matches("CAST(`id` AS BINARY) <=> ").count(), 2, "{planned}");
}

/// What comes in its place takes the key that it has in the target's eyes.
#[test]
fn a_row_that_comes_back_goes_by_its_key() {
    let (source, target) = word();
    let events = vec![gone(&source, &[vec![text(b"A"), Some(Value::Int(1))]])];
    let planned = one_text((source, target), events);
    assert!(planned.contains(" IN (") && !planned.contains("BINARY"), "{planned}");
}

#[test]
fn keys_of_numbers_that_are_gone_share_a_statement() {
    let (source, target) = item();
    let key = |id| vec![Some(Value::Int(id)), None];
    let events = vec![gone(&source, &[key(1), key(2)])];
    let planned = one_text((source, target), events);
    assert!(planned.contains("DELETE FROM `shop`.`item` WHERE `id` IN (1,2)"), "{planned}");
}
