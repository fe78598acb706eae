//! Where printing ends: at a place, behind a set of GTIDs, at a time.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use otter_core::{GtidSet, Place, Position, SourceTime, Start, Transaction};
use tokio::time::{Instant, sleep_until};

/// Reads what `--until` says.
///
/// # Errors
/// Where it is neither `now`, a place, nor a time.
pub(crate) fn parse_until(text: &str) -> Result<Start, String> {
    match text
        .parse()
        .map_err(|error: otter_core::position::ParsePositionError| error.to_string())?
    {
        Start::Earliest => Err("nothing lies before the earliest: write now, FILE:OFFSET, a GTID \
                                set, or a time as 2026-11-21T07:00:00Z"
            .to_owned()),
        until @ (Start::Now | Start::At(_) | Start::Since(_)) => Ok(until),
    }
}

/// What becomes of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    Print,
    /// It is none of the set, but others that follow may be.
    Skip,
    Stop,
}

/// The end; none at all where nothing is set.
#[derive(Debug, Default)]
pub(super) struct End {
    /// Everything wanted lies before this place.
    place: Option<Place>,
    /// Everything wanted was committed before this time.
    time: Option<SourceTime>,
    /// When the time comes by this machine's clock, until it has come.
    due: Option<Instant>,
}

/// Whether all of a set was read cannot be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Incomparable {
    /// Nothing is known of what came before the start.
    Unknown,
    /// MySQL's and MariaDB's.
    OtherKind,
}

impl fmt::Display for Incomparable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => {
                "--until: whether all of a GTID set was read cannot be told where reading begins \
                 at a file and offset: begin with --from earliest, GTIDS or a time, or end at \
                 FILE:OFFSET"
            }
            Self::OtherKind => {
                "--until: the GTID set is of MySQL and the binlog of MariaDB, or the other way \
                 round"
            }
        })
    }
}

impl End {
    /// The end that is known before reading. `now` must be [settled](Self::settle).
    pub(super) fn of(until: Option<&Start>) -> Self {
        match until {
            Some(Start::At(place)) => Self { place: Some(place.clone()), ..Self::default() },
            Some(Start::Since(time)) => {
                let due = Some(Instant::now() + duration_until(*time));
                Self { time: Some(*time), due, ..Self::default() }
            }
            Some(Start::Now | Start::Earliest) | None => Self::default(),
        }
    }

    /// Sets the place where the source ends.
    pub(super) fn settle(&mut self, place: Place) {
        self.place = Some(place);
        self.due = None;
    }

    /// Waits until the time has come by this machine's clock. Cancel safe.
    pub(super) async fn time_comes(&self) {
        match self.due {
            Some(due) => sleep_until(due).await,
            None => std::future::pending().await,
        }
    }

    /// Whether what follows a position can be compared with the end.
    pub(super) fn check(&self, position: &Position) -> Result<(), Incomparable> {
        let Some(Place { gtids: Some(set), file: None, .. }) = &self.place else { return Ok(()) };
        if position.applied_through.gtids.is_none() && matches!(set, GtidSet::MySql(_)) {
            return Err(Incomparable::Unknown);
        }
        self.check_kind(position)
    }

    /// Whether the end is of the same kind of server, as far as that is known.
    pub(super) fn check_kind(&self, position: &Position) -> Result<(), Incomparable> {
        let set = self.place.as_ref().and_then(|place| place.gtids.as_ref());
        match (set, &position.applied_through.gtids) {
            (Some(set), Some(known)) if known.covers(set).is_none() => Err(Incomparable::OtherKind),
            _ => Ok(()),
        }
    }

    /// Whether everything before the end was read.
    pub(super) fn is_reached(&self, position: &Position) -> bool {
        let place = self.place.as_ref();
        place.is_some_and(|place| position.applied_through.covers(place) == Some(true))
    }

    /// What becomes of a transaction.
    pub(super) fn judge(&self, transaction: &Transaction) -> Judgement {
        if self.time.is_some_and(|time| transaction.committed_at >= time) {
            return Judgement::Stop;
        }
        let Some(place) = &self.place else { return Judgement::Print };
        match (&place.gtids, &transaction.gtid, &place.file) {
            (Some(set), Some(gtid), _) if set.contains(gtid) => Judgement::Print,
            (Some(_), Some(_), _) => Judgement::Skip,
            (_, _, Some(file)) if transaction.start.covers(file) == Some(true) => Judgement::Stop,
            _ => Judgement::Print,
        }
    }
}

fn duration_until(time: SourceTime) -> Duration {
    #[allow(clippy::disallowed_methods, reason = "a person names a time of the wall clock")]
    let now = SystemTime::now();
    let time = UNIX_EPOCH + Duration::from_micros(time.0);
    time.duration_since(now).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use otter_core::{FilePlace, Part};

    use super::*;

    fn transaction(gtid: &str, offset: u64, second: u64) -> Transaction {
        Transaction {
            gtid: gtid.parse().ok(),
            start: FilePlace::new("b.000001", offset),
            committed_at: SourceTime::from_seconds(second),
            origin: None,
            part: Part::Whole,
            rows_before: 0,
            events: Vec::new(),
            end: None,
        }
    }

    fn end(until: &str) -> End {
        End::of(Some(&parse_until(until).unwrap()))
    }

    #[test]
    fn a_transaction_is_judged_by_set_place_or_time() {
        let [before, at] = [transaction("0-1-5", 100, 10), transaction("0-1-6", 200, 20)];
        for (until, judged) in [
            ("0-1-5", Judgement::Skip),
            ("b.000001:200", Judgement::Stop),
            ("1970-01-01T00:00:20Z", Judgement::Stop),
        ] {
            let end = end(until);
            assert_eq!((end.judge(&before), end.judge(&at)), (Judgement::Print, judged), "{until}");
        }
        assert_eq!(End::default().judge(&at), Judgement::Print);
        assert!(parse_until("earliest").is_err() && parse_until("soon").is_err());
    }

    #[test]
    fn the_end_is_reached_where_a_position_covers_it() {
        let at = |place: &str| Position::at(None, place.parse().unwrap());
        assert!(end("0-1-5").is_reached(&at("mariadb-gtid=0-1-7;file=b.000001:9")));
        assert!(!end("0-1-9").is_reached(&at("mariadb-gtid=0-1-7;file=b.000001:9")));
        assert!(end("b.000001:9").is_reached(&at("mariadb-gtid=0-1-7;file=b.000001:9")));
        assert!(!End::default().is_reached(&at("b.000001:9")));
        let set = "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5";
        assert_eq!(end(set).check(&at("b.000001:9")), Err(Incomparable::Unknown));
        assert_eq!(end(set).check(&at("0-1-5")), Err(Incomparable::OtherKind));
        assert_eq!(end("0-1-5").check(&at("b.000001:9")), Ok(()));
    }
}
