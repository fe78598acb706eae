//! The head of a binlog file: when it was begun, and which transactions came before it.

use std::collections::HashSet;

use otter_core::position::{MariaDbGtids, MySqlGtids};
use otter_core::{Gtid, GtidSet};

use super::frame::{EventError, RawEvent};
use super::gtid_tagged::tag_text;
use super::{EventKind, Format};
use crate::cursor::Cursor;

/// What the events before a file's first transaction tell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Head {
    /// When the file was begun: seconds since 1970.
    pub(crate) begun_at: Option<u32>,
    /// The transactions before the file, where an event tells them.
    pub(crate) gtids: Option<GtidSet>,
    pub(crate) is_encrypted: bool,
}

/// Reads a head event by event.
#[derive(Debug, Default)]
pub(crate) struct HeadReader {
    format: Format,
    head: Head,
}

impl HeadReader {
    /// Takes the next event; false where it does not belong to the head.
    ///
    /// A stream begins with events that were made up for it, and they tell no time.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<bool, EventError> {
        let event = RawEvent::parse(bytes, &self.format)?;
        let kind = event.header.kind;
        let is_head = is_of_head(kind);
        if self.head.begun_at.is_none() && event.header.timestamp != 0 {
            self.head.begun_at = Some(event.header.timestamp);
        }
        match kind {
            EventKind::FORMAT_DESCRIPTION => self.format = Format::of(&event)?,
            EventKind::START_ENCRYPTION => self.head.is_encrypted = true,
            EventKind::PREVIOUS_GTIDS => self.head.gtids = Some(previous_gtids(event.body)?),
            EventKind::GTID_LIST => self.head.gtids = Some(gtid_list(event.body)?),
            _ => {}
        }
        Ok(is_head && !self.head.is_encrypted)
    }

    pub(crate) fn finish(self) -> Head {
        self.head
    }
}

/// Whether an event may stand before a file's first transaction and is no part of one.
pub(crate) fn is_of_head(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::FORMAT_DESCRIPTION
            | EventKind::PREVIOUS_GTIDS
            | EventKind::GTID_LIST
            | EventKind::BINLOG_CHECKPOINT
            | EventKind::START_ENCRYPTION
            | EventKind::ROTATE
            | EventKind::HEARTBEAT
            | EventKind::HEARTBEAT_V2
    )
}

/// MySQL's PREVIOUS_GTIDS, with tags (since 8.3, where a set has any) or without.
fn previous_gtids(body: &[u8]) -> Result<GtidSet, EventError> {
    /// The highest byte of the count tells the format; tagged sets repeat it in the lowest.
    const TAGGED: u64 = 1;
    let malformed = EventError::Malformed("its set of GTIDs is not one");
    let mut cursor = Cursor::new(body);
    let count = cursor.u64()?;
    let format = count >> 56;
    let (is_tagged, count) = match format {
        0 => (false, count),
        TAGGED => (true, count << 8 >> 16),
        _ => return Err(EventError::Malformed("its set of GTIDs has an unknown format")),
    };
    let mut set = MySqlGtids::default();
    let mut known = HashSet::new();
    for _ in 0..count {
        let uuid = cursor.array::<16>()?;
        let tag = if is_tagged { tag_text(&mut cursor)? } else { "" };
        // Servers write each once and its intervals in order; a set in disorder takes for ever.
        if !known.insert((uuid, tag)) {
            return Err(malformed);
        }
        let mut least = 1;
        for _ in 0..cursor.u64()? {
            let (first, behind) = (cursor.u64()?, cursor.u64()?);
            if first < least || behind <= first {
                return Err(malformed);
            }
            least = behind;
            set.insert(uuid, tag, first, behind - 1);
        }
    }
    Ok(GtidSet::MySql(set))
}

/// MariaDB's list: the last GTID of each domain and server, of each domain the newest last.
fn gtid_list(body: &[u8]) -> Result<GtidSet, EventError> {
    /// The highest four bits are flags.
    const COUNT: u32 = 0x0fff_ffff;
    let mut cursor = Cursor::new(body);
    let mut set = GtidSet::MariaDb(MariaDbGtids::default());
    for _ in 0..cursor.u32()? & COUNT {
        let (domain, server, number) = (cursor.u32()?, cursor.u32()?, cursor.u64()?);
        set.insert(&Gtid::MariaDb { domain, server, number });
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::format::Checksum;
    use crate::test_bytes::{EventBytes, format_description};

    fn interval(first: u64, behind: u64) -> Vec<u8> {
        [first.to_le_bytes(), behind.to_le_bytes()].concat()
    }

    #[test]
    fn a_plain_set_is_read() {
        let body = [
            &2_u64.to_le_bytes()[..],
            &[7; 16],
            &2_u64.to_le_bytes(),
            &interval(1, 6),
            &interval(8, 9),
            &[9; 16],
            &1_u64.to_le_bytes(),
            &interval(3, 4),
        ]
        .concat();
        let set = previous_gtids(&body).unwrap().to_string();
        assert_eq!(
            set.replace('\n', ""),
            "07070707-0707-0707-0707-070707070707:1-5:8,09090909-0909-0909-0909-090909090909:3"
        );
    }

    #[test]
    fn a_tagged_set_is_read() {
        let count = 2_u64 << 8 | 1 | 1 << 56;
        let body = [
            &count.to_le_bytes()[..],
            &[7; 16],
            &[0],
            &1_u64.to_le_bytes(),
            &interval(1, 6),
            &[7; 16],
            // A length of 4 in the variable form.
            &[8],
            b"blue",
            &1_u64.to_le_bytes(),
            &interval(2, 3),
        ]
        .concat();
        let set = previous_gtids(&body).unwrap();
        for (gtid, is_in) in [(":5", true), (":6", false), (":blue:2", true), (":blue:1", false)] {
            let gtid: Gtid = format!("07070707-0707-0707-0707-070707070707{gtid}").parse().unwrap();
            assert_eq!(set.contains(&gtid), is_in, "{gtid}");
        }
    }

    #[test]
    fn the_newest_gtid_of_a_domain_counts() {
        let entry = |domain: u32, server: u32, number: u64| {
            [&domain.to_le_bytes()[..], &server.to_le_bytes(), &number.to_le_bytes()].concat()
        };
        let count = 0x1000_0003_u32.to_le_bytes();
        let body = [&count[..], &entry(0, 2, 5), &entry(0, 1, 9), &entry(3, 1, 4)].concat();
        assert_eq!(gtid_list(&body).unwrap().to_string(), "0-1-9,3-1-4");
    }

    #[test]
    fn a_head_ends_before_the_first_transaction() {
        let mut reader = HeadReader::default();
        let made_up = EventBytes::new(EventKind::ROTATE, &[0; 9]).timestamp(0);
        assert!(reader.take(&made_up.plain()).unwrap());
        assert!(reader.take(&format_description("10.11.19-MariaDB", Checksum::Crc32)).unwrap());
        let list = EventBytes::new(EventKind::GTID_LIST, &[0; 4]).checked();
        assert!(reader.take(&list).unwrap());
        assert!(
            !reader.take(&EventBytes::new(EventKind::MARIADB_GTID, &[0; 19]).checked()).unwrap()
        );
        let head = reader.finish();
        assert_eq!(head.begun_at, Some(1_700_000_000));
        assert!(head.gtids.is_some_and(|set| set.is_empty()) && !head.is_encrypted);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_readers_panic(bytes in prop::collection::vec(any::<u8>(), 0..90)) {
            let _ = previous_gtids(&bytes);
            let _ = gtid_list(&bytes);
        }
    }
}
