//! One event at a time: what each kind means for the transaction in progress.

use otter_core::{Batch, FilePlace};

use super::{Assembler, Seal};
use crate::event::control::{Heartbeat, Rotate, incident};
use crate::event::frame::flag;
use crate::event::gtid::{MariaDbGtidEvent, MySqlGtidEvent};
use crate::event::payload::Payload;
use crate::event::pieces::joined;
use crate::event::{EventError, EventKind, Format, RawEvent, rows};
use crate::selector::error::SelectError;

impl Assembler {
    /// Takes the bytes of one event of the stream. Returns a batch where the event ends a
    /// transaction that is handed out alone.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Option<Box<Batch>>, SelectError> {
        let event = RawEvent::parse(bytes, &self.format).map_err(|source| {
            let kind = EventKind(bytes.get(4).copied().unwrap_or(0));
            SelectError::Event { place: self.tape.here(), kind, source }
        })?;
        let start = self.tape.pass(&event.header);
        if self.ahead.is_some() && self.passes_over(&event)? {
            return Ok(None);
        }
        let seal = Seal {
            start,
            timestamp: event.header.timestamp,
            server_id: event.header.server_id,
            checksum: if ends_transaction(event.header.kind) { event.checksum() } else { 0 },
        };
        self.take(&event, &seal)
    }

    /// Takes the next event inside a compressed transaction.
    pub(crate) fn feed_payload(&mut self) -> Result<Option<Box<Batch>>, SelectError> {
        let Some((mut payload, seal)) = self.payload.take() else { return Ok(None) };
        let fail = |source| SelectError::Event {
            place: self.tape.at(seal.start),
            kind: EventKind::TRANSACTION_PAYLOAD,
            source,
        };
        let Some(bytes) = payload.next_event().map_err(fail)? else {
            if self.draft.is_some() {
                return Err(fail(EventError::Malformed("its transaction has no end")));
            }
            return Ok(None);
        };
        let event = RawEvent::parse_inner(bytes).map_err(fail)?;
        if event.header.kind == EventKind::TRANSACTION_PAYLOAD {
            return Err(fail(EventError::Malformed("it holds another one")));
        }
        // Inside there are no checksums and no offsets; the borders of the outer event count.
        let batch = self.take(&event, &seal)?;
        self.payload = Some((payload, seal));
        Ok(batch)
    }

    /// Joins the pieces of rows that were cut.
    fn on_piece(&mut self, event: &RawEvent<'_>, seal: &Seal) -> Result<(), SelectError> {
        let kind = event.header.kind;
        let mut pieces = self.pieces.take().unwrap_or_default();
        let added = pieces.add(event.body, self.options.max_event);
        let Some(bytes) = added.map_err(|source| self.unreadable(seal, kind, source))? else {
            self.pieces = Some(pieces);
            return Ok(());
        };
        let whole = joined(&bytes).map_err(|source| self.unreadable(seal, kind, source))?;
        self.on_rows(&whole, seal)
    }

    /// The error about an event whose bytes are not what they should be.
    pub(super) fn unreadable(
        &self,
        seal: &Seal,
        kind: EventKind,
        source: EventError,
    ) -> SelectError {
        SelectError::Event { place: self.place(seal), kind, source }
    }

    pub(super) fn out_of_place(
        &self,
        seal: &Seal,
        kind: EventKind,
        problem: &'static str,
    ) -> SelectError {
        SelectError::OutOfPlace { place: self.place(seal), kind, problem }
    }

    pub(super) fn place(&self, seal: &Seal) -> FilePlace {
        self.tape.at(seal.start)
    }

    fn take(
        &mut self,
        event: &RawEvent<'_>,
        seal: &Seal,
    ) -> Result<Option<Box<Batch>>, SelectError> {
        let kind = event.header.kind;
        if kind == EventKind::PARTIAL_ROW_DATA {
            return self.on_piece(event, seal).map(|()| None);
        }
        if self.pieces.is_some() {
            match kind {
                EventKind::HEARTBEAT | EventKind::HEARTBEAT_V2 | EventKind::ROTATE => {}
                // A source that was killed has not finished its transaction.
                EventKind::FORMAT_DESCRIPTION => self.pieces = None,
                _ => {
                    let what = "pieces of rows are missing before it";
                    return Err(self.out_of_place(seal, kind, what));
                }
            }
        }
        if rows::classify(kind).is_some() {
            self.on_rows(event, seal)?;
            return Ok(None);
        }
        match kind {
            EventKind::TABLE_MAP => self.on_table_map(event, seal)?,
            EventKind::XID => {
                if self.draft.is_none() {
                    return Err(self.out_of_place(seal, kind, "no transaction has begun"));
                }
                return self.commit(seal);
            }
            EventKind::QUERY | EventKind::QUERY_COMPRESSED => return self.on_query(event, seal),
            EventKind::GTID | EventKind::ANONYMOUS_GTID => {
                let anonymous = kind == EventKind::ANONYMOUS_GTID;
                let gtid = MySqlGtidEvent::parse(event.body, anonymous)
                    .map_err(|source| self.unreadable(seal, kind, source))?;
                self.on_mysql_gtid(event, gtid, seal.start)?;
            }
            EventKind::GTID_TAGGED => {
                let gtid = MySqlGtidEvent::parse_tagged(event.body)
                    .map_err(|source| self.unreadable(seal, kind, source))?;
                self.on_mysql_gtid(event, gtid, seal.start)?;
            }
            EventKind::MARIADB_GTID => {
                let gtid = MariaDbGtidEvent::parse(event.body, event.header.server_id)
                    .map_err(|source| self.unreadable(seal, kind, source))?;
                return self.on_mariadb_gtid(event, gtid, seal.start);
            }
            EventKind::TRANSACTION_PAYLOAD => {
                let payload = Payload::parse(event.body, self.options.max_event)
                    .map_err(|source| self.unreadable(seal, kind, source))?;
                self.payload = Some((payload, *seal));
            }
            EventKind::FORMAT_DESCRIPTION => self.on_format(event, seal)?,
            EventKind::ROTATE => self.on_rotate(event, seal)?,
            EventKind::HEARTBEAT | EventKind::HEARTBEAT_V2 if self.tape.counts_bytes() => {}
            EventKind::HEARTBEAT => self.tape.skip_to(Heartbeat::parse(&event.header)),
            EventKind::HEARTBEAT_V2 => {
                let heartbeat = Heartbeat::parse_v2(&event.header, event.body)
                    .map_err(|source| self.unreadable(seal, kind, source))?;
                self.tape.skip_to(heartbeat);
            }
            EventKind::XA_PREPARE => return self.on_xa_prepare(event, seal),
            EventKind::INCIDENT => {
                let (place, number) = (self.place(seal), incident(event.body));
                return Err(SelectError::Incident { place, number });
            }
            EventKind::BEGIN_LOAD_QUERY
            | EventKind::EXECUTE_LOAD_QUERY
            | EventKind::LOAD
            | EventKind::NEW_LOAD
            | EventKind::CREATE_FILE
            | EventKind::EXEC_LOAD => {
                let kind = "LOAD DATA".to_owned();
                return Err(SelectError::Statement { place: self.place(seal), kind });
            }
            EventKind::START_ENCRYPTION => {
                return Err(self.out_of_place(seal, kind, "the stream is encrypted"));
            }
            EventKind::PRE_GA_WRITE_ROWS
            | EventKind::PRE_GA_UPDATE_ROWS
            | EventKind::PRE_GA_DELETE_ROWS => {
                return Err(self.out_of_place(seal, kind, "rows of MySQL 5.1 before 5.1.18"));
            }
            // They say something about a statement that follows and is judged itself, or about
            // the file, or about nothing that concerns rows.
            EventKind::INTVAR
            | EventKind::RAND
            | EventKind::USER_VAR
            | EventKind::APPEND_BLOCK
            | EventKind::DELETE_FILE
            | EventKind::STOP
            | EventKind::SLAVE
            | EventKind::IGNORABLE
            | EventKind::ROWS_QUERY
            | EventKind::ANNOTATE_ROWS
            | EventKind::TRANSACTION_CONTEXT
            | EventKind::VIEW_CHANGE => {}
            EventKind::PREVIOUS_GTIDS | EventKind::GTID_LIST | EventKind::BINLOG_CHECKPOINT => {
                self.follow_head();
            }
            _ if event.header.has(flag::IGNORABLE) => {}
            _ => return Err(SelectError::UnknownEvent { place: self.place(seal), kind }),
        }
        Ok(None)
    }

    fn on_format(&mut self, event: &RawEvent<'_>, seal: &Seal) -> Result<(), SelectError> {
        let format = Format::of(event)
            .map_err(|source| self.unreadable(seal, EventKind::FORMAT_DESCRIPTION, source))?;
        // A repeated one in the middle of a file says nothing about transactions.
        if event.header.log_pos != 0 {
            self.tables.clear();
            self.drop_unfinished()?;
        }
        if let Some(tracker) = self.tracker.as_mut().filter(|_| format.after_start) {
            tracker.forget_temporary();
        }
        self.format = format;
        Ok(())
    }

    fn on_rotate(&mut self, event: &RawEvent<'_>, seal: &Seal) -> Result<(), SelectError> {
        let rotate = Rotate::parse(event.body)
            .map_err(|source| self.unreadable(seal, EventKind::ROTATE, source))?;
        // A file is left at its end, which only its reader sees: a relay log holds ROTATE events
        // about the files of its source.
        if self.tape.counts_bytes() {
            return Ok(());
        }
        let made_up = event.header.has(flag::ARTIFICIAL) || event.header.timestamp == 0;
        self.tape.rotate(rotate);
        if made_up {
            return Ok(());
        }
        self.tables.clear();
        // An idle source still changes its files, and purges them: the place must follow.
        if self.draft.is_none() && self.expected.is_none() && self.replay.is_none() {
            let place = self.tape.here();
            match self.undecided.oldest() {
                Some(oldest) => oldest.tell_that_it_waits(),
                None => self.position.resume_from.file = Some(place.clone()),
            }
            self.position.applied_through.file = Some(place);
            self.has_moved = true;
        }
        Ok(())
    }
}

/// Whether the event may be the last of a transaction, so that its checksum is wanted.
fn ends_transaction(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::XID
            | EventKind::QUERY
            | EventKind::QUERY_COMPRESSED
            | EventKind::XA_PREPARE
            | EventKind::TRANSACTION_PAYLOAD
    )
}
