//! Fast mode: lanes that apply their rows beside each other, each with its own row of the
//! checkpoint.
//!
//! A row belongs to a lane by the hash of its key. Transactions are cut into pieces in which lanes
//! know nothing of each other (`cut`); each lane applies its rows of a piece as one target
//! transaction and moves its own checkpoint with it, and the next piece begins when all have
//! (`run`). Whatever has to do with several lanes is applied by the ways of strict mode, in target
//! transactions that move all lanes at once. So lanes differ only where a piece was interrupted:
//! then each makes up for what it lacks (`catch_up`) before anything else happens, and before
//! their number changes (`shape`).

mod catch_up;
mod cut;
mod hash;
mod place;
mod rules;
mod run;
mod shape;
mod split;
mod standing;
mod value;

use otter_core::{Lease, Position, Transaction};

use super::error::MySqlLoadError;
use super::group::Group;
use super::session::Session;
use cut::{Cutting, Piece};
pub(crate) use standing::Standing;
pub(super) use value::{Equality, push_value};

impl Session {
    /// Applies and commits transactions of one origin without schema changes; no lanes differ
    /// before and afterwards.
    pub(super) async fn load_pieces(
        &mut self,
        group: Group<'_>,
        lease: &Lease,
    ) -> Result<u64, MySqlLoadError> {
        let lanes = self.lane_count();
        let most_rows = self.rows_per_group.saturating_mul(usize::from(lanes));
        let mut cutting = Cutting::new(&self.tables, lanes, most_rows);
        let pieces = cutting.cut(group.transactions);
        let rules = cutting.rules();
        if pieces.iter().any(|piece| self.is_for_lanes(piece)) {
            self.note_rules(rules).await?;
        }
        let mut rows = 0;
        let mut rest = group.transactions;
        let mut pieces = pieces.into_iter().peekable();
        while let Some(piece) = pieces.next() {
            let (Piece::Apart(mut count, _) | Piece::Whole(mut count)) = piece;
            let lanes = match piece {
                Piece::Apart(_, lanes) if self.goes_in_lanes(&lanes) => Some(lanes),
                Piece::Apart(..) | Piece::Whole(_) => None,
            };
            // Strict mode needs no pieces, and is faster the more it has at once.
            while lanes.is_none()
                && let Some(next) = pieces.next_if(|next| !self.is_for_lanes(next))
            {
                let (Piece::Apart(more, _) | Piece::Whole(more)) = next;
                count += more;
            }
            let (transactions, behind) = rest.split_at(count);
            rest = behind;
            let through = self.place_behind(transactions, rest, group.through)?;
            let group = Group { transactions, through: &through };
            rows += match &lanes {
                Some(lanes) => Box::pin(self.load_apart(group, lanes, lease)).await?,
                None => Box::pin(self.load_groups(group, lease)).await?,
            };
        }
        Ok(rows)
    }

    fn is_for_lanes(&self, piece: &Piece) -> bool {
        match piece {
            Piece::Apart(_, lanes) => self.goes_in_lanes(lanes),
            Piece::Whole(_) => false,
        }
    }

    /// What one group holds is one target transaction, as it is in strict mode: several would only be
    /// slower.
    fn goes_in_lanes(&self, lanes: &[u16]) -> bool {
        lanes.len() > self.rows_per_group
    }

    /// How many lanes the checkpoint has.
    fn lane_count(&self) -> u16 {
        u16::try_from(self.held.count()).unwrap_or(u16::MAX)
    }

    /// The position behind transactions at the front of others that end at `through`.
    fn place_behind(
        &self,
        transactions: &[Transaction],
        rest: &[Transaction],
        through: &Position,
    ) -> Result<Position, MySqlLoadError> {
        if rest.is_empty() {
            Ok(through.clone())
        } else {
            self.position_behind(transactions, through)
        }
    }
}

pub(super) fn diverged(what: &'static str) -> MySqlLoadError {
    MySqlLoadError::LanesDiverged { what }
}
