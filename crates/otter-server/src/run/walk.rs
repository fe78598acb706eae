//! The tables of a running pipeline, compared one after the other for ever, within a bound: the target
//! keeps what was found last and when each table was last equal.
//!
//! Who was looked at longest ago is next, so that a restart or another process goes on where this one
//! was. A table begins anew when it is broken off.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::num::NonZeroU64;
use std::time::Duration;

use otter_core::{PipelineId, Result, TableName};
use otter_sink::verify::{
    Ledger, LedgerEntry, MappedTable, State, TableReport, Verifier, VerifyOptions,
};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{debug, info, warn};

use super::pace::Pace;
use super::waits::Waits;
use crate::assemble::SCHEMA;
use crate::config::PipelineConfig;
use crate::verify::{by_target, mapped_tables};

/// A pipeline that begins has other business first.
const BEFORE_THE_FIRST: Duration = Duration::from_secs(3);
/// From the beginning of a round to that of the next, at least: few rows are looked at soon enough.
const BETWEEN_ROUNDS: Duration = Duration::from_secs(10);
/// Definitions of tables that are older are read again before the next table, since new ones come.
const OLD: Duration = Duration::from_secs(600);
/// Where a table is not equal by definitions that are older, it may have changed since.
const NOT_FRESH: Duration = Duration::from_secs(2);
/// How often it is told that nothing has changed.
const BETWEEN_SUMMARIES: Duration = Duration::from_secs(3_600);

/// Compares for as long as a bound is given. Ends by being dropped.
pub(super) async fn keep(pipeline: PipelineConfig, mut pace: watch::Receiver<Pace>) -> Infallible {
    sleep(BEFORE_THE_FIRST).await;
    let mut walk = Walk::new(pipeline);
    loop {
        let rate = pace.borrow_and_update().verify;
        let never = async {
            match rate {
                Some(rate) => walk.go_on(rate).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Ok(_) = pace.wait_for(|now| now.verify != rate) => {}
            never = never => match never {},
        }
    }
}

/// What is remembered between rounds.
struct Walk {
    pipeline: PipelineConfig,
    id: PipelineId,
    /// How often in a row a table could not be compared since a database failed: such tables come
    /// last, so that one that breaks each connection keeps no other waiting.
    failures: HashMap<TableName, u32>,
    told: Option<(Summary, Instant)>,
}

/// How many tables stand how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Summary {
    equal: usize,
    different: usize,
    unsettled: usize,
    unverified: usize,
}

/// The tables of the target, with what flows into each.
struct Tables {
    by_target: BTreeMap<TableName, Vec<MappedTable>>,
    read_at: Instant,
}

impl Tables {
    async fn read(pipeline: &PipelineConfig) -> Result<Self> {
        let read_at = Instant::now();
        Ok(Self { by_target: by_target(mapped_tables(pipeline).await?), read_at })
    }

    fn of(&self, target: &TableName) -> Option<&[MappedTable]> {
        self.by_target.get(target).map(Vec::as_slice)
    }
}

impl Walk {
    fn new(pipeline: PipelineConfig) -> Self {
        let id = PipelineId::new(pipeline.name.as_str());
        Self { pipeline, id, failures: HashMap::new(), told: None }
    }

    async fn go_on(&mut self, rate: NonZeroU64) -> Infallible {
        let mut waits = Waits::new();
        let mut is_failing = false;
        loop {
            let began = Instant::now();
            match Box::pin(self.round(rate)).await {
                Ok(()) => {
                    (waits, is_failing) = (Waits::new(), false);
                    sleep_until(began + BETWEEN_ROUNDS).await;
                }
                Err(error) => {
                    let pipeline = &self.id;
                    match is_failing {
                        false => warn!(%pipeline, %error, "tables cannot be compared; tried again"),
                        true => debug!(%pipeline, %error, "tables cannot be compared; tried again"),
                    }
                    is_failing = true;
                    waits.next().await;
                }
            }
        }
    }

    /// Compares each table once.
    async fn round(&mut self, rate: NonZeroU64) -> Result<()> {
        let mut tables = Tables::read(&self.pipeline).await?;
        let entries = self.entries(&tables).await?;
        let order = order(&tables, &entries, &self.failures);
        let before: HashMap<&TableName, State> =
            entries.iter().map(|entry| (&entry.target, entry.state)).collect();
        let mut options = VerifyOptions::default();
        options.schema = SCHEMA.to_owned();
        options.shown_rows = 0;
        options.rows_per_second = Some(rate);
        let (from, to) = (&self.pipeline.from.url, &self.pipeline.to.url);
        let mut verifier = Box::pin(Verifier::open(from, to, &self.id, options)).await?;
        let mut summary = Summary::default();
        for target in order {
            if tables.read_at.elapsed() > OLD {
                tables = Tables::read(&self.pipeline).await?;
            }
            let found = Box::pin(self.look(&mut verifier, &mut tables, &target)).await;
            let found = match found {
                Ok(Some(found)) => found,
                // The pipeline carries it no more.
                Ok(None) => continue,
                Err(error) => {
                    *self.failures.entry(target).or_default() += 1;
                    return Err(error);
                }
            };
            self.failures.remove(&target);
            summary.add(found.state());
            self.note(&found, before.get(&target).copied()).await?;
        }
        verifier.close().await;
        self.tell(summary);
        Ok(())
    }

