//! `[arbiter]`: who decides which process runs a pipeline.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::{ConfigError, Problem};
use super::section::{Keys, Section};

pub(super) const KEYS: Keys = Keys { known: &["kind", "path", "lease_ms"], not_built: &[] };

const DEFAULT_FOLDER: &str = "otter-state";
/// Long enough for a busy machine to renew in time, short enough to take over soon.
const DEFAULT_LEASE_MS: u64 = 10_000;
/// Below a second a busy machine loses its lease between two renewals.
const SHORTEST_LEASE_MS: u64 = 1_000;
/// Whoever waits longer than an hour for a dead process meant another unit.
const LONGEST_LEASE_MS: u64 = 3_600_000;

/// The arbiter of this installation: files on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArbiterConfig {
    /// The folder with the arbiter's files.
    pub path: PathBuf,
    /// How long a lease lasts after its last renewal.
    pub lease: Duration,
}

pub(super) fn read(
    section: Option<&Section<'_>>,
    folder: &Path,
) -> Result<ArbiterConfig, ConfigError> {
    let Some(section) = section else {
        return Ok(ArbiterConfig {
            path: folder.join(DEFAULT_FOLDER),
            lease: Duration::from_millis(DEFAULT_LEASE_MS),
        });
    };
    if let Some(kind) = section.text("kind")? {
        let not_built = |value| {
            let instead = "write \"local\" or leave it out";
            Problem::NotBuiltValue { key: "kind", value, section: section.title(), instead }
        };
        match kind.value.as_str() {
            "local" => {}
            "zookeeper" => return Err(section.error("kind", not_built("\"zookeeper\""))),
            "sql" => return Err(section.error("kind", not_built("\"sql\""))),
            _ => return Err(section.bad_value("kind", "\"local\"")),
        }
    }
    let path = match section.text("path")? {
        Some(path) if path.value.is_empty() => {
            return Err(section.bad_value("path", "the path of a folder"));
        }
        Some(path) => folder.join(path.value),
        None => folder.join(DEFAULT_FOLDER),
    };
    let lease_ms = section
        .whole("lease_ms", SHORTEST_LEASE_MS..=LONGEST_LEASE_MS)?
        .unwrap_or(DEFAULT_LEASE_MS);
    Ok(ArbiterConfig { path, lease: Duration::from_millis(lease_ms) })
}
