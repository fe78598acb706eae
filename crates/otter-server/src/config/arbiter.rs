//! `[arbiter]`: who decides which process runs a pipeline.

use std::path::{Path, PathBuf};
use std::time::Duration;

use otter_core::DatabaseUrl;

use super::error::{ConfigError, Problem};
use super::section::{Keys, Section};

pub(super) const KEYS: Keys = Keys { known: &["kind", "path", "url", "lease_ms"], not_built: &[] };

const DEFAULT_FOLDER: &str = "otter-state";
/// Long enough for a busy machine to renew in time, short enough to take over soon.
const DEFAULT_LEASE_MS: u64 = 10_000;
/// Below a second a busy machine loses its lease between two renewals.
const SHORTEST_LEASE_MS: u64 = 1_000;
/// Whoever waits longer than an hour for a dead process meant another unit.
const LONGEST_LEASE_MS: u64 = 3_600_000;

/// The arbiter of this installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArbiterConfig {
    /// Where leases are kept.
    pub kind: ArbiterKind,
    /// How long a lease lasts after its last renewal.
    pub lease: Duration,
}

/// Where an arbiter keeps its leases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArbiterKind {
    /// In files, for the processes of one machine.
    Local {
        /// The folder with the files.
        path: PathBuf,
    },
    /// In a schema of a MySQL or MariaDB server, for processes of several machines.
    MySql {
        /// The server, the account and the schema; it prints itself without the password.
        url: DatabaseUrl,
    },
}

impl ArbiterKind {
    /// Whether processes of several machines share it, and stand by for each other.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        match self {
            Self::Local { .. } => false,
            Self::MySql { .. } => true,
        }
    }
}

pub(super) fn read(
    section: Option<&Section<'_>>,
    folder: &Path,
) -> Result<ArbiterConfig, ConfigError> {
    let Some(section) = section else {
        return Ok(ArbiterConfig {
            kind: ArbiterKind::Local { path: folder.join(DEFAULT_FOLDER) },
            lease: Duration::from_millis(DEFAULT_LEASE_MS),
        });
    };
    let kind = section.text("kind")?;
    let kind = match kind.as_ref().map_or("local", |kind| kind.value.as_str()) {
        "local" => local(section, folder)?,
        "mysql" => mysql(section)?,
        "zookeeper" => {
            return Err(section.error(
                "kind",
                Problem::NotBuiltValue {
                    key: "kind",
                    value: "\"zookeeper\"",
                    section: section.title(),
                    instead: "write \"mysql\" for several machines, or \"local\" for one",
                },
            ));
        }
        _ => return Err(section.bad_value("kind", "\"local\" or \"mysql\"")),
    };
    let lease_ms = section
        .whole("lease_ms", SHORTEST_LEASE_MS..=LONGEST_LEASE_MS)?
        .unwrap_or(DEFAULT_LEASE_MS);
    Ok(ArbiterConfig { kind, lease: Duration::from_millis(lease_ms) })
}

fn local(section: &Section<'_>, folder: &Path) -> Result<ArbiterKind, ConfigError> {
    refuse(section, "url", "kind = \"mysql\"")?;
    let path = match section.text("path")? {
        Some(path) if path.value.is_empty() => {
            return Err(section.bad_value("path", "the path of a folder"));
        }
        Some(path) => folder.join(path.value),
        None => folder.join(DEFAULT_FOLDER),
    };
    Ok(ArbiterKind::Local { path })
}

fn mysql(section: &Section<'_>) -> Result<ArbiterKind, ConfigError> {
    refuse(section, "path", "kind = \"local\"")?;
    let example = "url = \"mysql://otter:${PASSWORD}@10.0.0.9:3306\"";
    let text = section.url("url")?.ok_or_else(|| section.missing("url", example))?;
    let url = text
        .value
        .parse()
        .map_err(|error| section.error("url", Problem::Url { section: section.title(), error }))?;
    Ok(ArbiterKind::MySql { url })
}

/// Refuses a key that belongs to another kind of arbiter.
fn refuse(section: &Section<'_>, key: &'static str, kind: &'static str) -> Result<(), ConfigError> {
    if section.has(key) {
        let section_title = section.title();
        return Err(section.error(key, Problem::OtherKind { key, section: section_title, kind }));
    }
    Ok(())
}
