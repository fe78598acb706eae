//! Where in the source's files the stream is, with 64 bits.
//!
//! An event's header has only the lower 32 bits of its end, MariaDB 11.4 may leave them out, and a
//! server that skips transactions leaves gaps. So the offset is counted, and corrected by what the
//! headers say.

use std::sync::Arc;

use otter_core::FilePlace;

use crate::event::EventKind;
use crate::event::control::{Heartbeat, Rotate};
use crate::event::frame::{Header, flag};

/// The current file and the offset of the next event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tape {
    file: Arc<str>,
    offset: u64,
    /// Every event takes room, and offsets are counted only.
    counts: bool,
}

/// Where a file's first event begins.
pub(crate) const FILE_BEGIN: u64 = 4;
const LOW: u64 = 0xffff_ffff;

impl Tape {
    pub(crate) fn new(file: &str, offset: u64) -> Self {
        Self { file: file.into(), offset, counts: false }
    }

    /// From now on what passes is a file.
    pub(crate) fn count_bytes(&mut self) {
        self.counts = true;
    }

    /// Whether only the reader of the files knows where one ends.
    pub(crate) fn counts_bytes(&self) -> bool {
        self.counts
    }

    /// Where the next event begins.
    pub(crate) fn here(&self) -> FilePlace {
        FilePlace { file: Arc::clone(&self.file), offset: self.offset }
    }

    pub(crate) fn at(&self, offset: u64) -> FilePlace {
        FilePlace { file: Arc::clone(&self.file), offset }
    }

    /// Moves over an event and returns the offset where it began.
    #[inline]
    pub(crate) fn pass(&mut self, header: &Header) -> u64 {
        let size = u64::from(header.size);
        if self.counts {
            self.offset += size;
            return self.offset - size;
        }
        if is_made_up(header) {
            return self.offset;
        }
        let counted = self.offset + size;
        self.offset = if header.log_pos == 0 { counted } else { forward(counted, header.log_pos) };
        self.offset - size
    }

    /// Follows the server over what it does not send.
    pub(crate) fn skip_to(&mut self, heartbeat: Heartbeat) {
        let Ok(low) = u32::try_from(heartbeat.offset & LOW) else { return };
        let target = if heartbeat.exact { heartbeat.offset } else { forward(self.offset, low) };
        // MySQL: a heartbeat of the first version in a file over 4 GiB may lie behind.
        self.offset = self.offset.max(target);
    }

    /// Goes on in another file.
    pub(crate) fn rotate(&mut self, rotate: Rotate<'_>) {
        if *self.file != *rotate.file {
            self.file = rotate.file.into();
        }
        self.offset = rotate.offset.max(FILE_BEGIN);
    }
}

/// Whether an event is in no file, so that it takes no room there.
fn is_made_up(header: &Header) -> bool {
    header.has(flag::ARTIFICIAL)
        || matches!(header.kind, EventKind::HEARTBEAT | EventKind::HEARTBEAT_V2)
        // The format is repeated where a stream begins in the middle of a file.
        || header.kind == EventKind::FORMAT_DESCRIPTION && header.log_pos == 0
}

/// The first offset from `counted` on whose lower 32 bits are these.
fn forward(counted: u64, low: u32) -> u64 {
    let offset = counted & !LOW | u64::from(low);
    if offset < counted { offset + (1 << 32) } else { offset }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(kind: EventKind, size: u32, log_pos: u32, flags: u16) -> Header {
        Header { timestamp: 0, kind, server_id: 1, size, log_pos, flags }
    }

    #[test]
    fn offsets_go_on_beyond_what_the_header_can_say() {
        let mut tape = Tape::new("b.1", (1 << 32) - 100);
        assert_eq!(tape.pass(&header(EventKind::XID, 150, 50, 0)), (1 << 32) - 100);
        assert_eq!(tape.here().offset, (1 << 32) + 50);
        assert_eq!(tape.pass(&header(EventKind::XID, 30, 80, 0)), (1 << 32) + 50);
    }

    #[test]
    fn missing_offsets_are_counted_and_gaps_are_jumped() {
        let mut tape = Tape::new("b.1", 4);
        tape.pass(&header(EventKind::XID, 100, 0, 0));
        assert_eq!(tape.here().offset, 104);
        assert_eq!(tape.pass(&header(EventKind::GTID, 60, 1060, 0)), 1000);
        tape.skip_to(Heartbeat { offset: 5000, exact: false });
        tape.skip_to(Heartbeat { offset: 4000, exact: true });
        assert_eq!(tape.here().offset, 5000);
    }

    #[test]
    fn events_that_are_in_no_file_do_not_move_it() {
        let mut tape = Tape::new("b.1", 500);
        for made_up in [
            header(EventKind::FORMAT_DESCRIPTION, 100, 0, 0),
            header(EventKind::HEARTBEAT, 40, 600, 0),
            header(EventKind::GTID_LIST, 40, 600, flag::ARTIFICIAL),
        ] {
            assert_eq!(tape.pass(&made_up), 500);
            assert_eq!(tape.here().offset, 500);
        }
        tape.rotate(Rotate { file: "b.2", offset: 4 });
        tape.pass(&header(EventKind::FORMAT_DESCRIPTION, 100, 104, 0));
        assert_eq!(tape.here(), FilePlace::new("b.2", 104));
    }

    #[test]
    fn in_a_file_every_event_takes_its_room_whatever_its_header_says() {
        let mut tape = Tape::new("relay.1", 4);
        tape.count_bytes();
        assert_eq!(tape.pass(&header(EventKind::ROTATE, 40, 0, flag::ARTIFICIAL)), 4);
        assert_eq!(tape.pass(&header(EventKind::FORMAT_DESCRIPTION, 100, 0, 0)), 44);
        assert_eq!(tape.pass(&header(EventKind::XID, 31, 9, 0)), 144);
        assert_eq!(tape.here(), FilePlace::new("relay.1", 175));
    }
}
