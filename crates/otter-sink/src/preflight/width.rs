//! Whether every value of the source's columns has room in the target's.
//!
//! A narrower column is no obstacle to a start: the pipeline stops at the first value that does
//! not fit, and changes none. So this only warns.

use otter_core::{Column, ColumnType, Finding};

use crate::mysql::fit::TablePlan;
use crate::mysql::names::identifier;
use crate::mysql::target::TargetColumn;

/// Names the columns that are narrower than in the source.
pub(super) fn check_width(plan: &TablePlan) -> Option<Finding> {
    let mut details = Vec::new();
    let mut changes = Vec::new();
    for column in &plan.source.columns {
        let Some(there) = plan.target.column(&column.name) else { continue };
        if there.generated {
            continue;
        }
        let Some(why) = narrower(column, there) else { continue };
        details.push(format!("{} {why}", there.name));
        changes.push(format!("MODIFY COLUMN {} …", identifier(&there.name)));
    }
    (!details.is_empty()).then(|| {
        Finding::warn(
            format!("{} has room for all values", plan.target.name),
            format!("{}; a value that does not fit stops the pipeline", details.join("; ")),
            format!("ALTER TABLE {} {}, as in the source", plan.quoted, changes.join(", ")),
        )
    })
}

/// What the target's column cannot hold, as the rest of a sentence about it.
fn narrower(source: &Column, target: &TargetColumn) -> Option<String> {
    if let Some(label) = missing_label(&source.column_type, target) {
        return Some(format!("has no label '{label}', and in the source it does"));
    }
    if is_narrower(&source.column_type, target) {
        let there = source.column_type.describe();
        let charset = target.charset.as_ref().map_or_else(String::new, |name| format!(" {name}"));
        return Some(format!("is {}{charset} and in the source {there}", target.column_type));
    }
    (source.nullable && !target.nullable).then(|| "takes no NULL, and in the source it does".into())
}

#[allow(clippy::wildcard_enum_match_arm, reason = "the other types have no width")]
fn is_narrower(source: &ColumnType, target: &TargetColumn) -> bool {
    let there = target.data_type.as_str();
    match source {
        ColumnType::Integer { bytes, unsigned } => {
            let Some(room) = integer_bytes(there) else {
                return lacks_digits(integer_digits(*bytes), u32::from(!unsigned), target);
            };
            let unsigned_there = target.column_type.contains("unsigned");
            match (unsigned, unsigned_there) {
                (true, true) | (false, false) => room < *bytes,
                // One bit of the target's is the sign.
                (true, false) => room <= *bytes,
                (false, true) => true,
            }
        }
        ColumnType::Decimal { precision, scale, unsigned } => {
            let whole = u32::from(precision.saturating_sub(*scale));
            let is_unsigned_there = target.column_type.contains("unsigned");
            let loses_sign = !unsigned && is_unsigned_there;
            let others = u32::from(*scale) + u32::from(*scale > 0) + u32::from(!unsigned);
            match integer_bytes(there) {
                // One digit less than the largest number has holds all.
                Some(room) => loses_sign || whole >= integer_digits(room),
                None => loses_sign || lacks_digits(whole, others, target),
            }
        }
        ColumnType::Bit { bits } => match integer_bytes(there) {
            Some(room) => {
                let sign = u8::from(!target.column_type.contains("unsigned"));
                room.saturating_mul(8).saturating_sub(sign) < *bits
            }
            None => there == "bit" && bit_width(&target.column_type).is_some_and(|it| it < *bits),
        },
        // The years from 1901 to 2155.
        ColumnType::Year => there == "tinyint" || lacks_digits(4, 0, target),
        // A TIMESTAMP begins in 1970, and ends in 2038 or 2106.
        ColumnType::Date | ColumnType::DateTime { .. } => there == "timestamp",
        ColumnType::Text { max_bytes, charset, .. } => {
            target.max_bytes.is_some_and(|room| room < u64::from(*max_bytes))
                || target.charset.as_ref().is_some_and(|other| !holds_letters(other, charset))
        }
        ColumnType::Bytes { max_bytes, .. } => {
            target.max_bytes.is_some_and(|room| room < u64::from(*max_bytes))
        }
        // A document takes up to 1 GiB.
        ColumnType::Json => target.max_bytes.is_some_and(|room| room < 1 << 30),
        // Of these, `fit` allows only types that hold every value, or their labels decide.
        _ => false,
    }
}