    /// What is known, without tables that are carried no more.
    async fn entries(&self, tables: &Tables) -> Result<Vec<LedgerEntry>> {
        let mut ledger = Ledger::open(&self.pipeline.to.url, SCHEMA, &self.id).await?;
        ledger.ensure().await?;
        let mut kept = Vec::new();
        for entry in ledger.entries().await? {
            match tables.of(&entry.target) {
                Some(_) => kept.push(entry),
                None => ledger.forget(&entry.target).await?,
            }
        }
        ledger.close().await;
        Ok(kept)
    }

    /// Compares one table; once more where it is not equal and may have been altered meanwhile.
    async fn look(
        &self,
        verifier: &mut Verifier,
        tables: &mut Tables,
        target: &TableName,
    ) -> Result<Option<TableReport>> {
        loop {
            let Some(sources) = tables.of(target) else { return Ok(None) };
            let report = verifier.verify(sources, &mut |_| {}).await?;
            let Some(found) = report.tables.into_iter().next() else { return Ok(None) };
            if found.state() == State::Equal || tables.read_at.elapsed() <= NOT_FRESH + found.took {
                return Ok(Some(found));
            }
            let later = Tables::read(&self.pipeline).await?;
            let is_same = later.of(target) == tables.of(target);
            *tables = later;
            if is_same {
                return Ok(Some(found));
            }
        }
    }

    /// Keeps what was found, and tells where it is another state than before.
    async fn note(&self, found: &TableReport, before: Option<State>) -> Result<()> {
        // A table takes as long as it takes: no connection waits meanwhile.
        let mut ledger = Ledger::open(&self.pipeline.to.url, SCHEMA, &self.id).await?;
        ledger.note(found).await?;
        ledger.close().await;
        let state = found.state();
        let (pipeline, table) = (&self.id, &found.target);
        let rows = found.source_rows;
        debug!(%pipeline, %table, rows, state = state.word(), "table compared");
        if before == Some(state) {
            return Ok(());
        }
        let reason = found.reason.as_deref().unwrap_or_default();
        match state {
            State::Different => warn!(
                %pipeline, %table, rows,
                missing = found.missing, extra = found.extra, different = found.different,
                "table differs from the source; `otter-server verify {pipeline} --table {table}` \
                 shows the rows, with `--repair` what would mend them"
            ),
            State::Equal if before == Some(State::Different) => {
                info!(%pipeline, %table, rows, "table is equal again");
            }
            State::Equal => {}
            State::Unsettled => info!(
                %pipeline, %table, rows, unsettled = found.unsettled,
                "of some rows it cannot be told whether they are equal: {reason}"
            ),
            State::Unverified => {
                info!(%pipeline, %table, "table cannot be compared: {reason}");
            }
        }
        Ok(())
    }

    /// Tells how the tables stand, when that has changed and now and then.
    fn tell(&mut self, summary: Summary) {
        let is_news = match self.told {
            Some((told, when)) => told != summary || when.elapsed() >= BETWEEN_SUMMARIES,
            None => true,
        };
        if !is_news {
            return;
        }
        self.told = Some((summary, Instant::now()));
        let Summary { equal, different, unsettled, unverified } = summary;
        info!(
            pipeline = %self.id, equal, different, unsettled, not_verified = unverified,
            "all tables compared; `otter-server verify --last` tells when each was last equal"
        );
    }
}

impl Summary {
    fn add(&mut self, state: State) {
        *match state {
            State::Equal => &mut self.equal,
            State::Different => &mut self.different,
            State::Unsettled => &mut self.unsettled,
            State::Unverified => &mut self.unverified,
        } += 1;
    }
}

/// The tables that failed least often first, and of these the one that was looked at longest ago.
fn order(
    tables: &Tables,
    entries: &[LedgerEntry],
    failures: &HashMap<TableName, u32>,
) -> Vec<TableName> {
    let looked: HashMap<&TableName, Duration> =
        entries.iter().map(|entry| (&entry.target, entry.looked_ago)).collect();
    let mut order: Vec<TableName> = tables.by_target.keys().cloned().collect();
    order.sort_by_cached_key(|table| {
        let ago = looked.get(table).copied().unwrap_or(Duration::MAX);
        (failures.get(table).copied().unwrap_or(0), std::cmp::Reverse(ago))
    });
    order
}
