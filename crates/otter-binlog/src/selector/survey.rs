//! Asking the source for definitions, and whether they are those of the rows that are read.
//!
//! A server tells the schema of now. It is the schema of a place in the binlog where no DDL comes
//! behind it, so the binlog from there to its end is looked through for DDL, after the schema was
//! read. What DDL behind the place concerns stays unknown.

use std::sync::Arc;

use otter_core::{Budget, Position, TableName};
use tracing::debug;

use super::assembler::{Assembler, Stale};
use super::error::SelectError;
use super::opening::{Opening, open_at};
use super::options::SelectorOptions;
use super::tracker::options_of;
use crate::connection::{
    AtEnd, Connection, ConnectionError, DumpRequest, DumpStream, ResultSet, Row, ServerInfo,
};
use crate::history::schema::snapshot::{
    COLUMNS, ColumnRow, DATABASES, KEYS, KeyRow, SnapshotBuilder, TABLES,
};
use crate::history::{Dialect, Schema, TableSchema};
use crate::schema::reader::quote;

/// So many rows of no use are looked at between two looks at what was found.
const ROOM: usize = 16 << 20;

/// The schema at a place: that of now without what was changed behind the place.
pub(super) async fn schema_at(
    options: &SelectorOptions,
    at: &Position,
) -> Result<Schema, SelectError> {
    let mut connection = Connection::connect(&options.url).await?;
    let info = connection.server_info().await?;
    let mut schema = read_schema(&mut connection, &info).await?;
    connection.close().await;
    match changes_behind(options, at).await? {
        Stale::Nothing => {}
        Stale::Tables(tables) => {
            for table in &tables {
                schema.forget(table);
            }
        }
        Stale::Everything => schema = Schema::new(schema.options()),
    }
    debug!(tables = schema.table_count(), "the source's schema is known");
    Ok(schema)
}

/// What one table looks like at a place, by the server.
#[derive(Debug)]
pub(super) enum Told {
    /// Its definition; `None` where there is no such table.
    Table(Option<TableSchema>),
    /// It was changed behind the place, so that the server's answer is about something else.
    ChangedSince,
}

/// Asks for one table.
pub(super) async fn table_at(
    options: &SelectorOptions,
    name: &TableName,
    at: &Position,
) -> Result<Told, SelectError> {
    let mut connection = Connection::connect(&options.url).await?;
    let info = connection.server_info().await?;
    let place = format!(
        "AND table_schema = {} AND table_name = {}",
        quote(&name.database),
        quote(&name.table)
    );
    let schema = read_tables(&mut connection, &info, &place).await?;
    connection.close().await;
    let is_changed = match changes_behind(options, at).await? {
        Stale::Nothing => false,
        Stale::Tables(tables) => tables.contains(name),
        Stale::Everything => true,
    };
    if is_changed {
        return Ok(Told::ChangedSince);
    }
    Ok(Told::Table(schema.table(name).map(|table| TableSchema::clone(table))))
}

/// What DDL between a place and the end of the binlog concerns.
async fn changes_behind(options: &SelectorOptions, at: &Position) -> Result<Stale, SelectError> {
    let mut connection = Connection::connect(&options.url).await?;
    let info = connection.server_info().await?;
    let Opening { start, ahead, expected, facts, .. } = open_at(&mut connection, &info, at).await?;
    let mut request = DumpRequest::new(start);
    request.max_event = options.max_event;
    request.at_end = AtEnd::Stop;
    request.annotate_rows = info.variable("binlog_legacy_event_pos") == Some("OFF");
    let mut stream = DumpStream::start(connection, &info, &request).await?;
    let mut quiet = options.clone();
    quiet.filter = Arc::new(|_| false);
    quiet.databases = Arc::new(|_| false);
    let mut assembler = Assembler::new(quiet, facts, at.clone(), expected, Budget::new(ROOM));
    assembler.pass_over(ahead);
    let mut found = Stale::Nothing;
    while let Some(bytes) = stream.next_event().await? {
        // What cannot be read here cannot be read later either, but that is not told yet: the
        // tables written until then may be known.
        if look_through(&mut assembler, bytes).is_err() {
            return Ok(Stale::Everything);
        }
        found.join(assembler.take_stale());
    }
    Ok(found)
}

fn look_through(assembler: &mut Assembler, bytes: &[u8]) -> Result<(), SelectError> {
    drop(assembler.feed(bytes)?);
    while assembler.has_payload() {
        drop(assembler.feed_payload()?);
    }
    if assembler.has_finished() {
        drop(assembler.cut()?);
    }
    Ok(())
}

async fn read_schema(
    connection: &mut Connection,
    info: &ServerInfo,
) -> Result<Schema, SelectError> {
    read_tables(connection, info, "").await
}

/// Reads the tables that a condition selects, with all databases.
async fn read_tables(
    connection: &mut Connection,
    info: &ServerInfo,
    condition: &str,
) -> Result<Schema, SelectError> {
    // Quotes and backslashes mean the same on every server then.
    connection.execute("SET SESSION sql_mode = ''").await?;
    let mut builder = SnapshotBuilder::new(options_of(info), Dialect::of(&info.version));
    for row in connection.query(DATABASES).await?.rows() {
        builder.database(text(row, 0), text(row, 1));
    }
    for row in ask(connection, TABLES, condition).await?.rows() {
        builder.table(text(row, 0), text(row, 1), text(row, 2), row.text(3));
    }
    for row in ask(connection, COLUMNS, condition).await?.rows() {
        let column = ColumnRow {
            database: text(row, 0),
            table: text(row, 1),
            name: text(row, 2),
            column_type: text(row, 3),
            collation: row.text(4),
            is_nullable: text(row, 5),
            key: text(row, 6),
            extra: text(row, 7),
            expression: row.text(8),
        };
        if builder.column(&column).is_err() {
            // A type of a newer server: its table stays unknown.
            builder.leave_out(column.database, column.table);
        }
    }
    for row in ask(connection, KEYS, condition).await?.rows() {
        builder.key(&KeyRow {
            database: text(row, 0),
            table: text(row, 1),
            name: text(row, 2),
            non_unique: text(row, 3),
            column: row.text(4),
            prefix: row.text(5),
            index_type: text(row, 6),
        });
    }
    Ok(builder.finish())
}

/// Runs a query with a condition more, before its ORDER BY.
async fn ask(
    connection: &mut Connection,
    query: &str,
    condition: &str,
) -> Result<ResultSet, ConnectionError> {
    match query.split_once(" ORDER BY ") {
        Some((head, order)) => {
            connection.query(&format!("{head} {condition} ORDER BY {order}")).await
        }
        None => connection.query(&format!("{query} {condition}")).await,
    }
}

fn text(row: &Row, column: usize) -> &str {
    row.text(column).unwrap_or_default()
}
