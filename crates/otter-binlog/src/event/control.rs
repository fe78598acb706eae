//! The small events that steer a stream: rotation, heartbeats, incidents.

use super::frame::{EventError, Header};
use crate::cursor::Cursor;

/// Servers count offsets with a sign. Greater ones could not be counted on.
const GREATEST_OFFSET: u64 = u64::MAX / 2;

/// The stream goes on in this file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rotate<'a> {
    pub(crate) file: &'a str,
    pub(crate) offset: u64,
}

impl<'a> Rotate<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, EventError> {
        let mut cursor = Cursor::new(body);
        let offset = in_a_file(cursor.u64()?)?;
        Ok(Self { file: file_name(cursor.take_rest())?, offset })
    }
}

/// Names of files come from the server's configuration; folders are never sent.
fn file_name(bytes: &[u8]) -> Result<&str, EventError> {
    let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    match std::str::from_utf8(bytes) {
        Ok(name) if !name.is_empty() => Ok(name),
        _ => Err(EventError::Malformed("the name of the next file is not a text")),
    }
}

fn in_a_file(offset: u64) -> Result<u64, EventError> {
    if offset > GREATEST_OFFSET {
        return Err(EventError::Malformed("it names an offset that no file has"));
    }
    Ok(offset)
}

/// The source is alive and has sent everything up to an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Heartbeat {
    /// The offset in the current file; its lower 32 bits only where `exact` is false.
    pub(crate) offset: u64,
    pub(crate) exact: bool,
}

impl Heartbeat {
    pub(crate) fn parse(header: &Header) -> Self {
        Self { offset: u64::from(header.log_pos), exact: false }
    }

    /// The second version: fields of type, length and value, each length-encoded.
    pub(crate) fn parse_v2(header: &Header, body: &[u8]) -> Result<Self, EventError> {
        const END: u64 = 0;
        const OFFSET: u64 = 2;
        let mut cursor = Cursor::new(body);
        let mut heartbeat = Self::parse(header);
        while !cursor.is_empty() {
            let field = cursor.packed()?;
            if field == END {
                break;
            }
            let value = cursor.packed_bytes()?;
            if field == OFFSET {
                let offset = in_a_file(Cursor::new(value).packed()?)?;
                heartbeat = Self { offset, exact: true };
            }
        }
        Ok(heartbeat)
    }
}

/// What the server says about lost data: the number of the incident.
pub(crate) fn incident(body: &[u8]) -> u16 {
    Cursor::new(body).u16().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventKind;

    fn header() -> Header {
        Header {
            timestamp: 0,
            kind: EventKind::HEARTBEAT_V2,
            server_id: 1,
            size: 0,
            log_pos: 77,
            flags: 0,
        }
    }

    #[test]
    fn a_rotation_names_file_and_offset() {
        let rotate = Rotate::parse(&[4, 0, 0, 0, 0, 0, 0, 0, b'b', b'.', b'2']).unwrap();
        assert_eq!(rotate, Rotate { file: "b.2", offset: 4 });
        assert!(Rotate::parse(&[4, 0, 0, 0, 0, 0, 0, 0]).is_err());
        assert!(Rotate::parse(&[4, 0, 0, 0, 0, 0, 0, 0, 0xff]).is_err());
        assert!(Rotate::parse(&[4]).is_err());
    }

    #[test]
    fn the_second_heartbeat_carries_a_long_offset() {
        let body = [1, 1, b'b', 2, 9, 0xfe, 0, 0, 0, 0, 2, 0, 0, 0, 0];
        let heartbeat = Heartbeat::parse_v2(&header(), &body).unwrap();
        assert_eq!(heartbeat, Heartbeat { offset: 2 << 32, exact: true });
        let none = Heartbeat::parse_v2(&header(), &[]).unwrap();
        assert_eq!(none, Heartbeat { offset: 77, exact: false });
        assert!(Heartbeat::parse_v2(&header(), &[2, 200]).is_err());
    }

    #[test]
    fn offsets_that_no_file_has_are_refused() {
        let beyond = (1_u64 << 63).to_le_bytes();
        let rotate = [&beyond[..], b"b.2"].concat();
        assert!(matches!(Rotate::parse(&rotate), Err(EventError::Malformed(_))));
        let heartbeat = [&[2, 9, 0xfe][..], &beyond].concat();
        let heartbeat = Heartbeat::parse_v2(&header(), &heartbeat);
        assert!(matches!(heartbeat, Err(EventError::Malformed(_))));
    }
}