/// A label that the target's ENUM or SET lacks, or that its text has no room for.
fn missing_label<'a>(source: &'a ColumnType, target: &TargetColumn) -> Option<&'a str> {
    let (ColumnType::Enum { labels } | ColumnType::Set { labels }) = source else { return None };
    let is_labelled = matches!(target.data_type.as_str(), "enum" | "set");
    let has_room = |label: &&str| {
        if is_labelled {
            let quoted = format!("'{}'", label.replace('\'', "''"));
            target.column_type.contains(&quoted)
        } else {
            let letters = u64::try_from(label.chars().count()).unwrap_or(u64::MAX);
            target.max_letters.is_none_or(|room| letters <= room)
        }
    };
    labels.iter().flat_map(|all| all.iter()).map(|label| &**label).find(|label| !has_room(label))
}

/// Whether a DECIMAL has fewer digits before the point, or a text fewer letters.
fn lacks_digits(whole: u32, others: u32, target: &TargetColumn) -> bool {
    if let Some((digits, fraction)) = decimal_digits(&target.column_type) {
        return u32::from(digits.saturating_sub(fraction)) < whole;
    }
    let is_text = target.charset.is_some();
    is_text && target.max_letters.is_some_and(|room| room < u64::from(whole + others))
}

/// Whether a character set has every letter of another one.
fn holds_letters(target: &str, source: &str) -> bool {
    let plain = |name: &str| if name == "utf8" { "utf8mb3".to_owned() } else { name.to_owned() };
    let (target, source) = (plain(target), plain(source));
    let has_all = |name: &str| {
        matches!(name, "utf8mb4" | "utf16" | "utf16le" | "utf32" | "gb18030" | "binary")
    };
    // Those of the basic multilingual plane.
    let has_most = |name: &str| matches!(name, "utf8mb3" | "ucs2");
    target == source
        || has_all(&target)
        || (has_most(&target) && !has_all(&source))
        || source == "ascii"
}

fn integer_bytes(data_type: &str) -> Option<u8> {
    Some(match data_type {
        "tinyint" => 1,
        "smallint" => 2,
        "mediumint" => 3,
        "int" => 4,
        "bigint" => 8,
        _ => return None,
    })
}

/// The digits of the largest number that so many bytes hold.
fn integer_digits(bytes: u8) -> u32 {
    match bytes {
        1 => 3,
        2 => 5,
        3 => 8,
        4 => 10,
        _ => 20,
    }
}

fn bit_width(column_type: &str) -> Option<u8> {
    column_type.strip_prefix("bit(")?.strip_suffix(')')?.parse().ok()
}

