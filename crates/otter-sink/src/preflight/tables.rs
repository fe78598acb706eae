//! Whether the mapped tables can take the source's rows.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use otter_core::{ColumnType, Finding, Table, TableName};

use super::grants::Grants;
use super::width::check_width;
use super::{CopyCheck, Desk, pass};
use crate::mysql::fit::{TablePlan, fit};
use crate::mysql::names::identifier;
use crate::mysql::target::read_table;
use crate::mysql::{Existing, MySqlLoadError};

/// Names in one message.
const MOST_NAMES: usize = 10;

/// Checks every table: definition, key, rights.
pub(super) async fn check(
    desk: &mut Desk,
    (tables, copy): (&[Arc<Table>], CopyCheck),
    grants: &Grants,
    findings: &mut Vec<Finding>,
) -> Result<(), MySqlLoadError> {
    let mut made: Vec<String> = Vec::new();
    let mut right = 0_usize;
    let mut unseen: Vec<String> = Vec::new();
    let mut cascading: Vec<String> = Vec::new();
    let mut merges: BTreeMap<TableName, Merge> = BTreeMap::new();
    for table in tables {
        let target = read_table(&mut *desk.conn, &table.name).await?;
        if target.is_none() && copy != CopyCheck::No {
            if grants.allow("CREATE", &table.name.database) {
                made.push(table.name.to_string());
            } else {
                findings.push(cannot_make(desk, &table.name));
            }
            continue;
        }
        let plan = match fit(table, target) {
            Ok(plan) => plan,
            Err(MySqlLoadError::Unfit { table, what, remedy }) => {
                findings.push(Finding::fail(format!("{table} takes the rows"), what, remedy));
                continue;
            }
            Err(error) => return Err(error),
        };
        if let Some(finding) = check_rights(desk, &plan).await? {
            findings.push(finding);
            continue;
        }
        right += 1;
        findings.extend(check_rows(desk, &plan, copy).await?);
        merges.entry(plan.target.name.clone()).or_default().add(&plan);
        findings.extend(check_key(&plan));
        findings.extend(check_width(&plan));
        if plan.target.silent_cascades {
            cascading.push(plan.target.name.to_string());
        }
        let schema = plan.target.name.database.to_string();
        if !grants.allow("TRIGGER", &schema) && !unseen.contains(&schema) {
            unseen.push(schema);
        }
    }
    findings.extend(merges.iter().filter_map(|(name, merge)| merge.finding(name)));
    findings.extend(cascades(&cascading));
    for schema in unseen {
        findings.push(Finding::warn(
            format!("{schema} has no triggers"),
            "the account may not see them, and triggers that write would make the target differ",
            format!("GRANT TRIGGER ON {}.* TO {}", identifier(&schema), desk.facts.account),
        ));
    }
    if !made.is_empty() {
        let shown = made.get(..MOST_NAMES).unwrap_or(&made).join(", ");
        let detail = format!("the initial copy makes {} tables: {shown}", made.len());
        findings.push(pass("missing tables can be made", detail));
    }
    if right > 0 {
        findings.push(pass("the tables take the rows", format!("{right} of {}", tables.len())));
    }
    Ok(())
}

fn cannot_make(desk: &Desk, table: &TableName) -> Finding {
    let schema = identifier(&table.database);
    Finding::fail(
        format!("{table} can be made"),
        "it does not exist, or the account may not see it, and the account may not make it",
        format!("GRANT CREATE, REFERENCES ON {schema}.* TO {}", desk.facts.account),
    )
}

/// What an initial copy would find in the table.
async fn check_rows(
    desk: &mut Desk,
    plan: &TablePlan,
    copy: CopyCheck,
) -> Result<Option<Finding>, MySqlLoadError> {
    let CopyCheck::Begins(existing) = copy else { return Ok(None) };
    if desk.rows(&format!("SELECT 1 FROM {} LIMIT 1", plan.quoted)).await?.is_empty() {
        return Ok(None);
    }
    let what = format!("{} is empty before the initial copy", plan.target.name);
    Ok(Some(match existing {
        Existing::Halt => Finding::fail(
            what,
            "it holds rows already",
            format!(
                "TRUNCATE TABLE {}; or write initial_copy = {{ existing = \"replace\" }} to have it \
                 emptied, or {{ existing = \"keep\" }} to write over rows of the same key",
                plan.quoted
            ),
        ),
        Existing::Keep if plan.identities.is_empty() => Finding::fail(
            what,
            "it holds rows already and has no key by which they could be kept: each that the source \
             has would be there twice",
            format!(
                "TRUNCATE TABLE {0}; or write initial_copy = {{ existing = \"replace\" }} to have it \
                 emptied; or ALTER TABLE {0} ADD PRIMARY KEY (…)",
                plan.quoted
            ),
        ),
        Existing::Keep => pass(&what, "it holds rows, over which rows of the same key are written"),
        Existing::Replace => pass(&what, "it holds rows, which are deleted first"),
    }))
}

