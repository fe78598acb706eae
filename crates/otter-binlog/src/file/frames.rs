//! The frames of a file: the bytes of one event after the other, undecoded.

use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use otter_core::FilePlace;

use super::error::FileError;
use crate::event::frame::HEADER_LENGTH;
use crate::event::{EventError, EventKind};
use crate::selector::tape::FILE_BEGIN;

/// What every binlog file begins with, and what one begins with that MySQL has encrypted.
pub(crate) const MAGIC: [u8; 4] = *b"\xfebin";
pub(crate) const ENCRYPTED: [u8; 4] = *b"\xfdbin";

/// A file is read in pieces of this size: thousands of small events per system call.
const PIECE: usize = 256 * 1024;

/// A file and the offset of the next event.
pub(crate) struct Frames<R> {
    input: R,
    name: Arc<str>,
    offset: u64,
    max_event: usize,
    /// What was read ahead, and how much of it was given.
    buffer: Vec<u8>,
    given: usize,
}

impl<R> std::fmt::Debug for Frames<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Frames({}:{})", self.name, self.offset)
    }
}

impl<R> Frames<R> {
    /// Where the next event begins.
    pub(crate) fn place(&self) -> FilePlace {
        FilePlace { file: Arc::clone(&self.name), offset: self.offset }
    }

    /// The memory of what was read ahead, to be used again.
    pub(crate) fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }
}

impl<R: Read> Frames<R> {
    pub(crate) fn new(name: &str, mut input: R, max_event: usize) -> Result<Self, FileError> {
        let mut magic = Vec::with_capacity(MAGIC.len());
        input.by_ref().take(FILE_BEGIN).read_to_end(&mut magic).map_err(FileError::Read)?;
        match <[u8; 4]>::try_from(magic.as_slice()) {
            Ok(MAGIC) => {}
            Ok(ENCRYPTED) => return Err(FileError::Encrypted),
            _ => return Err(FileError::NoBinlog),
        }
        let place = FilePlace::new(name, FILE_BEGIN);
        Ok(Self::behind(place, Vec::new(), input, max_event))
    }

    /// Begins at a place, with these bytes and the input behind them.
    pub(crate) fn behind(place: FilePlace, read: Vec<u8>, input: R, max_event: usize) -> Self {
        let FilePlace { file, offset } = place;
        Self { input, name: file, offset, max_event, buffer: read, given: 0 }
    }

    /// The next event's bytes; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<&[u8]>, FileError> {
        let read = self.read_ahead(HEADER_LENGTH)?;
        if read == 0 {
            return Ok(None);
        }
        let header = self.buffer.get(self.given..).and_then(<[u8]>::first_chunk::<HEADER_LENGTH>);
        let Some([_, _, _, _, kind, _, _, _, _, a, b, c, d, ..]) = header else {
            return Err(FileError::Cut { place: self.place() });
        };
        let (kind, size) = (EventKind(*kind), u32::from_le_bytes([*a, *b, *c, *d]));
        let length = usize::try_from(size).unwrap_or(usize::MAX);
        if length > self.max_event {
            return Err(FileError::TooLarge { place: self.place(), limit: self.max_event });
        }
        let length = length.max(HEADER_LENGTH);
        if self.read_ahead(length)? < length {
            return Err(FileError::Cut { place: self.place() });
        }
        let (place, begin) = (self.offset, self.given);
        self.given += length;
        self.offset += u64::try_from(length).unwrap_or(u64::MAX);
        if kind == EventKind::START_V3 {
            let place = FilePlace { file: Arc::clone(&self.name), offset: place };
            let source = EventError::Malformed("it is of a binlog version before 4");
            return Err(FileError::Event { place, kind, source });
        }
        Ok(self.buffer.get(begin..self.given))
    }

    /// Reads until so many bytes are there, or the input ends; returns how many there are. Memory
    /// grows with what is there, not with what a header promises.
    #[inline]
    fn read_ahead(&mut self, count: usize) -> Result<usize, FileError> {
        let there = self.buffer.len() - self.given;
        if there >= count { Ok(there) } else { self.fill(count) }
    }

    fn fill(&mut self, count: usize) -> Result<usize, FileError> {
        self.buffer.drain(..self.given);
        self.given = 0;
        let piece = u64::try_from(PIECE).unwrap_or(u64::MAX);
        while self.buffer.len() < count {
            self.buffer.reserve(PIECE);
            let read = self.input.by_ref().take(piece).read_to_end(&mut self.buffer);
            if read.map_err(FileError::Read)? == 0 {
                break;
            }
        }
        Ok(self.buffer.len())
    }
}

impl<R: Seek> Frames<R> {
    /// Goes on at an offset.
    pub(crate) fn move_to(&mut self, offset: u64) -> Result<(), FileError> {
        self.input.seek(SeekFrom::Start(offset)).map_err(FileError::Read)?;
        self.buffer.clear();
        self.given = 0;
        self.offset = offset;
        Ok(())
    }
}
