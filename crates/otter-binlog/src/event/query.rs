//! The QUERY event: a statement with the session it ran in.

use super::format::Format;
use super::frame::EventError;
use super::kind::EventKind;
use crate::cursor::{Cursor, Short};

/// A statement and as much of its session as is needed to read it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Query<'a> {
    /// The default database; empty where there is none.
    pub(crate) database: &'a [u8],
    /// In the client's character set; compressed in a QUERY_COMPRESSED event.
    pub(crate) statement: &'a [u8],
    pub(crate) session: Session,
    /// `time_zone`, where the statement depends on it.
    pub(crate) time_zone: Option<&'a [u8]>,
    /// The connection that ran it, which owns its temporary tables.
    pub(crate) thread: u32,
    /// Whether it failed, but was logged because it had an effect.
    pub(crate) failed: bool,
}

/// The parts of the session that change how a statement reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Session {
    pub(crate) sql_mode: u64,
    /// The collation id of `character_set_client`, where it is known.
    pub(crate) client_collation: Option<u16>,
    /// The collation id of `collation_server`, where it is known.
    pub(crate) server_collation: Option<u16>,
    /// MySQL: the collation id that `CHARACTER SET utf8mb4` means.
    pub(crate) utf8mb4_collation: Option<u16>,
    /// MySQL: `explicit_defaults_for_timestamp`.
    pub(crate) explicit_timestamp_defaults: Option<bool>,
    /// Options of the session, bit by bit.
    pub(crate) flags: u32,
    /// What the event's second lacks of the time at which the statement began.
    pub(crate) micros: u32,
}

const SQL_MODE_ANSI_QUOTES: u64 = 4;
const SQL_MODE_NO_BACKSLASH_ESCAPES: u64 = 1 << 20;
const NO_FOREIGN_KEY_CHECKS: u32 = 1 << 26;
const NO_UNIQUE_CHECKS: u32 = 1 << 27;

impl Session {
    /// Whether `"name"` is a name instead of a text.
    pub(crate) fn has_ansi_quotes(&self) -> bool {
        self.sql_mode & SQL_MODE_ANSI_QUOTES != 0
    }

    /// Whether the session did not check foreign keys.
    pub(crate) fn has_no_foreign_key_checks(&self) -> bool {
        self.flags & NO_FOREIGN_KEY_CHECKS != 0
    }

    /// Whether the session did not check unique keys.
    pub(crate) fn has_no_unique_checks(&self) -> bool {
        self.flags & NO_UNIQUE_CHECKS != 0
    }

    /// Whether a backslash in a text is just a backslash.
    pub(crate) fn has_plain_backslashes(&self) -> bool {
        self.sql_mode & SQL_MODE_NO_BACKSLASH_ESCAPES != 0
    }
}

/// Lengths of the fixed part before and since MySQL 5.0.
const WITH_STATUS: u8 = 13;

impl<'a> Query<'a> {
    pub(crate) fn parse(body: &'a [u8], format: &Format) -> Result<Self, EventError> {
        let mut cursor = Cursor::new(body);
        let thread = cursor.u32()?;
        cursor.u32()?;
        let database_length = usize::from(cursor.u8()?);
        let failed = cursor.u16()? != 0;
        let has_status =
            format.post_header_length(EventKind::QUERY).is_none_or(|length| length >= WITH_STATUS);
        let status_length = if has_status { usize::from(cursor.u16()?) } else { 0 };
        let status = cursor.bytes(status_length)?;
        let database = cursor.bytes(database_length)?;
        cursor.u8()?;
        let mut session = Session::default();
        let mut time_zone = None;
        // A status variable of a newer server, or one that is cut, ends the list; what was read
        // before it holds.
        let _ = session.read(&mut Cursor::new(status), &mut time_zone);
        Ok(Self { database, statement: cursor.take_rest(), session, time_zone, thread, failed })
    }
}