/// The digits and fraction digits of `decimal(8,2)`.
fn decimal_digits(column_type: &str) -> Option<(u8, u8)> {
    let inside = column_type.strip_prefix("decimal(")?.split(')').next()?;
    let (digits, fraction) = inside.split_once(',').unwrap_or((inside, "0"));
    Some((digits.trim().parse().ok()?, fraction.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(column_type: &str, max_bytes: Option<u64>) -> TargetColumn {
        TargetColumn {
            name: "c".into(),
            nullable: false,
            has_default: false,
            generated: false,
            stamps_updates: false,
            counts: false,
            data_type: column_type.split(['(', ' ']).next().unwrap().to_owned(),
            column_type: column_type.to_owned(),
            charset: None,
            collation: None,
            max_letters: None,
            max_bytes,
            scale: None,
            fraction_digits: None,
        }
    }

    #[test]
    fn narrower_columns_are_told_from_those_with_room() {
        let text =
            |max_bytes| ColumnType::Text { max_bytes, charset: "utf8mb4".into(), fixed: false };
        let integer = |bytes, unsigned| ColumnType::Integer { bytes, unsigned };
        let decimal = |precision, scale| ColumnType::Decimal { precision, scale, unsigned: false };
        for (source, column_type, max_bytes, expected) in [
            (text(160), "varchar(6)", Some(24), true),
            (text(160), "varchar(40)", Some(160), false),
            (text(160), "text", Some(65_535), false),
            (integer(4, false), "int(11)", None, false),
            (integer(8, false), "int(11)", None, true),
            (integer(4, true), "int(11)", None, true),
            (integer(4, true), "bigint(20)", None, false),
            (integer(4, false), "bigint(20) unsigned", None, true),
            (decimal(8, 2), "decimal(8,2)", None, false),
            (decimal(8, 2), "decimal(8,4)", None, true),
            (decimal(8, 2), "decimal(10,4) unsigned", None, true),
            (integer(4, false), "decimal(10,0)", None, false),
            (integer(4, false), "decimal(11,2)", None, true),
            (integer(8, true), "decimal(20,0)", None, false),
            (decimal(9, 0), "int(11)", None, false),
            (decimal(10, 0), "int(11)", None, true),
            (decimal(4, 0), "smallint(6) unsigned", None, true),
            (ColumnType::Bit { bits: 8 }, "bit(8)", None, false),
            (ColumnType::Bit { bits: 9 }, "bit(8)", None, true),
            (ColumnType::Bit { bits: 8 }, "tinyint(3) unsigned", None, false),
            (ColumnType::Bit { bits: 8 }, "tinyint(4)", None, true),
            (ColumnType::Bit { bits: 64 }, "bigint unsigned", None, false),
            (ColumnType::Year, "tinyint(4)", None, true),
            (ColumnType::Year, "smallint(6)", None, false),
            (ColumnType::DateTime { digits: 0 }, "timestamp", None, true),
            (ColumnType::DateTime { digits: 0 }, "datetime", None, false),
            (ColumnType::Timestamp { digits: 0 }, "timestamp", None, false),
            (ColumnType::Date, "timestamp", None, true),
            (ColumnType::Json, "text", Some(65_535), true),
            (ColumnType::Json, "longtext", Some(u64::from(u32::MAX)), false),
            (ColumnType::Json, "json", None, false),
        ] {
            assert_eq!(
                is_narrower(&source, &target(column_type, max_bytes)),
                expected,
                "{column_type}"
            );
        }
    }

    #[test]
    fn numbers_need_as_many_letters_as_they_can_have() {
        let text = |letters| TargetColumn {
            charset: Some("utf8mb4".to_owned()),
            max_letters: Some(letters),
            ..target("varchar(9)", Some(4 * letters))
        };
        let decimal = ColumnType::Decimal { precision: 8, scale: 2, unsigned: false };
        for (source, letters, expected) in [
            (ColumnType::Integer { bytes: 1, unsigned: true }, 3, false),
            (ColumnType::Integer { bytes: 1, unsigned: false }, 3, true),
            (decimal.clone(), 10, false),
            (decimal, 9, true),
            (ColumnType::Year, 4, false),
            (ColumnType::Year, 3, true),
        ] {
            assert_eq!(is_narrower(&source, &text(letters)), expected, "{source:?} {letters}");
        }
    }

    #[test]
    fn character_sets_hold_the_letters_of_some_others() {
        for (target, source, expected) in [
            ("latin1", "latin1", true),
            ("latin1", "ascii", true),
            ("latin1", "utf8mb4", false),
            ("ascii", "latin1", false),
            ("utf8mb4", "gb18030", true),
            ("utf8mb3", "gbk", true),
            ("utf8mb3", "utf8", true),
            ("utf8mb3", "utf8mb4", false),
            ("gb18030", "utf8mb4", true),
        ] {
            assert_eq!(holds_letters(target, source), expected, "{source} in {target}");
        }
    }

    #[test]
    fn labels_that_are_missing_or_have_no_room_are_named() {
        let labels: std::sync::Arc<[std::sync::Arc<str>]> = ["red", "it's"].map(Into::into).into();
        let source = ColumnType::Enum { labels: Some(labels) };
        let why = |there: TargetColumn| {
            let column_type = source.clone();
            narrower(&Column { name: "c".into(), column_type, nullable: false }, &there)
        };
        assert_eq!(why(target("enum('it''s','red')", None)), None);
        let told = "has no label 'it's', and in the source it does";
        assert_eq!(why(target("enum('red','green')", None)).as_deref(), Some(told));
        let text = |letters| TargetColumn { max_letters: Some(letters), ..target("char(3)", None) };
        assert_eq!(why(text(4)), None);
        assert_eq!(why(text(3)).as_deref(), Some(told));
    }

    #[test]
    fn a_column_that_takes_no_null_is_narrower_than_one_that_does() {
        let column =
            |nullable| Column { name: "c".into(), column_type: ColumnType::Date, nullable };
        assert!(narrower(&column(true), &target("date", None)).is_some());
        assert!(narrower(&column(false), &target("date", None)).is_none());
    }
}
