//! The source's tables: whether they can be read and copied well.

use std::collections::BTreeSet;

use otter_core::{Causes, DatabaseUrl, Finding, TableName};

use super::trial::{Trial, Trying};
use crate::connection::{ConnectionError, ServerInfo};
use crate::schema::reader::{SYSTEM_SCHEMAS, quote};
use crate::schema::{SchemaReader, SchemaTable};
use crate::selector::{OWN_SCHEMA, TableFilter};

/// Names in one message; an operator mends them in portions anyway.
const MOST_NAMES: usize = 10;
/// Tables whose SELECT right is tried one by one.
const MOST_TRIALS: usize = 1_000;

/// What matters of a table besides its columns.
#[derive(Debug)]
pub(super) struct Listed {
    name: TableName,
    engine: String,
}

/// The tables that pass the filter, with what `information_schema.tables` says of them.
pub(super) async fn read(
    schema: &mut SchemaReader,
    filter: &TableFilter,
) -> Result<(Vec<SchemaTable>, Vec<Listed>), ConnectionError> {
    let listed = list(schema, filter).await?;
    let databases: BTreeSet<&str> = listed.iter().map(|it| &*it.name.database).collect();
    let names: BTreeSet<&TableName> = listed.iter().map(|it| &it.name).collect();
    let mut tables = Vec::with_capacity(listed.len());
    for database in databases {
        let all = schema.schema(database).await?;
        tables.extend(all.into_iter().filter(|table| names.contains(&table.name)));
    }
    Ok((tables, listed))
}

async fn list(
    schema: &mut SchemaReader,
    filter: &TableFilter,
) -> Result<Vec<Listed>, ConnectionError> {
    let system: Vec<String> = SYSTEM_SCHEMAS.iter().map(|name| quote(name)).collect();
    let sql = format!(
        "SELECT table_schema, table_name, engine FROM information_schema.tables \
         WHERE table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') AND table_schema NOT IN ({})",
        system.join(", ")
    );
    let result = schema.query(&sql).await?;
    let listed = |row: &crate::connection::Row| {
        let name = TableName::new(row.text(0)?, row.text(1)?);
        let engine = row.text(2).unwrap_or_default().to_owned();
        let wanted = *name.database != *OWN_SCHEMA && filter(&name);
        wanted.then_some(Listed { name, engine })
    };
    let mut listed: Vec<Listed> = result.rows().iter().filter_map(listed).collect();
    listed.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(listed)
}

pub(super) async fn check(
    schema: &mut SchemaReader,
    info: &ServerInfo,
    filter: &TableFilter,
) -> Vec<Finding> {
    let (tables, listed) = match read(schema, filter).await {
        Ok(found) => found,
        Err(error) => {
            let what = "the tables' definitions can be read";
            return vec![Finding::fail(what, Causes(&error).to_string(), "see the detail")];
        }
    };
    if tables.is_empty() {
        return vec![Finding::warn(
            "the source has tables that are mapped",
            "none passes the mapping, or the account may not see them",
            "check the names in the mapping, or GRANT SELECT on the tables to the account",
        )];
    }
    let mut findings = vec![count(&tables)];
    findings.extend(unknown_types(&tables));
    findings.push(keys(&tables));
    findings.push(engines(&listed));
    findings.push(select_right(schema.url(), &tables).await);
    if info.variable("innodb_native_foreign_keys") == Some("OFF") {
        findings.extend(moving_foreign_keys(schema, filter).await);
    }
    findings
}

