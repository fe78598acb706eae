//! Where transactions begin and end.

use otter_core::{Batch, FilePlace, Fingerprint, Gtid, TransactionEnd};

use super::{Assembler, Seal};
use crate::event::RawEvent;
use crate::event::frame::Header;
use crate::event::gtid::{MariaDbGtidEvent, MariaDbRole, MySqlGtidEvent};
use crate::selector::draft::Draft;
use crate::selector::error::SelectError;

const MICROS: u64 = 1_000_000;

/// Compares the transaction that the source sent first with the one that was read last.
pub(super) fn recognise(expected: &Fingerprint, found: &TransactionEnd) -> Result<(), SelectError> {
    let same = expected.timestamp == found.timestamp
        && expected.server_id == found.server_id
        && expected.checksum == found.checksum
        && (expected.gtid.is_none() || found.gtid.is_none() || expected.gtid == found.gtid);
    if same {
        return Ok(());
    }
    let name = |gtid: &Option<Gtid>| gtid.as_ref().map_or("without GTID".into(), Gtid::to_string);
    Err(SelectError::OtherHistory {
        what: format!(
            "the last transaction read was {} at {}; there is now {} at {}, with another time, \
             server or checksum",
            name(&expected.gtid),
            expected.start,
            name(&found.gtid),
            found.start
        ),
    })
}

impl Assembler {
    /// A GTID event of MySQL, anonymous ones included.
    pub(super) fn on_mysql_gtid(
        &mut self,
        event: &RawEvent<'_>,
        gtid: MySqlGtidEvent,
        start: u64,
    ) -> Result<(), SelectError> {
        let at = gtid.committed_micros.unwrap_or(u64::from(event.header.timestamp) * MICROS);
        self.begin(&event.header, gtid.gtid, start, at)
    }

    /// A GTID event of MariaDB; it stands in for BEGIN.
    pub(super) fn on_mariadb_gtid(
        &mut self,
        event: &RawEvent<'_>,
        gtid: MariaDbGtidEvent,
        start: u64,
    ) -> Result<Option<Box<Batch>>, SelectError> {
        let at = u64::from(event.header.timestamp) * MICROS;
        self.begin(&event.header, Some(gtid.gtid), start, at)?;
        if let Some(draft) = &mut self.draft {
            draft.begun = !gtid.standalone;
            draft.role = gtid.role;
        }
        // It stands in for XA START too.
        if gtid.role == MariaDbRole::PreparedXa { self.begin_xa() } else { Ok(None) }
    }

    fn begin(
        &mut self,
        header: &Header,
        gtid: Option<Gtid>,
        start: u64,
        committed_at: u64,
    ) -> Result<(), SelectError> {
        let place = self.tape.at(start);
        if self.draft.is_some() {
            let problem = "the transaction before it has no end";
            return Err(SelectError::OutOfPlace { place, kind: header.kind, problem });
        }
        self.tables.trim();
        self.draft_begin = self.arena.byte_size();
        let mut draft = Draft::new(gtid, place, committed_at);
        draft.server_id = header.server_id;
        draft.is_passed = self.passes_by(&draft)?;
        draft.is_known = self.expected.is_some() || self.replay.is_some() || draft.is_passed;
        self.draft = Some(draft);
        Ok(())
    }

    /// The transaction in progress; begins one for servers without GTIDs.
    pub(super) fn draft_for(
        &mut self,
        header: &Header,
        start: u64,
    ) -> Result<&mut Draft, SelectError> {
        if self.draft.is_none() {
            let at = u64::from(header.timestamp) * MICROS;
            self.begin(header, None, start, at)?;
        }
        self.draft.as_mut().ok_or(SelectError::Bug("a transaction has begun and is not there"))
    }

    /// Ends the transaction behind `last`.
    pub(super) fn commit(&mut self, last: &Seal) -> Result<Option<Box<Batch>>, SelectError> {
        let Some(draft) = self.draft.take() else { return Ok(None) };
        if self.is_abandoned(&draft.start) {
            // It was finished after all.
            self.lessons.abandoned = None;
        }
        let end = self.end_of(&draft, last);
        self.close(draft, end)
    }

    /// Where a transaction ends whose last event this is.
    pub(super) fn end_of(&self, draft: &Draft, last: &Seal) -> TransactionEnd {
        // A source without GTIDs in its positions may still write them (MySQL: gtid_mode).
        let is_tracked =
            |gtid: &Gtid| self.facts.tracks_gtids || matches!(gtid, Gtid::MariaDb { .. });
        TransactionEnd {
            gtid: draft.gtid.clone().filter(is_tracked),
            passed: None,
            start: draft.start.clone(),
            end: self.tape.here(),
            timestamp: last.timestamp,
            server_id: last.server_id,
            checksum: last.checksum,
        }
    }

    /// What the source was doing when it stopped was rolled back.
    pub(super) fn drop_unfinished(&mut self) -> Result<(), SelectError> {
        let Some(draft) = self.draft.take() else { return Ok(()) };
        if let Some(tracker) = &mut self.tracker {
            tracker.roll_back();
        }
        if draft.is_fragmented() {
            return Err(SelectError::Abandoned { place: draft.start });
        }
        Ok(())
    }

    /// Whether the transaction in progress is one that the source never finished.
    pub(super) fn is_abandoned(&self, start: &FilePlace) -> bool {
        self.lessons.abandoned.as_ref() == Some(start)
    }
}
