//! A thread that reads pieces of a file, one after the other.

use std::io;
use std::sync::mpsc::{Receiver, Sender, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use otter_core::{Batch, FilePlace, Position};

use super::super::budget_for;
use super::super::steps::{Stepped, Steps};
use super::pieces::{Piece, Pieces};
use crate::file::frames::Frames;
use crate::selector::assembler::{Apart, Assembler, Spare};

/// What a thread has found and nobody has taken: the batches of a usual piece and its end, so that it
/// need not wait until the piece before it is done. With more, less of it stays in the cache.
const MOST_BATCHES: usize = 3;
/// Besides those, the one that is taken and the one that is written.
const MOST_ARENAS: usize = MOST_BATCHES + 2;

/// What is common to the pieces of one file.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) apart: Apart,
    pub(super) file: Arc<str>,
    pub(super) queue: Mutex<Queue>,
}

/// The pieces that no thread has taken.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) pieces: Pieces,
    /// Told which thread has taken the next piece; `None` behind the last one.
    pub(super) order: Option<Sender<usize>>,
}

impl Setup {
    /// The next piece, for this thread. Whoever takes it reads it, one at a time, into memory that
    /// it has used before.
    fn next(&self, thread: usize, memory: Vec<u8>) -> Option<Piece> {
        let mut queue = self.queue.lock().ok()?;
        let piece = queue.pieces.next(memory);
        let is_taken = |order: &Sender<usize>| piece.is_some() && order.send(thread).is_ok();
        if !queue.order.as_ref().is_some_and(is_taken) {
            queue.order = None;
            return None;
        }
        piece
    }
}

/// What a thread keeps from one piece to the next.
#[derive(Debug)]
struct Memory {
    bytes: Vec<u8>,
    arenas: Spare,
}

/// What is found in a piece: batches, then its end.
#[derive(Debug)]
pub(super) enum Found {
    Batch(Box<Batch>),
    End {
        reached: Box<Position>,
        /// Nothing is left of the piece.
        is_whole: bool,
    },
}

/// Nobody wants to know any more.
struct Unwanted;

/// A thread, and the end of its work.
#[derive(Debug)]
pub(super) struct Worker {
    found: Option<Receiver<Found>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts the thread with this number.
    pub(super) fn start(setup: Arc<Setup>, number: usize) -> io::Result<Self> {
        let (give, found) = sync_channel(MOST_BATCHES);
        let work = move || {
            let arenas = setup.apart.spare(MOST_ARENAS);
            let mut memory = Memory { bytes: Vec::new(), arenas };
            while let Some(piece) = setup.next(number, std::mem::take(&mut memory.bytes)) {
                if read(&setup, piece, &mut memory, &give).is_err() {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("otter-binlog".to_owned()).spawn(work)?;
        Ok(Self { found: Some(found), thread: Some(thread) })
    }

    /// Waits for what it finds next; `None` where the thread has ended.
    pub(super) fn next(&self) -> Option<Found> {
        self.found.as_ref()?.recv().ok()
    }
}

impl Drop for Worker {
    /// Waits for the thread, which ends with the batch that it is reading.
    fn drop(&mut self) {
        self.found = None;
        if let Some(thread) = self.thread.take() {
            // Whether it has panicked does not matter to whoever reads on without it.
            let _ = thread.join();
        }
    }
}

/// Reads a piece as far as it can be read apart from the others.
fn read(
    setup: &Setup,
    piece: Piece,
    memory: &mut Memory,
    found: &SyncSender<Found>,
) -> Result<(), Unwanted> {
    let give = |what| found.send(what).map_err(|_| Unwanted);
    let options = setup.apart.options();
    let place = FilePlace { file: Arc::clone(&setup.file), offset: piece.offset };
    let arenas = std::mem::take(&mut memory.arenas);
    let assembler = setup.apart.begin(place.clone(), budget_for(options), arenas);
    let frames = Frames::behind(place, piece.bytes, io::empty(), options.max_event);
    let mut steps = Steps::new(Some(frames), assembler);
    let is_whole = loop {
        let stepped = steps.run(Assembler::has_xa);
        let mut is_fragment = false;
        while let Some(batch) = steps.ready.pop_front() {
            is_fragment |= batch.through.is_none();
            if !is_fragment {
                give(Found::Batch(Box::new(batch)))?;
            }
        }
        match stepped {
            Ok(Stepped::On) if !is_fragment && !steps.assembler.has_xa() => {}
            Ok(Stepped::ToTheEnd) => break steps.assembler.may_part(),
            // A fragment, an XA transaction or an error: reading goes on without threads behind
            // the last transaction, and comes to the same.
            Ok(Stepped::On) | Err(_) => break false,
        }
    };
    let is_progress = is_whole && steps.assembler.has_moved();
    if (steps.assembler.has_finished() || is_progress) && steps.cut().is_ok() {
        while let Some(batch) = steps.ready.pop_front() {
            give(Found::Batch(Box::new(batch)))?;
        }
    }
    let reached = Box::new(steps.assembler.position().clone());
    memory.arenas = steps.assembler.into_spare();
    memory.bytes = steps.frames.map(Frames::into_buffer).unwrap_or_default();
    give(Found::End { reached, is_whole })
}
