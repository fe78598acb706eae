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
    if is_narrower(&source.column_type, target) {
        let there = source.column_type.describe();
        let charset = target.charset.as_ref().map_or_else(String::new, |name| format!(" {name}"));
        return Some(format!("is {}{charset} and in the source {there}", target.column_type));
    }
    (source.nullable && !target.nullable).then(|| "takes no NULL, and in the source it does".into())
}

#[allow(clippy::wildcard_enum_match_arm, reason = "the other types have no width")]
fn is_narrower(source: &ColumnType, target: &TargetColumn) -> bool {
    match source {
        ColumnType::Integer { bytes, unsigned } => {
            let Some(room) = integer_bytes(&target.data_type) else { return false };
            let unsigned_there = target.column_type.contains("unsigned");
            match (unsigned, unsigned_there) {
                (true, true) | (false, false) => room < *bytes,
                // One bit of the target's is the sign.
                (true, false) => room <= *bytes,
                (false, true) => true,
            }
        }
        ColumnType::Decimal { precision, scale, .. } => {
            let Some((digits, fraction)) = decimal_digits(&target.column_type) else {
                return false;
            };
            digits.saturating_sub(fraction) < precision.saturating_sub(*scale)
        }
        ColumnType::Text { max_bytes, .. } | ColumnType::Bytes { max_bytes, .. } => {
            target.max_bytes.is_some_and(|room| room < u64::from(*max_bytes))
        }
        // Of these, `fit` allows only types that hold every value, or their labels decide.
        _ => false,
    }
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
            (decimal(8, 2), "decimal(10,4) unsigned", None, false),
        ] {
            assert_eq!(
                is_narrower(&source, &target(column_type, max_bytes)),
                expected,
                "{column_type}"
            );
        }
    }

    #[test]
    fn a_column_that_takes_no_null_is_narrower_than_one_that_does() {
        let column =
            |nullable| Column { name: "c".into(), column_type: ColumnType::Date, nullable };
        assert!(narrower(&column(true), &target("date", None)).is_some());
        assert!(narrower(&column(false), &target("date", None)).is_none());
    }
}
