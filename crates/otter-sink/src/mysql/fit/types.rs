//! Which column types hold which source types without a silent change.

use otter_core::{Column, ColumnType};

use crate::mysql::target::TargetColumn;

/// The largest integers that a FLOAT holds exactly have 24 bits, those of a DOUBLE 53.
const FLOAT_BYTES: u8 = 2;
const DOUBLE_BYTES: u8 = 4;

/// What is wrong with the target's column, and the type that it needs.
pub(super) fn unfit_column(source: &Column, target: &TargetColumn) -> Option<(String, String)> {
    // MySQL: NULL in such a column becomes the present time or the next number, without an error.
    let fills_null = target.data_type == "timestamp" && source.nullable && !target.nullable;
    if fills_null {
        return Some((
            "allows NULL in the source, and the target would write the present time instead"
                .to_owned(),
            format!("{} NULL", target.column_type),
        ));
    }
    if target.counts && source.nullable {
        return Some((
            "allows NULL in the source, and the target would write the next number instead"
                .to_owned(),
            format!("{} NOT NULL", target.column_type),
        ));
    }
    if let Some(label) = label_taken_for_number(&source.column_type, target) {
        return Some((
            format!("has no label '{label}', which it would take for the number of another label"),
            format!("{}(…), with all labels of the source", target.data_type),
        ));
    }
    let needed = needed_type(&source.column_type, target)?;
    let null = if target.nullable { "NULL" } else { "NOT NULL" };
    Some((
        format!(
            "is {} in the source, and {} would change values without an error",
            source.column_type.describe(),
            target.column_type
        ),
        format!("{needed} {null}"),
    ))
}

/// A label of digits that the target lacks: text that is no label, but a number, stands for the
/// label of that number there, without an error.
fn label_taken_for_number<'a>(source: &'a ColumnType, target: &TargetColumn) -> Option<&'a str> {
    let (ColumnType::Enum { labels } | ColumnType::Set { labels }) = source else { return None };
    if !matches!(target.data_type.as_str(), "enum" | "set") {
        return None;
    }
    let is_number = |label: &str| label.trim_start().trim_start_matches('+').parse::<u64>().is_ok();
    let lacks = |label: &str| !target.column_type.contains(&format!("'{label}'"));
    labels
        .iter()
        .flat_map(|all| all.iter())
        .map(|label| &**label)
        .find(|label| is_number(label) && lacks(label))
}

/// The type that the target's column needs; `None` where it fits.
fn needed_type(source: &ColumnType, target: &TargetColumn) -> Option<String> {
    let there = target.data_type.as_str();
    let is_text =
        matches!(there, "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext");
    let is_integer = matches!(there, "tinyint" | "smallint" | "mediumint" | "int" | "bigint");
    let is_binary =
        matches!(there, "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob");
    // Text becomes a number or a time by rules that round and cut.
    let is_converted = is_integer
        || matches!(
            there,
            "decimal"
                | "float"
                | "double"
                | "bit"
                | "year"
                | "date"
                | "time"
                | "datetime"
                | "timestamp"
        );
    let keeps = |digits: u8| target.fraction_digits.unwrap_or(0) >= u32::from(digits);
    let fits = match source {
        ColumnType::Integer { bytes, .. } => {
            is_integer
                || is_text
                || match there {
                    "decimal" => true,
                    "float" => *bytes <= FLOAT_BYTES,
                    "double" => *bytes <= DOUBLE_BYTES,
                    _ => false,
                }
        }
        ColumnType::Decimal { scale, .. } => {
            is_text
                || (is_integer && *scale == 0)
                || (there == "decimal" && target.scale.unwrap_or(0) >= u32::from(*scale))
        }
        ColumnType::Float => is_text || matches!(there, "float" | "double"),
        ColumnType::Double => is_text || there == "double",
        ColumnType::Bit { .. } => is_integer || is_text || matches!(there, "bit" | "decimal"),
        ColumnType::Year => is_integer || is_text || matches!(there, "year" | "decimal"),
        ColumnType::Date => is_text || matches!(there, "date" | "datetime" | "timestamp"),
        ColumnType::Time { digits } => is_text || (there == "time" && keeps(*digits)),
        ColumnType::DateTime { digits } | ColumnType::Timestamp { digits } => {
            is_text || (matches!(there, "datetime" | "timestamp") && keeps(*digits))
        }
        // A BINARY pads to its own length, so only the same length keeps values as they are.
        ColumnType::Bytes { max_bytes, fixed } => {
            !is_converted
                && (there != "binary"
                    || (*fixed && target.max_bytes == Some(u64::from(*max_bytes))))
        }
        // The number of a label means nothing outside of an ENUM or SET.
        ColumnType::Enum { labels } => there == "enum" || (labels.is_some() && is_text),
        ColumnType::Set { labels } => there == "set" || (labels.is_some() && is_text),
        ColumnType::Json => there == "json" || is_text,
        ColumnType::Text { .. } => there != "binary" && !is_converted,
        ColumnType::Geometry => !is_text && there != "binary",
        ColumnType::Vector => there == "vector" || (is_binary && there != "binary"),
        // Judged by its text, before its type is asked about.
        ColumnType::Constant { .. } => true,
        // A type that this version does not know comes with values that it does not know either;
        // those are refused one by one.
        _ => true,
    };
    (!fits).then(|| sql_type(source))
}

/// The source's type in SQL, for the remedy.
fn sql_type(source: &ColumnType) -> String {
    if let ColumnType::Decimal { precision, scale, unsigned: true } = source {
        return format!("decimal({precision},{scale}) unsigned");
    }
    if let ColumnType::Text { charset, max_bytes, .. } = source {
        return format!("varchar({max_bytes}) CHARACTER SET {charset}");
    }
    source.describe()
}