impl Session {
    fn read<'a>(
        &mut self,
        cursor: &mut Cursor<'a>,
        time_zone: &mut Option<&'a [u8]>,
    ) -> Result<(), Short> {
        while !cursor.is_empty() {
            match cursor.u8()? {
                0 => self.flags = cursor.u32()?,
                // The length that the master wrote.
                10 => drop(cursor.u32()?),
                1 => self.sql_mode = cursor.u64()?,
                // Catalog with a zero behind it.
                2 => {
                    cursor.prefixed(1)?;
                    cursor.u8()?;
                }
                // Auto-increment step and offset.
                3 => drop(cursor.u32()?),
                4 => {
                    self.client_collation = Some(cursor.u16()?);
                    cursor.u16()?;
                    self.server_collation = Some(cursor.u16()?);
                }
                5 => *time_zone = Some(cursor.prefixed(1)?),
                // Catalog without zero.
                6 => drop(cursor.prefixed(1)?),
                // Names of months, collation of the database.
                7 | 8 => drop(cursor.u16()?),
                18 => self.utf8mb4_collation = Some(cursor.u16()?),
                // Tables for update, xid of an atomic DDL.
                9 | 17 => drop(cursor.u64()?),
                // User and host.
                11 => {
                    cursor.prefixed(1)?;
                    cursor.prefixed(1)?;
                }
                12 => skip_database_names(cursor)?,
                // In MySQL and in MariaDB.
                13 | 128 => self.micros = cursor.u24()?,
                16 => self.explicit_timestamp_defaults = Some(cursor.u8()? != 0),
                // Switches of one byte.
                19 | 20 => drop(cursor.u8()?),
                _ => return Ok(()),
            }
        }
        Ok(())
    }
}

fn skip_database_names(cursor: &mut Cursor<'_>) -> Result<(), Short> {
    /// More databases than are listed: no name follows.
    const TOO_MANY: u8 = 254;
    let count = cursor.u8()?;
    if count != TOO_MANY {
        for _ in 0..count {
            cursor.until_zero()?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn body(status: &[u8], database: &str, statement: &str) -> Vec<u8> {
        let mut body = vec![1, 0, 0, 0, 0, 0, 0, 0, u8::try_from(database.len()).unwrap(), 0, 0];
        body.extend_from_slice(&u16::try_from(status.len()).unwrap().to_le_bytes());
        body.extend_from_slice(status);
        body.extend_from_slice(database.as_bytes());
        body.push(0);
        body.extend_from_slice(statement.as_bytes());
        body
    }

    #[test]
    fn session_and_statement_are_read_behind_every_known_variable() {
        let status = [
            &[0, 1, 2, 3, 0x0c][..],
            &[1, 4, 0, 16, 0, 0, 0, 0, 0],
            &[6, 3, b's', b't', b'd'],
            &[5, 3, b'C', b'E', b'T'],
            &[12, 2, b'a', 0, b'b', b'c', 0],
            &[12, 254],
            &[13, 1, 2, 3],
            &[4, 28, 0, 45, 0, 8, 0],
            &[200, 9, 9],
        ]
        .concat();
        let body = body(&status, "shop", "DROP TABLE t");
        let query = Query::parse(&body, &Format::default()).unwrap();
        assert_eq!((query.database, query.statement), (&b"shop"[..], &b"DROP TABLE t"[..]));
        assert_eq!(query.session.client_collation, Some(28));
        assert_eq!((query.time_zone, query.session.micros), (Some(&b"CET"[..]), 0x03_0201));
        assert!(query.session.has_no_foreign_key_checks() && query.session.has_no_unique_checks());
        assert!(query.session.has_ansi_quotes() && query.session.has_plain_backslashes());
    }

    #[test]
    fn a_cut_variable_keeps_what_was_read_before_it() {
        let status = [1, 4, 0, 0, 0, 0, 0, 0, 0, 9, 1];
        let body = body(&status, "", "BEGIN");
        let query = Query::parse(&body, &Format::default()).unwrap();
        assert!(query.session.has_ansi_quotes());
        assert!(query.database.is_empty());
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = Query::parse(&bytes, &Format::default());
        }
    }
}
