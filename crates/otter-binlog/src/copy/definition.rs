//! What a table of the source is, as far as copying it needs.

use std::sync::Arc;

use otter_core::{ColumnType, Ddl, DdlName, DdlSession, Table, TableName};

use super::error::CopyError;
use super::key::{Key, KeyColumn};
use super::value::{expression, quoted};
use crate::connection::{Connection, ConnectionError, Flavor, ResultSet, Row, ServerInfo};
use crate::schema::information::{COLUMNS, SchemaColumn, read_tables};
use crate::schema::reader::quote;
use crate::statement::{Dialect, Named, named_tables};

/// A table that is about to be copied.
#[derive(Debug)]
pub(super) struct Definition {
    pub(super) table: Arc<Table>,
    pub(super) columns: Vec<SchemaColumn>,
    pub(super) types: Vec<ColumnType>,
    /// `None` where nothing tells rows apart.
    pub(super) key: Option<Key>,
    /// The statement that makes it.
    pub(super) statement: Ddl,
    pub(super) database_collation: Option<Arc<str>>,
    /// How many rows it may have.
    pub(super) estimated: u64,
}

impl Definition {
    /// The statement that reads rows: all of them, or so many behind a place in the key.
    pub(super) fn select(&self, part: Option<(&Key, Option<&str>, u64)>) -> Option<String> {
        let expressions: Vec<_> = self.columns.iter().map(expression).collect();
        let name = &self.table.name;
        let mut sql = format!(
            "SELECT {} FROM {}.{}",
            expressions.join(", "),
            quoted(&name.database),
            quoted(&name.table)
        );
        if let Some((key, after, rows)) = part {
            sql.push_str(&format!(" FORCE INDEX ({})", quoted(&key.name)));
            if let Some(place) = after {
                sql.push_str(&format!(" WHERE {}", key.behind(place)?));
            }
            sql.push_str(&format!(" ORDER BY {} LIMIT {rows}", key.order()));
        }
        Some(sql)
    }
}

/// Reads a table's definition; `None` where there is no such table.
pub(super) async fn read(
    connection: &mut Connection,
    info: &ServerInfo,
    name: &TableName,
) -> Result<Option<Definition>, CopyError> {
    let refuse = |problem: String| CopyError::Table { table: name.clone(), problem };
    let place =
        format!("table_schema = {} AND table_name = {}", quote(&name.database), quote(&name.table));
    let facts = connection
        .query(&format!(
            "SELECT table_type AS kind, engine AS engine, table_rows AS guess \
             FROM information_schema.tables WHERE {place}"
        ))
        .await?;
    let Some(kind) = facts.first("kind") else { return Ok(None) };
    if kind != "BASE TABLE" {
        return Err(refuse(format!(
            "it is a {}, whose rows nobody can write as they are: copy it by hand, and leave it \
             out of the mapping until then",
            kind.to_lowercase()
        )));
    }
    let engine = facts.first("engine").unwrap_or_default();
    if !engine.eq_ignore_ascii_case("InnoDB") {
        return Err(refuse(format!(
            "its engine {engine} has no snapshots: ALTER TABLE {}.{} ENGINE=InnoDB",
            quoted(&name.database),
            quoted(&name.table)
        )));
    }
    let estimated = facts.first("guess").and_then(|guess| guess.parse().ok()).unwrap_or(0);
    let columns = connection
        .query(&format!(
            "SELECT {COLUMNS} FROM information_schema.columns WHERE {place} \
             ORDER BY ordinal_position"
        ))
        .await?;
    let keys = connection
        .query(&format!(
            "SELECT table_schema, table_name, column_name FROM information_schema.statistics \
             WHERE {place} AND index_name = 'PRIMARY' ORDER BY seq_in_index"
        ))
        .await?;
    let Some(schema) = read_tables(&columns, &keys).into_iter().next() else { return Ok(None) };
    let table = schema
        .to_table()
        .map_err(|column| refuse(format!("the type of column {column} is not known")))?;
    let types = table.columns.iter().map(|column| column.column_type.clone()).collect();
    let uniques = connection
        .query(&format!(
            "SELECT index_name, column_name, sub_part, index_type \
             FROM information_schema.statistics WHERE {place} AND non_unique = 0 \
             ORDER BY index_name <> 'PRIMARY', index_name, seq_in_index"
        ))
        .await?;
    let key = choose_key(&uniques, &schema.columns);
    let (statement, database_collation) = statement(connection, info, name).await?;
    Ok(Some(Definition {
        table: Arc::new(Table { name: name.clone(), ..table }),
        columns: schema.columns,
        types,
        key,
        statement,
        database_collation,
        estimated,
    }))
}

/// The first key, the primary one before others, that tells rows apart and can be compared.
fn choose_key(rows: &ResultSet, columns: &[SchemaColumn]) -> Option<Key> {
    let mut keys: Vec<(String, Option<Vec<KeyColumn>>)> = Vec::new();
    for row in rows.rows() {
        let name = row.text(0).unwrap_or_default();
        if keys.last().is_none_or(|(last, _)| last != name) {
            keys.push((name.to_owned(), Some(Vec::new())));
        }
        let Some((_, parts)) = keys.last_mut() else { continue };
        match (parts.as_mut(), key_column(row, columns)) {
            (Some(parts), Some(part)) => parts.push(part),
            _ => *parts = None,
        }
    }
    let found = keys.into_iter().find_map(|(name, parts)| Some((name, parts?)));
    found.map(|(name, columns)| Key { name, columns })
}

fn key_column(row: &Row, columns: &[SchemaColumn]) -> Option<KeyColumn> {
    // A part of a column, or of what is calculated from columns, tells less than the column.
    if row.bytes(2).is_some() || !row.text(3)?.eq_ignore_ascii_case("BTREE") {
        return None;
    }
    let name = row.text(1)?;
    let index = columns.iter().position(|column| column.name.eq_ignore_ascii_case(name))?;
    let column = columns.get(index)?;
    if column.nullable { None } else { KeyColumn::new(index, column) }
}

/// The statement that makes the table, with the names in it.
async fn statement(
    connection: &mut Connection,
    info: &ServerInfo,
    name: &TableName,
) -> Result<(Ddl, Option<Arc<str>>), ConnectionError> {
    let sql = format!("SHOW CREATE TABLE {}.{}", quoted(&name.database), quoted(&name.table));
    let made = connection.query(&sql).await?;
    let text = made.rows().first().and_then(|row| row.text(1)).unwrap_or_default().to_owned();
    let sql = format!(
        "SELECT default_collation_name AS name FROM information_schema.schemata \
         WHERE schema_name = {}",
        quote(&name.database)
    );
    let collation = connection.query(&sql).await?.first("name").map(Into::into);
    let resolve = |named: Named| {
        let database = named.name.database.unwrap_or_else(|| name.database.to_string());
        DdlName { at: named.at, table: TableName::new(database, named.name.table) }
    };
    let names = named_tables(&text, Dialect::default()).into_iter().map(resolve).collect();
    let mut session = DdlSession::default();
    session.is_mariadb = info.flavor() == Flavor::MariaDb;
    let ddl = Ddl {
        database: Arc::clone(&name.database),
        statement: text.into(),
        kind: "CREATE TABLE".into(),
        tables: vec![name.clone()],
        names,
        session,
        ..Ddl::default()
    };
    Ok((ddl, collation))
}