/// Seen on MySQL 9.7.4: a DELETE that cascades over three tables left rows of the last ones behind.
fn cascades(tables: &[String]) -> Option<Finding> {
    let shown = tables.get(..MOST_NAMES).unwrap_or(tables).join(", ");
    (!tables.is_empty()).then(|| {
        Finding::warn(
            "foreign keys cascade in the engine",
            format!(
                "this server does it in its SQL layer, which leaves rows behind where a cascade goes \
                 over several tables, unless the source logs what it cascades to (MySQL since 9.6); \
                 {} tables: {shown}",
                tables.len()
            ),
            "write innodb_native_foreign_keys=ON into the [mysqld] section of the target's \
             configuration and restart it",
        )
    })
}

/// Source tables whose rows meet in one table.
#[derive(Debug, Default)]
struct Merge {
    tables: usize,
    /// The constants in the key, for each source table.
    constants: HashSet<Vec<Arc<str>>>,
    quoted: String,
}

impl Merge {
    fn add(&mut self, plan: &TablePlan) {
        let key = plan.target.identities.first().map_or(&[][..], |key| &key.columns);
        let columns = key.iter().filter_map(|name| plan.source.column_index(name));
        let types = columns.filter_map(|index| Some(&plan.source.columns.get(index)?.column_type));
        let constants = types.filter_map(constant);
        self.constants.insert(constants.collect());
        self.tables += 1;
        self.quoted.clone_from(&plan.quoted);
    }

    fn finding(&self, name: &TableName) -> Option<Finding> {
        if self.tables == self.constants.len() {
            return None;
        }
        let tables = self.tables;
        Some(Finding::warn(
            format!("{name} keeps the rows of {tables} source tables apart"),
            "rows of two of them that have the same key would be one row, and stop the pipeline",
            format!(
                "add a constant to the mapping, such as columns = {{ constant = {{ origin = \
                 \"{{table}}\" }} }}, and: ALTER TABLE {} ADD COLUMN origin varchar(64) NOT NULL, \
                 DROP PRIMARY KEY, ADD PRIMARY KEY (…, origin); or leave it where no two rows have \
                 the same key",
                self.quoted
            ),
        ))
    }
}

fn constant(column_type: &ColumnType) -> Option<Arc<str>> {
    if let ColumnType::Constant { text } = column_type { Some(Arc::clone(text)) } else { None }
}

/// What is wrong with the rights on a table.
async fn check_rights(
    desk: &mut Desk,
    plan: &TablePlan,
) -> Result<Option<Finding>, MySqlLoadError> {
    let columns: Vec<&str> = plan
        .columns
        .iter()
        .filter(|column| column.written)
        .map(|column| column.quoted.as_str())
        .collect();
    let what = format!("{} can be written", plan.target.name);
    Ok(match desk.try_writing(&plan.quoted, &columns).await? {
        None => None,
        Some(number @ (1044 | 1142 | 1143)) => Some(Finding::fail(
            what,
            format!("a right is missing (error {number})"),
            format!(
                "GRANT SELECT, INSERT, UPDATE, DELETE ON {} TO {}",
                plan.quoted, desk.facts.account
            ),
        )),
        Some(1290 | 1792 | 1836) => Some(Finding::fail(
            what,
            "the target takes no writes",
            "SET GLOBAL read_only = OFF, or point the URL to the primary",
        )),
        Some(number) => Some(Finding::fail(
            what,
            format!("the server answers error {number} to a statement that writes nothing"),
            "look the error number up in the server's manual",
        )),
    })
}

fn check_key(plan: &TablePlan) -> Option<Finding> {
    if !plan.identities.is_empty() {
        return None;
    }
    let name = &plan.target.name;
    Some(Finding::warn(
        format!("{name} has a key"),
        "without a primary key or a unique key that takes no NULL, each change searches the table",
        format!("ALTER TABLE {} ADD PRIMARY KEY (…)", plan.quoted),
    ))
}
