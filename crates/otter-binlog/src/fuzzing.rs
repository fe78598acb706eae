//! One function per thing that is made of bytes from outside: each takes any bytes at all and
//! comes back, without a panic and without much memory.
//!
//! The targets in `fuzz/` call these, and so do the unit tests, over every input that once broke
//! one. Nothing of this is in a normal build.

mod events;
mod rows;
mod statements;

pub use events::events;
pub use rows::rows;
pub use statements::ddl;

use otter_core::{Gtid, GtidSet, Place, RowsEvent, Value};

use crate::cursor::Cursor;
use crate::event::EventKind;
use crate::event::control::{Heartbeat, Rotate};
use crate::event::frame::{HEADER_LENGTH, Header};
use crate::event::gtid::{MariaDbGtidEvent, MySqlGtidEvent};
use crate::event::payload::Payload;
use crate::file::{BinlogFile, FileError};
use crate::row::json::{write_changed_json, write_json};

/// The largest event that is taken: what is promised below it may be allocated, and no more than
/// 64 MiB may be allocated at once.
const MAX_EVENT: usize = 16 << 20;

/// A binlog file.
pub fn file(bytes: &[u8]) {
    let Ok(mut file) = BinlogFile::new("b.000001", bytes, MAX_EVENT) else { return };
    loop {
        match file.next_event() {
            Ok(Some(event)) => event.rows.iter().for_each(look_at),
            Ok(None) | Err(FileError::Cut { .. } | FileError::TooLarge { .. }) => return,
            Err(error) => drop(error.to_string()),
        }
    }
}

/// A binary JSON document behind its length (two bytes), then differences to apply to it.
pub fn json(bytes: &[u8]) {
    let mut cursor = Cursor::new(bytes);
    let Ok(document) = cursor.prefixed(2) else { return };
    let differences = cursor.take_rest();
    let mut text = Vec::new();
    let is_whole = write_json(document, &mut text).is_ok();
    assert!(!is_whole || std::str::from_utf8(&text).is_ok(), "a document's text is UTF-8");
    let mut changed = Vec::new();
    if write_changed_json(document, differences, &mut changed).is_ok() {
        assert!(std::str::from_utf8(&changed).is_ok(), "a changed document's text is UTF-8");
        assert!(!differences.is_empty() || changed == text, "no difference changes nothing");
    }
}

/// GTIDs and places: the bodies of events, and texts.
pub fn gtid(bytes: &[u8]) {
    let _ = MySqlGtidEvent::parse(bytes, false);
    let _ = MySqlGtidEvent::parse(bytes, true);
    let _ = MySqlGtidEvent::parse_tagged(bytes);
    let _ = MariaDbGtidEvent::parse(bytes, 1);
    let _ = Rotate::parse(bytes);
    if let Ok(header) = Header::parse(&mut Cursor::new(bytes)) {
        let _ = Heartbeat::parse_v2(&header, bytes.get(HEADER_LENGTH..).unwrap_or_default());
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    #[cfg(fuzzing)]
    crate::connection::fuzzing::gtid_texts(text);
    for set in [GtidSet::parse_mysql(text), GtidSet::parse_mariadb(text)].into_iter().flatten() {
        let shown = set.to_string();
        let again = match set {
            GtidSet::MySql(_) => GtidSet::parse_mysql(&shown),
            GtidSet::MariaDb(_) => GtidSet::parse_mariadb(&shown),
        };
        assert!(again.as_ref() == Ok(&set), "a set is read as it is written");
        if !set.is_empty() {
            assert!(set.covers(&set) == Some(true), "a set covers itself");
        }
    }
    if let Ok(gtid) = text.parse::<Gtid>() {
        assert!(gtid.to_string().parse().as_ref() == Ok(&gtid), "a GTID is read as it is written");
        let mut set = GtidSet::single(&gtid);
        set.remove(&gtid);
    }
    if let Ok(place) = text.parse::<Place>() {
        let again = place.to_string().parse();
        assert!(again.as_ref() == Ok(&place), "a place is read as it is written");
    }
}

/// The body of a TRANSACTION_PAYLOAD event.
pub fn payload(bytes: &[u8]) {
    let Ok(mut payload) = Payload::parse(bytes, MAX_EVENT) else { return };
    while let Ok(Some(event)) = payload.next_event() {
        assert!(event.len() >= HEADER_LENGTH, "an event has a header");
    }
}

/// What a server says: the first two bytes tell in which conversation, the rest is its part.
#[cfg(fuzzing)]
pub fn packets(bytes: &[u8]) {
    crate::connection::fuzzing::packets(bytes, |answer| {
        crate::schema::information::read_tables(answer, answer);
    });
}

/// The bytes of one event without a checksum, as a file holds it that tells where it ends.
fn framed(kind: EventKind, flags: u16, log_pos: u32, body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(HEADER_LENGTH + body.len()).unwrap_or(u32::MAX);
    let (timestamp, server_id) = (1_700_000_000_u32, 9_u32);
    let mut bytes = timestamp.to_le_bytes().to_vec();
    bytes.push(kind.0);
    bytes.extend_from_slice(&server_id.to_le_bytes());
    bytes.extend_from_slice(&size.to_le_bytes());
    bytes.extend_from_slice(&log_pos.to_le_bytes());
    bytes.extend_from_slice(&flags.to_le_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// Looks at every value, as a loader does.
#[allow(clippy::wildcard_enum_match_arm, reason = "other values are just there")]
fn look_at(rows: &RowsEvent) {
    for change in rows.changes() {
        for row in [change.before(), change.after()].into_iter().flatten() {
            for value in row.values().flatten() {
                match value {
                    Value::Date(date) => drop(date.to_string()),
                    Value::Time(time) => drop(time.to_string()),
                    Value::DateTime(value) => drop(value.to_string()),
                    Value::Decimal(digits) => assert!(!digits.is_empty(), "a number has digits"),
                    Value::Json(text) => assert!(!text.is_empty(), "a document has a text"),
                    _ => {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
