//! A place between two transactions in a source's history.
//!
//! A place knows its GTID set, its file and offset, or both, and how to recognise the last
//! transaction before it, so that a source that was reset or replaced is noticed. Places are
//! partially ordered: two histories may have diverged, so there is `covers` and no `Ord`.

mod distance;
mod gtid;
mod text;

use std::fmt;
use std::sync::Arc;

pub use distance::Distance;
pub use gtid::{Gtid, GtidSet, MariaDbGtids, MySqlGtids};
pub use text::ParsePositionError;

use crate::batch::TransactionEnd;

/// An offset in a binlog file. Offsets have 64 bits, though servers print 32.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FilePlace {
    /// The file's name without a folder: `mysql-bin.000003`.
    pub file: Arc<str>,
    /// The offset in bytes of the next event.
    pub offset: u64,
}

/// What the last transaction before a place looked like, so that it can be recognised when it
/// is read again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    /// Where its first event begins.
    pub start: FilePlace,
    /// Its GTID, where it had one.
    pub gtid: Option<Gtid>,
    /// The time in its last event's header: seconds since 1970.
    pub timestamp: u32,
    /// The id of the server that wrote it first.
    pub server_id: u32,
    /// The CRC-32 of its last event without the checksum bytes.
    pub checksum: u32,
}

/// A place between two transactions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// The transactions before it, where the source has GTIDs.
    pub gtids: Option<GtidSet>,
    /// The file and offset of the next transaction, where they are known.
    pub file: Option<FilePlace>,
    /// The last transaction before it; unknown where nothing has been read yet.
    pub last: Option<Fingerprint>,
}

/// How far a pipeline has come in its source's history.
///
/// The two places differ while an XA transaction waits for its decision: its rows must be read
/// again after a restart, while later transactions are already applied.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Position {
    /// The source's identity (`server_uuid` on MySQL); `None` where the source has none.
    pub source: Option<Arc<str>>,
    /// Where reading begins again.
    pub resume_from: Place,
    /// What is applied already.
    pub applied_through: Place,
}

impl FilePlace {
    /// Makes a place from its parts.
    pub fn new(file: impl Into<Arc<str>>, offset: u64) -> Self {
        Self { file: file.into(), offset }
    }

    /// Becomes the other place, which is in the same file nearly always.
    fn move_to(&mut self, other: &Self) {
        if !Arc::ptr_eq(&self.file, &other.file) {
            self.file = Arc::clone(&other.file);
        }
        self.offset = other.offset;
    }

    /// Whether this place is at or behind `other`; `None` where the files are not of one series.
    #[must_use]
    pub fn covers(&self, other: &Self) -> Option<bool> {
        let (base, number) = split_series(&self.file)?;
        let (other_base, other_number) = split_series(&other.file)?;
        (base == other_base).then_some((number, self.offset) >= (other_number, other.offset))
    }
}

/// `mysql-bin.000003` as its base and number. Numbers go on past 999999, so names do not sort.
fn split_series(file: &str) -> Option<(&str, u64)> {
    let (base, number) = file.rsplit_once('.')?;
    Some((base, number.parse().ok()?))
}

impl Place {
    /// A place known by its GTID set only.
    #[must_use]
    pub fn from_gtids(gtids: GtidSet) -> Self {
        Self { gtids: Some(gtids), file: None, last: None }
    }

    /// A place known by its file and offset only.
    #[must_use]
    pub fn from_file(file: FilePlace) -> Self {
        Self { gtids: None, file: Some(file), last: None }
    }

    /// Whether everything before `other` is before this place too; `None` where the two cannot
    /// be compared, because they know different things or their histories have diverged.
    #[must_use]
    pub fn covers(&self, other: &Self) -> Option<bool> {
        match (&self.gtids, &other.gtids) {
            (Some(ours), Some(theirs)) => ours.covers(theirs),
            _ => self.file.as_ref()?.covers(other.file.as_ref()?),
        }
    }

    /// Moves past one transaction, and what was passed in front of it.
    pub fn advance(&mut self, end: &TransactionEnd) {
        if let Some(passed) = &end.passed {
            match &mut self.gtids {
                Some(gtids) => gtids.extend(passed),
                none => *none = Some(passed.clone()),
            }
        }
        if let Some(gtid) = &end.gtid {
            match &mut self.gtids {
                Some(gtids) => gtids.insert(gtid),
                none => *none = Some(GtidSet::single(gtid)),
            }
        }
        match &mut self.file {
            Some(file) => file.move_to(&end.end),
            none => *none = Some(end.end.clone()),
        }
        let Some(last) = &mut self.last else {
            self.last = Some(Fingerprint {
                start: end.start.clone(),
                gtid: end.gtid.clone(),
                timestamp: end.timestamp,
                server_id: end.server_id,
                checksum: end.checksum,
            });
            return;
        };
        last.start.move_to(&end.start);
        last.gtid.clone_from(&end.gtid);
        last.timestamp = end.timestamp;
        last.server_id = end.server_id;
        last.checksum = end.checksum;
    }
}

impl Position {
    /// A position whose two places are one.
    #[must_use]
    pub fn at(source: Option<Arc<str>>, place: Place) -> Self {
        Self { source, resume_from: place.clone(), applied_through: place }
    }

    /// Whether reading begins again where applying ends: no XA transaction waits in between.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.resume_from == self.applied_through
    }

    /// Moves past one transaction.
    pub fn advance(&mut self, end: &TransactionEnd) {
        self.resume_from.advance(end);
        self.applied_through.advance(end);
    }

    /// Whether what `other` has applied is applied here too; `None` where they cannot be compared.
    #[must_use]
    pub fn covers(&self, other: &Self) -> Option<bool> {
        self.applied_through.covers(&other.applied_through)
    }
}

impl fmt::Display for FilePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.offset)
    }
}

impl fmt::Display for Position {
    /// Writes where the pipeline stands, for people: the applied place.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.applied_through.gtids, &self.applied_through.file) {
            (Some(gtids), Some(file)) => write!(f, "{gtids} at {file}"),
            (Some(gtids), None) => gtids.fmt(f),
            (None, Some(file)) => file.fmt(f),
            (None, None) => f.write_str("the beginning"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_places_compare_by_number_not_by_name() {
        let place = |file: &str, offset| FilePlace::new(file, offset);
        assert_eq!(place("b.1000000", 4).covers(&place("b.999999", 9_000)), Some(true));
        assert_eq!(place("b.999999", 9_000).covers(&place("b.1000000", 4)), Some(false));
        assert_eq!(place("b.000001", 4).covers(&place("c.000001", 4)), None);
    }

    #[test]
    fn advancing_moves_the_gtids_the_file_and_the_fingerprint() {
        let gtid: Gtid = "0-1-7".parse().unwrap();
        let mut position = Position::default();
        position.advance(&TransactionEnd {
            passed: None,
            gtid: Some(gtid.clone()),
            start: FilePlace::new("b.000001", 100),
            end: FilePlace::new("b.000001", 300),
            timestamp: 5,
            server_id: 1,
            checksum: 9,
        });
        assert_eq!(position.resume_from, position.applied_through);
        assert_eq!(position.to_string(), "0-1-7 at b.000001:300");
        assert_eq!(position.applied_through.last.unwrap().start.offset, 100);
    }
}
