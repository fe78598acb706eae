//! Events as bytes, built by the unit tests.

use crate::event::EventKind;
use crate::event::format::Checksum;

/// An event under construction.
#[derive(Debug, Clone)]
pub(crate) struct EventBytes {
    kind: EventKind,
    body: Vec<u8>,
    pub(crate) timestamp: u32,
    pub(crate) server_id: u32,
    pub(crate) flags: u16,
    /// Where the event begins; the header says where it ends. `None` says 0.
    pub(crate) at: Option<u64>,
}

impl EventBytes {
    pub(crate) fn new(kind: EventKind, body: &[u8]) -> Self {
        Self {
            kind,
            body: body.to_vec(),
            timestamp: 1_700_000_000,
            server_id: 9,
            flags: 0,
            at: None,
        }
    }

    pub(crate) fn flags(mut self, flags: u16) -> Self {
        self.flags = flags;
        self
    }

    /// In seconds since 1970.
    pub(crate) fn timestamp(mut self, timestamp: u32) -> Self {
        self.timestamp = timestamp;
        self
    }

    pub(crate) fn at(mut self, at: u64) -> Self {
        self.at = Some(at);
        self
    }

    fn build(&self, trailer: usize) -> Vec<u8> {
        let size = u32::try_from(19 + self.body.len() + trailer).unwrap();
        let end = self.at.map_or(0, |at| at + u64::from(size)) & 0xffff_ffff;
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&self.timestamp.to_le_bytes());
        bytes.push(self.kind.0);
        bytes.extend_from_slice(&self.server_id.to_le_bytes());
        bytes.extend_from_slice(&size.to_le_bytes());
        bytes.extend_from_slice(&u32::try_from(end).unwrap().to_le_bytes());
        bytes.extend_from_slice(&self.flags.to_le_bytes());
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Without a checksum.
    pub(crate) fn plain(self) -> Vec<u8> {
        self.build(0)
    }

    /// With a checksum.
    pub(crate) fn checked(self) -> Vec<u8> {
        let mut bytes = self.build(4);
        let checksum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }
}

/// A whole format description event of a server of this version.
pub(crate) fn format_description(version: &str, checksum: Checksum) -> Vec<u8> {
    let mut body = vec![4, 0];
    let mut text = version.as_bytes().to_vec();
    text.resize(50, 0);
    body.extend_from_slice(&text);
    body.extend_from_slice(&[0, 0, 0, 0, 19]);
    let mut lengths = vec![0_u8; 172];
    lengths[1] = 13;
    lengths[18] = 8;
    for kind in 22..25 {
        lengths[kind] = 8;
    }
    for kind in 29..32 {
        lengths[kind] = 10;
    }
    body.extend_from_slice(&lengths);
    let old = version.starts_with("5.1");
    match checksum {
        Checksum::Crc32 => {
            body.push(1);
            EventBytes::new(EventKind::FORMAT_DESCRIPTION, &body).checked()
        }
        _ if old => EventBytes::new(EventKind::FORMAT_DESCRIPTION, &body).plain(),
        _ => {
            body.extend_from_slice(&[0; 5]);
            EventBytes::new(EventKind::FORMAT_DESCRIPTION, &body).plain()
        }
    }
}

/// The body of a table map, behind the table's id: flags, name, types, metadata.
pub(crate) fn table_map(
    name: (&str, &str),
    columns: &[(u8, &[u8])],
    nulls: &[u8],
    optional: &[(u8, &[u8])],
) -> Vec<u8> {
    let short = |length: usize| u8::try_from(length).unwrap();
    let mut body = vec![1, 0];
    for part in [name.0, name.1] {
        body.push(short(part.len()));
        body.extend_from_slice(part.as_bytes());
        body.push(0);
    }
    body.push(short(columns.len()));
    body.extend(columns.iter().map(|(code, _)| *code));
    let metas: Vec<u8> = columns.iter().flat_map(|(_, meta)| meta.iter().copied()).collect();
    body.push(short(metas.len()));
    body.extend(metas);
    body.extend_from_slice(nulls);
    for (kind, value) in optional {
        body.extend_from_slice(&[*kind, short(value.len())]);
        body.extend_from_slice(value);
    }
    body
}
