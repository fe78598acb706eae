//! The expressions by which both servers print equal values as equal texts.
//!
//! Pure. What the two print is decided by the types of both sides, so that a value that a wider or
//! another type holds is still the same value. A pair of types that is not known here is refused.

mod class;

use std::sync::Arc;

use class::Class;

use super::mapped::Shows;
use crate::mysql::names::{identifier, string};
use crate::mysql::target::{TargetColumn, TargetTable};

/// A column on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Canonical {
    /// The target's name.
    pub(super) name: Arc<str>,
    /// Its value at the source, as a text.
    pub(super) source: String,
    /// Its value at the target, as a text.
    pub(super) target: String,
    /// The source's column, or the constant.
    pub(super) source_name: String,
    pub(super) target_name: String,
    /// Whole numbers on both sides.
    pub(super) whole: bool,
    pub(super) shape: Shape,
    /// How its values are written where rows are looked up; `None` where they cannot be.
    pub(super) lookup: Option<Lookup>,
}

/// How a column takes part in a row's checksum; the same on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) nullable: bool,
    /// Values may hold anything, so that their length is needed to tell where they end.
    pub(super) measured: bool,
    /// Values may be larger than a packet with all others: they come in by their own checksum.
    pub(super) large: bool,
    /// A JSON document of MySQL, whose texts differ for equal documents: the program compares them.
    pub(super) document: bool,
    /// By how much a text may be longer than the value: a server gives NULL for one that is larger
    /// than a packet.
    pub(super) grows: Option<u8>,
}

/// How values of a column are written on each side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lookup {
    /// `None` where the source has a constant.
    pub(super) source: Option<Literal>,
    pub(super) target: Literal,
    /// Whether a value is fetched in hexadecimal.
    pub(super) hex: bool,
}

/// How a value is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Literal {
    /// As it is: digits.
    Number,
    /// Between quotes.
    Quoted,
    /// Its bytes in hexadecimal, as text in this character set.
    Text(String),
    /// Its bytes in hexadecimal.
    Bytes,
}

/// What a source's column, or a constant, and a target's column have in common.
pub(super) fn canonical(
    shows: &Shows,
    source: &TargetTable,
    target: &TargetColumn,
    cross: bool,
) -> Result<Canonical, String> {
    match shows {
        Shows::Constant(text) => constant(text, target),
        Shows::Column(name) => {
            let Some(column) = source.column(name) else {
                return Err(format!("the source has no column {name}"));
            };
            pair(column, target, cross)
        }
    }
}

fn constant(text: &str, target: &TargetColumn) -> Result<Canonical, String> {
    let unknown = || format!("column {} takes a constant as {}", target.name, target.column_type);
    let class = Class::of(target).ok_or_else(unknown)?;
    let quoted = identifier(&target.name);
    let number = text.parse::<i128>().ok();
    let (source, value, literal, hex) = match (class, number) {
        (Class::Integer, Some(number)) => {
            (number.to_string(), plain_number(target), Literal::Number, false)
        }
        (Class::Text, _) => {
            let literal = Literal::Text("utf8mb4".to_owned());
            (string(text), utf8(target), literal, true)
        }
        (Class::Enum | Class::Set, _) => {
            let literal = Literal::Text("utf8mb4".to_owned());
            (string(text), converted(&quoted), literal, true)
        }
        (Class::Bytes, _) => (string(text), quoted, Literal::Bytes, true),
        _ => return Err(unknown()),
    };
    let measured = !matches!(class, Class::Integer);
    let shape = Shape { measured, ..shape(target.nullable, is_large(target)) };
    let lookup = Some(Lookup { source: None, target: literal, hex });
    let column = Canonical { source_name: source.clone(), ..blank(shape) };
    Ok(Canonical { source, target: value, lookup, ..column }.named(target))
}

