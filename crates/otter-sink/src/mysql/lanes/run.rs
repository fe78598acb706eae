//! One piece, applied by all lanes at once.
//!
//! Each lane has a target transaction of its own and commits by itself. Those that are refused, or
//! meet locks again and again, are late: they are tried together when the others have ended, by the
//! ways of strict mode, which name the row.

use std::collections::VecDeque;
use std::pin::Pin;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use otter_core::{Lease, Transaction};

use super::split::{Share, only, ordinal_of, share};
use crate::mysql::error::MySqlLoadError;
use crate::mysql::group::{Group, pause_before, row_count};
use crate::mysql::line::{Line, Setback, require_held};
use crate::mysql::plan::Detail;
use crate::mysql::session::{Advance, Desk, Session, commit};
use crate::mysql::store::Held;

/// What one target transaction is to do.
#[derive(Debug, Clone, Copy)]
struct Work<'a> {
    /// Empty where lanes without rows move together.
    transactions: &'a [Transaction],
    advance: Advance<'a>,
    held: &'a Held,
}

/// A line that has ended its work, and whether the work is committed; else it is rolled back.
type Ended<'l> = (usize, &'l mut Line, Result<bool, MySqlLoadError>);

type Doing<'l> = Pin<Box<dyn Future<Output = Ended<'l>> + Send + 'l>>;

impl Session {
    /// Applies a piece, by the lane of each of its rows.
    pub(super) async fn load_apart(
        &mut self,
        group: Group<'_>,
        rows: &[u16],
        lease: &Lease,
    ) -> Result<u64, MySqlLoadError> {
        let lanes = self.lane_count();
        let shares = share(group.transactions, rows, lanes);
        let source_time = group.transactions.last().map(|last| last.committed_at);
        let advance = Advance { through: group.through, source_time };
        let (busy, idle): (Vec<_>, Vec<_>) =
            (0..).zip(&shares).partition(|(_, share)| !share.transactions.is_empty());
        let is_idle = |lane| idle.iter().any(|(other, _)| *other == lane);
        let mut held: Vec<_> =
            busy.iter().map(|(lane, _)| self.held.only(|it| it == *lane)).collect();
        let mut transactions: Vec<_> =
            busy.iter().map(|(_, Share { transactions })| transactions.as_slice()).collect();
        if !idle.is_empty() {
            held.push(self.held.only(is_idle));
            transactions.push(&[]);
        }
        let works: Vec<_> = transactions
            .iter()
            .zip(&held)
            .map(|(transactions, held)| Work { transactions, advance, held })
            .collect();
        self.open_helpers(works.len(), lease).await?;
        let are_committed = Box::pin(self.run_works(&works, lease)).await?;
        let mut late = Vec::new();
        for (held, is_committed) in held.iter().zip(are_committed) {
            if is_committed {
                self.held.take_in(&held.after(1));
            } else {
                late.extend(held.lanes().map(|(lane, _)| lane));
            }
        }
        self.load_late(group, (rows, &late), lease).await?;
        self.position = Some(group.through.clone());
        Ok(row_count(group.transactions))
    }

