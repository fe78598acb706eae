//! The types of text and bytes, ENUM and SET, by all their names.

use std::sync::Arc;

use super::super::statement::{CharsetClause, CharsetName};
use super::super::types::{DataType, Labels, LobSize};
use super::Result;
use super::cursor::Cursor;
use super::data_type::{Meaning, TypeReading};
use crate::connection::Flavor;

/// Reads from behind the type's first word; `None` where it is none of these types.
pub(super) fn read(
    name: &str,
    meaning: Meaning,
    cursor: &mut Cursor<'_>,
    charset: &mut CharsetClause,
) -> Result<Option<TypeReading>> {
    let data_type = match name {
        "CHAR" | "CHARACTER" => read_char(cursor)?,
        "NCHAR" => {
            national(charset);
            if cursor.eat_word("VARCHAR") { varchar(cursor)? } else { read_char(cursor)? }
        }
        "NATIONAL" => {
            national(charset);
            if cursor.eat_any_word(&["VARCHAR", "VARCHARACTER"]) {
                varchar(cursor)?
            } else if cursor.eat_any_word(&["CHAR", "CHARACTER"]) {
                read_char(cursor)?
            } else {
                return Err(cursor.refuse("CHAR or VARCHAR"));
            }
        }
        "NVARCHAR" => {
            national(charset);
            varchar(cursor)?
        }
        "VARCHAR" | "VARCHARACTER" | "VARCHAR2" => varchar(cursor)?,
        "BINARY" => DataType::Binary { bytes: read_length(cursor)?.unwrap_or(1) },
        "VARBINARY" | "RAW" => DataType::VarBinary { bytes: read_length(cursor)?.unwrap_or(1) },
        "LONG" => read_long(cursor),
        "ENUM" => DataType::Enum(read_labels(cursor)?),
        "SET" => DataType::Set(read_labels(cursor)?),
        "JSON" if cursor.dialect().flavor == Flavor::MySql => DataType::Json,
        "JSON" => {
            charset.charset = Some(CharsetName::Named("utf8mb4".into()));
            charset.collation = Some("utf8mb4_bin".into());
            DataType::Text(LobSize::Long)
        }
        _ => return read_lob(name, meaning, cursor),
    };
    Ok(Some(data_type.into()))
}

fn national(charset: &mut CharsetClause) {
    charset.charset = Some(CharsetName::Named("utf8mb3".into()));
}

fn read_char(cursor: &mut Cursor<'_>) -> Result<DataType> {
    if cursor.eat_word("VARYING") {
        return varchar(cursor);
    }
    Ok(DataType::Char { chars: read_length(cursor)?.unwrap_or(1) })
}

fn varchar(cursor: &mut Cursor<'_>) -> Result<DataType> {
    Ok(DataType::VarChar { chars: read_length(cursor)?.unwrap_or(1) })
}

fn read_length(cursor: &mut Cursor<'_>) -> Result<Option<u32>> {
    let length = cursor.parenthesised_number("a length")?;
    Ok(length.map(|length| u32::try_from(length).unwrap_or(u32::MAX)))
}

/// `LONG`, `LONG VARCHAR`, `LONG CHAR VARYING` and `LONG VARBINARY`.
fn read_long(cursor: &mut Cursor<'_>) -> DataType {
    if cursor.eat_word("VARBINARY") {
        return DataType::Blob(LobSize::Medium);
    }
    if cursor.eat_any_word(&["CHAR", "CHARACTER"]) {
        cursor.eat_word("VARYING");
    } else {
        cursor.eat_any_word(&["VARCHAR", "VARCHARACTER"]);
    }
    DataType::Text(LobSize::Medium)
}

fn read_lob(name: &str, meaning: Meaning, cursor: &mut Cursor<'_>) -> Result<Option<TypeReading>> {
    let data_type = match name {
        "TINYTEXT" => DataType::Text(LobSize::Tiny),
        "TEXT" => DataType::Text(LobSize::Normal),
        "MEDIUMTEXT" => DataType::Text(LobSize::Medium),
        "LONGTEXT" | "CLOB" => DataType::Text(LobSize::Long),
        "TINYBLOB" => DataType::Blob(LobSize::Tiny),
        "BLOB" if meaning.oracle => DataType::Blob(LobSize::Long),
        "BLOB" => DataType::Blob(LobSize::Normal),
        "MEDIUMBLOB" => DataType::Blob(LobSize::Medium),
        "LONGBLOB" => DataType::Blob(LobSize::Long),
        _ => return Ok(None),
    };
    let length = cursor.parenthesised_number("a length")?;
    // Only the plain forms choose their size by a length; 0 is no length.
    let asked_length = length.filter(|length| *length > 0 && matches!(name, "TEXT" | "BLOB"));
    Ok(Some(TypeReading { data_type, asked_length, is_serial: false }))
}

fn read_labels(cursor: &mut Cursor<'_>) -> Result<Labels> {
    cursor.expect_symbol(b'(', "labels")?;
    let mut labels: Vec<Arc<str>> = Vec::new();
    loop {
        labels.push(cursor.text("a label")?.into());
        if !cursor.eat_symbol(b',') {
            break;
        }
    }
    cursor.expect_symbol(b')', "a comma or a closing parenthesis")?;
    Ok(labels.into())
}
