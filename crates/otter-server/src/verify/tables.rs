//! Which tables a pipeline's two databases are compared by.

use std::collections::BTreeMap;
use std::sync::Arc;

use otter_binlog::preflight::source_tables;
use otter_core::{PipelineId, Result, TableName};
use otter_sink::copy;
use otter_sink::verify::MappedTable;

use crate::assemble::SCHEMA;
use crate::config::PipelineConfig;

/// Why a table is not compared that is still to come.
const UNCOPIED: &str = "its initial copy is not finished";

/// All tables that the pipeline carries, as the source has them now. One that cannot be compared is
/// among them, with the reason.
pub(crate) async fn mapped_tables(pipeline: &PipelineConfig) -> Result<Vec<MappedTable>> {
    let id = PipelineId::new(pipeline.name.as_str());
    // Before the tables: one that is new since then has no rows yet.
    let uncopied = copy::uncopied(&pipeline.to.url, SCHEMA, &id).await?;
    let found = source_tables(&pipeline.from.url, &pipeline.mappings.filter()).await?;
    let mut tables = Vec::with_capacity(found.len());
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
    Ok(tables)
}

/// The same by the tables of the target: those that flow into one are compared together.
pub(crate) fn by_target(tables: Vec<MappedTable>) -> BTreeMap<TableName, Vec<MappedTable>> {
    let mut targets: BTreeMap<TableName, Vec<MappedTable>> = BTreeMap::new();
    for table in tables {
        targets.entry(table.target().clone()).or_default().push(table);
    }
    targets
}
