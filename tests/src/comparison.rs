//! Whether tables of two servers hold the same rows, byte for byte, and where not.
//!
//! Rows are compared as multisets: a table without a key may hold one row twice,
//! and the order in which a server returns rows means nothing. Each server prints
//! its rows in hex and sends their digests, so that millions of rows can be
//! compared; the rows themselves are asked for where they differ.

use std::collections::BTreeMap;
use std::fmt;

use futures::TryStreamExt;
use otter_server::sandbox::Server;
use sqlx::{AssertSqlSafe, Row};

pub use crate::query::{last_column, number};
use crate::query::{rows, texts};

/// How many differing rows a difference shows of each side.
const SHOWN: usize = 3;

/// How a table of the target differs from that of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    table: String,
    source: DifferingSide,
    target: DifferingSide,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct DifferingSide {
    rows: usize,
    // Different rows that are here more often than on the other side.
    only_here: usize,
    shown: Vec<String>,
}

/// A table of one server, and how to print its rows so that equal texts mean
/// equal bytes.
struct Printed<'a> {
    server: &'a Server,
    table: String,
    columns: Vec<String>,
    expression: String,
}

/// Half of a SHA-256, 128 bits. MySQL: 9.6 moved MD5 and SHA1 out of the server.
fn digest(expression: &str) -> String {
    format!("LEFT(SHA2({expression}, 256), 32)")
}

/// Compares tables of the same name, written `schema.table`; returns how many
/// rows they hold together at the source.
///
/// # Panics
/// At the first table that differs, with some of the rows in question.
pub async fn assert_tables_equal(source: &Server, target: &Server, tables: &[&str]) -> u64 {
    let mut total = 0;
    for table in tables {
        match compare(source, target, (table, table)).await {
            Ok(rows) => total += rows,
            Err(difference) => panic!("{difference}"),
        }
    }
    total
}

/// Compares a table of the source with one of the target, which may have another
/// name and must have at least the source's columns; returns the number of rows.
///
/// # Errors
/// How they differ.
///
/// # Panics
/// Where a server refuses the query, for example because the table is missing.
pub async fn compare(
    source: &Server,
    target: &Server,
    (source_table, target_table): (&str, &str),
) -> Result<u64, Difference> {
    let source = Printed::described(source, source_table).await;
    let target = source.elsewhere(target, target_table);
    let (left, right) = tokio::join!(source.digests(), target.digests());
    // How much more often a row is at the source than at the target.
    let mut surplus: BTreeMap<u128, i64> = BTreeMap::new();
    for digest in &left {
        *surplus.entry(*digest).or_default() += 1;
    }
    for digest in &right {
        *surplus.entry(*digest).or_default() -= 1;
    }
    surplus.retain(|_, count| *count != 0);
    if surplus.is_empty() {
        return Ok(u64::try_from(left.len()).expect("a length fits into 64 bits"));
    }
    let only = |side: fn(i64) -> bool| {
        let differing = surplus.iter().filter(|(_, count)| side(**count));
        differing.map(|(digest, _)| *digest).collect::<Vec<u128>>()
    };
    Err(Difference {
        table: source_table.to_owned(),
        source: source.differing(left.len(), &only(|count| count > 0)).await,
        target: target.differing(right.len(), &only(|count| count < 0)).await,
    })
}

impl<'a> Printed<'a> {
    /// Asks the server for the columns of the table.
    async fn described(server: &'a Server, table: &str) -> Self {
        let (schema, name) = split(table);
        let query = format!(
            "SELECT column_name, data_type FROM information_schema.columns \
             WHERE table_schema = '{schema}' AND table_name = '{name}' ORDER BY ordinal_position"
        );
        let described = texts(server, &query).await;
        assert!(!described.is_empty(), "no table {table}");
        let mut columns = Vec::new();
        let mut parts = Vec::new();
        for column in described {
            let [name, kind] = column.as_slice() else { panic!("two columns were asked for") };
            parts.push(format!("IFNULL(HEX({}), 'NULL')", exact_text(name, kind)));
            columns.push(name.clone());
        }
        let expression = format!("CONCAT_WS(',', {})", parts.join(", "));
        Self { server, table: quoted(table), columns, expression }
    }

