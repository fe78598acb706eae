//! A walk over the events of a binlog file: headers only.

/// The kinds of events that seeds are made of.
pub mod kind {
    pub const QUERY: u8 = 2;
    pub const FORMAT_DESCRIPTION: u8 = 15;
    pub const TABLE_MAP: u8 = 19;
    pub const GTID: u8 = 33;
    pub const ANONYMOUS_GTID: u8 = 34;
    pub const PREVIOUS_GTIDS: u8 = 35;
    pub const PAYLOAD: u8 = 40;
    pub const GTID_TAGGED: u8 = 42;
    pub const MARIADB_GTID: u8 = 162;
    pub const GTID_LIST: u8 = 163;

    pub fn is_rows(kind: u8) -> bool {
        matches!(kind, 23..=25 | 30..=32 | 39 | 166..=171)
    }
}

const HEADER: usize = 19;
/// Where a format description tells the server's version, behind header and format number.
const VERSION: std::ops::Range<usize> = 2..52;
const CHECKSUM: usize = 4;

/// One event without header and checksum.
#[derive(Clone, Copy)]
pub struct Event<'a> {
    pub kind: u8,
    pub flags: u8,
    pub body: &'a [u8],
    header: &'a [u8],
    /// A format description has room for a checksum even where there is none.
    has_checksums: bool,
}

impl<'a> Event<'a> {
    /// Table maps and row events: the table's id and what comes behind it.
    pub fn split_id(&self) -> Option<(u64, &'a [u8])> {
        let (id, rest) = self.body.split_at_checked(6)?;
        Some((id.iter().rev().fold(0, |id, byte| id << 8 | u64::from(*byte)), rest))
    }

    /// The text of a QUERY event.
    pub fn statement(&self) -> Option<&'a [u8]> {
        let database = usize::from(*self.body.get(8)?);
        let status = usize::from(u16::from_le_bytes([*self.body.get(11)?, *self.body.get(12)?]));
        self.body.get(13 + status + database + 1..)
    }

    /// The body of a format description that says that events have no checksums.
    pub fn unchecked_body(&self) -> Vec<u8> {
        let mut body = self.body.to_vec();
        if self.has_checksums {
            body.pop();
            body.extend_from_slice(&[0; 1 + CHECKSUM]);
        }
        body
    }
}

/// A binlog file.
pub struct Binlog<'a> {
    pub events: Vec<Event<'a>>,
    pub mariadb: bool,
}

impl<'a> Binlog<'a> {
    /// Walks over a file; `None` where it is none. What cannot be walked over is left out.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = bytes.strip_prefix(b"\xfebin")?;
        let mut binlog = Self { events: Vec::new(), mariadb: false };
        let mut trailer = 0;
        while let Some(header) = rest.get(..HEADER) {
            let size = u32::from_le_bytes(*header.get(9..13)?.first_chunk()?);
            let size = usize::try_from(size).ok()?;
            if size < HEADER {
                break;
            }
            let Some((event, behind)) = rest.split_at_checked(size) else { break };
            rest = behind;
            let body = event.get(HEADER..)?;
            let mut has_checksums = false;
            let kind = *header.get(4)?;
            if kind == kind::FORMAT_DESCRIPTION {
                let version = String::from_utf8_lossy(body.get(VERSION)?).into_owned();
                binlog.mariadb = version.contains("MariaDB");
                has_checksums = checksums(&version);
                let algorithm = body.get(body.len().checked_sub(1 + CHECKSUM)?)?;
                trailer = if has_checksums && *algorithm == 1 { CHECKSUM } else { 0 };
            }
            let own = if has_checksums { CHECKSUM } else { trailer };
            let Some(body) = body.get(..body.len().saturating_sub(own)) else { break };
            let flags = *header.get(17)?;
            binlog.events.push(Event { kind, flags, body, header, has_checksums });
        }
        Some(binlog)
    }

    /// The file without checksums, up to this many bytes.
    pub fn without_checksums(&self, most: usize) -> Vec<u8> {
        let mut bytes = b"\xfebin".to_vec();
        for event in &self.events {
            let body = event.unchecked_body();
            if bytes.len() + HEADER + body.len() > most {
                break;
            }
            let size = u32::try_from(HEADER + body.len()).unwrap_or(u32::MAX).to_le_bytes();
            bytes.extend_from_slice(&event.header[..9]);
            bytes.extend_from_slice(&size);
            bytes.extend_from_slice(&event.header[13..]);
            bytes.extend(body);
        }
        bytes
    }
}

/// Since MySQL 5.6.1 and MariaDB 5.3 a format description tells how events are protected.
fn checksums(version: &str) -> bool {
    let mut numbers = version
        .split(|letter: char| !letter.is_ascii_digit())
        .map(|number| number.parse().unwrap_or(0_u32));
    let mut next = || numbers.next().unwrap_or(0);
    let found = (next(), next(), next());
    found >= if version.contains("MariaDB") { (5, 3, 0) } else { (5, 6, 1) }
}
