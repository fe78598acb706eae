//! Several threads for one file, the order kept.
//!
//! A file is cut where transactions begin. Threads read the pieces, each with an assembler of its
//! own, and what they find is given in the order of the file. What cannot be read apart from the
//! rest ends that: transactions that are larger than a fragment, XA transactions, and every error.
//! From there on reading goes on without threads for a while, so that it comes to the same, the
//! places in errors included.

mod pieces;
mod worker;

use std::io;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use otter_core::{Batch, FilePlace, Fingerprint, Place};

use crate::selector::assembler::Assembler;
use pieces::Pieces;
use worker::{Found, Queue, Setup, Worker};

/// Large enough that beginning one costs nothing, small enough that what is found in it stays in the
/// processor's cache until it is looked at.
const PIECE_BYTES: usize = 512 << 10;
/// After threads could not go on, so many pieces are read without them; then twice as many each
/// time that they find less than that.
const PIECES_WITHOUT: u64 = 8;
const MOST_PIECES_WITHOUT: u64 = 1024;

/// How a file is read by several threads. Start from [`ParallelOptions::new`] and change what
/// differs.
///
/// ```
/// use std::num::NonZeroUsize;
/// use otter_binlog::reader::ParallelOptions;
///
/// let mut options = ParallelOptions::new(NonZeroUsize::MIN.saturating_add(3));
/// options.piece_bytes = 4 << 20;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParallelOptions {
    /// How many threads decode, beside the one that takes the batches. One is none: the caller's
    /// own thread decodes.
    pub threads: NonZeroUsize,
    /// A thread reads so many bytes of a file at once, up to the next transaction. It holds one
    /// such piece, and the memory of up to five batches.
    pub piece_bytes: usize,
}

impl ParallelOptions {
    /// The usual options for so many threads.
    #[must_use]
    pub fn new(threads: NonZeroUsize) -> Self {
        Self { threads, piece_bytes: PIECE_BYTES }
    }
}

/// The threads, where there are any now.
#[derive(Debug)]
pub(super) struct Lanes {
    options: ParallelOptions,
    division: Option<Division>,
    /// Up to this offset reading goes on without threads.
    without: u64,
    /// How many pieces are read without them next time.
    pause: u64,
}

/// A file while it is read by threads.
#[derive(Debug)]
struct Division {
    workers: Vec<Worker>,
    /// Which of them has taken the next piece of the file.
    order: Receiver<usize>,
    /// Who reads the piece that is given now.
    current: Option<usize>,
    /// Where that piece begins.
    base: Place,
    /// Where the first piece begins, and the last transaction before it.
    begin: FilePlace,
    before: Option<Fingerprint>,
}

impl Lanes {
    pub(super) fn new(options: ParallelOptions) -> Self {
        Self { options, division: None, without: 0, pause: PIECES_WITHOUT }
    }

    /// Threads may be used in the file that begins now.
    pub(super) fn begin_file(&mut self) {
        self.division = None;
        self.without = 0;
    }

    /// Whether threads are reading.
    pub(super) fn are_reading(&self) -> bool {
        self.division.is_some()
    }

    /// Whether threads may be used from this offset on, as far as they know.
    pub(super) fn are_due(&self, offset: u64) -> bool {
        offset >= self.without
    }

    /// Begins to read with threads behind the assembler's position, from an event on.
    pub(super) fn begin(&mut self, path: &Path, place: &FilePlace, assembler: &Assembler) {
        match Division::begin(self.options, path, place, assembler) {
            Ok(Some(division)) => self.division = Some(division),
            // Without threads it goes as well; a file that cannot be read is met there.
            Ok(None) | Err(_) => self.without = u64::MAX,
        }
    }

    /// The next batch of the threads.
    pub(super) fn next(&mut self, assembler: &mut Assembler) -> Option<Batch> {
        self.division.as_mut()?.next(assembler)
    }

    /// Where reading goes on without threads, after they gave the last batch.
    pub(super) fn end(&mut self, assembler: &Assembler) -> Option<FilePlace> {
        let Division { begin, before, .. } = self.division.take()?;
        let start = begin.offset;
        let position = &assembler.position().applied_through;
        // Where no transaction has ended, the position may stand before events that were read.
        let has_moved = position.last != before;
        let reached = position.file.clone().filter(|_| has_moved).unwrap_or(begin);
        let piece = u64::try_from(self.options.piece_bytes).unwrap_or(u64::MAX);
        let went = reached.offset.saturating_sub(start);
        self.pause = if went > piece.saturating_mul(self.pause) {
            PIECES_WITHOUT
        } else {
            self.pause.saturating_mul(2).min(MOST_PIECES_WITHOUT)
        };
        self.without = reached.offset.saturating_add(piece.saturating_mul(self.pause));
        Some(reached)
    }
}

impl Division {
    /// `None` where the file is too small to be cut.
    fn begin(
        options: ParallelOptions,
        path: &Path,
        place: &FilePlace,
        assembler: &Assembler,
    ) -> io::Result<Option<Self>> {
        let least = options.piece_bytes.max(1);
        let left = std::fs::metadata(path)?.len().saturating_sub(place.offset);
        if left < u64::try_from(least).unwrap_or(u64::MAX).saturating_mul(2) {
            return Ok(None);
        }
        let apart = assembler.apart();
        let pieces = Pieces::open(path, place.offset, least, apart.options().fragment_bytes)?;
        let (tell, order) = channel();
        let queue = Mutex::new(Queue { pieces, order: Some(tell) });
        let setup = Arc::new(Setup { apart, file: Arc::clone(&place.file), queue });
        let start = |number| Worker::start(Arc::clone(&setup), number);
        let workers = (0..options.threads.get()).map(start).collect::<io::Result<Vec<_>>>()?;
        let base = assembler.position().applied_through.clone();
        let (begin, before) = (place.clone(), base.last.clone());
        Ok(Some(Self { workers, order, current: None, base, begin, before }))
    }

    /// `None` where nothing follows, or what follows cannot be read apart.
    fn next(&mut self, assembler: &mut Assembler) -> Option<Batch> {
        loop {
            let current = match self.current {
                Some(current) => current,
                None => *self.current.insert(self.order.recv().ok()?),
            };
            match self.workers.get(current)?.next()? {
                Found::Batch(batch) => return assembler.take_over(&self.base, *batch),
                Found::End { reached, is_whole } => {
                    self.current = None;
                    if !assembler.follow_to(&self.base, &reached) || !is_whole {
                        return None;
                    }
                    self.base = assembler.position().applied_through.clone();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
