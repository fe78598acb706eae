//! The format description: how the events behind it are framed.

use super::frame::{EventError, HEADER_LENGTH, RawEvent};
use crate::cursor::Cursor;

/// How events are protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checksum {
    /// Not at all.
    None,
    /// Four bytes of CRC-32 behind each event.
    Crc32,
    /// The stream has not said yet.
    Unknown,
}

/// How the events of a file are framed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Format {
    pub(crate) checksum: Checksum,
    pub(crate) header_length: usize,
    /// Whether MariaDB wrote it.
    pub(crate) mariadb: bool,
    /// The server was started when it wrote this: transactions left open are rolled back.
    pub(crate) after_start: bool,
    /// Length of the fixed part of each event's body, from type 1 on.
    pub(super) post_header: Vec<u8>,
}

const VERSION_TEXT_LENGTH: usize = 50;
/// Where the version's text begins in the whole event: behind header and format number.
const VERSION_AT: usize = HEADER_LENGTH + 2;
/// One byte of algorithm and four of checksum, behind the list of lengths.
const TRAILER_LENGTH: usize = 5;

impl Default for Format {
    /// The format of the first event of a stream.
    fn default() -> Self {
        Self {
            checksum: Checksum::Unknown,
            header_length: HEADER_LENGTH,
            mariadb: false,
            after_start: false,
            post_header: Vec::new(),
        }
    }
}

impl Format {
    /// How the format description in `bytes` (a whole event) is protected itself.
    pub(crate) fn own_checksum(bytes: &[u8]) -> Checksum {
        let text = bytes.get(VERSION_AT..).and_then(|rest| rest.get(..VERSION_TEXT_LENGTH));
        let Some(version) = text.map(Version::parse) else { return Checksum::None };
        if !version.has_checksums() {
            return Checksum::None;
        }
        // The algorithm stands before the checksum, which is there even where it is not used.
        match bytes.len().checked_sub(TRAILER_LENGTH).and_then(|at| bytes.get(at)) {
            Some(1) => Checksum::Crc32,
            _ => Checksum::None,
        }
    }

    /// Reads a format description.
    pub(crate) fn of(event: &RawEvent<'_>) -> Result<Self, EventError> {
        Self::parse(event.body, event.is_checked())
    }

    /// Reads the body of a format description, behind which a checksum was verified or not.
    pub(super) fn parse(body: &[u8], checked: bool) -> Result<Self, EventError> {
        let mut cursor = Cursor::new(body);
        let number = cursor.u16()?;
        if number != 4 {
            return Err(EventError::Malformed("it is of a binlog version before 4 (MySQL 5.0)"));
        }
        let version = Version::parse(cursor.bytes(VERSION_TEXT_LENGTH)?);
        let created = cursor.u32()?;
        let header_length = usize::from(cursor.u8()?);
        if header_length < HEADER_LENGTH {
            return Err(EventError::Malformed("it declares headers shorter than 19 bytes"));
        }
        let mut list = cursor.take_rest();
        let mut checksum = Checksum::None;
        if version.has_checksums() {
            // With a verified checksum its four bytes are gone already; without, they are there.
            let behind = if checked { 1 } else { TRAILER_LENGTH };
            let at = list.len().checked_sub(behind).ok_or(EventError::Short)?;
            let (lengths, trailer) = list.split_at_checked(at).ok_or(EventError::Short)?;
            checksum = match trailer.first() {
                Some(0) => Checksum::None,
                Some(1) => Checksum::Crc32,
                _ => return Err(EventError::Malformed("its checksum algorithm is unknown")),
            };
            list = lengths;
        }
        Ok(Self {
            checksum,
            header_length,
            mariadb: version.mariadb,
            after_start: created != 0,
            post_header: list.to_vec(),
        })
    }

    /// The length of the fixed part of the body, as the file declares it for this type.
    pub(crate) fn post_header_length(&self, kind: super::EventKind) -> Option<u8> {
        self.post_header.get(usize::from(kind.0).checked_sub(1)?).copied()
    }
}

/// A server's version as far as the format depends on it.
struct Version {
    numbers: [u32; 3],
    mariadb: bool,
}

impl Version {
    fn parse(text: &[u8]) -> Self {
        let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
        let text = String::from_utf8_lossy(text);
        let mariadb = text.contains("MariaDB");
        // MariaDB: 10.x disguises itself as 5.5.5-10.x to old replicas.
        let plain = text.strip_prefix("5.5.5-").filter(|_| mariadb).unwrap_or(&text);
        let mut numbers = [0; 3];
        for (number, part) in numbers.iter_mut().zip(plain.split(['.', '-'])) {
            let digits: &str =
                part.split(|letter: char| !letter.is_ascii_digit()).next().unwrap_or("");
            *number = digits.parse().unwrap_or(0);
        }
        Self { numbers, mariadb }
    }

    /// MySQL: checksums came with 5.6.1; MariaDB: with 5.3.
    fn has_checksums(&self) -> bool {
        self.numbers >= if self.mariadb { [5, 3, 0] } else { [5, 6, 1] }
    }
}
