//! A group: whole transactions that one target transaction applies.

use std::time::Duration;

use otter_core::{Event, Lease, Part, Position, Transaction};

use super::error::MySqlLoadError;
use super::line::{Refusal, Setback, require_held};
use super::plan::Detail;
use super::session::{Advance, Session};

/// The longest pause before a group is tried again; deadlocks pass within milliseconds.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Whole transactions with the position behind them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group<'a> {
    /// Never empty, and all of one origin.
    pub(super) transactions: &'a [Transaction],
    pub(super) through: &'a Position,
}

impl Session {
    /// Applies and commits a group. Where a row is refused, it is held, or the transactions before
    /// its own are committed and the error names it.
    pub(super) async fn load_group(
        &mut self,
        group: Group<'_>,
        lease: &Lease,
    ) -> Result<u64, MySqlLoadError> {
        if self.quarantine.is_idle() {
            return self.load_joined(group, lease).await;
        }
        let mut rows = 0;
        let mut rest = group.transactions;
        while let Some(first) = rest.first() {
            // What is held changes what waits, so that one is looked at after the other.
            let waits = self.waits(first);
            let free = rest.iter().take_while(|one| !self.waits(one));
            let length = if waits { 1 } else { free.count() };
            let (transactions, behind) = rest.split_at(length);
            rest = behind;
            let through = if behind.is_empty() {
                group.through.clone()
            } else {
                self.position_behind(transactions, group.through)?
            };
            let piece = Group { transactions, through: &through };
            rows += if waits {
                self.load_carefully(piece, lease).await?
            } else {
                self.load_joined(piece, lease).await?
            };
        }
        Ok(rows)
    }

    /// Applies and commits a group of which nothing waits behind held rows.
    async fn load_joined(
        &mut self,
        group: Group<'_>,
        lease: &Lease,
    ) -> Result<u64, MySqlLoadError> {
        let mut refused = None;
        if row_count(group.transactions) > 1 {
            match self.try_group(group, Detail::Compacted, lease).await? {
                Ok(rows) => return Ok(rows),
                Err(refusal) => refused = refusal.by_load.then_some(refusal.of.table),
            }
        }
        match self.try_group(group, Detail::Joined, lease).await? {
            Ok(rows) => {
                self.stop_loading(refused);
                Ok(rows)
            }
            // One row of the only transaction: nothing could be told more exactly.
            Err(refusal)
                if refusal.of.rows == 1
                    && group.transactions.len() == 1
                    && self.holds(&refusal.reason) =>
            {
                self.load_carefully(group, lease).await
            }
            Err(refusal) if refusal.of.rows == 1 && group.transactions.len() == 1 => {
                Err(self.name_row(refusal, group.transactions))
            }
            Err(_) => self.load_singly(group, lease).await,
        }
    }

    /// Leaves `LOAD DATA` aside for a table whose rows pass by INSERT and did not pass before: it may
    /// have warned of what is no fault.
    pub(super) fn stop_loading(&mut self, table: Option<usize>) {
        let Some(table) = table else { return };
        if let Some(plan) = self.tables.plan(table) {
            tracing::warn!(
                table = %plan.source.name,
                "LOAD DATA warned about rows that an INSERT takes; from now on they are inserted"
            );
        }
        self.tables.stop_loading(table);
    }

    /// Applies the transactions one by one, each row by a statement of its own.
    async fn load_singly(
        &mut self,
        group: Group<'_>,
        lease: &Lease,
    ) -> Result<u64, MySqlLoadError> {
        let mut rows = 0;
        for (index, transaction) in group.transactions.iter().enumerate() {
            let alone = std::slice::from_ref(transaction);
            let through = if index + 1 == group.transactions.len() {
                group.through.clone()
            } else {
                self.position_behind(alone, group.through)?
            };
            let single = Group { transactions: alone, through: &through };
            if self.waits(transaction) {
                rows += self.load_carefully(single, lease).await?;
                continue;
            }
            match self.try_group(single, Detail::SingleRows, lease).await? {
                Ok(more) => rows += more,
                Err(refusal) if self.holds(&refusal.reason) => {
                    rows += self.load_carefully(single, lease).await?;
                }
                Err(refusal) => return Err(self.name_row(refusal, alone)),
            }
        }
        Ok(rows)
    }

    /// The position behind transactions that follow the committed position but do not end their
    /// batch, which goes to `through`.
    ///
    /// While an XA transaction waits for its decision, reading begins again before it: then only
    /// the applied place moves, by which a source skips what was applied.
    pub(super) fn position_behind(
        &self,
        transactions: &[Transaction],
        through: &Position,
    ) -> Result<Position, MySqlLoadError> {
        let position = self.position.clone().ok_or(MySqlLoadError::NotBegun)?;
        position_behind(position, transactions, through)
    }