    /// Runs all works to their ends; tells which are committed. An error ends the session.
    async fn run_works(
        &mut self,
        works: &[Work<'_>],
        lease: &Lease,
    ) -> Result<Vec<bool>, MySqlLoadError> {
        let (line, helpers, desk) = self.parts();
        let mut idle: VecDeque<&mut Line> = std::iter::once(line).chain(helpers).collect();
        let mut are_committed = vec![false; works.len()];
        let mut doing: FuturesUnordered<Doing<'_>> = FuturesUnordered::new();
        let mut next = works.iter().enumerate();
        loop {
            while !idle.is_empty()
                && let Some((index, work)) = next.next()
                && let Some(line) = idle.pop_front()
            {
                doing.push(Box::pin(async move {
                    let outcome = apply(desk, line, *work, lease).await;
                    (index, line, outcome)
                }));
            }
            let Some((index, line, outcome)) = doing.next().await else { return Ok(are_committed) };
            if let (Some(is_committed), true) = (are_committed.get_mut(index), outcome?) {
                *is_committed = true;
            }
            idle.push_back(line);
        }
    }

    /// Applies what late lanes have of a piece, all of them together and in source order: none of
    /// them can be in another's way, and the first row that is refused is told.
    async fn load_late(
        &mut self,
        group: Group<'_>,
        (rows, late): (&[u16], &[u16]),
        lease: &Lease,
    ) -> Result<(), MySqlLoadError> {
        if late.is_empty() {
            return Ok(());
        }
        let wanted = wanted_rows(group.transactions, rows, |lane| late.contains(&lane));
        self.load_wanted(group, &wanted, late, lease).await.map(drop)
    }

    /// Applies the wanted rows of some transactions, by the ways of strict mode, and moves these
    /// lanes with them.
    pub(super) async fn load_wanted(
        &mut self,
        group: Group<'_>,
        wanted: &[Vec<bool>],
        lanes: &[u16],
        lease: &Lease,
    ) -> Result<u64, MySqlLoadError> {
        let is_wanted = |index: usize, row: usize| {
            wanted.get(index).and_then(|rows| rows.get(row)).copied().unwrap_or(false)
        };
        let transactions: Vec<_> = group
            .transactions
            .iter()
            .enumerate()
            .map(|(index, transaction)| only(transaction, |row| is_wanted(index, row)))
            .collect();
        let mut all = self.held.clone();
        self.held = all.only(|lane| lanes.contains(&lane));
        let was_apart = std::mem::replace(&mut self.is_apart, true);
        let wanted = Group { transactions: &transactions, through: group.through };
        let outcome = self.load_in_order(wanted, lease).await;
        self.is_apart = was_apart;
        // Whatever became of these lanes, the others stand as they stood.
        all.take_in(&self.held);
        self.held = all;
        outcome.map_err(|error| renumber(error, group.transactions, is_wanted))
    }

    async fn load_in_order(
        &mut self,
        group: Group<'_>,
        lease: &Lease,
    ) -> Result<u64, MySqlLoadError> {
        let mut rows = 0;
        for (transactions, through) in self.cut(group)? {
            rows += self.load_group(Group { transactions, through: &through }, lease).await?;
        }
        Ok(rows)
    }
}

/// Which rows of each transaction belong to wanted lanes.
pub(super) fn wanted_rows(
    transactions: &[Transaction],
    rows: &[u16],
    is_wanted: impl Fn(u16) -> bool,
) -> Vec<Vec<bool>> {
    let mut rest = rows;
    let mut wanted = Vec::with_capacity(transactions.len());
    for transaction in transactions {
        let (lanes, behind) = rest.split_at(transaction.row_count().min(rest.len()));
        rest = behind;
        wanted.push(lanes.iter().map(|lane| is_wanted(*lane)).collect());
    }
    wanted
}

/// Gives the refused row its number in the source's transaction, of which only the wanted rows were
/// applied.
pub(super) fn renumber(
    mut error: MySqlLoadError,
    transactions: &[Transaction],
    is_wanted: impl Fn(usize, usize) -> bool,
) -> MySqlLoadError {
    if let MySqlLoadError::Refused { place, .. } = &mut error {
        let of = transactions.iter().enumerate().find(|(_, it)| it.start == place.start);
        if let Some((index, transaction)) = of {
            place.ordinal = ordinal_of(transaction, place.ordinal, |row| is_wanted(index, row));
        }
    }
    error
}

/// Tries a work until it is committed; `false` where it is refused or the tries are used up, with
/// nothing open.
async fn apply(
    desk: Desk<'_>,
    line: &mut Line,
    work: Work<'_>,
    lease: &Lease,
) -> Result<bool, MySqlLoadError> {
    for attempt in 0..desk.options.contention_tries.max(1) {
        match apply_once(desk, line, work, lease).await {
            Ok(()) => return Ok(true),
            Err(Setback::Stop(error)) => return Err(error),
            Err(Setback::Refused(_)) => {
                line.roll_back().await?;
                return Ok(false);
            }
            Err(Setback::Contention) => {
                line.roll_back().await?;
                tracing::debug!(attempt, "a lane met a lock and is tried again");
                tokio::time::sleep(pause_before(attempt)).await;
            }
        }
    }
    Ok(false)
}

/// The mark first, the lane's checkpoint last, every answer checked, and only then the commit.
async fn apply_once(
    desk: Desk<'_>,
    line: &mut Line,
    work: Work<'_>,
    lease: &Lease,
) -> Result<(), Setback> {
    require_held(lease)?;
    let Work { transactions, advance, held } = work;
    let Some(first) = transactions.first() else {
        return desk.move_and_commit(line, work.transactions, (advance, held), lease).await;
    };
    desk.begin_script(line, first);
    desk.execute(line, transactions, Detail::Compacted, Some((advance, held)), lease).await?;
    commit(line, lease).await?;
    Ok(())
}
