//! What an initial copy needs of its source, for `check`.

use otter_core::{Causes, DatabaseUrl, Finding};

use super::error::CopyError;
use super::{tables, watermark};
use crate::connection::{Connection, ConnectionError, Flavor, ServerInfo};
use crate::selector::{TableFilter, has_mysql_gtids};

/// Names in one message.
const MOST_NAMES: usize = 10;
const REMEDY: &str = "mend what the message says, then check again";

/// Looks whether the mapped tables of a source can be copied. Changes nothing.
pub async fn check(url: &DatabaseUrl, filter: &TableFilter) -> Vec<Finding> {
    match look(url, filter).await {
        Ok(findings) => findings,
        Err(error) => {
            let what = "the source's tables can be copied";
            vec![Finding::fail(what, Causes(&error).to_string(), REMEDY)]
        }
    }
}

async fn look(url: &DatabaseUrl, filter: &TableFilter) -> Result<Vec<Finding>, CopyError> {
    let mut connection = Connection::connect(url).await?;
    let info = connection.server_info().await?;
    let mut source = tables::read(&mut connection, filter).await?;
    tables::read_parents(&mut connection, (&info, filter), &mut source).await?;
    let mut findings = vec![snapshots(&mut connection, &info).await?];
    let unfit = tables_where(
        &mut connection,
        "t.table_type <> 'BASE TABLE' OR t.engine <> 'InnoDB'",
        &source,
    );
    let unfit = unfit.await?;
    if !unfit.is_empty() {
        findings.push(Finding::fail(
            "all tables can be read in a snapshot",
            format!("not InnoDB, or system-versioned: {}", shown(&unfit)),
            "ALTER TABLE … ENGINE=InnoDB; or leave the tables out of the mapping",
        ));
    }
    let keyless = "NOT EXISTS (SELECT 1 FROM information_schema.statistics s \
         WHERE s.table_schema = t.table_schema AND s.table_name = t.table_name \
         AND s.non_unique = 0)";
    let keyless = tables_where(&mut connection, keyless, &source).await?;
    connection.close().await;
    if !keyless.is_empty() {
        findings.push(Finding::warn(
            "all tables have a key to be copied by",
            format!(
                "without one a table is read at once, in one target transaction, and the stream waits \
                 meanwhile: {}",
                shown(&keyless)
            ),
            "ALTER TABLE … ADD PRIMARY KEY (…); or leave it where the tables are small",
        ));
    }
    if let Some(table) = source.silent_ring() {
        findings.push(Finding::fail(
            "foreign keys let all tables be copied",
            format!("rows of {table} change with rows that change with them, without a word"),
            "copy these tables by hand, and leave them out of the mapping until then",
        ));
    }
    let rows: u64 = source.tables.values().sum();
    findings.push(Finding {
        detail: format!("{} tables of about {rows} rows", source.tables.len()),
        ..Finding::pass("the tables to copy are known")
    });
    Ok(findings)
}

/// Whether the place of a snapshot can be told.
async fn snapshots(
    connection: &mut Connection,
    info: &ServerInfo,
) -> Result<Finding, ConnectionError> {
    let what =
        "the source tells where a snapshot ends: GTIDs, MariaDB, or a row that is written there";
    if info.flavor() == Flavor::MariaDb || has_mysql_gtids(info) {
        return Ok(Finding::pass(what));
    }
    let mode = info.gtid_mode.as_deref().unwrap_or("OFF");
    let remedy = format!(
        "set gtid_mode=ON and enforce_gtid_consistency=ON at the source; or {}",
        watermark::set_up_by_hand()
    );
    Ok(match watermark::look(connection, info).await? {
        Ok(detail) => {
            Finding { detail: format!("gtid_mode = {mode}; {detail}"), ..Finding::pass(what) }
        }
        Err(problem) => Finding::fail(what, format!("gtid_mode = {mode}, and {problem}"), remedy),
    })
}

/// The mapped tables that meet a condition.
async fn tables_where(
    connection: &mut Connection,
    condition: &str,
    source: &tables::Source,
) -> Result<Vec<String>, CopyError> {
    let result = connection
        .query(&format!(
            "SELECT t.table_schema, t.table_name FROM information_schema.tables t \
             WHERE t.table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') AND ({condition}) \
             ORDER BY 1, 2"
        ))
        .await?;
    let named = |row: &crate::connection::Row| {
        let name = otter_core::TableName::new(row.text(0)?, row.text(1)?);
        source.tables.contains_key(&name).then(|| name.to_string())
    };
    Ok(result.rows().iter().filter_map(named).collect())
}

fn shown(names: &[String]) -> String {
    let more = names.len().saturating_sub(MOST_NAMES);
    let first = names.get(..MOST_NAMES).unwrap_or(names).join(", ");
    if more > 0 { format!("{first} and {more} more") } else { first }
}
