//! One step after the other over the events of one input: what the live selector does in the same
//! situation, but nothing is waited for.
//!
//! The reader of files and each thread of a parallel one go by these steps. They know nothing of
//! what comes behind the input.

use std::collections::VecDeque;
use std::io::Read;

use otter_core::{Batch, Permit};

use super::error::ReadError;
use crate::event::EventKind;
use crate::file::FileError;
use crate::file::frames::Frames;
use crate::selector::SelectError;
use crate::selector::assembler::Assembler;

/// How many bytes of unwanted transactions are read before the position is reported without one.
const PROGRESS_BYTES: usize = 8 << 20;

/// What a step has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stepped {
    /// It went on.
    On,
    /// Nothing: the input has no more events.
    ToTheEnd,
}

/// Why a step could not be done.
#[derive(Debug)]
pub(super) enum StepError {
    File(FileError),
    Content(SelectError),
}

impl From<FileError> for StepError {
    fn from(error: FileError) -> Self {
        Self::File(error)
    }
}

impl From<SelectError> for StepError {
    fn from(error: SelectError) -> Self {
        Self::Content(error)
    }
}

impl StepError {
    /// The error of whoever knows which file it was.
    pub(super) fn within(self, file_error: impl FnOnce(FileError) -> ReadError) -> ReadError {
        match self {
            Self::File(error) => file_error(error),
            Self::Content(error) => error.into(),
        }
    }
}

/// Events in, batches out.
#[derive(Debug)]
pub(super) struct Steps<R> {
    /// `None` behind the last input.
    pub(super) frames: Option<Frames<R>>,
    pub(super) assembler: Assembler,
    /// Batches to be given, in order.
    pub(super) ready: VecDeque<Batch>,
    /// Bytes since the last batch.
    silent_bytes: usize,
}

impl<R> Steps<R> {
    pub(super) fn new(frames: Option<Frames<R>>, assembler: Assembler) -> Self {
        Self { frames, assembler, ready: VecDeque::new(), silent_bytes: 0 }
    }

    /// Cuts a batch of what is finished, or of how far reading has come.
    pub(super) fn cut(&mut self) -> Result<(), SelectError> {
        let batch = self.assembler.cut()?;
        self.give(Some(Box::new(batch)));
        Ok(())
    }

    /// Hands out everything that is here, the transaction in progress as a fragment.
    fn cut_all(&mut self) -> Result<(), SelectError> {
        if self.assembler.has_finished() {
            self.cut()?;
        }
        let fragment = self.assembler.cut_fragment()?;
        self.give(fragment);
        Ok(())
    }

    fn give(&mut self, batch: Option<Box<Batch>>) {
        let Some(mut batch) = batch else { return };
        batch.permit = Permit::none();
        self.silent_bytes = 0;
        self.ready.push_back(*batch);
    }

    fn feed_carry(&mut self) -> Result<(), SelectError> {
        if self.assembler.find_room() {
            return self.assembler.feed_carry();
        }
        if self.assembler.holds_rows() {
            return self.cut_all();
        }
        Err(SelectError::Bug("there is no room, and nothing takes it"))
    }

    fn is_batch_due(&self) -> bool {
        self.assembler.is_full()
            || self.silent_bytes >= PROGRESS_BYTES && self.assembler.has_moved()
    }
}

impl<R: Read> Steps<R> {
    /// Steps until there is something to be given, or no more of the input, or until `is_enough`.
    pub(super) fn run(
        &mut self,
        is_enough: impl Fn(&Assembler) -> bool,
    ) -> Result<Stepped, StepError> {
        loop {
            let stepped = self.step()?;
            let is_over = stepped == Stepped::ToTheEnd || !self.ready.is_empty();
            if is_over || is_enough(&self.assembler) {
                return Ok(stepped);
            }
        }
    }

    #[inline]
    pub(super) fn step(&mut self) -> Result<Stepped, StepError> {
        if self.assembler.is_fragment_due() {
            self.cut_all()?;
        } else if self.assembler.has_carry() {
            self.feed_carry()?;
        } else if self.is_batch_due() {
            self.cut()?;
        } else if self.assembler.has_payload() {
            let batch = self.assembler.feed_payload()?;
            self.give(batch);
        } else {
            return self.read();
        }
        Ok(Stepped::On)
    }

    fn read(&mut self) -> Result<Stepped, StepError> {
        let Some(frames) = &mut self.frames else { return Ok(Stepped::ToTheEnd) };
        let Some(bytes) = frames.next()? else { return Ok(Stepped::ToTheEnd) };
        if kind_of(bytes) == EventKind::START_ENCRYPTION {
            return Err(FileError::Encrypted.into());
        }
        self.silent_bytes = self.silent_bytes.saturating_add(bytes.len());
        let batch = self.assembler.feed(bytes)?;
        self.give(batch);
        Ok(Stepped::On)
    }
}

pub(super) fn kind_of(bytes: &[u8]) -> EventKind {
    EventKind(bytes.get(4).copied().unwrap_or(0))
}
