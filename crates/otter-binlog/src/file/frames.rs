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

/// A file and the offset of the next event.
pub(crate) struct Frames<R> {
    input: R,
    name: Arc<str>,
    offset: u64,
    max_event: usize,
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
}

impl<R: Read> Frames<R> {
    pub(crate) fn new(name: &str, mut input: R, max_event: usize) -> Result<Self, FileError> {
        let mut magic = Vec::with_capacity(MAGIC.len());
        input.by_ref().take(FILE_BEGIN).read_to_end(&mut magic).map_err(FileError::Read)?;
        match <[u8; 4]>::try_from(magic.as_slice()) {
            Ok(MAGIC) => Ok(Self { input, name: name.into(), offset: FILE_BEGIN, max_event }),
            Ok(ENCRYPTED) => Err(FileError::Encrypted),
            _ => Err(FileError::NoBinlog),
        }
    }

    /// Reads the next event's bytes; false at the end.
    pub(crate) fn next(&mut self, buffer: &mut Vec<u8>) -> Result<bool, FileError> {
        buffer.clear();
        let header = u64::try_from(HEADER_LENGTH).unwrap_or(u64::MAX);
        self.append(buffer, header)?;
        if buffer.is_empty() {
            return Ok(false);
        }
        let cut = |this: &Self| FileError::Cut { place: this.place() };
        let size = buffer.get(9..13).and_then(|bytes| bytes.first_chunk::<4>());
        let size = u32::from_le_bytes(*size.ok_or_else(|| cut(self))?);
        let length = usize::try_from(size).unwrap_or(usize::MAX);
        if length > self.max_event {
            return Err(FileError::TooLarge { place: self.place(), limit: self.max_event });
        }
        self.append(buffer, u64::from(size).saturating_sub(header))?;
        if buffer.len() < length.max(HEADER_LENGTH) {
            return Err(cut(self));
        }
        let kind = EventKind(buffer.get(4).copied().unwrap_or(0));
        let place = self.place();
        self.offset += u64::from(size).max(header);
        if kind == EventKind::START_V3 {
            let source = EventError::Malformed("it is of a binlog version before 4");
            return Err(FileError::Event { place, kind, source });
        }
        Ok(true)
    }

    /// Memory grows with what is there, not with what a header promises.
    fn append(&mut self, buffer: &mut Vec<u8>, count: u64) -> Result<(), FileError> {
        self.input.by_ref().take(count).read_to_end(buffer).map_err(FileError::Read)?;
        Ok(())
    }
}

impl<R: Seek> Frames<R> {
    /// Goes on at an offset.
    pub(crate) fn move_to(&mut self, offset: u64) -> Result<(), FileError> {
        self.input.seek(SeekFrom::Start(offset)).map_err(FileError::Read)?;
        self.offset = offset;
        Ok(())
    }
}
