//! `otter-server verify --repair`: rows that differ are copied from the source again.
//!
//! Nothing here writes to a user's table: the keys of rows that differ are asked for as requests, which
//! the pipeline carries out in order with the stream. Afterwards their tables are compared once more, and
//! what is left is asked for, until no fewer rows differ than before. The preview shows rows, for the operator who asks.

use std::collections::BTreeMap;
use std::sync::Arc;

use otter_core::{PipelineId, Result, ResyncRequest, ResyncWish, TableName};
use otter_sink::Mode;
use otter_sink::resync::{ResyncDesk, ResyncReport};
use otter_sink::verify::{Difference, DifferenceKind, Report, State, TableReport};

use super::preview::preview;
use super::{VerifyWishes, print, verify_one};
use crate::assemble::{NOT_IN_FAST_MODE, SCHEMA};
use crate::config::{Config, PipelineConfig};
use crate::exit::Exit;
use crate::operator::operator;
use crate::resync::{Waited, complain_of, wait};
use crate::terminal::{complain, note, write};

/// The most rows of a table that are mended between two looks: their keys are in memory.
pub(super) const MOST_ROWS: usize = 10_000;
/// Keys in one request.
const KEYS: usize = 500;
/// The most requests of a table that were refused of which each half is tried by itself: where the target takes
/// no row at all, that is soon known.
const MOST_HALVED: usize = 64;
/// The most rows of a table that are tried together: so many go in one target transaction.
const MOST_TOGETHER: usize = 100;
/// Refusals that are told at once.
const MOST_TOLD: usize = 10;

/// Whether differences are mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repair {
    /// They are only reported.
    No,
    /// What would be done is told.
    Preview,
    /// They are mended.
    Yes,
}

/// How the requests of a round ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Done,
    /// Not all were carried out: why has been told.
    Refused,
    /// No process runs the pipeline.
    Unattended,
}

/// Tells what would be done about the differences of a pipeline, or does it. Returns how it stands
/// afterwards.
pub(super) async fn repair(
    config: &Config,
    pipeline: &PipelineConfig,
    (found, wishes): (Report, &VerifyWishes),
) -> Result<Exit> {
    if found.state() != State::Different {
        return Ok(super::exit_of(&found));
    }
    if pipeline.mode == Mode::Fast {
        complain(format_args!("pipeline `{}`: {NOT_IN_FAST_MODE}", pipeline.name));
        return Ok(Exit::Failed);
    }
    if wishes.repair == Repair::Preview {
        write(&preview(&found, wishes));
        return Ok(Exit::Failed);
    }
    let mut found = found;
    let is_mended = !mendable(&found).is_empty();
    let mut ended;
    // A table that nothing has helped may be helped by what was done to others.
    loop {
        let before = count(&found);
        ended = Box::pin(mend_all(config, pipeline, (&mut found, wishes))).await?;
        if ended == Ended::Unattended {
            return Ok(Exit::Unproven);
        }
        if count(&found) >= before {
            break;
        }
    }
    if is_mended {
        let wishes = &super::as_may_be_seen(pipeline, (&found, wishes)).await;
        write(&print::as_text(&pipeline.name, &found, wishes));
    }
    for table in found.tables.iter().filter(|table| table.state() == State::Different) {
        let why = left(table).why(&pipeline.name, ended);
        let (count, target) = (table_count(table), &table.target);
        complain(format_args!(
            "pipeline `{}`: {count} rows of {target} differ still: {why}",
            pipeline.name
        ));
    }
    Ok(super::exit_of(&found))
}

