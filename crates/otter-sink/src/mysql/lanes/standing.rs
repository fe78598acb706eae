//! Where the lanes of a checkpoint stand, and which transactions each of them has.
//!
//! Pure. All lanes stand between two transactions of one history, so that of any two one covers the
//! other; where they do not, somebody else has written them.

use otter_core::{Place, Position, Transaction};

use crate::mysql::store::{FORMAT, FORMAT_OF_LANES, StoredCheckpoint};

/// The positions of all lanes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    /// By lane. Invariant: never empty, and of any two one covers the other.
    positions: Vec<Position>,
}

impl Standing {
    /// Reads the rows of a checkpoint, ordered by lane; `None` for one that has not begun.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn of(rows: &[StoredCheckpoint]) -> Result<Option<Self>, String> {
        let Some(first) = rows.first() else { return Ok(None) };
        let format = if rows.len() == 1 { FORMAT } else { FORMAT_OF_LANES };
        for (lane, row) in (0..).zip(rows) {
            if row.format > format {
                return Err("a newer version has written it".to_owned());
            }
            if row.lane != lane || row.format != format {
                return Err("it is not one of lane 0, nor one of all lanes from 0 on".to_owned());
            }
            let claim =
                |row: &StoredCheckpoint| (row.arbiter.clone(), row.term, row.holder.clone());
            if claim(row) != claim(first) {
                return Err("its lanes belong to different holders".to_owned());
            }
        }
        let mut positions = Vec::with_capacity(rows.len());
        for row in rows {
            match row.position()? {
                Some(position) => positions.push(position),
                None if rows.len() == 1 => return Ok(None),
                None => return Err("one of its lanes has no position".to_owned()),
            }
        }
        let mut rest = positions.as_slice();
        while let Some((position, others)) = rest.split_first() {
            if others.iter().any(|other| !is_chain(position, other)) {
                return Err("its lanes stand in different histories".to_owned());
            }
            rest = others;
        }
        Ok(Some(Self { positions }))
    }

    /// From where everything must be read again that one lane or another lacks.
    pub(crate) fn least(&self) -> Option<&Position> {
        self.positions
            .iter()
            .reduce(|least, other| if is_behind(other, least) { other } else { least })
    }

    /// How far one lane at least has come.
    pub(crate) fn furthest(&self) -> Option<&Position> {
        self.positions
            .iter()
            .reduce(|most, other| if is_behind(most, other) { other } else { most })
    }

    /// Whether some lane has what another one lacks.
    pub(crate) fn differ(&self) -> bool {
        self.positions
            .iter()
            .any(|position| self.positions.iter().any(|other| position.covers(other) != Some(true)))
    }

    /// The lanes that lack a transaction; `None` where that cannot be told.
    pub(crate) fn lanes_without(&self, transaction: &Transaction) -> Option<Vec<u16>> {
        self.lanes_that(|position| has(&position.applied_through, transaction).map(|has| !has))
    }

    /// The lanes that do not cover a position; `None` where that cannot be told.
    pub(crate) fn lanes_behind(&self, through: &Position) -> Option<Vec<u16>> {
        self.lanes_that(|position| position.covers(through).map(|covers| !covers))
    }

    /// Whether one of these lanes has what a position does not cover.
    pub(crate) fn would_lose(&self, lanes: &[u16], at: &Position) -> bool {
        let of = |lane: &u16| self.positions.get(usize::from(*lane));
        lanes.iter().filter_map(of).any(|position| at.covers(position) != Some(true))
    }

    fn lanes_that(&self, is_wanted: impl Fn(&Position) -> Option<bool>) -> Option<Vec<u16>> {
        let mut lanes = Vec::new();
        for (lane, position) in (0..).zip(&self.positions) {
            if is_wanted(position)? {
                lanes.push(lane);
            }
        }
        Some(lanes)
    }

    /// The same with these lanes at another place.
    pub(crate) fn with(mut self, lanes: &[u16], at: &Position) -> Self {
        for lane in lanes {
            if let Some(position) = self.positions.get_mut(usize::from(*lane)) {
                position.clone_from(at);
            }
        }
        self
    }
}

fn is_chain(one: &Position, other: &Position) -> bool {
    one.covers(other) == Some(true) || other.covers(one) == Some(true)
}

/// Whether `one` stands before `other`, or at the same place and reading begins earlier.
fn is_behind(one: &Position, other: &Position) -> bool {
    if one.covers(other) != Some(true) {
        return true;
    }
    other.covers(one) == Some(true) && one.resume_from.covers(&other.resume_from) == Some(false)
}

/// Whether a transaction is before a place. Its GTID tells that, or where it ends; of the first
/// fragments of one without a GTID only the beginning is known, behind which no lane can stand
/// without having all of it.
fn has(place: &Place, transaction: &Transaction) -> Option<bool> {
    if let (Some(gtids), Some(gtid)) = (&place.gtids, &transaction.gtid) {
        return Some(gtids.contains(gtid));
    }
    let file = place.file.as_ref()?;
    match &transaction.end {
        Some(end) => file.covers(&end.end),
        None => Some(file.covers(&transaction.start)? && *file != transaction.start),
    }
}

#[cfg(test)]
mod tests;
