//! `tables` of a pipeline: which tables go where, and what becomes of their rows and columns.

use std::sync::Arc;

use otter_core::mapping::{ColumnRules, Mapping, MappingError, Mappings};
use otter_core::script::ScriptFilter;

use super::error::{ConfigError, Problem};
use super::section::{Keys, Section};

pub(super) const TABLE_KEYS: Keys = Keys {
    known: &["from", "to", "columns", "filter"],
    not_built: &[("conflicts", "two ways are not built yet; remove the key")],
};

pub(super) const COLUMN_KEYS: Keys =
    Keys { known: &["rename", "drop", "constant"], not_built: &[] };

/// Reads the mappings of a pipeline.
pub(super) fn read(section: &Section<'_>) -> Result<Mappings, ConfigError> {
    let title = section.title();
    let mut mappings = Vec::new();
    let entry = |_: Option<&str>| format!("`tables` of {title}");
    for table in section.tables("tables", entry, &TABLE_KEYS)? {
        mappings.push(mapping(&table, &title)?);
    }
    if mappings.is_empty() && section.line_of("tables") == section.line() {
        return Err(section.missing("tables", "tables = [ { from = \"shop.*\" } ]"));
    }
    Mappings::new(mappings)
        .map_err(|error| section.error("tables", Problem::Mapping { section: title, error }))
}

fn mapping(table: &Section<'_>, pipeline: &str) -> Result<Mapping, ConfigError> {
    let problem =
        |key, error| table.error(key, Problem::Mapping { section: pipeline.to_owned(), error });
    let from = table.required_text("from", "from = \"shop.*\"")?;
    let to = table.text("to")?;
    let to = to.as_ref().map(|to| to.value.as_str());
    let mut mapping = Mapping::parse(&from.value, to).map_err(|error| problem("from", error))?;
    if let Some(script) = table.text("filter")? {
        let filter = ScriptFilter::new(&script.value).map_err(|error| {
            let problem = Problem::Filter { from: from.value.clone(), error };
            table.error("filter", problem)
        })?;
        mapping = mapping.with_filter(Arc::new(filter));
    }
    let title = format!("`columns` of `{}`", from.value);
    let Some(columns) = table.table("columns", &title, &COLUMN_KEYS)? else { return Ok(mapping) };
    let renames = columns.pairs("rename", "{ ttl = \"title\" }")?;
    let drops = columns.texts("drop", "[\"tmp\"]")?;
    let constants = columns.pairs("constant", "{ shard = \"{1}\" }")?;
    rules(&renames, &drops, &constants)
        .and_then(|rules| mapping.with_columns(rules))
        .map_err(|error| problem("columns", error))
}

fn rules(
    renames: &[(String, String)],
    drops: &[String],
    constants: &[(String, String)],
) -> Result<ColumnRules, MappingError> {
    let mut rules = ColumnRules::default();
    for (from, to) in renames {
        rules = rules.rename(from, to)?;
    }
    for name in drops {
        rules = rules.drop_column(name)?;
    }
    for (name, text) in constants {
        rules = rules.constant(name, text)?;
    }
    Ok(rules)
}
