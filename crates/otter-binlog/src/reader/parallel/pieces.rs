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
    /// Where the next piece begins in the file.
    offset: u64,
    /// What was read of it already.
    rest: Vec<u8>,
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
        Ok(Self { input, offset, rest: Vec::new(), least, most, is_over: false })
    }

    /// The next piece, in the memory of an earlier one; `None` at the end, or where something else
    /// is needed to go on.
    pub(super) fn next(&mut self, mut bytes: Vec<u8>) -> Option<Piece> {
        bytes.clear();
        bytes.append(&mut self.rest);
        // Where the next event begins, and the last transaction that does not begin the piece.
        let (mut at, mut border) = (0, 0);
        while !self.is_over {
            let header = bytes.get(at..).and_then(<[u8]>::first_chunk::<HEADER_LENGTH>);
            let Some([_, _, _, _, kind, _, _, _, _, a, b, c, d, ..]) = header else {
                if self.read(&mut bytes) {
                    continue;
                }
                self.is_over = true;
                // What is cut off is not handed out.
                let is_whole = bytes.len() == at;
                return self.cut(bytes, if is_whole { at } else { border });
            };
            let size = usize::try_from(u32::from_le_bytes([*a, *b, *c, *d])).unwrap_or(usize::MAX);
            let kind = EventKind(*kind);
            if size < HEADER_LENGTH || kind == EventKind::FORMAT_DESCRIPTION {
                self.is_over = true;
                return self.cut(bytes, border);
            }
            if begins_transaction(kind) {
                border = at;
            }
            if border == at && at >= self.least {
                return self.cut(bytes, border);
            }
            at = at.saturating_add(size);
            if at - border > self.most {
                self.is_over = true;
                return self.cut(bytes, border);
            }
        }
        None
    }

    /// Whether there was more to read. An error is met again by whoever goes on.
    fn read(&mut self, bytes: &mut Vec<u8>) -> bool {
        bytes.reserve(READ);
        let most = u64::try_from(READ).unwrap_or(u64::MAX);
        (&mut self.input).take(most).read_to_end(bytes).is_ok_and(|read| read > 0)
    }

    fn cut(&mut self, mut bytes: Vec<u8>, at: usize) -> Option<Piece> {
        self.rest.extend_from_slice(bytes.get(at..).filter(|_| at > 0)?);
        bytes.truncate(at);
        let piece = Piece { offset: self.offset, bytes };
        self.offset += u64::try_from(at).unwrap_or(u64::MAX);
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