fn pair(source: &TargetColumn, target: &TargetColumn, cross: bool) -> Result<Canonical, String> {
    let unknown = || {
        format!(
            "column {} is {} at the source and {} at the target, which this version cannot compare",
            target.name, source.column_type, target.column_type
        )
    };
    let (from, to) =
        (Class::of(source).ok_or_else(unknown)?, Class::of(target).ok_or_else(unknown)?);
    let nullable = source.nullable || target.nullable;
    let (here, there) = (identifier(&source.name), identifier(&target.name));
    let plain = shape(nullable, is_large(source) || is_large(target));
    let same = |literal: Literal, hex| {
        Some(Lookup { source: Some(literal.clone()), target: literal, hex })
    };
    let made = |source: String, target: String, shape: Shape, lookup: Option<Lookup>| Canonical {
        source,
        target,
        lookup,
        ..blank(shape)
    };
    let both = |write: &dyn Fn(&str) -> String| (write(&here), write(&there));
    let column = match (from, to) {
        (Class::Integer, Class::Integer) => {
            made(plain_number(source), plain_number(target), plain, same(Literal::Number, false))
        }
        (Class::Integer | Class::Bit | Class::Year, Class::Integer | Class::Bit | Class::Year) => {
            let (source, target) = both(&|name| format!("({name}+0)"));
            made(source, target, plain, same(Literal::Number, false))
        }
        (Class::Decimal | Class::Integer, Class::Decimal | Class::Integer) => {
            let scale = source.scale.max(target.scale).unwrap_or(0);
            let as_is = source.scale == target.scale && from == to && !is_filled(source, target);
            let (source, target) = match as_is {
                true => (here, there),
                false => both(&|name| format!("CAST({name} AS DECIMAL(65,{scale}))")),
            };
            made(source, target, plain, same(Literal::Number, false))
        }
        (Class::Float, Class::Float) | (Class::Double, Class::Double) => {
            // The text of a FLOAT is rounded, that of a DOUBLE is exact. From one
            // server to the other no negative zero arrives.
            let zero = if cross { "+0e0" } else { "" };
            let (source, target) = both(&|name| format!("({name}*1e0{zero})"));
            // The text need not find the row again: no key.
            made(source, target, plain, None)
        }
        (Class::Date | Class::DateTime, Class::Date | Class::DateTime)
        | (Class::Time, Class::Time) => {
            let digits = source.fraction_digits.max(target.fraction_digits).unwrap_or(0);
            let with_time = from == Class::DateTime || to == Class::DateTime;
            let (source, target) = (
                moment(source, (from, with_time), digits),
                moment(target, (to, with_time), digits),
            );
            made(source, target, plain, same(Literal::Quoted, false))
        }
        (Class::Text, Class::Text) => text(source, target, plain),
        (Class::Address, Class::Address | Class::Text) => {
            let is_address = to == Class::Address;
            let lookup = if is_address { same(Literal::Quoted, false) } else { None };
            made(format!("CAST({here} AS CHAR)"), converted(&there), measured(plain), lookup)
        }
        (Class::Bytes, Class::Bytes) => {
            let shape = Shape { measured: !plain.large, ..plain };
            made(here, there, shape, same(Literal::Bytes, true))
        }
        (Class::Enum, Class::Enum) | (Class::Set, Class::Set) => labels(source, target, plain),
        (Class::Enum | Class::Set, Class::Text) => {
            made(converted(&here), utf8_always(target), measured(plain), None)
        }
        (Class::Json, Class::Json | Class::Text) | (Class::Text, Class::Json) => {
            let document = Shape { document: true, large: true, ..plain };
            made(document_text(source, from), document_text(target, to), document, None)
        }
        (Class::Geometry, Class::Geometry | Class::Bytes)
        | (Class::Vector, Class::Vector | Class::Bytes) => {
            let (source, target) = both(&|name| format!("HEX({name})"));
            let shape = Shape { large: true, grows: Some(2), ..plain };
            made(source, target, shape, None)
        }
        _ => return Err(unknown()),
    };
    let whole = from == Class::Integer && to == Class::Integer;
    let source_name = identifier(&source.name);
    Ok(Canonical { source_name, whole, ..column }.named(target))
}

impl Canonical {
    fn named(self, target: &TargetColumn) -> Self {
        Self { name: Arc::clone(&target.name), target_name: identifier(&target.name), ..self }
    }
}

fn blank(shape: Shape) -> Canonical {
    Canonical {
        name: Arc::default(),
        source: String::new(),
        target: String::new(),
        source_name: String::new(),
        target_name: String::new(),
        whole: false,
        shape,
        lookup: None,
    }
}

fn shape(nullable: bool, large: bool) -> Shape {
    Shape { nullable, measured: false, large, document: false, grows: None }
}

