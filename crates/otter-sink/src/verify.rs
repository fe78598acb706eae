//! Whether a pipeline's target holds what its source holds, asked while the pipeline runs.
//!
//! Both servers sum up checksums of ranges of rows. Where the sums differ, the rows' own checksums are
//! compared, and rows that differ are looked at again, when the target has come to the source's
//! position, until they are equal or certain to differ. Nothing is written and nothing is locked.
//!
//! ```no_run
//! use otter_core::PipelineId;
//! use otter_core::mapping::Mappings;
//! use otter_sink::verify::{MappedTable, State, Verifier, VerifyOptions};
//!
//! # async fn example(
//! #     source: otter_core::DatabaseUrl,
//! #     target: otter_core::DatabaseUrl,
//! #     mappings: Mappings,
//! #     definitions: Vec<std::sync::Arc<otter_core::Table>>,
//! # ) -> Result<(), Box<dyn std::error::Error>> {
//! let mut tables = Vec::new();
//! for table in &definitions {
//!     if let Some(route) = mappings.table(table)? {
//!         tables.push(MappedTable::new(table, &route));
//!     }
//! }
//! let pipeline = PipelineId::new("shop");
//! let options = VerifyOptions::default();
//! let mut verifier = Verifier::open(&source, &target, &pipeline, options).await?;
//! let report = verifier.verify(&tables, &mut |_| {}).await?;
//! verifier.close().await;
//! assert_eq!(report.state(), State::Equal);
//! # Ok(())
//! # }
//! ```

mod canonical;
pub(crate) mod digest;
mod document;
mod error;
mod ledger;
mod line;
mod mapped;
mod multiset;
mod pace;
mod pass;
mod plan;
mod report;
mod settle;
mod show;
mod side;
mod stand;
mod trial;

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::time::Duration;

use otter_core::{DatabaseUrl, PipelineId, Place, Position, Result, TableName};
use tokio::time::Instant;

pub use error::{Database, VerifyError};
pub use ledger::{LastEqual, Ledger, LedgerEntry};
use line::Line;
pub use mapped::MappedTable;
use pace::Pace;
use pass::Pass;
use plan::{Plan, plan};
pub use report::{
    ColumnDifference, Difference, DifferenceKind, Report, Shown, SourceKey, State, TableReport,
};
use stand::Stand;

use crate::mysql::target::{TargetTable, read_table};

/// How tables are compared.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct VerifyOptions {
    /// Rows in one range, about. A range is summed up by one statement.
    pub chunk_rows: NonZeroU64,
    /// The most rows that are read in a second on each side, on average; `None` for as many as can be.
    /// Ranges are then of about a second's rows at most, and every table counts as a twentieth of a
    /// second's at least. A table without a key is read at once all the same, and the wait comes
    /// afterwards.
    pub rows_per_second: Option<NonZeroU64>,
    /// The most rows that differ, of each table, that are shown; all are counted.
    pub shown_rows: usize,
    /// The most of those whose values are fetched, which are all in memory; of others the key is told
    /// alone. Of a table without a key, which has nothing else to tell, no more rows are shown.
    pub rows_with_values: usize,
    /// How long the pipeline may stand still, while it is not where the source is, before it is taken
    /// for stopped.
    pub patience: Duration,
    /// The schema in the target that holds the checkpoint.
    pub schema: String,
    /// Whether rows that the target lacks are shown with all their values.
    pub whole_rows: bool,
    /// Whether the source is asked how many rows a table may have, for the progress.
    pub estimates: bool,
}

/// How far a table is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The target's table.
    pub target: TableName,
    /// Rows compared.
    pub rows: u64,
    /// How many there may be, as the source guesses; 0 where it does not.
    pub estimated_rows: u64,
    /// Ranges compared.
    pub chunks: u64,
    /// Differences found.
    pub differences: u64,
}

/// Compares the tables of a pipeline's two databases, over one connection to each.
#[derive(Debug)]
pub struct Verifier {
    source: Line,
    target: Line,
    stand: Stand,
    pace: Pace,
    options: VerifyOptions,
}

impl Default for VerifyOptions {
    /// Ranges of 50,000 rows, which take some 30 ms, as fast as can be; 100 rows with their
    /// values; 10 s; `otter`.
    fn default() -> Self {
        Self {
            chunk_rows: NonZeroU64::MIN.saturating_add(49_999),
            rows_per_second: None,
            shown_rows: 100,
            rows_with_values: 100,
            patience: Duration::from_secs(10),
            schema: "otter".to_owned(),
            whole_rows: false,
            estimates: false,
        }
    }
}

impl VerifyOptions {
    /// Rows in one range: a second's at most.
    fn range_rows(&self) -> u64 {
        let most = self.rows_per_second.unwrap_or(NonZeroU64::MAX);
        self.chunk_rows.min(most).get()
    }
}

