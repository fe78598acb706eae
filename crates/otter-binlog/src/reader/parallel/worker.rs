//! A thread that reads pieces of a file, one after the other.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use otter_core::{Batch, FilePlace, Position};

use super::super::budget_for;
use super::super::steps::{Stepped, Steps};
use super::pieces::Piece;
use crate::file::frames::Frames;
use crate::selector::assembler::Apart;

/// Pieces that a thread has or will have next.
pub(super) const MOST_PIECES: usize = 2;
/// The batches of a usual piece, so that a thread need not wait until the one before it is done.
const MOST_BATCHES: usize = 8;

/// What is common to the pieces of one file.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) apart: Apart,
    pub(super) file: Arc<str>,
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

/// A thread, and the two ends of its work.
#[derive(Debug)]
pub(super) struct Worker {
    pieces: Option<SyncSender<Piece>>,
    found: Option<Receiver<Found>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    pub(super) fn start(setup: Arc<Setup>) -> io::Result<Self> {
        let (pieces, next) = sync_channel(MOST_PIECES);
        let (give, found) = sync_channel(MOST_BATCHES);
        let work = move || {
            while let Ok(piece) = next.recv() {
                if read(&setup, piece, &give).is_err() {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("otter-binlog".to_owned()).spawn(work)?;
        Ok(Self { pieces: Some(pieces), found: Some(found), thread: Some(thread) })
    }

    /// Gives it a piece. No more than [`MOST_PIECES`] at a time, so that this does not wait.
    pub(super) fn send(&self, piece: Piece) {
        if let Some(pieces) = &self.pieces {
            // A thread that has ended is noticed where its answer is waited for.
            let _ = pieces.send(piece);
        }
    }

    /// Waits for what it finds next; `None` where the thread has ended.
    pub(super) fn next(&self) -> Option<Found> {
        self.found.as_ref()?.recv().ok()
    }
}

impl Drop for Worker {
    /// Waits for the thread, which ends with the batch that it is reading.
    fn drop(&mut self) {
        self.pieces = None;
        self.found = None;
        if let Some(thread) = self.thread.take() {
            // Whether it has panicked does not matter to whoever reads on without it.
            let _ = thread.join();
        }
    }
}

/// Reads a piece as far as it can be read apart from the others.
fn read(setup: &Setup, piece: Piece, found: &SyncSender<Found>) -> Result<(), Unwanted> {
    let give = |what| found.send(what).map_err(|_| Unwanted);
    let options = setup.apart.options();
    let place = FilePlace { file: Arc::clone(&setup.file), offset: piece.offset };
    let assembler = setup.apart.begin(place.clone(), budget_for(options));
    let frames = Frames::behind(place, piece.bytes, io::empty(), options.max_event);
    let mut steps = Steps::new(Some(frames), assembler);
    let is_whole = loop {
        let stepped = steps.step();
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
    give(Found::End { reached, is_whole })
}