/// Seen on MySQL 9.7.4: an UPDATE of a parent that loses a deadlock among its children is answered
/// as if it had been made, and what it had changed of them is logged and taken back.
async fn moving_foreign_keys(schema: &mut SchemaReader, filter: &TableFilter) -> Option<Finding> {
    let what = "no foreign key has ON UPDATE CASCADE or SET NULL";
    let sql = "SELECT constraint_schema, table_name, constraint_name \
               FROM information_schema.referential_constraints \
               WHERE update_rule IN ('CASCADE', 'SET NULL') ORDER BY 1, 2, 3";
    let result = match schema.query(sql).await {
        Ok(result) => result,
        Err(error) => {
            return Some(Finding::fail(what, Causes(&error).to_string(), "see the detail"));
        }
    };
    let wanted = |row: &crate::connection::Row| {
        let name = TableName::new(row.text(0)?, row.text(1)?);
        filter(&name).then(|| format!("{name} ({})", row.text(2).unwrap_or_default()))
    };
    let keys: Vec<String> = result.rows().iter().filter_map(wanted).collect();
    (!keys.is_empty()).then(|| {
        Finding::warn(
            what,
            format!(
                "the source logs changes that such a key makes even where a deadlock takes them \
                 back, so that any replica comes to differ: {}",
                shorten(&keys)
            ),
            "write innodb_native_foreign_keys=ON into the [mysqld] section of its configuration \
             and restart it; cascades are then no longer in the binlog, so that the target needs \
             the same foreign keys",
        )
    })
}

fn count(tables: &[SchemaTable]) -> Finding {
    let mut finding = Finding::pass("the source has tables that are mapped");
    finding.detail = format!("{} tables", tables.len());
    finding
}

fn unknown_types(tables: &[SchemaTable]) -> Option<Finding> {
    let unknown = |table: &SchemaTable| {
        table.to_table().err().map(|column| format!("{}.{column}", table.name))
    };
    let columns: Vec<String> = tables.iter().filter_map(unknown).collect();
    (!columns.is_empty()).then(|| {
        Finding::fail(
            "the types of all columns are known",
            format!("unknown: {}", shorten(&columns)),
            "leave these tables out of the mapping",
        )
    })
}

fn keys(tables: &[SchemaTable]) -> Finding {
    let what = "all tables have a primary key";
    let keyless: Vec<String> = tables
        .iter()
        .filter(|table| table.primary_key.is_empty())
        .map(|table| table.name.to_string())
        .collect();
    if keyless.is_empty() {
        return Finding::pass(what);
    }
    Finding::warn(
        what,
        format!(
            "{} of them have none, so that their rows are found by all columns: {}",
            keyless.len(),
            shorten(&keyless)
        ),
        "ALTER TABLE … ADD PRIMARY KEY",
    )
}

fn engines(listed: &[Listed]) -> Finding {
    let what = "all tables are transactional";
    let others: Vec<String> = listed
        .iter()
        .filter(|it| {
            !matches!(it.engine.to_ascii_lowercase().as_str(), "innodb" | "rocksdb" | "tokudb")
        })
        .map(|it| format!("{} ({})", it.name, it.engine))
        .collect();
    if others.is_empty() {
        return Finding::pass(what);
    }
    Finding::warn(
        what,
        format!("a statement that fails half way leaves its rows: {}", shorten(&others)),
        "ALTER TABLE … ENGINE = InnoDB",
    )
}

async fn select_right(url: &DatabaseUrl, tables: &[SchemaTable]) -> Finding {
    let what = "the account may read the tables";
    let mut refused: Vec<String> = Vec::new();
    let failed =
        |error: &ConnectionError| Finding::fail(what, Causes(error).to_string(), "see the detail");
    let mut connection = match Trying::begin(url).await {
        Ok(connection) => connection,
        Err(error) => return failed(&error),
    };
    for table in tables.iter().take(MOST_TRIALS) {
        match connection.try_one(&table.name).await {
            Ok(Trial::Refused) => refused.push(table.name.to_string()),
            // A table that was dropped meanwhile, or is broken, is another matter.
            Ok(Trial::Readable | Trial::Absent | Trial::Broken) => {}
            Err(error) => return failed(&error),
        }
    }
    connection.end().await;
    if refused.is_empty() {
        return Finding::pass(what);
    }
    Finding::fail(
        what,
        format!("it may not read {}", shorten(&refused)),
        "GRANT SELECT on these tables to the account",
    )
}

pub(super) fn backtick(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

pub(super) fn shorten(names: &[String]) -> String {
    let shown = names.get(..MOST_NAMES).unwrap_or(names).join(", ");
    match names.len().checked_sub(MOST_NAMES) {
        None | Some(0) => shown,
        Some(more) => format!("{shown} and {more} more"),
    }
}