/// Mends tables and compares them again, each as long as fewer of its rows differ than before.
async fn mend_all(
    config: &Config,
    pipeline: &PipelineConfig,
    (found, wishes): (&mut Report, &VerifyWishes),
) -> Result<Ended> {
    let mut outcome = Ended::Done;
    let mut open = mendable(found);
    while !open.is_empty() {
        match mend(config, pipeline, (&*found, &open)).await? {
            Ended::Done => {}
            Ended::Refused => outcome = Ended::Refused,
            Ended::Unattended => return Ok(Ended::Unattended),
        }
        let names: Vec<TableName> = open.keys().cloned().collect();
        let those = VerifyWishes { tables: names, ..wishes.clone() };
        let later = Box::pin(verify_one(config, pipeline, &those)).await?;
        take_in(found, (&open, later));
        open = falling(&open, mendable(found));
        if !open.is_empty() {
            note(format_args!(
                "pipeline `{}`: {} rows differ still; the next ones are mended",
                pipeline.name,
                count(found)
            ));
        }
    }
    Ok(outcome)
}

/// Tables of the target, with how many of their rows differ.
type Counts = BTreeMap<TableName, u64>;

/// The tables with rows that differ and can be asked for.
fn mendable(report: &Report) -> Counts {
    let tables = report.tables.iter().filter(|table| left(table) == Left::ByKey);
    tables.map(|table| (table.target.clone(), table_count(table))).collect()
}

/// The tables of which fewer rows differ than before.
fn falling(before: &Counts, now: Counts) -> Counts {
    let fell = |(table, count): &(TableName, u64)| before.get(table).is_some_and(|it| count < it);
    now.into_iter().filter(fell).collect()
}

/// Puts what was found of some tables into the report of all.
fn take_in(report: &mut Report, (open, later): (&Counts, Report)) {
    let mut later = later.tables;
    for table in &mut report.tables {
        if let Some(place) = later.iter().position(|one| one.target == table.target) {
            *table = later.swap_remove(place);
        } else if open.contains_key(&table.target) {
            (table.missing, table.extra, table.different, table.unsettled) = (0, 0, 0, 0);
            table.differences.clear();
            table.reason = Some("the source does not show it any more".to_owned());
        }
    }
}

/// Differences of rows that may be mended.
fn count(report: &Report) -> u64 {
    report.tables.iter().map(table_count).sum()
}

pub(super) fn table_count(table: &TableReport) -> u64 {
    table.missing + table.extra + table.different
}

/// Whether rows of a table that differ can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// None differs of which the key is known.
    Nothing,
    /// They can.
    ByKey,
    /// The source has no key for them.
    WithoutKey,
    /// A key does not tell which of several tables its row belongs to.
    Merged,
}

pub(super) fn left(table: &TableReport) -> Left {
    if table.state() != State::Different {
        return Left::Nothing;
    }
    let mut certain = table.differences.iter().filter(|one| one.kind != DifferenceKind::Unsettled);
    if certain.any(|one| one.at_source.is_some()) {
        return Left::ByKey;
    }
    let has_any = table.differences.iter().any(|one| one.kind != DifferenceKind::Unsettled);
    match (has_any, table.sources.len()) {
        (false, _) => Left::Nothing,
        (true, 0 | 1) => Left::WithoutKey,
        (true, _) => Left::Merged,
    }
}

impl Left {
    /// Why rows are left that differ, and what to do about them.
    fn why(self, pipeline: &str, ended: Ended) -> String {
        match (self, ended) {
            (Self::WithoutKey, _) => "the source has no key by which they can be asked for: ALTER \
                 TABLE … ADD PRIMARY KEY (…) there and repair again; or empty the target's table and \
                 copy it afresh, with a pipeline of its own and initial_copy = true"
                .to_owned(),
            (Self::Merged, _) => format!(
                "several tables flow into it, and a key does not tell whose row it is: `otter-server \
                 resync {pipeline} TABLE --yes` for each of them copies what is missing or different; \
                 delete by hand what is too much"
            ),
            (Self::ByKey | Self::Nothing, Ended::Refused) => format!(
                "requests were refused or taken away; `otter-server resync {pipeline} --list` tells \
                 why: mend that, and repair again"
            ),
            (Self::ByKey | Self::Nothing, Ended::Done | Ended::Unattended) => "nothing was refused, \
                 and they differ again or more than before: look for whoever else writes to the \
                 target's table, such as an application or a trigger, and repair again"
                .to_owned(),
        }
    }
}

