//! Types as words of the stored format.

use crate::history::types::{DataType, Labels, LobSize, Shape};

/// The word for a type; labels are written apart.
pub(super) fn write(data_type: &DataType) -> String {
    let sign = if data_type.is_unsigned() { "u" } else { "" };
    match data_type {
        DataType::Integer { bytes, .. } => format!("int{bytes}{sign}"),
        DataType::Decimal { precision, scale, .. } => format!("decimal{precision}.{scale}{sign}"),
        DataType::Float { .. } => format!("float{sign}"),
        DataType::Double { .. } => format!("double{sign}"),
        DataType::Bit { bits } => format!("bit{bits}"),
        DataType::Year => "year".into(),
        DataType::Date => "date".into(),
        DataType::Time { digits } => format!("time{digits}"),
        DataType::DateTime { digits } => format!("datetime{digits}"),
        DataType::Timestamp { digits } => format!("timestamp{digits}"),
        DataType::Char { chars } => format!("char{chars}"),
        DataType::VarChar { chars } => format!("varchar{chars}"),
        DataType::Text(size) => format!("text{}", size_number(*size)),
        DataType::Binary { bytes } => format!("binary{bytes}"),
        DataType::VarBinary { bytes } => format!("varbinary{bytes}"),
        DataType::Blob(size) => format!("blob{}", size_number(*size)),
        DataType::Enum(_) => "enum".into(),
        DataType::Set(_) => "set".into(),
        DataType::Json => "json".into(),
        DataType::Geometry(shape) => shape.name().into(),
        DataType::Vector { dimensions } => format!("vector{dimensions}"),
        DataType::Uuid => "uuid".into(),
        DataType::Inet4 => "inet.4".into(),
        DataType::Inet6 => "inet.6".into(),
    }
}

/// The type that a word and its labels stand for.
pub(super) fn read(word: &str, labels: Labels) -> Option<DataType> {
    let number_at = word.find(|letter: char| letter.is_ascii_digit() || letter == '.');
    let (name, numbers) = word.split_at_checked(number_at.unwrap_or(word.len()))?;
    let (numbers, unsigned) = match numbers.strip_suffix('u') {
        Some(numbers) => (numbers, true),
        None => (numbers, false),
    };
    let small = || numbers.parse::<u8>().ok();
    let long = || numbers.parse::<u32>().ok();
    Some(match name {
        "int" => {
            let bytes = small().filter(|bytes| matches!(bytes, 1..=4 | 8))?;
            DataType::Integer { bytes, unsigned }
        }
        "decimal" => {
            let (precision, scale) = numbers.split_once('.')?;
            let (precision, scale) = (precision.parse().ok()?, scale.parse().ok()?);
            DataType::Decimal { precision, scale, unsigned }
        }
        "bit" => DataType::Bit { bits: small()? },
        "time" => DataType::Time { digits: small()? },
        "datetime" => DataType::DateTime { digits: small()? },
        "timestamp" => DataType::Timestamp { digits: small()? },
        "char" => DataType::Char { chars: long()? },
        "varchar" => DataType::VarChar { chars: long()? },
        "text" => DataType::Text(read_size(numbers)?),
        "binary" => DataType::Binary { bytes: long()? },
        "varbinary" => DataType::VarBinary { bytes: long()? },
        "blob" => DataType::Blob(read_size(numbers)?),
        "vector" => DataType::Vector { dimensions: long()? },
        "inet" if numbers == ".4" => DataType::Inet4,
        "inet" if numbers == ".6" => DataType::Inet6,
        _ if number_at.is_some() => return None,
        "float" => DataType::Float { unsigned: false },
        "floatu" => DataType::Float { unsigned: true },
        "double" => DataType::Double { unsigned: false },
        "doubleu" => DataType::Double { unsigned: true },
        "year" => DataType::Year,
        "date" => DataType::Date,
        "enum" => DataType::Enum(labels),
        "set" => DataType::Set(labels),
        "json" => DataType::Json,
        "uuid" => DataType::Uuid,
        _ => DataType::Geometry(Shape::ALL.into_iter().find(|shape| shape.name() == name)?),
    })
}

fn size_number(size: LobSize) -> u8 {
    match size {
        LobSize::Tiny => 0,
        LobSize::Normal => 1,
        LobSize::Medium => 2,
        LobSize::Long => 3,
    }
}

fn read_size(number: &str) -> Option<LobSize> {
    Some(match number {
        "0" => LobSize::Tiny,
        "1" => LobSize::Normal,
        "2" => LobSize::Medium,
        "3" => LobSize::Long,
        _ => return None,
    })
}
