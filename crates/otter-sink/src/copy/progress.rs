//! How far the initial copy of a pipeline is.

use std::sync::Arc;
use std::time::Duration;

use otter_core::{CopyRecord, CopyStage, DatabaseUrl, PipelineId, Result, TableName};

use super::Desk;
use crate::mysql::store::{Header, Store, StoredCopy};

/// How far the initial copy of a pipeline is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopyProgress {
    /// Tables that are copied.
    pub done: u64,
    /// Tables that are known to be copied or to wait for it.
    pub tables: u64,
    /// Rows copied.
    pub rows: u64,
    /// Bytes of their values, as the source sent them.
    pub bytes: u64,
    /// How many there may be, as the source guessed.
    pub estimated_rows: u64,
    /// Tables that cannot be copied as they are.
    pub hindered: u64,
}

/// How far the initial copy of one table is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopyTableProgress {
    /// The source's table.
    pub table: TableName,
    /// Whether it waits, is being copied, or is copied.
    pub stage: CopyStage,
    /// Rows copied.
    pub rows: u64,
    /// Bytes of their values, as the source sent them.
    pub bytes: u64,
    /// How many there may be, as the source guessed; 0 where nobody knows.
    pub estimated_rows: u64,
    /// From its beginning to what was written of it last, in whole seconds; of a table that waits, since it
    /// was noted.
    pub took: Duration,
    /// Why it does not go on, with the remedy; it is tried again and again.
    pub problem: Option<Arc<str>>,
}

/// How far the initial copies of all tables are.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopyTables {
    /// Whether all are copied.
    pub is_finished: bool,
    /// The tables that are known, in the order of their names.
    pub tables: Vec<CopyTableProgress>,
}

/// What a pipeline's initial copy has not brought yet.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Uncopied {
    /// All tables of the source but these.
    AllBut(Vec<TableName>),
    /// These tables of the source; none where there is no copy.
    Only(Vec<TableName>),
}

impl Uncopied {
    /// Whether this table of the source is among them.
    #[must_use]
    pub fn has(&self, table: &TableName) -> bool {
        match self {
            Self::AllBut(tables) => !tables.contains(table),
            Self::Only(tables) => tables.contains(table),
        }
    }
}

/// Reads how far a pipeline's initial copy is; `None` where it has none.
///
/// # Errors
/// [`Fault::Transient`](otter_core::Fault::Transient) where the target cannot be reached.
pub async fn progress(
    url: &DatabaseUrl,
    schema: &str,
    pipeline: &PipelineId,
) -> Result<Option<CopyProgress>> {
    let Some(tables) = tables(url, schema, pipeline).await? else { return Ok(None) };
    let mut progress = CopyProgress::default();
    for table in tables.tables {
        progress.tables += 1;
        progress.done += u64::from(table.stage == CopyStage::Done);
        progress.rows += table.rows;
        progress.bytes += table.bytes;
        progress.estimated_rows += table.estimated_rows;
        progress.hindered += u64::from(table.problem.is_some());
    }
    Ok(Some(progress))
}

/// Reads how far a pipeline's initial copy is, of each table in the order of their names; `None` where
/// it has none.
///
/// # Errors
/// As [`progress`].
pub async fn tables(
    url: &DatabaseUrl,
    schema: &str,
    pipeline: &PipelineId,
) -> Result<Option<CopyTables>> {
    let (header, stored) = read(url, schema, pipeline).await?;
    if header == Header::Missing {
        return Ok(None);
    }
    let tables = stored.into_iter().map(|StoredCopy { record, seconds }| CopyTableProgress {
        table: record.table,
        stage: record.stage,
        rows: record.rows,
        bytes: record.bytes,
        estimated_rows: record.estimated,
        took: Duration::from_secs(seconds),
        problem: record.problem,
    });
    let tables: Vec<_> = tables.collect();
    let is_done = |table: &CopyTableProgress| table.stage == CopyStage::Done;
    let is_finished = match header {
        Header::Finished => tables.iter().all(is_done),
        // The tables of one that has not begun are not known.
        Header::Open | Header::Missing => !tables.is_empty() && tables.iter().all(is_done),
    };
    Ok(Some(CopyTables { is_finished, tables }))
}

/// Reads which tables a pipeline's initial copy has not brought yet. Where the pipeline is to copy what it
/// does not know (`initial_copy` in the configuration), these are among them.
///
/// # Errors
/// As [`progress`].
pub async fn uncopied(
    url: &DatabaseUrl,
    schema: &str,
    (pipeline, copies): (&PipelineId, bool),
) -> Result<Uncopied> {
    let (_, stored) = read(url, schema, pipeline).await?;
    let records = stored.into_iter().map(|stored| stored.record);
    let (done, open): (Vec<_>, Vec<_>) = records.partition(|one| one.stage == CopyStage::Done);
    let names = |records: Vec<CopyRecord>| records.into_iter().map(|one| one.table).collect();
    Ok(if copies { Uncopied::AllBut(names(done)) } else { Uncopied::Only(names(open)) })
}

async fn read(
    url: &DatabaseUrl,
    schema: &str,
    pipeline: &PipelineId,
) -> Result<(Header, Vec<StoredCopy>)> {
    let store = Store::new(schema, pipeline.as_str());
    let mut desk = Desk::open(url).await?;
    let found = store.read_copy(&mut *desk.conn).await?;
    desk.conn.goodbye().await;
    Ok(found)
}
