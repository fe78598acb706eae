//! What a loader may be told; everything has a default that is safe.

use std::sync::Arc;
use std::time::Duration;

use super::ddl::DdlPolicies;

/// What a loader does with a schema change of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum DdlPolicy {
    /// Commits everything before it, then stops and names the statement.
    #[default]
    Halt,
    /// Passes by with a warning, and reads the target's definitions again.
    Skip,
    /// Executes it in the target, once, between what came before it and what comes behind it.
    Apply,
}

/// What a loader does with a row that the target does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnPoison {
    /// Commits everything before it, then stops and names the row.
    #[default]
    Halt,
    /// Holds it in the target's own schema until the operator has decided, with all later changes
    /// that may depend on it, and goes on. Rows that were held before are held on under
    /// [`Halt`](Self::Halt) too.
    Quarantine,
}

/// What an initial copy does about rows that a table of the target holds already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Existing {
    /// Stops and names the table.
    #[default]
    Halt,
    /// Leaves them, and writes the source's rows over those with the same key.
    Keep,
    /// Deletes them first, in target transactions of their own where they are many.
    Replace,
}

/// How the order of the source shows in the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Mode {
    /// The target only ever shows states that the source has had (TXN-1).
    #[default]
    Strict,
    /// Changes of one key come in source order, and nothing else is promised about what readers
    /// see before the pipeline has caught up: rows of one source transaction may be committed
    /// apart. Each of the connections is a lane with a checkpoint of its own.
    Fast,
}

/// How a loader works. Make the default and change what differs:
///
/// ```
/// use otter_sink::{DdlPolicy, LoaderOptions};
///
/// let mut options = LoaderOptions::default();
/// options.ddl = DdlPolicy::Apply.into();
/// options.ddl.drop = DdlPolicy::Halt;
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LoaderOptions {
    /// The schema in the target that holds checkpoints and marks.
    pub schema: Arc<str>,
    /// The site whose changes carry no mark yet: the source's own. It is written as the origin
    /// into the mark. Without it the pipeline's name stands there.
    pub source_site: Option<Arc<str>>,
    /// What happens to schema changes of each kind.
    pub ddl: DdlPolicies,
    /// Whether the pipeline copies tables first, and what it does about rows that are there. A
    /// pipeline that began without cannot take it up, and one that has begun cannot leave it off
    /// before all is copied.
    pub initial_copy: Option<Existing>,
    /// What happens to rows that the target does not take.
    pub on_poison: OnPoison,
    /// The most rows that may be held; with one more the loader stops.
    pub quarantine_rows: usize,
    /// How long the server may take to answer one statement before the connection is given up.
    pub answer_timeout: Duration,
    /// How long a predecessor may take to disappear once it was killed; rolling back a large
    /// transaction takes a while.
    pub takeover_timeout: Duration,
    /// The size at which a text of statements is sent. Larger texts save round trips and cost
    /// memory on both sides.
    pub text_bytes: usize,
    /// The most rows in one INSERT.
    pub insert_rows: usize,
    /// The most keys in one DELETE.
    pub delete_keys: usize,
    /// How many new rows of a table must follow one another to go by the fastest way that the target
    /// has: MariaDB's bulk execution, or MySQL's `LOAD DATA LOCAL` where `local_infile` is on (no
    /// file is read: the rows come over the connection). 0 is never.
    pub load_rows: usize,
    /// How the order of the source shows in the target. Another mode than before takes effect
    /// between two transactions, when lanes that were interrupted have come to one place.
    pub mode: Mode,
    /// How many connections write at once, from 1; in fast mode that is the number of lanes too. Further ones are opened when there is so much to
    /// load that they help.
    pub connections: u16,
    /// The rows of a group, which is what one target transaction applies where there is much to
    /// load; a source transaction is never cut.
    pub group_rows: usize,
    /// The bytes of row data in a group, as far as the average row tells.
    pub group_bytes: usize,
    /// How often a group is tried at once after a deadlock or a lock wait that timed out, before
    /// the fault is called transient.
    pub contention_tries: u32,
    /// How long a statement waits for a row lock; the server counts in whole seconds.
    pub row_lock_wait: Duration,
}

impl Default for LoaderOptions {
    fn default() -> Self {
        Self {
            schema: Arc::from("otter"),
            source_site: None,
            ddl: DdlPolicies::default(),
            initial_copy: None,
            on_poison: OnPoison::default(),
            // Each takes some hundred bytes of memory.
            quarantine_rows: 100_000,
            answer_timeout: Duration::from_secs(60),
            takeover_timeout: Duration::from_secs(30),
            text_bytes: 1 << 20,
            insert_rows: 1_000,
            delete_keys: 500,
            load_rows: 100,
            mode: Mode::default(),
            connections: 4,
            group_rows: 2_000,
            group_bytes: 2 << 20,
            contention_tries: 8,
            row_lock_wait: Duration::from_secs(2),
        }
    }
}
