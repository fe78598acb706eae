//! Rows that a table of the target holds before its copy begins go in parts.
//!
//! One DELETE of a large table takes longer than an answer may, and a server that rolls it back
//! leaves nothing done. Each part is a target transaction of its own, with the mark and with a move
//! of the checkpoint to where it stands: whoever is fenced deletes nothing (FENCE-1). What an
//! interruption leaves is deleted by the next attempt, which finds rows again.
//!
//! Nothing of the source is in such a table yet: what the stream brings of it is left out until its
//! copy begins.

use std::time::Duration;

use otter_core::{CopyStep, Event, Lease, Position, TableName, Transaction};
use tokio::time::Instant;

use super::error::MySqlLoadError;
use super::group::pause_for_contention;
use super::line::{Setback, require_held};
use super::names::qualified;
use super::plan::Expect;
use super::session::{Advance, Session};

/// The rows of the first part.
const FEWEST: u64 = 1_000;
/// The rows of the largest part.
const MOST: u64 = 64_000;
/// A part that takes less is followed by a larger one.
const SHORT: Duration = Duration::from_millis(500);
/// A part that takes longer is followed by a smaller one.
const LONG: Duration = Duration::from_secs(2);

impl Session {
    /// Empties the tables whose copy begins with this transaction.
    pub(super) async fn empty_tables(
        &mut self,
        transaction: &Transaction,
        lease: &Lease,
    ) -> Result<(), MySqlLoadError> {
        for event in &transaction.events {
            let Event::Copy(CopyStep::Table { emptied, .. }) = event else { continue };
            for table in emptied.iter() {
                self.empty_table(transaction, table, lease).await?;
            }
        }
        Ok(())
    }

    async fn empty_table(
        &mut self,
        transaction: &Transaction,
        table: &TableName,
        lease: &Lease,
    ) -> Result<(), MySqlLoadError> {
        let position = self.position.clone().ok_or(MySqlLoadError::NotBegun)?;
        let name = qualified(&table.database, &table.table);
        tracing::info!(%table, "a table of the target is emptied before its copy begins");
        let (mut parts, mut rows, mut most) = (0_u64, 0_u64, FEWEST);
        loop {
            // The other connections have nothing to do meanwhile.
            self.keep_alive(lease).await?;
            let begun = Instant::now();
            let text = format!("DELETE FROM {name} LIMIT {most}");
            let deleted = self.delete_part(transaction, &text, &position, lease).await?;
            parts += 1;
            rows = rows.saturating_add(deleted);
            if deleted < most {
                break;
            }
            most = next_part(most, begun.elapsed());
        }
        tracing::info!(%table, rows, parts, "a table of the target is empty");
        Ok(())
    }

    /// Deletes one part, again where it meets a lock; returns how many rows it had.
    async fn delete_part(
        &mut self,
        transaction: &Transaction,
        text: &str,
        position: &Position,
        lease: &Lease,
    ) -> Result<u64, MySqlLoadError> {
        let tries = self.options.contention_tries.max(1);
        for attempt in 0..tries {
            require_held(lease)?;
            match self.try_part(transaction, text, position, lease).await {
                Ok(deleted) => {
                    self.commit(position, lease).await?;
                    return Ok(deleted);
                }
                Err(Setback::Stop(error)) => return Err(error),
                // The statements are about no row of the source that could be refused.
                Err(Setback::Contention | Setback::Refused(_)) => {
                    self.rollback().await?;
                    pause_for_contention(attempt).await;
                }
            }
        }
        Err(MySqlLoadError::Contention { tries })
    }

    async fn try_part(
        &mut self,
        transaction: &Transaction,
        text: &str,
        position: &Position,
        lease: &Lease,
    ) -> Result<u64, Setback> {
        let held = self.held.clone();
        let (line, _, desk) = self.parts();
        desk.begin_script(line, transaction);
        // The copy brings rows that refer to these again.
        line.script.push(Expect::Nothing).push_str("SET SESSION foreign_key_checks=0");
        line.script.push(Expect::Counted).push_str(text);
        let advance = Advance { through: position, source_time: None };
        desk.push_advance(line, advance, &held);
        let deleted = line.run(lease, desk.known()).await?;
        line.checks_foreign_keys = false;
        Ok(deleted)
    }
}

/// How many rows the part has that follows one of so many rows.
fn next_part(rows: u64, took: Duration) -> u64 {
    if took < SHORT {
        rows.saturating_mul(2).min(MOST)
    } else if took > LONG {
        (rows / 2).max(FEWEST)
    } else {
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_grow_as_long_as_they_are_quick_and_shrink_again() {
        let mut rows = FEWEST;
        for _ in 0..20 {
            rows = next_part(rows, Duration::from_millis(10));
        }
        assert_eq!(rows, MOST);
        assert_eq!(next_part(rows, Duration::from_secs(1)), MOST);
        assert_eq!(next_part(rows, Duration::from_secs(5)), MOST / 2);
        assert_eq!(next_part(FEWEST, Duration::from_secs(30)), FEWEST);
    }
}
