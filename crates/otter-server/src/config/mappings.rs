//! `tables` of a pipeline: which tables go where, and what becomes of their rows and columns.

use std::sync::Arc;

use otter_core::mapping::{
    ColumnRules, GhostTables, Mapping, MappingError, Mappings, TablePattern,
};
use otter_core::script::{ScriptFilter, ScriptPicker};
use otter_sink::{DdlPolicies, DdlPolicy};

use super::error::{ConfigError, Problem};
use super::section::{Keys, Section};

pub(super) const TABLE_KEYS: Keys = Keys {
    known: &["from", "to", "spread", "columns", "filter"],
    not_built: &[("conflicts", "two ways are not built yet; remove the key")],
};

pub(super) const COLUMN_KEYS: Keys =
    Keys { known: &["rename", "drop", "constant"], not_built: &[] };

/// Reads the mappings of a pipeline with these policies.
pub(super) fn read(section: &Section<'_>, ddl: DdlPolicies) -> Result<Mappings, ConfigError> {
    let title = section.title();
    let mut mappings = Vec::new();
    let entry = |_: Option<&str>| format!("`tables` of {title}");
    for table in section.tables("tables", entry, &TABLE_KEYS)? {
        mappings.push(mapping(&table, &title)?);
    }
    if mappings.is_empty() && section.line_of("tables") == section.line() {
        return Err(section.missing("tables", "tables = [ { from = \"shop.*\" } ]"));
    }
    let ghosts = ghost_tables(section, ddl)?;
    let except = exceptions(section)?;
    let problem =
        |key, error| section.error(key, Problem::Mapping { section: title.clone(), error });
    Mappings::new(mappings)
        .map_err(|error| problem("tables", error))?
        .ghost_tables(ghosts)
        .except(except)
        .map_err(|error| problem("except", error))
}

fn exceptions(section: &Section<'_>) -> Result<Vec<TablePattern>, ConfigError> {
    let patterns = section.texts("except", "[\"shop.tmp_*\"]")?;
    let patterns = patterns.iter().map(|pattern| {
        pattern.parse().map_err(|error| {
            section.error("except", Problem::Mapping { section: section.title(), error })
        })
    });
    patterns.collect()
}

fn ghost_tables(section: &Section<'_>, ddl: DdlPolicies) -> Result<GhostTables, ConfigError> {
    match section.text("ghost_tables")?.as_ref().map(|word| word.value.as_str()) {
        None | Some("carry") => Ok(GhostTables::Carry),
        // The target would lack the table that the cut-over renames, and lose the one that it drops.
        Some("leave") if [ddl.rename, ddl.drop].contains(&DdlPolicy::Apply) => {
            let takes = "\"carry\" where `ddl` applies what renames or drops tables: at the cut-over \
                         the target needs the new table";
            Err(section.bad_value("ghost_tables", takes))
        }
        Some("leave") => Ok(GhostTables::Leave),
        Some(_) => Err(section.bad_value("ghost_tables", "\"carry\" or \"leave\"")),
    }
}

fn mapping(table: &Section<'_>, pipeline: &str) -> Result<Mapping, ConfigError> {
    let problem =
        |key, error| table.error(key, Problem::Mapping { section: pipeline.to_owned(), error });
    let from = table.required_text("from", "from = \"shop.*\"")?;
    let to = table.text("to")?;
    let to = to.as_ref().map(|to| to.value.as_str());
    let mut mapping = match table.text("spread")? {
        None => Mapping::parse(&from.value, to).map_err(|error| problem("from", error))?,
        Some(script) => {
            let picker = ScriptPicker::new(&script.value).map_err(|error| {
                let problem = Problem::Spread { from: from.value.clone(), error };
                table.error("spread", problem)
            })?;
            let to = to.unwrap_or(&from.value);
            Mapping::spread(&from.value, to, Arc::new(picker))
                .map_err(|error| problem("to", error))?
        }
    };
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
