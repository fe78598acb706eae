//! Whether a target's column takes the text that a mapping adds to every row.

use crate::mysql::target::TargetColumn;

/// What is wrong with the target's column, and the type that it needs.
pub(super) fn unfit_constant(text: &str, target: &TargetColumn) -> Option<(String, String)> {
    let letters = count(text.chars().count());
    let type_name = &target.column_type;
    let needed = format!("varchar({}) NOT NULL", letters.max(1));
    if target.generated {
        return Some(("gets a constant from the mapping, and is generated".to_owned(), needed));
    }
    if takes(text, letters, target) {
        return None;
    }
    let what = format!("gets a constant of {letters} letters that {type_name} does not take");
    Some((what, needed))
}

fn takes(text: &str, letters: u64, target: &TargetColumn) -> bool {
    let has_room = |size: u64, room: Option<u64>| room.is_none_or(|room| size <= room);
    match target.data_type.as_str() {
        // A CHAR drops spaces at the end.
        "char" => has_room(letters, target.max_letters) && !text.ends_with(' '),
        "varchar" => has_room(letters, target.max_letters),
        "tinytext" | "text" | "mediumtext" | "longtext" | "varbinary" | "tinyblob" | "blob"
        | "mediumblob" | "longblob" => has_room(count(text.len()), target.max_bytes),
        "tinyint" => is_within(text, 8, target),
        "smallint" => is_within(text, 16, target),
        "mediumint" => is_within(text, 24, target),
        "int" => is_within(text, 32, target),
        "bigint" => is_within(text, 64, target),
        "enum" => has_label(text, target),
        "set" => !text.contains(',') && has_label(text, target),
        // Others change a text to what they hold.
        _ => false,
    }
}

/// Whether the text is a whole number that so many bits hold.
fn is_within(text: &str, bits: u32, target: &TargetColumn) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let range = if target.column_type.contains("unsigned") {
        0..1i128 << bits
    } else {
        -(1i128 << (bits - 1))..1i128 << (bits - 1)
    };
    text.parse().is_ok_and(|number: i128| range.contains(&number))
}

fn has_label(text: &str, target: &TargetColumn) -> bool {
    let label = format!("'{}'", text.replace('\'', "''"));
    let inside = target.column_type.split_once('(').map_or("", |(_, inside)| inside);
    let labels = format!(",{}", inside.trim_end_matches(')'));
    format!("{labels},").contains(&format!(",{label},"))
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