fn measured(shape: Shape) -> Shape {
    Shape { measured: !shape.large, ..shape }
}

/// A text that needs a character set: as its bytes where both have them alike.
fn text(source: &TargetColumn, target: &TargetColumn, plain: Shape) -> Canonical {
    let charset = |column: &TargetColumn| column.charset.clone().unwrap_or_default();
    let is_same = family(&charset(source)) == family(&charset(target));
    let write = |name: String| if is_same { name } else { converted(&name) };
    let literal = |column: &TargetColumn| {
        Literal::Text(if is_same { charset(column) } else { "utf8mb4".to_owned() })
    };
    let grows = (plain.large && !is_same).then_some(4);
    Canonical {
        source: write(identifier(&source.name)),
        target: write(identifier(&target.name)),
        lookup: Some(Lookup { source: Some(literal(source)), target: literal(target), hex: true }),
        ..blank(Shape { grows, ..measured(plain) })
    }
}

/// Labels as their numbers where both have the same, else as their names beside the word whether
/// the value is none of them.
fn labels(source: &TargetColumn, target: &TargetColumn, plain: Shape) -> Canonical {
    let is_same = source.column_type == target.column_type && source.charset == target.charset;
    let write = |name: &str| match is_same {
        true => format!("CAST({name} AS UNSIGNED)"),
        false => format!("CONCAT({name}+0=0,{})", converted(name)),
    };
    let lookup = Lookup { source: Some(Literal::Number), target: Literal::Number, hex: false };
    Canonical {
        source: write(&identifier(&source.name)),
        target: write(&identifier(&target.name)),
        lookup: is_same.then_some(lookup),
        ..blank(Shape { measured: !is_same, ..plain })
    }
}

/// A temporal value with so many digits behind the point, and with a time of day where the other
/// side has one. Texts, since a conversion might refuse dates of zeros.
fn moment(column: &TargetColumn, (class, with_time): (Class, bool), digits: u32) -> String {
    let name = identifier(&column.name);
    let own = if class == Class::Date { 0 } else { column.fraction_digits.unwrap_or(0) };
    let mut tail = String::new();
    if class == Class::Date && with_time {
        tail.push_str(" 00:00:00");
    }
    if digits > own {
        if own == 0 {
            tail.push('.');
        }
        tail.extend((own..digits).map(|_| '0'));
    }
    if tail.is_empty() { name } else { format!("CONCAT({name},'{tail}')") }
}

fn document_text(column: &TargetColumn, class: Class) -> String {
    let name = identifier(&column.name);
    if class == Class::Json { format!("CAST({name} AS CHAR)") } else { utf8_of(&name, column) }
}

fn plain_number(column: &TargetColumn) -> String {
    let name = identifier(&column.name);
    if is_zero_filled(column) { format!("({name}+0)") } else { name }
}

fn is_filled(source: &TargetColumn, target: &TargetColumn) -> bool {
    is_zero_filled(source) || is_zero_filled(target)
}

fn is_zero_filled(column: &TargetColumn) -> bool {
    column.column_type.contains("zerofill")
}

fn converted(quoted: &str) -> String {
    format!("CONVERT({quoted} USING utf8mb4)")
}

fn utf8(column: &TargetColumn) -> String {
    utf8_of(&identifier(&column.name), column)
}

fn utf8_always(column: &TargetColumn) -> String {
    converted(&identifier(&column.name))
}

fn utf8_of(quoted: &str, column: &TargetColumn) -> String {
    match family(column.charset.as_deref().unwrap_or_default()) {
        "utf8mb4" => quoted.to_owned(),
        _ => converted(quoted),
    }
}

/// The character sets whose bytes mean the same.
fn family(charset: &str) -> &str {
    match charset {
        "utf8" | "utf8mb3" | "utf8mb4" | "ascii" => "utf8mb4",
        other => other,
    }
}

/// Whether a value may be as large as a packet.
fn is_large(column: &TargetColumn) -> bool {
    matches!(
        column.data_type.as_str(),
        "text" | "mediumtext" | "longtext" | "blob" | "mediumblob" | "longblob" | "json" | "vector"
    ) || Class::of(column) == Some(Class::Geometry)
}

#[cfg(test)]
mod tests;
