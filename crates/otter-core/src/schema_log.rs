//! What a selector must remember of a source's schema between runs.
//!
//! Rows of a binlog without full metadata are read by the definition that their table had when
//! they were written. A selector carries a snapshot forward by the source's DDL; the snapshot and
//! the DDL behind it are kept in a [`SchemaLog`], so that a restart knows what the tables looked
//! like at its position, however long ago that is.
//!
//! The records depend on nothing but the source's history and are keyed by places in it. So they
//! may be written ahead of the checkpoint: whoever resumes before a record cuts it off and writes
//! it again.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::fault::{Classify, Fault, Result};
use crate::position::Place;

/// One record of a [`SchemaLog`].
#[derive(Clone, PartialEq, Eq)]
pub struct SchemaRecord {
    /// Counts up by one within a log.
    pub number: u64,
    /// Reading that resumes at this place or behind it needs the record.
    pub place: Place,
    /// What the selector wrote, in a format of its own.
    pub text: Arc<str>,
}

impl fmt::Debug for SchemaRecord {
    /// Leaves the text out, which is long.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SchemaRecord")
            .field("number", &self.number)
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

/// Keeps the records of one pipeline, in order.
///
/// A log holds every schema change up to the place that its pipeline has reached by reading. Who
/// moves a pipeline forward by other means must empty the log with [`cut`](Self::cut)`(0)`, or
/// changes in between are missing from it.
///
/// Several processes may use the log of one pipeline for a moment, while one takes over from
/// another; what the older one writes then is what the newer one would write, or is refused.
#[async_trait]
pub trait SchemaLog: Send + Sync + fmt::Debug {
    /// All records in the order of their numbers.
    ///
    /// # Errors
    /// [`Fault::Transient`] where the log cannot be reached.
    ///
    /// # Cancel safety
    /// Cancel safe: nothing is changed.
    async fn load(&self) -> Result<Vec<SchemaRecord>>;

    /// Adds records behind the last one. They are durable when this returns. A record that is
    /// there already, with the same place and text, is no error.
    ///
    /// # Errors
    /// [`Fault::Transient`] where another record has one of the numbers, or where the log cannot
    /// be reached.
    ///
    /// # Cancel safety
    /// Not every record may be there after a cancelled call; calling again adds the rest.
    async fn append(&self, records: &[SchemaRecord]) -> Result<()>;

    /// Removes all records behind this number; 0 removes all.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    ///
    /// # Cancel safety
    /// Either all of it has happened or nothing.
    async fn cut(&self, last: u64) -> Result<()>;

    /// Removes all records and puts this one in their place, at once.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    ///
    /// # Cancel safety
    /// Either all of it has happened or nothing.
    async fn restart(&self, record: &SchemaRecord) -> Result<()>;
}

/// A log that lasts as long as the process.
///
/// Enough for one that reads a source from now on and never resumes at an old position, and for
/// sources that log full metadata.
#[derive(Debug, Default)]
pub struct MemorySchemaLog {
    records: Mutex<Vec<SchemaRecord>>,
}

/// Another record has the number of one that was to be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("schema record {number} is another one already: another process has written it")]
pub struct SchemaLogConflict {
    /// The number.
    pub number: u64,
}

impl Classify for SchemaLogConflict {
    fn fault(&self) -> Fault {
        Fault::Transient
    }

    fn doing(&self) -> &'static str {
        "write the schema log"
    }
}

impl MemorySchemaLog {
    /// An empty log.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn with<T>(&self, work: impl FnOnce(&mut Vec<SchemaRecord>) -> T) -> T {
        // Whoever panicked while holding it had not begun to change it.
        work(&mut self.records.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl SchemaLog for MemorySchemaLog {
    async fn load(&self) -> Result<Vec<SchemaRecord>> {
        Ok(self.with(|records| records.clone()))
    }

    async fn append(&self, added: &[SchemaRecord]) -> Result<()> {
        self.with(|records| {
            for record in added {
                match records.iter().find(|known| known.number == record.number) {
                    Some(known) if known == record => {}
                    Some(_) => return Err(SchemaLogConflict { number: record.number }.into()),
                    None => records.push(record.clone()),
                }
            }
            Ok(())
        })
    }

    async fn cut(&self, last: u64) -> Result<()> {
        self.with(|records| records.retain(|record| record.number <= last));
        Ok(())
    }

    async fn restart(&self, record: &SchemaRecord) -> Result<()> {
        self.with(|records| *records = vec![record.clone()]);
        Ok(())
    }
}