impl Verifier {
    /// Connects to both databases.
    ///
    /// # Errors
    /// A [`VerifyError`]: [`Fault::Transient`](otter_core::Fault::Transient) where one cannot be
    /// reached, [`Fault::Fatal`](otter_core::Fault::Fatal) where it does not let the account in.
    pub async fn open(
        source: &DatabaseUrl,
        target: &DatabaseUrl,
        pipeline: &PipelineId,
        options: VerifyOptions,
    ) -> Result<Self> {
        let (source, target) = tokio::join!(
            Box::pin(Line::open(source, Database::Source)),
            Box::pin(Line::open(target, Database::Target))
        );
        let stand = Stand::new(&options.schema, pipeline, options.patience);
        let pace = Pace::new(options.rows_per_second);
        Ok(Self { source: source?, target: target?, stand, pace, options })
    }

    /// Compares tables, and tells how far it is after each range. Source tables that flow into one
    /// table are compared with it together. What cannot be compared is in the report, with the reason.
    ///
    /// # Errors
    /// A [`VerifyError`] where a database does not answer.
    ///
    /// # Cancel safety
    /// Not cancel safe: the verifier is of no use any more.
    pub async fn verify(
        &mut self,
        tables: &[MappedTable],
        progress: &mut (dyn FnMut(&Progress) + Send),
    ) -> Result<Report> {
        let mut targets: BTreeMap<&TableName, Vec<&MappedTable>> = BTreeMap::new();
        for table in tables {
            targets.entry(&table.target).or_default().push(table);
        }
        let mut report = Report::default();
        for (target, sources) in targets {
            let names = sources.iter().map(|table| table.source.clone()).collect();
            let mut table = TableReport::new(names, target.clone());
            let began = Instant::now();
            match Box::pin(self.verify_table(&sources, &mut table, progress)).await {
                Ok(()) => {}
                // The other tables can still be compared.
                Err(
                    error @ (VerifyError::Refused { is_broken: false, .. }
                    | VerifyError::Answer { .. }),
                ) => table.reason = Some(error.to_string()),
                Err(error) => return Err(error.into()),
            }
            table.took = began.elapsed();
            report.tables.push(table);
        }
        Ok(report)
    }

    /// Ends both connections in an orderly way.
    pub async fn close(self) {
        tokio::join!(self.source.close(), self.target.close());
    }

    async fn verify_table(
        &mut self,
        sources: &[&MappedTable],
        report: &mut TableReport,
        progress: &mut (dyn FnMut(&Progress) + Send),
    ) -> Result<(), VerifyError> {
        pass::pay(&mut self.pace, (&mut self.source, &mut self.target)).await?;
        self.pace.owe_for_table();
        let plan = match self.plan(sources, &report.target).await? {
            Ok(plan) => plan,
            Err(why) => {
                report.reason = Some(why);
                return Ok(());
            }
        };
        report.only_at_target.clone_from(&plan.only_at_target);
        let place = self.source.end().await?;
        report.position = Some(Position::at(None, place_of(place)).to_string());
        let estimated_rows = match self.options.estimates {
            true => self.source.estimated_rows(&report.sources).await?,
            false => 0,
        };
        let mut pass = Pass {
            estimated_rows,
            plan: &plan,
            source: &mut self.source,
            target: &mut self.target,
            stand: &mut self.stand,
            pace: &mut self.pace,
            options: &self.options,
            report,
            progress,
        };
        match &plan.key {
            Some(key) => pass.run(key).await,
            None => pass.run_without_key().await,
        }
    }

    /// How a table is compared, or why it cannot be.
    async fn plan(
        &mut self,
        sources: &[&MappedTable],
        target: &TableName,
    ) -> Result<Result<Plan, String>, VerifyError> {
        if let Some(why) = sources.iter().find_map(|table| table.refusal.as_ref()) {
            return Ok(Err(why.clone()));
        }
        let Some(there) = read(&mut self.target, target, Database::Target).await? else {
            let why = "the target has no such table, or the account may not see it";
            return Ok(Err(why.to_owned()));
        };
        let mut defined = Vec::with_capacity(sources.len());
        for table in sources {
            let Some(here) = read(&mut self.source, &table.source, Database::Source).await? else {
                return Ok(Err(format!("{} is not at the source any more", table.source)));
            };
            defined.push((*table, here));
        }
        let defined: Vec<_> = defined.iter().map(|(table, here)| (*table, here)).collect();
        let cross = self.source.facts.flavour != self.target.facts.flavour;
        Ok(plan(&defined, &there, cross))
    }
}

async fn read(
    line: &mut Line,
    name: &TableName,
    database: Database,
) -> Result<Option<TargetTable>, VerifyError> {
    read_table(&mut *line.conn, name).await.map_err(VerifyError::database(database))
}

/// GTIDs say it all where there are any.
fn place_of(place: Place) -> Place {
    let file = place.file.filter(|_| place.gtids.is_none());
    Place { file, ..place }
}
