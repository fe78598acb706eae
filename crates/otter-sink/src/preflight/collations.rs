//! Whether the target has the collations of the tables that an initial copy makes.

use std::collections::{BTreeMap, BTreeSet};

use otter_core::mapping::Mappings;
use otter_core::{DatabaseUrl, Finding, TableName};

use super::{Desk, pass};
use crate::copy::collation::{Collations, is_there};
use crate::mysql::MySqlLoadError;
use crate::mysql::names::string;

/// Names in one message.
const MOST_NAMES: usize = 10;
const WHAT: &str = "the target has the collations of the tables to make";

/// Looks at all tables that an initial copy is to make, by the source's definitions. Changes
/// nothing.
///
/// ```no_run
/// use otter_core::mapping::Mappings;
/// use otter_core::{DatabaseUrl, TableName};
/// use otter_sink::preflight::check_collations;
///
/// # async fn example(from: &DatabaseUrl, to: &DatabaseUrl, mappings: &Mappings) {
/// let tables = [TableName::new("shop", "item")];
/// for finding in check_collations((from, to), mappings, &tables).await {
///     println!("{} {} {}", finding.verdict, finding.what, finding.detail);
/// }
/// # }
/// ```
pub async fn check_collations(
    (from, to): (&DatabaseUrl, &DatabaseUrl),
    mappings: &Mappings,
    tables: &[TableName],
) -> Vec<Finding> {
    match Box::pin(look((from, to), mappings, tables)).await {
        Ok(findings) => findings,
        Err(error) => {
            let remedy = "mend what the message says, then check again";
            vec![Finding::fail(WHAT, error.to_string(), remedy)]
        }
    }
}

async fn look(
    (from, to): (&DatabaseUrl, &DatabaseUrl),
    mappings: &Mappings,
    tables: &[TableName],
) -> Result<Vec<Finding>, MySqlLoadError> {
    let mut source = Box::pin(Desk::open(from)).await?;
    let mut target = Box::pin(Desk::open(to)).await?;
    let is_other_kind = source.facts.flavour != target.facts.flavour;
    let mut collations = Collations::default();
    let mut lacking: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let databases: BTreeSet<_> = tables.iter().map(|table| &table.database).collect();
    for database in databases {
        let of_database: Vec<_> =
            tables.iter().filter(|table| table.database == *database).collect();
        for (table, collation) in source.collations(database).await? {
            // The database itself stands under no table: all of its tables bring it along.
            let sources = of_database.iter().filter(|one| table.is_empty() || *one.table == *table);
            let made: Vec<TableName> =
                sources.flat_map(|source| mappings.targets(source)).collect();
            let mut is_made = false;
            for target_table in &made {
                is_made = is_made || target.lacks(target_table, table.is_empty()).await?;
            }
            if !is_made {
                continue;
            }
            let conn = &mut *target.conn;
            let is_found = if is_other_kind {
                collations.name(conn, &collation).await.map(|name| name.is_some())
            } else {
                is_there(conn, &collation).await
            };
            if !is_found.map_err(MySqlLoadError::plain)? {
                let name = if table.is_empty() {
                    format!("the database {database}")
                } else {
                    format!("{database}.{table}")
                };
                lacking.entry(collation).or_default().insert(name);
            }
        }
    }
    source.conn.goodbye().await;
    target.conn.goodbye().await;
    Ok(findings(&lacking, &collations))
}

fn findings(lacking: &BTreeMap<String, BTreeSet<String>>, collations: &Collations) -> Vec<Finding> {
    if lacking.is_empty() {
        let changed = collations.changed().map(|(from, to)| format!("{from} becomes {to}"));
        let changed: Vec<_> = changed.collect();
        let all = || "under their own names".to_owned();
        let detail = if changed.is_empty() { all() } else { changed.join(", ") };
        return vec![pass(WHAT, detail)];
    }
    let finding = |(collation, names): (&String, &BTreeSet<String>)| {
        let shown: Vec<_> = names.iter().take(MOST_NAMES).map(String::as_str).collect();
        Finding::fail(
            WHAT,
            format!(
                "it has no {collation}, nor one for it: {} of them: {}",
                names.len(),
                shown.join(", ")
            ),
            "make them at the target by hand, with a collation of its own that tells the same \
             texts apart; or ALTER TABLE … CONVERT TO CHARACTER SET … COLLATE … at the source",
        )
    };
    lacking.iter().map(finding).collect()
}

impl Desk {
    /// Which collations the database and its tables have; the database's stands under no table.
    async fn collations(
        &mut self,
        database: &str,
    ) -> Result<BTreeSet<(String, String)>, MySqlLoadError> {
        let name = string(database);
        let rows = self
            .rows(&format!(
                "SELECT '', DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA \
                 WHERE SCHEMA_NAME = {name}; \
                 SELECT TABLE_NAME, TABLE_COLLATION FROM information_schema.TABLES \
                 WHERE TABLE_SCHEMA = {name} AND TABLE_COLLATION IS NOT NULL; \
                 SELECT DISTINCT TABLE_NAME, COLLATION_NAME FROM information_schema.COLUMNS \
                 WHERE TABLE_SCHEMA = {name} AND COLLATION_NAME IS NOT NULL"
            ))
            .await?;
        let pair = |row: Vec<Option<String>>| {
            let mut values = row.into_iter();
            Some((values.next()??, values.next()??))
        };
        Ok(rows.into_iter().filter_map(pair).collect())
    }

    /// Whether a table is missing, or its whole database.
    async fn lacks(&mut self, table: &TableName, database: bool) -> Result<bool, MySqlLoadError> {
        let name = string(&table.database);
        let text = if database {
            format!("SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {name}")
        } else {
            format!(
                "SELECT 1 FROM information_schema.TABLES \
                 WHERE TABLE_SCHEMA = {name} AND TABLE_NAME = {}",
                string(&table.table)
            )
        };
        Ok(self.rows(&text).await?.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use otter_core::Verdict;

    use super::*;

    #[test]
    fn every_table_without_a_counterpart_is_named() {
        let collation = "utf8mb4_de_pb_0900_ai_ci".to_owned();
        let names = ["shop.a", "shop.b"].map(str::to_owned);
        let lacking = BTreeMap::from([(collation, BTreeSet::from(names))]);
        let found = findings(&lacking, &Collations::default());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].verdict, Verdict::Fail);
        for piece in ["utf8mb4_de_pb_0900_ai_ci", "shop.a, shop.b"] {
            assert!(found[0].detail.contains(piece), "{}", found[0].detail);
        }
        assert!(found[0].remedy.is_some());
        let found = findings(&BTreeMap::new(), &Collations::default());
        assert_eq!(found[0].verdict, Verdict::Pass);
    }
}
