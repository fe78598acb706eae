//! What `verify --repair` would do, as the statements that it comes to.

use otter_sink::verify::{Difference, DifferenceKind, Report, Shown, TableReport};

use super::VerifyWishes;
use super::repair::{Left, left, table_count};

/// The statements that would bring the target's rows to what the source has now.
pub(super) fn preview(report: &Report, wishes: &VerifyWishes) -> String {
    let mut text = String::from(
        "-- What it comes to, as the rows are now. Each row is copied again as a whole, in order with \
         the stream: what has its key is deleted, and the row as the source has it then is inserted:\n",
    );
    for table in report.tables.iter().filter(|table| table_count(table) > 0) {
        let name = &table.target;
        if matches!(left(table), Left::WithoutKey | Left::Merged) {
            text.push_str(&format!(
                "-- {name}: {} rows cannot be copied again by a key: it has none at the source, or \
                 several tables flow into it\n",
                table_count(table)
            ));
            continue;
        }
        if !table.only_at_target.is_empty() {
            let names: Vec<String> = table.only_at_target.iter().map(|it| quoted(it)).collect();
            text.push_str(&format!(
                "-- {name}: the source has no {}: rows that are copied again get the defaults there\n",
                names.join(", ")
            ));
        }
        let mut shown = 0;
        for one in table.differences.iter().take(wishes.rows) {
            if let Some(statement) = statement(table, one, wishes.shows_values) {
                text.push_str(&statement);
                shown += one.times;
            }
        }
        let more = table_count(table).saturating_sub(shown);
        if more > 0 {
            text.push_str(&format!("-- {name}: and {more} more; --rows shows more of them\n"));
        }
    }
    text.push_str("Nothing is done without --yes\n");
    text
}

fn statement(table: &TableReport, difference: &Difference, shows_values: bool) -> Option<String> {
    let name = format!("{}.{}", quoted(&table.target.database), quoted(&table.target.table));
    let value = |shown: &Shown| if shows_values { literal(shown) } else { "?".to_owned() };
    let pair = |name: &str, shown: &Shown| format!("{} = {}", quoted(name), value(shown));
    let key: Vec<String> = difference.key.iter().map(|(name, shown)| pair(name, shown)).collect();
    let key = key.join(" AND ");
    let columns = &difference.columns;
    Some(match difference.kind {
        DifferenceKind::Extra => format!("DELETE FROM {name} WHERE {key};\n"),
        DifferenceKind::Different => {
            let set: Vec<String> =
                columns.iter().map(|column| pair(&column.name, &column.source)).collect();
            format!("UPDATE {name} SET {} WHERE {key};\n", set.join(", "))
        }
        DifferenceKind::Missing => {
            let names: Vec<String> = columns.iter().map(|column| quoted(&column.name)).collect();
            let values: Vec<String> = columns.iter().map(|column| value(&column.source)).collect();
            format!("INSERT INTO {name} ({}) VALUES ({});\n", names.join(", "), values.join(", "))
        }
        DifferenceKind::Unsettled => return None,
    })
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A value as SQL; no terminal obeys it.
fn literal(shown: &Shown) -> String {
    let hex = |bytes: &[u8]| -> String {
        let digits: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
        format!("X'{digits}'")
    };
    match shown {
        Shown::Absent | Shown::Null => "NULL".to_owned(),
        Shown::Text(text) if text.chars().any(char::is_control) => hex(text.as_bytes()),
        Shown::Text(text) => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''")),
        Shown::Bytes(bytes) => hex(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_literals_that_no_terminal_obeys() {
        let text = |text: &str| literal(&Shown::Text(text.to_owned()));
        assert_eq!(text("it's \\ "), "'it''s \\\\ '");
        assert_eq!(text("\u{1b}"), "X'1B'");
        assert_eq!(literal(&Shown::Null), "NULL");
        assert_eq!(literal(&Shown::Bytes(vec![0, 255])), "X'00FF'");
    }
}
