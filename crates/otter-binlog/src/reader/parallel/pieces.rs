//! Cuts a file where transactions begin, without reading more of it than the heads of events.
//!
//! Where something is not as usual, it ends: whoever reads events decides what that is.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use crate::event::EventKind;
use crate::event::frame::HEADER_LENGTH;

/// A file is read in pieces of this size.
const READ: usize = 256 * 1024;
/// Whole transactions, one after the other.
#[derive(Debug)]
pub(super) struct Piece {
    /// Where they begin in the file.
    pub(super) offset: u64,
    pub(super) bytes: Vec<u8>,
}

/// A file from an event on.
#[derive(Debug)]
pub(super) struct Pieces {
    input: File,
    /// Where the buffer begins in the file.
    offset: u64,
    buffer: Vec<u8>,
    /// Where the next event begins in the buffer, or behind it.
    at: usize,
    /// Where the last transaction begins that does not begin the buffer; or 0.
    border: usize,
    least: usize,
    /// A larger transaction is not read apart.
    most: usize,
    is_over: bool,
}

impl Pieces {
    /// Pieces of at least `least` bytes, of transactions of at most `most` bytes.
    pub(super) fn open(path: &Path, offset: u64, least: usize, most: usize) -> io::Result<Self> {
        let mut input = File::open(path)?;
        input.seek(SeekFrom::Start(offset))?;
        let buffer = Vec::new();
        Ok(Self { input, offset, buffer, at: 0, border: 0, least, most, is_over: false })
    }

    /// The next piece; `None` at the end, or where something else is needed to go on.
    pub(super) fn next(&mut self) -> Option<Piece> {
        while !self.is_over {
            let header = self.buffer.get(self.at..).and_then(<[u8]>::first_chunk::<HEADER_LENGTH>);
            let Some([_, _, _, _, kind, _, _, _, _, a, b, c, d, ..]) = header else {
                if self.read() {
                    continue;
                }
                self.is_over = true;
                // What is cut off is not handed out.
                let is_whole = self.buffer.len() == self.at;
                return self.cut(if is_whole { self.at } else { self.border });
            };
            let size = usize::try_from(u32::from_le_bytes([*a, *b, *c, *d])).unwrap_or(usize::MAX);
            let kind = EventKind(*kind);
            if size < HEADER_LENGTH || kind == EventKind::FORMAT_DESCRIPTION {
                self.is_over = true;
                return self.cut(self.border);
            }
            if begins_transaction(kind) {
                self.border = self.at;
            }
            if self.border == self.at && self.at >= self.least {
                return self.cut(self.border);
            }
            self.at = self.at.saturating_add(size);
            if self.at - self.border > self.most {
                self.is_over = true;
                return self.cut(self.border);
            }
        }
        None
    }

    /// Whether there was more to read. An error is met again by whoever goes on.
    fn read(&mut self) -> bool {
        self.buffer.reserve(READ);
        let most = u64::try_from(READ).unwrap_or(u64::MAX);
        (&mut self.input).take(most).read_to_end(&mut self.buffer).is_ok_and(|read| read > 0)
    }

    fn cut(&mut self, at: usize) -> Option<Piece> {
        if at == 0 || at > self.buffer.len() {
            return None;
        }
        let rest = self.buffer.split_off(at);
        let piece = Piece { offset: self.offset, bytes: std::mem::replace(&mut self.buffer, rest) };
        self.offset += u64::try_from(at).unwrap_or(u64::MAX);
        self.at -= at.min(self.at);
        self.border = 0;
        Some(piece)
    }
}

fn begins_transaction(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::GTID
            | EventKind::GTID_TAGGED
            | EventKind::ANONYMOUS_GTID
            | EventKind::MARIADB_GTID
    )
}