/// Asks for all rows of some tables that differ, and waits until they are copied.
async fn mend(
    config: &Config,
    pipeline: &PipelineConfig,
    (report, open): (&Report, &Counts),
) -> Result<Ended> {
    let id = PipelineId::new(pipeline.name.as_str());
    let mut desk = ResyncDesk::open(&pipeline.to.url, SCHEMA, &id).await?;
    let tables = report.tables.iter().filter(|table| open.contains_key(&table.target));
    let asked = tables.flat_map(requests).collect();
    let ended = carry_out(&mut desk, (config, pipeline), asked).await?;
    desk.close().await;
    Ok(ended)
}

/// Has requests carried out. The target refuses a request with the first row that it does not take: its
/// halves are tried, until single rows are left. Rows that hold each other's unique values are among
/// these, so that those are tried together at last.
async fn carry_out(
    desk: &mut ResyncDesk,
    of: (&Config, &PipelineConfig),
    asked: Vec<ResyncRequest>,
) -> Result<Ended> {
    let mut open = asked;
    let mut entangled: BTreeMap<TableName, Vec<ResyncRequest>> = BTreeMap::new();
    let mut outcome = Ended::Done;
    while !open.is_empty() {
        let (refused, waited) = ask_all(desk, of, std::mem::take(&mut open)).await?;
        if waited.is_unattended {
            return Ok(Ended::Unattended);
        }
        if !waited.gone.is_empty() {
            outcome = Ended::Refused;
        }
        let mut counts: BTreeMap<TableName, usize> = BTreeMap::new();
        for (request, _) in &refused {
            *counts.entry(request.table.clone()).or_default() += 1;
        }
        let mut lost = Vec::new();
        for (request, report) in refused {
            let is_hopeless = counts.get(&request.table).is_some_and(|it| *it > MOST_HALVED);
            let is_worth = report.is_about_a_row() && !is_hopeless;
            let waits = entangled.get(&request.table).map_or(0, Vec::len);
            match halves(&request) {
                Some(halves) if is_worth => open.extend(halves),
                None if report.needs_another_row() && waits < MOST_TOGETHER => {
                    entangled.entry(request.table.clone()).or_default().push(request);
                }
                Some(_) | None => lost.push(report),
            }
        }
        if !lost.is_empty() {
            complain_of_all(&lost);
            outcome = Ended::Refused;
        }
    }
    let together = entangled.values().filter_map(|them| joined(them)).collect();
    let (refused, waited) = ask_all(desk, of, together).await?;
    let reports: Vec<ResyncReport> = refused.iter().map(|(_, report)| report.clone()).collect();
    complain_of_all(&reports);
    if waited.is_unattended {
        return Ok(Ended::Unattended);
    }
    let is_done = waited.gone.is_empty() && refused.is_empty();
    Ok(if is_done { outcome } else { Ended::Refused })
}

/// Tells why requests were refused; of very many, why the first were.
fn complain_of_all(refused: &[ResyncReport]) {
    refused.iter().take(MOST_TOLD).for_each(complain_of);
    let more = refused.len().saturating_sub(MOST_TOLD);
    if more > 0 {
        complain(format_args!("{more} more requests were refused; `resync --list` tells why"));
    }
}

/// Asks for requests, and waits for them. Returns those that were refused, with the reasons.
async fn ask_all(
    desk: &mut ResyncDesk,
    of: (&Config, &PipelineConfig),
    asked: Vec<ResyncRequest>,
) -> Result<(Vec<(ResyncRequest, ResyncReport)>, Waited)> {
    let mut numbers = Vec::with_capacity(asked.len());
    for request in &asked {
        numbers.push(desk.ask(request, &operator()).await?);
    }
    let waited = wait(desk, of, &numbers).await?;
    let refused = asked.into_iter().zip(numbers).filter_map(|(request, number)| {
        let report = waited.refused().find(|report| report.id == number)?;
        Some((request, report.clone()))
    });
    Ok((refused.collect(), waited))
}

