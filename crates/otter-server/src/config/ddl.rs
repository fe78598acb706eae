//! What a pipeline does about schema changes: one policy, or one for each kind.

use otter_sink::{DdlPolicies, DdlPolicy};

use super::error::ConfigError;
use super::section::{Keys, Section};

const KEYS: Keys = Keys {
    known: &["default", "create", "alter", "rename", "drop", "truncate", "database"],
    not_built: &[],
};

/// Reads `ddl` of a pipeline; `halt` where it is not given.
pub(super) fn read(section: &Section<'_>) -> Result<DdlPolicies, ConfigError> {
    if !section.is_table("ddl") {
        return Ok(policy(section, "ddl")?.unwrap_or_default().into());
    }
    let title = format!("`ddl` of {}", section.title());
    let Some(kinds) = section.table("ddl", &title, &KEYS)? else {
        return Ok(DdlPolicies::default());
    };
    let mut policies = DdlPolicies::from(policy(&kinds, "default")?.unwrap_or_default());
    for (key, kind) in [
        ("create", &mut policies.create),
        ("alter", &mut policies.alter),
        ("rename", &mut policies.rename),
        ("drop", &mut policies.drop),
        ("truncate", &mut policies.truncate),
        ("database", &mut policies.database),
    ] {
        *kind = policy(&kinds, key)?.unwrap_or(*kind);
    }
    Ok(policies)
}

fn policy(section: &Section<'_>, key: &str) -> Result<Option<DdlPolicy>, ConfigError> {
    match section.text(key)?.as_ref().map(|policy| policy.value.as_str()) {
        None => Ok(None),
        Some("halt") => Ok(Some(DdlPolicy::Halt)),
        Some("skip") => Ok(Some(DdlPolicy::Skip)),
        Some("apply") => Ok(Some(DdlPolicy::Apply)),
        Some(_) => Err(section.bad_value(key, "\"apply\", \"skip\" or \"halt\"")),
    }
}
