//! From what a definition says to what the server makes of it: charsets, sizes, implied NOT NULL.

use std::sync::Arc;

use super::names::same;
use super::table::ColumnSchema;
use crate::connection::Flavor;
use crate::history::charset;
use crate::history::dialect::Session;
use crate::history::statement::{CharsetClause, CharsetName, ColumnDefinition};
use crate::history::types::{DataType, Labels, LobSize};

/// The greatest length of a VARCHAR in bytes.
const MAX_VARCHAR_BYTES: u64 = 65_535;

/// What a column takes from its table and session.
pub(super) struct Defaults<'a> {
    /// The table's collation.
    pub(super) collation: &'a Arc<str>,
    /// The collation that CONVERT TO gives to all text.
    pub(super) convert: Option<&'a Arc<str>>,
    pub(super) session: &'a Session,
}

/// The collation that a clause means: `inherited` where it is empty, `default` where it says
/// DEFAULT.
pub(super) fn collation(
    clause: &CharsetClause,
    inherited: &str,
    default: &str,
    session: &Session,
) -> Arc<str> {
    let charset: Option<Arc<str>> = match &clause.charset {
        Some(CharsetName::Named(name)) => Some(charset::default_collation(name, session)),
        // MariaDB: DEFAULT means a set, of which this is then the default collation.
        Some(CharsetName::Default) if session.dialect.is_at_least(Flavor::MariaDb, 100_900) => {
            Some(charset::default_collation(charset::of_collation(default), session))
        }
        Some(CharsetName::Default) => Some(default.into()),
        None => None,
    };
    let collation = match &clause.collation {
        Some(collation) => {
            let collation = charset::canonical(collation);
            let around = charset.as_deref().unwrap_or(inherited);
            if charset::by_name(charset::of_collation(&collation)).is_some() {
                collation.into()
            } else {
                // MariaDB: `uca1400_ai_ci` takes its set from what surrounds it.
                format!("{}_{collation}", charset::of_collation(around)).into()
            }
        }
        None => charset.unwrap_or_else(|| inherited.into()),
    };
    if clause.binary { charset::binary_collation(&collation) } else { collation }
}

/// What the server makes of a column.
pub(super) fn column(definition: &ColumnDefinition, defaults: &Defaults<'_>) -> ColumnSchema {
    let mut data_type = definition.data_type.clone();
    let mut column_collation = None;
    if data_type.is_text() {
        let table = defaults.collation;
        let own = collation(&definition.charset, table, table, defaults.session);
        let before = Arc::clone(&own);
        let is_plain_binary = definition.charset.binary && definition.charset.charset.is_none();
        let collation = match defaults.convert {
            Some(_) if &*own == charset::BINARY => own,
            // BINARY without a charset asks for the binary collation of whatever it becomes.
            Some(convert) if is_plain_binary => charset::binary_collation(convert),
            Some(convert) => Arc::clone(convert),
            None => own,
        };
        data_type = relabelled(&data_type, &before, &collation);
        (data_type, column_collation) = as_text(&data_type, definition.asked_length, collation);
    } else {
        data_type = as_bytes(&data_type, definition.asked_length);
    }
    // A TIMESTAMP was NOT NULL by itself before MySQL 8 and MariaDB 10.10.
    let is_implied = matches!(data_type, DataType::Timestamp { .. })
        && !defaults.session.explicit_timestamp_defaults;
    ColumnSchema {
        name: Arc::clone(&definition.name),
        data_type,
        collation: column_collation,
        nullable: definition.nullable.unwrap_or(!is_implied),
        auto_increment: definition.auto_increment,
        invisible: definition.invisible,
        compressed: definition.compressed,
        generated: definition.generated,
    }
}

/// Text under a collation: chooses its size, and turns it into bytes under `binary`.
fn as_text(
    data_type: &DataType,
    asked_length: Option<u64>,
    collation: Arc<str>,
) -> (DataType, Option<Arc<str>>) {
    let is_binary = &*collation == charset::BINARY;
    let wide = |chars: u64| chars.saturating_mul(u64::from(charset::max_bytes(&collation)));
    let sized = match (data_type, asked_length) {
        (DataType::Text(_), Some(chars)) => DataType::Text(LobSize::holding(wide(chars))),
        // Without strict mode, a VARCHAR that is too long becomes a TEXT.
        (DataType::VarChar { chars }, _) if wide(u64::from(*chars)) > MAX_VARCHAR_BYTES => {
            DataType::Text(LobSize::holding(wide(u64::from(*chars))))
        }
        (DataType::Enum(labels), _) if !is_binary => DataType::Enum(without_padding(labels)),
        (DataType::Set(labels), _) if !is_binary => DataType::Set(without_padding(labels)),
        (other, _) => other.clone(),
    };
    if is_binary && !matches!(sized, DataType::Enum(_) | DataType::Set(_)) {
        return (sized.as_bytes(), None);
    }
    (sized, Some(collation))
}

fn as_bytes(data_type: &DataType, asked_length: Option<u64>) -> DataType {
    match (data_type, asked_length) {
        (DataType::Blob(_), Some(bytes)) => DataType::Blob(LobSize::holding(bytes)),
        (DataType::VarBinary { bytes }, _) if u64::from(*bytes) > MAX_VARCHAR_BYTES => {
            DataType::Blob(LobSize::holding(u64::from(*bytes)))
        }
        (other, _) => other.clone(),
    }
}

/// Labels lose the spaces at their ends.
fn without_padding(labels: &Labels) -> Labels {
    if !labels.iter().any(|label| label.ends_with(' ')) {
        return Arc::clone(labels);
    }
    labels.iter().map(|label| Arc::from(label.trim_end_matches(' '))).collect()
}

/// CONVERT TO CHARACTER SET for a column that is there: text is made wide enough for as many
/// characters as it could hold.
pub(super) fn convert(column: &mut ColumnSchema, target: &Arc<str>) {
    let Some(before) = column.collation.as_deref().filter(|before| *before != charset::BINARY)
    else {
        return;
    };
    let mut asked_length = None;
    if let DataType::Text(size) = column.data_type {
        let chars = u64::from(size.max_bytes()) / u64::from(charset::max_bytes(before).max(1));
        asked_length = Some(chars);
    }
    let data_type = relabelled(&column.data_type, before, target);
    (column.data_type, column.collation) = as_text(&data_type, asked_length, Arc::clone(target));
}

/// Labels after a conversion: servers keep their bytes and read them as the new charset. Where that
/// changes them they are not known any more, and the list becomes empty.
fn relabelled(data_type: &DataType, before: &str, after: &str) -> DataType {
    let (before, after) = (charset::of_collation(before), charset::of_collation(after));
    let both_utf8 = before.starts_with("utf8") && after.starts_with("utf8");
    let is_kept = |labels: &Labels| {
        let is_plain = labels.iter().all(|label| label.is_ascii());
        let is_ascii = charset::extends_ascii(before) && charset::extends_ascii(after);
        before == after || both_utf8 || is_plain && is_ascii
    };
    let mut data_type = data_type.clone();
    if let DataType::Enum(labels) | DataType::Set(labels) = &mut data_type
        && !is_kept(labels)
    {
        *labels = Labels::default();
    }
    data_type
}

/// Marks these columns as NOT NULL.
pub(super) fn forbid_null<'a>(
    columns: &mut [ColumnSchema],
    names: impl IntoIterator<Item = &'a Arc<str>>,
) {
    for name in names {
        for column in columns.iter_mut().filter(|column| same(&column.name, name)) {
            column.nullable = false;
        }
    }
}
