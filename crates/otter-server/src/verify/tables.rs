//! Which tables a pipeline's two databases are compared by.

use std::collections::BTreeMap;
use std::sync::Arc;

use otter_binlog::preflight::source_tables;
use otter_core::mapping::{Mappings, TableFilter};
use otter_core::{PipelineId, Result, Table, TableName};
use otter_sink::copy;
use otter_sink::verify::MappedTable;

use crate::assemble::SCHEMA;
use crate::config::PipelineConfig;

/// Why a table is not compared that is still to come.
const UNCOPIED: &str = "its initial copy is not finished";

/// All tables that the pipeline carries, as the source has them now; or those alone that flow into one
/// of the target. One that cannot be compared is among them, with the reason.
pub(crate) async fn mapped_tables(
    pipeline: &PipelineConfig,
    only: Option<&TableName>,
) -> Result<Vec<MappedTable>> {
    let id = PipelineId::new(pipeline.name.as_str());
    let copies = pipeline.initial_copy.is_some();
    // Before the tables: one that is new since then has no rows yet.
    let uncopied = copy::uncopied(&pipeline.to.url, SCHEMA, (&id, copies)).await?;
    let found = source_tables(&pipeline.from.url, &filter(pipeline, only)).await?;
    let mut tables = match only {
        // Those of other tables were not asked for.
        Some(only) => unseen(&pipeline.mappings, &found, |target| target == only),
        None => unseen(&pipeline.mappings, &found, |_| true),
    };
    tables.reserve(found.len());
    for source in found.into_iter().map(Arc::new) {
        let name = &source.name;
        let target = || pipeline.mappings.route(name).unwrap_or_else(|| name.clone());
        match pipeline.mappings.table(&source) {
            Ok(None) => {}
            Ok(Some(route)) if uncopied.has(name) => {
                let mapped = MappedTable::new(&source, &route);
                tables.push(MappedTable::refused(name, mapped.target().clone(), UNCOPIED));
            }
            Ok(Some(route)) => tables.push(MappedTable::new(&source, &route)),
            Err(error) => tables.push(MappedTable::refused(name, target(), error.to_string())),
        }
    }
    Ok(match only {
        Some(only) => tables.into_iter().filter(|table| table.target() == only).collect(),
        None => tables,
    })
}

/// The tables that the mappings name and the source does not show, as what cannot be compared: they
/// may hold rows all the same.
fn unseen(
    mappings: &Mappings,
    found: &[Table],
    is_wanted: impl Fn(&TableName) -> bool,
) -> Vec<MappedTable> {
    let unmatched = mappings.unmatched(found.iter().map(|table| &table.name));
    let mut unseen = Vec::with_capacity(unmatched.names.len());
    for name in unmatched.names {
        let target = mappings.targets(&name).into_iter().next().unwrap_or_else(|| name.clone());
        if is_wanted(&target) {
            let why = format!(
                "the source has no table {name}, or the account may not see it: GRANT SELECT ON it to \
                 the account, or take it out of the mapping"
            );
            unseen.push(MappedTable::refused(&name, target, why));
        }
    }
    unseen
}

fn filter(pipeline: &PipelineConfig, only: Option<&TableName>) -> TableFilter {
    let all = pipeline.mappings.filter();
    let Some(only) = only.cloned() else { return all };
    let mappings = pipeline.mappings.clone();
    Arc::new(move |name| all(name) && mappings.targets(name).contains(&only))
}

/// The same by the tables of the target: those that flow into one are compared together.
pub(crate) fn by_target(tables: Vec<MappedTable>) -> BTreeMap<TableName, Vec<MappedTable>> {
    let mut targets: BTreeMap<TableName, Vec<MappedTable>> = BTreeMap::new();
    for table in tables {
        targets.entry(table.target().clone()).or_default().push(table);
    }
    targets
}

/// The tables that an operator names by their names in the source or in the target, and all others that
/// flow into the same table of the target; all where none is named.
pub(crate) fn wanted(tables: Vec<MappedTable>, names: &[TableName]) -> Vec<MappedTable> {
    if names.is_empty() {
        return tables;
    }
    let is_named =
        |table: &&MappedTable| names.contains(table.source()) || names.contains(table.target());
    let targets: Vec<TableName> =
        tables.iter().filter(is_named).map(|table| table.target().clone()).collect();
    tables.into_iter().filter(|table| targets.contains(table.target())).collect()
}

#[cfg(test)]
mod tests {
    use otter_core::mapping::Mapping;

    use super::*;

    #[test]
    fn tables_that_are_named_and_not_shown_cannot_be_compared() {
        let mapping = |from: &str, to: &str| Mapping::parse(from, Some(to)).unwrap();
        let all = vec![
            mapping("shop.orders", "copy.orders"),
            mapping("shop.countries", "copy.lands"),
            mapping("shop.x*", "copy.x*"),
        ];
        let mappings = Mappings::new(all).unwrap();
        let found = [Table {
            name: TableName::new("shop", "orders"),
            columns: Vec::new(),
            primary_key: Vec::new(),
            dropped_key: Vec::new(),
        }];
        let unseen_for = |target: &str| {
            let tables = unseen(&mappings, &found, |name| *name.table == *target);
            tables.iter().map(|table| table.source().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(unseen_for("lands"), ["shop.countries"]);
        assert!(unseen_for("orders").is_empty());
        assert!(unseen_for("countries").is_empty());
    }
}
