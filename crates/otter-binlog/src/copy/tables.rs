//! Which tables the source has, how many rows they may hold, and which refer to which.

use std::collections::{BTreeMap, BTreeSet};

use otter_core::mapping::Mappings;
use otter_core::{Classify, Fault, TableName};
use tracing::warn;

use super::error::CopyError;
use super::relations::{Parent, logs_cascades, parents_in, parents_of};
use super::value::quoted;
use crate::connection::{Connection, ServerInfo};
use crate::schema::reader::{SYSTEM_SCHEMAS, quote};
use crate::selector::{OWN_SCHEMA, TableFilter};

/// Names in one line of the log.
const MOST_NAMES: usize = 10;

/// The tables of the source that are mapped.
#[derive(Debug, Default)]
pub(super) struct Source {
    /// With the number of rows that each may have.
    pub(super) tables: BTreeMap<TableName, u64>,
    /// The mapped tables that a table refers to.
    pub(super) parents: BTreeMap<TableName, Vec<Parent>>,
    /// Whether the binlog holds what foreign keys do to rows.
    pub(super) logs_cascades: bool,
}

/// Reads the mapped tables.
pub(super) async fn read(
    connection: &mut Connection,
    filter: &TableFilter,
) -> Result<Source, CopyError> {
    let system: Vec<String> = SYSTEM_SCHEMAS.iter().map(|name| quote(name)).collect();
    let result = connection
        .query(&format!(
            "SELECT table_schema, table_name, table_rows FROM information_schema.tables \
             WHERE table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') \
             AND table_schema NOT IN ({})",
            system.join(", ")
        ))
        .await?;
    let mut source = Source::default();
    for row in result.rows() {
        let (Some(database), Some(table)) = (row.text(0), row.text(1)) else { continue };
        let name = TableName::new(database, table);
        if database != OWN_SCHEMA && filter(&name) {
            let guess = row.text(2).and_then(|guess| guess.parse().ok()).unwrap_or(0);
            source.tables.insert(name, guess);
        }
    }
    Ok(source)
}

/// Reads which of the tables refer to which.
///
/// MariaDB tells of foreign keys in `information_schema` only to accounts that may write the table, so
/// that they are read from the definitions.
pub(super) async fn read_parents(
    connection: &mut Connection,
    (info, filter): (&ServerInfo, &TableFilter),
    source: &mut Source,
) -> Result<(), CopyError> {
    let logs_cascades = logs_cascades(info);
    connection.execute("SET SESSION sql_mode = ''").await?;
    for name in source.tables.keys() {
        let sql = format!("SHOW CREATE TABLE {}.{}", quoted(&name.database), quoted(&name.table));
        let made = match connection.query(&sql).await {
            Ok(made) => made,
            // It is gone by now, and the stream will tell; or is told when it is to be copied.
            Err(error) if error.server_error().is_some() && error.fault() != Fault::Transient => {
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let text = made.rows().first().and_then(|row| row.text(1)).unwrap_or_default();
        let is_carried = |parent: &TableName| *parent.database != *OWN_SCHEMA && filter(parent);
        let parents = parents_of((name, text), logs_cascades, is_carried);
        if !parents.is_empty() {
            source.parents.insert(name.clone(), parents);
        }
    }
    Ok(())
}

/// The tables whose changes change rows of a table without a word in the binlog; the table itself
/// among them where its own do.
pub(super) async fn leaders(
    connection: &mut Connection,
    info: &ServerInfo,
    (filter, table): (&TableFilter, &TableName),
) -> Result<BTreeSet<TableName>, CopyError> {
    let mut found = BTreeSet::new();
    if logs_cascades(info) {
        return Ok(found);
    }
    let mut open = vec![table.clone()];
    while let Some(name) = open.pop() {
        let sql = format!("SHOW CREATE TABLE {}.{}", quoted(&name.database), quoted(&name.table));
        let made = match connection.query(&sql).await {
            Ok(made) => made,
            // It is gone by now: the stream will tell.
            Err(error) if error.server_error().is_some_and(|it| it.code == 1146) => continue,
            Err(error) => return Err(error.into()),
        };
        let text = made.rows().first().and_then(|row| row.text(1)).unwrap_or_default();
        for parent in parents_in(text, &name.database) {
            let (table, changes) = (parent.table, parent.is_silent);
            if changes && filter(&table) && found.insert(table.clone()) {
                open.push(table);
            }
        }
    }
    Ok(found)
}

impl Source {
    /// Warns of what mappings ask for and the source does not show: it is not copied now.
    pub(super) fn tell_unmatched(&self, mappings: &Mappings) {
        let unmatched = mappings.unmatched(self.tables.keys());
        let names = unmatched.names.iter().map(ToString::to_string);
        let all: Vec<String> = names.chain(unmatched.patterns).collect();
        if all.is_empty() {
            return;
        }
        let more = all.len().saturating_sub(MOST_NAMES);
        warn!(
            tables = all.get(..MOST_NAMES).unwrap_or(&all).join(", "),
            more,
            "the source has no such tables, or the account may not see them, and they are not copied; \
             where they are there, GRANT SELECT ON them to the account and start again"
        );
    }
}
