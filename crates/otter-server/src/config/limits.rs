//! How much a pipeline holds at a time (MEM-1), and how fast it writes.

use std::num::NonZeroU64;

use otter_core::ThrottleLimits;

use super::error::ConfigError;
use super::section::Section;

const MIB: u64 = 1 << 20;
/// Below this a pipeline spends its time waiting for room.
const LEAST_MEMORY_MB: u64 = 8;
/// Beyond this somebody meant another unit.
const MOST_MEMORY_MB: u64 = 1 << 20;
/// MySQL's largest event is 1 GiB (the greatest `max_allowed_packet`).
const MOST_EVENT_MB: u64 = 1024;
const MOST_CONNECTIONS: u64 = 64;
const MOST_GROUP_ROWS: u64 = 10_000_000;
const MOST_ROWS_PER_SECOND: u64 = 1_000_000_000;

/// How much a pipeline holds at a time, and how fast it writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of row data in flight between source and target (`memory_mb`).
    pub memory_bytes: usize,
    /// The largest row event that is accepted (`max_event_mb`).
    pub max_event_bytes: usize,
    /// A group takes no further source transaction once it has this many rows; groups that wait for each other
    /// may be joined.
    pub group_rows: usize,
    /// A group takes no further source transaction once it has this many bytes.
    pub group_bytes: usize,
    /// How many connections write to the target at once.
    pub connections: u16,
    /// How fast it writes at most.
    pub throttle: ThrottleLimits,
}

/// Under load so many groups are taken from the queue at once, for the connections to share.
const GROUPS_AT_ONCE: usize = 16;

impl Limits {
    /// The rows that are taken from the queue at once.
    #[must_use]
    pub fn rows_at_once(&self) -> usize {
        self.group_rows.saturating_mul(GROUPS_AT_ONCE)
    }

    /// The bytes that are taken from the queue at once: the reading half keeps the most.
    #[must_use]
    pub fn bytes_at_once(&self) -> usize {
        self.group_bytes.saturating_mul(GROUPS_AT_ONCE).min(self.memory_bytes / 4)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 64 << 20,
            max_event_bytes: 64 << 20,
            group_rows: 2_000,
            group_bytes: 2 << 20,
            connections: 4,
            throttle: ThrottleLimits::default(),
        }
    }
}

/// How fast tables are compared all the while (`verify_rows_per_second`).
pub(super) fn verify(section: &Section<'_>) -> Result<Option<NonZeroU64>, ConfigError> {
    let rate = section.whole("verify_rows_per_second", 1..=MOST_ROWS_PER_SECOND)?;
    Ok(rate.and_then(NonZeroU64::new))
}

fn throttle(section: &Section<'_>) -> Result<ThrottleLimits, ConfigError> {
    let mut limits = ThrottleLimits::default();
    limits.rows_per_second =
        section.whole("rows_per_second", 1..=MOST_ROWS_PER_SECOND)?.and_then(NonZeroU64::new);
    limits.bytes_per_second = section
        .whole("mb_per_second", 1..=MOST_MEMORY_MB)?
        .and_then(|megabytes| NonZeroU64::new(megabytes * MIB));
    Ok(limits)
}

pub(super) fn read(section: &Section<'_>) -> Result<Limits, ConfigError> {
    let default = Limits::default();
    let bytes = |megabytes: Option<u64>, otherwise| match megabytes {
        Some(megabytes) => usize::try_from(megabytes * MIB).unwrap_or(usize::MAX),
        None => otherwise,
    };
    Ok(Limits {
        memory_bytes: bytes(
            section.whole("memory_mb", LEAST_MEMORY_MB..=MOST_MEMORY_MB)?,
            default.memory_bytes,
        ),
        max_event_bytes: bytes(
            section.whole("max_event_mb", 1..=MOST_EVENT_MB)?,
            default.max_event_bytes,
        ),
        group_rows: match section.whole("group_rows", 1..=MOST_GROUP_ROWS)? {
            Some(rows) => usize::try_from(rows).unwrap_or(usize::MAX),
            None => default.group_rows,
        },
        group_bytes: bytes(section.whole("group_mb", 1..=MOST_MEMORY_MB)?, default.group_bytes),
        connections: match section.whole("connections", 1..=MOST_CONNECTIONS)? {
            Some(count) => u16::try_from(count).unwrap_or(u16::MAX),
            None => default.connections,
        },
        throttle: throttle(section)?,
    })
}
