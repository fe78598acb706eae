//! The keys that a request names: as literals that the source compares, and as values.

use std::fmt;
use std::sync::Arc;

use otter_core::{ColumnType, RowArena, RowArenaBuilder, Value};

use super::keys::{self, Literal};
use super::prepare::Unready;
use super::refusal::Refusal;
use crate::connection::Connection;
use crate::copy::definition::Definition;
use crate::copy::key::{Key, KeyColumn};
use crate::copy::value;
use crate::schema::information::SchemaColumn;

/// Keys of one request: they are all in memory, and are compared with each other's.
const MOST_KEYS: usize = 10_000;
/// Values in one question; MySQL's limit of columns is 4096.
const VALUES_AT_ONCE: usize = 1_000;

/// One key that is asked for.
#[derive(Clone)]
pub(super) struct WantedKey {
    /// As literals.
    pub(super) place: Arc<str>,
    /// Its values, in the order of the key's columns.
    pub(super) values: Arc<RowArena>,
    /// Where they begin.
    pub(super) first: usize,
}

impl fmt::Debug for WantedKey {
    /// Shows nothing of a row (SECRET-1).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WantedKey")
    }
}

/// Reads the keys of a request, whose values stand in the order of `columns`.
pub(super) async fn read_keys(
    connection: &mut Connection,
    definition: &Definition,
    (key, columns): (&Key, &[Arc<str>]),
    text: &str,
) -> Result<Vec<WantedKey>, Unready> {
    let order: Vec<&KeyColumn> = if columns.is_empty() {
        key.columns.iter().collect()
    } else {
        let named = |name: &Arc<str>| {
            key.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))
        };
        columns.iter().filter_map(named).collect()
    };
    let mut all: Vec<Vec<String>> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        if all.len() == MOST_KEYS {
            let why = format!("it names more than {MOST_KEYS} keys: ask in several requests");
            return Err(Refusal::new(why).into());
        }
        let given = keys::parse(line)?;
        if given.len() != order.len() {
            let names: Vec<&str> = order.iter().map(|column| &*column.name).collect();
            let why = format!(
                "a key has {} values and needs {}: {}",
                given.len(),
                names.len(),
                names.join(", ")
            );
            return Err(Refusal::new(why).into());
        }
        let mut literals = vec![String::new(); key.columns.len()];
        for (given, column) in given.iter().zip(&order) {
            let (schema, column_type) = schema_of(definition, column)?;
            let literal = match keys::literal(given, schema, column_type)? {
                Literal::Ready(literal) => literal,
                Literal::Convert { from, to } => convert(connection, column, &from, &to).await?,
            };
            let place = key.columns.iter().position(|one| one.index == column.index);
            if let Some(slot) = place.and_then(|place| literals.get_mut(place)) {
                *slot = literal;
            }
        }
        all.push(literals);
    }
    if all.is_empty() {
        return Err(Refusal::new("it names no key").into());
    }
    let values = Arc::new(read_values(connection, definition, key, &all).await?);
    let width = key.columns.len();
    let wanted = all.iter().enumerate().map(|(number, literals)| WantedKey {
        place: Key::place_of(literals),
        values: Arc::clone(&values),
        first: number * width,
    });
    Ok(wanted.collect())
}

type Schema<'d> = (&'d SchemaColumn, &'d ColumnType);

fn schema_of<'d>(definition: &'d Definition, column: &KeyColumn) -> Result<Schema<'d>, Refusal> {
    let found = definition.columns.get(column.index).zip(definition.types.get(column.index));
    found.ok_or_else(|| Refusal::new("its definition has changed"))
}

/// A text in the character set of its column, where it can be written in it.
async fn convert(
    connection: &mut Connection,
    column: &KeyColumn,
    from: &str,
    to: &str,
) -> Result<String, Unready> {
    let sql = format!(
        "SELECT HEX(CONVERT({from} USING {to})) AS there, \
         HEX(CONVERT(CONVERT({from} USING {to}) USING utf8mb4)) \
         = HEX(CONVERT({from} USING utf8mb4)) AS same"
    );
    let result = connection.query(&sql).await?;
    match (result.first("there"), result.first("same")) {
        (Some(there), Some("1")) => Ok(format!("_{to} X'{there}'")),
        _ => {
            let why = format!("column {} cannot hold the text of a key", column.name);
            Err(Refusal::new(why).into())
        }
    }
}

/// The values that the literals of keys stand for, as the binlog's rows would hold them.
async fn read_values(
    connection: &mut Connection,
    definition: &Definition,
    key: &Key,
    all: &[Vec<String>],
) -> Result<RowArena, Unready> {
    let width = key.columns.len().max(1);
    let mut arena = RowArenaBuilder::new();
    for some in all.chunks((VALUES_AT_ONCE / width).max(1)) {
        let mut expressions = Vec::new();
        for literals in some {
            for (literal, column) in literals.iter().zip(&key.columns) {
                expressions.push(expression(literal, schema_of(definition, column)?.1));
            }
        }
        let result = connection.query(&format!("SELECT {}", expressions.join(", "))).await?;
        let Some(row) = result.rows().first() else {
            return Err(Refusal::new("the source does not tell the values of its keys").into());
        };
        for (place, column) in some.iter().flat_map(|_| &key.columns).enumerate() {
            let (schema, column_type) = schema_of(definition, column)?;
            let unreadable = || {
                Refusal::new(format!(
                    "a value of column {} cannot be read: write it as the source prints it",
                    column.name
                ))
            };
            let bytes = row.bytes(place).ok_or_else(unreadable)?;
            if let ColumnType::Bit { .. } = column_type {
                let number = std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok());
                let number = number.ok_or_else(unreadable)?;
                arena.push(Some(Value::Bit(number))).map_err(|_| unreadable())?;
                continue;
            }
            value::push(&mut arena, schema, column_type, Some(bytes)).map_err(|_| unreadable())?;
        }
    }
    Ok(arena.finish())
}

/// What is selected of a literal, so that it reads as a column's value does.
fn expression(literal: &str, column_type: &ColumnType) -> String {
    if let ColumnType::Decimal { precision, scale, .. } = column_type {
        return format!("CAST({literal} AS DECIMAL({precision},{scale}))");
    }
    if let ColumnType::DateTime { digits } = column_type {
        return format!("CAST({literal} AS DATETIME({digits}))");
    }
    if let ColumnType::Time { digits } = column_type {
        return format!("CAST({literal} AS TIME({digits}))");
    }
    match matches!(column_type, ColumnType::Float | ColumnType::Double) {
        true => format!("{literal} * 1e0"),
        false if *column_type == ColumnType::Date => format!("CAST({literal} AS DATE)"),
        false if matches!(column_type, ColumnType::Timestamp { .. }) => {
            format!("UNIX_TIMESTAMP({literal})")
        }
        false => literal.to_owned(),
    }
}
