//! The events that name a transaction: MySQL's GTID and anonymous GTID, MariaDB's GTID.

use std::sync::Arc;

use otter_core::Gtid;

use super::frame::EventError;
use crate::cursor::Cursor;

/// What begins a transaction on MySQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MySqlGtidEvent {
    /// `None` for an anonymous transaction.
    pub(crate) gtid: Option<Gtid>,
    /// When this server committed it: microseconds since 1970.
    pub(crate) committed_micros: Option<u64>,
}

impl MySqlGtidEvent {
    pub(crate) fn parse(body: &[u8], anonymous: bool) -> Result<Self, EventError> {
        /// The kind of the logical clock since MySQL 5.7.5.
        const LOGICAL_CLOCK: u8 = 2;
        const HAS_ORIGINAL: u64 = 1 << 55;
        let mut cursor = Cursor::new(body);
        cursor.u8()?;
        let uuid = cursor.array::<16>()?;
        let number = cursor.u64()?;
        let gtid =
            if anonymous { None } else { Some(Gtid::MySql { uuid, tag: Arc::default(), number }) };
        if number == 0 && !anonymous {
            return Err(EventError::Malformed("its transaction number is 0"));
        }
        let mut committed_micros = None;
        // MySQL 5.6 ends here; 8.0.1 added the times behind the logical clock.
        if cursor.u8().is_ok_and(|kind| kind == LOGICAL_CLOCK) && cursor.bytes(16).is_ok() {
            committed_micros = cursor.uint(7).ok().map(|micros| micros & !HAS_ORIGINAL);
        }
        Ok(Self { gtid, committed_micros })
    }
}

/// What begins a transaction on MariaDB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MariaDbGtidEvent {
    pub(crate) gtid: Gtid,
    /// The transaction is one statement without COMMIT behind it.
    pub(crate) standalone: bool,
    /// What else the event announces.
    pub(crate) role: MariaDbRole,
}

/// What a MariaDB transaction is about, beyond its changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MariaDbRole {
    /// Nothing special.
    Plain,
    /// The first phase of an XA transaction.
    PreparedXa,
    /// The decision on an XA transaction.
    CompletedXa,
    /// An ALTER begins; what it changes is not there yet.
    StartAlter,
    /// An ALTER was given up.
    RollbackAlter,
}

impl MariaDbGtidEvent {
    pub(crate) fn parse(body: &[u8], server: u32) -> Result<Self, EventError> {
        const STANDALONE: u8 = 0x01;
        const GROUP_COMMIT: u8 = 0x02;
        const PREPARED_XA: u8 = 0x40;
        const COMPLETED_XA: u8 = 0x80;
        const START_ALTER: u8 = 0x02;
        const ROLLBACK_ALTER: u8 = 0x08;
        let mut cursor = Cursor::new(body);
        let number = cursor.u64()?;
        let domain = cursor.u32()?;
        let flags = cursor.u8()?;
        if flags & GROUP_COMMIT != 0 {
            cursor.u64()?;
        }
        let mut role = MariaDbRole::Plain;
        if flags & (PREPARED_XA | COMPLETED_XA) != 0 {
            role = if flags & PREPARED_XA != 0 {
                MariaDbRole::PreparedXa
            } else {
                MariaDbRole::CompletedXa
            };
            cursor.u32()?;
            let lengths = usize::from(cursor.u8()?) + usize::from(cursor.u8()?);
            cursor.bytes(lengths)?;
        }
        // Zeros fill the event up to its least size, and read as no flag.
        if let Ok(extra) = cursor.u8() {
            if extra & START_ALTER != 0 {
                role = MariaDbRole::StartAlter;
            } else if extra & ROLLBACK_ALTER != 0 {
                role = MariaDbRole::RollbackAlter;
            }
        }
        let gtid = Gtid::MariaDb { domain, server, number };
        Ok(Self { gtid, standalone: flags & STANDALONE != 0, role })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mysql_body(behind: &[u8]) -> Vec<u8> {
        let mut body = vec![0];
        body.extend_from_slice(&[7; 16]);
        body.extend_from_slice(&42_u64.to_le_bytes());
        body.extend_from_slice(behind);
        body
    }

    #[test]
    fn a_mysql_gtid_carries_its_commit_time_where_the_server_wrote_one() {
        let short = MySqlGtidEvent::parse(&mysql_body(&[]), false).unwrap();
        assert_eq!(short.committed_micros, None);
        assert_eq!(short.gtid.unwrap().to_string(), "07070707-0707-0707-0707-070707070707:42");
        let mut behind = vec![2];
        behind.extend_from_slice(&[0; 16]);
        behind.extend_from_slice(&[5, 0, 0, 0, 0, 0, 0x80, 9, 9, 9, 9, 9, 9, 9]);
        let long = MySqlGtidEvent::parse(&mysql_body(&behind), true).unwrap();
        assert_eq!((long.gtid, long.committed_micros), (None, Some(5)));
    }

    #[test]
    fn a_mariadb_gtid_tells_its_role() {
        let body = |flags: u8, behind: &[u8]| {
            [&9_u64.to_le_bytes()[..], &3_u32.to_le_bytes(), &[flags], behind].concat()
        };
        let parse =
            |flags, behind: &[u8]| MariaDbGtidEvent::parse(&body(flags, behind), 5).unwrap();
        let plain = parse(0x04, &[0; 6]);
        assert_eq!((plain.gtid.to_string().as_str(), plain.standalone), ("3-5-9", false));
        assert!(parse(0x21, &[0; 6]).standalone);
        assert_eq!(parse(0x02, &[0; 8]).role, MariaDbRole::Plain);
        let xid = [1, 0, 0, 0, 2, 1, b'a', b'b', b'c'];
        assert_eq!(parse(0x40, &xid).role, MariaDbRole::PreparedXa);
        assert_eq!(parse(0x80, &xid).role, MariaDbRole::CompletedXa);
        assert_eq!(parse(0x21, &[2, 0, 0, 0, 0, 0]).role, MariaDbRole::StartAlter);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_readers_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = MySqlGtidEvent::parse(&bytes, false);
            let _ = MariaDbGtidEvent::parse(&bytes, 1);
        }
    }
}
