//! From one number of lanes to another, which is also how the mode changes.
//!
//! Only where no lane has what another lacks: then the new lanes begin where the old ones ended.

use otter_core::Lease;

use crate::mysql::error::MySqlLoadError;
use crate::mysql::line::require_held;
use crate::mysql::options::Mode;
use crate::mysql::session::Session;
use crate::mysql::store::Held;

impl Session {
    /// Gives the checkpoint the lanes that the options want, unless lanes differ.
    pub(in crate::mysql) async fn reshape(&mut self, lease: &Lease) -> Result<(), MySqlLoadError> {
        let wanted = match self.options.mode {
            Mode::Strict => 1,
            Mode::Fast => self.options.connections.max(1),
        };
        let found = self.lane_count();
        if wanted == found || self.standing.is_some() || self.fragment.is_some() {
            return Ok(());
        }
        let Some(position) = &self.position else { return Ok(()) };
        require_held(lease)?;
        let conn = &mut *self.line.conn;
        if wanted > 1 {
            self.store.ensure_lanes(conn, &self.line.facts).await?;
        }
        // INVARIANT FENCE-1: under the lock nobody moves them, nor takes them over.
        let rows = self.store.lock(conn).await?;
        let is_ours = rows.iter().all(|row| {
            row.holder == self.claim.holder
                && row.term == self.claim.term
                && row.arbiter == self.claim.arbiter
        });
        let found_lanes = Held::new(rows.iter().map(|row| (row.lane, row.sequence)).collect());
        if !is_ours || found_lanes != self.held {
            return Err(MySqlLoadError::CheckpointMoved);
        }
        let sequence = rows.iter().map(|row| row.sequence).max().unwrap_or(0) + 1;
        require_held(lease)?;
        let text = self.store.shape_text(position, sequence, wanted);
        // INVARIANT EXACT-1: whatever goes wrong now, the next session finds one shape or the other.
        conn.query(&text).await.map_err(MySqlLoadError::plain)?;
        self.held = Held::new((0..wanted).map(|lane| (lane, sequence)).collect());
        tracing::info!(from = found, to = wanted, "the checkpoint has another number of lanes");
        Ok(())
    }
}