    /// Cuts transactions into groups of about so many rows; each has the position behind it.
    pub(super) fn cut<'t>(
        &self,
        group: Group<'t>,
    ) -> Result<Vec<(&'t [Transaction], Position)>, MySqlLoadError> {
        let mut position = self.position.clone().ok_or(MySqlLoadError::NotBegun)?;
        let mut groups = Vec::new();
        let mut rest = group.transactions;
        while !rest.is_empty() {
            let mut rows = 0;
            let mut first = true;
            // Each copied one has a record of its own.
            let stays_alone = rest.first().is_some_and(|one| one.part == Part::Copied);
            let is_open = |transaction: &&Transaction| {
                let joins = !stays_alone
                    && transaction.part != Part::Copied
                    && (rows == 0 || rows + transaction.row_count() <= self.rows_per_group);
                let is_open = std::mem::take(&mut first) || joins;
                rows += transaction.row_count();
                is_open
            };
            let (piece, behind) = rest.split_at(rest.iter().take_while(is_open).count().max(1));
            rest = behind;
            position = if rest.is_empty() {
                group.through.clone()
            } else {
                position_behind(position, piece, group.through)?
            };
            groups.push((piece, position.clone()));
        }
        Ok(groups)
    }

    /// Tries a group until it passes, is refused, or the tries are used up. No target transaction
    /// is open afterwards.
    pub(super) async fn try_group(
        &mut self,
        group: Group<'_>,
        detail: Detail,
        lease: &Lease,
    ) -> Result<Result<u64, Refusal>, MySqlLoadError> {
        let tries = self.options.contention_tries.max(1);
        for attempt in 0..tries {
            match self.attempt(group, detail, lease).await {
                Ok(rows) => return Ok(Ok(rows)),
                Err(Setback::Stop(error)) => return Err(error),
                Err(Setback::Refused(refusal)) => {
                    self.rollback().await?;
                    self.require_claim().await?;
                    return Ok(Err(refusal));
                }
                Err(Setback::Contention) => {
                    self.rollback().await?;
                    pause_for_contention(attempt).await;
                }
            }
        }
        Err(MySqlLoadError::Contention { tries })
    }

    /// One attempt: the mark first, the checkpoint last, every answer checked, and only then the
    /// commit (TXN-1).
    async fn attempt(
        &mut self,
        group: Group<'_>,
        detail: Detail,
        lease: &Lease,
    ) -> Result<u64, Setback> {
        require_held(lease)?;
        let (Some(first), Some(last)) = (group.transactions.first(), group.transactions.last())
        else {
            return Err(MySqlLoadError::Malformed { what: "a group is empty" }.into());
        };
        self.begin_script(first);
        let advance = Advance { through: group.through, source_time: Some(last.committed_at) };
        self.execute(group.transactions, detail, Some(advance), lease).await?;
        self.commit(group.through, lease).await?;
        Ok(row_count(group.transactions))
    }
}

/// Waits before a group is tried again.
pub(super) async fn pause_for_contention(attempt: u32) {
    tracing::debug!(attempt, "a group met a lock and is tried again");
    tokio::time::sleep(pause_before(attempt)).await;
}

/// How long to wait after so many failed tries and one: the second goes at once, later ones let the
/// other side finish.
pub(crate) fn pause_before(attempt: u32) -> Duration {
    Duration::from_millis(u64::from(attempt.saturating_mul(attempt))).min(LONGEST_PAUSE)
}

/// The position behind transactions that follow a position.
fn position_behind(
    mut position: Position,
    transactions: &[Transaction],
    through: &Position,
) -> Result<Position, MySqlLoadError> {
    let moves_both = position.is_settled() && through.is_settled();
    for transaction in transactions.iter().filter(|one| one.part != Part::Copied) {
        let end = transaction.end.as_ref().ok_or(MySqlLoadError::Malformed {
            what: "a whole transaction does not say where it ends",
        })?;
        position.applied_through.advance(end);
        if moves_both {
            position.resume_from.advance(end);
        }
    }
    Ok(position)
}

/// How many rows the source has changed, whatever is left to do of it.
/// Whether it tells how far copies of tables are.
pub(super) fn has_copy_steps(transaction: &Transaction) -> bool {
    transaction.events.iter().any(|event| matches!(event, Event::Copy(_)))
}

pub(super) fn row_count(transactions: &[Transaction]) -> u64 {
    transactions
        .iter()
        .map(|transaction| u64::try_from(transaction.row_count()).unwrap_or(u64::MAX))
        .fold(0, u64::saturating_add)
}