    /// The same columns of a table elsewhere.
    fn elsewhere<'b>(&self, server: &'b Server, table: &str) -> Printed<'b> {
        let (columns, expression) = (self.columns.clone(), self.expression.clone());
        Printed { server, table: quoted(table), columns, expression }
    }

    /// Fetches a digest of each row.
    async fn digests(&self) -> Vec<u128> {
        let query = format!("SELECT {} FROM {}", digest(&self.expression), self.table);
        let mut connection = self.server.connect().await.expect("the server takes a connection");
        let mut answer = sqlx::raw_sql(AssertSqlSafe(query)).fetch(&mut connection);
        let mut digests = Vec::new();
        while let Some(row) = answer.try_next().await.expect("the server sends its rows") {
            let digits: Option<String> = row.get(0);
            let digits = digits.expect("a row fits into max_allowed_packet as hex");
            digests.push(u128::from_str_radix(&digits, 16).expect("a digest is 32 hex digits"));
        }
        digests
    }

    /// Fetches some of the rows with these digests.
    async fn differing(&self, rows_here: usize, digests: &[u128]) -> DifferingSide {
        let mut shown = Vec::new();
        for wanted in digests.iter().take(SHOWN) {
            let query = format!(
                "SELECT {} FROM {} WHERE {} = '{wanted:032x}' LIMIT 1",
                self.expression,
                self.table,
                digest(&self.expression)
            );
            let found = rows(self.server, &query).await;
            let row = found.into_iter().flatten().flatten().next().unwrap_or_default();
            shown.push(self.readable(&String::from_utf8_lossy(&row)));
        }
        DifferingSide { rows: rows_here, only_here: digests.len(), shown }
    }

    /// Turns hex back into text where it is text.
    fn readable(&self, row: &str) -> String {
        let value = |hex: &str| {
            if hex == "NULL" {
                return hex.to_owned();
            }
            let digits = |at| hex.get(at..at + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
            let bytes: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(digits).collect();
            let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
            text.map_or_else(|| format!("0x{hex}"), |text| format!("{text:?}"))
        };
        let values = self.columns.iter().zip(row.split(','));
        let values = values.map(|(name, hex)| format!("{name}: {}", value(hex)));
        values.collect::<Vec<_>>().join(", ")
    }
}

/// Writes the expression whose text tells all values of the column apart.
fn exact_text(column: &str, kind: &str) -> String {
    let column = format!("`{}`", column.replace('`', "``"));
    match kind {
        // The text of a FLOAT is rounded to six digits, that of a DOUBLE is exact.
        "float" => format!("CAST({column} + 0e0 AS CHAR)"),
        "double" | "decimal" | "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "year"
        | "date" | "time" | "datetime" | "timestamp" | "json" => format!("CAST({column} AS CHAR)"),
        // The text of an invalid ENUM is that of an empty one; the number is not.
        "enum" | "set" => format!("CONCAT(CAST({column} + 0 AS CHAR), '=', {column})"),
        _ => column,
    }
}

fn split(table: &str) -> (&str, &str) {
    table.split_once('.').expect("tables are written schema.table")
}

fn quoted(table: &str) -> String {
    let (schema, name) = split(table);
    format!("`{schema}`.`{name}`")
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, source, target } = self;
        let counts = format!("{} rows at the source, {} at the target", source.rows, target.rows);
        writeln!(formatter, "{table} differs: {counts}")?;
        for (name, side) in [("source", source), ("target", target)] {
            writeln!(formatter, "  only at the {name}: {} different rows", side.only_here)?;
            for row in &side.shown {
                writeln!(formatter, "    {row}")?;
            }
        }
        Ok(())
    }
}