/// A request of several keys as two; `None` for one of a single key.
fn halves(request: &ResyncRequest) -> Option<[ResyncRequest; 2]> {
    let ResyncWish::Keys { columns, keys } = &request.wish else { return None };
    let lines: Vec<&str> = keys.lines().collect();
    if lines.len() < 2 {
        return None;
    }
    let (front, back) = lines.split_at(lines.len() / 2);
    Some([front, back].map(|keys| request_of(&request.table, columns, keys)))
}

/// The keys of requests of one table and one key as one request.
fn joined(requests: &[ResyncRequest]) -> Option<ResyncRequest> {
    let mut all = Vec::with_capacity(requests.len());
    let mut of = None;
    for request in requests {
        let ResyncWish::Keys { columns, keys } = &request.wish else { continue };
        of = of.or(Some((&request.table, columns)));
        all.extend(keys.lines());
    }
    let (table, columns) = of?;
    Some(request_of(table, columns, &all))
}

fn request_of(table: &TableName, columns: &Arc<[Arc<str>]>, keys: &[&str]) -> ResyncRequest {
    let wish = ResyncWish::Keys { columns: Arc::clone(columns), keys: keys.join("\n").into() };
    ResyncRequest { table: table.clone(), wish }
}

/// The requests that mend a table: rows too many go first, since they may hold what others need.
fn requests(table: &TableReport) -> Vec<ResyncRequest> {
    let is_extra = |one: &&Difference| one.kind == DifferenceKind::Extra;
    let is_other =
        |one: &&Difference| matches!(one.kind, DifferenceKind::Missing | DifferenceKind::Different);
    let all = table.differences.iter();
    let extra: Vec<_> =
        all.clone().filter(is_extra).filter_map(|one| one.at_source.as_ref()).collect();
    let other: Vec<_> = all.filter(is_other).filter_map(|one| one.at_source.as_ref()).collect();
    let mut requests = Vec::new();
    for some in extra.chunks(KEYS).chain(other.chunks(KEYS)) {
        let Some(first) = some.first() else { continue };
        let keys: Vec<&str> = some.iter().map(|key| key.values.as_str()).collect();
        requests.push(request_of(&first.table, &first.columns, &keys));
    }
    requests
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_mended_as_long_as_fewer_rows_differ() {
        let counts = |counts: &[(&str, u64)]| -> Counts {
            let counts = counts.iter();
            counts.map(|(table, count)| (TableName::new("d", *table), *count)).collect()
        };
        let before = counts(&[("a", 30_000), ("b", 7), ("c", 5)]);
        let now = counts(&[("a", 20_000), ("b", 7), ("e", 1)]);
        assert_eq!(falling(&before, now), counts(&[("a", 20_000)]));
        assert!(falling(&before, Counts::new()).is_empty());
    }

    #[test]
    fn requests_are_halved_down_to_single_keys_and_joined_again() {
        let columns: Arc<[Arc<str>]> = ["id".into()].into();
        let table = TableName::new("shop", "uni");
        let keys_of = |request: &ResyncRequest| match &request.wish {
            ResyncWish::Keys { keys, .. } => keys.to_string(),
            ResyncWish::All | ResyncWish::Where(_) => panic!("{request:?}"),
        };
        let all = request_of(&table, &columns, &["1", "2", "3"]);
        let [front, back] = halves(&all).unwrap();
        assert_eq!((keys_of(&front).as_str(), keys_of(&back).as_str()), ("1", "2\n3"));
        assert_eq!(halves(&front), None);
        assert_eq!(joined(&[front, back]), Some(all));
        assert_eq!(joined(&[]), None);
    }

    #[test]
    fn refusals_are_told_only_where_there_were_any() {
        let all = [Left::Nothing, Left::ByKey, Left::WithoutKey, Left::Merged];
        for left in all {
            let done = left.why("shop", Ended::Done);
            assert!(!done.contains("--list"), "{done}");
        }
        assert!(Left::ByKey.why("shop", Ended::Refused).contains("resync shop --list"));
        assert!(Left::WithoutKey.why("shop", Ended::Refused).contains("ADD PRIMARY KEY"));
        assert!(Left::Merged.why("shop", Ended::Done).contains("resync shop TABLE --yes"));
    }
}
