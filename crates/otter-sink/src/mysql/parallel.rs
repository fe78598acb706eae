//! Groups that execute at once and commit in source order.
//!
//! Each group has a connection and a target transaction of its own. A group begins when its write
//! set shares nothing with those of the groups before it that are not committed; it commits when
//! all of them are, so that one row of the checkpoint suffices, and readers of the target see source
//! order (TXN-1).
//!
//! Whatever goes wrong with a younger group may come of an older one that is not committed yet: it
//! is rolled back, with all that are younger still, and tried again behind its predecessors. The
//! server may also make the older wait for a younger one, and cannot see that as a deadlock, since
//! the order of commits is ours: where the oldest takes much longer than groups do, the younger ones
//! that wait for it are rolled back.

mod run;
mod unit;

use std::time::Duration;

use otter_core::{Lease, Position, Transaction};
use tokio::time::Instant;

use super::connect;
use super::error::MySqlLoadError;
use super::group::{Group, row_count};
use super::line::{Line, require_held};
use super::plan::MOST_COMPACTED;
use super::session::Session;
use super::takeover::{hand_slot_over, lock_name};
use run::Run;
use unit::Units;

/// So many times the rows of a group may be joined where it has to wait anyway.
const MOST_JOINED: usize = 4;
/// Joined, groups have no more bytes than this, beyond which servers that replicate among themselves may
/// refuse a transaction; where one group has more, it stays alone.
const MOST_JOINED_BYTES: usize = 16 << 20;
/// How long nothing more is tried where a further connection was refused.
const HELPER_PAUSE: Duration = Duration::from_secs(60);
/// Transactions of about as many rows as a group has, with the position behind them.
type Cut<'t> = (&'t [Transaction], Position);

/// How a run of groups ended, with nothing open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Outcome {
    /// So many cuts are committed, the first ones.
    committed: usize,
    /// Whether the next one was refused or met a lock, and is not only to be tried again.
    is_refused: bool,
}

impl Session {
    /// Applies and commits transactions, in groups of which several execute at once where there are
    /// many rows.
    pub(super) async fn load_groups(
        &mut self,
        group: Group<'_>,
        lease: &Lease,
    ) -> Result<u64, MySqlLoadError> {
        let cuts = self.cut(group)?;
        let mut rows = 0;
        if cuts.len() < 2 || self.options.connections < 2 {
            for (transactions, through) in &cuts {
                rows += self.load_group(Group { transactions, through }, lease).await?;
            }
            return Ok(rows);
        }
        self.open_helpers(cuts.len(), lease).await?;
        let (mut cuts, mut rest) = (cuts.as_slice(), group.transactions);
        while !cuts.is_empty() {
            // Groups with rows that wait behind held ones go alone.
            let is_free = |cut: &&Cut<'_>| !cut.0.iter().any(|one| self.waits(one));
            let free = cuts.iter().take_while(is_free).count();
            let (at_once, _) = cuts.split_at(free);
            let outcome = Box::pin(self.run_groups(at_once, rest, lease)).await?;
            let (mut done, behind) = cuts.split_at(outcome.committed);
            rows += done.iter().map(|(transactions, _)| row_count(transactions)).sum::<u64>();
            if (outcome.is_refused || outcome.committed == free)
                && let Some((transactions, through)) = behind.first()
            {
                // Alone, behind all its predecessors: what is refused now is a finding.
                rows += Box::pin(self.load_group(Group { transactions, through }, lease)).await?;
                (done, _) = cuts.split_at(outcome.committed + 1);
            }
            let count = done.iter().map(|(transactions, _)| transactions.len()).sum();
            cuts = cuts.get(done.len()..).unwrap_or_default();
            rest = rest.get(count..).unwrap_or_default();
        }
        Ok(rows)
    }

    /// Opens connections for so many groups at once; each holds the named lock of its slot, so that
    /// whoever takes over finds and ends it.
    pub(super) async fn open_helpers(
        &mut self,
        groups: usize,
        lease: &Lease,
    ) -> Result<(), MySqlLoadError> {
        if self.no_helper_before.is_some_and(|pause| Instant::now() < pause) {
            return Ok(());
        }
        let most = usize::from(self.options.connections).min(groups).saturating_sub(1);
        while self.helpers.len() < most {
            match Box::pin(self.open_helper(lease)).await? {
                Ok(line) => self.helpers.push(line),
                Err(error) => {
                    // An account may have a limit; fewer connections do the same more slowly.
                    tracing::warn!(%error, "no further connection to the target");
                    self.no_helper_before = Some(Instant::now() + HELPER_PAUSE);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Opens one more connection; the inner error tells why the target has none.
    pub(super) async fn open_helper(
        &mut self,
        lease: &Lease,
    ) -> Result<Result<Line, MySqlLoadError>, MySqlLoadError> {
        require_held(lease)?;
        let slot = u16::try_from(self.helpers.len() + 1).unwrap_or(u16::MAX);
        let (url, times) = &self.target;
        let (mut conn, facts) = match Box::pin(connect::open(url, *times)).await {
            Ok(opened) => opened,
            Err(error) => return Ok(Err(error)),
        };
        let pipeline = lease.side().pipeline.as_str();
        let name = lock_name(self.store.schema(), pipeline, slot);
        hand_slot_over(&mut *self.line.conn, &mut *conn, &name).await?;
        Ok(Ok(Line::new(slot, conn, facts)))
    }

    /// Runs groups until all are committed, or until one must be tried again; then those before it
    /// are committed and those behind it are rolled back. The transactions begin with those of the
    /// cuts.
    async fn run_groups(
        &mut self,
        cuts: &[Cut<'_>],
        transactions: &[Transaction],
        lease: &Lease,
    ) -> Result<Outcome, MySqlLoadError> {
        let held = self.held.clone();
        let mut usual = self.usual_time;
        let times = (MOST_JOINED_BYTES / self.options.group_bytes.max(1)).min(MOST_JOINED);
        let most_rows = u64::try_from(self.rows_per_group.saturating_mul(times));
        let most_rows = most_rows.unwrap_or(u64::MAX).min(MOST_COMPACTED);
        let (line, helpers, desk) = self.parts();
        let lines = std::iter::once(line).chain(helpers).collect();
        let units = Units::new(cuts, transactions, most_rows);
        let mut run = Run::new((desk, lease, &held), units, lines, &mut usual);
        let outcome = run.finish().await;
        let done = run.done();
        drop(run);
        self.usual_time = usual;
        // What is committed is committed, whatever became of the others.
        self.held.advance(done.groups);
        if let Some((_, through)) = done.cuts.checked_sub(1).and_then(|last| cuts.get(last)) {
            self.position = Some(through.clone());
        }
        outcome.map(|is_refused| Outcome { committed: done.cuts, is_refused })
    }
}
