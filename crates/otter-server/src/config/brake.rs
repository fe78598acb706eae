//! `brake` of a pipeline: when its target bears no more.

use std::num::NonZeroU64;
use std::time::Duration;

use otter_core::DatabaseUrl;
use otter_sink::health::HealthLimits;

use super::error::{ConfigError, Problem};
use super::section::{Keys, Section};

pub(super) const KEYS: Keys =
    Keys { known: &["threads_running", "replica_lag_s", "replicas"], not_built: &[] };

const MOST_THREADS: u64 = 100_000;
/// A day; whoever bears more bears anything.
const MOST_LAG_S: u64 = 86_400;

/// Reads the brake of a pipeline; none where the key is not there.
pub(super) fn read(section: &Section<'_>) -> Result<HealthLimits, ConfigError> {
    let title = format!("`brake` of {}", section.title());
    let mut limits = HealthLimits::default();
    let Some(brake) = section.table("brake", &title, &KEYS)? else { return Ok(limits) };
    limits.threads_running =
        brake.whole("threads_running", 1..=MOST_THREADS)?.and_then(NonZeroU64::new);
    limits.replica_lag = brake.whole("replica_lag_s", 1..=MOST_LAG_S)?.map(Duration::from_secs);
    limits.replicas = replicas(&brake)?;
    match (limits.replica_lag, limits.replicas.is_empty()) {
        (Some(_), true) => Err(brake.missing("replicas", REPLICAS)),
        (None, false) => Err(brake.missing("replica_lag_s", "replica_lag_s = 30")),
        (None, true) if !limits.is_any() => {
            Err(brake.missing("threads_running", "threads_running = 64"))
        }
        (Some(_), false) | (None, true) => Ok(limits),
    }
}

const REPLICAS: &str = "replicas = [\"mysql://otter:${PASSWORD}@10.0.0.6:3306\"]";

fn replicas(brake: &Section<'_>) -> Result<Vec<DatabaseUrl>, ConfigError> {
    let example = "[\"mysql://otter:${PASSWORD}@10.0.0.6:3306\"]";
    let urls = brake.urls("replicas", example)?.into_iter().map(|url| {
        let problem = |error| Problem::Url { section: brake.title(), error };
        url.parse().map_err(|error| brake.error("replicas", problem(error)))
    });
    urls.collect()
}
