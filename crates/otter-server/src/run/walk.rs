//! The tables of a running pipeline, compared one after the other for ever, within a bound: the target
//! keeps what was found last and when each table was last equal.
//!
//! Who was begun longest ago is next, so that a restart or another process goes on where this one was. A
//! table begins anew when it is broken off, behind the others if it took long.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::num::NonZeroU64;
use std::time::Duration;

use otter_core::{PipelineId, Result, TableName};
use otter_sink::verify::{
    Ledger, LedgerEntry, MappedTable, Progress, State, TableReport, Verifier, VerifyOptions,
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
/// A look that takes longer is noted when it is at work.
const LONG: Duration = Duration::from_secs(10);
/// Definitions of tables that are older are read again before the next table, since new ones come.
const OLD: Duration = Duration::from_secs(600);
/// How often a table that differs is compared again, since it was altered meanwhile.
const TRIES: u32 = 3;
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
    /// The connection for what was found.
    ledger: Option<Ledger>,
    told: Option<(Summary, Instant)>,
    failed: Option<(String, Instant)>,
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
type Tables = BTreeMap<TableName, Vec<MappedTable>>;

impl Walk {
    fn new(pipeline: PipelineConfig) -> Self {
        let id = PipelineId::new(pipeline.name.as_str());
        Self { pipeline, id, failures: HashMap::new(), ledger: None, told: None, failed: None }
    }

    async fn go_on(&mut self, rate: NonZeroU64) -> Infallible {
        let mut waits = Waits::new();
        loop {
            let began = Instant::now();
            match Box::pin(self.round(rate)).await {
                Ok(()) => {
                    waits = Waits::new();
                    sleep_until(began + BETWEEN_ROUNDS).await;
                }
                Err(error) => {
                    self.ledger = None;
                    self.complain(error.to_string());
                    waits.next().await;
                }
            }
        }
    }

    /// Tells what keeps tables from being compared, when that is news and once an hour.
    fn complain(&mut self, error: String) {
        let pipeline = &self.id;
        let is_known = self
            .failed
            .as_ref()
            .is_some_and(|(known, when)| *known == error && when.elapsed() < BETWEEN_SUMMARIES);
        if is_known {
            debug!(%pipeline, error, "tables cannot be compared; tried again");
            return;
        }
        warn!(%pipeline, error, "tables cannot be compared; tried again");
        self.failed = Some((error, Instant::now()));
    }

    /// Compares each table once.
    async fn round(&mut self, rate: NonZeroU64) -> Result<()> {
        let mut tables = by_target(mapped_tables(&self.pipeline, None).await?);
        let mut read_at = Instant::now();
        if tables.is_empty() {
            // The source may just not show them: what is known stays.
            return Ok(());
        }
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
            if read_at.elapsed() > OLD {
                tables = by_target(mapped_tables(&self.pipeline, None).await?);
                read_at = Instant::now();
            }
            // The pipeline may carry it no more.
            let Some(sources) = tables.get(&target).cloned() else { continue };
            let found = Box::pin(self.look(&mut verifier, (&target, sources))).await;
            let found = match found {
                Ok(Some(found)) => found,
                Ok(None) => continue,
                Err(error) => {
                    *self.failures.entry(target).or_default() += 1;
                    return Err(error);
                }
            };
            self.failures.remove(&target);
            summary.add(found.state());
            self.tell_table(&found, before.get(&target).copied());
            self.note(&found).await?;
        }
        verifier.close().await;
        self.failed = None;
        self.tell(summary);
        Ok(())
    }

    /// What is known, without tables that are carried no more.
    async fn entries(&mut self, tables: &Tables) -> Result<Vec<LedgerEntry>> {
        let mut ledger = self.open_ledger().await?;
        ledger.ensure().await?;
        let mut kept = Vec::new();
        for entry in ledger.entries().await? {
            match tables.contains_key(&entry.target) {
                true => kept.push(entry),
                false => ledger.forget(&entry.target).await?,
            }
        }
        self.ledger = Some(ledger);
        Ok(kept)
    }

    /// Compares one table; once more where it differs and was altered meanwhile.
    async fn look(
        &mut self,
        verifier: &mut Verifier,
        (target, mut sources): (&TableName, Vec<MappedTable>),
    ) -> Result<Option<TableReport>> {
        for attempt in 1.. {
            let found = {
                let mut silent = |_: &Progress| {};
                let mut looking = Box::pin(verifier.verify(&sources, &mut silent));
                let report = tokio::select! {
                    biased;
                    report = &mut looking => report?,
                    () = sleep(LONG) => {
                        self.begin(target).await?;
                        looking.await?
                    }
                };
                report.tables.into_iter().next()
            };
            let Some(found) = found else { return Ok(None) };
            if found.state() != State::Different || attempt >= TRIES {
                return Ok(Some(found));
            }
            let later = mapped_tables(&self.pipeline, Some(target)).await?;
            if later == sources {
                return Ok(Some(found));
            }
            sources = later;
        }
        Ok(None)
    }

    async fn open_ledger(&mut self) -> Result<Ledger> {
        match self.ledger.take() {
            Some(ledger) => Ok(ledger),
            None => Ledger::open(&self.pipeline.to.url, SCHEMA, &self.id).await,
        }
    }

    async fn begin(&mut self, target: &TableName) -> Result<()> {
        let mut ledger = self.open_ledger().await?;
        ledger.begin(target).await?;
        self.ledger = Some(ledger);
        Ok(())
    }

    /// Keeps what was found. A connection that has rested while a table was compared may be gone.
    async fn note(&mut self, found: &TableReport) -> Result<()> {
        if let Some(mut ledger) = self.ledger.take()
            && ledger.note(found).await.is_ok()
        {
            self.ledger = Some(ledger);
            return Ok(());
        }
        let mut ledger = self.open_ledger().await?;
        ledger.ensure().await?;
        ledger.note(found).await?;
        self.ledger = Some(ledger);
        Ok(())
    }

    /// Tells what was found where it is another state than before.
    fn tell_table(&self, found: &TableReport, before: Option<State>) {
        let state = found.state();
        let (pipeline, table) = (&self.id, &found.target);
        let rows = found.source_rows;
        debug!(%pipeline, %table, rows, state = state.word(), "table compared");
        if before == Some(state) {
            return;
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
                debug!(%pipeline, %table, "table cannot be compared: {reason}");
            }
        }
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

/// The tables that failed least often first, and of these the one that was begun longest ago.
fn order(
    tables: &Tables,
    entries: &[LedgerEntry],
    failures: &HashMap<TableName, u32>,
) -> Vec<TableName> {
    let begun: HashMap<&TableName, Duration> =
        entries.iter().map(|entry| (&entry.target, entry.begun_ago)).collect();
    let mut order: Vec<TableName> = tables.keys().cloned().collect();
    order.sort_by_cached_key(|table| {
        let ago = begun.get(table).copied().unwrap_or(Duration::MAX);
        (failures.get(table).copied().unwrap_or(0), std::cmp::Reverse(ago))
    });
    order
}
